"""TLS as every channel speaks it: certificate and host name are verified."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from pipeline.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def context(ca_file: Path | None) -> ssl.SSLContext:
    """ca_file: the authorities that are trusted in place of the system's. Raises: SettingsError."""
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        said = error.strerror if not isinstance(error, ssl.SSLError) else "it holds no certificate"
        raise SettingsError(
            f"the authority's certificate cannot be read ({said})", where=str(ca_file), mend="give a PEM file"
        ) from None
