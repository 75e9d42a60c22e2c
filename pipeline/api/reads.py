"""What is read of the ledger for a caller: each function takes a snapshot and tells what the caller's key may see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import polars as pl

from pipeline.api.paging import Cursor, page
from pipeline.api.problems import Problem, not_found
from pipeline.exports import export as exporting
from pipeline.exports import record
from pipeline.ledger.as_of import NOW, AsOf
from pipeline.ledger.balances import balances, employee_accounts, open_items
from pipeline.ledger.reading import ledger_session
from pipeline.ledger.story.explain import explain

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from pipeline.api.cache import Cache
    from pipeline.api.keys import Caller
    from pipeline.ledger.balances import Balances
    from pipeline.ledger.store import Store

HERE = Path(__file__).parent
#: events of a story that may tell of other legal entities than that of the story
_OF_THE_WHOLE = ("finding", "resolved")


def known_entities(store: Store) -> dict[str, int]:
    """The legal entities that the ledger has ever been told of, each with the first run that was."""
    store.verify(["reference"])
    files = store.files("reference")
    if not files:
        return {}
    rows = pl.scan_parquet(files, extra_columns="ignore", missing_columns="insert", hive_partitioning=False, glob=False)
    named = pl.col("row_json").str.json_path_match("$.legal_entity").alias("legal_entity")
    found = rows.filter(table_name="legal_entities").group_by(named).agg(pl.col("run").min()).collect()
    return dict(found.select("legal_entity", "run").iter_rows())


def demand_entity(store: Store, cache: Cache, caller: Caller, entity: str | None, run: int | None = None) -> None:
    """Raises: Problem alike for a legal entity that is not there and for one that is not the key's to see.

    run: as of which it has to be there; None for now.
    """
    if entity is None:
        return
    known = cache.get(store, "legal_entities", lambda: known_entities(store), len)
    if not caller.may_see(entity) or entity not in known or (run is not None and known[entity] > run):
        raise not_found(f"legal entity {entity}")


def demand_run(store: Store, run: int | None) -> int | None:
    """The run. Raises: Problem where the ledger has no such run."""
    if run is not None and not 1 <= run <= store.run:
        raise Problem(404, f"the ledger has no run {run}", mend="see /v1/runs")
    return run


def seen(rows: pl.DataFrame, caller: Caller, entity: str | None) -> pl.DataFrame:
    """The rows of the caller's legal entities, or of the one that is asked for."""
    if entity is not None:
        return rows.filter(legal_entity=entity)
    return rows if caller.entities is None else rows.filter(pl.col("legal_entity").is_in(sorted(caller.entities)))


def told_balances(
    look: str,
    store: Store,
    cache: Cache,
    caller: Caller,
    *,
    entity: str | None,
    run: int | None,
    day: date | None,
    cursor: str | None,
    limit: int,
) -> dict[str, Any]:
    """A page of balances, employee_accounts or open_items. Raises: Problem, UsageError where there is no such run."""
    question = [look, entity, run, day]
    at = Cursor.of(cursor, question)
    demand_entity(store, cache, caller, entity)
    as_of = AsOf(demand_run(store, run if at is None or at.run is None else at.run), day)
    if store.run == 0 and as_of.run is None:
        as_of = NOW
    told = cache.get(
        store, (look, as_of), lambda: _LOOKS[look](store, as_of=as_of), lambda made: _size(*made.tables.values())
    )
    rows = seen(told.tables[look], caller, entity)
    made = page(rows, at, limit, as_of.run_of(store), question)
    return {**made, "as_of_run": told.as_of.run, "as_of_date": told.as_of.on}


_LOOKS: dict[str, Callable[..., Balances]] = {
    "balances": balances,
    "employee_accounts": employee_accounts,
    "open_items": open_items,
}


