"""Is run by the interpreter of .venv-airflow: imports the example DAG as Airflow does, and prints what it finds.

python airflow_look.py DAG_FILE EXIT_CODE...    also: what the operator makes of a command that ends with each code
"""

import json
import sys

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.serialization.serialized_objects import DagSerialization

path, *codes = sys.argv[1:]
bag = DagBag(dag_folder=path)
dag = bag.dags.get("lettrage")
found = {"errors": {str(file): said for file, said in bag.import_errors.items()}, "tasks": {}, "ends": {}}
if dag is not None:
    found["schedule"] = dag.schedule
    found["max_active_runs"] = dag.max_active_runs
    found["serialized"] = len(json.dumps(DagSerialization.to_dict(dag)))
    for task in dag.tasks:
        is_mapped = isinstance(task, MappedOperator)
        options = task.partial_kwargs if is_mapped else vars(task)
        found["tasks"][task.task_id] = {
            "after": sorted(task.upstream_task_ids),
            "retries": task.retries,
            "skips_on": [] if is_mapped else list(task.skip_on_exit_code),
            "trigger_rule": str(task.trigger_rule.value),
            "call": options["bash_command"],
            "mapped": len(task.expand_input.value["env"]) if is_mapped else 0,
        }
    run = dag.get_task("run")
    for code in codes:
        run.bash_command = f"exit {code}"
        try:
            found["ends"][code] = run.execute({})
        except Exception as error:  # noqa: BLE001 - which one it is, is the question
            found["ends"][code] = type(error).__name__
sys.stdout.write("\n" + json.dumps(found) + "\n")
