"""Division of one signal by another, digit after digit."""

from __future__ import annotations

from gatewright.hw import Module


def quotient(m: Module, a: int, b: int, frac: int) -> int:
    """Return `a / b` so exactly that any rounding to `2**-(frac - 1)` or coarser is that of a / b.

    The size of the quotient is floored to `2**-frac` by a restoring array, a subtraction and a
    choice for each digit; one more bit below tells whether a rest remained. The sign follows.

    Args:
        m: where to build.
        a: the dividend.
        b: the divisor, not the constant 0; where it is 0 the result means nothing.
        frac: binary point of the digits.
    """
    if m.hi[b] <= 0:
        a, b = m.neg(a), m.neg(b)
    negative, a = _magnitude(m, a, 0)
    other, b = _magnitude(m, b, 1)
    if not (m.is_constant(other) and m.lo[other] == 0):
        negative = other if m.is_constant(negative) else m.xor(negative, other)
    digits, rest = _digits(m, a, b, frac)
    low = m.not_(m.equal(rest, m.constant(0)))
    value = m.shift(_number(m, [*digits, low]), -(frac + 1))
    return m.select(negative, m.neg(value), value)


def _magnitude(m: Module, a: int, least: int) -> tuple[int, int]:
    """Return whether a number is negative, and its size, which is claimed to be at least `least`.

    A size of 0 becomes 1 where `least` is 1, by setting its lowest bit.
    """
    negative = m.less(a, m.constant(0))
    size = max(abs(m.lo[a]), abs(m.hi[a]))
    holds = m.lo[a] <= 0 <= m.hi[a]
    smallest = 0 if holds else min(abs(m.lo[a]), abs(m.hi[a]))
    magnitude = m.select(negative, m.neg(a), a, within=(smallest, size))
    if not holds or least == 0:
        return negative, magnitude
    unit = m.constant(1, m.frac[magnitude])
    zero = m.equal(magnitude, m.constant(0))
    return negative, m.select(zero, unit, magnitude, within=(1, size))


def _digits(m: Module, a: int, b: int, frac: int) -> tuple[list[int], int]:
    """Return the bits of the floor of `a / b * 2**frac`, highest first, and the last remainder.

    Signals are brought to integers: with a = p * 2**-f and b = q * 2**-g the quotient is
    p * 2**(g - f + frac) / q. Bits that are zero for every input are left out.
    """
    zeros = m.frac[b] - m.frac[a] + frac
    p, q = m.shift(a, m.frac[a]), m.shift(b, m.frac[b])
    if zeros < 0:
        q, zeros = m.shift(q, -zeros), 0
    # A shifted signal keeps its integer: its value is that times a power of two.
    least = m.lo[q] << -m.frac[q] if m.frac[q] < 0 else m.lo[q]
    most = m.hi[p] << zeros
    count = (most // least).bit_length()
    width = m.width(p)
    start = max(count - zeros, 0)
    rest = m.slice(p, start, width - start) if width > start else m.constant(0)
    if count < zeros:
        rest = m.shift(rest, zeros - count)
    digits = []
    for i in reversed(range(count)):
        bit = m.slice(p, i - zeros, 1) if zeros <= i < width + zeros else m.constant(0)
        twice = m.add(m.shift(rest, 1), bit) if m.is_constant(bit) else _append(m, rest, bit)
        less = m.sub(twice, q)
        small = m.less(less, m.constant(0))
        (_, high, point), _ = m.aligned(twice, q)
        top = (m.hi[q] << (point - m.frac[q])) - 1
        rest = m.select(small, twice, less, within=(0, min(high, top)))
        digits.append(m.not_(small))
    return digits, rest


def _append(m: Module, rest: int, bit: int) -> int:
    """Return 2 * rest + bit, by wiring where the rest is an integer on its own grid."""
    if m.is_constant(rest) and m.lo[rest] == 0:
        return bit
    return m.concat(rest, bit) if m.frac[rest] == 0 else m.add(m.shift(rest, 1), bit)


def _number(m: Module, bits: list[int]) -> int:
    """Return the number whose bits these are, highest first."""
    number = m.constant(0)
    for bit in bits:
        live = not (m.is_constant(number) and m.lo[number] == 0)
        if not live:
            number = bit
        elif m.is_constant(bit):
            number = m.add(m.shift(number, 1), bit)
        else:
            number = _append(m, number, bit)
    return number
