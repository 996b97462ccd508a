"""Apply a piecewise linear function, exactly: thresholds, shrinks, signs, hard activations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.blocks.arith import multiply_constant
from gatewright.hw import Module
from gatewright.ir import Reals
from gatewright.num import FixedArray, Intervals, Rounding, dyadic, round_shift
from gatewright.ops.elementwise import Unary


@dataclass(frozen=True, eq=False)
class Piecewise(Unary):
    """Return `slopes[k] * x + offsets[k]` on the k-th piece of the line; it may jump.

    Piece 0 lies below `points[0]`, piece k between `points[k - 1]` and `points[k]`. A point belongs
    to the piece above it where `closed` says so (`x >= point`), else to the one below (`x > point`
    is the piece above).

    Attributes:
        points: ascending; equal neighbours leave a piece with one point.
        slopes, offsets: one more than there are points.
        closed: for each point, whether it belongs to the piece above.
    """

    points: tuple[float, ...]
    slopes: tuple[float, ...]
    offsets: tuple[float, ...]
    closed: tuple[bool, ...]
    growth = "grows"

    def __post_init__(self) -> None:
        counts = len(self.slopes), len(self.offsets), len(self.closed) + 1
        if counts != (len(self.points) + 1,) * 3 or list(self.points) != sorted(self.points):
            raise ModelError(
                "a piecewise linear function is malformed",
                found=f"points {self.points}, slopes {self.slopes}, offsets {self.offsets}",
                supported="ascending points, and one slope and offset more than points",
            )

    @property
    def is_monotone_unary(self) -> bool:
        """It never falls where no slope is negative and no jump leads down."""
        jumps = [
            s * p + o <= t * p + q
            for p, s, o, t, q in zip(
                self.points, self.slopes, self.offsets, self.slopes[1:], self.offsets[1:],
                strict=False,
            )
        ]  # fmt: skip
        return all(jumps) and min(self.slopes) >= 0

    def real(self, *x: Reals) -> Reals:
        """Compute on real numbers."""
        y = self.slopes[0] * x[0] + self.offsets[0]
        for point, closed, slope, offset in self._above():
            above = x[0] >= point if closed else x[0] > point
            y = np.where(above, slope * x[0] + offset, y)
        return np.asarray(y, np.float64)

    def _above(self) -> list[tuple[float, bool, float, float]]:
        """Return each point with the piece above it."""
        return list(zip(self.points, self.closed, self.slopes[1:], self.offsets[1:], strict=True))

    def _edges(self, frac: int) -> list[int]:
        """Return the smallest integer on a grid that belongs to the piece above each point."""
        edges = []
        for point, closed in zip(self.points, self.closed, strict=True):
            q, own = (int(v) for v in dyadic(point))
            mode = Rounding.CEIL if closed else Rounding.TRN
            edges.append(int(round_shift(np.asarray(q), own - frac, mode)) + (not closed))
        return edges

    def _pieces(self, lo: int, hi: int, frac: int) -> list[tuple[int, int, int]]:
        """Return the pieces that integers of a range fall on: number, first and last integer."""
        edges = self._edges(frac)
        starts, ends = [lo, *edges], [*(e - 1 for e in edges), hi]
        return [
            (k, max(lo, *starts[: k + 1]), min(hi, *ends[k:]))
            for k in range(len(self.slopes))
            if max(lo, *starts[: k + 1]) <= min(hi, *ends[k:])
        ]

    def infer(self, *x: Intervals) -> Intervals:
        """Return the union of the ranges of the pieces that inputs fall on."""
        kind = x[0]
        results = []
        for lo, hi, frac in zip(
            kind.lo.ravel().tolist(), kind.hi.ravel().tolist(), kind.frac.ravel().tolist(),
            strict=True,
        ):  # fmt: skip
            parts = [
                Intervals.of(first, last, frac) * Intervals.constant(np.asarray(self.slopes[k]))
                + Intervals.constant(np.asarray(self.offsets[k]))
                for k, first, last in self._pieces(lo, hi, frac)
            ]
            whole = parts[0]
            for part in parts[1:]:
                whole = whole.union(part)
            results.append((int(whole.lo), int(whole.hi), int(whole.frac)))
        columns = np.asarray(results, np.int64).reshape(-1, 3).T
        return Intervals.of(*(column.reshape(kind.shape) for column in columns))

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Compute every piece on one grid, and choose."""
        parts = [
            x[0] * FixedArray.exact(slope) + FixedArray.exact(offset)
            for slope, offset in zip(self.slopes, self.offsets, strict=True)
        ]
        frac = np.max(np.stack(np.broadcast_arrays(*(p.frac for p in parts))), axis=0)
        y = parts[0].aligned(frac)
        for (point, closed, _, _), part in zip(self._above(), parts[1:], strict=True):
            limit = FixedArray.exact(point)
            grid = np.maximum(limit.frac, x[0].frac)
            value, edge = x[0].aligned(grid), limit.aligned(grid)
            y = np.where(value >= edge if closed else value > edge, part.aligned(frac), y)
        return FixedArray(y, frac)

    def lower_element(self, m: Module, a: int, index: tuple[int, ...]) -> int:
        """Compare with the edges, rounded to the input's grid, and choose."""
        lo, hi, frac = m.range(a)
        edges = self._edges(frac)
        chosen, whole, pieces = -1, (0, 0, 0), self._pieces(lo, hi, frac)
        for k, first, last in pieces:
            value, own = self._piece(m, a, k, first, last)
            if chosen < 0:
                chosen, whole = value, own
                continue
            whole = _union(whole, own)
            below = m.less(a, m.constant(edges[k - 1], frac))
            up = max(m.frac[chosen], m.frac[value]) - whole[2]
            # Before the last choice, inputs of later pieces still carry an earlier piece's line.
            certain = k == pieces[-1][0] and up >= 0
            within = (whole[0] << up, whole[1] << up) if certain else None
            chosen = m.select(below, chosen, value, within=within)
        return chosen

    def _piece(
        self, m: Module, a: int, k: int, first: int, last: int
    ) -> tuple[int, tuple[int, int, int]]:
        """Return a piece's line at `a`, and the range it has where it is chosen."""
        slope, offset = dyadic(self.slopes[k]), dyadic(self.offsets[k])
        product = multiply_constant(m, a, int(slope[0]), int(slope[1]))
        value = m.add(product, m.constant(int(offset[0]), int(offset[1])))
        kind = Intervals.of(first, last, m.frac[a]) * Intervals.constant(
            np.asarray(self.slopes[k])
        ) + Intervals.constant(np.asarray(self.offsets[k]))
        return value, (int(kind.lo), int(kind.hi), int(kind.frac))

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a comparison and a choice for each point."""
        return float((x[0].width + y.width).sum() * len(self.points))

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return what the steepest piece makes of the input's error, and any jump it may reach."""
        x, e = xs[0], es[0]
        steep = max(map(abs, self.slopes))
        bound = e * steep + 3 * u * (steep * np.abs(x) + max(map(abs, self.offsets)))
        for point, s, o, t, q in zip(
            self.points, self.slopes, self.offsets, self.slopes[1:], self.offsets[1:], strict=False
        ):
            jump = abs((t - s) * point + q - o)
            bound = bound + np.where(np.abs(x - point) <= e, jump, 0.0)
        return np.asarray(bound)


def _union(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the range that holds two."""
    frac = max(a[2], b[2])
    up, vp = frac - a[2], frac - b[2]
    return min(a[0] << up, b[0] << vp), max(a[1] << up, b[1] << vp), frac


def threshold(limit: float, value: float = 0.0) -> Piecewise:
    """Return x where it is above `limit`, else `value` (torch's threshold, ThresholdedRelu)."""
    return Piecewise((limit,), (0.0, 1.0), (value, 0.0), (False,))


def shrink(limit: float, bias: float) -> Piecewise:
    """Return x drawn towards zero by `bias` where |x| is above `limit` (not negative), else 0."""
    return Piecewise((-limit, limit), (1.0, 0.0, 1.0), (bias, 0.0, -bias), (True, False))
