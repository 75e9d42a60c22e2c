"""The ledger store: Parquet segments under one Delta log (docs/store.md says why).

One Delta table, partitioned by `kind`. A run writes its segments under names that nobody looks for, then one commit makes
all of them visible; nothing is changed in place. The Delta schema is the union of the kinds' columns, so a column has
one type over all kinds. Readers take the file list of a version from the log and need no lock.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Field, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction
from filelock import FileLock, Timeout

from pipeline.errors import StoreBusyError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb

FORMAT = "1"
_APP = "lettrage"
_LOG = "_delta_log"
_LOCK = ".lock"
_CONFIGURATION = {"delta.enableExpiredLogCleanup": "false", "delta.checkpointInterval": "50"}
_ROW_GROUP = 122_880
#: seconds for which a replaced segment stays on disk, so that a reader who has its name can still open it
_GRACE = 3600.0


class Store:
    """A ledger store as of one version of its log.

    root: its directory. version: of the log, -1 where nothing is committed yet. run: the last run committed, 0 for none.
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
        if not (root / _LOG).is_dir():
            strangers = [path.name for path in root.iterdir() if path.name != _LOCK and not path.name.startswith("kind=")] if root.is_dir() else []
            if strangers:
                raise StoreError("this directory holds other files and no ledger", where=str(root), mend="name another directory")
            if not create:
                raise StoreError("there is no ledger store here", where=str(root), mend="make one with `lettrage run`")
            return cls(root, None)
        return cls(root, _load(root))

    def files(self, kind: str) -> list[Path]:
        """The segments of a kind, in the order of their names."""
        return self._files.get(kind, [])

    @contextmanager
    def writing(self, wait: float = 10.0) -> Iterator[Writer]:
        """Takes the lock, looks at the log anew, and gives the one writer. The system drops the lock of a dead process.

        Raises: StoreBusyError where another process holds the lock for longer than `wait` seconds.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / _LOCK)
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise StoreBusyError(
                "another process is writing this ledger", where=str(self.root / _LOCK), mend="try again when it is done"
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
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.store.run + 1:08d}-{uuid.uuid4().hex}.parquet"
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
        for field in schema:
            self._fields.setdefault(field.name, _plain(field.type))
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
        for folder in {(root / name).parent for name, _, _ in self._added}:
            _fsync(folder)
        table = self._table()
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
                path=name, data_change=True, deletion_timestamp=now, size=size, partition_values={"kind": _kind_of(name)}
            )
            for name, size in _segments(table)
            if _kind_of(name) in self._replaced
        ]
        try:
            table.create_write_transaction(
                actions,
                "append",
                table.schema(),
                partition_by=["kind"],
                commit_properties=CommitProperties(
                    custom_metadata=dict(metadata),
                    app_transactions=[Transaction(_APP, run)] if run is not None else [],
                    max_commit_retries=0,
                ),
            )
        except CommitFailedError as error:
            raise StoreBusyError(
                f"another writer changed the ledger meanwhile ({error})", where=str(root), mend="give the command again"
            ) from None
        _fsync_log(root)
        self.store = Store.open(root)
        self._added.clear()
        self._replaced.clear()

    def sweep(self) -> None:
        """Removes what no version names: segments of runs that were killed, and snapshots replaced long ago."""
        root = self.store.root
        named = {path for paths in self.store._files.values() for path in paths}  # noqa: SLF001 - its own store
        recent = _recently_removed(root, self.store.version)
        for path in root.glob("kind=*/*"):
            if path in named:
                continue
            if path.relative_to(root).as_posix() in recent and time.time() - path.stat().st_mtime < _GRACE:
                continue
            path.unlink()

    def _table(self) -> DeltaTable:
        """The table with a column for every field written: a wider schema in the commit itself would be lost."""
        root = self.store.root
        fields = [Field("kind", "string")]
        if self.store.version < 0:
            fields += [Field.from_arrow(pa.field(name, kind)) for name, kind in self._fields.items()]
            table = DeltaTable.create(
                str(root), Schema(fields), partition_by=["kind"], configuration=_CONFIGURATION,
                commit_properties=CommitProperties(custom_metadata={"lettrage.format": FORMAT}),
            )
            _fsync_log(root)
            return table
        table = _load(root)
        known = {field.name: field for field in table.schema().fields}
        new = []
        for name, kind in self._fields.items():
            field = Field.from_arrow(pa.field(name, kind))
            if name not in known:
                new.append(field)
            elif str(known[name].type) != str(field.type):
                raise StoreError(f"column {name} is {known[name].type} in the store, not {field.type}", where=str(root))
        if new:
            table.alter.add_columns(new)
            _fsync_log(root)
            table = _load(root)
        return table


def _load(root: Path) -> DeltaTable:
    try:
        table = DeltaTable(str(root))
    except (TableNotFoundError, DeltaError) as error:
        raise StoreError(f"the log of this ledger cannot be read ({error})", where=str(root / _LOG)) from None
    return table


def _segments(table: DeltaTable) -> list[tuple[str, int]]:
    """Names and sizes of the segments in force, by name: names begin with the run that wrote them."""
    actions = pa.table(table.get_add_actions(flatten=True)).select(["path", "size_bytes"]).to_pydict()
    return sorted(zip(actions["path"], actions["size_bytes"], strict=True))


def _kind_of(name: str) -> str:
    return name.split("/", 1)[0].removeprefix("kind=")


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type as the log knows it: one kind of text, one kind of instant."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return kind


def _recently_removed(root: Path, version: int) -> set[str]:
    """The segments that the last few commits put out of force: a reader may still hold their names."""
    removed = set()
    for number in range(max(0, version - 4), version + 1):
        path = root / _LOG / f"{number:020d}.json"
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            removed |= {json.loads(line)["remove"]["path"] for line in lines if line.startswith('{"remove"')}
    return removed


def _set_aside_torn_log(root: Path) -> list[str]:
    """Moves an unreadable last log file out of the way: it is of a run that was never acknowledged (power loss)."""
    logs = sorted((root / _LOG).glob("[0-9]*.json")) if (root / _LOG).is_dir() else []
    if not logs or _is_whole(logs[-1]):
        return []
    torn = logs[-1]
    aside = torn.with_name(f"torn-{torn.name}-{uuid.uuid4().hex[:8]}")
    torn.rename(aside)
    _fsync(aside.parent)
    if len(logs) == 1:
        aside.unlink()
        (root / _LOG).rmdir()
    return [f"{torn.name} was cut off by a power loss and set aside: the run that wrote it never ended"]


def _is_whole(log: Path) -> bool:
    text = log.read_text(encoding="utf-8", errors="replace")
    try:
        return bool(text) and all(json.loads(line) for line in text.splitlines())
    except ValueError:
        return False


def _fsync_log(root: Path) -> None:
    """deltalake itself calls no fsync on a local disk."""
    log = root / _LOG
    for path in sorted(log.iterdir())[-3:]:
        if path.is_file():
            _fsync(path)
    _fsync(log)
    _fsync(root)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
