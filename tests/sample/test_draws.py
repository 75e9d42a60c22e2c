"""Draws are the same for ever."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sample.draws import Draws


def drawn(seed: int, limit: int, name: str, numbers: list[int]) -> list[int]:
    frame = pl.DataFrame({"number": numbers}, schema={"number": pl.Int64})
    return frame.select(drawn=Draws(seed).below(limit, name, pl.col("number")))["drawn"].to_list()


PINNED = [88, 261, 768, 987, 898]


def test_draws_are_what_they_were() -> None:
    assert drawn(1, 1000, "fate", [1, 2, 3, 4, 5]) == PINNED
    assert drawn(2, 1000, "fate", [1, 2, 3, 4, 5]) != PINNED
    assert drawn(1, 1000, "kind", [1, 2, 3, 4, 5]) != PINNED


@given(
    seed=st.integers(-(1 << 63), (1 << 63) - 1),
    limit=st.integers(1, 1 << 31),
    name=st.text(),
    number=st.integers(0, (1 << 32) - 1),
)
def test_a_column_draws_what_a_number_draws(seed: int, limit: int, name: str, number: int) -> None:
    one = Draws(seed).number_below(limit, name, number)
    assert 0 <= one < limit
    assert drawn(seed, limit, name, [number]) == [one]


def test_every_value_comes_about_as_often() -> None:
    counts = pl.Series(drawn(1, 10, "any", list(range(100_000)))).value_counts()["count"]
    assert counts.min() > 9_600
    assert counts.max() < 10_400


def test_draws_of_two_names_have_nothing_to_do_with_each_other() -> None:
    numbers = list(range(100_000))
    both = sum(a == b for a, b in zip(drawn(1, 10, "a", numbers), drawn(1, 10, "b", numbers), strict=True))
    assert 9_600 < both < 10_400
