"""The data dictionary: current, and complete."""

from __future__ import annotations

import schemas
from schemas.dictionary import PAGE, dictionary
from schemas.table import Form, columns


def test_the_page_is_what_the_models_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == dictionary(), "make docs"


def test_every_column_of_every_table_has_its_line() -> None:
    page = dictionary()
    for group in (schemas.REFERENCE, schemas.MOVEMENTS, schemas.LEDGER, schemas.STORED):
        for table, model in group.items():
            name = f"stored {table}" if group is schemas.STORED else table
            section = page.split(f"\n### {name}\n")[1].split("\n### ")[0]
            for column in columns(model):
                assert f"| `{column.name}` | {column.form} |" in section, (table, column.name)
                assert column.description, (table, column.name)


def test_every_value_of_an_enum_is_given() -> None:
    page = dictionary()
    for group in (schemas.REFERENCE, schemas.MOVEMENTS, schemas.LEDGER, schemas.STORED):
        for model in group.values():
            for column in columns(model):
                assert all(f"`{value}`" in page for value in column.values)


def test_every_form_is_explained() -> None:
    forms = dictionary().split("## Forms")[1].split("\n## ")[0]
    assert all(f"\n| {form} | " in forms for form in Form)


def test_bounds_and_patterns_stand_beside_the_columns() -> None:
    page = dictionary()
    assert "at least 0, at most 100" in page
    assert "above 0" in page
    assert "`^[a-z][a-z0-9_]{0,29}$`" in page
