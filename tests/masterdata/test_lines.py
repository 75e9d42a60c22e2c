"""Which lines of a drop are rejected, and why: every rule with a file that breaks it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.errors import InputError
from pipeline.masterdata.drop import read_drop
from pipeline.masterdata.plan import plan
from pipeline.stage.reference import read_as_given
from schemas import REFERENCE
from schemas.table import key
from tests.masterdata.support import ON, brought, company, drop, found, is_untouched, lines_of, row, said, table

Tables = dict[str, pl.DataFrame]

SECTIONS = "axis,section,name,parent_section"

#: file, content, what is said: (table, line, column, why)
RULES: dict[str, tuple[str, str, list[tuple[str, int, str, str]]]] = {
    "a day that is none": (
        "sections.csv",
        "axis,section,name,active_to\nclient,C9,Nine,31/12/2026\n",
        [("sections", 2, "active_to", "it cannot be read")],
    ),
    "an enum": (
        "legal_entities.csv",
        "legal_entity,payment_mode\nFR01,cheque\n",
        [("legal_entities", 2, "payment_mode", "it cannot be read")],
    ),
    "a status": (
        "sections.csv",
        "axis,section,name,status\nclient,C9,Nine,closed\n",
        [("sections", 2, "status", "it cannot be read")],
    ),
    "a change": (
        "sections.csv",
        "axis,section,name,change\nclient,C9,Nine,remove\n",
        [("sections", 2, "change", "it cannot be read")],
    ),
    "a ragged line": (
        "vat_codes.csv",
        "vat_code,rate,recoverable_percent\nV5,5\n",
        [("vat_codes", 2, "", "2 cells where the header has 3")],
    ),
    "a line without a code": (
        "sections.csv",
        f"{SECTIONS}\nclient,,Nine,\n",
        [("sections", 2, "section", "it is empty")],
    ),
    "a code twice": (
        "sections.csv",
        f"{SECTIONS}\nclient,C9,Nine,\nclient,C8,Eight,\nclient,C9,Neun,\n",
        [
            ("sections", 2, "", "this key stands on several lines"),
            ("sections", 4, "", "this key stands on several lines"),
        ],
    ),
    "a required cell that is empty": (
        "sections.csv",
        f"{SECTIONS}\nclient,C1,,\n",
        [("sections", 2, "name", "it is required and empty")],
    ),
    "a new row without a required column": (
        "sections.csv",
        "axis,section,owner\nclient,C9,E1\n",
        [("sections", 2, "name", "a new row needs it, and there is no such column")],
    ),
    "an axis that cannot be a column": (
        "axes.csv",
        "axis,name,required\nCost centre,Cost,false\n",
        [("axes", 2, "axis", "it cannot become a column")],
    ),
    "an axis below itself": (
        "axes.csv",
        "axis,name,parent_axis,required\nregion,Region,region,false\n",
        [("axes", 2, "parent_axis", "its parents go round in a circle")],
    ),
    "a circle through what is in force": (
        "axes.csv",
        "axis,parent_axis\nclient,task\n",
        [("axes", 2, "parent_axis", "its parents go round in a circle")],
    ),
    "a parent axis that is not there": (
        "axes.csv",
        "axis,name,parent_axis,required\nregion,Region,land,false\n",
        [("axes", 2, "parent_axis", "there is no such axis")],
    ),
    "a section of no axis": (
        "sections.csv",
        f"{SECTIONS}\nregion,R1,One,\n",
        [("sections", 2, "axis", "there is no such axis")],
    ),
    "a parent that is not there": (
        "sections.csv",
        f"{SECTIONS}\nproject,P9,Nine,C9\n",
        [("sections", 2, "parent_section", "there is no such section on axis client")],
    ),
    "a parent on the section's own axis": (
        "sections.csv",
        f"{SECTIONS}\nproject,P9,Nine,P1\n",
        [("sections", 2, "parent_section", "there is no such section on axis client")],
    ),
    "an axis put below another than its sections are": (
        "axes.csv",
        "axis,parent_axis\nproject,\n",
        [("axes", 2, "parent_axis", "section P1 of it is below C1, which is not on that axis")],
    ),
    "days the wrong way round": (
        "sections.csv",
        "axis,section,name,active_from,active_to\nclient,C9,Nine,2027-01-01,2026-12-31\n",
        [("sections", 2, "active_to", "it is before active_from")],
    ),
    "an owner who is not there": (
        "sections.csv",
        "axis,section,name,owner\nclient,C9,Nine,E9\n",
        [("sections", 2, "owner", "it is not in employees")],
    ),
    "a right to nothing": (
        "section_rights.csv",
        "axis,section,employee\nproject,P9,E1\n",
        [("section_rights", 2, "section", "it is not in sections")],
    ),
    "a right of nobody": (
        "section_rights.csv",
        "axis,section,employee,department\nproject,P1,,\n",
        [("section_rights", 2, "", "exactly one of employee, department and legal_entity has to be filled")],
    ),
    "a right of two": (
        "section_rights.csv",
        "axis,section,employee,department\nproject,P1,E1,sales\n",
        [("section_rights", 2, "", "exactly one of employee, department and legal_entity has to be filled")],
    ),
    "a right of an employee who is not there": (
        "section_rights.csv",
        "axis,section,employee\nproject,P1,E9\n",
        [("section_rights", 2, "employee", "it is not in employees")],
    ),
    "a right of an entity that is not there": (
        "section_rights.csv",
        "axis,section,legal_entity\nproject,P1,XX99\n",
        [("section_rights", 2, "legal_entity", "it is not in legal_entities")],
    ),
    "an affiliation of nobody": (
        "affiliations.csv",
        "employee,legal_entity,valid_from\nE9,FR01,2026-01-01\n",
        [("affiliations", 2, "employee", "it is not in employees")],
    ),
    "an affiliation to nothing": (
        "affiliations.csv",
        "employee,legal_entity,valid_from\nE1,XX99,2026-01-01\n",
        [("affiliations", 2, "legal_entity", "it is not in legal_entities")],
    ),
    "a name of no section": (
        "section_names.csv",
        "axis,section,language,name\nclient,C9,en,Nine\n",
        [("section_names", 2, "section", "it is not in sections")],
    ),
    "a name of no axis": (
        "axis_names.csv",
        "axis,language,name\nregion,en,Region\n",
        [("axis_names", 2, "axis", "it is not in axes")],
    ),
    "a language that is none": (
        "section_names.csv",
        "axis,section,language,name\nclient,C1,English,One\n",
        [("section_names", 2, "language", "it is no code of ISO 639")],
    ),
    "a child that is not there": (
        "sections.csv",
        "axis,section,name,children\nclient,C9,Nine,P9\n",
        [("sections", 2, "children", "it is no section of an axis below")],
    ),
    "a child with two parents": (
        "sections.csv",
        "axis,section,name,parent_section,children\nclient,C9,Nine,,P1\nproject,P1,First,C1,\n",
        [("sections", 2, "children", "it has another parent too")],
    ),
    "a child of two": (
        "sections.csv",
        "axis,section,name,children\nclient,C8,Eight,P1\nclient,C9,Nine,P1|P2\n",
        [
            ("sections", 2, "children", "it has another parent too"),
            ("sections", 3, "children", "it has another parent too"),
        ],
    ),
    "a child axis that is not there": (
        "axes.csv",
        "axis,name,required,children\nregion,Region,false,land\n",
        [("axes", 2, "children", "there is no such axis")],
    ),
    "children in a circle": (
        "axes.csv",
        "axis,children\ntask,client\n",
        [("axes", 2, "parent_axis", "its parents go round in a circle")],
    ),
    "a VAT below 0": (
        "vat_codes.csv",
        "vat_code,rate,recoverable_percent\nV9,-1,100\n",
        [("vat_codes", 2, "rate", "it is below 0")],
    ),
    "more than all of a VAT": (
        "vat_codes.csv",
        "vat_code,rate,recoverable_percent\nV9,1,101\n",
        [("vat_codes", 2, "recoverable_percent", "it is not between 0 and 100")],
    ),
    "a currency that is none": (
        "legal_entities.csv",
        "legal_entity,currency\nBE01,EURO\n",
        [("legal_entities", 2, "currency", "it is no currency of ISO 4217")],
    ),
    "sepa without the euro": (
        "legal_entities.csv",
        "legal_entity,currency\nFR01,CHF\n",
        [("legal_entities", 2, "payment_mode", "sepa goes with EUR alone")],
    ),
    "nothing to delete": (
        "journals.csv",
        "legal_entity,journal,change\nFR01,payment,delete\n",
        [("journals", 2, "change", "there is no such row to delete")],
    ),
}


@pytest.fixture(scope="module")
def in_force(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return read_as_given(company(tmp_path_factory.mktemp("company"), is_plain=True))


@pytest.mark.parametrize("name", RULES)
def test_a_line_is_rejected_with_what_to_mend_and_what_was_in_force_stays(
    name: str, in_force: Tables, tmp_path: Path
) -> None:
    file, content, expected = RULES[name]
    path = lines_of(tmp_path, file, content)
    table = path.stem
    made = plan(in_force, read_drop(tmp_path), mode="changes", on=ON)
    assert found(made.rejected) == expected
    assert made.rejected["mend"].null_count() == 0
    rejected = {line for _, line, _, _ in expected}
    (counts,) = [count for count in made.counts if count["table_name"] == table]
    assert counts["rejected"] == len(rejected)
    assert counts["rejected"] + counts["applied"] == counts["lines"] == content.count("\n") - 1
    if counts["applied"] == 0:
        assert made.diff.is_empty()
        keys = key(REFERENCE[table])
        assert_frame_equal(made.tables_after[table].sort(keys), in_force[table].sort(keys))


def test_the_good_lines_are_applied_beside_rejected_ones(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(tmp_path, journals="legal_entity journal code label\nFR01 payment BQ1 Banks\nFR01 sales V Sales")
    result = brought(home, given)
    assert (result.state, result.exit_code, result.rejected) == ("applied", 3, 1)
    assert row(home, "journals", legal_entity="FR01")["code"] == "BQ1"
    assert result.error_files == [given / "journals.csv.errors.csv"]


@pytest.mark.slow
def test_what_hangs_on_a_rejected_line_is_rejected_too_over_any_depth(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(
        tmp_path,
        axes="axis name parent_axis required\nregion Region - false\nclient Client region false",
        sections="""
            axis    section name  parent_section active_to
            region  R1      One   -              never
            client  C9      Nine  R1             -
            client  C8      Eight -              -
            project P9      Nine  C9             -
            task    T9      Nine  P9             -
            task    T8      Eight P1             -
        """,
        section_rights="axis section employee\ntask T9 E1\ntask T8 E1",
        section_names="axis section language name\nproject P9 en Nine\nclient C8 en Eight",
    )
    result = brought(home, given)
    assert said(result) == [
        ("sections", 2, "active_to", "it cannot be read"),
        ("sections", 3, "parent_section", "there is no such section on axis region"),
        ("sections", 5, "parent_section", "there is no such section on axis client"),
        ("sections", 6, "parent_section", "there is no such section on axis project"),
        ("section_names", 2, "section", "it is not in sections"),
        ("section_rights", 2, "section", "it is not in sections"),
    ]
    assert row(home, "axes", axis="client")["parent_axis"] == "region"
    assert row(home, "sections", section="T8")["parent_section"] == "P1"
    assert table(home, "section_names")["section"].to_list() == ["C8"]


@pytest.mark.slow
def test_a_rejected_axis_takes_its_sections_along(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(
        tmp_path,
        axes="axis name required\nregion Region maybe",
        sections="axis section name\nregion R1 One\nclient C9 N",
    )
    assert said(brought(home, given)) == [
        ("axes", 2, "required", "it cannot be read"),
        ("sections", 2, "axis", "there is no such axis"),
    ]
    assert row(home, "sections", section="C9")["name"] == "N"


@pytest.mark.slow
def test_codes_of_one_axis_never_clash_with_those_of_another(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    result = brought(home, drop(tmp_path, sections="axis section name\nclient P1 One\ntask P1 Two\ntask C1 Three"))
    assert result.rejected == 0
    assert {row(home, "sections", axis=axis, section="P1")["name"] for axis in ("client", "project", "task")} == {
        "One",
        "First",
        "Two",
    }


@pytest.mark.slow
def test_what_is_in_force_may_name_an_employee_who_has_left_and_be_said_again(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    assert brought(home, drop(tmp_path, sections="axis section owner\nclient C1 E3")).rejected == 0
    left = drop(tmp_path, "left", employees="employee change\nE3 delete")
    assert [count["removed"] for count in brought(home, left).counts] == [1]
    again = drop(tmp_path, "again", sections="axis section owner\nclient C1 E3\nclient C2 E3")
    assert said(brought(home, again)) == [("sections", 3, "owner", "it is not in employees")]


def test_one_error_file_has_each_rejected_line_once_with_its_cells_and_goes_when_all_is_good(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    content = (
        'axis,section,name,name_fr,active_from,active_to\nclient,C9,"Nine, 9","N\nf",now,soon\nclient,C8,Eight,,,\nx\n'
    )
    path = lines_of(tmp_path / "drop", "sections.csv", content)
    result = brought(home, path.parent)
    (beside,) = result.error_files
    shown = pl.read_csv(beside, infer_schema=False).to_dicts()
    assert beside.read_bytes().startswith(b"\xef\xbb\xbf")
    assert [line["error_line"] for line in shown] == ["2", "5"]
    assert (shown[0]["name"], shown[0]["name_fr"], shown[0]["active_to"]) == ("Nine, 9", "N\nf", "soon")
    assert shown[0]["error_why"] == "active_from: it cannot be read; active_to: it cannot be read"
    assert shown[1]["error_value"] == "x"
    path.write_text(content.replace("now", "2027-01-01").replace("soon", "2027-01-31").replace("\nx", ""))
    assert brought(home, path.parent).error_files == []
    assert not beside.exists()
    assert row(home, "sections", section="C9")["active_to"] == date(2027, 1, 31)


def test_lines_are_numbered_as_an_editor_shows_them(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    content = 'axis,section,name\n\nclient,A,"two\r\nlines"\nbad\n\nnowhere,B,x\nclient,C,y\nnowhere,D,z'
    result = brought(home, lines_of(tmp_path, "sections.csv", content))
    assert [(line, why) for _, line, _, why in said(result)] == [
        (5, "2 cells where the header has 3".replace("2", "1")),
        (7, "there is no such axis"),
        (9, "there is no such axis"),
    ]


@pytest.mark.slow
def test_parquet_and_workbooks_are_taken_too_and_their_rows_found(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = tmp_path / "drop"
    given.mkdir()
    frame = pl.DataFrame(
        {
            "axis": ["client", "nowhere", "client"],
            "section": ["C8", "X", "N\0L"],
            "name": ["Eight", "X", "N"],
            "active_to": [date(2027, 1, 1), None, None],
            "name_en": ["Eight E", None, None],
        }
    )
    frame.write_parquet(given / "sections.parquet")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "vat_codes"
    for cells in (["vat_code", "rate", "recoverable_percent"], ["V5", 5.5, 100], [], ["V6", "six", 100]):
        sheet.append(cells)
    book.save(given / "codes.xlsx")
    result = brought(home, given)
    assert said(result) == [
        ("vat_codes", 4, "rate", "it cannot be read"),
        ("sections", 2, "axis", "there is no such axis"),
        ("sections", 3, "section", "it holds a NUL character"),
    ]
    assert {path.name for path in result.error_files} == {"codes.xlsx.errors.csv", "sections.parquet.errors.csv"}
    assert row(home, "sections", section="C8")["active_to"] == date(2027, 1, 1)
    assert str(row(home, "vat_codes", vat_code="V5")["rate"]) == "5.500"
    assert table(home, "section_names").rows() == [("client", "C8", "en", "Eight E")]


def test_a_formula_that_nobody_has_computed_empties_no_cell(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "employees"
    sheet.append(["employee", "department", "iban"])
    sheet.append([None, None, None])
    sheet.append(["E1", "=A3", None])
    sheet.append(["E2", "Sales", "FR7630004003060000412072460"])
    (tmp_path / "drop").mkdir()
    workbook.save(tmp_path / "drop" / "hr.xlsx")
    before = row(home, "employees", employee="E1")
    result = brought(home, tmp_path / "drop")
    assert said(result) == [
        ("employees", 3, "department", "no program has computed this formula, so the cell is empty")
    ]
    assert row(home, "employees", employee="E1") == before
    assert row(home, "employees", employee="E2")["department"] == "Sales"


def test_a_code_with_a_space_around_it_is_no_new_code_and_the_one_in_force_is_not_taken_for_gone(
    tmp_path: Path,
) -> None:
    home = company(tmp_path).parent
    text = "axis,section,name\nclient,C1\u00a0,One\nclient, C2,Two\nproject,P1,First\nproject,P2,Second\ntask,T1,One\n"
    path = lines_of(tmp_path / "drop", "sections.csv", text)
    result = brought(home, path.parent, mode="full", most_vanishing_percent=100)
    assert said(result) == [
        ("sections", 2, "section", "it begins or ends with a space"),
        ("sections", 3, "section", "it begins or ends with a space"),
    ]
    assert is_untouched(home)


@pytest.mark.parametrize(
    ("columns", "cells", "line"),
    [("active_from", "2026-12-31", "active_from"), ("active_to", "2025-12-31", "active_to")],
)
def test_a_day_that_does_not_go_with_the_other_one_in_force_is_rejected(
    columns: str, cells: str, line: str, tmp_path: Path
) -> None:
    home = company(tmp_path).parent
    days = "axis section active_from active_to\nclient C1 2026-01-01 2026-06-30"
    brought(home, drop(tmp_path, "1", sections=days))
    result = brought(home, drop(tmp_path, "2", sections=f"axis section {columns}\nclient C1 {cells}"))
    assert [one[:3] for one in said(result)] == [("sections", 2, line)]
    assert "the last day would be before the first" in said(result)[0][3]
    # Archived before it began, it may be said again.
    ended = "axis section active_from status\nclient C1 2026-12-31 archived"
    assert brought(home, drop(tmp_path, "3", sections=ended)).state == "applied"
    again = "axis section name active_from\nclient C1 Uno 2026-12-31"
    assert brought(home, drop(tmp_path, "4", sections=again)).rejected == 0


def test_a_type_that_is_neither_text_nor_number_nor_day_is_said(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    (tmp_path / "drop").mkdir()
    rows = pl.DataFrame({"axis": ["client"], "section": ["C9"], "name": [timedelta(seconds=5)]})
    rows.write_parquet(tmp_path / "drop" / "sections.parquet")
    with pytest.raises(InputError, match="the file cannot be read"):
        brought(home, tmp_path / "drop")


def test_what_is_no_table_in_a_folder_is_said(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(tmp_path, sections="axis section name\nclient C9 Nine")
    lines_of(given, "section_rights.txt", "axis,section,employee\nclient,C1,E1\n")
    lines_of(given / "more", "axes.csv", "axis,name\nx,X\n")
    (given / "employees.csv").symlink_to(tmp_path / "nowhere")
    (given / ".ready").touch()
    result = brought(home, given)
    assert [note.partition(":")[0] for note in result.notes] == ["employees.csv", "more", "section_rights.txt"]


def test_a_file_may_be_named_in_capitals(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    path = lines_of(tmp_path / "drop", "SECTIONS_20260310.CSV", "axis,section,name\nclient,C9,Nine\n")
    assert brought(home, path.parent).state == "applied"


def test_a_folder_that_takes_no_error_file_stops_no_good_line(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    given = drop(tmp_path, sections="axis section name\nclient C9 Nine\nregion R1 One")
    (given / ".sections.csv.errors.csv.partial").mkdir()
    result = brought(home, given)
    assert (result.state, result.rejected, list(result.error_files)) == ("applied", 1, [])
    assert "could be written beside the input" in result.notes[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("sections.csv", "section,name\nC1,One\n", "table sections lacks the required column axis"),
        ("sections.csv", "", "the file is empty"),
        ("customers.csv", "a,b\n1,2\n", "there is no reference table in it"),
    ],
)
def test_what_cannot_be_read_at_all_is_said_and_nothing_is_done(
    name: str, content: str, message: str, tmp_path: Path
) -> None:
    home = company(tmp_path).parent
    path = lines_of(tmp_path / "drop", name, content)
    with pytest.raises(InputError, match=message):
        brought(home, path.parent)
    assert is_untouched(home)
