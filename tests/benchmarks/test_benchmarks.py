import json
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks import exports, report
from benchmarks.data import make, multiply
from benchmarks.harness import Case, CommandFailedError, Cost, Part, measure, measured
from benchmarks.stages import Clock
from pipeline.run import run
from pipeline.sample import write_sample

ROOT = Path(__file__).parents[2]
CASES = {
    "run": {
        "read Parquet",
        "read CSV",
        "run from Parquet",
        "run by stage",
        "run from CSV",
        "run --memory-limit 2GB",
        "run --threads 1",
        "run --workers 2",
    },
    "ledger": {"--help", "status", "dump", "check", "check --chain"},
    "exports": {*exports.FORMATS, "xlsx", "business_central_rapidstart", "pain001"},
    "day": {"a day on an empty ledger", "a day on the large ledger"},
    "compaction": {"compact", "status, before", "dump, before", "check, after", "the next run, after"},
}


def cost(cpu: float) -> Cost:
    return Cost(seconds=2 * cpu, cpu=cpu, peak=1_000_000)


def part(jobs: dict, limit: str) -> Part:
    return Part([Case(name, job, "what", 100, None if name == limit else limit) for name, job in jobs.items()])


def test_cases_take_turns_and_ratios_are_of_one_round() -> None:
    said: list[str] = []
    jobs = {"copy": lambda number: cost(1 + number), "run": lambda number: cost(3 * (1 + number))}
    found = measured(part(jobs, "copy"), 3, said.append)
    assert [line.partition(": ")[2] for line in said] == ["copy", "run"] * 3
    copied, ran = found["cases"]
    assert (copied["cpu"], ran["cpu"], ran["times the limit"]) == (2, 6, 3)
    assert ran["rows per second"] == round(100 / 12)


def test_a_case_that_fails_is_told_and_the_others_go_on() -> None:
    def fails(_: int) -> Cost:
        raise CommandFailedError("no memory")

    found = measured(
        part({"copy": lambda _: cost(1), "run": fails, "dump": lambda _: cost(2)}, "copy"), 2, lambda _: None
    )
    assert [case["name"] for case in found["cases"]] == ["copy", "dump"]
    assert found["skipped"] == {"run": "no memory"}


def test_only_some_cases_are_measured_with_their_limits() -> None:
    jobs = {"copy": lambda _: cost(1), "run": lambda _: cost(2), "dump": lambda _: cost(2)}
    found = measured(part(jobs, "copy"), 1, lambda _: None, only="dump")
    assert [case["name"] for case in found["cases"]] == ["copy", "dump"]


def test_a_process_is_measured_whole() -> None:
    taken = measure([sys.executable, "-c", "held = bytearray(300_000_000); sum(range(3_000_000))"])
    assert 300_000_000 < taken.peak < 400_000_000
    assert taken.cpu > 0
    with pytest.raises(CommandFailedError, match="ended with 3"):
        measure([sys.executable, "-c", "raise SystemExit(3)"])


def test_cpu_time_goes_to_the_stage_that_was_named_last() -> None:
    clock = Clock()
    clock.enter("post")
    with clock.file("lines"):
        sum(range(1_000_000))
    with clock.file("imputation_lines"):
        sum(range(1_000_000))
    clock.enter("pay")
    found = clock.figures()
    assert list(found["stages"]) == ["start", "post", "pay", "impute"]
    assert found["stages"]["impute"] == found["files"]["post/imputation_lines"] > 0
    assert found["stages"]["post"] >= found["files"]["post/lines"] > 0


def test_each_kind_of_export_is_measured() -> None:
    formats = {path.stem: path for path in (ROOT / "pipeline" / "exports" / "formats").glob("*.toml")}
    kinds = {name: tomllib.loads(path.read_text(encoding="utf-8"))["kind"] for name, path in formats.items()}
    assert {kinds[name] for name in CASES["exports"]} == set(kinds.values())


