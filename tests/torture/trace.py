"""The file operations of a command, as the system sees them: recorded in order, or killed after the nth.

strace tells each system call that changes a file. To kill at a point each of them is followed by a short pause,
in which the process can do nothing: what the harness reads is then where the process is.
"""

from __future__ import annotations

import codecs
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.torture.commands import Command

#: system calls that change a file or a directory
_CHANGING = [
    *("write", "pwrite64", "writev", "pwritev", "pwritev2", "ftruncate", "truncate", "fallocate"),
    *("fsync", "fdatasync", "sync_file_range", "copy_file_range", "sendfile", "splice"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    *("unlink", "unlinkat", "rmdir", "mkdir", "mkdirat"),
]
#: and those that tell where the next write goes
_PLACING = ["openat", "open", "creat", "lseek"]
_PAUSE = 3000  # microseconds, in which the harness reads a line and kills
_STRING = r'"((?:[^"\\]|\\.)*)"(?:\.\.\.)?'
_LINE = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+)(?:<(.*?)>)?(?:\s.*)?$", re.DOTALL)


@dataclass(frozen=True)
class Operation:
    """One change of one file: `create`, `write`, `truncate` (to `offset`), `sync`, `link`, `rename`, `unlink`, `mkdir`, `rmdir`.

    path, to: relative to the directory that was watched; "" is that directory. data: what a write wrote at `offset`.
    """

    call: str
    path: str
    to: str = ""
    offset: int = 0
    data: bytes = b""

    def __str__(self) -> str:
        size = f" {len(self.data)} bytes at {self.offset}" if self.call == "write" else ""
        return f"{self.call} {self.path}{size}{' to ' + self.to if self.to else ''}"


