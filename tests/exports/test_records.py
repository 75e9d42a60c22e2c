"""Records of several kinds, settings, codes, and files that are cut, packed and counted."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from typing import Any

import polars as pl
import pytest
from lxml import etree

from pipeline.errors import ExportError, FormatError
from pipeline.exports.format import LoadedFormat, Wishes, parse_format
from tests.exports.making import lines, made, made_files

HEAD = """
title = "T"
source = "test"
file = "'f' & part & '.txt'"
"""


def loaded(text: str, wishes: Wishes | None = None, *, kind: str = "text") -> LoadedFormat:
    return parse_format("test", f'{HEAD}kind = "{kind}"\nnewline = "\\n"\n{text}', wishes)


def texts(form: LoadedFormat, *given: dict[str, Any]) -> list[str]:
    return made(form, lines(*given)).decode().splitlines()


def entry(number: int, **cells: Any) -> list[dict[str, Any]]:
    """An entry of a charge of 100 and its VAT of 20, owed to the employee."""
    said = {"entry_number": number, **cells}
    return [
        {**said, "line_number": 1, "role": "employee", "account": "421000", "amount": "-120", "third_party": True,
         "auxiliary": "E1"},
        {**said, "line_number": 2, "account": "625100", "amount": "100", "axis_project": "P1"},
        {**said, "line_number": 3, "role": "vat", "account": "445660", "amount": "20", "vat_code": "V20"},
    ]  # fmt: skip


LAYERS = """
order = ["journal_code", "fiscal_year", "entry_number", "line_number"]
record = [
    { per = "file",    text = "'file ' & file_entries & ' ' & file_lines & ' ' & amount(file_debit, 2, '.')" },
    { per = "account", text = "'account ' & account & ' ' & account_label" },
    { per = "journal", text = "'journal ' & journal_code" },
    { per = "entry",   text = "'entry ' & entry_in_file & ' of ' & entry_lines & ' ' & amount(entry_debit, 2, '.')" },
    { per = "line",    text = "'  ' & line_in_entry & ' ' & account", when = "role <> 'vat'" },
    { per = "line",    text = "'  VAT ' & vat_code & ' line ' & line_in_file", when = "role = 'vat'" },
    { per = "section", text = "'    ' & axis & ' ' & section & ' ' & section_label & ' ' & amount(section_amount, 2, '.')" },
    { per = "entry",   text = "'end ' & entry_number", place = "end" },
    { per = "journal", text = "'total ' & journal_code & ' ' & journal_lines & ' ' & amount(journal_debit, 2, '.')", place = "end" },
    { per = "file",    text = "'end ' & file_lines", place = "end" },
]
"""


def test_each_record_comes_where_it_belongs() -> None:
    rows = [*entry(1, journal_code="BQ"), *entry(1), *entry(2)]
    assert texts(loaded(LAYERS), *rows) == [
        "file 3 9 360.00",
        "account 421000 Travel",
        "account 445660 Travel",
        "account 625100 Travel",
        "journal BQ",
        "entry 1 of 3 120.00",
        "  1 421000",
        "  2 625100",
        "    project P1 First 100.00",
        "  VAT V20 line 3",
        "end 1",
        "total BQ 3 120.00",
        "journal NDF",
        "entry 2 of 3 120.00",
        "  1 421000",
        "  2 625100",
        "    project P1 First 100.00",
        "  VAT V20 line 6",
        "end 1",
        "entry 3 of 3 120.00",
        "  1 421000",
        "  2 625100",
        "    project P1 First 100.00",
        "  VAT V20 line 9",
        "end 2",
        "total NDF 6 240.00",
        "end 9",
    ]


@pytest.mark.parametrize("cut", range(1, 9))
def test_where_batches_are_cut_changes_nothing(cut: int) -> None:
    rows = lines(*entry(1, journal_code="BQ"), *entry(1), *entry(2))
    form = loaded(LAYERS)
    assert made(form, rows[:cut], rows[cut:]) == made(form, rows)


def test_a_setting_stands_for_a_value_and_in_expressions() -> None:
    text = """
