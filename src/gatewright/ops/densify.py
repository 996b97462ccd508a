"""Put the pixels of a sparse image where they belong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints
from gatewright.ops.truth import FAR, require_positions


@dataclass(frozen=True, eq=False)
class Densify(Op):
    """Return an image (rows, columns, channels) from values (pixels, channels) and coordinates.

    Coordinates are (pixels, 2), row and column. Where no pixel is, the image is 0; of pixels at one
    place the first is taken; a pixel outside of the image is left out.

    Attributes:
        size: rows and columns.
    """

    size: tuple[int, int]
    growth = "keeps"
    index_operands = (1,)

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise ModelError("an image has no pixels", found=f"{self.size}", supported="1 or more")

    @staticmethod
    def _check(x: tuple[int, ...], at: tuple[int, ...]) -> None:
        if len(x) != 2 or at != (x[0], 2):
            raise ModelError(
                "values and coordinates of pixels do not fit",
                found=f"{x} and {at}",
                supported="(pixels, channels) and (pixels, 2)",
            )

    def _winner(self, at: Ints) -> Ints:
        """Return the pixel at each place of a batch, (batch, places); past the last where none."""
        inside = ((at >= 0) & (at < self.size)).all(axis=-1)
        place = np.where(inside, at[..., 0] * self.size[1] + at[..., 1], -1)
        hits = place[:, None, :] == np.arange(self.size[0] * self.size[1])[:, None]
        none = np.ones((*hits.shape[:2], 1), np.bool_)
        return np.asarray(np.concatenate([hits, none], axis=2).argmax(axis=2), np.int64)

    def _put(self, x: np.ndarray, at: Ints) -> np.ndarray:
        self._check(x.shape[1:], at.shape[1:])
        padded = np.concatenate([x, np.zeros_like(x[:, :1])], axis=1)
        found = np.take_along_axis(padded, self._winner(at)[..., None], axis=1)
        return found.reshape(len(x), *self.size, x.shape[2])

    def real(self, *x: Reals) -> Reals:
        """Put real numbers."""
        return self._put(x[0], np.rint(x[1]).astype(np.int64))

    def infer(self, *x: Intervals) -> Intervals:
        """Return the ranges of all pixels and 0, joined."""
        kind = x[0]
        self._check(kind.shape, x[1].shape)
        require_positions(x[1], -FAR, FAR, "a coordinate of a pixel")
        live = (kind.lo != 0) | (kind.hi != 0)
        frac = np.where(live, kind.frac, -(2**40)).max(axis=0)
        frac = np.where(frac == -(2**40), 0, frac)
        lo, hi = Intervals(kind.lo, kind.hi, np.where(live, kind.frac, frac)).aligned(
            np.broadcast_to(frac, kind.shape)
        )
        ends = np.minimum(lo.min(axis=0), 0), np.maximum(hi.max(axis=0), 0), frac
        return Intervals.of(*(np.tile(v, (*self.size, 1)) for v in ends))

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Put integers on one grid."""
        frac = np.max(x[0].frac, initial=-(2**40))
        grid = np.maximum(x[1].frac, 0)
        return FixedArray(self._put(x[0].aligned(frac), x[1].aligned(grid) >> grid),
                          np.asarray(frac))  # fmt: skip

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build decoders of rows and columns, and a chain of choices for each place."""
        values, at = x[0].signals.tolist(), x[1].signals.tolist()
        self._check(x[0].shape, x[1].shape)
        decoded = [
            [[module.equal(pixel[k], module.constant(n)) for n in range(self.size[k])]
             for pixel in at]
            for k in range(2)
        ]  # fmt: skip
        found: list[int] = []
        for r in range(self.size[0]):
            for s in range(self.size[1]):
                hits = [
                    module.and_(rows[r], columns[s]) for rows, columns in zip(*decoded, strict=True)
                ]
                found += self._choose(module, hits, values, x[0].shape[1])
        return x[0].with_signals(found, (*self.size, x[0].shape[1]))

    @staticmethod
    def _choose(m: Module, hits: list[int], values: list[list[int]], channels: int) -> list[int]:
        """Return the values of the first that hits, by a tree; 0 where none does."""
        zero = m.constant(0)
        level = [
            (hit, [m.select(hit, a, zero) for a in value])
            for hit, value in zip(hits, values, strict=True)
            if m.range(hit)[:2] != (0, 0)
        ]
        while len(level) > 1:
            joined = []
            for (hit, a), (other, b) in zip(level[::2], level[1::2], strict=False):
                both = hit if m.is_constant(hit) else other if m.is_constant(other) else (
                    m.or_(hit, other)
                )  # fmt: skip
                joined.append((both, [m.select(hit, p, q) for p, q in zip(a, b, strict=True)]))
            level = joined + level[len(joined) * 2 :]
        return level[0][1] if level else [zero] * channels

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count half a LUT for each bit of each pixel at each place, and the decoders."""
        places = self.size[0] * self.size[1]
        return places * (float(x[0].width.sum()) / 2 + 1.5 * x[0].shape[0])

    def index_range(self, *shapes: tuple[int, ...]) -> tuple[int, int]:
        """Return the places of the image, and the one behind them."""
        return 0, max(self.size)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give each pixel the gradient of its place; coordinates none."""
        winner = self._winner(np.rint(xs[1]).astype(np.int64))
        pixels = xs[0].shape[1]

        def pull(dy: Reals) -> list[Reals]:
            flat = dy.reshape(len(dy), -1, dy.shape[-1])
            own = (winner[:, None, :] == np.arange(pixels)[:, None]).astype(np.float64)
            return [own @ flat, np.zeros(xs[1].shape)]

        return pull

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the errors of what is put; no bound where a coordinate is in doubt."""
        if (es[1] > 0).any():
            return np.full(y.shape, np.inf)
        return self._put(es[0], np.rint(xs[1]).astype(np.int64))
