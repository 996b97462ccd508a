"""Return the position of the largest or smallest element along the last axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.derivative import scattered
from gatewright.ops.jumps import contested, slope_of


@dataclass(frozen=True, eq=False)
class Argmax(Op):
    """Return the position of the largest element along the last axis; of equal ones the first.

    Attributes:
        smallest: return that of the smallest.
        last: of equal ones return the last.
    """

    smallest: bool = False
    last: bool = False
    growth = "fixes"

    def _find(self, x: np.ndarray) -> np.ndarray:
        """Return positions, of integers or of real numbers."""
        find = np.argmin if self.smallest else np.argmax
        if self.last:
            return np.asarray(x.shape[-1] - 1 - find(x[..., ::-1], axis=-1))
        return np.asarray(find(x, axis=-1))

    def at_slab(self, axes: int) -> Op | None:
        """Return the operation itself: each row has its own position."""
        return self

    def real(self, *x: Reals) -> Reals:
        """Find it among real numbers."""
        return self._find(x[0]).astype(np.float64)

    def infer(self, *x: Intervals) -> Intervals:
        """Return positions, less those that can never win."""
        kind = x[0]
        shape = kind.shape[:-1]
        return Intervals.of(np.zeros(shape), np.full(shape, kind.shape[-1] - 1), 0)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Find it among integers on one grid."""
        frac = np.max(x[0].frac, initial=-(2**40))
        return FixedArray(self._find(x[0].aligned(frac)), np.asarray(0))

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build a tournament of comparisons that carries value and position."""
        rows = x[0].signals.reshape(-1, x[0].shape[-1]).tolist()
        winners = [self._winner(module, row) for row in rows]
        return x[0].with_signals(winners, x[0].shape[:-1])

    def _winner(self, m: Module, row: list[int]) -> int:
        level = [(s, m.constant(i)) for i, s in enumerate(row)]
        while len(level) > 1:
            following = []
            for (a, i), (b, j) in zip(level[::2], level[1::2], strict=False):
                later_wins = self._later_wins(m, a, b)
                end = min if self.smallest else max
                best = (end(_low(m, a, b)), end(_high(m, a, b)))
                value = m.select(later_wins, b, a, within=best)
                following.append((value, m.select(later_wins, j, i)))
            level = following + ([level[-1]] if len(level) % 2 else [])
        return level[0][1]

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a comparison and two choices for each element but one."""
        bits = x[0].width.sum() + y.width.sum() * x[0].shape[-1]
        return float(2 * bits)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give the two elements that contest the position a slope; see `ops.jumps`."""
        x, slope = xs[0], slope_of(xs[0])
        order = np.argsort(x if self.smallest else -x, axis=-1, kind="stable")
        places = contested(x, order, 1)
        return lambda dy: [
            sum((scattered(slope * dy[..., None], p, x.shape) for p in places), np.zeros(x.shape))
        ]

    def _later_wins(self, m: Module, a: int, b: int) -> int:
        """Compare so that of equal numbers the one wins that is asked for."""
        lower, upper = (b, a) if self.smallest else (a, b)
        return m.not_(m.less(upper, lower)) if self.last else m.less(lower, upper)

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return any distance where the two that come first are closer than their bounds."""
        top = np.sort(-xs[0] if self.smallest else xs[0], axis=-1)[..., -2:]
        worst = es[0].max(axis=-1)
        close = (top[..., -1] - top[..., 0] <= 2 * worst) & (worst > 0)
        return np.where(close, float(xs[0].shape[-1]), 0.0)


def _low(m: Module, a: int, b: int) -> tuple[int, int]:
    frac = max(m.frac[a], m.frac[b])
    return m.lo[a] << (frac - m.frac[a]), m.lo[b] << (frac - m.frac[b])


def _high(m: Module, a: int, b: int) -> tuple[int, int]:
    frac = max(m.frac[a], m.frac[b])
    return m.hi[a] << (frac - m.frac[a]), m.hi[b] << (frac - m.frac[b])
