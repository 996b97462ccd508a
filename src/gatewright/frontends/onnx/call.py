"""One ONNX node while it is read: its operands and attributes, and a way to emit operations."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import numpy as np
from onnx import NodeProto

from gatewright.base import GatewrightError, ModelError, Namer, Place, UnsupportedError
from gatewright.frontends.onnx.attributes import Attributes
from gatewright.frontends.onnx.operand import Array, Codes, Const, Operand, Value
from gatewright.ir import Node, Op, Reals
from gatewright.ops import Dense
from gatewright.ops.elementwise import Binary

MAX_ELEMENTS = 1 << 24
"""Most numbers in one sample of a tensor; in a parallel circuit each is a signal of its own."""


@dataclass
class Builder:
    """The graph under construction.

    Attributes:
        fixed_batch: every input's batch axis has the length 1, not a symbol.
        first: an input of the graph, for constants to follow.
    """

    source: str
    names: Namer
    fixed_batch: bool
    first: Value
    nodes: list[Node] = field(default_factory=list)

    def emit(
        self,
        op: Op,
        inputs: tuple[Value, ...],
        name: str,
        layer: str,
        part: str = "",
        tie: str = "",
    ) -> Value:
        """Append a node; its sample's shape is found by running it on zeros."""
        names = tuple(v.name for v in inputs)
        tie = f"{layer}/{tie}" if tie else ""
        node = Node(self.names.name(name, "node"), op, names, layer, part, tie)
        try:
            self._check_size(op, inputs, layer)
            with np.errstate(all="ignore"):
                result = op.real(*(np.zeros((1, *v.shape)) for v in inputs))
        except ValueError:
            raise ModelError(
                "the shapes of a layer's operands do not fit together",
                place=Place(self.source, layer),
                found=" and ".join(f"(batch, {', '.join(map(str, v.shape))})" for v in inputs),
                supported="shapes that broadcast as in NumPy",
            ) from None
        self.nodes.append(node)
        return Value(node.name, result.shape[1:])

    def _check_size(self, op: Op, inputs: tuple[Value, ...], layer: str) -> None:
        """Refuse a result too large to be meant, before memory is asked for it."""
        size = 0
        if isinstance(op, Binary):
            size = prod(np.broadcast_shapes(*(v.shape for v in inputs)))
        elif isinstance(op, Dense):
            size = prod(inputs[0].shape[:-1]) * op.weight.shape[1]
        if size > MAX_ELEMENTS:
            raise UnsupportedError(
                "a layer's result is larger than a circuit can be",
                place=Place(self.source, layer),
                found=f"{size} numbers",
                supported=f"up to {MAX_ELEMENTS}",
            )


@dataclass
class Call:
    """One node of the file.

    Attributes:
        opset: version of the operator set that the node's domain is read with.
        operands: None for an optional input left out.
    """

    node: NodeProto
    builder: Builder
    opset: int
    operands: list[Operand | None]
    place: Place
    attributes: Attributes

    # ---- operands

    def operand(self, i: int, what: str) -> Operand:
        """Return a required operand."""
        found = self.optional(i)
        if found is None:
            raise ModelError(f"{self.node.op_type} lacks its input {i} ({what})", place=self.place)
        return found

    def optional(self, i: int) -> Operand | None:
        """Return an operand, or None where it is left out."""
        return self.operands[i] if i < len(self.operands) else None

    def value(self, i: int, what: str) -> Value:
        """Return an operand that is computed from the input."""
        found = self.operand(i, what)
        if isinstance(found, Codes):
            raise UnsupportedError(
                f"{self.node.op_type} computes on the integers of a QuantizeLinear",
                place=self.place,
                supported="QuantizeLinear, at most a Clip, DequantizeLinear, then other operators",
                remedy="export with QuantizeLinear and DequantizeLinear next to each other",
            )
        if isinstance(found, Const):
            raise UnsupportedError(
                f"{self.node.op_type} has a constant for its input {i} ({what})",
                place=self.place,
                supported="a value computed from the model's input",
                remedy="fold constants when exporting",
            )
        return found

    def const(self, i: int, what: str) -> Const:
        """Return an operand that must be known at import."""
        found = self.operand(i, what)
        if not isinstance(found, Const):
            raise UnsupportedError(
                f"{self.node.op_type} has a computed input {i} ({what})",
                place=self.place,
                found=f"input {i} depends on the model's input",
                supported="an initializer or a constant",
                remedy="fold constants when exporting; products of two activations are not handled",
            )
        return found

    def optional_const(self, i: int, what: str) -> Const | None:
        """Return an optional operand that must be known at import."""
        return None if self.optional(i) is None else self.const(i, what)

    def scalar(self, i: int, what: str) -> float:
        """Return a constant operand that is one number."""
        numbers = self.const(i, what).reals()
        if not numbers.size or (numbers != numbers.flat[0]).any():
            raise self.unsupported(
                f"{what} is not one number", found=f"shape {numbers.shape}", supported="a scalar"
            )
        return float(numbers.flat[0])

    def whole_numbers(self, i: int, what: str) -> tuple[int, ...]:
        """Return a constant operand that is a list of integers (axes, a shape)."""
        const = self.const(i, what)
        if const.array.dtype != np.int64 or const.scale is not None or const.array.ndim > 1:
            raise ModelError(f"{what} are no integers", place=self.place, found=const.array.dtype)
        return tuple(int(v) for v in const.array.reshape(-1))

    # ---- shapes: an ONNX tensor of rank r has the batch in front of a sample of rank r - 1

    def axis(self, axis: int, rank: int) -> int:
        """Return an axis counted from 0 with the batch.

        Raises:
            ModelError: there is no such axis.
        """
        if not -rank <= axis < rank:
            raise ModelError(
                "an axis is out of range", place=self.place, found=axis, supported=f"rank {rank}"
            )
        return axis % rank

    def sample_axis(self, axis: int, rank: int) -> int:
        """Return an axis counted from 0 without the batch."""
        axis = self.axis(axis, rank)
        if axis == 0:
            raise self.unsupported(
                f"{self.node.op_type} works along the batch",
                found="axis 0",
                supported="the axes of one sample (1 and up)",
                remedy="the batch must stay the first axis, untouched",
            )
        return axis - 1

    def sample(self, array: Array, rank: int) -> Reals:
        """Return a constant that broadcasts against a tensor of `rank`, for one sample."""
        if array.ndim < rank:
            return np.asarray(array, np.float64)
        if array.ndim > rank or array.shape[0] != 1:
            raise self.unsupported(
                "a constant differs along the batch",
                found=f"shape {array.shape} against rank {rank}",
                supported="length 1 in place of the batch",
            )
        return np.asarray(array[0], np.float64)

    # ---- results

    def emit(
        self, op: Op, *inputs: Value, suffix: str = "", part: str = "", tie: str = ""
    ) -> Value:
        """Append an operation of this layer; see `recipes.emitter.Emitter`."""
        name = f"{self.layer}_{suffix}" if suffix else self.layer
        return self.builder.emit(op, inputs, name, self.layer, part, tie)

    @property
    def layer(self) -> str:
        """The node's name, or else the name of its result."""
        return str(self.node.name or self.node.output[0])

    def unsupported(
        self, what: str, *, found: object = None, supported: object = None, remedy: str = ""
    ) -> GatewrightError:
        """Return an error at this node."""
        return UnsupportedError(
            what, place=self.place, found=found, supported=supported, remedy=remedy
        )
