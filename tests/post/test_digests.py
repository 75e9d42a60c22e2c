"""Digests that the ledger keeps are the same whatever computes them."""

from __future__ import annotations

import hashlib

from pipeline.sql import Session


def test_a_number_of_a_text_is_the_second_half_of_its_md5() -> None:
    texts = ["", "a", "é\x1f0.0000", "x" * 200]
    expected = [
        int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[8:], "little") for text in texts
    ]
    with Session() as session:
        assert [session.value("select md5_lower($text)", {"text": text}) for text in texts] == expected
        assert [session.value("select md5_number_lower($text)", {"text": text}) for text in texts] == expected
        assert session.value("select md5_lower(null)") is None
