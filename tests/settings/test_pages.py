"""What the pages show is what the program takes."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from pipeline.schedule.calendar import moments
from pipeline.settings.pages import PAGE, schema
from pipeline.settings.settings import load_settings

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("settings.md", "schedules.md", "delivery.md", "master-data.md", "api.md")


def examples(page: str) -> list[str]:
    """The TOML of a page."""
    return re.findall(r"```toml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_schema_is_that_of_the_models() -> None:
    assert PAGE.read_text(encoding="utf-8") == schema(), "`make docs` writes it anew"


@pytest.mark.parametrize("page", [page for page in PAGES if (DOCS / page).exists()])
def test_the_settings_of_a_page_are_taken(tmp_path: Path, page: str) -> None:
    """Examples are added to those of settings.md, where they are not whole."""
    (whole,) = examples("settings.md")
    base = tomllib.loads(whole)
    for example in examples(page):
        base |= {key: _merged(base.get(key), value) for key, value in tomllib.loads(example).items()}
    path = tmp_path / "lettrage.toml"
    path.write_text(_toml(base), encoding="utf-8")
    settings = load_settings(path)
    for schedule in settings.schedules.values():
        assert next(iter(moments(schedule, datetime(2026, 11, 26, tzinfo=UTC), settings.zone)))


def _merged(before: Any, after: Any) -> Any:
    if isinstance(before, dict) and isinstance(after, dict):
        return {**before, **after}
    return after


def _toml(value: dict[str, Any], path: str = "") -> str:
    """A document as TOML: enough for what the settings hold."""

    def said(cell: Any) -> str:
        if isinstance(cell, (date, time)):
            return cell.isoformat()
        return json.dumps(cell, ensure_ascii=False)

    lines = [f"{key} = {said(cell)}" for key, cell in value.items() if not isinstance(cell, dict)]
    tables = [(key, cell) for key, cell in value.items() if isinstance(cell, dict)]
    text = "\n".join(lines) + "\n"
    for key, cell in tables:
        name = f"{path}.{key}" if path else key
        text += f"\n[{name}]\n{_toml(cell, name)}"
    return text
