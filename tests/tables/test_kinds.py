"""CSV, Parquet and XLSX, rows in any order, any number of threads: the same bytes of the dump, the same batch digest."""

from __future__ import annotations

import atexit
import csv
import random
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.properties.companies import company, write
from tests.properties.compare_engine import run_engine
from tests.support import sampled
from tests.tables.writing import as_parquet, as_workbook

Convert = Callable[[Path, Path], None]


def shuffled(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    mixer = random.Random(7)
    for path in source.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        mixer.shuffle(rows)
        places = mixer.sample(range(len(header)), len(header))
        with (target / path.name).open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(
                [row[place] for place in places] for row in [header, *rows]
            )


def texts_in_a_workbook(source: Path, target: Path) -> None:
    as_workbook(source, target, native=False)


KINDS: dict[str, Convert] = {
    "shuffled": shuffled,
    "parquet-text": as_parquet("text"),
    "parquet-exact": as_parquet("exact"),
    "parquet-wide": as_parquet("wide"),
    "parquet-frame": as_parquet("frame"),
    "xlsx": as_workbook,
    "xlsx-text": texts_in_a_workbook,
}


def dumped(batches: list[tuple[Path, Path]], home: Path, convert: Convert, *options: str) -> dict[str, bytes]:
    """Takes batches one after the other, each converted; gives the bytes of the dump, run_times apart."""
    store, out = home / "store", home / "out"
    for number, (reference, batch) in enumerate(batches):
        convert(reference, home / f"reference-{number}")
        convert(batch, home / f"batch-{number}")
        places = ("--reference", home / f"reference-{number}", "--batch", home / f"batch-{number}", "--store", store)
        code, output = run_engine("run", *places, "--on", "2026-03-01", *options)
        assert code in (0, 3), output
    code, output = run_engine("dump", "--store", store, "--out", out)
    assert code == 0, output
    return {path.name: path.read_bytes() for path in out.iterdir() if path.stem != "run_times"}


@cache
def ledger_of_csv(seed: int, batches: int) -> tuple[Path, dict[str, bytes]]:
    """A company's batches as CSV files, and the dump that they give."""
    home = Path(mkdtemp())
    atexit.register(shutil.rmtree, home)
    return home / "made", dumped(write(company(seed), home / "made")[:batches], home / "csv", shutil.copytree)


def differences(seed: int, batches: int, home: Path, convert: Convert, *options: str) -> list[str]:
    made, expected = ledger_of_csv(seed, batches)
    pairs = [(made / f"reference-{number}", made / f"batch-{number}") for number in range(1, batches + 1)]
    found = dumped([pair for pair in pairs if pair[1].is_dir()], home, convert, *options)
    return [name for name in expected if found[name] != expected[name]]


@pytest.mark.parametrize("kind", sampled(KINDS))
def test_every_kind_of_file_gives_the_same_bytes(kind: str, tmp_path: Path) -> None:
    assert differences(3, 1, tmp_path, KINDS[kind]) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(20, 30))
def test_every_kind_of_file_gives_the_same_bytes_batch_by_batch(seed: int, kind: str, tmp_path: Path) -> None:
    assert differences(seed, 4, tmp_path, KINDS[kind]) == []


@pytest.mark.parametrize("workers", ["1", "2", "4"])
def test_any_number_of_workers_gives_the_same_bytes(workers: str, tmp_path: Path) -> None:
    assert differences(3, 1, tmp_path, shutil.copytree, "--threads", workers) == []
