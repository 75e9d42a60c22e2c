from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import openpyxl
import polars as pl
import pytest

from tests.support import advance, expense, report

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from tests.api.support import Served

ADVANCE = advance("A9", amount="50.10")


def as_csv(rows: list[dict[str, str]]) -> bytes:
    return pl.DataFrame(rows).write_csv().encode()


def as_parquet(rows: list[dict[str, str]]) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(rows).write_parquet(out)
    return out.getvalue()


def as_xlsx(table: str, rows: list[dict[str, str]]) -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    sheet.title = table
    for row in (list(rows[0]), *(list(row.values()) for row in rows)):
        sheet.append(row)
    book.save(out)
    return out.getvalue()


FILES = {
    "csv": ("advances.csv", as_csv([ADVANCE])),
    "parquet": ("advances.parquet", as_parquet([ADVANCE])),
    "xlsx of sheets": ("january.xlsx", as_xlsx("advances", [ADVANCE])),
    "another name": ("C:\\data\\export of january.csv", as_csv([ADVANCE])),
    "no ending, parquet": ("blob", as_parquet([ADVANCE])),
    "no ending, csv": ("blob", as_csv([ADVANCE])),
}


def rarely(cases: dict[str, Any], *often: str) -> list[Any]:
    """Cases, of which some are tried in the slow tests alone: each is a run."""
    return [
        pytest.param(case, id=name, marks=[] if name in often else pytest.mark.slow) for name, case in cases.items()
    ]


@pytest.mark.parametrize("file", rarely(FILES, "another name"))
def test_a_file_is_posted_whatever_it_is_called(reading: TestClient, file: tuple[str, bytes]) -> None:
    answer = reading.post("/v1/batches?preview=true", files={"advances": file})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["is_preview"]
    assert [(row["legal_entity"], row["amount"]) for row in told["entries"]] == [("FR01", "50.1000")]


@pytest.mark.slow
def test_files_and_rows_are_the_same_batch(client: TestClient, company: Served) -> None:
    rows = client.post("/v1/batches?preview=true", json={"advances": [ADVANCE]}).json()
    files = client.post("/v1/batches?preview=true", files={"advances": FILES["csv"]}).json()
    assert rows["batch_digest"] == files["batch_digest"]
    posted = client.post("/v1/batches?on=2026-03-05", json={"advances": [ADVANCE]})
    assert posted.status_code == 201
    assert posted.json()["run_on"] == "2026-03-05"
    assert client.get(posted.headers["location"]).json()["result"] == posted.json()
    again = client.post("/v1/batches", files={"advances": FILES["parquet"]}).json()
    assert again["entries"] == []
    assert {row["unchanged"] for row in again["rows"] if row["rows_in"]} == {1}
    company.check()


