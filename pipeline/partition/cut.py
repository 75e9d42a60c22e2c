"""A batch in, its parts out: each row of it, and of what waits in quarantine, goes to the part of its employee.

A part is `md5(employee) mod count`: it depends on nothing but the name, so any machine cuts alike. Orders and their
exclusions go to every part, since each pays its own employees.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.partition.engines import machine_memory
from pipeline.partition.part import FOLDER, Part, handing_on, macros, put, save, software
from pipeline.sql import identifier
from pipeline.stage.stage import ALL_TABLES, RETURNS, Movement, row_key, rows_to_stage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    import polars as pl

    from pipeline.ledger.place import Place
    from pipeline.ledger.store import Store
    from pipeline.partition.engines import Engine
    from pipeline.partition.part import Piece
    from pipeline.sql import Session
    from pipeline.tables import RawTable

HERE = Path(__file__).parent
#: what a run holds in memory of a row of the batch at its widest moment, in bytes, measured (benchmarks/README.md)
ROW_BYTES = 1100
#: of a machine's memory what the tables of a part may take where nothing is said, and at most
_SHARE_OF_MACHINE, _MOST = 4, 5 << 30
#: of a memory limit what a part may take by this reckoning: sorting and writing need room of their own
_SHARE_OF_LIMIT = 2
#: rows below which a part costs more than it brings; parts for each worker, so that none waits long for the last one
_FEWEST_ROWS, _PARTS_A_WORKER = 50_000, 4
_UNITS = {
    **{f"{letter}{rest}": 1000**power for power, letter in enumerate("kmgt", start=1) for rest in ("", "b")},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", start=1)},
}
#: returns without an order are told apart by what is wrong with them alone, whoever they name (return_fates.sql)
_RETURN_PART = "if(payment_order is null, 0, employee_part(employee))"


def row_count(batch: Mapping[str, RawTable]) -> int:
    """How many rows a batch has; of a Parquet file its footer alone is read."""
    return sum(
        raw.source.num_rows if isinstance(raw.source, pa.Table) else pq.read_metadata(raw.source).num_rows
        for raw in batch.values()
    )


def parts_for(rows: int, *, memory: int | None, workers: int) -> int:
    """Into how many parts to cut a batch of so many rows; 1: not at all.

    memory: bytes that a part's tables may take, as `room` gives them. workers: how many take parts at the same time.
    """
    by_memory = math.ceil(rows * ROW_BYTES / memory) if memory else 1
    by_workers = min(_PARTS_A_WORKER * workers, rows // _FEWEST_ROWS) if workers > 1 else 1
    return max(1, by_memory, by_workers)


def room(memory_limit: str | None, engine: Engine) -> int:
    """Bytes that a part's tables may take: of a limit as DuckDB writes it, of what the engine has, of this machine.

    A part that takes more is found out while it is taken, so a share of what there is will do.
    """
    if memory_limit:
        return memory_bytes(memory_limit) // _SHARE_OF_LIMIT
    if engine.memory:
        return min(engine.memory // _SHARE_OF_LIMIT, _MOST)
    return min(machine_memory() // _SHARE_OF_MACHINE, _MOST)


def memory_bytes(limit: str) -> int:
    """An amount of memory as DuckDB writes it, in bytes: 2GB, 1.5 GiB, 80% of the machine's."""
    text = limit.replace(" ", "").lower()
    if text.endswith("%"):
        return int(machine_memory() * float(text[:-1]) / 100)
    unit = next(unit for unit in sorted(_UNITS, key=len, reverse=True) if text.endswith(unit))
    return int(float(text.removesuffix(unit)) * _UNITS[unit])


def cut(
    session: Session,
    ledger: Store,
    batch: Mapping[str, RawTable],
    known: Mapping[str, pl.DataFrame],
    *,
    count: int,
    run: int,
    on: date,
) -> list[Part]:
    """Writes the rows of each part to the ledger's place; gives the parts, the largest first.

    session: with the ledger attached. batch: movement tables. known: reference tables. count: of parts. run, on: of the
    run. Raises: StoreError where the place cannot be written.
    """
    place = ledger.place
    for table, query in rows_to_stage(session, batch).items():
        session.view(f"rows_of_{table}", f"select * replace (0::bigint as row_id) from ({query})")
    session.run(HERE / "document_employees.sql")
    session.run(HERE / "gathered_employees.sql")
    gathered = session.count("gathered_employees") > 0
    for statement in macros(count, has_gathered=gathered):
        session.con.execute(statement)
    session.run(HERE / "document_parts.sql")
    session.view(
        "return_keys",
        f"select payment_order as document, {row_key(RETURNS)} as row_key, {_RETURN_PART} as part "
        f"from rows_of_{RETURNS.table}",
    )
    session.run(HERE / "finding_parts.sql")
    rows = {movement.table: _shared_out(session, place, movement, count) for movement in ALL_TABLES}
    findings = by_part(session, place, "select * from finding_parts", count)
    gathered_pieces = [save(session, place, "select * from gathered_employees")] if gathered else []
    reference: dict[str, list[Piece]] = {}
    for table, frame in known.items():
        session.register("reference_rows", frame)
        reference[table] = [save(session, place, "select * from reference_rows")]
        session.drop("reference_rows")
    session.drop("document_employees", "document_parts", "gathered_employees", "finding_parts")
    sizes = place.sizes()
    parts = [
        Part(
            part=number,
            count=count,
            store=str(place),
            ledger_version=ledger.version,
            run=run,
            on=on,
            rows={table: pieces[number] for table, pieces in rows.items()},
            findings=findings[number],
            reference=reference,
            gathered=gathered_pieces,
            software=software(),
            size=sum(sizes.get(piece.name, 0) for pieces in rows.values() for piece in pieces[number]),
        )
        for number in range(count)
    ]
    return sorted(parts, key=lambda part: -part.size)


def _shared_out(session: Session, place: Place, movement: Movement, count: int) -> list[list[Piece]]:
    """The pieces of a movement table's rows, part by part."""
    rows = f"rows_of_{movement.table}"
    if movement.document_kind == "payment_order":
        return [[save(session, place, f"select * from {rows}")]] * count
    if movement is RETURNS:
        return by_part(session, place, f"select *, {_RETURN_PART} as part from {rows}", count)
    return by_part(
        session,
        place,
        f"""
        select rows_of_table.*,
            coalesce(document_parts.part, document_part(rows_of_table.{identifier(movement.document)})) as part
        from {rows} as rows_of_table
        left join document_parts
            on document_parts.document_kind = '{movement.document_kind}'
                and rows_of_table.{identifier(movement.document)} = document_parts.document
        """,
        count,
    )


def by_part(session: Session, place: Place, query: str, count: int) -> list[list[Piece]]:
    """Writes the rows of a query, which has a column `part`; gives the pieces of each part, at least one.

    Raises: StoreError where they cannot be written.
    """
    folder = session.scratch / "by_part"
    pieces: list[list[Piece]] = [[] for _ in range(count)]
    session.con.execute(
        f"copy ({query}) to '{folder}' (format parquet, compression snappy, partition_by (part), overwrite true)"
    )
    with handing_on(place):
        for path in sorted(folder.glob("part=*/*.parquet")):
            begun = place.begin(FOLDER)
            shutil.move(path, begun)
            pieces[int(path.parent.name.removeprefix("part="))].append(put(place, begun))
    shutil.rmtree(folder, ignore_errors=True)
    if all(pieces):
        return pieces
    # What nobody has a row of is a table all the same.
    empty = save(session, place, f"select * exclude (part) from ({query}) where false")
    return [found or [empty] for found in pieces]
