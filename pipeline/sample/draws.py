"""Numbers that look random and are the same for ever: hashes of a counter, in integer arithmetic alone.

A draw depends on the seed, on the name of what is drawn and on the number of the row it is drawn for, and on nothing
else: not on the rows beside it, the number of threads, the slice it is computed in, nor the version of a library.
The hash is the 32-bit mixer "lowbias32" (Chris Wellons); 32-bit factors in 64-bit integers never overflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import polars as pl

_BITS = 0xFFFF_FFFF
_FIRST, _SECOND = 0x7FEB_352D, 0x846C_A68B


def _mixed(value: int) -> int:
    value &= _BITS
    value ^= value >> 16
    value = (value * _FIRST) & _BITS
    value ^= value >> 15
    value = (value * _SECOND) & _BITS
    return value ^ (value >> 16)


def _mixed_column(value: pl.Expr) -> pl.Expr:
    """The same for a column of UInt64 below 2³²."""
    value = value ^ (value // (1 << 16))
    value = (value * _FIRST) & _BITS
    value = value ^ (value // (1 << 15))
    value = (value * _SECOND) & _BITS
    return value ^ (value // (1 << 16))


@dataclass(frozen=True)
class Draws:
    """Draws of one seed."""

    seed: int

    def below(self, limit: int, name: str, *numbers: pl.Expr) -> pl.Expr:
        """Draws a whole number from 0 up to but not `limit` for each row, by the row's `numbers`, each below 2³²."""
        drawn = pl.lit(self._key(name), dtype=pl.UInt64)
        for number in numbers:
            drawn = _mixed_column(drawn ^ number.cast(pl.UInt64))
        return (drawn * limit // (1 << 32)).cast(pl.Int64)

    def number_below(self, limit: int, name: str, *numbers: int) -> int:
        """Draws one number, the one that `below` draws for a row of these numbers."""
        drawn = self._key(name)
        for number in numbers:
            drawn = _mixed(drawn ^ number)
        return drawn * limit >> 32

    def chance(self, percent: int, name: str, *numbers: pl.Expr) -> pl.Expr:
        """Draws whether something happens that happens so often."""
        return self.below(100, name, *numbers) < percent

    def _key(self, name: str) -> int:
        return _mixed(crc32(name.encode()) ^ _mixed(self.seed) ^ _mixed(~(self.seed >> 32)))
