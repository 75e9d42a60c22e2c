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


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that tests run on may send its own events somewhere."""
    for name in ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE__TRANSPORT", "LETTRAGE_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def company(tmp_path: Path) -> Company:
    (tmp_path / "lettrage.toml").write_text(
        'store = "store"\n[lineage]\nfile = "lineage/events.jsonl"\nnamespace = "acme"\n'
    )
    return Company(tmp_path)


def settings(company: Company) -> tuple[str, str]:
    return "--config", str(company.directory / "lettrage.toml")


def posted(company: Company, *options: str) -> dict[str, Any]:
    return company.run(expense_reports=[report()], expenses=[expense()], payment_orders=[order()], options=options)


def told(company: Company) -> list[dict[str, Any]]:
    path = company.directory / "lineage" / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def rows(datasets: list[dict[str, Any]], kind: str) -> dict[str, int | None]:
    return {
        one["name"].rsplit("/", 1)[-1]: one[f"{kind}Facets"].get(f"{kind}Statistics", {}).get("rowCount")
        for one in datasets
    }


def tags(event: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: one["value"] for one in event["run"]["facets"]["tags"]["tags"] if one["source"] == "LETTRAGE"}


def test_a_run_tells_what_it_read_and_what_it_added(company: Company) -> None:
    ran = posted(company, *settings(company))
    start, complete = told(company)
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
    tables = company.dump()
    added = rows(complete["outputs"], "output")
    assert added["entry_lines"] == len(tables["entry_lines"])
    assert added["payments"] == len(tables["payments"])
    assert tags(complete)["run"] == "1"
    assert tags(complete)["chain_digest"] == ran["chain_digest"]


def test_what_a_second_run_added_is_its_own(company: Company) -> None:
    posted(company)
    company.run(expense_reports=[report("R2")], expenses=[expense("R2")], options=settings(company))
    assert rows(told(company)[-1]["outputs"], "output")["entry_lines"] == 2


def test_tables_have_their_columns_with_types_and_meanings(company: Company) -> None:
    posted(company, *settings(company))
    table = next(one for one in told(company)[-1]["inputs"] if one["name"].endswith("/expenses"))
    fields = {one["name"]: one for one in table["facets"]["schema"]["fields"]}
    assert fields["gross"]["type"] == "amount"
    assert fields["gross"]["description"]


def test_an_export_tells_its_files_and_again_the_same(company: Company) -> None:
    posted(company)
    out = company.directory / "out"
    for arguments in (("--format", "csv", "--entity", "FR01"), ("--again", "1")):
        assert company.invoke("export", *arguments, "--out", str(out), *settings(company)).exit_code == 0
    start, complete, _, again = told(company)
    assert start["job"]["name"] == complete["job"]["name"] == again["job"]["name"] == "lettrage.export.csv"
    assert complete["run"]["runId"] != again["run"]["runId"]
    (file,) = complete["outputs"]
    path = Path(file["name"])
    assert file["outputFacets"]["outputStatistics"]["size"] == path.stat().st_size
    assert complete["outputs"] == again["outputs"]
    assert rows(complete["inputs"], "input")["entry_lines"] == 4
    assert tags(complete) == {"run": "1", "legal_entity": "FR01", "export_number": "1"}


def test_a_dump_tells_its_tables(company: Company) -> None:
    posted(company)
    out = company.directory / "tables"
    assert company.invoke("dump", "--out", str(out), *settings(company)).exit_code == 0
    complete = told(company)[-1]
    assert complete["job"]["name"] == "lettrage.dump"
    assert rows(complete["outputs"], "output")["entry_lines.parquet"] == 4


def test_a_failure_is_told_with_its_error(company: Company) -> None:
    reference = company.reference
    company.reference = {**reference, "employees": []}
    assert "error" in company.run(options=settings(company), expect=(2,))
    start, fail = told(company)
    assert (start["eventType"], fail["eventType"]) == ("START", "FAIL")
    assert "employees" in fail["run"]["facets"]["errorMessage"]["message"]
    assert start["run"]["runId"] == fail["run"]["runId"]


def test_the_events_are_what_the_client_s_own_models_take(company: Company) -> None:
    event_v2 = import_module("openlineage.client.event_v2")
    generated = import_module("openlineage.client.generated")
    posted(company, *settings(company))
    company.invoke(
        "export", "--format", "csv", "--entity", "FR01", "--out", str(company.directory / "out"), *settings(company)
    )
    company.reference = {**company.reference, "employees": []}
    company.run(options=settings(company), expect=(2,))
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

    for one in told(company):
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


def test_it_is_off_by_default_and_for_previews(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(company.directory)  # where a lettrage.toml lies that nobody named
    posted(company)
    posted(company, "--preview", *settings(company))
    assert company.invoke("export", "--format", "csv", "--entity", "FR01", "--out", "out").exit_code == 0
    assert told(company) == []


def test_the_environment_names_the_settings(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETTRAGE_CONFIG", str(company.directory / "lettrage.toml"))
    posted(company)
    assert [one["eventType"] for one in told(company)] == ["START", "COMPLETE"]


def test_the_variables_of_openlineage_are_enough(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    file = company.directory / "elsewhere.jsonl"
    monkeypatch.setenv(
        "OPENLINEAGE__TRANSPORT", json.dumps({"type": "file", "log_file_path": str(file), "append": True})
    )
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "theirs")
    posted(company)
    assert [json.loads(line)["job"]["namespace"] for line in file.read_text().splitlines()] == ["theirs", "theirs"]
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    posted(company)
    assert len(file.read_text().splitlines()) == 2


def test_what_goes_wrong_with_it_is_one_warning_and_the_run_is_made(company: Company) -> None:
    (company.directory / "lineage").write_text("a file where a folder should be")
    result = run_once(company)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["run"] == 1
    assert len([line for line in result.stderr.splitlines() if "lineage" in line]) == 1
    company.check()


def run_once(company: Company, *before: str) -> Result:
    posted(company, "--preview")  # writes the tables
    places = ["--reference", f"{company.directory}/run-1/reference", "--batch", f"{company.directory}/run-1/batch"]
    arguments = ["run", *places, "--store", str(company.store), "--on", "2026-03-01", "--json", *settings(company)]
    return CliRunner().invoke(main, [*before, *arguments])


def test_the_warning_is_an_event_where_events_are_wanted(company: Company) -> None:
    (company.directory / "lineage").write_text("a file where a folder should be")
    result = run_once(company, "--log-format", "json")
    told_of = [json.loads(line) for line in result.stderr.splitlines()]
    assert [one["level"] for one in told_of if one["event"] == "lineage"] == ["warning"]


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
