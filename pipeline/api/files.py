"""The files of exports as they are handed out: kept in the state, made again byte for byte where they are not there.

All of `made/` may be deleted at any time. What is handed out was held to the digest in the ledger.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.exports import export as exporting
from pipeline.exports import record

if TYPE_CHECKING:
    from pipeline.ledger.store import Store

_BLOCK = 1 << 20
#: bytes that are kept in all; beyond them what nobody asked for longest goes
MOST_KEPT = 4 << 30
#: seconds for which what was asked for stays in any case: it may be on its way
RECENT = 3_600.0


@dataclass(frozen=True)
class Held:
    """A file that may be handed out."""

    path: Path
    size: int
    sha256: str


class Made:
    """The files of exports. folder: of the state."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "made"
        self._locks: dict[int, threading.Lock] = {}
        self._known: dict[Path, tuple[tuple[int, int, int], str]] = {}
        self._guard = threading.Lock()

    def beside(self) -> Path:
        """An empty folder for files that are to be kept with `keep`."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Path(tempfile.mkdtemp(prefix=".", dir=self._folder))

    def keep(self, number: int, folder: Path) -> None:
        """Takes the folder of an export's files, in place of what was there."""
        place = self._folder / str(number)
        with self._lock(number):
            self._replace(place, folder)
        self._forget()

    def sweep(self) -> None:
        """Removes what a server that was killed has begun."""
        for path in self._folder.glob(".*") if self._folder.is_dir() else ():
            shutil.rmtree(path, ignore_errors=True)

    def held(self, store: Store, row: dict[str, Any], name: str) -> Held | None:
        """A file of a recorded export, made again where it is not there or not what the ledger says.

        row: the export's record. None where it has no file of that name. Raises: as `again`.
        """
        number, control = int(row["export_number"]), f"control_{row['export_number']}_"
        expected = record.files_of(row).get(name)
        if expected is None and not name.startswith(control):
            return None
        place = self._folder / str(number)
        with self._lock(number):
            found = self._as_said(place, record.files_of(row), name)
            if found is None:
                beside = self.beside()
                try:
                    exporting.again(store, number, beside)
                    self._replace(place, beside)
                finally:
                    shutil.rmtree(beside, ignore_errors=True)
                found = self._as_said(place, record.files_of(row), name)
            if found is not None:
                os.utime(place)
        self._forget()
        return found

    def control_sheet(self, row: dict[str, Any]) -> str | None:
        """The name of an export's control sheet, where its files are there."""
        found = sorted((self._folder / str(row["export_number"])).glob(f"control_{row['export_number']}_*.csv"))
        return found[0].name if found else None

    def _as_said(self, place: Path, files: dict[str, str], name: str) -> Held | None:
        # A name is only ever compared with those that are there: none leads out of the folder.
        path = {one.name: one for one in place.iterdir()}.get(name) if place.is_dir() else None
        if path is None or path.is_symlink() or not path.is_file():
            return None
        digest = self._digest(path)
        if name in files and digest != files[name]:
            return None
        return Held(path, path.stat().st_size, digest)

    def _digest(self, path: Path) -> str:
        stat = path.stat()
        seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        known = self._known.get(path)
        if known is not None and known[0] == seen:
            return known[1]
        digest = digest_of(path)
        self._known[path] = (seen, digest)
        return digest

    def _replace(self, place: Path, folder: Path) -> None:
        old = self.beside()
        if place.is_dir():
            place.replace(old / "old")
        folder.replace(place)
        shutil.rmtree(old, ignore_errors=True)

    def _forget(self) -> None:
        """Removes the files of exports that nobody asked for longest, where there are too many. They are made again."""
        places = {place: place.stat().st_mtime for place in self._folder.glob("[0-9]*")}
        sizes = {place: sum(file.stat().st_size for file in place.iterdir()) for place in places}
        left, long_ago = sum(sizes.values()), time.time() - RECENT
        for place in sorted(places, key=lambda place: places[place]):
            if left <= MOST_KEPT:
                return
            with self._lock(int(place.name)):
                if place.is_dir() and place.stat().st_mtime < long_ago:
                    shutil.rmtree(place, ignore_errors=True)
                    left -= sizes[place]

    def _lock(self, number: int) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(number, threading.Lock())


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, read a block at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
