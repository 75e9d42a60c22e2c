"""Delimited files: quoting, separators, formulas, encodings; read back, they say what went in."""

from __future__ import annotations

import csv
import io

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ExportError
from tests.exports.making import a_format, field, lines, made

LABEL = field(name='"L"', from_='"label"')


def cells(content: bytes, separator: str = ",", encoding: str = "utf-8") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(encoding), newline=""), delimiter=separator))


def test_a_cell_is_quoted_where_it_has_to_be() -> None:
    frame = lines({"label": 'a,"b"'}, {"label": "two\r\nlines"}, {"label": "plain"}, {"label": None})
    assert made(a_format(LABEL), frame) == b'L\r\n"a,""b"""\r\n"two\r\nlines"\r\nplain\r\n\r\n'


def test_always_quoted() -> None:
    assert made(a_format(LABEL, quote='"always"', names="false"), lines({"label": 'a"'})) == b'"a"""\r\n'


def test_never_quoted_what_would_break_the_record_is_a_blank() -> None:
    loaded = a_format(LABEL, quote='"never"', separator='";"', names="false", replace='{ "|" = "/" }')
    frame = lines({"label": "a;b\r\nc\td|e\x00f\u2028g\x85h"})
    assert made(loaded, frame) == b"a b c d/e f g h\r\n"


@pytest.mark.parametrize("text", ["=1+1", "+33 1", "-2", "@x", "\tx", "\r=x"])
def test_a_text_that_begins_like_a_formula(text: str) -> None:
    frame = lines({"label": text})
    assert cells(made(a_format(LABEL, formula='"escape"'), frame))[1] == ["'" + text]
    assert cells(made(a_format(LABEL, formula='"keep"'), frame))[1] == [text]
    with pytest.raises(ExportError, match=r"field 1 \(L\), entry NDF 2026 1, line 1 .*: .* begins like a formula"):
        made(a_format(LABEL, formula='"error"'), frame)


def test_a_date_or_amount_with_the_separator_in_it() -> None:
    day = field(name='"d"', from_='"entry_date"', date='"%d/%m/%Y"')
    assert made(a_format(day, separator='"/"'), lines({})) == b'd\r\n"12/01/2026"\r\n'
    with pytest.raises(ExportError, match=r"field 1 \(d\), .*'12/01/2026' has the separator '/' in it"):
        made(a_format(day, separator='"/"', quote='"never"'), lines({}))


def test_numbers_are_never_escaped() -> None:
    amount = field(name='"A"', from_='"amount"', decimal="{ scale = 2, plus = '+' }")
    frame = lines({"amount": "-12.30"}, {"amount": "12.30"})
    assert made(a_format(amount, formula='"escape"', names="false"), frame) == b"-12.30\r\n+12.30\r\n"


def test_amounts_as_the_format_says() -> None:
    fields = (
        field(name='"a"', from_='"debit"', decimal='{ scale = 2, point = ",", blank_zero = true }')
        + field(name='"b"', from_='"amount"', decimal='{ point = "" , minus = "M", plus = "P" }')
        + field(name='"c"', from_='"foreign_amount"', decimal='{ scale = "currency" }')
    )
    frame = lines(
        {"amount": "-1234.5"},
        {"amount": "0.05", "foreign_amount": "7", "foreign_currency": "JPY", "foreign_digits": 0},
        {"amount": "3", "foreign_amount": "-7.125", "foreign_currency": "TND", "foreign_digits": 3},
    )
    assert made(a_format(fields, separator='";"', names="false"), frame).decode() == (
        ";M123450;\r\n0,05;P5;7\r\n3,00;P300;-7.125\r\n"
    )


def test_an_amount_with_more_decimals_than_the_field_is_an_error() -> None:
    loaded = a_format(field(name='"A"', from_='"amount"', decimal="{ scale = 2 }"))
    with pytest.raises(
        ExportError, match=r"field 1 \(A\), entry NDF 2026 1, line 2 \(document R1\): '1.2340' has more"
    ):
        made(loaded, lines({"amount": "1"}, {"amount": "1.234"}))


def test_a_map_and_what_it_lacks() -> None:
    def mapped(unmapped: str) -> bytes:
        loaded = a_format(
            field(name='"M"', from_='"journal_code"', map='"codes"', unmapped=f'"{unmapped}"')
            + '\n[maps.codes]\nNDF = "ND"',
            names="false",
        )
        return made(loaded, lines({}, {"journal_code": "BQ"}, {"journal_code": None}))

    assert mapped("keep") == b"ND\r\nBQ\r\n\r\n"
    assert mapped("empty") == b"ND\r\n\r\n\r\n"
    with pytest.raises(
        ExportError, match=r"field 1 \(M\), entry BQ 2026 1, line 2 .*'BQ' stands on the left of no line"
    ):
        mapped("error")


def test_a_required_field_is_never_empty() -> None:
    loaded = a_format(field(name='"L"', from_='"label"', required="true"))
    with pytest.raises(ExportError, match=r"field 1 \(L\), .*line 2 .* is empty"):
        made(loaded, lines({}, {"label": "  "}))


