"""Brings a drop into the reference: reads it, works out what it does, and puts the next version into force.

What the command line, the schedules and the API call. Nothing is applied in part: a version is there whole or not.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.errors import UsageError
from pipeline.masterdata.diff import CHANGES, DIFF, changes, counted
from pipeline.masterdata.drop import read_drop
from pipeline.masterdata.errors_file import write_errors
from pipeline.masterdata.plan import REJECTED, SyncPlan, plan
from pipeline.masterdata.versions import about, add_copy, add_version, locked, read_in_force, read_version
from pipeline.stage.reference_place import version_in_force

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.masterdata.drop import Drop

#: rows of the diff and of what was rejected that as_dict gives; the counts are of all
_SHOWN = 1_000
MODES = ("full", "changes")


@dataclass(frozen=True)
class SyncResult:
    """What a sync did.

    state: `applied`, `preview`, `unchanged` (all that the drop says is in force), `refused` (nothing was applied,
    `said` says why), `known` (this drop was applied before). version: the one in force after it, None where the
    directory has none. counts: per table of the drop lines = rejected + applied, and rows added, changed, archived,
    restored, removed. diff, findings: frames (diff.py, plan.py). error_files: those written beside the input,
    where they are now: of a server as `host:path`. is_overtaken: a known drop, and another version is in force since.
    """

    state: str
    source: str
    mode: str
    on: date
    digest: str
    version: int | None
    counts: list[dict[str, Any]] = field(default_factory=list)
    diff: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DIFF))
    findings: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTED))
    notes: list[str] = field(default_factory=list)
    error_files: Sequence[Path | str] = field(default_factory=list)
    said: str | None = None
    is_overtaken: bool = False

    @property
    def rejected(self) -> int:
        """How many lines were rejected."""
        return sum(row["rejected"] for row in self.counts)

    def __str__(self) -> str:
        if self.state in ("refused", "known"):
            return f"{self.source}: {self.said}"
        done = [
            f"{sum(row[change] for row in self.counts):,} {change}"
            for change in CHANGES
            if any(row[change] for row in self.counts)
        ]
        what = ", ".join(done) or "nothing new"
        out = f"; {self.rejected:,} lines rejected" if self.rejected else ""
        at = f" (version {self.version})" if self.state == "applied" else ""
        return f"{self.source}: {what}{at}{out}"

    @property
    def exit_code(self) -> int:
        """What a command ends with: 0 done, 3 done but for some lines, 2 nothing was done and a person has to look."""
        if self.state == "refused":
            return 2
        return 3 if self.rejected or self.is_overtaken else 0

    def as_dict(self, shown: int = _SHOWN) -> dict[str, Any]:
        """The result for machines; `shown` rows of the diff and of the rejected lines, and how many there are."""
        findings = self.findings.drop("line_place")
        return {
            "state": self.state,
            "source": self.source,
            "mode": self.mode,
            "on": self.on.isoformat(),
            "digest": self.digest,
            "version": self.version,
            "said": self.said,
            "counts": self.counts,
            "changes": self.diff.height,
            "diff": self.diff.head(shown).to_dicts(),
            "rejected": self.rejected,
            "findings": findings.head(shown).to_dicts(),
            "error_files": [str(path) for path in self.error_files],
            "notes": self.notes,
        }


def sync(
    reference: Path,
    drop: Path | Drop,
    *,
    mode: str = "changes",
    on: date,
    preview: bool = False,
    strict: bool = False,
    source_name: str = "",
    tables: Sequence[str] = (),
    most_vanishing_percent: int = 20,
    who: str | None = None,
    error_files: bool = True,
) -> SyncResult:
    """Brings a drop, a folder or one file of reference tables, into the reference; with `preview` only tells.

    drop: its path, or what read_drop made of it. reference: a directory of versions, or a plain one, which becomes
    version 1. mode: `full`, what is not in a table's file is gone; `changes`, only what is new or changed is there.
    on: the day of the sync. strict: one rejected line, and nothing is applied. tables: those that the drop may bring,
    all where there are none. who: by whom, for the history. error_files: whether a file with the rejected lines is
    written beside each input; a preview writes none.
    Raises: InputError for a drop that cannot be read; BrokenReferenceError where what is in force is broken already;
    RunError where a version cannot be written.
    """
    if mode not in MODES:
        raise UsageError(f"there is no mode {mode}", where="sync", mend=f"choose one of {', '.join(MODES)}")
    brought = read_drop(drop, tuple(tables)) if isinstance(drop, Path) else drop
    wishes = {"mode": mode, "on": on, "strict": strict, "most_vanishing_percent": most_vanishing_percent}
    told: dict[str, Any] = {"source": source_name or brought.name, "mode": mode, "on": on, "digest": brought.digest}
    if preview:
        made = _plan(reference, brought, wishes)
        state = "preview" if made.refusal is None else "refused"
        return _result(state, made, told, version_in_force(reference), [])
    with locked(reference):
        made = _plan(reference, brought, wishes)
        written = _written_beside(brought, made) if error_files else []
        version = version_in_force(reference)
        if made.refusal is not None:
            return _result("refused", made, told, version, written)
        if made.diff.is_empty():
            return _result("unchanged", made, told, version, written)
        version = apply(reference, made, told={**told, "on": on.isoformat(), "who": who})
    return _result("applied", made, told, version, written)


def apply(reference: Path, made: SyncPlan, *, told: Mapping[str, Any]) -> int:
    """Puts what was planned into force as the next version; returns its number. The lock of the reference is held.

    told: what the version says of itself.
    """
    said = {"made_by": "sync", **told, "counts": made.counts}
    return add_version(reference, made.tables_after, said, before=made.tables_before)


def rollback(reference: Path, number: int, *, on: date, who: str | None = None) -> SyncResult:
    """Puts what version `number` held into force again, as a new version. Raises: UsageError where there is none."""
    with locked(reference):
        before = read_in_force(reference)
        version = add_copy(
            reference, number, {"made_by": "rollback", "of_version": number, "on": on.isoformat(), "who": who}
        )
        diff = changes(before, read_version(reference, version), on)
    told = f"back to version {number}"
    return SyncResult("applied", told, "rollback", on, "", version, counts=counted(diff), diff=diff)


def shown(reference: Path, number: int) -> SyncResult:
    """What a version changed of the one that it followed, as a result. Raises: UsageError where there is none."""
    said, after = about(reference, number), read_version(reference, number)
    before = {name: rows.clear() for name, rows in after.items()}
    if said["follows"] is not None:
        before = read_version(reference, said["follows"])
    on = date.fromisoformat(said.get("on") or said["made_at"][:10])
    diff = changes(before, after, on)
    return SyncResult(
        "applied",
        f"back to version {said['of_version']}" if "of_version" in said else said.get("source", "start"),
        said.get("mode", said["made_by"]),
        on,
        said.get("digest", ""),
        number,
        counts=said.get("counts") or counted(diff),
        diff=diff,
    )


def user_name() -> str | None:
    """Who gives the command, for the history; None where the system does not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None


def _plan(reference: Path, brought: Drop, wishes: Mapping[str, Any]) -> SyncPlan:
    notes: list[str] = []
    current = read_in_force(reference, notes)
    made = plan(current, brought, **wishes)
    made.notes.extend(notes)
    return made


def _written_beside(brought: Drop, made: SyncPlan) -> list[Path]:
    """Writes the error files; a folder that takes none is said, and stops no good line."""
    try:
        return write_errors(brought, made.rejected)
    except OSError as error:
        why = error.strerror or str(error)
        made.notes.append(f"no file of the rejected lines could be written beside the input ({why}): they stand here")
        return []


def _result(
    state: str, made: SyncPlan, told: Mapping[str, Any], version: int | None, written: list[Path]
) -> SyncResult:
    return SyncResult(
        state,
        **told,
        version=version,
        counts=made.counts,
        diff=made.diff,
        findings=made.rejected,
        notes=made.notes,
        error_files=written,
        said=made.refusal,
    )
