"""What a log may hold: plain JSON values without any secret.

A secret is known by the name of its field, by its type, by its value where it was looked up, and by how texts write it
(user:password@host, `Bearer …`, `token=…`).
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import date, datetime, time
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: what stands in place of a secret
HIDDEN = "***"
#: a word of a field's name by which what it holds is a secret
_NAMES = frozenset(
    {
        "apikey",
        "auth",
        "authorization",
        "cookie",
        "cookies",
        "credential",
        "credentials",
        "key",
        "keys",
        "passphrase",
        "passwd",
        "password",
        "passwords",
        "privatekey",
        "pwd",
        "secret",
        "secrets",
        "token",
        "tokens",
    }
)
#: a last word by which a field tells something about a secret: which key was used, how many tokens there are
_ABOUT = frozenset({"count", "id", "ids", "name", "names"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
#: a shorter secret is hidden where it is all of a value, and not inside texts: every third word would hold it
_SHORTEST = 4
#: a line of a key file that gives something of it away
_LONG_LINE = 12
_IN_TEXT = (
    (re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+(?=@)"), rf"\1:{HIDDEN}"),
    (re.compile(r"\b(bearer|basic|digest)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (
        re.compile(
            r"((?:api[_-]?key|authorization|passphrase|passwd|password|pwd|secret|token)[\"']?\s*[=:]\s*[\"']?)"
            r"(?!(?:bearer|basic|digest)\s)[^\s&\"',;})]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
)


class Redactor:
    """A processor of structlog: makes an event plain and takes every secret out of it.

    secrets: gives the values that were looked up so far.
    """

    def __init__(self, secrets: Callable[[], Iterable[str]] = frozenset) -> None:
        self._secrets = secrets

    def __call__(self, _logger: Any, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Gives the event as it may be written."""
        hidden = _written_forms(self._secrets())
        return {_text(name, hidden): _plain(name, value, hidden) for name, value in event.items()}


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without these secrets and without what looks like one."""
    return _text(text, _written_forms(secrets))


def _written_forms(secrets: Iterable[str]) -> list[str]:
    """The texts by which a secret may appear, the longest first so that none leaves a part of another."""
    forms: set[str] = set()
    for secret in secrets:
        forms |= {secret, secret.strip(), quote(secret, safe=""), quote_plus(secret)}
        forms |= {repr(secret)[1:-1], b64encode(secret.encode()).decode()}
        lines = secret.splitlines()
        forms |= {line.strip() for line in lines if len(lines) > 1 and len(line.strip()) >= _LONG_LINE}
    return sorted(forms - {""}, key=lambda form: (-len(form), form))


def _plain(name: str, value: Any, hidden: list[str]) -> Any:  # noqa: PLR0911 - one a kind of value
    """A value as JSON has it; amounts stay exact as text."""
    if value is None or isinstance(value, bool):
        return value
    if _is_secret(name) or hasattr(value, "get_secret_value"):
        return HIDDEN
    if isinstance(value, Enum):
        return _plain(name, value.value, hidden)
    if isinstance(value, (int, float)) and math.isfinite(value):
        return HIDDEN if str(value) in hidden else value
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping):
        return {_text(str(key), hidden): _plain(str(key), one, hidden) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain("", one, hidden) for one in value]
    try:
        return _text(str(value), hidden)
    except Exception:  # noqa: BLE001 - an object that cannot say what it is must not end the work
        return f"<{type(value).__name__}>"


def _is_secret(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    return any(word in _NAMES for word in words) and words[-1] not in _ABOUT


def _text(text: str, hidden: list[str]) -> str:
    if text in hidden:
        return HIDDEN
    for form in hidden:
        if len(form) >= _SHORTEST:
            text = text.replace(form, HIDDEN)
    for pattern, instead in _IN_TEXT:
        text = pattern.sub(instead, text)
    return text
