"""How matrices are worked off by a multiply-accumulate array: steps, words of weights, sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.num import Intervals, Ints, require_exact
from gatewright.streams.actor import Flags

FAR = 1 << 40
"""Further than any binary point."""


@dataclass(frozen=True)
class MacShape:
    """How rows are multiplied by matrices of shape (n_in, n_out), `kinds` of them in turn.

    A row takes `groups` times `turns` steps: for each group of outputs all its elements in turn.

    Attributes:
        n_in, n_out: shape of each matrix.
        kinds: different matrices; row number r is multiplied by number r mod `kinds`.
        lanes: elements of a row taken in a step.
        group: outputs of a row worked on at once.
        units: rows worked on at once, each with a matrix of its own; more than 1 only where a row
            takes one step.
    """

    n_in: int
    n_out: int
    kinds: int
    lanes: int
    group: int
    units: int = 1

    @classmethod
    def of(cls, weight: Ints, taken: int, beat: int) -> MacShape:
        """Return the smallest array with the steps that were asked for.

        Args:
            weight: (kinds, n_in, n_out).
            taken: elements taken in a step; where that is several rows of different matrices, as
                many rows are worked on at once as divide `kinds`.
            beat: results worked on at once, 0 for those of a row.
        """
        kinds, n_in, n_out = weight.shape
        turns = -(-n_in // min(max(taken, 1), n_in))
        groups = -(-n_out // min(beat or n_out, n_out))
        units = 1
        if turns == groups == 1:
            wanted = max(min(taken // n_in, kinds), 1)
            units = next(u for u in range(wanted, 0, -1) if kinds % u == 0)
        return cls(n_in, n_out, kinds, -(-n_in // turns), -(-n_out // groups), units)

    @property
    def turns(self) -> int:
        """Steps that take every element of a row once."""
        return -(-self.n_in // self.lanes)

    @property
    def groups(self) -> int:
        """Groups of outputs."""
        return -(-self.n_out // self.group)

    @property
    def row_steps(self) -> int:
        """Steps of a row."""
        return self.turns * self.groups

    @property
    def sets(self) -> int:
        """Groups of outputs of all kinds that have weights of their own."""
        return self.kinds // self.units * self.groups

    @property
    def words(self) -> int:
        """Words of weights, one for each step until they repeat."""
        return self.sets * self.turns

    @property
    def multipliers(self) -> int:
        """Products of a step."""
        return self.units * self.lanes * self.group

    def weights(self, weight: Ints) -> Ints:
        """Return the weights of each step, (words, units, lanes, group); those missing are 0."""
        room = (self.kinds, self.turns * self.lanes, self.groups * self.group)
        padded = np.zeros(room, np.int64)
        padded[:, : self.n_in, : self.n_out] = weight
        split = padded.reshape(
            -1, self.units, self.turns, self.lanes, self.groups, self.group
        ).transpose(0, 4, 2, 1, 3, 5)
        return split.reshape(self.words, self.units, self.lanes, self.group)

    def offsets(self, bias: Ints) -> Ints:
        """Return the bias of each set, (sets, units, group)."""
        padded = np.zeros((self.kinds, self.groups * self.group), np.int64)
        padded[:, : self.n_out] = bias
        split = padded.reshape(-1, self.units, self.groups, self.group).transpose(0, 2, 1, 3)
        return split.reshape(self.sets, self.units, self.group)

    def steps(self, rows: int) -> tuple[Flags, Flags]:
        """Return which steps of some rows take a beat, and which give one, (steps,) each."""
        number = np.arange(rows // self.units * self.row_steps)
        return (
            number % self.row_steps < self.turns,
            number % self.turns == self.turns - 1,
        )


@dataclass(frozen=True, eq=False)
class Sums:
    """The range of each accumulator, (units, group), in units of `2**-frac`.

    Attributes:
        low, high: over all partial sums, the bias and 0 among them.
        least, most: over whole sums alone.
    """

    low: Ints
    high: Ints
    least: Ints
    most: Ints
    frac: int


def on_one_grid(kinds: Intervals) -> tuple[int, Ints, Ints]:
    """Return the finest grid of those that are not zero, and all ranges on it."""
    point = int(kinds.frac.max(initial=-FAR, where=(kinds.lo != 0) | (kinds.hi != 0)))
    if point == -FAR:
        point = 0
    return point, *kinds.aligned(point)


def sums(
    shape: MacShape, x: Intervals, low: Ints, high: Ints, weight_frac: int,
    bias: tuple[Ints, Ints], bias_frac: int,
) -> Sums:  # fmt: skip
    """Return the exact bounds of all sums.

    Args:
        shape: of the array.
        x: types of the elements of a beat, (units * lanes,).
        low: the least that each weight can be, (words, units, lanes, group).
        high: the largest.
        weight_frac: their binary point.
        bias: the same of the start of each sum, (sets, units, group).
        bias_frac: its binary point.

    Raises:
        FormatError: a sum would not fit 62 bits.
    """
    point, lo, hi = on_one_grid(x)
    frac = max(point + weight_frac, bias_frac)
    up, bias_up = frac - point - weight_frac, frac - bias_frac
    size = np.maximum(np.abs(lo), np.abs(hi)).astype(float).reshape(shape.units, shape.lanes, 1)
    each = (np.maximum(np.abs(low), np.abs(high)).astype(float) * size).sum(2)
    whole = each.reshape(shape.sets, shape.turns, shape.units, shape.group).sum(1)
    most_bias = np.maximum(np.abs(bias[0]), np.abs(bias[1])).astype(float)
    require_exact(np.ldexp(whole, up) + np.ldexp(most_bias, bias_up))
    ends = [
        a * b
        for a in (lo.reshape(shape.units, shape.lanes, 1), hi.reshape(shape.units, shape.lanes, 1))
        for b in (low, high)
    ]
    found = []
    for pick, join, start in ((np.minimum, np.min, bias[0]), (np.maximum, np.max, bias[1])):
        step = pick(pick(ends[0], ends[1]), pick(ends[2], ends[3])).sum(2) << up
        turns = step.reshape(shape.sets, shape.turns, shape.units, shape.group).cumsum(1)
        first = start << bias_up
        partial = turns + first[:, None]
        every = pick(pick(join(partial, axis=(0, 1)), join(first, axis=0)), 0)
        found.append((every, join(partial[:, -1], axis=0)))
    (low_sum, least), (high_sum, most) = found
    return Sums(low_sum, high_sum, least, most, frac)
