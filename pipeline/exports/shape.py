"""Reshapes the lines of an export before they are written: merged, rounded, by section, in pairs.

A frame holds whole entries, its rows in the order in which they are written. `_entry` says which entry a row belongs
to and never falls along the rows; beside it stand the columns that the format reads, and those that the functions
below say they need. The steps are taken in this order, each of them only where it is asked for:

    numbered → merged → rounded → sections, paired
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import polars as pl

from pipeline.exports.columns import AXIS, CONTRA_OF, COUNTERPART
from pipeline.exports.expressions import AMOUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.exports.description import Merge

#: how many units of an amount make 1
_DECIMALS = 4
_WIDE = pl.Int128()
_WHOLE_PERCENT = 100 * 10**_DECIMALS

#: the amounts of a line in the currency of the books, one and the same in four ways of writing it
_AMOUNTS = ("debit", "credit", "amount", "side_amount")
#: what a merged line has of its first row, of its latest one
_FIRST = ("_entry", "line_number", "entry_number", "run")
_LATEST = ("document_date", "validated_on")
_MERGING = ("side", "role", "account", "auxiliary", "currency")

#: what with_counterparts reads besides `_entry`
COUNTERPART_OF = ("role", "account", "auxiliary", "payment_method")
#: what with_vat reads besides `_entry`
VAT_OF = ("role", "expense", "vat_code", "amount", "side", "side_amount", "currency_digits")

_SECTION = {
    "_line": pl.Int64(),
    "axis": pl.String(),
    "axis_number": pl.Int64(),
    "section": pl.String(),
    "section_amount": AMOUNT,
    "section_debit": AMOUNT,
    "section_credit": AMOUNT,
    "section_in_line": pl.Int64(),
    "section_percent": AMOUNT,
}


def needed(merge: Merge, axes: Sequence[str]) -> tuple[str, ...]:
    """The columns that `numbered` reads besides `_entry`, whether the format names them or not."""
    if merge.is_identity:
        return ()
    sections = axes if merge.charges == "sections" else ()
    return (*_MERGING, *(("vat_code",) if merge.vat == "code" else ()), *sections)


# ------------------------------------------------------------------------------------------------------- merging


def numbered(lines: pl.DataFrame, merge: Merge, axes: Sequence[str]) -> pl.DataFrame:
    """Numbers the lines that those given become.

    In:     lines, with the columns of merge.needs(axes); axes, the `axis_<axis>` columns.
    Out:    the lines in their order, with `_line`: 0, 1, 2… in the order in which the merged lines first appear.
    Raises: ColumnNotFoundError where a column is lacking.
    Rule:   lines merge within an entry, on one side, so that its totals stay, and on one account and auxiliary.
    """
    rows = lines.with_columns(_line=pl.int_range(pl.len(), dtype=pl.Int64))
    if merge.is_identity:
        return rows
    is_charge = (pl.col("role") == "charge").fill_null(value=False)
    is_vat = (pl.col("role") == "vat").fill_null(value=False)
    stays = (
        pl.when(is_charge)
        .then(pl.lit(merge.charges == "none"))
        .when(is_vat)
        .then(pl.lit(merge.vat == "none"))
        .otherwise(pl.lit(merge.counterparts == "none"))
    )
    alike = [
        pl.col("_entry"),
        pl.col("side"),
        pl.col("account"),
        pl.col("auxiliary"),
        pl.col("currency"),
        is_charge.alias("_is_charge"),
        is_vat.alias("_is_vat"),
        pl.when(stays).then(pl.col("_line")).alias("_stays"),
    ]
    if merge.charges == "sections":
        alike += [pl.when(is_charge).then(pl.col(axis)).alias(axis) for axis in axes]
    if merge.vat == "code":
        alike.append(pl.when(is_vat).then(pl.col("vat_code")).alias("vat_code"))
    first_row = pl.col("_line").min().over(alike)
    return rows.with_columns(_line=first_row.rank("dense").cast(pl.Int64) - 1)


def merged(numbered_lines: pl.DataFrame) -> pl.DataFrame:
    """The lines that those numbered become.

    In:     numbered_lines, with `_entry` and `_line`, and foreign_currency where they have a foreign_amount.
    Out:    a row a `_line`, in that order, with the columns of those given: amounts added up, the latest dates, the
            first numbers, and of all else what the lines agree on; where they do not, false or null. An entry is of one
            entry_date, the latest.
    Raises: ColumnNotFoundError where foreign_currency is lacking.
    Rule:   amounts in a foreign currency are added up where all are in the same one, and else left out.
    """
    names = numbered_lines.columns
    if "entry_date" in names:
        numbered_lines = numbered_lines.with_columns(pl.col("entry_date").max().over("_entry"))
    if numbered_lines["_line"].n_unique() == numbered_lines.height:
        return numbered_lines
    in_order = numbered_lines.sort("_line", maintain_order=True)
    first_rows = in_order["_line"].search_sorted(in_order["_line"], side="left")
    others = [name for name in names if name not in ("_line", *_AMOUNTS, *_FIRST, *_LATEST)]
    # Compared with the line's first row on whole columns, for a comparison within each group costs far more.
    is_common = in_order.select("_line", *(pl.col(name).eq_missing(pl.col(name).gather(first_rows)) for name in others))
    agreed = is_common.group_by("_line").agg(pl.all().all()).sort("_line").drop("_line")
    added = [name for name in (*_AMOUNTS, "foreign_amount") if name in names]
    known = [pl.col("foreign_amount").is_not_null().all().alias("_is_known")] if "foreign_amount" in names else []
    lines = (
        in_order.group_by("_line")
        .agg(
            pl.col(added).sum().cast(AMOUNT),
            pl.col([name for name in _LATEST if name in names]).max(),
            pl.col([name for name in names if name not in ("_line", *added, *_LATEST)]).first(),
            *known,
        )
        .sort("_line")
    )
    schema = numbered_lines.schema
    values = [
        pl.when(agreed[name]).then(pl.col(name)).otherwise(pl.lit(False if schema[name] == pl.Boolean else None))
        for name in others
        if name != "foreign_amount"
    ]
    if known:
        is_one_currency = agreed["foreign_currency"] & lines["_is_known"]
        values.append(pl.when(is_one_currency).then(pl.col("foreign_amount")))
    return lines.with_columns(values).select(names)


# ------------------------------------------------------------------------------------------------------ rounding


def rounded(lines: pl.DataFrame, decimals: int, mode: Literal["round", "truncate"]) -> pl.DataFrame:
    """Lines of fewer decimals, whose entries balance as before.

    In:     lines, with `_entry`, `side` and side_amount; decimals, 0 to 4; mode, what becomes of a side's total: round,
            half away from zero, or truncate, toward zero.
    Out:    the lines that are not 0, in their order, with `rounding`, what the line's amount grew by, debit positive.
            What went with the lines that became 0 is in rounding_by_account alone.
    Rule:   the amounts of a side are cut down, and what its total lacks is given to those that lost the most, of equal
            ones to the earlier. Both sides of an entry have one total, so that they are rounded to one total; and no
            line moves by a whole unit.
    """
    unit = _unit(decimals)
    exact = _units("side_amount")
    total = exact.sum().over("_entry", "side")
    target = _half_away(total, unit) if mode == "round" else total.sign() * (total.abs() // unit)
    new = _shared(exact, unit, target, ["_entry", "side"], pl.int_range(pl.len())) * unit
    is_debit = pl.col("side") == "D"
    zero = pl.lit(0, _WIDE)
    written = {
        "debit": pl.when(is_debit).then(pl.col("_new")).otherwise(zero),
        "credit": pl.when(is_debit).then(zero).otherwise(pl.col("_new")),
        "amount": _debit_positive(pl.col("_new")),
        "side_amount": pl.col("_new"),
        "rounding": _debit_positive(pl.col("_new") - exact),
    }
    return (
        lines.with_columns(new.alias("_new"))
        .filter(pl.col("_new") != 0)
        .with_columns(
            _amount(units).alias(name) for name, units in written.items() if name == "rounding" or name in lines.columns
        )
        .drop("_new")
    )


def rounding_by_account(
    exact: pl.DataFrame, rounded_lines: pl.DataFrame, by: Sequence[str] = ("account",)
) -> pl.DataFrame:
    """What rounding changed on each account, the lines that it dropped included.

    In:  exact, the lines that `rounded` was given, and what it made of them, both with `amount` and the columns of by.
    Out: a row an account of the exact lines, in that order; `rounding`, debit positive, adds up to 0 over an entry.
    """
    before = exact.select(*by, rounding=0 - _units("amount"))
    after = rounded_lines.select(*by, rounding=_units("amount"))
    return pl.concat([before, after]).group_by(*by).agg(_amount(pl.col("rounding").sum())).sort(*by)


# ------------------------------------------------------------------------------------------------------ sections


def sections(
    numbered_lines: pl.DataFrame, merged_lines: pl.DataFrame, axes: Sequence[str], decimals: int | None = None
) -> pl.DataFrame:
    """What the lines bear on the sections of each axis.

    In:     numbered_lines, with `_line`, side_amount and the `axis_<axis>` columns of axes; merged_lines, what became
            of them, with `_line`, `side` and side_amount; decimals, those that merged_lines were rounded to.
    Out:    a row a (`_line`, axis, section) of the merged lines, in the order of line, axis and first appearance:
            `axis`, `axis_number` (1, 2… as in axes), `section`, `section_in_line` (1, 2…), section_amount, on the
            line's side as section_debit or section_credit too, and section_percent.
    Units:  section_percent, percent of the line's exact amount, 4 decimals.
    Raises: ValueError where merged_lines were rounded and decimals does not say to what.
    Rule:   where they cover the line, the sections add up to its amount and to 100 percent exactly: what rounding left
            over goes by largest remainder, of equal ones to the earlier. What bears no section is rounded along with
            the sections, as the last of them. Of a line of 0 the first section has 100 percent.
    """
    is_rounded = "rounding" in merged_lines.columns
    if is_rounded and decimals is None:
        raise ValueError("the lines were rounded: say to how many decimals")
    if not axes:
        return pl.DataFrame(schema=_SECTION)
    borne = pl.concat(
        numbered_lines.select(
            "_line",
            axis=pl.lit(axis.removeprefix(AXIS)),
            axis_number=pl.lit(number, pl.Int64),
            section=pl.col(axis).cast(pl.String),
            units=_units("side_amount"),
            row=pl.int_range(pl.len(), dtype=pl.Int64),
        )
        for number, axis in enumerate(axes, start=1)
    )
    within = ["_line", "axis_number"]
    parts = (
        borne.group_by("_line", "axis", "axis_number", "section")
        .agg(pl.col("units").sum(), pl.col("row").min())
        .join(merged_lines.select("_line", "side", line_units=_units("side_amount")), on="_line", validate="m:1")
        .sort(*within, pl.col("section").is_null(), "row")
        .with_columns(
            section_in_line=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(within),
            total=pl.col("units").sum().over(within),
        )
    )
    amount = pl.col("units")
    if is_rounded:
        unit = _unit(decimals or 0)
        amount = _shared(amount, unit, pl.col("line_units") // unit, within, pl.col("section_in_line")) * unit
    is_debit = pl.col("side") == "D"
    zero = pl.lit(0, _WIDE)
    return (
        parts.with_columns(section_units=amount)
        .filter(pl.col("section").is_not_null())
        .with_columns(
            section_amount=_amount(pl.col("section_units")),
            section_debit=_amount(pl.when(is_debit).then(pl.col("section_units")).otherwise(zero)),
            section_credit=_amount(pl.when(is_debit).then(zero).otherwise(pl.col("section_units"))),
            section_percent=_amount(_percent(within)),
        )
        .sort(*within, "section_in_line")
        .select(list(_SECTION))
    )


def _percent(within: list[str]) -> pl.Expr:
    """The share of `units` in `total`, in ten-thousandths of a percent."""
    total = pl.col("total")
    whole = pl.when(total == 0).then(pl.lit(1, _WIDE)).otherwise(total.abs())
    exact = pl.col("units") * total.sign() * _WHOLE_PERCENT
    all_of_it = pl.lit(_WHOLE_PERCENT, _WIDE)
    return (
        pl.when(total == 0)
        .then(pl.when(pl.col("section_in_line") == 1).then(all_of_it).otherwise(pl.lit(0, _WIDE)))
        .when(pl.col("units").sum().over(within) == total)
        .then(_shared(exact, whole, all_of_it, within, pl.col("section_in_line")))
        .otherwise(_half_away(exact, whole))
    )


# --------------------------------------------------------------------------------------------------------- pairs


def paired(lines: pl.DataFrame) -> pl.DataFrame:
    """Entries as amounts that go from a credited line to a debited one, for packages whose rows have two accounts.

    In:     lines, with `_entry`, amount and role, of entries that balance.
    Out:    a row a pair, in the order of the entries and of their amounts: the columns of its own line, on the side
            where it moves its account, with the pair's amount; and as `contra_<column>` those of CONTRA of the other.
            A foreign amount, and its currency, stay where the pair takes all of its own line.
    Raises: ValueError naming the `_entry` that does not balance.
    Rule:   debits and credits are used up in the order of the lines. An amount below 0 is one above 0 on the other
            side. A pair's own line is the debited one, unless the credited one alone is a charge or VAT.
    """
    amounts = lines.select("_entry", row=pl.int_range(pl.len(), dtype=pl.Int64), units=_units("amount"))
    totals = amounts.group_by("_entry").agg(pl.col("units").sum())
    unbalanced = totals.filter(pl.col("units") != 0)["_entry"].min()
    if unbalanced is not None:
        raise ValueError(f"_entry {unbalanced!r} does not balance: no pairs can be made of its lines")
    # As each entry balances, the amounts of the whole frame may be added up: both sides meet at the end of each entry.
    debits = amounts.filter(pl.col("units") > 0).select("row", end=pl.col("units").cum_sum())
    credits_ = amounts.filter(pl.col("units") < 0).select("row", end=(0 - pl.col("units")).cum_sum())
    ends = (
        pl.concat([debits.select("end", debits=1, credits=0), credits_.select("end", debits=0, credits=1)])
        .group_by("end")
        .agg(pl.col("debits", "credits").sum())
        .sort("end")
    )
    pairs = ends.select(
        units=pl.col("end") - pl.col("end").shift(1, fill_value=0),
        debited=debits["row"].gather(ends["debits"].cum_sum() - ends["debits"]),
        credited=credits_["row"].gather(ends["credits"].cum_sum() - ends["credits"]),
    )
    bears_charge = lines["role"].is_in(["charge", "vat"]).fill_null(value=False)
    is_debited = bears_charge.gather(pairs["debited"]) | ~bears_charge.gather(pairs["credited"])
    pairs = pairs.with_columns(
        side=pl.when(is_debited).then(pl.lit("D")).otherwise(pl.lit("C")),
        own=pl.when(is_debited).then("debited").otherwise("credited"),
        contra=pl.when(is_debited).then("credited").otherwise("debited"),
    )
    is_whole = pairs["units"] == amounts["units"].gather(pairs["own"]).abs()
    zero = pl.lit(0, _WIDE)
    values = {
        "side": pl.col("side"),
        "debit": _amount(pl.when(is_debited).then("units").otherwise(zero)),
        "credit": _amount(pl.when(is_debited).then(zero).otherwise("units")),
        "amount": _amount(_debit_positive(pl.col("units"))),
        "side_amount": _amount(pl.col("units")),
    }
    own_lines = lines[pairs["own"]]
    written = pairs.select(units.alias(name) for name, units in values.items() if name in lines.columns)
    foreign = [name for name in ("foreign_amount", "foreign_currency") if name in lines.columns]
    contra_lines = lines.select(pl.col(name).alias(f"contra_{name}") for name in CONTRA_OF if name in lines.columns)
    return own_lines.with_columns(
        *written.get_columns(),
        *(pl.when(is_whole).then(pl.col(name)).alias(name) for name in foreign),
        *contra_lines[pairs["contra"]].get_columns(),
    )


# ------------------------------------------------------------------------------------------------ VAT of charges


def with_vat(lines: pl.DataFrame) -> pl.DataFrame:
    """Charges with the VAT that goes with them, for packages whose rows have a net amount and its VAT.

    In:     lines or pairs, with `_entry` and the columns of VAT_OF.
    Out:    the rows in their order, with charge_vat, the VAT of a charge on the charge's side, charge_gross, both
            together, and charge_vat_code, its codes in alphabetical order with + between them; 0 and null elsewhere.
    Raises: ValueError naming the `_entry` whose VAT goes with no charge.
    Rule:   VAT goes with the charges of its expense, else with all charges of its entry (of those with the same other
            account, where rows are pairs). Several charges share it by their amounts: what is left over goes by largest
            remainder, of equal ones to the earlier.
    """
    entry = ["_entry", *(name for name in ("contra_account", "contra_auxiliary") if name in lines.columns)]
    expense = [*entry, "expense"]
    is_charge = (pl.col("role") == "charge").fill_null(value=False)
    is_vat = (pl.col("role") == "vat").fill_null(value=False)
    unit = pl.lit(10, _WIDE).pow(_DECIMALS - pl.col("currency_digits").cast(pl.Int64)).cast(_WIDE)
    known = lines.with_columns(
        _is_charge=is_charge,
        _is_own=is_charge.any().over(expense),
        _has_any=is_charge.any().over(entry),
        _minor=pl.when(is_vat).then(_units("amount") // unit).otherwise(pl.lit(0, _WIDE)),
        _weight=pl.when(is_charge).then(_units("amount").abs()).otherwise(pl.lit(0, _WIDE)),
        _order=pl.int_range(pl.len(), dtype=pl.Int64),
        _code=pl.when(is_vat).then("vat_code"),
    )
    alone = known.filter(is_vat & ~pl.col("_has_any"))["_entry"].min()
    if alone is not None:
        raise ValueError(f"_entry {alone!r} has VAT that goes with no charge")
    # What goes by the expense, then what goes by the entry. Totals are columns first: a window within another one would
    # be taken of its rows alone.
    shares, codes = [], []
    for number, is_of_it, within in ((0, pl.col("_is_own"), expense), (1, ~pl.col("_is_own"), entry)):
        target = pl.when(is_of_it).then("_minor").otherwise(pl.lit(0, _WIDE)).sum().over(within)
        weights = pl.max_horizontal(pl.col("_weight").sum().over(within), pl.lit(1, _WIDE))
        known = known.with_columns(target.alias(f"_target_{number}"), weights.alias(f"_weights_{number}"))
        whole, total = pl.col(f"_target_{number}"), pl.col(f"_weights_{number}")
        shares.append(_shared(whole * pl.col("_weight"), total, whole, [*within, "_is_charge"], pl.col("_order")))
        codes.append(pl.when(is_of_it).then("_code").drop_nulls().unique().sort().str.join("+").over(within))
    on_it = pl.when("_is_charge").then(_debit_positive((shares[0] + shares[1]) * unit)).otherwise(pl.lit(0, _WIDE))
    code = pl.when(codes[0] != "").then(codes[0]).when(codes[1] != "").then(codes[1])
    return known.with_columns(
        charge_vat=_amount(on_it),
        charge_gross=_amount(pl.when("_is_charge").then(_units("side_amount") + on_it).otherwise(pl.lit(0, _WIDE))),
        charge_vat_code=pl.when("_is_charge").then(code),
    ).select(*lines.columns, "charge_vat", "charge_gross", "charge_vat_code")


# ------------------------------------------------------------------------------------------------- counterparts


def with_counterparts(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines with the account that they are booked against, for packages whose rows name a supplier or a bank.

    In:     lines, with `_entry` and the columns of COUNTERPART_OF.
    Out:    the lines in their order, with counterpart_account and counterpart_auxiliary; null where there are several.
    Raises: ColumnNotFoundError where a column is lacking.
    Rule:   a charge and VAT are booked against the line of their entry that is neither, of their own method of payment.
            Two lines that are neither, as those of a payment, are booked against each other.
    """
    is_part = pl.col("role").is_in(["charge", "vat"]).fill_null(value=False)
    method = ["_entry", "payment_method"]
    names = ("account", "auxiliary")
    known = lines.with_columns(_row=pl.int_range(pl.len(), dtype=pl.Int64), _own=pl.struct(names))
    rest = known.filter(~is_part)
    of_parts = (
        rest.group_by(method)
        .agg(pl.col("_own").first().alias("_of_part"), pl.col("_own").n_unique().alias("_count"))
        .filter(pl.col("_count") == 1)
    )
    # Of two lines, the first one's is the last, and the other way round.
    is_first = pl.int_range(pl.len()).over("_entry") == 0
    first, last = pl.col("_own").first().over("_entry"), pl.col("_own").last().over("_entry")
    of_two = rest.select(
        "_row",
        _of_two=pl.when(pl.len().over("_entry") == pl.lit(2)).then(pl.when(is_first).then(last).otherwise(first)),
    )
    known = known.join(of_parts, on=method, how="left", nulls_equal=True, maintain_order="left").join(
        of_two, on="_row", how="left", maintain_order="left"
    )
    found = pl.when(is_part).then("_of_part").otherwise("_of_two")
    return known.with_columns(found.struct.field(name).alias(f"{COUNTERPART}{name}") for name in names).select(
        *lines.columns, *(f"{COUNTERPART}{name}" for name in names)
    )


