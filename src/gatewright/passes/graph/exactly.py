"""Exact arithmetic on ratios of whole numbers, kept as pairs: several times faster than `Fraction`.

A ratio (n, d) has d > 0 and need not be reduced; it lives for a few operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewright.ir import Op
from gatewright.num import Rounding
from gatewright.ops import Affine, Clip, Function, LeakyRelu

Ratio = tuple[int, int]


def ratio(value: Any) -> Ratio:
    """Return a float as the ratio it is."""
    return float(value).as_integer_ratio()


def round_ratio(n: int, d: int, mode: Rounding) -> int:
    """Round n / d (d > 0) to an integer."""
    floor, rest = divmod(n, d)
    if not rest:
        return floor
    return floor + _ROUND_UP[mode](2 * rest - d, n > 0, floor)


def single(n: int, d: int) -> Ratio:
    """Round n / d (d > 0) to float32, ties to even; what passes its range stays beyond it."""
    size = abs(n)
    if not size:
        return 0, 1
    exponent = size.bit_length() - d.bit_length()
    exponent -= (size << max(-exponent, 0)) < (d << max(exponent, 0))
    unit = max(exponent - 23, -149)
    steps = round_ratio(n << max(-unit, 0), d << max(unit, 0), Rounding.RND_CONV)
    return steps << max(unit, 0), 1 << max(-unit, 0)


_ROUND_UP: dict[Rounding, Callable[[int, bool, int], bool]] = {
    Rounding.TRN: lambda past, positive, floor: False,
    Rounding.TRN_ZERO: lambda past, positive, floor: not positive,
    Rounding.CEIL: lambda past, positive, floor: True,
    Rounding.AWAY: lambda past, positive, floor: positive,
    Rounding.RND: lambda past, positive, floor: past >= 0,
    Rounding.RND_ZERO: lambda past, positive, floor: past > 0 or (past == 0 and not positive),
    Rounding.RND_INF: lambda past, positive, floor: past > 0 or (past == 0 and positive),
    Rounding.RND_MIN_INF: lambda past, positive, floor: past > 0,
    Rounding.RND_CONV: lambda past, positive, floor: past > 0 or (past == 0 and floor % 2 == 1),
}
"""Whether an inexact number goes up, from how far it is past the middle, its sign and its floor."""


def apply_exactly(op: Op, channel: int) -> Callable[[Ratio], Ratio]:
    """Return a monotone operation of one channel; a function by table in float64, as defined."""
    if isinstance(op, Affine):
        return _affine(ratio(_pick(op.scale, channel)), ratio(_pick(op.offset, channel)))
    if isinstance(op, LeakyRelu):
        slope = ratio(_pick(op.slope, channel))
        return lambda x: x if x[0] > 0 else (x[0] * slope[0], x[1] * slope[1])
    if isinstance(op, Clip):
        return _clip(
            None if op.low is None else ratio(op.low), None if op.high is None else ratio(op.high)
        )
    assert isinstance(op, Function)
    function = op.value
    return lambda x: ratio(function(np.asarray(x[0] / x[1])))


def _affine(scale: Ratio, offset: Ratio) -> Callable[[Ratio], Ratio]:
    a, b, d = scale[0] * offset[1], offset[0] * scale[1], scale[1] * offset[1]
    return lambda x: (a * x[0] + b * x[1], d * x[1])


def _clip(low: Ratio | None, high: Ratio | None) -> Callable[[Ratio], Ratio]:
    def limited(x: Ratio) -> Ratio:
        if low is not None and x[0] * low[1] < low[0] * x[1]:
            x = low
        return high if high is not None and x[0] * high[1] > high[0] * x[1] else x

    return limited


def _pick(array: Any, channel: int) -> float:
    array = np.asarray(array)
    return float(array.flat[channel if array.size > 1 else 0])
