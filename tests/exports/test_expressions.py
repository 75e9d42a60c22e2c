"""The language of the formats: what it gives, what it refuses, and where it says the fault is."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FormatError
from pipeline.exports import columns
from pipeline.exports.expressions import MEANINGS, Names, compile_expression, folded
from tests.exports.making import lines

MAPS = {"vat": {"V20": "20", "V10": "10"}}
LINES = lines(
    {"amount": "12.34", "label": "Éclair", "vat_code": "V20", "entry_date": date(2026, 1, 5)},
    {"amount": "-0.5", "label": None, "entry_date": date(2026, 12, 31), "reversal": True, "entry_number": 12},
)


def values(source: str, frame: pl.DataFrame = LINES) -> list[object]:
    typed = compile_expression(source, Names(columns.LINES, MAPS), "test")
    return frame.with_columns(typed.value.alias("made"))["made"].to_list()


@pytest.mark.parametrize(
    ("source", "first", "second"),
    [
        ("'a' & ' ' & 'it''s'", "a it's", "a it's"),
        ("label", "Éclair", None),
        ("label & '/' & entry_number", "Éclair/1", "/12"),
        ("upper(label)", "ÉCLAIR", ""),
        ("lower(label)", "éclair", ""),
        ("ascii(label)", "Eclair", ""),
        ("trim('  a ')", "a", "a"),
        ("left(label, 2)", "Éc", ""),
        ("right(label, 2)", "ir", ""),
        ("mid(label, 2, 3)", "cla", ""),
        ("pad(label, 8, '.')", "Éclair..", "........"),
        ("pad_left(digits(entry_number), 4, '0')", "0001", "0012"),
        ("replace(label, 'cl', '$1')", "É$1air", ""),
        ("default(label, document)", "Éclair", "R1"),
        ("around(label, '; ', '.')", "; Éclair.", ""),
        ("only(vat_code, 'A-Z0-9')", "V20", ""),
        ("digits(less(entry_number, 1))", "0", "11"),
        ("date(entry_date, '%d%m%y')", "050126", "311226"),
        ("date(entry_date, '%Y-%j %%')", "2026-005 %", "2026-365 %"),
        ("amount(debit, 2, ',')", "12,34", "0,00"),
        ("amount(amount, 4, '.')", "12.3400", "-0.5000"),
        ("amount(credit, 2, '')", "0", "50"),
        ("money(amount, '.')", "12.34", "-0.50"),
        ("money(abs(amount), '')", "1234", "50"),
        ("money(minus(amount), ',')", "-12,34", "0,50"),
        ("nonzero(debit)", Decimal("12.3400"), None),
        ("amount(round(amount, 1), 4, '.')", "12.3000", "-0.5000"),
        ("amount(round(amount, 0), 1, '.')", "12.0", "-1.0"),
        ("lookup('vat', vat_code, 'none')", "20", "none"),
        ("fill('{document}-{entry_number}, {label|none} {entry_date:%m}')", "R1-1, Éclair 01", "R1-12, none 12"),
        ("if debit > 0 then 'D' else 'C'", "D", "C"),
        ("if amount >= 12.34 then 'big' else 'small'", "big", "small"),
        ("if reversal then 'contra' else 'entry'", "entry", "contra"),
        ("if empty(label) or vat_code = 'V10' then 'x' else 'y'", "y", "x"),
        ("if not empty(label) and (vat_code <> 'V10') then 'x' else 'y'", "x", "y"),
        ("if entry_number = 1 then 'a' else if entry_number > 11 then 'b' else 'c'", "a", "b"),
        ("if entry_date < document_date then 'before' else 'after'", "before", "after"),
        ("if label = '' then 'no' else 'yes'", "yes", "no"),
    ],
)
def test_what_it_gives(source: str, first: object, second: object) -> None:
    assert values(source) == [first, second]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "cannot be read from its end on"),
        ("label &", "cannot be read from character 7 on"),
        ("'open", "cannot be read from character 1 on"),
        ("label 'x'", "cannot be read from character 7 on"),
        ("label.x", "cannot be read from character 6 on"),
        ("label; drop table entry_lines", "cannot be read from character 6 on"),
        ("__import__('os')", "character 1: there is no function __import__"),
        ("'a' & labell", "character 7: there is no column labell"),
        ("left(label, 'a')", "character 13: left wants a number written out here, not text, 'a'"),
        ("left(label, entry_number)", "character 13: left wants a number written out here"),
        ("left(label)", "character 1: left takes 2 values, not 1"),
        ("left(label, 99999)", "is no whole number from 0 to 4000"),
        ("pad(label, 3, 'ab')", "'ab' is not one character"),
        ("mid(label, 0, 3)", "0 is no whole number from 1"),
        ("amount(debit, 5, '.')", "an amount has at most 4 decimals"),
        ("date(entry_date, '%H')", "is no way to write a date"),
        ("date(label, '%d')", "character 6: date wants a date here, not text"),
        ("debit & 'x'", "character 1: & joins texts; write an amount with"),
        ("entry_date & 'x'", "character 1: & joins texts; write a date with"),
        ("label > 3", "character 1: text cannot be compared with a number"),
        ("if label then 'a' else 'b'", "character 4: a condition is wanted here, not text"),
        ("not label", "a condition is wanted here, not text"),
        ("if reversal then 'a' else debit", "`then` gives text, `else` gives an amount"),
        ("lookup('vax', vat_code, '')", "no table [maps.vax]; it has vat"),
        ("lookup('vat', debit, '')", "lookup takes the name of a table"),
        ("fill(label)", "fill takes a text in quotes"),
        ("fill('{labell}')", "character 1: fill: there is no column labell"),
        ("fill('{debit}')", "fill: debit is an amount"),
        ("fill('{entry_date}')", "fill: entry_date is a date; dates are written {entry_date:%Y-%m-%d}"),
        ("fill('{label:%Y}')", "fill: label is text"),
        ("fill('{entry_date:%H}')", "is no way to write a date"),
        ("fill('{label')", "a brace in '{label' has no fellow"),
        ("not " * 100 + "reversal", "too many levels"),
        ("(" * 1999 + "label" + ")" * 1999, "characters"),
        ("x" * 4001, "has at most 4000 characters"),
    ],
)
def test_what_it_refuses_and_where(source: str, said: str) -> None:
    with pytest.raises(FormatError) as refused:
        compile_expression(source, Names(columns.LINES, MAPS), "format f.toml, field 3 (x), positions 4-9")
    assert str(refused.value).startswith("format f.toml, field 3 (x), positions 4-9")
    assert said in str(refused.value)


def test_an_amount_is_never_rounded_in_silence() -> None:
    typed = compile_expression("amount(amount, 1, ',')", Names(columns.LINES), "test")
    (check,) = typed.checks
    assert LINES.select(check.broken).to_series().to_list() == [True, False]
    assert "more decimals" in check.what


def test_a_character_that_a_text_may_not_have_is_an_error() -> None:
    (check,) = compile_expression("only(label, 'a-zA-Z')", Names(columns.LINES), "test").checks
    assert LINES.select(check.broken).to_series().to_list() == [True, False]


def test_a_check_holds_only_where_its_branch_is_taken() -> None:
    typed = compile_expression("if entry_number = 12 then amount(amount, 1, ',') else ''", Names(columns.LINES), "test")
    assert [LINES.select(check.broken.any()).item() for check in typed.checks] == [False]


@pytest.mark.parametrize(
    ("source", "is_figure"),
    [
        ("money(amount, '.')", True),
        ("date(entry_date, '%Y')", True),
        ("date(entry_date, '=%Y')", False),
        ("entry_number & label", True),
        ("label", False),
        ("'x' & label", True),
        ("'=' & label", False),
        ("'' & label", False),
        ("if reversal then '' else money(amount, '.')", True),
        ("if reversal then label else money(amount, '.')", False),
    ],
)
def test_it_knows_what_no_spreadsheet_takes_for_a_formula(source: str, is_figure: bool) -> None:
    assert compile_expression(source, Names(columns.LINES), "test").is_figure is is_figure


def test_letters_are_spelt_out() -> None:
    texts = pl.DataFrame({"text": ["Œuvre à Łódź", "Straße", "Ωμέγα", "Щукин", "“a” \u2013 b…", "日本", "İ"]})
    assert texts.select(folded(pl.col("text"))).to_series().to_list() == [
        "OEuvre a Lodz",
        "Strasse",
        "Omega",
        "Shtukin",
        '"a" - b...',
        "??",
        "I",
    ]


@given(st.text(max_size=200))
def test_no_text_does_anything_but_compile_or_be_refused(source: str) -> None:
    try:
        typed = compile_expression(source, Names(columns.LINES, MAPS), "test")
    except FormatError:
        return
    LINES.with_columns(typed.value.alias("made"))


@given(
    amount=st.decimals(-(10**10), 10**10, places=4).map(lambda number: number.quantize(Decimal("0.0001"))),
    scale=st.integers(0, 4),
)
def test_an_amount_that_fits_is_written_exactly(amount: Decimal, scale: int) -> None:
    typed = compile_expression(f"amount(amount, {scale}, '.')", Names(columns.LINES), "test")
    frame = LINES.head(1).with_columns(amount=pl.lit(amount, pl.Decimal(18, 4)))
    text = frame.select(typed.value.alias("made")).item()
    fits = amount == round(amount, scale)
    assert frame.select(typed.checks[0].broken).item() is not fits
    if fits:
        assert Decimal(text) == amount
        assert len(text.partition(".")[2]) == scale


def test_every_column_and_function_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    described = [*columns.LINES.items(), *columns.PAYMENTS.items(), *columns.FILES.items()]
    rows = [f"| `{name}` | {column.type.split()[-1]} | {column.meaning} |" for name, column in described]
    assert [row for row in rows if row not in page] == []
    assert [name for name in MEANINGS if f"`{name}(" not in page] == []
