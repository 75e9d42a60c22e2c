"""Whatever comes in: what is in force stays whole, nothing is lost, and lines in are lines rejected and applied."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import polars as pl
import pytest
from hypothesis import given, settings

from pipeline.masterdata.drop import read_drop
from pipeline.masterdata.merge import vanishing
from pipeline.masterdata.plan import SyncPlan, plan
from pipeline.masterdata.versions import _write_tables
from pipeline.stage.reference import read_as_given, read_reference
from schemas import REFERENCE
from schemas.table import key
from tests.masterdata.support import ON
from tests.support import Tables, reference, write

#: tried in the slow suite; a deep run tries many more
EXAMPLES = 60 if settings.get_current_profile_name() == "ci" else 1_000
AXES = ["client", "project", "task", "site", "Bad"]
CODES = ["A", "B", "C", "D", ""]
EMPLOYEES = ["E1", "E2", "E9", ""]
DAYS = ["", "2025-06-30", "2026-03-09", "2026-03-10", "2027-01-01", "soon"]


def lines(*columns: tuple[str, list[str]], optional: dict[str, list[str]]) -> st.SearchStrategy[list[dict[str, str]]]:
    """Lines of a table: the columns that must be there, and some of the others."""

    @st.composite
    def drawn(draw: st.DrawFn) -> list[dict[str, str]]:
        chosen = draw(st.lists(st.sampled_from(sorted(optional)), unique=True)) if optional else []
        cells = {
            name: st.sampled_from(values) for name, values in [*columns, *((name, optional[name]) for name in chosen)]
        }
        return draw(st.lists(st.fixed_dictionaries(cells), min_size=1, max_size=8))

    return drawn()


CHANGE = {"change": ["", "update", "delete", "drop"]}
NODE = {
    "name": ["One", "Two", ""],
    "name_en": ["One", ""],
    "active_from": DAYS,
    "active_to": DAYS,
    "status": ["", "active", "archived", "closed"],
    "owner": EMPLOYEES,
    "children": ["", "A", "A|B", "C|D|X"],
    **CHANGE,
}
DROPS = st.fixed_dictionaries(
    {},
    optional={
        "axes": lines(
            ("axis", AXES),
            optional={
                **NODE,
                "required": ["true", "false", "maybe"],
                "parent_axis": ["", *AXES],
                "children": ["", "client", "project|task", "site"],
            },
        ),
        "sections": lines(("axis", AXES), ("section", CODES), optional={**NODE, "parent_section": ["", *CODES]}),
        "section_rights": lines(
            ("axis", AXES),
            ("section", CODES),
            optional={
                "employee": EMPLOYEES,
                "department": ["", "sales"],
                "valid_from": DAYS,
                "valid_to": DAYS,
                **CHANGE,
            },
        ),
        "section_names": lines(
            ("axis", AXES),
            ("section", CODES),
            ("language", ["fr", "en", "French"]),
            optional={"name": ["Un", ""], **CHANGE},
        ),
        "employees": lines(("employee", EMPLOYEES), optional={"name": ["Ada", ""], **CHANGE}),
        "affiliations": lines(
            ("employee", EMPLOYEES),
            ("valid_from", DAYS),
            optional={"legal_entity": ["FR01", "XX", ""], **CHANGE},
        ),
    },
)


@cache
def in_force() -> dict[str, pl.DataFrame]:
    """A small reference: three axes below one another, some sections."""
    tables = reference()
    tables["axes"] = [
        {"axis": axis, "name": axis, "parent_axis": parent, "required": "false"}
        for axis, parent in (("client", ""), ("project", "client"), ("task", "project"))
    ]
    tables["sections"] = [
        {"axis": axis, "section": code, "name": code, "parent_section": parent, "active_to": last, "owner": "E2"}
        for axis, code, parent, last in (
            ("client", "A", "", ""),
            ("client", "B", "", "2025-12-31"),
            ("project", "A", "B", ""),
            ("project", "C", "A", "2025-01-31"),
            ("task", "A", "C", ""),
            ("task", "D", "", ""),
        )
    ]
    tables["section_rights"] = [
        {"axis": "task", "section": "A", "employee": "E2", "department": "", "legal_entity": ""}
    ]
    with scratch() as folder:
        return read_as_given(write(folder / "reference", tables))


@contextmanager
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def written(folder: Path, tables: Tables) -> Path:
    """A drop, also of a table of which every line is empty."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return folder


