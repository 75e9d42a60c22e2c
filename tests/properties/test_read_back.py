"""Whatever the lines, a file of any kind is read back as the lines that it was made of, and a change in one is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.exports import verify
from pipeline.exports.entries import Axes
from pipeline.exports.format import LoadedFormat
from pipeline.exports.verify import Verification
from pipeline.exports.write import Files, Group
from tests.exports.making import LABELS, a_format, field, lines, sums_of

ENTRY = [
    {"name": '"account"', "from_": '"account"'},
    {"name": '"label"', "from_": '"label"'},
    {"name": '"document"', "from_": '"document"'},
    {"name": '"auxiliary"', "expression": "\"if third_party then upper(auxiliary) else ''\""},
    {"name": '"day"', "from_": '"entry_date"', "date": '"%d/%m/%y"'},
    {"name": '"journal"', "from_": '"journal_code"'},
]
COLUMNS = [
    {
        "name": '"debit"',
        "from_": '"debit"',
        "decimal": '{ scale = 2, point = ",", thousands = " ", blank_zero = true }',
    },
    {
        "name": '"credit"',
        "from_": '"credit"',
        "decimal": '{ scale = 2, point = ",", thousands = " ", blank_zero = true }',
    },
]
SIGNED = [
    {"name": '"amount"', "from_": '"amount"', "decimal": '{ scale = 2, minus = "-", plus = "+", sign = "after" }'}
]
SIDES = [
    {"name": '"side"', "from_": '"side"', "map": '{ D = "S", C = "H" }'},
    {"name": '"amount"', "from_": '"side_amount"', "decimal": '{ scale = 2, point = "" }'},
]


def of(*groups: list[dict[str, str]]) -> str:
    return "".join(field(**keys) for group in groups for keys in group)


def fixed() -> str:
    widths = {
        "account": 8,
        "label": 12,
        "document": 12,
        "auxiliary": 8,
        "day": 8,
        "journal": 4,
        "side": 1,
        "amount": 14,
    }
    made, start = "", 1
    for keys in ENTRY + SIDES:
        width = widths[keys["name"].strip('"')]
        more = {"at": f'"{start}-{start + width - 1}"', "overflow": '"cut"'}
        more |= {"align": '"right"', "pad": '"0"'} if keys["name"] == '"amount"' else {}
        made += field(**keys, **more)
        start += width
    return made


def records(*given: str) -> str:
    return "".join(f"\n[[record]]\n{text}\n" for text in given)


def inline(group: list[dict[str, str]]) -> str:
    made = (", ".join(f"{key.removesuffix('_')} = {value}" for key, value in keys.items()) for keys in group)
    return "field = [" + ", ".join(f"{{ {keys} }}" for keys in made) + "]"


HEADED = records(
    'per = "file"\nrow = ["top"]',
    'per = "entry"\n' + inline([{"name": '"tag"', "value": '"E"'}, *ENTRY[2:3], *ENTRY[4:]]),
    inline([{"name": '"tag"', "value": '"L"'}, *ENTRY[:2], *ENTRY[3:4], *SIGNED]),
    'per = "entry"\nplace = "end"\nrow = ["end"]',
)
TAGGED = (
    "[[record]]\nper = 'file'\ntext = \"'<all>'\"\n[[record]]\nelement = 'line'\n"
    + inline(ENTRY + COLUMNS)
    + "\n[[record]]\nper = 'file'\nplace = 'end'\ntext = \"'</all>'\"\n"
)
POSTING = "'  ' & account & '  ' & amount(amount, 2, '.') & ' ; ' & label"
JOURNAL = records(
    "per = 'entry'\ntext = \"date(entry_date, '%Y-%m-%d') & ' (' & journal_code & '-' & digits(entry_number) & ')'\"",
    f'text = "{POSTING}"',
)
KINDS: dict[str, LoadedFormat] = {
    "quoted where needed": a_format(of(ENTRY, COLUMNS)),
    "always quoted": a_format(of(ENTRY, SIGNED), quote='"always"', separator='";"', newline='"\\n"'),
    "texts quoted, formulas escaped": a_format(of(ENTRY, COLUMNS), quote='"texts"', formula='"escape"'),
    "never quoted": a_format(of(ENTRY, SIDES), quote='"never"', separator='"|"', names="false"),
    "UTF-16": a_format(of(ENTRY, COLUMNS), quote='"never"', separator='"\\t"', encoding='"utf-16"'),
    "a line a field": a_format(
        field(name='"tag"', value='"#L"') + of(ENTRY, SIDES), quote='"never"', separator='"\\r\\n"', names="false"
    ),
    "fixed": a_format(fixed(), kind='"fixed"', encoding='"cp1252"', unknown_characters='"replace"'),
    "headed": a_format(HEADED, order='["entry_date", "journal_code", "fiscal_year", "entry_number", "line_number"]'),
    "pairs": a_format(
        of(
            [
                {"name": '"debited"', "expression": "\"if side = 'D' then account else contra_account\""},
                {"name": '"credited"', "expression": "\"if side = 'D' then contra_account else account\""},
            ],
            ENTRY[2:3],
            ENTRY[4:],
            [{"name": '"amount"', "from_": '"side_amount"', "decimal": "{ scale = 2 }"}],
        ),
        shape='"pairs"',
    ),
    "json": a_format(
        of(
            ENTRY,
            [
                {"name": '"debit"', "from_": '"debit"', "decimal": "{}"},
                {"name": '"credit"', "from_": '"credit"', "decimal": "{}"},
            ],
        ),
        kind='"json"',
        newline='"\\n"',
    ),
    "xml": a_format(TAGGED, kind='"xml"'),
    "text": a_format(JOURNAL, kind='"text"', newline='"\\n"'),
    "parquet": a_format(
        of([{key: value for key, value in keys.items() if key not in ("date", "decimal")} for keys in ENTRY + COLUMNS]),
        kind='"parquet"',
    ),
    "xlsx": a_format(
        of([{key: value for key, value in keys.items() if key not in ("date", "decimal")} for keys in ENTRY + COLUMNS]),
        kind='"xlsx"',
        replace="{"
        + ", ".join(f'"\\u{code:04x}" = " "' for code in [*range(1, 9), 11, 12, *range(14, 32), 0, 0xFFFE, 0xFFFF])
        + "}",
    ),
}
LINE_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=20) | st.sampled_from(
    ['"', '""', ";", "a;b", "|", "\t", "\n", "\r\n", "'", "=1", "-5", "é€Œ", ",", "x" * 60, "</line>", '"}', "\\", "#L"]
)
KEY = st.text("ABCab019 -_/;|,\"'é&<>\\", min_size=1, max_size=6).filter(lambda text: text.strip() == text)
AMOUNTS = st.integers(1, 9_999_999_999) | st.sampled_from([1, 9_999_999_999])


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Lines of balanced entries."""
    made: list[dict[str, Any]] = []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        cents = draw(st.lists(AMOUNTS, min_size=1, max_size=3))
        sign = draw(st.sampled_from([1, -1]))
        entry = {
            "entry_number": number,
            "entry_date": date(2026, 1, 1) + timedelta(days=draw(st.integers(0, 364))),
            "journal_code": "NDF",
            "document": draw(KEY),
        }
        amounts = [sign * cent for cent in cents] + [-sign * sum(cents)]
        for place, amount in enumerate(amounts, start=1):
            is_third = draw(st.booleans())
            made.append(
                {
                    **entry,
                    "line_number": place,
                    "account": draw(st.sampled_from(["421000", "625100", "445660", "512"])),
                    "auxiliary": draw(st.sampled_from(["e1", "Müller", "x y"])) if is_third else None,
                    "third_party": is_third,
                    "label": draw(LINE_TEXT),
                    "amount": str(Decimal(amount).scaleb(-2)),
                    "role": "employee" if is_third else "charge",
                }
            )
    return lines(*made)


