"""Tables out: columns, types and order as spec §7 says them, the same bytes whatever the segments."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.ledger.as_of import AsOf
from pipeline.ledger.dump import dump
from pipeline.ledger.store import Store
from schemas import LEDGER, STORED
from schemas.table import key
from tests.support import Company

TEXT, BOOL = pa.string(), pa.bool_()
INTEGER, BIGINT, AMOUNT, DAY, INSTANT = pa.int32(), pa.int64(), pa.decimal128(18, 4), pa.date32(), pa.timestamp("us")

SPEC: dict[str, dict[pa.DataType, str]] = {
    "entry_lines": {
        TEXT: "legal_entity journal journal_code document_kind document employee role account auxiliary nominal_side "
        "currency foreign_currency expense expense_type vat_code label axis_client axis_project lettering",
        BIGINT: "run entry_number reverses",
        INTEGER: "fiscal_year line_number version reverses_fiscal_year",
        DAY: "entry_date document_date lettered_on",
        AMOUNT: "debit credit foreign_amount",
        BOOL: "reversal",
    },
    "letterings": {
        TEXT: "legal_entity employee lettering payment_order",
        DAY: "lettered_on delettered_on",
        BIGINT: "lettered_run delettered_run",
    },
    "lettering_lines": {
        TEXT: "legal_entity employee lettering journal_code",
        INTEGER: "fiscal_year line_number",
        BIGINT: "entry_number",
    },
    "balances": {TEXT: "legal_entity account auxiliary", AMOUNT: "debit credit balance"},
    "employee_accounts": {TEXT: "legal_entity employee", AMOUNT: "third_party advance_one_time advance_regular"},
    "payments": {
        TEXT: "payment_order legal_entity employee iban journal_code status",
        AMOUNT: "amount",
        INTEGER: "fiscal_year",
        BIGINT: "entry_number",
    },
    "documents": {
        TEXT: "document_kind document legal_entity status state",
        INTEGER: "version",
        BIGINT: "first_run last_run",
    },
    "quarantine": {
        TEXT: "table_name document row_key rule column_name value message",
        INTEGER: "version",
        BIGINT: "first_run last_run resolved_run",
    },
    "runs": {
        TEXT: "table_name batch_digest",
        DAY: "run_on",
        BIGINT: "run rows_in retried posted unchanged superseded ignored quarantined",
    },
    "run_times": {TEXT: "host version", BIGINT: "run", INSTANT: "started_at finished_at"},
}
ORDER = {
    "entry_lines": "run legal_entity journal journal_code fiscal_year entry_number line_number entry_date document_kind "
    "document version document_date reversal reverses reverses_fiscal_year employee role account auxiliary nominal_side "
    "debit credit currency foreign_currency foreign_amount expense expense_type vat_code label axis_client axis_project "
    "lettering lettered_on",
    "letterings": "legal_entity employee lettering lettered_on lettered_run delettered_on delettered_run payment_order",
    "lettering_lines": "legal_entity employee lettering journal_code fiscal_year entry_number line_number",
    "balances": "legal_entity account auxiliary debit credit balance",
    "employee_accounts": "legal_entity employee third_party advance_one_time advance_regular",
    "payments": "payment_order legal_entity employee amount iban journal_code fiscal_year entry_number status",
    "documents": "document_kind document legal_entity version status first_run last_run state",
    "quarantine": "table_name document version row_key rule column_name value message first_run last_run resolved_run",
    "runs": "run run_on table_name batch_digest rows_in retried posted unchanged superseded ignored quarantined",
    "run_times": "run started_at finished_at host version",
}


def dumped(company: Company, name: str = "out") -> Path:
    out = company.directory / name
    dump(Store.open(company.store), out)
    return out


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_the_files_are_the_tables_of_the_spec(ledger: Company) -> None:
    assert sorted(path.name for path in dumped(ledger).iterdir()) == sorted(f"{table}.parquet" for table in SPEC)


@pytest.mark.parametrize("table", SPEC)
def test_columns_and_types(table: str, ledger: Company) -> None:
    schema = pq.read_schema(dumped(ledger) / f"{table}.parquet")
    assert schema.names == ORDER[table].split()
    types = {name: kind for kind, names in SPEC[table].items() for name in names.split()}
    assert {field.name: field.type for field in schema} == types


@pytest.mark.parametrize("table", SPEC)
def test_rows_are_sorted_by_key_and_no_key_comes_twice(table: str, ledger: Company) -> None:
    frame = pl.read_parquet(dumped(ledger) / f"{table}.parquet")
    keys = list(key(LEDGER[table]))
    assert frame.height > 0
    assert frame.select(keys).rows() == frame.select(keys).sort(keys).rows()
    assert frame.select(keys).is_unique().all()


def test_axes_that_were_never_used_are_no_column(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.run(expect=(0,))
    assert [name for name in company.table("entry_lines").columns if name.startswith("axis_")] == []
    assert company.dump().keys() == SPEC.keys()
    company.check()


def test_the_same_ledger_gives_the_same_bytes(ledger: Company) -> None:
    first = contents(dumped(ledger))
    assert contents(dumped(ledger)) == first, "over an older dump"
    assert contents(dumped(ledger, "again")) == first


def test_however_the_rows_are_cut_into_segments_the_bytes_are_the_same(ledger: Company) -> None:
    before = contents(dumped(ledger))
    store = Store.open(ledger.store)
    with store.writing() as writer:
        for kind in STORED:
            files = store.files(kind)
            if not files:
                continue
            rows = pl.concat([pl.read_parquet(path) for path in files], how="diagonal")
            rows = rows.sample(fraction=1, shuffle=True, seed=3)
            writer.replace(kind)
            for part in (rows[::2], rows[1::2]):
                writer.write(kind, part, runs=(1, store.run))
        writer.commit(None, {})
    assert contents(dumped(ledger, "cut")) == before
    ledger.check()


def test_a_dump_as_of_a_run_is_what_it_was_then(ledger: Company) -> None:
    out = ledger.directory / "then"
    dump(Store.open(ledger.store), out, as_of=AsOf(run=1))
    lines = pl.read_parquet(out / "entry_lines.parquet")
    assert set(lines["run"]) == {1}
    assert lines.filter(pl.col("lettering").is_not_null()).height > 0
    assert pl.read_parquet(out / "letterings.parquet")["delettered_run"].to_list() == [None, None]


def test_a_dump_that_fails_leaves_what_was_there(ledger: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(dumped(ledger))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.ledger.dump.validate", fail)
    result = ledger.invoke("dump", "--out", str(ledger.directory / "out"))
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert contents(ledger.directory / "out") == before


def test_json_tells_the_rows_of_each_table(ledger: Company) -> None:
    result = ledger.invoke("dump", "--out", str(ledger.directory / "out"), "--json")
    told = json.loads(result.stdout)
    assert told == {table: pl.read_parquet(ledger.directory / "out" / f"{table}.parquet").height for table in SPEC}
