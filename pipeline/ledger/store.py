"""The ledger store: Parquet segments under one Delta log (docs/store.md says why).

One Delta table, partitioned by `kind`. A run writes its segments under names that nobody looks for, then one commit
makes all of them visible; nothing is changed in place. The Delta schema is the union of the kinds' columns, so a column
has one type over all kinds. Readers take the file list of a version from the log and need no lock.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Field, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction, RemoveAction
from filelock import FileLock, Timeout

from pipeline.errors import StoreBusyError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: of the store's layout. A store of a higher one is refused: its writer knew something that is not known here
FORMAT = 1
_FORMAT_KEY = "lettrage.format"
_APP = "lettrage"
#: key of a commit under which the SHA-256 of each of its segments stands, by name, as JSON
_DIGESTS_KEY = "lettrage.sha256"
_LOG = "_delta_log"
_LOCK = ".lock"
_CONFIGURATION = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.checkpointInterval": "50",
    _FORMAT_KEY: str(FORMAT),
}
_ROW_GROUP = 122_880
_MEND_WRITE = "make room or mend its rights, then give the command again: the ledger is as it was"
#: seconds for which a replaced segment stays on disk, so that a reader who has its name can still open it
_GRACE = 3600.0


class Store:
    """A ledger store as of one version of its log.

    root: its directory. version: of the log, -1 where nothing is committed yet. run: the last one, 0 for none.
    """

    def __init__(self, root: Path, table: DeltaTable | None) -> None:
        self.root = root
        self._table = table
        self.version = -1 if table is None else table.version()
        self.run = 0 if table is None else (table.transaction_version(_APP) or 0)
        self._files: dict[str, list[Path]] = {}
        if table is None:
            return
        for name, size in _segments(table):
            path = root / name
            self._files.setdefault(_kind_of(name), []).append(path)
            if not path.is_file() or path.stat().st_size != size:
                raise StoreError(
                    "a segment that the log names is missing or has another size",
                    where=str(path),
                    mend="restore the store from a back-up: this ledger cannot be read whole",
                )

    @classmethod
    def open(cls, root: Path, *, create: bool = False) -> Store:
        """Opens the store at `root`; with `create` a directory that is empty or not there yet is a store without runs.

        Raises: StoreError with a sentence for what is no store of ours, or is broken.
        """
        root = root.resolve()
        if root.exists() and not root.is_dir():
            raise StoreError("this is a file, and a ledger is a directory", where=str(root), mend="name another place")
        last = _last_whole_version(root)
        if last is None:
            strangers = [path for path in root.iterdir() if not _is_litter(path)] if root.is_dir() else []
            if strangers:
                raise StoreError(
                    "this directory holds other files and no ledger", where=str(root), mend="name another directory"
                )
            if not create:
                raise StoreError("there is no ledger store here", where=str(root), mend="make one with `lettrage run`")
            return cls(root, None)
        return cls(root, _load(root, last))

    def files(self, kind: str) -> list[Path]:
        """The segments of a kind, in the order of their names."""
        return self._files.get(kind, [])

    def broken_segments(self) -> list[str]:
        """Reads every segment in force; names those that are not what their commit wrote, to the byte."""
        digests: dict[str, str] = {}
        for log in _logs(self.root)[: self.version + 1]:
            for line in log.read_text(encoding="utf-8").splitlines():
                if line.startswith('{"commitInfo"'):
                    digests |= json.loads(json.loads(line)["commitInfo"].get(_DIGESTS_KEY, "{}"))
        paths = [path for paths in self._files.values() for path in paths]
        with ThreadPoolExecutor() as pool:
            found = list(pool.map(_digest, paths))
        names = [path.relative_to(self.root).as_posix() for path in paths]
        return [name for name, digest in zip(names, found, strict=True) if digests.get(name) != digest]

    @contextmanager
    def writing(self, wait: float = 10.0) -> Iterator[Writer]:
        """Takes the lock, looks at the log anew, and gives the one writer. The system drops the lock of a dead process.

        Raises: StoreBusyError where another process holds the lock for longer than `wait` seconds.
        """
        lock = FileLock(self.root / _LOCK)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=wait)
        except Timeout:  # which is an OSError
            raise StoreBusyError(
                "another process is writing this ledger", where=str(self.root / _LOCK), mend="try again when it is done"
            ) from None
        except OSError as error:
            raise StoreError(
                f"the store cannot be written ({error.strerror or error})", where=str(self.root), mend=_MEND_WRITE
            ) from None
        try:
            notes = _set_aside_torn_log(self.root)
            writer = Writer(Store.open(self.root, create=True), notes)
            writer.sweep()
            yield writer
        finally:
            lock.release()


class Writer:
    """What one run adds. Segments written are on disk and unseen until `commit`; a run that ends before leaves litter.

    notes: what was found and put right when the store was opened.
    """

    def __init__(self, store: Store, notes: list[str]) -> None:
        self.store = store
        self.notes = notes
        self._added: list[tuple[str, int, int]] = []
        self._replaced: set[str] = set()
        self._fields: dict[str, pa.DataType] = {}

    def write(self, kind: str, data: duckdb.DuckDBPyRelation | pl.DataFrame) -> int:
        """Writes rows of a kind in the order in which they come; returns how many. No rows make no segment."""
        folder = self.store.root / f"kind={kind}"
        path = folder / f"{self.store.run + 1:08d}-{uuid.uuid4().hex}.parquet"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if isinstance(data, pl.DataFrame):
                data.write_parquet(path, compression="zstd", row_group_size=_ROW_GROUP)
            else:
                data.write_parquet(str(path), compression="zstd", row_group_size=_ROW_GROUP)
            with pq.ParquetFile(path) as segment:
                rows = int(segment.metadata.num_rows)
                schema = segment.schema_arrow
            if rows == 0:
                path.unlink()
                return 0
            _fsync(path)
        except (OSError, pa.ArrowException, pl.exceptions.PolarsError, duckdb.IOException) as error:
            path.unlink(missing_ok=True)
            raise StoreError(
                f"a segment of {kind} cannot be written ({_first_line(error)})", where=str(path), mend=_MEND_WRITE
            ) from None
        for field in schema:
            written = _plain(field.type)
            if self._fields.setdefault(field.name, written) != written:
                raise StoreError(
                    f"column {field.name} of {kind} is {written}, elsewhere {self._fields[field.name]}: "
                    "a column has one type over all kinds",
                    where=str(self.store.root),
                )
        self._added.append((path.relative_to(self.store.root).as_posix(), path.stat().st_size, rows))
        return rows

    def written(self, kind: str) -> list[Path]:
        """The segments of a kind that this writer has written and not committed."""
        return [self.store.root / name for name, _, _ in self._added if _kind_of(name) == kind]

    def replace(self, kind: str) -> None:
        """Puts what the kind held before out of force: this commit's segments are all of it."""
        self._replaced.add(kind)

    def commit(self, run: int | None, metadata: Mapping[str, str]) -> None:
        """Makes everything written visible in one step, and durable before it returns.

        Raises: StoreBusyError where another writer came in between; nothing is visible then.
        """
        root = self.store.root
        try:
            for folder in {(root / name).parent for name, _, _ in self._added}:
                _fsync(folder)
            _fsync(root)
            self._commit(run, metadata)
            _fsync_log(root)
        except CommitFailedError as error:
            raise StoreBusyError(
                f"another writer changed the ledger meanwhile ({_first_line(error)})",
                where=str(root),
                mend="give the command again",
            ) from None
        except (DeltaError, OSError) as error:
            raise StoreError(
                f"the log cannot be written ({_first_line(error)})", where=str(root / _LOG), mend=_MEND_WRITE
            ) from None
        self.store = Store.open(root)
        self._added.clear()
        self._replaced.clear()
        self._fields.clear()

    def _commit(self, run: int | None, metadata: Mapping[str, str]) -> None:
        table = self._table()
        digests = {name: _digest(self.store.root / name) for name, _, _ in self._added}
        now = int(time.time() * 1000)
        actions: list[AddAction | RemoveAction] = [
            AddAction(
                path=name,
                size=size,
                partition_values={"kind": _kind_of(name)},
                modification_time=now,
                data_change=True,
                stats=json.dumps({"numRecords": rows}),
            )
            for name, size, rows in self._added
        ]
        actions += [
            RemoveAction(
                path=name,
                data_change=True,
                deletion_timestamp=now,
                size=size,
                partition_values={"kind": _kind_of(name)},
            )
            for name, size in _segments(table)
            if _kind_of(name) in self._replaced
        ]
        table.create_write_transaction(
            actions,
            "append",
            table.schema(),
            partition_by=["kind"],
            commit_properties=CommitProperties(
                custom_metadata={**metadata, _DIGESTS_KEY: json.dumps(digests, separators=(",", ":"))},
                app_transactions=[Transaction(_APP, run)] if run is not None else [],
                max_commit_retries=0,
            ),
        )

    def sweep(self) -> None:
        """Removes what no version names: segments of runs that were killed, and snapshots replaced long ago."""
        root = self.store.root
        named = {path for paths in self.store._files.values() for path in paths}  # noqa: SLF001 - its own store
        recent = _recently_removed(root, self.store.version)
        for path in root.glob("kind=*/*"):
            if path not in named and path.relative_to(root).as_posix() not in recent:
                path.unlink(missing_ok=True)
        for path in (root / _LOG).glob("*.json#*"):  # what a commit that was killed had not yet given its name
            path.unlink(missing_ok=True)

    def _table(self) -> DeltaTable:
        """The table with a column for every field written: a wider schema in the commit itself would be lost."""
        root = self.store.root
        version = self.store.version
        fields = {name: Field.from_arrow(pa.field(name, kind)) for name, kind in self._fields.items()}
        if version < 0:
            if (root / _LOG / _log_name(0)).exists():
                raise CommitFailedError("another writer made the ledger")
            table = DeltaTable.create(
                str(root),
                Schema([Field("kind", PrimitiveType("string")), *fields.values()]),
                partition_by=["kind"],
                configuration=_CONFIGURATION,
                raise_if_key_not_exists=False,
            )
            _fsync_log(root)
            return table
        table = _load(root, version)
        known = {field.name: field for field in table.schema().fields}
        for name, field in fields.items():
            if name in known and str(known[name].type) != str(field.type):
                raise StoreError(f"column {name} is {known[name].type} in the store, not {field.type}", where=str(root))
        new = [field for name, field in fields.items() if name not in known]
        if new:
            # deltalake tries this again on top of what came in between: then the version tells.
            table.alter.add_columns(new)
            _fsync_log(root)
            table = _load(root, None)
            if table.version() != version + 1:
                raise CommitFailedError("a commit came in between")
        return table


