"""Files out: streamed, in part where a range is asked for, not at all where the caller has them (RFC 9110)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from pipeline.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import Request

    from pipeline.api.files import Held

_BLOCK = 1 << 18
_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*\Z", re.IGNORECASE)
#: what browsers and programs may take a file for; the rest is bytes: an ending of an accounting package (.pnm, .ach)
#: is elsewhere one of something else
_KINDS = {
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".xml": "application/xml",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".parquet": "application/vnd.apache.parquet",
    ".zip": "application/zip",
}
_NOT_MODIFIED, _PARTIAL, _OK = 304, 206, 200


def download(request: Request, held: Held, *, name: str, clear: Callable[[], None] | None = None) -> Response:
    """The answer to a request for a file. clear: what is done once it is sent. Raises: Problem for a range outside."""
    tag = f'"{held.sha256}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f"attachment; filename=\"{_plain(name)}\"; filename*=utf-8''{quote(name, safe='')}",
        "Content-Type": _kind(name),
    }
    after = None if clear is None else BackgroundTask(clear)
    if _matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=_NOT_MODIFIED, headers=headers, background=after)
    try:
        wanted = _wanted(request, held.size, tag)
    except Problem:
        if clear is not None:
            clear()
        raise
    first, last = wanted or (0, held.size - 1)
    headers["Content-Length"] = str(last - first + 1)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {first}-{last}/{held.size}"
    status = _OK if wanted is None else _PARTIAL
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, background=after)
    return StreamingResponse(_blocks(held.path, first, last), status, headers, background=after)


def _wanted(request: Request, size: int, tag: str) -> tuple[int, int] | None:
    """The first and last byte that are asked for; None for all: also where the file is another than the caller has.

    Several ranges at once are answered with all of it, as RFC 9110 allows; of HEAD there is no range.
    """
    if request.method != "GET":
        return None
    asked = _RANGE.match(request.headers.get("range", ""))
    condition = request.headers.get("if-range")
    if asked is None or asked.groups() == ("", "") or (condition is not None and condition.strip() != tag):
        return None
    begin, end = asked.groups()
    if not begin:
        first, last = max(0, size - int(end)), size - 1
    else:
        first, last = int(begin), min(int(end), size - 1) if end else size - 1
        if end and int(end) < int(begin):
            return None
    if first >= size or last < first:
        raise Problem(
            416, f"the file holds {size} bytes", where="header.Range", headers={"Content-Range": f"bytes */{size}"}
        )
    return first, last


def _matches(condition: str | None, tag: str) -> bool:
    if condition is None:
        return False
    tags = [one.strip().removeprefix("W/") for one in condition.split(",")]
    return "*" in tags or tag in tags


def _blocks(path: Path, first: int, last: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        left = last - first + 1
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            left -= len(block)
            yield block


def _plain(name: str) -> str:
    """A name for programs that know ASCII alone."""
    return re.sub(r"[^A-Za-z0-9._ -]", "_", name)


def _kind(name: str) -> str:
    return _KINDS.get(Path(name).suffix.lower(), "application/octet-stream")
