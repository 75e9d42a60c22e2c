"""What is due, what is sent, and that nothing is sent twice, whatever breaks in between."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from pipeline.delivery import channels, deliver, notify, receipts, subjects
from pipeline.delivery.outbox import Delivery, Outbox
from pipeline.delivery.parcel import UPLOADED, Parcel, Receipt, Steps
from pipeline.errors import (
    DeliveryError,
    SettingsError,
    StateError,
    StoreBusyError,
    StoreError,
    TryAgainError,
    UnclearError,
)
from pipeline.ledger.store import Store
from pipeline.settings import secrets as secrets_of_settings
from pipeline.settings.secrets import Secrets
from pipeline.state.state import opened
from tests.installation import Installation
from tests.support import expense, report


@pytest.fixture
def place(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


class Flaky:
    """A channel that does what a test says, an attempt after another, then carries everything."""

    def __init__(self, *faults: Exception | Callable[[Parcel, Steps], None]) -> None:
        self.faults, self.calls, self.sent = list(faults), 0, []

    def deliver(self, parcel: Parcel, steps: Steps) -> None:
        self.calls += 1
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            fault(parcel, steps)
        for file in parcel.files:
            if steps.receipt(file.name) is None:
                self.sent.append(file.name)
                steps.arrived(Receipt(file.name, "there", file.size, file.sha256, datetime.now(UTC), "ok"))


Flakies = Callable[..., Flaky]


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> Flakies:
    def made(*faults: Exception | Callable[[Parcel, Steps], None]) -> Flaky:
        channel = Flaky(*faults)
        monkeypatch.setattr(deliver, "channel_of", lambda *_: channel)
        return channel

    return made


def test_an_export_is_carried_to_the_destinations_of_its_profile_and_not_again(place: Installation) -> None:
    place.export()
    first = place.json("deliver")
    assert [(one["subject"], one["destination"], one["state"]) for one in first] == [
        ("export 1", "accounting", "delivered")
    ]
    (name,) = place.names()
    content = (place.received / name).read_bytes()
    assert first[0]["receipts"][0]["sha256"] == hashlib.sha256(content).hexdigest()
    (place.received / name).unlink()
    again = place.json("deliver")
    assert [one["state"] for one in again] == ["already"]
    assert place.names() == []


def test_export_deliver_carries_what_it_wrote_and_lists_the_receipt(place: Installation) -> None:
    made = place.export("--deliver")
    assert [one["state"] for one in made["deliveries"]] == ["delivered"]
    assert place.names() == [made["files"][0]["name"]]
    listed = place.json("deliveries")
    assert listed["under_way"] == []
    (row,) = listed["delivered"]
    assert (row["export_number"], row["destination"], row["channel"], row["copy"]) == (1, "accounting", "folder", 1)
    assert row["sha256"] == made["files"][0]["sha256"]
    place.company.check()


def test_a_receipt_is_in_the_ledger_and_outlives_the_state(place: Installation) -> None:
    place.export("--deliver")
    for path in place.names():
        (place.received / path).unlink()
    shutil.rmtree(place.settings.state)
    assert [one["state"] for one in place.json("deliver")] == ["already"]
    assert place.names() == []


def test_without_state_and_receipt_a_file_that_is_there_is_recognised(place: Installation) -> None:
    made = place.export()
    (place.received / made["files"][0]["name"]).write_bytes(
        (place.directory / "files" / made["files"][0]["name"]).read_bytes()
    )
    (done,) = place.json("deliver")
    assert done["state"] == "delivered"
    assert done["receipts"][0]["answer"] == "it was there already"
    assert len(place.names()) == 1


def test_a_file_of_the_receiver_is_never_replaced(place: Installation) -> None:
    made = place.export()
    there = place.received / made["files"][0]["name"]
    there.write_text("theirs")
    (done,) = place.json("deliver", code=1)
    assert done["state"] == "failed"
    assert "other content" in done["said"]
    assert there.read_text() == "theirs"
    there.unlink()
    assert place.json("deliver")[0]["state"] == "delivered"


def test_asked_again_it_is_sent_as_another_copy(place: Installation) -> None:
    place.export("--deliver")
    for path in place.names():
        (place.received / path).unlink()
    (done,) = place.json("deliver", "--export", "1", "--again")
    assert done["state"] == "delivered"
    assert len(place.names()) == 1
    assert [row["copy"] for row in place.json("deliveries")["delivered"]] == [1, 2]
    assert [one["state"] for one in place.json("deliver")] == ["already"]


@pytest.mark.slow
def test_a_person_may_say_that_it_has_arrived(place: Installation) -> None:
    place.export()
    (done,) = place.json("deliver", "--export", "1", "--arrived")
    assert done["state"] == "delivered"
    assert place.names() == []
    (row,) = place.json("deliveries")["delivered"]
    assert row["channel"] == "person"
    assert [one["state"] for one in place.json("deliver")] == ["already"]


def test_a_preview_sends_and_writes_nothing(place: Installation) -> None:
    place.export()
    assert [one["state"] for one in place.json("deliver", "--preview")] == ["to send"]
    assert place.names() == []
    assert place.json("deliveries") == {"delivered": [], "under_way": []}


def test_a_cancelled_export_is_not_delivered_and_one_that_was_is_told(place: Installation) -> None:
    place.export("--deliver")
    result = place.company.invoke("export", "--cancel", "1")
    assert "export 1 was delivered to accounting: tell them" in result.stderr
    place.export()
    place.company.invoke("export", "--cancel", "2")
    assert place.json("deliver") == []
    assert "is cancelled" in place.invoke("deliver", "--export", "2").output


def test_the_banks_file_of_an_order_goes_where_it_is_asked_to_and_once(place: Installation) -> None:
    place.pay()
    (done,) = place.json("deliver", "--order", "PO1", "--to", "accounting")
    assert done["state"] == "delivered"
    assert [name.endswith(".xml") for name in place.names()] == [True]
    (row,) = place.json("deliveries")["delivered"]
    assert (row["payment_order"], row["export_number"], row["legal_entity"]) == ("PO1", None, "FR01")
    assert place.json("deliver", "--order", "PO1", "--to", "accounting")[0]["state"] == "already"
    # What is due by itself are exports alone: nobody is paid twice by a command that was given twice.
    assert place.json("deliver") == []


@pytest.mark.slow
def test_an_order_that_was_cancelled_goes_to_no_bank(place: Installation) -> None:
    place.pay()
    place.pay(version="2", status="cancelled", modified_on="2026-02-01")
    result = place.invoke("deliver", "--order", "PO1", "--to", "accounting")
    assert result.exit_code == 2
    assert "order PO1 is cancelled" in result.stderr


def test_what_may_pass_is_tried_again_and_the_attempts_are_counted(place: Installation, flaky: Flakies) -> None:
    channel = flaky(TryAgainError("busy"), TryAgainError("still busy"))
    place.export()
    assert place.json("deliver")[0]["state"] == "delivered"
    assert channel.calls == 3
    assert place.json("deliveries")["delivered"][0]["attempt_count"] == 3


def test_what_does_not_pass_is_tried_by_the_next_command(place: Installation, flaky: Flakies) -> None:
    channel = flaky(DeliveryError("the key is refused"))
    place.export()
    (done,) = place.json("deliver", code=1)
    assert (done["state"], done["said"], channel.calls) == ("failed", "the key is refused", 1)
    (waiting,) = place.json("deliveries")["under_way"]
    assert (waiting["state"], waiting["said"]) == ("failed", "the key is refused")
    assert place.json("deliver")[0]["state"] == "delivered"
    assert place.json("deliveries")["under_way"] == []


def test_what_is_unclear_waits_for_a_person(place: Installation, flaky: Flakies) -> None:
    flaky(UnclearError("no answer came"), UnclearError("no answer came"))
    place.export()
    assert place.json("deliver", code=1)[0]["state"] == "unclear"
    assert place.json("deliver", code=1)[0]["state"] == "unclear"
    assert place.json("deliver", "--export", "1", "--arrived")[0]["state"] == "delivered"
    assert place.json("deliver")[0]["state"] == "already"


@pytest.mark.slow
def test_steps_are_kept_from_one_command_to_the_next(place: Installation, flaky: Flakies) -> None:
    seen: list[str | None] = []

    def cut(parcel: Parcel, steps: Steps) -> None:
        steps.say(parcel.files[0].name, UPLOADED)
        raise DeliveryError("cut off")

    def look(parcel: Parcel, steps: Steps) -> None:
        seen.append(steps.get(parcel.files[0].name))

    flaky(cut, look)
    place.export()
    place.json("deliver", code=1)
    place.json("deliver")
    assert seen == [UPLOADED]


def test_what_arrived_before_a_fault_is_recorded_and_not_carried_again(place: Installation, flaky: Flakies) -> None:
    def half(parcel: Parcel, steps: Steps) -> None:
        file = parcel.files[0]
        steps.arrived(Receipt(file.name, "there", file.size, file.sha256, datetime.now(UTC), "ok"))
        raise DeliveryError("cut off before the control sheet")

    place.configure(accounting=f'by = "folder"\npath = "{place.received}"\nwait_seconds = 0\ncontrol_sheet = true')
    channel = flaky(half)
    made = place.export()
    place.json("deliver", code=1)
    assert [row["file"] for row in place.json("deliveries")["delivered"]] == [made["files"][0]["name"]]
    shutil.rmtree(place.settings.state)
    place.json("deliver")
    assert channel.sent == [] or channel.sent == [name for name in channel.sent if name.startswith("control_")]


@pytest.mark.slow
def test_one_destination_that_fails_keeps_the_others_waiting_for_nothing(place: Installation) -> None:
    place.configure(nowhere='by = "folder"\npath = "/nowhere/at/all"\nattempts = 1')
    place.profile("journal", destinations=["nowhere", "accounting", "unheard"])
    place.export()
    done = {one["destination"]: one for one in place.json("deliver", code=1)}
    assert {name: one["state"] for name, one in done.items()} == {
        "nowhere": "failed",
        "accounting": "delivered",
        "unheard": "failed",
    }
    assert "the settings know no destination unheard" in done["unheard"]["said"]


def test_an_error_that_nobody_thought_of_is_told_without_a_traceback(place: Installation, flaky: Flakies) -> None:
    flaky(ValueError("surprise"))
    place.export()
    (done,) = place.json("deliver", code=1)
    assert done["said"] == "ValueError: surprise"


def test_a_destination_that_another_process_serves_is_left_alone(place: Installation) -> None:
    place.export()
    locks = place.settings.state / "locks"
    locks.mkdir(parents=True)
    with FileLock(locks / "destination-accounting.lock"):
        assert [one["state"] for one in place.json("deliver")] == ["busy"]
    assert place.names() == []


def test_receipts_wait_for_a_ledger_that_is_being_written(place: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    place.export()

    def busy(*_: object) -> int:
        raise StoreBusyError("another process writes")

    with monkeypatch.context() as patch:
        patch.setattr(receipts, "record", busy)
        assert place.json("deliver")[0]["state"] == "delivered"
        assert place.json("deliveries")["delivered"] == []
    place.json("deliver")
    assert len(place.json("deliveries")["delivered"]) == 1


def test_receipts_do_not_change_what_the_ledger_says(place: Installation) -> None:
    place.export()
    before = place.company.dump()
    place.json("deliver")
    after = place.company.dump()
    assert before.keys() == after.keys()
    assert all(before[name].equals(after[name]) for name in before)
    result = place.company.invoke("check", "--chain")
    assert result.exit_code == 0, result.output
    # A later run goes on from there.
    place.company.run(expense_reports=[report("R2")], expenses=[expense("R2")])
    place.company.check()


@pytest.mark.slow
def test_folders_are_named_after_the_export(place: Installation) -> None:
    place.configure(accounting=f'by = "folder"\npath = "{place.received}"\nfolder = "$legal_entity/$year/$profile"')
    made = place.export("--deliver")
    assert (place.received / "FR01" / "2026" / "journal" / made["files"][0]["name"]).is_file()


@pytest.mark.slow
def test_a_folder_never_leads_out_of_its_destination(place: Installation) -> None:
    place.configure(accounting=f'by = "folder"\npath = "{place.received}"\nfolder = "../out"')
    (done,) = place.export("--deliver", code=1)["deliveries"]
    assert "does not lead out" in done["said"]
    place.configure(accounting=f'by = "folder"\npath = "{place.received}"\nfolder = "$nothing"')
    (done,) = place.json("deliver", code=1)
    assert "the template names $nothing" in done["said"]


def test_the_settings_of_another_ledger_are_refused_before_anything_is_recorded(place: Installation) -> None:
    place.config.write_text('store = "another"\n')
    result = place.invoke(
        "export", "--profile", str(place.profiles / "journal.toml"), "--out", str(place.directory / "files"),
        "--store", str(place.company.store), "--deliver",
    )  # fmt: skip
    assert result.exit_code == 2
    assert "the settings are of the ledger" in result.stderr
    assert place.company.invoke("exports").output == ""


@pytest.mark.slow
def test_a_share_that_is_not_mounted_is_not_made_on_the_local_disk(place: Installation) -> None:
    place.export()
    place.received.rmdir()
    (done,) = place.json("deliver", code=1)
    assert "the directory is not there" in done["said"]
    assert not place.received.exists()


def test_a_rename_whose_file_was_taken_at_once_is_not_made_twice(
    place: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the rename and the receipt, with a receiver that takes the file away meanwhile."""
    place.export()
    original = Path.rename

    def killed(self: Path, target: Path) -> Path:
        done = original(self, target)
        if target.parent == place.received:
            target.unlink()
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        assert place.invoke("deliver").exit_code != 0
    (done,) = place.json("deliver")
    assert done["receipts"][0]["answer"] == "the receiver has taken it"
    assert place.names() == []


