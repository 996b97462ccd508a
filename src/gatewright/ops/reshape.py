"""Give the elements of a sample another shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.ops.movement import Movement


@dataclass(frozen=True, eq=False)
class Reshape(Movement):
    """Reshape each sample, in C order; one length may be -1."""

    shape: tuple[int, ...]

    def move(self, sample: np.ndarray) -> np.ndarray:
        """Reshape one sample."""
        try:
            return sample.reshape(self.shape)
        except ValueError:
            raise ModelError(
                "a reshape does not keep the number of elements",
                found=f"{sample.shape} to {self.shape}",
                supported=f"{sample.size} elements",
            ) from None
