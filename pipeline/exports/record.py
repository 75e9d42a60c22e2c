"""The record of exports: what was exported, to whom it was made, and what is cancelled (spec §6, "Exports").

Rows are appended and never changed: of an export, the one of the highest sequence counts.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.errors import ExportError, UsageError
from pipeline.ledger import chain
from pipeline.ledger.as_of import AsOf
from pipeline.ledger.reading import stored_frame
from pipeline.sql import Session
from schemas import STORED
from schemas.table import columns, validate

if TYPE_CHECKING:
    from pipeline.exports.format import LoadedFormat
    from pipeline.exports.profile import Profile
    from pipeline.exports.write import File
    from pipeline.ledger.store import Store, Writer

RECORDED, CANCELLED = "recorded", "cancelled"


@dataclass(frozen=True)
class Request:
    """An export that is asked for, or was. definition: what has the format, the profile and the template come again.

    run, as_of_on: the run and, where one was asked for, the day of the ledger that it reads.
    """

    number: int
    run: int
    profile: str
    format: str
    definition: dict[str, Any]
    legal_entity: str
    first_on: date | None
    last_on: date | None
    exported_on: date
    as_of_on: date | None = None

    @property
    def as_of(self) -> AsOf:
        """The ledger that it reads."""
        return AsOf(self.run, self.as_of_on)


@dataclass(frozen=True)
class Figures:
    """What an export is known by: entries, lines; totals by journal; what was left in the ledger, by account."""

    entries: int
    lines: int
    totals: list[dict[str, Any]]
    left_out: list[dict[str, Any]] = field(default_factory=list)


def definition(loaded: LoadedFormat, profile: Profile) -> dict[str, Any]:
    """What has to be kept of an export besides the ledger: the format's text, the profile, the workbook to fill."""
    kept = {"format": loaded.text, "profile": profile.model_dump(mode="json", exclude_defaults=True)}
    if loaded.template is not None:
        kept["template"] = base64.b64encode(zlib.compress(loaded.template)).decode("ascii")
    return kept


def template_of(definition: dict[str, Any]) -> bytes | None:
    """The workbook that a recorded export filled."""
    kept = definition.get("template")
    return None if kept is None else zlib.decompress(base64.b64decode(kept))


def order_of(number: int) -> str:
    """The payment order that an export makes, where payments are made by exports."""
    return f"export-{number}"


def next_number(store: Store) -> int:
    """The number after that of the last export."""
    return 1 + _highest(stored_frame(store, "exports"), "export_number")


def record(store: Store, request: Request, figures: Figures, files: list[File], entries: pl.DataFrame) -> None:
    """Records an export and the entries that it took in one commit.

    Raises: ExportError where a run or an export came in between, for the files then hold what is no longer so.
    """
    with chain.writing(store) as writer:
        demand_unmoved(writer, store, request)
        commit(writer, request, figures, files, entries, run=None)


def demand_unmoved(writer: Writer, store: Store, request: Request) -> None:
    """Holds the ledger to what an export has read: store. Raises: ExportError where a run or an export came since."""
    if writer.store.run != store.run or next_number(writer.store) > request.number:
        raise ExportError(
            "a run or an export came in between; nothing was recorded or written",
            where=f"profile {request.profile}",
            mend="give the command again",
        )


def commit(
    writer: Writer,
    request: Request,
    figures: Figures,
    files: list[File],
    entries: pl.DataFrame,
    *,
    run: int | None,
) -> None:
    """Commits an export and the entries that it took, with all that the writer has written before.

    run: that of the export's own order, where the writer has written it.
    """
    with Session(writer.store.place.readable_roots) as session:
        row = {
            "run": request.run,
            "as_of_on": request.as_of_on,
            "sequence": 1 + _highest(stored_frame(writer.store, "exports"), "sequence"),
            "export_number": request.number,
            "export_status": RECORDED,
            "profile": request.profile,
            "format": request.format,
            "definition": _json(request.definition),
            "legal_entity": request.legal_entity,
            "first_on": request.first_on,
            "last_on": request.last_on,
            "exported_on": request.exported_on,
            "entry_count": figures.entries,
            "line_count": figures.lines,
            "files": _json([{"name": file.name, "bytes": file.size, "sha256": file.sha256} for file in files]),
            "totals": _json({"totals": figures.totals, "left_out": figures.left_out}),
        }
        taken = entries.select(pl.lit(request.number, pl.Int64).alias("export_number"), pl.all())
        writer.write("exports", _rows([row]))
        writer.write("export_entries", validate(taken, STORED["export_entries"]))
        ordered = {} if run is None else {"lettrage.run": str(run), "lettrage.order": order_of(request.number)}
        said = {**ordered, "lettrage.export": str(request.number)}
        chain.commit(writer, session, what="export", run=run, metadata=said)


