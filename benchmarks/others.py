"""What a user would pick instead, on the same expense reports: `python -m benchmarks.others --documents 100000`.

hledger, ledger and beancount check the journal that Lettrage exports; a pandas script posts the reports itself. Each is
a whole process, a legal entity after the other where a tool reads one file. Programs that are not installed are
skipped, and said so. None of them does all that Lettrage does, nor Lettrage all that they do: the report says what.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from benchmarks import data as generated
from benchmarks import report
from benchmarks.harness import LETTRAGE, Case, Cost, Part, measure, measured, total
from benchmarks.runs import ON, ledger, linked, post, segments

if TYPE_CHECKING:
    from benchmarks.data import Data

HERE = Path(__file__).parent
#: expenses that a report of the sample has, about
_EXPENSES_EACH = 4.87
_ENTITIES = ("BE01", "CH01", "FR01", "FR02", "JP01", "TN01")
_PAST = "2026-12-31"
#: tool → the format of its journal, the command that checks a file of it, and what it does not do
_CHECKERS: dict[str, tuple[str, list[str], str]] = {
    "hledger": (
        "hledger",
        ["hledger", "check", "--strict", "-f"],
        "makes no entry: reads those that are there, and checks that they balance and that accounts are declared",
    ),
    "ledger": (
        "ledger",
        ["ledger", "--pedantic", "--explicit", "balance", "-f"],
        "likewise, and adds up the accounts",
    ),
    "beancount": (
        "beancount",
        [str(Path(sys.executable).with_name("bean-check")), "--no-cache"],
        "makes no entry: checks balances, accounts and their opening",
    ),
}
PANDAS = "pandas script"
_NOT_IN_PANDAS = (
    "no advances set against reports, payments, lettering, contra-entries, labels or foreign amounts; of 31 rules of "
    "the quarantine 7, without a word why; no ledger, so no second run, no audit, no way back"
)


def main() -> None:
    """Measures, and writes the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.others", description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000, help="expense reports, about")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=None, help="a directory to keep data and journals in")
    parser.add_argument("--python", default=None, help="a Python with others.txt installed, for the pandas script")
    parser.add_argument("--only", default="", help="only cases with this text in their name")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="where the report goes")
    given = parser.parse_args()
    work = (given.work or Path(tempfile.mkdtemp(prefix="bench-"))).resolve()
    try:
        data = generated.make(work, round(given.documents * _EXPENSES_EACH))
        found = measured(part(data, given.python), given.rounds, say, only=given.only)
        about = {"documents": given.documents, **data.rows(data.full)}
        say(f"in {report.keep(given.results, f'others-{given.documents}', about, 'others', found)}")
    finally:
        if given.work is None:
            shutil.rmtree(work)


def part(data: Data, python: str | None) -> Part:
    """The cases: Lettrage, then the others."""
    store = ledger(data)
    rows = data.rows(data.full)["expense_reports"]
    done = "takes no bank statements in, closes no year, draws up no accounts"

    def run(_: int) -> Cost:
        at = data.work / "round"
        shutil.rmtree(at, ignore_errors=True)
        return post(data.reference, data.full, at)

    cases = [
        Case("lettrage run", run, done, rows),
        Case("lettrage check", lambda _: measure([*LETTRAGE, "check", "--store", str(store)]), "writes nothing", rows),
    ]
    skipped: dict[str, str] = {}
    for name, (form, command, what) in _CHECKERS.items():
        if shutil.which(command[0]) is None:
            skipped[name] = "the program is not installed"
            continue
        files = journals(data, form)
        job = partial(
            lambda these, journal, _: total([measure([*these, str(file)]) for file in journal]), command, files
        )
        cases.append(Case(f"{name}: check the journal", job, what, rows))
    if python is None:
        skipped[PANDAS] = "no Python with pandas was given (make bench-others sets one up)"
        return Part(cases, skipped)
    out = data.work / "pandas.parquet"
    script = [python, str(HERE / "pandas_posting.py"), str(data.reference), str(data.full), str(out)]
    cases.append(Case(PANDAS, lambda _: measure(script), _NOT_IN_PANDAS, rows))
    told = "The pandas script and Lettrage"
    return Part(cases, skipped, lambda medians: {"tables": {told: compared(store, out)}} if PANDAS in medians else {})


def journals(data: Data, form: str) -> list[Path]:
    """The journal of each legal entity in the syntax of a tool, made once."""
    out = data.work / f"journal-{form}"
    if not out.exists():
        beside, store = out.with_suffix(".writing"), linked(ledger(data), data.work / "journals-ledger")
        for entity in _ENTITIES:
            given = ["--format", form, "--entity", entity, "--through", _PAST, "--on", ON, "--out", str(beside)]
            measure([*LETTRAGE, "export", "--store", str(store), *given])
        beside.rename(out)
    return sorted(path for path in out.iterdir() if path.suffix != ".csv")


def compared(store: Path, out: Path) -> dict[str, Any]:
    """How the script's lines and the ledger's compare where both post: net amounts by entity, journal and account."""
    files = [str(path) for path in segments(store)["entry_lines"]]
    with duckdb.connect() as con:
        con.execute(f"""
            create view ours as
            select legal_entity, journal, account, sum(debit - credit) as amount, count(*) as lines
            from read_parquet({files}) where journal in ('expense_report', 'company_paid', 'advance') group by all
        """)
        con.execute(f"""
            create view theirs as
            select legal_entity, journal, account, count(*) as lines,
                sum(
                    minor::decimal(18, 0)
                    * case legal_entity when 'JP01' then 1 when 'TN01' then 0.001 else 0.01 end::decimal(5, 3)
                ) as amount
            from read_parquet('{out}') group by all
        """)
        accounts, differing = con.execute("""
            select count(*), count(*) filter (where ours.amount is distinct from theirs.amount)
            from ours full join theirs using (legal_entity, journal, account)
        """).fetchall()[0]
        counts = con.execute("select (select sum(lines) from ours), (select sum(lines) from theirs)").fetchall()[0]
    return {
        "legal entity, journal and account: sums": accounts,
        "of these differing": differing,
        "Lettrage: lines of these journals": int(counts[0]),
        "the script: lines": int(counts[1]),
    }


def say(what: str) -> None:
    """Tells a person how far it is."""
    print(what, file=sys.stderr, flush=True)  # noqa: T201 - progress


if __name__ == "__main__":
    main()
