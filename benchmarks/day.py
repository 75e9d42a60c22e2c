"""What a day costs on a ledger of everything, beside the same day on an empty one.

A day is 20,000 new expenses, 200 reports that were posted and paid long ago and are changed now, and an order for every
legal entity that pays by orders. What is written is counted file by file. Before it the ledger is settled, as it is in
a company that closes its books: wrong IBANs are mended and the employees paid, and what waits in quarantine is
withdrawn. What lies open is part of a day's work, however old.
"""

from __future__ import annotations

import shutil
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.data import count
from benchmarks.harness import Case, Cost, Part
from benchmarks.limit import copy_each, limit
from benchmarks.runs import ledger, linked, post, segments
from pipeline.ledger.reading import ledger_session
from pipeline.ledger.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.data import Data

_DAY_EXPENSES = 20_000
_CHANGED_REPORTS = 200
_PAID_BY_ORDERS = ("BE01", "FR01", "FR02", "JP01", "TN01")
_IBAN = "FR7630006000011234567890189"
OF_A_REPORT = ("expense_reports", "expenses", "expense_taxes", "allocations")
_IDS = ("report", "advance", "payment_order")
_LARGE, _EMPTY = "a day on the large ledger", "a day on an empty ledger"


def part(data: Data) -> Part:
    """The cases of a day."""
    mended = mended_reference(data)
    before = settled(data, mended)
    batch = day_batch(data, data.work / "day")
    inputs = [*sorted(mended.glob("*.parquet")), *sorted(batch.glob("*.parquet"))]
    expenses = count(batch / "expenses.parquet")
    ledgers = {_EMPTY: None, _LARGE: before}
    cases: list[Case] = []
    written: dict[str, Any] = {"ledger lines": sum(count(path) for path in segments(before)["entry_lines"])}
    for name, store in ledgers.items():
        # Once before the rounds, to know which files the limit has to copy.
        after = data.work / f"{name.replace(' ', '-')}"
        _day(mended, batch, store, after)
        known = {path.name for paths in segments(before).values() for path in paths} if store else set()
        new = [path for paths in segments(after).values() for path in paths if path.name not in known]
        written[f"bytes written, {name}"] = sum(path.stat().st_size for path in new)
        jobs = copy_each([*inputs, *new])
        cases += [
            Case(f"limit: {name}", partial(lambda these, _: limit(data.work, these), jobs), "COPY of the same files"),
            Case(
                name,
                partial(lambda from_store, _: _day(mended, batch, from_store, data.work / "round"), store),
                "`lettrage run` of a day's batch",
                expenses,
                f"limit: {name}",
            ),
        ]

    def after_rounds(medians: dict[str, Cost]) -> dict[str, Any]:
        if medians.keys() >= {_LARGE, _EMPTY}:
            written["CPU seconds, large / empty"] = f"{medians[_LARGE].cpu / medians[_EMPTY].cpu:.2f}"
        return {"tables": {"A day": written}}

    return Part(cases, after=after_rounds)


def _day(reference: Path, batch: Path, before: Path | None, store: Path) -> Cost:
    shutil.rmtree(store, ignore_errors=True)
    if before is not None:
        linked(before, store)
    return post(reference, batch, store, on="2026-12-31")


def mended_reference(data: Data) -> Path:
    """The reference tables with an IBAN for everybody."""
    mended = data.work / "mended"
    shutil.rmtree(mended, ignore_errors=True)
    shutil.copytree(data.reference, mended)
    employees = pl.read_parquet(data.reference / "employees.parquet")
    employees.with_columns(iban=pl.lit(_IBAN)).write_parquet(mended / "employees.parquet")
    return mended


def settled(data: Data, mended: Path) -> Path:
    """The ledger after what was open is paid, and what waited is withdrawn; made once."""
    store = data.work / "settled"
    if not store.exists():
        beside = linked(ledger(data), store.with_suffix(".writing"))
        batch = data.work / "settling"
        write(batch, {"expense_reports": withdrawn(data, beside), "payment_orders": orders(data.full, "SETTLED-")})
        post(mended, batch, beside, on="2026-12-30")
        shutil.rmtree(batch)
        beside.rename(store)
    return store


def withdrawn(data: Data, store: Path) -> pl.DataFrame:
    """The reports that wait in quarantine, as drafts of a higher version."""
    with ledger_session(Store.open(store)) as session:
        waiting = session.query("select distinct document as report from quarantine where resolved_run is null")
    reports = pl.read_parquet(data.full / "expense_reports.parquet")
    latest = reports.join(waiting, on="report", how="semi").sort("version").group_by("report").last()
    return latest.select(
        pl.lit(90, pl.Int32).alias(name)
        if name == "version"
        else pl.lit("draft").alias(name)
        if name == "status"
        else name
        for name in reports.columns
    )


def day_batch(data: Data, batch: Path) -> Path:
    """A day: new reports, old ones changed, an order an entity."""
    tables = {
        name: pl.scan_parquet(data.full / f"{name}.parquet").filter(pl.col("version") == 1) for name in OF_A_REPORT
    }
    reports = tables["expense_reports"].filter(pl.col("status") == "approved").sort("report").collect()
    counts = tables["expenses"].group_by("report").len("expenses").collect()
    counted = reports.join(counts, on="report").sort("report").with_columns(upto=pl.col("expenses").cum_sum())
    new = counted.filter(pl.col("upto") <= _DAY_EXPENSES).select("report")
    old = reports.tail(_CHANGED_REPORTS).select("report")
    made = {}
    for name, first in tables.items():
        added = renamed(first.join(new.lazy(), on="report", how="semi").collect(), "DAY-")
        changed = first.join(old.lazy(), on="report", how="semi").collect().with_columns(version=pl.lit(9, pl.Int32))
        if name == "expense_reports":
            changed = changed.with_columns(modified_on=pl.lit(date(2026, 12, 30)))
        if name == "expenses":
            changed = changed.with_columns(gross=(pl.col("gross") + 1).cast(changed.schema["gross"]))
        made[name] = pl.concat([added, changed])
    write(batch, {**made, "payment_orders": orders(data.full, "DAY-")})
    return batch


def orders(batch: Path, prefix: str, day: date = date(2026, 12, 31)) -> pl.DataFrame:
    """An order of a day for every entity that pays by orders."""
    known = pl.read_parquet(batch / "payment_orders.parquet")
    return known.filter(pl.col("legal_entity").is_in(_PAID_BY_ORDERS)).with_columns(
        (pl.lit(prefix) + pl.col("legal_entity")).alias("payment_order"), created_on=pl.lit(day), cutoff_on=pl.lit(day)
    )


def renamed(rows: pl.DataFrame, prefix: str, ids: Sequence[str] = _IDS) -> pl.DataFrame:
    """The same rows of other documents."""
    return rows.with_columns((pl.lit(prefix) + pl.col(name)).alias(name) for name in ids if name in rows.columns)


def write(directory: Path, tables: dict[str, pl.DataFrame]) -> None:
    """Writes a batch in place of the one before."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name, rows in tables.items():
        rows.write_parquet(directory / f"{name}.parquet")