def planned(current: dict[str, pl.DataFrame], tables: Tables, mode: str, **wishes: Any) -> SyncPlan:
    with scratch() as folder:
        drop = read_drop(written(folder / "drop", tables))
        return plan(current, drop, mode=mode, on=wishes.pop("on", ON), most_vanishing_percent=100, **wishes)


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(tables=DROPS.filter(bool), mode=st.sampled_from(["full", "changes"]), later=st.integers(0, 3))
def test_whatever_comes_in_the_reference_is_whole_and_nothing_is_lost(tables: Tables, mode: str, later: int) -> None:
    before = in_force()
    made = planned(before, tables, mode)
    after = made.tables_after
    # It is a reference that a run can read.
    with scratch() as folder:
        _write_tables(folder, after)
        kept = read_reference(folder)
        assert (
            read_as_given(folder)["sections"].sort("axis", "section").equals(after["sections"].sort("axis", "section"))
        )
    assert kept["sections"].height == after["sections"].height
    # Every line has a fate.
    for count in made.counts:
        rows = tables.get(count["table_name"], [])
        assert count["lines"] == len(rows) == count["rejected"] + count["applied"]
    found = dict(made.rejected.group_by("table_name").agg(pl.col("line").n_unique()).rows())
    assert {count["table_name"]: count["rejected"] for count in made.counts if count["rejected"]} == found
    # Axes and sections are never lost, and keys stay keys.
    for name in ("axes", "sections"):
        keys = list(key(REFERENCE[name]))
        assert before[name].join(after[name], on=keys, how="anti").is_empty()
        assert not after[name].select(keys).is_duplicated().any()
    # Tables that the drop does not touch are as they were.
    for name in set(REFERENCE) - set(tables) - {"sections", "axis_names", "section_names"}:
        assert after[name] is before[name]
    # A rejected line leaves what was in force for its key, but for what another line says of its parent.
    for row in made.rejected.filter(table_name="employees").to_dicts():
        code = tables["employees"][row["line"] - 2]["employee"]
        assert after["employees"].filter(employee=code).equals(before["employees"].filter(employee=code))
    # The same again is no news, also on a later day.
    again = planned(after, tables, mode, on=ON + timedelta(days=later))
    moved = again.diff.filter(pl.col("change") != "removed")
    if mode == "full" or not any(row.get("change") for rows in tables.values() for row in rows):
        assert (
            moved.filter(~pl.col("column_name").is_in(["active_to"])).is_empty()
            or again.rejected.height != made.rejected.height
        )
    if later == 0 and again.rejected.height == made.rejected.height:
        assert again.diff.is_empty()


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(tables=DROPS.filter(bool))
def test_what_vanishes_of_a_full_table_is_what_its_file_does_not_name(tables: Tables) -> None:
    before = in_force()
    made = planned(before, tables, "full")
    archived = made.diff.filter((pl.col("table_name") == "sections") & (pl.col("change") == "archived"))
    if "sections" not in tables and "axes" not in tables:
        assert archived.is_empty()
        return
    active = {"|".join(row) for row in vanishing("sections", before["sections"], ON).select("axis", "section").rows()}
    assert set(archived["key"]) <= active


@settings(max_examples=EXAMPLES // 4)
@given(
    parents=st.lists(st.integers(0, 30), min_size=2, max_size=30),
    order=st.randoms(use_true_random=False),
    by_children=st.booleans(),
)
def test_axes_of_any_shape_come_in_whole_or_the_lines_on_a_circle_are_rejected(
    parents: list[int], order: Any, by_children: bool
) -> None:
    names = [f"x{number}" for number in range(len(parents))]
    above = {name: names[parent] if parent < len(names) else "" for name, parent in zip(names, parents, strict=True)}
    rows = [{"axis": name, "name": name, "required": "false", "parent_axis": above[name]} for name in names]
    if by_children:
        below = {name: "|".join(child for child, parent in above.items() if parent == name) for name in names}
        rows = [{"axis": name, "name": name, "required": "false", "children": below[name]} for name in names]
    order.shuffle(rows)
    made = planned(in_force(), {"axes": rows}, "changes")
    after = dict(made.tables_after["axes"].select("axis", "parent_axis").iter_rows())
    for axis in after:
        steps, at = 0, axis
        while after[at] is not None:
            at, steps = after[at], steps + 1
            assert steps <= len(after), "a circle is in force"
    on_circle = {name for name in names if _leads_back(name, above)}
    if not by_children:
        rejected = {rows[line - 2]["axis"] for line in made.rejected["line"]}
        assert on_circle <= rejected
        # Nothing is rejected but what is on a circle, or leads to one.
        assert all(_leads_to(name, above, on_circle) for name in rejected)


def _leads_back(name: str, above: dict[str, str]) -> bool:
    at, seen = above[name], set()
    while at and at not in seen:
        if at == name:
            return True
        seen.add(at)
        at = above[at]
    return False


def _leads_to(name: str, above: dict[str, str], targets: set[str]) -> bool:
    at, seen = name, set()
    while at and at not in seen:
        if at in targets:
            return True
        seen.add(at)
        at = above[at]
    return False
