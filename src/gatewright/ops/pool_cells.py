"""Tell which pixels of a sparse image a pooling joins, and where the results are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.blocks.compaction import any_of
from gatewright.blocks.lookup import lookup
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints
from gatewright.ops.derivative import nothing
from gatewright.ops.truth import require_positions

RESULTS = ("members", "coordinates")
LARGEST = 1 << 14


@dataclass(frozen=True, eq=False)
class PoolCells(Op):
    """Cut an image into windows side by side; join pixels at (row, column) that share a window.

    The first pixel of a window stands for it. From coordinates (pixels, 2) come "members",
    (pixels, pixels): a row for each pixel that stands for a window, with 1 at all pixels in it, and
    0 in other rows; or the windows' "coordinates", (pixels, 2), where (windows along rows, 0)
    stands for none. Pixels outside of all windows are in none.

    Attributes:
        window: rows and columns of one.
        windows: their number along rows and columns.
        result: "members" or "coordinates".
    """

    window: tuple[int, int]
    windows: tuple[int, int]
    result: str = "members"
    growth = "fixes"
    index_operands = (0,)

    def __post_init__(self) -> None:
        if self.result not in RESULTS or min(*self.window, *self.windows) < 1:
            raise ModelError(
                "a pooling of pixels is malformed",
                found=f"{self.windows} windows of {self.window}, {self.result}",
                supported="1 or more, members or coordinates",
            )

    def _check(self, shape: tuple[int, ...]) -> int:
        if len(shape) != 2 or shape[1] != 2:
            raise ModelError(
                "coordinates of pixels are malformed",
                found=f"shape {shape}",
                supported="(pixels, 2): row and column",
            )
        return shape[0]

    def _join(self, at: Ints) -> Ints:
        """Return members or coordinates of a batch."""
        self._check(at.shape[1:])
        cell = at // np.asarray(self.window)
        there = ((cell >= 0) & (cell < self.windows)).all(axis=-1)
        same = (cell[:, :, None] == cell[:, None, :]).all(axis=-1)
        same &= there[:, :, None] & there[:, None, :]
        first = there & ~np.tril(same, -1).any(axis=2)
        if self.result == "members":
            return np.asarray(same & first[:, :, None], np.int64)
        return np.asarray(np.where(first[..., None], cell, [self.windows[0], 0]), np.int64)

    def real(self, *x: Reals) -> Reals:
        """Join pixels at whole numbers."""
        return self._join(np.rint(x[0]).astype(np.int64)).astype(np.float64)

    def infer(self, *x: Intervals) -> Intervals:
        """Return 0 to 1, or all coordinates."""
        pixels = self._check(x[0].shape)
        require_positions(x[0], -LARGEST, LARGEST, "a coordinate of a pixel")
        if self.result == "members":
            shape = (pixels, pixels)
            upper = np.tri(pixels, k=-1, dtype=np.int64)
            return Intervals.of(np.zeros(shape, np.int64), 1 - upper, 0)
        top = np.broadcast_to([self.windows[0], self.windows[1] - 1], (pixels, 2))
        return Intervals.of(np.zeros_like(top), top, 0)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Join pixels at integers."""
        grid = np.maximum(x[0].frac, 0)
        return FixedArray(self._join(x[0].aligned(grid) >> grid), np.asarray(0))

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build a table of windows for each coordinate, and comparators of pairs."""
        m, pixels = module, self._check(x[0].shape)
        at = x[0].signals.tolist()
        cells = [[self._cell(m, a, k) for k, a in enumerate(pixel)] for pixel in at]
        there = [self._there(m, pixel) for pixel in cells]
        zero = m.constant(0)
        same = [[zero] * pixels for _ in range(pixels)]
        for i in range(pixels):
            same[i][i] = there[i]
            for j in range(i + 1, pixels):
                equal = [m.equal(a, b) for a, b in zip(cells[i], cells[j], strict=True)]
                same[i][j] = m.and_(m.and_(equal[0], equal[1]), m.and_(there[i], there[j]))
        first = [
            m.and_(there[j], m.not_(any_of(m, [same[i][j] for i in range(j)])))
            for j in range(pixels)
        ]
        if self.result == "members":
            rows = [[m.and_(first[i], bit) for bit in row] for i, row in enumerate(same)]
            return x[0].with_signals([bit for row in rows for bit in row], (pixels, pixels))
        none = (m.constant(self.windows[0]), zero)
        found = [
            m.select(first[i], cells[i][k], none[k], within=(0, self.windows[k] - k))
            for i in range(pixels)
            for k in range(2)
        ]
        return x[0].with_signals(found, (pixels, 2))

    def _cell(self, m: Module, a: int, k: int) -> int:
        """Return the window of a coordinate; outside of all, the number behind the last."""
        last = self.windows[k]
        frac = m.frac[a]
        step = max(-frac, 0)

        def window(q: Ints) -> Ints:
            cell = (q << step) // self.window[k]
            return np.where((cell >= 0) & (cell < last), cell, last)

        if frac > 0:  # a zero that stands on a fine grid
            a = m.constant(0)
        return lookup(m, a, window, 0, "windows")

    def _there(self, m: Module, cell: list[int]) -> int:
        inside = [m.less(a, m.constant(last)) for a, last in zip(cell, self.windows, strict=True)]
        return m.and_(inside[0], inside[1])

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count three LUTs a pair, and the tables."""
        if self.result != "members":
            return 0.0
        pixels = x[0].shape[0]
        tables = np.ldexp(1.0, np.maximum(x[0].width - 6, 0)) * 6
        return 1.5 * pixels * (pixels - 1) + float(tables.sum())

    def index_range(self, *shapes: tuple[int, ...]) -> tuple[int, int]:
        """Return the places that windows cover, and the one behind them."""
        return 0, max(w * n for w, n in zip(self.window, self.windows, strict=True))

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Return nothing: coordinates do not feel small changes."""
        return nothing(xs)

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return 0; no bound where a coordinate is in doubt."""
        return np.full(y.shape, np.inf if (es[0] > 0).any() else 0.0)
