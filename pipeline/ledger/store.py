"""The ledger store: Parquet segments under one Delta log (docs/store.md says why).

One Delta table, partitioned by `kind`. A run writes its segments under names that nobody looks for, then one commit
makes all of them visible; nothing is changed in place. The Delta schema is the union of the kinds' columns, so a column
has one type over all kinds. Readers take the file list of a version from the log and need no lock.

A segment is called after the runs whose rows it holds and the SHA-256 of its content: whoever reads one can tell
whether it is what was written.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import time
from bisect import bisect_left, bisect_right
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deltalake import CommitProperties, DeltaTable, Field, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction, RemoveAction

from pipeline.errors import ReplacedError, StoreBusyError, StoreError, first_line
from pipeline.ledger import log
from pipeline.ledger.disk import is_unfinished
from pipeline.ledger.place import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    import duckdb
    import polars as pl
    import pyarrow as pa

    from pipeline.ledger.place import Place

#: of the store's layout. A store of a higher one is refused: its writer knew something that is not known here
FORMAT = 2
_FORMAT_KEY = "lettrage.format"
_APP = "lettrage"
_CONFIGURATION = {
    "delta.enableExpiredLogCleanup": "false",
    # Checkpoints are made here, once the commit that they hold is on the disk.
    "delta.checkpointInterval": "1000000000",
    _FORMAT_KEY: str(FORMAT),
}
#: rows of a row group
ROW_GROUP = 122_880
_MEND_WRITE = "make room or mend its rights, then give the command again: the ledger is as it was"
_MEND_TYPE = "use the version of lettrage that wrote it: the ledger is as it was"
_MEND_READ = "restore the store from a back-up: this ledger cannot be read whole"
#: seconds for which a replaced segment stays on disk, so that a reader who has its name can still open it
GRACE = 3600.0
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
#: how long the digest in a name is; shorter ones are names that format 1 gave at random
_SHA256 = 64
_SEGMENT = re.compile(r"kind=([^/]+)/(\d{8,})-(?:(\d{8,})-)?([0-9a-f]{32}|[0-9a-f]{64})(?:-\d+)?\.parquet\Z")


@dataclass(frozen=True)
class Segment:
    """A file of a kind. first, last: the runs whose rows it holds. digest: SHA-256, None where its name has none."""

    name: str
    size: int
    kind: str
    first: int
    last: int
    digest: str | None

    @classmethod
    def of(cls, name: str, size: int) -> Segment:
        """Reads the name of a segment. Raises: StoreError for another file's."""
        found = _SEGMENT.match(name)
        if found is None:
            raise StoreError("the log names a file that is no segment", where=name, mend=_MEND_READ)
        kind, first, last, digest = found.groups()
        return cls(name, size, kind, int(first), int(last or first), digest if len(digest) == _SHA256 else None)


@dataclass(frozen=True)
class Written:
    """A segment that is on the disk and that no commit names yet. schema: its columns and their types."""

    name: str
    size: int
    rows: int
    schema: pa.Schema


