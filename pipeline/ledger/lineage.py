"""What a run, an export or a dump read and wrote, as OpenLineage tells it: found in the ledger afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.ledger.reading import ledger_session
from pipeline.ledger.reference import stored_reference
from pipeline.sql import identifier
from pipeline.watch.lineage import Dataset, Facts
from schemas import LEDGER, MOVEMENTS, REFERENCE, STORED
from schemas.table import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import Any

    from pipeline.ledger.place import Place
    from pipeline.ledger.store import Store
    from schemas.table import Table

#: kinds of which an export's files are made
_EXPORTED = ("entry_lines", "lettering_lines", "documents", "reference")


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
