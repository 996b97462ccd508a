"""A model as a list of operations in order of computation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

import numpy as np

from gatewright.base import DataError, Diagnostics, GatewrightError, ModelError, Place
from gatewright.ir.op import Op, Reals
from gatewright.num import FixedArray, Intervals


@dataclass(frozen=True, eq=False)
class Node:
    """One operation applied to named values; its result bears the node's name.

    Attributes:
        name: unique in the graph.
        layer: the user's layer that asked for it, as the user's file calls it.
        part: which of a layer's repeated parts it belongs to (a step of a recurrent layer, a call
            of a shared one); each part becomes a module, and equal ones are instances of one.
        tie: nodes with the same tie, if any, are one operation used several times: quantization
            gives them the same constants and the same format.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    layer: str = ""
    part: str = ""
    tie: str = ""


@dataclass(frozen=True, eq=False)
class Input:
    """A value that comes from outside.

    Attributes:
        shape: of one sample.
        type: what the firmware receives; None while the model takes real numbers.
        encode: operations on the host that bring a user's real numbers to `type`.
    """

    name: str
    shape: tuple[int, ...]
    type: Intervals | None = None
    encode: tuple[Op, ...] = ()


@dataclass(frozen=True, eq=False)
class Output:
    """A value that goes outside.

    Attributes:
        value: the node (or input) it comes from.
        decode: operations on the host that turn the firmware's numbers into the model's.
    """

    name: str
    value: str
    decode: tuple[Op, ...] = ()


@dataclass(frozen=True, eq=False)
class Graph:
    """A model. Nodes stand in order of computation.

    Attributes:
        source: where it came from, for messages.
        facts: what the frontend wants the report to say (framework, version, trained score).
        stateful: layers that keep their state from sample to sample, by what the source says.
    """

    name: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    source: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    stateful: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = {i.name for i in self.inputs}
        if len(known) != len(self.inputs):
            raise ModelError("two inputs of the model share a name", place=self.source)
        for node in self.nodes:
            missing = [name for name in node.inputs if name not in known]
            if missing or node.name in known:
                raise ModelError(
                    "the model's layers do not form a graph in order",
                    place=self.place(node),
                    found=f"reads {missing}" if missing else f"a second {node.name!r}",
                )
            known.add(node.name)
        for output in self.outputs:
            if output.value not in known:
                raise ModelError("an output names no layer", place=self.source, found=output.value)

    def place(self, node: Node) -> Place:
        """Return where a node stands in the user's model."""
        return Place(self.source, node.layer or node.name)

    def readers(self) -> dict[str, list[Node]]:
        """Return the nodes that read each value."""
        readers: dict[str, list[Node]] = {i.name: [] for i in self.inputs}
        for node in self.nodes:
            readers[node.name] = []
            for name in dict.fromkeys(node.inputs):
                readers[name].append(node)
        return readers

    def with_source(self, source: str) -> Graph:
        """Return the graph as from another place; what `infer` found of it stays known."""
        graph = replace(self, source=source)
        if self in _TYPES:
            _TYPES[graph] = _TYPES[self]
        return graph

    def with_nodes(self, nodes: Iterable[Node]) -> Graph:
        """Return the graph with other nodes."""
        return replace(self, nodes=tuple(nodes))

    @property
    def is_fixed(self) -> bool:
        """Whether every input has a type, so that the whole graph computes on integers."""
        return all(i.type is not None for i in self.inputs)


_TYPES: WeakKeyDictionary[Graph, dict[str, Intervals]] = WeakKeyDictionary()
"""What `infer` found, as long as a graph lives: planner, lowering, reference and report all ask."""


def infer(graph: Graph) -> dict[str, Intervals]:
    """Return the type of every value.

    Raises:
        GatewrightError: one, or `ManyErrors`, naming the layers that cannot be typed.
    """
    if graph not in _TYPES:
        _TYPES[graph] = _infer(graph)
    return dict(_TYPES[graph])


def _infer(graph: Graph) -> dict[str, Intervals]:
    types: dict[str, Intervals] = {}
    for i in graph.inputs:
        if i.type is None:
            raise DataError(
                "the model takes real numbers and has not been quantized",
                place=Place(graph.source, i.name),
                remedy="give calibration data, or an input format",
            )
        types[i.name] = i.type
    diagnostics = Diagnostics()
    for node in graph.nodes:
        if all(name in types for name in node.inputs):
            with diagnostics.gather(), located(graph, node):
                types[node.name] = node.op.infer(*(types[name] for name in node.inputs))
    diagnostics.raise_if_any()
    return types


class located:  # noqa: N801 - reads as a word in a `with` statement
    """Give errors raised in the block the place of a node, where they have none."""

    def __init__(self, graph: Graph, node: Node) -> None:
        self.place = graph.place(node)

    def __enter__(self) -> None:
        """Enter the block."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Complete a `GatewrightError` on its way out."""
        if isinstance(error, GatewrightError) and error.place is None:
            error.place = self.place
            error.args = (error.text(),)


def evaluate(graph: Graph, inputs: Mapping[str, FixedArray]) -> dict[str, FixedArray]:
    """Compute every value on integers, batch first: the reference answer.

    Each result is brought to the grid of its type, and must lie within it.
    """
    types = infer(graph)
    values: dict[str, FixedArray] = {}
    for i in graph.inputs:
        values[i.name] = inputs[i.name].fit(types[i.name])
    for node in graph.nodes:
        result = node.op.evaluate(*(values[name] for name in node.inputs))
        values[node.name] = result.fit(types[node.name])
    return values


def run_real(graph: Graph, inputs: Mapping[str, Reals]) -> dict[str, Reals]:
    """Compute every value in float64, batch first, as the source model means it."""
    values: dict[str, Reals] = {}
    for i in graph.inputs:
        x = np.asarray(inputs[i.name], np.float64)
        if x.shape[1:] != i.shape:
            raise DataError(
                "data have the wrong shape",
                place=Place(graph.source, i.name),
                found=x.shape,
                supported=("samples", *i.shape),
            )
        values[i.name] = x
    for node in graph.nodes:
        with located(graph, node):
            values[node.name] = node.op.real(*(values[name] for name in node.inputs))
    return values


def shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Return the shape of one sample of every value, found by running one sample of zeros."""
    zeros = {i.name: np.zeros((1, *i.shape)) for i in graph.inputs}
    with np.errstate(all="ignore"):
        return {name: value.shape[1:] for name, value in run_real(graph, zeros).items()}
