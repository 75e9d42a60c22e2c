"""What is done by itself, and when (docs/schedules.md)."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator, model_validator

from pipeline.settings.base import Model, Name

Days = Literal[
    "day",
    "working_day",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "first_day_of_month",
    "last_day_of_month",
    "first_working_day_of_month",
    "last_working_day_of_month",
]


class _Schedule(Model):
    """When something is due: at an hour of certain days, or by a cron expression.

    since: the first day that counts; without it what was due before the schedule was first seen is left out.
    holidays: the calendar that working days go by: an ISO 3166 country (`FR`, `FR-57` for a part of it), or `TARGET`,
    the euro's. It goes with working days; without it every Monday to Friday is one. is_on: false leaves it out.
    """

    on: Days | None = None
    at: time = time(6)
    cron: str | None = None
    since: date | None = None
    holidays: str | None = None
    is_on: bool = True

    @field_validator("at")
    @classmethod
    def _is_of_the_wall(cls, at: time) -> time:
        if at.tzinfo is not None:
            raise ValueError("the hour is of the settings' timezone")
        return at

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, cron: str | None) -> str | None:
        if cron is not None:
            try:
                CronSim(cron, datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")))
            except CronSimError as error:
                raise ValueError(f"this is no cron expression ({error})") from None
        return cron

    @model_validator(mode="after")
    def _says_when(self) -> _Schedule:
        if (self.on is None) == (self.cron is None):
            raise ValueError("give either on or cron")
        if self.holidays is not None and "working_day" not in (self.on or ""):
            raise ValueError("holidays go with `on` and working days: other days come on holidays too")
        return self


class ExportSchedule(_Schedule):
    """Exports of a legal entity, delivered to the destinations of their profiles.

    through: the last posting date that goes out: the day itself, or the last day of the month before.
    """

    does: Literal["export"]
    entity: str
    profiles: Annotated[list[str], Field(min_length=1)]
    through: Literal["day", "previous_month"] = "day"


class PaymentsSchedule(_Schedule):
    """The bank's files of a legal entity's payment orders, those created since `since`, which it must have.

    make_order: an order of its own first, cutoff_days before the day, from bank_account.
    """

    does: Literal["payments"]
    entity: str
    destinations: Annotated[list[Name], Field(min_length=1)]
    make_order: bool = False
    cutoff_days: Annotated[int, Field(ge=0)] = 0
    bank_account: str | None = None

    @model_validator(mode="after")
    def _begins_somewhere(self) -> PaymentsSchedule:
        if self.since is None:
            raise ValueError("since is needed: the files of orders created before it are never sent")
        return self


class SyncSchedule(_Schedule):
    """Master data from a source."""

    does: Literal["sync"]
    source: Name


Schedule = Annotated[ExportSchedule | PaymentsSchedule | SyncSchedule, Field(discriminator="does")]
