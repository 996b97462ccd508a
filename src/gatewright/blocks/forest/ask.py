"""The questions of a forest as circuits: each is asked once, comparisons share their low bits."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.blocks.forest.split import Split
from gatewright.hw import Module

INPUTS = 6
"""Inputs of a LUT: a comparison of so many bits with a constant is one LUT."""

BEYOND = 0.17
"""LUTs that each further bit of a comparison takes, as low bits are shared."""


def comparator_luts(cut: int, width: int) -> float:
    """Return the LUTs of a comparison of a number of some bits with a constant."""
    looked_at = width - ((cut & -cut).bit_length() - 1) if cut else 1
    return 1.0 + BEYOND * max(looked_at - INPUTS, 0)


class Questions:
    """Answers to splits, built when they are first asked for."""

    def __init__(self, module: Module, x: Sequence[int], splits: Sequence[Split]) -> None:
        """Take the features and the question of each node."""
        self.module, self.x, self.splits = module, x, splits
        self._answers: dict[Split, int] = {}
        self._below: dict[tuple[int, int, int], int] = {}

    def goes_left(self, node: int) -> int:
        """Return 1 where the sample goes left at a node."""
        split = self.splits[node]
        if split not in self._answers:
            self._answers[split] = self._ask(split)
        return self._answers[split]

    def _ask(self, split: Split) -> int:
        m, a = self.module, self.x[split.feature]
        frac = m.frac[a]
        if split.numbers is None:
            found = self._less(a, split.cut)
        else:
            found = m.constant(0)
            for number in split.numbers:
                found = m.or_(found, m.equal(a, m.constant(number, frac)))
        if split.missing is None:
            return found
        absent = m.equal(a, m.constant(split.missing, frac))
        return m.or_(found, absent) if split.missing_left else m.and_(found, m.not_(absent))

    def _less(self, a: int, cut: int) -> int:
        """Return 1 where the integer of `a` is less than a constant."""
        m = self.module
        width = m.width(a)
        simple = m.less(a, m.constant(cut, m.frac[a]))
        if m.is_constant(simple) or width <= INPUTS:
            return simple
        trailing = (cut & -cut).bit_length() - 1 if cut else width
        keep = max(width - max(trailing, 0), 1)
        if keep <= INPUTS:
            drop = width - keep
            return m.less(m.floor(a, m.frac[a] - drop), m.constant(cut >> drop, m.frac[a] - drop))
        low = width - INPUTS + 1
        reached = m.not_(self._code_less(a, low, cut & ((1 << low) - 1)))
        # a < cut where (high, reached) < (high of cut, 1): one comparison of six bits.
        high = m.floor(a, m.frac[a] - low)
        joined = self._joined(high, reached)
        return m.less(joined, m.constant(2 * (cut >> low) + 1))

    def _joined(self, high: int, bit: int) -> int:
        """Return a number's integer with one more bit below."""
        m = self.module
        whole = m.shift(high, m.frac[high] + 1)
        return m.add(whole, bit)

    def _code_less(self, a: int, width: int, cut: int) -> int:
        """Return 1 where the lowest bits of a code, unsigned, are less than a constant above 0."""
        m = self.module
        key = a, width, cut
        if key not in self._below:
            trailing = (cut & -cut).bit_length() - 1
            keep = width - trailing
            if keep <= INPUTS:
                self._below[key] = m.less(m.slice(a, trailing, keep), m.constant(cut >> trailing))
            else:
                low = width - INPUTS + 1
                rest = cut & ((1 << low) - 1)
                reached = m.not_(self._code_less(a, low, rest))
                high = m.slice(a, low, INPUTS - 1)
                joined = m.concat(high, reached)
                self._below[key] = m.less(joined, m.constant(2 * (cut >> low) + 1))
        return self._below[key]
