from __future__ import annotations

import builtins
import json
import random
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import S3Store

from pipeline.delivery import by_bucket
from pipeline.delivery.by_bucket import BucketChannel
from pipeline.delivery.parcel import SENDING
from pipeline.errors import DeliveryError, SettingsError, TryAgainError, UnclearError
from pipeline.settings.destinations import BucketDestination
from pipeline.settings.secrets import Secrets
from tests.s3_server import BUCKET, KEY
from tests.servers.parcels import Steps, content, parcel, until_done
from tests.servers.proxy import DOWN, UP, Cut, Proxy

ROOT = Path(__file__).parents[2]
SECRET = "s3cret-of-the-test"
SECRETS = Secrets(
    None, {"LETTRAGE_SECRET_KEY": KEY, "LETTRAGE_SECRET_SECRET": SECRET, "LETTRAGE_SECRET_OTHER": "AKIANO"}
)


class Server:
    """The S3 server of this module, and what is in its bucket."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "tests.s3_server"], cwd=ROOT, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.endpoint = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        self.objects = S3Store(
            BUCKET,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=KEY,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    def tell(self, path: str) -> Any:
        asked = urllib.request.Request(f"{self.endpoint}/-/{path}", method="PUT")  # noqa: S310 - our own server
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - likewise
            return json.load(answer)

    def names(self) -> list[str]:
        return sorted(one["path"] for one in obstore.list(self.objects).collect())

    def put(self, name: str, content: bytes) -> None:
        obstore.put(self.objects, name, content)

    def get(self, name: str) -> bytes:
        return bytes(obstore.get(self.objects, name).bytes())

    def destination(self, **more: object) -> BucketDestination:
        settings = {
            "by": "s3",
            "bucket": BUCKET,
            "endpoint": self.endpoint,
            "region": "us-east-1",
            "access_key_secret": "key",
            "secret_key_secret": "secret",
            **more,
        }
        return BucketDestination.model_validate(settings)


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    server = Server()
    yield server
    server.process.kill()
    server.process.wait()
    assert server.process.stdout is not None
    server.process.stdout.close()


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name in by_bucket._VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    names = running.names()
    if names:
        obstore.delete(running.objects, names)
    return running


def test_objects_arrive_whole_and_with_a_receipt(server: Server, tmp_path: Path) -> None:
    files = {"a.csv": content(300_001), "é à %41?.txt": b"x", "empty.txt": b""}
    made, steps = parcel(tmp_path, files), Steps()
    channel = BucketChannel(server.destination(folder="in/$legal_entity"), SECRETS)
    channel.deliver(made, steps)
    assert {name: server.get(f"in/FR01/{name}") for name in files} == files
    assert len(server.names()) == 3
    assert steps.receipts["a.csv"].address == f"s3://{BUCKET}/in/FR01/a.csv"
    assert steps.answers["a.csv"].startswith("ETag ")
    server.tell("requests")
    channel.deliver(made, steps)
    assert server.tell("requests") == {}


def test_an_object_of_the_same_bytes_has_arrived_and_of_other_bytes_is_left_alone(
    server: Server, tmp_path: Path
) -> None:
    made, steps = parcel(tmp_path, {"a.csv": b"1;2"}), Steps()
    channel = BucketChannel(server.destination(), SECRETS)
    server.put("a.csv", b"1;2")
    channel.deliver(made, steps)
    assert steps.answers == {"a.csv": "it was there already"}
    for other in (b"1;3", b"longer"):
        server.put("a.csv", other)
        with pytest.raises(DeliveryError, match="an object of this name and other content"):
            channel.deliver(made, Steps())
        assert server.get("a.csv") == other


def test_an_object_that_comes_between_the_look_and_the_write_is_left_alone(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_bucket._Bucket, "size", lambda *_: None)
    channel = BucketChannel(server.destination(), SECRETS)
    made, steps = parcel(tmp_path, {"a.csv": b"1;2"}), Steps()
    server.put("a.csv", b"1;3")
    with pytest.raises(DeliveryError, match="other content"):
        channel.deliver(made, Steps())
    assert server.get("a.csv") == b"1;3"
    server.put("a.csv", b"1;2")
    channel.deliver(made, steps)
    assert steps.answers == {"a.csv": "it was there already"}


def test_an_answer_that_was_lost_is_made_up_for_by_reading_back(server: Server, tmp_path: Path) -> None:
    made, steps = parcel(tmp_path, {"a.csv": content(1000), "b.csv": b"2"}), Steps()
    server.tell("lose?suffix=a.csv")
    channel = BucketChannel(server.destination(after_unclear="ask"), SECRETS)
    with pytest.raises(TryAgainError, match="cannot be used"):
        channel.deliver(made, steps)
    channel.deliver(made, steps)
    assert steps.answers["a.csv"] == "it was there already"
    assert server.names() == ["a.csv", "b.csv"]


def test_an_object_that_may_have_been_taken_is_left_to_a_person_where_that_is_asked_for(
    server: Server, tmp_path: Path
) -> None:
    made = parcel(tmp_path, {"a.csv": b"1"})
    with pytest.raises(UnclearError, match="nobody can tell"):
        BucketChannel(server.destination(after_unclear="ask"), SECRETS).deliver(made, Steps(**{"a.csv": SENDING}))
    assert server.names() == []
    BucketChannel(server.destination(), SECRETS).deliver(made, Steps(**{"a.csv": SENDING}))
    assert server.names() == ["a.csv"]


def test_connections_cut_at_random_bring_every_object_once(server: Server, tmp_path: Path) -> None:
    chance = random.Random(1)
    with Proxy(int(server.endpoint.rpartition(":")[2])) as proxy:
        channel = BucketChannel(server.destination(endpoint=f"http://127.0.0.1:{proxy.port}"), SECRETS)
        number = 0
        while proxy.cut_count < 30:
            number += 1
            made, steps = parcel(tmp_path, {f"{number}": content(30_000, number)}, f"{number}"), Steps()
            proxy.cuts[:] = [
                Cut(way, chance.randint(1, 32_000 if way == UP else 600))
                for way in (chance.choice((UP, DOWN)) for _ in range(4))
            ]
            until_done(channel, made, steps)
            assert set(steps.receipts) == {f"{number}"}
    assert {name: server.get(name) for name in server.names()} == {
        f"{one}": content(30_000, one) for one in range(1, number + 1)
    }


def test_large_objects_are_written_in_parts(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_bucket, "_IN_ONE", 1_000_000)
    whole = content(6_000_000)
    made = parcel(tmp_path, {"a.csv": whole})
    server.tell("requests")
    BucketChannel(server.destination(), SECRETS).deliver(made, Steps())
    assert server.tell("requests")["PUT"] > 1
    assert server.get("a.csv") == whole


def test_keys_that_are_not_accepted_are_for_a_person_and_not_told(server: Server, tmp_path: Path) -> None:
    made, steps = parcel(tmp_path, {"a.csv": b"1"}), Steps()
    with pytest.raises(DeliveryError, match="does not accept the credentials") as raised:
        BucketChannel(server.destination(access_key_secret="other"), SECRETS).deliver(made, steps)  # noqa: S106 - a name
    assert not isinstance(raised.value, TryAgainError)
    assert "AKIANO" not in str(raised.value)
    with pytest.raises(DeliveryError, match="bucket cannot be used") as raised:
        BucketChannel(server.destination(bucket="nobodys"), SECRETS).deliver(made, steps)
    assert SECRET not in str(raised.value)


def test_the_keys_of_the_settings_do_not_mix_with_those_of_the_environment(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANO")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-another-session")
    made = parcel(tmp_path, {"a.csv": b"1"})
    BucketChannel(server.destination(), SECRETS).deliver(made, Steps())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    own = server.destination(access_key_secret=None, secret_key_secret=None, endpoint=None)
    BucketChannel(own, Secrets(None, {})).deliver(parcel(tmp_path, {"b.csv": b"1"}), Steps())
    assert server.names() == ["a.csv", "b.csv"]


def test_a_server_that_is_gone_may_come_back(server: Server, tmp_path: Path) -> None:
    made, steps = parcel(tmp_path, {"a.csv": b"1"}), Steps()
    gone = BucketChannel(server.destination(endpoint="http://127.0.0.1:9", after_unclear="ask"), SECRETS)
    with pytest.raises(TryAgainError, match=r"no answer from 127\.0\.0\.1"):
        gone.deliver(made, steps)
    assert until_done(BucketChannel(server.destination(after_unclear="ask"), SECRETS), made, steps) == 1


def test_what_was_certainly_not_written_is_not_unclear(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, steps = parcel(tmp_path, {"a.csv": b"1"}), Steps()
    with monkeypatch.context() as patch:
        patch.setattr(by_bucket._Bucket, "size", lambda *_: None)
        gone = BucketChannel(server.destination(endpoint="http://127.0.0.1:9", after_unclear="ask"), SECRETS)
        with pytest.raises(TryAgainError):
            gone.deliver(made, steps)
    assert steps.log == [("a.csv", SENDING), ("a.csv", "refused")]
    BucketChannel(server.destination(after_unclear="ask"), SECRETS).deliver(made, steps)
    assert server.names() == ["a.csv"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"endpoint": "files.example"}, "endpoint is no address"),
        ({"endpoint": "https://user:x@files.example"}, "endpoint is no address"),
        ({"endpoint": "http://127.0.0.1:9"}, "without TLS"),
        ({"access_key_secret": "blank"}, "holds characters that it cannot hold"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, object], said: str
) -> None:
    if "endpoint" in more:
        monkeypatch.delenv("AWS_ALLOW_HTTP")
    secrets = Secrets(None, {"LETTRAGE_SECRET_KEY": KEY, "LETTRAGE_SECRET_SECRET": SECRET, "LETTRAGE_SECRET_BLANK": ""})
    with pytest.raises(SettingsError, match=said):
        BucketChannel(server.destination(**more), secrets).deliver(parcel(tmp_path, {"a": b"1"}), Steps())


def test_a_variable_that_would_end_the_library_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "")
    with pytest.raises(SettingsError, match="AWS_REGION"):
        BucketChannel(server.destination(), SECRETS).deliver(parcel(tmp_path, {"a": b"1"}), Steps())


def test_without_the_extra_it_says_what_to_install(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("obstore"):
            raise ImportError(name)
        return imported(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"pip install 'lettrage\[s3\]'"):
        BucketChannel(server.destination(), SECRETS).deliver(parcel(tmp_path, {"a": b"1"}), Steps())
