"""The VAT of expenses: one code or two, with the part of the gross that each taxes, or the VAT itself, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline.sample.columns import amount_text
from pipeline.sample.given import given, look_up

if TYPE_CHECKING:
    from pipeline.sample.group import Group

#: of ten expenses, what the receipt says: nothing more, the taxed part, the VAT, or both
_SOLE_GROSS = pl.Series([False] * 8 + [True] * 2)
_SOLE_VAT = pl.Series([False] * 7 + [True, False, True])
_FIRST_GROSS = pl.Series([True] * 5 + [False] * 3 + [True] * 2)
_SECOND_GROSS = pl.Series([True] * 5 + [False] * 4 + [True])
_FIRST_VAT = pl.Series([False] * 5 + [True] * 3 + [False, True])
_SECOND_VAT = pl.Series([False] * 5 + [True] * 5)
_SOLE_PARTIAL = 8


def expense_taxes(group: Group, expenses: pl.DataFrame) -> pl.DataFrame:
    """The VAT codes of expenses: a row a code, as the country of the legal entity taxes them.

    Order: report, version, expense, vat_code.
    """
    countries = group.entities["country"].unique(maintain_order=True)
    numbers = given("countries")["country"]
    pairs = [
        (codes or "").split("+")
        for country in numbers
        for codes in given("expense_types")[f"vat_{country.lower()}"]
        if country in countries
    ]
    firsts = pl.Series([pair[0] or None for pair in pairs], dtype=pl.String)
    seconds = pl.Series([pair[1] if len(pair) > 1 else None for pair in pairs], dtype=pl.String)
    country = look_up(group.entities["country_number"], pl.col("entity_number"))
    place = country * given("expense_types").height + pl.col("type_number")
    key = (pl.col("number"), pl.col("ordinal"))
    magnitude = pl.col("gross_minor").abs()
    taxed = (
        expenses.filter("is_taxed")
        .select(
            "number",
            "ordinal",
            "report",
            "version",
            "expense",
            "gross_minor",
            "digits",
            first=look_up(firsts, place),
            second=look_up(seconds, place),
            style=group.draws.below(10, "style", *key),
            share=60 + group.draws.below(31, "share", *key),
        )
        .filter(pl.col("first").is_not_null())
    )
    style, is_sole = pl.col("style"), pl.col("second").is_null()
    part = magnitude * pl.col("share") // 100
    sole_part = pl.when(style == _SOLE_PARTIAL).then(magnitude * 9 // 10).otherwise(magnitude)
    first = taxed.with_columns(
        vat_code="first",
        taxed=pl.when(is_sole).then(sole_part).otherwise(part),
        says_gross=pl.when(is_sole).then(look_up(_SOLE_GROSS, style)).otherwise(look_up(_FIRST_GROSS, style)),
        says_vat=pl.when(is_sole).then(look_up(_SOLE_VAT, style)).otherwise(look_up(_FIRST_VAT, style)),
    )
    second = taxed.filter(~is_sole).with_columns(
        vat_code="second",
        taxed=magnitude - part,
        says_gross=look_up(_SECOND_GROSS, style),
        says_vat=look_up(_SECOND_VAT, style),
    )
    return pl.concat([first, second]).with_columns(**_amounts()).sort("number", "version", "ordinal", "vat_code")


def _amounts() -> dict[str, pl.Expr]:
    codes = given("reference/vat_codes")
    rates_e3 = (codes["rate"].cast(pl.Decimal(6, 3)) * 1000).cast(pl.Int64).to_list()
    rate_e3 = pl.col("vat_code").replace_strict(codes["vat_code"].to_list(), rates_e3, return_dtype=pl.Int64)
    # Half a minor unit is rounded up: the magnitude, so away from zero.
    vat = (2 * pl.col("taxed") * rate_e3 + 100_000 + rate_e3) // (2 * (100_000 + rate_e3))
    sign = pl.col("gross_minor").sign()
    return {
        "taxed_gross": pl.when("says_gross").then(amount_text(pl.col("taxed") * sign, pl.col("digits"))),
        "vat_amount": pl.when("says_vat").then(amount_text(vat * sign, pl.col("digits"))),
    }