# --------------------------------------------------------------------------------------------------- whole units


def _units(amount: str) -> pl.Expr:
    """An amount in ten-thousandths. Sums of them, and products, fit where Int64 would wrap without a word."""
    return pl.col(amount).to_physical().cast(_WIDE)


def _amount(units: pl.Expr) -> pl.Expr:
    """Ten-thousandths as an amount."""
    one = pl.lit(Decimal(1).scaleb(-_DECIMALS), pl.Decimal(38, _DECIMALS))
    return (units.cast(pl.Decimal(38, 0)) * one).cast(AMOUNT)


def _unit(decimals: int) -> pl.Expr:
    """The last of so many decimals, in ten-thousandths."""
    return pl.lit(10 ** (_DECIMALS - decimals), _WIDE)


def _debit_positive(on_its_side: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("side") == "D").then(on_its_side).otherwise(0 - on_its_side)


def _half_away(exact: pl.Expr, divisor: pl.Expr) -> pl.Expr:
    """A quotient rounded half away from zero; the divisor is above 0."""
    return exact.sign() * ((2 * exact.abs() + divisor) // (2 * divisor))


def _shared(exact: pl.Expr, divisor: pl.Expr, target: pl.Expr, within: list[str], order: pl.Expr) -> pl.Expr:
    """Quotients that add up to the target: floors, and 1 more for the largest remainders, of equal ones in order.

    A target that the sum of the exact quotients rounds to, up or down, leaves no more to give than there are
    remainders.
    """
    floor, remainder = exact // divisor, exact % divisor
    left_over = target - floor.sum().over(within)
    turn = pl.struct((0 - remainder).alias("remainder"), order.alias("order")).rank("ordinal").over(within)
    return floor + (turn.cast(_WIDE) <= left_over).cast(_WIDE)
