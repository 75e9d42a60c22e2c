"""Giving the export commands, and reading what they wrote."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq

from tests.support import Company


def exported(
    company: Company, *options: str, out: str = "out", on: str = "2026-04-02", expect: int = 0
) -> dict[str, Any]:
    """Gives `lettrage export`; returns what it prints for machines, or its message where it is to fail."""
    given = ("export", "--json", "--on", on, "--out", str(company.directory / out))
    result = company.invoke(*given, *options)
    assert result.exit_code == expect, result.output + result.stderr + repr(result.exception)
    said: dict[str, Any] = json.loads(result.stdout) if expect == 0 else {"error": result.stderr}
    return said


def written(company: Company, out: str = "out") -> dict[str, bytes]:
    """Returns what a folder of exports holds, control sheets left out."""
    folder = company.directory / out
    if not folder.exists():
        return {}
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith("control_")}


def as_text(path: Path) -> tuple[str, bytes]:
    """Returns the name and bytes of a file; of a workbook what its cells hold, of a Parquet file its rows."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        said = [*(f"{column.name} {column.type}" for column in table.schema), *map(str, table.to_pylist())]
        return f"{path.name}.rows", "".join(f"{line}\n" for line in said).encode()
    if path.suffix != ".xlsx":
        return path.name, path.read_bytes()
    workbook = openpyxl.load_workbook(io.BytesIO(path.read_bytes()))
    cells = [
        f"{sheet.title}!{cell.coordinate} {cell.data_type} {cell.number_format} {cell.value!r}"
        for sheet in workbook.worksheets
        for row in sheet.iter_rows()
        for cell in row
        if cell.value is not None
    ]
    return f"{path.name}.cells", "".join(f"{cell}\n" for cell in cells).encode()


def unpacked(files: dict[str, bytes]) -> dict[str, bytes]:
    """Returns the files, what is in archives in place of these, named after both: how they are packed may change."""
    made: dict[str, bytes] = {}
    for name, content in files.items():
        if name.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                made |= {f"{name}_{member}": archive.read(member) for member in archive.namelist()}
        elif name.endswith(".gz"):
            made[name.removesuffix(".gz")] = gzip.decompress(content)
        elif name.endswith(".rapidstart"):
            made[f"{name}.xml"] = gzip.decompress(content)
        else:
            made[name] = content
    return made


def control_sheets(company: Company, out: str = "out") -> list[str]:
    """Returns the control sheets of a folder."""
    return [path.read_text() for path in sorted((company.directory / out).glob("control_*"))]


def profile(company: Company, text: str, name: str = "profile") -> Path:
    """Writes a profile."""
    path = company.directory / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path
