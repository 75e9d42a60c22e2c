"""The drops of a source that the settings describe: a watched folder, or a folder of a secure file server.

Each subfolder or file is a drop. It is taken once it has a marker `<name>.ready` beside it (or `.ready` in it), or has
been still for some seconds; in the order of names; and is moved away when its fate is written down. A drop that was
applied and not moved away yet, since the command was cut off there, is known and only moved. One that is written to
while it is taken stays, and is taken again when it is whole.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import polars as pl
from filelock import FileLock, Timeout

from pipeline.errors import InputError, LettrageError, RunError, SettingsError, StoreBusyError
from pipeline.masterdata.drop import ERRORS, TABLES, Drop, read_drop, readable
from pipeline.masterdata.errors_file import HEAD, errors_beside, shortened, write_whole
from pipeline.masterdata.sync import SyncResult, sync
from pipeline.masterdata.versions import about
from pipeline.settings.sources import FolderSource
from pipeline.stage.reference_place import version_in_force
from pipeline.state.state import opened
from schemas import REFERENCE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from pipeline.settings.settings import Settings
    from pipeline.settings.sources import SftpSource, Source
    from pipeline.sftp_session import SftpSession

#: seconds for which nothing of a drop without a marker may have changed
STILL = 5.0
#: seconds after which a file of a server is still by its own time, whatever the two clocks say
_OLD = 3_600
DONE = "done"
READY = ".ready"
#: bytes of a drop's name that are kept when the time is put before it, and what its errors are called behind it
_LONGEST = 200


class _Place(Protocol):
    """Where drops are: names in order, a copy to read, and away with it."""

    def names(self) -> list[str]:
        """The drops that are whole, in the order in which they are taken."""

    def facts(self, name: str) -> object:
        """What there is to know of a drop's files without reading them: something else once one was written to."""

    def fetched(self, name: str) -> Path:
        """The drop on this machine."""

    def put_away(self, name: str, errors: Sequence[Path]) -> list[Path | str]:
        """Moves a drop away, with the files of its errors; returns where these are then."""


def sync_source(settings: Settings, name: str, *, on: date, preview: bool = False) -> list[SyncResult]:
    """Takes every drop of a source into the reference, in the order of names; a result a drop that was whole.

    A drop that cannot be read is refused and moved away like the others, with what is wrong beside it; preview: nothing
    is applied or moved. Raises: SettingsError where there is no such source; StoreBusyError where it is being taken
    already; as `sync`; as pipeline.sftp_session.connected.
    """
    source = settings.sources.get(name)
    if source is None:
        raise SettingsError(
            f"there is no source {name}", mend=f"the settings have {', '.join(sorted(settings.sources)) or 'none'}"
        )
    strange = sorted(set(source.tables).difference(REFERENCE))
    if strange:
        raise SettingsError(
            f"there is no reference table {strange[0]}",
            where=f"sources.{name}.tables",
            mend=f"name some of {', '.join(REFERENCE)}",
        )
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with (
            FileLock(settings.state / f"source-{name}.lock", timeout=0),
            _place(source, settings, name) as place,
            opened(settings.state) as state,
        ):
            taking = _Taking(settings, name, source, state, on, preview)
            return _taken(taking, place)
    except Timeout:
        raise StoreBusyError(
            f"source {name} is being taken already", mend="give the command again when it is done"
        ) from None


def _taken(taking: _Taking, place: _Place) -> list[SyncResult]:
    results: list[SyncResult] = []
    for drop in place.names():
        try:
            result = taking.take(place, drop)
        except LettrageError as error:
            # What was done before it is done: whoever reads the error has to know.
            done = "; ".join(str(one) for one in results)
            error.what += f" (drops taken before it: {done})" if done else ""
            raise
        results += [] if result is None else [result]
    return results