def _load(root: Path, version: int | None) -> DeltaTable:
    """Reads the log up to a version (None: the last). Raises: StoreError where it cannot be read, or is not ours."""
    try:
        try:
            table = DeltaTable(str(root), version=version)
        except DeltaError:
            if not _set_aside_torn_checkpoint(root):
                raise
            table = DeltaTable(str(root), version=version)
        found = table.metadata().configuration.get(_FORMAT_KEY)
    except (TableNotFoundError, DeltaError, OSError, ValueError) as error:
        raise StoreError(
            f"the log of this ledger cannot be read ({_first_line(error)})",
            where=str(root / _LOG),
            mend="restore the store from a back-up",
        ) from None
    if found is None or not found.isdigit():
        raise StoreError("this is a Delta table, and no ledger", where=str(root), mend="name another directory")
    if int(found) > FORMAT:
        raise StoreError(
            f"this ledger has format {found}, and this version of lettrage reads formats up to {FORMAT}",
            where=str(root),
            mend="install the version that wrote it, or a later one",
        )
    return table


def _last_whole_version(root: Path) -> int | None:
    """The version that the ledger is at: of the last log file, or of the one before where that one is torn."""
    logs = _logs(root)
    if logs and not _is_whole(logs[-1]):
        logs.pop()
    return int(logs[-1].stem) if logs else None


