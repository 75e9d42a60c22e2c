from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import asyncssh
import paramiko
import pytest

from pipeline.delivery.by_sftp import SftpChannel
from pipeline.delivery.parcel import UPLOADED
from pipeline.errors import DeliveryError, SettingsError, TryAgainError, UnclearError
from pipeline.settings.destinations import SftpDestination
from pipeline.settings.secrets import Secrets
from pipeline.sftp_session import connected
from tests.servers import sftp_faults, sshd
from tests.servers.parcels import Receiver, Steps, content, parcel, until_done
from tests.servers.proxy import DOWN, UP, Cut, Proxy
from tests.servers.sftp_faults import PASSWORD, SftpServer
from tests.servers.sshd import Sshd

NO_SECRETS = Secrets(None, {})


@pytest.fixture
def openssh(tmp_path: Path) -> Iterator[Sshd]:
    with sshd.running(tmp_path / "sshd") as server:
        yield server


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[SftpServer]:
    with sftp_faults.running(tmp_path / "sftp") as server:
        yield server


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# ------------------------------------------------------------------------------------------------- OpenSSH


def test_files_arrive_at_openssh_whole_in_the_folder_of_their_entity(openssh: Sshd, tmp_path: Path) -> None:
    files = {"a.csv": content(300_001), "é à.txt": b"x", "empty.txt": b""}
    made, steps = parcel(tmp_path / "out", files), Steps()
    destination = openssh.destination(folder="in/$legal_entity/$year", verify="digest")
    SftpChannel(destination, NO_SECRETS).deliver(made, steps)
    folder = openssh.root / "in/FR01/2026"
    assert {name: (folder / name).read_bytes() for name in files} == files
    assert names(openssh.root) == sorted(f"in/FR01/2026/{name}" for name in files)
    assert steps.receipts["a.csv"].address == f"sftp://127.0.0.1:{openssh.port}/in/FR01/2026/a.csv"
    assert steps.log == [(name, UPLOADED) for name in files]


def test_what_has_a_receipt_is_not_carried_again_and_no_connection_is_made(openssh: Sshd, tmp_path: Path) -> None:
    made, steps = parcel(tmp_path / "out", {"a.csv": b"1"}), Steps()
    channel = SftpChannel(openssh.destination(), NO_SECRETS)
    channel.deliver(made, steps)
    (openssh.root / "a.csv").unlink()
    channel.deliver(made, steps)
    SftpChannel(openssh.destination(port=9), NO_SECRETS).deliver(made, steps)
    assert names(openssh.root) == []


def test_a_file_of_the_same_bytes_has_arrived_and_of_other_bytes_is_left_alone(openssh: Sshd, tmp_path: Path) -> None:
    made, steps = parcel(tmp_path / "out", {"a.csv": b"1;2"}), Steps()
    channel = SftpChannel(openssh.destination(), NO_SECRETS)
    (openssh.root / "a.csv").write_bytes(b"1;2")
    channel.deliver(made, steps)
    assert steps.answers == {"a.csv": "it was there already"}
    for other in (b"1;3", b"longer"):
        (openssh.root / "a.csv").write_bytes(other)
        with pytest.raises(DeliveryError, match="a file of this name and other content"):
            channel.deliver(made, Steps())
        assert (openssh.root / "a.csv").read_bytes() == other


def test_an_upload_is_gone_on_with_where_it_ended(openssh: Sshd, tmp_path: Path) -> None:
    whole = content(400_000)
    made = parcel(tmp_path / "out", {"a.csv": whole})
    hidden = openssh.root / made.hidden_name(made.files[0])
    channel = SftpChannel(openssh.destination(), NO_SECRETS)
    for begun in (whole[:100], whole[:200_000], whole, whole + b"more", b"", bytes(300_000)):
        hidden.write_bytes(begun)
        steps = Steps()
        channel.deliver(made, steps)
        assert (openssh.root / "a.csv").read_bytes() == whole
        assert names(openssh.root) == ["a.csv"]
        (openssh.root / "a.csv").unlink()


