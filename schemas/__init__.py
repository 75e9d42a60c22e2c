"""One model a table: every column's type, unit and meaning stand here and nowhere else."""

from __future__ import annotations

import re
from inspect import isclass
from typing import TYPE_CHECKING

from schemas import ledger, movements, reference, store
from schemas.table import Table, key

if TYPE_CHECKING:
    from types import ModuleType


def _tables(module: ModuleType) -> dict[str, type[Table]]:
    """The models that a module defines, by the name of their table."""
    return {
        re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(): model
        for name, model in vars(module).items()
        if isclass(model) and issubclass(model, Table) and model.__module__ == module.__name__ and key(model)
    }


#: spec §2, reference tables · movement tables; §7, tables out; the kinds of the ledger store
REFERENCE = _tables(reference)
MOVEMENTS = _tables(movements)
LEDGER = _tables(ledger)
STORED = _tables(store)
