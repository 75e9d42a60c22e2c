"""--log-format json: stderr holds one JSON object a line and nothing else, whatever happens; without it nothing changes."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from pipeline.cli import Group, main
from pipeline.errors import StoreBusyError
from pipeline.settings.secrets import Secrets
from pipeline.watch import logs
from tests.support import Company, expense, report, write


def events(result: Result) -> list[dict[str, Any]]:
    """Reads stderr, where every line has to be an event."""
    return [json.loads(line) for line in result.stderr.splitlines()]


def json_of(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["--log-format", "json", *arguments], env=env)


@pytest.fixture(autouse=True)
def _loggers_as_at_the_start() -> Iterator[None]:
    """A server that another test has started in this process has set up uvicorn's loggers for good."""
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")]
    before = [(one, one.handlers, one.propagate, one.level, one.disabled) for one in loggers]
    for one in loggers:
        one.handlers, one.propagate, one.disabled = [], True, False
        one.setLevel(logging.NOTSET)
    yield
    for one, one.handlers, one.propagate, level, one.disabled in before:
        one.setLevel(level)


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path)


def run_arguments(company: Company, **batch: list[dict[str, str]]) -> list[str]:
    write(company.directory / "reference", company.reference)
    write(company.directory / "batch", batch)
    places = ["--reference", str(company.directory / "reference"), "--batch", str(company.directory / "batch")]
    return ["run", *places, "--store", str(company.store), "--on", "2026-03-01"]


def test_a_run_tells_its_steps_what_it_committed_and_how_it_ended(company: Company) -> None:
    result = json_of(*run_arguments(company, expense_reports=[report()], expenses=[expense()]), "--json")
    assert result.exit_code == 0
    told, ran = events(result), json.loads(result.stdout)
    assert [(one["event"], one.get("step")) for one in told] == [
        ("started", None),
        *(("step done", step) for step in ("read", "stage", "judge", "post", "pay", "record", "number")),
        ("committed", "commit"),
        ("step done", "commit"),
        ("finished", None),
    ]
    committed, finished = told[-3], told[-1]
    assert committed["rows_in"] == 2
    assert committed["entries"] == 1
    assert committed["chain_digest"] == ran["chain_digest"]
    for one in (committed, finished):
        assert (one["run"], one["batch_digest"]) == (1, ran["batch_digest"])
    assert finished["exit_code"] == 0
    assert 0 < finished["seconds"] < 300
    assert all(one["store"] == str(company.store) and one["command"] == "run" for one in told)
    assert len({one["invocation"] for one in told}) == 1
    assert all(datetime.fromisoformat(one["timestamp"]).tzinfo == UTC for one in told)


def test_what_goes_to_quarantine_is_a_warning_without_any_cell(company: Company) -> None:
    result = json_of(*run_arguments(company, expense_reports=[report(employee="E99")], expenses=[expense()]))
    assert result.exit_code == 3
    told = events(result)
    quarantined = next(one for one in told if one["event"] == "quarantined")
    assert (quarantined["level"], quarantined["rules"]) == ("warning", {"unknown_employee": 1})
    assert (told[-1]["event"], told[-1]["level"], told[-1]["exit_code"]) == ("finished", "warning", 3)
    assert "E99" not in result.stderr


def test_the_standard_output_is_the_same_in_both_formats(company: Company) -> None:
    arguments = [*run_arguments(company, expense_reports=[report()], expenses=[expense()]), "--preview"]
    assert json_of(*arguments).stdout == CliRunner().invoke(main, arguments).stdout


