"""The ledger of the spec, kept one row after the other: no set, no SQL, no cleverness.

Where the spec is silent or can be read in two ways, the reading chosen stands in DOUBTS, by section.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

from schwifty import IBAN
from schwifty.exceptions import SchwiftyException

from tests.oracle.currencies import MINOR_UNITS
from tests.oracle.reading import KEYS, MOVEMENTS, Reference, Row, Tables, decimals_of, read_reference, read_row

DOUBTS = """
Reading (§2)
 1. A decimal has digits on both sides of its point (".5" and "5." are malformed); whole numbers are digits alone
    ("1.0" is no version and no split; leading zeros do no harm).
 2. ISO codes without a minor unit (XAU, XDR, XTS, XXX…) and currencies withdrawn from list one are unknown_currency.
 3. A converted gross that DECIMAL(18, 4) cannot hold is malformed_value on the expense's gross; where each expense can
    be held and an entry's total can't, on the report's head.
    Links of the reference that are no parents (an affiliation's employee, a right's department) may point nowhere.
Rows (§3)
 4. retried counts every row that waited, those too that are not tried again (unreadable rows, orphan rows): they are
    quarantined once more. Their findings' last_run stays: no run made them again.
 5. An unreadable row waits alone for ever; the same row sent again replaces it. Its findings are those of its cells.
 6. An orphan row has the finding orphan_row alone. It is superseded by a batch that brings a head of its document
    with its version or a higher one, whatever becomes of that; or by orphan rows of the same document and version.
    Version and head are those of the batch: children of an old version sent without a head are orphans.
 7. Waiting rows are replaced by any head of the same or a higher version, a draft too (then nothing waits any more).
 8. A document is a draft where every copy of its head says so, cancelled likewise; else it is judged as active.
 9. A version equal to the posted one is compared on every column; one with other values has the one finding
    version_conflict (drafts too: the rules are tried in the order in which §3 lists them).
10. A version that differs in form alone (status, dates) and holds a malformed or missing cell there is judged.
11. A cancelled version of a document with nothing posted is judged by its form before it is ignored.
    "Nothing posted" = no version of it ever had the fate posted (a report of zeros, an order that paid nobody were).
12. A cancelled advance is judged by no_account and no_journal as well ("cancelled or not"), where something is posted.
13. Every rule is judged wherever what it reads can be read and is known: no finding that only follows from another
    (no no_affiliation of an unknown employee, no hierarchy_mismatch with an unknown section, no account without
    a legal entity). A rate of 0 or less in the own currency breaks both malformed_value and rate_not_positive.
14. vat_exceeds_gross: the given taxed_gross and the given vat_amount are each summed and compared.
    missing_taxed_gross: on each row that has neither, where the expense bears two different codes.
