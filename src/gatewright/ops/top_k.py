"""Give the largest (or smallest) elements along the last axis, in order, or their positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.blocks.sorting import sort_values, sort_with_positions
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints
from gatewright.ops.derivative import scattered
from gatewright.ops.jumps import contested, slope_of

RESULTS = ("values", "positions")


@dataclass(frozen=True, eq=False)
class TopK(Op):
    """Sort along the last axis and keep the first `k`; of equal elements the first leads.

    Values and positions are two operations on the same tensor. Where both are wanted, `both` makes
    them build the same network, which is there once (equal cells of a module are one).

    Attributes:
        k: elements that are kept; all of them: a sort.
        result: "values" or "positions".
        largest: the largest first; otherwise the smallest.
        both: the other result is wanted as well.
    """

    k: int
    result: str = "values"
    largest: bool = True
    both: bool = False

    @property
    def growth(self) -> str:  # type: ignore[override]
        """Positions have a format whatever comes in; values keep theirs."""
        return "keeps" if self.result == "values" else "fixes"

    def __post_init__(self) -> None:
        if self.result not in RESULTS or self.k < 1:
            raise ModelError(
                "a top-k is malformed",
                found=f"k={self.k}, {self.result}",
                supported="k of 1 or more, values or positions",
            )

    def _check(self, shape: tuple[int, ...]) -> None:
        if not shape or self.k > shape[-1]:
            raise ModelError(
                "a top-k takes more elements than there are",
                found=f"k={self.k} of shape {shape}",
                supported=f"k up to {shape[-1] if shape else 0}",
            )

    def _order(self, x: np.ndarray) -> Ints:
        """Return the positions of the first `k`; a stable sort leaves ties in order."""
        self._check(x.shape[1:])
        return np.argsort(-x if self.largest else x, axis=-1, kind="stable")[..., : self.k]

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the operation itself: it sorts each row."""
        return self

    def real(self, *x: Reals) -> Reals:
        """Sort real numbers."""
        order = self._order(x[0])
        if self.result == "positions":
            return order.astype(np.float64)
        return np.take_along_axis(x[0], order, axis=-1)

    def infer(self, *x: Intervals) -> Intervals:
        """Return the k-th largest of the lowest and of the highest numbers, or all positions."""
        kind = x[0]
        self._check(kind.shape)
        if self.result == "positions":
            shape = (*kind.shape[:-1], self.k)
            return Intervals.of(np.zeros(shape), np.full(shape, kind.shape[-1] - 1), 0)
        live = (kind.lo != 0) | (kind.hi != 0)
        frac = np.where(live, kind.frac, -(2**40)).max(axis=-1, keepdims=True)
        frac = np.where(frac == -(2**40), 0, frac)
        ends = Intervals(kind.lo, kind.hi, np.where(live, kind.frac, frac)).aligned(frac)
        low, high = (np.sort(end, axis=-1) for end in ends)
        if self.largest:
            low, high = low[..., ::-1], high[..., ::-1]
        return Intervals.of(low[..., : self.k], high[..., : self.k], frac)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Sort integers on one grid."""
        frac = np.max(x[0].frac, initial=-(2**40))
        q = x[0].aligned(frac)
        order = self._order(q)
        if self.result == "positions":
            return FixedArray(order.astype(np.int64), np.asarray(0))
        return FixedArray(np.take_along_axis(q, order, axis=-1), np.asarray(frac))

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build a sorting network for each row; what no result needs falls away."""
        self._check(x[0].shape)
        found: list[int] = []
        for row in x[0].signals.reshape(-1, x[0].shape[-1]).tolist():
            if self.result == "values" and not self.both:
                found += sort_values(module, row, self.k, self.largest)
            else:
                both = sort_with_positions(module, row, self.k, self.largest)
                found += both[RESULTS.index(self.result)]
        return x[0].with_signals(found, (*x[0].shape[:-1], self.k))

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count comparators: half a LUT a bit to compare, one a bit to exchange."""
        n = x[0].shape[-1]
        steps = np.ceil(np.log2(max(n, 2)))
        share = min(1.0, 2.0 * self.k / n)
        return float(x[0].width.sum() / 2 * steps * (steps + 1) / 2 * 1.5 * share)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give the elements that lead their gradient, those that contest positions a slope."""
        shape, n = xs[0].shape, xs[0].shape[-1]
        if self.result == "positions":
            order = np.argsort(-xs[0] if self.largest else xs[0], axis=-1, kind="stable")
            slope, places = slope_of(xs[0]), contested(xs[0], order, self.k)
            zero = np.zeros(shape)
            return lambda dy: [sum((scattered(slope * dy, p, shape) for p in places), zero)]
        rows = np.arange(int(np.prod(shape[1:-1]))).reshape(*shape[1:-1], 1)
        where = self._order(xs[0]) + n * rows
        return lambda dy: [scattered(dy, where, shape)]

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the largest bound of the row; for positions all, where two are too close."""
        worst = es[0].max(axis=-1, keepdims=True)
        if self.result == "values":
            return np.broadcast_to(worst, y.shape) * 1.0
        gaps = np.diff(np.sort(xs[0], axis=-1), axis=-1).min(axis=-1, keepdims=True, initial=np.inf)
        doubt = (gaps <= 2 * worst) & (worst > 0)
        return np.broadcast_to(np.where(doubt, float(xs[0].shape[-1]), 0.0), y.shape) * 1.0
