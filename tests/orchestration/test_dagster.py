"""The Dagster project: what it defines loads, and the whole of it can be materialised on the sample, again and again."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.errors import InputError, StoreBusyError
from tests.tidy.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

dagster = pytest.importorskip("dagster", reason="the extra dagster is not installed")

PROJECT = ROOT / "deploy" / "dagster"
SAMPLE = ROOT / "data" / "sample"
MODULES = ("resources", "ledger", "exports", "definitions")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def project() -> Iterator[dict[str, ModuleType]]:
    """The modules of the project, as `dagster dev -m lettrage_dagster.definitions` finds them in its folder."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("LETTRAGE_")}
    sys.path.insert(0, str(PROJECT))
    try:
        yield {name: importlib.import_module(f"lettrage_dagster.{name}") for name in MODULES}
    finally:
        sys.path.remove(str(PROJECT))
        os.environ.update(kept)


@pytest.fixture
def defs(project: dict[str, ModuleType]) -> Any:
    return project["definitions"].defs


def test_the_definitions_are_whole(defs: Any) -> None:
    dagster.Definitions.validate_loadable(defs)
    assert {job.name for job in defs.jobs} == {"post_batch", "month_end"}
    assert {one.name for one in defs.schedules} == {"nightly", "month_end_exports"}


def test_every_table_of_the_ledger_is_an_asset_and_every_invariant_a_check(defs: Any) -> None:
    keys = {"/".join(spec.key.path) for spec in defs.resolve_all_asset_specs()}
    tables = {"entry_lines", "letterings", "lettering_lines", "balances", "employee_accounts", "payments", "documents"}
    assert {f"ledger/{table}" for table in (*tables, "quarantine", "runs", "run_times")} <= keys
    assert {"reference", "staged_batch", "ledger_run", "exports/csv"} <= keys
    checks = {key.name for key in defs.resolve_asset_graph().asset_check_keys}
    invariants = {path.stem for path in (ROOT / "pipeline" / "ledger" / "invariants").glob("*.sql")}
    assert (
        invariants | {"files_are_whole", "chain", "control_totals", "nothing_waits", "read_back", "complete"} == checks
    )


def test_exports_are_partitioned_by_entity_and_month_and_batches_by_name(project: dict[str, ModuleType]) -> None:
    months = project["exports"].ENTITY_MONTHS
    assert {one.name for one in months.partitions_defs} == {"legal_entity", "month"}
    key = dagster.MultiPartitionKey({"legal_entity": "FR01", "month": "2028-02-01"})
    assert project["exports"].period_of(key) == ("FR01", date(2028, 2, 1), date(2028, 2, 29))
    assert project["definitions"].last_month(date(2027, 1, 3)) == date(2026, 12, 1)


def test_processes_are_spawned_and_never_forked(project: dict[str, ModuleType]) -> None:
    assert project["definitions"].defs.executor is project["definitions"].SPAWNED
    applied = project["definitions"].SPAWNED.config_schema.resolve_config({})
    assert applied.success


def test_the_instance_sends_no_telemetry(tmp_path: Path) -> None:
    shutil.copy(PROJECT / "dagster.yaml", tmp_path)
    with dagster.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.telemetry_enabled is False
        assert instance.get_settings("concurrency")["pools"]["default_limit"] == 1


class Books:
    """A company in a temporary directory, with the sample's reference tables and first batch."""

    def __init__(self, project: dict[str, ModuleType], directory: Path, instance: Any) -> None:
        self.project, self.directory, self.instance = project, directory, instance
        shutil.copytree(SAMPLE / "reference", directory / "reference")
        self.batches = directory / "batches"
        self.batches.mkdir()
        self.lettrage = project["resources"].Lettrage(
            store=str(directory / "store"),
            reference=str(directory / "reference"),
            batches=str(self.batches),
            out=str(directory / "out"),
            on="2026-04-02",
        )
        self.defs = project["definitions"].defs

    def arrives(self, name: str) -> None:
        shutil.copytree(SAMPLE / name, self.batches / name)

    def execute(self, job: str, partition: Any, *, expect: bool = True, config: dict[str, Any] | None = None) -> Any:
        done = self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=partition,
            resources={"lettrage": self.lettrage},
            run_config=config,
            raise_on_error=False,
        )
        assert done.success is expect
        return done

    def post(self, name: str) -> Any:
        self.instance.add_dynamic_partitions("batches", [name])
        return self.execute("post_batch", name)

    def export(self, entity: str, month: str, *, expect: bool = True, **options: Any) -> Any:
        key = dagster.MultiPartitionKey({"legal_entity": entity, "month": month})
        config = {"ops": {"exports__csv": {"config": options}}} if options else None
        return self.execute("month_end", key, config=config, expect=expect)

    def files(self) -> dict[str, str]:
        out = self.directory / "out"
        return {
            str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(out.rglob("*"))
            if path.is_file() and path.parent.name != "ledger"
        }

    def requests(self) -> list[Any]:
        sensor = self.project["definitions"].new_batches
        context = dagster.build_sensor_context(self.instance, definitions=self.defs)
        return [one for one in sensor(context, lettrage=self.lettrage) if isinstance(one, dagster.RunRequest)]


