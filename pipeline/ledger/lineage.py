"""What a run, an export or a dump read and wrote, as OpenLineage tells it: found in the ledger afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.ledger.reading import ledger_session
from pipeline.ledger.reference import stored_reference
from pipeline.ledger.store import Store
from pipeline.sql import identifier
from pipeline.watch.lineage import Dataset, Facts, told_of
from schemas import LEDGER, MOVEMENTS, REFERENCE, STORED
from schemas.table import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Any

    from pipeline.exports.export import ExportResult
    from pipeline.ledger.place import Place
    from pipeline.run import RunResult
    from pipeline.settings.settings import Settings
    from pipeline.watch.lineage import Told
    from schemas.table import Table

#: kinds of which an export's files are made
_EXPORTED = ("entry_lines", "lettering_lines", "documents", "reference")


def told_by(settings: Settings, job: str, *, warn: Callable[[str], None]) -> AbstractContextManager[Told]:
    """Tells OpenLineage of what is done within it, where the settings or the environment ask for that."""
    wanted = settings.lineage
    file, namespace = (None, None) if wanted is None else (wanted.file, wanted.namespace)
    return told_of(job, warn=warn, file=file, namespace=namespace)


def run_made(told: Told, store: Path | str, reference: Path, batch: Path, result: RunResult) -> None:
    """Says how to find out what a run read and wrote."""
    rows = {row["table_name"]: row["rows_in"] for row in result.rows}
    tags = {name: getattr(result, name) for name in ("run", "run_on", "batch_digest", "chain_digest")}
    told.is_made(lambda: of_run(Store.open(store), reference, batch, run=result.run, rows_in=rows, tags=tags))


def export_made(told: Told, store: Store, folder: Path, result: ExportResult) -> None:
    """Says how to find out what an export read and wrote."""
    tags = {"run": result.run, "legal_entity": result.legal_entity, "export_number": result.number}
    told.is_made(lambda: of_export(store, folder, result.files, lines=result.lines, tags=tags))


def of_run(
    store: Store,
    reference: Path | str,
    batch: Path,
    *,
    run: int,
    rows_in: Mapping[str, int],
    tags: Mapping[str, Any],
) -> Facts:
    """The reference and batch tables with their rows, and what the run added to each kind of the ledger.

    rows_in: the rows of each movement table.
    """
    # What the run has just written is counted, not trusted: no digest is made of the whole ledger for it.
    with ledger_session(store, is_verified=True) as session:
        known = {table: len(rows) for table, rows in stored_reference(session).items()}
        kinds = [kind for kind, model in STORED.items() if any(column.name == "run" for column in columns(model))]
        added = session.query(
            " union all ".join(
                f"select '{kind}' as kind, count(*) as rows from {identifier('stored_' + kind)} where run = $run"
                for kind in kinds
            )
            + " order by kind",
            {"run": run},
        )
    inputs = [*_tables(reference, REFERENCE, known.items()), *_tables(batch, MOVEMENTS, rows_in.items())]
    outputs = _tables(store.place, STORED, added.filter(added["rows"] > 0).rows())
    return Facts(inputs=inputs, outputs=outputs, tags=tags)


def of_export(store: Store, folder: Path, files: Iterable[Any], *, lines: int, tags: Mapping[str, Any]) -> Facts:
    """The kinds of the ledger that files are made of, and the files with their sizes and digests."""
    return Facts(
        inputs=_tables(store.place, STORED, [(kind, lines if kind == "entry_lines" else None) for kind in _EXPORTED]),
        outputs=[Dataset(str(folder / file.name), size=file.size, digest=file.sha256) for file in files],
        tags=tags,
    )


def of_dump(store: Store, out: Path, tables: Iterable[tuple[str, int]], *, tags: Mapping[str, Any]) -> Facts:
    """Every kind of the ledger, and the files of the tables with their rows and sizes."""
    files = [(out / f"{table}.parquet", table, rows) for table, rows in tables]
    outputs = [
        Dataset(str(path), rows=rows, size=path.stat().st_size, columns=_columns(LEDGER[table]))
        for path, table, rows in files
    ]
    return Facts(inputs=_tables(store.place, STORED, [(kind, None) for kind in STORED]), outputs=outputs, tags=tags)


def _tables(
    place: Path | str | Place, models: Mapping[str, type[Table]], rows: Iterable[tuple[str, int | None]]
) -> list[Dataset]:
    return [
        Dataset(f"{str(place).rstrip('/')}/{table}", rows=count, columns=_columns(models[table]))
        for table, count in rows
        if table in models
    ]


def _columns(model: type[Table]) -> list[tuple[str, str, str]]:
    return [(column.name, str(column.form), column.description) for column in columns(model)]
