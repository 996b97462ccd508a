"""Exact arrays: integers with a known binary point per element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatewright.num.interval import Intervals, dyadic
from gatewright.num.modes import Ints, Overflow, Rounding, overflow, require_exact, round_shift


@dataclass(frozen=True, eq=False)
class FixedArray:
    """The numbers `q * 2**-frac`; `frac` is per element and broadcasts against `q`.

    In a batch the first axis of `q` counts samples and `frac` has the shape of one sample.
    """

    q: Ints
    frac: Ints

    @classmethod
    def exact(cls, values: ArrayLike) -> FixedArray:
        """Return floats as they are, on one grid for all: the finest needed, or that of integers.

        Raises:
            FormatError: a value is not finite, or they do not fit 62 bits on one grid.
        """
        q, frac = dyadic(values)
        finest = np.asarray(np.max(frac, initial=0), np.int64)
        return cls(round_shift(q, frac - finest, Rounding.TRN), finest)

    @property
    def value(self) -> NDArray[np.float64]:
        """The numbers as float64 (exact up to 53 bits)."""
        return np.ldexp(
            self.q.astype(np.float64), np.broadcast_to(-self.frac, self.q.shape).astype(np.int32)
        )

    def aligned(self, frac: ArrayLike) -> Ints:
        """Return the integers in units of `2**-frac`, a grid at least as fine."""
        shift = self.frac - np.asarray(frac, np.int64)
        assert (shift <= 0).all(), "aligning to a coarser grid would lose bits"
        if not shift.any():
            return self.q
        return round_shift(self.q, shift, Rounding.TRN)

    def __add__(self, other: FixedArray) -> FixedArray:
        frac = np.maximum(self.frac, other.frac)
        return FixedArray(self.aligned(frac) + other.aligned(frac), frac)

    def __neg__(self) -> FixedArray:
        return FixedArray(-self.q, self.frac)

    def __sub__(self, other: FixedArray) -> FixedArray:
        return self + (-other)

    def __mul__(self, other: FixedArray) -> FixedArray:
        require_exact(np.abs(self.q.astype(float) * other.q.astype(float)))
        return FixedArray(self.q * other.q, self.frac + other.frac)

    def quantize(
        self, signed: NDArray[np.bool_], width: Ints, frac: Ints, rounding: Rounding, mode: Overflow
    ) -> FixedArray:
        """Change to the given per-element format."""
        q = round_shift(self.q, self.frac - frac, rounding)
        return FixedArray(overflow(q, signed, width, mode), frac)

    def fit(self, kind: Intervals) -> FixedArray:
        """Return the same numbers on the grid of `kind`, which must hold them.

        Dropping zeros below the grid is allowed; losing a bit is a defect of the caller.
        """
        if np.array_equal(np.broadcast_to(self.frac, kind.shape), kind.frac):
            assert kind.contains(self.q).all(), "a value is outside the range of its type"
            return FixedArray(self.q, kind.frac)
        q = round_shift(self.q, self.frac - kind.frac, Rounding.TRN)
        back = round_shift(q, kind.frac - self.frac, Rounding.TRN)
        assert (back == self.q).all(), "a value is off the grid of its type"
        assert kind.contains(q).all(), "a value is outside the range of its type"
        return FixedArray(q, kind.frac)

    def map(self, move: Callable[[Ints], Ints], move_frac: Callable[[Ints], Ints]) -> FixedArray:
        """Apply functions that only move elements, one to the batch and one to the sample."""
        return FixedArray(move(self.q), move_frac(self.frac))