def test_what_was_uploaded_is_only_renamed(openssh: Sshd, tmp_path: Path) -> None:
    made = parcel(tmp_path / "out", {"a.csv": content(50_000)})
    hidden = openssh.root / made.hidden_name(made.files[0])
    # Not our bytes: that they arrive shows that they were not written again.
    hidden.write_bytes(bytes(50_000))
    SftpChannel(openssh.destination(), NO_SECRETS).deliver(made, Steps(**{"a.csv": UPLOADED}))
    assert (openssh.root / "a.csv").read_bytes() == bytes(50_000)


def test_what_was_uploaded_and_has_lost_its_end_is_made_whole(openssh: Sshd, tmp_path: Path) -> None:
    whole = content(100_000)
    made = parcel(tmp_path / "out", {"a.csv": whole})
    (openssh.root / made.hidden_name(made.files[0])).write_bytes(whole[:70_000])
    SftpChannel(openssh.destination(), NO_SECRETS).deliver(made, Steps(**{"a.csv": UPLOADED}))
    assert (openssh.root / "a.csv").read_bytes() == whole


def test_what_was_uploaded_and_is_gone_was_taken(openssh: Sshd, tmp_path: Path) -> None:
    made, steps = parcel(tmp_path / "out", {"a.csv": b"1"}), Steps(**{"a.csv": UPLOADED})
    SftpChannel(openssh.destination(), NO_SECRETS).deliver(made, steps)
    assert steps.answers == {"a.csv": "the receiver has taken it"}
    assert names(openssh.root) == []


def test_what_was_uploaded_into_a_folder_that_is_gone_is_unclear(openssh: Sshd, tmp_path: Path) -> None:
    made, steps = parcel(tmp_path / "out", {"a.csv": b"1"}), Steps(**{"a.csv": UPLOADED})
    with pytest.raises(UnclearError, match="the folder is gone"):
        SftpChannel(openssh.destination(folder="in"), NO_SECRETS).deliver(made, steps)
    assert names(openssh.root) == []


def test_a_name_taken_by_another_file_does_not_pass_for_arrived_later(openssh: Sshd, tmp_path: Path) -> None:
    made, steps = parcel(tmp_path / "out", {"a.csv": b"1"}), Steps(**{"a.csv": UPLOADED})
    hidden = openssh.root / made.hidden_name(made.files[0])
    channel = SftpChannel(openssh.destination(), NO_SECRETS)
    hidden.write_bytes(b"1")
    (openssh.root / "a.csv").write_bytes(b"another")
    with pytest.raises(DeliveryError, match="other content"):
        channel.deliver(made, steps)
    hidden.unlink()
    (openssh.root / "a.csv").unlink()
    channel.deliver(made, steps)
    assert (openssh.root / "a.csv").read_bytes() == b"1"


def test_a_folder_that_leads_out_is_refused_before_anything_is_sent(openssh: Sshd, tmp_path: Path) -> None:
    made = parcel(tmp_path / "out", {"a.csv": b"1"}, legal_entity="..")
    SftpChannel(openssh.destination(folder="in/$legal_entity"), NO_SECRETS).deliver(made, Steps())
    assert names(openssh.root) == ["in/__/a.csv"]
    with pytest.raises(SettingsError, match=r"by \.\."):
        SftpChannel(openssh.destination(folder="../x"), NO_SECRETS).deliver(made, Steps())
    with pytest.raises(DeliveryError, match="no name for a file"):
        SftpChannel(openssh.destination(), NO_SECRETS).deliver(parcel(tmp_path, {"../a": b"1"}), Steps())


