"""Look a row of a constant table up at a position."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.blocks.lookup import lookup
from gatewright.blocks.table_store import Rows, in_beats, table_array
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints, Rounding, dyadic, round_shift
from gatewright.ops.truth import require_positions
from gatewright.streams import Stream, Streams


@dataclass(frozen=True, eq=False)
class Embedding(Op):
    """Replace each position by a row of `table`, along a new last axis.

    By their type, positions must be integers from 0 to the last row: frameworks answer others with
    an error, or differently on each device.

    Attributes:
        table: (rows, features), float64.
    """

    table: Reals
    growth = "grows"
    constants = ("table",)
    index_operands = (0,)
    slab_axes = 0
    writable = True

    def __post_init__(self) -> None:
        if np.ndim(self.table) != 2 or not np.size(self.table):
            raise ModelError(
                "an embedding has no table of rows and features", found=np.shape(self.table)
            )

    def at_slab(self, axes: int) -> Op | None:
        """Return the operation itself: each position has its own row."""
        return self

    def real(self, *x: Reals) -> Reals:
        """Look real numbers up."""
        places = x[0].astype(np.int64)
        if places.size and not 0 <= places.min() <= places.max() < len(self.table):
            raise ModelError(
                "an embedding is asked for a row that is not there",
                found=f"rows {places.min()} to {places.max()}",
                supported=f"0 to {len(self.table) - 1}",
            )
        return np.asarray(self.table[places], np.float64)

    def _codes(self) -> tuple[Ints, Ints]:
        """Return the table as integers, each feature on one grid."""
        q, frac = dyadic(self.table)
        grid = np.where(q != 0, frac, -(2**40)).max(axis=0)
        grid = np.where(grid == -(2**40), 0, grid)
        frac = np.where(q != 0, frac, grid)
        return round_shift(q, frac - grid, Rounding.TRN), grid

    def infer(self, *x: Intervals) -> Intervals:
        """Return the range of the rows that can be asked for."""
        kind = require_positions(x[0], 0, len(self.table) - 1, "the operand of an embedding")
        FixedArray.exact(self.table)  # an error where the numbers have too many bits
        words, grid = self._codes()
        shape = (*kind.shape, words.shape[1])
        low, high = np.empty(shape, np.int64), np.empty(shape, np.int64)
        for index in np.ndindex(kind.shape):
            rows = words[int(kind.lo[index]) : int(kind.hi[index]) + 1]
            low[index], high[index] = rows.min(axis=0), rows.max(axis=0)
        return Intervals.of(low, high, np.broadcast_to(grid, shape))

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Look integers up."""
        words, grid = self._codes()
        point = np.maximum(x[0].frac, 0)
        places = x[0].aligned(point) >> point
        return FixedArray(words[places], grid)

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build a table for each feature of each element."""
        words, grid = self._codes()
        found = []
        for a in x[0].signals.ravel().tolist():
            point = module.frac[a]
            for feature in range(words.shape[1]):
                column, frac = words[:, feature], int(grid[feature])
                found.append(lookup(module, a, _rows(column, point), frac, "rows"))
        return x[0].with_signals(found, (*x[0].shape, words.shape[1]))

    def stream(self, to: Streams, *x: Stream, plan: Plan) -> Stream | None:
        """Put the table where a bus writes it, if the plan asks for that."""
        if not plan.writable:
            return None
        inputs = in_beats(to, x[0], self.table.shape[1], plan)
        require_positions(inputs.types, 0, len(self.table) - 1, "the operand of an embedding")
        return table_array(to, inputs, Rows(self.table, 0, 0), plan, self.table.shape)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a LUT of each bit for 64 rows."""
        return float(y.width.sum() * np.ceil(len(self.table) / 64))

    def index_range(self, *shapes: tuple[int, ...]) -> tuple[int, int]:
        """Return the rows of the table."""
        return 0, len(self.table) - 1

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give the position what a step to the next row does."""
        rows = np.clip(xs[0].astype(np.int64), 0, len(self.table) - 1)
        step = self.table[np.where(rows + 1 < len(self.table), rows + 1, rows - 1)] - y
        return lambda dy: [(dy * step).sum(axis=-1)]

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return 0, or the spread of the table where the position is in doubt."""
        spread = np.ptp(self.table, axis=0)
        return np.where((es[0] > 0)[..., None], spread, u * np.abs(y))


def _rows(column: Ints, point: int) -> Callable[[Ints], Ints]:
    """Return the function from a position's integer, on the grid `2**-point`, to the number."""
    return lambda q: column[q << -point if point < 0 else q]
