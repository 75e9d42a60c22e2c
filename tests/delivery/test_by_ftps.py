from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.delivery import by_ftps
from pipeline.delivery.by_ftps import FtpsChannel
from pipeline.delivery.parcel import UPLOADED
from pipeline.errors import DeliveryError, SettingsError, TryAgainError
from pipeline.settings.secrets import Secrets
from tests.servers import ftps
from tests.servers.ftps import PASSWORD, FtpsServer
from tests.servers.parcels import Receiver, Steps, content, parcel, until_done
from tests.servers.proxy import DOWN, UP, Cut, Proxy


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpsServer]:
    with ftps.running(tmp_path / "ftps") as running:
        yield running


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_files_arrive_whole_in_the_folder_of_their_entity(server: FtpsServer, tmp_path: Path) -> None:
    files = {"a.csv": content(300_001), "é à.txt": b"x", "empty.txt": b""}
    made, steps = parcel(tmp_path / "out", files), Steps()
    channel = FtpsChannel(server.destination(folder="in/$legal_entity", verify="digest"), server.secrets)
    channel.deliver(made, steps)
    assert {name: (server.root / "in/FR01" / name).read_bytes() for name in files} == files
    assert names(server.root) == sorted(f"in/FR01/{name}" for name in files)
    assert steps.receipts["a.csv"].address == f"ftps://127.0.0.1:{server.port}/in/FR01/a.csv"
    calls = server.faults.calls.total()
    channel.deliver(made, steps)
    assert server.faults.calls.total() == calls


