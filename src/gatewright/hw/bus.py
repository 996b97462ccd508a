"""How a tensor travels between two operations: its signals, its beats, its contract."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from gatewright.hw.cells import NONE


class Contract(Enum):
    """What sender and receiver promise each other."""

    FIXED = "latency and interval are known; `valid` marks a beat, nobody can stall"
    ELASTIC = "`valid` and `ready`: the receiver may stall"


@dataclass(frozen=True)
class Layout:
    """Which axes of a tensor are cut into beats, in what order, and how much one beat holds.

    No cut axes: the whole tensor in one beat (fully parallel).
    """

    cut: tuple[int, ...] = ()
    lanes: int = 1
    contract: Contract = Contract.FIXED

    @property
    def is_parallel(self) -> bool:
        """Whether one beat holds everything."""
        return not self.cut


@dataclass(frozen=True, eq=False)
class Bus:
    """The signals of one beat, in the shape of the tensor part it holds.

    Attributes:
        signals: rows of the module, any shape.
        valid: the signal that marks a beat, or `NONE` inside logic without state.
        layout: how beats make up the tensor.
    """

    signals: NDArray[np.int64]
    valid: int = NONE
    layout: Layout = field(default_factory=Layout)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the signals."""
        return self.signals.shape

    @property
    def flat(self) -> list[int]:
        """The signals in C order."""
        return list(self.signals.ravel().tolist())

    def with_signals(self, signals: NDArray[np.int64] | list[int], shape: tuple[int, ...]) -> Bus:
        """Return a bus of other signals in the same beats."""
        return Bus(np.asarray(signals, np.int64).reshape(shape), self.valid, self.layout)