encoding = "$charset"
[settings.charset]
default = "utf-8"
meaning = "the encoding"
choices = ["utf-8", "cp850"]
[settings.width]
default = 5
meaning = "of labels"
[settings.loud]
default = false
meaning = "labels in capitals"
[[record]]
text = "if $loud then upper(left(label, $width)) else left(label, $width)"
"""
    assert texts(loaded(text), {"label": "Éclairs"}) == ["Éclai"]
    wishes = Wishes(settings={"charset": "cp850", "width": 2, "loud": True})
    assert made(loaded(text, wishes), lines({"label": "éclairs"})) == "ÉC\n".encode("cp850")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "the setting client has to be given: the client's number"),
        ({"client": 7}, "7 is not a text"),
        ({"client": "7", "mode": "z"}, "'z' is none of 'a', 'b'"),
        ({"client": "7", "moode": "a"}, "the format has no such setting; it has client, mode"),
    ],
)
def test_a_setting_that_is_none_is_told(settings: dict[str, Any], said: str) -> None:
    text = """
[settings.client]
meaning = "the client's number"
[settings.mode]
default = "a"
choices = ["a", "b"]
meaning = "m"
[[record]]
text = "$client & $mode"
"""
    with pytest.raises(FormatError) as error:
        loaded(text, Wishes(settings=settings))
    assert said in str(error.value)


def test_codes_stand_for_ours_wherever_a_column_is_read() -> None:
    wishes = Wishes(
        codes={"account": {"421000": "4210"}, "auxiliary": {"E1": "P0001"}, "section": {"P1": "X"}},
        labels={"expense_report": "account & '!'"},
    )
    text = """
record = [
    { text = "account & ' ' & posting_account & ' ' & label" },
    { per = "section", text = "section" },
]
"""
    assert texts(loaded(text, wishes), *entry(1)) == [
        "4210 P0001 4210!", "625100 625100 625100!", "X", "445660 445660 445660!",
    ]  # fmt: skip


def test_codes_of_what_is_no_column_are_told() -> None:
    with pytest.raises(FormatError, match="profile, codes, acount: there is no column acount"):
        loaded('record = [{ text = "label" }]', Wishes(codes={"acount": {}}))
    with pytest.raises(FormatError, match="codes are texts, and debit is an amount"):
        loaded('record = [{ text = "label" }]', Wishes(codes={"debit": {}}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('order = ["account"]\nrecord = [{ per = "entry", text = "document" }]', "account would take entries apart"),
        ('record = [{ per = "journal", text = "document" }]', "records per journal want the lines by journal"),
        ('record = [{ text = "label", row = ["a"] }]', "write one of field, row and text, not row and text"),
        ('record = [{ text = "label", place = "end" }]', 'place = "end" is for a record per file, journal or entry'),
        ('record = [{ text = "label", into = "x" }]', "there is no x in files"),
        ('record = [{ text = "label", when = "label" }]', "a condition is wanted here, not text"),
        ('record = [{ text = "$x" }]', "there is no setting x; there are none"),
    ],
)
def test_a_record_that_cannot_be_is_told(text: str, said: str) -> None:
    with pytest.raises(FormatError) as error:
        loaded(text)
    assert said in str(error.value)


def test_a_file_ends_between_entries() -> None:
    form = loaded('max_lines = 7\nrecord = [{ text = "digits(entry_number)" }]')
    files = made_files(form, lines(*entry(1), *entry(2), *entry(3)))
    assert [(file.name, file.content) for file in files] == [
        ("f1.txt", b"1\n1\n1\n2\n2\n2\n"),
        ("f2.txt", b"3\n3\n3\n"),
    ]
    one_each = loaded('max_entries = 1\nrecord = [{ text = "digits(line_in_file)" }]')
    assert [file.content for file in made_files(one_each, lines(*entry(1), *entry(2)))] == [b"1\n2\n3\n"] * 2


def test_an_entry_that_no_file_holds_is_told() -> None:
    with pytest.raises(ExportError, match=r"an entry has 3 lines, a file of this format at most 2"):
        made(loaded('max_lines = 2\nrecord = [{ text = "label" }]'), lines(*entry(1)))
    with pytest.raises(ExportError, match=r"entry NDF 2026 1, line 1 \(document R1\): the entry has 3 lines"):
        made(loaded('max_entry_lines = 2\nrecord = [{ text = "label" }]'), lines(*entry(1)))


def test_parts_of_one_name_are_numbered() -> None:
    form = loaded('max_entries = 1\nrecord = [{ text = "label" }]')
    same = parse_format("test", form.text.replace("'f' & part & '.txt'", "'f.txt'"))
    assert [file.name for file in made_files(same, lines(*entry(1), *entry(2), *entry(3)))] == [
        "f.txt", "f-2.txt", "f-3.txt",
    ]  # fmt: skip


def test_records_go_into_their_files_and_into_an_archive() -> None:
    text = """
