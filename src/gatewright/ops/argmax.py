"""Return the position of the largest element along the last axis; of equal ones the first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Reals
from gatewright.num import FixedArray, Intervals


@dataclass(frozen=True, eq=False)
class Argmax(Op):
    """Return the position of the largest element along the last axis; of equal ones the first."""

    def real(self, *x: Reals) -> Reals:
        """Find it among real numbers."""
        return np.asarray(np.argmax(x[0], axis=-1), np.float64)

    def infer(self, *x: Intervals) -> Intervals:
        """Return positions, less those that can never win."""
        kind = x[0]
        shape = kind.shape[:-1]
        return Intervals.of(np.zeros(shape), np.full(shape, kind.shape[-1] - 1), 0)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Find it among integers on one grid."""
        frac = np.max(x[0].frac, initial=-(2**40))
        return FixedArray(np.argmax(x[0].aligned(frac), axis=-1), np.asarray(0))

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build a tournament of comparisons that carries value and position."""
        rows = x[0].signals.reshape(-1, x[0].shape[-1]).tolist()
        winners = [self._winner(module, row) for row in rows]
        return x[0].with_signals(winners, x[0].shape[:-1])

    @staticmethod
    def _winner(m: Module, row: list[int]) -> int:
        level = [(s, m.constant(i)) for i, s in enumerate(row)]
        while len(level) > 1:
            following = []
            for (a, i), (b, j) in zip(level[::2], level[1::2], strict=False):
                later_wins = m.less(a, b)
                best = (max(_low(m, a, b)), max(_high(m, a, b)))
                value = m.select(later_wins, b, a, within=best)
                following.append((value, m.select(later_wins, j, i)))
            level = following + ([level[-1]] if len(level) % 2 else [])
        return level[0][1]


def _low(m: Module, a: int, b: int) -> tuple[int, int]:
    frac = max(m.frac[a], m.frac[b])
    return m.lo[a] << (frac - m.frac[a]), m.lo[b] << (frac - m.frac[b])


def _high(m: Module, a: int, b: int) -> tuple[int, int]:
    frac = max(m.frac[a], m.frac[b])
    return m.hi[a] << (frac - m.frac[a]), m.hi[b] << (frac - m.frac[b])
