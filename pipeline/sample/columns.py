"""Small expressions that several tables of the sample are made with."""

from __future__ import annotations

from datetime import date

import polars as pl

_EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def as_day(number: pl.Expr) -> pl.Expr:
    """The day of a number of days since 1970-01-01."""
    return number.cast(pl.Int32).cast(pl.Date)


def decimal_text(minor: pl.Expr, digits: int) -> pl.Expr:
    """Whole minor units as a decimal number: -1205 of 2 digits is -12.05."""
    sign = pl.when(minor < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    if digits == 0:
        return sign + minor.abs().cast(pl.String)
    unit = int(10**digits)
    fraction = (minor.abs() % unit).cast(pl.String).str.zfill(digits)
    return sign + (minor.abs() // unit).cast(pl.String) + "." + fraction


def amount_text(minor: pl.Expr, digits: pl.Expr) -> pl.Expr:
    """An amount as its currency writes it, of currencies of 0, 2 and 3 digits."""
    return (
        pl.when(digits == 2)  # noqa: PLR2004 - the digits of a currency
        .then(decimal_text(minor, 2))
        .when(digits == 0)
        .then(decimal_text(minor, 0))
        .otherwise(decimal_text(minor, 3))
    )


def numbered(prefix: str, number: pl.Expr, width: int) -> pl.Expr:
    """A code that ends in a number of at least `width` digits."""
    return pl.lit(prefix) + number.cast(pl.String).str.zfill(width)
