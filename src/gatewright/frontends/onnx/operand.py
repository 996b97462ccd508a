"""What an ONNX name can stand for while a file is read: a computed value, a constant, codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewright.ir import Reals

Array = NDArray[Any]

BATCH = -(1 << 40)
"""Stands for the length of the batch in a Shape; arithmetic with it gives no length."""


@dataclass(frozen=True)
class Value:
    """A tensor that depends on the input.

    Attributes:
        name: of the node (or input) in the graph.
        shape: of one sample; in ONNX the batch stands in front of it.
        integer: its ONNX type is an integer (what ArgMax gives).
        batch: the axis that is the batch in ONNX; recurrent nodes have it behind the steps.
    """

    name: str
    shape: tuple[int, ...]
    integer: bool = False
    batch: int = 0

    @property
    def rank(self) -> int:
        """Rank in ONNX, with the batch."""
        return len(self.shape) + 1


@dataclass(frozen=True, eq=False)
class Const:
    """A tensor known at import.

    Attributes:
        array: the numbers in the file's own precision; integer codes where there is a `scale`.
        scale: float64 of the same shape: the tensor is `array * scale`, exactly. None: no scale.
        kind: the ONNX element type of a stored integer tensor, which limits its codes.
    """

    array: Array
    scale: Reals | None = None
    kind: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, as in ONNX."""
        return tuple(self.array.shape)

    def reals(self) -> Reals:
        """Return the numbers as float64, the product with the scale rounded once."""
        array = self.array.astype(np.float64)
        return array if self.scale is None else np.asarray(array * self.scale, np.float64)


@dataclass(frozen=True, eq=False)
class Codes:
    """What `QuantizeLinear` makes of a value, until a `DequantizeLinear` is read.

    Attributes:
        value: what is quantized.
        scale, zero_point: broadcast against the sample.
        low, high: limits of the integers.
        step: what one integer stands for, where that is not `scale` (results of operators on
            integers, whose `value` counts in integers already).
    """

    value: Value
    scale: Reals
    zero_point: Reals
    low: int
    high: int
    step: Reals | None = None

    @property
    def rank(self) -> int:
        """Rank in ONNX, with the batch."""
        return self.value.rank


Operand = Value | Const | Codes