class Store:
    """A ledger store as of one version of its log.

    place: where its files are. version: of the log, -1 where nothing is committed yet. run: the last one, 0 for none.
    """

    def __init__(self, place: Place, table: DeltaTable | None, names: Mapping[str, int]) -> None:
        self.place = place
        self._table = table
        self.version = -1 if table is None else table.version()
        self.run = 0 if table is None else (table.transaction_version(_APP) or 0)
        self.format = FORMAT if table is None else _format_of(table)
        #: the files that were there before the log was read
        self.names = names
        self._segments: dict[str, list[Segment]] = {}
        for segment in [] if table is None else _segments(table):
            self._segments.setdefault(segment.kind, []).append(segment)
            if names.get(segment.name) != segment.size:
                raise StoreError(
                    "a segment that the log names is missing or has another size",
                    where=place.shown(segment.name),
                    mend=_MEND_READ,
                )

    def axes(self) -> list[str]:
        """The `axis_<axis>` columns of entry lines, by name: of every axis that a line ever bore."""
        fields = [] if self._table is None else self._table.schema().fields
        return sorted(field.name for field in fields if field.name.startswith("axis_"))

    @classmethod
    def open(cls, root: Path | str, *, create: bool = False) -> Store:
        """Opens the store in a directory or at `s3://bucket/prefix`.

        With `create` a place that is empty or not there yet is a store without runs. Raises: StoreError with a sentence
        for what is no store of ours, or is broken.
        """
        return cls.at(place_of(root), create=create)

    @classmethod
    def at(cls, place: Place, *, create: bool = False) -> Store:
        """Opens the store of a place: see `open`."""
        if place.exists() and not place.is_directory():
            raise StoreError("this is a file, and a ledger is a directory", where=str(place), mend="name another place")
        head = log.read_head(place) or log.Head()
        names = place.sizes()
        last, _ = log.last_version(place, names, head)
        if last < 0:
            if any(not _is_litter(place, name) for name in names):
                raise StoreError(
                    "this place holds other files and no ledger", where=str(place), mend="name another directory"
                )
            if log.COPY in names:
                raise StoreError(
                    "a copy to this place was begun and not finished", where=str(place), mend="give its command again"
                )
            if not create:
                raise StoreError("there is no ledger store here", where=str(place), mend="make one with `lettrage run`")
            return cls(place, None, names)
        log.verify_tail(place, names, last, head)
        return cls(place, _load(place, last), names)

    def segments(self, kind: str) -> list[Segment]:
        """The segments of a kind, by name: names begin with the first run whose rows they hold."""
        return self._segments.get(kind, [])

    def kinds(self) -> list[str]:
        """The kinds that have segments."""
        return sorted(self._segments)

    def files(self, kind: str, *, first: int = 0, last: int | None = None) -> list[str]:
        """What to open to read a kind's rows of the runs from `first` to `last`, by name; rows of others come along."""
        return [
            self.place.at(segment.name)
            for segment in self.segments(kind)
            if segment.last >= first and (last is None or segment.first <= last)
        ]

    def commits(self) -> Iterator[log.Commit]:
        """The commits, the last one first."""
        return log.read_commits(self.place, self.version)

    def is_older_format(self) -> bool:
        """Whether an older version of lettrage made the store."""
        return self.format < FORMAT

    def segments_of(self, kind: str, runs: Iterable[int]) -> list[Segment]:
        """The segments of a kind that hold rows of some of these runs."""
        told = sorted(set(runs))
        return [one for one in self.segments(kind) if bisect_left(told, one.first) < bisect_right(told, one.last)]

    def verify(self, kinds: Iterable[str] | None = None) -> None:
        """Reads segments and holds them to their digests: what was changed is not data.

        kinds: theirs alone. Raises: StoreError naming the first that is not what was written.
        """
        self.verify_segments(one for kind in (self.kinds() if kinds is None else kinds) for one in self.segments(kind))

    def verify_segments(self, segments: Iterable[Segment]) -> None:
        """As `verify`, of some segments. What a reader opens is there afterwards, also where the store is far away."""
        for name in self._broken(list(segments), self.place.holds):
            raise self._unreadable(name)

    def verify_unseen(self, segments: list[Segment]) -> None:
        """As `verify_segments`, of segments that no commit names yet.

        Raises: StoreBusyError where another writer's commit has had them cleared away, else StoreError.
        """
        for name in self._broken(segments, self.place.holds):
            if not self.place.has_lock and Store.at(self.place).version > self.version:
                raise came_in_between(self.place, "they came first")
            raise StoreError(
                "a segment that this run wrote is missing or was changed",
                where=self.place.shown(name),
                mend="give the command again: the ledger is as it was",
            )

    def _unreadable(self, name: str) -> StoreError:
        """What to say of a segment that is not what was written, or not there any more."""
        now = Store.at(self.place)
        if now.version > self.version and name not in {one.name for one in now.segments(_kind_of(name))}:
            return ReplacedError(
                "a file was replaced while the ledger was read", where=str(self.place), mend="give the command again"
            )
        return StoreError(
            "a segment is not what was written: it was changed or damaged",
            where=self.place.shown(name),
            mend=_MEND_READ,
        )

    def broken_segments(self, segments: Iterable[Segment] | None = None) -> list[str]:
        """Reads segments, all in force if none are given; names those that are not what was written, to the byte.

        They are read where the store is, whatever copies of them there are.
        """
        read = list(segments) if segments is not None else [one for kind in self.kinds() for one in self.segments(kind)]
        return self._broken(read, self._has_digest)

    def broken_files(self) -> list[tuple[str, str]]:
        """Names the files beside the segments that are not what was written, with what is wrong with each."""
        head = log.read_head(self.place)
        names = self.place.sizes()
        found = [(log.HEAD, "is not what was written")] if head is None else []
        known = head or log.Head()
        found += log.broken_files(self.place, self.version, 0, known)
        return found + list(log.broken_checkpoints(self.place, names, known))

    @contextmanager
    def writing(self, wait: float = 10.0) -> Iterator[Writer]:
        """Takes the lock, looks at the log anew, and gives the one writer. The system drops the lock of a dead process.

        Raises: StoreBusyError where another process holds the lock for longer than `wait` seconds.
        """
        with self.place.locked(wait):
            if log.COPY in self.place.sizes():
                raise StoreError(
                    "this is a back-up, or a copy that was not finished, and no ledger to write to",
                    where=str(self.place),
                    mend="make a ledger of it with `lettrage restore`, or finish the copy by giving its command again",
                )
            notes = _set_aside_torn_files(self.place)
            writer = Writer(Store.at(self.place, create=True), notes)
            if self.place.has_lock:
                writer.sweep()
            yield writer

    def _broken(self, segments: list[Segment], is_good: Callable[[str, str | None], bool]) -> list[str]:
        expected = {segment.name: segment.digest for segment in segments}
        if None in expected.values():
            expected = {**self._digests_in_log(), **{name: digest for name, digest in expected.items() if digest}}
        names = [segment.name for segment in segments]
        with ThreadPoolExecutor() as pool:
            found = list(pool.map(is_good, names, [expected.get(name) for name in names]))
        return [name for name, good in zip(names, found, strict=True) if not good]

    def _has_digest(self, name: str, digest: str | None) -> bool:
        try:
            return self.place.digest(name) == digest
        except OSError:
            return False

    def _digests_in_log(self) -> dict[str, str]:
        """The digests that stores of format 1 keep in their commits."""
        digests: dict[str, str] = {}
        for commit in self.commits():
            digests |= json.loads(commit.info.get(log.SEGMENTS, "{}"))
        return digests


