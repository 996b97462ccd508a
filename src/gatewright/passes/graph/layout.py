"""Move transposes out of the way: behind what works on single elements, until two cancel.

Importers of channels-first models put a transpose before and behind each convolution. Where only
elementwise operations stand between two convolutions, the transposes meet and vanish, so that each
operation sees channels last: one position's channels are a row, and a convolution, its
normalisation and its activation become one kernel that all positions share.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from gatewright.ir import Graph, Node, Op
from gatewright.ir.graph import shapes
from gatewright.ops import (
    Affine,
    Concatenate,
    DivideConstant,
    Function,
    LeakyRelu,
    Quantize,
    ScaledQuantize,
    Transpose,
)
from gatewright.ops.elementwise import Binary, Unary
from gatewright.passes.graph.prune import prune

Axes = tuple[int, ...]

BROADCAST = (Affine, DivideConstant, LeakyRelu, Quantize, ScaledQuantize)
"""Operations whose arrays broadcast against the sample; those of others are tables."""


def settle_layout(graph: Graph) -> Graph:
    """Return the graph with transposes sunk behind elementwise operations and joined.

    Ensures: the same numbers; every node that was there and is still needed keeps its name and
    shape, with its values in the same order. A graph without transposes comes back unchanged.
    """
    if sum(isinstance(node.op, Transpose) for node in graph.nodes) < 2:
        return graph
    return _Sinking(graph).run()


class _Sinking:
    """Walks in order; knows of each value that is a transpose of another."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.shapes = shapes(graph)
        self.taken = {i.name for i in graph.inputs} | {node.name for node in graph.nodes}
        self.nodes: list[Node] = []
        self.turned: dict[str, tuple[str, Axes]] = {}
        """Values that are `transpose(source, axes)`."""
        self.same: dict[str, str] = {}
        """Values that are another under a new name."""

    def run(self) -> Graph:
        """Rebuild the graph and drop what nothing needs any more."""
        for node in self.graph.nodes:
            node = replace(node, inputs=tuple(self.same.get(n, n) for n in node.inputs))
            if isinstance(node.op, Transpose):
                self._transpose(node, node.inputs[0], node.op.axes)
            elif not self._sink(node):
                self.nodes.append(node)
        outputs = tuple(
            replace(o, value=self.same.get(o.value, o.value)) for o in self.graph.outputs
        )
        return prune(replace(self.graph, nodes=tuple(self.nodes), outputs=outputs))

    def _transpose(self, node: Node, source: str, axes: Axes) -> None:
        """Append a transpose of what is no transpose itself, or nothing where it moves nothing."""
        if source in self.turned:
            source, first = self.turned[source]
            axes = tuple(first[a] for a in axes)
        if axes == tuple(range(len(axes))):
            self.same[node.name] = source
            return
        self.turned[node.name] = source, axes
        self.nodes.append(replace(node, op=Transpose(axes), inputs=(source,)))

    def _sink(self, node: Node) -> bool:
        """Replace an operation on transposes by a transpose of the operation, where that works."""
        known = [self.turned.get(name) for name in node.inputs]
        first = known[0] if known else None
        if first is None or any(k is None or k[1] != first[1] for k in known) or node.tie:
            return False
        axes = first[1]
        rank = len(axes)
        if any(len(self.shapes[name]) != rank for name in node.inputs):
            return False
        op = _before(node.op, axes)
        if op is None:
            return False
        name = self._name(f"{node.name}_inner")
        sources = tuple(k[0] for k in known if k is not None)
        self.nodes.append(replace(node, name=name, op=op, inputs=sources))
        self._transpose(replace(node, op=Transpose(axes)), name, axes)
        return True

    def _name(self, wanted: str) -> str:
        while wanted in self.taken:
            wanted += "_"
        self.taken.add(wanted)
        return wanted


def _before(op: Op, axes: Axes) -> Op | None:
    """Return the operation that does the same in front of a transpose; None where none does."""
    if isinstance(op, Concatenate):
        return Concatenate(axes[op.axis % len(axes)])
    if type(op).at_row is Binary.at_row:
        return op
    unary = isinstance(op, Unary) and type(op).at_row is Unary.at_row
    if unary or isinstance(op, ScaledQuantize):
        assert isinstance(op, Unary | ScaledQuantize)
        return _turned(op, np.argsort(axes).tolist())
    return None


def _turned(op: Unary | ScaledQuantize, order: list[int]) -> Op:
    """Return an elementwise operation with the constants that broadcast turned along."""
    parts: dict[str, Any] = {}
    if isinstance(op, Function) and isinstance(op.out, Unary):
        parts["out"] = _turned(op.out, order)
    for f in fields(op) if isinstance(op, BROADCAST) else ():
        value = getattr(op, f.name)
        if isinstance(value, np.ndarray) and value.size > 1:
            wide = value.reshape((1,) * (len(order) - value.ndim) + value.shape)
            parts[f.name] = wide.transpose(order)
    return replace(op, **parts) if parts else op
