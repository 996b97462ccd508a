"""Add up, or take the largest or smallest of, the rows that belong to each segment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.blocks.arith import maximum, minimum, reduce_tree, signed_sum
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints, dyadic, require_exact
from gatewright.ops.truth import FAR, require_positions

FUNCTIONS = ("sum", "max", "min")


@dataclass(frozen=True, eq=False)
class Segment(Op):
    """Join the rows of the first operand by the segment that the second names for each.

    The first operand has shape (rows, ...), the second (rows,): integers, constant (edges given at
    import: adder trees of the members alone) or computed (each row is offered to every segment
    that its number can name). A number that is no segment leaves its row out.

    Attributes:
        segments: length of the first axis of the result.
        function: "sum", "max" or "min".
        empty: what a segment without rows gets; a sum gets 0.
    """

    segments: int
    function: str = "sum"
    empty: float = 0.0
    index_operands = (1,)

    @property
    def growth(self) -> str:  # type: ignore[override]
        """Sums grow; the others keep."""
        return "grows" if self.function == "sum" else "keeps"

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS or self.segments < 1:
            raise ModelError(
                "a reduction by segments is malformed",
                found=f"{self.function} of {self.segments} segments",
                supported=f"{', '.join(FUNCTIONS)} of 1 or more",
            )
        if self.function == "sum" and self.empty != 0:
            raise ModelError("a sum of no rows is 0", found=self.empty, supported=0)

    def _check(self, x: tuple[int, ...], places: tuple[int, ...]) -> None:
        if not x or places != x[:1]:
            raise ModelError(
                "segments are not named row by row",
                found=f"{places} numbers for a tensor of shape {x}",
                supported="a number for each position along the first axis",
            )

    def _reduce(self, x: np.ndarray, places: Ints, empty: np.ndarray) -> np.ndarray:
        """Reduce each sample of a batch; `empty` broadcasts against a row."""
        self._check(x.shape[1:], places.shape[1:])
        members = places[:, None, :] == np.arange(self.segments)[:, None]  # batch, segment, row
        mask = members.reshape(*members.shape, *(1,) * (x.ndim - 2))
        rows = x[:, None]
        if self.function == "sum":
            return np.asarray(np.where(mask, rows, np.zeros((), x.dtype)).sum(axis=2))
        least, most = x.min(initial=0), x.max(initial=0)
        top = self.function == "max"
        offered = np.where(mask, rows, least if top else most)
        found = offered.max(axis=2) if top else offered.min(axis=2)
        return np.where(mask.any(axis=2), found, empty)

    def real(self, *x: Reals) -> Reals:
        """Reduce real numbers."""
        return self._reduce(x[0], np.rint(x[1]).astype(np.int64), np.asarray(self.empty))

    def _members(self, places: Intervals) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows can belong to each segment, and which must: (segments, rows)."""
        kind = require_positions(places, -FAR, FAR, "the number of a segment")
        number = np.arange(self.segments)[:, None]
        can = (kind.lo <= number) & (number <= kind.hi)
        return can, can & (kind.lo == kind.hi)

    def infer(self, *x: Intervals) -> Intervals:
        """Return the range of what every choice of rows can give."""
        kind, places = x
        self._check(kind.shape, places.shape)
        can, must = self._members(places)
        q, point = dyadic(self.empty)
        live = (kind.lo != 0) | (kind.hi != 0)
        fracs = np.where(live, kind.frac, -(2**40))
        shape = (self.segments, *kind.shape[1:])
        low, high, frac = (np.zeros(shape, np.int64) for _ in range(3))
        for n in range(self.segments):
            own = np.flatnonzero(can[n])
            grid = fracs[own].max(axis=0, initial=-(2**40))
            if self.empty != 0 and not must[n].any():
                grid = np.maximum(grid, int(point))
            grid = np.where(grid == -(2**40), 0, grid)
            safe = np.where(live[own], kind.frac[own], grid)
            lo, hi = Intervals(kind.lo[own], kind.hi[own], safe).aligned(grid)
            none = np.ldexp(float(q), (grid - int(point)).astype(np.int32)).astype(np.int64)
            low[n], high[n] = self._range(lo, hi, must[n][own], none)
            frac[n] = grid
        return Intervals.of(low, high, frac)

    def _range(
        self, lo: Ints, hi: Ints, must: np.ndarray, empty: Ints
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the range of one segment from those of the rows that can belong to it."""
        sure = must.reshape(-1, *(1,) * (lo.ndim - 1))
        if self.function == "sum":
            size = np.maximum(np.abs(lo), np.abs(hi)).astype(np.float64)
            require_exact(np.asarray(size.sum(axis=0)))
            low = np.where(sure, lo, np.minimum(lo, 0)).sum(axis=0)
            return low, np.where(sure, hi, np.maximum(hi, 0)).sum(axis=0)
        if self.function == "min":
            high, low = (-v for v in self._largest(-hi, -lo, sure, -empty))
            return low, high
        return self._largest(lo, hi, sure, empty)

    @staticmethod
    def _largest(lo: Ints, hi: Ints, sure: np.ndarray, empty: Ints) -> tuple[Ints, Ints]:
        if len(lo) == 0:
            return empty, empty
        if not sure.any():
            low, high = np.minimum(lo.min(axis=0), empty), np.maximum(hi.max(axis=0), empty)
            return low, high
        least = lo.min()
        return np.where(sure, lo, least).max(axis=0), hi.max(axis=0)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Reduce integers on one grid."""
        q, point = dyadic(self.empty)
        frac = max(int(np.max(x[0].frac, initial=-(2**40))), int(point) if q else -(2**40))
        empty = np.asarray(int(q) << (frac - int(point)) if q else 0)
        grid = np.maximum(x[1].frac, 0)
        places = x[1].aligned(grid) >> grid
        return FixedArray(self._reduce(x[0].aligned(frac), places, empty), np.asarray(frac))

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build a decoder for each row, and a tree for each element of each segment."""
        signals, places = x[0].signals, x[1].signals.tolist()
        columns = signals.reshape(len(places), -1).T.tolist()
        found = []
        for n in range(self.segments):
            hits = [module.equal(place, module.constant(n)) for place in places]
            members = [r for r, hit in enumerate(hits) if module.range(hit)[:2] != (0, 0)]
            for column in columns:
                rows = [(hits[r], column[r]) for r in members]
                found.append(self._sum(module, rows) if self.function == "sum" else
                             self._extreme(module, rows))  # fmt: skip
        return x[0].with_signals(found, (self.segments, *signals.shape[1:]))

    @staticmethod
    def _sum(m: Module, rows: list[tuple[int, int]]) -> int:
        return signed_sum(m, [m.select(hit, a, m.constant(0)) for hit, a in rows])

    def _extreme(self, m: Module, rows: list[tuple[int, int]]) -> int:
        """Offer the end of the range for rows that do not belong; see to it that one does."""
        q, point = dyadic(self.empty)
        nothing = m.constant(int(q), int(point))
        if not rows:
            return nothing
        top = self.function == "max"
        frac = max(m.frac[a] for _, a in rows)
        ends = [(m.lo[a] if top else m.hi[a]) << (frac - m.frac[a]) for _, a in rows]
        end = m.constant(min(ends) if top else max(ends), frac)
        offered = [m.select(hit, a, end) for hit, a in rows]
        found = reduce_tree(m, offered, maximum if top else minimum)
        present = reduce_tree(m, [hit for hit, _ in rows], _either)
        return m.select(present, found, nothing)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count an adder, or a comparator and a choice, for each row that can belong."""
        can, must = self._members(x[1])
        rows = np.maximum(can.sum(axis=1) - 1, 0).reshape(-1, *(1,) * (len(y.shape) - 1))
        row = float(x[0].width.sum()) / max(x[0].shape[0], 1)
        masks = float((can & ~must).sum()) * row / 2
        return float((rows * y.width).sum()) * (1 if self.function == "sum" else 1.5) + masks

    def index_range(self, *shapes: tuple[int, ...]) -> tuple[int, int]:
        """Return the segments."""
        return 0, self.segments - 1

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give each row the gradient of its segment (of the largest only those that are).

        The number of the segment gets what leaving it does.
        """
        x, shape = xs[0], xs[0].shape
        places = np.rint(xs[1]).astype(np.int64)
        inside = (places >= 0) & (places < self.segments)
        wide = (*places.shape, *(1,) * (x.ndim - 2))
        at = np.where(inside, places, 0).reshape(wide)
        share = np.broadcast_to(inside.reshape(wide), shape).astype(np.float64)
        if self.function != "sum":
            share = share * (np.take_along_axis(y, at, axis=1) == x)

        def pull(dy: Reals) -> list[Reals]:
            own = np.take_along_axis(dy, at, axis=1) * share
            return [own, (own * x).reshape(*places.shape, -1).sum(axis=-1)]

        return pull

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return what the sums of sizes and errors give, or the largest error of all rows."""
        if (es[1] > 0).any():
            return np.full(y.shape, np.inf)
        if self.function == "sum":
            size = es[0] + xs[0].shape[1] * u * (np.abs(xs[0]) + es[0])
            return self._reduce(size, np.rint(xs[1]).astype(np.int64), np.asarray(0.0))
        return np.broadcast_to(es[0].max(axis=1, keepdims=True), y.shape) * 1.0


def _either(m: Module, a: int, b: int) -> int:
    """Return the or of two truth values, one of which may be known."""
    for one, other in ((a, b), (b, a)):
        if m.is_constant(one):
            return m.constant(1) if m.lo[one] else other
    return m.or_(a, b)
