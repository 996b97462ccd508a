"""Exact thresholds: from which integer on does the source's quantizer answer each level?

Thresholds are estimated by bisection in float64, all channels and levels at once, and then proven
one by one in exact fractions at the threshold and just below it; an estimate that is wrong (a tie,
a rounding of float64) is replaced by an exact bisection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.ir import Op, Reals
from gatewright.num import Ints, Overflow, Rounding, limits
from gatewright.ops import Quantize, ScaledQuantize
from gatewright.ops.quantize import round_real
from gatewright.ops.scaled_quantize import Quotient, quotients
from gatewright.passes.graph.exactly import Ratio, apply_exactly, ratio, round_ratio, single

MAX_LEVELS = 1 << 16
MAX_THRESHOLDS = 1 << 22


@dataclass(frozen=True, eq=False)
class Rule:
    """A quantizer's rule, by channel.

    Attributes:
        scale: float64, taken as exact.
        zero_point, low, high: of the code.
        shift_after: the zero point is added after rounding, the clip is last (else the clip is
            first, `round(clip(x / scale + zp))`).
        quotient: how the source computes `x / scale`.
    """

    scale: Reals
    zero_point: Ints
    low: Ints
    high: Ints
    rounding: Rounding
    shift_after: bool
    bipolar: bool = False
    quotient: Quotient = Quotient.EXACT

    @classmethod
    def of(cls, op: ScaledQuantize | Quantize, channel: Callable[[Any], Any]) -> Rule:
        """Return an operation's rule; `channel` makes an array of the sample one of channels.

        Raises:
            UnsupportedError: a quantizer that wraps around, which no thresholds can say.
        """
        if isinstance(op, ScaledQuantize):
            zero_point = np.asarray(channel(op.zero_point)).astype(np.int64)
            low, high = (np.full_like(zero_point, limit) for limit in op.code_limits)
            scale = np.asarray(channel(op.scale), np.float64)
            return cls(
                scale, zero_point, low, high, op.rounding, op.shift_after, op.bipolar, op.quotient
            )
        if op.overflow not in (Overflow.SAT, Overflow.SAT_SYM):
            raise UnsupportedError(
                "a quantizer that does not saturate follows a value of any scale",
                found=op.overflow.name,
                supported="SAT, SAT_SYM",
                remedy="let the quantizer saturate, or use scales that are powers of two",
            )
        low, high = limits(channel(op.signed), channel(op.width), op.overflow)
        scale = np.ldexp(1.0, -np.asarray(channel(op.frac)).astype(np.int32))
        return cls(scale, np.zeros_like(low), low, high, op.rounding, True)

    @property
    def step(self) -> int:
        """Distance of neighbouring codes."""
        return 2 if self.bipolar else 1

    def codes(self, x: Reals) -> Reals:
        """Return codes of numbers of shape (..., channels), in float64."""
        if self.bipolar:
            return np.where(x / self.scale + self.zero_point >= 0, 1.0, -1.0)
        if self.shift_after:
            steps = round_real(quotients(x, self.scale, 0.0, self.quotient), self.rounding)
            return np.clip(steps + self.zero_point, self.low, self.high)
        shifted = quotients(x, self.scale, self.zero_point, self.quotient)
        return round_real(np.clip(shifted, self.low, self.high), self.rounding)


@dataclass(frozen=True, eq=False)
class Staircase:
    """What an integer `q` of each channel becomes: `rule(pending(q * scale + offset))`.

    `scale` and `offset` are fractions of shape (channels,); arrays of the pending operations are
    float64 of the same shape, or single numbers. Every part is monotone, so the whole is.
    """

    scale: np.ndarray
    offset: np.ndarray
    pending: tuple[Op, ...]
    rule: Rule

    def estimate(self, q: Ints, sign: Ints) -> Reals:
        """Return codes of `sign * q`, of shape (levels, channels), in float64."""
        scale, offset = self.scale.astype(np.float64), self.offset.astype(np.float64)
        x: Reals = (sign * q).astype(np.float64) * scale + offset
        for op in self.pending:
            x = op.real(x)
        return self.rule.codes(x)


def exact_code(stairs: Staircase, channel: int) -> Callable[[int], int]:
    """Return the function that gives a channel's code of an integer, in exact arithmetic."""
    rule = stairs.rule
    scale, offset = stairs.scale[channel], stairs.offset[channel]
    d = scale.denominator * offset.denominator
    a, b = scale.numerator * offset.denominator, offset.numerator * scale.denominator
    pending = [apply_exactly(op, channel) for op in stairs.pending]
    divide = exact_quotient(rule.scale[channel], rule.quotient)
    zero_point, low, high = (int(v[channel]) for v in (rule.zero_point, rule.low, rule.high))

    def code(q: int) -> int:
        x: Ratio = (a * q + b, d)
        for function in pending:
            x = function(x)
        n, m = divide(x)
        if rule.bipolar:
            return 1 if n + zero_point * m >= 0 else -1
        if rule.shift_after:
            return min(max(round_ratio(n, m, rule.rounding) + zero_point, low), high)
        n += zero_point * m
        if zero_point and rule.quotient is not Quotient.EXACT:
            n, m = single(n, m)
        if n <= low * m:
            return low
        return high if n >= high * m else round_ratio(n, m, rule.rounding)

    return code


