"""IBANs that are made up and valid: the check digits of the country's own account number and those of ISO 13616."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline.sample.given import look_up

if TYPE_CHECKING:
    from pipeline.sample.draws import Draws

_MODULUS = 97

#: country → its banks, code and BIC
_BANKS: dict[str, list[tuple[int, str | None]]] = {
    "FR": [(30004, "BNPAFRPP"), (30003, "SOGEFRPP"), (30002, "CRLYFRPP"), (20041, "PSSTFRPP"), (10278, "CMCIFR2A")],
    "BE": [(1, "GEBABEBB"), (363, "BBRUBEBB"), (733, "KREDBEBB")],
    "TN": [(8, None), (10, None)],
    "CH": [(762, None), (9000, None)],
}

Part = tuple[pl.Expr, int]


def iban_and_bic(draws: Draws, country: str, number: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """The IBAN and the BIC of a person's account, by the person's number; the BIC may be null."""
    banks = _BANKS[country]
    drawn = draws.below(len(banks), "bank", number)
    bank = look_up(pl.Series([code for code, _ in banks]), drawn)
    bic = look_up(pl.Series([bic for _, bic in banks], dtype=pl.String), drawn)
    account = draws.below(10_000_000, "account", number)
    branch = draws.below(900, "branch", number) + 1
    parts: list[Part]
    if country == "FR":
        parts = [(bank, 5), (branch, 5), (account, 11)]
        parts.append((_MODULUS - _remainder([*parts, (pl.lit(0), 2)]), 2))
    elif country == "BE":
        parts = [(bank, 3), (account, 7)]
        remainder = _remainder(parts)
        parts.append((pl.when(remainder == 0).then(_MODULUS).otherwise(remainder), 2))
    elif country == "TN":
        parts = [(bank, 2), (branch, 3), (account, 13)]
        parts.append((_MODULUS - _remainder([*parts, (pl.lit(0), 2)]), 2))
    else:
        parts = [(bank, 5), (account, 12)]
    letters = int("".join(str(ord(letter) - ord("A") + 10) for letter in country))
    check = _MODULUS + 1 - _remainder([*parts, (pl.lit(letters), 4), (pl.lit(0), 2)])
    digits = pl.concat_str([value.cast(pl.String).str.zfill(width) for value, width in [(check, 2), *parts]])
    return pl.lit(country) + digits, bic


def _remainder(parts: list[Part]) -> pl.Expr:
    """The number that the parts make one after the other, modulo 97."""
    remainder = pl.lit(0, dtype=pl.Int64)
    for value, width in parts:
        remainder = (remainder * pow(10, width, _MODULUS) + value % _MODULUS) % _MODULUS
    return remainder