files = { heads = "'heads.txt'", rows = "'rows.txt'" }
record = [
    { per = "entry", text = "'entry ' & entry_number", into = "heads" },
    { text = "account", into = "rows" },
]
"""
    plain = {file.name: file.content for file in made_files(loaded(text), lines(*entry(1)))}
    assert plain == {"heads.txt": b"entry 1\n", "rows.txt": b"421000\n625100\n445660\n"}
    (archive,) = made_files(loaded('pack = "zip"' + text), lines(*entry(1)))
    with zipfile.ZipFile(io.BytesIO(archive.content)) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == {
            "heads.txt": b"entry 1\n",
            "rows.txt": b"421000\n625100\n445660\n",
        }
    (again,) = made_files(loaded('pack = "zip"' + text), lines(*entry(1)))
    assert again.sha256 == archive.sha256


def test_gzip_is_the_same_bytes_each_time() -> None:
    form = loaded('pack = "gzip"\nrecord = [{ text = "account" }]')
    (file,) = made_files(form, lines(*entry(1)))
    assert gzip.decompress(file.content) == b"421000\n625100\n445660\n"
    assert made(form, lines(*entry(1))) == file.content


def test_pairs_are_rows_of_two_accounts() -> None:
    form = loaded(
        'shape = "pairs"\n'
        "record = [{ text = \"account & ' ' & side & ' ' & contra_posting_account & ' ' & amount(side_amount, 2, '.')\" }]"
    )
    assert texts(form, *entry(1)) == ["625100 D E1 100.00", "445660 D E1 20.00"]


def test_xml_and_json_say_what_they_hold() -> None:
    nasty = 'a <b> & "c" \\ d\n\x01é'
    xml = loaded(
        """
record = [
    { per = "file", text = "'<all>'" },
    { element = "line", field = [
        { name = "label", from = "label", attributes = { lang = "fr" } },
        { name = "debit", from = "debit", decimal = { scale = 2 } },
    ] },
    { per = "file", place = "end", text = "'</all>'" },
]
""",
        kind="xml",
    )
    tree = etree.fromstring(made(xml, lines({"label": nasty, "amount": "7.05"})))
    assert [(element.tag, element.text) for element in tree[0]] == [
        ("label", 'a <b> & "c" \\ d\n é'), ("debit", "7.05"),
    ]  # fmt: skip
    objects = loaded(
        """
record = [
    { per = "file", text = "'['" },
    { before = "if line_in_file = 1 then '' else ','", field = [
        { name = "label", from = "label" },
        { name = "debit", from = "debit", decimal = { scale = 2 } },
        { name = "foreign", from = "foreign_amount", decimal = { scale = 2 } },
        { name = "entry", from = "entry_number" },
    ] },
    { per = "file", place = "end", text = "']'" },
]
""",
        kind="json",
    )
    said = json.loads(made(objects, lines({"label": nasty, "amount": "7.05"}, {})))
    assert said[0] == {"label": nasty, "debit": 7.05, "foreign": None, "entry": 1}
    assert len(said) == 2


def test_what_takes_entries_apart_is_refused_wherever_they_have_to_be_whole() -> None:
    for keys in ("rounding = { decimals = 0 }", "max_lines = 3", 'merge = { charges = "account" }'):
        with pytest.raises(FormatError, match="account would take entries apart"):
            loaded(f'order = ["account"]\n{keys}\nrecord = [{{ text = "account" }}]')
    with pytest.raises(FormatError, match="third_party would take entries apart"):
        loaded('order = ["entry_date", "third_party"]\nrecord = [{ per = "entry", text = "document" }]')


@pytest.mark.parametrize("keys", ["", "rounding = { decimals = 0 }", 'merge = { entries = "journal_month" }'])
def test_totals_are_those_of_what_is_written(keys: str) -> None:
    text = """
