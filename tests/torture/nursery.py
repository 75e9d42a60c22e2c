"""Gives birth to `lettrage` commands: a process that has imported everything and done nothing forks one for each request.

Reads requests from stdin, a line of JSON each, and writes what becomes of them to stdout likewise. What starts is a
process of its own that runs the whole command from its arguments on; it is spared the second that imports take, so
that hundreds of them can be killed in the time of a test. `tests.torture.commands` is the other side.
"""

from __future__ import annotations

import _strptime  # noqa: F401 - with those below: what a command would only import once it runs
import ctypes
import json
import os
import resource
import selectors
import signal
import struct
import sys
import traceback
from pathlib import Path
from typing import Any

import hypothesis.strategies  # noqa: F401 - pandera imports it where it is installed
import pandera.backends.polars.register  # noqa: F401

import pipeline.cli
import pipeline.exports.export
import pipeline.ledger.check
import pipeline.ledger.dump
import pipeline.ledger.status
import pipeline.run
import pipeline.screen


def live(request: dict[str, Any], gate: int) -> None:
    """Is the command: waits at its gate, takes the limits it is given, and ends as `lettrage` would."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for number, name in ((1, "out"), (2, "err")):
        descriptor = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.read(gate, 1)
    if request["file_size"] is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does at its start
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_size"], request["file_size"]))
    if request["powerless"]:
        give_up_powers()
    code = 1
    try:
        pipeline.cli.main(request["arguments"], prog_name="lettrage")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def give_up_powers() -> None:
    """Gives up what root may do beyond what the rights of a file say (capset, of no capability)."""
    header = struct.pack("=Ii", 0x20080522, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, bytes(24)):
        raise OSError(ctypes.get_errno(), "capset")


def tell(**said: Any) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def serve() -> None:
    """Forks a process a request, opens its gate when told, and tells when it has ended and how."""
    gates: dict[str, int] = {}
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin.fileno(), selectors.EVENT_READ, None)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                line = sys.stdin.buffer.raw.readline()  # type: ignore[attr-defined]
                if not line:
                    return
                request = json.loads(line)
                if request["do"] == "open":
                    os.write(gates[request["name"]], b".")
                    continue
                gate, opener = os.pipe()
                child = os.fork()
                if child == 0:
                    os.close(opener)
                    live(request, gate)
                os.close(gate)
                gates[request["name"]] = opener
                selector.register(os.pidfd_open(child), selectors.EVENT_READ, (request["name"], child))
                tell(name=request["name"], pid=child)
            else:
                name, child = key.data
                _, status = os.waitpid(child, 0)
                selector.unregister(key.fd)
                os.close(key.fd)
                os.close(gates.pop(name))
                tell(name=name, code=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    serve()
