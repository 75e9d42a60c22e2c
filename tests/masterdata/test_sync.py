"""What a sync does to the reference: changes and full drops, what vanishes, names, hierarchies, strict, preview."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pipeline.errors import BrokenReferenceError, UsageError
from pipeline.masterdata.sync import sync
from pipeline.stage.reference import read_reference
from tests.masterdata.support import ON, brought, changed, company, drop, is_untouched, lines_of, row, said, table
from tests.support import reference, write

YESTERDAY = date(2026, 3, 9)
SECTIONS = """
    axis    section name   parent_section
    client  C1      One    -
    client  C2      Two    -
    project P1      First  C1
    project P2      Second C2
    task    T1      One    P1
"""


def without(text: str, *codes: str) -> str:
    return "\n".join(line for line in text.strip().splitlines() if line.split()[1] not in codes)


def test_changes_touch_their_keys_and_the_columns_given(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(tmp_path, sections="axis section owner\nclient C1 E1", employees="employee department\nE2 -")
    result = brought(home, given)
    assert changed(result) == [
        ("employees", "E2", "changed", "department", "research", ""),
        ("sections", "client|C1", "changed", "owner", "", "E1"),
    ]
    assert row(home, "sections", section="C1") | {"owner": None} == row(home, "sections", section="C2") | {
        "section": "C1",
        "name": "One",
    }
    assert (result.state, result.version, result.exit_code) == ("applied", 2, 0)


def test_a_drop_in_force_already_makes_no_version(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    result = brought(home, drop(tmp_path, sections=SECTIONS), mode="full")
    assert (result.state, result.version, changed(result)) == ("unchanged", 1, [])
    assert is_untouched(home)


@pytest.mark.slow
def test_a_plain_directory_becomes_version_1_with_the_first_change_alone(tmp_path: Path) -> None:
    home = company(tmp_path, is_plain=True).parent
    same = brought(home, drop(tmp_path, "same", sections=SECTIONS), mode="full")
    assert (same.state, same.version) == ("unchanged", None)
    assert not (home / "reference" / "current").exists()
    assert brought(home, drop(tmp_path, sections="axis section name\nclient C1 Uno")).version == 2


@pytest.mark.slow
def test_a_section_that_vanishes_is_archived_and_comes_back_when_it_is_there_again(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    gone = drop(tmp_path, "gone", sections=without(SECTIONS, "T1"))
    result = brought(home, gone, mode="full")
    assert changed(result) == [("sections", "task|T1", "archived", "active_to", "", "2026-03-09")]
    assert row(home, "sections", section="P3")["active_to"] == date(2025, 12, 31), "an earlier last day stays"
    assert brought(home, gone, mode="full", on=date(2026, 5, 1)).state == "unchanged"
    back = brought(home, drop(tmp_path, "back", sections=SECTIONS), mode="full", on=date(2026, 6, 1))
    assert changed(back) == [("sections", "task|T1", "restored", "active_to", "2026-03-09", "")]


@pytest.mark.slow
def test_a_full_file_without_status_or_days_says_that_what_is_there_is_active(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    text = SECTIONS + "    project P3 Third -"
    assert changed(brought(home, drop(tmp_path, sections=text))) == [], "changes say nothing of it"
    dated = drop(
        tmp_path,
        "dated",
        sections="axis section active_to\n"
        + "\n".join(
            f"{axis} {code} {'2025-12-31' if code == 'P3' else '-'}"
            for axis, code, *_ in map(str.split, text.split("\n")[2:])
        ),
    )
    assert changed(brought(home, dated, mode="full")) == []
    silent = brought(home, drop(tmp_path, "silent", sections=text), mode="full")
    assert changed(silent) == [("sections", "project|P3", "restored", "active_to", "2025-12-31", "")]


def test_other_tables_lose_what_a_full_drop_leaves_out_and_tables_not_in_it_stay(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(tmp_path, employees="employee name\nE1 Ada\nE2 Bo_Said")
    result = brought(home, given, mode="full", most_vanishing_percent=50)
    assert changed(result) == [
        ("employees", "E1", "changed", "name", "Ada Moreau", "Ada"),
        ("employees", "E3", "removed", "", "Cy Petit", ""),
    ]
    assert table(home, "affiliations").height == 4


def test_an_axis_that_vanishes_is_archived_with_its_sections_and_asks_for_none(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(tmp_path, axes="axis name parent_axis required\nclient Client - false\nproject Project client false")
    result = brought(home, given, mode="full", most_vanishing_percent=40)
    assert changed(result) == [
        ("axes", "task", "archived", "active_to", "", "2026-03-09"),
        ("sections", "task|T1", "archived", "active_to", "", "2026-03-09"),
    ]


def test_delete_archives_sections_and_removes_other_rows(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(
        tmp_path,
        sections="axis section change\nproject P1 delete\nproject P3 delete",
        section_rights="axis section employee change\nproject P2 E2 delete",
        journals="legal_entity journal code label change\n* payment BQ Bank update",
    )
    assert changed(brought(home, given)) == [
        ("journals", "*|payment", "changed", "label", "Payments", "Bank"),
        ("sections", "project|P1", "archived", "active_to", "", "2026-03-09"),
        ("section_rights", "project|P2|E2|||", "removed", "", "", ""),
    ]


def test_status_archives_and_restores(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(tmp_path, sections="axis section status\nproject P1 archived\nproject P3 active\nclient C1 -")
    assert changed(brought(home, given)) == [
        ("sections", "project|P1", "archived", "active_to", "", "2026-03-09"),
        ("sections", "project|P3", "restored", "active_to", "2025-12-31", ""),
    ]


def test_a_file_that_was_cut_short_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(tmp_path, sections=without(SECTIONS, "C1", "P1", "T1"))
    result = brought(home, given, mode="full")
    assert (result.state, result.exit_code) == ("refused", 2)
    assert result.said is not None
    assert result.said.startswith("3 of 5 rows in force of sections are not in the drop, more than 20 percent")
    assert is_untouched(home)
    assert brought(home, given, mode="full", most_vanishing_percent=60).state == "applied"


def test_where_a_line_has_no_code_nothing_is_taken_for_gone(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    text = without(SECTIONS, "T1").replace("project P2", "project -")
    result = brought(home, drop(tmp_path, sections=text), mode="full", most_vanishing_percent=100)
    assert changed(result) == []
    assert "nothing of sections is taken for gone" in result.notes[0]


def test_a_rejected_line_of_a_full_drop_is_not_taken_for_gone(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    result = brought(home, drop(tmp_path, sections=SECTIONS.replace("T1      One    P1", "T1 One P9")), mode="full")
    assert said(result) == [("sections", 6, "parent_section", "there is no such section on axis project")]
    assert changed(result) == []


def test_strict_applies_nothing_and_says_all_the_same_which_lines(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(tmp_path, sections="axis section name\nclient C9 Nine\nregion R Region")
    result = brought(home, given, strict=True)
    assert (result.state, result.exit_code, result.rejected) == ("refused", 2, 1)
    assert result.error_files == [given / "sections.csv.errors.csv"]
    assert "C9" not in table(home, "sections")["section"].to_list()


def test_a_preview_tells_and_writes_nothing(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(tmp_path, sections="axis section name\nclient C9 Nine\nregion R Region")
    before = sorted(path for path in tmp_path.rglob("*"))
    result = brought(home, given, preview=True)
    assert changed(result) == [("sections", "client|C9", "added", "", "", "Nine")]
    assert (result.state, result.rejected) == ("preview", 1)
    assert sorted(path for path in tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_names_come_by_language_and_an_empty_one_goes(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    brought(
        home,
        drop(
            tmp_path,
            sections="axis section name_fr name_en\nclient C1 Un One\nclient C2 Deux -",
            axes="axis name_fr\nclient Client",
        ),
    )
    assert table(home, "section_names").rows() == [
        ("client", "C1", "en", "One"),
        ("client", "C1", "fr", "Un"),
        ("client", "C2", "fr", "Deux"),
    ]
    assert table(home, "axis_names").rows() == [("client", "fr", "Client")]
    result = brought(home, drop(tmp_path, "more", sections="axis section name_en\nclient C1 -\nclient C2 Two"))
    assert changed(result) == [
        ("section_names", "client|C1|en", "removed", "", "One", ""),
        ("section_names", "client|C2|en", "added", "", "", "Two"),
    ]


@pytest.mark.slow
def test_the_hierarchy_may_be_told_from_above_over_any_depth(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    depth = 12
    axes = ["axis,name,required,children"] + [
        f"a{level},Level,false,{f'a{level + 1}' if level + 1 < depth else ''}" for level in range(depth)
    ]
    sections = ["axis,section,name,children"] + [
        f"a{level},S{side},Section,{f'S{side}|L{side}' if level + 2 == depth else f'S{side}' if level + 1 < depth else ''}"
        for level in range(depth)
        for side in (1, 2)
    ]
    sections += [f"a{depth - 1},L{side},Leaf," for side in (1, 2)]
    given = tmp_path / "drop"
    lines_of(given, "axes.csv", "\n".join(axes))
    lines_of(given, "sections.csv", "\n".join(sections))
    result = brought(home, given)
    assert said(result) == []
    assert row(home, "axes", axis="a11")["parent_axis"] == "a10"
    assert row(home, "sections", axis="a11", section="L2")["parent_section"] == "S2"


def test_a_code_on_two_axes_below_has_to_say_its_parent_itself(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(
        tmp_path,
        axes="axis name parent_axis required\nsite Site client false",
        sections="axis section name parent_section children\nsite P1 One - -\nclient C1 One - P1",
    )
    assert said(brought(home, given)) == [("sections", 3, "children", "sections of several axes below have this code")]


@pytest.mark.slow
def test_an_axis_moves_below_another_with_its_sections_and_leaves_archived_ones_behind(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    brought(home, drop(tmp_path, "old", sections="axis section change\nproject P2 delete"))
    given = drop(
        tmp_path,
        axes="axis name parent_axis required\nregion Region - false\nproject Project region false",
        sections="axis section name parent_section\nregion R1 One -\nproject P1 First R1",
    )
    result = brought(home, given)
    assert said(result) == []
    assert ("sections", "project|P2", "changed", "parent_section", "C2", "") in changed(result)
    assert row(home, "sections", section="P1")["parent_section"] == "R1"


def test_a_full_row_of_accounts_rights_and_affiliations_comes_in(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(
        tmp_path,
        legal_entities="legal_entity name country currency payment_mode approval\nFR09 Nine FR EUR list none",
        employees="employee name department\nE9 Nine sales",
        affiliations="employee legal_entity valid_from\nE9 FR09 2026-01-01",
        chart_of_accounts="legal_entity role key employee account\nFR09 charge train * 625199",
        section_rights="""
            axis   section employee department legal_entity valid_from valid_to
            client C1      E9       -          -            2026-01-01 2026-06-30
            client C1      E9       -          -            2026-09-01 -
            client C1      -        sales      -            -          -
            client C1      -        -          FR09         -          -
        """,
    )
    result = brought(home, given)
    assert said(result) == []
    assert {count["table_name"]: count["added"] for count in result.counts} == {
        "legal_entities": 1,
        "employees": 1,
        "affiliations": 1,
        "chart_of_accounts": 1,
        "section_rights": 4,
    }


def test_files_may_be_named_after_a_day_and_come_alone(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    path = lines_of(tmp_path, "sections_2026-03-09.csv", "axis,section,name\nclient,C9,Nine\nx,y,z\n")
    result = brought(home, path)
    assert row(home, "sections", section="C9")["name"] == "Nine"
    assert result.error_files == [tmp_path / "sections_2026-03-09.csv.errors.csv"]


def test_a_source_may_be_kept_to_some_tables(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(tmp_path, sections="axis section name\nclient C9 Nine", employees="employee name\nE9 Nine")
    result = brought(home, given, tables=["sections"])
    assert [count["table_name"] for count in result.counts] == ["sections"]
    assert "may not bring employees" in result.notes[0]


@pytest.mark.slow
def test_a_reference_may_begin_with_a_drop(tmp_path: Path) -> None:
    given = write(tmp_path / "drop", reference())
    result = sync(tmp_path / "reference", given, on=ON, mode="full")
    assert (result.state, result.version, result.rejected) == ("applied", 1, 0)
    plain = read_reference(given)
    kept = read_reference(tmp_path / "reference")
    for name, frame in plain.items():
        assert frame.sort(frame.columns).equals(kept[name].sort(frame.columns)), name


@pytest.mark.slow
def test_the_sample_restated_in_full_is_no_change(tmp_path: Path) -> None:
    sample = Path(__file__).parents[2] / "data" / "sample" / "reference"
    write(tmp_path / "empty", {})
    first = sync(tmp_path / "reference", sample, on=ON, mode="full", error_files=False)
    assert first.rejected == 0
    assert sync(tmp_path / "reference", sample, on=ON, mode="full", error_files=False).state == "unchanged"


def test_a_reference_that_is_broken_already_is_said_and_left(tmp_path: Path) -> None:
    home = company(tmp_path, is_plain=True).parent
    lines_of(home / "reference", "vat_codes.csv", "vat_code,rate,recoverable_percent\nV20,twenty,100\n")
    with pytest.raises(BrokenReferenceError, match="vat_codes V20: rate cannot be twenty"):
        brought(home, drop(tmp_path, sections="axis section name\nclient C9 Nine"))


def test_in_a_full_file_a_child_that_its_parent_names_no_more_is_below_none(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    text = "axis,section,name,children\nclient,C1,One,{}\nclient,C2,Two,P2\nproject,P1,First,T1\nproject,P2,Second,\ntask,T1,One,\n"
    path = lines_of(tmp_path / "drop", "sections.csv", text.format("P1"))
    assert brought(home, path.parent, mode="full").state == "unchanged"
    lines_of(tmp_path / "drop", "sections.csv", text.format(""))
    assert brought(home, path.parent).state == "unchanged"
    # The line that says so is rejected: it says nothing.
    lines_of(tmp_path / "drop", "sections.csv", text.format("P9"))
    assert brought(home, path.parent, mode="full").rejected == 1
    assert row(home, "sections", section="P1")["parent_section"] == "C1"
    lines_of(tmp_path / "drop", "sections.csv", text.format(""))
    assert changed(brought(home, path.parent, mode="full")) == [
        ("sections", "project|P1", "changed", "parent_section", "C1", "")
    ]


def test_in_a_full_file_an_axis_that_its_parent_names_no_more_is_below_none(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(
        tmp_path,
        axes="axis name children\nclient Client project\nproject Project -\ntask Tasks -",
        sections="axis section parent_section\ntask T1 -",
    )
    result = brought(home, given, mode="full", most_vanishing_percent=100)
    assert result.rejected == 0
    assert row(home, "axes", axis="task")["parent_axis"] is None


def test_an_axis_that_is_missing_counts_with_its_sections_as_what_vanishes(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    axes = "axis name\nclient Client\nproject Project"
    result = brought(home, drop(tmp_path, axes=axes), mode="full", most_vanishing_percent=34)
    assert result.state == "applied"
    more = "\n".join(f"project Q{number} Q" for number in range(10))
    brought(home, drop(tmp_path, "more", sections=f"axis section name\n{more}"))
    axes = "axis name\nclient Client\ntask Tasks"
    result = brought(home, drop(tmp_path, "cut", axes=axes), mode="full", most_vanishing_percent=50)
    assert result.state == "refused"
    assert "12 of 14 rows in force of sections" in str(result.said)


def test_rights_without_first_days_are_those_in_force(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    rights = "axis section employee valid_from valid_to\nclient C1 E1 2026-01-01 -"
    brought(home, drop(tmp_path, "1", section_rights=rights))
    ended = "axis section employee valid_to\nclient C1 E1 2026-06-30\nclient C2 E1 2026-12-31"
    assert changed(brought(home, drop(tmp_path, "2", section_rights=ended))) == [
        ("section_rights", "client|C1|E1|||2026-01-01", "changed", "valid_to", "", "2026-06-30"),
        ("section_rights", "client|C2|E1|||", "added", "", "", "2026-12-31"),
    ]
    more = "axis section employee valid_from\nclient C1 E1 2026-09-01"
    brought(home, drop(tmp_path, "3", section_rights=more))
    result = brought(home, drop(tmp_path, "4", section_rights=ended), mode="full", most_vanishing_percent=100)
    assert said(result) == [
        ("section_rights", 2, "valid_from", "several of these rights are in force, from other days")
    ]
    assert result.state == "unchanged"
    gone = "axis section employee change\nclient C2 E1 delete"
    assert [one[2] for one in changed(brought(home, drop(tmp_path, "5", section_rights=gone)))] == ["removed"]


def test_an_unknown_mode_is_wrong_usage(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    with pytest.raises(UsageError, match="there is no mode all"):
        brought(home, drop(tmp_path, sections=SECTIONS), mode="all")


def test_as_dict_says_it_all_for_machines(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    told = brought(home, drop(tmp_path, sections="axis section name\nclient C9 Nine\nx y z")).as_dict()
    assert told["state"] == "applied"
    assert told["counts"] == [
        {
            "table_name": "sections",
            "lines": 2,
            "rejected": 1,
            "applied": 1,
            "added": 1,
            "changed": 0,
            "archived": 0,
            "restored": 0,
            "removed": 0,
        }
    ]
    assert told["findings"][0]["line"] == 3
