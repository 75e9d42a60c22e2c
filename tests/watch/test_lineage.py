"""OpenLineage: START, then COMPLETE or FAIL, as its own client reads them; off by default, and never in the way."""

from __future__ import annotations

import inspect
import json
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.errors import RunError
from pipeline.watch import lineage
from tests.support import Company, expense, order, report

client = pytest.importorskip("openlineage.client", reason="the extra lineage is not installed")


#: variables by which the machine that tests run on may send its own events somewhere
VARIABLES = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE__TRANSPORT", "LETTRAGE_CONFIG")
SETTINGS = 'store = "store"\n[lineage]\nfile = "lineage/events.jsonl"\nnamespace = "acme"\n'


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def events(directory: Path) -> list[dict[str, Any]]:
    path = directory / "lineage" / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Story:
    """What was told of a company's first day: two runs, an export and the same again, a dump, a run that fails."""

    def __init__(self, directory: Path) -> None:
        (directory / "lettrage.toml").write_text(SETTINGS)
        self.company = company = Company(directory)
        settings = ("--config", str(directory / "lettrage.toml"))
        first = {"expense_reports": [report()], "expenses": [expense()], "payment_orders": [order()]}
        self.ran = company.run(**first, options=settings)
        self.tables = company.dump()
        company.run(expense_reports=[report("R2")], expenses=[expense("R2")], options=settings)
        for arguments in (("--format", "csv", "--entity", "FR01"), ("--again", "1")):
            done = company.invoke("export", *arguments, "--out", str(directory / "out"), *settings)
            assert done.exit_code == 0, done.output
        assert company.invoke("dump", "--out", str(directory / "tables"), *settings).exit_code == 0
        company.reference = {**company.reference, "employees": []}
        company.run(options=settings, expect=(2,))
        self.events = events(directory)
        self.run, self.second, self.export, self.again, self.dump, self.failure = zip(
            self.events[::2], self.events[1::2], strict=True
        )


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        return Story(tmp_path_factory.mktemp("story"))


def dumped(story: Story, directory: Path, *before: str, **variables: str) -> Result:
    """Gives the least of the commands that are told of, in a folder with settings that nobody has named."""
    (directory / "lettrage.toml").write_text(SETTINGS)
    arguments = ["dump", "--store", str(story.company.store), "--out", str(directory / "tables"), "--json"]
    return CliRunner().invoke(main, [*before, *arguments], env=variables)


def rows(datasets: list[dict[str, Any]], kind: str) -> dict[str, int | None]:
    return {
        one["name"].rsplit("/", 1)[-1]: one[f"{kind}Facets"].get(f"{kind}Statistics", {}).get("rowCount")
        for one in datasets
    }


def tags(event: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: one["value"] for one in event["run"]["facets"]["tags"]["tags"] if one["source"] == "LETTRAGE"}


def test_a_run_tells_what_it_read_and_what_it_added(story: Story) -> None:
    start, complete = story.run
    assert [(one["eventType"], one["job"]["namespace"], one["job"]["name"]) for one in (start, complete)] == [
        ("START", "acme", "lettrage.run"),
        ("COMPLETE", "acme", "lettrage.run"),
    ]
    assert UUID(start["run"]["runId"]).version == 7
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert start["eventTime"] < complete["eventTime"]
    read = rows(complete["inputs"], "input")
    assert {name: read[name] for name in ("employees", "expense_reports", "expenses", "payment_orders")} == {
        "employees": 3,
        "expense_reports": 1,
        "expenses": 1,
        "payment_orders": 1,
    }
    assert {one["namespace"] for one in complete["inputs"]} == {"file"}
    added = rows(complete["outputs"], "output")
    assert added["entry_lines"] == len(story.tables["entry_lines"])
    assert added["payments"] == len(story.tables["payments"])
    assert tags(complete)["run"] == "1"
    assert tags(complete)["chain_digest"] == story.ran["chain_digest"]


def test_what_a_second_run_added_is_its_own(story: Story) -> None:
    assert rows(story.second[1]["outputs"], "output")["entry_lines"] == 2


def test_tables_have_their_columns_with_types_and_meanings(story: Story) -> None:
    table = next(one for one in story.run[1]["inputs"] if one["name"].endswith("/expenses"))
    fields = {one["name"]: one for one in table["facets"]["schema"]["fields"]}
    assert fields["gross"]["type"] == "amount"
    assert fields["gross"]["description"]


def test_an_export_tells_its_files_and_again_the_same(story: Story) -> None:
    (start, complete), (_, again) = story.export, story.again
    assert start["job"]["name"] == complete["job"]["name"] == again["job"]["name"] == "lettrage.export.csv"
    assert complete["run"]["runId"] != again["run"]["runId"]
    (file,) = complete["outputs"]
    assert file["outputFacets"]["outputStatistics"]["size"] == Path(file["name"]).stat().st_size
    assert complete["outputs"] == again["outputs"]
    assert rows(complete["inputs"], "input")["entry_lines"] == 6
    assert tags(complete) == {"run": "2", "legal_entity": "FR01", "export_number": "1"}


def test_a_dump_tells_its_tables(story: Story) -> None:
    assert story.dump[1]["job"]["name"] == "lettrage.dump"
    assert rows(story.dump[1]["outputs"], "output")["entry_lines.parquet"] == 6