def group_of(frame: pl.DataFrame) -> Group:
    about = {"entity_name": "Alpha", "legal_entity": "FR01", "currency_digits": 2}
    totals = [{"journal_code": "NDF", "entries": 1, "debit": Decimal(1), "credit": Decimal(1), "currency_digits": 2}]
    return Group(about, totals, sums_of(frame), lambda: [frame], lambda: None)


def held(loaded: LoadedFormat, written: pl.DataFrame, ledger: pl.DataFrame) -> Verification:
    """What comes of a file of these lines, held against those of a ledger."""
    axes = Axes(["axis_project"], LABELS)
    files = Files(loaded, None, axes)
    files.write(group_of(written))
    expected = verify._Expected(replace(loaded, beside=verify._NEEDED), axes, {})
    expected.write(group_of(ledger))
    for part in expected.parts:
        part.contents = [file.content for file in files.files()]
    return verify._verified(expected, expected.parts)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8)
@given(frame=frames())
def test_a_file_is_read_back_as_its_lines(kind: str, frame: pl.DataFrame) -> None:
    found = held(KINDS[kind], frame, frame)
    assert found.agrees, "\n".join(found.differences)
    assert {"entry_date"} <= set(found.compared)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=5)
@given(frame=frames(), which=st.integers(0, 100), change=st.sampled_from(["amount", "day", "account", "lacking"]))
def test_a_change_is_told(kind: str, frame: pl.DataFrame, which: int, change: str) -> None:
    row = pl.int_range(pl.len()) == which % len(frame)
    first = pl.col("entry_number") == frame["entry_number"][which % len(frame)]
    if change == "amount":  # both sides of the entry, so that it still balances
        wanted = {
            name: pl.when(first).then(pl.col(name) * 2).otherwise(pl.col(name))
            for name in ("amount", "side_amount", "debit", "credit")
        }
        other = frame.with_columns(**{name: value.cast(pl.Decimal(18, 4)) for name, value in wanted.items()})
    elif change == "day":
        other = frame.with_columns(
            pl.when(first).then(pl.col("entry_date") + pl.duration(days=1)).otherwise("entry_date").alias("entry_date")
        )
    elif change == "account":
        other = frame.with_columns(pl.when(row).then(pl.lit("999")).otherwise("account").alias("account"))
    else:
        other = frame.filter(~first)
        if other.is_empty():
            return
    found = held(KINDS[kind], other, frame)
    assert not found.agrees
    assert found.differences
