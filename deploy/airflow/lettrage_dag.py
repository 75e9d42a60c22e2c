"""An example DAG for Airflow 3: a batch each night, the checks, an export for each legal entity, the deliveries.

    run ─▶ check ─▶ export (one a legal entity) ─▶ deliver
     └▶ nothing_new_in_quarantine ─▶ tell_accounting, where that was skipped

Airflow and Lettrage live in environments of their own: tasks call the command, and its exit code says what became of
it. 0 done, 1 failed: tried again; 2 wrong usage or configuration: not tried again, for somebody has to mend it; 3 done,
but something new went to quarantine. Copy the file into the folder of DAGs and set these variables for the workers:

    LETTRAGE            the command, as /opt/lettrage/bin/lettrage
    LETTRAGE_CONFIG     the settings of the installation: docs/settings.md
    LETTRAGE_STORE      LETTRAGE_REFERENCE      LETTRAGE_BATCHES      LETTRAGE_OUT
    LETTRAGE_ENTITIES   legal entities, with commas between
    LETTRAGE_PROFILE    the profile of the exports
"""
# ruff: noqa: INP001 - Airflow imports it as a file of the folder of DAGs

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Param, TriggerRule
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

if TYPE_CHECKING:
    from airflow.sdk import Context

DONE, USAGE, QUARANTINED = 0, 2, 3
ENTITIES = os.environ.get("LETTRAGE_ENTITIES", "FR01,BE01").split(",")


class Lettrage(BashOperator):
    """Calls the command, and pushes its exit code.

    done_on: exit codes that say that it is done. Exit code 2 fails at once, whatever retries are left.
    """

    def __init__(self, *, done_on: tuple[int, ...] = (DONE,), **options: Any) -> None:
        super().__init__(append_env=True, **options)
        self.done_on = done_on

    def execute(self, context: Context) -> int:
        """Gives the command."""
        called = self.subprocess_hook.run_command(
            command=["bash", "-c", str(self.bash_command)], env=self.get_env(context), cwd=self.cwd
        )
        code: int = called.exit_code
        if code in self.done_on:
            return code
        if code in self.skip_on_exit_code:
            raise AirflowSkipException(f"exit code {code}")
        if code == USAGE:
            raise AirflowFailException("wrong usage or configuration: the log says what to mend")
        raise AirflowException(f"exit code {code}: see the log; it is tried again")


with DAG(
    dag_id="lettrage",
    description="Expense reports, advances and payment orders into the books.",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow reads it in its own time zone
    catchup=False,
    # A ledger has one writer; two runs of the DAG would only wait for each other.
    max_active_runs=1,
    params={"batch": Param("", type="string", description="The folder of the batch; the day's where it is empty.")},
    default_args={
        "retries": 3,
        "retry_delay": timedelta(minutes=2),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=30),
        "env": {"LETTRAGE_LOG_FORMAT": "json"},
    },
    tags=["accounting"],
    doc_md=__doc__,
) as dag:
    run = Lettrage(
        task_id="run",
        bash_command=(
            '"${LETTRAGE:-lettrage}" run --store "$LETTRAGE_STORE" --reference "$LETTRAGE_REFERENCE" '
            '--batch "$LETTRAGE_BATCHES/{{ params.batch or ds }}" --json'
        ),
        done_on=(DONE, QUARANTINED),
    )
    nothing_new_in_quarantine = BashOperator(
        task_id="nothing_new_in_quarantine",
        bash_command="exit {{ ti.xcom_pull(task_ids='run') }}",
        skip_on_exit_code=QUARANTINED,
        retries=0,
    )
    # What waits is listed in the task's log; put the company's own way of telling people here.
    tell_accounting = Lettrage(
        task_id="tell_accounting",
        bash_command='"${LETTRAGE:-lettrage}" status --store "$LETTRAGE_STORE"',
        trigger_rule=TriggerRule.ALL_SKIPPED,
    )
    check = Lettrage(
        task_id="check",
        bash_command='"${LETTRAGE:-lettrage}" check --store "$LETTRAGE_STORE" --chain --json',
        retries=0,
    )
    export = Lettrage.partial(
        task_id="export",
        bash_command=(
            '"${LETTRAGE:-lettrage}" export --store "$LETTRAGE_STORE" --profile "$LETTRAGE_PROFILE" '
            '--entity "$ENTITY" --through {{ ds }} --out "$LETTRAGE_OUT/$ENTITY" --json'
        ),
        map_index_template="{{ task.env['ENTITY'] }}",
    ).expand(env=[{"LETTRAGE_LOG_FORMAT": "json", "ENTITY": entity} for entity in ENTITIES])
    deliver = Lettrage(task_id="deliver", bash_command='"${LETTRAGE:-lettrage}" deliver --config "$LETTRAGE_CONFIG"')

    run >> nothing_new_in_quarantine >> tell_accounting
    run >> check >> export >> deliver
