"""What is committed is what the generator gives, and nothing but the seed, the scale and the kind of file matters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import UsageError
from pipeline.sample import sample, write_sample
from pipeline.sample.given import given_rows

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "data" / "sample"


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made")
    write_sample(out)
    return out


def test_the_committed_sample_is_what_the_generator_gives(made: Path) -> None:
    assert contents(COMMITTED) == contents(made), "lettrage sample --out data/sample"


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_number_of_threads_changes_nothing(made: Path, tmp_path: Path, threads: str) -> None:
    code = f"from pathlib import Path; from pipeline.sample import write_sample; write_sample(Path({str(tmp_path)!r}))"
    environment = {**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert contents(tmp_path) == contents(made)


@pytest.mark.slow
def test_the_slices_change_nothing(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "REPORTS_PER_SLICE", 150)
    write_sample(tmp_path)
    assert contents(tmp_path) == contents(made)


def test_the_files_written_are_told(made: Path, tmp_path: Path) -> None:
    told = write_sample(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in told] == list(contents(made))


def test_parquet_says_what_csv_says(made: Path, tmp_path: Path) -> None:
    told = write_sample(tmp_path, parquet=True)
    assert len(told) == len(contents(made))
    for path in told:
        typed = pl.read_parquet(path)
        text = pl.read_csv((made / path.relative_to(tmp_path)).with_suffix(".csv"), infer_schema=False)
        assert text.columns == typed.columns
        decimals = [name for name, dtype in typed.schema.items() if dtype.is_decimal()]
        assert typed.select(pl.all().exclude(decimals).cast(pl.String)).equals(text.select(pl.all().exclude(decimals)))
        assert typed.select(decimals).equals(text.select(pl.col(name).cast(typed.schema[name]) for name in decimals))


def test_one_kind_of_file_takes_the_place_of_the_other(tmp_path: Path) -> None:
    write_sample(tmp_path)
    assert sorted(write_sample(tmp_path, parquet=True)) == sorted(
        path for path in tmp_path.rglob("*") if path.is_file()
    )


def test_the_scale_multiplies_employees_and_reports(made: Path, tmp_path: Path) -> None:
    write_sample(tmp_path, scale=3)
    assert pl.read_csv(tmp_path / "reference" / "employees.csv").height == 180
    for batch in (1, 2, 3):
        one, three = (
            pl.read_csv(directory / f"batch-{batch}" / "expense_reports.csv").filter(
                ~pl.col("report").str.contains("-S"), pl.col("version") == 1
            )
            for directory in (made, tmp_path)
        )
        assert three.height == pytest.approx(3 * one.height, abs=15)  # the same reports sent twice, one to two of 200


def test_another_seed_draws_other_rows_and_keeps_those_written_by_hand(made: Path, tmp_path: Path) -> None:
    write_sample(tmp_path, seed=2)
    one, other = (pl.read_csv(out / "batch-1" / "expenses.csv", infer_schema=False) for out in (made, tmp_path))
    given = given_rows("batch-1")["expenses"]
    assert one.head(given.height).equals(given)
    assert other.head(given.height).equals(given)
    assert not one.equals(other)


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match="cannot be made a directory"):
        write_sample(tmp_path / "taken")


def test_what_fails_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(sample, "allocations", fail)
    with pytest.raises(RuntimeError):
        write_sample(tmp_path)
    assert not any((tmp_path / "batch-1").iterdir())
