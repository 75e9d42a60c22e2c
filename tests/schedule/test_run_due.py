"""What is due is done, once, and caught up once."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from filelock import FileLock

from pipeline.errors import RunError, StoreBusyError
from pipeline.exports import export as exporting
from pipeline.schedule import run_due as due
from pipeline.schedule.run_due import run_due, upcoming
from tests.installation import Installation
from tests.support import expense, report

PARIS = ZoneInfo("Europe/Paris")
EXPORTS = """
[schedules.month_end]
does = "export"
entity = "FR01"
profiles = ["journal"]
on = "last_day_of_month"
at = "18:00"
"""
PAYMENTS = """
[schedules.pay]
does = "payments"
entity = "FR01"
destinations = ["bank"]
on = "working_day"
at = "10:00"
since = 2026-01-01
holidays = "FR"
"""


@pytest.fixture
def place(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def at(place: Installation, moment: str) -> dict[str, Any]:
    """What is due at a moment of the wall clock."""
    return run_due(place.settings, now=datetime.fromisoformat(moment).replace(tzinfo=PARIS)).as_dict()


def turns(done: dict[str, Any]) -> list[tuple[str, str, int, str]]:
    return [(turn["schedule"], turn["moment"][:16], turn["count"], turn["outcome"]) for turn in done["schedules"]]


def test_a_month_end_is_exported_and_delivered_once(place: Installation) -> None:
    place.configure(EXPORTS)
    assert turns(at(place, "2026-01-20T12:00")) == []
    done = at(place, "2026-01-31T18:00")
    assert turns(done) == [("month_end", "2026-01-31T18:00", 1, "done")]
    assert [one["state"] for one in done["deliveries"]] == ["delivered"]
    assert len(place.names()) == 1
    assert turns(at(place, "2026-01-31T18:05")) == []
    assert len(place.names()) == 1
    assert place.names(place.directory / "files") != []


@pytest.mark.slow
def test_after_a_downtime_it_is_caught_up_once_for_the_last_moment(place: Installation) -> None:
    place.configure(EXPORTS)
    at(place, "2026-01-20T12:00")
    place.company.run(
        expense_reports=[report("R2", declared_on="2026-03-10")], expenses=[expense("R2", incurred_on="2026-03-09")]
    )
    done = at(place, "2026-05-02T07:00")
    assert turns(done) == [("month_end", "2026-04-30T18:00", 4, "done")]
    (row,) = place.json("deliveries")["delivered"]
    assert row["export_number"] == 1
    assert turns(at(place, "2026-05-02T08:00")) == []
    # Both reports went out with it, none is left behind.
    assert place.export()["number"] is None


@pytest.mark.slow
def test_without_a_first_day_nothing_of_the_past_is_due(place: Installation) -> None:
    place.configure(EXPORTS)
    assert turns(at(place, "2026-06-01T00:00")) == []
    place.configure(EXPORTS.replace("month_end", "other") + "since = 2026-05-01\n")
    assert turns(at(place, "2026-06-01T00:00")) == [("other", "2026-05-31T18:00", 1, "done")]


@pytest.mark.slow
def test_the_month_before_ends_before_the_day(place: Installation) -> None:
    said = (
        EXPORTS.replace("last_day_of_month", "first_day_of_month") + 'through = "previous_month"\nsince = 2026-02-01\n'
    )
    place.configure(said)
    place.company.run(
        expense_reports=[report("R2", declared_on="2026-02-01")], expenses=[expense("R2", incurred_on="2026-02-01")]
    )
    at(place, "2026-02-01T18:00")
    row = _export(place)
    assert (row["last_on"], row["entry_count"]) == ("2026-01-31", 1)


def _export(place: Installation) -> dict[str, Any]:
    result = place.company.invoke("exports", "--json")
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows[-1]


@pytest.mark.slow
def test_what_fails_stays_due_and_keeps_no_other_back(place: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    place.configure(
        EXPORTS
        + 'since = 2026-01-01\n\n[schedules.broken]\ndoes = "export"\nentity = "FR01"\nprofiles = ["nowhere"]\n'
        + 'on = "last_day_of_month"\nsince = 2026-01-01\n'
    )
    first = at(place, "2026-02-01T00:00")
    assert [(turn["schedule"], turn["outcome"]) for turn in first["schedules"]] == [
        ("broken", "failed"),
        ("month_end", "done"),
    ]
    assert "there is no profile nowhere" in first["schedules"][0]["said"][0]
    assert [turn["schedule"] for turn in at(place, "2026-02-01T00:05")["schedules"]] == ["broken"]
    place.profile("nowhere", destinations=[])
    assert turns(at(place, "2026-02-01T00:10")) == [("broken", "2026-01-31T06:00", 1, "done")]
    assert at(place, "2026-02-01T00:15")["schedules"] == []


def test_killed_between_the_export_and_its_mark_it_is_not_exported_twice(
    place: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.configure(EXPORTS + "since = 2026-01-01\n")
    original = exporting.export

    def killed(*given: Any, **named: Any) -> Any:
        original(*given, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(exporting, "export", killed)
        with pytest.raises(KeyboardInterrupt):
            at(place, "2026-01-31T18:00")
    done = at(place, "2026-01-31T18:01")
    assert done["schedules"][0]["said"] == ["journal: nothing new through 2026-01-31"]
    assert [one["state"] for one in done["deliveries"]] == ["delivered"]
    assert len(place.names()) == 1


def test_what_another_process_does_is_left_alone(place: Installation) -> None:
    place.configure(EXPORTS + "since = 2026-01-01\n")
    locks = place.settings.state / "locks"
    locks.mkdir(parents=True)
    with FileLock(locks / "schedule-month_end.lock"):
        assert [turn["outcome"] for turn in at(place, "2026-02-01T00:00")["schedules"]] == ["busy"]
    assert [turn["outcome"] for turn in at(place, "2026-02-01T00:00")["schedules"]] == ["done"]


def _bank(place: Installation) -> Path:
    bank = place.directory / "bank"
    bank.mkdir()
    return bank


def test_payment_files_go_to_the_bank_on_working_days_each_once(place: Installation) -> None:
    bank = _bank(place)
    place.configure(PAYMENTS, bank=f'by = "folder"\npath = "{bank}"')
    place.pay()
    done = at(place, "2026-02-02T10:00")
    assert turns(done) == [("pay", "2026-02-02T10:00", 22, "done")]
    assert len(place.names(bank)) == 1
    assert at(place, "2026-02-03T10:00")["schedules"][0]["said"] == ["no order waits"]
    assert len(place.names(bank)) == 1


def test_orders_of_before_the_first_day_never_go_out(place: Installation) -> None:
    bank = _bank(place)
    place.pay()
    place.configure(PAYMENTS.replace("2026-01-01", "2026-02-01"), bank=f'by = "folder"\npath = "{bank}"')
    assert at(place, "2026-02-02T10:00")["schedules"][0]["said"] == ["no order waits"]
    assert place.names(bank) == []


@pytest.mark.slow
def test_a_payment_file_that_does_not_arrive_keeps_the_schedule_due(place: Installation) -> None:
    place.configure(PAYMENTS, bank='by = "folder"\npath = "/nowhere/at/all"\nattempts = 1')
    place.pay()
    done = at(place, "2026-02-02T10:00")
    assert [turn["outcome"] for turn in done["schedules"]] == ["failed"]
    bank = _bank(place)
    place.configure(PAYMENTS, bank=f'by = "folder"\npath = "{bank}"')
    assert [turn["outcome"] for turn in at(place, "2026-02-02T10:05")["schedules"]] == ["done"]
    assert len(place.names(bank)) == 1


def test_an_order_is_made_by_itself_once_a_day(place: Installation) -> None:
    bank = _bank(place)
    place.configure(PAYMENTS + "make_order = true\ncutoff_days = 1\n", bank=f'by = "folder"\npath = "{bank}"')
    done = at(place, "2026-02-02T10:00")
    assert done["schedules"][0]["said"][0] == "order pay-2026-02-02: 1 payments"
    assert len(place.names(bank)) == 1
    lines = place.company.table("payments")
    assert lines.select("payment_order", "status").rows() == [("pay-2026-02-02", "paid")]
    # Given again for the same day, it is the same order.
    (place.settings.state / "lettrage.sqlite").unlink()
    done = at(place, "2026-02-02T11:00")
    assert len(place.names(bank)) == 1
    assert place.company.table("payments").height == 1


def test_an_entity_that_its_exports_pay_takes_no_order(place: Installation) -> None:
    place.configure(
        PAYMENTS.replace('"FR01"', '"XP01"') + "make_order = true\n",
        bank=f'by = "folder"\npath = "{_bank(place)}"',
    )
    assert "paid by its exports" in at(place, "2026-02-02T10:00")["schedules"][0]["said"][0]


def test_the_commands_say_what_is_due_and_what_was_done(place: Installation) -> None:
    place.configure(EXPORTS + "since = 2026-01-01\n")
    with time_machine.travel(datetime(2026, 2, 1, 12, tzinfo=PARIS), tick=False):
        (row,) = place.json("schedule", "show", "--count", "2")
        assert row["due_since"].startswith("2026-01-31T18:00")
        assert [one[:10] for one in row["next"]] == ["2026-02-28", "2026-03-31"]
        shown = place.invoke("schedule", "show").stdout
        assert "month_end: export of FR01" in shown
        result = place.invoke("schedule", "run-due")
        assert result.exit_code == 0
        assert "done       month_end, due 2026-01-31 18:00" in result.stdout
        assert "delivered  export 1 to accounting" in result.stdout
        assert "nothing is due" in place.invoke("schedule", "run-due").stdout
        (row,) = place.json("schedule", "show")
        assert (row["due_since"], row["outcome"]) == (None, "done")


def test_run_due_ends_with_what_an_orchestrator_goes_by(place: Installation) -> None:
    place.configure(EXPORTS.replace("journal", "nowhere") + "since = 2026-01-01\n")
    assert place.invoke("schedule", "run-due").exit_code == 1
    place.config.write_text(place.config.read_text() + "nonsense = 1\n")
    result = place.invoke("schedule", "run-due")
    assert result.exit_code == 2
    assert "schedules.month_end.nonsense: there is no such key" in result.stderr


def test_a_schedule_that_is_off_is_never_due(place: Installation) -> None:
    place.configure(EXPORTS + "since = 2026-01-01\nis_on = false\n")
    assert at(place, "2026-06-01T00:00")["schedules"] == []
    assert upcoming(place.settings, now=datetime(2026, 6, 1, tzinfo=PARIS), count=1)[0]["due_since"] is None


def test_a_job_that_nobody_foresaw_to_break_is_told(place: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    place.configure(EXPORTS + "since = 2026-01-01\n")

    def broken(*_: object, **__: object) -> None:
        raise ValueError("surprise")

    monkeypatch.setattr(exporting, "export", broken)
    assert at(place, "2026-02-01T00:00")["schedules"][0]["said"] == ["ValueError: surprise"]
    monkeypatch.setattr(exporting, "export", lambda *_, **__: (_ for _ in ()).throw(RunError("told")))
    assert at(place, "2026-02-01T00:00")["schedules"][0]["said"] == ["told"]


@pytest.mark.slow
def test_a_bank_by_another_name_is_not_paid_to_twice(place: Installation) -> None:
    bank = _bank(place)
    place.configure(PAYMENTS, bank=f'by = "folder"\npath = "{bank}"')
    place.pay()
    at(place, "2026-02-02T10:00")
    (file,) = place.names(bank)
    (bank / file).unlink()
    place.configure(PAYMENTS.replace('"bank"', '"house_bank"'), house_bank=f'by = "folder"\npath = "{bank}"')
    (turn,) = at(place, "2026-02-03T10:00")["schedules"]
    assert (turn["outcome"], "it went to bank before" in turn["said"][0]) == ("failed", True)
    assert place.names(bank) == []
    place.json("deliver", "--order", "PO1", "--to", "house_bank", "--arrived")
    assert [turn["outcome"] for turn in at(place, "2026-02-03T10:05")["schedules"]] == ["done"]
    assert place.names(bank) == []


@pytest.mark.slow
def test_an_order_that_waits_for_the_bank_adds_no_run_each_time(place: Installation) -> None:
    place.configure(PAYMENTS + "make_order = true\n", bank='by = "folder"\npath = "/nowhere/at/all"\nattempts = 1')
    at(place, "2026-02-02T10:00")
    runs = place.store.run
    (turn,) = at(place, "2026-02-02T10:05")["schedules"]
    assert (turn["outcome"], turn["said"][0]) == ("failed", "order pay-2026-02-02 is made already")
    assert place.store.run == runs


def test_payments_of_an_entity_that_nobody_knows_are_no_success(place: Installation) -> None:
    place.configure(PAYMENTS.replace("FR01", "FR1"), bank=f'by = "folder"\npath = "{_bank(place)}"')
    (turn,) = at(place, "2026-02-02T10:00")["schedules"]
    assert (turn["outcome"], "knows no legal entity FR1" in turn["said"][0]) == ("failed", True)


@pytest.mark.slow
def test_a_bank_that_another_process_serves_is_no_fault_where_nothing_waits(place: Installation) -> None:
    place.configure(PAYMENTS, bank=f'by = "folder"\npath = "{_bank(place)}"')
    place.pay()
    at(place, "2026-02-02T10:00")
    with FileLock(place.settings.state / "locks" / "destination-bank.lock"):
        assert [turn["outcome"] for turn in at(place, "2026-02-03T10:00")["schedules"]] == ["done"]


def test_a_calendar_that_nobody_knows_keeps_no_other_schedule_back(place: Installation) -> None:
    wrong = PAYMENTS.replace('"FR"', '"XX"')
    place.configure(EXPORTS + "since = 2026-01-01\n" + wrong, bank=f'by = "folder"\npath = "{_bank(place)}"')
    done = at(place, "2026-01-31T19:00")
    assert {turn["schedule"]: turn["outcome"] for turn in done["schedules"]} == {"pay": "failed", "month_end": "done"}
    assert "there is no calendar XX" in done["schedules"][0]["said"][0]


@pytest.mark.slow
def test_an_order_that_is_caught_up_is_of_today(place: Installation) -> None:
    """A bank takes no payment of yesterday; the order is still called after the day that it was due."""
    place.configure(PAYMENTS + "make_order = true\ncutoff_days = 1\n", bank=f'by = "folder"\npath = "{_bank(place)}"')
    done = at(place, "2026-02-08T12:00")
    assert turns(done) == [("pay", "2026-02-06T10:00", 26, "done")]
    assert done["schedules"][0]["said"][0] == "order pay-2026-02-06: 1 payments"
    lines = place.company.table("entry_lines").filter(journal="payment")
    assert {str(day) for day in lines["document_date"]} == {"2026-02-08"}


def test_a_ledger_that_is_being_written_is_told_to_people_the_second_time(
    place: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.configure(EXPORTS + "since = 2026-01-01\n")
    told: list[str] = []
    monkeypatch.setattr(due, "once_a_day", lambda *given: told.append(given[2]))

    def busy(*_: object, **__: object) -> None:
        raise StoreBusyError("another process is writing")

    monkeypatch.setattr(exporting, "export", busy)
    at(place, "2026-02-01T00:00")
    assert told == []
    at(place, "2026-02-01T00:05")
    assert told == ["schedule month_end"]


def test_lineage_is_told_of_what_a_schedule_does(place: Installation) -> None:
    events = place.directory / "lineage.jsonl"
    place.configure(EXPORTS + f'since = 2026-01-01\n\n[lineage]\nfile = "{events}"\n')
    at(place, "2026-02-01T00:00")
    told = [json.loads(line) for line in events.read_text().splitlines()]
    assert [(one["eventType"], one["job"]["name"]) for one in told] == [
        ("START", "lettrage.export.journal"),
        ("COMPLETE", "lettrage.export.journal"),
    ]
    assert told[1]["outputs"][0]["name"].startswith(str(place.directory / "files"))
