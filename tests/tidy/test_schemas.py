"""The models: no column holds a binary floating-point number, every rule is explained."""

from __future__ import annotations

import re

import polars as pl
import pytest

import schemas
from schemas.terms import Rule
from tests.tidy.tree import ROOT

MODELS = {
    f"{group}.{table}": model
    for group in ("REFERENCE", "MOVEMENTS", "LEDGER", "STORED")
    for table, model in getattr(schemas, group).items()
}

FLOATS = (pl.Float32, pl.Float64)


@pytest.mark.parametrize("name", MODELS)
def test_no_column_is_floating_point(name: str) -> None:
    columns = MODELS[name].to_schema().columns
    assert [column for column, schema in columns.items() if schema.dtype.type in FLOATS] == []


def test_every_rule_is_explained_to_the_accountant() -> None:
    page = (ROOT / "docs" / "rules.md").read_text()
    table = page[page.index("| rule | ") :].split("\n\n", 1)[0]
    explained = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(explained) == sorted(rule.value for rule in Rule)
