"""What a name of an exported program can stand for while it is read."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch

from gatewright.ir import Reals


@dataclass(frozen=True)
class Value:
    """A tensor that depends on the input.

    PyTorch's tensor has the batch on some axis, the graph's none: `shape` is that of one sample,
    its axes in PyTorch's order. Where a view joined the batch with its neighbours, PyTorch's axis
    is `outer * batch * inner` long, and the sample has the two axes `outer` and `inner` instead.

    Attributes:
        name: of the node (or input) in the graph.
        shape: of one sample.
        batch: PyTorch's axis that holds the batch; None for a module that works on single samples.
        joined: the batch's axis also holds an outer and an inner one, which `shape` has apart.
        kind: what PyTorch's type is: "float", "integer" or "bool".
        mask: where it is 0 the element is minus infinity, which only a softmax can take.
    """

    name: str
    shape: tuple[int, ...]
    batch: int | None = 0
    joined: bool = False
    kind: str = "float"
    mask: Value | None = None

    @property
    def rank(self) -> int:
        """Rank in PyTorch."""
        return len(self.shape) + (0 if self.batch is None else -1 if self.joined else 1)

    @property
    def from_right(self) -> int | None:
        """The batch's axis counted from behind, from 1."""
        return None if self.batch is None else self.rank - self.batch

    def full_shape(self, batch: int) -> tuple[int, ...]:
        """Return PyTorch's shape for a number of samples."""
        if self.batch is None:
            return self.shape
        at = self.batch
        if self.joined:
            length = prod(self.shape[at : at + 2]) * batch
            return (*self.shape[:at], length, *self.shape[at + 2 :])
        return (*self.shape[:at], batch, *self.shape[at:])

    def __str__(self) -> str:
        """Print PyTorch's shape, as in `(batch, 3, 8)`."""
        if self.batch is None:
            return str(self.shape)
        words = [str(n) for n in self.shape]
        if self.joined:
            outer, inner = words[self.batch : self.batch + 2]
            words[self.batch : self.batch + 2] = [f"{outer}*batch*{inner}"]
        else:
            words.insert(self.batch, "batch")
        return f"({', '.join(words)})"


@dataclass(frozen=True, eq=False)
class Const:
    """A tensor known at import.

    Attributes:
        tensor: the numbers in PyTorch's own type; integer codes where there is a `scale`.
        scale: float64 of the same shape: the tensor is `tensor * scale`, exactly. None: no scale.
    """

    tensor: torch.Tensor
    scale: torch.Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, as in PyTorch."""
        return tuple(self.tensor.shape)

    def reals(self) -> Reals:
        """Return the numbers as float64, the product with the scale rounded once."""
        tensor = self.tensor.detach().to(torch.float64)
        if self.scale is not None:
            tensor = tensor * self.scale
        return np.asarray(tensor.cpu().numpy(), np.float64)


@dataclass(frozen=True, eq=False)
class Codes:
    """What a `quantize` makes of a value, until a `dequantize` is read.

    Attributes:
        value: what is quantized.
        scale, zero_point: broadcast against the sample.
        low, high: limits of the codes.
    """

    value: Value
    scale: Reals
    zero_point: Reals
    low: int
    high: int


Operand = Any
"""A Value, Const or Codes; a Python number, text or None; or a list or tuple of these."""


def contains_value(operand: Operand) -> bool:
    """Say whether something depends on the input."""
    if isinstance(operand, list | tuple):
        return any(contains_value(part) for part in operand)
    return isinstance(operand, Value | Codes)
