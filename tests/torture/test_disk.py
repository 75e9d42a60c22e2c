"""The model of a disk that loses power: what must be sure is sure, what is not may be lost, each in its own way."""

from __future__ import annotations

import random

from tests.torture.disk import (
    Disk,
    Tree,
    as_it_became,
    as_it_was,
    cut_at_a_block,
    first_block_alone,
    lost,
    random_state,
    whole,
    zeros,
)
from tests.torture.trace import Operation

EMPTY = Tree({}, frozenset())


def disk(*operations: Operation, tree: Tree = EMPTY) -> Disk:
    made = Disk(tree)
    for operation in operations:
        made.apply(operation)
    return made


def made(name: str, data: bytes) -> list[Operation]:
    return [Operation("create", name), Operation("write", name, data=data)]


def sync(name: str) -> Operation:
    return Operation("sync", name)


def test_what_was_synced_with_its_folder_is_sure() -> None:
    sure = disk(*made("a", b"1"), sync("a"), sync(""))
    assert {sure.state(pick, lost).files["a"] for pick in (as_it_was, as_it_became)} == {b"1"}
    assert all(random_state(sure, random.Random(seed)).files == {"a": b"1"} for seed in range(20))


def test_a_file_synced_without_its_folder_may_have_no_name() -> None:
    assert disk(*made("a", b"1"), sync("a")).state(as_it_was, whole).files == {}
    assert disk(*made("a", b"1"), sync("a")).state(as_it_became, lost).files == {"a": b"1"}


def test_a_name_may_be_there_without_its_data() -> None:
    named = disk(*made("a", b"12"), sync(""))
    assert [named.state(as_it_was, fate).files["a"] for fate in (lost, zeros, whole)] == [b"", b"\0\0", b"12"]


def test_data_is_cut_at_blocks() -> None:
    long = disk(*made("a", b"x" * 5000))
    assert len(long.state(as_it_became, cut_at_a_block).files["a"]) == 4096
    assert long.state(as_it_became, first_block_alone).files["a"] == b"x" * 4096 + bytes(904)


def test_what_is_written_after_a_sync_is_not_sure() -> None:
    more = disk(*made("a", b"1"), sync("a"), sync(""), Operation("write", "a", offset=1, data=b"2"))
    assert [more.state(as_it_was, fate).files["a"] for fate in (lost, whole, zeros)] == [b"1", b"12", b"1\0"]


def test_a_file_linked_and_synced_by_its_other_name_is_one_file() -> None:
    linked = disk(*made("t", b"1"), Operation("link", "t", to="a"), Operation("unlink", "t"), sync("a"))
    assert linked.state(as_it_became, lost).files == {"a": b"1"}
    assert linked.state(as_it_was, lost).files == {}
    assert {tuple(sorted(random_state(linked, random.Random(seed)).files)) for seed in range(40)} == {
        (),
        ("a",),
        ("t",),
        ("a", "t"),
    }, "each name fares on its own"


def test_a_rename_loses_neither_what_was_nor_what_comes() -> None:
    renamed = disk(
        Operation("create", "t"),
        Operation("write", "t", data=b"new"),
        sync("t"),
        Operation("rename", "t", to="a"),
        tree=Tree({"a": b"old"}, frozenset()),
    )
    found = {random_state(renamed, random.Random(seed)).files["a"] for seed in range(40)}
    assert found == {b"old", b"new"}


def test_what_is_removed_may_still_be_there() -> None:
    gone = disk(Operation("unlink", "a"), tree=Tree({"a": b"1"}, frozenset()))
    assert gone.state(as_it_was, whole).files == {"a": b"1"}
    assert (
        disk(Operation("unlink", "a"), sync(""), tree=Tree({"a": b"1"}, frozenset())).state(as_it_was, whole).files
        == {}
    )


def test_files_of_a_folder_without_a_name_are_lost() -> None:
    within = disk(Operation("mkdir", "f"), *made("f/a", b"1"), sync("f/a"), sync("f"))
    assert within.state(as_it_was, whole) == EMPTY
    assert within.state(as_it_became, whole) == Tree({"f/a": b"1"}, frozenset({"f"}))
    within.apply(sync(""))
    assert within.state(as_it_was, whole) == Tree({"f/a": b"1"}, frozenset({"f"}))


def test_a_write_into_the_middle_and_a_truncation() -> None:
    changed = disk(
        *made("a", b"12345"), Operation("write", "a", offset=1, data=b"xx"), Operation("truncate", "a", offset=4)
    )
    assert changed.state(as_it_became, whole).files == {"a": b"1xx4"}
