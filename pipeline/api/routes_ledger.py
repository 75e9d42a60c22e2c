"""The ledger, read: balances, employees' accounts, open items, the quarantine, runs, the story of a document."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from pipeline.api import reads
from pipeline.api.here import CursorText, Entity, Limit, Reader, RunAsked, Served
from pipeline.api.models import Balances, Day, DocumentTold, Employees, OpenItems, QuarantinePage, Runs
from pipeline.api.paging import LIMIT
from schemas.terms import DocumentKind

router = APIRouter(prefix="/v1", tags=["ledger"])

DayAsked = Annotated[
    Day | None, Query(description="the books at the end of this day, by posting dates", examples=["2026-01-31"])
]


@router.get("/balances", operation_id="list_balances", response_model=Balances)
def list_balances(
    *,
    served: Served,
    caller: Reader,
    legal_entity: Entity = None,
    as_of: RunAsked = None,
    as_of_date: DayAsked = None,
    limit: Limit = LIMIT,
    cursor: CursorText = None,
) -> Any:
    """List the accounts, as they are or as they were."""
    with served.ledger() as store:
        return reads.told_balances(
            "balances",
            store,
            served.cache,
            caller,
            entity=legal_entity,
            run=as_of,
            day=as_of_date,
            cursor=cursor,
            limit=limit,
        )


@router.get("/employees", operation_id="list_employee_accounts", response_model=Employees)
def list_employee_accounts(
    *,
    served: Served,
    caller: Reader,
    legal_entity: Entity = None,
    as_of: RunAsked = None,
    as_of_date: DayAsked = None,
    limit: Limit = LIMIT,
    cursor: CursorText = None,
) -> Any:
    """List the employees' accounts, as they are or as they were."""
    with served.ledger() as store:
        return reads.told_balances(
            "employee_accounts",
            store,
            served.cache,
            caller,
            entity=legal_entity,
            run=as_of,
            day=as_of_date,
            cursor=cursor,
            limit=limit,
        )


@router.get("/open-items", operation_id="list_open_items", response_model=OpenItems)
def list_open_items(
    *,
    served: Served,
    caller: Reader,
    legal_entity: Entity = None,
    as_of: RunAsked = None,
    as_of_date: DayAsked = None,
    limit: Limit = LIMIT,
    cursor: CursorText = None,
) -> Any:
    """List the unlettered lines on the employees' accounts, as they are or as they were."""
    with served.ledger() as store:
        return reads.told_balances(
            "open_items",
            store,
            served.cache,
            caller,
            entity=legal_entity,
            run=as_of,
            day=as_of_date,
            cursor=cursor,
            limit=limit,
        )


@router.get("/quarantine", operation_id="list_quarantine", response_model=QuarantinePage)
def list_quarantine(
    *,
    served: Served,
    caller: Reader,
    legal_entity: Entity = None,
    as_of: RunAsked = None,
    state: Annotated[Literal["open", "all"], Query(description="the findings that are open, or all ever")] = "open",
    limit: Limit = LIMIT,
    cursor: CursorText = None,
) -> Any:
    """List what waits in quarantine, and what to mend.

    A key of some legal entities sees the findings on documents that are known to be of these alone.
    """
    with served.ledger() as store:
        return reads.quarantine(
            store,
            served.cache,
            caller,
            entity=legal_entity,
            run=as_of,
            is_open=state == "open",
            cursor=cursor,
            limit=limit,
        )


@router.get("/runs", operation_id="list_runs", response_model=Runs)
def list_runs(
    *, served: Served, caller: Reader, legal_entity: Entity = None, limit: Limit = LIMIT, cursor: CursorText = None
) -> Any:
    """List the runs, the last one first, and what each added to the books."""
    with served.ledger() as store:
        return reads.runs(store, served.cache, caller, entity=legal_entity, cursor=cursor, limit=limit)


@router.get("/documents/{kind}/{document:path}", operation_id="explain_document", response_model=DocumentTold)
def explain_document(
    *,
    served: Served,
    caller: Reader,
    kind: Annotated[DocumentKind, Path(description="what kind of document", examples=["expense_report"])],
    document: Annotated[str, Path(min_length=1, max_length=200, description="its id", examples=["R1"])],
    legal_entity: Entity = None,
    as_of: RunAsked = None,
) -> Any:
    """Tell the story of a document: which run made each line, what took it back, its letterings, who was paid."""
    with served.ledger() as store:
        return reads.document(store, served.cache, caller, str(kind), document, entity=legal_entity, run=as_of)