def test_a_character_that_the_encoding_lacks() -> None:
    frame = lines({"label": "é"}, {"label": "Łódź \u2013 é 日"})
    with pytest.raises(ExportError, match=r"field 1 \(L\), entry NDF 2026 1, line 2 .*cp1252 has no 'Ł'"):
        made(a_format(LABEL, encoding='"cp1252"'), frame)
    with pytest.raises(ExportError, match="cp1252 has no '日'"):
        made(a_format(LABEL, encoding='"cp1252"', unknown_characters='"fold"'), frame)
    replaced = a_format(LABEL, encoding='"cp1252"', unknown_characters='"replace"', names="false")
    assert made(replaced, frame).decode("cp1252") == "é\r\nLódz \u2013 é ?\r\n"
    plain = a_format(LABEL, encoding='"ascii"', unknown_characters='"replace"', names="false")
    assert made(plain, frame) == b"e\r\nLodz - e ?\r\n"


def test_an_accent_of_its_own_is_part_of_its_letter() -> None:
    loaded = a_format(LABEL, encoding='"iso8859-15"', names="false")
    assert made(loaded, lines({"label": "e\u0301t\u00e9 \u20ac"})).decode("iso8859-15") == "été €\r\n"


def test_the_byte_order_mark_stands_once() -> None:
    content = made(a_format(LABEL, encoding='"utf-8-sig"'), lines({}), lines({}))
    assert content == b"\xef\xbb\xbfL\r\nTrain\r\nTrain\r\n"


def test_the_heading_stands_on_top() -> None:
    loaded = a_format(LABEL, heading='["\'#\' & entity_name", "legal_entity"]', newline='"\\n"')
    assert made(loaded, lines({}), facts={"entity_name": "A\nB", "legal_entity": "X"}) == b"#A B\nX\nL\nTrain\n"


def test_a_field_of_a_constant_is_on_every_line() -> None:
    assert made(a_format(field(name='"V"', value='"v"'), names="false"), lines({}, {})) == b"v\r\nv\r\n"


def test_no_line_no_record() -> None:
    assert made(a_format(LABEL)) == b"L\r\n"
    assert made(a_format(LABEL), lines({}).clear()) == b"L\r\n"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.lists(TEXTS, min_size=1, max_size=6), st.sampled_from([",", ";", "\t", "|"]))
def test_what_is_written_is_read_back(texts: list[str], separator: str) -> None:
    loaded = a_format(LABEL + field(name='"D"', from_='"document"'), separator=f'"{separator}"'.replace("\t", "\\t"))
    frame = lines(*({"label": text, "document": text[::-1]} for text in texts))
    read = cells(made(loaded, frame), separator)
    assert read == [["L", "D"], *([text, text[::-1]] for text in texts)]


@given(
    st.lists(TEXTS, min_size=1, max_size=6), st.sampled_from(["cp1252", "iso8859-15", "ascii", "cp850", "mac_roman"])
)
def test_one_record_a_line_whatever_the_texts(texts: list[str], encoding: str) -> None:
    loaded = a_format(
        LABEL + field(name='"D"', from_='"document"'),
        separator='"|"',
        quote='"never"',
        encoding=f'"{encoding}"',
        unknown_characters='"replace"',
        names="false",
    )
    frame = lines(*({"label": text, "document": text} for text in texts))
    read = made(loaded, frame).decode(encoding).removesuffix("\r\n").split("\r\n")
    assert [line.count("|") for line in read] == [1] * len(texts)
    assert [len(line.splitlines()) for line in read] == [1] * len(texts)


def test_batches_make_no_difference() -> None:
    frame = lines(*({"label": f"Łabel {number}"} for number in range(20)))
    loaded = a_format(LABEL, encoding='"cp1252"', unknown_characters='"replace"')
    assert made(loaded, frame) == made(loaded, *(frame[n : n + 3] for n in range(0, 20, 3)))
    assert isinstance(frame, pl.DataFrame)


def test_an_entry_has_the_label_of_its_first_line_in_whatever_order_it_is_written() -> None:
    loaded = a_format(
        field(name='"a"', from_='"label"') + field(name='"b"', from_='"entry_label"'),
        order='["journal_code", "fiscal_year", "entry_number", "third_party", "line_number"]',
    )
    first, second = {"entry_number": 1, "label": "meal"}, {"entry_number": 2, "label": "hotel"}
    rows = lines(first | {"line_number": 2}, first | {"line_number": 1, "label": "March"}, second | {"line_number": 1})
    assert made(loaded, rows) == b"a,b\r\nmeal,March\r\nMarch,March\r\nhotel,hotel\r\n"


def test_an_entry_has_the_accounts_of_its_first_and_last_line_as_they_are_written() -> None:
    loaded = a_format(
        field(name='"a"', from_='"entry_account"') + field(name='"b"', from_='"entry_last_account"'),
        order='["journal_code", "fiscal_year", "entry_number", "third_party", "line_number"]',
    )
    rows = lines(*({"entry_number": n, "line_number": m, "account": f"{n}{m}"} for n, m in [(1, 2), (1, 1), (2, 1)]))
    assert made(loaded, rows) == b"a,b\r\n12,11\r\n12,11\r\n21,21\r\n"