def test_every_kind_of_destination_has_a_channel(place: Installation) -> None:
    server = 'host = "127.0.0.1"\nuser = "u"\npassword_secret = "p"'
    settings = place.configure(
        '\n[mail]\nhost = "127.0.0.1"\nsender = "a@example.com"\n',
        sftp=f'by = "sftp"\n{server}\nknown_hosts = "known"',
        ftps=f'by = "ftps"\n{server}',
        mail='by = "email"\nto = ["b@example.com"]',
        bucket='by = "s3"\nbucket = "b"\nregion = "eu-west-3"',
    )
    for name in settings.destinations:
        assert callable(channels.channel_of(name, settings).deliver)


@pytest.mark.parametrize(
    ("mode", "is_refused"),
    [(0o600, False), (0o640, False), (0o644, True), (0o660, True)],
)
def test_secrets_that_others_read_are_refused(tmp_path: Path, mode: int, is_refused: bool) -> None:
    path = tmp_path / "secrets"
    path.write_text("# of the bank\nbank = s3cr=t \n")
    path.chmod(mode)
    secrets = Secrets(path, environment={})
    if is_refused:
        with pytest.raises(SettingsError, match="others may read") as error:
            secrets.get("bank")
        assert "s3cr" not in str(error.value)
    else:
        assert secrets.get("bank").get_secret_value() == "s3cr=t"
        assert "s3cr" not in repr(secrets.get("bank"))


