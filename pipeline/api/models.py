"""What the API takes and answers; /v1/openapi.json is made of it, with an example of each."""

# ruff: noqa: D101 - a model's name and its fields' descriptions say what it is

from contextlib import suppress
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from pipeline.api.rows import Answer, Exact, page_model, row_model
from schemas import LEDGER
from schemas.ledger import Quarantine, RunTimes
from schemas.store import OpenLines
from schemas.terms import Journal

_LONGEST = 200


def _day(value: Any) -> Any:
    """A day as ISO 8601 writes it, and nothing else that might be one."""
    if isinstance(value, date):
        return value
    if isinstance(value, str) and len(value) == len("2026-01-31"):
        with suppress(ValueError):
            return date.fromisoformat(value)
    raise ValueError("it is no day: write YYYY-MM-DD")


Day = Annotated[
    date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-01-31"]})
]
#: a code or name as the ledger has them: no control characters
Code = Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST, pattern=r"^[^\x00-\x1f\x7f]+$")]


def _whole(value: Any) -> Any:
    """A whole number, also where JSON writes it as 3.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


RunNumber = Annotated[int, Field(ge=1, le=(1 << 53) - 1), BeforeValidator(_whole)]


class ProblemTold(Answer):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="tells kinds of problems apart", examples=["urn:lettrage:problem:not-found"])
    title: str = Field(description="the kind, for people", examples=["There is no such thing"])
    status: int = Field(description="the status of the answer", examples=[404], ge=400, le=599)
    detail: str = Field(description="what is wrong", examples=["there is no export 7 that this key may see"])
    mend: str | None = Field(None, description="what to do about it", examples=["see /v1/exports"])
    where: str | None = Field(None, description="where it is wrong", examples=["query.as_of"])
    errors: list[dict[str, str]] | None = Field(
        None,
        description="each thing that is wrong, where there are several",
        examples=[[{"where": "query.as_of", "what": "Input should be greater than or equal to 1"}]],
    )


class Asking(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ExportPreview(Asking):
    """Which entries, in what format. Exactly one of profile and format."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        json_schema_extra={
            "oneOf": [
                {"required": ["profile"], "properties": {"profile": {"type": "string"}, "format": {"type": "null"}}},
                {
                    "required": ["format", "legal_entity"],
                    "properties": {
                        "format": {"type": "string"},
                        "profile": {"type": "null"},
                        "legal_entity": {"type": "string"},
                    },
                },
            ],
            "examples": [
                {"format": "csv", "legal_entity": "FR01", "from": "2026-01-01", "through": "2026-01-31"},
            ],
        },
    )

    profile: Code | None = Field(None, description="a profile of /v1/profiles", examples=["sage"])
    format: Code | None = Field(None, description="a format of /v1/formats", examples=["csv"])
    legal_entity: Code | None = Field(
        None, description="whose entries; without it the profile's own", examples=["FR01"]
    )
    first: Day | None = Field(None, alias="from", description="first posting date", examples=["2026-01-01"])
    through: Day | None = Field(None, description="last posting date", examples=["2026-01-31"])
    on: Day | None = Field(None, description="the day the export is made on; without it today", examples=["2026-02-02"])
    as_of: RunNumber | None = Field(None, description="the ledger as of this run", examples=[3])
    as_of_date: Day | None = Field(None, description="the books at the end of this day", examples=["2026-01-31"])
    account: Code | None = Field(
        None, description="of a preview: the general account whose lines are shown", examples=["421000"]
    )

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.profile is None) == (self.format is None):
            raise ValueError("give either profile or format")
        if self.profile is None and self.legal_entity is None:
            raise ValueError("legal_entity is needed with format")
        if self.first is not None and self.through is not None and self.through < self.first:
            raise ValueError("the period ends before it begins")
        return self


class ExportRequest(ExportPreview):
    """Which entries go out, in what format. Exactly one of profile and format."""

    account: None = Field(None, exclude=True, description="of a preview alone")


class Link(Answer):
    href: str = Field(description="where it is", examples=["/v1/exports/7/files/FR01_csv_7.csv"])


