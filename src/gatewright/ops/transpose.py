"""Permute the axes of a sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.ir import Op
from gatewright.ops.movement import Movement


@dataclass(frozen=True, eq=False)
class Transpose(Movement):
    """Permute axes; `axes` count from 0 without the batch."""

    axes: tuple[int, ...]

    def at_slab(self, axes: int) -> Op | None:
        """Return the order behind some axes, where those keep their places."""
        if self.axes[:axes] != tuple(range(axes)):
            return None
        return Transpose(tuple(a - axes for a in self.axes[axes:]))

    def move(self, sample: np.ndarray) -> np.ndarray:
        """Permute the axes of one sample."""
        if sorted(self.axes) != list(range(sample.ndim)):
            raise ModelError(
                "a transpose does not name every axis once",
                found=f"axes {self.axes} of shape {sample.shape}",
                supported="a permutation of the sample's axes",
            )
        return sample.transpose(self.axes)