def _logs(root: Path) -> list[Path]:
    return sorted((root / _LOG).glob("[0-9]*.json"))


def _log_name(version: int) -> str:
    return f"{version:020d}.json"


def _is_litter(path: Path) -> bool:
    """Whether something in a directory is what a first run that was killed may have left there."""
    if path.name == _LOG:
        return all(file.name == _log_name(0) or "#" in file.name for file in path.iterdir())
    return path.name == _LOCK or path.name.startswith("kind=")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _segments(table: DeltaTable) -> list[tuple[str, int]]:
    """Names and sizes of the segments in force, by name: names begin with the run that wrote them."""
    actions = pa.table(table.get_add_actions(flatten=True)).select(["path", "size_bytes"]).to_pydict()
    return sorted(zip(actions["path"], actions["size_bytes"], strict=True))


def _kind_of(name: str) -> str:
    return name.split("/", 1)[0].removeprefix("kind=")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type as the log knows it: one kind of text, one kind of instant."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return kind


def _recently_removed(root: Path, version: int) -> set[str]:
    """The segments that commits of the last hour put out of force: a reader may still hold their names."""
    removed: set[str] = set()
    since = time.time() - _GRACE
    for number in range(version, -1, -1):
        path = root / _LOG / _log_name(number)
        if not path.is_file() or path.stat().st_mtime < since:
            break
        lines = path.read_text(encoding="utf-8").splitlines()
        removed |= {json.loads(line)["remove"]["path"] for line in lines if line.startswith('{"remove"')}
    return removed


