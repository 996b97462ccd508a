"""Small circuits on single signals: choice, limits, products with constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    """Return `a * q * 2**-frac` as shifts, additions and subtractions."""
    if q == 0:
        return m.constant(0)
    digits = signed_digits(q)
    positive = [m.shift(a, e - frac) for e, d in digits if d > 0]
    negative = [m.shift(a, e - frac) for e, d in digits if d < 0]
    return signed_sum(m, positive, negative)


def multiply(m: Module, a: int, b: int) -> int:
    """Return a * b, with a constant operand by shifts and additions."""
    for constant, other in ((a, b), (b, a)):
        if m.is_constant(constant):
            return multiply_constant(m, other, m.lo[constant], m.frac[constant])
    return m.mul(a, b)


def signed_sum(m: Module, positive: Sequence[int], negative: Sequence[int] = ()) -> int:
    """Return the sum of some signals less the sum of others, as a tree of adders.

    The two narrowest terms are joined first, so that carries stay short. Differences are formed
    where both kinds are left, and only a sum with no positive term at all is negated.
    """
    terms = [(s, True) for s in positive] + [(s, False) for s in negative]
    if not terms:
        return m.constant(0)
    level = terms
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
    """Join signals pairwise, level by level, with an associative operation."""
    level = list(signals)
    while len(level) > 1:
        joined = [join(m, level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = joined + ([level[-1]] if len(level) % 2 else [])
    return level[0]
