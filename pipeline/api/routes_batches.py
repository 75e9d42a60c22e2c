"""Batches: posted or previewed, as files or as rows."""

import shutil
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from pipeline.api import jobs
from pipeline.api.answers import job_as_told, result_as_told
from pipeline.api.bodies import FORM, JSON, tables_in
from pipeline.api.here import Anyone, IdempotencyKey, Noted, Poster, Prefer, Served, asked_for
from pipeline.api.jobs import Asked
from pipeline.api.models import BatchPosted, Day, JobTold
from pipeline.api.problems import not_found
from pipeline.api.work import BATCH, BATCH_PREVIEW
from schemas import MOVEMENTS
from schemas.table import columns

router = APIRouter(prefix="/v1", tags=["batches"])

JobName = Annotated[
    str, Path(min_length=1, max_length=64, pattern=r"^[0-9a-f]+$", examples=["0f8fad5bd9cb469fa165708f"])
]
_CELL = {"type": ["string", "number", "null"]}
_EXAMPLE = {
    "advances": [
        {
            "advance": "A1",
            "version": 1,
            "employee": "E1",
            "legal_entity": "FR01",
            "status": "active",
            "kind": "one_time",
            "movement": "grant",
            "occurred_on": "2026-01-05",
            "amount": "50.00",
            "compensation": "cash",
        }
    ]
}


def body_of(models: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI of a body of tables: rows of JSON, or files."""
    tables = {
        name: {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    column.name: {
                        **_CELL,
                        "description": column.description + (" (required)" if column.required else ""),
                    }
                    for column in columns(model)
                },
                "additionalProperties": False,
            },
        }
        for name, model in models.items()
    }
    rows = {"type": "object", "properties": tables, "additionalProperties": False, "minProperties": 1}
    files = {
        "type": "object",
        "properties": {name: {"type": "string", "format": "binary"} for name in models},
        "additionalProperties": {"type": "string", "format": "binary"},
        "minProperties": 1,
    }
    table = next(iter(example))
    header = ",".join(example[table][0])
    line = ",".join(str(cell) for cell in example[table][0].values())
    return {
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": rows, "example": example},
                FORM: {"schema": files, "example": {table: f"{header}\n{line}\n"}},
            },
        }
    }


@router.post(
    "/batches",
    status_code=201,
    operation_id="post_batch",
    response_model=BatchPosted,
    responses={
        200: {"model": BatchPosted, "description": "What it would post (preview)"},
        202: {"model": JobTold, "description": "Not done yet: ask again where Location says"},
    },
    openapi_extra=body_of(MOVEMENTS, _EXAMPLE),
)
async def post_batch(
    *,
    served: Served,
    caller: Poster,
    noted: Noted,
    request: Request,
    preview: Annotated[bool, Query(description="tell what it would post, and write nothing")] = False,
    on: Annotated[
        Day | None, Query(description="the day the run is made on; without it today", examples=["2026-01-31"])
    ] = None,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Post a batch: a file a table (CSV, Parquet, XLSX), or rows of JSON. Given twice it posts nothing.

    A key of some legal entities posts to these alone: a batch that holds any other document, or one that would go to
    quarantine, is refused whole.
    """
    name = jobs.new_name()
    folder = served.work.folder(name)
    try:
        digest = await tables_in(request, folder, MOVEMENTS)
        kind, lane = (BATCH_PREVIEW, jobs.PREVIEW) if preview else (BATCH, jobs.WRITE)
        what = {"on": (on or served.today()).isoformat()}
        entity = next(iter(caller.entities)) if caller.entities is not None and len(caller.entities) == 1 else None
        asked = Asked(kind, lane, what, f"{kind} {on} {digest}", entity, idempotency_key)
        job, is_new = await asked_for(served, caller, noted, asked, name=name, prefer=prefer)
    except BaseException:
        # A job that was queued has its folder until it is finished.
        if await run_in_threadpool(jobs.of_name, served.desk, name) is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if not is_new:
        shutil.rmtree(folder, ignore_errors=True)
    if not job.is_finished:
        told = job_as_told(job, caller)
        return JSONResponse(told, 202, {"Location": told["href"], "Retry-After": "1"})
    return JSONResponse(result_as_told(job, caller), 200 if preview else 201, {"Location": f"/v1/batches/{job.job}"})


@router.get("/batches/{job}", operation_id="get_batch", response_model=JobTold)
def get_batch(*, served: Served, caller: Anyone, job: JobName) -> Any:
    """Tell what came of a batch that this key has posted."""
    found = jobs.for_caller(served.desk, job, caller)
    if found.kind not in (BATCH, BATCH_PREVIEW):
        raise not_found(f"batch {job}")
    return job_as_told(found, caller)
