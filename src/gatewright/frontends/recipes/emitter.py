"""What a recipe needs of a frontend: a tensor's shape, and a way to append an operation."""

from __future__ import annotations

from typing import Protocol, TypeVar

from gatewright.ir import Op


class Tensor(Protocol):
    """A tensor in the graph under construction."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one sample, without the batch."""


T = TypeVar("T", bound=Tensor)


class Emitter(Protocol[T]):
    """A call of a layer, to which a recipe appends operations.

    Keras's `Site`, ONNX's `Call` and PyTorch's `Call` are emitters.
    """

    def emit(self, op: Op, *inputs: T, suffix: str = "", part: str = "", tie: str = "") -> T:
        """Append an operation.

        Args:
            op: what to append.
            inputs: its operands.
            suffix: what to call the result within the layer; "" for the layer's own name.
            part: see `ir.Node`; "" for a layer that is one module.
            tie: see `ir.Node`, unique within the layer; "" for an operation used once.
        """