def _set_aside_torn_log(root: Path) -> list[str]:
    """Moves an unreadable last log file out of the way: it is of a run that was never acknowledged (power loss)."""
    logs = _logs(root)
    if not logs or _is_whole(logs[-1]):
        return []
    torn = logs[-1]
    if len(logs) == 1 and all(_is_litter(path) for path in root.iterdir()):
        shutil.rmtree(root / _LOG)
    else:
        torn.rename(torn.with_name(f"torn-{torn.name}-{uuid.uuid4().hex[:8]}"))
        _fsync(torn.parent)
    return [f"{torn.name} was cut off by a power loss and set aside: the run that wrote it never ended"]


def _set_aside_torn_checkpoint(root: Path) -> bool:
    """Moves checkpoints cut off by a power loss out of the way: they only spare reading the log, which is kept."""
    torn = [path for path in (root / _LOG).glob("[0-9]*.checkpoint.parquet") if not _is_parquet(path)]
    for path in torn:
        path.replace(path.with_name(f"torn-{path.name}"))
    if torn:
        (root / _LOG / "_last_checkpoint").unlink(missing_ok=True)
    return bool(torn)


def _is_parquet(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (pa.ArrowException, OSError):
        return False
    return True


def _is_whole(log: Path) -> bool:
    text = log.read_text(encoding="utf-8", errors="replace")
    try:
        return bool(text) and all(json.loads(line) for line in text.splitlines())
    except ValueError:
        return False


def _fsync_log(root: Path) -> None:
    """Puts the last commit on the disk: deltalake itself calls no fsync there."""
    log = root / _LOG
    written = sorted(path for path in log.iterdir() if path.name[0].isdigit() or path.name.startswith("_last"))
    for path in written[-3:]:
        _fsync(path)
    _fsync(log)
    _fsync(root)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
