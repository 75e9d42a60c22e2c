"""The moments of each kind of schedule, over clock changes, holidays and long downtimes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import SettingsError
from pipeline.schedule.calendar import first_moment, last_due, moments
from pipeline.settings.schedules import Schedule

PARIS = ZoneInfo("Europe/Paris")
SCHEDULE: TypeAdapter[Any] = TypeAdapter(Schedule)


def schedule(**said: object) -> Any:
    return SCHEDULE.validate_python({"does": "export", "entity": "FR01", "profiles": ["p"], **said})


def days(count: int, after: str, **said: object) -> list[str]:
    begin = datetime.fromisoformat(after).replace(tzinfo=PARIS)
    return [f"{moment:%Y-%m-%d %H:%M}" for moment in islice(moments(schedule(**said), begin, PARIS), count)]


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("first_day_of_month", ["2026-12-01", "2027-01-01", "2027-02-01"]),
        ("last_day_of_month", ["2026-11-30", "2026-12-31", "2027-01-31"]),
        ("first_working_day_of_month", ["2026-12-01", "2027-01-04", "2027-02-01"]),
        ("last_working_day_of_month", ["2026-11-30", "2026-12-31", "2027-01-29"]),
        ("monday", ["2026-11-30", "2026-12-07", "2026-12-14"]),
        ("sunday", ["2026-11-29", "2026-12-06", "2026-12-13"]),
        ("day", ["2026-11-27", "2026-11-28", "2026-11-29"]),
        ("working_day", ["2026-11-27", "2026-11-30", "2026-12-01"]),
    ],
)
def test_days_of_each_kind(on: str, expected: list[str]) -> None:
    # Thursday, past the hour; in France 1 January 2027 is a holiday and a Friday.
    holidays = "FR" if "working" in on else None
    assert days(3, "2026-11-26T06:00", on=on, at="06:00", holidays=holidays) == [f"{day} 06:00" for day in expected]


def test_the_hour_itself_is_due_once() -> None:
    assert days(1, "2026-11-26T05:59", on="day", at="06:00") == ["2026-11-26 06:00"]
    assert days(1, "2026-11-26T06:00", on="day", at="06:00") == ["2026-11-27 06:00"]


def test_february_ends_on_its_own_last_day() -> None:
    assert days(3, "2028-01-31T12:00", on="last_day_of_month") == [
        "2028-02-29 06:00",
        "2028-03-31 06:00",
        "2028-04-30 06:00",
    ]


def test_each_calendar_has_its_own_holidays() -> None:
    # 1 May is in all; 8 May in France alone; Good Friday in TARGET and in Moselle, not in the rest of France.
    assert days(2, "2026-05-07T12:00", on="working_day", holidays="FR") == ["2026-05-11 06:00", "2026-05-12 06:00"]
    assert days(1, "2026-05-07T12:00", on="working_day", holidays="TARGET") == ["2026-05-08 06:00"]
    assert days(1, "2026-04-02T12:00", on="working_day", holidays="TARGET") == ["2026-04-07 06:00"]
    assert days(1, "2026-04-02T12:00", on="working_day", holidays="FR-57") == ["2026-04-07 06:00"]
    assert days(1, "2026-04-02T12:00", on="working_day", holidays="FR") == ["2026-04-03 06:00"]
    assert days(1, "2026-05-07T12:00", on="working_day") == ["2026-05-08 06:00"]


@pytest.mark.parametrize("name", ["ZZ", "FR-ZZ", "target", ""])
def test_a_calendar_that_nobody_knows_is_told(name: str) -> None:
    with pytest.raises(SettingsError, match="there is no calendar"):
        days(1, "2026-05-07T12:00", on="working_day", holidays=name)


def test_an_hour_that_the_clock_leaves_out_is_the_next_one_it_shows() -> None:
    assert days(2, "2026-03-28T12:00", on="day", at="02:30") == ["2026-03-29 03:30", "2026-03-30 02:30"]


def test_an_hour_that_the_clock_shows_twice_is_due_once() -> None:
    found = list(islice(moments(schedule(on="day", at="02:30"), datetime(2026, 10, 24, 12, tzinfo=PARIS), PARIS), 2))
    assert [moment.astimezone(UTC).isoformat() for moment in found] == [
        "2026-10-25T00:30:00+00:00",
        "2026-10-26T01:30:00+00:00",
    ]


def test_cron_says_what_crontab_says() -> None:
    assert days(3, "2026-11-26T06:00", cron="15 7 * * 1-5") == [
        "2026-11-26 07:15",
        "2026-11-27 07:15",
        "2026-11-30 07:15",
    ]
    assert days(2, "2026-11-26T06:00", cron="0 6 L * *") == ["2026-11-30 06:00", "2026-12-31 06:00"]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"on": "monday", "cron": "* * * * *"},
        {"cron": "61 * * * *"},
        {"on": "someday"},
        {"on": "day", "at": "25:00"},
        # A Friday comes on a holiday too: whoever writes this believes that it does not.
        {"on": "friday", "holidays": "TARGET"},
        {"cron": "0 6 * * 1-5", "holidays": "FR"},
        {"on": "day", "does": "payments", "destinations": ["bank"], "entity": "FR01"},
    ],
)
def test_what_says_no_moment_is_refused(said: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        schedule(**said)


def test_many_missed_moments_are_the_last_one() -> None:
    after, now = datetime(2026, 1, 1, tzinfo=PARIS), datetime(2026, 11, 26, tzinfo=PARIS)
    last, count = last_due(schedule(on="last_day_of_month", at="18:00"), after, now, PARIS)
    assert (f"{last:%Y-%m-%d %H:%M}", count) == ("2026-10-31 18:00", 10)
    assert last_due(schedule(on="first_day_of_month"), now, now + timedelta(days=2), PARIS) == (None, 0)


def test_a_day_begins_with_its_first_moment() -> None:
    after = first_moment(date(2026, 11, 30), PARIS)
    found = next(iter(moments(schedule(on="last_day_of_month", at="00:00"), after, PARIS)))
    assert f"{found:%Y-%m-%d %H:%M}" == "2026-11-30 00:00"


@given(
    on=st.sampled_from(["day", "working_day", "last_working_day_of_month", "first_day_of_month", "friday"]),
    at=st.times(),
    start=st.datetimes(datetime(2025, 1, 1), datetime(2029, 1, 1)),  # noqa: DTZ001 - made UTC below
    steps=st.lists(st.integers(1, 60 * 24 * 40), min_size=1, max_size=8),
    zone=st.sampled_from(["Europe/Paris", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "UTC"]),
)
def test_whenever_one_looks_every_moment_is_seen_once(
    on: str, at: Any, start: datetime, steps: list[int], zone: str
) -> None:
    """Looking often finds the same moments as looking once, in order, none twice."""
    where = ZoneInfo(zone)
    one = schedule(on=on, at=at.replace(tzinfo=None), holidays="FR" if "working" in on else None)
    begin = start.replace(tzinfo=UTC)
    seen, after, now = 0, begin, begin
    for minutes in steps:
        now += timedelta(minutes=minutes)
        last, count = last_due(one, after, now, where)
        assert (last is None) == (count == 0)
        if last is not None:
            assert after < last <= now
            after = last
        seen += count
    assert last_due(one, begin, now, where)[1] == seen
