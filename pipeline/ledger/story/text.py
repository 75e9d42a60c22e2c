"""A story in lines for an accountant, made of what `--json` prints and of nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.ledger.story.explain import Explanation

Row = dict[str, Any]

#: so many characters of a digest tell batches apart; all of them stand in the JSON
_DIGEST = 12


def as_text(told: Explanation) -> str:
    """The stories one under the other, each with its heading."""
    return "\n\n".join("\n".join(_story(story)) for story in told.as_dict()["stories"])


def _story(story: Row) -> list[str]:
    heading, *more = _HEADINGS[story["subject"]](story)
    lines = [heading, *(f"  {line}" for line in more)]
    for run in story["runs"]:
        lines += ["", *_run(run)]
    if story["open_items"]:
        lines += ["", "open items", *_indented(_foreign_lines(story["open_items"]))]
    return lines


# -------------------------------------------------------------------------------------------------------- headings


def _entry_heading(story: Row) -> list[str]:
    key = story["key"]
    return [f"entry {key['entry']} of {_document(key)}, employee {key['employee']}"]


def _document_heading(story: Row) -> list[str]:
    key = story["key"]
    whose = f" of {_who(key['employee'], key['employee_name'])}" if key["employee"] else ""
    return [
        f"{_document(key)}{whose}",
        *(
            f"{_entity(row)}: version {row['version']}, {row['status'] or 'no status'}, {row['state']}"
            + (f", from bank account {row['bank_account']}" if row["bank_account"] else "")
            for row in story["standing"]
        ),
    ]


def _account_heading(story: Row) -> list[str]:
    key = story["key"]
    place = f", in {key['legal_entity']}" if key["legal_entity"] else ""
    said = [f"account of {_who(key['employee'], key['name'])}{place}"]
    for row in story["standing"]:
        said += [
            f"third-party account {_side(row['third_party'])}",
            f"one-time advances {_side(row['advance_one_time'])}, regular advances {_side(row['advance_regular'])}",
        ]
    return said if story["standing"] else [*said, "nothing is posted on it"]


_HEADINGS: dict[str, Callable[[Row], list[str]]] = {
    "entry": _entry_heading,
    "document": _document_heading,
    "employee": _account_heading,
}


# ------------------------------------------------------------------------------------------------------------ runs


def _run(run: Row) -> list[str]:
    made = run["made"]
    lines = [f"run {run['run']} of {run['run_on']}, batch {(run['batch_digest'] or 'unknown')[:_DIGEST]}"]
    if made["started_at"] is not None:
        lines.append(f"  made {made['started_at']} on {made['host']} by lettrage {made['version']}")
    for event in run["events"]:
        lines += [f"  {line}" for line in _EVENTS[event["event"]](event)]
    return lines


def _version(event: Row) -> list[str]:
    place = f" for {event['legal_entity']}" if event["legal_entity"] else ""
    said = f"version {event['version']} of {_document(event)}{place}: {event['status'] or 'no status'}"
    if event["state"] == "quarantined":
        return [f"{said}, waits in quarantine"]
    if event["event_date"] is None:
        return [f"{said}, nothing of it was ever posted"]
    if not event["posts"]:
        return [f"{said}, taken over, nothing new to post"]
    return [f"{said}, event date {event['event_date']}"]


def _finding(event: Row) -> list[str]:
    where = f"{event['table_name']} {event['row_key']}"
    cell = f", {event['column_name']} {_quoted(event['value'])}" if event["column_name"] else ""
    version = f", version {event['version']}" if event["version"] is not None else ""
    until = "still waits" if event["resolved_run"] is None else f"resolved in run {event['resolved_run']}"
    return [
        f"quarantine: {event['rule']} in {where}{version}{cell}",
        f"  {event['message']}",
        f"  found first in run {event['first_run']}, last in run {event['last_run']}, {until}",
    ]


def _resolved(event: Row) -> list[str]:
    return [f"quarantine: {event['rule']} in {event['table_name']} {event['row_key']} is resolved"]


def _entry(event: Row) -> list[str]:
    what = f"posted {event['entry']} ({event['journal'].replace('_', ' ')}) dated {event['entry_date']}"
    of = f"{_document(event)} version {event['version']}"
    if event["reversal"]:
        of = f"contra-passing {event['reverses']}: {_because(event['because'])}"
    day = "" if event["document_date"] == event["entry_date"] else f", event date {event['document_date']}"
    what = f"{what}{day}, {of}"
    lines = [what, *_indented(_lines(event["lines"], event["currency"]))]
    if event["reversed_by"] is not None:
        back = event["reversed_by"]
        lines.append(f"  contra-passed in run {back['run']} by {back['entry']}: {_because(back)}")
    return lines


def _contra_entry(event: Row) -> list[str]:
    return [f"contra-passed {event['reverses']} by {event['entry']}: {_because(event['because'])}"]


def _payment(event: Row) -> list[str]:
    amount = f"{_money(event['amount'])} {event['currency']}"
    iban = f", IBAN {event['iban']}" if event["iban"] else ", no IBAN"
    of = f"{amount} to {event['employee']} by order {event['payment_order']} ({event['entry']}{iban})"
    if event["status"] == "returned":
        reason = f", reason: {event['reason']}" if event["reason"] else ", no reason given"
        return [f"payment returned by the bank on {event['returned_on']}{reason}: {of}"]
    return [f"{'paid' if event['status'] == 'paid' else 'payment cancelled with its order:'} {of}"]


def _lettering(event: Row) -> list[str]:
    until = "in force"
    if event["delettered_run"] is not None:
        until = f"dissolved on {event['delettered_on']} in run {event['delettered_run']}"
    return [
        f"lettered {_letters(event)} on {event['lettered_on']} by order {event['payment_order']}, {until}",
        *_indented(_foreign_lines(event["lines"])),
    ]


def _delettering(event: Row) -> list[str]:
    said = f"delettered {_letters(event)} on {event['delettered_on']}, lettered in run {event['lettered_run']} by order"
    causes = [
        f"  because {cause['entry']} contra-passed {cause['reverses']}: {_because(cause)}" for cause in event["because"]
    ]
    return [
        f"{said} {event['payment_order']}",
        *(causes or ["  no contra-entry of the run takes back one of its lines: see `lettrage check`"]),
    ]


def _export(event: Row) -> list[str]:
    fate = "recorded" if event["status"] == "recorded" else "cancelled since, its entries are free again"
    said = f"export {event['export_number']} of {event['exported_on']}, profile {event['profile']}"
    return [f"{said}, format {event['format']}, {fate}; took {', '.join(event['entries'])}"]


_EVENTS: dict[str, Callable[[Row], list[str]]] = {
    "version": _version,
    "finding": _finding,
    "resolved": _resolved,
    "entry": _entry,
    "contra_entry": _contra_entry,
    "payment": _payment,
    "lettering": _lettering,
    "delettering": _delettering,
    "export": _export,
}


# ----------------------------------------------------------------------------------------------------------- lines


def _lines(lines: list[Row], currency: str) -> list[str]:
    """The lines of an entry under one another: number, account, auxiliary, debit, credit, balance, what they say."""
    return _aligned(
        [
            ">line",
            "account",
            "auxiliary",
            ">debit",
            ">credit",
            *([">balance"] if "balance" in lines[0] else []),
            currency,
        ],
        [
            [
                str(line["line_number"]),
                line["account"],
                line["auxiliary"] or "",
                _amount(line["debit"]),
                _amount(line["credit"]),
                *([_money(line["balance"])] if "balance" in line else []),
                _said(line),
            ]
            for line in lines
        ],
    )


def _said(line: Row) -> str:
    """What a line says besides its amount."""
    more = [
        *([f"expense {line['expense']} ({line['expense_type']})"] if line["expense"] else []),
        *([f"VAT {line['vat_code']}"] if line["vat_code"] else []),
        *([f"{_money(line['foreign_amount'])} {line['foreign_currency']}"] if line["foreign_amount"] else []),
        *(f"{axis} {section}" for axis, section in line["sections"].items()),
    ]
    role = line["role"].replace("_", " ")
    # A label may hold anything, line breaks too.
    return ", ".join([f"{role}: {' '.join(line['label'].split())}", *more])


def _foreign_lines(lines: list[Row]) -> list[str]:
    """Lines of several entries under one another, each with the entry and the document that it is of."""
    return _aligned(
        ["entry", ">line", "dated", "document", "account", "auxiliary", ">debit", ">credit", "last lettering"],
        [
            [
                line["entry"],
                str(line["line_number"]),
                line["entry_date"],
                _document(line),
                line["account"],
                line["auxiliary"] or "",
                _amount(line["debit"]),
                _amount(line["credit"]),
                line.get("last_lettering") or "",
            ]
            for line in lines
        ],
    )


def _aligned(header: list[str], rows: list[list[str]]) -> list[str]:
    """Cells in columns two blanks apart; those of a `>` heading to the right. A column without a cell is left out."""
    full = [index for index in range(len(header)) if any(row[index] for row in rows)]
    right = [header[index].startswith(">") for index in full]
    table = [[row[index] for index in full] for row in ([name.lstrip(">") for name in header], *rows)]
    widths = [max(len(cells[place]) for cells in table) for place in range(len(full))]
    return [
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(cells, widths, right, strict=True)
        ).rstrip()
        for cells in table
    ]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


# ----------------------------------------------------------------------------------------------------------- words


def _because(cause: Row) -> str:
    of = _document(cause)
    match cause["cause"]:
        case "payment_returned":
            reason = f"reason: {cause['reason']}" if cause["reason"] else "no reason given"
            return f"the bank returned the payment of {of} on {cause['returned_on']}, {reason}"
        case "order_cancelled":
            return f"{of} was cancelled by version {cause['version']}"
        case "document_cancelled":
            return f"{of} was cancelled by version {cause['version']}"
        case _:
            return f"{of} was changed by version {cause['version']}"


def _document(row: Row) -> str:
    return f"{row['document_kind'].replace('_', ' ')} {row['document']}"


def _letters(event: Row) -> str:
    return f"{event['lettering']} of {event['employee']} in {event['legal_entity']}"


def _entity(row: Row) -> str:
    return row["legal_entity"] or "nothing posted"


def _who(employee: str, name: str | None) -> str:
    return f"{employee}, {name}" if name else employee


def _quoted(value: str | None) -> str:
    return "empty" if value is None else f'"{value}"'


def _money(amount: str) -> str:
    return f"{Decimal(amount):,f}"


def _amount(amount: str) -> str:
    """An amount of a line's side; nothing for the side that it does not stand on."""
    return _money(amount) if Decimal(amount) else ""


def _side(balance: str) -> str:
    """A balance as accountants say it: debit is owed by the employee, credit to them."""
    value = Decimal(balance)
    return f"{abs(value):,f} {'debit' if value > 0 else 'credit' if value < 0 else ''}".rstrip()
