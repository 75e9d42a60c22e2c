"""What the commands show a person: progress on a terminal, plain lines elsewhere; amounts as the books have them."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipeline.console import wide_console
from pipeline.watch import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from decimal import Decimal
    from pathlib import Path
    from typing import Any

    from pipeline.delivery.deliver import Outcome
    from pipeline.exports.export import ExportResult
    from pipeline.ledger.balances import Balances
    from pipeline.masterdata.sync import SyncResult
    from pipeline.run import RunResult
    from pipeline.schedule.run_due import Done

#: how many findings are shown, so that a bad batch does not flood the screen
_SHOWN = 20

STEPS = ("read", "stage", "judge", "post", "pay", "record", "number", "commit")
#: the steps that a run in parts takes for each part, with those of STEPS between which they are
_OF_PARTS = {"post": ("stage", "number"), "write": ("number", "commit")}


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Gives the function that a command tells its steps to; they are shown on stderr, as a bar on a terminal."""
    if logs.is_json():
        with logs.steps() as step:
            yield step
        return
    console = Console(stderr=True)
    if quiet:
        yield lambda _: None
    elif not console.is_terminal:
        yield lambda step: console.print(f"{title}: {step}", highlight=False)
    else:
        with Progress(
            TextColumn("{task.description:<16}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
        ) as bar:
            task = bar.add_task(title, total=len(STEPS))

            def show(step: str) -> None:
                bar.update(task, description=f"{title}: {step}", completed=_reached(step))

            yield show


def _reached(step: str) -> float | None:
    """How many of STEPS are done where a step begins, or ends for a part; None where that says nothing of it."""
    name, _, said = step.partition(", part ")
    part, _, parts = said.partition(" of ")
    if name in _OF_PARTS and parts:
        first, last = (STEPS.index(one) for one in _OF_PARTS[name])
        return first + (last - first) * int(part) / int(parts)
    return STEPS.index(step) if step in STEPS else None


def money(amount: Decimal, currency: str = "") -> str:
    """An amount with its thousands apart, for people."""
    return f"{amount.normalize():,f}{' ' + currency if currency else ''}" if amount else f"0 {currency}".strip()


def aligned(rows: pl.DataFrame) -> list[str]:
    """The rows as lines of text, names on top: text to the left, numbers to the right, amounts with equal decimals."""
    amounts = [name for name, kind in rows.schema.items() if kind.is_decimal()]
    exact = rows.select(amounts)
    places = next((few for few in (2, 3) if exact.equals(exact.with_columns(pl.all().round(few)))), 4)
    texts = rows.with_columns(pl.col(amounts).cast(pl.Decimal(38, places))).cast(pl.String).fill_null("")
    names = pl.DataFrame({name: [name.replace("_", " ")] for name in texts.columns})
    lines = pl.concat([names, texts])
    widths = lines.select(pl.all().str.len_chars().max()).row(0, named=True)
    padded = [
        pl.col(name).str.pad_start(width) if rows.schema[name].is_numeric() else pl.col(name).str.pad_end(width)
        for name, width in widths.items()
    ]
    return lines.select(pl.concat_str(padded, separator="  ").str.strip_chars_end(" ")).to_series().to_list()


def print_run(result: RunResult, console: Console | None = None) -> None:
    """Prints what a run did: rows, entries, payments, what went to quarantine."""
    out = console or wide_console()
    out.print(
        f"[bold]Run {result.run}[/bold] on {result.run_on}"
        + (" (preview: nothing written)" if result.is_preview else "")
    )
    for note in result.notes:
        out.print(f"note: {note}", highlight=False)
    rows = Table("table", title="Rows")
    for name in ("rows_in", "retried", "posted", "unchanged", "superseded", "ignored", "quarantined"):
        rows.add_column(name.replace("_", " "), justify="right")
    for row in result.rows:
        rows.add_row(row["table_name"], *(f"{value:,}" for name, value in row.items() if name != "table_name"))
    out.print(rows)
    if result.entries:
        entries = Table("legal entity", "journal", title="Entries")
        for name in ("entries", "lines", "amount"):
            entries.add_column(name, justify="right")
        for row in result.entries:
            entries.add_row(
                row["legal_entity"],
                row["journal"],
                f"{row['entries']:,}",
                f"{row['lines']:,}",
                money(row["amount"], row["currency"]),
            )
        out.print(entries)
    if result.payments:
        payments = Table("order", "legal entity", "status", title="Payments")
        payments.add_column("payments", justify="right")
        payments.add_column("amount", justify="right")
        for row in result.payments:
            payments.add_row(
                row["payment_order"], row["legal_entity"], row["status"], f"{row['payments']:,}", money(row["amount"])
            )
        out.print(payments)
    _print_findings(result, out)
    if result.waiting:
        out.print(
            "waiting in quarantine: " + ", ".join(f"{row['rule']} {row['findings']:,}" for row in result.waiting),
            highlight=False,
        )


def balances_as_text(told: Balances) -> str:
    """Balances for a person: which ledger they are of, then each table; a table without rows is said to be none."""
    titles = {
        "balances": "Balances",
        "employee_accounts": "Employee accounts",
        "open_items": "Open items",
        "open_balances": "Open, by employee",
    }
    parts = [told.as_of.said]
    for name, rows in told.tables.items():
        shown = aligned(_with_entry(rows) if name == "open_items" else rows)
        parts.append("\n".join([titles[name], *shown]) if len(rows) else f"{titles[name]}: none")
    return "\n\n".join(parts)


def _with_entry(items: pl.DataFrame) -> pl.DataFrame:
    """Open items as a screen has room for them: the entry in one column, as `lettrage explain` takes it."""
    entry = pl.concat_str("legal_entity", "journal_code", "fiscal_year", "entry_number", separator="/").alias("entry")
    return items.select("employee", "document", entry, "line_number", "entry_date", "account", "auxiliary", "owed")


def _print_findings(result: RunResult, out: Console) -> None:
    if not result.findings:
        return
    findings = Table("table", "key", "rule", "what to mend", title=f"New in quarantine: {len(result.findings):,}")
    for row in result.findings[:_SHOWN]:
        findings.add_row(row["table_name"], row["row_key"], row["rule"], row["message"])
    out.print(findings)
    if len(result.findings) > _SHOWN:
        out.print(f"… and {len(result.findings) - _SHOWN:,} more: see the table quarantine of `lettrage dump`")


def export_as_dict(result: ExportResult) -> dict[str, Any]:
    """An export for machines; files by name, size and digest."""
    return {
        **{name: value for name, value in result.__dict__.items() if name != "files"},
        "files": [{"name": file.name, "bytes": file.size, "sha256": file.sha256} for file in result.files],
    }


def print_export(result: ExportResult, folder: Path, console: Console | None = None) -> None:
    """Prints what an export took, or with a preview would take."""
    out = console or wide_console()
    for note in result.notes:
        out.print(f"note: {note}", highlight=False)
    if not result.entries:
        out.print(
            f"nothing to export: among the entries of {result.legal_entity} that were asked for is none that "
            f"profile {result.profile} takes and has not taken already",
            highlight=False,
        )
        _print_left_out(result, out)
        return
    totals = Table("journal", "fiscal year", title=f"Export {result.number or '(preview)'} of {result.legal_entity}")
    for name in ("entries", "lines", "debit", "credit"):
        totals.add_column(name, justify="right")
    for row in result.totals:
        totals.add_row(
            row["journal_code"],
            str(row["fiscal_year"]),
            f"{row['entries']:,}",
            f"{row['lines']:,}",
            money(row["debit"]),
            money(row["credit"]),
        )
    out.print(totals)
    for row in result.balances:
        out.print(f"  {row['account']:<12} {row['auxiliary'] or '':<14} {money(row['balance']):>16}", highlight=False)
    for row in result.drill:
        entry = f"{row['journal_code']} {row['fiscal_year']} {row['entry_number']}, line {row['line_number']}"
        sides = f"{money(row['debit']):>14} {money(row['credit']):>14}"
        out.print(
            f"    {row['entry_date']}  {entry:<24} {row['document']:<16} {sides}  {row['label'] or ''}",
            highlight=False,
            markup=False,
        )
    _print_left_out(result, out)
    for file in result.files:
        if result.number is None:
            head = file.content[:2000].decode("utf-8", "replace").splitlines()[:5]
            out.print(
                f"{file.name}, {len(file.content):,} bytes",
                *([] if file.name.endswith(".xlsx") else head),
                sep="\n",
                markup=False,
                highlight=False,
            )
        else:
            out.print(str(folder / file.name), highlight=False, soft_wrap=True)


def _print_left_out(result: ExportResult, out: Console) -> None:
    """Prints what stayed in the ledger, by journal and account."""
    for row in result.left_out:
        out.print(
            f"{row['fate'].replace('_', ' ')}: journal {row['journal']} account {row['account']}: "
            f"{row['entries']:,} entries",
            highlight=False,
        )


def deliveries_as_text(outcomes: Iterable[Outcome]) -> str:
    """What became of each delivery, a line each and one a file; empty where there was none."""
    lines = []
    for one in outcomes:
        lines.append(f"{one.state:<10} {one.subject} to {one.destination}")
        lines += [f"           {got.file}, {got.size:,} bytes: {got.address} ({got.answer})" for got in one.receipts]
        lines += [f"           {line}" for line in one.said.splitlines()]
    return "".join(f"{line}\n" for line in lines)


def receipts_as_text(got: list[dict[str, Any]], under_way: list[dict[str, Any]]) -> str:
    """What receivers have got and what is under way, a line each."""
    lines = [
        f"{row['delivered_at']:%Y-%m-%d %H:%M:%S}  {_subject(row)} to {row['destination']}  {row['file']}  "
        f"{row['byte_count']:,} bytes  {row['address'] or ''}"
        for row in got
    ]
    for row in under_way:
        said = (row["said"] or "").splitlines()[:1]
        lines.append(
            f"{row['state']:<19}  {row['subject']} to {row['destination']}  {row['attempts']} attempts  {''.join(said)}"
        )
    return "".join(f"{line}\n" for line in lines)


def _subject(row: dict[str, Any]) -> str:
    return f"order {row['payment_order']}" if row["export_number"] is None else f"export {row['export_number']}"


def due_as_text(done: Done) -> str:
    """What was due and what became of it, a line each."""
    lines = []
    for turn in done.turns:
        missed = f", {turn.count} times" if turn.count > 1 else ""
        lines.append(f"{turn.outcome:<10} {turn.schedule}, due {turn.moment:%Y-%m-%d %H:%M}{missed}")
        lines += [f"           {line}" for line in turn.said]
    told = "".join(f"{line}\n" for line in lines) or "nothing is due\n"
    return told + deliveries_as_text(one for one in done.deliveries if one.state != "already")


def schedules_as_text(rows: list[dict[str, Any]]) -> str:
    """The schedules: what is due, the next dates, how the last time ended."""
    lines = []
    for row in rows:
        whose = f" of {row['legal_entity']}" if row["legal_entity"] else ""
        lines.append(f"{row['schedule']}: {row['does']}{whose}{'' if row['is_on'] else ', off'}")
        if row["due_since"] is not None:
            lines.append(f"  due       {_moment(row['due_since'])}")
        lines += [f"  next      {_moment(one)}" for one in row["next"]]
        if row["outcome"] is not None:
            lines.append(
                f"  {row['outcome']:<8}  {(row['said'] or '').splitlines()[0] if row['said'] else ''}".rstrip()
            )
    return "".join(f"{line}\n" for line in lines)


def _moment(said: str) -> str:
    return f"{datetime.fromisoformat(said):%a %Y-%m-%d %H:%M}"


def sync_as_text(told: SyncResult) -> str:
    """What a sync did, or with a preview would do: the counts by table, the changes, and the lines rejected."""
    lines = [f"{told}" + (" (preview: nothing written)" if told.state == "preview" else "")]
    if told.said and told.state == "refused":
        lines.append("nothing was applied")
    lines += [f"note: {note}" for note in told.notes]
    parts = ["\n".join(lines)]
    if told.counts:
        parts.append("\n".join(aligned(pl.DataFrame(told.counts))))
    for rows, what, wanted in (
        (told.diff, "changes", list(told.diff.columns)),
        (told.findings, "rejected", ["table_name", "line", "column_name", "value", "why", "mend"]),
    ):
        if rows.height:
            said = aligned(rows.select(wanted).head(_SHOWN))
            more = [f"… and {rows.height - _SHOWN:,} more"] if rows.height > _SHOWN else []
            parts.append("\n".join([f"{what.capitalize()}: {rows.height:,}", *said, *more]))
    if told.error_files:
        parts.append("\n".join(f"rejected lines: {path}" for path in told.error_files))
    return "\n\n".join(parts) + "\n"


def history_as_text(versions: Iterable[Mapping[str, Any]]) -> str:
    """The versions of a reference, a line each."""
    rows = [
        {
            "version": one["version"],
            "made_at": one["made_at"],
            "made_by": f"rollback to {one['of_version']}" if "of_version" in one else one["made_by"],
            "source": one.get("source"),
            "mode": one.get("mode"),
            "who": one.get("who"),
            "what": ", ".join(
                f"{sum(row[kind] for row in one['counts'])} {kind}"
                for kind in ("added", "changed", "archived", "restored", "removed", "rejected")
                if any(row[kind] for row in one.get("counts", ()))
            ),
        }
        for one in versions
    ]
    return "\n".join(aligned(pl.DataFrame(rows, schema_overrides={"mode": pl.String}))) if rows else ""
