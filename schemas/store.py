"""The kinds of rows that the ledger store keeps: what the tables of spec §7 are read from, and the state of a run.

Every kind is appended to, but for the rows that wait, which a run replaces whole; `run` says which run added a row.
Where a key can come again, the row of the highest run counts; of the open findings, the rows of one run alone.
"""

from __future__ import annotations

from datetime import date

from schemas import ledger
from schemas.table import Table, field
from schemas.terms import Amount, BigInt, DocumentKind, Instant, Integer, Journal, Role, Rule, Side


class EntryLines(
    Table,
    key=("legal_entity", "journal_code", "fiscal_year", "entry_number", "line_number"),
    checks=(ledger.one_side,),
):
    """A row a line of an entry, as it was posted; its lettering is a mark of its own."""

    run: BigInt = field("the run that posted it", ge=1)
    legal_entity: str = field("whose books")
    journal: str = field("what is posted", values=Journal)
    journal_code: str = field("code of the journal")
    fiscal_year: Integer = field("calendar year in which the fiscal year ends")
    entry_number: BigInt = field("1, 2, 3… without a gap", ge=1)
    line_number: Integer = field("1, 2, 3… within the entry", ge=1)
    entry_date: date = field("posting date")
    document_kind: str = field("what kind of document is behind it", values=DocumentKind)
    document: str = field("the document's id")
    version: Integer = field("the version that posted it", ge=1)
    document_date: date = field("event date of that version")
    reversal: bool = field("whether the entry is a contra-entry")
    reverses: BigInt = field("number of the entry contra-passed", required=False)
    reverses_fiscal_year: Integer = field("fiscal year of the entry contra-passed", required=False)
    employee: str = field("the employee whose document it is")
    role: str = field("what the account is for", values=Role)
    account: str = field("general account")
    auxiliary: str = field("auxiliary account", required=False)
    nominal_side: str = field("the side that the rule names", values=Side)
    debit: Amount = field("0 on a credit line", ge=0)
    credit: Amount = field("0 on a debit line", ge=0)
    currency: str = field("ISO 4217 code of the books' currency")
    foreign_currency: str = field("ISO 4217 code of the expense's currency where that is another", required=False)
    foreign_amount: Amount = field("amount in the foreign currency, debit positive", required=False)
    expense: str = field("the expense that the line bears", required=False)
    expense_type: str = field("that expense's type", required=False)
    vat_code: str = field("VAT code, on VAT lines", required=False)
    label: str = field("label of the expense, else of the document")
    payment_method: str = field("the company method, in the company-paid journal", required=False)
    axes: str | None = field(
        "section of the charge line on the axis",
        required=False,
        pattern=r"^axis_[a-z][a-z0-9_]{0,29}$",
    )


class Letterings(Table, key=("legal_entity", "employee", "lettering")):
    """A row a lettering made."""

    run: BigInt = field("the run")
    legal_entity: str = field("the legal entity")
    employee: str = field("whose account")
    lettering: str = field("its code")
    lettered_on: date = field("event date of the order")
    lettered_run: BigInt = field("the run that made it")
    payment_order: str = field("the order")


class Deletterings(Table, key=("legal_entity", "employee", "lettering")):
    """A row a lettering dissolved."""

    run: BigInt = field("the run")
    legal_entity: str = field("the legal entity")
    employee: str = field("whose account")
    lettering: str = field("its code")
    delettered_on: date = field("event date of what dissolved it")
    delettered_run: BigInt = field("the run that dissolved it")


class LetteringLines(
    Table,
    key=("legal_entity", "employee", "lettering", "journal_code", "fiscal_year", "entry_number", "line_number"),
):
    """A row a line of a lettering, with what it takes to open the line again."""

    run: BigInt = field("the run")
    legal_entity: str = field("the legal entity")
    employee: str = field("whose account")
    lettering: str = field("the lettering")
    journal_code: str = field("the line's journal code")
    fiscal_year: Integer = field("the line's fiscal year")
    entry_number: BigInt = field("the line's entry")
    line_number: Integer = field("the line within its entry")
    entry_date: date = field("the line's posting date")
    document_kind: str = field("the line's document", values=DocumentKind)
    document: str = field("the line's document")
    account: str = field("general account")
    auxiliary: str = field("auxiliary account", required=False)
    owed: Amount = field("credit less debit")
    reverses: BigInt = field("number of the entry contra-passed", required=False)
    reverses_fiscal_year: Integer = field("fiscal year of the entry contra-passed", required=False)


