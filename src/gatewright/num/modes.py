"""Rounding and overflow modes, with the meaning they have in `ap_fixed` (AMD UG1399).

The four tie conventions of the field are four modes: half to even is `RND_CONV` (ONNX, QONNX
`ROUND`), half up is `RND` (HGQ2), half away from zero is `RND_INF` (QONNX `HALF_UP`, QKeras
`auto`), and half to zero is `RND_ZERO` (QONNX `HALF_DOWN`).
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from gatewright.base import FormatError

Ints = NDArray[np.int64]


class Rounding(Enum):
    """What happens to the bits below the new least significant one."""

    TRN = "toward minus infinity"
    TRN_ZERO = "toward zero"
    CEIL = "toward plus infinity"
    AWAY = "away from zero"
    RND = "nearest, half up"
    RND_ZERO = "nearest, half toward zero"
    RND_INF = "nearest, half away from zero"
    RND_MIN_INF = "nearest, half down"
    RND_CONV = "nearest, half to even"


class Overflow(Enum):
    """What happens to a value that the new format cannot hold."""

    WRAP = "wrap modulo the width"
    SAT = "clip to the format's limits"
    SAT_ZERO = "become zero"
    SAT_SYM = "clip to symmetric limits"


def round_shift(q: Ints, shift: int | Ints, mode: Rounding) -> Ints:
    """Return `q * 2**-shift` rounded to an integer; a negative shift multiplies, exactly.

    Args:
        q: integers of any shape.
        shift: bits to drop, per element or one for all; broadcast against `q`.
        mode: where the dropped part goes.
    """
    shift = _single(np.asarray(shift, dtype=np.int64))
    q = np.asarray(q, dtype=np.int64)
    if not shift.any():
        return q.copy()
    left = np.maximum(-shift, 0)
    if left.any():
        # Past 64 bits nothing but zero fits, however far it is shifted.
        left = np.minimum(left, 64)
        _require_room(q, left)
        q = q << left
    right = np.clip(shift, 0, 62)
    if not right.any():
        return q
    if (shift > 62).any():
        # More than 62 bits go: those below leave a mark in the lowest, which no mode mistakes.
        far = np.clip(shift - 62, 0, 63)
        floor = q >> far
        q = floor | (floor << far != q)
    floor = q >> right
    if mode is Rounding.TRN:
        return np.asarray(floor, np.int64)
    rest = q - (floor << right)
    return np.asarray(floor + round_up(floor, rest, right, q < 0, mode), np.int64)


def _single(shift: Ints) -> Ints:
    """Return one number where all are equal, which is quicker to compute with."""
    flat = shift.ravel()
    return flat[:1].reshape(()) if flat.size > 1 and (flat == flat[0]).all() else shift


def _require_room(q: Ints, left: Ints) -> None:
    """Raise `FormatError` where a shift to the left would leave 62 bits."""
    top = max(abs(int(q.max(initial=0))), abs(int(q.min(initial=0)))).bit_length()
    if top + int(left.max()) > 61:  # then it is looked at element by element
        require_exact(np.ldexp(np.abs(q.astype(np.float64)), left.astype(np.int32)))


def round_up(
    floor: Ints, rest: Ints, shift: Ints, negative: NDArray[np.bool_], mode: Rounding
) -> Ints:
    """Return 1 where the value `floor + rest / 2**shift` rounds to `floor + 1`, else 0.

    `negative` is the sign of the value itself, which the modes about zero ask for.
    """
    if mode in DIRECTED:
        up = rest > 0
        if mode is Rounding.TRN:
            up = np.zeros_like(up)
        elif mode is not Rounding.CEIL:
            up = up & (negative if mode is Rounding.TRN_ZERO else ~negative)
        return np.asarray(up, np.int64)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 1)
    if mode is Rounding.RND_MIN_INF:
        return np.asarray(rest > half, np.int64)
    if mode is Rounding.RND:
        return np.asarray((rest >= half) & (shift > 0), np.int64)
    tie = (rest == half) & (shift > 0)
    if mode is Rounding.RND_CONV:
        tie &= (floor & 1) == 1
    else:
        tie &= negative if mode is Rounding.RND_ZERO else ~negative
    return np.asarray((rest > half) | tie, np.int64)


DIRECTED = (Rounding.TRN, Rounding.TRN_ZERO, Rounding.CEIL, Rounding.AWAY)
"""Modes that do not ask how far it is to the nearest."""


def overflow(q: Ints, signed: NDArray[np.bool_], width: Ints, mode: Overflow) -> Ints:
    """Bring the integers `q` into `width` bits, two's complement where `signed`.

    `signed` and `width` are per element and broadcast against `q`. Width 0 holds only zero.
    """
    low, high = limits(signed, width, mode)
    if mode is Overflow.SAT_ZERO:
        return np.where((q < low) | (q > high), 0, q)
    if mode is not Overflow.WRAP:
        return np.clip(q, low, high)
    span = np.int64(1) << np.minimum(width, 62)
    wrapped = np.mod(q - low, span) + low
    return np.where(width > 0, wrapped, 0)


def limits(signed: NDArray[np.bool_], width: Ints, mode: Overflow) -> tuple[Ints, Ints]:
    """Return the smallest and largest integer of the format under the overflow mode."""
    width = np.asarray(width, dtype=np.int64)
    if (width > 62).any():
        raise FormatError(
            "a format is wider than we compute with",
            found=f"{width.max()} bits",
            supported="62 bits",
        )
    magnitude = np.int64(1) << np.maximum(width - np.asarray(signed, dtype=np.int64), 0)
    high = magnitude - 1
    symmetric = mode is Overflow.SAT_SYM
    low = np.where(signed & (width > 0), -high if symmetric else -magnitude, 0)
    return np.where(width > 0, low, 0), np.where(width > 0, high, 0)


def require_exact(magnitude: NDArray[np.float64]) -> None:
    """Raise `FormatError` where a magnitude (computed in floating point) leaves 62 bits."""
    if magnitude.size and not float(np.max(magnitude)) < 2.0**62:
        raise FormatError(
            "an exact value would not fit the widest integers we compute with",
            found=f"magnitude {float(np.max(magnitude)):.3g}",
            supported="less than 2**62",
            remedy="quantize the layer's inputs or weights to fewer bits",
        )
