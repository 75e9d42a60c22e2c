"""When a schedule is due: the moments that its days, or its cron expression, give."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import holidays
from cronsim import CronSim

from pipeline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from pipeline.settings.schedules import Schedule

#: the calendar of the euro's payment system, as the settings and as the library call it
_TARGET, _ECB = "TARGET", "XECB"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SATURDAY = 5
#: a schedule that is due on no day of so many has no next moment (a cron expression of 30 February)
_HORIZON = timedelta(days=366 * 8)


def moments(schedule: Schedule, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The moments at which a schedule is due, one after another, the first one later than `after`; in its zone.

    A moment that the clock leaves out in spring is the one that the clock then shows; one that it shows twice in autumn
    is the first. Raises: SettingsError for a calendar that nobody knows.
    """
    if schedule.cron is not None:
        yield from CronSim(schedule.cron, after.astimezone(zone))
        return
    is_due, at = _days(schedule), schedule.at
    day, last = after.astimezone(zone).date() - timedelta(days=1), after.date() + _HORIZON
    while day < last:
        day += timedelta(days=1)
        if not is_due(day):
            continue
        moment = _on_the_wall(day, at, zone)
        if moment > after:
            yield moment
            last = day + _HORIZON


def last_due(schedule: Schedule, after: datetime, now: datetime, zone: ZoneInfo) -> tuple[datetime | None, int]:
    """The last moment later than `after` and not later than `now`, and how many there were; None and 0 without any."""
    found, count = None, 0
    for moment in moments(schedule, after, zone):
        if moment > now:
            break
        found, count = moment, count + 1
    return found, count


def first_moment(day: date, zone: ZoneInfo) -> datetime:
    """The moment just before a day begins."""
    return _on_the_wall(day, time(0), zone) - timedelta(microseconds=1)


def _on_the_wall(day: date, at: time, zone: ZoneInfo) -> datetime:
    # Through UTC: an hour that does not exist becomes one that does.
    return datetime.combine(day, at, zone).astimezone(UTC).astimezone(zone)


def _days(schedule: Schedule) -> Callable[[date], bool]:
    """Whether a schedule is due on a day."""
    is_holiday = holidays_of(schedule.holidays)

    def works(day: date) -> bool:
        return day.weekday() < _SATURDAY and not is_holiday(day)

    def none_works(day: date, first: int, last: int) -> bool:
        return not any(works(day.replace(day=one)) for one in range(first, last + 1))

    by_name: dict[str, Callable[[date], bool]] = {
        "day": lambda _: True,
        "working_day": works,
        "first_day_of_month": lambda day: day.day == 1,
        "last_day_of_month": lambda day: day == _month_end(day),
        "first_working_day_of_month": lambda day: works(day) and none_works(day, 1, day.day - 1),
        "last_working_day_of_month": lambda day: works(day) and none_works(day, day.day + 1, _month_end(day).day),
    }
    on = str(schedule.on)
    return by_name.get(on, lambda day: _WEEKDAYS[day.weekday()] == on)


def holidays_of(name: str | None) -> Callable[[date], bool]:
    """Whether a day is a holiday of a calendar: none without a name. Raises: SettingsError where it is not known."""
    if name is None:
        return lambda _: False
    try:
        if name == _TARGET:
            found = holidays.financial_holidays(_ECB)
        else:
            country, _, part = name.partition("-")
            found = holidays.country_holidays(country, subdiv=part or None)
    except NotImplementedError:
        raise SettingsError(
            f"there is no calendar {name}",
            where="holidays of a schedule",
            mend="write a country of ISO 3166 (FR), a part of one (FR-57), or TARGET",
        ) from None
    return lambda day: day in found


def _month_end(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])
