"""Tables in a request: files (multipart/form-data) or rows of JSON, written into a folder as a batch has them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import polars as pl
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from pipeline.api.files import digest_of
from pipeline.api.problems import Problem
from schemas.table import columns, key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fastapi import Request

    from schemas.table import Table

JSON, FORM = "application/json", "multipart/form-data"
_ENDINGS = (".csv", ".parquet", ".xlsx")
_MOST_FILES = 64
_BLOCK = 1 << 20
#: bytes by which Parquet and workbooks are told
_MAGIC = 4


async def tables_in(request: Request, folder: Path, tables: Mapping[str, type[Table]], *, fills: bool = True) -> str:
    """Writes the tables of a request into a folder, which is made; returns a digest of what they say.

    tables: the models of those that are known. fills: of rows of JSON the required columns are there in any case, and a
    table without rows is not; else those of the key are, and a table without rows is one that holds nothing.
    Raises: Problem for a body that is neither, and a name that is no table; the folder may be there then.
    """
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise Problem(
            415,
            "the body is compressed",
            where="header.Content-Encoding",
            mend="send it as it is: Parquet is compressed in itself",
            headers={"Accept-Encoding": "identity"},
        )
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == FORM:
        return await _read_form(request, folder, tables)
    if kind == JSON:
        body = await request.body()
        return await run_in_threadpool(_write_rows, body, folder, tables, fills)
    raise Problem(
        415,
        f"the body is {kind or 'of no kind'}",
        where="header.Content-Type",
        mend=f"send files as {FORM}, or rows as {JSON}",
    )


async def _read_form(request: Request, folder: Path, tables: Collection[str]) -> str:
    """Writes the files of a form that has come to its end: cut off, it would be a form with fewer files."""
    _, options = parse_options_header(request.headers["content-type"])
    parser = MultiPartParser(request.headers, request.stream(), max_files=_MOST_FILES, max_fields=_MOST_FILES)
    try:
        try:
            form = await parser.parse()
        except (MultiPartException, KeyError) as error:
            said = error.message if isinstance(error, MultiPartException) else "it names no boundary"
            raise Problem(400, f"the form cannot be read ({said})", where="body") from None
        if b"--" + options.get(b"boundary", b"") + b"--" not in request.state.seen.tail:
            raise Problem(400, "the form is cut off: its last boundary is missing", where="body", mend="send it again")
        return await run_in_threadpool(_write_form, list(form.multi_items()), folder, tables)
    finally:
        # Those of parts that never came to their end too, which the form does not know.
        for file in parser._files_to_close_on_error:  # noqa: SLF001 - nothing else has them
            file.close()


def _write_form(items: list[tuple[str, Any]], folder: Path, tables: Collection[str]) -> str:
    folder.mkdir(parents=True, mode=0o700)
    digests = {}
    for field, part in items:
        if not isinstance(part, UploadFile):
            raise Problem(
                422, f"{_shown(field)} is no file", where="body", mend="send each table as a file, named after it"
            )
        name = _file_name(field, part.filename or "", part.file.read(_MAGIC), tables)
        part.file.seek(0)
        path = folder / name
        if path.exists():
            raise Problem(422, f"{name} comes twice", where="body", mend="send each table once")
        with path.open("wb") as file:
            shutil.copyfileobj(part.file, file, _BLOCK)
            file.flush()
            os.fsync(file.fileno())
        digests[name] = digest_of(path)
    if not digests:
        raise Problem(422, "there is no file in it", where="body", mend="send at least one table")
    return hashlib.sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()


def _file_name(field: str, given: str, begins: bytes, tables: Collection[str]) -> str:
    """What a part is called in the folder: a table's name and the ending, never what else was sent.

    A file is named after its table; where it is not, the field is. begins: what tells its kind, if its name does not.
    """
    ending = PurePosixPath(given).suffix.lower()
    if ending not in _ENDINGS and field in tables:
        ending = {b"PAR1": ".parquet", b"PK\x03\x04": ".xlsx"}.get(begins, ".csv")
    stem = PurePosixPath(PureWindowsPath(given).name).stem
    if ending not in _ENDINGS:
        raise Problem(
            422,
            f"{_shown(given)} is no table",
            where=f"body.{_shown(field)}",
            mend=f"a table is a file of the kind {', '.join(_ENDINGS)}",
        )
    table = next((name for name in (stem, field) if name in tables), None)
    if table is not None:
        return table + ending
    if ending == ".xlsx":  # its sheets are the tables
        return "workbook-" + hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()[:8] + ending
    raise Problem(
        422,
        f"there is no table {_shown(stem)}",
        where=f"body.{_shown(field)}",
        mend=f"the tables are {', '.join(tables)}",
    )


def _write_rows(body: bytes, folder: Path, tables: Mapping[str, type[Table]], fills: bool) -> str:  # noqa: FBT001 - called by run_in_threadpool
    """Writes rows of JSON as Parquet, each cell as the text that was sent: a number never becomes a float."""
    try:
        said = json.loads(body, parse_float=str, parse_int=str, parse_constant=_no_number, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise Problem(400, "the body is no JSON, or a name stands twice in it", where="body") from None
    if not isinstance(said, dict) or not said:
        raise Problem(422, "the body is no object of tables", where="body", mend='send {"advances": [{…}]}')
    folder.mkdir(parents=True, mode=0o700)
    for table, rows in said.items():
        if table not in tables:
            raise Problem(
                422, f"there is no table {_shown(table)}", where="body", mend=f"the tables are {', '.join(tables)}"
            )
        _write_table(table, rows, folder, tables[table], fills=fills)
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _write_table(table: str, rows: Any, folder: Path, model: type[Table], *, fills: bool) -> None:
    where = f"body.{table}"
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Problem(422, f"{table} is no list of rows", where=where, mend="a row is an object: column and value")
    if not rows and fills:
        return
    known = [column.name for column in columns(model)]
    given = dict.fromkeys(name for row in rows for name in row)
    strange = next((name for name in given if name not in known), None)
    if strange is not None:
        raise Problem(
            422,
            f"{table} has no column {_shown(strange)}",
            where=f"{where}.{_shown(strange)}",
            mend=f"its columns are {', '.join(known)}",
        )
    # A column that has to be there is there, and empty, where no row has it: its rows are then told one by one.
    needed = {column.name for column in columns(model) if column.required} if fills else set(key(model))
    names = [name for name in known if not rows or name in needed or name in given]
    wrong = next((name for row in rows for name, cell in row.items() if not isinstance(cell, str | bool | None)), None)
    if wrong is not None:
        raise Problem(
            422, f"{table} has a cell that is no value", where=f"{where}.{_shown(wrong)}", mend="texts and numbers"
        )
    cells = {name: [_text(row.get(name)) for row in rows] for name in names}
    try:
        frame = pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String))
        path = folder / f"{table}.parquet"
        frame.write_parquet(path)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    except (UnicodeError, pl.exceptions.PolarsError):
        raise Problem(422, f"{table} has a cell that is no text in UTF-8", where=where) from None


def _text(cell: Any) -> str | None:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return cell or None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name stands twice")
    return made


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _shown(text: str) -> str:
    """A name that was sent, as an answer may repeat it."""
    return "".join(letter for letter in text if letter.isprintable())[:80] or "without a name"
