"""Small circuits on single signals: choice, limits, products with constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from gatewright.hw import Module


def maximum(m: Module, a: int, b: int) -> int:
    """Return the larger of two numbers."""
    (alo, ahi, _), (blo, bhi, _) = m.aligned(a, b)
    return m.select(m.less(a, b), b, a, within=(max(alo, blo), max(ahi, bhi)))


def minimum(m: Module, a: int, b: int) -> int:
    """Return the smaller of two numbers."""
    (alo, ahi, _), (blo, bhi, _) = m.aligned(a, b)
    return m.select(m.less(a, b), a, b, within=(min(alo, blo), min(ahi, bhi)))


def clip(m: Module, a: int, low: tuple[int, int] | None, high: tuple[int, int] | None) -> int:
    """Return `a` limited to constants, each given as (integer, binary point)."""
    if low is not None:
        a = maximum(m, a, m.constant(*low))
    if high is not None:
        a = minimum(m, a, m.constant(*high))
    return a


def signed_digits(q: int) -> list[tuple[int, int]]:
    """Return the canonical signed digits of an integer as (exponent, +1 or -1), lowest first.

    No two neighbours are non-zero, which makes their number minimal (Reitwiesner 1960).
    """
    digits, exponent = [], 0
    while q:
        if q & 1:
            digit = 2 - (q & 3)
            digits.append((exponent, digit))
            q -= digit
        q >>= 1
        exponent += 1
    return digits


def multiply_constant(m: Module, a: int, q: int, frac: int = 0) -> int:
    """Return `a * q * 2**-frac` as shifts, additions and subtractions.

    Every partial sum is a multiple of `a`, from which its range is stated: the interval of a
    difference of two multiples would be too wide.
    """
    if q == 0 or m.is_constant(a):
        return m.constant(m.lo[a] * q, m.frac[a] + frac)
    level = [_Multiple(m.shift(a, e - frac), 1 << e, d) for e, d in signed_digits(q)]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        rest = level[-1:] if len(level) % 2 else []
        level = [_join(m, a, frac, *pair) for pair in pairs] + rest
    (total,) = level
    return total.signal if total.sign > 0 else m.neg(total.signal)


class _Multiple(NamedTuple):
    """A signal that holds `factor` times the multiplicand, to be added or subtracted."""

    signal: int
    factor: int
    sign: int


def _join(m: Module, a: int, frac: int, x: _Multiple, y: _Multiple) -> _Multiple:
    """Add or subtract two multiples of `a * 2**-frac`."""
    same = x.sign == y.sign
    if not same and x.sign < 0:
        x, y = y, x
    factor = x.factor + y.factor if same else x.factor - y.factor
    (_, _, point), _ = m.aligned(x.signal, y.signal)
    drop = m.frac[a] + frac - point  # the zeros at the end of every multiple
    ends = (factor * m.lo[a] >> drop, factor * m.hi[a] >> drop)
    build = m.add if same else m.sub
    signal = build(x.signal, y.signal, within=(min(ends), max(ends)))
    return _Multiple(signal, factor, x.sign)


def multiply(m: Module, a: int, b: int) -> int:
    """Return a * b, with a constant operand by shifts and additions."""
    for constant, other in ((a, b), (b, a)):
        if m.is_constant(constant):
            return multiply_constant(m, other, m.lo[constant], m.frac[constant])
    return m.mul(a, b)


def signed_sum(m: Module, positive: Sequence[int], negative: Sequence[int] = ()) -> int:
    """Return the sum of some signals less the sum of others, as a tree of adders.

    On each level neighbours in size are joined, so that carries stay short. Differences are formed
    where both kinds are left, and only a sum with no positive term at all is negated.
    """
    level = [(s, True) for s in positive] + [(s, False) for s in negative]
    if not level:
        return m.constant(0)
    while len(level) > 1:
        level.sort(key=lambda term: (m.width(term[0]) - m.frac[term[0]], term[0]))
        paired = []
        for i in range(0, len(level) - 1, 2):
            (a, plus_a), (b, plus_b) = level[i], level[i + 1]
            if plus_a == plus_b:
                paired.append((m.add(a, b), plus_a))
            else:
                paired.append((m.sub(a, b) if plus_a else m.sub(b, a), True))
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    signal, plus = level[0]
    return signal if plus else m.neg(signal)


def reduce_tree(m: Module, signals: Sequence[int], join: Callable[[Module, int, int], int]) -> int:
    """Join signals (one at least) pairwise, level by level, with an associative operation."""
    level = list(signals)
    while len(level) > 1:
        joined = [join(m, level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = joined + ([level[-1]] if len(level) % 2 else [])
    return level[0]
