"""What all tests share: the profiles of hypothesis, the option that rewrites golden files, programs that may be missing.

Profiles: `ci`, the default, tries the same examples on every machine; `deep` (make test-deep) tries many more, new
ones each time.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable

# A run takes tenths of a second and the first one imports polars and DuckDB: no deadline an example.
settings.register_profile(
    "ci", derandomize=True, deadline=None, database=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "deep", max_examples=2_000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# Seconds that a slow test may take before it counts as stuck.
SLOW_TIMEOUT = 1200

# The Debian package that brings each program.
PACKAGES = {
    "xmllint": "libxml2-utils",
    "hledger": "hledger",
    "ledger": "ledger",
    "soffice": "libreoffice-calc-nogui",
    "sshd": "openssh-server",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write the golden files again (make golden)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A slow test may take its time on a slow machine; the others have what pyproject.toml gives them."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT))


@pytest.fixture
def rewrite_golden(request: pytest.FixtureRequest) -> bool:
    """Whether a golden test writes what it is to compare with."""
    return bool(request.config.getoption("--rewrite-golden"))


@pytest.fixture
def program() -> Callable[[str], str]:
    """Gives the path of a program, or skips the test where the machine has none of that name."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed: make system-packages, or the package {PACKAGES.get(name, name)}")
        return path

    return find