def test_master_data_lists_fetches_and_moves(openssh: Sshd, tmp_path: Path) -> None:
    (openssh.root / "in").mkdir()
    (openssh.root / "in/b.csv").write_bytes(content(70_000))
    (openssh.root / "in/a.csv").write_bytes(b"1")
    with connected(openssh.destination(), NO_SECRETS) as session:
        assert [(one.name, one.is_folder) for one in session.entries("")] == [("in", True)]
        assert [(one.name, one.size) for one in session.entries("in")] == [("a.csv", 1), ("b.csv", 70_000)]
        assert session.get("in/b.csv", tmp_path / "b") == session.digest("in/b.csv")
        session.make_folders("done/2026")
        session.rename("in/b.csv", "done/2026/b.csv")
        with pytest.raises(FileExistsError):
            session.rename("in/a.csv", "done/2026/b.csv")
        with pytest.raises(FileNotFoundError):
            session.rename("in/z.csv", "done/z.csv")
        with pytest.raises(FileNotFoundError):
            session.get("in/b.csv", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == content(70_000)
    assert names(openssh.root) == ["done/2026/b.csv", "in/a.csv"]


# ------------------------------------------------------------------------------------- who the server is, and who we are


def test_a_server_that_is_not_known_is_refused_with_its_fingerprint(faulty: SftpServer, tmp_path: Path) -> None:
    destination = faulty.destination()
    destination.known_hosts.write_text("# nobody\n")
    with pytest.raises(DeliveryError) as raised:
        SftpChannel(destination, faulty.secrets).deliver(parcel(tmp_path, {"a": b"1"}), Steps())
    assert f"ssh-ed25519 {faulty.host_key.get_fingerprint()}" in str(raised.value)
    assert f"ssh-keyscan -p {faulty.port} 127.0.0.1 >> {destination.known_hosts}" in str(raised.value)
    assert not isinstance(raised.value, TryAgainError)
    assert faulty.faults.calls.total() == 0


def test_a_server_whose_key_has_changed_is_refused(faulty: SftpServer, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    faulty.known(other)
    destination = faulty.destination()
    faulty.known(other)
    with pytest.raises(DeliveryError, match="the server's key has changed") as raised:
        SftpChannel(destination, faulty.secrets).deliver(parcel(tmp_path, {"a": b"1"}), Steps())
    assert faulty.host_key.get_fingerprint() in str(raised.value)
    assert other.get_fingerprint() in str(raised.value)
    assert not isinstance(raised.value, TryAgainError)


def test_a_key_that_is_revoked_is_not_known(faulty: SftpServer, tmp_path: Path) -> None:
    destination = faulty.destination()
    with destination.known_hosts.open("a") as file:
        file.write(f"@revoked * {faulty.host_key.export_public_key().decode()}")
    with pytest.raises(SettingsError, match="line 3: the key is both known and revoked"):
        SftpChannel(destination, faulty.secrets).deliver(parcel(tmp_path, {"a": b"1"}), Steps())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[127.0.0.1]:22 ssh-ed25519 ====x", "line 1: this is no key of a server"),
        ("# one\n127.0.0.1 ssh-ed25519 AAAA", "line 2: this is no key of a server"),
        (None, "the known hosts cannot be read"),
    ],
)
def test_known_hosts_that_cannot_be_read_are_named(
    faulty: SftpServer, tmp_path: Path, text: str | None, said: str
) -> None:
    destination = faulty.destination()
    destination.known_hosts.unlink()
    if text is not None:
        destination.known_hosts.write_text(text)
    with pytest.raises(SettingsError, match=said):
        SftpChannel(destination, faulty.secrets).deliver(parcel(tmp_path, {"a": b"1"}), Steps())


