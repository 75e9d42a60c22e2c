"""Every format is read back and agrees with the ledger; what is changed in a file is told, with its line."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.exports.format import load_format, shipped
from tests.exports.exporting import exported, profile
from tests.support import Company, allocation, expense, order, reference, report, sampled, tax

PROFILES = Path(__file__).parents[1] / "golden" / "profiles"
SAMPLE = Path(__file__).parents[2] / "data" / "sample"
FORMATS = tuple(
    path.stem
    for path in sorted((Path(__file__).parents[2] / "pipeline" / "exports" / "formats").glob("*.toml"))
    if 'of     = "payments"' not in path.read_text(encoding="utf-8")
    and 'of       = "payments"' not in path.read_text(encoding="utf-8")
    and path.stem not in ("pain001", "payment_list")
)
LONG_NAME = "Aurélien-Maximilien Ferdinand de la Tour d'Auvergne-Lauraguais"[:60]


@pytest.fixture(scope="session")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """A ledger of what breaks files: marks in labels, names of 60 characters, the smallest and largest amounts."""
    tables = reference()
    for employee, name in zip(
        tables["employees"], (LONG_NAME, 'Bo "Saïd"; | tab\there', "Cy, Petit\nline"), strict=True
    ):
        employee["name"] = name
    tables["legal_entities"][0] |= {"name": 'Société "Alpha"; Cœur, & Fils'}
    company = Company(tmp_path_factory.mktemp("nasty"), tables)
    company.run(
        on="2026-02-01",
        expense_reports=[
            report(declared_on="2026-01-17", label='l\'été; "quoted" | bar, comma\ttab\nand line\r\nbreak'),
            report("R2", employee="E2", declared_on="2026-01-19", label=";;;||,,\"\"'' <&> {a} \\ #MECG"),
            report("R3", employee="E2", declared_on="2026-01-21", label='"'),
        ],
        expenses=[
            expense(gross="4321.09", expense_type="meal", label='=1+1; "é" | ,\t\n0,01'),
            expense(expense="X2", gross="0.01", expense_type="hotel", label="Dîner d'Œuvre — 3 € 日本"),
            expense(expense="X3", gross="250.40", label="x" * 70),
            expense("R2", gross="99999999.99", label="-99 999 999,99"),
            expense("R2", expense="X2", gross="-7.05", expense_type="meal", label="+refund"),
            expense(
                "R2", expense="X3", gross="60.00", payment_method="card", expense_type="hotel", label="\ttab first"
            ),
            expense("R3", gross="-0.01", label="'"),
        ],
        expense_taxes=[tax(expense="X2", vat_code="V10")],
        allocations=[
            allocation(expense="X3", percent="33.3", axis="client", section="C1"),
            allocation(expense="X3", split="2", percent="66.7", axis="client", section="C2"),
        ],
        payment_orders=[order()],
    )
    return company


@dataclass(frozen=True)
class Exported:
    """A ledger with one export, and its files."""

    company: Company
    files: list[Path]

    def verified(self, *options: str, files: list[Path] | None = None) -> tuple[int, str]:
        """Exit code and what is said."""
        result = self.company.invoke("verify", *options, *(str(path) for path in files or self.files))
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        return result.exit_code, result.stdout + result.stderr

    def changed(self, change: Callable[[bytes], bytes], *, out: Path) -> tuple[int, str]:
        """Verifies the files with a change in the first one that it changes."""
        out.mkdir(parents=True, exist_ok=True)
        files, is_changed = [], False
        for path in self.files:
            content = path.read_bytes()
            if not is_changed and (other := change(content)) != content:
                content, is_changed = other, True
            files.append(out / path.name)
            files[-1].write_bytes(content)
        assert is_changed, "the file has nothing to change"
        return self.verified(files=files)


def an_export(company: Company, home: Path, *options: str, entity: str = "FR01") -> Exported:
    """Exports to a folder of its own."""
    own = Company(home, company.reference)
    shutil.copytree(company.store, own.store)
    exported(own, *options, "--entity", entity)
    files = [path for path in sorted((home / "out").iterdir()) if not path.name.startswith("control_")]
    return Exported(own, files)


def asked(name: str) -> tuple[str, str]:
    """The options for a format: by its profile, where the package takes less than the company has."""
    given = PROFILES / f"{name}.toml"
    return ("--profile", str(given)) if given.exists() else ("--format", name)


#: what the nasty company has that these packages take in another way
BESIDE = {
    "quickbooks_iif": f'[codes.auxiliary_label]\n"{LONG_NAME}" = "Aurélien"\n',
    "sage_50_uk": 'C2 = "102"\n',
    "sage_50_uk_suppliers": 'C2 = "102"\n',
}


@pytest.fixture(scope="session")
def exports_of_nasty(nasty: Company, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Exported]:
    """Gives the export of a format, made once."""
    made: dict[str, Exported] = {}

    def of(name: str) -> Exported:
        if name not in made:
            home = tmp_path_factory.mktemp(name)
            options = asked(name)
            if name in BESIDE:
                text = Path(options[1]).read_text() if options[0] == "--profile" else f'format = "{name}"\n'
                options = ("--profile", str(profile(Company(home), text + BESIDE[name])))
            made[name] = an_export(nasty, home, *options)
        return made[name]

    return of


def test_the_formats_of_lines_are_all_tested() -> None:
    assert set(FORMATS) == {name for name in shipped() if name not in ("pain001", "payment_list")}


# ------------------------------------------------------------------------------------------------- they agree


@pytest.mark.parametrize("name", sampled(FORMATS))
def test_a_format_agrees_on_nasty_lines(exports_of_nasty: Callable[[str], Exported], name: str) -> None:
    code, said = exports_of_nasty(name).verified()
    assert code == 0, said
    assert "lines of" in said
    assert "agree: debit" in said or "stand in no record" in said


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_agrees_on_two_months(two_months: Company, tmp_path: Path, name: str) -> None:
    code, said = an_export(two_months, tmp_path, *asked(name)).verified()
    assert code == 0, said


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_agrees_on_the_sample(sample_ledger: Path, tmp_path: Path, name: str) -> None:
    company = Company(tmp_path)
    shutil.copytree(sample_ledger, company.store)
    exported(company, "--profile", str(profile(company, sample_profile(name))), "--entity", "FR01")
    files = [path for path in sorted((tmp_path / "out").iterdir()) if not path.name.startswith("control_")]
    code, said = Exported(company, files).verified()
    assert code == 0, said
    is_whole = "stand in no record" not in said and "contra" not in said
    assert said.startswith("5,070 lines of 925 entries agree") or not is_whole


def sample_profile(name: str) -> str:
    """A profile for the sample: its journal codes in two letters, its auxiliary accounts in five."""
    given = PROFILES / f"{name}.toml"
    text = given.read_text(encoding="utf-8") if given.exists() else f'format = "{name}"\n'
    settings = re.search(r"(?ms)^\[settings\]\n(.*?)(?=^\[|\Z)", text)
    employees = pl.read_csv(SAMPLE / "reference" / "employees.csv")
    auxiliaries = {
        auxiliary or employee: f"A{number:04}"
        for number, (employee, auxiliary) in enumerate(employees.select("employee", "auxiliary").iter_rows())
    }
    codes = {"NDF": "ND", "NFE": "NF", "AVA": "AV", "IMP": "IM", "BNP": "BQ"}
    tables = {"codes.journal_code": codes, "codes.auxiliary": auxiliaries}
    if "maps.vat_codes" in text:
        vat = pl.read_csv(SAMPLE / "reference" / "vat_codes.csv")["vat_code"]
        tables["maps.vat_codes"] = dict.fromkeys(vat, "INT")
    for table in ("maps.tax_codes", "maps.tax_rates"):
        if table in text:
            vat = pl.read_csv(SAMPLE / "reference" / "vat_codes.csv")["vat_code"].sort().to_list()
            tables[table] = dict.fromkeys([*vat, *("+".join(pair) for pair in combinations(vat, 2))], "1")
    if "maps.departments" in text:
        sections = pl.read_csv(SAMPLE / "reference" / "sections.csv")["section"]
        tables["maps.departments"] = dict.fromkeys(sections, "101")
    kept = re.findall(r"(?m)^(?:journals|leave_open) *=.*\n", text)
    made = f'format = "{name}"\n' + "".join(kept) + (settings[0] if settings else "")
    for table, lines in tables.items():
        made += f"\n[{table}]\n" + "".join(f'"{key}" = "{value}"\n' for key, value in lines.items())
    return made


# ------------------------------------------------------------------------------------------------ they are told


def in_workbook(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """The change in what an archive holds."""

    def changed(content: bytes) -> bytes:
        if content[:2] == b"\x1f\x8b":
            made_of = change(gzip.decompress(content))
            return content if made_of == gzip.decompress(content) else gzip.compress(made_of)
        if content[:2] != b"PK":
            return change(content)
        made = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as packed, zipfile.ZipFile(made, "w") as other:
            for member in packed.infolist():
                data = packed.read(member)
                is_lines = member.filename.endswith(
                    ("sheet1.xml", "sharedStrings.xml")
                ) or not member.filename.endswith((".xml", ".rels"))
                other.writestr(member, change(data) if is_lines else data)
        return made.getvalue() if made.getvalue() != content else content

    return changed


def place(pattern: bytes, replacement: bytes, number: int = -1) -> Callable[[bytes], bytes]:
    """Replaces one of the places that a pattern finds, the last one where it is not said; in UTF-16 as well."""

    def change(content: bytes) -> bytes:
        is_wide = content[:2] == b"\xff\xfe"
        text = content.decode("utf-16").encode() if is_wide else content
        found = list(re.finditer(pattern, text))
        if not -len(found) <= number < len(found):
            return content
        chosen = found[number]
        text = text[: chosen.start()] + chosen.expand(replacement) + text[chosen.end() :]
        return text.decode().encode("utf-16") if is_wide else text

    return in_workbook(change)


#: one of each kind; the others are changed in the slow suite
FAST = {"csv", "fixed", "sage_100_mecg", "beancount", "xlsx", "datev_extf", "sap_b1_dtw", "json"}


def some(names: Iterable[str]) -> list[Any]:
    """The formats, those beside one of each kind marked slow."""
    return [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in names]


BYTES = [name for name in FORMATS if name != "parquet"]
AMOUNT = place(rb"4([ .,'\xa0]?)321([.,]?)09", rb"4\g<1>321\g<2>08")
ACCOUNT = place(rb"625700", rb"625709")


@pytest.mark.parametrize("name", some(BYTES))
def test_a_changed_amount_is_told(exports_of_nasty: Callable[[str], Exported], tmp_path: Path, name: str) -> None:
    code, said = exports_of_nasty(name).changed(AMOUNT, out=tmp_path)
    assert code == 1, said
    assert "4321.08" in said
    assert "is not in the ledger (nearest: entry" in said
    assert "is not in the file" in said


#: those that write accounts by their labels
BY_LABEL = {"quickbooks_iif", "quickbooks_online", "quickbooks_fr"}


@pytest.mark.parametrize("name", some(name for name in BYTES if name not in BY_LABEL))
def test_a_changed_account_is_told(exports_of_nasty: Callable[[str], Exported], tmp_path: Path, name: str) -> None:
    code, said = exports_of_nasty(name).changed(ACCOUNT, out=tmp_path)
    assert code == 1, said
    assert "625709" in said
    assert "is not in the ledger" in said


#: 17 January 2026 in whatever way a format writes days, and the day after
DAYS = (
    (rb"(2026[-/.]?01[-/.]?)17", rb"\g<1>18"),
    (rb"\b17([-/.]?01[-/.]?(?:20)?26)", rb"18\g<1>"),
    (rb"17(012026)", rb"18\g<1>"),
    (rb"17(0126)", rb"18\g<1>"),
    (rb"(\D)1701(\D)", rb"\g<1>1801\g<2>"),
    (rb"0?1([-/])17[-/]((?:20)?26)", rb"01\g<1>18\g<1>\g<2>"),
    (rb"(2601)17", rb"\g<1>18"),
    (rb">46039<", rb">46040<"),
)


@pytest.mark.parametrize("name", some(BYTES))
def test_a_changed_date_is_told(exports_of_nasty: Callable[[str], Exported], tmp_path: Path, name: str) -> None:
    made = exports_of_nasty(name)
    for number, (pattern, replacement) in enumerate(DAYS):
        for occurrence in range(20):  # a day stands in labels and due dates too
            change = place(pattern, replacement, occurrence)
            if all(change(path.read_bytes()) == path.read_bytes() for path in made.files):
                break
            code, said = made.changed(change, out=tmp_path / f"{number}-{occurrence}")
            if code == 1:
                assert "2026-01-18" in said or "of 18 January" in said
                return
    pytest.fail("no way to write the day was found")


@pytest.mark.skipif("parquet" not in FORMATS, reason="there is no format of kind parquet")
def test_a_change_in_columns_is_told(exports_of_nasty: Callable[[str], Exported], tmp_path: Path) -> None:
    made = exports_of_nasty("parquet")
    table = pl.read_parquet(made.files[0])
    name = next(name for name in table.columns if table.schema[name] == pl.Date)
    for change in (table.with_columns(pl.col(name) + pl.duration(days=1)), table.head(-1), table.vstack(table.head(1))):
        change.write_parquet(tmp_path / made.files[0].name)
        code, said = made.verified(files=[tmp_path / made.files[0].name])
        assert code == 1
        assert "row" in said or "is not in the file" in said


SIDES = {
    "csv": (rb",4321\.09,0\.00,", rb",0.00,4321.09,"),
    "fixed": (rb"D(0*432109EUR)", rb"C\g<1>"),
    "sage_100_mecg": (rb"\r\n0\r\n4321,09", rb"\r\n1\r\n4321,09"),
    "beancount": (rb" 4321\.09", rb" -4321.09"),
    "agiris_csv": (rb";D;", rb";C;"),
    "xero": (rb"4321\.09", rb"-4321.09"),
}


@pytest.mark.parametrize("name", SIDES)
def test_a_changed_side_is_told(exports_of_nasty: Callable[[str], Exported], tmp_path: Path, name: str) -> None:
    code, said = exports_of_nasty(name).changed(place(*SIDES[name]), out=tmp_path)
    assert code == 1, said
    assert "is not in the ledger" in said


def lines_of(name: str) -> bool:
    """Whether a line of the file is a line of the ledger, whatever else it has."""
    form = load_format(name, None).format if name not in NEEDS_SETTINGS else None
    return (
        form is not None and form.kind in ("delimited", "fixed", "text") and form.separator != "\r\n" and not form.pack
    )


NEEDS_SETTINGS = {"datev_extf", "datev_extf_v9", "sage_50_ch"}
BY_LINE = [name for name in FORMATS if lines_of(name)]


@pytest.mark.parametrize("name", some(BY_LINE))
def test_a_line_that_is_lacking_or_doubled_is_told(
    exports_of_nasty: Callable[[str], Exported], tmp_path: Path, name: str
) -> None:
    form = load_format(name).format
    newline = form.newline.encode()

    def with_copies(copies: int) -> Callable[[bytes], bytes]:
        def change(content: bytes) -> bytes:
            is_wide = content[:2] == b"\xff\xfe"
            text = content.decode("utf-16").encode() if is_wide else content
            rows = text.split(newline)
            found = [n for n, row in enumerate(rows) if re.search(rb"4[ .,']?321[.,]?09", row)]
            if not found:
                return content
            rows[found[-1] : found[-1] + 1] = [rows[found[-1]]] * copies
            text = newline.join(rows)
            return text.decode().encode("utf-16") if is_wide else text

        return change

    code, said = exports_of_nasty(name).changed(with_copies(0), out=tmp_path / "lacking")
    assert code == 1, said
    assert "is not in the file" in said
    code, said = exports_of_nasty(name).changed(with_copies(2), out=tmp_path / "doubled")
    assert code == 1, said
    assert "is not in the ledger" in said


# --------------------------------------------------------------------------------------------------- the command


def test_the_export_is_found_by_the_name_of_its_file(
    exports_of_nasty: Callable[[str], Exported], tmp_path: Path
) -> None:
    made = exports_of_nasty("csv")
    other = shutil.copy(made.files[0], tmp_path / "other.csv")
    code, said = made.verified(files=[Path(other)])
    assert code == 2
    assert "no export wrote a file of the name other.csv" in said
    code, said = made.verified("--export", "1", files=[Path(other)])
    assert (code, said.split()[1]) == (0, "lines")


def test_machines_are_told_too(exports_of_nasty: Callable[[str], Exported], tmp_path: Path) -> None:
    code, said = exports_of_nasty("csv").verified("--json")
    told = json.loads(said)
    assert (code, told["agrees"], told["count"], told["differences"]) == (0, True, 0, [])
    assert {"account", "side", "side_amount", "entry_date", "journal_code"} <= set(told["compared"])


def test_another_format_does_not_read_the_file(exports_of_nasty: Callable[[str], Exported]) -> None:
    code, said = exports_of_nasty("csv").verified("--format", "fixed", "--export", "1")
    assert code == 1
    assert "is no record of the format" in said


def test_a_format_that_says_no_account_cannot_be_read_back(
    exports_of_nasty: Callable[[str], Exported], tmp_path: Path
) -> None:
    form = tmp_path / "mute.toml"
    form.write_text(
        """title = "mute"
source = "test"
kind = "delimited"
file = "'mute.csv'"
field = [{ name = "label", from = "label" }, { name = "debit", from = "debit", decimal = { scale = 2 } }]
"""
    )
    code, said = exports_of_nasty("csv").verified("--format", str(form), "--export", "1")
    assert code == 2
    assert "no record says an account and an amount" in said