class Writer:
    """What one run adds. Segments written are on disk and unseen until `commit`; a run that ends before leaves litter.

    notes: what was found and put right when the store was opened.
    """

    def __init__(self, store: Store, notes: list[str]) -> None:
        self.store = store
        self.notes = notes
        self._added: dict[str, tuple[int, int]] = {}
        self._retired: dict[str, int] = {}
        self._fields: dict[str, pa.DataType] = {}
        self._columns: dict[str, dict[str, None]] = {}

    def write(
        self,
        kind: str,
        data: duckdb.DuckDBPyRelation | pl.DataFrame,
        *,
        runs: tuple[int, int] | None = None,
        row_group: int = ROW_GROUP,
    ) -> int:
        """Writes rows of a kind in the order in which they come; returns how many. No rows make no segment.

        runs: the first and last run whose rows they are; the next run's where it is not given. row_group: rows.
        """
        written = write_segment(
            self.store.place,
            kind,
            data,
            runs=runs or (self.store.run + 1, self.store.run + 1),
            row_group=row_group,
            taken=self._added,
        )
        if written is None:
            return 0
        self._add(kind, written)
        return written.rows

    def take(self, segments: Iterable[Written]) -> None:
        """Has the next commit name segments that were written by `write_segment`, here or on another machine.

        Raises: StoreError where one is not there as it was written, or a column has not the type that it has elsewhere.
        """
        taken = list(segments)
        # What another machine has put into a bucket is brought by this.
        self.store.verify_unseen([Segment.of(written.name, written.size) for written in taken])
        for written in taken:
            self._add(_kind_of(written.name), written)

    def _add(self, kind: str, written: Written) -> None:
        self._take_fields(kind, written.schema)
        self._added[written.name] = (written.size, written.rows)

    def forget(self) -> None:
        """Begins anew: what was written and no commit names is left to the next sweep."""
        self._added.clear()
        self._retired.clear()
        self._fields.clear()
        self._columns.clear()

    def written(self, kind: str) -> list[str]:
        """What to open to read what this writer has written of a kind and not committed."""
        return [self.store.place.at(name) for name in self._added if _kind_of(name) == kind]

    def kinds(self) -> list[str]:
        """The kinds of which something is written and not committed."""
        return sorted({_kind_of(name) for name in self._added})

    def columns(self, kind: str) -> list[str]:
        """The columns of what is written of a kind and not committed."""
        return list(self._columns.get(kind, {}))

    def row_count(self, kind: str) -> int:
        """How many rows of a kind are written and not committed."""
        return sum(rows for name, (_, rows) in self._added.items() if _kind_of(name) == kind)

    def bytes_written(self, kind: str) -> int:
        """The size of what is written of a kind and not committed."""
        return sum(size for name, (size, _) in self._added.items() if _kind_of(name) == kind)

    def replace(self, kind: str) -> None:
        """Puts what the kind held before out of force: this commit's segments are all of it."""
        self.retire(self.store.segments(kind))

    def retire(self, segments: Iterable[Segment]) -> None:
        """Puts segments out of force with this commit."""
        self._retired |= {segment.name: segment.size for segment in segments}

    def pending(self, run: int) -> Store:
        """The store as `commit` would leave it with this run: of the same version, with what is written and unseen."""
        made = [Segment.of(name, size) for name, (size, _) in self._added.items()]
        kept = [
            one for kind in self.store.kinds() for one in self.store.segments(kind) if one.name not in self._retired
        ]
        store = copy.copy(self.store)
        store.run, store._segments = run, {}  # noqa: SLF001 - a store of ours, made anew
        for segment in sorted([*kept, *made], key=lambda one: one.name):
            store._segments.setdefault(segment.kind, []).append(segment)  # noqa: SLF001 - the same
        return store

    def commit(self, run: int | None, metadata: Mapping[str, str], *, changes_data: bool = True) -> None:
        """Makes everything written visible in one step, and durable before it returns.

        changes_data: False where rows are only held in other files than before.
        Raises: StoreBusyError where another writer came in between; nothing is visible then.
        """
        place = self.store.place
        try:
            place.durable(self._added)
            version = self._commit(run, metadata, changes_data=changes_data)
        except (DeltaError, OSError) as error:  # a commit that failed is a DeltaError
            found = None if place.has_lock else self._found_commit()
            if found is None:
                if isinstance(error, CommitFailedError):
                    raise came_in_between(place, place.told(error)) from None
                raise _log_cannot_be_written(place, error) from None
            version = found
        try:
            place.durable([log.name_of(version)], content=True)
        except OSError as error:
            raise StoreError(
                f"what was written is in the ledger, and the disk does not say that it lasts ({first_line(error)})",
                where=place.shown(log.name_of(version)),
                mend="mend the disk, then look with `lettrage check` and `lettrage status` before giving it again",
            ) from None
        self._acknowledge(version)
        self._look_anew()
        self.forget()

    def upgrade(self) -> None:
        """Says of a store of an older format that it has today's. Raises: as `commit`."""
        place, version = self.store.place, self.store.version
        try:
            _load(place, version).alter.set_table_properties(
                dict(_CONFIGURATION),
                raise_if_not_exists=False,
                commit_properties=self._properties(version, {}),
                post_commithook_properties=_NO_HOOKS,
            )
            place.durable([log.name_of(version + 1)], content=True)
        except CommitFailedError as error:
            raise came_in_between(place, place.told(error)) from None
        except (DeltaError, OSError) as error:
            raise _log_cannot_be_written(place, error) from None
        self._acknowledge(version + 1)
        self._look_anew()

    def _found_commit(self) -> int | None:
        """The version that holds what was written, if there is one: a server's answer may be lost on its way.

        Only where no other writer's segments can have the names of this one's. Raises: StoreError where the log cannot
        be read either.
        """
        place = self.store.place
        try:
            versions = [version for version in log.versions(place.sizes()) if version > self.store.version]
            commits = [log.read_commit(place, version) for version in versions]
        except StoreError as error:
            raise StoreError(
                f"no answer to the commit came back: it may be in the ledger or not ({error.what})",
                where=str(place),
                mend="give the command again later: what is in the ledger is not posted twice",
            ) from None
        added = set(self._added)
        return next((commit.version for commit in commits if added and added <= commit.added), None)

    def _look_anew(self) -> None:
        """Opens the store as the commit has left it. Where there is no lock, this is the moment to sweep.

        The commit is in: whatever goes wrong from here on is a note.
        """
        before = self.store.names
        try:
            self.store = Store.at(self.store.place)
            if not self.store.place.has_lock:
                # What was there before this commit is of writers that began before it, and none of them can commit
                # any more: the log has another file where theirs was to be.
                self.sweep(before)
        except StoreError as error:
            self.notes.append(f"the run is in the ledger; it could not be looked at again ({error.what})")

    def sweep(self, names: Iterable[str] | None = None) -> None:
        """Removes what no version names: segments of runs that were killed, and those put out of force long ago.

        names: of these files alone.
        """
        place = self.store.place
        named = {segment.name for kind in self.store.kinds() for segment in self.store.segments(kind)}
        names = place.sizes() if names is None else names
        strangers = [name for name in names if name not in named and _is_sweepable(name)]
        if any(name.startswith("kind=") for name in strangers):
            named |= _recently_retired(self.store)
        place.remove(name for name in strangers if name not in named)

    def _take_fields(self, kind: str, schema: pa.Schema) -> None:
        self._columns.setdefault(kind, {}).update(dict.fromkeys(schema.names))
        for field in schema:
            written = _plain(field.type)
            if self._fields.setdefault(field.name, written) != written:
                raise StoreError(
                    f"column {field.name} of {kind} is {written}, elsewhere {self._fields[field.name]}: "
                    "a column has one type over all kinds",
                    where=str(self.store.place),
                    mend="report this as a fault of lettrage: the ledger is as it was",
                )

    def _commit(self, run: int | None, metadata: Mapping[str, str], *, changes_data: bool) -> int:
        table = self._table()
        version = table.version()
        now = int(time.time() * 1000)
        actions: list[AddAction | RemoveAction] = [
            AddAction(
                path=name,
                size=size,
                partition_values={"kind": _kind_of(name)},
                modification_time=now,
                data_change=changes_data,
                stats=json.dumps({"numRecords": rows}),
            )
            for name, (size, rows) in self._added.items()
        ]
        actions += [
            RemoveAction(
                path=name,
                data_change=changes_data,
                deletion_timestamp=now,
                size=size,
                partition_values={"kind": _kind_of(name)},
            )
            for name, size in self._retired.items()
        ]
        transactions = [Transaction(_APP, run)] if run is not None else []
        table.create_write_transaction(
            actions,
            "append",
            table.schema(),
            partition_by=["kind"],
            commit_properties=self._properties(
                version,
                {**metadata, log.ACTIONS: str(len(actions) + len(transactions))},
                transactions,
            ),
            post_commithook_properties=_NO_HOOKS,
        )
        return version + 1

    def _properties(
        self, version: int, metadata: Mapping[str, str], transactions: list[Transaction] | None = None
    ) -> CommitProperties:
        """What a commit after a version says of itself, which the log file of that version is part of."""
        previous = {} if version < 0 else {log.PREVIOUS: log.read_commit(self.store.place, version).digest}
        return CommitProperties(
            custom_metadata={**metadata, **previous}, app_transactions=transactions or [], max_commit_retries=0
        )

    def _acknowledge(self, version: int) -> None:
        """Writes the head, and a checkpoint before it where one is due: both can be lost without losing anything."""
        place = self.store.place
        try:
            names = place.sizes()
            made = log.checkpoints(names)
            if version - max(made, default=0) >= place.checkpoint_every:
                self._write_head(version, names)
                DeltaTable(place.address, version=version, storage_options=dict(place.options)).create_checkpoint()
                names = place.sizes()
                place.durable([log.checkpoints(names)[version], log.LAST_CHECKPOINT], content=True)
            self._write_head(version, names)
        except (DeltaError, OSError, KeyError, StoreError) as error:
            said = error.what if isinstance(error, StoreError) else place.told(error)
            self.notes.append(f"the run is in the ledger; what opens it faster was not written ({said})")

    def _write_head(self, version: int, names: Mapping[str, int]) -> None:
        place = self.store.place
        newest = max(log.checkpoints(names).items(), default=None)
        vouched = [log.name_of(version), *([newest[1]] if newest else [])]
        vouched += [log.LAST_CHECKPOINT] if log.LAST_CHECKPOINT in names else []
        log.write_head(place, log.Head(version, {name: log.digest_of(place.read(name)) for name in vouched}))

    def _table(self) -> DeltaTable:
        """The table with a column for every field written: a wider schema in the commit itself would be lost."""
        import pyarrow as pa  # noqa: PLC0415 - as in write_segment

        place, version = self.store.place, self.store.version
        fields = {name: Field.from_arrow(pa.field(name, kind)) for name, kind in self._fields.items()}
        if version < 0:
            if log.versions(place.sizes()):
                raise CommitFailedError("another writer made the ledger")
            try:
                table = DeltaTable.create(
                    place.address,
                    Schema([Field("kind", PrimitiveType("string")), *fields.values()]),
                    partition_by=["kind"],
                    configuration=_CONFIGURATION,
                    storage_options=dict(place.options),
                    commit_properties=self._properties(-1, {}),
                    post_commithook_properties=_NO_HOOKS,
                    raise_if_key_not_exists=False,
                )
            except DeltaError:
                if log.versions(place.sizes()):  # deltalake says in its own words that there is one already
                    raise CommitFailedError("another writer made the ledger") from None
                raise
            place.durable([log.name_of(0)], content=True)
            return table
        table = _load(place, version)
        known = {field.name: field for field in table.schema().fields}
        for name, field in fields.items():
            if name in known and str(known[name].type) != str(field.type):
                raise StoreError(
                    f"column {name} is {known[name].type} in the store, not {field.type}",
                    where=str(place),
                    mend=_MEND_TYPE,
                )
        new = [field for name, field in fields.items() if name not in known]
        if new:
            # deltalake tries this again on top of what came in between: then the version tells.
            table.alter.add_columns(
                new, commit_properties=self._properties(version, {}), post_commithook_properties=_NO_HOOKS
            )
            place.durable([log.name_of(version + 1)], content=True)
            table = _load(place, None)
            if table.version() != version + 1:
                raise CommitFailedError("a commit came in between")
        return table


