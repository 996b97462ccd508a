"""One node of an exported program while it is read: its arguments, and a way to emit operations."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from gatewright.base import GatewrightError, ModelError, Namer, Place, UnsupportedError
from gatewright.frontends.torch.operand import Codes, Const, Operand, Value
from gatewright.ir import Node, Op, Reals
from gatewright.ops import Constant, Dense, Reshape, Transpose
from gatewright.ops.elementwise import Binary

MAX_ELEMENTS = 1 << 22
"""Most numbers in one sample of a tensor; in a parallel circuit each is a signal of its own."""


NARROW = (torch.int8, torch.uint8, torch.int16)
"""Types of whole numbers in which PyTorch's arithmetic soon wraps round."""


@dataclass
class Builder:
    """The graph under construction.

    Attributes:
        source: the model, for messages.
        batch: the number that stands for the batch's length while shapes are computed.
        first: an input of the graph, for constants to follow.
        roundings: how many times coarser than its arithmetic PyTorch computes some constants.
    """

    source: str
    names: Namer
    batch: int
    first: Value
    nodes: list[Node] = field(default_factory=list)
    roundings: float = 1.0
    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def emit(
        self, op: Op, inputs: tuple[Value, ...], name: str, where: Where, part: str, tie: str
    ) -> Value:
        """Append a node; its sample's shape is found by running it on zeros."""
        try:
            self._check_size(op, inputs, where.place)
            with np.errstate(all="ignore"):
                result = op.real(*(np.zeros((1, *v.shape)) for v in inputs))
        except ValueError:
            raise ModelError(
                "the shapes of a layer's operands do not fit together",
                place=where.place,
                found=" and ".join(map(str, inputs)),
                supported="shapes that broadcast as in NumPy",
            ) from None
        node = Node(
            self.names.name(name, "node"),
            op,
            tuple(v.name for v in inputs),
            where.layer,
            part,
            self._tie(where, tie),
        )
        self.nodes.append(node)
        return Value(node.name, result.shape[1:])

    def _tie(self, where: Where, tie: str) -> str:
        """Return what ties the node to its like in other calls."""
        if not where.tie:
            return f"{where.layer}/{tie}" if tie else ""
        if tie:
            return f"{where.tie}/{tie}"
        key = where.layer, where.tie
        count = self.counts[key] = self.counts.get(key, 0) + 1
        return f"{where.tie}/{count}"

    def _check_size(self, op: Op, inputs: tuple[Value, ...], place: Place) -> None:
        """Refuse a result too large to be meant, before memory is asked for it."""
        size = 0
        if isinstance(op, Binary):
            size = math.prod(np.broadcast_shapes(*(v.shape for v in inputs)))
        elif isinstance(op, Dense):
            size = math.prod(inputs[0].shape[:-1]) * op.weight.shape[1]
        if size > MAX_ELEMENTS:
            raise UnsupportedError(
                "a layer's result is larger than a circuit can be",
                place=place,
                found=f"{size} numbers",
                supported=f"up to {MAX_ELEMENTS}",
            )


@dataclass(frozen=True)
class Where:
    """Where a node stands in the user's model.

    Attributes:
        layer: module and call, or module and operation.
        tie: what the node has in common with others that are the same operation, or "".
        place: for messages; with the user's line of code where the program tells it.
    """

    layer: str
    tie: str
    place: Place


