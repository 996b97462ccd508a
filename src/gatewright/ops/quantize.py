"""Change the format of each element: round to a grid, bring into a width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatewright.blocks.rounding import quantize
from gatewright.hw import Kind, Module
from gatewright.ir import Op, Pull, Reals
from gatewright.num import Fixed, FixedArray, Intervals, Ints, Overflow, Rounding, limits
from gatewright.ops.elementwise import Unary, spread

LIMITER = 0.7
"""LUTs for each bit that is limited; part of it merges with a ReLU before."""


@dataclass(frozen=True, eq=False)
class Quantize(Unary):
    """Bring each element into a format; the three arrays broadcast against the sample.

    The real meaning is the same rounding of the float's exact value, so a float64 replay of a
    quantized model gives the same integers wherever float64 holds the value.

    Attributes:
        whole: the result's type is the whole format, even where the input cannot fill it (but what
            is constant stays so). States that go from one step of a recurrent layer to the next
            have it, so that all steps see the same types and are instances of one module.
    """

    signed: NDArray[np.bool_]
    width: Ints
    frac: Ints
    rounding: Rounding = Rounding.TRN
    overflow: Overflow = Overflow.WRAP
    whole: bool = False
    growth = "fixes"

    @classmethod
    def to(
        cls,
        signed: ArrayLike,
        width: ArrayLike,
        frac: ArrayLike,
        rounding: Rounding = Rounding.TRN,
        overflow: Overflow = Overflow.WRAP,
    ) -> Quantize:
        """Build from anything array-like."""
        return cls(
            np.asarray(signed, np.bool_),
            np.asarray(width, np.int64),
            np.asarray(frac, np.int64),
            rounding,
            overflow,
        )

    @classmethod
    def to_format(
        cls, fmt: Fixed, rounding: Rounding = Rounding.TRN, overflow: Overflow = Overflow.WRAP
    ) -> Quantize:
        """Build for one format."""
        return cls.to(fmt.signed, fmt.width, fmt.frac, rounding, overflow)

    @property
    def is_monotone_unary(self) -> bool:
        """It never falls unless it wraps."""
        return self.overflow in (Overflow.SAT, Overflow.SAT_SYM)

    @property
    def format(self) -> Intervals:
        """Return every value of the formats, as a type of their own shape."""
        lo, hi = limits(self.signed, self.width, self.overflow)
        return Intervals.of(lo, hi, self.frac)

    def real(self, *x: Reals) -> Reals:
        """Round floats, exactly up to 2**52 units of the new grid; beyond, floats are integers."""
        return quantize_real(x[0], self)

    def infer(self, *x: Intervals) -> Intervals:
        """Return the range after rounding where it fits, else the format's."""
        kind = x[0].quantize(*self._spread(x[0].shape), self.rounding, self.overflow)
        if not self.whole:
            return kind
        every, live = self.format.map(spread(x[0].shape)), kind.lo != kind.hi
        parts = ((every.lo, kind.lo), (every.hi, kind.hi), (every.frac, kind.frac))
        return Intervals.of(*(np.where(live, a, b) for a, b in parts))

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Round and bring into the width."""
        shape = x[0].q.shape[1:]
        return x[0].quantize(*self._spread(shape), self.rounding, self.overflow)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count an adder where it rounds (dropping bits is free), and the bits that are limited."""
        adds = (x[0].frac > y.frac) & (self.rounding is not Rounding.TRN)
        free = Quantize.to(True, 62, self.frac, self.rounding, Overflow.SAT).infer(x[0])
        limits = (free.hi > y.hi) | (free.lo < y.lo)
        return float((y.width * adds + LIMITER * y.width * limits).sum())

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the step that the operand's bound reaches, if any."""
        return step_bound(self, xs[0], es[0], y)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Pass the gradient through but where it clips (arXiv:1308.3432)."""
        return straight_through(xs[0], y)

    def _spread(self, shape: tuple[int, ...]) -> tuple[NDArray[np.bool_], Ints, Ints]:
        return (
            np.broadcast_to(self.signed, shape),
            np.broadcast_to(self.width, shape),
            np.broadcast_to(self.frac, shape),
        )

    def lower_element(self, m: Module, a: int, index: tuple[int, ...]) -> int:
        """Add a constant and floor, then limit."""
        shapes = (self.signed, self.width, self.frac)
        signed, width, frac = (
            v[
                tuple(
                    0 if n == 1 else i
                    for n, i in zip(v.shape, index[len(index) - v.ndim :], strict=True)
                )
            ]
            for v in shapes
        )
        fmt = Fixed(bool(signed), int(width), int(frac))
        result = quantize(m, a, fmt, self.rounding, self.overflow)
        return self._declared(m, result, fmt) if self.whole else result

    def _declared(self, m: Module, result: int, fmt: Fixed) -> int:
        """Return a signal under the format's whole range: a wrap that never wraps, wiring only."""
        signed, width = np.asarray(fmt.signed), np.asarray(fmt.width)
        lo, hi = (int(v) for v in limits(signed, width, self.overflow))
        if m.is_constant(result) or m.range(result) == (lo, hi, fmt.frac):
            return result
        return m.row(Kind.WRAP, (lo, hi, fmt.frac), result, imm=2 * fmt.width + fmt.signed)


