"""Drops of a watched folder and of a secure file server: each once, in order, and what is wrong goes back with it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from filelock import FileLock

from pipeline.cli import main
from pipeline.errors import RunError, SettingsError, StoreBusyError, TryAgainError
from pipeline.masterdata import source as taking
from pipeline.masterdata.source import sync_source
from pipeline.masterdata.sync import SyncResult, rollback
from pipeline.masterdata.versions import history
from pipeline.schedule.jobs import Due, sync_due
from pipeline.settings.schedules import SyncSchedule
from pipeline.settings.settings import load_settings
from tests.masterdata.support import ON, changed, company, drop, is_untouched, lines_of, row, table
from tests.servers import sftp_faults
from tests.servers.sftp_faults import PASSWORD, SftpServer

NINE = "axis section name\nclient C9 Nine"


def configured(home: Path, *keys: str, source: str = 'by = "folder"\npath = "drops"') -> Path:
    company(home)
    (home / "drops").mkdir(exist_ok=True)
    config = home / "lettrage.toml"
    config.write_text("\n".join(['store = "store"', "[sources.erp]", source, *keys]) + "\n")
    return config


def still(path: Path) -> Path:
    """Makes a drop look as if nobody had written to it for a while."""
    before = time.time() - 60
    for one in [path, *path.rglob("*")]:
        os.utime(one, (before, before))
    return path


def taken(config: Path, **wishes: Any) -> list[SyncResult]:
    return sync_source(load_settings(config), "erp", on=ON, **wishes)


def done(home: Path) -> list[str]:
    """What was moved away, without the time in its name."""
    folder = home / "drops" / "done"
    return sorted(path.name.partition("-")[2] for path in folder.iterdir()) if folder.is_dir() else []


def test_folders_and_files_are_taken_in_the_order_of_their_names_and_moved_away(tmp_path: Path) -> None:
    config = configured(tmp_path)
    drops = tmp_path / "drops"
    still(drop(drops, "b", sections="axis section name\nproject P9 Nine\nclient C1 Uno"))
    still(lines_of(drops, "a_sections.csv", "no table of ours\n"))
    still(lines_of(drops, "sections-20260310.csv", "axis,section,name\nclient,C1,Last\n"))
    still(lines_of(drops, "readme.txt", "hello"))
    results = taken(config)
    assert [result.state for result in results] == ["refused", "applied", "applied"]
    assert row(tmp_path, "sections", section="C1")["name"] == "Last"
    assert done(tmp_path) == ["a_sections.csv", "a_sections.csv.errors.csv", "b", "sections-20260310.csv"]
    assert sorted(path.name for path in drops.iterdir()) == ["done", "readme.txt"]
    assert [one.get("source") for one in history(tmp_path / "reference")] == [
        None,
        "erp/b",
        "erp/sections-20260310.csv",
    ]
    assert taken(config) == []


@pytest.mark.slow
def test_rejected_lines_go_with_the_drop(tmp_path: Path) -> None:
    config = configured(tmp_path)
    still(drop(tmp_path / "drops", "one", sections=f"{NINE}\nregion R1 One"))
    still(lines_of(tmp_path / "drops", "sections.csv", "axis,section,name\nregion,R1,One\n"))
    first, second = taken(config)
    assert (first.rejected, second.rejected) == (1, 1)
    assert done(tmp_path) == ["one", "sections.csv", "sections.csv.errors.csv"]
    (inside,) = (tmp_path / "drops/done").glob("*-one")
    assert sorted(path.name for path in inside.iterdir()) == ["sections.csv", "sections.csv.errors.csv"]
    assert "there is no such axis" in next((tmp_path / "drops/done").glob("*.errors.csv")).read_text()


def test_a_drop_is_left_while_it_is_written_and_taken_with_a_marker(tmp_path: Path) -> None:
    config = configured(tmp_path)
    drops = tmp_path / "drops"
    drop(drops, "young", sections=NINE)
    (drops / "empty").mkdir()
    still(drops / "empty")
    lines_of(drops, "sections.csv", "axis,section,name\nclient,C8,Eight\n")
    assert taken(config) == []
    (drops / "sections.csv.ready").touch()
    assert [result.source for result in taken(config)] == ["erp/sections.csv"]
    (drops / "young" / ".ready").touch()
    assert [result.source for result in taken(config)] == ["erp/young"]
    assert sorted(path.name for path in drops.iterdir()) == ["done", "empty"]


def test_differences_are_never_applied_twice(tmp_path: Path) -> None:
    config = configured(tmp_path)
    for name, text in (("1", "client C1 Uno"), ("2", "client C1 Due"), ("3", "client C1 Uno")):
        still(drop(tmp_path / "drops", name, sections=f"axis section name\n{text}"))
    results = taken(config)
    # The third wanted something, and it is not in force: a person looks.
    assert [(result.state, result.exit_code) for result in results] == [("applied", 0), ("applied", 0), ("known", 3)]
    assert row(tmp_path, "sections", section="C1")["name"] == "Due"
    assert done(tmp_path) == ["1", "2", "3"]


@pytest.mark.slow
def test_a_full_drop_that_comes_again_says_again_what_is_to_be(tmp_path: Path) -> None:
    config = configured(tmp_path, 'mode = "full"')
    for name, text in (("1", "Uno"), ("2", "Due"), ("3", "Uno"), ("4", "Uno")):
        still(drop(tmp_path / "drops", name, axes=f"axis name\nclient {text}\nproject P\ntask T"))
    assert [result.state for result in taken(config)] == ["applied", "applied", "applied", "known"]
    assert row(tmp_path, "axes", axis="client")["name"] == "Uno"


@pytest.mark.slow
def test_a_drop_with_rejected_lines_may_come_again_when_what_they_lacked_is_there(tmp_path: Path) -> None:
    config = configured(tmp_path)
    text = "axis section name owner\nclient C9 Nine E9"
    still(drop(tmp_path / "drops", "1", sections=text))
    assert taken(config)[0].rejected == 1
    still(drop(tmp_path / "drops", "2", employees="employee name\nE9 Nine"))
    still(drop(tmp_path / "drops", "3", sections=text))
    assert [result.state for result in taken(config)] == ["applied", "applied"]
    assert row(tmp_path, "sections", section="C9")["owner"] == "E9"


@pytest.mark.slow
@pytest.mark.parametrize("step", ["written down", "moved"])
def test_cut_off_after_it_was_applied_a_drop_is_only_moved(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path)
    still(drop(tmp_path / "drops", "1", sections="axis section name\nclient C1 Uno"))

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if step == "moved":
            patch.setattr(taking._Folder, "put_away", killed)
        else:
            patch.setattr(taking._Taking, "_written_down", killed)
        with pytest.raises(Killed):
            taken(config)
    assert done(tmp_path) == []
    still(drop(tmp_path / "drops", "2", sections="axis section name\nclient C1 Due"))
    assert [result.state for result in taken(config)] == ["known", "applied"]
    assert done(tmp_path) == ["1", "2"]
    assert len(history(tmp_path / "reference")) == 3


@pytest.mark.slow
def test_a_version_that_cannot_be_written_leaves_the_drop_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path)
    still(drop(tmp_path / "drops", "1", sections=NINE))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RunError, match="could not be written"):
            taken(config)
    assert done(tmp_path) == []
    assert [result.state for result in taken(config)] == ["applied"]


def test_strict_and_tables_and_the_guard_of_a_source_are_kept(tmp_path: Path) -> None:
    config = configured(tmp_path, 'mode = "full"', "strict = true", 'tables = ["sections", "journals"]')
    still(drop(tmp_path / "drops", "1", sections="axis section name\nclient C1 One\nregion R One"))
    still(drop(tmp_path / "drops", "2", employees="employee name\nE1 Ada"))
    still(drop(tmp_path / "drops", "3", journals="legal_entity journal code label\n* payment BQ Bank"))
    results = taken(config)
    assert [result.state for result in results] == ["refused", "refused", "refused"]
    assert "are not in the drop" in str(results[0].said)
    assert "no reference table" in str(results[1].said)
    assert is_untouched(tmp_path)
    assert done(tmp_path) == ["1", "1.errors.csv", "2", "2.errors.csv", "3", "3.errors.csv"]


def test_a_preview_of_a_source_moves_and_writes_nothing(tmp_path: Path) -> None:
    config = configured(tmp_path)
    still(drop(tmp_path / "drops", "1", sections=NINE))
    (result,) = taken(config, preview=True)
    assert (result.state, len(changed(result))) == ("preview", 1)
    assert sorted(path.name for path in (tmp_path / "drops").iterdir()) == ["1"]
    assert is_untouched(tmp_path)


@pytest.mark.slow
def test_what_was_rolled_back_stays_so_until_another_drop_comes(tmp_path: Path) -> None:
    config = configured(tmp_path)
    still(drop(tmp_path / "drops", "1", sections=NINE))
    taken(config)
    rollback(tmp_path / "reference", 1, on=ON)
    still(drop(tmp_path / "drops", "2", sections=NINE))
    assert [result.state for result in taken(config)] == ["known"]
    assert "C9" not in table(tmp_path, "sections")["section"].to_list()


def test_the_error_file_is_where_it_is_said_to_be(tmp_path: Path) -> None:
    config = configured(tmp_path)
    still(drop(tmp_path / "drops", "a", sections=f"{NINE}\nregion R1 One"))
    still(lines_of(tmp_path / "drops", "journals.csv", "journal\npayment\n"))
    still(lines_of(tmp_path / "drops", "sections.csv", "axis,section,name\nregion,R1,One\n"))
    for result in taken(config):
        (told,) = result.error_files
        assert Path(told).is_file()
        assert result.as_dict()["error_files"] == [str(told)]


def test_a_drop_that_is_written_to_while_it_is_read_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path)
    path = still(lines_of(tmp_path / "drops", "sections.csv", "axis,section,name\nclient,C9,Ni"))
    reads = taking.read_drop

    def read_while_it_grows(*asked: Any) -> Any:
        found = reads(*asked)
        with path.open("a") as file:
            file.write("ne\nclient,C8,Eight\n")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(taking, "read_drop", read_while_it_grows)
        assert taken(config) == []
    assert is_untouched(tmp_path)
    still(path)
    assert [result.state for result in taken(config)] == ["applied"]
    assert row(tmp_path, "sections", section="C9")["name"] == "Nine"


def test_what_is_dropped_by_the_same_name_while_a_drop_is_applied_is_not_moved_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path)
    path = still(lines_of(tmp_path / "drops", "sections.csv", "axis,section,name\nclient,C9,Nine\n"))
    syncs = taking.sync

    def another_comes(*asked: Any, **wishes: Any) -> Any:
        path.with_suffix(".tmp").write_text("axis,section,name\nclient,C8,Eight\n")
        path.with_suffix(".tmp").replace(path)
        return syncs(*asked, **wishes)

    with monkeypatch.context() as patch:
        patch.setattr(taking, "sync", another_comes)
        (result,) = taken(config)
    assert (result.state, result.notes) == (
        "applied",
        ["sections.csv was written to meanwhile: it will be taken again"],
    )
    still(path)
    assert [result.state for result in taken(config)] == ["applied"]
    assert {"C8", "C9"} <= set(table(tmp_path, "sections")["section"])
    assert done(tmp_path) == ["sections.csv"]


@pytest.mark.parametrize("name", [b"caf\xe9", b"0" + b"x" * 250, "é".encode() * 127])
def test_no_name_of_a_drop_keeps_it_or_those_after_it_from_being_taken(name: bytes, tmp_path: Path) -> None:
    config = configured(tmp_path)
    first = tmp_path / "drops" / os.fsdecode(name)
    still(drop(first.parent, first.name, sections=f"{NINE}\nregion R1 One"))
    still(drop(tmp_path / "drops", "\U0001f4c1", sections="axis section name\nclient C8 Eight"))
    results = taken(config)
    assert [result.state for result in results] == ["applied", "applied"]
    json.dumps([result.as_dict() for result in results], ensure_ascii=False).encode()
    assert all(Path(path).is_file() for result in results for path in result.error_files)
    assert [path.name for path in (tmp_path / "drops").iterdir()] == ["done"]


def test_a_link_is_not_followed_to_what_its_maker_may_not_read(tmp_path: Path) -> None:
    config = configured(tmp_path)
    secret = tmp_path / "secret.csv"
    secret.write_text("axis,section,name\nclient,,hush\n")
    (tmp_path / "drops" / "sections.csv").symlink_to(secret)
    folder = drop(tmp_path / "drops", "inside", axes="axis name\nclient One")
    (folder / "sections.csv").symlink_to(secret)
    os.utime(secret, (1, 1))
    os.utime(tmp_path / "drops" / "sections.csv", (1, 1), follow_symlinks=False)
    still(folder)
    results = taken(config)
    assert [(result.state, "this is a link" in str(result.said)) for result in results] == [("refused", True)] * 2
    told = [path.read_text() for path in tmp_path.rglob("*.errors.csv")]
    assert len(told) == 2
    assert not any("hush" in text for text in told)


def test_a_link_that_leads_nowhere_is_refused_and_stops_no_other(tmp_path: Path) -> None:
    config = configured(tmp_path)
    link = tmp_path / "drops" / "axes.csv"
    link.symlink_to(tmp_path / "nowhere")
    os.utime(link, (1, 1), follow_symlinks=False)
    still(lines_of(tmp_path / "drops", "sections.csv", "axis,section,name\nclient,C9,Nine\n"))
    assert [result.state for result in taken(config)] == ["refused", "applied"]
    assert done(tmp_path) == ["axes.csv", "axes.csv.errors.csv", "sections.csv"]


def test_a_file_of_the_future_is_judged_by_the_clock_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path)
    path = lines_of(tmp_path / "drops", "sections.csv", "axis,section,name\nclient,C9,Nine\n")
    os.utime(path, (4e9, 4e9))
    assert taken(config) == []
    monkeypatch.setattr(taking, "STILL", 0.0)
    assert [result.state for result in taken(config)] == ["applied"]


def test_no_marker_is_left_for_the_next_drop_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path)
    lines_of(tmp_path / "drops", "sections.csv", "axis,section,name\nclient,C9,Nine\n")
    marker = tmp_path / "drops" / "sections.csv.ready"
    marker.touch()

    (tmp_path / "drops" / "done").touch()
    with pytest.raises(RunError, match="cannot be moved away"):
        taken(config)
    (tmp_path / "drops" / "done").unlink()
    moves = Path.rename

    def killed(path: Path, target: Path) -> Path:
        if path.parent == tmp_path / "drops":
            raise OSError(5, "Input/output error")
        return moves(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(RunError, match="the next call only moves it"):
            taken(config)
    assert not marker.exists()
    still(tmp_path / "drops" / "sections.csv")
    assert [result.state for result in taken(config)] == ["known"]


def test_an_error_tells_of_the_drops_that_were_taken_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path)
    still(drop(tmp_path / "drops", "1", sections=NINE))
    still(drop(tmp_path / "drops", "2", sections="axis section name\nclient C8 Eight"))
    syncs = taking.sync

    def fails_at_the_second(*asked: Any, **wishes: Any) -> Any:
        if wishes["source_name"] == "erp/2":
            raise StoreBusyError("another sync is writing this reference")
        return syncs(*asked, **wishes)

    monkeypatch.setattr(taking, "sync", fails_at_the_second)
    with pytest.raises(StoreBusyError, match=r"drops taken before it: erp/1: 1 added \(version 2\)"):
        taken(config)


def test_a_source_that_is_being_taken_is_left_alone(tmp_path: Path) -> None:
    config = configured(tmp_path)
    state = load_settings(config).state
    state.mkdir()
    with FileLock(state / "source-erp.lock"), pytest.raises(StoreBusyError, match="source erp is being taken already"):
        taken(config)


@pytest.mark.parametrize("name", ["../x.csv", "a/../../x.csv", ".hidden.csv", "a\\b.csv", "x\0.csv", "~$x.xlsx"])
def test_names_of_a_server_that_lead_elsewhere_are_no_drops(name: str) -> None:
    assert not taking._is_table(name)


def test_a_source_a_table_or_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    config = configured(tmp_path, 'tables = ["sections", "customers"]')
    with pytest.raises(SettingsError, match="there is no reference table customers"):
        taken(config)
    shutil.rmtree(tmp_path / "reference")
    config = configured(tmp_path)
    with pytest.raises(SettingsError, match="there is no source crm"):
        sync_source(load_settings(config), "crm", on=ON)
    shutil.rmtree(tmp_path / "drops")
    with pytest.raises(SettingsError, match="there is no such folder"):
        taken(config)


@pytest.mark.slow
def test_the_command_takes_a_source_and_ends_with_3_where_lines_were_rejected(tmp_path: Path) -> None:
    config = configured(tmp_path)
    still(drop(tmp_path / "drops", "1", sections=f"{NINE}\nregion R1 One"))
    asked = ["sync", "--source", "erp", "--config", str(config), "--on", "2026-03-10"]
    result = CliRunner().invoke(main, [*asked, "--json"])
    assert result.exit_code == 3, result.output
    (told,) = json.loads(result.stdout)
    assert (told["source"], told["rejected"], told["version"]) == ("erp/1", 1, 2)
    assert CliRunner().invoke(main, asked).stdout == "no drop waits\n"


# ------------------------------------------------------------------------------------------ secure file server


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SftpServer]:
    monkeypatch.setenv("LETTRAGE_SECRET_FTP", PASSWORD)
    monkeypatch.setattr(taking, "STILL", 0.2)
    with sftp_faults.running(tmp_path / "sftp") as running:
        yield running


def at_server(home: Path, server: SftpServer, *keys: str) -> Path:
    where = [
        'by = "sftp"',
        'host = "127.0.0.1"',
        f"port = {server.port}",
        f'user = "{sftp_faults.USER}"',
        'password_secret = "ftp"',
        f'known_hosts = "{server.known()}"',
        'folder = "out"',
        "timeout_seconds = 10",
    ]
    (server.root / "out").mkdir(exist_ok=True)
    return configured(home, *keys, source="\n".join(where))


def at(server: SftpServer) -> list[str]:
    """Files of the server, the time in the names of what was moved left out."""
    found = []
    for path in server.root.rglob("*"):
        if path.is_file():
            parts = path.relative_to(server.root).parts
            found.append("/".join(part.partition("-")[2] if part[:2] == "20" else part for part in parts))
    return sorted(found)


@pytest.mark.slow
def test_drops_are_fetched_from_a_server_and_their_errors_go_back_there(tmp_path: Path, server: SftpServer) -> None:
    config = at_server(tmp_path, server)
    left = lines_of(load_settings(config).state / "source-erp", "employees.csv", "of a call that was cut off")
    drop(server.root / "out", "1", sections=f"{NINE}\nregion R1 One", employees="employee name\nE9 Nine")
    lines_of(server.root / "out", "sections-2.csv", "axis,section,name\nclient,C8,Eight\nregion,R2,Two\n")
    lines_of(server.root / "out", "sections-3.csv", "section\n1\n")
    results = taken(config)
    assert [(result.state, result.rejected) for result in results] == [("applied", 1), ("applied", 1), ("refused", 0)]
    assert {"C8", "C9"} <= set(table(tmp_path, "sections")["section"])
    assert not left.parent.exists()
    told = [str(path).removeprefix("127.0.0.1:") for result in results for path in result.error_files]
    assert len(told) == 3
    assert all((server.root / path).is_file() for path in told)
    assert at(server) == [
        "out/done/1/employees.csv",
        "out/done/1/sections.csv",
        "out/done/1/sections.csv.errors.csv",
        "out/done/sections-2.csv",
        "out/done/sections-2.csv.errors.csv",
        "out/done/sections-3.csv",
        "out/done/sections-3.csv.errors.csv",
    ]
    assert taken(config) == []


@pytest.mark.slow
def test_a_server_that_breaks_off_leaves_a_drop_that_is_then_only_moved(tmp_path: Path, server: SftpServer) -> None:
    config = at_server(tmp_path, server, 'done_folder = "taken"')
    drop(server.root / "out", "1", sections=NINE)
    server.faults.before.add("rename")
    with pytest.raises(TryAgainError):
        taken(config)
    assert row(tmp_path, "sections", section="C9")["name"] == "Nine"
    assert [result.state for result in taken(config)] == ["known"]
    assert at(server) == ["out/taken/1/sections.csv"]
    assert len(history(tmp_path / "reference")) == 2


@pytest.mark.slow
def test_a_drop_that_still_grows_at_the_server_waits_and_a_marker_says_that_it_is_whole(
    tmp_path: Path, server: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = at_server(tmp_path, server)
    path = lines_of(server.root / "out", "sections.csv", "axis,section,name\n")

    def write_on(_: float) -> None:
        with path.open("a") as file:
            file.write("client,C9,Nine\n")

    with monkeypatch.context() as patch:
        patch.setattr(taking.time, "sleep", write_on)
        assert taken(config) == []
        (server.root / "out" / "sections.csv.ready").touch()
        assert [result.state for result in taken(config)] == ["applied"]
    assert at(server) == ["out/done/sections.csv"]


# ---------------------------------------------------------------------------------------------------- schedule


@pytest.mark.slow
@pytest.mark.parametrize(("text", "has_findings"), [(NINE, False), (f"{NINE}\nregion R1 One", True)])
def test_a_schedule_takes_a_source(text: str, has_findings: bool, tmp_path: Path) -> None:
    config = configured(tmp_path)
    with config.open("a") as file:
        file.write('[schedules.nightly]\ndoes = "sync"\nsource = "erp"\non = "day"\n')
    settings = load_settings(config)
    still(drop(tmp_path / "drops", "1", sections=text))
    schedule = settings.schedules["nightly"]
    assert isinstance(schedule, SyncSchedule)
    moment = datetime(2026, 3, 10, 6, tzinfo=UTC)
    due = Due(settings, "nightly", schedule, moment, moment.date(), lambda _: None)
    job = sync_due(due)
    assert job.said[0].startswith("erp/1: 1 added (version 2)")
    assert job.findings == has_findings
    json.dumps(job.details)
    assert sync_due(due).said == ["no drop waits"]