@pytest.fixture(scope="module")
def books(project: dict[str, ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    with dagster.DagsterInstance.ephemeral() as instance:
        company = Books(project, tmp_path_factory.mktemp("books"), instance)
        company.arrives("batch-1")
        company.posted = company.post("batch-1")
        yield company


def metadata(done: Any, key: str) -> dict[str, Any]:
    (event,) = [
        one for one in done.get_asset_materialization_events() if one.asset_key == dagster.AssetKey(key.split("/"))
    ]
    return {
        name: [record.data for record in value.records] if hasattr(value, "records") else value.value
        for name, value in event.materialization.metadata.items()
    }


def checks(done: Any) -> dict[str, Any]:
    return {one.check_name: one for one in done.get_asset_check_evaluations()}


@pytest.mark.slow
def test_a_batch_becomes_a_run_tables_and_checks(books: Books) -> None:
    ran = metadata(books.posted, "ledger_run")
    assert ran["run"] == 1
    assert len(ran["batch_digest"]) == len(ran["chain_digest"]) == 64
    assert metadata(books.posted, "staged_batch")["batch_digest"] == ran["batch_digest"]
    amounts = [record["amount"] for record in ran["entries"]]
    assert amounts
    assert all(isinstance(amount, str) for amount in amounts)
    assert metadata(books.posted, "ledger/entry_lines")["dagster/row_count"] == sum(
        record["lines"] for record in ran["entries"]
    )
    assert (books.directory / "out" / "ledger" / "balances.parquet").exists()
    assert books.instance.get_dynamic_partitions("legal_entities") == ["BE01", "CH01", "FR01", "FR02", "JP01", "TN01"]


@pytest.mark.slow
def test_every_check_passes_but_the_quarantine_warns(books: Books) -> None:
    found = checks(books.posted)
    assert [name for name, one in found.items() if not one.passed] == ["nothing_waits"]
    assert found["nothing_waits"].severity == dagster.AssetCheckSeverity.WARN
    assert found["nothing_waits"].metadata["findings"].value > 0


@pytest.mark.slow
def test_an_export_is_read_back_and_made_again_the_same(books: Books) -> None:
    first = books.export("FR01", "2026-01-01")
    written = books.files()
    assert written
    assert all(one.passed for one in checks(first).values())
    again = books.export("FR01", "2026-01-01")
    assert books.files() == written
    assert metadata(again, "exports/csv")["exports"] == metadata(first, "exports/csv")["exports"]
    shutil.rmtree(books.directory / "out" / "FR01")
    books.export("FR01", "2026-01-01")
    assert books.files() == written
    # What nobody has posted yet is an export of nothing, and no error.
    nothing = books.export("JP01", "2026-03-01")
    assert metadata(nothing, "exports/csv")["exports"] == ""


@pytest.mark.slow
def test_what_comes_later_to_a_month_waits_until_somebody_asks(project: dict[str, ModuleType], tmp_path: Path) -> None:
    with dagster.DagsterInstance.ephemeral() as instance:
        books = Books(project, tmp_path, instance)
        for name in ("batch-1", "batch-2"):
            books.arrives(name)
        books.post("batch-1")
        books.export("FR01", "2026-01-01")
        books.post("batch-2")
        later = books.export("FR01", "2026-01-01")
        assert not checks(later)["complete"].passed
        more = books.export("FR01", "2026-01-01", supplement=True)
        assert checks(more)["complete"].passed
        assert metadata(more, "exports/csv")["exports"] == "1, 2"
        # The same batch posts nothing a second time.
        assert sum(record["posted"] for record in metadata(books.post("batch-1"), "ledger_run")["rows"]) == 0


@pytest.mark.slow
def test_nothing_is_exported_from_a_ledger_that_does_not_hold(project: dict[str, ModuleType], tmp_path: Path) -> None:
    with dagster.DagsterInstance.ephemeral() as instance:
        books = Books(project, tmp_path, instance)
        books.arrives("batch-1")
        books.post("batch-1")
        segment = next((tmp_path / "store" / "kind=open_lines").glob("*.parquet"))
        content = bytearray(segment.read_bytes())
        content[len(content) // 2] ^= 1
        segment.write_bytes(content)
        done = books.export("FR01", "2026-01-01", expect=False)
        assert not checks(done)["files_are_whole"].passed
        assert not done.get_asset_materialization_events()
        assert books.files() == {}


@pytest.mark.slow
def test_the_sensor_asks_for_one_batch_after_another(project: dict[str, ModuleType], tmp_path: Path) -> None:
    with dagster.DagsterInstance.ephemeral() as instance:
        books = Books(project, tmp_path, instance)
        assert books.requests() == []
        books.arrives("batch-1")
        books.arrives("batch-2")
        (books.batches / "batch-3.part").mkdir()
        assert [one.partition_key for one in books.requests()] == ["batch-1"]
        books.execute("post_batch", "batch-1")
        assert [one.partition_key for one in books.requests()] == ["batch-2"]
        books.arrives("batch-3")
        at = datetime(2026, 4, 2, 2, tzinfo=UTC)
    (tmp_path / "home").mkdir()
    with dagster.DagsterInstance.local_temp(str(tmp_path / "home"), {"telemetry": {"enabled": False}}) as instance:
        context = dagster.build_schedule_context(instance, scheduled_execution_time=at)
        asked = list(project["definitions"].nightly(context, lettrage=books.lettrage))
        assert [one.partition_key for one in asked] == ["batch-1", "batch-2", "batch-3"]


def test_the_month_s_end_asks_for_every_entity(project: dict[str, ModuleType], tmp_path: Path) -> None:
    with dagster.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}}) as instance:
        schedule, at = project["definitions"].month_end_exports, datetime(2026, 3, 3, 6, tzinfo=UTC)
        context = dagster.build_schedule_context(instance, scheduled_execution_time=at)
        assert [type(one).__name__ for one in schedule(context)] == ["SkipReason"]
        instance.add_dynamic_partitions("legal_entities", ["BE01", "FR01"])
        keys = [one.partition_key.keys_by_dimension for one in schedule(context)]
    assert keys == [{"legal_entity": entity, "month": "2026-02-01"} for entity in ("BE01", "FR01")]


