"""OpenSSH's server on loopback: keys, configuration, port and pid file of its own; nothing of the system is touched."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from pipeline.settings.destinations import SftpDestination

_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {here}/host_key
PidFile {here}/sshd.pid
AuthorizedKeysFile {here}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers {user}
MaxStartups 100
Subsystem sftp internal-sftp
ForceCommand internal-sftp -d {root}
AllowTcpForwarding no
X11Forwarding no
LogLevel ERROR
"""


@dataclass
class Sshd:
    """A server that runs. root: the directory where a login begins."""

    port: int
    root: Path
    here: Path
    user: str

    def destination(self, port: int | None = None, **more: object) -> SftpDestination:
        """How to reach it; port: that of a proxy before it."""
        known = self.here / f"known_hosts-{port or self.port}"
        key = (self.here / "host_key.pub").read_text()
        known.write_text(f"[127.0.0.1]:{port or self.port} {key}")
        return SftpDestination.model_validate(
            {
                "by": "sftp",
                "host": "127.0.0.1",
                "port": port or self.port,
                "user": self.user,
                "known_hosts": known,
                "key_file": self.here / "user_key",
                "timeout_seconds": 20,
                **more,
            }
        )


def program() -> str:
    """Where sshd is; skips where it is not."""
    path = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip("sshd is not installed: make system-packages, or the package openssh-server")
    if os.getuid() == 0:
        # Where root starts it, it wants this empty directory, which the package's service makes as well.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    return path


@contextmanager
def running(here: Path, host_key: str = "ssh-ed25519", config: str = "") -> Iterator[Sshd]:
    """Starts a server, and ends it. host_key: its kind; config: more lines of its configuration."""
    path = program()
    root = here / "root"
    root.mkdir(parents=True)
    for name, kind in (("host_key", host_key), ("user_key", "ssh-ed25519")):
        key = asyncssh.generate_private_key(kind)
        key.write_private_key(here / name)
        (here / name).chmod(0o600)
        key.write_public_key(here / f"{name}.pub")
    shutil.copy(here / "user_key.pub", here / "authorized_keys")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    user = getpass.getuser()
    (here / "sshd_config").write_text(_CONFIG.format(port=port, here=here, user=user, root=root) + config)
    with (here / "log").open("wb") as log:
        server = subprocess.Popen([path, "-D", "-e", "-f", here / "sshd_config"], stdout=log, stderr=log)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if server.poll() is not None:
                    pytest.fail(f"sshd did not start: {(here / 'log').read_text()}")
                time.sleep(0.05)
        yield Sshd(port, root, here, user)
    finally:
        server.terminate()
        server.wait()
