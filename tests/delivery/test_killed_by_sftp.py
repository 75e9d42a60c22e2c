"""`lettrage deliver` killed while it talks to OpenSSH, with a receiver that takes files away: each arrives once."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.servers import sshd
from tests.servers.parcels import Receiver
from tests.support import expense, report

EXPORTS, MOST = 4, 12


@pytest.mark.slow
def test_killed_while_it_uploads_each_file_arrives_once(tmp_path: Path) -> None:
    with sshd.running(tmp_path / "sshd") as server:
        place = Installation(tmp_path / "place")
        to = server.destination()
        bank = f'by = "sftp"\nhost = "{to.host}"\nport = {to.port}\nuser = "{to.user}"\nwait_seconds = 0\n'
        place.configure(bank=f'{bank}known_hosts = "{to.known_hosts}"\nkey_file = "{to.key_file}"')
        place.profile("journal", destinations=["bank"])
        digests = {}
        for number in range(EXPORTS):
            name = f"R{number + 2}"
            place.company.run(expense_reports=[report(name)], expenses=[expense(name, expense=f"X{number + 9}")])
            digests |= {file["name"]: file["sha256"] for file in place.export()["files"]}
        chance, killed = random.Random(3), 0
        command = [sys.executable, "-m", "pipeline.cli", "deliver", "--config", str(place.config)]
        with Receiver(server.root, takes=True) as receiver:
            for _ in range(MOST):
                process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                before = {path.name for path in server.root.iterdir()}, len(receiver.seen)
                while process.poll() is None:
                    if ({path.name for path in server.root.iterdir()}, len(receiver.seen)) != before:
                        break
                    time.sleep(0.0005)
                time.sleep(chance.choice((0, 0.001, 0.003, 0.01, 0.05, 0.2)))
                if process.poll() is None:
                    process.kill()
                    killed += 1
                elif process.wait() == 0:
                    break
                process.wait()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        assert killed >= EXPORTS
        assert sorted(receiver.seen) == sorted(digests.items())
        assert [path.name for path in server.root.iterdir() if path.name.startswith(".")] == []
        rows = place.json("deliveries")["delivered"]
        assert Counter(row["file"] for row in rows) == Counter(list(digests))
        place.company.check()