def exact_quotient(scale: float, quotient: Quotient) -> Callable[[Ratio], Ratio]:
    """Return the function that divides by a scale as the source does, in exact arithmetic."""
    divisor, unit = ratio(scale)
    if quotient is Quotient.EXACT:
        return lambda x: (x[0] * unit, x[1] * divisor)
    if quotient is Quotient.RECIPROCAL:
        unit, divisor = single(unit, divisor)

    def divide(x: Ratio) -> Ratio:
        n, d = single(*x)
        return single(n * unit, d * divisor)

    return divide


@dataclass(frozen=True, eq=False)
class Steps:
    """Thresholds as `ops.Requantize` takes them."""

    thresholds: Ints
    falling: np.ndarray
    first: int
    step: int


def find_steps(stairs: Staircase, lo: Ints, hi: Ints) -> Steps:
    """Return the thresholds of each channel for integers from `lo` to `hi` (both included).

    A level that is reached from `lo` on gets the threshold `lo`; one that is never reached gets
    the first integer out of range.

    Raises:
        UnsupportedError: more levels than a circuit of thresholds should have.
    """
    channels = len(lo)
    codes = [exact_code(stairs, c) for c in range(channels)]
    ends = [(code(a), code(b)) for code, a, b in zip(codes, lo.tolist(), hi.tolist(), strict=True)]
    falling = np.asarray([a > b for a, b in ends])
    step = stairs.rule.step
    first, last = min(map(min, ends)), max(map(max, ends))
    levels = (last - first) // step
    if levels > MAX_LEVELS or levels * channels > MAX_THRESHOLDS:
        raise UnsupportedError(
            "a quantizer of any scale has too many levels",
            found=f"{levels + 1} levels in {channels} channels",
            supported=f"{MAX_LEVELS} levels, {MAX_THRESHOLDS} thresholds",
            remedy="quantize to fewer bits, or use a scale that is a power of two",
        )
    sign = np.where(falling, -1, 1)
    start, end = np.where(falling, -hi, lo), np.where(falling, -lo, hi)
    wanted = first + step * np.arange(1, levels + 1, dtype=np.int64)
    with np.errstate(over="ignore"):
        thresholds = _bisect(stairs, wanted, sign, start, end)
    for c in range(channels):
        _prove(codes[c], thresholds[c], wanted, (int(sign[c]), int(start[c]), int(end[c])))
    return Steps(thresholds, falling, first, step)


def _bisect(stairs: Staircase, wanted: Ints, sign: Ints, start: Ints, end: Ints) -> Ints:
    """Return the least integer of each (channel, level) that reaches it, by float64's account."""
    shape = (len(wanted), len(start))
    low, high = np.broadcast_to(start, shape).copy(), np.broadcast_to(end + 1, shape).copy()
    while (low < high).any():
        middle = low + (high - low) // 2
        # Where a search has ended, `middle` may stand one past the range; its answer is not used.
        reached = stairs.estimate(middle, sign) >= wanted[:, None]
        going = low < high
        high = np.where(going & reached, middle, high)
        low = np.where(going & ~reached, middle + 1, low)
    return np.ascontiguousarray(low.T)


def _prove(
    exactly: Callable[[int], int], thresholds: Ints, wanted: Ints, span: tuple[int, int, int]
) -> None:
    """Check each threshold of a channel exactly, and put right those that are wrong."""
    sign, start, end = span

    @cache
    def code(q: int) -> int:
        return exactly(sign * q)

    floor = start
    for k, level in enumerate(wanted.tolist()):
        t = max(int(thresholds[k]), floor)
        sound = (t > end or code(t) >= level) and (t <= start or code(t - 1) < level)
        if not sound:
            t = _bisect_exactly(code, level, floor, end)
        thresholds[k] = floor = t


def _bisect_exactly(code: Callable[[int], int], level: int, start: int, end: int) -> int:
    """Return the least integer from `start` on that reaches a level, or `end + 1`."""
    low, high = start, end + 1
    while low < high:
        middle = (low + high) // 2
        if code(middle) >= level:
            high = middle
        else:
            low = middle + 1
    return low
