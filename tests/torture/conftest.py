"""A company to torture and a nursery of its commands, made once for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.torture import power
from tests.torture.commands import Commands
from tests.torture.trace import Operation, why_no_trace
from tests.torture.world import World


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    if not hasattr(os, "pidfd_open"):
        pytest.skip("processes are watched as Linux does it")
    with Commands(tmp_path_factory.mktemp("said")) as nursery:
        yield nursery


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, commands: Commands) -> World:
    return World(tmp_path_factory.mktemp("world"), commands)


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory, world: World) -> Callable[[tuple[str, ...], str], power.Story]:
    """What a step does to a disk."""

    @cache
    def told(done: tuple[str, ...], step: str) -> power.Story:
        _need_trace()
        return power.tell(world, tmp_path_factory.mktemp("story"), done, step)

    return told


@pytest.fixture(scope="session")
def operations(
    story: Callable[[tuple[str, ...], str], power.Story],
) -> Callable[[tuple[str, ...], str], list[Operation]]:
    """What a step does to files when it is not disturbed."""
    return lambda done, step: story(done, step).operations


def _need_trace() -> None:
    reason = why_no_trace()
    if reason is not None:
        pytest.skip(reason)
