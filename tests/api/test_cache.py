from __future__ import annotations

import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema_rs

from pipeline.api.cache import Cache
from pipeline.api.openapi import PAGE
from pipeline.ledger.store import Store

if TYPE_CHECKING:
    from tests.api.support import Served

DOCS = Path(__file__).parents[2] / "docs" / "api.md"


def test_what_many_ask_for_at_once_is_made_once(books: Served) -> None:
    store, cache, made = Store.open(books.store), Cache(), []
    ready = threading.Barrier(16)

    def make() -> list[int]:
        made.append(1)
        time.sleep(0.05)
        return [len(made)]

    def ask(_: int) -> list[int]:
        ready.wait(10)
        return cache.get(store, "x", make, len)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(16)))
    assert made == [1]
    assert answers == [[1]] * 16


def test_the_oldest_goes_first_and_what_is_too_large_is_not_kept(books: Served) -> None:
    store, cache = Store.open(books.store), Cache(most=2, largest=10)
    made: list[str] = []

    def get(what: str) -> str:
        def make() -> str:
            made.append(what)
            return what

        return cache.get(store, what, make, len)

    for what in ("a", "b", "a", "c", "a", "b"):
        get(what)
    assert made == ["a", "b", "c", "b"]
    for _ in range(2):
        get("x" * 11)
    assert made[-2:] == ["x" * 11] * 2


def test_what_fails_is_tried_again(books: Served) -> None:
    store, cache, tries = Store.open(books.store), Cache(), []

    def make() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("not now")
        return "made"

    for _ in range(2):
        try:
            assert cache.get(store, "x", make, len) == "made"
        except OSError:
            assert len(tries) == 1
    assert len(tries) == 2


def test_the_examples_of_the_page_are_requests_that_the_openapi_knows() -> None:
    document, page = json.loads(PAGE.read_text(encoding="utf-8")), DOCS.read_text(encoding="utf-8")
    sent = re.findall(r"curl (.*?)(?=\n(?:curl|#|```))", page, re.DOTALL)
    assert len(sent) >= 7
    for command in sent:
        path = re.sub(r"/\d+(?=/)", "/{number}", re.search(r"8180(/v1/[^\s'?]*)", command)[1])  # type: ignore[index]
        path = re.sub(r"(?<=files/).+", "{name}", path)
        path = re.sub(r"orders/[^/]+", "orders/{order}", path)
        path = re.sub(r"(?<=reference/)\w+", "{table}", path)
        assert path in document["paths"], path
        body = re.search(r"-d '(.*?)'", command, re.DOTALL)
        if body:
            media = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
            schema = {**media["schema"], "components": document["components"]}
            assert jsonschema_rs.is_valid(schema, json.loads(body[1])), command
