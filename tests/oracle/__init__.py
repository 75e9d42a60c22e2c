"""The spec again, in plain, slow, obvious Python: what the engine is compared with."""

from __future__ import annotations

from tests.oracle.ledger import Oracle
from tests.oracle.reading import BrokenReferenceError, Rows, Tables

__all__ = ["BrokenReferenceError", "Oracle", "Rows", "Tables"]