@pytest.mark.parametrize(
    "number", rarely({one: one for one in ("0.1", "123456789012.3456", "0.30", "1e2", "50")}, "0.1")
)
def test_a_number_of_json_is_what_was_written(reading: TestClient, number: str) -> None:
    row = json.dumps(ADVANCE).replace('"50.10"', number)
    answer = reading.post(
        "/v1/batches?preview=true",
        content=f'{{"advances": [{row}]}}',
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    told = answer.json()
    if "e" in number or len(number.partition(".")[2]) > 2:
        assert [finding["value"] for finding in told["findings"]] == [number]
    else:
        (entry,) = told["entries"]
        assert float(entry["amount"]) == float(number)


@pytest.mark.slow
def test_a_required_column_that_is_missing_is_a_finding_and_no_refusal(reading: TestClient) -> None:
    told = reading.post("/v1/batches?preview=true", json={"advances": [{"advance": "A9"}]}).json()
    assert {finding["rule"] for finding in told["findings"]} >= {"missing_value"}


@pytest.mark.slow
def test_a_batch_may_go_to_quarantine_and_says_so(client: TestClient) -> None:
    told = client.post("/v1/batches", json={"advances": [advance("A9", employee="nobody")]}).json()
    assert [finding["rule"] for finding in told["findings"]] == ["unknown_employee"]
    rules = {row["rule"] for row in client.get("/v1/quarantine").json()["rows"]}
    assert "unknown_employee" in rules


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no JSON": ({"content": "{", "headers": {"Content-Type": "application/json"}}, 400, "no JSON"),
    "NaN": ({"content": '{"advances":[{"amount":NaN}]}', "headers": {"Content-Type": "application/json"}}, 400, "JSON"),
    "a name twice": (
        {"content": '{"advances":[{"a":1,"a":2}]}', "headers": {"Content-Type": "application/json"}},
        400,
        "stands twice",
    ),
    "deep": (
        {"content": '{"advances":' + "[" * 100_000, "headers": {"Content-Type": "application/json"}},
        400,
        "no JSON",
    ),
    "no object": ({"json": []}, 422, "no object"),
    "no table": ({"json": {"invoices": []}}, 422, "there is no table invoices"),
    "no rows": ({"json": {"advances": {"advance": "A1"}}}, 422, "no list of rows"),
    "a list in a cell": ({"json": {"advances": [{"advance": [1]}]}}, 422, "no value"),
    "no column": ({"json": {"advances": [{"colour": "red"}]}}, 422, "no column colour"),
    "half a character": (
        {"content": '{"advances":[{"advance":"\\ud800"}]}', "headers": {"Content-Type": "application/json"}},
        422,
        "UTF-8",
    ),
    "plain text": ({"content": "advance", "headers": {"Content-Type": "text/plain"}}, 415, "text/plain"),
    "nothing": ({}, 415, "no kind"),
    "an empty form": ({"data": {}, "files": {"advances": ("advances.csv", b"")}}, 422, "empty"),
    "a field": ({"data": {"advances": "x"}, "files": {"advances": FILES["csv"]}}, 422, "no file"),
    "an unknown file": ({"files": {"x": ("invoices.csv", b"a\n1\n")}}, 422, "there is no table invoices"),
    "a program": ({"files": {"x": ("advances.exe", b"MZ")}}, 422, "no table"),
    "twice": (
        {"files": [("advances", FILES["csv"]), ("advances", FILES["csv"])]},
        422,
        "comes twice",
    ),
    "two kinds of one table": (
        {"files": [("advances", FILES["csv"]), ("advances", FILES["parquet"])]},
        422,
        "also stands in",
    ),
    "a form that is cut off": (
        {
            "content": b'--x\r\nContent-Disposition: form-data; name="advances"; filename="advances.csv"\r\n\r\nadvance',
            "headers": {"Content-Type": "multipart/form-data; boundary=x"},
        },
        400,
        "cut off",
    ),
    "a form of nonsense": (
        {"content": b"nonsense --x--", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        400,
        "form",
    ),
    "a form without its boundary": (
        {"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data"}},
        400,
        "form",
    ),
    "a broken parquet": ({"files": {"advances": ("advances.parquet", b"PAR1nonsense")}}, 422, "Parquet"),
    "a column less": ({"files": {"advances": ("advances.csv", b"advance\nA1\n")}}, 422, "lacks the required column"),
}


@pytest.mark.parametrize(("sent", "status", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_said_and_nothing_is_kept(
    reading: TestClient, books: Served, sent: dict[str, Any], status: int, said: str
) -> None:
    answer = reading.post("/v1/batches", **sent)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]
    assert str(books.directory) not in answer.text
    assert reading.get("/v1/ready").json() == {"status": "ready", "run": 2, "jobs": 0}
    folder = books.directory / "state" / "jobs"
    assert not (list(folder.iterdir()) if folder.is_dir() else [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["../../evil.csv", "/srv/advances.csv", "..\\advances.csv", "advances.csv/..", "a\0b.csv"]
)
def test_no_name_of_a_file_leads_out_of_the_folder(client: TestClient, company: Served, name: str) -> None:
    before = sorted(path.name for path in company.directory.rglob("*"))
    client.post("/v1/batches?preview=true", files={"advances": (name, as_csv([ADVANCE]))})
    after = sorted(path.name for path in company.directory.rglob("*") if "sqlite" not in path.name)
    assert [path for path in after if path not in before] in ([], ["jobs"])


@pytest.mark.slow
def test_a_report_with_its_expenses_as_rows(client: TestClient) -> None:
    batch = {"expense_reports": [report("R20")], "expenses": [expense("R20")]}
    told = client.post("/v1/batches", json=batch).json()
    assert [(row["journal"], row["amount"]) for row in told["entries"]] == [("expense_report", "100.0000")]
    story = client.get("/v1/documents/expense_report/R20").json()
    assert story["stories"][0]["key"]["document"] == "R20"


def test_a_body_that_is_compressed_is_of_a_kind_that_is_not_read(reading: TestClient) -> None:
    answer = reading.post("/v1/batches", json={"advances": []}, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["where"]) == (415, "header.Content-Encoding")
