"""From the reference tables to the ledger: what Dagster keeps of each step is counts, exact amounts and digests.

The library is called in the same process as Dagster's step, not by the command: results come as they are (amounts as
decimals, errors by their class, so that a busy ledger is tried again and a wrong table is not) and nothing is parsed.
Steps run in processes of their own that are spawned, never forked, for polars hangs in a forked child.
"""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetSpec,
    DataVersion,
    DynamicPartitionsDefinition,
    MaterializeResult,
    MetadataValue,
    TableRecord,
    TableSchema,
    asset,
    asset_check,
    multi_asset,
    multi_asset_check,
)

from lettrage_dagster.resources import Lettrage, told
from pipeline.ledger.check import INVARIANTS
from pipeline.ledger.check import check as find_violations
from pipeline.ledger.dump import dump
from pipeline.ledger.status import status
from pipeline.run import RunResult, run
from pipeline.stage.reference import read_reference
from schemas import LEDGER

BATCHES = DynamicPartitionsDefinition(name="batches")
ENTITIES = DynamicPartitionsDefinition(name="legal_entities")
_IN = "ledger"
#: what `check` says beside the invariants
_MORE_CHECKS = ("files_are_whole", "chain")
_CHECKED = AssetKey([_IN, "entry_lines"])


def table_of(rows: list[dict[str, Any]]) -> MetadataValue:
    """Rows as Dagster shows them; amounts are text, so that nothing makes floats of them."""
    kept = (int, str, bool, type(None))
    records = [
        TableRecord({name: cell if isinstance(cell, kept) else str(cell) for name, cell in row.items()}) for row in rows
    ]
    return MetadataValue.table(records, schema=None if records else TableSchema(columns=[]))


@asset(group_name="reference", kinds={"polars"}, owners=["team:accounting"])
def reference(context: AssetExecutionContext, lettrage: Lettrage) -> MaterializeResult:
    """The reference tables as they stand, held to the rules for them; gives exports their legal entities."""
    notes: list[str] = []
    with told():
        tables = read_reference(Path(lettrage.reference), notes)
    entities = sorted(tables["legal_entities"]["legal_entity"].to_list())
    context.instance.add_dynamic_partitions(str(ENTITIES.name), entities)
    return MaterializeResult(
        metadata={
            "rows": sum(len(frame) for frame in tables.values()),
            "tables": table_of([{"table": name, "rows": len(frame)} for name, frame in tables.items()]),
            "legal_entities": ", ".join(entities),
            "notes": MetadataValue.json(notes),
        }
    )


@asset(
    group_name="batch",
    partitions_def=BATCHES,
    deps=[reference],
    kinds={"polars", "duckdb"},
)
def staged_batch(context: AssetExecutionContext, lettrage: Lettrage) -> MaterializeResult:
    """A batch read, staged and judged against the ledger of now; nothing is written."""
    return _result(_run(context, lettrage, preview=True))


@asset(
    group_name="batch",
    partitions_def=BATCHES,
    deps=[staged_batch],
    kinds={"duckdb", "deltalake"},
    pool="lettrage_store",
)
def ledger_run(context: AssetExecutionContext, lettrage: Lettrage) -> MaterializeResult:
    """A batch posted to the ledger, in one step. The same batch again posts nothing."""
    return _result(_run(context, lettrage, preview=False))


@asset_check(asset=ledger_run, description="No run left anything in quarantine that somebody has to mend.")
def nothing_waits(lettrage: Lettrage) -> AssetCheckResult:
    """Warns of what waits in quarantine; the entries of everything else are posted."""
    with told():
        waiting = status(lettrage.opened()).as_dict()["quarantine"]
    return AssetCheckResult(
        passed=not waiting,
        severity=AssetCheckSeverity.WARN,
        metadata={"findings": sum(row["findings"] for row in waiting), "rules": table_of(waiting)},
    )


@multi_asset(
    specs=[
        AssetSpec(
            AssetKey([_IN, table]), deps=[ledger_run], group_name="ledger", kinds={"parquet"}, description=model.__doc__
        )
        for table, model in LEDGER.items()
    ],
    name="ledger_tables",
)
def ledger_tables(lettrage: Lettrage) -> Iterator[MaterializeResult]:
    """The tables of the ledger as Parquet: the same bytes for the same ledger."""
    out = lettrage.folder("ledger")
    with told():
        ledger = lettrage.opened()
        written = dump(ledger, out)
        run_number = ledger.run
    for table, rows in written:
        path = out / f"{table}.parquet"
        about = {
            "dagster/row_count": rows,
            "path": MetadataValue.path(path),
            "bytes": path.stat().st_size,
            "run": run_number,
        }
        yield MaterializeResult(asset_key=AssetKey([_IN, table]), metadata=about)


@multi_asset_check(
    specs=[
        AssetCheckSpec(
            name, asset=_CHECKED, blocking=True, description="An invariant of the ledger: see lettrage check."
        )
        for name in sorted([*_MORE_CHECKS, *(path.stem for path in INVARIANTS.glob("*.sql"))])
    ],
    name="invariants",
)
def invariants(lettrage: Lettrage) -> Iterator[AssetCheckResult]:
    """Holds the ledger's files to their digests and its rows to the invariants; where one fails nothing is exported."""
    with told():
        violations = {one.invariant: one for one in find_violations(lettrage.opened(), with_chain=True)}
    known = {*_MORE_CHECKS, *(path.stem for path in INVARIANTS.glob("*.sql"))}
    for name in sorted(known):
        broken = violations.get(name)
        yield AssetCheckResult(
            check_name=name,
            asset_key=_CHECKED,
            passed=broken is None,
            metadata={} if broken is None else {"rows": broken.rows, "examples": MetadataValue.json(broken.examples)},
        )


@asset_check(
    asset=AssetKey([_IN, "balances"]), blocking=True, description="Debits equal credits in every legal entity."
)
def control_totals(lettrage: Lettrage) -> AssetCheckResult:
    """Adds the balances up, entity by entity."""
    with told():
        rows = status(lettrage.opened()).as_dict()["balances"]
    return AssetCheckResult(
        passed=all(Decimal(str(row["debit"])) == Decimal(str(row["credit"])) for row in rows),
        metadata={"totals": table_of(rows)},
    )


def _run(context: AssetExecutionContext, lettrage: Lettrage, *, preview: bool) -> RunResult:
    with told():
        return run(
            Path(lettrage.reference),
            lettrage.batch(context.partition_key),
            lettrage.store,
            on=lettrage.today,
            preview=preview,
            threads=lettrage.threads or None,
            memory_limit=lettrage.memory_limit or None,
            progress=lambda step: context.log.info("%s", step),
        )


def _result(result: RunResult) -> MaterializeResult:
    rules = Counter(row["rule"] for row in result.findings)
    return MaterializeResult(
        data_version=DataVersion(result.batch_digest),
        metadata={
            "run": result.run,
            "rows": table_of(result.rows),
            "entries": table_of(result.entries),
            "payments": table_of(result.payments),
            "new_in_quarantine": table_of([{"rule": rule, "findings": count} for rule, count in sorted(rules.items())]),
            "batch_digest": result.batch_digest,
            "chain_digest": result.chain_digest or "",
            "notes": MetadataValue.json(result.notes),
        },
    )
