"""Reports: one JSON file a size and day, a page beside it, and the history of all: `python -m benchmarks.report`.

The pages are made of the JSON files alone, so that none of them is edited by hand.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HERE = Path(__file__).parent
RESULTS = HERE / "results"
HISTORY = HERE / "history.md"
_LIBRARIES = ("duckdb", "polars", "pyarrow", "deltalake")
_FILES_SHOWN = 15
#: what the history shows: the head of the column, part, case, figure
_TOLD = (
    ("run", "run", "run from Parquet", "cpu"),
    ("times limit", "run", "run from Parquet", "times the limit"),
    ("peak GB", "run", "run from Parquet", "peak"),
    ("from CSV", "run", "run from CSV", "cpu"),
    ("2 GB", "run", "run --memory-limit 2GB", "cpu"),
    ("2 GB: peak", "run", "run --memory-limit 2GB", "peak"),
    ("dump", "ledger", "dump", "cpu"),
    ("check", "ledger", "check", "cpu"),
    ("day", "day", "a day on the large ledger", "cpu"),
    ("status", "ledger", "status", "cpu"),
    ("--help", "ledger", "--help", "cpu"),
)


def machine() -> dict[str, Any]:
    """What the figures depend on, and no name of the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory GiB": round(memory / 2**30),
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }


def commit() -> str:
    """The commit that is measured, with a + where its code was changed since."""
    asked = ["git", "-C", str(HERE), "describe", "--always", "--exclude", "*"]
    named = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - fixed
    changed = ["git", "-C", str(HERE.parent), "status", "--porcelain", "--", "pipeline", "schemas"]
    found = subprocess.run(changed, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - fixed
    return (named or "unknown") + ("+" if found else "")


def keep(results: Path, stem: str, data: dict[str, Any], name: str, part: dict[str, Any]) -> Path:
    """Puts a part that was measured into the day's report, and writes its page. Returns the JSON file.

    stem: what the file is called after the day. data: what was generated. What the report has of other parts stays.
    """
    now = datetime.now(UTC)
    path = results / f"{now:%Y-%m-%d}-{stem}.json"
    report = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"parts": {}}
    report |= {"date": f"{now:%Y-%m-%d}", "machine": machine(), "data": {**report.get("data", {}), **data}}
    report["parts"][name] = {"commit": commit(), **part}
    results.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(page(report), encoding="utf-8")
    return path


def page(report: dict[str, Any]) -> str:
    """A report for people."""
    told = report["machine"]
    libraries = ", ".join(f"{name} {told[name]}" for name in _LIBRARIES)
    lines = [
        f"# {report['data']['expenses']:,} expenses, {report['date']}",
        "",
        f"{told['cores']} cores, {told['memory GiB']} GiB, {told['system']}, Python {told['python']}; {libraries}.",
        "Generated; how to read it: [README](../README.md).",
        "",
        *table(("data", ""), [(name, _number(value)) for name, value in report["data"].items()]),
    ]
    for name, part in report["parts"].items():
        lines += ["", f"## {name}", "", f"Commit {part['commit']}; rounds: {part['rounds']}.", "", *_cases(part)]
        for case, why in part["skipped"].items():
            lines += ["", f"Not measured: {case}: {why.splitlines()[0][:300]}"]
        if "stages" in part:
            lines += ["", *_stages(part)]
        for title, figures in part.get("tables", {}).items():
            lines += [
                "",
                f"**{title}**",
                "",
                *table(("", ""), [(key, _number(value)) for key, value in figures.items()]),
            ]
    return "\n".join(lines) + "\n"


def _cases(part: dict[str, Any]) -> list[str]:
    heads = ("case", "what", "wall s", "CPU s", "peak GB", "rows/s", "limit CPU s", "times limit")
    limits = {case["name"]: case["cpu"] for case in part["cases"]}
    return table(
        heads,
        [
            (
                case["name"],
                case["what"],
                f"{case['seconds']:.2f}",
                f"{case['cpu']:.2f}",
                f"{case['peak'] / 1e9:.2f}",
                f"{case['rows per second']:,}" if case["rows"] else "",
                f"{limits[case['limit']]:.2f}" if case["limit"] in limits else "",
                f"{case['times the limit']:.2f}" if case["times the limit"] is not None else "",
            )
            for case in part["cases"]
        ],
    )


def _stages(part: dict[str, Any]) -> list[str]:
    stages, files = part["stages"]["stages"], part["stages"]["files"]
    whole = sum(stages.values())
    limit = next((case["cpu"] for case in part["cases"] if case["name"] == "limit: run from Parquet"), None)
    rows = [
        (name, f"{seconds:.2f}", f"{seconds / whole:.0%}", f"{seconds / limit:.2f}" if limit else "")
        for name, seconds in stages.items()
    ]
    dearest = [(name, f"{seconds:.2f}") for name, seconds in list(files.items())[:_FILES_SHOWN]]
    return [
        "**CPU seconds by stage** of the profiled run; validation is stage and judge",
        "",
        *table(("stage", "CPU s", "share", "times limit of the run"), rows),
        "",
        *table(("dearest SQL files", "CPU s"), dearest),
    ]


def history(results: Path) -> str:
    """The page of all reports."""
    rows = []
    for path in sorted(results.glob("*.json"), reverse=True):
        report = json.loads(path.read_text(encoding="utf-8"))
        if "size" not in report.get("data", {}):
            continue
        figures = [_told(report, part, case, figure) for _, part, case, figure in _TOLD]
        at = report["parts"].get("run", next(iter(report["parts"].values()), {})).get("commit", "")
        link = f"[{report['date']}](results/{path.stem}.md)"
        rows.append((link, at, f"{report['data']['size']:,}", str(report["machine"]["cores"]), *figures))
    heads = ("date", "commit", "expenses", "cores", *(head for head, *_ in _TOLD))
    return "\n".join(
        [
            "# The history of the results",
            "",
            "Generated by `make bench-history` of the files in `results/`; CPU seconds, but for the columns that say",
            "otherwise. `day` is a batch of 20,000 expenses on the ledger of the size. What the cases are:",
            "[README](README.md).",
            "",
            *table(heads, rows),
            "",
        ]
    )


def _told(report: dict[str, Any], part: str, name: str, figure: str) -> str:
    cases = report["parts"].get(part, {}).get("cases", [])
    value = next((case[figure] for case in cases if case["name"] == name), None)
    if value is None:
        return ""
    return f"{value / 1e9:.2f}" if figure == "peak" else f"{value:.2f}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def main() -> None:
    """Writes every page again."""
    for path in sorted(RESULTS.glob("*.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        if "parts" in report:
            path.with_suffix(".md").write_text(page(report), encoding="utf-8")
    HISTORY.write_text(history(RESULTS), encoding="utf-8")


if __name__ == "__main__":
    main()
