"""An installation for tests: a small ledger, settings beside it, and a folder that files are delivered to."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.ledger.store import Store
from pipeline.settings.settings import Settings, load_settings
from tests.support import Company, expense, order, reference, report, write


@cache
def _ledger() -> Path:
    """The ledger that every installation begins with; made once."""
    directory = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    company = Company(directory)
    company.run(expense_reports=[report("R1")], expenses=[expense("R1"), expense("R1", expense="X2", gross="20.00")])
    return company.store


class Installation:
    """A company with a report of January, its settings, and the profile `journal` delivered to the folder `in`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.company = Company(directory)
        shutil.copytree(_ledger(), self.company.store)
        self.company.runs = 1
        write(directory / "reference", reference())
        self.received = directory / "in"
        self.received.mkdir()
        self.profiles = directory / "profiles"
        self.profiles.mkdir()
        self.profile("journal", destinations=["accounting"])
        self.configure()

    def profile(self, name: str, *, destinations: list[str], format_name: str = "csv") -> None:
        """Writes a profile."""
        said = f'format = "{format_name}"\nentity = "FR01"\ndestinations = {json.dumps(destinations)}\n'
        (self.profiles / f"{name}.toml").write_text(said)

    def configure(self, more: str = "", **destinations: str) -> Settings:
        """Writes the settings: the folder `accounting`, others as TOML, and more at the end."""
        tables = {"accounting": f'by = "folder"\npath = "{self.received}"\nwait_seconds = 0', **destinations}
        said = 'store = "store"\nreference = "reference"\ntimezone = "Europe/Paris"\n'
        said += "".join(f"\n[destinations.{name}]\n{table}\n" for name, table in tables.items())
        self.config = self.directory / "lettrage.toml"
        self.config.write_text(said + more)
        return load_settings(self.config)

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    @property
    def store(self) -> Store:
        return Store.open(self.company.store)

    def invoke(self, *arguments: str) -> Result:
        """Gives a command with these settings."""
        return CliRunner().invoke(main, [*arguments, "--config", str(self.config)], catch_exceptions=False)

    def json(self, *arguments: str, code: int = 0) -> Any:
        """What a command prints for machines."""
        result = self.invoke(*arguments, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def export(self, *more: str, name: str = "journal", through: str = "2026-12-31", code: int = 0) -> Any:
        """Makes an export by a profile."""
        asked = ("--profile", str(self.profiles / f"{name}.toml"), "--through", through, "--on", "2026-03-01")
        out = ("--out", str(self.directory / "files"), "--store", str(self.company.store))
        return self.json("export", *asked, *out, *more, code=code)

    def pay(self, payment_order: str = "PO1", **cells: str) -> None:
        """Pays what is open."""
        self.company.run(payment_orders=[order(payment_order, **cells)])

    def names(self, folder: Path | None = None) -> list[str]:
        """What a receiver finds."""
        return sorted(path.name for path in (folder or self.received).rglob("*") if path.is_file())
