"""Count the thresholds that a number reaches.

Four circuits give the same count; the cheapest by an estimate in six-input LUTs is built:
multiply and shift where the thresholds are a proven affine staircase, a table for narrow numbers, a
binary search with one comparator per bit of the count, or a comparator for every threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    origin = first + base if step == 1 else 0
    found, counts_from = _count(m, a, reachable, frac, falling, origin)
    scaled = multiply_constant(m, found, step)
    return m.add(scaled, m.constant(first + step * base - step * counts_from))


def _count(
    m: Module, a: int, thresholds: Ints, frac: int, falling: bool, origin: int
) -> tuple[int, int]:
    """Build the cheapest circuit; return its count, and from which number on it counts."""
    n, width = len(thresholds), m.width(a)
    costs = {"search": search_cost(n, width), "flat": flat_cost(n, width)}
    if n > MAX_FLAT:
        del costs["flat"]
    if width <= MAX_TABLE_BITS:
        costs["table"] = table_cost(n, width)
    affine = None
    if n > 3:
        affine = Multiply.of(m, a, thresholds, frac, falling, origin)
        if affine is not None:
            costs["affine"] = affine.cost
    best = min(costs, key=lambda name: costs[name])
    if best == "affine":
        assert affine is not None
        return affine.build(m), origin
    if best == "table":
        return _look_up(m, a, thresholds, frac, falling), 0
    return (_search if best == "search" else _flat)(m, a, thresholds, frac, falling), 0


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


def affine_cost(stairs: Staircase, n: int, width: int) -> float:
    """Estimate an adder for each further signed digit, one for the offset, and two limits."""
    digits = len(signed_digits(stairs.multiplier))
    tie = stairs.shift / 6 if stairs.window else 0.0
    bits = width + stairs.multiplier.bit_length() / 2
    return 0.65 * (digits * bits + 2 * n.bit_length()) + tie


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
    """Compare with every threshold."""
    sign = -1 if falling else 1
    reached = [_reaches(m, a, m.constant(sign * t, frac), falling) for t in thresholds.tolist()]
    return thermometer_count(m, reached)


def thermometer_count(m: Module, reached: list[int]) -> int:
    """Return how many of some answers are 1, which are 1 up to the count and 0 above.

    The count's bit k is the parity of every 2**k-th answer: of the answers 2**k, 2 * 2**k, …
    exactly count >> k are 1.
    """
    bits = []
    for k in range(len(reached).bit_length()):
        level = reached[(1 << k) - 1 :: 1 << k]
        while len(level) > 1:
            pairs = [m.xor(p, q) for p, q in zip(level[::2], level[1::2], strict=False)]
            level = pairs + ([level[-1]] if len(level) % 2 else [])
        bits.append(level[0])
    return _number(m, bits, len(reached))


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


@dataclass(frozen=True)
class Multiply:
    """A proven staircase, and the number that it multiplies.

    Where all thresholds stand on a grid coarser than the number's, or one unit behind it (ties),
    the low bits of the number only say whether they are all 0.

    Attributes:
        a: the number.
        low: its bits that are joined into one, `wired`: dropped.
        stairs: on the integers that the rest makes.
        codes: the lowest and the highest.
        falling: the number is taken with a minus.
        cost: estimated LUTs.
    """

    a: int
    low: int
    wired: bool
    stairs: Staircase
    codes: tuple[int, int]
    falling: bool
    cost: float

    @classmethod
    def of(
        cls, m: Module, a: int, thresholds: Ints, frac: int, falling: bool, origin: int
    ) -> Multiply | None:
        """Return the circuit that counts from `origin`, or None where no staircase is found."""
        lo, hi, point = m.range(a)
        t = -((-thresholds) >> (frac - point))  # the same among the numbers that there are
        ends = (-hi, -lo) if falling else (lo, hi)
        low, wired = _idle_bits(t, falling)
        if low:
            t, between = (_joined(np.asarray(v), low, wired) for v in (t, ends))
            ends = int(between[0]), int(between[1])
        stairs = affine_staircase(t, *ends, origin)
        if stairs is None:
            return None
        width = m.width(a) - low + (low > 0 and not wired)
        cost = affine_cost(stairs, len(t), width) + (0 if wired else low / 6)
        return cls(a, low, wired, stairs, (origin, origin + len(t)), falling, cost)

    def build(self, m: Module) -> int:
        """Multiply, add, drop bits, make odd ties even, and limit."""
        stairs, a = self.stairs, m.shift(self.a, m.frac[self.a])  # an integer from here on
        if self.low:
            above = m.shift(m.floor(a, -self.low), -self.low)
            if self.wired:
                a = above
            else:
                some = m.not_(m.equal(m.slice(a, 0, self.low), m.constant(0)))
                a = m.add(m.shift(above, 1), some)
        product = multiply_constant(m, a, -stairs.multiplier if self.falling else stairs.multiplier)
        offset = m.constant(stairs.offset)
        if stairs.below is not None:
            zero = m.constant(0)
            negative = m.less(zero, a) if self.falling else m.less(a, zero)
            offset = m.select(negative, m.constant(stairs.below), offset)
        summed = m.add(product, offset)
        code = m.floor(m.shift(summed, -stairs.shift), 0)
        if stairs.window:
            code = _even(m, code, summed, stairs)
        low, high = self.codes
        return clip(m, code, (low, 0), (high, 0))


def _even(m: Module, code: int, summed: int, stairs: Staircase) -> int:
    """Clear the lowest bit of a code whose dropped bits are below the window."""
    drop = stairs.shift + m.frac[summed]  # bits below the code that the sum has
    skip = stairs.window.bit_length() - 1 + m.frac[summed]
    if m.frac[code] < 0:
        return code  # even anyhow
    lo, hi, _ = m.range(code)
    above = m.floor(code, -1)
    if drop == 0:
        return above
    skip = max(skip, 0)
    rest = m.slice(summed, skip, drop - skip)
    keep = m.not_(m.equal(rest, m.constant(0)))
    lowest = m.and_(m.slice(code, 0, 1), keep)
    return m.add(above, lowest, within=(lo & ~1, hi))


def _idle_bits(thresholds: Ints, falling: bool) -> tuple[int, bool]:
    """Return how many low bits only matter together, and whether they do not matter at all."""
    low = thresholds & 1 if not falling else np.ones(1, np.int64)
    wired = not low.any()
    apart = int(np.bitwise_or.reduce(thresholds if wired else thresholds & ~1))
    idle = (apart & -apart).bit_length() - 1 if apart else 0
    return (idle, True) if wired else (idle if idle > 1 else 0, False)


def _joined(q: Ints, low: int, wired: bool) -> Ints:
    """Return integers whose low bits are dropped, or replaced by one that says whether any is 1."""
    if wired:
        return np.asarray(q >> low, np.int64)
    return np.asarray(2 * (q >> low) + ((q & ((1 << low) - 1)) != 0), np.int64)