def test_text_mode_is_as_it_was(company: Company) -> None:
    arguments = run_arguments(company, expense_reports=[report()], expenses=[expense()])
    ran = CliRunner().invoke(main, arguments)
    assert ran.stderr == "".join(
        f"run: {step}\n" for step in ("read", "stage", "judge", "post", "pay", "record", "number", "commit")
    )
    failed = CliRunner().invoke(main, ["status", "--store", str(company.directory / "no")])
    assert (
        failed.stderr
        == f"lettrage: {company.directory / 'no'}: there is no ledger store here\n  make one with `lettrage run`\n"
    )
    assert (
        "structlog"
        not in subprocess.run(
            [sys.executable, "-c", "import sys, pipeline.cli; print(*sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    )


def test_an_error_is_an_event_with_where_what_and_what_to_mend(tmp_path: Path) -> None:
    result = json_of("check", "--store", str(tmp_path / "no"))
    started, failed, finished = events(result)
    assert result.exit_code == 1
    assert started["event"] == "started"
    assert {**failed, "timestamp": "", "invocation": ""} == {
        "timestamp": "",
        "level": "error",
        "event": "failed",
        "command": "check",
        "invocation": "",
        "store": str(tmp_path / "no"),
        "error": "StoreError",
        "where": str(tmp_path / "no"),
        "what": "there is no ledger store here",
        "mend": "make one with `lettrage run`",
        "may_pass": False,
        "exit_code": 1,
    }
    assert (finished["level"], finished["exit_code"]) == ("error", 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-option"],
        [],
        ["no-such-command"],
        ["run"],
        ["status", "--store", "x", "--as-of", "many"],
        ["export", "--store", "x", "--to", "y"],
    ],
)
def test_wrong_usage_is_an_event_and_exit_code_2(arguments: list[str]) -> None:
    result = json_of(*arguments)
    assert result.exit_code == 2
    assert [one["exit_code"] for one in events(result) if one["event"] == "failed"] == [2]
    assert result.stdout == ""


def test_the_environment_chooses_the_format_too(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["check", "--store", str(tmp_path)], env={"LETTRAGE_LOG_FORMAT": "json"})
    assert [one["event"] for one in events(result)][-1] == "finished"
    wrong = CliRunner().invoke(main, ["--no-such-option"], env={"LETTRAGE_LOG_FORMAT": "json"})
    assert [one["event"] for one in events(wrong)] == ["failed"]
    assert CliRunner().invoke(main, ["formats"], env={"LETTRAGE_LOG_FORMAT": "xml"}).exit_code == 2


@click.group(cls=Group)
@click.option("--log-format", default="text")
def program(log_format: str) -> None:
    """A program with one command, which does what a test wants."""


def does(action: Any) -> Result:
    program.add_command(click.Command("do", callback=action))
    return CliRunner().invoke(program, ["--log-format", "json", "do"])


def test_a_crash_is_one_event_with_its_traceback_inside() -> None:
    def crash() -> None:
        raise ZeroDivisionError("no")

    result = does(crash)
    crashed, finished = events(result)
    assert (crashed["event"], crashed["error"]) == ("crashed", "ZeroDivisionError")
    assert "Traceback" in crashed["traceback"]
    assert (result.exit_code, finished["exit_code"]) == (1, 1)


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 1), (SystemExit(4), 4), (SystemExit(None), 0)])
def test_however_a_command_ends_its_end_is_told(error: BaseException, code: int) -> None:
    def end() -> None:
        raise error

    result = does(end)
    assert (result.exit_code, events(result)[-1]["exit_code"]) == (code, code)


def test_an_error_that_may_pass_by_itself_says_so() -> None:
    def busy() -> None:
        raise StoreBusyError("another process writes", where="store")

    assert events(does(busy))[0]["may_pass"] is True


def test_whatever_else_goes_to_stderr_becomes_an_event() -> None:
    def noise() -> None:
        sys.stderr.write("a line\nand half of")
        sys.stderr.write(" another\n")
        click.echo("said", err=True)
        logging.getLogger("deltalake.writer").warning("key of %s", "host")
        logging.getLogger("deltalake").info("nobody needs this")
        logging.getLogger("uvicorn.error").error("in a request", exc_info=OSError("gone"))
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning("old", DeprecationWarning, "file.py", 7)
        thread = threading.Thread(target=lambda: int("x"), name="helper")
        thread.start()
        thread.join()
        sys.stderr.write("no line end")

    told = events(does(noise))
    assert [(one["event"], one.get("text") or one.get("logger") or one.get("thread")) for one in told] == [
        ("stderr", "a line"),
        ("stderr", "and half of another"),
        ("stderr", "said"),
        ("key of host", "deltalake.writer"),
        ("in a request", "uvicorn.error"),
        ("old", "py.warnings"),
        ("crashed", "helper"),
        ("finished", None),
        ("stderr", "no line end"),
    ]
    assert "gone" in told[4]["traceback"]