def test_a_secret_comes_from_the_environment_first_then_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "bank").write_text("of the file\n")
    assert Secrets(tmp_path, environment={}).get("bank").get_secret_value() == "of the file"
    given = Secrets(tmp_path, environment={"LETTRAGE_SECRET_BANK": "of the environment"})
    assert given.get("bank").get_secret_value() == "of the environment"
    with pytest.raises(SettingsError, match="LETTRAGE_SECRET_OTHER"):
        given.get("other")


@pytest.mark.slow
def test_an_order_of_which_the_bank_returned_a_payment_is_cancelled_like_any(place: Installation) -> None:
    place.pay()
    place.company.run(payment_returns=[{"payment_order": "PO1", "employee": "E1", "returned_on": "2026-02-03"}])
    place.pay(version="2", status="cancelled", modified_on="2026-02-05")
    result = place.invoke("deliver", "--order", "PO1", "--to", "accounting")
    assert (result.exit_code, "order PO1 is cancelled" in result.stderr) == (2, True)
    assert place.names() == []


@pytest.mark.slow
def test_what_is_cancelled_while_it_waits_is_not_sent(place: Installation, flaky: Flakies) -> None:
    def cancelled(*_: object) -> None:
        place.company.invoke("export", "--cancel", "1")
        raise TryAgainError("the line is busy")

    channel = flaky(cancelled)
    place.export()
    (done,) = place.json("deliver", code=1)
    assert (done["state"], "export 1 is cancelled" in done["said"]) == ("failed", True)
    assert (channel.calls, channel.sent) == (1, [])