def test_known_hosts_may_be_hashed_and_of_several_keys(faulty: SftpServer, tmp_path: Path) -> None:
    destination = faulty.destination()
    names_ = (f"[127.0.0.1]:{faulty.port}", "other.example")
    lines = []
    for kind in ("ssh-rsa", "ecdsa-sha2-nistp256"):
        other = asyncssh.generate_private_key(kind).export_public_key().decode()
        lines += [f"{paramiko.HostKeys.hash_host(name)} {other}" for name in names_]
    lines.append(f"{paramiko.HostKeys.hash_host(names_[0])} {faulty.host_key.export_public_key().decode()}")
    destination.known_hosts.write_text("".join(lines) + "@cert-authority *.example.com ssh-ed25519 AAAA\n")
    SftpChannel(destination, faulty.secrets).deliver(parcel(tmp_path, {"a": b"1"}), Steps())
    assert names(faulty.root) == ["a"]


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
def test_keys_of_every_kind_are_taken_from_secrets_and_files(kind: str, form: str, tmp_path: Path) -> None:
    key = asyncssh.generate_private_key(kind)
    host_key = asyncssh.generate_private_key(kind)
    with sftp_faults.running(tmp_path / "sftp", user_key=key, host_key=host_key) as server:
        plain, locked = (
            key.export_private_key(form),
            key.export_private_key(form, "open-sesame", rounds=1, ignore_few_rounds=True),
        )
        path = tmp_path / "key"
        path.write_bytes(locked)
        path.chmod(0o600)
        secrets = Secrets(None, {"LETTRAGE_SECRET_KEY": plain.decode(), "LETTRAGE_SECRET_PHRASE": "open-sesame"})
        for number, way in enumerate(({"key_secret": "key"}, {"key_file": path, "passphrase_secret": "phrase"})):
            made = parcel(tmp_path, {f"{number}": b"1"})
            SftpChannel(server.destination(**way), secrets).deliver(made, Steps())
        assert names(server.root) == ["0", "1"]


def test_a_key_that_cannot_be_used_is_named_and_not_told(faulty: SftpServer, tmp_path: Path) -> None:
    locked = (
        asyncssh.generate_private_key("ssh-ed25519")
        .export_private_key("openssh", "right", rounds=1, ignore_few_rounds=True)
        .decode()
    )
    path = tmp_path / "key"
    path.write_text(locked)
    made = parcel(tmp_path, {"a": b"1"})
    for known, way in (
        ({"KEY": "no key at all"}, {"key_secret": "key"}),
        ({"KEY": locked}, {"key_secret": "key"}),
        ({"KEY": locked, "PHRASE": "wrong"}, {"key_secret": "key", "passphrase_secret": "phrase"}),
        ({}, {"key_file": path}),
        ({}, {"key_file": tmp_path / "none"}),
        ({}, {"key_secret": "key"}),
    ):
        secrets = Secrets(None, {f"LETTRAGE_SECRET_{name}": value for name, value in known.items()})
        with pytest.raises(SettingsError) as raised:
            SftpChannel(faulty.destination(**way), secrets).deliver(made, Steps())
        assert not any(value in str(raised.value) for value in known.values())
    assert faulty.faults.calls.total() == 0


def test_a_login_that_is_refused_is_for_a_person_and_tells_no_secret(faulty: SftpServer, tmp_path: Path) -> None:
    made = parcel(tmp_path, {"a": b"1"})
    wrong = Secrets(None, {"LETTRAGE_SECRET_FTP": "wr0ng-password"})
    with pytest.raises(DeliveryError, match="does not accept this user with this password") as raised:
        SftpChannel(faulty.destination(), wrong).deliver(made, Steps())
    assert not isinstance(raised.value, TryAgainError)
    assert "wr0ng" not in str(raised.value)
    strange = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    way = {"key_secret": "key"}
    with pytest.raises(DeliveryError, match="does not accept this user with this key"):
        SftpChannel(faulty.destination(**way), Secrets(None, {"LETTRAGE_SECRET_KEY": strange})).deliver(made, Steps())


def test_a_server_of_old_methods_alone_is_told_so(tmp_path: Path) -> None:
    old = sshd.running(tmp_path / "sshd", "ssh-rsa", "HostKeyAlgorithms ssh-rsa\n")
    with old as server, pytest.raises(DeliveryError, match="SHA-1") as raised:
        SftpChannel(server.destination(), NO_SECRETS).deliver(parcel(tmp_path, {"a": b"1"}), Steps())
    assert not isinstance(raised.value, TryAgainError)


# ------------------------------------------------------------------------------------------------------- faults