class Call:
    """One call of an operator.

    Attributes:
        operator: its name, `aten.add.Tensor`.
        given: its arguments by their names in the operator's schema; defaults are filled in.
        where: in the user's model.
        target: PyTorch's operator itself.
        shapes: of each of its results in PyTorch, with `builder.batch` for the batch.
        wanted: which of several results are used; None: all.
    """

    def __init__(
        self,
        builder: Builder,
        operator: str,
        given: dict[str, Operand],
        where: Where,
        target: Any = None,
        shapes: tuple[tuple[int, ...], ...] = (),
        wanted: frozenset[int] | None = None,
    ) -> None:
        self.builder = builder
        self.operator = operator
        self.given = given
        self.where = where
        self.target = target
        self.shapes = shapes
        self.wanted = wanted
        self.unread = set(given)

    # ---- arguments

    def operand(self, name: str) -> Operand:
        """Return an argument, whatever it is.

        Raises:
            UnsupportedError: some of its elements are minus infinity, which a circuit cannot hold.
        """
        found = self.raw(name)
        for part in found if isinstance(found, list | tuple) else [found]:
            if isinstance(part, Value) and part.mask is not None:
                raise self.unsupported(
                    f"minus infinity reaches {self.operator}",
                    supported="a softmax right behind the mask",
                    remedy="mask right in front of the softmax, or with a finite number",
                )
        return found

    def raw(self, name: str) -> Operand:
        """Return an argument, some of whose elements may be minus infinity."""
        self.unread.discard(name)
        return self.given[name]

    def has(self, name: str) -> bool:
        """Say whether the overload of the operator has an argument."""
        return name in self.given

    def value(self, name: str) -> Value:
        """Return an argument that is computed from the input."""
        found = self.operand(name)
        if isinstance(found, Value):
            return found
        if isinstance(found, Codes):
            raise self.unsupported(
                f"{self.operator} computes on quantized integers",
                found=f"its argument {name}",
                supported="quantize and dequantize next to each other, then other operators",
            )
        raise self.unsupported(
            f"{self.operator} has no computed tensor for its argument {name}",
            found=_kind_of(found),
            supported="a value computed from the model's input",
        )

    def maybe_masked(self, name: str) -> Value:
        """Return a computed argument, some of whose elements may be minus infinity."""
        found = self.raw(name)
        return found if isinstance(found, Value) and found.mask is not None else self.value(name)

    def plain(self, name: str) -> Value:
        """Return a computed argument whose batch is the first axis, and only the batch."""
        x = self.value(name)
        if x.batch not in (0, None) or x.joined:
            raise self.unsupported(
                f"{self.operator} takes a tensor whose first axis is not the batch alone",
                found=str(x),
                supported="(batch, ...)",
                remedy="move the batch to the front, as the layer expects it",
            )
        return x

    def const(self, name: str) -> Const:
        """Return an argument that must be a tensor known at import."""
        found = self.operand(name)
        if isinstance(found, Const):
            return found
        if isinstance(found, bool | int | float):
            return Const(torch.as_tensor(found, dtype=torch.float64))
        raise self.unsupported(
            f"{self.operator} has a computed argument {name}",
            found=_kind_of(found),
            supported="a parameter, a buffer or a constant",
        )

    def reals(self, name: str, sizes: tuple[int, ...] | None = None) -> Reals:
        """Return a constant argument as finite float64 numbers, of a shape where one is given."""
        numbers = self.finite(self.const(name).reals(), name)
        if sizes is not None and numbers.shape != sizes:
            raise self.unsupported(
                f"{self.operator} has an argument {name} that does not fit its input",
                found=f"shape {numbers.shape}",
                supported=f"shape {sizes}",
            )
        return numbers

    def finite(self, numbers: Reals, name: str) -> Reals:
        """Return the numbers, refusing NaN and infinity."""
        if not np.isfinite(numbers).all():
            raise ModelError(
                "a tensor of the model holds NaN or infinity",
                place=self.where.place,
                found=f"{int((~np.isfinite(numbers)).sum())} of {numbers.size} numbers of {name}",
                supported="finite numbers",
                remedy="check the training run that wrote these weights",
            )
        return numbers

    def optional_reals(self, name: str, sizes: tuple[int, ...] | None = None) -> Reals | None:
        """Return a constant argument, or None where it is left out."""
        if self.given.get(name) is None:
            self.unread.discard(name)
            return None
        return self.reals(name, sizes)

    def number(self, name: str) -> float:
        """Return an argument that is one number known at import."""
        found = self.operand(name)
        if isinstance(found, Const) and found.tensor.numel() == 1:
            return float(self.finite(found.reals(), name).reshape(()))
        if isinstance(found, bool | int | float) and math.isfinite(found):
            return float(found)
        raise self.unsupported(
            f"{self.operator} has an argument {name} that is no number known at import",
            found=_kind_of(found),
            supported="a finite number",
        )

    def optional_number(self, name: str) -> float | None:
        """Return a number, or None where it is left out."""
        if self.given.get(name) is None:
            self.unread.discard(name)
            return None
        return self.number(name)

    def integer(self, name: str) -> int:
        """Return an argument that is a whole number known at import."""
        number = self.number(name)
        if number != int(number):
            raise self.unsupported(f"{name} of {self.operator} is no whole number", found=number)
        return int(number)

    def integers(self, name: str) -> tuple[int, ...]:
        """Return an argument that is a list of whole numbers; a single one counts as a list."""
        found = self.operand(name)
        if isinstance(found, int):
            return (found,)
        if isinstance(found, list | tuple) and all(isinstance(n, int) for n in found):
            return tuple(found)
        raise self.unsupported(
            f"{self.operator} has an argument {name} that is no list of whole numbers",
            found=_kind_of(found),
            supported="numbers known at import",
        )

    def optional_integers(self, name: str) -> tuple[int, ...] | None:
        """Return a list of whole numbers, or None where it is left out or empty."""
        if self.given.get(name) in (None, [], ()):
            self.unread.discard(name)
            return None
        return self.integers(name)

    def flag(self, name: str) -> bool:
        """Return an argument that is true or false."""
        return bool(self.operand(name))

    def text(self, name: str) -> str:
        """Return an argument that is a word."""
        return str(self.operand(name))

    def must_be(self, name: str, *allowed: object, remedy: str = "") -> None:
        """Refuse any value of an argument but those that need no handling."""
        found = self.operand(name)
        if not any(found is value or found == value for value in allowed):
            raise self.unsupported(
                f"{self.operator} has an argument {name} that is not handled",
                found=_kind_of(found),
                supported=" or ".join(map(repr, allowed)),
                remedy=remedy,
            )

    def real_type(self, x: Value, name: str = "dtype") -> torch.dtype | None:
        """Return the type of numbers that `x` is converted to; real numbers must stay real.

        Raises:
            UnsupportedError: fractions would be dropped.
        """
        found = self.operand(name) if self.has(name) else None
        if found is None or found.is_floating_point or x.kind != "float":
            return found if isinstance(found, torch.dtype) else None
        raise self.unsupported(
            "a conversion to integers drops fractions",
            found=str(found),
            supported="conversions to float32 and float64",
            remedy="quantize with a quantizer, which says how it rounds",
        )

    def ignore(self, *names: str) -> None:
        """Pass over arguments that have no effect on the answer."""
        self.unread.difference_update(names)

    def finish(self) -> None:
        """Refuse an argument that nobody read."""
        for name in sorted(self.unread):
            if self.given[name] not in (None, False, [], ()):
                raise self.unsupported(
                    f"{self.operator} has an argument {name} that is not handled",
                    found=_kind_of(self.given[name]),
                    supported="the default",
                )

    # ---- shapes

    def axis(self, axis: int, rank: int) -> int:
        """Return an axis counted from 0 as PyTorch counts.

        Raises:
            ModelError: there is no such axis.
        """
        if not -rank <= axis < rank:
            raise ModelError(
                "an axis is out of range",
                place=self.where.place,
                found=axis,
                supported=f"rank {rank}",
            )
        return axis % rank

    def sample_axis(self, axis: int, x: Value) -> int:
        """Return the sample's axis of one of PyTorch's.

        Raises:
            UnsupportedError: it is the batch's.
        """
        axis = self.axis(axis, x.rank)
        if x.batch is None or axis < x.batch:
            return axis
        if axis == x.batch:
            raise self.unsupported(
                f"{self.operator} works along the batch",
                found=f"axis {axis} of {x}",
                supported="the axes of one sample",
                remedy="samples must not meet: a circuit sees one at a time",
            )
        return axis + 1 if x.joined else axis - 1

    def sample(self, numbers: Reals, x: Value, what: str = "a constant") -> Reals:
        """Return a constant that broadcasts against `x` in PyTorch, for one sample of it.

        Raises:
            UnsupportedError: it differs from sample to sample.
        """
        if x.from_right is None or numbers.ndim < x.from_right:
            return numbers
        at = numbers.ndim - x.from_right
        length = numbers.shape[at]
        if x.joined:
            outer, inner = x.shape[x.batch : x.batch + 2] if x.batch is not None else (1, 1)
            sizes = (1, 1, 1) if length == 1 else (outer, self.builder.batch, inner)
            if math.prod(sizes) == length:
                numbers = numbers.reshape(*numbers.shape[:at], *sizes, *numbers.shape[at + 1 :])
                at += 1
                length = sizes[1]
            else:
                length = -1
        rows = np.moveaxis(numbers, at, 0)
        if length not in (1, self.builder.batch) or (rows != rows[:1]).any():
            raise self.unsupported(
                f"{what} of {self.operator} differs along the batch",
                found=f"shape {numbers.shape} against {x}",
                supported="length 1 in place of the batch",
            )
        return np.ascontiguousarray(rows[0])

    # ---- results

    def emit(
        self, op: Op, *inputs: Value, suffix: str = "", part: str = "", tie: str = ""
    ) -> Value:
        """Append an operation of this layer; see `recipes.emitter.Emitter`.

        The result has its batch where the first operand has it, of the same rank or not.
        """
        layer = self.where.layer
        name = f"{layer}_{suffix}" if suffix else layer
        result = self.builder.emit(op, inputs, name, self.where, part, tie)
        return replace(result, batch=inputs[0].batch, joined=inputs[0].joined)

    def used(self, number: int) -> bool:
        """Say whether one of several results is used."""
        return self.wanted is None or number in self.wanted

    def constant(self, numbers: Reals, like: Value, suffix: str = "constant") -> Value:
        """Return a tensor that never changes, of one sample of what is like `like`."""
        result = self.emit(
            Constant(np.asarray(numbers, np.float64)), self.builder.first, suffix=suffix
        )
        return replace(result, batch=like.batch, joined=like.joined)

    def reshape(self, x: Value, shape: tuple[int, ...], suffix: str = "reshape") -> Value:
        """Return one sample's elements in another shape, itself where it has that."""
        return x if x.shape == shape else self.emit(Reshape(shape), x, suffix=suffix)

    def transpose(self, x: Value, axes: tuple[int, ...], suffix: str = "transpose") -> Value:
        """Permute a sample's axes; nothing is emitted where they stay."""
        return (
            x if axes == tuple(range(len(axes))) else self.emit(Transpose(axes), x, suffix=suffix)
        )

    def channels_last(self, x: Value) -> Value:
        """Return a sample with its first axis last."""
        return self.transpose(x, (*range(1, len(x.shape)), 0), "channels_last")

    def channels_first(self, x: Value) -> Value:
        """Return a sample with its last axis first."""
        last = len(x.shape) - 1
        return self.transpose(x, (last, *range(last)), "channels_first")

    def unsupported(
        self, what: str, *, found: object = None, supported: object = None, remedy: str = ""
    ) -> GatewrightError:
        """Return an error at this node."""
        return UnsupportedError(
            what, place=self.where.place, found=found, supported=supported, remedy=remedy
        )


def _kind_of(found: Any) -> str:
    """Say what an argument is."""
    if isinstance(found, Value):
        return f"a tensor {found} that depends on the model's input"
    if isinstance(found, Codes):
        return "quantized integers"
    if isinstance(found, Const):
        return f"a constant of shape {found.shape}"
    return repr(found)
