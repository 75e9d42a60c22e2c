"""`lettrage deliver` killed at any moment, with a receiver that takes files away: none is lost, none arrives twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.support import expense, report

EXPORTS = 12
MOST = 60


class Receiver(threading.Thread):
    """Takes away, half of the time, what appears under a final name; notes how often each file came, and whether whole."""

    def __init__(self, folder: Path, sizes: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self.folder, self.sizes, self.stop = folder, sizes, threading.Event()
        self.taken: Counter[str] = Counter()
        self.broken: list[str] = []
        self.seen = 0
        self._names: set[str] = set()
        self._takes = random.Random(5)

    def run(self) -> None:
        while not self.stop.is_set():
            self.look()
            time.sleep(0.001)

    def look(self) -> None:
        there = list(self.folder.iterdir())
        names = {path.name for path in there}
        self.seen += len(names - self._names)
        self._names = names
        for path in there:
            if path.name.startswith("."):
                continue
            if path.stat().st_size != self.sizes[path.name]:
                self.broken.append(path.name)
            if self._takes.random() < 0.5:
                path.unlink()
                self.taken[path.name] += 1


@pytest.mark.slow
def test_killed_at_every_file_each_arrives_once(tmp_path: Path) -> None:
    place = Installation(tmp_path)
    sizes = {}
    for number in range(EXPORTS):
        name = f"R{number + 2}"
        place.company.run(expense_reports=[report(name)], expenses=[expense(name, expense=f"X{number + 9}")])
        made = place.export()
        for file in made["files"]:
            assert file["name"] not in sizes
            sizes[file["name"]] = file["bytes"]
    receiver = Receiver(place.received, sizes)
    receiver.start()
    chance = random.Random(7)
    command = [sys.executable, "-m", "pipeline.cli", "deliver", "--config", str(place.config)]
    killed = 0
    for _ in range(MOST):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # A file has been begun, or has appeared: from then on it is a matter of milliseconds.
        begun = receiver.seen
        while process.poll() is None and receiver.seen == begun:
            time.sleep(0.0005)
        time.sleep(chance.choice((0, 0.001, 0.003, 0.01, 0.03)))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        elif process.wait() == 0:
            break
        process.wait()
    assert killed >= EXPORTS
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    receiver.stop.set()
    receiver.join()
    there = {path.name for path in place.received.iterdir() if not path.name.startswith(".")}
    arrived = Counter(there) + receiver.taken
    assert receiver.broken == []
    assert arrived == Counter(dict.fromkeys(sizes, 1))
    rows = place.json("deliveries")["delivered"]
    assert Counter(row["file"] for row in rows) == arrived
    place.company.check()
