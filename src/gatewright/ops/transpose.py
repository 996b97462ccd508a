"""Permute the axes of a sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.ops.movement import Movement


@dataclass(frozen=True, eq=False)
class Transpose(Movement):
    """Permute axes; `axes` count from 0 without the batch."""

    axes: tuple[int, ...]

    def move(self, sample: np.ndarray) -> np.ndarray:
        """Permute the axes of one sample."""
        if sorted(self.axes) != list(range(sample.ndim)):
            raise ModelError(
                "a transpose does not name every axis once",
                found=f"axes {self.axes} of shape {sample.shape}",
                supported="a permutation of the sample's axes",
            )
        return sample.transpose(self.axes)