def quarantine(
    store: Store,
    cache: Cache,
    caller: Caller,
    *,
    entity: str | None,
    run: int | None,
    is_open: bool,
    cursor: str | None,
    limit: int,
) -> dict[str, Any]:
    """A page of findings; a key of some legal entities is told of documents that are known to be of these alone."""
    question = ["quarantine", entity, run, is_open]
    at = Cursor.of(cursor, question)
    demand_entity(store, cache, caller, entity)
    as_of = AsOf(demand_run(store, run if at is None or at.run is None else at.run))
    number = as_of.run_of(store)
    rows = cache.get(store, ("quarantine", as_of), lambda: _quarantine_rows(store, as_of), _size)
    if is_open:
        rows = rows.filter(pl.col("resolved_run").is_null())
    if caller.entities is not None:
        own = sorted(caller.entities)
        foreign = pl.col("legal_entities").list.set_difference(own)
        is_own = (pl.col("legal_entities").list.len() > 0) & (foreign.list.len() == 0) & ~pl.col("has_unknown")
        rows = rows.filter(is_own)
    if entity is not None:
        rows = rows.filter(pl.col("legal_entities").list.contains(entity))
    made = page(rows.drop("has_unknown"), at, limit, number, question)
    return {**made, "as_of_run": number, "as_of_date": None}


def _quarantine_rows(store: Store, as_of: AsOf) -> pl.DataFrame:
    kinds = ("findings", "quarantine", "documents", "waiting", "payments")
    with ledger_session(store, as_of=as_of, kinds=kinds) as session:
        session.run(HERE / "quarantine_rows.sql")
        return session.query(
            """
            select * from quarantine_rows
            order by table_name, document nulls first, version nulls first, row_key, rule, column_name nulls first,
                value nulls first, message, first_run
            """
        )


