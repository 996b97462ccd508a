"""Count the thresholds that a number reaches.

Four circuits give the same count; the cheapest by an estimate in six-input LUTs is built:
multiply and shift where the thresholds are a proven affine staircase, a table for narrow numbers, a
binary search with one comparator per bit of the count, or a comparator for every threshold.
"""

from __future__ import annotations

import numpy as np

from gatewright.blocks.arith import clip, multiply_constant, signed_digits
from gatewright.blocks.lookup import lookup
from gatewright.blocks.staircase import Staircase, affine_staircase
from gatewright.hw import Kind, Module, Table
from gatewright.num import Ints

MAX_TABLE_BITS = 10
"""Widest number that is looked up: 16 LUT6 for each bit of the answer."""
MAX_FLAT = 15
"""Most thresholds that are compared all at once."""


def threshold_code(
    m: Module, a: int, thresholds: Ints, frac: int, *, first: int, step: int, falling: bool
) -> int:
    """Return `first + step * count`, the count of thresholds t with `a >= t` (falling: `-a >= t`).

    Thresholds are integers in units of `2**-frac`, the grid of `a` or a finer one, and never fall.
    """
    lo, hi, point = m.range(a)
    if lo or hi:  # zero is on every grid, whichever it was written on
        lo, hi = lo << (frac - point), hi << (frac - point)
    if falling:
        lo, hi = -hi, -lo
    reachable = thresholds[(thresholds > lo) & (thresholds <= hi)]
    base = int((thresholds <= lo).sum())
    if not len(reachable):
        return m.constant(first + step * base)
    count = _count(m, a, reachable, frac, falling)
    scaled = multiply_constant(m, count, step)
    return m.add(scaled, m.constant(first + step * base))


def _count(m: Module, a: int, thresholds: Ints, frac: int, falling: bool) -> int:
    """Build the cheapest circuit."""
    n, width = len(thresholds), m.width(a)
    costs = {"search": search_cost(n, width), "flat": flat_cost(n, width)}
    if n > MAX_FLAT:
        del costs["flat"]
    if width <= MAX_TABLE_BITS:
        costs["table"] = table_cost(n, width)
    affine = None
    if n > 3:
        lo, hi, point = m.range(a)
        lo, hi = lo << (frac - point), hi << (frac - point)
        affine = affine_staircase(thresholds, *((-hi, -lo) if falling else (lo, hi)))
        if affine is not None:
            costs["affine"] = affine_cost(affine, n, width)
    best = min(costs, key=lambda name: costs[name])
    if best == "affine":
        assert affine is not None
        return _multiply_shift(m, a, affine, frac, n, falling)
    if best == "table":
        return _look_up(m, a, thresholds, frac, falling)
    return (_search if best == "search" else _flat)(m, a, thresholds, frac, falling)


# ---- estimates, in six-input LUTs: fitted to Yosys 0.70 (`synth_xilinx`) on 7 to 255 irregular
# thresholds of numbers of 8 to 18 bits, where they are off by less than a third


def flat_cost(n: int, width: int) -> float:
    """Estimate a comparator for each of n thresholds, and the parities that make a number."""
    return n * width / 3


def search_cost(n: int, width: int) -> float:
    """Estimate, for each bit of the count, a comparator and a table of the bits found before."""
    tables = [0.1 * j if j < 5 else 0.75 * 2.0 ** (j - 5) for j in range(n.bit_length())]
    return width * sum(0.5 + table for table in tables)


def table_cost(n: int, width: int) -> float:
    """Estimate a table of a staircase, whose few steps make it smaller than its words."""
    return n.bit_length() * max(1.0, min(2.0 ** (width - 6), (width - 5) * (n + 1) / 8))


def affine_cost(affine: Staircase, n: int, width: int) -> float:
    """Estimate an adder for each further signed digit, one for the offset, and two limits."""
    digits = len(signed_digits(affine.multiplier))
    return 0.65 * (digits * (width + affine.multiplier.bit_length() / 2) + 2 * n.bit_length())


# ---- the circuits


def _look_up(m: Module, a: int, thresholds: Ints, frac: int, falling: bool) -> int:
    """Store the count for every number."""
    sign = -1 if falling else 1
    up = frac - m.frac[a]

    def count(q: Ints) -> Ints:
        return np.searchsorted(thresholds, sign * (q << up), side="right").astype(np.int64)

    return lookup(m, a, count, 0, "thresholds")


def _reaches(m: Module, a: int, threshold: int, falling: bool) -> int:
    """Return 1 where a >= threshold; falling: a <= threshold (which holds -t)."""
    return m.not_(m.less(threshold, a) if falling else m.less(a, threshold))


def _flat(m: Module, a: int, thresholds: Ints, frac: int, falling: bool) -> int:
    """Compare with every threshold; the count's bit k is the parity of every 2**k-th answer.

    The answers are a thermometer, 1 up to the count and 0 above, so of the answers 2**k, 2 * 2**k,
    … exactly count >> k are 1.
    """
    sign = -1 if falling else 1
    reached = [_reaches(m, a, m.constant(sign * t, frac), falling) for t in thresholds.tolist()]
    bits = []
    for k in range(len(thresholds).bit_length()):
        level = reached[(1 << k) - 1 :: 1 << k]
        while len(level) > 1:
            pairs = [m.xor(p, q) for p, q in zip(level[::2], level[1::2], strict=False)]
            level = pairs + ([level[-1]] if len(level) % 2 else [])
        bits.append(level[0])
    return _number(m, bits, len(thresholds))


def _search(m: Module, a: int, thresholds: Ints, frac: int, falling: bool) -> int:
    """Find the count from its highest bit down, each bit by one comparison.

    The threshold to compare with is looked up by the bits found so far; where it would lie behind
    the last one, it is a number that `a` never reaches.
    """
    sign = -1 if falling else 1
    top = len(thresholds).bit_length()
    lo, hi, point = m.range(a)
    never = (-(lo << (frac - point)) if falling else hi << (frac - point)) + 1
    padded = np.concatenate([thresholds, np.full((1 << top) - 1 - len(thresholds), never)])
    found: list[int] = []  # bits, highest first
    for k in reversed(range(top)):
        # With prefix p found, the count is p * 2**(k+1) or more; ask for its next 2**k.
        words = sign * padded[(1 << k) - 1 :: 1 << (k + 1)]
        if found:
            prefix = found[0]
            for bit in found[1:]:
                prefix = m.concat(prefix, bit)
            threshold = m.table(prefix, Table.of("thresholds", words, frac))
        else:
            threshold = m.constant(int(words[0]), frac)
        found.append(_reaches(m, a, threshold, falling))
    return _number(m, found[::-1], len(thresholds))


def _number(m: Module, bits: list[int], n: int) -> int:
    """Return the number of some bits (lowest first), which is known to be at most n."""
    number = bits[-1]
    for bit in reversed(bits[1:-1]):
        number = m.concat(number, bit)
    # The bits alone allow 2**k - 1; that no more than n thresholds are counted is known here only.
    return number if len(bits) == 1 else m.row(Kind.CONCAT, (0, n, 0), number, bits[0])


def _multiply_shift(m: Module, a: int, affine: Staircase, frac: int, n: int, falling: bool) -> int:
    """Build the proven affine staircase."""
    multiplier = -affine.multiplier if falling else affine.multiplier
    scaled = multiply_constant(m, a, multiplier, -frac)
    summed = m.shift(m.add(scaled, m.constant(affine.offset)), -affine.shift)
    return clip(m, m.floor(summed, 0), (0, 0), (n, 0))