class OpenLines(Table, key=("legal_entity", "journal_code", "fiscal_year", "entry_number", "line_number")):
    """A row a change of a line of role `employee`: opened, closed, or opened again."""

    run: BigInt = field("the run")
    legal_entity: str = field("the legal entity")
    employee: str = field("whose account")
    journal_code: str = field("the line's journal code")
    fiscal_year: Integer = field("the line's fiscal year")
    entry_number: BigInt = field("the line's entry")
    line_number: Integer = field("the line within its entry")
    entry_date: date = field("the line's posting date")
    document_kind: str = field("the line's document", values=DocumentKind)
    document: str = field("the line's document")
    account: str = field("general account")
    auxiliary: str = field("auxiliary account", required=False)
    owed: Amount = field("credit less debit")
    reverses: BigInt = field("number of the entry contra-passed", required=False)
    reverses_fiscal_year: Integer = field("fiscal year of the entry contra-passed", required=False)
    last_lettering: str = field("the lettering, dissolved since, that last held it", required=False)
    is_open: bool = field("whether it is unlettered")


class Payments(ledger.Payments, key=("payment_order", "employee")):
    """A row a change of a payment."""

    run: BigInt = field("the run")


class PaymentReturns(Table, key=("payment_order", "employee")):
    """A row a return taken."""

    run: BigInt = field("the run")
    payment_order: str = field("the order")
    employee: str = field("whose payment came back")
    returned_on: date = field("the day it came back")
    reason: str = field("the bank's reason", required=False)


class Documents(Table, key=("document_kind", "document", "legal_entity")):
    """A row a change of a document in a legal entity; state 'superseded' hides the row of its key."""

    run: BigInt = field("the run")
    document_kind: str = field("what kind", values=DocumentKind)
    document: str = field("its id")
    legal_entity: str = field("the legal entity", required=False)
    version: Integer = field("the version last posted, taken over or waiting")
    status: str = field("that version's status", required=False)
    first_run: BigInt = field("the run that first saw it")
    last_run: BigInt = field("the run that last changed it")
    state: str = field("posted, quarantined, cancelled or superseded")
    employee: str = field("whose it is", required=False)
    event_date: date = field("event date of the version that last posted", required=False)
    values_digest: str = field("digest of all that the version says", required=False)
    core_digest: str = field("digest of what makes a version another one", required=False)
    content_digest: str = field("digest of its accounting content in the legal entity", required=False)
    posted_run: BigInt = field("the run that made the entries it has in force there", required=False)


class Quarantine(Table, key=("table_name", "document", "version", "row_key", "rule", "column_name")):
    """A row a finding that is resolved."""

    run: BigInt = field("the run")
    table_name: str = field("the table of the row")
    document: str = field("the row's document", required=False)
    version: Integer = field("the document's version", required=False)
    row_key: str = field("the row's key")
    rule: str = field("the rule that it breaks", values=Rule)
    column_name: str = field("the column", required=False)
    value: str = field("what stands there", required=False)
    message: str = field("what is wrong and what to mend")
    first_run: BigInt = field("the run that found it")
    last_run: BigInt = field("the last run that found it")
    resolved_run: BigInt = field("the run that did not find it any more", required=False)
    legal_entity: str = field("of the order, where it leaves an employee out", required=False)
    employee: str = field("who is left out", required=False)
    fate: str = field("how its row waits: document, orphan, alone; left_out where an employee is left out")


class Findings(Quarantine, key=("table_name", "document", "version", "row_key", "rule", "column_name")):
    """A row a finding that is open after a run: each run writes all of them again."""


class Waiting(Table, key=("table_name", "document", "version")):
    """A row a row that waits in quarantine, as it came (a snapshot)."""

    run: BigInt = field("the run after which it waits")
    table_name: str = field("its table")
    document_kind: str = field("its document's kind")
    document: str = field("its document", required=False)
    version: Integer = field("its document's version", required=False)
    row_json: str = field("its cells as they stood")
    fate: str = field("how it waits: with its document, as an orphan, or alone")


class EmployeeState(Table, key=("legal_entity", "employee")):
    """A row a change of an employee's accounts: how they stand after the run."""

    run: BigInt = field("the run")
    legal_entity: str = field("the legal entity")
    employee: str = field("the employee")
    third_party: Amount = field("balance of role employee, debit positive")
    advance_one_time: Amount = field("balance of role advance_one_time", ge=0)
    advance_regular: Amount = field("balance of role advance_regular")
    lettering_count: BigInt = field("how many letterings the account has had")


class Series(Table, key=("legal_entity", "journal_code", "fiscal_year")):
    """A row a change of a numbering series."""

    run: BigInt = field("the run")
    legal_entity: str = field("the legal entity")
    journal_code: str = field("the journal code")
    fiscal_year: Integer = field("the fiscal year")
    last_number: BigInt = field("the last number given")


class Balances(Table, key=("legal_entity", "account", "auxiliary")):
    """A row what a run adds to an account."""

    run: BigInt = field("the run")
    legal_entity: str = field("the legal entity")
    account: str = field("general account")
    auxiliary: str = field("auxiliary account", required=False)
    debit: Amount = field("sum of its debits", ge=0)
    credit: Amount = field("sum of its credits", ge=0)


