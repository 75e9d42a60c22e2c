"""The bank's file of a SEPA order: one ISO 20022 pain.001.001.09 credit transfer, the same bytes for the same order."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
from lxml import etree

from pipeline.exports.expressions import folded

if TYPE_CHECKING:
    from datetime import date
    from typing import BinaryIO

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_CENT = Decimal("0.01")
_LONGEST_ID = 35
_DIGEST = 12
_LONGEST_NAME = 70
_LONGEST_TEXT = 140
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?\Z")
#: what the SEPA Latin set has not (EPC217-08)
_OUTSIDE = r"[^a-zA-Z0-9/\-?:().,'+ ]"


@dataclass(frozen=True)
class Debtor:
    """Who pays: name, and the account that the order is paid from."""

    name: str
    iban: str
    bic: str | None


def latin(text: pl.Expr, longest: int) -> pl.Expr:
    """A text in the SEPA Latin set: other alphabets spelt out, other signs a dot, no blank twice; never empty."""
    plain = folded(text.fill_null("")).str.replace_all(_OUTSIDE, ".")
    plain = plain.str.replace_all(r" +", " ").str.head(longest).str.strip_chars(" ")
    return pl.when(plain == "").then(pl.lit(".")).otherwise(plain)


def identifiers(order: str, parts: pl.Series) -> pl.Series:
    """Ids of an order's parts, each at most 35 characters of the SEPA Latin set, as much of order and part as fits.

    What is cut or changed is stood for by a digest of both, so that no two parts of any orders share an id. A part with
    a hyphen has one as well: part B-1 of order A is not part 1 of order A-B.
    """
    given = pl.DataFrame({"part": parts.cast(pl.String)}).with_columns(
        given=pl.concat_str(pl.lit(f"{order}-"), pl.col("part"))
    )
    # An id neither begins or ends with a slash nor has two of them in a row.
    tidy = latin(pl.col("given"), _LONGEST_ID).str.replace_all("/{2,}", "-").str.strip_chars("/ ")
    ids = given.with_columns(id=tidy, kept=tidy.str.head(_LONGEST_ID - _DIGEST - 1).str.strip_chars("/ "))
    is_changed = (ids["given"] != ids["id"]) | ids["part"].str.contains("-", literal=True)
    digests = [_digest(f"{order}\0{part}") if changed else "" for part, changed in zip(parts, is_changed, strict=True)]
    named = pl.concat_str(pl.col("kept"), pl.lit("-"), pl.lit(pl.Series(digests, dtype=pl.String)))
    return ids.select(id=pl.when(pl.lit(is_changed)).then(named).otherwise(pl.col("id")))["id"]


def identifier(order: str, part: str | None = None) -> str:
    """The id of an order, or of one part of it."""
    if part is not None:
        return str(identifiers(order, pl.Series([part]))[0])
    plain = str(pl.DataFrame({"order": [order]}).select(latin(pl.col("order"), _LONGEST_ID)).item())
    plain = re.sub("/{2,}", "-", plain).strip("/ ")
    return plain if plain == order else f"{plain[: _LONGEST_ID - _DIGEST - 1].strip('/ ')}-{_digest(order)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST].upper()


def write_pain001(order: str, requested_on: date, debtor: Debtor, payments: pl.DataFrame, target: BinaryIO) -> None:
    """Writes an order's payments (employee, employee_name, iban, bic, amount, end_to_end_id), in EUR.

    requested_on: the order's event date, which is also the day that the message says it was made on, so that its
    bytes repeat.
    """
    total = str(Decimal(payments["amount"].sum()).quantize(_CENT))
    count = str(len(payments))
    name = pl.DataFrame({"name": [debtor.name]}).select(latin(pl.col("name"), _LONGEST_NAME)).item()
    transfers = payments.select(
        "end_to_end_id",
        "amount",
        pl.col("iban").str.replace_all(r"\s", "").str.to_uppercase(),
        "bic",
        name=latin(pl.col("employee_name"), _LONGEST_NAME),
        text=latin(pl.concat_str(pl.lit(f"{order} "), pl.col("employee")), _LONGEST_TEXT),
    )
    own_agent = _agent(debtor.bic)
    if own_agent is None:
        own_agent = _element("FinInstnId", _element("Othr", _element("Id", "NOTPROVIDED")))
    with etree.xmlfile(target, encoding="UTF-8") as file:
        file.write_declaration()
        with file.element("Document", nsmap={None: NAMESPACE}), file.element("CstmrCdtTrfInitn"):
            file.write(
                _element(
                    "GrpHdr",
                    _element("MsgId", identifier(order)),
                    _element("CreDtTm", f"{requested_on.isoformat()}T00:00:00"),
                    _element("NbOfTxs", count),
                    _element("CtrlSum", total),
                    _element("InitgPty", _element("Nm", name)),
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
                    _element("Dbtr", _element("Nm", name)),
                    _element("DbtrAcct", _account("".join(debtor.iban.split()).upper())),
                    _element("DbtrAgt", own_agent),
                    _element("ChrgBr", "SLEV"),
                ):
                    file.write(element)
                # An element a payment: lxml writes them one by one and keeps none.
                for transfer in transfers.iter_rows(named=True):
                    file.write(_transfer(transfer))
        file.flush()


def _transfer(transfer: dict[str, Any]) -> etree._Element:
    agent = _agent(transfer["bic"])
    amount = _element("InstdAmt", str(transfer["amount"].quantize(_CENT)))
    amount.set("Ccy", "EUR")
    return _element(
        "CdtTrfTxInf",
        _element("PmtId", _element("EndToEndId", transfer["end_to_end_id"])),
        _element("Amt", amount),
        *([] if agent is None else [_element("CdtrAgt", agent)]),
        _element("Cdtr", _element("Nm", transfer["name"])),
        _element("CdtrAcct", _account(transfer["iban"])),
        _element("RmtInf", _element("Ustrd", transfer["text"])),
    )


def _account(iban: str) -> etree._Element:
    return _element("Id", _element("IBAN", iban))


def _agent(bic: str | None) -> etree._Element | None:
    """The bank; none where its BIC is not one, since an IBAN says it as well."""
    code = "".join((bic or "").split()).upper()
    return _element("FinInstnId", _element("BICFI", code)) if _BIC.match(code) else None


def _element(name: str, *content: str | etree._Element) -> etree._Element:
    """An element; it takes the namespace of the document that it is written into."""
    element = etree.Element(name)
    for part in content:
        if isinstance(part, str):
            element.text = part
        else:
            element.append(part)
    return element
