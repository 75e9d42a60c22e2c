"""What each kind of job does, and how one is found again that was cut off."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.api.problems import Problem, shown
from pipeline.api.profiles import asked_profile
from pipeline.errors import ExportError
from pipeline.exports import export as exporting
from pipeline.exports import record
from pipeline.ledger.as_of import NOW, AsOf
from pipeline.ledger.lineage import export_made, run_made, told_by
from pipeline.ledger.place import place_of
from pipeline.ledger.reading import ledger_session
from pipeline.ledger.store import Store
from pipeline.masterdata.drop import read_drop
from pipeline.masterdata.sync import SyncResult, sync
from pipeline.masterdata.sync import shown as version_shown
from pipeline.masterdata.versions import history
from pipeline.run import JOB, RunResult, paid_by_export, run
from pipeline.screen import export_as_dict
from pipeline.stage.reference_place import version_in_force
from pipeline.watch.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.api.files import Made
    from pipeline.api.jobs import Job
    from pipeline.exports.profile import Profile
    from pipeline.settings.settings import Settings

HERE = Path(__file__).parent
#: bytes of a file that a preview shows
_SHOWN = 2_000
#: what the history of the reference calls this source
_SOURCE = "api"

EXPORT, EXPORT_PREVIEW, CANCEL = "export", "export_preview", "cancel"
BATCH, BATCH_PREVIEW = "batch", "batch_preview"
REFERENCE_SYNC, REFERENCE_PREVIEW = "reference", "reference_preview"
#: how often an export is tried that another process comes in between of
_TRIES = 3
#: lines that were rejected of which a refusal tells
_TOLD = 100


class Work:
    """Does jobs on the ledger of an installation. made: where the files of exports are kept."""

    def __init__(self, settings: Settings, made: Made) -> None:
        self.settings, self._made = settings, made
        self._jobs = settings.state / "jobs"
        self._opened: tuple[Mapping[str, int], Store] | None = None

    # -------------------------------------------------------------------------------------------- what a job brings

    def folder(self, name: str) -> Path:
        """The folder of the files that a job brings."""
        return self._jobs / name

    def clear(self, job: Job) -> None:
        """Forgets what a finished job brought."""
        shutil.rmtree(self.folder(job.job), ignore_errors=True)

    def sweep(self, unfinished: set[str]) -> None:
        """Forgets what no unfinished job brings, and files that were begun."""
        self._made.sweep()
        for path in self._jobs.iterdir() if self._jobs.is_dir() else ():
            if path.name not in unfinished:
                shutil.rmtree(path, ignore_errors=True)

    # --------------------------------------------------------------------------------------------------- doing it

    def store(self) -> Store:
        """The ledger as it is now: a snapshot, which no writer keeps waiting.

        Where its files are those of the last time, names and sizes, it is the one of the last time: its log is not read
        again. What is read of it is held to its digests all the same.
        """
        place = place_of(self.settings.store)
        names = place.sizes() if place.exists() else {}
        kept = self._opened
        if kept is None or not names or kept[0] != names:
            # The names are those of before: a commit in between is seen the next time.
            kept = self._opened = (names, Store.at(place, create=True))
        return kept[1]

    def before(self, job: Job) -> dict[str, Any]:
        """What the ledger is before a job: what it adds is found by that, should the server be cut off."""
        store = self.store()
        last = record.next_number(store) - 1 if job.kind == EXPORT else 0
        known = {"version": store.version, "run": store.run, "export": last}
        return known | {"reference": version_in_force(self.settings.reference) or 0}

    def do(self, job: Job, progress: Callable[[str], None]) -> dict[str, Any]:
        """Does a job and returns what came of it. Raises: LettrageError, Problem; the ledger is as it was then."""
        if job.kind == EXPORT:
            return self._export(job, progress)
        if job.kind == EXPORT_PREVIEW:
            progress("export")
            return self._previewed(job)
        if job.kind == CANCEL:
            return self._cancel(job)
        if job.kind in (BATCH, BATCH_PREVIEW):
            return run_as_dict(self._run(job, progress))
        if job.kind in (REFERENCE_SYNC, REFERENCE_PREVIEW):
            progress("sync")
            return self._sync(job)
        raise Problem(500, f"this server does no job of kind {job.kind}")

    def found(self, job: Job) -> dict[str, Any] | None:
        """What a job that was cut off has done: it is in the ledger whole, or not at all (None)."""
        if job.before is None:
            return None
        if job.kind == EXPORT:
            return self._found_export(job)
        if job.kind == BATCH:
            number = self._found_run(job)
            return None if number is None else run_as_dict(told(self.store(), number))
        if job.kind == CANCEL:
            row = record.record_of(self.store(), job.asked["export"])
            return {"export": job.asked["export"]} if row["export_status"] == record.CANCELLED else None
        return self._found_sync(job) if job.kind == REFERENCE_SYNC else None

    # ---------------------------------------------------------------------------------------------------- exports

    def _export(self, job: Job, progress: Callable[[str], None]) -> dict[str, Any]:
        progress("export")
        for _ in range(_TRIES - 1):
            version = self.store().version
            try:
                return self._exported(job)
            except ExportError:
                # Another process has written the ledger meanwhile: what was read is no longer so.
                if self.store().version == version:
                    raise
        return self._exported(job)

    def _exported(self, job: Job) -> dict[str, Any]:
        profile, asked = self._profile(job), _Asked(job.asked)
        beside = self._made.beside()
        try:
            store = self.store()
            with told_by(self.settings, f"lettrage.export.{profile.name}", warn=_warn) as lineage:
                result = exporting.export(
                    store,
                    profile=profile,
                    entity=asked.entity,
                    first=asked.first,
                    last=asked.last,
                    on=asked.on,
                    out=beside,
                    pay=paid_by_export(legal_entity=asked.entity, created_on=asked.last or asked.on, on=asked.on),
                    as_of=asked.as_of,
                )
                export_made(lineage, store, beside, result)
            if result.number is not None:
                self._made.keep(result.number, beside)
        except ExportError:
            # Recorded, and its files are not: they are made when somebody asks for them.
            found = self.found(job)
            if found is None:
                raise
            return found
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return told_plainly(export_as_dict(result))

    def _previewed(self, job: Job) -> dict[str, Any]:
        asked = _Asked(job.asked)
        result = exporting.export(
            self.store(),
            profile=self._profile(job),
            entity=asked.entity,
            first=asked.first,
            last=asked.last,
            on=asked.on,
            out=Path(),
            preview=True,
            account=job.asked.get("account"),
            as_of=asked.as_of,
        )
        files = [
            {"name": file.name, "bytes": file.size, "sha256": file.sha256, "head": _head(file.head)}
            for file in result.files
        ]
        return told_plainly({**export_as_dict(result), "files": files})

    def _profile(self, job: Job) -> Profile:
        return asked_profile(self.settings, profile=job.asked["profile"], format_name=job.asked["format"])

    def _found_export(self, job: Job) -> dict[str, Any] | None:
        store, asked, name = self.store(), _Asked(job.asked), self._profile(job).name
        rows = exporting.exports(store).to_dicts()
        for row in rows:
            same = (row["profile"], row["legal_entity"], row["first_on"], row["last_on"], row["exported_on"])
            is_new = row["export_number"] > (job.before or {})["export"]
            if is_new and same == (name, asked.entity, asked.first, asked.last, asked.on):
                return export_told(store, row["export_number"])
        return None

    def _cancel(self, job: Job) -> dict[str, Any]:
        number, store = job.asked["export"], self.store()
        if record.record_of(store, number)["export_status"] == record.CANCELLED:
            raise Problem(409, f"export {number} is cancelled already", mend="its entries are free")
        record.cancel(store, number)
        return {"export": number}

    # ---------------------------------------------------------------------------------------------------- batches

    def _run(self, job: Job, progress: Callable[[str], None]) -> RunResult:
        is_preview, batch = job.kind == BATCH_PREVIEW, self.folder(job.job)
        made = partial(
            run,
            self.settings.reference,
            batch,
            self.settings.store,
            on=date.fromisoformat(job.asked["on"]),
            preview=is_preview,
            progress=progress,
            only_entities=job.entities,
            job=None if is_preview else job.job,
        )
        if is_preview:
            return made()
        with told_by(self.settings, "lettrage.run", warn=_warn) as lineage:
            result = made()
            run_made(lineage, self.settings.store, self.settings.reference, batch, result)
            return result

    def _found_run(self, job: Job) -> int | None:
        """The run that a job has made. The log is read back to where it was before the job, no further."""
        before = (job.before or {})["version"]
        for commit in self.store().commits():
            if commit.version <= before:
                return None
            if commit.info.get(JOB) == job.job:
                return int(commit.info["lettrage.run"])
        return None

    # ------------------------------------------------------------------------------------------------ master data

    def _sync(self, job: Job) -> dict[str, Any]:
        result = sync(
            self.settings.reference,
            self.folder(job.job),
            mode=job.asked["mode"],
            on=date.fromisoformat(job.asked["on"]),
            preview=job.kind == REFERENCE_PREVIEW,
            strict=job.asked["strict"],
            source_name=_SOURCE,
            who=job.asked["who"],
            error_files=False,
        )
        told = _sync_told(result)
        if result.state == "refused" and job.kind == REFERENCE_SYNC:
            errors = [
                {
                    "where": f"{row['table_name']} line {row['line']}, {row['column_name']}",
                    "what": ": ".join(part for part in (row["why"], row["mend"]) if part),
                }
                for row in told["findings"][:_TOLD]
            ]
            raise Problem(409, shown(result.said or "it is refused", self.settings), where="reference", errors=errors)
        return told

    def _found_sync(self, job: Job) -> dict[str, Any] | None:
        """The version that a job has made, by the digest of what it brought."""
        folder, reference = self.folder(job.job), self.settings.reference
        digest = read_drop(folder).digest if folder.is_dir() else None
        for made in history(reference):
            if made["version"] > (job.before or {})["reference"] and made.get("digest") == digest:
                return _sync_told(version_shown(reference, made["version"]))
        return None


class _Asked:
    """An export that was asked for, read back from the state."""

    def __init__(self, asked: dict[str, Any]) -> None:
        def day(name: str) -> date | None:
            return None if asked.get(name) is None else date.fromisoformat(asked[name])

        self.entity: str = asked["legal_entity"]
        self.first, self.last = day("from"), day("through")
        self.on = date.fromisoformat(asked["on"])
        run_number, on_day = asked.get("as_of"), day("as_of_date")
        self.as_of = NOW if run_number is None and on_day is None else AsOf(run_number, on_day)


def export_told(store: Store, number: int) -> dict[str, Any]:
    """What an export said when it was made, from its record."""
    row = record.record_of(store, number)
    request, figures = record.request_of(row)
    return told_plainly(
        {
            "number": number,
            "run": request.run,
            "profile": request.profile,
            "legal_entity": request.legal_entity,
            "entries": figures.entries,
            "lines": figures.lines,
            "totals": record.by_year(figures.totals),
            "left_out": figures.left_out,
            "balances": [],
            "drill": [],
            "notes": [],
            "files": json.loads(row["files"]),
        }
    )


def told(store: Store, number: int) -> RunResult:
    """What a run did, from the ledger alone: what it said itself when it was made, but for its notes."""
    as_of = AsOf(number)
    with ledger_session(store, as_of=as_of) as session:

        def rows(query: str) -> list[dict[str, Any]]:
            return session.query(query, {"run": number}).to_dicts()

        of_run = rows("select * from stored_runs where run = $run order by table_name")
        link = session.value("select any_value(digest) from stored_links where run = $run", {"run": number})
        return RunResult(
            run=number,
            run_on=of_run[0]["run_on"],
            is_preview=False,
            batch_digest=of_run[0]["batch_digest"],
            rows=[
                {name: value for name, value in row.items() if name not in ("run", "run_on", "batch_digest")}
                for row in of_run
            ],
            entries=rows((HERE / "run_entries.sql").read_text(encoding="utf-8")),
            payments=rows(
                """
                select payment_order, legal_entity, status, count(*) as payments, sum(amount)::decimal(18, 4) as amount
                from stored_payments where run = $run group by payment_order, legal_entity, status
                order by payment_order, status
                """
            ),
            findings=rows(
                """
                select table_name, document, version, row_key, rule, column_name, value, message
                from quarantine where first_run = $run
                order by table_name, document, version, row_key, rule, column_name, message
                """
            ),
            waiting=rows(
                """
                select rule, count(*) as findings, count(distinct (table_name, document)) as documents
                from stored_findings group by rule order by rule
                """
            ),
            chain_digest=link,
        )


def _warn(said: str) -> None:
    """Tells of something that went wrong beside the work."""
    log().warning("lineage", text=said)


def _sync_told(result: SyncResult) -> dict[str, Any]:
    """A sync for machines; of a file the name alone."""
    told = result.as_dict()
    told.pop("error_files")
    findings = [{**row, "file": Path(row["file"]).name if row["file"] else None} for row in told["findings"]]
    return told_plainly({**told, "findings": findings})


def run_as_dict(result: RunResult) -> dict[str, Any]:
    """A run for machines: amounts as texts."""
    return told_plainly(asdict(result))


def told_plainly(told: dict[str, Any]) -> dict[str, Any]:
    """The same of texts, whole numbers, lists and dicts alone: exact decimals and days as texts."""
    return {key: _plain(one) for key, one in told.items()}


def _plain(value: Any) -> Any:
    """The same of one value."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _head(content: bytes) -> str | None:
    """The first lines of a file of text; of another kind none."""
    text = content[:_SHOWN].decode("utf-8", "replace")
    return None if "\0" in text or content.startswith(b"PK") else text
