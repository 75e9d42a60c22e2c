"""Pages of long lists: a cursor says where the next one begins, and of which run the list is."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.api.problems import Problem

if TYPE_CHECKING:
    import polars as pl

LIMIT, MOST = 500, 5_000
#: what a number of a cursor is below: SQLite and polars know no larger ones
_LARGEST = 1 << 53


@dataclass(frozen=True)
class Cursor:
    """Where a page begins. run: that of the list, so that runs in between do not move its rows."""

    after: int
    run: int | None = None

    def told(self, question: Any) -> str:
        """The cursor as a request gives it back, for the same question alone."""
        said = json.dumps([self.after, self.run, _digest(question)], separators=(",", ":"))
        return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")

    @classmethod
    def of(cls, text: str | None, question: Any) -> Cursor | None:
        """Reads a cursor. Raises: Problem for one that is none, or is of another question."""
        if text is None:
            return None
        try:
            after, run, digest = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except ValueError:  # also of its subclasses: no base64, no UTF-8, no JSON, another number of parts
            after = run = digest = None
        except TypeError:
            after = run = digest = None
        is_sound = isinstance(after, int) and 0 <= after < _LARGEST and (run is None or isinstance(run, int))
        if not is_sound or digest != _digest(question):
            raise Problem(
                422,
                "this is no cursor of this list",
                where="query.cursor",
                mend="give `next` of the page before, and the same parameters",
            )
        return cls(after, run)


def page(rows: pl.DataFrame, cursor: Cursor | None, limit: int, run: int, question: Any) -> dict[str, Any]:
    """The rows of a page, and the cursor of the next. rows: all of them, in the order of the list."""
    after = 0 if cursor is None else cursor.after
    shown = rows.slice(after, limit)
    is_last = after + len(shown) >= len(rows)
    return {"rows": shown.to_dicts(), "next": None if is_last else Cursor(after + len(shown), run).told(question)}


def _digest(question: Any) -> str:
    return hashlib.sha256(json.dumps(question, default=str, sort_keys=True).encode()).hexdigest()[:16]
