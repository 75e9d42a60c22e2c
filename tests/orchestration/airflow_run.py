"""Is run by the interpreter of .venv-airflow: makes the example DAG once, and prints how its tasks ended.

python airflow_run.py DAG_FILE    $LETTRAGE names the program that stands in for the command
"""

import json
import sys
from datetime import UTC, datetime

from airflow.dag_processing.dagbag import DagBag

dag = DagBag(dag_folder=sys.argv[1]).dags["lettrage"]
made = dag.test(logical_date=datetime(2026, 4, 2, 2, tzinfo=UTC))
states = {f"{one.task_id}[{one.map_index}]".removesuffix("[-1]"): one.state for one in made.get_task_instances()}
sys.stdout.write("\n" + json.dumps({"state": made.state, "tasks": states}) + "\n")
