from __future__ import annotations

import json
import shlex
import shutil
import tomllib
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.cli import main
from pipeline.exports.format import load_format, shipped
from pipeline.exports.guess_cells import amounts, date_forms, hint
from pipeline.exports.guess_layout import read_sample
from pipeline.exports.guess_sample import MOST_LINES
from pipeline.exports.guess_widths import field_spans
from pipeline.exports.lint import lint
from pipeline.exports.new_format import draft, from_sample
from tests.exports.exporting import written
from tests.exports.test_examples import EXAMPLES, PERIOD, scenario_stores  # noqa: F401 - the ledgers of the examples
from tests.support import Company, sampled

#: of each example: the separator (fixed records have none), the encoding, how a date is written, what says the side
GUESSED = {
    "agiris_csv": (";", "cp1252", "%d%m%Y", "side"),
    "bob50": (";", "cp1252", "%d/%m/%Y", "debit"),
    "cegid_8_columns": (";", "ascii", "%d%m%Y", "side"),
    "cegid_ecrexcel": (";", "utf-8", "%d/%m/%Y", "debit"),
    "cegid_tra": ("", "cp1252", "%d%m%Y", "side"),
    "charlemagne": ("\t", "cp1252", "%Y%m%d", "side"),
    "coala": (";", "ascii", "%d/%m/%Y", "debit"),
    "cogilog": ("\t", "utf-8", "%d%m%Y", "debit"),
    "cresus": ("\t", "cp1252", "%d.%m.%Y", "side_amount"),
    "datev_extf": (";", "cp1252", "%d%m", "side"),
    "ebp": (",", "cp1252", "%d%m%y", "side"),
    "fec": ("\t", "utf-8", "%Y%m%d", "debit"),
    "gestimum_v3": (",", "cp1252", "%d/%m/%Y", "side"),
    "gestimum_v5": (",", "cp1252", "%d%m%Y", "side"),
    "istea": (";", "cp1252", "%d/%m/%Y", "debit"),
    "isuite_expert": (";", "cp1252", "%d/%m/%Y", "debit"),
    "ldcompta_v10": (";", "cp1252", "%Y%m%d", "side"),
    "openconcerto": (";", "utf-8", "%d/%m/%Y", "debit"),
    "pennylane": (";", "utf-8", "%d/%m/%Y", "debit"),
    "quadratus": ("", "cp1252", "%d%m%y", "side"),
    "quadratus_analytic": ("", "cp1252", "%d%m%y", "side"),
    "quickbooks_fr": (",", "utf-8", "%d/%m/%Y", "debit"),
    "sage_100_mecg": ("\r\n", "cp850", "%d%m%y", "side"),
    "sage_100_parametrable": ("\t", "cp1252", "%d%m%y", "debit"),
    "sage_100_pnm": ("", "cp1252", "%d%m%y", "side"),
    "sage_ciel_ximport": ("", "ascii", "%Y%m%d", "side"),
    "sage_ciel_ximport_wide": ("", "cp1252", "%Y%m%d", "side"),
    "winbooks": (",", "utf-8", "%Y%m%d", "amount"),
    "winfic": ("|", "ascii", "%d%m%Y", "debit"),
}
#: those whose columns do not all follow from one sample, or whose ledger says something else than the sample
BY_FIELD = {
    "french": ("isacompta_ecr", "sage_50_ch", "sage_ciel_rimport"),
    "international": ("netsuite_csv", "quickbooks_iif", "sage_50_us", "sage_x3", "workday", "xero"),
}
PLACED = {"entry_date", "account", "posting_account", "side", "debit", "credit", "amount", "side_amount", "currency"}


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["new-format", *map(str, arguments)])


def sample_of(case: Path) -> Path:
    """The file of an example that has the lines in it."""
    return next(iter(sorted((case / "expected").iterdir())))


def example(name: str, ledger: str = "french") -> Path:
    return sample_of(EXAMPLES / ledger / name)


def fields_of(path: Path) -> list[dict[str, Any]]:
    """The fields of a format's lines."""
    said = tomllib.loads(path.read_text())
    records = said.get("record") or [said]
    record = max(
        (one for one in records if one.get("per", "line") == "line"), key=lambda one: len(one.get("field", []))
    )
    fields: list[dict[str, Any]] = record["field"]
    return fields