def write_segment(
    place: Place,
    kind: str,
    data: duckdb.DuckDBPyRelation | pl.DataFrame,
    *,
    runs: tuple[int, int],
    row_group: int = ROW_GROUP,
    taken: Collection[str] = (),
) -> Written | None:
    """Writes rows of a kind to a place, in the order in which they come; None where there are none.

    No reader sees them before a writer has taken them and committed. runs: the first and last run whose rows they are.
    taken: names that are given. Raises: StoreError where the place cannot be written.
    """
    # Those who only read a ledger do without these, which take a fifth of a second to load.
    import duckdb  # noqa: PLC0415
    import polars as pl  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    first, last = runs
    try:
        path = place.begin(f"kind={kind}")
    except OSError as error:
        raise _cannot_write(kind, error, place.at(f"kind={kind}")) from None
    try:
        if isinstance(data, pl.DataFrame):
            data.write_parquet(path, compression="zstd", row_group_size=row_group)
        else:
            _write_rows(path, data, row_group)
        with pq.ParquetFile(path) as segment:
            rows = int(segment.metadata.num_rows)
            schema = segment.schema_arrow
        if not rows:
            return None
        size = path.stat().st_size
        stem = f"kind={kind}/{first:08d}-{last:08d}-{_digest(path)}"
        # A second one of the same rows in the same commit is told by a number.
        count = sum(name.startswith(stem) for name in taken)
        number = f"{place.writer_mark}{count + 1 if count else ''}"
        name = f"{stem}-{number}.parquet" if number else f"{stem}.parquet"
        place.finish(path, name)
    except (OSError, pa.ArrowException, pl.exceptions.PolarsError, duckdb.IOException) as error:
        raise _cannot_write(kind, error, str(path)) from None
    finally:
        path.unlink(missing_ok=True)
    return Written(name, size, rows, schema)


