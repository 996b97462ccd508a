"""Ranges of signals: integers on a grid."""

from __future__ import annotations

from gatewright.base import FormatError
from gatewright.num import MAX_WIDTH

Range = tuple[int, int, int]
"""Smallest integer, largest integer, binary point."""


def narrowed(lo: int, hi: int, within: tuple[int, int] | None) -> tuple[int, int]:
    """Return the part of a range that is also in another."""
    return (lo, hi) if within is None else (max(lo, within[0]), min(hi, within[1]))


def common(a: Range, b: Range) -> tuple[Range, Range]:
    """Return two ranges on the finer of their grids; zero is on every grid."""
    if a[0] == a[1] == 0:
        return (0, 0, b[2]), b
    if b[0] == b[1] == 0:
        return a, (0, 0, a[2])
    f = max(a[2], b[2])
    return (
        (a[0] << (f - a[2]), a[1] << (f - a[2]), f),
        (b[0] << (f - b[2]), b[1] << (f - b[2]), f),
    )


def too_wide(place: str, found: str) -> FormatError:
    """Return the error of a signal that no engine computes with."""
    return FormatError(
        "a signal would be wider than we compute with",
        place=place,
        found=found,
        supported=f"{MAX_WIDTH} bits, sign included",
        remedy="quantize the layer's inputs or weights to fewer bits",
    )
