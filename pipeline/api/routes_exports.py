"""Exports: made on demand, listed, downloaded, previewed, cancelled; and the bank's file of a payment order."""

import hashlib
import json
import shutil
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from pipeline.api import jobs, reads
from pipeline.api.answers import job_as_told, result_as_told
from pipeline.api.download import download
from pipeline.api.files import Held, digest_of
from pipeline.api.here import (
    Admin,
    CursorText,
    Entity,
    Exporter,
    Here,
    IdempotencyKey,
    Limit,
    Noted,
    Prefer,
    Reader,
    Served,
    asked_for,
    demand_known,
)
from pipeline.api.jobs import Asked
from pipeline.api.keys import Caller
from pipeline.api.models import Code, ExportMade, ExportPreview, ExportRequest, Exports, ExportTold, JobTold
from pipeline.api.paging import LIMIT
from pipeline.api.problems import Problem, not_found
from pipeline.api.profiles import asked_profile, no_profile
from pipeline.api.work import CANCEL, EXPORT, EXPORT_PREVIEW
from pipeline.errors import FormatError
from pipeline.exports import export as exporting
from pipeline.exports import record
from pipeline.exports.profile import Profile
from pipeline.settings.settings import Settings

router = APIRouter(prefix="/v1", tags=["exports"])

Number = Annotated[int, Path(ge=1, le=(1 << 53) - 1, description="number of the export", examples=[1])]
FileName = Annotated[str, Path(min_length=1, max_length=300, description="name of the file", examples=["file.csv"])]
_LATER: dict[int | str, dict[str, Any]] = {
    202: {"model": JobTold, "description": "Not done yet: ask again where Location says"}
}
_BYTES = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file, of the kind that its name says", "content": _BYTES},
    206: {"description": "The part that Range asked for", "content": _BYTES},
    304: {"description": "It is what If-None-Match says"},
}
_HEADERS_IN: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": said}
        for name, said in (
            ("Range", "one range of bytes, as `bytes=1000-`"),
            ("If-Range", "the ETag: where the file is another, all of it comes"),
            ("If-None-Match", "the ETag: where the file is the same, nothing comes"),
        )
    ]
}


