"""Random circuits whose meaning is computed beside them, on exact fractions.

Nothing here reads a cell: each step says in plain Python what the number must be, and keeps it for
the signal that the builder answers with, be it a new cell, an old one or a constant.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from gatewright.base import FormatError
from gatewright.hw import Module, Table
from gatewright.num import Fixed, Intervals

Values = list[Fraction]


def grid(frac: int) -> Fraction:
    return Fraction(2) ** -frac


def wrapped(x: Fraction, to: Fixed) -> Fraction:
    q = math.floor(x / grid(to.frac)) % 2**to.width
    if to.signed and to.width and q >= 2 ** (to.width - 1):
        q -= 2**to.width
    return q * grid(to.frac)


class Netlist:
    """A module under construction, and the numbers that its signals must have on some samples."""

    def __init__(self, seed: int, samples: int = 12) -> None:
        self.rng = np.random.default_rng(seed)
        self.m = Module("random")
        self.samples = samples
        self.meaning: dict[int, Values] = {}
        self.feed: dict[str, np.ndarray] = {}

    def some(self, low: int, high: int) -> int:
        """Draw from low..high, both included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self) -> int:
        """Draw a signal, a late one rather than an early one."""
        signals = list(self.meaning)
        return signals[max(self.some(0, len(signals) - 1) for _ in range(2))]

    def inputs(self, count: int, most: int = 6) -> None:
        span = 2 ** self.rng.integers(0, most, count)
        lo = -self.rng.integers(0, span + 1) * self.rng.integers(0, 2, count)
        hi = lo + self.rng.integers(0, span)
        kinds = Intervals.of(lo, hi, self.rng.integers(-3, 4, count))
        q = self.rng.integers(lo, hi + 1, (self.samples, count))
        q[0], q[1] = lo, hi
        self.feed["x"] = q
        for i, s in enumerate(self.m.input("x", kinds)):
            self.meaning[s] = [int(v) * grid(int(kinds.frac[i])) for v in q[:, i]]

    def keep(self, s: int, values: Values) -> int:
        """Note what a signal means; one that is there already must mean the same."""
        assert self.meaning.setdefault(s, values) == values
        return s

    def code(self, s: int) -> list[int]:
        """Return the two's complement code of a signal, unsigned."""
        unit, mask = grid(self.m.frac[s]), 2 ** self.m.width(s) - 1
        return [int(v / unit) & mask for v in self.meaning[s]]

    def bit(self) -> int:
        a, b = self.pick(), self.pick()
        pairs = zip(self.meaning[a], self.meaning[b], strict=True)
        return self.keep(self.m.less(a, b), [Fraction(x < y) for x, y in pairs])

    def beside(self, a: int) -> int:
        """Return a signal on the grid of another."""
        same = [s for s in self.meaning if self.m.frac[s] == self.m.frac[a]]
        return same[self.some(0, len(same) - 1)]

    def step(self) -> int | None:
        """Add a random cell, or nothing where it would be too wide."""
        name = STEPS[self.some(0, len(STEPS) - 1)]
        try:
            s, values = getattr(self, name)()
        except FormatError:
            return None
        return self.keep(s, values)

    def grow(self, cells: int) -> None:
        for _ in range(cells):
            self.step()

    # ---- a cell each

    def constant(self):
        q, frac = self.some(-40, 40), self.some(-3, 4)
        return self.m.constant(q, frac), [q * grid(frac)] * self.samples

    def binary(self, build, compute):
        a, b = self.pick(), self.pick()
        pairs = zip(self.meaning[a], self.meaning[b], strict=True)
        return build(a, b), [Fraction(compute(x, y)) for x, y in pairs]

    def add(self):
        return self.binary(self.m.add, lambda x, y: x + y)

    def sub(self):
        return self.binary(self.m.sub, lambda x, y: x - y)

    def mul(self):
        return self.binary(self.m.mul, lambda x, y: x * y)

    def square(self):
        a = self.pick()
        return self.m.mul(a, a), [x * x for x in self.meaning[a]]

    def less(self):
        return self.binary(self.m.less, lambda x, y: x < y)

    def equal(self):
        return self.binary(self.m.equal, lambda x, y: x == y)

    def neg(self):
        a = self.pick()
        return self.m.neg(a), [-x for x in self.meaning[a]]

    def shift(self):
        a, bits = self.pick(), self.some(-4, 4)
        return self.m.shift(a, bits), [x * grid(-bits) for x in self.meaning[a]]

    def wrap(self):
        a = self.pick()
        signed, width = bool(self.some(0, 1)), self.some(0, 8)
        to = Fixed(signed, width, self.m.frac[a] + self.some(-6, 3))
        return self.m.wrap(a, to), [wrapped(x, to) for x in self.meaning[a]]

    def floor(self):
        a = self.pick()
        frac = self.m.frac[a] - self.some(-1, 5)
        floored = [math.floor(x / grid(frac)) * grid(frac) for x in self.meaning[a]]
        return self.m.floor(a, frac), floored if frac < self.m.frac[a] else self.meaning[a]

    def select(self):
        c, a, b = self.bit(), self.pick(), self.pick()
        rows = zip(self.meaning[c], self.meaning[a], self.meaning[b], strict=True)
        return self.m.select(c, a, b), [x if bit else y for bit, x, y in rows]

    def bits(self, build, compute):
        a = self.pick()
        b, unit = self.beside(a), grid(self.m.frac[a])
        pairs = zip(self.meaning[a], self.meaning[b], strict=True)
        return build(a, b), [compute(int(x / unit), int(y / unit)) * unit for x, y in pairs]

    def and_(self):
        return self.bits(self.m.and_, lambda p, q: p & q)

    def or_(self):
        return self.bits(self.m.or_, lambda p, q: p | q)

    def xor(self):
        return self.bits(self.m.xor, lambda p, q: p ^ q)

    def not_(self):
        a = self.bit()
        return self.m.not_(a), [1 - x for x in self.meaning[a]]

    def slice(self):
        a = self.pick()
        low, width = self.some(0, self.m.width(a) + 1), self.some(1, self.m.width(a) + 2)
        unit = grid(self.m.frac[a])
        values = [Fraction((int(x / unit) >> low) & (2**width - 1)) for x in self.meaning[a]]
        return self.m.slice(a, low, width), values

    def concat(self):
        a, b = self.pick(), self.pick()
        width = self.m.width(b)
        pairs = zip(self.code(a), self.code(b), strict=True)
        return self.m.concat(a, b), [Fraction((p << width) | q) for p, q in pairs]

    def table(self):
        a, column = self.pick(), self.some(0, 1)
        if self.m.width(a) > 12:
            raise FormatError("too many words")
        depth = self.some(1, 40)
        words = self.rng.integers(-30, 60, (depth, 2))
        frac = self.rng.integers(-2, 3, 2)
        unit = grid(int(frac[column]))
        values = [int(words[p, column]) * unit if p < depth else Fraction(0) for p in self.code(a)]
        return self.m.table(a, Table.of("t", words, frac), column), values


STEPS = [
    "constant", "add", "sub", "mul", "square", "less", "equal", "neg", "shift", "wrap", "floor",
    "select", "and_", "or_", "xor", "not_", "slice", "concat", "table",
]  # fmt: skip
