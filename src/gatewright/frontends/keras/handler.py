"""What a handler of a layer gets and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gatewright.base import GatewrightError, ModelError, Namer, Place, UnsupportedError
from gatewright.frontends.keras.attributes import Table
from gatewright.frontends.keras.hdf5 import Array
from gatewright.frontends.keras.model import Layer
from gatewright.frontends.keras.weights import Weights
from gatewright.ir import Node, Op

MOST_ELEMENTS = 1 << 22
"""Elements of one tensor; a circuit has wires for each of them."""


@dataclass(frozen=True)
class Value:
    """A tensor in the graph under construction: its node's name and the shape of one sample."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Handler:
    """Turns one class of layers into operations.

    Attributes:
        kind: the class's name.
        family: the library of the class.
        table: what is known of its attributes.
        build: makes the operations of one call and returns the result, or several.
        options: keyword arguments of a call that `build` reads; another is an error.
        constants: `build` reads positional arguments that are no tensors (an axis, a number).
    """

    kind: str
    family: str
    table: Table
    build: Callable[[Site], Value | Sequence[Value]]
    options: frozenset[str] = frozenset()
    constants: bool = False


class Builder:
    """Gathers nodes under names that are unique and safe for every output language."""

    def __init__(self, source: str, keras: int, weights: Weights) -> None:
        self.source = source
        self.keras = keras
        self.weights = weights
        self.nodes: list[Node] = []
        self.stateful: list[str] = []
        self.handlers: dict[tuple[str, ...], tuple[Handler, dict[str, Any]]] = {}
        self.namer = Namer()

    def emit(
        self,
        op: Op,
        inputs: tuple[Value, ...],
        layer: str,
        suffix: str = "",
        part: str = "",
        tie: str = "",
    ) -> Value:
        """Append an operation and return its result, whose shape one sample of zeros tells.

        Raises:
            GatewrightError: the shapes do not fit, or a tensor is too large.
        """
        place = Place(self.source, layer)
        try:
            with np.errstate(all="ignore"):
                result = op.real(*(np.zeros((1, *value.shape)) for value in inputs))
        except GatewrightError as error:
            if error.place is None:
                error.place = place
                error.args = (error.text(),)
            raise
        except ValueError:
            raise ModelError(
                "the shapes of a layer's inputs do not fit",
                place=place,
                found=" and ".join(str(value.shape) for value in inputs),
                supported="shapes that the layer can join",
            ) from None
        shape = result.shape[1:]
        self.check_shape(shape, place)
        stem = layer.split("/")[-1]
        name = self.namer.name(f"{stem}_{suffix}" if suffix else stem, "layer")
        tie = f"{layer}/{tie}" if tie else ""
        self.nodes.append(Node(name, op, tuple(v.name for v in inputs), layer, part, tie))
        return Value(name, shape)

    def check_shape(self, shape: tuple[int, ...], place: Place) -> None:
        """Refuse a tensor that no circuit can hold."""
        elements = 1
        for length in shape:
            elements *= length
        if not 0 < elements <= MOST_ELEMENTS:
            raise UnsupportedError(
                "a tensor of the model is empty or too large for a circuit",
                place=place,
                found=f"shape {shape}",
                supported=f"1 to {MOST_ELEMENTS} elements a sample",
                remedy="give the model a smaller input",
            )


@dataclass(frozen=True, eq=False)
class Site:
    """One call of a layer, as its handler sees it.

    Attributes:
        attributes: of the layer, checked and completed with defaults.
        inputs: values in the order of the call; positional ones before those given by keyword.
        arguments: positional arguments of the call: `Value`s, constants, lists of these.
        options: keyword arguments of the call, likewise; those that are None are left out.
        title: the layer's name, after those of the models it is nested in.
    """

    builder: Builder
    layer: Layer
    attributes: Mapping[str, Any]
    inputs: tuple[Value, ...]
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Return the layer's name with those of the models around it."""
        return "/".join(self.layer.address.names)

    @property
    def place(self) -> Place:
        """Return where the layer is."""
        return Place(self.builder.source, self.title)

    def at(self, attribute: str) -> Place:
        """Return where an attribute is."""
        return Place(self.builder.source, self.title, attribute)

    @property
    def keras(self) -> int:
        """Return the major version of the Keras that wrote the file; 0 where it does not say."""
        return self.builder.keras

    @property
    def input(self) -> Value:
        """Return the only input.

        Raises:
            ModelError: there are none or several.
        """
        if len(self.inputs) != 1:
            raise ModelError(
                f"a {self.layer.kind} layer takes one tensor",
                place=self.place,
                found=f"{len(self.inputs)} tensors",
            )
        return self.inputs[0]

    def emit(
        self, op: Op, *inputs: Value, suffix: str = "", part: str = "", tie: str = ""
    ) -> Value:
        """Append an operation; see `recipes.emitter.Emitter`."""
        return self.builder.emit(op, inputs, self.title, suffix, part, tie)

    def arrays(self, *names: str, part: str = "") -> list[Array]:
        """Return the layer's weights; see `Weights.arrays`."""
        return self.builder.weights.arrays(self.layer.address, names, part, self.place)

    def floats(self, *names: str, part: str = "") -> list[Array]:
        """Return the layer's weights as float32, the type that Keras computes in."""
        arrays = self.arrays(*names, part=part)
        for name, array in zip(names, arrays, strict=True):
            if array.dtype.kind != "f" or array.dtype.itemsize > 4:
                raise UnsupportedError(
                    "a layer's weights are not float32",
                    place=self.at(name),
                    found=array.dtype,
                    supported="float32 or float16",
                    remedy="save the model with the float32 policy",
                )
        return [array.astype(np.float32) for array in arrays]

    def expect(self, name: str, array: Array, shape: tuple[int, ...]) -> None:
        """Check the shape of a weight."""
        if array.shape != shape:
            raise ModelError(
                "a weight has the wrong shape",
                place=self.at(name),
                found=array.shape,
                supported=f"{shape}, from the layer's attributes and input",
                remedy="save the whole model again with `model.save`",
            )

    def unsupported(
        self, what: str, attribute: str, found: object, supported: str, remedy: str
    ) -> UnsupportedError:
        """Return an error about an attribute."""
        return UnsupportedError(
            what, place=self.at(attribute), found=found, supported=supported, remedy=remedy
        )


@dataclass(frozen=True, eq=False)
class TiedSite(Site):
    """One use of a layer that is used several times: its operations share their constants.

    Attributes:
        use: what to call it (a step, a call), the part of the layer that its operations are.
        count: how many operations there are yet; a handler emits the same ones in every use.
    """

    use: str = ""
    count: list[int] = field(default_factory=lambda: [0])

    def emit(
        self, op: Op, *inputs: Value, suffix: str = "", part: str = "", tie: str = ""
    ) -> Value:
        """Append an operation, tied to the same of the other uses."""
        self.count[0] += 1
        tie = tie or f"operation {self.count[0]}"
        return super().emit(op, *inputs, suffix=suffix, part=f"{self.use} {part}".strip(), tie=tie)
