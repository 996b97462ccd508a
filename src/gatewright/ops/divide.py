"""Divide two tensors, element by element, the quotient rounded to a stated format."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.blocks.division import quotient
from gatewright.blocks.rounding import quantize
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Reals
from gatewright.num import (
    Fixed,
    FixedArray,
    Intervals,
    Ints,
    bit_length,
    overflow,
    require_exact,
    round_shift,
)
from gatewright.ops.elementwise import Binary, pick
from gatewright.ops.quantize import Quantize, quantize_real


@dataclass(frozen=True, eq=False)
class Divide(Binary):
    """Return `a / b` rounded to the format `out`: the true quotient's rounding, under any mode.

    While `out` is None only the real meaning is known.

    Attributes:
        out: the format of the quotients, per element or one for all.
        at_zero: the answer where the divisor is 0; None: its range must not hold 0.
    """

    out: Quantize | None = None
    at_zero: float | None = None
    growth = "narrows"
    nonzero_operands = (1,)
    rounds = "format"

    @property
    def is_formatted(self) -> bool:
        """Whether it has a format."""
        return self.out is not None

    def with_format(self, out: Op, *x: Intervals) -> Op:
        """Return the operation with its quotient rounded by `out`."""
        assert isinstance(out, Quantize)
        return replace(self, out=out)

    def _quantizer(self) -> Quantize:
        if self.out is None:
            raise UnsupportedError(
                "a quotient has no number format",
                supported="a quantizer behind the division, or quantization by calibration",
                remedy="give calibration data, or put a quantizer behind this layer",
            )
        return self.out

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the operation with the formats of one row."""
        if self.out is None:
            return self
        out = self.out.at_row(index)
        assert isinstance(out, Quantize)
        return self if out is self.out else replace(self, out=out)

    def at_part(self, part: slice) -> Op | None:
        """Return the operation with the formats of part of a row; None where rows differ."""
        if self.out is None:
            return self
        out = self.out.at_part(part)
        return replace(self, out=out) if isinstance(out, Quantize) else None

    def join_real(self, a: Reals, b: Reals) -> Reals:
        """Compute on real numbers; infinite where the divisor is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            y = np.asarray(a / b, np.float64)
        if self.at_zero is not None:
            y = np.where(b == 0, self.at_zero, y)
        return y if self.out is None else quantize_real(y, self.out)

    def join_types(self, a: Intervals, b: Intervals) -> Intervals:
        """Return the range that the digits of the quotient and the format allow.

        Raises:
            UnsupportedError: the divisor may be zero.
        """
        out = self._quantizer()
        zero = (b.lo <= 0) & (b.hi >= 0)
        if zero.any() and self.at_zero is None:
            raise UnsupportedError(
                "a division by a number that may be zero",
                found=f"a divisor from {b.low_value.min():.6g} to {b.high_value.max():.6g}",
                supported="divisors whose format or limits leave zero out",
                remedy="limit the divisor away from zero, by a maximum with a positive number or "
                "by adding one to what is not negative",
            )
        shape = a.shape
        signed = np.broadcast_to(out.signed, shape)
        width, frac = np.broadcast_to(out.width, shape), np.broadcast_to(out.frac, shape)
        largest = np.maximum(np.abs(a.lo), np.abs(a.hi))
        least = np.where(zero, 1, np.minimum(np.abs(b.lo), np.abs(b.hi)))
        shift = b.frac - a.frac + frac + 1
        digits = bit_length(_floor_quotient(largest, least, shift))
        top = np.where(largest > 0, (np.int64(2) << np.minimum(digits, 60)) - 1, 0)
        falls, rises = _signs(a, b)
        whole = Intervals.of(np.where(falls, -top, 0), np.where(rises, top, 0), frac + 2)
        kind = whole.quantize(signed, width, frac, out.rounding, out.overflow)
        if not zero.any():
            return kind
        instead = self._instead(shape)
        low, high = np.minimum(kind.lo, instead), np.maximum(kind.hi, instead)
        return Intervals.of(np.where(zero, low, kind.lo), np.where(zero, high, kind.hi), frac)

    def _instead(self, shape: tuple[int, ...]) -> Ints:
        """Return the answer at a divisor of 0, in units of the result."""
        out = self._quantizer()
        value = quantize_real(np.full(shape, self.at_zero or 0.0), out)
        frac = np.broadcast_to(out.frac, shape).astype(np.int32)
        return np.rint(np.ldexp(value, frac)).astype(np.int64)

    def join(self, a: FixedArray, b: FixedArray) -> FixedArray:
        """Divide integers: the floor, and where the rest lies in quarters, are rounded."""
        out = self._quantizer()
        shift = b.frac - a.frac + out.frac
        top, bottom = _scaled(a.q, b.q, shift)
        zero = bottom == 0
        top, bottom = np.where(bottom < 0, -top, top), np.where(zero, 1, np.abs(bottom))
        top = np.where(zero, 0, top)
        floor, rest = np.divmod(top, bottom)
        quarters = np.where(rest == 0, 0, 2 + np.sign(2 * rest - bottom))
        q = round_shift(4 * floor + quarters, 2, out.rounding)
        shape = q.shape[1:]
        width = np.broadcast_to(out.width, shape)
        y = overflow(q, np.broadcast_to(out.signed, shape), width, out.overflow)
        y = np.where(zero, self._instead(shape), y)
        return FixedArray(y, np.broadcast_to(out.frac, shape))

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build a divider for each element."""
        left, right = np.broadcast_arrays(x[0].signals, x[1].signals)
        signals = [
            self._lower_element(module, int(a), int(right[index]), index)
            for index, a in np.ndenumerate(left)
        ]
        return x[0].with_signals(signals, left.shape)

    def join_signals(self, m: Module, a: int, b: int) -> int:
        """Build the divider of the only element."""
        return self._lower_element(m, a, b, ())

    def _lower_element(self, m: Module, a: int, b: int, index: tuple[int, ...]) -> int:
        out = self._quantizer()
        fmt = Fixed(
            bool(pick(out.signed, index)), int(pick(out.width, index)), int(pick(out.frac, index))
        )
        if self.at_zero is None or not m.lo[b] <= 0 <= m.hi[b]:
            return quantize(m, quotient(m, a, b, fmt.frac + 1), fmt, out.rounding, out.overflow)
        at = tuple(0 for _ in index)
        instead = int(replace(self, out=_one(out, fmt))._instead((1,) * len(at))[at])
        if (m.lo[b], m.hi[b]) == (0, 0):
            return m.constant(instead, fmt.frac)
        zero = m.equal(b, m.constant(0))
        y = quantize(m, quotient(m, a, b, fmt.frac + 1), fmt, out.rounding, out.overflow)
        return m.select(zero, m.constant(instead, fmt.frac), y)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a subtraction and a choice of the divisor's width for each digit."""
        digits = y.width + 2
        width = np.broadcast_to(x[1].width, y.shape)
        return float((1.5 * digits * (width + 1)).sum())

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return (e(a) + |a / b| e(b)) / (|b| - e(b)), and u of the quotient."""
        left = np.abs(xs[1]) - es[1]
        exact = np.abs(xs[0] / np.where(xs[1] == 0, np.nan, xs[1]))
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = (es[0] + exact * es[1]) / left + 2 * u * exact
        step = 0.0 if self.out is None else np.ldexp(1.0, -self.out.frac.astype(np.int32))
        return np.asarray(np.where(left > 0, bound + np.where(bound > 0, step, 0.0), np.inf))


def _one(out: Quantize, fmt: Fixed) -> Quantize:
    """Return the quantizer of one element."""
    return Quantize.to_format(fmt, out.rounding, out.overflow)


def _signs(a: Intervals, b: Intervals) -> tuple[np.ndarray, np.ndarray]:
    """Say whether quotients can be negative, and whether they can be positive."""
    below, above = a.lo < 0, a.hi > 0
    minus, plus = b.lo < 0, b.hi > 0
    return (below & plus) | (above & minus), (above & plus) | (below & minus)


def _scaled(a: Ints, b: Ints, shift: Ints) -> tuple[Ints, Ints]:
    """Return integers whose quotient is `a / b * 2**shift`."""
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    require_exact(np.ldexp(np.abs(a.astype(np.float64)), left.astype(np.int32)))
    require_exact(np.ldexp(np.abs(b.astype(np.float64)), right.astype(np.int32)))
    return a << left, b << right


def _floor_quotient(a: Ints, b: Ints, shift: Ints) -> Ints:
    """Return the floor of `a / b * 2**shift`, none of them negative."""
    top, bottom = _scaled(a, b, shift)
    return np.asarray(top // bottom, np.int64)
