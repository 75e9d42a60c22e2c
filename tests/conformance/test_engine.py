"""The conformance cases through the commands, batch by batch: entry lines, letterings, payments."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from pipeline.cli import main
from tests.conformance.compare import compare_case

CASES = Path(__file__).parent / "cases"


def rows(dump: Path, table: str) -> list[dict[str, object]]:
    return pl.read_parquet(dump / f"{table}.parquet").to_dicts()


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_case(case: str, tmp_path: Path) -> None:
    folder = CASES / case
    for number in range(1, 1 + len(list(folder.glob("batch-*")))):
        ran = CliRunner().invoke(
            main,
            [
                "run",
                "--reference",
                str(folder / "reference"),
                "--batch",
                str(folder / f"batch-{number}"),
                "--store",
                str(tmp_path / "store"),
                "--on",
                "2026-03-01",
            ],
        )
        assert ran.exit_code == 0, ran.output
        dumped = CliRunner().invoke(
            main, ["dump", "--store", str(tmp_path / "store"), "--out", str(tmp_path / f"dump-{number}")]
        )
        assert dumped.exit_code == 0, dumped.output
        tables = {
            name: rows(tmp_path / f"dump-{number}", name)
            for name in ("entry_lines", "letterings", "lettering_lines", "payments")
        }
        assert compare_case(folder / f"expected-{number}", tables) == []
        checked = CliRunner().invoke(main, ["check", "--store", str(tmp_path / "store")])
        assert checked.exit_code == 0, checked.output
