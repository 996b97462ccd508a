"""Choose between two elements by a truth value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.hw import Module
from gatewright.ir import Pull, Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.derivative import weighted
from gatewright.ops.elementwise import Joined, pad_reals
from gatewright.ops.truth import require_truth


@dataclass(frozen=True, eq=False)
class Where(Joined):
    """Give the second operand where the first is 1, the third where it is 0."""

    growth = "keeps"
    index_operands = (0,)

    def join_types(self, *x: Intervals) -> Intervals:
        """Return both ranges joined, or the one that is always chosen."""
        condition, a, b = x
        require_truth(condition, "the condition of a choice")
        zero_a, zero_b = ((v.lo == 0) & (v.hi == 0) for v in (a, b))
        a = Intervals(a.lo, a.hi, np.where(zero_a, b.frac, a.frac))
        b = Intervals(b.lo, b.hi, np.where(zero_b, a.frac, b.frac))
        both = a.union(b)
        always, never = condition.lo == 1, condition.hi == 0
        return Intervals.of(
            *(
                np.where(always, getattr(a, part), np.where(never, getattr(b, part), joint))
                for part, joint in (("lo", both.lo), ("hi", both.hi), ("frac", both.frac))
            )
        )

    def join_real(self, *x: Reals) -> Reals:
        """Choose real numbers."""
        return np.where(x[0] != 0, x[1], x[2])

    def join(self, *x: FixedArray) -> FixedArray:
        """Choose integers on one grid."""
        frac = np.maximum(x[1].frac, x[2].frac)
        return FixedArray(np.where(x[0].q != 0, x[1].aligned(frac), x[2].aligned(frac)), frac)

    def join_signals(self, m: Module, *x: int) -> int:
        """Build a multiplexer."""
        condition, a, b = x
        return m.select(condition, a, b)

    def index_range(self, *shapes: tuple[int, ...]) -> tuple[int, int]:
        """Return the two truth values."""
        return 0, 1

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give what is chosen its gradient, and the choice the difference."""
        condition, a, b = (pad_reals(v, y.ndim - 1) for v in xs)
        chosen = np.broadcast_to(condition != 0, y.shape).astype(np.float64)
        return weighted([np.broadcast_to(a - b, y.shape), chosen, 1 - chosen], xs)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a LUT for two bits."""
        return float(y.width.sum()) / 2

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the chosen operand's bound; both, and their distance, where the choice is open."""
        rank = y.ndim - 1
        x, e = ([pad_reals(v, rank) for v in part] for part in (xs, es))
        own = np.where(x[0] != 0, e[1], e[2])
        return np.where(e[0] > 0, np.abs(x[1] - x[2]) + e[1] + e[2], own)
