"""Take elements at fixed positions along one axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.ir import Op
from gatewright.num import Ints
from gatewright.ops.movement import Movement


@dataclass(frozen=True, eq=False)
class Gather(Movement):
    """Replace an axis by the axes of `indices`, each holding what stands at that position.

    Attributes:
        indices: int64 of any shape, positions along the axis from 0.
        axis: of the sample, counted from 0 without the batch.
    """

    indices: Ints
    axis: int = 0

    @classmethod
    def of(cls, indices: object, axis: int = 0) -> Gather:
        """Build from anything that NumPy takes for integers."""
        return cls(np.asarray(indices, np.int64), axis)

    def at_slab(self, axes: int) -> Op | None:
        """Return what is taken behind some axes, where it is taken along a later one."""
        return Gather(self.indices, self.axis - axes) if self.axis >= axes else None

    def move(self, sample: np.ndarray) -> np.ndarray:
        """Take elements of one sample."""
        if not 0 <= self.axis < sample.ndim:
            raise ModelError(
                "a gather names an axis that is not there",
                found=f"axis {self.axis} of shape {sample.shape}",
            )
        length = sample.shape[self.axis]
        if self.indices.size and not 0 <= self.indices.min() <= self.indices.max() < length:
            raise ModelError(
                "a gather names a position that is not there",
                found=f"{self.indices.min()} to {self.indices.max()} of {length}",
                supported=f"0 to {length - 1}",
            )
        return sample.take(self.indices, axis=self.axis)
