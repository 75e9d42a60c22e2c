"""Every format that comes with the program gives the files of its golden folder, to the byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.exports.format import load_format, shipped
from tests.exports.exporting import as_text, exported, unpacked
from tests.support import Company

GOLDEN = Path(__file__).parents[1] / "golden" / "exports"
PROFILES = Path(__file__).parents[1] / "golden" / "profiles"
ORDERS = {"pain001": "PO1", "payment_list": "PO-TN"}


def made(company: Company, name: str) -> dict[str, bytes]:
    """Exports all that the format is for; returns the files by name."""
    if load_format(name).format.of == "payments":
        exported_order = company.invoke("export", "--order", ORDERS[name], "--out", str(company.directory / "out"))
        assert exported_order.exit_code == 0, exported_order.stderr
    else:
        profile = PROFILES / f"{name}.toml"  # where the package takes less than the company has, as short journal codes
        asked = ("--profile", str(profile)) if profile.exists() else ("--format", name)
        exported(company, *asked, "--entity", "FR01")
        company.invoke("export", *asked, "--entity", "TN01", "--on", "2026-04-02", "--out", str(out(company)))
    # What is packed changes with the library that packs it, and the control sheet names its digest.
    form = load_format(name).format
    is_packed = form.kind in ("xlsx", "parquet") or form.pack is not None
    kept = [path for path in sorted(out(company).iterdir()) if not is_packed or not path.name.startswith("control_")]
    return unpacked(dict(as_text(path) for path in kept))


def out(company: Company) -> Path:
    return company.directory / "out"


@pytest.mark.parametrize("name", shipped())
def test_a_format_gives_its_golden_files(ledger: Company, name: str, rewrite_golden: bool) -> None:
    files = made(ledger, name)
    folder = GOLDEN / name
    if rewrite_golden:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        for file, content in files.items():
            (folder / file).write_bytes(content)
    golden = {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}
    assert sorted(files) == sorted(golden), f"no golden files of {name}: make golden"
    for file, content in files.items():
        assert content.decode("latin-1").splitlines() == golden[file].decode("latin-1").splitlines(), file
        assert content == golden[file], file


def test_a_golden_folder_is_of_a_format(rewrite_golden: bool) -> None:
    strangers = [path for path in GOLDEN.iterdir() if path.is_dir() and path.name not in shipped()]
    assert {path.stem for path in PROFILES.glob("*.toml")} <= set(shipped())
    if rewrite_golden:
        for folder in strangers:
            shutil.rmtree(folder)
        return
    assert strangers == []