def _write_rows(path: Path, data: duckdb.DuckDBPyRelation, row_group: int) -> None:
    """Writes what a query gives, as it comes: pyarrow looks at a cell once where DuckDB's own writer looks twice.

    Raises: OSError, ArrowException, duckdb.OutOfMemoryException.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - as in write_segment

    from pipeline.sql import batches  # noqa: PLC0415 - the same

    reader = data.to_arrow_reader(row_group)
    with pq.ParquetWriter(
        path, reader.schema, compression="zstd", store_schema=False, store_decimal_as_integer=True
    ) as writer:
        for batch in batches(reader):
            writer.write_batch(batch, row_group_size=row_group)


def _load(place: Place, version: int | None) -> DeltaTable:
    """Reads the log up to a version (None: the last). Raises: StoreError where it cannot be read, or is not ours."""
    try:
        try:
            table = DeltaTable(place.address, version=version, storage_options=dict(place.options))
        except DeltaError:
            if not _set_aside_torn_checkpoints(place):
                raise
            table = DeltaTable(place.address, version=version, storage_options=dict(place.options))
        _format_of(table)
    except (TableNotFoundError, DeltaError, OSError, ValueError) as error:
        raise StoreError(
            f"the log of this ledger cannot be read ({place.told(error)})",
            where=place.shown(log.FOLDER),
            mend="restore the store from a back-up",
        ) from None
    return table


def _format_of(table: DeltaTable) -> int:
    """The format of a store. Raises: StoreError for another table, or a format that is not known here."""
    found = table.metadata().configuration.get(_FORMAT_KEY)
    if found is None or not found.isdigit():
        raise StoreError("this is a Delta table, and no ledger", where=table.table_uri, mend="name another directory")
    if int(found) > FORMAT:
        raise StoreError(
            f"this ledger has format {found}, and this version of lettrage reads formats up to {FORMAT}",
            where=table.table_uri,
            mend="install the version that wrote it, or a later one",
        )
    return int(found)


def _is_litter(place: Place, name: str) -> bool:
    """Whether a file is what a first run that was killed may have left."""
    return (
        place.is_lock(name)
        or name.startswith("kind=")
        or name in (log.name_of(0), log.HEAD, log.COPY)
        or log.is_torn(name)
        or log.is_unnamed_commit(name)
        or is_unfinished(name)
    )


def _is_sweepable(name: str) -> bool:
    return name.startswith("kind=") or log.is_unnamed_commit(name) or is_unfinished(name)


def _segments(table: DeltaTable) -> list[Segment]:
    actions = table.get_add_actions(flatten=True)
    names, sizes = actions["path"].to_pylist(), actions["size_bytes"].to_pylist()
    return [Segment.of(name, size) for name, size in sorted(zip(names, sizes, strict=True))]


def _kind_of(name: str) -> str:
    return name.split("/", 1)[0].removeprefix("kind=")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type as the log knows it: one kind of text, one kind of instant."""
    import pyarrow as pa  # noqa: PLC0415 - as in write_segment

    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return kind


