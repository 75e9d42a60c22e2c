"""Formats and profiles: those that come with the program load, and a mistake is told with file, field and position."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import FormatError
from pipeline.exports.format import FORMATS, Format, Wishes, load_format, parse_format, shipped
from pipeline.exports.profile import Profile, load_profile
from tests.exports.making import a_format, field, lines, made

HEAD = """
title = "T"
source = "test"
file = "'f'"
"""
DELIMITED = HEAD + 'kind = "delimited"\n'
FIXED = HEAD + 'kind = "fixed"\nencoding = "cp1252"\n'
PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
LABEL = field(name='"a"', from_='"label"')


@pytest.mark.parametrize("name", shipped())
def test_what_is_shipped_loads_and_says_where_it_is_from(name: str) -> None:
    loaded = load_format(name)
    assert loaded.format.title
    assert loaded.format.source
    assert loaded.name == name


def refused(text: str) -> str:
    with pytest.raises(FormatError) as error:
        parse_format("mine", text)
    assert str(error.value).startswith("format mine.toml")
    assert error.value.exit_code == 2
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind = ", "this is no TOML: Invalid value (at end of document)"),
        (DELIMITED, "a format has at least one [[field]]"),
        (DELIMITED.replace("title", "titel") + LABEL, "title: this key is missing; titel: there is no such key"),
        (DELIMITED.replace("delimited", "csv") + LABEL, "kind: Input should be 'delimited'"),
        (DELIMITED + 'encoding = "latin"\n' + LABEL, "encoding: Input should be 'utf-8'"),
        (DELIMITED + 'separator = "a"\n' + LABEL, "separator: 'a' cannot stand between two fields"),
        (DELIMITED + 'quote = "never"\n' + field(name='"a,b"', from_='"label"'), "the name 'a,b' has the separator"),
        (HEAD + 'kind = "xlsx"\nquote = "never"\n' + LABEL, "quote says nothing in a format of kind xlsx"),
        (DELIMITED + 'separator = ";;"\n' + LABEL, "separator: ';;' cannot stand between two fields"),
        (DELIMITED + 'order = ["when"]\n' + LABEL, "format mine.toml, order: there is no column when to order by"),
        (DELIMITED + LABEL + "\nfrm = 'label'", "field 1 (a), frm: there is no such key"),
        (DELIMITED + LABEL + "\nat = '1-4'", "field 1 (a): at says nothing in a format of kind delimited"),
        (DELIMITED + LABEL + "\nvalue = 'x'", "field 1 (a): write one of from, value and expression, not from and value"),
        (DELIMITED + field(name='"a"'), "field 1 (a): write one of from, value and expression, not none"),
        (DELIMITED + field(name='"a"', from_='"labell"'), "field 1 (a): there is no column labell"),
        (DELIMITED + field(name='"a"', from_='"debit"'), "field 1 (a): this is an amount, and a field is a text"),
        (DELIMITED + field(name='"a"', from_='"entry_date"'), 'field 1 (a): this is a date, and a field is a text\n  write date = "%Y-%m-%d"'),
        (DELIMITED + field(name='"a"', from_='"reversal"'), "this is a condition, and a field is a text"),
        (DELIMITED + field(name='"a"', from_='"label"', date='"%Y"'), "field 1 (a): date is for a date, and this is text"),
        (DELIMITED + field(name='"a"', from_='"entry_date"', date='"%s"'), "field 1 (a): '%s' is no way to write a date"),
        (DELIMITED + field(name='"a"', from_='"label"', decimal="{}"), "field 1 (a): decimal is for an amount, and this is text"),
        (DELIMITED + field(name='"a"', from_='"debit"', decimal="{ scale = 5 }"), "field 1 (a), decimal, scale"),
        (DELIMITED + field(name='"a"', from_='"debit"', decimal='{ point = ".." }'), "field 1 (a), decimal, point: String should have at most 1"),
        (DELIMITED + field(name='"a"', from_='"label"', map='"codes"'), "field 1 (a): there is no table [maps.codes]"),
        (DELIMITED + LABEL + field(name='"b"', expression='"upper(debit)"'), "field 2 (b), character 7: upper wants text here, not an amount"),
        (DELIMITED.replace("'f'", "label") + LABEL, "format mine.toml, file, character 1: there is no column label"),
        (FIXED + field(name='"a"', from_='"label"'), 'field 1 (a) has no positions: write at = "from-to"'),
        (FIXED + field(name='"a"', from_='"label"', at='"2-4"'), "field 1 (a) is at 2-4; the record goes on at 1"),
        (FIXED + field(name='"a"', from_='"label"', at='"1-4"') + field(name='"b"', value='""', at='"6-7"'), "field 2 (b) is at 6-7; the record goes on at 5"),
        (FIXED + field(name='"a"', from_='"label"', at='"1-4"') + field(name='"b"', value='""', at='"4-7"'), "field 2 (b) is at 4-7; the record goes on at 5"),
        (FIXED + field(name='"a"', from_='"label"', at='"4-1"'), "the record goes on at 1"),
        (FIXED + field(name='"a"', from_='"label"', at='"x"'), "field 1 (a), positions x, at: 'x' are no positions"),
        (FIXED + field(name='"a"', expression='"uper(label)"', at='"1-4"'), "field 1 (a), positions 1-4, character 1: there is no function uper"),
        (FIXED + field(name='"a"', from_='"axis_*"', at='"1-4"'), "which axes there are depends on the company"),
        (FIXED.replace("cp1252", "utf-8") + LABEL, "a fixed record counts bytes"),
        (FIXED + 'separator = ","\n' + LABEL, "separator says nothing in a format of kind fixed"),
        (HEAD + 'kind = "pain.001"\nof = "payments"' + LABEL, "pain.001 has no fields of its own"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(text: str, said: str) -> None:
    assert said in refused(text)


def test_every_mistake_of_the_form_is_told_at_once() -> None:
    text = refused(DELIMITED + field(name='"a"', from_='"label"', pad='""') + field(name='"b"', value="1"))
    assert "field 1 (a), pad" in text
    assert "field 2 (b), value" in text


def test_there_is_no_such_format(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"there is no format 'cvs'; there are .*csv, .*fec, "):
        load_format("cvs")
    with pytest.raises(FormatError, match="there is no format"):
        load_format(str(tmp_path))
    (tmp_path / "latin.toml").write_bytes(b'title = "\xe9"')
    with pytest.raises(FormatError, match=r"format latin\.toml: this cannot be read"):
        load_format(str(tmp_path / "latin.toml"))


def test_a_copy_of_a_shipped_format_is_a_format(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text((FORMATS / "csv.toml").read_text(encoding="utf-8").replace('separator = ","', 'separator = ";"'))
    loaded = load_format(str(path))
    assert loaded.name == "mine"
    assert made(loaded, lines({})).count(b";") > 50


@pytest.mark.parametrize(("said", "names"), [(True, b"a,b\r\nTrain,x\r\n"), (False, b"a\r\nTrain\r\n")])
def test_a_setting_says_whether_there_is_a_field(said: bool, names: bytes) -> None:
    text = (
        DELIMITED
        + '[settings.more]\ndefault = false\nmeaning = "whether there is a b"\n'
        + field(name='"a"', from_='"label"')
        + field(name='"b"', value='"x"', if_='"$more"')
    )
    assert made(parse_format("mine", text, Wishes(settings={"more": said})), lines({})) == names


def test_a_section_of_an_axis_is_a_column() -> None:
    loaded = a_format(
        field(name='"p"', from_='"axis_project"') + field(name='"q"', expression="\"axis_project & '!'\"")
    )
    assert made(loaded, lines({"axis_project": "P1"})) == b"p,q\r\nP1,P1!\r\n"


def test_the_keys_are_documented() -> None:
    page = PAGE.read_text(encoding="utf-8")
    keys = {*Format.model_fields, *Profile.model_fields} - {"field"}
    assert [
        key for key in sorted(keys) if f"`{key}`" not in page and f"\n{key} " not in page and f"[{key}]" not in page
    ] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("format = ", "profile p.toml: this is no TOML"),
        ("entity = 'FR01'", "profile p.toml: format: this key is missing"),
        ("format = 'csv'\njournal = 'payment'", "profile p.toml: journal: there is no such key"),
        ("format = 'csv'\njournals = ['expenses']", "profile p.toml: journals 1: Input should be 'expense_report'"),
        ("format = 'csv'\n[labels]\nexpenses = 'label'", "profile p.toml: labels, expenses"),
        (
            "format = 'csv'\n[labels]\npayment = 'labell'",
            "profile p, labels, payment, character 1: there is no column labell",
        ),
        (
            "format = 'csv'\n[labels]\npayment = 'debit'",
            "profile p, labels, payment: a label is a text, and this is an amount",
        ),
        ("format = 'csv'\n[filters]\nemployee = ['E1']", "profile p.toml: filters, employee: there is no such key"),
    ],
)
def test_a_mistake_in_a_profile_is_told_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(FormatError) as error:
        load_profile(path)
    assert said in str(error.value)


def test_the_page_s_profile_is_one(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    (tmp_path / "sage.toml").write_text(
        next(part for part in page.split("```") if "sage-paris" in part).removeprefix("toml\n")
    )
    profile = load_profile(tmp_path / "sage.toml")
    assert profile.name == "sage-paris"
    assert profile.filters.employees == ["E1", "E2"]


def test_a_profile_finds_the_format_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text((FORMATS / "csv.toml").read_text(encoding="utf-8"))
    (tmp_path / "p.toml").write_text("format = 'mine.toml'")
    assert load_format(load_profile(tmp_path / "p.toml").format).name == "mine"
    assert Profile(name=str(tmp_path / "mine.toml"), format="x").name == "mine"