def test_a_connection_lost_while_uploading_is_gone_on_with(faulty: SftpServer, tmp_path: Path) -> None:
    whole = content(3_000_000)
    made, steps = parcel(tmp_path / "out", {"a.csv": whole}), Steps()
    faulty.faults.cut_at_byte = 2_000_000
    channel = SftpChannel(faulty.destination(), faulty.secrets)
    with pytest.raises(TryAgainError):
        channel.deliver(made, steps)
    assert names(faulty.root) == [made.hidden_name(made.files[0])]
    assert faulty.faults.calls["rename"] == 0
    faulty.faults.calls.clear()
    channel.deliver(made, steps)
    assert (faulty.root / "a.csv").read_bytes() == whole
    assert faulty.faults.calls["write"] < 40, "what was there is not sent again"


def test_a_full_disk_may_pass(faulty: SftpServer, tmp_path: Path) -> None:
    whole = content(900_000)
    made, steps = parcel(tmp_path / "out", {"a.csv": whole}), Steps()
    channel = SftpChannel(faulty.destination(), faulty.secrets)
    for full_at in (100, 450_000, 899_999):
        faulty.faults.full_at_byte = full_at
        with pytest.raises(TryAgainError, match="disk may be full"):
            channel.deliver(made, steps)
        assert steps.get("a.csv") is None
    channel.deliver(made, steps)
    assert (faulty.root / "a.csv").read_bytes() == whole


def test_a_gap_that_a_server_left_in_a_broken_upload_is_found(faulty: SftpServer, tmp_path: Path) -> None:
    whole = content(900_000)
    made, steps = parcel(tmp_path / "out", {"a.csv": whole}), Steps()
    faulty.faults.gap, faulty.faults.cut_at_byte = 300_000, 800_000
    assert until_done(SftpChannel(faulty.destination(), faulty.secrets), made, steps) == 2
    assert (faulty.root / "a.csv").read_bytes() == whole


def test_a_digest_that_is_read_back_finds_what_the_size_does_not(faulty: SftpServer, tmp_path: Path) -> None:
    whole = content(200_000)
    made, steps = parcel(tmp_path / "out", {"a.csv": whole}), Steps()
    faulty.faults.gap = 50_000
    channel = SftpChannel(faulty.destination(verify="digest"), faulty.secrets)
    with pytest.raises(TryAgainError, match="what arrived is not what was sent"):
        channel.deliver(made, steps)
    channel.deliver(made, steps)
    assert (faulty.root / "a.csv").read_bytes() == whole


