"""The bank's file of a SEPA order: one ISO 20022 pain.001.001.09 credit transfer, the same bytes for the same order."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
from lxml import etree

from pipeline.exports.expressions import folded

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_LONGEST_ID = 35
_LONGEST_NAME = 70


@dataclass(frozen=True)
class Debtor:
    """Who pays: name, and the account that the order is paid from."""

    name: str
    iban: str
    bic: str | None


def identifier(*parts: str) -> str:
    """An id of at most 35 characters of the SEPA Latin set, its parts in it as far as they go.

    What is cut or changed is stood for by a digest of the whole, so that two payments never share an id.
    """
    given = "-".join(parts)
    plain = _latin(given, _LONGEST_ID).strip("/ ").replace("//", "-")
    if plain == given:
        return plain
    digest = hashlib.sha256(given.encode()).hexdigest()[:10].upper()
    return f"{plain[: _LONGEST_ID - 11].strip('/ ')}-{digest}".lstrip("-")


def _latin(text: str, longest: int) -> str:
    """The text in the SEPA Latin set: letters, digits, blank and / - ? : ( ) . , ' +; other characters become a dot."""
    plain = pl.Series([text]).to_frame("t").select(folded(pl.col("t"))).item()
    kept = "".join(letter if letter.isalnum() or letter in "/-?:().,'+ " else "." for letter in str(plain))
    return " ".join(kept.split())[:longest] or "."


def write_pain001(order: str, requested_on: date, debtor: Debtor, payments: pl.DataFrame) -> bytes:
    """Writes the order's payments (employee, employee_name, iban, bic, amount, end_to_end_id), in EUR.

    requested_on: the order's event date, which is also the day it says it was made on, so that the bytes repeat.
    """
    total = str(_amount(sum(payments["amount"], Decimal(0))))
    count = str(len(payments))
    buffer = io.BytesIO()
    with etree.xmlfile(buffer, encoding="UTF-8") as file:
        file.write_declaration()
        with file.element("Document", nsmap={None: NAMESPACE}), file.element("CstmrCdtTrfInitn"):
            file.write(
                _element(
                    "GrpHdr",
                    _element("MsgId", identifier(order)),
                    _element("CreDtTm", f"{requested_on.isoformat()}T00:00:00"),
                    _element("NbOfTxs", count),
                    _element("CtrlSum", total),
                    _element("InitgPty", _element("Nm", _latin(debtor.name, _LONGEST_NAME))),
                )
            )
            with file.element("PmtInf"):
                for element in (
                    _element("PmtInfId", identifier(order, "P")),
                    _element("PmtMtd", "TRF"),
                    _element("BtchBookg", "true"),
                    _element("NbOfTxs", count),
                    _element("CtrlSum", total),
                    _element("PmtTpInf", _element("SvcLvl", _element("Cd", "SEPA"))),
                    _element("ReqdExctnDt", _element("Dt", requested_on.isoformat())),
                    _element("Dbtr", _element("Nm", _latin(debtor.name, _LONGEST_NAME))),
                    _element("DbtrAcct", _account(debtor.iban)),
                    _element("DbtrAgt", _agent(debtor.bic)),
                    _element("ChrgBr", "SLEV"),
                ):
                    file.write(element)
                for payment in payments.iter_rows(named=True):
                    file.write(_transfer(order, payment))
    return buffer.getvalue()


def _transfer(order: str, payment: dict[str, object]) -> etree._Element:
    children: list[etree._Element] = [
        _element("PmtId", _element("EndToEndId", str(payment["end_to_end_id"]))),
        _element("Amt", _instructed(payment["amount"])),
    ]
    if payment["bic"]:
        children.append(_element("CdtrAgt", _agent(str(payment["bic"]))))
    children += [
        _element("Cdtr", _element("Nm", _latin(str(payment["employee_name"]), _LONGEST_NAME))),
        _element("CdtrAcct", _account(str(payment["iban"]))),
        _element("RmtInf", _element("Ustrd", _latin(f"{order} {payment['employee']}", 140))),
    ]
    return _element("CdtTrfTxInf", *children)


def _instructed(amount: object) -> etree._Element:
    element = _element("InstdAmt", str(_amount(amount)))
    element.set("Ccy", "EUR")
    return element


def _amount(amount: object) -> Decimal:
    return Decimal(str(amount)).quantize(Decimal("0.01"))


def _account(iban: str) -> etree._Element:
    return _element("Id", _element("IBAN", "".join(iban.split()).upper()))


def _agent(bic: str | None) -> etree._Element:
    if bic:
        return _element("FinInstnId", _element("BICFI", bic.strip().upper()))
    return _element("FinInstnId", _element("Othr", _element("Id", "NOTPROVIDED")))


def _element(name: str, *content: str | etree._Element) -> etree._Element:
    element = etree.Element(f"{{{NAMESPACE}}}{name}", nsmap={None: NAMESPACE})
    children: Iterable[etree._Element] = [part for part in content if not isinstance(part, str)]
    element.extend(children)
    for part in content:
        if isinstance(part, str):
            element.text = part
    return element
