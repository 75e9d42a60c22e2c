"""Merging, rounding, sections and pairs, each rule on a table of its own, and what holds for any entries."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from pipeline.exports.description import Merge
from pipeline.exports.shape import (
    merged,
    needed,
    numbered,
    paired,
    rounded,
    rounding_by_account,
    sections,
    with_counterparts,
    with_vat,
)

AMOUNT = pl.Decimal(18, 4)
AMOUNTS = ("debit", "credit", "amount", "side_amount")
TYPES: dict[str, Any] = {
    **dict.fromkeys((*AMOUNTS, "foreign_amount", "rounding"), AMOUNT),
    **dict.fromkeys(("section_amount", "section_debit", "section_credit", "section_percent"), AMOUNT),
    **dict.fromkeys(("_entry", "_line", "line_number", "entry_number", "run"), pl.Int64),
    **dict.fromkeys(("axis_number", "section_in_line"), pl.Int64),
    **dict.fromkeys(("entry_date", "document_date", "validated_on"), pl.Date),
    **dict.fromkeys(("reversal", "third_party", "contra_third_party"), pl.Boolean),
}
ALL = Merge(charges="account", vat="account", counterparts="account")
BY_SECTION = Merge(charges="sections", vat="code", counterparts="account")
AXES = ["axis_cost", "axis_project"]


def table(text: str) -> pl.DataFrame:
    """A table written as text; `-` is null."""
    header, *rows = [line.split() for line in text.strip().splitlines()]

    def cell(name: str, said: str) -> Any:
        if said == "-":
            return None
        match TYPES.get(name, pl.String):
            case pl.Int64:
                return int(said)
            case pl.Date:
                return date.fromisoformat(said)
            case pl.Boolean:
                return said == "yes"
            case pl.String:
                return said
            case _:
                return Decimal(said)

    columns = {name: [cell(name, row[i]) for row in rows] for i, name in enumerate(header)}
    return pl.DataFrame(columns, schema={name: TYPES.get(name, pl.String) for name in header})


def lines(text: str) -> pl.DataFrame:
    """Lines of which the table says one of debit and credit; what merging reads besides is there too."""
    frame = table(text)
    defaults = {
        "_entry": pl.lit(1, pl.Int64),
        "role": pl.lit("charge"),
        "account": pl.lit("6"),
        "currency": pl.lit("EUR"),
    }
    defaults["auxiliary"] = pl.lit(None, pl.String)
    frame = frame.with_columns(**{name: value for name, value in defaults.items() if name not in frame.columns})
    return frame.with_columns(
        side=pl.when(pl.col("debit").is_not_null()).then(pl.lit("D")).otherwise(pl.lit("C")),
        debit=pl.col("debit").fill_null(Decimal(0)).cast(AMOUNT),
        credit=pl.col("credit").fill_null(Decimal(0)).cast(AMOUNT),
    ).with_columns(
        amount=(pl.col("debit") - pl.col("credit")).cast(AMOUNT),
        side_amount=(pl.col("debit") + pl.col("credit")).cast(AMOUNT),
    )


def shows(frame: pl.DataFrame, text: str) -> None:
    """Whether the columns of the table are these; an amount that the table leaves out with `-` is 0."""
    expected = table(text)
    zero = [name for name in ("debit", "credit") if name in expected.columns]
    assert_frame_equal(
        frame.select(expected.columns), expected.with_columns(pl.col(zero).fill_null(Decimal(0)).cast(AMOUNT))
    )


# ------------------------------------------------------------------------------------------------------- merging


def test_identity_numbers_every_row_and_reads_nothing() -> None:
    entries = pl.DataFrame({"_entry": [1, 1, 2], "label": ["a", "b", "c"]})
    numbered_lines = numbered(entries, Merge(), AXES)
    assert numbered_lines["_line"].to_list() == [0, 1, 2]
    assert_frame_equal(merged(numbered_lines), numbered_lines)
    assert needed(Merge(), AXES) == ()


def test_lines_merge_within_entry_side_class_account_and_auxiliary() -> None:
    entries = lines("""
        _entry role     account auxiliary debit credit
        1      charge   6251    -         10    -
        1      charge   6252    -         20    -
        1      charge   6251    -         1     -
        1      vat      6251    -         2     -
        1      charge   6251    -         -     3
        1      employee 421     E1        -     20
        1      employee 421     E2        -     4
        1      employee 421     E1        -     6
        2      charge   6251    -         7     -
        2      employee 421     E1        -     7
    """)
    numbered_lines = numbered(entries, ALL, AXES)
    assert numbered_lines["_line"].to_list() == [0, 1, 0, 2, 3, 4, 5, 4, 6, 7]
    shows(
        merged(numbered_lines),
        """
        _line _entry account auxiliary debit credit
        0     1      6251    -         11    -
        1     1      6252    -         20    -
        2     1      6251    -         2     -
        3     1      6251    -         -     3
        4     1      421     E1        -     26
        5     1      421     E2        -     4
        6     2      6251    -         7     -
        7     2      421     E1        -     7
        """,
    )


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        (Merge(charges="account"), [0, 0, 0, 1, 2, 3, 4]),
        (Merge(charges="sections"), [0, 1, 0, 2, 3, 4, 5]),
        (Merge(vat="account"), [0, 1, 2, 3, 3, 4, 5]),
        (Merge(vat="code", charges="account"), [0, 0, 0, 1, 2, 3, 4]),
        (Merge(counterparts="account"), [0, 1, 2, 3, 4, 5, 5]),
    ],
)
def test_a_class_merges_as_its_option_says_and_else_not(merge: Merge, expected: list[int]) -> None:
    entries = lines("""
        role     account vat_code axis_cost axis_project debit credit
        charge   6251    -        A         -            10    -
        charge   6251    -        B         -            10    -
        charge   6251    -        A         -            10    -
        vat      4456    N        A         -            2     -
        vat      4456    R        A         -            2     -
        employee 421     -        -         -            -     30
        employee 421     -        -         X            -     4
    """)
    assert numbered(entries, merge, AXES)["_line"].to_list() == expected
    assert set(needed(merge, AXES)) <= set(entries.columns)


def test_a_line_without_role_is_a_counterpart() -> None:
    entries = lines("""
        role   debit credit
        -      1     -
        charge 2     -
        -      3     -
        -      -     6
    """)
    assert numbered(entries, Merge(counterparts="account"), [])["_line"].to_list() == [0, 1, 0, 2]


def test_options_are_checked() -> None:
    with pytest.raises(ValidationError):
        Merge.model_validate({"charge": "account"})


def test_a_merged_line_says_what_its_lines_agree_on() -> None:
    entries = lines("""
        line_number run entry_number entry_date document_date validated_on third_party reversal label expense vat_code debit credit
        1           8   5            2026-01-02 2026-01-09    2026-02-01   yes         yes      a     -       N        1     -
        2           9   6            2026-01-01 2026-01-10    2026-01-01   no          yes      a     x       N        2     -
        3           7   7            2026-01-03 2026-01-01    -            no          -        b     -       -        -     3
    """)
    shows(
        merged(numbered(entries, ALL, [])),
        """
        _line line_number run entry_number entry_date document_date validated_on third_party reversal label expense vat_code debit credit
        0     1           8   5            2026-01-03 2026-01-10    2026-02-01   no          yes      a     -       N        3     -
        1     3           7   7            2026-01-03 2026-01-01    -            no          -        b     -       -        -     3
        """,
    )


def test_an_entry_has_one_entry_date_though_nothing_merges() -> None:
    entries = table("""
        _entry entry_date document_date
        1      2026-01-01 2026-01-01
        1      2026-01-03 2026-01-02
        2      2026-01-02 2026-01-01
    """)
    shows(
        merged(numbered(entries, Merge(), [])),
        """
        _line entry_date document_date
        0     2026-01-03 2026-01-01
        1     2026-01-03 2026-01-02
        2     2026-01-02 2026-01-01
        """,
    )


def test_foreign_amounts_add_up_in_one_currency_only() -> None:
    entries = lines("""
        account foreign_currency foreign_amount debit credit
        1       USD              10             9     -
        1       USD              5              4     -
        2       USD              1              1     -
        2       CHF              1              1     -
        3       USD              1              1     -
        3       -                -              1     -
        4       -                -              1     -
        4       -                -              1     -
        5       USD              7              1     -
    """)
    shows(
        merged(numbered(entries, ALL, [])),
        """
        account foreign_currency foreign_amount debit
        1       USD              15             13
        2       -                -              2
        3       -                -              2
        4       -                -              2
        5       USD              7              1
        """,
    )


def test_merging_works_on_the_columns_that_are_there() -> None:
    entries = lines("""
        debit credit
        1     -
        2     -
        -     3
    """).drop("debit", "credit", "amount", "side_amount")
    assert merged(numbered(entries, ALL, [])).columns == [*entries.columns, "_line"]


# ------------------------------------------------------------------------------------------------------ sections


def test_sections_of_a_line_are_shared_out_by_axis() -> None:
    entries = lines("""
        role     axis_cost axis_project debit credit
        charge   A         -            10    -
        charge   B         P            10    -
        charge   A         P            10    -
        employee -         -            -     30
    """)
    numbered_lines = numbered(entries, ALL, AXES)
    shows(
        sections(numbered_lines, merged(numbered_lines), AXES),
        """
        _line axis    axis_number section section_amount section_debit section_credit section_in_line section_percent
        0     cost    1           A       20             20            0              1               66.6667
        0     cost    1           B       10             10            0              2               33.3333
        0     project 2           P       20             20            0              1               66.6667
        """,
    )


def test_percents_add_up_to_100_where_the_line_is_covered() -> None:
    entries = lines("""
        account axis_cost debit credit
        1       A         1     -
        1       B         1     -
        1       C         1     -
        2       A         1     -
        2       -         5     -
        3       A         -     4
        4       B         -5    -
        4       A         15    -
        5       B         3     -
        5       A         -3    -
    """)
    numbered_lines = numbered(entries, ALL, AXES)
    shows(
        sections(numbered_lines, merged(numbered_lines), ["axis_cost"]),
        """
        _line section section_debit section_credit section_percent
        0     A       1             0              33.3334
        0     B       1             0              33.3333
        0     C       1             0              33.3333
        1     A       1             0              16.6667
        2     A       0             4              100
        3     B       -5            0              -50
        3     A       15            0              150
        4     B       3             0              100
        4     A       -3            0              0
        """,
    )


def test_sections_of_rounded_lines_are_rounded_with_them() -> None:
    entries = lines("""
        account role     axis_cost debit credit
        1       charge   A         0.50  -
        1       charge   B         0.75  -
        1       charge   C         1.50  -
        2       charge   A         0.25  -
        2       charge   -         0.75  -
        3       charge   A         0.25  -
        9       employee -         -     4
    """)
    numbered_lines = numbered(entries, ALL, AXES)
    rounded_lines = rounded(merged(numbered_lines), 0, "round")
    shows(rounded_lines, "_line side_amount\n0 3\n1 1\n3 4")
    shows(
        sections(numbered_lines, rounded_lines, ["axis_cost"], 0),
        """
        _line section section_amount section_percent
        0     A       1              18.1818
        0     B       1              27.2727
        0     C       1              54.5455
        1     A       0              25
        """,
    )
    with pytest.raises(ValueError, match="how many decimals"):
        sections(numbered_lines, rounded_lines, ["axis_cost"])


def test_without_axes_there_are_no_sections() -> None:
    entries = numbered(lines("axis_cost debit credit\nA 1 -\nA - 1"), Merge(), [])
    assert sections(entries, entries, []).schema == sections(entries, entries, ["axis_cost"]).schema
    assert sections(entries, entries, []).height == 0


# --------------------------------------------------------------------------------------------------------- pairs


def test_debits_and_credits_are_paired_in_the_order_of_the_lines() -> None:
    entries = lines("""
        _entry role         account auxiliary debit credit foreign_amount foreign_currency label
        1      charge       625     -         100   -      110            USD              hotel
        1      vat          445     -         20    -      -              -                VAT
        1      company_paid 467     CARD      -     30     -33            USD              card
        1      employee     421     E1        -     90     -              -                owed
        2      employee     421     E1        5     -      -              -                back
        2      charge       625     -         -     5      -5.5           USD              refund
        3      employee     421     E1        90    -      -              -                paid
        3      bank         512     -         -     90     -              -                paid
    """)
    shows(
        paired(entries),
        """
        _entry account side debit credit amount side_amount foreign_amount foreign_currency label  contra_account contra_auxiliary contra_role
        1      625     D    30    -      30     30          -              -                hotel  467            CARD             company_paid
        1      625     D    70    -      70     70          -              -                hotel  421            E1               employee
        1      445     D    20    -      20     20          -              -                VAT    421            E1               employee
        2      625     C    -     5      -5     5           -5.5           USD              refund 421            E1               employee
        3      421     D    90    -      90     90          -              -                paid   512            -                bank
        """,
    )


def test_amounts_below_0_change_sides_and_zeros_vanish() -> None:
    entries = lines("""
        role     account debit  credit
        charge   1       0      -
        charge   2       10     -
        charge   3       -4     -
        employee 4       -      6
    """)
    shows(
        paired(entries),
        """
        account side side_amount contra_account
        2       D    4           3
        2       D    6           4
        """,
    )


def test_entries_that_do_not_balance_are_named() -> None:
    entries = lines("""
        _entry debit credit
        1      1     -
        1      -     1
        7      1     -
        8      -     1
    """)
    with pytest.raises(ValueError, match="_entry 7 does not balance"):
        paired(entries)


def test_pairs_need_few_columns() -> None:
    entries = lines("debit credit\n1 -\n- 1").select("_entry", "amount", "role")
    assert paired(entries).columns == ["_entry", "amount", "role", "contra_role"]


# ------------------------------------------------------------------------------------------------------ rounding


def test_largest_remainders_are_rounded_up_to_the_total_of_the_side() -> None:
    entries = lines("""
        account debit credit
        1       10.40 -
        2       10.40 -
        3       10.70 -
        4       0.10  -
        5       -     31.60
    """)
    rounded_lines = rounded(entries, 0, "round")
    shows(
        rounded_lines,
        """
        account debit credit amount side_amount rounding
        1       11    -      11     11          0.60
        2       10    -      10     10          -0.40
        3       11    -      11     11          0.30
        5       -     32     -32    32          -0.40
        """,
    )
    shows(rounding_by_account(entries, rounded_lines), "account rounding\n1 0.6\n2 -0.4\n3 0.3\n4 -0.1\n5 -0.4")


def test_truncated_totals_give_fewer_units() -> None:
    entries = lines("""
        account debit credit
        1       1.25  -
        2       1.69  -
        3       -     2.94
    """)
    shows(rounded(entries, 0, "truncate"), "account debit credit\n1 1 -\n2 1 -\n3 - 2")
    shows(rounded(entries, 1, "truncate"), "account debit credit\n1 1.2 -\n2 1.7 -\n3 - 2.9")
    shows(rounded(entries, 1, "round"), "account debit credit\n1 1.2 -\n2 1.7 -\n3 - 2.9")
    shows(rounded(entries, 2, "round"), "account debit rounding\n1 1.25 0\n2 1.69 0\n3 - 0")


def test_amounts_below_0_are_rounded_on_their_side() -> None:
    entries = lines("""
        account debit credit
        1       -1.75 -
        2       -0.75 -
        3       -     -2.5
    """)
    shows(rounded(entries, 0, "round"), "account debit credit amount\n1 -2 - -2\n2 -1 - -1\n3 - -3 3")
    shows(rounded(entries, 0, "truncate"), "account debit credit amount\n1 -1 - -1\n2 -1 - -1\n3 - -2 2")


# ---------------------------------------------------------------------------------------------------- properties

CLASSES = ["charge", "vat", "employee", "company_paid"]
MERGES = st.builds(
    Merge,
    charges=st.sampled_from(["none", "account", "sections"]),
    vat=st.sampled_from(["none", "account", "code"]),
    counterparts=st.sampled_from(["none", "account"]),
)
COLUMNS = ["_entry", "side", "units", "role", "account", "auxiliary", "vat_code", *AXES]


def books(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    schema = {name: {"_entry": pl.Int64, "units": pl.Int64}.get(name, pl.String) for name in COLUMNS}
    units = (pl.col("units").cast(pl.Decimal(38, 0)) * Decimal("0.0001")).cast(AMOUNT)
    zero = pl.lit(Decimal(0), AMOUNT)
    is_debit = pl.col("side") == "D"
    return (
        pl.DataFrame(rows, schema=schema, orient="row")
        .with_columns(side_amount=units, currency=pl.lit("EUR"))
        .with_columns(
            debit=pl.when(is_debit).then("side_amount").otherwise(zero),
            credit=pl.when(is_debit).then(zero).otherwise("side_amount"),
            amount=pl.when(is_debit).then("side_amount").otherwise((zero - pl.col("side_amount")).cast(AMOUNT)),
        )
        .drop("units")
    )


@st.composite
def balanced_entries(draw: st.DrawFn) -> pl.DataFrame:
    """Entries that balance, amounts below 0 and of 0 among them."""
    units = st.one_of(st.integers(-30_000, 90_000), st.integers(-(10**14), 10**16))
    rows = []
    for entry in range(draw(st.integers(0, 5))):
        said = draw(st.lists(st.tuples(st.sampled_from("DC"), units), min_size=1, max_size=7))
        balance = sum(amount if side == "D" else -amount for side, amount in said)
        for side, amount in [*said, ("C", balance)]:
            role = draw(st.sampled_from(CLASSES))
            account, auxiliary, code = draw(st.tuples(*[st.sampled_from(["1", "2", None])] * 3))
            cost, project = draw(st.tuples(*[st.sampled_from(["A", "B", "C", None])] * 2))
            rows.append((entry * 3, side, amount, role, account or "3", auxiliary, code, cost, project))
    return books(rows)


def sums(frame: pl.DataFrame, *by: str) -> pl.DataFrame:
    amounts = [name for name in AMOUNTS if name in frame.columns]
    return frame.group_by(*by).agg(pl.col(amounts).sum()).sort(*by, nulls_last=True)


@settings(max_examples=60, deadline=None)
@given(entries=balanced_entries(), merge=MERGES)
def test_merging_leaves_the_sums_of_every_account_and_side(entries: pl.DataFrame, merge: Merge) -> None:
    numbered_lines = numbered(entries, merge, AXES)
    lines_ = merged(numbered_lines)
    assert lines_["_line"].to_list() == list(range(lines_.height))
    assert numbered_lines["_line"].unique(maintain_order=True).to_list() == lines_["_line"].to_list()
    keys = ("_entry", "side", "account", "auxiliary")
    assert_frame_equal(sums(lines_, *keys), sums(entries, *keys))
    for role in ("charge", "vat"):
        of_role = pl.col("role") == role
        assert_frame_equal(sums(lines_.filter(of_role), *keys), sums(entries.filter(of_role), *keys))
    assert lines_.schema == numbered_lines.schema


@settings(max_examples=60, deadline=None)
@given(entries=balanced_entries())
def test_pairs_have_the_sums_of_every_account_and_side(entries: pl.DataFrame) -> None:
    pairs = paired(entries)
    assert (pairs["side_amount"] > 0).all()
    assert pairs["_entry"].is_sorted()
    accounts: Counter[tuple[Any, ...]] = Counter()
    for entry, account, amount in entries.select("_entry", "account", "amount").iter_rows():
        accounts[entry, account, amount > 0] += amount
    for entry, account, contra, amount in pairs.select("_entry", "account", "contra_account", "amount").iter_rows():
        accounts[entry, account, amount > 0] -= amount
        accounts[entry, contra, amount < 0] += amount
    assert not any(accounts.values())
    # A pair uses up a line, the last one of an entry two.
    used = entries.filter(pl.col("amount") != 0).group_by("_entry").agg(pl.len())
    assert pairs.height <= sum(max(n - 1, 0) for n in used["len"])


@settings(max_examples=60, deadline=None)
@given(entries=balanced_entries(), decimals=st.integers(0, 2), mode=st.sampled_from(["round", "truncate"]))
def test_rounding_keeps_the_balance_and_moves_lines_by_less_than_a_unit(
    entries: pl.DataFrame, decimals: int, mode: Any
) -> None:
    numbered_lines = numbered(entries, Merge(), [])
    rounded_lines = rounded(numbered_lines, decimals, mode)
    unit = Decimal(1).scaleb(-decimals)
    assert all(amount % unit == 0 for amount in rounded_lines["amount"])
    assert not rounded_lines.group_by("_entry").agg(pl.col("amount").sum()).filter(pl.col("amount") != 0).height
    new = dict(rounded_lines.select("_line", "amount").iter_rows())
    rounding = dict(rounded_lines.select("_line", "rounding").iter_rows())
    for line, exact in numbered_lines.select("_line", "amount").iter_rows():
        assert abs(new.get(line, 0) - exact) < unit
        assert rounding.get(line, -exact) == new.get(line, 0) - exact
    sides = sums(rounded_lines, "_entry", "side").select("_entry", "side", "side_amount").iter_rows()
    totals = {(entry, side): total for entry, side, total in sides}
    for entry, side, total in sums(entries, "_entry", "side").select("_entry", "side", "side_amount").iter_rows():
        how = "ROUND_HALF_UP" if mode == "round" else "ROUND_DOWN"
        assert totals.get((entry, side), 0) == total.quantize(unit, how)
    assert sum(rounding_by_account(entries, rounded_lines)["rounding"]) == 0


@settings(max_examples=60, deadline=None)
@given(entries=balanced_entries(), merge=MERGES, decimals=st.none() | st.integers(0, 2))
def test_sections_that_cover_a_line_add_up_to_it(entries: pl.DataFrame, merge: Merge, decimals: int | None) -> None:
    numbered_lines = numbered(entries, merge, AXES)
    lines_ = merged(numbered_lines) if decimals is None else rounded(merged(numbered_lines), decimals, "round")
    shares = sections(numbered_lines, lines_, AXES, decimals)
    assert_frame_equal(shares, shares.sort("_line", "axis_number", "section_in_line"))
    if decimals is not None:
        assert all(amount % Decimal(1).scaleb(-decimals) == 0 for amount in shares["section_amount"])
    borne = shares.group_by("_line", "axis").agg(pl.col("section_amount", "section_percent").sum())
    whole = {(line, axis): (amount, percent) for line, axis, amount, percent in borne.iter_rows()}
    for axis in AXES:
        covered = numbered_lines.group_by("_line").agg(pl.col(axis).is_not_null().all().alias("covered"))
        for line, amount in (
            lines_.join(covered.filter("covered"), on="_line").select("_line", "side_amount").iter_rows()
        ):
            assert whole[line, axis.removeprefix("axis_")] == (amount, 100)


def shaped(entries: pl.DataFrame, merge: Merge) -> list[pl.DataFrame]:
    numbered_lines = numbered(entries, merge, AXES)
    lines_ = merged(numbered_lines)
    rounded_lines = rounded(lines_, 1, "round")
    shares = sections(numbered_lines, rounded_lines, AXES, 1).join(
        lines_.select("_line", "_entry"), on="_line", how="left", maintain_order="left"
    )
    return [frame.drop("_line", strict=False) for frame in (lines_, rounded_lines, paired(rounded_lines), shares)]


@settings(max_examples=40, deadline=None)
@given(entries=balanced_entries(), merge=MERGES, cut=st.integers(0, 15))
def test_batches_cut_between_entries_change_nothing(entries: pl.DataFrame, merge: Merge, cut: int) -> None:
    first, second = entries.filter(pl.col("_entry") < cut), entries.filter(pl.col("_entry") >= cut)
    for whole, a, b in zip(shaped(entries, merge), shaped(first, merge), shaped(second, merge), strict=True):
        assert_frame_equal(whole, pl.concat([a, b]))


def test_ten_thousand_lines_of_great_amounts() -> None:
    rows: list[tuple[Any, ...]] = []
    for entry in range(2_000):
        amounts = [9 * 10**16 + entry * 7 + n for n in range(4)]
        sides = ["DDDD", "CCCC"][entry % 2]
        rows += [
            (entry, side, amount, CLASSES[n % 2], str(n % 3), None, "N", "AB"[n % 2], None)
            for n, (side, amount) in enumerate(zip(sides, amounts, strict=True))
        ]
        rows.append((entry, "CD"[entry % 2], sum(amounts), "employee", "421", "E1", None, None, None))
    entries = books(rows)
    for merge in (Merge(), ALL, BY_SECTION):
        lines_, rounded_lines, pairs, shares = shaped(entries, merge)
        assert lines_["debit"].sum() == lines_["credit"].sum() == entries["debit"].sum()
        assert rounded_lines["amount"].sum() == 0
        assert pairs["side_amount"].sum() == rounded_lines["debit"].sum()
        assert shares["section_amount"].sum() == rounded_lines.filter(pl.col("role") != "employee")["side_amount"].sum()


# -------------------------------------------------------------------------------------------------- VAT of charges


def vat_of(text: str) -> list[str]:
    """The charge_vat, charge_gross and charge_vat_code of each line of a table that has its amount."""
    frame = table(text).with_columns(
        side=pl.when(pl.col("amount") > 0).then(pl.lit("D")).otherwise(pl.lit("C")),
        side_amount=pl.col("amount").abs(),
        currency_digits=pl.lit(2, pl.Int32),
    )
    made = with_vat(frame).select("charge_vat", "charge_gross", "charge_vat_code")
    return [
        " ".join(
            "-" if cell is None else f"{cell:f}".rstrip("0").rstrip(".") if isinstance(cell, Decimal) else cell
            for cell in row
        )
        for row in made.iter_rows()
    ]


def test_vat_goes_with_the_charges_of_its_expense_by_their_amounts() -> None:
    assert vat_of("""
        _entry role     expense vat_code amount
        1      charge   X1      -        33.33
        1      charge   X1      -        66.67
        1      vat      X1      V20      20.01
        1      charge   X2      -        8.00
        1      vat      X2      V20      1.00
        1      vat      X2      V10      0.50
        1      charge   X3      -        10.00
        1      employee -       -        -139.51
        2      charge   X1      -        -50.00
        2      vat      X1      V10      -5.00
        2      employee -       -        55.00
    """) == [
        "6.67 40 V20", "13.34 80.01 V20", "0 0 -", "1.5 9.5 V10+V20", "0 0 -", "0 0 -", "0 10 -", "0 0 -",
        "5 55 V10", "0 0 -", "0 0 -",
    ]  # fmt: skip


def test_merged_vat_goes_with_all_charges_of_its_entry() -> None:
    assert vat_of("""
        _entry role     expense vat_code amount
        1      charge   X1      -        50.00
        1      charge   X2      -        100.00
        1      vat      -       V20      30.00
        1      employee -       -        -180.00
    """) == ["10 60 V20", "20 120 V20", "0 0 -", "0 0 -"]


def test_vat_of_a_pair_goes_with_the_charges_on_the_same_other_account() -> None:
    assert vat_of("""
        _entry role   expense vat_code amount contra_account contra_auxiliary
        1      charge X1      -        60.00  467            A
        1      charge X1      -        40.00  467            B
        1      vat    X1      V20      20.00  467            B
    """) == ["0 60 -", "20 60 V20", "0 0 -"]


def test_vat_without_a_charge_is_refused() -> None:
    with pytest.raises(ValueError, match="_entry 7 has VAT"):
        vat_of("""
            _entry role     expense vat_code amount
            7      vat      X1      V20      1.00
            7      employee -       -        -1.00
        """)


# --------------------------------------------------------------------------------------------------- counterparts


def test_a_charge_is_booked_against_its_method_and_one_of_two_lines_against_the_other() -> None:
    made = with_counterparts(
        table("""
        _entry role     account auxiliary payment_method
        1      charge   6       -         card
        1      charge   6       -         bank
        1      vat      4       -         card
        1      company  467     E1        card
        1      company  512     -         bank
        2      charge   6       -         -
        2      employee 421     E1        -
        3      employee 421     E1        -
        3      bank     512     -         -
        4      charge   6       -         card
        4      company  467     E1        card
        4      company  467     E2        card
        5      a        421     E1        -
        5      b        425     E1        -
        5      b        426     E1        -
    """)
    )
    assert [" ".join(cell or "-" for cell in row) for row in made.select("counterpart_account", "counterpart_auxiliary").iter_rows()] == [
        "467 E1", "512 -", "467 E1", "512 -", "467 E1",
        "421 E1", "- -",
        "512 -", "421 E1",
        "- -", "467 E2", "467 E1",
        "- -", "- -", "- -",
    ]  # fmt: skip