def exported(guess: Path, case: Path, stores: dict[str, Path]) -> bytes:
    """The export of an example's ledger by a guessed format, with the profile of the example but for settings."""
    kept: list[str] = []
    is_setting = False
    for line in (case / "profile.toml").read_text().splitlines():
        is_setting = line.startswith(("[settings", "[maps")) if line.startswith("[") else is_setting
        if not is_setting and not line.startswith("format"):
            kept.append(line)
    profile = guess.with_name("profile.toml")
    profile.write_text("\n".join([f'format = "{guess.name}"', *kept]))
    store = shutil.copytree(stores[case.parent.name], guess.parent / "store")
    given_options = case / "options.txt"
    options = shlex.split(given_options.read_text() if given_options.exists() else PERIOD[case.parent.name])
    out = guess.parent / "out"
    arguments = ["export", "--store", str(store), "--profile", str(profile), "--entity", "FR01", *options]
    result = CliRunner().invoke(main, [*arguments, "--out", str(out)])
    assert result.exit_code == 0, result.output + result.stderr
    (made,) = [path for path in out.iterdir() if "control_" not in path.name]
    return made.read_bytes()


# ------------------------------------------------------------------------------------------- guesses, held to exports


@pytest.mark.parametrize("name", GUESSED)
def test_a_sample_is_guessed(name: str, tmp_path: Path) -> None:
    made = from_sample(tmp_path / "guess.toml", example(name))
    assert made.findings == []
    said = tomllib.loads(made.path.read_text())
    separator, encoding, form, side = GUESSED[name]
    assert said["kind"] == ("delimited" if separator else "fixed")
    assert (said.get("separator", ""), said["encoding"]) == (separator, encoding)
    fields = fields_of(made.path)
    assert form in [field.get("date") for field in fields if field.get("from") == "entry_date"]
    assert side in [field.get("from") for field in fields]
    assert any("account" in field.get("from", field.get("expression", "")) for field in fields)


@pytest.mark.parametrize("name", sampled(GUESSED))
def test_a_guessed_format_writes_its_sample(name: str, scenario_stores: dict[str, Path], tmp_path: Path) -> None:  # noqa: F811
    case = EXAMPLES / "french" / name
    made = from_sample(tmp_path / "guess.toml", sample_of(case))
    assert exported(made.path, case, scenario_stores) == sample_of(case).read_bytes()


@pytest.mark.parametrize(("ledger", "name"), [(ledger, name) for ledger, names in BY_FIELD.items() for name in names])
def test_mapped_fields_stand_where_the_sample_has_them(
    ledger: str,
    name: str,
    scenario_stores: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    case = EXAMPLES / ledger / name
    made = from_sample(tmp_path / "guess.toml", sample_of(case))
    result = tmp_path / "result"
    result.write_bytes(exported(made.path, case, scenario_stores))
    ours, theirs = read_sample(result), read_sample(sample_of(case))
    _, guesses = draft(theirs, "guess", "sample")
    assert sum(guess.column in PLACED for guess in guesses) >= 3
    at = 0
    seen = Counter[str]()
    for mine, group in zip(ours.groups, theirs.groups, strict=True):
        assert len(mine.rows) == len(group.rows)
        for place in range(group.width):
            guess = next(one for one in guesses[at:] if one.name) if at < len(guesses) else None
            assert guess is not None
            if guess.column in PLACED:
                seen[guess.column] += 1
                assert sorted(row[place] for row in mine.rows) == sorted(row[place] for row in group.rows), guess
            at += 1
    assert seen["account"] or seen["posting_account"] or name == "quickbooks_iif"


@pytest.mark.parametrize("case", sorted(EXAMPLES.glob("*/*/expected")), ids=lambda case: case.parent.name)
def test_every_example_gives_a_format_that_loads(case: Path, tmp_path: Path) -> None:
    for number, sample in enumerate(sorted(case.iterdir())):
        made = from_sample(tmp_path / f"guess{number}.toml", sample)
        assert [finding for finding in made.findings if finding.is_error] == []


# ------------------------------------------------------------------------------------------------------ what a file is


LINES = "01/02/2026;NDF;625100;12,50;;Café à Orléans\n13/02/2026;NDF;421000;;12,50;Île-de-Ré, déjà\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "cp850", "mac_roman"])
@pytest.mark.parametrize("newline", ["\r\n", "\n", "\r"])
def test_encoding_and_line_ends(encoding: str, newline: str, tmp_path: Path) -> None:
    path = tmp_path / "sample"
    path.write_bytes(LINES.replace("\n", newline).encode(encoding))
    sample = read_sample(path)
    assert (sample.encoding, sample.newline, sample.separator) == (encoding, newline, ";")
    assert sample.groups[0].rows[0] == ["01/02/2026", "NDF", "625100", "12,50", "", "Café à Orléans"]


def test_the_euro_sign_tells_latin_9(tmp_path: Path) -> None:
    path = tmp_path / "sample"
    path.write_bytes(LINES.replace("Café", "10 € café").encode("iso8859-15"))
    assert read_sample(path).encoding == "iso8859-15"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b" \n\n", "the file is empty"),
        (bytes(range(256)), "binary"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1", ".xlsx"),
        (b"\x1f\x8b\x08", "unpack"),
        (b"PK\x03\x04broken", "XLSX"),
        (b"PAR1broken", "Parquet"),
        (b"<?xml version='1.0'?><a/>", "XML"),
    ],
)
def test_what_is_no_sample_is_said_in_a_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "sample"
    path.write_bytes(content)
    result = invoke(tmp_path / "new.toml", "--sample", path)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "new.toml").exists()