record = [
    { per = "file", text = "file_lines & ' ' & file_entries & ' ' & amount(file_debit, 2, '.')" },
    { text = "amount(debit, 2, '.')" },
    { per = "file", place = "end", text = "file_lines & ' ' & file_entries & ' ' & amount(file_debit, 2, '.')" },
]
"""
    rows = [
        {"line_number": 1, "account": "421000", "amount": "-10.80"},
        {"line_number": 2, "account": "625100", "amount": "10.40"},
        {"line_number": 3, "account": "626000", "amount": "0.40"},
        {"line_number": 1, "entry_number": 2, "account": "421000", "amount": "-5.40"},
        {"line_number": 2, "entry_number": 2, "account": "625100", "amount": "5.40"},
    ]
    said = texts(loaded(keys + text), *rows)
    lines_said, entries, debit = said[-1].split()
    assert said[0] == said[-1]
    assert int(lines_said) == len(said) - 2
    assert entries == ("1" if "journal_month" in keys else "2")
    assert debit == ("16.00" if "rounding" in keys else "16.20")


def test_an_amount_of_either_currency_says_how_it_is_written() -> None:
    with pytest.raises(FormatError, match=r"the amounts are of two currencies: write money\(\) in both branches"):
        loaded("""record = [{ text = "money(if empty(foreign_currency) then amount else foreign_amount, '.')" }]""")


def test_accounts_that_are_one_of_theirs_are_merged() -> None:
    rows = [
        {"line_number": 1, "role": "employee", "account": "421000", "amount": "-12"},
        {"line_number": 2, "account": "625100", "amount": "10", "axis_project": "P1"},
        {"line_number": 3, "account": "625700", "amount": "2", "axis_project": "P2"},
    ]
    wishes = Wishes(
        codes={"account": {"625100": "6250", "625700": "6250"}, "axis_project": {"P1": "X", "P2": "X"}},
        keys={"merge": {"charges": "sections"}},
    )
    text = """
record = [
    { per = "account", text = "'open ' & account" },
    { text = "account & ' ' & axis_project & ' ' & amount(amount, 2, '.')" },
    { per = "section", text = "section & ' ' & section_label & ' ' & amount(section_amount, 2, '.')" },
]
"""
    assert texts(loaded(text, wishes), *rows) == [
        "open 421000", "open 6250", "421000  -12.00", "6250 X 12.00", "X First 12.00",
    ]  # fmt: skip


def test_an_entry_as_long_as_many_batches_is_one() -> None:
    rows = lines(*({"line_number": n, "amount": "1" if n % 2 else "-1"} for n in range(1, 21)), {"entry_number": 2})
    form = loaded('record = [{ per = "entry", text = "entry_number & \' \' & entry_lines" }]')
    assert made(form, *(rows[n : n + 3] for n in range(0, 21, 3))).decode().splitlines() == ["1 20", "2 1"]


def test_the_totals_of_pairs_are_on_both_sides() -> None:
    form = loaded(
        'shape = "pairs"\n'
        "record = [{ per = \"file\", text = \"amount(file_debit, 2, '.') & ' ' & amount(file_credit, 2, '.')\" },"
        " { text = 'account' }, "
        '{ per = "file", place = "end", text = "amount(file_debit, 2, \'.\') & \' \' & file_lines" }]'
    )
    assert texts(form, *entry(1)) == ["120.00 120.00", "625100", "445660", "120.00 2"]


def test_a_condition_of_settings_alone_holds_for_every_line_or_leaves_the_record_out() -> None:
    text = """
[settings.version]
default = 31
meaning = "m"
[[record]]
when = "$version >= 25"
text = "account & (if $version = 31 then '!' else '?')"
[[record]]
per = "section"
when = "$version < 25"
text = "section"
"""
    # As many lines as polars works on in pieces.
    many = pl.concat([lines({})] * 80_000)
    assert made(loaded(text), many) == b"625100!\n" * 80_000
    assert [made.record.per for made in loaded(text).records] == ["line"]
