"""The tables that the ledger gives (spec §7): what `dump` writes and every export reads."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from schemas.table import Table, field
from schemas.terms import (
    Amount,
    BigInt,
    DocumentKind,
    DocumentState,
    Instant,
    Integer,
    Journal,
    PaymentStatus,
    Role,
    Rule,
    Side,
)

if TYPE_CHECKING:
    import polars as pl
    from pandera.polars import PolarsData


def one_side(lines: PolarsData) -> pl.LazyFrame:
    """Exactly one of debit and credit is 0."""
    import polars as pl  # noqa: PLC0415 - as pandera: loaded when a frame is held to a model

    return lines.lazyframe.select((pl.col("debit") == 0) != (pl.col("credit") == 0))


class EntryKey(Table):
    """What names an entry: its number counts 1, 2, 3… per legal entity, journal code and fiscal year."""

    legal_entity: str = field("whose books")
    journal_code: str = field("code of the journal")
    fiscal_year: Integer = field("calendar year in which the fiscal year ends")
    entry_number: BigInt = field("1, 2, 3… without a gap", ge=1)


class EntryLines(
    Table,
    key=("legal_entity", "journal_code", "fiscal_year", "entry_number", "line_number"),
    checks=(one_side,),
):
    """A row a line of an entry. Guarantees: every entry balances, in one legal entity; posted lines never change."""

    run: BigInt = field("the run that posted it", ge=1)
    legal_entity: str = field("whose books")
    journal: str = field("what is posted", values=Journal)
    journal_code: str = field("code of the journal")
    fiscal_year: Integer = field("calendar year in which the fiscal year ends")
    entry_number: BigInt = field("1, 2, 3… without a gap per legal entity, journal code and fiscal year", ge=1)
    line_number: Integer = field("1, 2, 3… within the entry", ge=1)
    entry_date: date = field("posting date: the event date, or the first open day after it")
    document_kind: str = field("what kind of document is behind it", values=DocumentKind)
    document: str = field("the document's id")
    version: Integer = field("the version that posted it; on a contra-entry the one that caused it", ge=1)
    document_date: date = field("event date of that version")
    reversal: bool = field("whether the entry is a contra-entry")
    reverses: BigInt = field("number of the entry contra-passed, in the same journal", required=False)
    reverses_fiscal_year: Integer = field("fiscal year of the entry contra-passed", required=False)
    employee: str = field("the employee whose document it is")
    role: str = field("what the account is for", values=Role)
    account: str = field("general account")
    auxiliary: str = field("auxiliary account", required=False)
    nominal_side: str = field("the side that the rule names; an amount below 0 stands on the other", values=Side)
    debit: Amount = field("in the books' currency; 0 on a credit line", ge=0)
    credit: Amount = field("in the books' currency; 0 on a debit line", ge=0)
    currency: str = field("ISO 4217 code of the books' currency")
    foreign_currency: str = field("ISO 4217 code of the expense's currency where that is another", required=False)
    foreign_amount: Amount = field("amount in the foreign currency, debit positive", required=False)
    expense: str = field("the expense that the line bears", required=False)
    expense_type: str = field("that expense's type", required=False)
    vat_code: str = field("VAT code, on VAT lines", required=False)
    label: str = field("label of the expense, else of the document")
    axes: str | None = field(
        "section of the charge line on the axis; a column for each axis ever used",
        required=False,
        pattern=r"^axis_[a-z][a-z0-9_]{0,29}$",
    )
    lettering: str = field("today's lettering of the line, on employee lines", required=False)
    lettered_on: date = field("the day of that lettering", required=False)


class Letterings(Table, key=("legal_entity", "employee", "lettering")):
    """A row a lettering, in force or dissolved. Guarantees: in force it balances on each account and auxiliary."""

    legal_entity: str = field("the legal entity")
    employee: str = field("whose account")
    lettering: str = field("AAA, AAB…, never used twice on an account")
    lettered_on: date = field("event date of the order that made it")
    lettered_run: BigInt = field("the run that made it")
    delettered_on: date = field("event date of what dissolved it", required=False)
    delettered_run: BigInt = field("the run that dissolved it", required=False)
    payment_order: str = field("the order that made it")


class LetteringLines(
    Table,
    key=("legal_entity", "employee", "lettering", "journal_code", "fiscal_year", "entry_number", "line_number"),
):
    """A row a line of a lettering."""

    legal_entity: str = field("the legal entity")
    employee: str = field("whose account")
    lettering: str = field("the lettering")
    journal_code: str = field("the line's journal code")
    fiscal_year: Integer = field("the line's fiscal year")
    entry_number: BigInt = field("the line's entry")
    line_number: Integer = field("the line within its entry")


class Balances(Table, key=("legal_entity", "account", "auxiliary")):
    """A row an account. Guarantees: debit and credit agree over a legal entity."""

    legal_entity: str = field("the legal entity")
    account: str = field("general account")
    auxiliary: str = field("auxiliary account", required=False)
    debit: Amount = field("sum of its debits", ge=0)
    credit: Amount = field("sum of its credits", ge=0)
    balance: Amount = field("debit less credit")


class EmployeeAccounts(Table, key=("legal_entity", "employee")):
    """A row an employee's accounts in a legal entity, debit positive."""

    legal_entity: str = field("the legal entity")
    employee: str = field("the employee")
    third_party: Amount = field("balance of role employee; below 0 is owed to them")
    advance_one_time: Amount = field(
        "balance of role advance_one_time; below 0 only on a day, where an imputation is dated before its grant"
    )
    advance_regular: Amount = field("balance of role advance_regular")


