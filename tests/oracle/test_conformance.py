"""The oracle passes the conformance cases, so that it may be compared with."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.conformance.compare import batches, cases, compare_case, read_folder
from tests.oracle import Oracle


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_the_oracle_posts_what_the_case_expects_after_every_batch(case: Path) -> None:
    oracle = Oracle()
    reference = read_folder(case / "reference")
    for number, batch in enumerate(batches(case), start=1):
        oracle.run(reference, read_folder(batch), date(2026, 3, 1))
        ledger = {
            "entry_lines": oracle.entry_lines,
            "letterings": oracle.letterings,
            "lettering_lines": oracle.lettering_lines,
            "payments": oracle.payments,
        }
        assert compare_case(case / f"expected-{number}", ledger) == []
        assert oracle.quarantine == []