class FileTold(Answer):
    name: str = Field(description="its name", examples=["FR01_csv_7.csv"])
    bytes: int = Field(description="its size", ge=0, examples=[20480])
    sha256: str = Field(
        description="its digest, which is its ETag",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    href: str | None = Field(
        None, description="where it is downloaded", examples=["/v1/exports/7/files/FR01_csv_7.csv"]
    )
    head: str | None = Field(None, description="of a preview of a text: how it begins", examples=[None])


class Total(Answer):
    """What went out, by journal code and fiscal year."""

    journal_code: str = Field(examples=["NDF"])
    fiscal_year: int = Field(examples=[2026])
    entries: int = Field(examples=[12])
    lines: int = Field(examples=[40])
    debit: Exact = Field(examples=["1530.0000"])
    credit: Exact = Field(examples=["1530.0000"])
    first_number: int = Field(examples=[1])
    last_number: int = Field(examples=[12])
    first_entry_date: date = Field(examples=["2026-01-02"])
    last_entry_date: date = Field(examples=["2026-01-31"])


class LeftOut(Answer):
    """What stayed in the ledger: left_out by the profile, or held_back."""

    fate: str = Field(examples=["held_back"])
    journal: Journal = Field(examples=["expense_report"])
    account: str = Field(examples=["421000"])
    entries: int = Field(examples=[1])
    lines: int = Field(examples=[2])
    debit: Exact = Field(examples=["0.0000"])
    credit: Exact = Field(examples=["100.0000"])


class ExportMade(Answer):
    """An export that was made, or would be."""

    number: int | None = Field(
        description="the export; null for a preview, and where there was nothing to take", examples=[7]
    )
    job: str | None = Field(None, description="the job that made it", examples=["0f8fad5bd9cb469fa165708f"])
    run: int = Field(description="the run of the ledger that it read", examples=[3])
    profile: str = Field(examples=["csv"])
    legal_entity: str = Field(examples=["FR01"])
    entries: int = Field(description="entries taken", examples=[12])
    lines: int = Field(description="lines of these entries", examples=[40])
    files: list[FileTold]
    totals: list[Total]
    left_out: list[LeftOut]
    balances: list[dict[str, Any]] = Field(
        default=[],
        description="of a preview: what each account comes to",
        examples=[[{"account": "421000", "auxiliary": "MOREAU", "balance": "-130.0000"}]],
    )
    drill: list[dict[str, Any]] = Field(
        default=[], description="of a preview: the lines on the account asked for", examples=[[]]
    )
    notes: list[str] = Field(description="what was asked for and is not done", examples=[[]])


class ExportTold(Answer):
    """An export as it is recorded."""

    number: int = Field(examples=[7])
    status: Literal["recorded", "cancelled"]
    profile: str = Field(examples=["csv"])
    format: str = Field(examples=["csv"])
    legal_entity: str = Field(examples=["FR01"])
    first_on: date | None = Field(description="first day of the period", examples=["2026-01-01"])
    last_on: date | None = Field(description="last day of the period", examples=["2026-01-31"])
    exported_on: date = Field(examples=["2026-02-02"])
    run: int = Field(description="the run of the ledger that it read", examples=[3])
    as_of_on: date | None = Field(description="the day whose books it read", examples=[None])
    entries: int = Field(examples=[12])
    lines: int = Field(examples=[40])
    files: list[FileTold]


class JobTold(Answer):
    """Something that was asked for, as far as it is."""

    job: str = Field(description="its name", examples=["0f8fad5bd9cb469fa165708f"])
    kind: str = Field(description="what it does", examples=["export"])
    state: Literal["waiting", "running", "done", "failed"]
    legal_entity: str | None = Field(description="which it is about, where it is one", examples=["FR01"])
    step: str | None = Field(description="what it is doing", examples=["post"])
    done_percent: int = Field(description="how far it is, by steps", ge=0, le=100, examples=[40])
    created_at: str = Field(examples=["2026-02-02T06:00:00.000+00:00"])
    started_at: str | None = Field(examples=["2026-02-02T06:00:00.020+00:00"])
    finished_at: str | None = Field(examples=[None])
    result: dict[str, Any] | None = Field(
        description="what came of it: what the request would have been answered at once", examples=[None]
    )
    problem: ProblemTold | None = Field(description="why it failed", examples=[None])
    href: str = Field(description="where to ask again", examples=["/v1/jobs/0f8fad5bd9cb469fa165708f"])


class RowCounts(Answer):
    """The fates of a table's rows; those that are of the whole group are null for a key of some legal entities."""

    table_name: str = Field(examples=["expenses"])
    rows_in: int = Field(examples=[40])
    retried: int | None = Field(examples=[0])
    posted: int | None = Field(examples=[40])
    unchanged: int | None = Field(examples=[0])
    superseded: int | None = Field(examples=[0])
    ignored: int | None = Field(examples=[0])
    quarantined: int | None = Field(examples=[0])


class EntriesMade(Answer):
    legal_entity: str = Field(examples=["FR01"])
    journal: Journal = Field(examples=["expense_report"])
    currency: str = Field(examples=["EUR"])
    entries: int = Field(examples=[12])
    lines: int = Field(examples=[40])
    amount: Exact = Field(examples=["1530.0000"])


class PaymentsMade(Answer):
    payment_order: str = Field(examples=["PO1"])
    legal_entity: str = Field(examples=["FR01"])
    status: str = Field(examples=["paid"])
    payments: int = Field(examples=[3])
    amount: Exact = Field(examples=["530.0000"])


Finding = row_model("Finding", Quarantine, without=("first_run", "last_run", "resolved_run"))


class RuleCount(Answer):
    rule: str = Field(examples=["no_account"])
    findings: int = Field(examples=[2])
    documents: int = Field(examples=[1])


class BatchPosted(Answer):
    """What a run did, or with preview would do. A key of some legal entities is told what concerns them alone."""

    job: str = Field(examples=["0f8fad5bd9cb469fa165708f"])
    run: int = Field(examples=[4])
    run_on: date = Field(examples=["2026-01-31"])
    is_preview: bool = Field(examples=[False])
    batch_digest: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    rows: list[RowCounts]
    entries: list[EntriesMade]
    payments: list[PaymentsMade]
    findings: list[Finding] = Field(description="new in quarantine")  # type: ignore[valid-type]  # a model made here
    waiting: list[RuleCount] = Field(description="what waits in quarantine after it")
    chain_digest: str | None = Field(description="kept elsewhere, it proves later that nothing was changed")
    notes: list[str] = Field(examples=[[]])


class EntityPosted(Answer):
    legal_entity: str = Field(examples=["FR01"])
    debit: Exact = Field(examples=["1530.0000"])
    credit: Exact = Field(examples=["1530.0000"])


class RunTold(Answer):
    """A run. rows is null for a key of some legal entities: it is of the whole group."""

    run: int = Field(examples=[4])
    run_on: date = Field(examples=["2026-01-31"])
    posted: list[EntityPosted] = Field(description="what it added, by legal entity")
    rows: list[RowCounts] | None
    chain_digest: str | None = Field(examples=[None])


class FormatTold(Answer):
    format: str = Field(examples=["fec"])
    title: str = Field(examples=["Fichier des écritures comptables"])
    package: str | None = Field(None, examples=["Sage 100"])
    kind: str = Field(examples=["delimited"])
    confidence: str = Field(examples=["high"])


class ProfileTold(Answer):
    profile: str = Field(examples=["sage"])
    format: str | None = Field(examples=["sage_100_pnm"])
    legal_entity: str | None = Field(description="whose it is, null for any", examples=["FR01"])
    is_broken: bool = Field(examples=[False])
    said: str | None = Field(description="what is wrong with one that is broken", examples=[None])


class Formats(Answer):
    rows: list[FormatTold]


class Profiles(Answer):
    rows: list[ProfileTold]


class Health(Answer):
    status: Literal["ok"]


class Ready(Answer):
    status: Literal["ready"]
    run: int = Field(description="the last run of the ledger, 0 for none", examples=[4])
    jobs: int = Field(description="jobs that are not done", examples=[0])


class AuditTold(Answer):
    number: int = Field(examples=[31])
    at: str = Field(examples=["2026-02-02T06:00:00.000+00:00"])
    request_id: str = Field(examples=["5f2b6c0d9e8a7b61"])
    key_id: str | None = Field(description="the key's id, null where there was none", examples=["1c9d2f3a4b5c6d7e"])
    address: str = Field(examples=["192.0.2.7"])
    method: str = Field(examples=["POST"])
    path: str = Field(examples=["/v1/exports"])
    status: int = Field(examples=[201])
    legal_entity: str | None = Field(examples=["FR01"])
    digest: str | None = Field(description="SHA-256 of the body", examples=[None])
    job: str | None = Field(examples=["0f8fad5bd9cb469fa165708f"])


class DocumentTold(Answer):
    """The story of a document, as `lettrage explain --json` tells it (docs/audit.md)."""

    what: str = Field(examples=["R1"])
    run: int = Field(description="the ledger is told as of it", examples=[4])
    stories: list[dict[str, Any]] = Field(examples=[[{"subject": "document", "key": {"document": "R1"}}]])


class TableTold(Answer):
    table: str = Field(examples=["employees"])
    rows: int = Field(description="those that the key may see", examples=[120])


class Reference(Answer):
    version: int | None = Field(description="the version in force; null where the directory has none", examples=[7])
    tables: list[TableTold]


class ReferencePage(Answer):
    """A page of a reference table; its columns are those of schemas/README.md."""

    table: str = Field(examples=["employees"])
    version: int | None = Field(examples=[7])
    rows: list[dict[str, str | int | bool | date | Exact | None]] = Field(
        examples=[[{"employee": "E9", "name": "Dana Roux"}]]
    )
    next: str | None = Field(description="the cursor of the next page, null on the last one", examples=[None])


class TableChanges(Answer):
    model_config = ConfigDict(extra="allow")

    table_name: str = Field(examples=["employees"])


class RowChange(Answer):
    table_name: str = Field(examples=["employees"])
    key: str = Field(examples=["E9"])
    change: str = Field(description="added, changed, archived, restored or removed", examples=["added"])
    column_name: str | None = Field(examples=["name"])
    before: str | None = Field(examples=[None])
    after: str | None = Field(examples=["Dana Roux"])


class LineRejected(Answer):
    table_name: str = Field(examples=["employees"])
    file: str | None = Field(examples=["employees.csv"])
    line: int | None = Field(examples=[3])
    column_name: str | None = Field(examples=["iban"])
    value: str | None = Field(examples=["FR00"])
    why: str = Field(examples=["this is no valid IBAN"])
    mend: str | None = Field(examples=["mend the IBAN"])


class SyncTold(Answer):
    """What was brought into the reference, or would be."""

    job: str = Field(examples=["0f8fad5bd9cb469fa165708f"])
    state: Literal["applied", "preview", "unchanged", "refused", "known"]
    source: str = Field(examples=["api"])
    mode: str = Field(examples=["changes"])
    on: date = Field(examples=["2026-01-31"])
    digest: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    version: int | None = Field(description="the version in force after it", examples=[8])
    said: str | None = Field(description="why it is refused", examples=[None])
    counts: list[TableChanges] = Field(description="per table the lines, those rejected and what they do")
    changes: int = Field(description="changes in all", examples=[2])
    diff: list[RowChange] = Field(description="the first thousand of them")
    rejected: int = Field(description="lines rejected in all", examples=[0])
    findings: list[LineRejected] = Field(description="the first thousand of them")
    notes: list[str] = Field(examples=[[]])


class OpenBalance(Answer):
    legal_entity: str = Field(examples=["FR01"])
    employee: str = Field(examples=["E1"])
    items: int = Field(examples=[2])
    owed: Exact = Field(description="to the employee; below 0 by the employee", examples=["130.0000"])


AS_OF: dict[str, Any] = {
    "as_of_run": (int, Field(description="the run that the rows are of", examples=[4])),
    "as_of_date": (date | None, Field(description="the day whose books they are of", examples=[None])),
}
BalanceRow = row_model("Balance", LEDGER["balances"])
EmployeeRow = row_model("EmployeeAccount", LEDGER["employee_accounts"])
OpenItemRow = row_model(
    "OpenItem", OpenLines, without=("run", "reverses", "reverses_fiscal_year", "last_lettering", "is_open")
)
QuarantineRow = row_model(
    "QuarantineRow",
    Quarantine,
    legal_entities=(
        list[str],
        Field(description="those of its document, as far as they are known", examples=[["FR01"]]),
    ),
)
RunTimesRow = row_model("RunTimes", RunTimes)

Balances = page_model("Balances", BalanceRow, "accounts", **AS_OF)
Employees = page_model("Employees", EmployeeRow, "employees' accounts", **AS_OF)
OpenItems = page_model("OpenItems", OpenItemRow, "open items", **AS_OF)
QuarantinePage = page_model("QuarantinePage", QuarantineRow, "findings", **AS_OF)
Runs = page_model("Runs", RunTold, "runs, the last one first")
Exports = page_model("Exports", ExportTold, "exports, by number")
Jobs = page_model("Jobs", JobTold, "jobs, the last one first")
Audit = page_model("Audit", AuditTold, "requests, the last one first")
