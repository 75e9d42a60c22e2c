"""The worked examples that the layouts come with: from a ledger with that entry, those very bytes."""

from __future__ import annotations

from datetime import date

from pipeline.exports.format import load_format
from tests.exports.fec_checks import COLUMNS
from tests.exports.making import lines, made


def test_fec() -> None:
    shared = {
        "journal_code": "OD",
        "journal_label": "Opérations diverses",
        "entry_number": 7,
        "entry_date": date(2024, 3, 15),
        "document": "NDF202403-7",
        "document_date": date(2024, 3, 15),
        "label": "NDF Léa Dupont 03/2024",
        "validated_on": date(2024, 3, 31),
    }
    frame = lines(
        {
            **shared,
            "account": "421000",
            "account_label": "Personnel",
            "auxiliary": "DUPONTL",
            "auxiliary_label": "Dupont Léa",
            "third_party": True,
            "amount": "-120",
        },
        {**shared, "account": "625700", "account_label": "Réceptions", "amount": "100"},
        {**shared, "account": "445660", "account_label": "TVA déductible", "amount": "20"},
    )
    entry = (
        "OD\tOpérations diverses\t7\t20240315\t{}\tNDF202403-7\t20240315\tNDF Léa Dupont 03/2024\t{}\t\t\t20240331\t\t"
    )
    expected = [
        "\t".join(COLUMNS),
        entry.format("421000\tPersonnel\tDUPONTL\tDupont Léa", "0,00\t120,00"),
        entry.format("625700\tRéceptions\t\t", "100,00\t0,00"),
        entry.format("445660\tTVA déductible\t\t", "20,00\t0,00"),
    ]
    assert made(load_format("fec"), frame).decode().split("\r\n") == [*expected, ""]


def test_sage_100_pnm() -> None:
    shared = {
        "journal_code": "OD",
        "entry_number": 7,
        "entry_date": date(2024, 3, 15),
        "document": "NDF202403-7",
        "label": "NDF Léa Dupont 03/2024",
    }
    frame = lines(
        {**shared, "account": "421000", "auxiliary": "dupontl", "third_party": True, "amount": "-120"},
        {**shared, "account": "625700", "amount": "100"},
        {**shared, "account": "445660", "amount": "20"},
    )
    record = "OD 150324  {:13}{:14}NDF202403-7  NDF Léa Dupont 03/2024          {}{:>20}N      7" + " " * 26
    content = made(load_format("sage_100_pnm"), frame, facts={"entity_name": "EXEMPLE SAS"})
    assert content.decode("cp1252").split("\r\n") == [
        f"{'EXEMPLE SAS':30}",
        record.format("421000", "XDUPONTL", "C", "120.00"),
        record.format("625700", "", "D", "100.00"),
        record.format("445660", "", "D", "20.00"),
        "",
    ]
    assert {len(line) for line in content.split(b"\r\n")} == {30, 138, 0}