@pytest.mark.slow
def test_the_state_of_another_ledger_is_refused(place: Installation, tmp_path: Path) -> None:
    """Its export 1 would count as sent, and the one of this ledger would never be."""
    before = tmp_path / "before"
    shutil.copytree(place.company.store, before)
    place.export("--deliver")
    shutil.rmtree(place.company.store)
    shutil.copytree(before, place.company.store)
    place.company.run(expense_reports=[report("R2")], expenses=[expense("R2")])
    place.export()
    result = place.invoke("deliver")
    assert result.exit_code == 1
    assert "the state has 1 receipts that the ledger" in result.stderr
    shutil.rmtree(place.settings.state)
    assert place.json("deliver", "--preview")[0]["state"] == "to send"


@pytest.mark.slow
def test_what_was_asked_for_besides_the_profile_is_tried_by_the_next_command(place: Installation) -> None:
    later = place.directory / "later"
    place.configure(adviser=f'by = "folder"\npath = "{later}"\nattempts = 1')
    place.export("--deliver")
    place.json("deliver", "--export", "1", "--to", "adviser", code=1)
    later.mkdir()
    done = {one["destination"]: one["state"] for one in place.json("deliver")}
    assert done == {"accounting": "already", "adviser": "delivered"}
    assert len(place.names(later)) == 1
    # An order is not: it may have been paid by another way since.
    place.pay()
    shutil.rmtree(later)
    place.json("deliver", "--order", "PO1", "--to", "adviser", code=1)
    later.mkdir()
    place.json("deliver")
    assert place.names(later) == []


