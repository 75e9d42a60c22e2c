"""Two things at once: the next batch is read while one is worked on, and the last one is written meanwhile."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

_Item = TypeVar("_Item")


def ahead(items: Iterable[_Item]) -> Iterator[_Item]:
    """Gives items in their order, each made while the one before is worked on."""
    iterator = iter(items)
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(_next, iterator)
        while item := following.result():
            following = pool.submit(_next, iterator)
            yield item[0]


def _next(iterator: Iterator[_Item]) -> tuple[_Item] | None:
    for item in iterator:
        return (item,)
    return None


class Behind:
    """Does one thing after another in a thread of its own; at most one waits. An error comes with the next one."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._last is not None and error is None:
                self._last.result()
        finally:
            self._pool.shutdown()

    def do(self, work: Callable[[], None]) -> None:
        """Does this when what came before is done."""
        if self._last is not None:
            self._last.result()
        self._last = self._pool.submit(work)