def test_what_passes_by_itself_is_tried_again_and_nothing_else(project: dict[str, ModuleType]) -> None:
    told = project["resources"].told
    with pytest.raises(dagster.RetryRequested), told():
        raise StoreBusyError("another process writes")
    with pytest.raises(dagster.Failure) as failed, told():
        raise InputError("no table", where="batch", mend="add it")
    assert failed.value.allow_retries is False
    assert failed.value.metadata["mend"].value == "add it"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_dagster_s_own_command_runs_the_steps_in_spawned_processes(tmp_path: Path) -> None:
    shutil.copy(PROJECT / "dagster.yaml", tmp_path)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LETTRAGE_", "DAGSTER_"))}
    environment |= {
        "DAGSTER_HOME": str(tmp_path),
        "PYTHONPATH": f"{PROJECT}{os.pathsep}{ROOT}",
        "LETTRAGE_STORE": str(tmp_path / "store"),
        "LETTRAGE_REFERENCE": str(SAMPLE / "reference"),
        "LETTRAGE_BATCHES": str(SAMPLE),
        "LETTRAGE_OUT": str(tmp_path / "out"),
    }
    with dagster.DagsterInstance.from_config(str(tmp_path)) as instance:
        instance.add_dynamic_partitions("batches", ["batch-1"])
    job = ("-m", "lettrage_dagster.definitions", "-j", "post_batch", "--tags", '{"dagster/partition": "batch-1"}')
    command = [sys.executable, "-m", "dagster", "job", "execute", *job]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    launched = set(re.findall(r'Launching subprocess for "(\w+)"', done.stderr + done.stdout))
    assert {"reference", "staged_batch", "ledger_run", "ledger_tables", "invariants"} <= launched
    assert (tmp_path / "out" / "ledger" / "entry_lines.parquet").exists()
