"""What Dagster loads: assets, checks, jobs, schedules and the sensor of new batches.

dagster dev -m lettrage_dagster.definitions
"""

import os
from collections.abc import Iterator
from datetime import date, timedelta

from dagster import (
    AssetSelection,
    DagsterRunStatus,
    DefaultScheduleStatus,
    Definitions,
    MultiPartitionKey,
    RunRequest,
    RunsFilter,
    ScheduleEvaluationContext,
    SensorEvaluationContext,
    SkipReason,
    define_asset_job,
    multiprocess_executor,
    schedule,
    sensor,
)

from lettrage_dagster import exports, ledger
from lettrage_dagster.resources import Lettrage, of_environment

ZONE = os.environ.get("LETTRAGE_TIMEZONE", "Europe/Paris")
_UNDER_WAY = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
]

EXPORTS = [exports.export_asset(profile) for profile in exports.profiles()]
CHECKS = [ledger.nothing_waits, ledger.invariants, ledger.control_totals]

#: polars hangs in a forked child: processes are spawned, which is Dagster's default and stands here to stay
SPAWNED = multiprocess_executor.configured({"start_method": {"spawn": {}}, "max_concurrent": 2}, name="spawned")

POSTING = AssetSelection.groups("reference", "batch", "ledger")
post_batch = define_asset_job("post_batch", POSTING, description="A batch into the ledger, its tables and its checks.")
# The checks come along: they block, so that no file is made of a ledger that does not hold.
EXPORTING = AssetSelection.groups("exports") | AssetSelection.checks(ledger.invariants, ledger.control_totals)
month_end = define_asset_job("month_end", EXPORTING, description="The files of a legal entity and month.")


def _waiting(context: SensorEvaluationContext | ScheduleEvaluationContext, lettrage: Lettrage) -> list[str]:
    """The batches that were never posted, oldest first; from now on each is a partition."""
    arrived = lettrage.arrived()
    known = set(context.instance.get_dynamic_partitions(str(ledger.BATCHES.name)))
    context.instance.add_dynamic_partitions(str(ledger.BATCHES.name), [name for name in arrived if name not in known])
    posted = context.instance.get_materialized_partitions(ledger.ledger_run.key)
    return [name for name in arrived if name not in posted]


@sensor(job=post_batch, minimum_interval_seconds=60, description="A batch that arrives is posted; one after another.")
def new_batches(context: SensorEvaluationContext, lettrage: Lettrage) -> Iterator[RunRequest | SkipReason]:
    """Asks for the oldest batch that was not posted, once the one before it is done."""
    if context.instance.get_runs_count(RunsFilter(job_name="post_batch", statuses=_UNDER_WAY)):
        yield SkipReason("a batch is being posted")
        return
    waiting = _waiting(context, lettrage)
    if not waiting:
        yield SkipReason(f"nothing new in {lettrage.batches}")
        return
    yield RunRequest(run_key=waiting[0], partition_key=waiting[0])


@schedule(job=post_batch, cron_schedule="0 2 * * *", execution_timezone=ZONE)
def nightly(context: ScheduleEvaluationContext, lettrage: Lettrage) -> Iterator[RunRequest | SkipReason]:
    """Posts at night what arrived since, for those who do not want the sensor; the store's pool keeps them apart."""
    waiting = _waiting(context, lettrage)
    if not waiting:
        yield SkipReason(f"nothing new in {lettrage.batches}")
    for name in waiting:
        yield RunRequest(run_key=f"{name}:{context.scheduled_execution_time:%Y-%m-%d}", partition_key=name)


@schedule(
    job=month_end, cron_schedule="0 6 3 * *", execution_timezone=ZONE, default_status=DefaultScheduleStatus.STOPPED
)
def month_end_exports(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
    """Exports last month for every legal entity, on the third day of the month."""
    month = last_month(context.scheduled_execution_time.date())
    entities = context.instance.get_dynamic_partitions(str(ledger.ENTITIES.name))
    if not entities:
        yield SkipReason("no legal entity is known yet: materialise reference")
    for entity in entities:
        key = MultiPartitionKey({"legal_entity": entity, "month": str(month)})
        yield RunRequest(run_key=f"{entity}:{month}", partition_key=key)


def last_month(day: date) -> date:
    """The first day of the month before."""
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


defs = Definitions(
    assets=[ledger.reference, ledger.staged_batch, ledger.ledger_run, ledger.ledger_tables, *EXPORTS],
    asset_checks=CHECKS,
    jobs=[post_batch, month_end],
    schedules=[nightly, month_end_exports],
    sensors=[new_batches],
    resources={"lettrage": of_environment()},
    executor=SPAWNED,
)