def cancel(store: Store, number: int) -> None:
    """Frees the entries of an export; its record stays. Raises: UsageError where there is none, or it is cancelled."""
    record_of(store, number)
    with chain.writing(store) as writer, Session(store.place.readable_roots) as session:
        row = record_of(writer.store, number)
        if row["export_status"] == CANCELLED:
            raise UsageError(
                f"export {number} is cancelled already",
                mend="its entries are free: the next export of its profile takes them",
            )
        row |= {"sequence": 1 + _highest(stored_frame(writer.store, "exports"), "sequence"), "export_status": CANCELLED}
        writer.write("exports", _rows([row]))
        said = {"lettrage.cancelled_export": str(number)}
        chain.commit(writer, session, what="cancelled", run=None, metadata=said)


def record_of(store: Store, number: int) -> dict[str, Any]:
    """The record of an export as it stands. Raises: UsageError where there is none of that number."""
    rows = stored_frame(store, "exports").filter(export_number=number).sort("sequence")
    if rows.is_empty():
        raise UsageError(f"there is no export {number}", mend="see `lettrage exports`")
    return rows.row(-1, named=True)


def files_of(row: dict[str, Any]) -> dict[str, str]:
    """The SHA-256 of each file of a recorded export, by name."""
    return {file["name"]: file["sha256"] for file in json.loads(row["files"])}


def request_of(row: dict[str, Any]) -> tuple[Request, Figures]:
    """What a record says was asked for, and what came of it."""
    said = json.loads(row["totals"])
    request = Request(
        number=row["export_number"],
        run=row["run"],
        profile=row["profile"],
        format=row["format"],
        definition=json.loads(row["definition"]),
        legal_entity=row["legal_entity"],
        first_on=row["first_on"],
        last_on=row["last_on"],
        exported_on=row["exported_on"],
        as_of_on=row["as_of_on"],
    )
    left_out = [
        {**left, "debit": Decimal(left["debit"]), "credit": Decimal(left["credit"])} for left in said["left_out"]
    ]
    totals = [
        {
            **total,
            "debit": Decimal(total["debit"]),
            "credit": Decimal(total["credit"]),
            "month_on": date.fromisoformat(total["month_on"]),
            "first_entry_date": date.fromisoformat(total["first_entry_date"]),
            "last_entry_date": date.fromisoformat(total["last_entry_date"]),
        }
        for total in said["totals"]
    ]
    return request, Figures(row["entry_count"], row["line_count"], totals, left_out)


def by_year(totals: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Totals by journal code and fiscal year, of those by month (in that order)."""
    years: dict[tuple[str, int], dict[str, Any]] = {}
    for total in totals:
        key = (total["journal_code"], total["fiscal_year"])
        known = years.get(key)
        if known is None:
            years[key] = {name: value for name, value in total.items() if name != "month_on"}
            continue
        for name in ("entries", "lines", "debit", "credit"):
            known[name] += total[name]
        for name in ("first_number", "first_entry_date"):
            known[name] = min(known[name], total[name])
        for name in ("last_number", "last_entry_date"):
            known[name] = max(known[name], total[name])
    return list(years.values())


def exports(store: Store) -> pl.DataFrame:
    """The exports as they stand: a row an export, by number."""
    latest = stored_frame(store, "exports").sort("sequence").group_by("export_number", maintain_order=True).last()
    return latest.select(
        "export_number",
        "export_status",
        "profile",
        "format",
        "legal_entity",
        "first_on",
        "last_on",
        "exported_on",
        "run",
        "as_of_on",
        "entry_count",
        "line_count",
        "files",
    ).sort("export_number")


def destinations(store: Store) -> pl.DataFrame:
    """The destinations that the profiles of exports in force named: a row an (export_number, destination)."""
    latest = stored_frame(store, "exports").sort("sequence").group_by("export_number", maintain_order=True).last()
    named = pl.col("definition").str.json_path_match("$.profile.destinations").str.json_decode(pl.List(pl.String))
    return (
        latest.filter(pl.col("export_status") == RECORDED)
        .select("export_number", destination=named)
        .drop_nulls("destination")
        .explode("destination", empty_as_null=True)
        .drop_nulls("destination")
        .unique(maintain_order=False)
        .sort("export_number", "destination")
    )


def _rows(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return validate(pl.DataFrame(rows, schema=_schema(), orient="row"), STORED["exports"])


def _schema() -> dict[str, Any]:
    return {column.name: column.polars_type for column in columns(STORED["exports"])}


def _highest(rows: pl.DataFrame, column: str) -> int:
    return max(rows[column].to_list(), default=0)


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