@router.post(
    "/exports",
    status_code=201,
    operation_id="make_export",
    response_model=ExportMade,
    responses={200: {"model": ExportMade, "description": "There was nothing to take: no export was made"}, **_LATER},
)
async def make_export(
    *,
    served: Served,
    caller: Exporter,
    noted: Noted,
    body: ExportRequest,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Write the entries of a period that no export of the profile took before, and record the export.

    Waits for it for some seconds; then, or with `Prefer: respond-async` at once, it answers 202 and a job.
    """
    asked = await _asked(served, caller, noted, body, kind=EXPORT, lane=jobs.WRITE, idempotency_key=idempotency_key)
    job, _ = await asked_for(served, caller, noted, asked, name=jobs.new_name(), prefer=prefer)
    if not job.is_finished:
        return _later(job_as_told(job, caller))
    told = result_as_told(job, caller)
    if told["number"] is None:
        return JSONResponse(told, 200)
    return JSONResponse(told, 201, {"Location": f"/v1/exports/{told['number']}"})


@router.post("/exports/preview", operation_id="preview_export", response_model=ExportMade, responses=_LATER)
async def preview_export(
    *, served: Served, caller: Reader, noted: Noted, body: ExportPreview, prefer: Prefer = None
) -> Response:
    """Tell what an export would take, account by account, and how its files begin; nothing is recorded or kept."""
    asked = await _asked(served, caller, noted, body, kind=EXPORT_PREVIEW, lane=jobs.PREVIEW)
    job, _ = await asked_for(served, caller, noted, asked, name=jobs.new_name(), prefer=prefer)
    return JSONResponse(result_as_told(job, caller)) if job.is_finished else _later(job_as_told(job, caller))


@router.get("/exports", operation_id="list_exports", response_model=Exports)
def list_exports(
    *,
    served: Served,
    caller: Reader,
    legal_entity: Entity = None,
    profile: Annotated[Code | None, Query(description="of this profile alone", examples=["csv"])] = None,
    status: Annotated[Literal["recorded", "cancelled"] | None, Query(description="of this status alone")] = None,
    limit: Limit = LIMIT,
    cursor: CursorText = None,
) -> Any:
    """List what was exported."""
    with served.ledger() as store:
        return reads.exports(
            store, served.cache, caller, entity=legal_entity, profile=profile, status=status, cursor=cursor, limit=limit
        )


@router.get("/exports/{number:int}", operation_id="get_export", response_model=ExportTold)
def get_export(*, served: Served, caller: Reader, number: Number) -> Any:
    """Tell what is recorded of an export."""
    with served.ledger() as store:
        return reads.export_as_told(reads.export_row(store, caller, number))


@router.get(
    "/exports/{number:int}/files/{name}",
    operation_id="download_file",
    response_class=Response,
    responses=_FILE,
    openapi_extra=_HEADERS_IN,
)
def download_file(*, served: Served, caller: Exporter, request: Request, number: Number, name: FileName) -> Response:
    """Download a file of an export, or its control sheet: all of it, or from where a download was cut off.

    Where it is not kept any more it is made again, byte for byte.
    """
    return _file(served, caller, request, number, name)


@router.head(
    "/exports/{number:int}/files/{name}",
    operation_id="look_at_file",
    response_class=Response,
    responses=_FILE,
    openapi_extra=_HEADERS_IN,
)
def look_at_file(*, served: Served, caller: Exporter, request: Request, number: Number, name: FileName) -> Response:
    """Tell the size and the ETag of a file of an export."""
    return _file(served, caller, request, number, name)


@router.post("/exports/{number:int}/cancel", operation_id="cancel_export", response_model=ExportTold, responses=_LATER)
async def cancel_export(
    *, served: Served, caller: Admin, noted: Noted, number: Number, prefer: Prefer = None
) -> Response:
    """Cancel an export: its entries are free again; its record stays."""

    def look() -> dict[str, Any]:
        with served.ledger() as store:
            return reads.export_row(store, caller, number)

    row = await run_in_threadpool(look)
    if row["export_status"] == record.CANCELLED:
        raise Problem(409, f"export {number} is cancelled already", mend="its entries are free")
    asked = Asked(CANCEL, jobs.WRITE, {"export": number}, _digest([number]), row["legal_entity"])
    job, _ = await asked_for(served, caller, noted, asked, name=jobs.new_name(), prefer=prefer)
    if not job.is_finished:
        return _later(job_as_told(job, caller))
    told = reads.export_as_told(await run_in_threadpool(look))
    return JSONResponse(json.loads(ExportTold.model_validate(told).model_dump_json()))


@router.get(
    "/orders/{order:path}/file",
    operation_id="download_order",
    response_class=Response,
    responses=_FILE,
    openapi_extra=_HEADERS_IN,
)
def download_order(
    *,
    served: Served,
    caller: Exporter,
    request: Request,
    noted: Noted,
    order: Annotated[str, Path(min_length=1, max_length=200, description="the order's id", examples=["PO1"])],
) -> Response:
    """Download the bank's file of a payment order: pain.001 for SEPA, else a list of amounts; always the same bytes."""
    with served.ledger() as store:
        noted.legal_entity = reads.order_entity(store, caller, order)
        folder = served.made.beside()
        try:
            (file,) = exporting.export_order(store, order=order, out=folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    path = folder / file.name
    held = Held(path, file.size, digest_of(path))
    return download(request, held, name=file.name, clear=lambda: shutil.rmtree(folder, ignore_errors=True))


def _file(served: Here, caller: Caller, request: Request, number: int, name: str) -> Response:
    with served.ledger() as store:
        row = reads.export_row(store, caller, number)
        if row["export_status"] == record.CANCELLED:
            raise Problem(410, f"export {number} is cancelled: its entries may have gone out with another")
    # Made again it may take its time: other readers need not wait for it.
    held = served.made.held(store, row, name)
    if held is None:
        raise not_found(f"file {name} of export {number}", mend=f"see /v1/exports/{number}")
    return download(request, held, name=name)


async def _asked(
    served: Here,
    caller: Caller,
    noted: Any,
    body: ExportPreview,
    *,
    kind: str,
    lane: str,
    idempotency_key: str | None = None,
) -> Asked:
    """Holds a request to what can be done, before it waits for its turn. Raises: Problem, FormatError."""
    profile = await run_in_threadpool(_profile, served.settings, caller, body)
    entity = body.legal_entity or profile.entity
    if entity is None:
        raise Problem(
            422, f"profile {profile.name} names no legal entity", where="body.legal_entity", mend="name it here"
        )
    await demand_known(served, caller, noted, entity, body.as_of)
    what = body.model_dump(mode="json", by_alias=True) | {"legal_entity": entity}
    digest = _digest([kind, what])
    what["on"] = what["on"] or served.today().isoformat()
    return Asked(kind, lane, what, digest, entity, idempotency_key)


def _profile(settings: Settings, caller: Caller, body: ExportPreview) -> Profile:
    """The profile that is asked for. Raises: Problem alike for one that is not there and one that is another's."""
    try:
        profile = asked_profile(settings, profile=body.profile, format_name=body.format)
    except FormatError:
        if caller.entities is None or body.profile is None:
            raise
        raise no_profile(body.profile) from None  # whose it is nobody can say
    if profile.entity is not None and not caller.may_see(profile.entity):
        raise no_profile(profile.name)
    return profile


def _digest(said: Any) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _later(told: dict[str, Any]) -> Response:
    return JSONResponse(told, 202, {"Location": told["href"], "Retry-After": "1"})