def test_a_failure_is_told_with_its_error(story: Story) -> None:
    start, fail = story.failure
    assert (start["eventType"], fail["eventType"]) == ("START", "FAIL")
    assert "employees" in fail["run"]["facets"]["errorMessage"]["message"]
    assert start["run"]["runId"] == fail["run"]["runId"]


def test_the_events_are_what_the_client_s_own_models_take(story: Story) -> None:
    event_v2 = import_module("openlineage.client.event_v2")
    generated = import_module("openlineage.client.generated")
    models = {
        model._get_schema(): model
        for module in iter_modules(generated.__path__)
        for _, model in inspect.getmembers(import_module(f"{generated.__name__}.{module.name}"), inspect.isclass)
        if hasattr(model, "_get_schema")
    }
    seen = set()

    def hold(facets: dict[str, Any]) -> None:
        for name, facet in facets.items():
            cells = {key: value for key, value in facet.items() if not key.startswith("_")}
            model = models[facet["_schemaURL"]]
            made = model(**cells)
            assert facet["_producer"].startswith("urn:lettrage:")
            assert name.replace("_", "").lower() in model.__name__.lower()
            seen.add(type(made).__name__)

    for one in story.events:
        hold(one["run"]["facets"])
        hold(one["job"]["facets"])
        for dataset in one["inputs"]:
            hold(dataset["facets"] | dataset["inputFacets"])
        for dataset in one["outputs"]:
            hold(dataset["facets"] | dataset["outputFacets"])
        event_v2.RunEvent(
            eventType=event_v2.RunState[one["eventType"]],
            eventTime=one["eventTime"],
            producer=one["producer"],
            run=event_v2.Run(**one["run"]),
            job=event_v2.Job(**one["job"]),
            inputs=[event_v2.InputDataset(**dataset) for dataset in one["inputs"]],
            outputs=[event_v2.OutputDataset(**dataset) for dataset in one["outputs"]],
        )
    assert seen == {
        "DatasetVersionDatasetFacet",
        "ErrorMessageRunFacet",
        "InputStatisticsInputDatasetFacet",
        "JobTypeJobFacet",
        "OutputStatisticsOutputDatasetFacet",
        "ProcessingEngineRunFacet",
        "SchemaDatasetFacet",
        "TagsRunFacet",
    }


def test_it_is_off_by_default(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where a lettrage.toml lies that nobody named
    assert dumped(story, tmp_path).exit_code == 0
    arguments = ["export", "--store", str(story.company.store), "--format", "parquet", "--entity", "FR01", "--preview"]
    assert CliRunner().invoke(main, [*arguments, "--config", "lettrage.toml"]).exit_code == 0
    assert events(tmp_path) == []


def test_the_environment_names_the_settings(story: Story, tmp_path: Path) -> None:
    dumped(story, tmp_path, LETTRAGE_CONFIG=str(tmp_path / "lettrage.toml"))
    assert [one["eventType"] for one in events(tmp_path)] == ["START", "COMPLETE"]


def test_the_variables_of_openlineage_are_enough(story: Story, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.jsonl"
    transport = json.dumps({"type": "file", "log_file_path": str(file), "append": True})
    variables = {"OPENLINEAGE__TRANSPORT": transport, "OPENLINEAGE_NAMESPACE": "theirs"}
    dumped(story, tmp_path, **variables)
    assert [json.loads(line)["job"]["namespace"] for line in file.read_text().splitlines()] == ["theirs", "theirs"]
    dumped(story, tmp_path, **variables, OPENLINEAGE_DISABLED="true")
    assert len(file.read_text().splitlines()) == 2


@pytest.mark.parametrize("format_of_logs", ["text", "json"])
def test_what_goes_wrong_with_it_is_one_warning_and_the_work_is_done(
    story: Story, tmp_path: Path, format_of_logs: str
) -> None:
    (tmp_path / "lineage").write_text("a file where a folder should be")
    config = {"LETTRAGE_CONFIG": str(tmp_path / "lettrage.toml")}
    result = dumped(story, tmp_path, "--log-format", format_of_logs, **config)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["entry_lines"] == 6
    (said,) = [line for line in result.stderr.splitlines() if "lineage could not be told" in line]
    assert format_of_logs == "text" or json.loads(said)["level"] == "warning"


def test_facts_that_cannot_be_found_are_one_warning(tmp_path: Path) -> None:
    said: list[str] = []

    def broken() -> lineage.Facts:
        raise RunError("no facts")

    with lineage.job("x", warn=said.append, file=tmp_path / "events") as one:
        one.is_made(broken)
    assert len(said) == 1
    assert "no facts" in said[0]


def test_the_error_of_the_work_goes_on_as_it_is(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match="token=abc"),
        lineage.job("x", warn=said.append, file=tmp_path / "file" / "events"),
    ):
        raise RunError("token=abc")
    with pytest.raises(RunError), lineage.job("x", warn=said.append, file=tmp_path / "events"):
        raise RunError("token=abc")
    assert len(said) == 1
    assert "abc" not in (tmp_path / "events").read_text()


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openlineage.client", None)
    said: list[str] = []
    with lineage.job("x", warn=said.append, file=tmp_path / "events"):
        pass
    assert said == ["lineage needs an extra: pip install 'lettrage[lineage]'"]


def test_places_are_named_as_openlineage_names_them(tmp_path: Path) -> None:
    assert lineage.Dataset("s3://bucket/books/entry_lines").address == ("s3://bucket", "books/entry_lines")
    assert lineage.Dataset(str(tmp_path / "x")).address == ("file", str(tmp_path / "x"))
