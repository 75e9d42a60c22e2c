"""Names of files: every file system takes them, and two names never become one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.exports.write import Sink, safe_name


@pytest.mark.parametrize("name", ["552100554FEC20261231.txt", "PO 1_é.xml", "a-b.c.csv"])
def test_a_plain_name_stays(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "name", ["A/1.xml", "../../etc/passwd", "a\0b", ".hidden", "x" * 500 + ".csv", "é" * 300, "", "..."]
)
def test_a_name_stays_in_its_folder_and_is_not_too_long(name: str) -> None:
    safe = safe_name(name)
    assert "/" not in safe
    assert "\0" not in safe
    assert safe.strip(". ") == safe != ""
    assert len(f".{safe}.writing".encode()) <= 255


def test_orders_that_look_alike_do_not_write_one_file() -> None:
    names = {safe_name(f"{order}_pain001.xml") for order in ("A/1", "A_1", "A:1", "A?1", "A 1", ".A_1", "A_1 ")}
    assert len(names) == 7
    assert all(name.endswith(".xml") for name in names)


@given(st.sets(st.text(max_size=8), max_size=30))
def test_names_never_meet(names: set[str]) -> None:
    assert len({safe_name(name) for name in names}) == len(names)


def test_a_file_appears_whole(tmp_path: Path) -> None:
    sink = Sink(tmp_path, "a.csv")
    sink.write(b"half")
    assert not (tmp_path / "a.csv").exists()
    sink.write(b" and half")
    file = sink.put()
    assert (tmp_path / "a.csv").read_bytes() == b"half and half" == file.content
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_file_given_up_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"before")
    sink = Sink(tmp_path, "a.csv")
    sink.write(b"half")
    sink.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_bytes() == b"before"