@pytest.mark.parametrize("takes", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_lost_around_the_rename_brings_the_file_once(
    faulty: SftpServer, tmp_path: Path, when: str, takes: bool
) -> None:
    made, steps = parcel(tmp_path / "out", {"a.csv": content(1000), "b.csv": b"2"}), Steps()
    getattr(faulty.faults, when).add("rename")
    with Receiver(faulty.root, takes=takes) as receiver:
        assert until_done(SftpChannel(faulty.destination(), faulty.secrets), made, steps) == 2
    assert sorted(receiver.seen) == [(file.name, file.sha256) for file in made.files]
    assert set(steps.receipts) == {"a.csv", "b.csv"}


def test_a_server_that_can_only_rename_as_posix_does_is_served(faulty: SftpServer, tmp_path: Path) -> None:
    made, steps = parcel(tmp_path / "out", {"a.csv": b"1"}), Steps()
    faulty.faults.refuse["rename"] = asyncssh.SFTPFailure("no links here")
    SftpChannel(faulty.destination(), faulty.secrets).deliver(made, steps)
    assert names(faulty.root) == ["a.csv"]
    faulty.faults.refuse["posix_rename"] = asyncssh.SFTPOpUnsupported("Operation unsupported")
    with pytest.raises(DeliveryError, match="it cannot do that"):
        SftpChannel(faulty.destination(), faulty.secrets).deliver(parcel(tmp_path, {"b.csv": b"1"}), Steps())


def test_what_is_forbidden_is_for_a_person(faulty: SftpServer, tmp_path: Path) -> None:
    faulty.faults.refuse["mkdir"] = asyncssh.SFTPPermissionDenied("Permission denied")
    with pytest.raises(DeliveryError, match=r"did not make the folder in \(Permission denied") as raised:
        SftpChannel(faulty.destination(folder="in/deep"), faulty.secrets).deliver(
            parcel(tmp_path, {"a": b"1"}), Steps()
        )
    assert not isinstance(raised.value, TryAgainError)


def test_a_folder_that_may_be_written_and_not_read_is_served(faulty: SftpServer, tmp_path: Path) -> None:
    whole = content(300_000)
    made, steps = parcel(tmp_path / "out", {"a.csv": whole}), Steps()
    faulty.faults.cut_at_byte = 200_000
    faulty.faults.refuse["read"] = asyncssh.SFTPPermissionDenied("Permission denied")
    assert until_done(SftpChannel(faulty.destination(), faulty.secrets), made, steps) == 2
    assert (faulty.root / "a.csv").read_bytes() == whole


@pytest.mark.parametrize("request_", ["stat", "write", "rename"])
def test_a_server_that_stalls_is_not_waited_for_longer_than_the_timeout(
    faulty: SftpServer, tmp_path: Path, request_: str
) -> None:
    made, steps = parcel(tmp_path / "out", {"a.csv": content(40_000)}), Steps()
    faulty.faults.stall = request_
    channel = SftpChannel(faulty.destination(timeout_seconds=0.3), faulty.secrets)
    with pytest.raises(TryAgainError, match=r"no answer for 0\.3 seconds|protocol banner"):
        channel.deliver(made, steps)
    faulty.faults.stall = None
    until_done(SftpChannel(faulty.destination(), faulty.secrets), made, steps)
    assert names(faulty.root) == ["a.csv"]


class Mute(paramiko.ServerInterface):
    """Lets everybody in, and never answers to the wish for SFTP until it is woken."""

    def __init__(self) -> None:
        self.wake = threading.Event()

    def check_auth_password(self, *_: object) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, *_: object) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_subsystem_request(self, *_: object) -> bool:
        self.wake.wait(20)
        return False


def test_a_server_that_never_begins_to_serve_is_not_waited_for(tmp_path: Path) -> None:
    key = paramiko.ECDSAKey.generate()
    known, mute = tmp_path / "known_hosts", Mute()
    secrets = Secrets(None, {"LETTRAGE_SECRET_FTP": PASSWORD})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        known.write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}")
        to = {"by": "sftp", "host": "127.0.0.1", "port": port, "user": "u", "password_secret": "ftp"}
        destination = SftpDestination.model_validate({**to, "known_hosts": known, "timeout_seconds": 0.5})
        with ThreadPoolExecutor(1) as pool:
            delivery = pool.submit(SftpChannel(destination, secrets).deliver, parcel(tmp_path, {"a": b"1"}), Steps())
            server = paramiko.Transport(listener.accept()[0])
            server.add_server_key(key)
            server.start_server(server=mute)
            try:
                with pytest.raises(TryAgainError, match=r"no answer for 0\.5 seconds"):
                    delivery.result(10)
            finally:
                mute.wake.set()
                server.close()
                server.join()


