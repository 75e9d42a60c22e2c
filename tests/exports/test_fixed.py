"""Fixed-width files: every record has its width in bytes, values stand at their positions, none is cut unasked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ExportError
from pipeline.exports.format import load_format
from tests.exports.making import a_format, field, lines, made

FIXED = {"kind": '"fixed"', "encoding": '"cp1252"'}


def test_values_stand_at_their_positions() -> None:
    fields = (
        field(name='"a"', at='"1-6"', from_='"label"')
        + field(name='"b"', at='"7-12"', from_='"label"', align='"right"', pad='"."')
        + field(name='"c"', at='"13-15"', from_='"document"', overflow='"cut"')
        + field(name='"d"', at='"16-18"', from_='"document"', overflow='"cut_left"')
        + field(name='"e"', at='"19"', from_='"side"')
        + field(
            name='"f"', at='"20-27"', from_='"amount"', decimal='{ scale = 2, point = "" }', align='"right"', pad='"0"'
        )
        + field(name='"g"', at='"28-30"', value='""')
    )
    frame = lines({"label": "Éa", "document": "R-2026-1", "amount": "-12.30"}, {"amount": "7", "document": None})
    assert made(a_format(fields, **FIXED), frame).decode("cp1252") == (
        "Éa    ....ÉaR-26-1C-0001230   \r\nTrain .Train      D00000700   \r\n"
    )


def test_the_sign_stays_in_front_of_the_zeros() -> None:
    amount = field(
        name='"f"', at='"1-7"', from_='"amount"', decimal='{ scale = 0, plus = "+" }', align='"right"', pad='"0"'
    )
    frame = lines({"amount": "-12"}, {"amount": "7"}, {"amount": "0"})
    assert made(a_format(amount, **FIXED), frame) == b"-000012\r\n+000007\r\n+000000\r\n"


def test_no_amount_is_blank_not_zeros() -> None:
    amount = field(name='"f"', at='"1-4"', from_='"foreign_amount"', decimal="{}", align='"right"', pad='"0"')
    assert made(a_format(amount, **FIXED), lines({})) == b"    \r\n"


def test_a_value_that_does_not_fit_names_field_positions_and_entry() -> None:
    loaded = a_format(field(name='"account"', at='"1-4"', from_='"account"'), **FIXED)
    with pytest.raises(ExportError) as refused:
        made(loaded, lines({"account": "6251"}, {"account": "62510", "entry_number": 7}))
    assert str(refused.value) == (
        "format test.toml, field 1 (account), positions 1-4, entry NDF 2026 7, line 2 (document R1): "
        "'62510' has 5 characters, the field 4\n"
        '  shorten the value, or write overflow = "cut" for this field'
    )


def test_letters_are_spelt_before_they_are_cut() -> None:
    loaded = a_format(
        field(name='"a"', at='"1-4"', from_='"label"', overflow='"cut"'),
        kind='"fixed"',
        encoding='"ascii"',
        unknown_characters='"fold"',
    )
    assert made(loaded, lines({"label": "œufs à la coque"})) == b"oeuf\r\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), min_size=1, max_size=5))
def test_every_record_has_its_width(texts: list[str]) -> None:
    loaded = load_format("fixed")
    frame = lines(*({"label": text, "employee": text, "vat_code": text} for text in texts))
    content = made(loaded, frame)
    assert [len(record) for record in content.split(b"\r\n")] == [240] * len(texts) + [0]


def test_a_line_break_in_a_text_is_a_blank() -> None:
    loaded = a_format(field(name='"a"', at='"1-5"', from_='"label"'), **FIXED)
    assert made(loaded, lines({"label": "a\r\nb"})) == b"a b  \r\n"
