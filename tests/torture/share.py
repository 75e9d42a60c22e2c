"""How much of the fixed torments is tried: one in three, so that the slow suite ends in time, or all of them.

`make torture-all` tries all: more than 200 kills, 50 rounds of writers. Those around a commit are never left out.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

Case = TypeVar("Case")

#: every how many is tried. It shares no factor with 5 and 10, so that every step and pair has its turn
EVERY = 1 if os.environ.get("TORTURE") == "all" else 3


def share(cases: Sequence[Case]) -> Sequence[Case]:
    """The cases that are tried."""
    return cases[::EVERY]