class ExpenseEntities(Table, key=("report", "expense")):
    """A row the legal entity in which an expense was first posted, which it keeps."""

    run: BigInt = field("the run")
    report: str = field("the report")
    expense: str = field("the expense")
    legal_entity: str = field("its legal entity")


class Runs(ledger.Runs, key=("run", "table_name")):
    """A row a run and movement table."""


class RunTimes(Table, key=("run",)):
    """A row a run: when and where."""

    run: BigInt = field("the run")
    started_at: Instant = field("when it began, UTC")
    finished_at: Instant = field("when it was written, UTC")
    host: str = field("the machine")
    software_version: str = field("the version of lettrage")


class Reference(Table, key=("run", "table_name")):
    """A row a row of a reference table, kept whole by each run in which the table changed."""

    run: BigInt = field("the run")
    table_name: str = field("the reference table")
    row_json: str = field("its cells")


class ReferenceDigests(Table, key=("run", "table_name")):
    """A row a change of a reference table."""

    run: BigInt = field("the run")
    table_name: str = field("the reference table")
    digest: str = field("digest of its rows")


class Exports(Table, key=("export_number", "sequence")):
    """A row a change of an export: recorded, cancelled. The highest sequence of a number counts."""

    run: BigInt = field("the run that it read the ledger as of")
    as_of_on: date = field("the day whose books it read, where one was asked for", required=False)
    sequence: BigInt = field("counts the changes of all exports")
    export_number: BigInt = field("counts the exports")
    export_status: str = field("recorded or cancelled")
    profile: str = field("the profile, or the format's name where none was given")
    format: str = field("name of the format")
    definition: str = field("the format and profile themselves, as JSON, so that the same bytes come again")
    legal_entity: str = field("whose entries")
    first_on: date = field("first day of the period", required=False)
    last_on: date = field("last day of the period", required=False)
    exported_on: date = field("the day it was said to be made on")
    entry_count: BigInt = field("entries taken")
    line_count: BigInt = field("lines written")
    files: str = field("names, sizes and SHA-256 of the files, as JSON")
    totals: str = field("totals by journal and what did not go out, as JSON")


class ExportEntries(Table, key=("export_number", "legal_entity", "journal_code", "fiscal_year", "entry_number")):
    """A row an entry that an export took."""

    export_number: BigInt = field("the export")
    legal_entity: str = field("the entry's legal entity")
    journal_code: str = field("the entry's journal code")
    fiscal_year: Integer = field("the entry's fiscal year")
    entry_number: BigInt = field("the entry's number")


class Deliveries(Table, key=("sequence",)):
    """A row a file that a receiver has got: what stands here is not sent again unless someone asks."""

    sequence: BigInt = field("counts them", ge=1)
    delivery: str = field("the delivery: a digest of its subject, destination, copy and files")
    export_number: BigInt = field("the export whose file it is", required=False)
    payment_order: str = field("the payment order whose file it is", required=False)
    legal_entity: str = field("whose entries or payments")
    destination: str = field("the destination, as the settings name it")
    copy: Integer = field("1, then 2, 3… where it was asked for again", ge=1)
    channel: str = field("folder, sftp, ftps, email or s3; `person` where someone said that it has arrived")
    file: str = field("name of the file")
    address: str = field("where it went, or to whom", required=False)
    byte_count: BigInt = field("its size in bytes", ge=0)
    sha256: str = field("its SHA-256")
    attempt_count: Integer = field("how often it was tried", ge=0)
    delivered_at: Instant = field("when it had arrived, UTC")
    answer: str = field("what the receiver's server said", required=False)


class OrderAccounts(Table, key=("payment_order",)):
    """A row the bank account that an order was paid from, where it named one."""

    run: BigInt = field("the run")
    payment_order: str = field("the order")
    bank_account: str = field("the account it named")


class Seals(Table, key=("kind_name", "number", "part")):
    """A row some thousand rows that a commit added, as sums of digests: what the chain and `check --chain` go by."""

    link: BigInt = field("the link of the chain that they belong to", ge=1)
    kind_name: str = field("the kind of the rows")
    number: BigInt = field(
        "what they were added by: the run; of exports the change, of their entries the export, of deliveries each"
    )
    part: Integer = field("which of the parts; a row's part comes of its key", ge=0)
    part_count: Integer = field("into how many parts the rows were cut", ge=1)
    row_count: BigInt = field("rows in the part", ge=1)
    digest_sum: str = field("sum of the rows' digests (the first 60 bits of SHA-256), decimal")
    keyed_sum: str = field("the same, each digest times the first 28 bits of its key's: it tells which row was changed")


class Links(Table, key=("link",)):
    """A row a commit that added something, with a digest over it and all before it."""

    link: BigInt = field("counts them", ge=1)
    run: BigInt = field("the run, where it was one", required=False)
    what: str = field("run, export (with a run where it made its own order), cancelled, delivered or migrated")
    previous: str = field("digest of the link before; empty for the first")
    digest: str = field("SHA-256 of what stands before it in this row and of the link's seals, run_times left out")