def test_a_long_file_is_read_in_part_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    path.write_text(LINES * MOST_LINES)
    result = invoke(tmp_path / "new.toml", "--sample", path)
    assert result.exit_code == 0, result.output
    assert f"its first {MOST_LINES:,} lines alone were read" in result.stdout


def test_a_workbook(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Notes"
    sheet = book.create_sheet("Ecritures")
    sheet.append(["Import comptable"])
    sheet.append(["Date", "Compte", "Tiers", "Libellé", "Débit", "Crédit"])
    for account, third, debit, credit in (("625100", "", 100, None), ("421000", "E1", None, 100)):
        sheet.append([date(2026, 1, 31), account, third, "Note de frais", debit, credit])
    book.save(tmp_path / "sample.xlsx")
    made = from_sample(tmp_path / "new.toml", tmp_path / "sample.xlsx", sheet="Ecritures")
    assert made.findings == []
    form = load_format(str(made.path)).format
    assert (form.kind, form.has_names, form.record[0].row) == ("xlsx", True, ["Import comptable", *[""] * 5])
    assert form.record[1].sheet == "Ecritures"
    assert [field.source or field.expression for field in form.record[1].field] == [
        "entry_date",
        "account",
        "auxiliary",
        "label",
        "nonzero(debit)",
        "nonzero(credit)",
    ]
    result = invoke(tmp_path / "other.toml", "--sample", tmp_path / "sample.xlsx", "--sheet", "Other")
    assert result.exit_code == 2
    assert "there are Notes, Ecritures" in result.stderr


TABLE = {
    "Datum": [date(2026, 1, 31), date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 1)],
    "Beleg": ["R-1001", "R-1001", "R-1002", "R-1002"],
    "Konto": ["625100", "421000", "625600", "421000"],
    "Text": ["Bahn nach Köln", "Bahn nach Köln", "Essen im Zug", "Essen im Zug"],
    "Soll": [Decimal("100.00"), None, Decimal("20.50"), None],
    "Haben": [None, Decimal("100.00"), None, Decimal("20.50")],
}


def test_parquet(tmp_path: Path) -> None:
    pl.DataFrame(TABLE).write_parquet(tmp_path / "sample")
    made = from_sample(tmp_path / "new.toml", tmp_path / "sample")
    assert made.findings == []
    form = load_format(str(made.path)).format
    assert form.kind == "parquet"
    assert [field.source or field.expression for field in form.field] == [
        "entry_date",
        "document",
        "account",
        "label",
        "nonzero(debit)",
        "nonzero(credit)",
    ]