@pytest.mark.slow
def test_a_preview_says_that_a_copy_would_be_sent(place: Installation) -> None:
    place.export("--deliver")
    assert place.json("deliver", "--export", "1", "--again", "--preview")[0]["state"] == "to send"


@pytest.mark.slow
def test_of_a_destination_that_is_gone_a_person_says_what_arrived(place: Installation) -> None:
    place.profile("journal", destinations=["old"])
    place.export()
    place.json("deliver", code=1)
    assert place.json("deliver", "--export", "1", "--to", "typo", "--arrived", code=1)[0]["state"] == "failed"
    assert place.json("deliver", "--export", "1", "--to", "old", "--arrived")[0]["state"] == "delivered"
    assert place.json("deliver") == []


def test_what_was_asked_for_by_name_and_is_busy_ends_with_1(place: Installation) -> None:
    place.export()
    locks = place.settings.state / "locks"
    locks.mkdir(parents=True)
    with FileLock(locks / "destination-accounting.lock"):
        assert place.json("deliver", "--export", "1", code=1)[0]["state"] == "busy"


def test_an_export_that_goes_nowhere_is_refused_before_it_is_recorded(place: Installation) -> None:
    asked = ("--through", "2026-12-31", "--out", str(place.directory / "files"), "--deliver")
    store = ("--store", str(place.company.store), "--profile", str(place.profiles / "journal.toml"))
    assert "know no destination typo" in place.invoke("export", *store, *asked, "--to", "typo").stderr
    place.profile("journal", destinations=[])
    assert "The profile names no destination" in place.invoke("export", *store, *asked).stderr
    assert place.company.invoke("exports").output == ""