def test_data_goes_on_with_the_tls_session_of_the_control_connection(
    server: FtpsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, resumed = by_ftps._Ftp.ntransfercmd, []

    def watched(self: by_ftps._Ftp, cmd: str, rest: int | None = None) -> tuple[Any, int | None]:
        data, size = opened(self, cmd, rest)
        resumed.append(data.session_reused)
        return data, size

    monkeypatch.setattr(by_ftps._Ftp, "ntransfercmd", watched)
    FtpsChannel(server.destination(), server.secrets).deliver(parcel(tmp_path, {"a": b"1", "b": b"2"}), Steps())
    assert resumed == [True, True]


def test_a_file_of_the_same_bytes_has_arrived_and_of_other_bytes_is_left_alone(
    server: FtpsServer, tmp_path: Path
) -> None:
    made, steps = parcel(tmp_path / "out", {"a.csv": b"1;2"}), Steps()
    channel = FtpsChannel(server.destination(), server.secrets)
    (server.root / "a.csv").write_bytes(b"1;2")
    channel.deliver(made, steps)
    assert steps.answers == {"a.csv": "it was there already"}
    for other in (b"1;3", b"longer"):
        (server.root / "a.csv").write_bytes(other)
        with pytest.raises(DeliveryError, match="a file of this name and other content"):
            channel.deliver(made, Steps())
        assert (server.root / "a.csv").read_bytes() == other


def test_an_upload_is_gone_on_with_where_it_ended(server: FtpsServer, tmp_path: Path) -> None:
    whole = content(400_000)
    made, channel = parcel(tmp_path / "out", {"a.csv": whole}), FtpsChannel(server.destination(), server.secrets)
    hidden = server.root / made.hidden_name(made.files[0])
    for begun, sent in (
        (whole[:100], 400_000),
        (whole[:200_000], 200_000 + 32_768),
        (whole, 32_768),
        (whole + b"more", 400_000),
        (bytes(300_000), 100_000 + 32_768 + 400_000),
    ):
        hidden.write_bytes(begun)
        server.faults.received = 0
        channel.deliver(made, Steps())
        assert (server.root / "a.csv").read_bytes() == whole
        assert names(server.root) == ["a.csv"]
        assert server.faults.received == sent
        (server.root / "a.csv").unlink()


def test_a_server_that_cannot_go_on_is_sent_the_whole(server: FtpsServer, tmp_path: Path) -> None:
    whole = content(200_000)
    made = parcel(tmp_path / "out", {"a.csv": whole})
    (server.root / made.hidden_name(made.files[0])).write_bytes(whole[:100_000])
    server.faults.answers["FEAT"] = "502 not implemented"
    FtpsChannel(server.destination(), server.secrets).deliver(made, Steps())
    assert (server.root / "a.csv").read_bytes() == whole
    assert server.faults.calls["REST"] == 0


def test_what_was_uploaded_and_is_gone_was_taken(server: FtpsServer, tmp_path: Path) -> None:
    steps = Steps(**{"a.csv": UPLOADED})
    FtpsChannel(server.destination(), server.secrets).deliver(parcel(tmp_path, {"a.csv": b"1"}), steps)
    assert steps.answers == {"a.csv": "the receiver has taken it"}
    assert names(server.root) == []


# ------------------------------------------------------------------------------------- who the server is, and who we are


def test_a_certificate_of_another_authority_or_name_is_refused(server: FtpsServer, tmp_path: Path) -> None:
    made = parcel(tmp_path, {"a": b"1"})
    with ftps.running(tmp_path / "other", name="files.example.com") as other:
        for destination in (server.destination(ca_file=None), other.destination()):
            with pytest.raises(DeliveryError, match="certificate is not to be trusted") as raised:
                FtpsChannel(destination, server.secrets).deliver(made, Steps())
            assert not isinstance(raised.value, TryAgainError)
        assert other.faults.calls["USER"] == server.faults.calls["USER"] == 0
    (tmp_path / "empty.pem").write_text("")
    for missing in ("none.pem", "empty.pem"):
        with pytest.raises(SettingsError, match="certificate cannot be read"):
            FtpsChannel(server.destination(ca_file=tmp_path / missing), server.secrets).deliver(made, Steps())


def test_nothing_goes_to_a_server_without_tls(tmp_path: Path) -> None:
    with ftps.running(tmp_path / "plain", tls=False) as plain:
        with pytest.raises(DeliveryError, match="does not speak TLS") as raised:
            FtpsChannel(plain.destination(), plain.secrets).deliver(parcel(tmp_path, {"a": b"1"}), Steps())
        assert not isinstance(raised.value, TryAgainError)
        assert plain.faults.calls["USER"] == 0


def test_a_login_that_is_refused_is_for_a_person_and_tells_no_secret(server: FtpsServer, tmp_path: Path) -> None:
    wrong = Secrets(None, {"LETTRAGE_SECRET_FTP": "wr0ng-password"})
    server.faults.answers["PASS"] = "530 no: wr0ng-password"
    with pytest.raises(DeliveryError, match="does not accept this user") as raised:
        FtpsChannel(server.destination(), wrong).deliver(parcel(tmp_path, {"a": b"1"}), Steps())
    assert "wr0ng" not in str(raised.value)
    assert not isinstance(raised.value, TryAgainError)


# ------------------------------------------------------------------------------------------------------- faults


def test_a_connection_lost_while_uploading_is_gone_on_with(server: FtpsServer, tmp_path: Path) -> None:
    whole = content(900_000)
    made, steps = parcel(tmp_path / "out", {"a.csv": whole}), Steps()
    server.faults.cut_at_byte = 700_000
    assert until_done(FtpsChannel(server.destination(), server.secrets), made, steps) == 2
    assert (server.root / "a.csv").read_bytes() == whole
    assert server.faults.received < 1_100_000, "what was there is not sent again"


def test_a_file_that_is_read_back_in_part_is_not_taken_for_another(server: FtpsServer, tmp_path: Path) -> None:
    (server.root / "a").write_bytes(b"123")
    server.faults.answers["SIZE"] = "213 6"
    with pytest.raises(TryAgainError, match="gave 3 bytes of a and no more"):
        FtpsChannel(server.destination(), server.secrets).deliver(parcel(tmp_path, {"a": b"123456"}), Steps())


def test_a_full_disk_may_pass(server: FtpsServer, tmp_path: Path) -> None:
    whole = content(4_000_000)
    made, steps = parcel(tmp_path / "out", {"a.csv": whole}), Steps()
    channel = FtpsChannel(server.destination(), server.secrets)
    server.faults.full_at_byte = 200_000
    with pytest.raises(TryAgainError, match=r"did not write .* \(452 No space left on device"):
        channel.deliver(made, steps)
    server.faults.answers["STOR"] = "552 quota exceeded"
    with pytest.raises(TryAgainError, match="disk may be full, or a quota"):
        channel.deliver(made, steps)
    del server.faults.answers["STOR"]
    channel.deliver(made, steps)
    assert (server.root / "a.csv").read_bytes() == whole


def test_bytes_spoiled_in_a_broken_upload_are_found(server: FtpsServer, tmp_path: Path) -> None:
    whole = content(900_000)
    made, steps = parcel(tmp_path / "out", {"a.csv": whole}), Steps()
    server.faults.spoil_at_byte, server.faults.cut_at_byte = 300_000, 800_000
    assert until_done(FtpsChannel(server.destination(), server.secrets), made, steps) == 2
    assert (server.root / "a.csv").read_bytes() == whole


@pytest.mark.parametrize("takes", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("command", ["RNFR", "RNTO"])
def test_a_connection_lost_around_the_rename_brings_the_file_once(
    server: FtpsServer, tmp_path: Path, command: str, when: str, takes: bool
) -> None:
    made, steps = parcel(tmp_path / "out", {"a.csv": content(1000), "b.csv": b"2"}), Steps()
    getattr(server.faults, when).add(command)
    with Receiver(server.root, takes=takes) as receiver:
        assert until_done(FtpsChannel(server.destination(), server.secrets), made, steps) == 2
    assert sorted(receiver.seen) == [(file.name, file.sha256) for file in made.files]
    assert set(steps.receipts) == {"a.csv", "b.csv"}


@pytest.mark.parametrize(
    ("command", "answer", "kind", "said"),
    [
        ("STOR", "550 Permission denied.", DeliveryError, "Permission denied"),
        ("MKD", "550 Not enough privileges.", DeliveryError, "did not make the folder in"),
        ("RNTO", "553 name not allowed", DeliveryError, "553 name not allowed"),
        ("RNTO", "550 Operation failed.", DeliveryError, "did not rename to in/a"),
        ("SIZE", "550 Permission denied.", DeliveryError, "did not say the size"),
        ("STOR", "425 no data connection", TryAgainError, "425"),
        ("USER", "421 too many users", TryAgainError, "421 too many users"),
        ("PROT", "534 no", DeliveryError, "534"),
        ("STOR", "oh no", TryAgainError, "oh no"),
    ],
)
def test_what_the_server_answers_decides_who_mends_it(
    server: FtpsServer, tmp_path: Path, command: str, answer: str, kind: type[DeliveryError], said: str
) -> None:
    server.faults.answers[command] = answer
    with pytest.raises(DeliveryError, match=said) as raised:
        FtpsChannel(server.destination(folder="in"), server.secrets).deliver(parcel(tmp_path, {"a": b"1"}), Steps())
    assert type(raised.value) is kind
    assert PASSWORD not in str(raised.value)


def test_a_server_that_stalls_or_is_gone_is_not_waited_for(server: FtpsServer, tmp_path: Path) -> None:
    made = parcel(tmp_path, {"a": b"1"})
    with Proxy(server.port, stalls=True) as proxy:
        destination = server.destination(port=proxy.port, timeout_seconds=0.3)
        with pytest.raises(TryAgainError, match=r"no answer for 0\.3 seconds"):
            FtpsChannel(destination, server.secrets).deliver(made, Steps())
    with pytest.raises(TryAgainError, match="cannot be reached"):
        FtpsChannel(server.destination(port=proxy.port), server.secrets).deliver(made, Steps())


# --------------------------------------------------------------------------------------- connections cut at random


def deliver_through_cuts(server: FtpsServer, tmp_path: Path, cuts: int, seed: int) -> None:
    """Delivers again and again while control connections are cut by a proxy, and data connections by the server."""
    chance = random.Random(seed)
    with Proxy(server.port) as proxy:
        channel = FtpsChannel(server.destination(port=proxy.port), server.secrets)
        channel.deliver(parcel(tmp_path / "out", {"first": content(90_000)}, "first"), Steps())
        (server.root / "first").unlink()
        whole = {UP: proxy.passed[0].up, DOWN: proxy.passed[0].down}
        number = 0
        while proxy.cut_count < cuts:
            number += 1
            files = {f"{number}-a.csv": content(90_000, number), f"{number}-b.csv": content(500, -number)}
            made, steps = parcel(tmp_path / "out", files, str(number)), Steps()
            ways = [chance.choice((UP, DOWN)) for _ in range(5)]
            # Half of the cuts come behind the login, where files are carried.
            firsts = [chance.choice((1, whole[way] // 2)) for way in ways]
            proxy.cuts[:] = [
                Cut(way, chance.randint(first, whole[way])) for way, first in zip(ways, firsts, strict=True)
            ]
            server.faults.cut_at_byte = chance.choice((None, chance.randint(1, 90_000)))
            with Receiver(server.root, takes=number % 2 == 0) as receiver:
                until_done(channel, made, steps)
            server.faults.cut_at_byte = None
            assert sorted(receiver.seen) == [(file.name, file.sha256) for file in made.files], f"delivery {number}"
            assert sorted(steps.receipts) == sorted(files)
            left = names(server.root)
            assert left == ([] if number % 2 == 0 else sorted(files)), f"delivery {number}: nothing else is left"
            for name in left:
                (server.root / name).unlink()


def test_connections_cut_at_random_bring_every_file_once(server: FtpsServer, tmp_path: Path) -> None:
    deliver_through_cuts(server, tmp_path, cuts=8, seed=1)


@pytest.mark.slow
def test_connections_cut_many_times_bring_every_file_once(server: FtpsServer, tmp_path: Path) -> None:
    deliver_through_cuts(server, tmp_path, cuts=100, seed=2)