15. A row breaks a rule once a column and value (two roles without account for one employee: one finding).
    What is wrong with an inherited section is found on the row that brings it (of several, the first axis').
    allocation_not_100, axis_missing and vat_exceeds_gross are found on the expense's row; accounts and journals of the
    employee on the head's; duplicate_key once a copy; findings of an exclusion bear the order's version.
16. Restated once paid: the equal version with other values is version_conflict, a higher one order_already_paid.
    A paid order restated is judged by the other rules too. The first cancellation of an executed order is posted,
    even where it paid nobody; a second one is unchanged.
17. A return's document is its order: with a readable one it is tried again. Form comes before the comparison with
    the return already taken. A return dated before its order's created_on, both in one run, finds nothing paid yet
    (unknown_payment) and passes on the next run.
18. A finding is the same as an earlier one where all but message and runs are the same.
    One that the run did not make again is resolved, though the document may still wait for other reasons.
19. A finding of a paid order stays unresolved where the entity's next order makes the like for the same employee;
    both are resolved by the first order that does not. A cancellation resolves none.
20. An employee left out for several reasons gets a finding each; an unknown one gets unknown_employee alone.
21. The account that a sepa order pays from needs a valid IBAN, not one of the SEPA zone.
22. An expense keeps the entity of the first posted version that holds it, lines or none; where this entity has left
    legal_entities, unknown_legal_entity.
Posting (§4)
23. "The version that last posted" is the document's, whichever entities it posted in.
24. A regular or third-party advance that was a one-time one before needs advance_one_time too, for the shortfall.
25. A cancelled advance whose employee has left `employees`: auxiliary and name are the employee's id.
26. A label is copied to the contra-entry. "Document and employee name" = "<document> <name>".
27. Content of a report in an entity where it has no expense any more: nothing. A zero report has documents rows for
    the entities of its expenses.
28. A line's payment method orders numbering only for company_paid; absent = first.
Payments (§5, §6)
29. Cancelled orders go by (event date, id). What dissolves a lettering first gives delettered_on: documents in the
    order of the imputations, then cancelled orders, then orders and returns.
30. nominal_side of a payment's employee lines is D, of its compensation C, whichever side they fall on.
    An employee line of 0 is left out. Accounts sort with no auxiliary first.
31. A balance of 0 that needs an entry makes no row in payments, and cannot be returned; a cancelled order
    contra-passes its entry.
32. payments.iban is the employee's cell, whatever the payment mode.
Tables (§7)
33. documents: state cancelled where the status taken last is; a document ignored as cancelled has such a row too
    (legal_entity null for a report). All rows of a document bear its latest version and status. first_run = the run
    that first saw the document wait, posted or ignored as cancelled; last_run = the last run that posted it, took
    over a version, or tried it again in vain (a version waiting over a posted one changes nothing, nor does one that
    contradicts a version ignored as cancelled).
34. employee_accounts: those with a line of one of the three roles. runs: all eight movement tables, every run.
"""

Key = tuple[str, str]  # (document_kind, document)

HEADS = {"expense_report": "expense_reports", "advance": "advances", "payment_order": "payment_orders"}
KIND_OF = {
    "expense_reports": "expense_report",
    "expenses": "expense_report",
    "expense_taxes": "expense_report",
    "allocations": "expense_report",
    "advances": "advance",
    "payment_orders": "payment_order",
    "payment_exclusions": "payment_order",
}
ID_OF = {"expense_report": "report", "advance": "advance", "payment_order": "payment_order"}
FORMAL_COLUMNS = ("version", "status", "label", "declared_on", "modified_on")
ZERO = Fraction(0)


def in_bytes(text: str | None) -> bytes:
    """Gives what orders ids and names: their UTF-8 bytes, nothing first."""
    return b"" if text is None else text.encode()


def is_within(day: date, first: date | None, last: date | None) -> bool:
    """Tells whether a day is one of those from `first` to `last`, both of them in; None is no limit."""
    return (first is None or first <= day) and (last is None or day <= last)


def rounded(value: Fraction, decimals: int) -> Fraction:
    """Rounds half away from zero to a number of decimals."""
    scaled = abs(value) * 10**decimals
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Fraction(whole if value >= 0 else -whole, 10**decimals)


def as_decimal(value: Fraction) -> Decimal:
    """Gives an amount as the tables hold it, with four decimals."""
    scaled = value * 10_000
    if scaled.denominator != 1:
        message = f"{value} has more than four decimals"
        raise AssertionError(message)
    return Decimal(scaled.numerator).scaleb(-4)


def largest_remainder(total: Fraction, percents: list[Fraction], decimals: int) -> list[Fraction]:
    """Splits an amount by percents that make 100, in minor units; ties go to the first."""
    units = abs(total) * 10**decimals
    exact = [units * percent / 100 for percent in percents]
    shares = [part.numerator // part.denominator for part in exact]
    left_over = int(units) - sum(shares)
    turns = sorted(range(len(percents)), key=lambda place: (shares[place] - exact[place], place))
    for place in turns[:left_over]:
        shares[place] += 1
    return [Fraction(share if total >= 0 else -share, 10**decimals) for share in shares]


def lettering_code(number: int) -> str:
    """Gives AAA for 0, AAB for 1, and after ZZZ AAAA."""
    length, first = 3, 0
    while number >= first + 26**length:
        first += 26**length
        length += 1
    rest, letters = number - first, ""
    for _ in range(length):
        rest, letter = divmod(rest, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def valid_iban(text: str | None, *, sepa: bool) -> bool:
    """Tells whether the IBAN library takes it, and, where asked for, has it in the SEPA zone."""
    if text is None:
        return False
    try:
        iban = IBAN(text, validate_bban=True)
    except SchwiftyException:
        return False
    return bool(iban.in_sepa_zone) if sepa else True


class Finding(NamedTuple):
    """What is wrong with one row, by one rule."""

    table_name: str
    document: str | None
    version: int | None
    row_key: str
    rule: str
    column_name: str | None
    value: str | None
    at: int = 0  # which row, while the run lasts: a row breaks a rule once a column and value


FINDING_COLUMNS = tuple(column for column in Finding._fields if column != "at")


@dataclass(eq=False)
class Line:
    """An entry line."""

    role: str
    account: str
    auxiliary: str | None
    nominal_side: str
    debit: Fraction
    credit: Fraction
    label: str
    expense: str | None = None
    expense_type: str | None = None
    vat_code: str | None = None
    foreign_currency: str | None = None
    foreign_amount: Fraction | None = None
    axes: dict[str, str] = field(default_factory=dict)
    lettering: Lettering | None = None
    last_lettering: Lettering | None = None


@dataclass(eq=False)
class Entry:
    """An entry: what its lines have in common."""

    run: int
    legal_entity: str
    journal: str
    journal_code: str
    fiscal_year: int
    entry_date: date
    document_kind: str
    document: str
    version: int
    document_date: date
    employee: str
    currency: str
    payment_method: str | None
    lines: list[Line]
    reverses: Entry | None = None
    contra: Entry | None = None
    number: int = 0


@dataclass(eq=False)
class Lettering:
    """Lines lettered together by an order."""

    legal_entity: str
    employee: str
    code: str
    lettered_on: date
    lettered_run: int
    payment_order: str
    lines: list[tuple[Entry, Line]]
    delettered_on: date | None = None
    delettered_run: int | None = None


@dataclass
class Draft:
    """An entry that a document would make."""

    journal: str
    payment_method: str | None
    lines: list[Line]


@dataclass(eq=False)
class Document:
    """A version of a document with all its rows, as the batch or the quarantine holds it."""

    kind: str
    id: str
    version: int
    rows: list[Row]

    @property
    def key(self) -> Key:
        """Gives what names the document."""
        return self.kind, self.id

    def of(self, table: str) -> list[Row]:
        """Lists its rows of one table."""
        return [row for row in self.rows if row.table == table]

    @property
    def heads(self) -> list[Row]:
        """Lists the copies of its head row; one, if all is well."""
        return self.of(HEADS[self.kind])

    @property
    def head(self) -> Row:
        """Gives its head row."""
        return self.heads[0]

    def is_all(self, status: str) -> bool:
        """Tells whether every copy of its head has the status."""
        return all(head["status"] == status for head in self.heads)

    @property
    def values(self) -> Counter[Any]:
        """Gives all that its rows say."""
        return Counter(row_values(row, ()) for row in self.rows)

    @property
    def core(self) -> Counter[Any]:
        """Gives what its rows say, without what posts nothing."""
        return Counter(row_values(row, FORMAL_COLUMNS) for row in self.rows)


def row_values(row: Row, without: Iterable[str]) -> tuple[Any, ...]:
    """Gives what a row says; an empty exchange_rate is 1."""
    values: list[Any] = [row.table]
    for column, _, _ in MOVEMENTS[row.table]:
        if column in without:
            continue
        value = row[column]
        if row.is_malformed(column):
            value = ("malformed", row.cells[column])
        elif column == "exchange_rate" and value is None:
            value = Fraction(1)
        values.append(value)
    return tuple(values)


@dataclass(eq=False)
class Known:
    """What the ledger remembers of a document that it posted, or ignored as cancelled."""

    version: int
    status: str
    values: Counter[Any]
    core: Counter[Any]
    employee: str | None
    legal_entity: str | None
    posted: bool
    event_date: date | None = None
    last_run: int = 0
    entities: set[str] = field(default_factory=set)


@dataclass
class Waiting:
    """A version of a document that waits in quarantine."""

    document: Document
    last_run: int


class Oracle:
    """The ledger, and the runs that add to it."""

    def __init__(self) -> None:
        """Starts an empty ledger."""
        self.run_number = 0
        self.reference: Reference = {}
        self.known: dict[Key, Known] = {}
        self.first_seen: dict[Key, int] = {}
        self.waiting: dict[Key, Waiting] = {}
        self.waiting_returns: dict[tuple[str, str | None], list[Row]] = {}
        self.waiting_orphans: list[Row] = []
        self.waiting_unreadable: list[Row] = []
        self.fresh_unreadable: set[int] = set()
        self.taken_returns: dict[tuple[str, str], tuple[date, str | None]] = {}
        self.expense_entities: dict[tuple[str, str], str] = {}
        self.entries: list[Entry] = []
        self.last_numbers: dict[tuple[str, str, int], int] = defaultdict(int)
        self.all_letterings: list[Lettering] = []
        self.payment_rows: dict[tuple[str, str], dict[str, Any]] = {}
        self.payment_entries: dict[tuple[str, str], Entry] = {}
        self.findings: list[dict[str, Any]] = []
        self.run_rows: list[dict[str, Any]] = []
        self.counts: dict[str, Counter[str]] = {}
        self.made: list[Finding] = []
        self.kept: list[Finding] = []

    # The run

    def run(self, reference: Tables, batch: Tables, on: date) -> None:
        """Takes one batch, as `lettrage run` does. Raises BrokenReferenceError before anything changes."""
        self.reference = read_reference(reference)
        self._look_up_reference()
        self.run_number += 1
        self.counts = {table: Counter() for table in MOVEMENTS}
        self.made, self.kept = [], []
        self.run_entries: list[Entry] = []
        self.to_post: list[tuple[Document, dict[str, list[Draft]], date]] = []
        self.to_cancel: list[tuple[Document, date]] = []
        self.to_pay: list[Document] = []
        self.to_return: list[Row] = []

        documents = self._take_in(batch)
        for document in documents:
            self._decide(document)
        self._post_documents()
        self._cancel_orders()
        self._pay_and_return()
        self._number()
        self._keep_findings()
        self._close(on)

    def _take_in(self, batch: Tables) -> list[Document]:
        """Sorts the batch's rows into documents and what belongs to none, and sets aside what they replace."""
        for before in self.waiting.values():
            for row in before.document.rows:
                self.counts[row.table]["retried"] += 1
        for rows in self.waiting_returns.values():
            self.counts["payment_returns"]["retried"] += len(rows)
        self.fresh_unreadable = set()
        for row in self.waiting_orphans + self.waiting_unreadable:
            self.counts[row.table]["retried"] += 1
        # Unreadable rows of earlier runs stay as they are, and so do their findings.
        for row in self.waiting_unreadable:
            self._count("quarantined", [row])

        heads: dict[Key, dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
        children: dict[Key, list[Row]] = defaultdict(list)
        returns: dict[tuple[str, str | None], list[Row]] = defaultdict(list)
        for table in MOVEMENTS:
            for cells in batch.get(table, []):
                row = read_row(table, cells)
                self.counts[table]["rows_in"] += 1
                if table == "payment_returns":
                    if row["payment_order"] is None:
                        self._wait_alone(row)
                    else:
                        returns[row["payment_order"], row["employee"]].append(row)
                    continue
                kind = KIND_OF[table]
                if row[ID_OF[kind]] is None or ("version" in row.values and row["version"] is None):
                    self._wait_alone(row)
                elif table == HEADS[kind]:
                    heads[kind, row[ID_OF[kind]]][row["version"]].append(row)
                else:
                    children[kind, row[ID_OF[kind]]].append(row)

        documents: list[Document] = []
        orphans: list[Row] = []
        for key, versions in heads.items():
            highest = max(versions)
            rows = list(versions[highest])
            for version, copies in versions.items():
                if version < highest:
                    self._count("superseded", copies)
            for row in children.pop(key, []):
                version = row.values.get("version", highest)
                if version < highest:
                    self._count("superseded", [row])
                elif version > highest:
                    orphans.append(row)
                else:
                    rows.append(row)
            # Copies of a head, and what is judged first, must not depend on the order of the rows.
            rows.sort(key=lambda row: [in_bytes(cell) for cell in row.cells.values()])
            documents.append(Document(*key, highest, rows))
        for rows in children.values():
            orphans += rows

        self._replace_orphans(documents, orphans)
        current: list[Document] = []
        for document in documents:
            waiting = self.waiting.get(document.key)
            if waiting and document.version < waiting.document.version:
                self._count("superseded", document.rows)
                continue
            if waiting:
                self._count("superseded", waiting.document.rows)
                del self.waiting[document.key]
            current.append(document)
        current += [still.document for still in self.waiting.values()]
        self.waiting = {}

        for return_key in returns:
            self._count("superseded", self.waiting_returns.pop(return_key, []))
        returns.update(self.waiting_returns)
        self.waiting_returns = {}
        for return_key, rows in returns.items():
            self._decide_return(return_key, rows)
        return sorted(current, key=lambda document: (document.kind, in_bytes(document.id)))

    def _wait_alone(self, row: Row) -> None:
        """Keeps a row whose document or version cannot be read, for ever."""
        same = [still for still in self.waiting_unreadable if still.table == row.table and still.cells == row.cells]
        for still in same:
            if id(still) not in self.fresh_unreadable:
                self.waiting_unreadable.remove(still)
                self.counts[row.table]["quarantined"] -= 1
                self._count("superseded", [still])
        self.fresh_unreadable.add(id(row))
        self.waiting_unreadable.append(row)
        self._count("quarantined", [row])
        document = row["payment_order"] if row.table == "payment_returns" else row[ID_OF[KIND_OF[row.table]]]
        for rule, column in row.form:
            finding = Finding(
                row.table, document, row.values.get("version"), row.key_text, rule, column, row.cells[column]
            )
            self.findings.append({**columns_of(finding), **self._first_seen_now(), "_open": False})

    def _first_seen_now(self) -> dict[str, Any]:
        return {"first_run": self.run_number, "last_run": self.run_number, "resolved_run": None}

    def _replace_orphans(self, documents: list[Document], orphans: list[Row]) -> None:
        """Sets aside the orphan rows that the batch's documents or orphans replace, and keeps the others."""

        def belongs(row: Row) -> tuple[str, str, int | None]:
            kind = KIND_OF[row.table]
            return kind, row[ID_OF[kind]], row.values.get("version")

        restated = {document.key: document.version for document in documents}
        sent_again = {belongs(row) for row in orphans}
        still: list[Row] = []
        for row in self.waiting_orphans:
            kind, name, version = belongs(row)
            head = restated.get((kind, name))
            if (head is not None and (version is None or version <= head)) or belongs(row) in sent_again:
                self._count("superseded", [row])
            else:
                still.append(row)
                self.kept.append(self._orphan(row))
        self.made += [self._orphan(row) for row in orphans]
        self.waiting_orphans = still + orphans
        self._count("quarantined", self.waiting_orphans)

    @staticmethod
    def _orphan(row: Row) -> Finding:
        name = ID_OF[KIND_OF[row.table]]
        return Finding(
            row.table, row[name], row.values.get("version"), row.key_text, "orphan_row", name, row.cells[name]
        )

    def _count(self, fate: str, rows: Iterable[Row]) -> None:
        for row in rows:
            self.counts[row.table][fate] += 1

    # What becomes of a document (§3)

    def _decide(self, document: Document) -> None:
        known = self.known.get(document.key)
        if known and document.version < known.version:
            self._count("superseded", document.rows)
            return
        form = self._form(document)
        if known and document.version == known.version:
            if document.values == known.values:
                self._count("unchanged", document.rows)
            else:
                self._quarantine(document, [self._finding(document, document.head, "version_conflict", "version")])
            return
        if document.is_all("draft"):
            self._count("ignored", document.rows)
            return
        cancelled = document.is_all("cancelled")
        posted = known is not None and known.posted
        if cancelled and not posted:
            if form:
                self._quarantine(document, form)
            else:
                self._count("ignored", document.rows)
                self._remember(document, posted=False)
            return
        if (
            known
            and posted
            and not cancelled
            and known.status != "cancelled"
            and document.core == known.core
            and not form
        ):
            self._count("unchanged", document.rows)
            self._remember(document, posted=False)
            return
        findings = form + (self._changed(document) if posted else [])
        if cancelled:
            if document.kind == "advance":
                findings += self._advance_accounts(document)
        elif document.kind == "expense_report":
            findings += self._judge_report(document)
        elif document.kind == "advance":
            findings += self._judge_advance(document)
        else:
            findings += self._judge_order(document)
        if findings:
            self._quarantine(document, findings)
        elif document.kind == "payment_order":
            self._take_order(document)
        else:
            self._take_document(document)

    def _take_document(self, document: Document) -> None:
        """Keeps a report or an advance for posting, unless its accounting content is what is posted already."""
        known = self.known.get(document.key)
        cancelled = document.is_all("cancelled")
        drafts: dict[str, list[Draft]] = {}
        if not cancelled:
            drafts = (
                self._report_drafts(document) if document.kind == "expense_report" else self._advance_draft(document)
            )
        changed: dict[str, list[Draft]] = {}
        for entity in sorted(set(drafts) | {entry.legal_entity for entry in self._in_force(document.key)}):
            new = content((draft.journal, line) for draft in drafts.get(entity, []) for line in draft.lines)
            old = content(
                (entry.journal, line)
                for entry in self._in_force(document.key, entity)
                if entry.journal != "advance_imputation"
                for line in entry.lines
            )
            if new != old:
                changed[entity] = drafts.get(entity, [])
        if known and known.posted and not changed:
            self._count("unchanged", document.rows)
            self._remember(document, posted=False)
            return
        self._count("posted", document.rows)
        self.to_post.append((document, changed, self._event_date(document)))

    def _take_order(self, document: Document) -> None:
        known = self.known.get(document.key)
        if document.is_all("cancelled"):
            assert known is not None
            if known.status == "cancelled":
                self._count("unchanged", document.rows)
                self._remember(document, posted=False)
            else:
                self._count("posted", document.rows)
                self.to_cancel.append((document, self._event_date(document)))
        else:
            self._count("posted", document.rows)
            self.to_pay.append(document)

    def _event_date(self, document: Document) -> date:
        head = document.head
        first = {"expense_report": "declared_on", "advance": "occurred_on", "payment_order": "created_on"}
        event_date: date = head["modified_on"] or head[first[document.kind]]
        known = self.known.get(document.key)
        if known and known.event_date:
            event_date = max(event_date, known.event_date)
        return event_date

    def _remember(self, document: Document, *, posted: bool, event_date: date | None = None) -> None:
        """Takes over a version: its status, its values, and where it posted its event date."""
        head = document.head
        before = self.known.get(document.key)
        known = Known(
            version=document.version,
            status=head["status"],
            values=document.values,
            core=document.core,
            employee=head.values.get("employee"),
            legal_entity=head.values.get("legal_entity"),
            posted=posted or (before is not None and before.posted),
            event_date=event_date or (before.event_date if before else None),
            last_run=self.run_number,
            entities=before.entities if before else set(),
        )
        self.known[document.key] = known
        self.first_seen.setdefault(document.key, self.run_number)

    def _quarantine(self, document: Document, findings: list[Finding]) -> None:
        self._count("quarantined", document.rows)
        self.made += [finding._replace(at=0) for finding in dict.fromkeys(findings)]
        self.waiting[document.key] = Waiting(document, self.run_number)
        self.first_seen.setdefault(document.key, self.run_number)

    def _finding(
        self, document: Document, row: Row, rule: str, column: str | None = None, value: str | None = None
    ) -> Finding:
        if value is None and column is not None:
            value = row.cells.get(column)
        return Finding(row.table, document.id, document.version, row.key_text, rule, column, value, id(row))

    # The rules, form first

    def _form(self, document: Document) -> list[Finding]:
        """Judges types, enums, precision, presence and double keys."""
        findings = [self._finding(document, row, rule, column) for row in document.rows for rule, column in row.form]
        copies = Counter((row.table, row.key) for row in document.rows if row.key is not None)
        findings += [
            self._finding(document, row, "duplicate_key")
            for row in document.rows
            if row.key is not None and copies[row.table, row.key] > 1
        ]

        def malformed(row: Row, column: str) -> None:
            findings.append(self._finding(document, row, "malformed_value", column))

        def too_fine(row: Row, column: str, currency: str | None) -> None:
            value = row[column]
            if value is not None and currency in MINOR_UNITS and decimals_of(value) > MINOR_UNITS[currency]:
                malformed(row, column)

        currencies = {row["expense"]: row["currency"] for row in document.of("expenses")}
        for row in document.of("expenses"):
            currency, rate = row["currency"], row["exchange_rate"]
            too_fine(row, "gross", currency)
            entity = self.entities.get(self._expense_entity(document, row) or "")
            if entity and currency is not None and rate is not None:
                if currency == entity["currency"] and rate != 1:
                    malformed(row, "exchange_rate")
                elif (
                    row["gross"] is not None
                    and currency in MINOR_UNITS
                    and abs(rounded(row["gross"] * rate, MINOR_UNITS[entity["currency"]])) >= 10**14
                ):
                    malformed(row, "gross")
        if document.kind == "expense_report":
            self._total_form(document, malformed)
        for row in document.of("expense_taxes"):
            too_fine(row, "taxed_gross", currencies.get(row["expense"]))
            too_fine(row, "vat_amount", currencies.get(row["expense"]))
        for row in document.of("advances"):
            entity = self.entities.get(row["legal_entity"] or "")
            if entity:
                too_fine(row, "amount", entity["currency"])
            if row["kind"] == "third_party" and row["movement"] == "grant":
                malformed(row, "movement")
        for row in document.of("payment_orders"):
            if row["created_on"] and row["cutoff_on"] and row["cutoff_on"] > row["created_on"]:
                malformed(row, "cutoff_on")
        for row in document.of("payment_exclusions"):
            if (row["report"] is None) == (row["employee"] is None):
                malformed(row, "report")
        return findings

    def _total_form(self, document: Document, malformed: Callable[[Row, str], None]) -> None:
        """Judges whether the entries' totals can be held, where each expense can."""
        grosses: dict[tuple[str, str], list[Fraction]] = defaultdict(list)
        for row in document.of("expenses"):
            entity = self.entities.get(self._expense_entity(document, row) or "")
            if (
                not entity
                or row["gross"] is None
                or row["payment_method"] is None
                or row["currency"] not in MINOR_UNITS
            ):
                continue
            rate = 1 if row["currency"] == entity["currency"] else row["exchange_rate"]
            if rate is not None:
                gross = rounded(row["gross"] * rate, MINOR_UNITS[entity["currency"]])
                grosses[entity["legal_entity"], row["payment_method"]].append(gross)
        for of_entry in grosses.values():
            if abs(sum(of_entry)) >= 10**14 > max(abs(gross) for gross in of_entry):
                malformed(document.head, "report")

    def _changed(self, document: Document) -> list[Finding]:
        """Judges what a later version may not change."""
        known = self.known[document.key]
        findings = []
        for head in document.heads:
            if document.kind != "payment_order" and head["employee"] not in (None, known.employee):
                findings.append(self._finding(document, head, "employee_changed", "employee"))
            moved = document.kind != "expense_report" and head["legal_entity"] not in (None, known.legal_entity)
            if moved:
                findings.append(self._finding(document, head, "legal_entity_changed", "legal_entity"))
            if document.kind == "payment_order" and not moved and not document.is_all("cancelled"):
                findings.append(self._finding(document, head, "order_already_paid", "version"))
        return findings

    def _judge_report(self, document: Document) -> list[Finding]:
        expenses = document.of("expenses")
        names = {row["expense"] for row in expenses}
        findings = [
            self._finding(document, row, "orphan_row", "expense")
            for row in document.of("expense_taxes") + document.of("allocations")
            if row["expense"] is not None and row["expense"] not in names
        ]
        for head in document.heads:
            if head["employee"] is not None and head["employee"] not in self.employees:
                findings.append(self._finding(document, head, "unknown_employee", "employee"))
            if head["status"] in ("declared", "approved") and not expenses:
                findings.append(self._finding(document, head, "no_expense"))
        employee = document.head["employee"]

        personal: set[str] = set()
        company: set[str] = set()
        for row in expenses:
            findings += self._judge_expense(document, row)
            entity = self._expense_entity(document, row)
            if entity not in self.entities or entity is None:
                continue
            method = row["payment_method"]
            if method is not None:
                (personal if method == "personal" else company).add(entity)
            if employee is not None:
                if row["expense_type"] and not self._account(entity, "charge", row["expense_type"], employee):
                    findings.append(self._finding(document, row, "no_account", "expense_type"))
                if method not in (None, "personal") and not self._account(entity, "company_paid", method, employee):
                    findings.append(self._finding(document, row, "no_account", "payment_method"))
                for tax in document.of("expense_taxes"):
                    vat_code = self.vat_codes.get(tax["vat_code"] or "")
                    if tax["expense"] != row["expense"] or not vat_code or vat_code["recoverable_percent"] <= 0:
                        continue
                    if not self._account(entity, "vat", tax["vat_code"], employee):
                        findings.append(self._finding(document, tax, "no_account", "vat_code"))
        for entity in sorted(personal):
            for role in ("employee", "advance_one_time"):
                if employee is not None and not self._account(entity, role, "*", employee):
                    findings.append(self._finding(document, document.head, "no_account", "employee"))
            for journal in ("expense_report", "advance_imputation"):
                if not self._journal_code(entity, journal):
                    findings.append(self._finding(document, document.head, "no_journal", None, journal))
        for entity in sorted(company):
            if not self._journal_code(entity, "company_paid"):
                findings.append(self._finding(document, document.head, "no_journal", None, "company_paid"))
        return findings

    def _judge_expense(self, document: Document, row: Row) -> list[Finding]:
        findings: list[Finding] = []

        def found(rule: str, column: str | None, at: Row = row) -> None:
            findings.append(self._finding(document, at, rule, column))

        employee = document.head["employee"]
        entity = self._expense_entity(document, row)
        if entity is not None and entity not in self.entities:
            found("unknown_legal_entity", "legal_entity")
        if entity is None and row["legal_entity"] is None and row["incurred_on"] and employee in self.employees:
            found("no_affiliation", "incurred_on")

        currency, rate, gross = row["currency"], row["exchange_rate"], row["gross"]
        if currency is not None and currency not in MINOR_UNITS:
            found("unknown_currency", "currency")
        if (
            currency is not None
            and entity in self.entities
            and currency != self.entities[entity]["currency"]
            and row.cells["exchange_rate"] is None
        ):
            found("missing_rate", "exchange_rate")
        if rate is not None and rate <= 0:
            found("rate_not_positive", "exchange_rate")

        taxes = [tax for tax in document.of("expense_taxes") if row["expense"] and tax["expense"] == row["expense"]]
        codes = {tax["vat_code"] for tax in taxes if tax["vat_code"] is not None}
        for tax in taxes:
            if tax["vat_code"] is not None and tax["vat_code"] not in self.vat_codes:
                found("unknown_vat_code", "vat_code", tax)
            if len(codes) > 1 and tax.cells["taxed_gross"] is None and tax.cells["vat_amount"] is None:
                found("missing_taxed_gross", "taxed_gross", tax)
        if gross is not None:
            for column in ("taxed_gross", "vat_amount"):
                if any(tax.is_malformed(column) for tax in taxes):
                    continue
                total = sum((tax[column] for tax in taxes if tax[column] is not None), ZERO)
                if abs(total) > abs(gross) or total * gross < 0:
                    found("vat_exceeds_gross", "gross")
        return findings + self._judge_allocations(document, row)

    def _judge_allocations(self, document: Document, expense: Row) -> list[Finding]:
        findings: list[Finding] = []

        def found(rule: str, column: str | None, at: Row, value: str | None = None) -> None:
            findings.append(self._finding(document, at, rule, column, value))

        rows = [
            row for row in document.of("allocations") if expense["expense"] and row["expense"] == expense["expense"]
        ]
        day = expense["incurred_on"]
        required = [
            axis["axis"]
            for axis in self.reference["axes"]
            if axis["required"] and (day is None or is_within(day, axis["active_from"], axis["active_to"]))
        ]
        if not rows:
            for axis in required:
                found("axis_missing", None, expense, axis)
            return findings
        if all(row["split"] is not None and row["percent"] is not None for row in rows):
            percents: dict[int, set[Fraction]] = defaultdict(set)
            for row in rows:
                percents[row["split"]].add(row["percent"])
            several = any(len(of_split) > 1 for of_split in percents.values())
            if several or sum(min(of_split) for of_split in percents.values()) != 100:
                found("allocation_not_100", None, expense)
        splits: dict[int, list[Row]] = defaultdict(list)
        for row in rows:
            if row["split"] is not None:
                splits[row["split"]].append(row)
        for split in splits.values():
            known: list[Row] = []
            complete = True
            for row in split:
                if row["axis"] is None or row["section"] is None:
                    complete = False
                elif row["axis"] not in self.axes:
                    found("unknown_section", "axis", row)
                elif (row["axis"], row["section"]) not in self.sections:
                    found("unknown_section", "section", row)
                else:
                    known.append(row)
            named = {row["axis"] for row in split}
            resolved, mismatch = self._with_parents(known, named)
            for row in mismatch:
                found("hierarchy_mismatch", "section", row)
            for axis in required:
                if complete and axis not in named and axis not in {where for where, _, _ in resolved}:
                    found("axis_missing", None, expense, axis)
            for axis, section, row in resolved:
                if expense["incurred_on"] and not self._is_active(axis, section, expense["incurred_on"]):
                    found("section_inactive", "section", row, section)
                entity = self._expense_entity(document, expense)
                employee = document.head["employee"]
                if (
                    employee in self.employees
                    and entity is not None
                    and entity in self.entities
                    and not self._is_allowed(axis, section, employee, entity, expense["incurred_on"])
                ):
                    found("section_not_allowed", "section", row, section)
        return findings

    def _with_parents(
        self, rows: list[Row], named_axes: set[str | None]
    ) -> tuple[list[tuple[str, str, Row]], list[Row]]:
        """Adds the parents that a split's sections bring with them; also gives the rows that do not go together."""
        named: dict[str, str] = {row["axis"]: row["section"] for row in rows}
        resolved: list[tuple[str, str, Row]] = [(row["axis"], row["section"], row) for row in rows]
        inherited: dict[str, str] = {}
        mismatch: list[Row] = []
        for row in sorted(rows, key=lambda row: in_bytes(row["axis"])):
            axis, section = row["axis"], row["section"]
            while True:
                parent_axis = self.axes[axis]["parent_axis"]
                parent = self.sections[axis, section]["parent_section"]
                if parent_axis is None or parent is None:
                    break
                if parent_axis in named_axes:
                    if parent_axis in named and named[parent_axis] != parent:
                        mismatch.append(row)
                    break
                if parent_axis in inherited:
                    if inherited[parent_axis] != parent:
                        mismatch.append(row)
                    break
                inherited[parent_axis] = parent
                resolved.append((parent_axis, parent, row))
                axis, section = parent_axis, parent
        return resolved, mismatch

    def _is_active(self, axis: str, section: str, on: date) -> bool:
        row = self.sections[axis, section]
        return is_within(on, row["active_from"], row["active_to"])

    def _is_allowed(self, axis: str, section: str, employee: str, entity: str, on: date | None) -> bool:
        where: tuple[str, str] | None = (axis, section)
        while where is not None:
            rights = [row for row in self.reference["section_rights"] if (row["axis"], row["section"]) == where]
            if rights:
                return any(
                    row["employee"] == employee
                    or row["legal_entity"] == entity
                    or (row["department"] is not None and row["department"] == self.employees[employee]["department"])
                    for row in rights
                    if on is None or is_within(on, row["valid_from"], row["valid_to"])
                )
            parent = self.sections[where]["parent_section"]
            parent_axis = self.axes[where[0]]["parent_axis"]
            where = (parent_axis, parent) if parent is not None else None
        return True

    def _judge_advance(self, document: Document) -> list[Finding]:
        findings: list[Finding] = []
        for row in document.heads:
            if row["employee"] is not None and row["employee"] not in self.employees:
                findings.append(self._finding(document, row, "unknown_employee", "employee"))
            if row["legal_entity"] is not None and row["legal_entity"] not in self.entities:
                findings.append(self._finding(document, row, "unknown_legal_entity", "legal_entity"))
            if row["amount"] is not None and row["amount"] <= 0:
                findings.append(self._finding(document, row, "amount_not_positive", "amount"))
        return findings + self._advance_accounts(document)

    def _advance_accounts(self, document: Document) -> list[Finding]:
        findings: list[Finding] = []
        for row in document.heads:
            entity, employee, kind = row["legal_entity"], row["employee"], row["kind"]
            if entity not in self.entities:
                continue
            if employee is not None:
                roles = {"employee"}
                if kind in ("one_time", "regular"):
                    roles.add(f"advance_{kind}")
                if any(
                    line.role == "advance_one_time" for entry in self._in_force(document.key) for line in entry.lines
                ):
                    roles.add("advance_one_time")
                findings += [
                    self._finding(document, row, "no_account", "employee" if role == "employee" else "kind")
                    for role in sorted(roles)
                    if not self._account(entity, role, "*", employee)
                ]
                compensation = row["compensation"]
                if compensation and not self._account(entity, "advance_compensation", compensation, employee):
                    findings.append(self._finding(document, row, "no_account", "compensation"))
            for journal in ("advance", "advance_imputation"):
                if not self._journal_code(entity, journal):
                    findings.append(self._finding(document, row, "no_journal", None, journal))
        return findings

    def _judge_order(self, document: Document) -> list[Finding]:
        findings: list[Finding] = []

        def found(rule: str, column: str | None, at: Row, value: str | None = None) -> None:
            findings.append(self._finding(document, at, rule, column, value))

        for row in document.heads:
            name = row["legal_entity"]
            if name is None:
                continue
            entity = self.entities.get(name)
            if entity is None:
                found("unknown_legal_entity", "legal_entity", row)
                continue
            if entity["payment_mode"] == "at_export":
                found("payment_module_off", "legal_entity", row)
            if not self._journal_code(name, "payment"):
                found("no_journal", None, row, "payment")
            own_iban = entity["iban"]
            if row["bank_account"] is not None:
                account = self.bank_accounts.get((name, row["bank_account"]))
                if account is None:
                    found("unknown_bank_account", "bank_account", row)
                    continue
                own_iban = account["iban"]
            if entity["payment_mode"] == "sepa" and not valid_iban(own_iban, sepa=False):
                found("invalid_iban", "bank_account" if row["bank_account"] else "legal_entity", row, own_iban)
        return findings

    def _decide_return(self, key: tuple[str, str | None], rows: list[Row]) -> None:
        """Judges a return's form, and sets it aside until the orders before it are paid."""
        findings: list[Finding] = []
        for row in rows:
            findings += [self._return_finding(row, rule, column) for rule, column in row.form]
            if len(rows) > 1 and row.key is not None:
                findings.append(self._return_finding(row, "duplicate_key", None))
        order, employee = key
        taken = self.taken_returns.get((order, employee)) if employee is not None else None
        if findings:
            self._quarantine_return(key, rows, findings)
        elif taken is not None:
            if taken == (rows[0]["returned_on"], rows[0]["reason"]):
                self._count("unchanged", rows)
            else:
                self._quarantine_return(key, rows, [self._return_finding(rows[0], "version_conflict", "returned_on")])
        else:
            self.to_return.append(rows[0])

    @staticmethod
    def _return_finding(row: Row, rule: str, column: str | None) -> Finding:
        value = row.cells[column] if column else None
        return Finding("payment_returns", row["payment_order"], None, row.key_text, rule, column, value)

    def _quarantine_return(self, key: tuple[str, str | None], rows: list[Row], findings: list[Finding]) -> None:
        self._count("quarantined", rows)
        self.made += findings
        self.waiting_returns[key] = rows

    # The reference tables

    def _look_up_reference(self) -> None:
        reference = self.reference
        self.entities = {row["legal_entity"]: row for row in reference["legal_entities"]}
        self.employees = {row["employee"]: row for row in reference["employees"]}
        self.vat_codes = {row["vat_code"]: row for row in reference["vat_codes"]}
        self.axes = {row["axis"]: row for row in reference["axes"]}
        self.sections = {(row["axis"], row["section"]): row for row in reference["sections"]}
        self.bank_accounts = {(row["legal_entity"], row["bank_account"]): row for row in reference["bank_accounts"]}

    def _expense_entity(self, document: Document, expense: Row) -> str | None:
        """Gives the legal entity of an expense (§4), which the reference may not know."""
        posted = self.expense_entities.get((document.id, expense["expense"]))
        if posted is not None:
            return posted
        if expense["legal_entity"] is not None:
            return str(expense["legal_entity"])
        best: dict[str, Any] | None = None
        for row in self.reference["affiliations"]:
            if row["employee"] != document.head["employee"] or expense["incurred_on"] is None:
                continue
            if row["valid_from"] <= expense["incurred_on"] and (best is None or row["valid_from"] > best["valid_from"]):
                best = row
        return best["legal_entity"] if best else None

    def _journal_code(self, entity: str, journal: str) -> str | None:
        for wanted in (entity, "*"):
            for row in self.reference["journals"]:
                if row["legal_entity"] == wanted and row["journal"] == journal:
                    return str(row["code"])
        return None

    def _counterpart(self, entity: str, method: str) -> str:
        for wanted in (entity, "*"):
            for row in self.reference["payment_methods"]:
                if row["legal_entity"] == wanted and row["payment_method"] == method:
                    return str(row["counterpart"])
        return "report"

    def _account(self, entity: str, role: str, key: str, employee: str) -> tuple[str, str | None] | None:
        """Gives account and auxiliary of a role, None where the chart has none."""
        best: tuple[int, dict[str, Any]] | None = None
        for row in self.reference["chart_of_accounts"]:
            if row["role"] != role:
                continue
            weight = 0
            for column, wanted, worth in (("employee", employee, 4), ("legal_entity", entity, 2), ("key", key, 1)):
                if row[column] == wanted:
                    weight += worth
                elif row[column] != "*":
                    break
            else:
                if best is None or weight > best[0]:
                    best = weight, row
        if best is None:
            return None
        person = self.employees.get(employee)
        words = {
            "{employee}": employee,
            "{auxiliary}": person["auxiliary"] if person else employee,
            "{legal_entity}": entity,
            "{key}": key,
        }
        return filled(best[1]["account"], words), filled(best[1]["auxiliary"] or "", words) or None

    def _sure_account(self, entity: str, role: str, key: str, employee: str) -> tuple[str, str | None]:
        account = self._account(entity, role, key, employee)
        assert account is not None, (entity, role, key, employee)
        return account

    def _name(self, employee: str) -> str:
        person = self.employees.get(employee)
        return str(person["name"]) if person else employee

    # The entries that a document makes (§4)

    def _report_drafts(self, document: Document) -> dict[str, list[Draft]]:
        groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in document.of("expenses"):
            entity = self._expense_entity(document, row)
            assert entity is not None
            groups[entity, row["payment_method"]].append(row)
        drafts: dict[str, list[Draft]] = defaultdict(list)
        for (entity, method), rows in groups.items():
            rows.sort(key=lambda row: in_bytes(row["expense"]))
            lines = self._expense_lines(document, entity, method, rows)
            if lines:
                personal = method == "personal"
                drafts[entity].append(
                    Draft("expense_report" if personal else "company_paid", None if personal else method, lines)
                )
        return drafts

    def _expense_lines(self, document: Document, entity: str, method: str, rows: list[Row]) -> list[Line]:
        head = document.head
        employee, currency = head["employee"], self.entities[entity]["currency"]
        label = head["label"] or f"{document.id} {self._name(employee)}"
        counterparts: list[Line] = []
        bodies: list[Line] = []
        by_expense = method != "personal" and self._counterpart(entity, method) == "expense"
        role, key = ("employee", "*") if method == "personal" else ("company_paid", method)
        account, auxiliary = self._sure_account(entity, role, key, employee)
        for some in [[row] for row in rows] if by_expense else [rows]:
            total = sum((self._gross(row, currency) for row in some), ZERO)
            currencies = {row["currency"] for row in some}
            foreign = currencies.pop() if len(currencies) == 1 else None
            if foreign == currency:
                foreign = None
            counterparts += signed_line(
                role,
                account,
                auxiliary,
                "C",
                total,
                label,
                foreign_currency=foreign,
                foreign_amount=-sum((row["gross"] for row in some), ZERO) if foreign else None,
                expense=some[0]["expense"] if by_expense else None,
                expense_type=some[0]["expense_type"] if by_expense else None,
            )
        for row in rows:
            bodies += self._charge_and_vat_lines(document, entity, row)
        return counterparts + bodies

    @staticmethod
    def _gross(row: Row, currency: str) -> Fraction:
        return rounded(row["gross"] * (row["exchange_rate"] or 1), MINOR_UNITS[currency])

    def _charge_and_vat_lines(self, document: Document, entity: str, row: Row) -> list[Line]:
        employee, currency = document.head["employee"], self.entities[entity]["currency"]
        foreign = row["currency"] if row["currency"] != currency else None
        label = row["label"] or row["expense_type"]
        taxes = sorted(
            (tax for tax in document.of("expense_taxes") if tax["expense"] == row["expense"]),
            key=lambda tax: in_bytes(tax["vat_code"]),
        )
        charge, recoverables = self._amounts(row, taxes, row["exchange_rate"] or Fraction(1), MINOR_UNITS[currency])
        foreign_charge, foreign_recoverables = self._amounts(row, taxes, Fraction(1), MINOR_UNITS[row["currency"]])

        splits: dict[int, list[Row]] = defaultdict(list)
        for allocation in document.of("allocations"):
            if allocation["expense"] == row["expense"]:
                splits[allocation["split"]].append(allocation)
        percents = [Fraction(100)]
        sections: list[dict[str, str]] = [{}]
        if splits:
            percents = [splits[split][0]["percent"] for split in sorted(splits)]
            sections = []
            for split in sorted(splits):
                resolved, _ = self._with_parents(splits[split], {some["axis"] for some in splits[split]})
                sections.append({axis: section for axis, section, _ in resolved})
        shares = largest_remainder(charge, percents, MINOR_UNITS[currency])
        foreign_shares = largest_remainder(foreign_charge, percents, MINOR_UNITS[row["currency"]])

        lines: list[Line] = []
        account, auxiliary = self._sure_account(entity, "charge", row["expense_type"], employee)
        for share, foreign_share, axes in zip(shares, foreign_shares, sections, strict=True):
            lines += signed_line(
                "charge",
                account,
                auxiliary,
                "D",
                share,
                label,
                expense=row["expense"],
                expense_type=row["expense_type"],
                foreign_currency=foreign,
                foreign_amount=foreign_share if foreign else None,
                axes=axes,
            )
        for tax, recoverable, foreign_recoverable in zip(taxes, recoverables, foreign_recoverables, strict=True):
            if recoverable == 0:
                continue
            account, auxiliary = self._sure_account(entity, "vat", tax["vat_code"], employee)
            lines += signed_line(
                "vat",
                account,
                auxiliary,
                "D",
                recoverable,
                label,
                expense=row["expense"],
                expense_type=row["expense_type"],
                vat_code=tax["vat_code"],
                foreign_currency=foreign,
                foreign_amount=foreign_recoverable if foreign else None,
            )
        return lines

    def _amounts(self, row: Row, taxes: list[Row], rate: Fraction, decimals: int) -> tuple[Fraction, list[Fraction]]:
        """Gives the charge of an expense and its recoverable VAT by code, at a rate, in a currency's minor unit."""
        gross = rounded(row["gross"] * rate, decimals)
        recoverables: list[Fraction] = []
        for tax in taxes:
            vat_code = self.vat_codes[tax["vat_code"]]
            if tax["vat_amount"] is not None:
                vat = rounded(tax["vat_amount"] * rate, decimals)
            else:
                taxed = gross if tax["taxed_gross"] is None else rounded(tax["taxed_gross"] * rate, decimals)
                vat = rounded(taxed * vat_code["rate"] / (100 + vat_code["rate"]), decimals)
            recoverables.append(rounded(vat * vat_code["recoverable_percent"] / 100, decimals))
        return gross - sum(recoverables, ZERO), recoverables

    def _advance_draft(self, document: Document) -> dict[str, list[Draft]]:
        row = document.head
        entity, employee, amount = row["legal_entity"], row["employee"], row["amount"]
        label = row["label"] or f"{document.id} {self._name(employee)}"
        role = "employee" if row["kind"] == "third_party" else f"advance_{row['kind']}"
        account = self._sure_account(entity, role, "*", employee)
        compensation = self._sure_account(entity, "advance_compensation", row["compensation"], employee)
        sides = [(role, *account), ("advance_compensation", *compensation)]
        if row["movement"] == "reimbursement":
            sides.reverse()
        lines = [
            Line(*sides[0], "D", amount, ZERO, label),
            Line(*sides[1], "C", ZERO, amount, label),
        ]
        return {entity: [Draft("advance", None, lines)]}

    # Posting

    def _in_force(self, key: Key, entity: str | None = None) -> list[Entry]:
        """Lists the entries of a document that are not contra-passed."""
        return [
            entry
            for entry in self.entries
            if (entry.document_kind, entry.document) == key
            and entry.reverses is None
            and entry.contra is None
            and entity in (None, entry.legal_entity)
        ]

    def _entry(
        self,
        document: Document,
        entity: str,
        employee: str,
        event_date: date,
        draft: Draft,
    ) -> Entry:
        entry_date = self._entry_date(entity, event_date)
        code = self._journal_code(entity, draft.journal)
        assert code is not None
        entry = Entry(
            run=self.run_number,
            legal_entity=entity,
            journal=draft.journal,
            journal_code=code,
            fiscal_year=self._fiscal_year(entity, entry_date),
            entry_date=entry_date,
            document_kind=document.kind,
            document=document.id,
            version=document.version,
            document_date=event_date,
            employee=employee,
            currency=self.entities[entity]["currency"],
            payment_method=draft.payment_method,
            lines=draft.lines,
        )
        self._add(entry)
        return entry

    def _contra(self, entry: Entry, version: int, event_date: date) -> Entry:
        """Contra-passes an entry and dissolves every lettering that holds a line of it."""
        entry_date = self._entry_date(entry.legal_entity, event_date)
        contra = Entry(
            run=self.run_number,
            legal_entity=entry.legal_entity,
            journal=entry.journal,
            journal_code=entry.journal_code,
            fiscal_year=self._fiscal_year(entry.legal_entity, entry_date),
            entry_date=entry_date,
            document_kind=entry.document_kind,
            document=entry.document,
            version=version,
            document_date=event_date,
            employee=entry.employee,
            currency=entry.currency,
            payment_method=entry.payment_method,
            lines=[
                Line(
                    role=line.role,
                    account=line.account,
                    auxiliary=line.auxiliary,
                    nominal_side=line.nominal_side,
                    debit=line.credit,
                    credit=line.debit,
                    label=line.label,
                    expense=line.expense,
                    expense_type=line.expense_type,
                    vat_code=line.vat_code,
                    foreign_currency=line.foreign_currency,
                    foreign_amount=None if line.foreign_amount is None else -line.foreign_amount,
                    axes=dict(line.axes),
                )
                for line in entry.lines
            ],
            reverses=entry,
        )
        entry.contra = contra
        self._add(contra)
        for line in entry.lines:
            if line.lettering is not None:
                self._dissolve(line.lettering, event_date)
        return contra

    def _dissolve(self, lettering: Lettering, on: date) -> None:
        lettering.delettered_on = max(on, lettering.lettered_on)
        lettering.delettered_run = self.run_number
        for _, line in lettering.lines:
            line.lettering = None

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.run_entries.append(entry)

    def _entry_date(self, entity: str, event_date: date) -> date:
        closed_through = self.entities[entity]["closed_through"] if entity in self.entities else None
        return max(event_date, closed_through + timedelta(days=1)) if closed_through else event_date

    def _fiscal_year(self, entity: str, day: date) -> int:
        start = self.entities[entity]["fiscal_year_start"] if entity in self.entities else (1, 1)
        if start == (1, 1) or (day.month, day.day) < start:
            return day.year
        return day.year + 1

    def _advance_balance(self, entity: str, employee: str) -> Fraction:
        return sum(
            (
                line.debit - line.credit
                for entry in self.entries
                if entry.legal_entity == entity and entry.employee == employee
                for line in entry.lines
                if line.role == "advance_one_time"
            ),
            ZERO,
        )

    def _post_documents(self) -> None:
        def turn(posting: tuple[Document, dict[str, list[Draft]], date]) -> tuple[date, int, bytes]:
            document, _, event_date = posting
            rank = {"grant": 0, "reimbursement": 1}.get(document.head.values.get("movement", ""), 2)
            return event_date, rank, in_bytes(document.id)

        for document, changed, event_date in sorted(self.to_post, key=turn):
            for entity, drafts in changed.items():
                self._post_in_entity(document, entity, drafts, event_date)
            entities = set(changed)
            for expense in document.of("expenses"):
                place = self._expense_entity(document, expense)
                # A cancelled version is not judged on its expenses, and gives them no legal entity.
                if place is not None and not document.is_all("cancelled"):
                    self.expense_entities.setdefault((document.id, expense["expense"]), place)
                    entities.add(place)
            self._remember(document, posted=True, event_date=event_date)
            self.known[document.key].entities |= entities

    def _post_in_entity(self, document: Document, entity: str, drafts: list[Draft], event_date: date) -> None:
        employee = document.head["employee"]
        before = self._advance_balance(entity, employee)
        contras = [self._contra(entry, document.version, event_date) for entry in self._in_force(document.key, entity)]
        brought = sum(
            (
                line.debit - line.credit
                for contra in contras
                for line in contra.lines
                if line.role == "advance_one_time"
            ),
            ZERO,
        )
        for draft in drafts:
            self._entry(document, entity, employee, event_date, draft)

        row = document.head
        new = ZERO
        if document.kind == "expense_report":
            total = sum(
                (
                    line.credit - line.debit
                    for draft in drafts
                    if draft.journal == "expense_report"
                    for line in draft.lines
                    if line.role == "employee"
                ),
                ZERO,
            )
            new = -max(ZERO, total)
            imputed = min(before + brought, -new)
        elif row["status"] != "cancelled" and row["kind"] == "one_time":
            new = row["amount"] if row["movement"] == "grant" else -row["amount"]
        if document.kind == "advance":
            imputed = min(ZERO, before + brought + new)
        if imputed == 0 or (document.kind == "expense_report" and imputed < 0):
            return
        label = row["label"] or f"{document.id} {self._name(employee)}"
        third_party = ("employee", *self._sure_account(entity, "employee", "*", employee))
        advance = ("advance_one_time", *self._sure_account(entity, "advance_one_time", "*", employee))
        debited, credited = (third_party, advance) if imputed > 0 else (advance, third_party)
        lines = [
            Line(*debited, "D", abs(imputed), ZERO, label),
            Line(*credited, "C", ZERO, abs(imputed), label),
        ]
        self._entry(document, entity, employee, event_date, Draft("advance_imputation", None, lines))

    # Payments (§6)

    def _cancel_orders(self) -> None:
        for document, event_date in sorted(self.to_cancel, key=lambda some: (some[1], in_bytes(some[0].id))):
            for entry in self._in_force(document.key):
                self._contra(entry, document.version, event_date)
                payment = self.payment_rows.get((document.id, entry.employee))
                if payment is not None:
                    payment["status"] = "cancelled"
            self._remember(document, posted=True, event_date=event_date)

    def _pay_and_return(self) -> None:
        turns: list[tuple[date, int, bytes, bytes, Document | Row]] = [
            (document.head["created_on"], 0, in_bytes(document.id), b"", document) for document in self.to_pay
        ]
        turns += [
            (row["returned_on"], 1, in_bytes(row["payment_order"]), in_bytes(row["employee"]), row)
            for row in self.to_return
        ]
        for *_, what in sorted(turns, key=lambda turn: turn[:4]):
            if isinstance(what, Document):
                self._pay(what)
            else:
                self._return(what)

    def _return(self, row: Row) -> None:
        order, employee = row["payment_order"], row["employee"]
        payment = self.payment_rows.get((order, employee))
        if payment is None or payment["status"] != "paid":
            self._quarantine_return(
                (order, employee), [row], [self._return_finding(row, "unknown_payment", "payment_order")]
            )
            return
        known = self.known["payment_order", order]
        assert known.event_date is not None
        event_date = max(row["returned_on"], known.event_date)
        self._contra(self.payment_entries[order, employee], known.version, event_date)
        payment["status"] = "returned"
        self.taken_returns[order, employee] = (row["returned_on"], row["reason"])
        self._count("posted", [row])

    def _pay(self, document: Document) -> None:
        row = document.head
        entity = row["legal_entity"]
        event_date = self._event_date(document)
        excluded_reports = {some["report"] for some in document.of("payment_exclusions")} - {None}
        excluded_employees = {some["employee"] for some in document.of("payment_exclusions")} - {None}
        open_lines: dict[str, list[tuple[Entry, Line]]] = defaultdict(list)
        for entry in self.entries:
            if entry.legal_entity == entity:
                for line in entry.lines:
                    if line.role == "employee" and line.lettering is None:
                        open_lines[entry.employee].append((entry, line))
        left_out: list[tuple[str, str]] = []
        for employee in sorted(open_lines, key=in_bytes):
            if employee in excluded_employees:
                continue
            lines = self._payable(open_lines[employee], entity, row["cutoff_on"], excluded_reports)
            left_out += [(employee, rule) for rule in self._settle(document, employee, lines, event_date)]
        self._remember(document, posted=True, event_date=event_date)
        self.known[document.key].entities.add(entity)

        for finding in self.findings:
            unresolved = finding.get("_entity") == entity and finding["resolved_run"] is None
            if unresolved and (finding["_employee"], finding["rule"]) not in left_out:
                finding["resolved_run"] = self.run_number
        for employee, rule in left_out:
            person = self.employees.get(employee)
            value = person["iban"] if person and rule == "invalid_iban" else employee
            column = {"invalid_iban": "iban", "unknown_employee": "employee", "no_account": "bank_account"}[rule]
            found = Finding(
                "payment_orders", document.id, document.version, f"{document.id}|{employee}", rule, column, value
            )
            self.findings.append(
                {
                    **columns_of(found),
                    **self._first_seen_now(),
                    "_open": False,
                    "_entity": entity,
                    "_employee": employee,
                }
            )

    def _payable(
        self, open_lines: list[tuple[Entry, Line]], entity: str, cutoff_on: date, excluded_reports: set[str]
    ) -> list[tuple[Entry, Line]]:
        """Takes the open lines of an employee that an order may settle, what belongs together all or none."""

        def stays_behind(entry: Entry) -> bool:
            if entry.entry_date > cutoff_on:
                return True
            if entry.document_kind != "expense_report":
                return False
            if entry.document in excluded_reports:
                return True
            status = self.known["expense_report", entry.document].status
            return self.entities[entity]["approval"] == "required" and status not in ("approved", "cancelled")

        group = list(range(len(open_lines)))

        def join(one: int, other: int) -> None:
            old, new = group[one], group[other]
            for place, of in enumerate(group):
                if of == old:
                    group[place] = new

        for one, (entry, line) in enumerate(open_lines):
            for other, (other_entry, other_line) in enumerate(open_lines[:one]):
                together = line.last_lettering is not None and line.last_lettering is other_line.last_lettering
                contra = entry.reverses is other_entry or other_entry.reverses is entry
                if together or contra or entry is other_entry:
                    join(one, other)
        behind = {group[place] for place, (entry, _) in enumerate(open_lines) if stays_behind(entry)}
        return [some for place, some in enumerate(open_lines) if group[place] not in behind]

    def _settle(
        self, document: Document, employee: str, lines: list[tuple[Entry, Line]], event_date: date
    ) -> list[str]:
        """Pays and letters what an employee is owed; gives the reasons where the employee is left out."""
        row = document.head
        entity = row["legal_entity"]
        if not lines:
            return []
        owed: dict[tuple[str, str | None], Fraction] = defaultdict(Fraction)
        for _, line in lines:
            owed[line.account, line.auxiliary] += line.credit - line.debit
        balance = sum(owed.values(), ZERO)
        if balance < 0:
            return []
        mode = self.entities[entity]["payment_mode"]
        compensation = None
        if balance > 0:
            if employee not in self.employees:
                return ["unknown_employee"]
            reasons = []
            if mode == "sepa" and not valid_iban(self.employees[employee]["iban"], sepa=True):
                reasons.append("invalid_iban")
            compensation = self._account(entity, "payment_compensation", row["bank_account"] or mode, employee)
            if compensation is None:
                reasons.append("no_account")
            if reasons:
                return reasons
        label = f"{document.id} {self._name(employee)}"
        new: list[Line] = []
        for account, auxiliary in sorted(owed, key=lambda place: (in_bytes(place[0]), in_bytes(place[1]))):
            # The rule debits the employee: what the account owes.
            new += signed_line("employee", account, auxiliary, "D", owed[account, auxiliary], label)
        if compensation is not None:
            new += signed_line("payment_compensation", *compensation, "C", balance, label)
        if new:
            entry = self._entry(document, entity, employee, event_date, Draft("payment", None, new))
            lines = lines + [(entry, line) for line in new if line.role == "employee"]
            if balance > 0:
                self.payment_entries[document.id, employee] = entry
                self.payment_rows[document.id, employee] = {
                    "payment_order": document.id,
                    "legal_entity": entity,
                    "employee": employee,
                    "amount": balance,
                    "iban": self.employees[employee]["iban"],
                    "status": "paid",
                }
        count = sum((some.legal_entity, some.employee) == (entity, employee) for some in self.all_letterings)
        lettering = Lettering(entity, employee, lettering_code(count), event_date, self.run_number, document.id, lines)
        self.all_letterings.append(lettering)
        for _, line in lines:
            line.lettering = line.last_lettering = lettering
        return []

    # The end of a run

    def _number(self) -> None:
        """Numbers the run's entries (§4). What is contra-passed comes before its contra-entry, so it has its number."""

        def turn(entry: Entry) -> tuple[Any, ...]:
            passed = entry.reverses
            stage = 1 if passed is None else 0 if passed.run < self.run_number else 2
            return (
                entry.entry_date,
                entry.document_date,
                in_bytes(entry.document_kind),
                in_bytes(entry.document),
                in_bytes(entry.employee),
                stage,
                in_bytes(entry.journal),
                in_bytes(entry.payment_method),
                (0, 0) if passed is None else (passed.fiscal_year, passed.number),
            )

        for stage_of_run in (False, True):
            # Contra-entries of this run's entries need their numbers for the order: their turn is worked out again.
            ordered = sorted(self.run_entries, key=turn)
            numbers = dict(self.last_numbers)
            for entry in ordered:
                series = entry.legal_entity, entry.journal_code, entry.fiscal_year
                numbers[series] = numbers.get(series, 0) + 1
                entry.number = numbers[series]
            if stage_of_run:
                self.last_numbers = defaultdict(int, numbers)
        for one, other in pairwise(sorted(self.run_entries, key=lambda entry: (entry.legal_entity, turn(entry)))):
            same_entity = one.legal_entity == other.legal_entity
            assert not same_entity or turn(one) < turn(other), "two entries have the same turn"

    def _keep_findings(self) -> None:
        """Tells the findings made again from those resolved, and adds the new ones."""
        made, kept = Counter(self.made), Counter(self.kept)
        for finding in self.findings:
            if not finding["_open"] or finding["resolved_run"] is not None:
                continue
            name = Finding(*(finding[column] for column in FINDING_COLUMNS))
            if made[name]:
                made[name] -= 1
                finding["last_run"] = self.run_number
            elif kept[name]:
                kept[name] -= 1
            else:
                finding["resolved_run"] = self.run_number
        for name in made.elements():
            self.findings.append({**columns_of(name), **self._first_seen_now(), "_open": True})

    def _close(self, on: date) -> None:
        fates = ("posted", "unchanged", "superseded", "ignored", "quarantined")
        for table, count in self.counts.items():
            if count["rows_in"] + count["retried"] != sum(count[fate] for fate in fates):
                message = f"rows of {table} were lost: {count}"
                raise AssertionError(message)
            row = {"run": self.run_number, "run_on": on, "table_name": table}
            row |= {column: count[column] for column in ("rows_in", "retried", *fates)}
            self.run_rows.append(row)

    # The tables out (§7)

    @property
    def entry_lines(self) -> list[dict[str, Any]]:
        """Lists the lines, in the order of their key."""
        axes = sorted({axis for entry in self.entries for line in entry.lines for axis in line.axes})
        rows = []
        for entry in self.entries:
            for number, line in enumerate(entry.lines, start=1):
                row: dict[str, Any] = {
                    "run": entry.run,
                    "legal_entity": entry.legal_entity,
                    "journal": entry.journal,
                    "journal_code": entry.journal_code,
                    "fiscal_year": entry.fiscal_year,
                    "entry_number": entry.number,
                    "line_number": number,
                    "entry_date": entry.entry_date,
                    "document_kind": entry.document_kind,
                    "document": entry.document,
                    "version": entry.version,
                    "document_date": entry.document_date,
                    "reversal": entry.reverses is not None,
                    "reverses": entry.reverses.number if entry.reverses else None,
                    "reverses_fiscal_year": entry.reverses.fiscal_year if entry.reverses else None,
                    "employee": entry.employee,
                    "role": line.role,
                    "account": line.account,
                    "auxiliary": line.auxiliary,
                    "nominal_side": line.nominal_side,
                    "debit": as_decimal(line.debit),
                    "credit": as_decimal(line.credit),
                    "currency": entry.currency,
                    "foreign_currency": line.foreign_currency,
                    "foreign_amount": None if line.foreign_amount is None else as_decimal(line.foreign_amount),
                    "expense": line.expense,
                    "expense_type": line.expense_type,
                    "vat_code": line.vat_code,
                    "label": line.label,
                }
                row |= {f"axis_{axis}": line.axes.get(axis) for axis in axes}
                row["lettering"] = line.lettering.code if line.lettering else None
                row["lettered_on"] = line.lettering.lettered_on if line.lettering else None
                rows.append(row)
        return in_order(rows, "legal_entity", "journal_code", "fiscal_year", "entry_number", "line_number")

    @property
    def letterings(self) -> list[dict[str, Any]]:
        """Lists the letterings, in force or dissolved."""
        rows = [
            {
                "legal_entity": lettering.legal_entity,
                "employee": lettering.employee,
                "lettering": lettering.code,
                "lettered_on": lettering.lettered_on,
                "lettered_run": lettering.lettered_run,
                "delettered_on": lettering.delettered_on,
                "delettered_run": lettering.delettered_run,
                "payment_order": lettering.payment_order,
            }
            for lettering in self.all_letterings
        ]
        return in_order(rows, "legal_entity", "employee", "lettering")

    @property
    def lettering_lines(self) -> list[dict[str, Any]]:
        """Lists the lines of every lettering."""
        rows = [
            {
                "legal_entity": lettering.legal_entity,
                "employee": lettering.employee,
                "lettering": lettering.code,
                "journal_code": entry.journal_code,
                "fiscal_year": entry.fiscal_year,
                "entry_number": entry.number,
                "line_number": entry.lines.index(line) + 1,
            }
            for lettering in self.all_letterings
            for entry, line in lettering.lines
        ]
        return in_order(rows, *(rows[0] if rows else ()))

    @property
    def payments(self) -> list[dict[str, Any]]:
        """Lists what each order paid to each employee."""
        rows = []
        for place, payment in self.payment_rows.items():
            entry = self.payment_entries[place]
            rows.append(
                {
                    **payment,
                    "amount": as_decimal(payment["amount"]),
                    "journal_code": entry.journal_code,
                    "fiscal_year": entry.fiscal_year,
                    "entry_number": entry.number,
                }
            )
        return in_order(rows, "payment_order", "employee")

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Lists the documents, a row a legal entity."""
        rows = []
        for key in sorted(set(self.known) | set(self.waiting)):
            known, waiting = self.known.get(key), self.waiting.get(key)
            # A version that waits because it contradicts one ignored as cancelled leaves that one as it stands.
            stands = known is not None and (known.posted or (waiting and waiting.document.version <= known.version))
            if waiting and not stands:
                head = waiting.document.head
                places: list[str | None] = [head.values.get("legal_entity")]
                version, status, state = waiting.document.version, head["status"], "quarantined"
                last_run = waiting.last_run
            else:
                assert known is not None
                places = [*known.entities] or [known.legal_entity]
                version, status, last_run = known.version, known.status, known.last_run
                state = "cancelled" if status == "cancelled" else "posted"
            rows += [
                {
                    "document_kind": key[0],
                    "document": key[1],
                    "legal_entity": place,
                    "version": version,
                    "status": status,
                    "first_run": self.first_seen[key],
                    "last_run": last_run,
                    "state": state,
                }
                for place in places
            ]
        return in_order(rows, "document_kind", "document", "legal_entity")

    @property
    def quarantine(self) -> list[dict[str, Any]]:
        """Lists the findings, resolved or not."""
        rows = [
            {column: value for column, value in finding.items() if not column.startswith("_")}
            for finding in self.findings
        ]
        return in_order(rows, *FINDING_COLUMNS, "first_run")

    @property
    def runs(self) -> list[dict[str, Any]]:
        """Lists the counts of rows by run and table."""
        return in_order(self.run_rows, "run", "table_name")

    @property
    def balances(self) -> list[dict[str, Any]]:
        """Lists debit, credit and balance by legal entity, account and auxiliary."""
        totals: dict[tuple[str, str, str | None], list[Fraction]] = defaultdict(lambda: [ZERO, ZERO])
        for entry in self.entries:
            for line in entry.lines:
                total = totals[entry.legal_entity, line.account, line.auxiliary]
                total[0] += line.debit
                total[1] += line.credit
        rows = [
            {
                "legal_entity": entity,
                "account": account,
                "auxiliary": auxiliary,
                "debit": as_decimal(debit),
                "credit": as_decimal(credit),
                "balance": as_decimal(debit - credit),
            }
            for (entity, account, auxiliary), (debit, credit) in totals.items()
        ]
        return in_order(rows, "legal_entity", "account", "auxiliary")

    @property
    def employee_accounts(self) -> list[dict[str, Any]]:
        """Lists the three accounts of every employee, by legal entity, debit positive."""
        columns = {
            "employee": "third_party",
            "advance_one_time": "advance_one_time",
            "advance_regular": "advance_regular",
        }
        totals: dict[tuple[str, str], dict[str, Fraction]] = {}
        for entry in self.entries:
            for line in entry.lines:
                if line.role in columns:
                    account = totals.setdefault(
                        (entry.legal_entity, entry.employee), dict.fromkeys(columns.values(), ZERO)
                    )
                    account[columns[line.role]] += line.debit - line.credit
        rows = [
            {
                "legal_entity": entity,
                "employee": employee,
                **{column: as_decimal(value) for column, value in account.items()},
            }
            for (entity, employee), account in totals.items()
        ]
        return in_order(rows, "legal_entity", "employee")


def columns_of(finding: Finding) -> dict[str, Any]:
    """Gives a finding as a row."""
    return {column: getattr(finding, column) for column in FINDING_COLUMNS}


def filled(template: str, words: dict[str, str]) -> str:
    """Fills a template of the chart, once from left to right."""
    text = ""
    while template:
        for word, meaning in words.items():
            if template.startswith(word):
                text, template = text + meaning, template[len(word) :]
                break
        else:
            text, template = text + template[0], template[1:]
    return text


def signed_line(
    role: str,
    account: str,
    auxiliary: str | None,
    nominal_side: str,
    amount: Fraction,
    label: str,
    **others: Any,
) -> Iterator[Line]:
    """Makes the line of an amount: on its nominal side, a negative one on the other, one of 0 not at all."""
    if amount == 0:
        return
    on_debit = (nominal_side == "D") == (amount > 0)
    debit, credit = (abs(amount), ZERO) if on_debit else (ZERO, abs(amount))
    yield Line(role, account, auxiliary, nominal_side, debit, credit, label, **others)


def content(lines: Iterable[tuple[str, Line]]) -> Counter[tuple[Any, ...]]:
    """Gives the accounting content of lines (§3), each with its journal."""
    return Counter(
        (
            journal,
            line.role,
            line.account,
            line.auxiliary,
            line.expense,
            line.vat_code,
            tuple(sorted(line.axes.items())),
            line.foreign_currency,
            line.foreign_amount,
            line.debit,
            line.credit,
        )
        for journal, line in lines
    )


def in_order(rows: list[dict[str, Any]], *columns: str) -> list[dict[str, Any]]:
    """Sorts rows by columns, nulls first, texts by their bytes."""

    def place(row: dict[str, Any]) -> list[Any]:
        values = [row[column] for column in columns]
        return [
            (value is not None, in_bytes(value) if isinstance(value, str) else value)
            if value is not None
            else (False, 0)
            for value in values
        ]

    return sorted(rows, key=place)


assert set(KEYS) == set(MOVEMENTS)
