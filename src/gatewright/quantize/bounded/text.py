"""Print a value of a real model as an expression, for messages."""

from __future__ import annotations

from gatewright.ir import Graph, Node
from gatewright.ops import (
    Absolute,
    Add,
    Affine,
    Compare,
    Constant,
    Dense,
    Divide,
    Function,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    Where,
)

LONGEST = 80

INFIX = {Add: "+", Divide: "/", Multiply: "*", Subtract: "-"}
SIGNS = {
    "equal": "==", "greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<=",
    "not_equal": "!=",
}  # fmt: skip
NAMES = {Absolute: "abs", Maximum: "max", Minimum: "min", Where: "where"}


def text_of(graph: Graph, name: str, depth: int = 6) -> str:
    """Return the text of a value; what is deep inside is left out."""
    nodes = {node.name: node for node in graph.nodes}
    text = _text(nodes, name, depth)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _text(nodes: dict[str, Node], name: str, depth: int) -> str:
    node = nodes.get(name)
    if node is None or node.op.kind == "slice":
        return name
    if depth == 0:
        return "..."
    op = node.op
    if isinstance(op, Constant):
        return f"{float(op.values.ravel()[0]):g}"
    parts = [_text(nodes, n, depth - 1) for n in node.inputs]
    if isinstance(op, Dense):
        inner = [_text(nodes, n, depth - 1) for n in nodes[node.inputs[0]].inputs]
        sums = [f"{w:+g}*{t}" for w, t in zip(op.weight[:, 0], inner, strict=False)]
        bias = float(op.bias[0])
        return "".join(["(", *sums, f"{bias:+g}" if bias else "", ")"])
    if isinstance(op, Affine):
        scale, offset = (float(v.ravel()[0]) for v in (op.scale, op.offset))
        return f"({scale:g}*{parts[0]}{f'{offset:+g}' if offset else ''})"
    if type(op) in INFIX:
        return f"({parts[0]} {INFIX[type(op)]} {parts[1]})"
    if isinstance(op, Compare):
        return f"({parts[0]} {SIGNS[op.relation]} {parts[1]})"
    called = op.name if isinstance(op, Function) else NAMES.get(type(op), op.kind)
    if isinstance(op, Function):
        parts += [f"{number:g}" for number in op.parameters]
    return f"{called}({', '.join(parts)})"
