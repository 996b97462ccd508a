"""What operations share that choose a kernel's weights by where pixels are."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.ir import Op, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints, dyadic
from gatewright.ops.derivative import nothing
from gatewright.ops.truth import FAR, require_positions


@dataclass(frozen=True, eq=False)
class ChosenWeights(Op):
    """Return weights of a kernel, or 0, for coordinates (pixels, 2): row and column.

    Attributes:
        kernel: of four axes, the last two channels and outputs.
    """

    kernel: Reals
    constants = ("kernel",)
    growth = "fixes"
    index_operands = (0,)

    @staticmethod
    def pixels(shape: tuple[int, ...]) -> int:
        """Return how many pixels there are.

        Raises:
            ModelError: the shape is not that of coordinates.
        """
        if len(shape) != 2 or shape[1] != 2:
            raise ModelError(
                "coordinates of pixels are malformed",
                found=f"shape {shape}",
                supported="(pixels, 2): row and column",
            )
        return shape[0]

    @abstractmethod
    def choose(self, at: Ints, kernel: np.ndarray) -> np.ndarray:
        """Return the weights for integer coordinates (batch, pixels, 2)."""

    @abstractmethod
    def copies(self, pixels: int) -> tuple[int, ...]:
        """Return the leading axes of the result: how often each weight's range stands there."""

    def real(self, *x: Reals) -> Reals:
        """Choose real weights."""
        return self.choose(np.rint(x[0]).astype(np.int64), self.kernel)

    def integers(self) -> tuple[Ints, Ints]:
        """Return the kernel as integers, with one binary point for each channel and output."""
        q, point = dyadic(self.kernel)
        frac = np.where(q != 0, point, -(2**40)).max(axis=(0, 1))
        frac = np.where(frac == -(2**40), 0, frac).astype(np.int64)
        return np.where(q != 0, q << np.where(q != 0, frac - point, 0), 0), frac

    def infer(self, *x: Intervals) -> Intervals:
        """Return the range of each channel's and output's weights, and 0."""
        pixels = self.pixels(x[0].shape)
        require_positions(x[0], -FAR, FAR, "a coordinate of a pixel")
        q, frac = self.integers()
        ends = np.minimum(q.min(axis=(0, 1)), 0), np.maximum(q.max(axis=(0, 1)), 0), frac
        return Intervals.of(*(np.tile(v, (*self.copies(pixels), 1)) for v in ends))

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Choose integers on the kernel's finest grid."""
        q, frac = self.integers()
        finest = int(frac.max())
        grid = np.maximum(x[0].frac, 0)
        at = x[0].aligned(grid) >> grid
        return FixedArray(self.choose(at, q << (finest - frac)), np.asarray(finest))

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Return nothing: coordinates do not feel small changes."""
        return nothing(xs)

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return 0: weights are chosen; no bound where a coordinate is in doubt."""
        return np.full(y.shape, np.inf if (es[0] > 0).any() else 0.0)
