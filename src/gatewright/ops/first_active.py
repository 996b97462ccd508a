"""Keep the first pixels of an image that are above a threshold: their values, or where they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.blocks.compaction import Row, any_of, first_present, number_of
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints, dyadic
from gatewright.ops.derivative import nothing, scattered

RESULTS = ("values", "coordinates")
BLOCK = 8
"""Pixels of a row that are moved together first, since most blocks are empty."""


@dataclass(frozen=True, eq=False)
class FirstActive(Op):
    """Keep the first `count` pixels of (rows, columns, channels) whose channel 0 is above.

    Pixels are counted row by row (raster order; arXiv:2512.06208). "values" are (count, channels),
    0 where there are fewer pixels; "coordinates" are (count, 2), row and column, where (rows, 0)
    stands for no pixel. Both are operations on the same tensor; their networks are there once.

    Attributes:
        count: pixels that are kept.
        threshold: a pixel is active where channel 0 is greater.
        result: "values" or "coordinates".
    """

    count: int
    threshold: float = 0.0
    result: str = "values"

    @property
    def growth(self) -> str:  # type: ignore[override]
        """Coordinates have a format whatever comes in; values keep theirs."""
        return "keeps" if self.result == "values" else "fixes"

    def __post_init__(self) -> None:
        if self.result not in RESULTS or self.count < 1 or not np.isfinite(self.threshold):
            raise ModelError(
                "a choice of active pixels is malformed",
                found=f"{self.count} above {self.threshold}, {self.result}",
                supported="1 or more above a number, values or coordinates",
            )

    @staticmethod
    def _check(shape: tuple[int, ...]) -> None:
        if len(shape) != 3:
            raise ModelError(
                "active pixels are asked of a tensor that is no image",
                found=f"shape {shape}",
                supported="(rows, columns, channels)",
            )

    def _order(self, active: np.ndarray) -> tuple[Ints, np.ndarray]:
        """Return the places of the first pixels, (batch, count), and which of them are there."""
        flat = active.reshape(len(active), -1)
        pixels = flat.shape[1]
        order = np.argsort(~flat, axis=1, kind="stable")[:, : self.count].astype(np.int64)
        there = np.take_along_axis(flat, order, axis=1)
        short = ((0, 0), (0, max(self.count - pixels, 0)))
        return np.pad(order, short), np.pad(there, short)

    def _keep(self, x: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Return values or coordinates, from the image and which pixels are active."""
        rows, columns, channels = x.shape[1:]
        order, there = self._order(active)
        if self.result == "values":
            flat = x.reshape(len(x), rows * columns, channels)
            values = np.take_along_axis(flat, order[..., None], axis=1)
            return np.where(there[..., None], values, np.zeros((), x.dtype))
        row, column = np.where(there, order // columns, rows), np.where(there, order % columns, 0)
        return np.stack([row, column], axis=-1)

    def real(self, *x: Reals) -> Reals:
        """Keep real numbers."""
        self._check(x[0].shape[1:])
        return self._keep(x[0], x[0][..., 0] > self.threshold).astype(np.float64)

    def infer(self, *x: Intervals) -> Intervals:
        """Return the ranges of all pixels and 0, joined; or all coordinates."""
        kind = x[0]
        self._check(kind.shape)
        rows, columns, channels = kind.shape
        if self.result == "coordinates":
            top = np.broadcast_to([rows, columns - 1], (self.count, 2))
            return Intervals.of(np.zeros_like(top), top, 0)
        flat = kind.map(lambda v: v.reshape(-1, channels))
        live = (flat.lo != 0) | (flat.hi != 0)
        frac = np.where(live, flat.frac, -(2**40)).max(axis=0)
        frac = np.where(frac == -(2**40), 0, frac)
        lo, hi = Intervals(flat.lo, flat.hi, np.where(live, flat.frac, frac)).aligned(
            np.broadcast_to(frac, flat.shape)
        )
        low, high = np.minimum(lo.min(axis=0), 0), np.maximum(hi.max(axis=0), 0)
        shape = (self.count, channels)
        return Intervals.of(*(np.broadcast_to(v, shape).copy() for v in (low, high, frac)))

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Keep integers on one grid."""
        self._check(x[0].q.shape[1:])
        frac = np.max(x[0].frac, initial=-(2**40))
        q = x[0].aligned(frac)
        active = q[..., 0] > self._limit(int(frac))
        result = self._keep(q, active)
        return FixedArray(result, np.asarray(frac if self.result == "values" else 0))

    def _limit(self, frac: int) -> int:
        """Return the largest integer of `2**-frac` that is not above the threshold."""
        number, point = (int(v) for v in dyadic(self.threshold))
        limit = number << (frac - point) if frac >= point else number >> (point - frac)
        return min(max(limit, -(1 << 62)), 1 << 62)

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build two networks: of blocks with an active pixel, and of the pixels of those."""
        signals = x[0].signals
        rows, columns, channels = signals.shape
        wide = max(columns - 1, 0).bit_length()
        low = min(wide, BLOCK.bit_length() - 1)
        blocks = [
            self._block(module, signals[r], start, 1 << low)
            for r in range(rows)
            for start in range(0, 1 << wide, 1 << low)
        ]
        kept = first_present(module, blocks, self.count)
        found = first_present(module, self._pixels(module, kept, 1 << low), self.count)
        result = [
            self._result(module, row, (rows, columns, channels), (low, wide)) for row in found
        ]
        width = channels if self.result == "values" else 2
        return x[0].with_signals([s for row in result for s in row], (self.count, width))

    def _block(self, m: Module, line: np.ndarray, start: int, length: int) -> Row | None:
        """Return pixels that lie side by side as one row, channel by channel."""
        pixels = line[start : start + length].tolist()
        if not pixels:
            return None
        number, point = (int(v) for v in dyadic(self.threshold))
        limit, nothing_there = m.constant(number, point), m.constant(0)
        active = [m.less(limit, pixel[0]) for pixel in pixels]
        present = any_of(m, active)
        if m.range(present)[:2] == (0, 0):
            return None
        active += [nothing_there] * (length - len(pixels))
        pixels += [[nothing_there] * line.shape[-1]] * (length - len(pixels))
        content = [s for pixel in pixels for s in pixel]
        return Row(present, (*(active if self._marks else ()), *content))

    @property
    def _marks(self) -> bool:
        """Whether blocks carry which pixels are active: else a pixel is compared again."""
        return self.threshold < 0

    def _pixels(self, m: Module, blocks: list[Row | None], length: int) -> list[Row | None]:
        """Return the pixels of blocks; behind a pixel's channels stands the block's number."""
        found: list[Row | None] = []
        number, point = (int(v) for v in dyadic(self.threshold))
        limit = m.constant(number, point)
        for block in blocks:
            if block is None:
                found += [None] * length
                continue
            content = block.content[length if self._marks else 0 :]
            channels = len(content) // length
            for i in range(length):
                pixel = content[i * channels : (i + 1) * channels]
                active = block.content[i] if self._marks else m.less(limit, pixel[0])
                present = m.and_(block.present, active)
                row = Row(present, (*pixel, *block.number))
                found.append(None if m.range(present)[:2] == (0, 0) else row)
        return found

    def _result(
        self, m: Module, row: Row | None, shape: tuple[int, int, int], bits: tuple[int, int]
    ) -> list[int]:
        """Return what one place gives."""
        rows, columns, channels = shape
        low, wide = bits
        if self.result == "values":
            zero = m.constant(0)
            if row is None:
                return [zero] * channels
            return [m.select(row.present, s, zero) for s in row.content[:channels]]
        if row is None:
            return [m.constant(rows), m.constant(0)]
        number = [*row.number[:low], *row.content[channels:]]
        found = []
        for part, none, top in ((number[wide:], rows, rows), (number[:wide], 0, columns - 1)):
            there = number_of(m, part)
            within = (0, top) if m.range(there)[2] == 0 else None
            found.append(m.select(row.present, there, m.constant(none), within=within))
        return found

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count half a LUT a bit and level; of both results together, since they share networks."""
        if self.result != "values":
            return 0.0
        most = max(self.count - 1, 1).bit_length()
        return float(x[0].width.sum()) * (most + 1) / 2

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give pixels that are kept their gradient; coordinates do not feel small changes."""
        if self.result != "values":
            return nothing(xs)
        shape = xs[0].shape
        order, there = self._order(np.asarray(xs[0][..., 0] > self.threshold))
        where = order[..., None] * shape[-1] + np.arange(shape[-1])
        return lambda dy: [scattered(np.where(there[..., None], dy, 0.0), where, shape)]

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the errors of what is kept; no bound where a pixel may be active or not."""
        distance = np.abs(xs[0][..., 0] - self.threshold)
        doubt = np.asarray((distance <= es[0][..., 0]) & (es[0][..., 0] > 0))
        open_samples = doubt.reshape(len(doubt), -1).any(axis=1).reshape(-1, 1, 1)
        active = np.asarray(xs[0][..., 0] > self.threshold)
        own = self._keep(es[0], active) if self.result == "values" else np.zeros(y.shape)
        return np.asarray(np.where(open_samples, np.inf, own))