def test_a_report_keeps_its_parts_and_the_history_reads_it(tmp_path: Path) -> None:
    found = measured(
        part({"limit: run": lambda _: cost(1), "run from Parquet": lambda _: cost(4)}, "limit: run"), 1, str
    )
    data = {"size": 1000, "expenses": 1010}
    report.keep(tmp_path, "1000", data, "run", found)
    path = report.keep(tmp_path, "1000", data, "ledger", measured(part({"check": lambda _: cost(2)}, ""), 1, str))
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert list(kept["parts"]) == ["run", "ledger"]
    page = path.with_suffix(".md").read_text(encoding="utf-8")
    assert "| run from Parquet | what | 8.00 | 4.00 | 0.00 | 12 | 1.00 | 4.00 |" in page
    told = report.history(tmp_path)
    assert f"[{kept['date']}](results/{path.stem}.md)" in told
    assert "| 1,000 |" in told
    assert "| 4.00 | 4.00 |" in told


def test_pages_are_what_their_json_says() -> None:
    for path in sorted(report.RESULTS.glob("*.json")):
        kept = json.loads(path.read_text(encoding="utf-8"))
        assert path.with_suffix(".md").read_text(encoding="utf-8") == report.page(kept), "run `make bench-history`"
    assert report.HISTORY.read_text(encoding="utf-8") == report.history(report.RESULTS), "run `make bench-history`"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("sample")
    write_sample(at, seed=5, parquet=True)
    return at


@pytest.mark.slow
def test_each_copy_posts_what_the_sample_posts(sample: Path, tmp_path: Path) -> None:
    counts = {}
    for copies in (1, 3):
        at = tmp_path / str(copies)
        multiply(sample / "reference", sample / "batch-1", at / "reference", at / "full", copies)
        done = run(at / "reference", at / "full", at / "ledger", on=date(2026, 4, 1))
        counts[copies] = {
            "entries": sum(row["entries"] for row in done.entries),
            "lines": sum(row["lines"] for row in done.entries),
            "paid": sum(row["payments"] for row in done.payments),
            "amount": sum(row["amount"] for row in done.entries),
            "findings": len(done.findings),
            **{row["table_name"]: row["quarantined"] for row in done.rows},
        }
    assert counts[3] == {name: 3 * count for name, count in counts[1].items()}
    assert counts[1]["lines"] > 3000
    assert counts[1]["paid"] > 20


def test_documents_are_shuffled_and_files_are_in_the_order_of_their_ids(sample: Path, tmp_path: Path) -> None:
    multiply(sample / "reference", sample / "batch-1", tmp_path / "reference", tmp_path / "full", 2)
    reports = pl.read_parquet(tmp_path / "full" / "expense_reports.parquet")
    assert reports["report"].is_sorted()
    assert reports["employee"].str.contains("K1").rle().len() > reports.height / 4
    first = reports.filter(~pl.col("employee").str.contains("K1"))
    assert first.height == reports.height / 2
    assert "declared" not in set(reports["status"])
    known = pl.read_parquet(tmp_path / "reference" / "employees.parquet")
    assert reports.join(known, on="employee", how="anti").is_empty()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_whole_report_is_made(tmp_path: Path) -> None:
    options = ["--size", "2000", "--rounds", "1", "--days", "3", "--work", tmp_path / "work", "--results", tmp_path]
    subprocess.run([sys.executable, "-m", "benchmarks", *map(str, options)], cwd=ROOT, check=True, capture_output=True)
    (path,) = tmp_path.glob("*.json")
    kept = json.loads(path.read_text(encoding="utf-8"))
    for name, expected in CASES.items():
        found = {case["name"]: case for case in kept["parts"][name]["cases"]}
        assert expected <= found.keys(), name
        assert not kept["parts"][name]["skipped"]
        assert all(case["times the limit"] for case in found.values() if case["limit"])
        assert all(case["peak"] > 1_000_000 for case in found.values())
    assert sum(kept["parts"]["run"]["stages"]["stages"].values()) > 0
    assert kept["data"]["entry lines out"] > kept["data"]["expenses"]
    assert "run from Parquet" in path.with_suffix(".md").read_text(encoding="utf-8")
    assert "| 2,000 |" in report.history(tmp_path)
    assert make(tmp_path / "work", 2000).expenses == kept["data"]["expenses"], "data is made once"
