"""The bank's file of an order: valid by the schema, the same bytes for the same order, ids that tell payments apart."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import sepaxml  # type: ignore[import-untyped]  # its schemas alone are used
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pipeline.exports.write_pain001 import NAMESPACE, Debtor, identifier, identifiers, write_pain001
from tests.support import Company, expense, order, report

XSD = Path(sepaxml.__file__).parent / "schemas" / "pain.001.001.09.xsd"
SET = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ ")
DEBTOR = Debtor("Société Alpha & Cœur", "FR76 3000 6000 0112 3456 7890 189", "AGRIFRPP")
PATHS = {"p": NAMESPACE}


def payments(*given: tuple[str, str, str], bic: str | None = None) -> pl.DataFrame:
    employees = pl.Series([employee for employee, _, _ in given])
    return pl.DataFrame(
        {
            "employee": employees,
            "employee_name": [name for _, name, _ in given],
            "iban": ["fr14 2004 1010 0505 0001 3M02 606"] * len(given),
            "bic": [bic] * len(given),
            "amount": pl.Series([Decimal(amount) for _, _, amount in given], dtype=pl.Decimal(18, 4)),
            "end_to_end_id": identifiers("PO1", employees),
        },
        schema_overrides={"bic": pl.String},
    )


def written(given: pl.DataFrame, *, name: str = "PO1", debtor: Debtor = DEBTOR) -> bytes:
    buffer = io.BytesIO()
    write_pain001(name, date(2026, 1, 31), debtor, given, buffer)
    return buffer.getvalue()


def parsed(content: bytes) -> etree._Element:
    """The message, valid by the schema of ISO 20022."""
    root = etree.fromstring(content)
    etree.XMLSchema(etree.parse(str(XSD))).assertValid(root)
    return root


def texts(root: etree._Element, path: str) -> list[str]:
    return [element.text or "" for element in root.iterfind(path, PATHS)]


def test_what_it_says() -> None:
    root = parsed(written(payments(("E1", "Ada Moreau-Łuczak", "80.41"), ("E2", "Bo Saïd", "1234567.8"))))
    assert texts(root, ".//p:MsgId") == ["PO1"]
    assert texts(root, ".//p:PmtInfId") == ["PO1-P"]
    assert texts(root, ".//p:EndToEndId") == ["PO1-E1", "PO1-E2"]
    assert texts(root, ".//p:NbOfTxs") == ["2", "2"]
    assert texts(root, ".//p:CtrlSum") == ["1234648.21", "1234648.21"]
    assert texts(root, ".//p:InstdAmt") == ["80.41", "1234567.80"]
    assert [amount.get("Ccy") for amount in root.iterfind(".//p:InstdAmt", PATHS)] == ["EUR", "EUR"]
    assert texts(root, ".//p:ReqdExctnDt/p:Dt") == ["2026-01-31"]
    assert texts(root, ".//p:Cdtr/p:Nm") == ["Ada Moreau-Luczak", "Bo Said"]
    assert texts(root, ".//p:Dbtr/p:Nm") == ["Societe Alpha . Coeur"]
    assert texts(root, ".//p:DbtrAcct//p:IBAN") == ["FR7630006000011234567890189"]
    assert texts(root, ".//p:CdtrAcct//p:IBAN") == ["FR1420041010050500013M02606"] * 2
    assert texts(root, ".//p:DbtrAgt//p:BICFI") == ["AGRIFRPP"]
    assert texts(root, ".//p:RmtInf/p:Ustrd") == ["PO1 E1", "PO1 E2"]


def test_no_address_is_given() -> None:
    root = parsed(written(payments(("E1", "Ada", "1"))))
    assert root.find(".//p:PstlAdr", PATHS) is None
    assert root.find(".//p:AdrLine", PATHS) is None


@pytest.mark.parametrize(("bic", "said"), [("agrifrpp", ["AGRIFRPP"]), ("AGRI", []), (None, []), ("", [])])
def test_a_bank_is_named_where_its_bic_is_one(bic: str | None, said: list[str]) -> None:
    root = parsed(written(payments(("E1", "Ada", "1"), bic=bic)))
    assert texts(root, ".//p:CdtrAgt//p:BICFI") == said


def test_a_debtor_s_bank_that_is_not_known() -> None:
    root = parsed(written(payments(("E1", "Ada", "1")), debtor=Debtor("A", DEBTOR.iban, None)))
    assert texts(root, ".//p:DbtrAgt//p:Othr/p:Id") == ["NOTPROVIDED"]


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(
    name=st.text(min_size=1, max_size=60).filter(str.strip),
    employees=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50), min_size=1, max_size=8, unique=True),
)  # fmt: skip
def test_ids_are_short_latin_and_one_a_payment(name: str, employees: list[str]) -> None:
    ids = identifiers(name, pl.Series(employees)).to_list()
    for given_id in [*ids, identifier(name), identifier(name, "P")]:
        assert 1 <= len(given_id) <= 35
        assert set(given_id) <= SET
        assert given_id == given_id.strip(" /")
        assert "//" not in given_id
    assert len(set(ids)) == len(employees)
    assert ids == identifiers(name, pl.Series(employees)).to_list()


def test_ids_that_are_cut_still_differ() -> None:
    employees = pl.Series(["a-very-long-employee-number-000001", "a-very-long-employee-number-000002", "E1"])
    first, second, short = identifiers("PAYMENT-ORDER-2026-01", employees)
    assert first != second
    assert first.startswith("PAYMENT-ORDER-2026-01-")
    assert short == "PAYMENT-ORDER-2026-01-E1"


@given(names=st.lists(NAMES, min_size=1, max_size=5), name=NAMES.filter(str.strip))
def test_whatever_the_names_the_message_is_valid(names: list[str], name: str) -> None:
    given_payments = payments(*((f"E{number}", text, "0.01") for number, text in enumerate(names)))
    root = parsed(written(given_payments, debtor=Debtor(name, DEBTOR.iban, DEBTOR.bic)))
    for text in texts(root, ".//p:Nm"):
        assert 1 <= len(text) <= 70
        assert set(text) <= SET


def test_the_order_of_a_ledger(ledger: Company, tmp_path: Path, program: Callable[[str], str]) -> None:
    result = ledger.invoke("export", "--order", "PO2", "--out", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    path = tmp_path / "out" / "PO2_pain001.xml"
    assert result.stdout.strip() == str(path)
    root = parsed(path.read_bytes())
    assert texts(root, ".//p:EndToEndId") == ["PO2-E2"]
    assert texts(root, ".//p:CtrlSum") == ["243.35"] * 2
    assert texts(root, ".//p:ReqdExctnDt/p:Dt") == ["2026-02-28"]
    subprocess.run([program("xmllint"), "--noout", "--schema", str(XSD), str(path)], check=True, capture_output=True)


def test_the_same_order_gives_the_same_bytes_whatever_came_later(ledger: Company, tmp_path: Path) -> None:
    def content() -> bytes:
        assert ledger.invoke("export", "--order", "PO2", "--out", str(tmp_path)).exit_code == 0
        return (tmp_path / "PO2_pain001.xml").read_bytes()

    before = content()
    for employee in ledger.reference["employees"]:
        employee |= {"name": "Another Name", "iban": "DE89370400440532013000"}
    ledger.reference["legal_entities"][0]["iban"] = "FR1420041010050500013M02606"
    ledger.run(
        payment_returns=[{"payment_order": "PO2", "employee": "E2", "returned_on": "2026-03-03", "reason": "closed"}]
    )
    assert content() == before


def test_the_order_s_own_account_is_debited(ledger: Company, tmp_path: Path) -> None:
    for account in ledger.reference["bank_accounts"]:
        if account["bank_account"] == "BNP":
            account |= {"iban": "FR1420041010050500013M02606", "bic": "BNPAFRPP"}
    ledger.run(
        expense_reports=[report("R9", declared_on="2026-03-01")],
        expenses=[expense("R9", gross="500")],
        payment_orders=[order("PO3", created_on="2026-03-31", cutoff_on="2026-03-31", bank_account="BNP")],
    )
    assert ledger.invoke("export", "--order", "PO3", "--out", str(tmp_path)).exit_code == 0
    root = parsed((tmp_path / "PO3_pain001.xml").read_bytes())
    assert texts(root, ".//p:DbtrAcct//p:IBAN") == ["FR1420041010050500013M02606"]
    assert texts(root, ".//p:DbtrAgt//p:BICFI") == ["BNPAFRPP"]


def test_an_order_of_a_list_is_a_list(ledger: Company, tmp_path: Path) -> None:
    assert ledger.invoke("export", "--order", "PO-TN", "--out", str(tmp_path)).exit_code == 0
    assert (tmp_path / "PO-TN_payments.csv").read_text(encoding="utf-8") == (
        "payment_order,legal_entity,paid_on,employee,name,iban,bic,amount,currency,reference,journal_code,fiscal_year,"
        "entry_number\n"
        "PO-TN,TN01,2026-01-31,E3,Cy Petit,,,87.654,TND,PO-TN-E3,BQ,2026,1\n"
    )


def test_an_order_that_is_not_there_or_paid_nobody(ledger: Company, tmp_path: Path) -> None:
    result = ledger.invoke("export", "--order", "PO9", "--out", str(tmp_path))
    assert (result.exit_code, "no payment order PO9" in result.stderr) == (2, True)
    ledger.run(payment_orders=[order("PO4", created_on="2026-03-01", cutoff_on="2026-03-01")])
    result = ledger.invoke("export", "--order", "PO4", "--out", str(tmp_path))
    assert (result.exit_code, "paid nobody" in result.stderr) == (1, True)
    assert list(tmp_path.glob("PO*")) == []