@dataclass(frozen=True)
class _Taking:
    """A source that is being taken."""

    settings: Settings
    name: str
    source: Source
    state: sqlite3.Connection
    on: date
    preview: bool

    def take(self, place: _Place, drop: str) -> SyncResult | None:
        """Takes a drop: its fate is written down before it is moved away. None where it is being written to."""
        before = place.facts(drop)
        result = self._synced(place.fetched(drop), lambda: place.facts(drop) == before)
        if result is None or self.preview:
            return result
        self._written_down(readable(drop), result)
        if place.facts(drop) != before:
            # What came since is another drop: nobody has read it.
            return replace(
                result, notes=[*result.notes, f"{readable(drop)} was written to meanwhile: it will be taken again"]
            )
        try:
            errors = place.put_away(drop, [Path(path) for path in result.error_files])
        except OSError as error:
            raise RunError(
                f"the drop was taken ({result}), and cannot be moved away ({error.strerror or error})",
                where=readable(str(self.source.path if isinstance(self.source, FolderSource) else drop)),
                mend=f"mend that, or move it away by hand; where it was {result.state} the next call only moves it",
            ) from None
        return replace(result, error_files=errors)

    def _written_down(self, drop: str, result: SyncResult) -> None:
        row = {
            "source": self.name,
            "name": drop,
            "digest": result.digest,
            "mode": result.mode,
            "state": result.state,
            "rejected": result.rejected,
            "version": result.version,
            "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "said": result.said,
        }
        self.state.execute(
            f"insert into drops ({', '.join(row)}) values ({', '.join('?' for _ in row)})", tuple(row.values())
        )

    def _synced(self, path: Path, is_still: Callable[[], bool]) -> SyncResult | None:
        told = f"{self.name}/{readable(path.name)}"
        mode = self.source.mode
        try:
            _demand_no_links(path)
            brought = read_drop(path, tuple(self.source.tables))
        except InputError as error:
            if not is_still():
                return None
            beside = [] if self.preview else [_said_beside(path, readable(str(error)))]
            said = readable(str(error))
            return SyncResult("refused", told, mode, self.on, "", None, error_files=beside, said=said)
        if not is_still():
            return None
        known = self._known(brought)
        if known is not None:
            said = f"it was applied before{f', as version {known}' if known else ''}: nothing was done"
            said += "" if mode == "full" else ". To apply it again, put a day behind the names of its files, or another"
            overtaken = known != version_in_force(self.settings.reference)
            return SyncResult("known", told, mode, self.on, brought.digest, known, said=said, is_overtaken=overtaken)
        result = sync(
            self.settings.reference,
            brought,
            mode=mode,
            on=self.on,
            preview=self.preview,
            strict=self.source.strict,
            source_name=told,
            most_vanishing_percent=self.source.most_vanishing_percent,
            who=f"source {self.name}",
        )
        # Of a file that was refused with rejected lines the error file is about these.
        if result.state == "refused" and not self.preview and errors_beside(path) not in result.error_files:
            return replace(result, error_files=[*result.error_files, _said_beside(path, str(result.said))])
        return result

    def _known(self, brought: Drop) -> int | None:
        """The version that this very drop made, None where it is new.

        What is in force may have been made by it, when the command was cut off before it wrote that down. Differences
        are never applied twice, for what came after them would be undone; a full drop says again what is to be. One
        with rejected lines may come again, for what they lacked may have come.
        """
        number = version_in_force(self.settings.reference)
        last = {} if number is None else about(self.settings.reference, number)
        if last.get("digest") == brought.digest and str(last.get("source")).startswith(f"{self.name}/"):
            is_whole = not any(row["rejected"] for row in last["counts"])
            return int(last["version"]) if is_whole else None
        if self.source.mode == "full":
            return None
        row = self.state.execute(
            "select version from drops where source = ? and digest = ? and state in ('applied', 'unchanged') "
            "and rejected = 0 order by number desc limit 1",
            (self.name, brought.digest),
        ).fetchone()
        return None if row is None else int(row["version"] or 0)


