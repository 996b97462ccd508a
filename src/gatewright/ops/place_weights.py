"""Choose a dense layer's weights by where pixels are: its matrix for a sparse image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.blocks.lookup import lookup
from gatewright.hw import Bus, Module, Table
from gatewright.ir import Plan
from gatewright.num import Intervals, Ints
from gatewright.ops.chosen_weights import ChosenWeights


@dataclass(frozen=True, eq=False)
class PlaceWeights(ChosenWeights):
    """Return for pixels at (row, column) the matrix that a dense layer on the whole image applies.

    From coordinates (pixels, 2) come weights (pixels * channels, outputs): channel c of a pixel
    takes `kernel[row // window rows, column // window columns, c]`, and 0 outside of the kernel's
    places.

    Attributes:
        kernel: (rows, columns, channels, outputs), places of the image that the layer sees.
        window: rows and columns of pixels that share a place.
    """

    window: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if self.kernel.ndim != 4 or not self.kernel.size or min(self.window) < 1:
            raise ModelError(
                "weights of the places of an image are malformed",
                found=f"shape {self.kernel.shape}, windows of {self.window}",
                supported="(rows, columns, channels, outputs), windows of 1 or more",
            )

    @property
    def _places(self) -> tuple[int, int]:
        rows, columns = self.kernel.shape[:2]
        return rows, columns

    def choose(self, at: Ints, kernel: np.ndarray) -> np.ndarray:
        """Return the weights for integer coordinates (batch, pixels, 2)."""
        self.pixels(at.shape[1:])
        cell = at // np.asarray(self.window)
        inside = ((cell >= 0) & (cell < self._places)).all(axis=-1)
        r, s = (np.where(inside, cell[..., k], 0) for k in range(2))
        chosen = np.where(inside[..., None, None], kernel[r, s], np.zeros((), kernel.dtype))
        return chosen.reshape(len(at), -1, self.kernel.shape[3])

    def copies(self, pixels: int) -> tuple[int, ...]:
        """Return the axes of the result, as pixels."""
        return (pixels,)

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Number the place of each pixel, and look its weights up."""
        m, pixels = module, self.pixels(x[0].shape)
        q, frac = self.integers()
        words = q.reshape(-1, *q.shape[2:])  # a table is 0 behind its last word
        found = np.empty((pixels, *q.shape[2:]), np.int64)
        for i, at in enumerate(x[0].signals.tolist()):
            place = self._number(m, at)
            for c, o in np.ndindex(q.shape[2:]):
                own, point = words[:, c, o], int(frac[c, o])
                if m.is_constant(place):
                    known = m.lo[place] << -m.frac[place]
                    found[i, c, o] = m.constant(int(own[known]) if known < len(own) else 0, point)
                else:
                    found[i, c, o] = m.table(place, Table.of("weights", own, point))
        return x[0].with_signals(found, (pixels * q.shape[2], q.shape[3]))

    def _number(self, m: Module, at: list[int]) -> int:
        """Return the number of a pixel's place; of none, the one behind the last."""
        rows, columns = self._places
        first, column = self._cell(m, at[0], 0, columns), self._cell(m, at[1], 1, 1)
        none = m.constant(rows * columns)
        inside = m.and_(m.less(first, none), m.less(column, m.constant(columns)))
        number = m.add(first, column)
        if m.is_constant(inside):
            return number if m.lo[inside] else none
        return m.select(inside, number, none, within=(0, rows * columns))

    def _cell(self, m: Module, a: int, k: int, factor: int) -> int:
        """Return a factor times the place of a coordinate; outside, of that behind the last."""
        last = self._places[k]
        step = max(-m.frac[a], 0)

        def place(q: Ints) -> Ints:
            cell = (q << step) // self.window[k]
            return factor * np.where((cell >= 0) & (cell < last), cell, last)

        if m.frac[a] > 0:  # a zero that stands on a fine grid
            a = m.constant(0)
        return lookup(m, a, place, 0, "places")

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count tables of the places, and what numbers the place of each pixel."""
        depth = max(float(np.prod(self._places)) / 64, 1.0)
        return float(y.width.sum() * depth + 30.0 * x[0].shape[0])

    def index_range(self, *shapes: tuple[int, ...]) -> tuple[int, int]:
        """Return the pixels of all places, and the one behind them."""
        return 0, max(w * n for w, n in zip(self.window, self._places, strict=True))