def test_a_secret_that_was_looked_up_is_in_no_event(tmp_path: Path) -> None:
    (tmp_path / "bank").write_text("hunter22\n")

    def tell() -> None:
        secret = Secrets(tmp_path, {}).get("bank")
        other = Secrets(None, {"LETTRAGE_SECRET_MAIL": "swordfish"}).get("mail").get_secret_value()
        logs.bind(address="sftp://me:hunter22@host")
        logs.log(who="hunter22").info("sent hunter22", secret=secret, nested=[{"a": ("swordfish", 1)}])
        logging.getLogger("deltalake").error("%s is wrong", secret.get_secret_value())
        sys.stderr.write(f"with {other}\n")
        raise ValueError(f"{other} and hunter22")

    result = does(tell)
    assert len(events(result)) == 5
    assert "hunter22" not in result.stderr
    assert "swordfish" not in result.stderr


def test_what_is_bound_inside_is_forgotten_after_it(capsys: pytest.CaptureFixture[str]) -> None:
    with logs.as_json():
        with logs.bound(schedule="nightly"):
            logs.bind(run=7)
            logs.log(destination="bank").info("inside")
        logs.log().info("after")
    logs.log().info("nobody hears this")
    inside, after = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (inside["schedule"], inside["run"], inside["destination"]) == ("nightly", 7, "bank")
    assert not {"schedule", "run", "destination"} & set(after)


def test_streams_hooks_and_loggers_are_as_before_afterwards() -> None:
    root = logging.getLogger()
    before = (sys.stderr, threading.excepthook, list(root.handlers), root.level, warnings.showwarning)
    with pytest.raises(OSError, match="gone"), logs.as_json():
        raise OSError("gone")
    assert (sys.stderr, threading.excepthook, list(root.handlers), root.level, warnings.showwarning) == before
    assert not logs.is_json()


def test_an_event_is_of_the_thread_that_bound_it() -> None:
    def work() -> None:
        threads = [threading.Thread(target=lambda n=n: one(n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def one(number: int) -> None:
        with logs.bound(job=number):
            for _ in range(50):
                logs.log(said=number).info("work")

    told = [event for event in events(does(work)) if event["event"] == "work"]
    assert len(told) == 200
    assert all(event["job"] == event["said"] for event in told)


def test_uvicorn_is_told_to_keep_its_handlers_to_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert logs.for_uvicorn() == {}
    uvicorn = pytest.importorskip("uvicorn")
    with logs.as_json():
        uvicorn.Config("no:app", **logs.for_uvicorn())
        logging.getLogger("uvicorn.access").info('127.0.0.1 - "GET /runs HTTP/1.1" 200')
    assert json.loads(capsys.readouterr().err)["logger"] == "uvicorn.access"


class Gone(io.StringIO):
    """A reader of logs that has gone."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


def test_a_reader_of_logs_that_has_gone_stops_nothing() -> None:
    with logs.as_json(stream=Gone()):
        logs.log().info("said to nobody")
        sys.stderr.write("nor this\n")


@pytest.mark.parametrize(("encoding", "written"), [("utf-8", "é".encode()), ("iso-8859-1", b"\\u00e9")])
def test_events_are_utf8_wherever_they_go(encoding: str, written: bytes) -> None:
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding=encoding)
    with logs.as_json(stream=stream):
        logs.log().info("note", text="é")
    assert written in content.getvalue()
    assert json.loads(content.getvalue())["text"] == "é"
    stream.detach()


@pytest.mark.slow
def test_a_whole_program_writes_nothing_but_events(tmp_path: Path) -> None:
    environment = {**os.environ, "LETTRAGE_LOG_FORMAT": "json"}
    call = [sys.executable, "-c", "from pipeline.cli import main; main()"]
    done = subprocess.run(
        [*call, "check", "--store", str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["started", "failed", "finished"]
