"""What channels that speak TLS share: certificates and host names are verified; what a broken connection means."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from pipeline.errors import DeliveryError, SettingsError, TryAgainError

if TYPE_CHECKING:
    from pathlib import Path


def context(ca_file: Path | None) -> ssl.SSLContext:
    """ca_file: the authorities that are trusted in place of the system's. Raises: SettingsError."""
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:
        said = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError(
            f"the authority's certificate cannot be read ({said})", where=str(ca_file), mend="give a PEM file"
        ) from None


def lost(error: OSError | EOFError, doing: str, where: str, seconds: float) -> DeliveryError:
    """The error for a connection that broke, was not made, or is not to be trusted. seconds: the timeout."""
    kind: type[DeliveryError] = TryAgainError
    what, mend = f"{doing} ({str(error) or 'the connection was closed'})", None
    if isinstance(error, ssl.SSLCertVerificationError):
        kind, what = DeliveryError, f"{doing}: its certificate is not to be trusted ({error.verify_message})"
        mend = (
            "nothing was sent; host has to be the name in the certificate, and ca_file the authority that signed it, "
            "where that is the receiver's own"
        )
    elif isinstance(error, TimeoutError):
        what = f"{doing}: it gave no answer for {seconds:g} seconds"
    elif isinstance(error, socket.gaierror):
        kind = TryAgainError if error.errno == socket.EAI_AGAIN else DeliveryError
        what, mend = f"{doing}: its name is not known", "check host, and the network"
    return kind(what, where=where, mend=mend)