def _recently_retired(store: Store) -> set[str]:
    """The segments that commits of the last hour put out of force: a reader may still hold their names."""
    retired: set[str] = set()
    since = time.time() - GRACE
    for commit in store.commits():
        if store.place.modified(commit.name) < since:
            break
        retired |= commit.removed
    return retired


def _set_aside_torn_files(place: Place) -> list[str]:
    """Moves an unreadable last log file out of the way: it is of a run that was never acknowledged (power loss)."""
    head = log.read_head(place) or log.Head()
    _, torn = log.last_version(place, place.sizes(), head)
    if torn is None:
        return []
    try:
        place.set_aside(torn)
    except OSError as error:
        raise _log_cannot_be_written(place, error) from None
    short = torn.rpartition("/")[2]
    return [f"{short} was cut off by a power loss and set aside: the run that wrote it never ended"]


def _set_aside_torn_checkpoints(place: Place) -> bool:
    """Moves checkpoints cut off by a power loss out of the way: they only spare reading the log, which is kept."""
    names = place.sizes()
    torn = [name for name in log.checkpoints(names).values() if not _is_parquet(place, name)]
    for name in torn:
        place.set_aside(name)
    if torn:
        place.remove([log.LAST_CHECKPOINT])
    return bool(torn)


def _is_parquet(place: Place, name: str) -> bool:
    import pyarrow as pa  # noqa: PLC0415 - as in write_segment
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        pq.read_table(pa.BufferReader(place.read(name)))
    except (pa.ArrowException, OSError):
        return False
    return True


def _cannot_write(kind: str, error: BaseException, where: str) -> StoreError:
    return StoreError(f"a segment of {kind} cannot be written ({first_line(error)})", where=where, mend=_MEND_WRITE)


def came_in_between(place: Place, said: str) -> StoreBusyError:
    """What to say where another writer's commit came first. said: how that was found."""
    return StoreBusyError(
        f"another writer changed the ledger meanwhile ({said})",
        where=str(place),
        mend="give the command again",
    )


def _log_cannot_be_written(place: Place, error: BaseException) -> StoreError:
    return StoreError(
        f"the log cannot be written ({place.told(error)})", where=place.shown(log.FOLDER), mend=_MEND_WRITE
    )