@pytest.mark.parametrize("shape", ["array", "named", "lines"])
def test_json(shape: str, sample_company: Company, tmp_path: Path) -> None:
    rows = [
        {"day": "2026-01-31", "compte": account, "sens": side, "montant": amount, "libelle": "Note de frais", "n": 7}
        for account, side, amount in (("625100", "D", 100.5), ("445660", "D", 20.25), ("421000", "C", 120.75))
    ]
    said: Any = {"array": rows, "named": {"lines": rows}}.get(shape)
    text = "\n".join(map(json.dumps, rows)) if said is None else json.dumps(said, indent=1)
    (tmp_path / "sample.json").write_text(text)
    made = from_sample(tmp_path / "new.toml", tmp_path / "sample.json")
    assert made.findings == []
    arguments = ["--format", str(made.path), "--entity", "FR01", "--out", str(sample_company.directory / "out")]
    result = sample_company.invoke("export", *arguments)
    assert result.exit_code == 0, result.output + result.stderr
    (content,) = written(sample_company).values()
    back = [json.loads(line) for line in content.splitlines()] if shape == "lines" else json.loads(content)
    lines = back["lines"] if shape == "named" else back
    assert set(lines[0]) == set(rows[0])
    assert isinstance(lines[0]["montant"], float)


# ------------------------------------------------------------------------------------------------------- single guesses


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["15032024", "01042024"], "%d%m%Y"),
        (["20240315"], "%Y%m%d"),
        (["15/03/2024"], "%d/%m/%Y"),
        (["03/15/2024"], "%m/%d/%Y"),
        (["15.03.24"], "%d.%m.%y"),
        (["2024-03-15"], "%Y-%m-%d"),
        (["310324"], "%d%m%y"),
    ],
)
def test_dates(texts: list[str], form: str) -> None:
    assert date_forms(texts)[0] == form


@pytest.mark.parametrize("text", ["421000", "32/03/2024", "2024-02-30", "7", "NDF", "99/99/99"])
def test_what_is_no_date(text: str) -> None:
    assert date_forms([text]) == []


def test_of_two_forms_of_six_digits_the_days_that_lie_together_tell(tmp_path: Path) -> None:
    lines = [f"{day};JRN;{account};10,00;Taxi home" for day in ("240331", "240415") for account in (625100, 421000)]
    (tmp_path / "sample").write_text("\n".join(lines))
    made = from_sample(tmp_path / "new.toml", tmp_path / "sample")
    assert fields_of(made.path)[0]["date"] == "%y%m%d"
    assert "or written %d%m%y" in made.path.read_text()


def test_a_day_and_a_month_that_may_be_either_follow_the_other_columns(tmp_path: Path) -> None:
    lines = [
        "03/31/2026,02/03/2026,JRN,625100,10.00,,Taxi home",
        "03/31/2026,02/03/2026,JRN,421000,,10.00,Taxi home",
    ]
    (tmp_path / "sample").write_text("\n".join(lines))
    fields = fields_of(from_sample(tmp_path / "new.toml", tmp_path / "sample").path)
    assert [field["date"] for field in fields[:2]] == ["%m/%d/%Y", "%m/%d/%Y"]


@pytest.mark.parametrize(
    ("texts", "numbers", "style"),
    [
        (["1 234,50", "2,00"], ["1234.50", "2.00"], {"scale": 2, "point": ",", "thousands": " "}),
        (["1.234,50", "2,00"], ["1234.50", "2.00"], {"scale": 2, "point": ",", "thousands": "."}),
        (["10.00-", "+5.00"], ["-10.00", "5.00"], {"scale": 2, "point": ".", "plus": "+", "sign": "after"}),
        (["+000000012000"], ["12000"], {"scale": 0, "point": "", "plus": "+"}),
        (["12.5", "12.25"], ["12.5", "12.25"], {"scale": 2, "point": ".", "varies": True}),
    ],
)
def test_amounts(texts: list[str], numbers: list[str], style: dict[str, Any]) -> None:
    found = amounts(texts)
    assert found is not None
    assert found[0] == [Decimal(number) for number in numbers]
    assert {key: getattr(found[1], key) for key in style} == style


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("EcritureDate", "entry_date"),
        ("Belegdatum", "document_date"),
        ("Fecha de vencimiento", "due_on"),
        ("Compte général", "account"),
        ("Gegenkonto", "contra_account"),
        ("N° de compte tiers", "auxiliary"),
        ("Libellé", "label"),
        ("Buchungstext", "label"),
        ("Omschrijving", "label"),
        ("Soll", "debit"),
        ("Avere", "credit"),
        ("Importe", "side_amount"),
        ("S/H", "side"),
        ("Sens", "side"),
        ("Code journal", "journal_code"),
        ("Dagboek", "journal_code"),
        ("Divisa", "currency"),
        ("Kostenstelle", "section_1"),
        ("Pièce", "document"),
        ("xyz", ""),
    ],
)
def test_names_of_columns(name: str, column: str) -> None:
    assert hint(name) == column