class Payments(Table, key=("payment_order", "employee")):
    """A row a payment to an employee."""

    payment_order: str = field("the order that made it")
    legal_entity: str = field("who paid")
    employee: str = field("who was paid")
    amount: Amount = field("in the legal entity's currency", gt=0)
    iban: str = field("the account, as the employee had it", required=False)
    journal_code: str = field("journal code of its entry")
    fiscal_year: Integer = field("fiscal year of its entry")
    entry_number: BigInt = field("number of its entry")
    status: str = field("paid, returned by the bank, or cancelled with its order", values=PaymentStatus)


class Documents(Table, key=("document_kind", "document", "legal_entity")):
    """A row a document in a legal entity; where a higher version waits over a posted one, the posted row."""

    document_kind: str = field("what kind", values=DocumentKind)
    document: str = field("its id")
    legal_entity: str = field("where it is posted; empty for a report with nothing posted", required=False)
    version: Integer = field("the version last posted, taken over or waiting")
    status: str = field("that version's status", required=False)
    first_run: BigInt = field("the run that first saw it")
    last_run: BigInt = field("the run that last changed it")
    state: str = field("posted, quarantined or cancelled", values=DocumentState)


class Quarantine(Table, key=("table_name", "document", "version", "row_key", "rule", "column_name")):
    """A row a finding."""

    table_name: str = field("the table of the row")
    document: str = field("the row's document", required=False)
    version: Integer = field("the document's version", required=False)
    row_key: str = field("the row's key, its values joined by `|`")
    rule: str = field("the rule that it breaks", values=Rule)
    column_name: str = field("the column", required=False)
    value: str = field("what stands there", required=False)
    message: str = field("what is wrong and what to mend")
    first_run: BigInt = field("the run that found it")
    last_run: BigInt = field("the last run that found it")
    resolved_run: BigInt = field("the run that did not find it any more", required=False)


class Runs(Table, key=("run", "table_name")):
    """A row a run and movement table. Guarantees: rows_in + retried = the five counts after them."""

    run: BigInt = field("the run")
    run_on: date = field("the day it was said to be made on")
    table_name: str = field("the movement table")
    batch_digest: str = field("digest of the batch's rows")
    rows_in: BigInt = field("rows of the batch", ge=0)
    retried: BigInt = field("rows that waited in quarantine before the run", ge=0)
    posted: BigInt = field("rows of documents that were posted", ge=0)
    unchanged: BigInt = field("rows that say nothing new", ge=0)
    superseded: BigInt = field("rows that a higher version or the same sent again replaces", ge=0)
    ignored: BigInt = field("rows of drafts, and of cancellations of nothing posted", ge=0)
    quarantined: BigInt = field("rows that wait", ge=0)


class RunTimes(Table, key=("run",)):
    """A row a run: when and where. The one table that differs between two machines."""

    run: BigInt = field("the run")
    started_at: Instant = field("when it began, UTC")
    finished_at: Instant = field("when it was written, UTC")
    host: str = field("the machine")
    version: str = field("the version of lettrage")
