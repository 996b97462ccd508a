"""What hardware that all channels share asks for: where branches meet, what is a factor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatewright.ir import Graph, Node
from gatewright.ops import Affine, Constant, DivideConstant


def shifts(graph: Graph) -> Graph:
    """Return the graph with scales that are powers of two below 1 as divisions: these are wiring.

    Such a scale keeps the format of what it scales, so that an average over 64 pixels is rounded
    once, not before and behind the scale.
    """
    return graph.with_nodes(_as_shift(node) for node in graph.nodes)


def _as_shift(node: Node) -> Node:
    op = node.op
    if not isinstance(op, Affine) or np.any(op.offset) or np.size(op.scale) == 0:
        return node
    divisor = 1.0 / np.where(op.scale > 0, op.scale, np.inf)
    whole = (divisor >= 1) & (divisor < 2.0**62)
    power = np.frexp(divisor)[0] == 0.5
    if not (whole & power).all():
        return node
    return replace(node, op=DivideConstant.of(divisor.astype(np.int64)))


def joins(graph: Graph) -> list[str]:
    """Return the values that operations without constants combine, in order of computation.

    A residual sum, for one: with a format for each of its operands all channels are aligned alike.
    """
    nodes = {node.name: node for node in graph.nodes}
    found: dict[str, None] = {}
    for node in graph.nodes:
        if len(node.inputs) < 2 or node.op.wiring or node.op.growth == "narrows":
            continue
        for k, name in enumerate(node.inputs):
            constant = name in nodes and isinstance(nodes[name].op, Constant)
            if k not in node.op.index_operands and not constant:
                found[name] = None
    return list(found)


def factors(graph: Graph) -> set[str]:
    """Return the values that something multiplies, and what they are moved from."""
    nodes = {node.name: node for node in graph.nodes}
    found: set[str] = set()
    stack = [
        name
        for node in graph.nodes
        if node.op.growth == "narrows" and not node.op.addresses
        for name in node.inputs
    ]
    while stack:
        name = stack.pop()
        if name in found:
            continue
        found.add(name)
        if name in nodes and (nodes[name].op.wiring or nodes[name].op.growth == "keeps"):
            stack += nodes[name].inputs
    return found
