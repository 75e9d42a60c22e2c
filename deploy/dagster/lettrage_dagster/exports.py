"""Exports: an asset a profile, a partition a legal entity and month.

A partition that is materialised again writes the files of the recorded export again, the same bytes; it never makes a
second export of the same month by itself.
"""

import calendar
import os
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    Config,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    MonthlyPartitionsDefinition,
    MultiPartitionKey,
    MultiPartitionsDefinition,
    asset,
)

from lettrage_dagster.ledger import ENTITIES, table_of
from lettrage_dagster.resources import Lettrage, told
from pipeline.errors import LettrageError
from pipeline.exports.export import ExportResult, again, export, exports
from pipeline.exports.profile import Profile, load_profile
from pipeline.exports.record import CANCELLED
from pipeline.exports.verify import verify
from pipeline.ledger.store import Store
from pipeline.run import paid_by_export

#: the first month that can be exported
_SINCE = os.environ.get("LETTRAGE_SINCE", "2026-01-01")
MONTHS = MonthlyPartitionsDefinition(start_date=_SINCE, end_offset=1)
ENTITY_MONTHS = MultiPartitionsDefinition({"legal_entity": ENTITIES, "month": MONTHS})


class ExportConfig(Config):
    """What a person may ask for when a partition is materialised again.

    supplement: entries of the month that came since the recorded export go out as another export.
    """

    supplement: bool = False


def period_of(partition: str | MultiPartitionKey) -> tuple[str, date, date]:
    """The legal entity of a partition, and the first and last day of its month."""
    keys = partition.keys_by_dimension if isinstance(partition, MultiPartitionKey) else {}
    first = date.fromisoformat(keys["month"])
    return keys["legal_entity"], first, first.replace(day=calendar.monthrange(first.year, first.month)[1])


def export_asset(profile: Profile) -> AssetsDefinition:
    """The asset of a profile: its exports by legal entity and month, each read back and held to the ledger."""
    name = "".join(letter if letter.isalnum() else "_" for letter in profile.name)

    @asset(
        name=name,
        key_prefix="exports",
        group_name="exports",
        partitions_def=ENTITY_MONTHS,
        deps=[AssetKey(["ledger", "entry_lines"]), AssetKey(["ledger", "balances"])],
        pool="lettrage_store",
        description=f"The entries of a legal entity and month by profile {profile.name}, format {profile.format}.",
        check_specs=[
            AssetCheckSpec("control_totals", asset=AssetKey(["exports", name]), description="Debits equal credits."),
            AssetCheckSpec(
                "read_back", asset=AssetKey(["exports", name]), description="The files say what the ledger says."
            ),
            AssetCheckSpec("complete", asset=AssetKey(["exports", name]), description="No entry of the month waits."),
        ],
    )
    def made(context: AssetExecutionContext, config: ExportConfig, lettrage: Lettrage) -> MaterializeResult:
        entity, first, last = period_of(context.partition_key)
        out = lettrage.folder(entity, f"{first:%Y-%m}")
        take = partial(export, profile=profile, entity=entity, first=first, last=last, on=lettrage.today, out=out)
        with told():
            ledger = lettrage.opened()
            recorded = _recorded(ledger, profile, entity, first, last)
            results = [again(ledger, number, out) for number in recorded]
            context.log.info("%d recorded exports were written again", len(results))
            if not results or config.supplement:
                pay = paid_by_export(legal_entity=entity, created_on=last, on=lettrage.today)
                results.append(take(ledger, pay=pay))
            waiting = take(lettrage.opened(), preview=True).entries
            checks = _checks(lettrage.opened(), [one for one in results if one.number is not None], out, waiting)
        return _told_of(results, out, checks)

    return made


def profiles() -> list[Profile]:
    """The profiles of the folder LETTRAGE_PROFILES, else the formats that LETTRAGE_FORMATS names (csv)."""
    folder = os.environ.get("LETTRAGE_PROFILES")
    if folder:
        return [load_profile(path) for path in sorted(Path(folder).glob("*.toml"))]
    names = os.environ.get("LETTRAGE_FORMATS", "csv").split(",")
    return [Profile(name=name.strip(), format=name.strip()) for name in names if name.strip()]


def _recorded(ledger: Store, profile: Profile, entity: str, first: date, last: date) -> list[int]:
    """The numbers of the exports of a partition that stand, oldest first."""
    known = exports(ledger).filter(
        pl.col("as_of_on").is_null(),
        pl.col("export_status") != CANCELLED,
        profile=profile.name,
        legal_entity=entity,
        first_on=first,
        last_on=last,
    )
    return known.sort("export_number")["export_number"].to_list()


def _checks(ledger: Store, results: list[ExportResult], out: Path, waiting: int) -> list[AssetCheckResult]:
    totals = [row for one in results for row in one.totals]
    differ: list[str] = []
    for one in results:
        try:
            differ += verify(ledger, [out / file.name for file in one.files], number=one.number).differences
        except LettrageError as error:  # a format that cannot be read back says so
            differ.append(str(error))
    return [
        AssetCheckResult(
            check_name="control_totals",
            passed=sum((row["debit"] for row in totals), Decimal(0))
            == sum((row["credit"] for row in totals), Decimal(0)),
            metadata={"totals": table_of(totals)},
        ),
        AssetCheckResult(
            check_name="read_back", passed=not differ, metadata={"differences": MetadataValue.json(differ)}
        ),
        AssetCheckResult(
            check_name="complete",
            passed=not waiting,
            severity=AssetCheckSeverity.WARN,
            metadata={"entries_waiting": waiting, "mend": "materialise with supplement: true"},
        ),
    ]


def _told_of(results: list[ExportResult], out: Path, checks: list[AssetCheckResult]) -> MaterializeResult:
    files: list[dict[str, Any]] = [
        {"export": one.number, "file": str(out / file.name), "bytes": file.size, "sha256": file.sha256}
        for one in results
        for file in one.files
    ]
    version = ",".join(file["sha256"] for file in files)
    return MaterializeResult(
        data_version=DataVersion(version or "nothing"),
        metadata={
            "exports": ", ".join(str(one.number) for one in results if one.number is not None),
            "run": max(one.run for one in results),
            "entries": sum(one.entries for one in results),
            "dagster/row_count": sum(one.lines for one in results),
            "totals": table_of([row for one in results for row in one.totals]),
            "files": table_of(files),
            "folder": MetadataValue.path(out),
        },
        check_results=checks,
    )
