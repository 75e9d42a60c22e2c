"""Each invariant of spec §8, broken once in a copy of a ledger, is found; a ledger that is whole breaks none."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipeline.ledger.check import INVARIANTS, check
from pipeline.ledger.store import Store
from tests.support import Company

#: what is done to the rows of a kind, for each file of invariants/
BROKEN: dict[str, tuple[str, str]] = {
    "advances_are_not_in_credit": (
        "entry_lines",
        "select * replace (if(role = 'advance_one_time', credit + 50, credit)::decimal(18, 4) as credit) from rows",
    ),
    "balances_are_their_lines": ("balances", "select * replace ((debit + 1)::decimal(18, 4) as debit) from rows"),
    "contra_entries_mirror": (
        "entry_lines",
        "select * replace (if(reversal and line_number = 1, '999', account) as account) from rows",
    ),
    "employee_accounts_are_their_lines": (
        "employee_state",
        "select * replace ((third_party + 1)::decimal(18, 4) as third_party) from rows",
    ),
    "entries_in_force_are_posted": ("documents", "select * replace ('cancelled' as state) from rows"),
    "expenses_keep_their_entity": ("expense_entities", "select * from rows where false"),
    "lines_have_one_side": (
        "entry_lines",
        "select * replace ((debit + 1)::decimal(18, 4) as debit, (credit + 1)::decimal(18, 4) as credit) from rows",
    ),
    "payment_entries_are_payments": ("payments", "select * from rows where false"),
    "entries_balance": (
        "entry_lines",
        "select * replace (if(entry_number = 1 and debit > 0, debit + 1, debit)::decimal(18, 4) as debit) from rows",
    ),
    "lettering_codes_follow": (
        "letterings",
        "select * replace (if(lettering = 'AAA', 'AAZ', lettering) as lettering) from rows",
    ),
    "letterings_balance": ("lettering_lines", "select * from rows where line_number = 1 and journal_code <> 'BQ'"),
    "lines_are_lettered_once": ("deletterings", "select * from rows where false"),
    "numbering_has_no_gap": ("entry_lines", "select * from rows where not (journal_code = 'NDF' and entry_number = 1)"),
    "open_lines_are_unlettered": ("open_lines", "select * replace (not is_open as is_open) from rows"),
    "payments_are_their_entries": ("payments", "select * replace ((amount + 1)::decimal(18, 4) as amount) from rows"),
    "rows_in_are_rows_out": ("runs", "select * replace (posted + 1 as posted) from rows"),
    "runs_follow": ("run_times", "select * from rows where run <> 2"),
    "series_are_their_entries": ("series", "select * replace (last_number + 1 as last_number) from rows"),
}
NAMES = sorted(path.stem for path in INVARIANTS.glob("*.sql"))


def tamper(company: Company, kind: str, query: str) -> None:
    """Puts what `query` makes of a kind's rows in their place, in a commit like any other."""
    store = Store.open(company.store)
    names = [str(path) for path in store.files(kind)]
    with duckdb.connect() as con:
        con.execute("create view rows as " + f"select * from read_parquet({names}, union_by_name = true)")
        changed = con.sql(query).pl()
    with store.writing() as writer:
        writer.replace(kind)
        writer.write(kind, changed)
        writer.commit(None, {})


def test_a_whole_ledger_breaks_none(ledger: Company) -> None:
    assert check(Store.open(ledger.store)) == []
    result = ledger.invoke("check")
    assert (result.exit_code, result.stdout) == (0, "every invariant holds\n")
    assert json.loads(ledger.invoke("check", "--json").stdout) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_invariant_is_found(name: str, ledger: Company) -> None:
    tamper(ledger, *BROKEN[name])
    found = {violation.invariant: violation for violation in check(Store.open(ledger.store))}
    assert name in found
    assert found[name].rows > 0
    assert found[name].examples
    assert "=" in found[name].examples[0]
    result = ledger.invoke("check")
    assert result.exit_code == 1
    assert f"{name}: " in result.stdout
    assert name in {violation["invariant"] for violation in json.loads(ledger.invoke("check", "--json").stdout)}


@pytest.mark.parametrize("kind", ["entry_lines", "findings", "reference"])
def test_a_flipped_byte_names_the_segment(kind: str, ledger: Company) -> None:
    (path, *_) = map(Path, Store.open(ledger.store).files(kind))
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(bytes(content))
    result = ledger.invoke("check")
    assert result.exit_code == 1
    assert f"files_are_whole: 1 rows, as kind={kind}/{path.name}" in result.output
    assert "Traceback" not in result.output


def test_a_cut_segment_is_named(ledger: Company) -> None:
    (path, *_) = map(Path, Store.open(ledger.store).files("entry_lines"))
    path.write_bytes(path.read_bytes()[:-8])
    for command in (("check",), ("status",), ("dump", "--out", str(ledger.directory / "out"))):
        result = ledger.invoke(*command)
        assert result.exit_code == 1
        assert str(path) in result.stderr


def test_a_segment_of_noise_of_the_same_size_stops_a_dump_with_a_sentence(ledger: Company) -> None:
    (path, *_) = map(Path, Store.open(ledger.store).files("entry_lines"))
    path.write_bytes(bytes(range(256)) * (path.stat().st_size // 256) + bytes(path.stat().st_size % 256))
    result = ledger.invoke("dump", "--out", str(ledger.directory / "out"))
    assert result.exit_code == 1
    assert path.name in result.stderr
    assert not isinstance(result.exception, duckdb.Error)


def test_no_store_ends_with_1_and_a_sentence(tmp_path: Path) -> None:
    result = Company(tmp_path).invoke("check")
    assert result.exit_code == 1
    assert "there is no ledger store here" in result.stderr


def test_every_invariant_is_broken_here() -> None:
    assert sorted(BROKEN) == NAMES
    assert pl.Series(NAMES).is_unique().all()
