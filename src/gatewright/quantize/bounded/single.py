"""Terms of one input: a function of it like any other, made by one table or polynomial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gatewright.ir import Graph, Input, Node, Output, Reals, run_real
from gatewright.ops import (
    Add,
    Affine,
    Concatenate,
    Constant,
    Dense,
    Divide,
    Function,
    Multiply,
    Slice,
    Subtract,
)

SMOOTH = (Add, Affine, Concatenate, Constant, Dense, Divide, Function, Multiply, Subtract)
"""Operations without kinks or jumps, so that polynomials do for what they make."""

COSTLY = (Divide, Function, Multiply)


@dataclass(frozen=True, eq=False)
class Single:
    """A term of one input.

    Attributes:
        variable: the value that it is a function of: a one-element input, or a part of an input.
        inner: operations between, the term's own last.
    """

    variable: str
    inner: tuple[Node, ...]

    @property
    def function(self) -> Callable[[Reals], Reals]:
        """The term as a function of arrays."""
        root = self.inner[-1].name
        given = (Input(self.variable, (1,)),)
        graph = Graph("term", given, self.inner, (Output("y", root),))

        def real(x: Reals) -> Reals:
            found = run_real(graph, {self.variable: np.reshape(x, (-1, 1))})[root]
            return np.reshape(found, np.shape(x))

        return real


def variables_of(graph: Graph) -> dict[str, str]:
    """Return the one exact value that each value is a function of, for those that have one."""
    inputs = {i.name for i in graph.inputs}
    found = {i.name: i.name for i in graph.inputs if i.shape == (1,)}
    constants = {n.name for n in graph.nodes if isinstance(n.op, Constant)}
    for node in graph.nodes:
        if isinstance(node.op, Slice) and node.inputs[0] in inputs:
            found[node.name] = node.name
            continue
        needs = [n for n in node.inputs if n not in constants]
        own = {found.get(n, "") for n in needs}
        if node.name not in constants and len(own) == 1 and "" not in own:
            found[node.name] = own.pop()
    return found


def as_factors(graph: Graph) -> Graph:
    """Return the graph with quotients by terms of one input as products: `a * (1 / b)`."""
    own = variables_of(graph)
    nodes: list[Node] = []
    names = {n.name for n in graph.nodes} | {i.name for i in graph.inputs}
    for node in graph.nodes:
        if not isinstance(node.op, Divide) or node.inputs[1] not in own or node.name in own:
            nodes.append(node)
            continue
        name = f"{node.name}_inverse"
        while name in names:
            name += "_"
        names.add(name)
        nodes.append(Node(name, Function("reciprocal"), node.inputs[1:], node.layer))
        nodes.append(replace(node, op=Multiply(), inputs=(node.inputs[0], name)))
    return replace(graph, nodes=tuple(nodes))


def singles(graph: Graph) -> dict[str, Single]:
    """Return the largest terms of one input that are worth a table of their own, by name."""
    own, nodes = variables_of(graph), {n.name: n for n in graph.nodes}
    read = {o.value for o in graph.outputs}
    for node in graph.nodes:
        if node.name not in own:
            read.update(node.inputs)
    found = {}
    for name in read:
        if name not in own or name == own[name]:
            continue
        inner = _inner(nodes, name, own[name])
        costly = sum(isinstance(n.op, COSTLY) for n in inner)
        steps = sum(not isinstance(n.op, Constant | Concatenate) for n in inner)
        if costly and steps > 1 and all(isinstance(n.op, SMOOTH) for n in inner):
            found[name] = Single(own[name], inner)
    return found


def _inner(nodes: dict[str, Node], name: str, variable: str) -> tuple[Node, ...]:
    """Return the operations between a variable and a term, in order of computation."""
    needed, todo = {name}, [name]
    while todo:
        node = nodes[todo.pop()]
        if isinstance(node.op, Constant):
            continue
        for operand in node.inputs:
            if operand != variable and operand not in needed:
                needed.add(operand)
                todo.append(operand)
    kept = [n for n in nodes.values() if n.name in needed]
    return tuple(replace(n, inputs=(variable,)) if isinstance(n.op, Constant) else n for n in kept)
