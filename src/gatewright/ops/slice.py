"""Take a part of a sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.ir import Op
from gatewright.ops.movement import Movement


@dataclass(frozen=True, eq=False)
class Slice(Movement):
    """Take `start:stop:step` along each leading axis of the sample, as Python slices mean it.

    Attributes:
        parts: (start, stop, step) of each axis from the first; None means what it means in Python.
        squeeze: axes of the result to drop, each of length 1 (an integer index).
    """

    parts: tuple[tuple[int | None, int | None, int | None], ...]
    squeeze: tuple[int, ...] = ()

    def at_slab(self, axes: int) -> Op | None:
        """Return what is taken behind some axes, where those are taken in order.

        Taken in order with their lengths kept, they are taken whole.
        """
        in_order = all(step in (None, 1) for _, _, step in self.parts[:axes])
        if not in_order or any(axis < axes for axis in self.squeeze):
            return None
        return Slice(self.parts[axes:], tuple(axis - axes for axis in self.squeeze))

    def move(self, sample: np.ndarray) -> np.ndarray:
        """Slice one sample."""
        if len(self.parts) > sample.ndim:
            raise ModelError(
                "a slice names more axes than there are",
                found=f"{len(self.parts)} axes of shape {sample.shape}",
            )
        taken = sample[tuple(slice(*part) for part in self.parts)]
        if not taken.size:
            raise ModelError("a slice takes nothing", found=f"{self.parts} of shape {sample.shape}")
        return taken.squeeze(self.squeeze) if self.squeeze else taken
