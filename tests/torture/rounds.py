"""Rounds: commands on one store at once, and readers meanwhile."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipeline.ledger.store import Store
from tests.torture.world import Violation, World, is_a_sentence


@dataclass(frozen=True)
class Round:
    """What became of commands given at once. order: those that did something, in the order in which they did."""

    order: tuple[str, ...]
    refused: int
    read: int


def lines_by_duckdb(store: Path) -> Any:
    """The entry lines and their sums, as a plain DuckDB reads the files of a version."""
    files = [str(path) for path in Store.open(store).files("entry_lines")]
    with duckdb.connect() as connection:
        return connection.execute(
            "select count(*), sum(debit)::varchar, sum(credit)::varchar, max(run) from read_parquet($files)",
            {"files": files},
        ).fetchall()


def lines_by_polars(store: Path) -> Any:
    """The same, as polars reads the Delta table."""
    lines = pl.scan_delta(str(store)).filter(pl.col("kind") == "entry_lines")
    return lines.select(pl.len(), pl.col("debit").sum(), pl.col("credit").sum(), pl.col("run").max()).collect().rows()


LIBRARIES: dict[str, Callable[[Path], Any]] = {"duckdb": lines_by_duckdb, "polars": lines_by_polars}


def at_once(
    world: World,
    home: Path,
    done: tuple[str, ...],
    steps: tuple[str, ...],
    chance: random.Random,
    readers: tuple[str, ...] = (),
) -> Round:
    """Starts steps at about the same time and waits for all; readers read over and over meanwhile.

    Holds each step to being done or refused, the ledger to being that of the steps done one after the other, and each
    answer to being that of the ledger between two of them. Raises: Violation.
    """
    store = world.place(world.after(done), home)
    answers: list[tuple[str, Any]] = []
    over = threading.Event()
    watch = [threading.Thread(target=_read_on, args=(world, store, reader, over, answers)) for reader in readers]
    for thread in watch:
        thread.start()
    commands = []
    for step in steps:
        commands.append(world.commands.start(*world.arguments(step, store), *(["--json"] if step == "export" else [])))
        time.sleep(chance.choice((0.0, chance.uniform(0, 0.05), chance.uniform(0, 0.6))))
    ended = [command.wait() for command in commands]
    over.set()
    for thread in watch:
        thread.join()
    placed = []
    for step, end in zip(steps, ended, strict=True):
        if end.ended_well:
            run = json.loads(end.out)["run"] if step != "compact" else 0
            placed.append((run, step == "export", step))
        elif not is_a_sentence(end):
            raise Violation(f"{steps} at once: {step} ends with {end.code}: {end.err[-1500:]}")
    order = tuple(step for _, _, step in sorted(placed))
    if not order:
        raise Violation(f"{steps} at once: none was done: {[end.err for end in ended]}")
    if world.see(store) != world.after((*done, *order)).seen:
        raise Violation(f"{steps} at once: the ledger is not the one of {order} one after the other")
    _hold_answers(world, done, order, answers)
    return Round(order, len(steps) - len(order), len(answers))


def _read_on(world: World, store: Path, reader: str, over: threading.Event, answers: list[tuple[str, Any]]) -> None:
    while True:
        is_last = over.is_set()
        try:
            if reader in LIBRARIES:
                answers.append((reader, LIBRARIES[reader](store)))
            else:
                ended, answer = world.ask(store, reader)
                answers.append((reader, answer if ended.ended_well else f"exit {ended.code}: {ended.err}"))
        except Exception as error:  # noqa: BLE001 - whatever it is, a reader must not meet it
            answers.append((reader, repr(error)))
        if is_last:
            return


def _hold_answers(world: World, done: tuple[str, ...], order: tuple[str, ...], answers: list[tuple[str, Any]]) -> None:
    moments = [(*done, *order[:count]) for count in range(len(order) + 1)]
    for reader in {reader for reader, _ in answers}:
        right = []
        for steps in moments:
            if reader in LIBRARIES:
                store = world.after(steps).store
                assert store is not None
                right.append(LIBRARIES[reader](store))
            else:
                right.append(world.answer(steps, reader))
        given = [answer for name, answer in answers if name == reader]
        for answer in given:
            if answer not in right:
                raise Violation(f"{reader} during {order}: an answer of no moment: {str(answer)[:1500]}")
        if given[-1] != right[-1]:
            raise Violation(f"{reader} after {order}: not the last ledger")