def test_a_server_that_never_says_a_word_is_not_waited_for(
    faulty: SftpServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Proxy(faulty.port, stalls=True) as proxy:
        destination = faulty.destination(port=proxy.port, timeout_seconds=0.3)
        with pytest.raises(TryAgainError):
            SftpChannel(destination, faulty.secrets).deliver(parcel(tmp_path, {"a": b"1"}), Steps())
    assert "Traceback" not in caplog.text


def stall_everywhere(faulty: SftpServer, tmp_path: Path, places: int) -> None:
    """Has the server fall silent at so many places of a session, from its first word to its last."""
    with Proxy(faulty.port) as proxy:
        calm, hasty = (
            SftpChannel(faulty.destination(port=proxy.port, folder="in", timeout_seconds=seconds), faulty.secrets)
            for seconds in (10, 0.25)
        )
        calm.deliver(parcel(tmp_path / "out", {"first": content(5000)}, "first"), Steps())
        whole = proxy.passed[0].down
        for number in range(places):
            proxy.cuts[:] = [Cut(DOWN, 1 + (whole - 2) * number // max(1, places - 1), stalls=True)]
            made, began = parcel(tmp_path / "out", {f"{number}": content(5000)}, f"{number}"), time.monotonic()
            # The last word is that to closing the connection: nobody waits for it.
            steps = Steps()
            with suppress(TryAgainError):
                hasty.deliver(made, steps)
            assert time.monotonic() - began < 5
            calm.deliver(made, steps)
        assert len(names(faulty.root)) == places + 1


def test_a_server_that_falls_silent_at_any_moment_is_not_waited_for(faulty: SftpServer, tmp_path: Path) -> None:
    stall_everywhere(faulty, tmp_path, places=2)


@pytest.mark.slow
def test_a_server_that_falls_silent_at_every_moment_is_not_waited_for(faulty: SftpServer, tmp_path: Path) -> None:
    stall_everywhere(faulty, tmp_path, places=30)


def test_a_server_that_is_gone_may_come_back(faulty: SftpServer, tmp_path: Path) -> None:
    with Proxy(1) as proxy:
        port = proxy.port
    with pytest.raises(TryAgainError, match="cannot be reached") as raised:
        SftpChannel(faulty.destination(port=port), faulty.secrets).deliver(parcel(tmp_path, {"a": b"1"}), Steps())
    assert PASSWORD not in str(raised.value)


# --------------------------------------------------------------------------------------- connections cut at random


def cut_somewhere(chance: random.Random, up: int, down: int) -> Cut | None:
    """A place in a session that carries so many bytes; half of them where it gets delicate, near its end."""
    if chance.random() < 0.15:
        return None
    direction, whole = (UP, up) if chance.random() < 0.5 else (DOWN, down)
    first = 1 if chance.random() < 0.5 else max(1, whole - 2500)
    return Cut(direction, chance.randint(first, whole))


def deliver_through_cuts(server: Sshd | SftpServer, secrets: Secrets, tmp_path: Path, cuts: int, seed: int) -> None:
    """Delivers again and again through a proxy that cuts, until it has cut so often. Asserts what is promised."""
    chance = random.Random(seed)
    with Proxy(server.port) as proxy:
        channel = SftpChannel(server.destination(port=proxy.port), secrets)
        channel.deliver(parcel(tmp_path / "out", {"first": content(200_000)}, "first"), Steps())
        (server.root / "first").unlink()
        up, down = proxy.passed[0].up, proxy.passed[0].down
        number = 0
        while proxy.cut_count < cuts:
            number += 1
            files = {f"{number}-a.csv": content(199_000, number), f"{number}-b.csv": content(500, -number)}
            made, steps = parcel(tmp_path / "out", files, str(number)), Steps()
            proxy.cuts[:] = [cut_somewhere(chance, up, down) for _ in range(6)]
            with Receiver(server.root, takes=number % 2 == 0) as receiver:
                until_done(channel, made, steps)
            expected = [(file.name, file.sha256) for file in made.files]
            assert sorted(receiver.seen) == expected, f"delivery {number}: each file whole, and once"
            assert sorted(steps.receipts) == sorted(files)
            left = set(names(server.root))
            assert left == (set() if number % 2 == 0 else set(files)), f"delivery {number}: nothing else is left"
            for name in left:
                (server.root / name).unlink()
        assert proxy.cut_count >= cuts


def test_connections_cut_at_random_bring_every_file_once_to_openssh(openssh: Sshd, tmp_path: Path) -> None:
    deliver_through_cuts(openssh, NO_SECRETS, tmp_path, cuts=5, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12])
def test_connections_cut_a_hundred_times_bring_every_file_once_to_openssh(
    openssh: Sshd, tmp_path: Path, seed: int
) -> None:
    deliver_through_cuts(openssh, NO_SECRETS, tmp_path, cuts=100, seed=seed)


@pytest.mark.slow
def test_connections_cut_a_hundred_times_bring_every_file_once_to_another_server(
    faulty: SftpServer, tmp_path: Path
) -> None:
    deliver_through_cuts(faulty, faulty.secrets, tmp_path, cuts=100, seed=13)