def _run_rows(store: Store) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The runs, the last one first; their counts by table; what they posted by legal entity."""
    with ledger_session(store, kinds=("runs", "balances", "links")) as session:
        session.run(HERE / "runs_posted.sql")
        listed = session.query(
            """
            select run, any_value(run_on) as run_on, any_value(stored_links.digest) as chain_digest
            from stored_runs left join stored_links using (run) group by run order by run desc
            """
        )
        counts = session.query("select * exclude (run_on, batch_digest) from stored_runs order by run, table_name")
        return listed, counts, session.query("select * from runs_posted order by run, legal_entity")


def _size(*frames: pl.DataFrame) -> int:
    return int(sum(frame.estimated_size() for frame in frames))


def runs(
    store: Store, cache: Cache, caller: Caller, *, entity: str | None, cursor: str | None, limit: int
) -> dict[str, Any]:
    """A page of runs, the last one first; a key of some legal entities is told of those that added to their books."""
    question = ["runs", entity]
    at = Cursor.of(cursor, question)
    demand_entity(store, cache, caller, entity)
    listed, counts, everywhere = cache.get(store, "runs", lambda: _run_rows(store), lambda made: _size(*made))
    posted = seen(everywhere, caller, entity)
    if at is not None:
        listed = listed.filter(pl.col("run") < at.after)
    if caller.entities is not None or entity is not None:
        listed = listed.join(posted.select("run").unique(), on="run", how="semi", maintain_order="left")
    page_of = listed.head(limit)
    rows = [
        {
            **row,
            "posted": posted.filter(run=row["run"]).drop("run").to_dicts(),
            "rows": None if caller.entities is not None else counts.filter(run=row["run"]).drop("run").to_dicts(),
        }
        for row in page_of.to_dicts()
    ]
    if caller.entities is not None:
        rows = [{**row, "chain_digest": None} for row in rows]
    is_last = len(page_of) == len(listed)
    return {"rows": rows, "next": None if is_last else Cursor(rows[-1]["run"]).told(question)}


def document(
    store: Store, cache: Cache, caller: Caller, kind: str, name: str, *, entity: str | None, run: int | None
) -> dict[str, Any]:
    """The story of a document, as far as it is in legal entities that the caller may see. Raises: Problem."""
    as_of = AsOf(demand_run(store, run))
    number = as_of.run_of(store)
    demand_entity(store, cache, caller, entity)
    with ledger_session(store, as_of=as_of, kinds=("documents", "waiting")) as session:
        known = session.value(
            """
            select count(*) from (
                select 1 from stored_documents where document_kind = $kind and document = $document
                union all select 1 from stored_waiting where document_kind = $kind and document = $document
            )
            """,
            {"kind": kind, "document": name},
        )
        session.run(HERE / "document_entities.sql", kind=kind, document=name)
        found = session.query("select legal_entity from document_entities")["legal_entity"].to_list()
    missing = not_found(f"{kind.replace('_', ' ')} {name}")
    if not known:
        raise missing
    if caller.entities is None:
        if entity is not None and entity not in found:
            raise missing
        stories = _stories(store, kind, name, entity, as_of)
        return {"what": name, "run": number, "stories": stories}
    own = sorted(one for one in found if one is not None and caller.may_see(one) and entity in (None, one))
    if not own:
        raise missing
    is_whole = None not in found and all(caller.may_see(one) for one in found)
    stories = [
        story if is_whole else _without_the_rest(story)
        for one in own
        for story in _stories(store, kind, name, one, as_of)
    ]
    return {"what": name, "run": number, "stories": stories}


def _stories(store: Store, kind: str, name: str, entity: str | None, as_of: AsOf) -> list[dict[str, Any]]:
    told = explain(store, name, kind="document", legal_entity=entity, as_of=as_of).as_dict()
    return [story for story in told["stories"] if story["key"].get("document_kind") == kind]


def _without_the_rest(story: dict[str, Any]) -> dict[str, Any]:
    """A story without the findings: they are of the document as a whole, and may name other legal entities."""
    runs = [
        {**told, "events": [event for event in told["events"] if event["event"] not in _OF_THE_WHOLE]}
        for told in story["runs"]
    ]
    return {**story, "runs": [told for told in runs if told["events"]]}


def exports(
    store: Store,
    cache: Cache,
    caller: Caller,
    *,
    entity: str | None,
    profile: str | None,
    status: str | None,
    cursor: str | None,
    limit: int,
) -> dict[str, Any]:
    """A page of the exports, by number."""
    question = ["exports", entity, profile, status]
    at = Cursor.of(cursor, question)
    demand_entity(store, cache, caller, entity)
    rows = seen(exporting.exports(store), caller, entity)
    if profile is not None:
        rows = rows.filter(profile=profile)
    if status is not None:
        rows = rows.filter(export_status=status)
    if at is not None:
        rows = rows.filter(pl.col("export_number") > at.after)
    page_of = rows.head(limit).to_dicts()
    is_last = len(page_of) == len(rows)
    told = [export_as_told(row) for row in page_of]
    return {"rows": told, "next": None if is_last else Cursor(told[-1]["number"]).told(question)}


def export_row(store: Store, caller: Caller, number: int) -> dict[str, Any]:
    """The record of an export. Raises: Problem alike where there is none and where it is another legal entity's."""
    rows = exporting.exports(store).filter(export_number=number)
    if rows.is_empty() or not caller.may_see(rows["legal_entity"][0]):
        raise not_found(f"export {number}")
    return record.record_of(store, number)


def export_as_told(row: dict[str, Any]) -> dict[str, Any]:
    """A recorded export as it is answered."""
    number, is_recorded = row["export_number"], row["export_status"] == record.RECORDED
    return {
        "number": number,
        "status": row["export_status"],
        **{name: row[name] for name in ("profile", "format", "legal_entity", "first_on", "last_on", "exported_on")},
        "run": row["run"],
        "as_of_on": row["as_of_on"],
        "entries": row["entry_count"],
        "lines": row["line_count"],
        "files": [
            {**file, "href": file_href(number, file["name"]) if is_recorded else None}
            for file in json.loads(row["files"])
        ],
    }


def file_href(number: int, name: str) -> str:
    """Where a file of an export is downloaded."""
    return f"/v1/exports/{number}/files/{quote(name, safe='')}"


def order_entity(store: Store, caller: Caller, order: str) -> str:
    """The legal entity of a payment order. Raises: Problem alike where there is none and where it is another's."""
    with ledger_session(store, kinds=("documents",)) as session:
        found = session.value(
            """
            select legal_entity from stored_documents
            where document_kind = 'payment_order' and document = $order and legal_entity is not null limit 1
            """,
            {"order": order},
        )
    if found is None or not caller.may_see(found):
        raise not_found(f"payment order {order}")
    return str(found)