def _nearest(rest: Reals, tie_rises: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the nearest integer is the one above, ties as told."""
    return np.asarray((rest > 0.5) | ((rest == 0.5) & tie_rises))


ROUND_UP: dict[Rounding, Callable[[Reals, Reals, Reals], NDArray[np.bool_]]] = {
    Rounding.TRN_ZERO: lambda x, floor, rest: (rest > 0) & (x < 0),
    Rounding.CEIL: lambda x, floor, rest: rest > 0,
    Rounding.AWAY: lambda x, floor, rest: (rest > 0) & (x > 0),
    Rounding.RND: lambda x, floor, rest: rest >= 0.5,
    Rounding.RND_ZERO: lambda x, floor, rest: _nearest(rest, x < 0),
    Rounding.RND_INF: lambda x, floor, rest: _nearest(rest, x > 0),
    Rounding.RND_MIN_INF: lambda x, floor, rest: rest > 0.5,
}
"""Where the floor is one too low, by mode; TRN is the floor itself, RND_CONV is `np.rint`."""


def round_real(x: Reals, mode: Rounding) -> Reals:
    """Round floats to integers under a mode."""
    floor = np.floor(x)
    if mode is Rounding.TRN:
        return np.asarray(floor, np.float64)
    if mode is Rounding.RND_CONV:
        return np.asarray(np.rint(x), np.float64)
    rest = x - floor  # exact: both are multiples of x's last bit and the difference is below 1
    return np.asarray(floor + ROUND_UP[mode](x, floor, rest), np.float64)


def overflow_real(q: Reals, low: Reals, high: Reals, mode: Overflow) -> Reals:
    """Bring integers held in floats into limits."""
    if mode is Overflow.WRAP:
        span = high - low + 1
        # Past float64's range a number is a multiple of every span. The remainder is exact for any
        # float, and so is the span added or taken away: it is at most twice what it is added to.
        inside = np.fmod(np.where(np.isinf(q), 0.0, q), span)
        inside = np.where(inside >= low + span, inside - span, inside)
        return np.asarray(np.where(inside < low, inside + span, inside) + 0.0, np.float64)
    if mode is Overflow.SAT_ZERO:
        return np.where((q < low) | (q > high), 0.0, q)
    return np.clip(q, low, high)


def quantize_real(x: Reals, op: Quantize) -> Reals:
    """Apply a quantizer to floats."""
    kind = op.format
    frac = kind.frac.astype(np.int32)
    with np.errstate(over="ignore", invalid="ignore"):  # what is out of range is brought into it
        q = round_real(np.ldexp(np.asarray(x, np.float64), frac), op.rounding)
    low, high = kind.lo.astype(np.float64), kind.hi.astype(np.float64)
    return np.ldexp(overflow_real(q, low, high, op.overflow), -frac)


def step_bound(op: Op, x: Reals, e: Reals, y: Reals) -> Reals:
    """Return how far a rising step function goes within a distance of its operand."""
    return np.asarray(np.maximum(np.abs(op.real(x - e) - y), np.abs(op.real(x + e) - y)))


def straight_through(x: Reals, y: Reals) -> Pull:
    """Return the pullback of a quantizer: 1 where it does not clip."""
    inside = (np.abs(y - x) <= np.abs(x) * 0.5 + 1e-9).astype(np.float64)
    return lambda dy: [dy * inside]
