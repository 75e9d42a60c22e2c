"""The terminal that a command writes to. `status` asks for nothing more of what `screen.py` loads."""

from __future__ import annotations

from rich.console import Console

#: columns where there is no terminal to ask
_WIDE = 160


def wide_console() -> Console:
    """A console as wide as the terminal; on a pipe or in a file wide enough that no name is cut."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE)
