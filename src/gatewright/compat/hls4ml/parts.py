"""The parts of a model that hls4ml's configuration names: a layer, and its activation apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gatewright.frontends.listed import Listed
from gatewright.ir import Graph, Node, Op
from gatewright.ops import (
    Affine,
    Clip,
    Dense,
    Embedding,
    Function,
    GroupedDense,
    LeakyRelu,
    Quantize,
    Relu,
    ScaledQuantize,
    Softmax,
)

WEIGHTED = (Affine, Dense, Embedding, GroupedDense)
ACTIVATIONS = (Clip, Function, LeakyRelu, Relu, Softmax)


@dataclass(frozen=True, eq=False)
class Part:
    """Neighbouring operations of a layer under a name of hls4ml's.

    Attributes:
        name: the layer's, with `_relu` and the like for an activation within a layer.
        kind: class of the layer; `Activation` for such a part, `InputLayer` for an input.
        nodes: in order; none for an input.
        roles: precisions that it has.
        own: it brings number formats of its own.
    """

    name: str
    kind: str
    nodes: tuple[Node, ...]
    roles: tuple[str, ...]
    own: bool = False

    @property
    def takes(self) -> tuple[str, ...]:
        """Return the precisions that mean something here, also those that are seldom given."""
        ops = [node.op for node in self.nodes]
        scale = ("scale",) if any(isinstance(op, Affine) for op in ops) else ()
        tables = ("exp_table", "inv_table") if any(isinstance(op, Softmax) for op in ops) else ()
        slopes = ("weight",) if any(isinstance(op, LeakyRelu) for op in ops) else ()
        return (*self.roles, *scale, *tables, *slopes)

    @property
    def result(self) -> str:
        """Name of the value that the part gives."""
        return self.nodes[-1].name if self.nodes else self.name


def parts_of(graph: Graph, listed: Sequence[Listed]) -> list[Part]:
    """Return a model's parts in order: inputs, then layers and the activations within them."""
    kinds = {layer.name: layer.kind for layer in listed}
    inputs = [Part(i.name, "InputLayer", (), ("result",)) for i in graph.inputs]
    layers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        layers.setdefault(node.layer or node.name, []).append(node)
    parts: list[Part] = []
    for name, nodes in layers.items():
        own = any(isinstance(n.op, Quantize | ScaledQuantize) for n in nodes)
        first = _body(nodes)
        head, tail = tuple(nodes[:first]), tuple(nodes[first:])
        if not head or not tail or own:
            head, tail = tuple(nodes), ()
        parts.append(Part(name, kinds.get(name, "Layer"), head, _roles(head), own))
        if tail:
            activation = f"{name}_{_word(tail[0].op)}"
            parts.append(Part(activation, "Activation", tail, ("result",)))
    return inputs + parts


def _body(nodes: Sequence[Node]) -> int:
    """Return where the activation at the end of a layer begins."""
    first = len(nodes)
    while first and isinstance(nodes[first - 1].op, ACTIVATIONS):
        first -= 1
    return first


def _roles(nodes: Sequence[Node]) -> tuple[str, ...]:
    weighted = any(isinstance(node.op, WEIGHTED) for node in nodes)
    return ("result", "weight", "bias", "accum") if weighted else ("result",)


def _word(op: Op) -> str:
    return op.name if isinstance(op, Function) else op.kind
