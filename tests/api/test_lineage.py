"""What the API makes is told to OpenLineage as commands tell it."""

from __future__ import annotations

import json

from tests.api.support import Served, month


def test_an_export_and_a_batch_are_told_and_a_preview_is_not(company: Served) -> None:
    events = company.directory / "lineage.jsonl"
    company.config.write_text(company.config.read_text() + f'\n[lineage]\nfile = "{events}"\n')
    asked = {"format": "csv", "legal_entity": "TN01"}
    with company.serving() as client:
        assert client.post("/v1/exports/preview", json=asked).status_code == 200
        assert client.post("/v1/exports", json=asked).status_code == 201
        assert client.post("/v1/batches", json=month()).status_code in {200, 201}
    told = [json.loads(line) for line in events.read_text().splitlines()]
    assert [(one["eventType"], one["job"]["name"]) for one in told] == [
        ("START", "lettrage.export.csv"),
        ("COMPLETE", "lettrage.export.csv"),
        ("START", "lettrage.run"),
        ("COMPLETE", "lettrage.run"),
    ]
