"""Fold scales and offsets (batch normalisations) into dense layers beside them; drop identities.

Requires: a graph on real numbers, or one where both sides are exact (the constants are multiplied
in float64). Ensures: the same function in real arithmetic; fewer operations, never more. A node
that a fold absorbs gives its name to nothing; the result keeps the name of the later of the two.
Tied operations are folded all or none, so that they stay one operation used several times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gatewright.ir import Graph, Node
from gatewright.ops import Affine, Dense, DivideConstant, GroupedDense, Reshape


def fold_affine(graph: Graph) -> Graph:
    """Return the graph with every foldable `Affine` folded.

    A fold needs the first operation's result to have no other reader and to be no output. What
    does not fold: an affine whose constants differ along other axes than the dense layer's, or
    that stands between other operations. A quotient becomes a factor: what follows is rounded.
    """
    graph = graph.with_nodes(_as_factor(node) for node in graph.nodes)
    while True:
        smaller = _fold_one(graph)
        if smaller is None:
            return graph
        graph = smaller


def _as_factor(node: Node) -> Node:
    """Return a division by constants as a product."""
    if not isinstance(node.op, DivideConstant):
        return node
    return replace(node, op=Affine(1.0 / node.op.divisor, np.asarray(0.0)))


@dataclass(frozen=True)
class _Pair:
    """Two neighbours, the second the only reader of the first."""

    first: Node
    second: Node


def _fold_one(graph: Graph) -> Graph | None:
    """Return the graph with one operation less, or None where nothing folds."""
    for node in graph.nodes:
        if isinstance(node.op, Affine) and _is_identity(node.op):
            return _without(graph, node)  # tied ones are identities all
    pairs = _pairs(graph)
    for pair in pairs:
        every = _tied(graph, pairs, pair)
        joined = {one.second.name: _join(one) for one in every}
        if every and all(joined.values()):
            gone = {one.first.name for one in every}
            kept = [joined.get(n.name) or n for n in graph.nodes if n.name not in gone]
            return graph.with_nodes(kept)
    return _fold_grouped(graph, pairs)


def _fold_grouped(graph: Graph, pairs: list[_Pair]) -> Graph | None:
    """Fold an affine behind the reshape that joins the groups of a grouped dense layer."""
    joins = {pair.second.name: pair.first for pair in pairs}
    for pair in pairs:
        reshape, affine = pair.first, pair.second
        source = joins.get(reshape.name)
        if source is None or source.tie or reshape.tie or affine.tie:
            continue
        op, move, last = source.op, reshape.op, affine.op
        if not (
            isinstance(op, GroupedDense) and isinstance(move, Reshape) and isinstance(last, Affine)
        ):
            continue
        groups, _, outs = op.weight.shape
        constants = _along_last(last, groups * outs)
        if move.shape[-1] != groups * outs or constants is None:
            continue
        scale, offset = (c.reshape(groups, outs) for c in constants)
        grouped = GroupedDense(op.weight * scale[:, None], op.bias * scale + offset)
        new = {
            source.name: replace(source, op=grouped),
            affine.name: replace(reshape, name=affine.name, layer=source.layer),
        }
        return graph.with_nodes(new.get(n.name, n) for n in graph.nodes if n is not reshape)
    return None


def _tied(graph: Graph, pairs: list[_Pair], pair: _Pair) -> list[_Pair]:
    """Return the pairs to be folded with one; none where ties stand against it."""
    first, second = pair.first, pair.second
    uses = [n for n in graph.nodes if n.tie and n.tie in (first.tie, second.tie)]
    if first.part != second.part:
        return []
    if len(uses) <= bool(first.tie) + bool(second.tie):
        return [pair]  # used once each
    own = [p for p in pairs if (p.first.tie, p.second.tie) == (first.tie, second.tie)]
    return own if 2 * len(own) == len(uses) else []


def _is_identity(op: Affine) -> bool:
    """Say whether an affine changes nothing."""
    return bool((np.asarray(op.scale) == 1).all() and (np.asarray(op.offset) == 0).all())


def _without(graph: Graph, gone: Node) -> Graph:
    """Return the graph without a node; its readers read its input."""
    source = gone.inputs[0]
    nodes = [
        replace(n, inputs=tuple(source if name == gone.name else name for name in n.inputs))
        for n in graph.nodes
        if n is not gone
    ]
    outputs = [replace(o, value=source) if o.value == gone.name else o for o in graph.outputs]
    return replace(graph, nodes=tuple(nodes), outputs=tuple(outputs))


def _pairs(graph: Graph) -> list[_Pair]:
    readers, outputs = graph.readers(), {o.value for o in graph.outputs}
    pairs = []
    for node in graph.nodes:
        own = readers[node.name]
        if len(own) == 1 and node.name not in outputs and len(own[0].inputs) == 1:
            pairs.append(_Pair(node, own[0]))
    return pairs


def _join(pair: _Pair) -> Node | None:
    """Return one node that does what a pair does, or None."""
    first, second = pair.first.op, pair.second.op
    op: Dense | Affine
    if isinstance(first, Dense) and isinstance(second, Affine):
        constants = _along_last(second, len(first.bias))
        if constants is None:
            return None
        scale, offset = constants
        op = Dense(first.weight * scale, first.bias * scale + offset)
    elif isinstance(first, Affine) and isinstance(second, Dense):
        constants = _along_last(first, len(second.weight))
        if constants is None:
            return None
        scale, offset = constants
        op = Dense(second.weight * scale[:, None], second.bias + offset @ second.weight)
    elif isinstance(first, Affine) and isinstance(second, Affine):
        op = Affine(first.scale * second.scale, first.offset * second.scale + second.offset)
    else:
        return None
    layer = pair.first.layer if isinstance(first, Dense) else pair.second.layer
    return replace(pair.second, op=op, inputs=pair.first.inputs, layer=layer or pair.second.layer)


def _along_last(op: Affine, length: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return scale and offset as vectors along the last axis, or None where they are none."""
    vectors = []
    for constant in (op.scale, op.offset):
        array = np.asarray(constant, np.float64)
        if array.size != 1 and array.size != array.shape[-1]:
            return None
        if array.size not in (1, length):
            return None
        vectors.append(np.broadcast_to(array.reshape(-1), (length,)))
    return vectors[0], vectors[1]
