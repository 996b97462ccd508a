"""Exact ranges of values, an element at a time: the type of every tensor and every signal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatewright.base import FormatError
from gatewright.num.fixed import MAX_WIDTH, Fixed
from gatewright.num.modes import (
    Ints,
    Overflow,
    Rounding,
    limits,
    overflow,
    require_exact,
    round_shift,
)


@dataclass(frozen=True, eq=False)
class Intervals:
    """The values `lo * 2**-frac` to `hi * 2**-frac` in steps of `2**-frac`, per element.

    The three arrays share one shape. The format of an element is the narrowest that holds its
    range, so a range is also a format.
    """

    lo: Ints
    hi: Ints
    frac: Ints

    @classmethod
    def of(cls, lo: ArrayLike, hi: ArrayLike, frac: ArrayLike) -> Intervals:
        """Broadcast the three to one shape and check `lo <= hi`.

        Raises:
            FormatError: an element would be wider than `MAX_WIDTH` bits.
        """
        low, high, point = np.broadcast_arrays(
            np.asarray(lo, np.int64), np.asarray(hi, np.int64), np.asarray(frac, np.int64)
        )
        _require_width(low, high)
        assert (low <= high).all(), "an interval is empty"
        return cls(low.copy(), high.copy(), point.copy())

    @classmethod
    def format(cls, fmt: Fixed, shape: tuple[int, ...] = ()) -> Intervals:
        """Return every value of a format, for each element of a shape."""
        return cls.of(np.full(shape, fmt.low), np.full(shape, fmt.high), np.full(shape, fmt.frac))

    @classmethod
    def constant(cls, values: NDArray[np.float64]) -> Intervals:
        """Return the points `values`, each on the coarsest grid that holds it."""
        q, frac = dyadic(values)
        return cls.of(q, q, frac)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.lo.shape

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(self.lo.size)

    @property
    def signed(self) -> NDArray[np.bool_]:
        """Whether an element can be negative."""
        return self.lo < 0

    @property
    def width(self) -> Ints:
        """Bits of the narrowest format, sign included; 0 for the constant zero."""
        top = np.maximum(self.hi, np.where(self.lo < 0, -self.lo - 1, 0))
        return bit_length(top) + self.signed

    @property
    def low_value(self) -> NDArray[np.float64]:
        """Smallest value of each element (exact up to 53 bits)."""
        return np.ldexp(self.lo.astype(np.float64), -self.frac.astype(np.int32))

    @property
    def high_value(self) -> NDArray[np.float64]:
        """Largest value of each element (exact up to 53 bits)."""
        return np.ldexp(self.hi.astype(np.float64), -self.frac.astype(np.int32))

    def fixed(self, *index: int) -> Fixed:
        """Return the format of one element."""
        return Fixed.holding(int(self.lo[index]), int(self.hi[index]), int(self.frac[index]))

    def formats(self) -> list[Fixed]:
        """Return the format of each element, in C order."""
        lo, hi, frac = (
            self.lo.ravel().tolist(),
            self.hi.ravel().tolist(),
            self.frac.ravel().tolist(),
        )
        return [Fixed.holding(*triple) for triple in zip(lo, hi, frac, strict=True)]

    def map(self, move: Callable[[Ints], Ints]) -> Intervals:
        """Apply a function that only moves elements (reshape, transpose, take) to all three."""
        return Intervals(move(self.lo), move(self.hi), move(self.frac))

    def alike(self) -> tuple[Ints, Ints]:
        """Find equal rows: the first of each kind, and for each row the number of its kind."""
        rows = np.concatenate([v.reshape(len(v), -1) for v in (self.lo, self.hi, self.frac)], 1)
        size, data = rows.shape[1] * rows.itemsize, rows.tobytes()
        known: dict[bytes, int] = {}
        which = [
            known.setdefault(data[i * size : (i + 1) * size], len(known)) for i in range(len(rows))
        ]
        kinds = np.asarray(which, np.int64)
        return np.unique(kinds, return_index=True)[1], kinds

    def aligned(self, frac: ArrayLike) -> tuple[Ints, Ints]:
        """Return `lo` and `hi` in units of `2**-frac`, a grid at least as fine."""
        shift = self.frac - np.asarray(frac, np.int64)
        return round_shift(self.lo, shift, Rounding.TRN), round_shift(self.hi, shift, Rounding.TRN)

    def __add__(self, other: Intervals) -> Intervals:
        frac = np.maximum(self.frac, other.frac)
        (a, b), (c, d) = self.aligned(frac), other.aligned(frac)
        return Intervals.of(a + c, b + d, frac)

    def __neg__(self) -> Intervals:
        return Intervals(-self.hi, -self.lo, self.frac)

    def __sub__(self, other: Intervals) -> Intervals:
        return self + (-other)

    def __mul__(self, other: Intervals) -> Intervals:
        pairs = [(a, b) for a in (self.lo, self.hi) for b in (other.lo, other.hi)]
        require_exact(np.max([np.abs(a.astype(float) * b.astype(float)) for a, b in pairs], axis=0))
        corners = np.stack(np.broadcast_arrays(*[a * b for a, b in pairs]))
        return Intervals.of(corners.min(0), corners.max(0), self.frac + other.frac)

    def union(self, other: Intervals) -> Intervals:
        """Return the smallest range that holds both."""
        frac = np.maximum(self.frac, other.frac)
        (a, b), (c, d) = self.aligned(frac), other.aligned(frac)
        return Intervals.of(np.minimum(a, c), np.maximum(b, d), frac)

    def minimum(self, other: Intervals) -> Intervals:
        """Return the range of the smaller of two values."""
        frac = np.maximum(self.frac, other.frac)
        (a, b), (c, d) = self.aligned(frac), other.aligned(frac)
        return Intervals.of(np.minimum(a, c), np.minimum(b, d), frac)

    def maximum(self, other: Intervals) -> Intervals:
        """Return the range of the larger of two values."""
        return -((-self).minimum(-other))

    def quantize(
        self, signed: NDArray[np.bool_], width: Ints, frac: Ints, rounding: Rounding, mode: Overflow
    ) -> Intervals:
        """Return the range after a change of format: the rounded range where it fits, else all."""
        lo, hi = (round_shift(q, self.frac - frac, rounding) for q in (self.lo, self.hi))
        low, high = limits(signed, width, mode)
        fits = (lo >= low) & (hi <= high)
        if mode in (Overflow.SAT, Overflow.SAT_SYM):
            return Intervals.of(np.clip(lo, low, high), np.clip(hi, low, high), frac)
        if mode is Overflow.SAT_ZERO:
            low, high = np.maximum(np.minimum(lo, 0), low), np.minimum(np.maximum(hi, 0), high)
        constant = overflow(lo, signed, width, mode)
        point = lo == hi
        new_lo = np.where(point, constant, np.where(fits, lo, low))
        new_hi = np.where(point, constant, np.where(fits, hi, high))
        return Intervals.of(new_lo, new_hi, frac)

    def contains(self, q: Ints) -> NDArray[np.bool_]:
        """Say for integers on this grid whether they lie in the range."""
        return (q >= self.lo) & (q <= self.hi)


def _require_width(low: Ints, high: Ints) -> None:
    """Raise `FormatError` where a range is wider than the widest format."""
    half = 1 << (MAX_WIDTH - 1)
    wide = (low < -half) | (high >= 2 * half) | ((low < 0) & (high >= half))
    if wide.any():
        lo, hi = int(low[wide][0]), int(high[wide][0])
        raise FormatError(
            "an exact value would not fit the widest integers we compute with",
            found=f"range {lo}..{hi}",
            supported=f"{MAX_WIDTH} bits, sign included",
            remedy="quantize the layer's inputs or weights to fewer bits",
        )


def bit_length(q: Ints) -> Ints:
    """Return the bits of non-negative integers, 0 for 0, exactly."""
    q = np.asarray(q, np.int64)
    _, exponent = np.frexp(q.astype(np.float64))
    # Past 53 bits the float may have been rounded up to the next power of two.
    over = (q >> np.clip(exponent - 1, 0, 63)) == 0
    return np.where(q == 0, 0, exponent - over).astype(np.int64)


def dyadic(values: ArrayLike) -> tuple[Ints, Ints]:
    """Split finite floats into integers and binary points: `values == q * 2**-frac`, `q` odd or 0.

    A zero gets `frac` 0.

    Raises:
        FormatError: a value is infinite or not a number.
    """
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        raise FormatError(
            "a constant is not a finite number",
            found=f"{int((~np.isfinite(values)).sum())} of {values.size} values",
            supported="finite numbers",
            remedy="look for NaN or infinite weights in the model",
        )
    mantissa, exponent = np.frexp(values)
    q = np.ldexp(mantissa, 53).astype(np.int64)
    trailing = bit_length(q & -q) - 1
    trailing = np.where(q == 0, 0, trailing)
    frac = np.where(q == 0, 0, 53 - exponent.astype(np.int64) - trailing)
    return q >> trailing, frac