@cache
def why_no_trace() -> str | None:
    """Why commands cannot be traced here; None where they can."""
    if shutil.which("strace") is None:
        return "strace is not installed: make system-packages, or the package strace"
    tried = subprocess.run(["strace", "-f", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return f"strace does not work here: {tried.stderr.strip()[:200]}" if tried.returncode else None


def operations(command: Command, root: Path) -> list[Operation]:
    """Lets a held command run to its end and returns what it did to files under `root`, in order."""
    return list(_watched(command, root, paused=False))


def kill_after(command: Command, root: Path, count: int) -> list[Operation]:
    """Lets a held command run, and kills it after its nth operation under `root`; returns what it did (no data).

    With 0 it is killed before it does anything. A thread of its own may do one more, and then that is in the list.
    """
    done: list[Operation] = []
    if count == 0:
        command.kill()
        return done
    for operation in _watched(command, root, paused=True):
        done.append(operation)
        if len(done) == count:
            command.kill()
    return done


def _watched(command: Command, root: Path, *, paused: bool) -> Iterator[Operation]:
    reading, writing = os.pipe()
    changing, placing = (",".join(f"?{name}" for name in names) for names in (_CHANGING, _PLACING))
    options = ["-f", "-y", "-q", "-e", f"trace={changing},{placing}", "-e", "signal=none"]
    options += ["-s", "4096", f"--inject={changing}:delay_exit={_PAUSE}"] if paused else ["-s", "100000000"]
    with subprocess.Popen(
        ["strace", *options, "-o", f"/dev/fd/{writing}", "-p", str(command.pid)],
        pass_fds=[writing],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as tracer:
        os.close(writing)
        _wait_for_tracer(tracer, command.pid)
        command.open()
        with os.fdopen(reading, "rb") as lines:
            yield from _parsed(lines, root)


def _wait_for_tracer(tracer: subprocess.Popen[bytes], pid: int) -> None:
    status = Path(f"/proc/{pid}/status")
    for _ in range(2000):
        if f"TracerPid:\t{tracer.pid}" in status.read_text(encoding="utf-8"):
            return
        if tracer.poll() is not None:
            break
        signal.sigtimedwait([], 0.005)
    assert tracer.stderr is not None
    raise RuntimeError(f"strace could not attach: {tracer.stderr.read()!r}")


def _parsed(lines: Iterator[bytes], root: Path) -> Iterator[Operation]:
    """Reads what strace writes; a call that another thread's interrupts stands in two lines and counts at its end."""
    begun: dict[str, str] = {}
    offsets: dict[int, int] = {}
    for raw in lines:
        thread, _, line = raw.decode("latin-1").rstrip("\n").partition(" ")
        line = line.strip()
        if line.endswith("<unfinished ...>"):
            begun[thread] = line.removesuffix("<unfinished ...>").rstrip()
            continue
        if line.startswith("<... "):
            line = begun.pop(thread, "") + line.partition(" resumed>")[2]
        match = _LINE.match(line)
        if match is None or int(match[3]) < 0:
            continue
        yield from _operations_of(match[1], match[2], int(match[3]), match[4], root, offsets)


def _operations_of(
    call: str, arguments: str, result: int, opened: str | None, root: Path, offsets: dict[int, int]
) -> Iterator[Operation]:
    folder = str(root)

    def inside(path: str) -> str | None:
        path = os.path.normpath(path)
        if path == folder:
            return ""
        return path[len(folder) + 1 :] if path.startswith(folder + "/") else None

    if call in ("openat", "open", "creat"):
        offsets[result] = 0
        path = inside(opened or "")
        if path is None:
            return
        flags = "O_CREAT|O_TRUNC" if call == "creat" else arguments
        if "O_CREAT" in flags:
            yield Operation("create", path)
        if "O_TRUNC" in flags:
            yield Operation("truncate", path, offset=0)
        if "O_APPEND" in flags:
            raise NotImplementedError(f"{path} is appended to")
        return
    if call == "lseek":
        offsets[int(arguments.split("<", 1)[0])] = result
        return
    if call in ("copy_file_range", "sendfile", "splice"):
        if any(inside(path) is not None for path in re.findall(r"<([^>]*)>", arguments)):
            raise NotImplementedError(f"{call} {arguments}")
        return
    strings = (
        [_bytes(text).decode("utf-8", "surrogateescape") for text in re.findall(_STRING, arguments)]
        if call not in ("write", "pwrite64")
        else []
    )
    described = re.match(r"(\d+)<(.*?)(?: \(deleted\))?>", arguments)
    if described is not None and not strings:
        number, path = int(described[1]), inside(described[2].split(">", 1)[0])
        if path is None:
            if call == "write":
                offsets[number] = offsets.get(number, 0) + result
            return
        if call in ("write", "pwrite64"):
            text = re.search(_STRING, arguments)
            assert text is not None
            data = _bytes(text[1])[:result]
            if call == "write":
                offset = offsets.get(number, 0)
                offsets[number] = offset + result
            else:
                offset = int(arguments.rpartition(", ")[2])
            yield Operation("write", path, offset=offset, data=data)
        elif call == "ftruncate":
            yield Operation("truncate", path, offset=int(arguments.rpartition(", ")[2]))
        elif call in ("fsync", "fdatasync"):
            yield Operation("sync", path)
        else:
            raise NotImplementedError(f"{call} on {path}")
        return
    places = [_place(arguments, text) for text in strings]
    names = [inside(place) for place in places]
    if not names or all(name is None for name in names):
        return
    first = names[0]
    if call in ("rename", "renameat", "renameat2", "link", "linkat"):
        if None in names:
            raise NotImplementedError(f"{call} from or to outside of what is watched: {places}")
        yield Operation(call.removesuffix("2").removesuffix("at"), str(first), to=str(names[1]))
    elif call in ("unlink", "rmdir", "mkdir", "mkdirat", "unlinkat"):
        name = "rmdir" if "AT_REMOVEDIR" in arguments else call.removesuffix("at")
        yield Operation(name, str(first))
    else:
        raise NotImplementedError(f"{call} on {places}")


def _place(arguments: str, text: str) -> str:
    """The whole path: one that is relative is so to the directory before it, or to that of the process."""
    if text.startswith("/"):
        return text
    for folder, name in re.findall(rf"(?:\d+|AT_FDCWD)<([^>]*)>, {_STRING}", arguments):
        if _bytes(name).decode("utf-8", "surrogateescape") == text:
            return f"{folder}/{text}"
    return text


def _bytes(text: str) -> bytes:
    """What stands between the quotes of strace: C's escapes."""
    return bytes(codecs.escape_decode(text.encode("latin-1"))[0])  # type: ignore[attr-defined]
