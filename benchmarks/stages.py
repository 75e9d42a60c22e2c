"""CPU seconds of one run by stage and by SQL file: `python -m benchmarks.stages REFERENCE BATCH STORE DAY OUT`.

The process's CPU time between what `run` says of its progress goes to the stage that it named last; what a `.sql` file
took of it is counted beside. The files that impute advances are told apart from the rest of `post`. A run that is cut
into parts has the stages of each part, and `cut`, `parts` (reading one, handing it on) and `write` of its own. OUT is a
JSON file.
"""

from __future__ import annotations

import functools
import json
import re
import sys
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from pipeline.partition import part, taken
from pipeline.run import run
from pipeline.sql import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: SQL files that are a stage of their own, taken out of the one that runs them
_APART = {
    "impute": ("advance_balances", "advance_imputation", "imputation_lines"),
}


class Clock:
    """Tells how much CPU time of this process each stage took, and each SQL file in it."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = defaultdict(float)
        self.files: dict[tuple[str, str], float] = defaultdict(float)
        self._stage, self._since = "start", 0.0

    def enter(self, stage: str) -> None:
        """A stage begins, and the one before it ends. Parts are not told apart."""
        stage = re.sub("^post, part.*", "parts", stage).partition(",")[0].partition(" ")[0]
        now = time.process_time()
        self.stages[self._stage] += now - self._since
        self._stage, self._since = stage, now

    @contextmanager
    def file(self, name: str) -> Iterator[None]:
        """A SQL file runs."""
        before = time.process_time()
        yield
        self.files[self._stage, name] += time.process_time() - before

    def figures(self) -> dict[str, Any]:
        """Seconds by stage, in the order of the run, and by SQL file, the dearest first."""
        self.enter("end")
        stages = dict(self.stages)
        for name, files in _APART.items():
            taken = {key: seconds for key, seconds in self.files.items() if key[1] in files}
            for (stage, _), seconds in taken.items():
                stages[stage] -= seconds
            if taken:
                stages[name] = sum(taken.values())
        dearest = sorted(self.files.items(), key=lambda item: -item[1])
        return {
            "stages": {name: round(seconds, 3) for name, seconds in stages.items()},
            "files": {f"{stage}/{name}": round(seconds, 3) for (stage, name), seconds in dearest},
        }


def main() -> None:
    """Makes a run and writes what its stages took."""
    reference, batch, store, day, out = sys.argv[1:]
    clock = Clock()
    replaced: list[tuple[Any, str, Any]] = [
        *((Session, name, _timed(getattr(Session, name), clock)) for name in ("run", "add")),
        # What happens within a part is told to nobody else.
        (part, "compute", functools.partial(vars(part)["compute"], progress=clock.enter)),
        (taken, "number_part", _entering("write", vars(taken)["number_part"], clock)),
    ]
    with ExitStack() as stack:
        for owner, name, timed in replaced:
            stack.enter_context(mock.patch.object(owner, name, timed))
        run(Path(reference), Path(batch), Path(store), on=date.fromisoformat(day), progress=clock.enter)
    Path(out).write_text(json.dumps(clock.figures()), encoding="utf-8")


def _entering(stage: str, function: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    def entering(*arguments: Any) -> Any:
        clock.enter(stage)
        return function(*arguments)

    return entering


def _timed(method: Callable[..., None], clock: Clock) -> Callable[..., None]:
    def timed(session: Session, path: Path, *arguments: Any, **parameters: Any) -> None:
        with clock.file(path.stem):
            method(session, path, *arguments, **parameters)

    return timed


if __name__ == "__main__":
    main()
