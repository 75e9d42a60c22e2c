"""Master data: the reference tables as they are in force, and what is brought into them."""

import shutil
from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.concurrency import run_in_threadpool

from pipeline.api import jobs
from pipeline.api.answers import job_as_told, result_as_told
from pipeline.api.bodies import tables_in
from pipeline.api.here import Admin, CursorText, IdempotencyKey, Limit, Noted, Prefer, Reader, Served, asked_for
from pipeline.api.jobs import Asked
from pipeline.api.keys import Caller
from pipeline.api.models import Day, JobTold, Reference, ReferencePage, SyncTold
from pipeline.api.paging import LIMIT, Cursor, page
from pipeline.api.problems import Problem, not_found
from pipeline.api.routes_batches import body_of
from pipeline.api.work import REFERENCE_PREVIEW, REFERENCE_SYNC
from pipeline.masterdata.versions import read_in_force
from pipeline.stage.reference_place import version_in_force
from schemas import REFERENCE
from schemas.table import key

router = APIRouter(prefix="/v1", tags=["reference"])

_EXAMPLE = {
    "employees": [{"employee": "E9", "name": "Dana Roux", "iban": "FR1420041010050500013M02606"}],
    "affiliations": [{"employee": "E9", "legal_entity": "FR01", "valid_from": "2026-01-01"}],
}
_CSV: dict[int | str, dict[str, Any]] = {
    200: {
        "model": ReferencePage,
        "content": {"text/csv": {"schema": {"type": "string"}, "example": "employee,name\nE9,Dana Roux\n"}},
        "description": "A page of its rows; all of them as CSV",
    }
}


def visible(tables: dict[str, pl.DataFrame], caller: Caller) -> dict[str, pl.DataFrame]:
    """The rows that are of the caller's legal entities, or of all; employees are those who ever belonged to one."""
    if caller.entities is None:
        return tables
    own = sorted(caller.entities)
    members = tables["affiliations"].filter(pl.col("legal_entity").is_in(own))["employee"].unique().to_list()
    told = {}
    for name, rows in tables.items():
        kept = rows
        for column, values in (("legal_entity", own), ("employee", members)):
            if column in rows.columns:
                kept = kept.filter(pl.col(column).is_null() | pl.col(column).is_in(["*", *values]))
        told[name] = kept
    return told


@router.get("/reference", operation_id="list_reference", response_model=Reference)
def list_reference(*, served: Served, caller: Reader) -> Any:
    """List the reference tables in force."""
    tables = visible(read_in_force(served.settings.reference), caller)
    return {
        "version": version_in_force(served.settings.reference),
        "tables": [{"table": name, "rows": rows.height} for name, rows in tables.items()],
    }


@router.get("/reference/{table}", operation_id="get_reference", responses=_CSV)
def get_reference(
    *,
    served: Served,
    caller: Reader,
    table: Annotated[str, Path(max_length=60, description="name of the table", examples=["employees"])],
    as_: Annotated[
        Literal["json", "csv"], Query(alias="format", description="pages of JSON, or all of it as CSV")
    ] = "json",
    limit: Limit = LIMIT,
    cursor: CursorText = None,
) -> Response:
    """Give the rows of a reference table in force."""
    if table not in REFERENCE:
        raise not_found(f"table {table}", mend=f"the tables are {', '.join(REFERENCE)}")
    version = version_in_force(served.settings.reference)
    question = ["reference", table, version]
    at = Cursor.of(cursor, question)
    rows = visible(read_in_force(served.settings.reference), caller)[table].sort(key(REFERENCE[table]))
    if as_ == "csv":
        name = f"attachment; filename={table}.csv"
        return PlainTextResponse(rows.write_csv(), headers={"Content-Disposition": name}, media_type="text/csv")
    told = page(rows, at, limit, 0, question) | {"table": table, "version": version}
    return Response(ReferencePage.model_validate(told).model_dump_json(), media_type="application/json")


@router.post(
    "/reference",
    status_code=201,
    operation_id="post_reference",
    response_model=SyncTold,
    responses={
        200: {"model": SyncTold, "description": "Nothing was new, or it was a preview"},
        202: {"model": JobTold, "description": "Not done yet: ask again where Location says"},
    },
    openapi_extra=body_of(REFERENCE, _EXAMPLE),
)
async def post_reference(
    *,
    served: Served,
    caller: Admin,
    noted: Noted,
    request: Request,
    mode: Annotated[
        Literal["changes", "full"],
        Query(description="`changes`: what is new or changed; `full`: what is not in a table's rows is gone"),
    ] = "changes",
    strict: Annotated[bool, Query(description="one rejected line, and nothing is applied")] = False,
    preview: Annotated[bool, Query(description="tell what it would change, and change nothing")] = False,
    on: Annotated[Day | None, Query(description="the day of it; without it today", examples=["2026-01-31"])] = None,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Bring master data into the reference: a file a table, or rows of JSON. What is right is applied in one step.

    Lines that are wrong are in the answer; where it must not be applied at all it is refused (409). It needs a key of
    every legal entity: master data is of the whole group.
    """
    if caller.entities is not None:
        raise Problem(403, "master data is of the whole group", mend="have a key made with --entity '*'")
    name = jobs.new_name()
    folder = served.work.folder(name)
    try:
        digest = await tables_in(request, folder, REFERENCE, fills=False)
        kind, lane = (REFERENCE_PREVIEW, jobs.PREVIEW) if preview else (REFERENCE_SYNC, jobs.WRITE)
        what = {"on": (on or served.today()).isoformat(), "mode": mode, "strict": strict, "who": caller.name}
        said = f"{kind} {on} {mode} {strict} {digest}"
        asked = Asked(kind, lane, what, said, None, idempotency_key)
        job, is_new = await asked_for(served, caller, noted, asked, name=name, prefer=prefer)
    except BaseException:
        if await run_in_threadpool(jobs.of_name, served.desk, name) is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if not is_new:
        shutil.rmtree(folder, ignore_errors=True)
    if not job.is_finished:
        told = job_as_told(job, caller)
        return JSONResponse(told, 202, {"Location": told["href"], "Retry-After": "1"})
    told = result_as_told(job, caller)
    return JSONResponse(told, 201 if told["state"] == "applied" else 200)