def _demand_no_links(path: Path) -> None:
    """Refuses links: whoever may drop a file must not have another one read, and told in a file of errors.

    Raises: InputError.
    """
    for one in [path, *(path.iterdir() if path.is_dir() and not path.is_symlink() else [])]:
        if one.is_symlink():
            raise InputError("this is a link", where=str(one), mend="drop the file itself")


def _said_beside(path: Path, said: str) -> Path:
    """Writes what is wrong with a drop as a whole beside it, as an error file of one line."""
    beside = errors_beside(path)
    write_whole(pl.DataFrame({**dict.fromkeys(HEAD), "error_why": said}, schema=dict.fromkeys(HEAD, pl.String)), beside)
    return beside


@contextmanager
def _place(source: Source, settings: Settings, name: str) -> Iterator[_Place]:
    if isinstance(source, FolderSource):
        yield _Folder(source.path)
        return
    from pipeline.sftp_session import connected  # noqa: PLC0415 - heavy, and for those who have a server alone

    spool = settings.state / f"source-{name}"
    try:
        # What a call that was cut off had fetched is of no use, and of persons.
        shutil.rmtree(spool, ignore_errors=True)
        spool.mkdir(mode=0o700)
        with connected(source, settings.known_secrets()) as session:
            yield _Server(source, session, spool)
    finally:
        shutil.rmtree(spool, ignore_errors=True)


def _is_table(name: str) -> bool:
    return name.lower().endswith(TABLES) and not name.startswith("~$") and not name.endswith(ERRORS) and _is_name(name)


def _is_name(name: str) -> bool:
    """Whether a server's name is one of a file here: nothing is fetched to anywhere but the spool."""
    return not name.startswith(".") and not any(mark in name for mark in "/\\\0")


def _stamped(name: str) -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{shortened(readable(name), _LONGEST)}"


def _looked_at(path: Path) -> os.stat_result:
    """What a path leads to, or the link itself where it leads nowhere. Raises: OSError where there is nothing."""
    try:
        return path.stat()
    except OSError:
        return path.lstat()


def _last_written(path: Path) -> float:
    """When a file was written to last, by this machine's clock where the file says that it is of the future."""
    looked = _looked_at(path)
    return looked.st_mtime if looked.st_mtime <= time.time() else looked.st_ctime


@dataclass(frozen=True)
class _Folder:
    """A folder of this machine."""

    path: Path

    def names(self) -> list[str]:
        if not self.path.is_dir():
            raise SettingsError("there is no such folder", where=str(self.path), mend="make it, or mend the source")
        return [path.name for path in sorted(self.path.iterdir()) if self._is_whole(path)]

    def _is_whole(self, path: Path) -> bool:
        try:
            return self._is_still(path)
        except OSError:
            # It was there a moment ago: somebody is at it.
            return False

    def _is_still(self, path: Path) -> bool:
        if path.is_dir():
            if path.name == DONE or path.name.startswith("."):
                return False
            files = [one for one in path.iterdir() if _is_table(one.name)]
            has_marker = (path / READY).exists()
        else:
            files = [path] if _is_table(path.name) else []
            has_marker = False
        if not files and not has_marker:
            return False
        if has_marker or os.path.lexists(path.with_name(path.name + READY)):
            return True
        return time.time() - max(_last_written(one) for one in [path, *files]) >= STILL

    def facts(self, name: str) -> object:
        path = self.path / name
        try:
            files = [one for one in sorted(path.iterdir()) if _is_table(one.name)] if path.is_dir() else [path]
            looked = [(one.name, _looked_at(one)) for one in files]
        except OSError:
            return None
        return [(called, one.st_ino, one.st_size, one.st_mtime_ns) for called, one in looked]

    def fetched(self, name: str) -> Path:
        return self.path / name

    def put_away(self, name: str, errors: Sequence[Path]) -> list[Path | str]:
        done = self.path / DONE
        done.mkdir(exist_ok=True)
        stamped = _stamped(name)
        told: list[Path | str] = []
        # The marker first: one that is left behind would say of the next drop by this name that it is whole. Then the
        # errors: a drop that is gone has all that is to be said of it beside it.
        if os.path.lexists(self.path / (name + READY)):
            (self.path / (name + READY)).unlink()
        for path in errors:
            if path.parent == self.path:
                told.append(path.rename(done / (stamped + ERRORS)))
            else:
                told.append(done / stamped / path.name)
        (self.path / name).rename(done / stamped)
        return told


