"""The chain: whoever changes a row by hand is found, and the row named; an older store gets its chain."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from pipeline.ledger import chain, log
from pipeline.ledger.check import check
from pipeline.ledger.disk import Disk
from pipeline.ledger.store import FORMAT, Store, Writer
from tests.support import Company, expense, report

STORES = Path(__file__).parent / "stores"


def rewrite(store: Path, kind: str, change: pl.Expr | list[pl.Expr], *, number: int = 0) -> None:
    """Changes rows of a segment as someone would who knows the store: file, name, log and head all agree again."""
    ledger = Store.open(store)
    segment = ledger.segments(kind)[number]
    path = store / segment.name
    pl.read_parquet(path, hive_partitioning=False).with_columns(change).write_parquet(path)
    forge(store, segment.name)


def forge(store: Path, name: str) -> None:
    """Makes the log agree with a segment that was changed, from the commit that added it to the last."""
    place, path = Disk(store), store / name
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    new = f"{name.rpartition('-')[0]}-{digest}.parquet"
    path.rename(store / new)
    size = str((store / new).stat().st_size)
    previous = None
    last = log.versions(place.sizes())[-1]
    for version in range(last + 1):
        file = store / log.name_of(version)
        text = file.read_text()
        if name in text:
            lines = text.splitlines()
            old_size = next(
                action.split('"size":')[1].split(",")[0] for action in lines if name in action and '"size":' in action
            )
            text = "\n".join(
                line.replace(name, new).replace(f'"size":{old_size}', f'"size":{size}') if name in line else line
                for line in lines
            )
        if previous is not None:
            text = text.replace(*previous)
        before = log.digest_of(file.read_bytes())
        file.write_text(text)
        previous = (before, log.digest_of(text.encode()))
    log.write_head(place, log.Head(last, {log.name_of(last): log.digest_of((store / log.name_of(last)).read_bytes())}))


def said(company: Company, *arguments: str) -> str:
    result = company.invoke("check", "--chain", *arguments)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return result.stdout


def test_a_ledger_has_a_chain_that_holds(ledger: Company) -> None:
    assert check(Store.open(ledger.store), with_chain=True) == []
    assert ledger.invoke("check", "--chain").exit_code == 0


@pytest.mark.parametrize(
    ("column", "value"),
    [("label", "Something else"), ("account", "999999"), ("axis_client", "C9"), ("document", "R77")],
)
def test_a_line_edited_by_hand_is_named(column: str, value: str, ledger: Company) -> None:
    is_it = (pl.col("entry_number") == 1) & (pl.col("line_number") == 2) & (pl.col("journal") == "expense_report")
    rewrite(ledger.store, "entry_lines", pl.when(is_it).then(pl.lit(value)).otherwise(pl.col(column)).alias(column))
    (line,) = [line for line in said(ledger).splitlines() if line.startswith("chain: ")]
    assert line == (
        "chain: 1 rows, as entry_lines legal_entity=FR01 journal_code=NDF fiscal_year=2026 entry_number=1 "
        "line_number=2: is not what was written by run 1"
    )


def test_amounts_edited_so_that_the_entry_still_balances_are_found(ledger: Company) -> None:
    more = pl.when(pl.col("entry_number") == 1)
    moved = [
        more.then(pl.col(side) * 2).otherwise(pl.col(side)).cast(pl.Decimal(18, 4)).alias(side)
        for side in ("debit", "credit")
    ]
    rewrite(ledger.store, "entry_lines", moved)
    assert "entry_lines: several of the" in said(ledger)


def test_a_segment_edited_without_mending_the_log_is_named(ledger: Company) -> None:
    (path, *_) = map(Path, Store.open(ledger.store).files("entry_lines"))
    lines = pl.read_parquet(path, hive_partitioning=False)
    lines.with_columns(pl.lit("By hand").alias("label")).write_parquet(path)
    result = ledger.invoke("check", "--chain")
    assert result.exit_code == 1
    assert f"{path}: a segment that the log names is missing or has another size" in result.stderr


def test_a_row_taken_out_or_put_in_is_found(ledger: Company, tmp_path: Path) -> None:
    shutil.copytree(ledger.store, tmp_path / "copy")
    segment = Store.open(ledger.store).segments("letterings")[0].name
    path = ledger.store / segment
    rows = pl.read_parquet(path, hive_partitioning=False)
    rows[1:].write_parquet(path)
    forge(ledger.store, segment)
    assert "letterings: 1 of the " in said(ledger)
    other = Company(tmp_path)
    other.store = tmp_path / "copy"
    added = rows[:1].with_columns(pl.lit("ZZZ").alias("lettering"))
    pl.concat([rows, added]).write_parquet(other.store / segment)
    forge(other.store, segment)
    assert "lettering=ZZZ: was added by hand, not by run 1" in said(other)


def test_rows_of_a_run_that_never_was_are_found(ledger: Company) -> None:
    rewrite(ledger.store, "series", pl.lit(9, pl.Int64).alias("run"), number=1)
    assert "rows say that they are of 9, which added none" in said(ledger)


def test_a_record_of_the_chain_that_is_edited_is_found(ledger: Company) -> None:
    rewrite(ledger.store, "links", pl.lit("run of another").alias("what"), number=1)
    assert "link 2 (run 2) is not the digest of what it added" in said(ledger)


def test_the_digest_that_a_run_gave_is_in_the_chain(ledger: Company, tmp_path: Path) -> None:
    _, kept = chain.last_link(Store.open(ledger.store))
    ledger.run(expense_reports=[report("R5")], expenses=[expense("R5")])
    assert ledger.invoke("check", "--chain", "--expect", kept).exit_code == 0
    assert f"the digest {'0' * 64} is of no link" in said(ledger, "--expect", "0" * 64)
    assert ledger.invoke("check", "--expect", kept).exit_code == 2


def test_the_same_batches_give_the_same_chain(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        company = Company(tmp_path / name)
        company.run(expense_reports=[report()], expenses=[expense()], expect=(0,))
        company.run(expense_reports=[report("R2")], expenses=[expense("R2")], expect=(0,))
        digests.append(chain.last_link(Store.open(company.store)))
    assert digests[0] == digests[1]
    assert digests[0][0] == 2


def test_exports_are_links_too(ledger: Company) -> None:
    out = str(ledger.directory / "files")
    assert ledger.invoke("export", "--format", "csv", "--entity", "FR01", "--out", out).exit_code == 0
    assert ledger.invoke("export", "--cancel", "1").exit_code == 0
    links = pl.read_parquet(Store.open(ledger.store).files("links"), hive_partitioning=False).sort("link")
    assert links["what"].to_list() == ["run", "run", "run", "export", "cancelled"]
    assert check(Store.open(ledger.store), with_chain=True) == []
    rewrite(ledger.store, "export_entries", (pl.col("entry_number") + 100).alias("entry_number"))
    assert "export_entries" in said(ledger)


@pytest.fixture
def old(tmp_path: Path) -> Company:
    """A store of format 1, as the versions before the chain wrote it: three runs and an export."""
    company = Company(tmp_path)
    shutil.copytree(STORES / "format-1", company.store)
    company.runs = 3
    return company


def tables(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def test_a_store_of_format_1_is_read_as_it_is(old: Company) -> None:
    store = Store.open(old.store)
    assert (store.format, store.run) == (1, 3)
    assert check(store) == []
    assert old.invoke("dump", "--out", str(old.directory / "out")).exit_code == 0
    assert tables(old.directory / "out") == tables(STORES / "format-1-dump")
    assert Store.open(old.store).format == 1, "reading changes nothing"
    assert "this ledger has no chain yet: the next run makes it" in said(old)


def test_the_next_run_brings_a_store_of_format_1_to_todays(old: Company) -> None:
    old.run(expense_reports=[report("R5")], expenses=[expense("R5")])
    store = Store.open(old.store)
    assert (store.format, store.run) == (FORMAT, 4)
    assert check(store, with_chain=True) == []
    links = pl.read_parquet(store.files("links"), hive_partitioning=False).sort("link")
    assert links["what"].to_list() == ["migrated", "run"]
    old.invoke("dump", "--as-of", "3", "--out", str(old.directory / "out"))
    before = tables(STORES / "format-1-dump")
    assert tables(old.directory / "out") == before
    rewrite(old.store, "letterings", pl.lit("PO9").alias("payment_order"))
    assert "letterings" in said(old)


def test_a_migration_killed_in_between_is_gone_on_with(old: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    class KilledError(Exception):
        """In place of a kill."""

    def killed(_: Writer) -> None:
        raise KilledError

    monkeypatch.setattr(Writer, "upgrade", killed)
    with pytest.raises(KilledError), chain.writing(Store.open(old.store)):
        pass
    monkeypatch.undo()
    assert Store.open(old.store).format == 1
    with chain.writing(Store.open(old.store)):
        pass
    store = Store.open(old.store)
    assert (store.format, chain.last_link(store)[0]) == (FORMAT, 1)
    assert check(store, with_chain=True) == []


def test_a_run_and_the_status_give_the_digest_of_the_chain(ledger: Company) -> None:
    said = ledger.run(expense_reports=[report("R5")], expenses=[expense("R5")])
    _, digest = chain.last_link(Store.open(ledger.store))
    assert said["chain_digest"] == digest
    assert f"Chain after run 4: {digest}" in ledger.invoke("status").stdout
    (newest, *_) = json.loads(ledger.invoke("status", "--json").stdout)["runs"]
    assert (newest["run"], newest["chain_digest"]) == (4, digest)


@pytest.mark.parametrize(
    ("kind", "column"), [("documents", "run"), ("runs", "run"), ("quarantine", "run"), ("exports", "sequence")]
)
def test_rows_that_say_no_run_are_found(kind: str, column: str, ledger: Company) -> None:
    out = str(ledger.directory / "files")
    ledger.invoke("export", "--format", "csv", "--entity", "FR01", "--out", out)
    ledger.run(expense_reports=[report("R9", version="2")], expenses=[expense("R9", version="2")])
    segment = Store.open(ledger.store).segments(kind)[0].name
    rows = pl.read_parquet(ledger.store / segment, hive_partitioning=False)
    forged = rows[:1].with_columns(pl.lit(None, pl.Int64).alias(column))
    pl.concat([rows, forged]).write_parquet(ledger.store / segment)
    forge(ledger.store, segment)
    assert f"{kind}: 1 rows say that they are of 0, which added none" in said(ledger)


def test_rows_that_waited_in_a_store_of_format_1_are_sealed(old: Company) -> None:
    with chain.writing(Store.open(old.store)):
        pass
    store = Store.open(old.store)
    assert store.segments("waiting")
    assert check(store, with_chain=True) == []
    rewrite(old.store, "waiting", pl.lit("Q1").alias("document"))
    assert "waiting" in said(old)