def test_a_ledger_is_the_same_by_whatever_path_it_is_named(place: Installation, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(place.company.store)
    for store in (tmp_path / "link", place.profiles / ".." / "store"):
        deliver.demand_same_store(place.settings, str(store))
    with pytest.raises(SettingsError):
        deliver.demand_same_store(place.settings, str(tmp_path))


@pytest.mark.slow
def test_no_secret_is_kept_of_what_a_receiver_says(
    place: Installation, flaky: Flakies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets_of_settings, "_found", {"hunter-22"})
    flaky(DeliveryError("530 no login for acme hunter-22"), RuntimeError("PASS hunter-22"))
    place.export()
    for _ in range(2):
        (done,) = place.json("deliver", code=1)
        assert "hunter-22" not in done["said"]
    assert b"hunter-22" not in (place.settings.state / "lettrage.sqlite").read_bytes()


def test_people_whom_no_mail_reaches_are_told_later(place: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = place.settings
    sent: list[str] = []
    works = [False]

    def send(_settings: object, _title: str, text: str, *_: object) -> bool:
        sent.append(text)
        return works[0]

    monkeypatch.setattr(notify, "_send", send)
    with opened(settings.state) as connection:
        outbox = Outbox(connection)

        def tell() -> int:
            notify.notify(settings, outbox, "accounting", [("export 1", "failed", "no")], lambda _: None)
            return len(sent)

        assert [tell(), tell()] == [1, 1]
        connection.execute("update notices set at = datetime(at, '-1 hour') || '+00:00'")
        works[0] = True
        assert [tell(), tell()] == [2, 2]
        connection.execute("update notices set at = datetime(at, '-23 hours') || '+00:00'")
        assert tell() == 2


def test_what_breaks_the_state_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be read or written"), opened(tmp_path) as connection:
        connection.execute("select * from nothing")


def test_two_processes_may_make_a_state_at_once(tmp_path: Path) -> None:
    """A reader in the middle of the first change to write-ahead logging is waited for."""
    other = sqlite3.connect(tmp_path / "lettrage.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("create table one (two)")
    other.execute("begin immediate")
    timer = threading.Timer(0.2, other.execute, ["commit"])
    timer.start()
    with opened(tmp_path) as connection:
        assert connection.execute("pragma journal_mode").fetchone()[0] == "wal"
    timer.join()
    other.close()


def test_a_delivery_that_begins_while_receipts_are_read_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as two:
        theirs, original = Outbox(two), Outbox.all

        def beginning(self: Outbox) -> list[Delivery]:
            found = original(self)
            theirs.begin(Delivery("d", "export 1", "FR01", "accounting", "folder", 1))
            theirs.steps("d").arrived(Receipt("f", "there", 1, "0", datetime.now(UTC)))
            return found

        monkeypatch.setattr(Outbox, "all", beginning)
        assert Outbox(one).unrecorded() == []


@pytest.mark.slow
def test_where_the_folder_of_an_upload_is_gone_nobody_can_tell(
    place: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.configure(accounting=f'by = "folder"\npath = "{place.received}"\nfolder = "$year"\nwait_seconds = 0')
    place.export()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        assert place.invoke("deliver").exit_code != 0
    shutil.rmtree(place.received / "2026")
    assert place.json("deliver", code=1)[0]["state"] == "unclear"
    assert place.json("deliver", "--export", "1", "--again")[0]["state"] == "delivered"


@pytest.mark.slow
def test_bytes_that_another_version_writes_are_not_taken_for_those_under_way(
    place: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.pay()
    asked = ("deliver", "--order", "PO1", "--to", "accounting")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        assert place.invoke(*asked).exit_code != 0
    original = subjects.write

    def otherwise(store: Store, subject: subjects.Subject, folder: Path, *, control_sheet: bool) -> Any:
        (file,) = original(store, subject, folder, control_sheet=control_sheet)
        file.path.write_bytes(file.path.read_bytes() + b"\n")
        return (replace(file, size=file.size + 1, sha256=hashlib.sha256(file.path.read_bytes()).hexdigest()),)

    monkeypatch.setattr(subjects, "write", otherwise)
    (done,) = place.json(*asked, code=1)
    assert (done["state"], "with other bytes" in done["said"]) == ("unclear", True)
    assert place.json(*asked, "--again")[0]["state"] == "delivered"


@pytest.mark.slow
def test_a_ledger_that_takes_no_receipt_hides_no_outcome_and_sends_nothing_more(
    place: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise StoreError("the disk is full")

    place.export()
    with monkeypatch.context() as patch:
        patch.setattr(receipts, "record", full)
        assert place.json("deliver")[0]["state"] == "delivered"
        place.profile("other", destinations=["accounting"])
        place.export(name="other")
        result = place.invoke("deliver")
        assert (result.exit_code, "the disk is full" in result.stderr) == (1, True)
        assert len(place.names()) == 1
    assert [one["state"] for one in place.json("deliver")] == ["already", "delivered"]
    assert [row["export_number"] for row in place.json("deliveries")["delivered"]] == [1, 2]


@pytest.mark.slow
def test_of_several_destinations_one_is_named_that_gets_it_again_or_has_it(place: Installation) -> None:
    place.configure(adviser=f'by = "folder"\npath = "{place.directory / "later"}"\nattempts = 1')
    place.profile("journal", destinations=["accounting", "adviser"])
    place.export()
    place.json("deliver", code=1)
    for wish in ("--again", "--arrived"):
        result = place.invoke("deliver", "--export", "1", wish)
        assert (result.exit_code, "the profile names accounting, adviser" in result.stderr) == (2, True)
    assert place.json("deliver", "--export", "1", "--to", "adviser", "--arrived")[0]["state"] == "delivered"


@pytest.mark.slow
def test_a_place_that_is_changed_is_not_searched_for_what_lies_at_the_old_one(
    place: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rename was refused in the old folder: the new one, where nothing lies, does not say that it was taken."""
    place.export()

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refused)
        assert place.json("deliver", code=1)[0]["state"] == "failed"
    right = place.directory / "right"
    right.mkdir()
    place.configure(accounting=f'by = "folder"\npath = "{right}"\nwait_seconds = 0')
    (done,) = place.json("deliver", code=1)
    assert (done["state"], "to another place" in done["said"]) == ("unclear", True)
    assert place.json("deliver", "--export", "1", "--again")[0]["state"] == "delivered"
    assert len(place.names(right)) == 1


def test_what_was_cancelled_while_its_receipt_waited_is_told(
    place: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> int:
        raise StoreBusyError("another process writes")

    place.export()
    with monkeypatch.context() as patch:
        patch.setattr(receipts, "record", busy)
        place.json("deliver")
    assert "tell them" not in place.company.invoke("export", "--cancel", "1").stderr
    assert "export 1 is cancelled, and was delivered to accounting: tell them" in place.invoke("deliver").stderr
    assert "tell them" not in place.invoke("deliver").stderr
