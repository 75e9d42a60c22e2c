"""Parcels for tests, the steps of one in memory, and a receiver that watches what appears."""

from __future__ import annotations

import hashlib
import random
import threading
from pathlib import Path
from typing import Self

from pipeline.delivery.parcel import Channel, Parcel, ParcelFile, Receipt
from pipeline.errors import TryAgainError

FACTS = {
    "subject": "export 12",
    "legal_entity": "FR01",
    "entity_name": "Alpha",
    "profile": "csv",
    "year": "2026",
    "month": "01",
    "period": "2026-01",
    "export": "12",
    "entries": "3",
}


def parcel(folder: Path, files: dict[str, bytes], delivery: str = "d1", **facts: str) -> Parcel:
    """A parcel of these files, which are written to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, content in files.items():
        path = folder / f"{delivery}-{len(made)}"
        path.write_bytes(content)
        made.append(ParcelFile(name, path, len(content), hashlib.sha256(content).hexdigest()))
    whole = hashlib.sha256(delivery.encode()).hexdigest()
    return Parcel(whole, "export 12", "there", tuple(made), {**FACTS, **facts})


def content(size: int, seed: int = 1) -> bytes:
    """Bytes that are the same for the same seed."""
    return random.Random(seed).randbytes(size)


class Steps:
    """Steps in memory. log: all that was said, in order."""

    def __init__(self, **steps: str) -> None:
        self.steps: dict[str, str] = dict(steps)
        self.receipts: dict[str, Receipt] = {}
        self.log: list[tuple[str, str]] = []

    def get(self, file: str) -> str | None:
        return self.steps.get(file)

    def say(self, file: str, step: str) -> None:
        self.steps[file] = step
        self.log.append((file, step))

    def receipt(self, file: str) -> Receipt | None:
        return self.receipts.get(file)

    def arrived(self, receipt: Receipt) -> None:
        assert receipt.file not in self.receipts, "a receipt is written once"
        self.receipts[receipt.file] = receipt

    @property
    def answers(self) -> dict[str, str]:
        return {name: receipt.answer for name, receipt in self.receipts.items()}


def until_done(channel: Channel, parcel: Parcel, steps: Steps, most: int = 50) -> int:
    """Tries again as long as that may help; gives the number of attempts."""
    for attempt in range(1, most + 1):
        try:
            channel.deliver(parcel, steps)
        except TryAgainError:
            continue
        return attempt
    raise AssertionError(f"not done after {most} attempts")


class Receiver:
    """Looks at a folder all the time, and at once at each file that appears in it under a final name.

    takes: removes the file as soon as it is there. seen: name and SHA-256 of each file, as often as it appeared.
    """

    def __init__(self, folder: Path, *, takes: bool) -> None:
        self._folder, self._takes = folder, takes
        self.seen: list[tuple[str, str]] = []
        self._there: set[tuple[str, int]] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(0.002):
            self._look()

    def _look(self) -> None:
        for path in self._folder.iterdir():
            if path.name.startswith("."):
                continue
            key = (path.name, path.stat().st_ino)
            if key in self._there:
                continue
            self.seen.append((path.name, hashlib.sha256(path.read_bytes()).hexdigest()))
            if self._takes:
                path.unlink()
            else:
                self._there.add(key)
