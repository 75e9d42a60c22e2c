"""Logs for machines (docs/orchestration.md): with `--log-format json` stderr holds JSON, an object a line, alone.

    from pipeline.watch.logs import log
    log().info("delivered", destination="bank", files=2)

Without it an event is told to nobody, and costs nothing: what a person reads is what the commands print.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import time
import uuid
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping


class Log(Protocol):
    """Takes events: a name in a few words, always the same, and what there is to know of it as fields."""

    def debug(self, event: str, **fields: Any) -> Any:
        """Tells what only its maker wants to know; it is not written."""

    def info(self, event: str, **fields: Any) -> Any:
        """Tells what went as it should."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Tells what somebody should look at."""

    def error(self, event: str, **fields: Any) -> Any:
        """Tells what failed."""


class _Silent:
    """Takes events and tells nobody."""

    def debug(self, event: str, **fields: Any) -> None: ...

    info = warning = error = debug


_SILENT = _Silent()
#: what writes events, None where people read
_writing: list[Any] = []


def is_json() -> bool:
    """Whether events are written."""
    return bool(_writing)


def log(**fields: Any) -> Log:
    """What takes events; each of them also has these fields, and those that are bound."""
    if not _writing:
        return _SILENT
    logger: Log = _writing[-1].bind(**fields)
    return logger


def bind(**fields: Any) -> None:
    """From here on, in this thread or task, every event has these fields."""
    if _writing:
        from structlog.contextvars import bind_contextvars  # noqa: PLC0415 - takes 0.15 s, for JSON alone

        bind_contextvars(**fields)


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Within it, in this thread or task, every event has these fields; what is bound inside is forgotten after it."""
    if not _writing:
        yield
        return
    from structlog import contextvars  # noqa: PLC0415 - as above

    before = contextvars.get_contextvars()
    contextvars.bind_contextvars(**fields)
    try:
        yield
    finally:
        contextvars.clear_contextvars()
        contextvars.bind_contextvars(**before)


@contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """Gives the function that a command tells its steps to; a step that has ended is an event with its seconds.

    The event of an error, and any between, says in which step it was.
    """
    current: list[tuple[str, float]] = []

    def ended() -> None:
        if current:
            name, began = current.pop()
            log().info("step done", step=name, seconds=_seconds_since(began))

    def step(name: str) -> None:
        ended()
        bind(step=name)
        current.append((name, time.perf_counter()))

    yield step
    ended()
    if _writing:
        from structlog.contextvars import unbind_contextvars  # noqa: PLC0415 - as above

        unbind_contextvars("step")


def for_uvicorn() -> dict[str, Any]:
    """What uvicorn's Config has to be given so that it, too, writes JSON where everything does."""
    return {"log_config": None, "log_level": "info"} if _writing else {}


@contextmanager
def as_json(*, secrets: Callable[[], Iterable[str]] = frozenset, stream: TextIO | None = None) -> Iterator[None]:
    """Within it events are written, a line each, and whatever else goes to stderr is made an event.

    secrets: gives the values that must not be written. stream: where to, stderr where none is given. The streams, hooks
    and loggers of before are there again afterwards.
    """
    out = stream or sys.stderr
    logger = _logger(out, secrets)
    handler = _Handler()
    root = logging.getLogger()
    before = (sys.stderr, threading.excepthook, root.handlers, root.level, warnings.showwarning)
    _writing.append(logger)
    sys.stderr = _Strays()
    threading.excepthook = _of_thread
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    warnings.showwarning = _warned
    try:
        with bound(invocation=str(uuid.uuid4())):
            yield
            sys.stderr.flush()
    finally:
        sys.stderr.flush()
        _writing.pop()
        sys.stderr, threading.excepthook, root.handlers, level, warnings.showwarning = before
        root.setLevel(level)


def crashed(error: BaseException, **fields: Any) -> None:
    """Writes the event of an error that nobody expected, with its traceback as a field."""
    import traceback  # noqa: PLC0415 - as above

    said = "".join(traceback.format_exception(error))
    log().error("crashed", error=type(error).__name__, what=str(error), traceback=said, **fields)


def _seconds_since(began: float) -> float:
    return round(time.perf_counter() - began, 3)


def _logger(out: TextIO, secrets: Callable[[], Iterable[str]]) -> Any:
    import structlog  # noqa: PLC0415 - as above

    from pipeline.watch.redact import Redactor  # noqa: PLC0415 - as above

    is_utf8 = (getattr(out, "encoding", None) or "").lower() in ("utf-8", "utf8")
    return structlog.wrap_logger(
        structlog.WriteLogger(_Patient(out)),  # type: ignore[arg-type]  # it writes and flushes, nothing else
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            Redactor(secrets),
            _in_order,
            structlog.processors.JSONRenderer(serializer=json.dumps, ensure_ascii=not is_utf8),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        context_class=dict,
        cache_logger_on_first_use=False,
    ).bind()


def _in_order(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """What every line has comes first, so that people can read them too."""
    first = ("timestamp", "level", "event", "command", "invocation")
    return {**{name: event[name] for name in first if name in event}, **event}


_LEVELS = (("error", logging.ERROR), ("warning", logging.WARNING), ("info", logging.INFO))


class _Handler(logging.Handler):
    """Makes events of what libraries log: from WARNING on, and where a logger has a level of its own from that on."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes an event."""
        level = (
            "error" if record.levelno >= logging.ERROR else "warning" if record.levelno >= logging.WARNING else "info"
        )
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            fields["traceback"] = logging.Formatter().formatException(record.exc_info)
        try:
            said = record.getMessage()
        except (TypeError, ValueError):  # a library's format and arguments that do not go together
            said = str(record.msg)
        getattr(log(), level)(said, **fields)


class _Patient:
    """A stream that takes a line at a time, and drops what it cannot write: whoever reads logs may be gone or full.

    The work goes on, for its result is in the ledger and its exit code.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        with self._lock, suppress(OSError, ValueError):
            self._out.write(text)

    def flush(self) -> None:
        with self._lock, suppress(OSError, ValueError):
            self._out.flush()


class _Strays(io.TextIOBase):
    """Makes events of the lines that something writes to stderr by itself."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self) -> None:
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._tell(line)
        return len(text)

    def flush(self) -> None:
        rest, self._rest = self._rest, ""
        self._tell(rest)

    @staticmethod
    def _tell(line: str) -> None:
        if line.strip():
            log().warning("stderr", text=line.strip())


def _of_thread(said: threading.ExceptHookArgs) -> None:
    if not _writing:  # the thread outlived the command
        threading.__excepthook__(said)
    elif said.exc_value is not None:
        crashed(said.exc_value, thread=said.thread.name if said.thread else None)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - the signature is Python's
    line: str | None = None,  # noqa: ARG001 - likewise
) -> None:
    log().warning(str(message), logger="py.warnings", warning=category.__name__, at=f"{filename}:{lineno}")
