"""What may be named, what is under way, who asked for what, and whether the server is well."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from pipeline.api import audit, jobs, profiles
from pipeline.api.answers import job_as_told
from pipeline.api.here import Admin, Anyone, CursorText, Limit, Reader, Served
from pipeline.api.models import Audit, Formats, Health, Jobs, JobTold, Profiles, Ready
from pipeline.api.paging import LIMIT, Cursor
from pipeline.api.problems import Problem, shown
from pipeline.api.routes_batches import JobName
from pipeline.errors import StoreError
from pipeline.exports.lint import shipped_formats

router = APIRouter(prefix="/v1", tags=["system"])


@router.get("/health", operation_id="health", response_model=Health)
async def health() -> Any:
    """Tell that the server answers; it needs no key."""
    return {"status": "ok"}


@router.get("/ready", operation_id="ready", response_model=Ready)
def ready(*, served: Served, _caller: Anyone) -> Any:
    """Tell that the ledger and the state can be read."""
    try:
        with served.ledger() as store:
            return {"status": "ready", "run": store.run, "jobs": jobs.waiting(served.desk)}
    except StoreError as error:
        raise Problem(503, shown(error.what, served.settings), mend="see `lettrage check`") from None


@router.get("/formats", operation_id="list_formats", response_model=Formats)
def list_formats(_caller: Anyone) -> Any:
    """List the formats that an export may name."""
    return {
        "rows": [
            {
                "format": one.name,
                **{name: getattr(one.format, name) for name in ("title", "package", "kind", "confidence")},
            }
            for one in shipped_formats()
        ]
    }


@router.get("/profiles", operation_id="list_profiles", response_model=Profiles)
def list_profiles(*, served: Served, caller: Reader) -> Any:
    """List the profiles that an export may name."""
    return {"rows": profiles.listed(served.settings, caller)}


@router.get("/jobs", operation_id="list_jobs", response_model=Jobs)
def list_jobs(
    *,
    served: Served,
    caller: Anyone,
    state: Annotated[
        Literal["waiting", "running", "done", "failed"] | None, Query(description="of this state alone")
    ] = None,
    limit: Limit = LIMIT,
    cursor: CursorText = None,
) -> Any:
    """List what this key has asked for, the last first."""
    question = ["jobs", state]
    at = Cursor.of(cursor, question)
    found = jobs.listed(served.desk, caller, before=None if at is None else at.after, limit=limit + 1, state=state)
    shown = found[:limit]
    following = Cursor(shown[-1].number).told(question) if len(found) > limit else None
    return {"rows": [job_as_told(job, caller) for job in shown], "next": following}


@router.get("/jobs/{job}", operation_id="get_job", response_model=JobTold)
def get_job(*, served: Served, caller: Anyone, job: JobName) -> Any:
    """Tell how far something is that this key has asked for, and what came of it."""
    return job_as_told(jobs.for_caller(served.desk, job, caller), caller)


@router.get("/audit", operation_id="list_audit", response_model=Audit)
def list_audit(*, served: Served, caller: Admin, limit: Limit = LIMIT, cursor: CursorText = None) -> Any:
    """List the requests that changed something or were refused, the last first."""
    at = Cursor.of(cursor, ["audit"])
    found = audit.rows(served.desk, caller, before=None if at is None else at.after, limit=limit + 1)
    shown = found[:limit]
    following = Cursor(shown[-1]["number"]).told(["audit"]) if len(found) > limit else None
    return {"rows": shown, "next": following}
