"""The worked examples that the layouts come with: from a ledger with that entry, those very bytes.

A case is a folder golden/examples/<ledger>/<case>/ with a profile.toml and, under expected/, the files; of a workbook
what its cells hold. What the command is given besides stands in options.txt, else the period of the entry.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from filelock import FileLock

from pipeline.cli import main
from tests.exports.exporting import as_text, unpacked
from tests.exports.scenarios import LEDGERS
from tests.support import sampled

EXAMPLES = Path(__file__).parents[1] / "golden" / "examples"
CASES = sorted(path.parent for path in EXAMPLES.glob("*/*/profile.toml"))
PERIOD = {
    "french": "--from 2024-03-01 --through 2024-03-31 --on 2024-03-31",
    "international": "--from 2026-03-01 --through 2026-03-31 --on 2026-03-31",
}


@pytest.fixture(scope="session")
def scenario_stores(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, Path]:
    """The ledgers of the examples, each made once by the first worker that asks; a preview writes nothing into them."""
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    made = {}
    for name, build in LEDGERS.items():
        home = shared / f"scenario-{name}"
        with FileLock(shared / f"scenario-{name}.lock"):
            if not (home / "made").exists():
                build(home)
                (home / "made").touch()
        made[name] = home / "store"
    return made


@pytest.mark.parametrize("case", sampled(CASES), ids=lambda case: f"{case.parent.name}-{case.name}")
def test_an_example_gives_its_bytes(case: Path, scenario_stores: dict[str, Path], tmp_path: Path) -> None:
    store = shutil.copytree(scenario_stores[case.parent.name], tmp_path / "store")
    given = case / "options.txt"
    options = shlex.split(given.read_text() if given.exists() else PERIOD[case.parent.name])
    arguments = ["export", "--store", str(store), "--profile", str(case / "profile.toml"), "--entity", "FR01"]
    result = CliRunner().invoke(main, [*arguments, *options, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output + result.stderr
    made = unpacked(dict(as_text(path) for path in (tmp_path / "out").iterdir() if "control_" not in path.name))
    expected = {path.name: path.read_bytes() for path in (case / "expected").iterdir()}
    if len(expected) == 1:  # the example's file may have another name
        made, expected = {"": made.popitem()[1]}, {"": expected.popitem()[1]}
    assert made == expected
