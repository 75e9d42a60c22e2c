"""Writes docs/settings.schema.json: the JSON Schema by which editors complete the settings (`make docs`)."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.settings.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.schema.json"


def schema() -> str:
    """The schema, as the file holds it."""
    made = Settings.model_json_schema()
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(schema(), encoding="utf-8")