def test_fields_of_fixed_records() -> None:
    rows = [
        "NDF15012026625100    DTrain to Lyon          120.00EUR",
        "NDF16012026421000E1  CTrain to Lyon          120.00EUR",
        "NDF17012026445660    DTaxi                     5.50EUR",
    ]
    spans = field_spans(rows)
    assert [rows[0][first - 1 : last].strip() for first, last in spans] == [
        "NDF",
        "15012026",
        "625100",
        "",
        "D",
        "Train to Lyon",
        "120.00",
        "EUR",
    ]
    assert [first for first, _ in spans] == [1, *(last + 1 for _, last in spans[:-1])]
    assert spans[-1][1] == len(rows[0])


# --------------------------------------------------------------------------------------------------- any text at all


CELL = st.one_of(
    st.sampled_from(
        ["", "421000", "625100", "D", "C", "12,50", "-3.20", "15/03/2024", "NDF", "$name", "it's", '"', "7"]
    ),
    st.text(max_size=8),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(CELL, min_size=1, max_size=6), min_size=1, max_size=8),
    separator=st.sampled_from(";,\t|"),
    newline=st.sampled_from(["\r\n", "\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "cp1252", "utf-16"]),
)
def test_any_delimited_text_gives_a_format_that_loads(
    rows: list[list[str]], separator: str, newline: str, encoding: str, tmp_path: Path
) -> None:
    path, new = tmp_path / "sample.csv", tmp_path / "new.toml"
    path.write_bytes(newline.join(separator.join(row) for row in rows).encode(encoding, "replace"))
    result = invoke(new, "--sample", path, "--force")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    if result.exit_code:
        assert result.stderr.startswith("lettrage: ")
        assert any(word in result.stderr for word in ("empty", "binary", "XML", "workbook", "packed", "PDF")), (
            result.stderr
        )
    else:
        assert [finding for finding in lint(new) if finding.is_error] == []


# ------------------------------------------------------------------------------------------------------- the command


@pytest.mark.parametrize("name", shipped())
def test_a_copy_of_a_format_keeps_its_comments(name: str, tmp_path: Path) -> None:
    result = invoke(tmp_path / "ours.toml", "--like", name)
    assert result.exit_code == 0, result.output + result.stderr
    text = (tmp_path / "ours.toml").read_text()
    assert text.startswith("#:schema ./format.schema.json\n")
    assert json.loads((tmp_path / "format.schema.json").read_text())["title"]
    original = Path("pipeline/exports/formats") / f"{name}.toml"
    theirs = (Path(__file__).parents[2] / original).read_text()
    assert tomllib.loads(text)["title"] == f"ours: {tomllib.loads(theirs)['title']}"
    assert len(text.splitlines()) == len(theirs.splitlines()) + 1


def test_a_file_is_written_over_by_force_alone(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text("ours")
    refused = invoke(path, "--like", "csv")
    assert refused.exit_code == 2
    assert "there already" in refused.stderr
    assert path.read_text() == "ours"
    assert invoke(path, "--like", "csv", "--force").exit_code == 0
    assert path.read_text() != "ours"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["new.toml"], "either --like or --sample"),
        (["new.toml", "--like", "none"], "there is no format"),
        (["new.txt", "--like", "csv"], "ends in .toml"),
        (["nowhere/new.toml", "--like", "csv"], "no folder"),
        (["new.toml", "--like", "csv", "--sheet", "x"], "--sheet is of a --sample"),
    ],
)
def test_what_is_wrong_with_the_command_is_said(arguments: list[str], said: str, tmp_path: Path) -> None:
    result = invoke(tmp_path / arguments[0], *arguments[1:])
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_guess_can_be_exported_at_once(sample_company: Company, tmp_path: Path) -> None:
    for name in ("agiris_csv", "bob50", "datev_extf", "istea"):
        made = from_sample(tmp_path / f"{name}.toml", example(name))
        arguments = ("--format", str(made.path), "--entity", "FR01", "--through", "2026-01-31", "--preview")
        result = sample_company.invoke("export", *arguments)
        assert result.exit_code == 0, f"{name}: {result.output}{result.stderr}"