@dataclass(frozen=True)
class _Server:
    """A folder of a server; spool: where its drops are fetched to."""

    source: SftpSource
    session: SftpSession
    spool: Path

    def names(self) -> list[str]:
        first = self._listed()
        young = [name for name, (ready, newest, _) in first.items() if not ready and time.time() - newest < _OLD]
        if young:
            # The two clocks may differ: what is the same after some seconds is still.
            time.sleep(STILL)
        again = self._listed() if young else first
        return [name for name in first if name not in young or again.get(name) == first[name]]

    def _at(self, *parts: str) -> str:
        return "/".join(part.rstrip("/") for part in (self.source.folder, *parts) if part)

    def _listed(self) -> dict[str, tuple[bool, int, tuple[tuple[str, int, int | None], ...]]]:
        """Each drop: whether it has a marker, the newest time of its files, and all there is to know of them."""
        entries = self.session.entries(self.source.folder)
        markers = {entry.name for entry in entries if entry.name.endswith(READY)}
        found = {}
        for entry in entries:
            if not _is_name(entry.name) or self._at(entry.name) == self._done:
                continue
            files = [entry]
            has_marker = entry.name + READY in markers
            if entry.is_folder:
                inside = self.session.entries(self._at(entry.name))
                has_marker = has_marker or any(one.name == READY for one in inside)
                files = [one for one in inside if not one.is_folder]
            files = [one for one in files if _is_table(one.name)]
            if files or (has_marker and entry.is_folder):
                facts = tuple((one.name, one.size, one.modified) for one in files)
                # A server that tells no times has files of now.
                newest = max((one.modified or int(time.time()) for one in files), default=0)
                found[entry.name] = (has_marker, newest, facts)
        return found

    @property
    def _done(self) -> str:
        """Where drops go: below the folder that they come in, or where a path from the root leads."""
        done = self.source.done_folder.rstrip("/")
        return done if done.startswith("/") else self._at(done)

    def facts(self, name: str) -> object:
        is_folder = self.session.is_folder(self._at(name))
        found = self.session.entries(self._at(name) if is_folder else self.source.folder)
        files = [one for one in found if not one.is_folder and _is_table(one.name) and (is_folder or one.name == name)]
        return [(one.name, one.size, one.modified) for one in files]

    def fetched(self, name: str) -> Path:
        target = self.spool / name
        if not self.session.is_folder(self._at(name)):
            self.session.get(self._at(name), target)
            return target
        target.mkdir()
        for entry in self.session.entries(self._at(name)):
            if not entry.is_folder and _is_table(entry.name):
                self.session.get(self._at(name, entry.name), target / entry.name)
        return target

    def put_away(self, name: str, errors: Sequence[Path]) -> list[Path | str]:
        self.session.make_folders(self._done)
        stamped = _stamped(name)
        told: list[Path | str] = []
        # The marker first, as of a folder.
        if self.session.exists(self._at(name + READY)):
            self.session.remove(self._at(name + READY))
        for path in errors:
            # In a folder that is a drop the files of its errors stand beside their inputs, and move with it.
            is_beside = path.parent == self.spool
            at = f"{self._done}/{stamped}{ERRORS}" if is_beside else self._at(name, path.name)
            if self.session.exists(at):
                self.session.remove(at)
            self.session.put(path, at)
            told.append(f"{self.source.host}:{at if is_beside else f'{self._done}/{stamped}/{path.name}'}")
        self.session.rename(self._at(name), f"{self._done}/{stamped}")
        path = self.spool / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        return told
