"""Jobs as they are answered: what came of one, as far as the caller may see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.api.reads import file_href
from pipeline.api.work import BATCH, BATCH_PREVIEW, EXPORT, EXPORT_PREVIEW
from pipeline.screen import STEPS

if TYPE_CHECKING:
    from pipeline.api.jobs import Job
    from pipeline.api.keys import Caller

_COUNTS = ("retried", "posted", "unchanged", "superseded", "ignored", "quarantined")


def job_as_told(job: Job, caller: Caller) -> dict[str, Any]:
    """A job for whoever may see it."""
    done = 100 if job.is_finished else 0
    if job.state == "running" and job.step in STEPS:
        done = 100 * STEPS.index(job.step) // len(STEPS)
    return {
        "job": job.job,
        "kind": job.kind,
        "state": job.state,
        "legal_entity": job.legal_entity,
        "step": job.step,
        "done_percent": done,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "result": None if job.result is None else result_as_told(job, caller),
        "problem": job.problem,
        "href": f"/v1/jobs/{job.job}",
    }


def result_as_told(job: Job, caller: Caller) -> dict[str, Any]:
    """What came of a job that is done."""
    result = dict(job.result or {})
    if job.kind in (EXPORT, EXPORT_PREVIEW):
        number = result.get("number")
        files = [
            {**file, "href": None if number is None else file_href(number, file["name"])} for file in result["files"]
        ]
        return {**result, "files": files, "job": job.job}
    if job.kind in (BATCH, BATCH_PREVIEW):
        return {**_of_entities(result, caller), "job": job.job}
    return {**result, "job": job.job}


def _of_entities(result: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """A run as a key of some legal entities may see it: it also tried again what waits of others."""
    if caller.entities is None:
        return result
    own = [row for row in result["entries"] if caller.may_see(row["legal_entity"])]
    paid = [row for row in result["payments"] if caller.may_see(row["legal_entity"])]
    rows = [{**row, **dict.fromkeys(_COUNTS)} for row in result["rows"] if row["rows_in"]]
    hidden: dict[str, Any] = {"findings": [], "waiting": [], "chain_digest": None, "notes": []}
    return {**result, "entries": own, "payments": paid, "rows": rows, **hidden}
