"""Pull gradients of the outputs back through a graph of real numbers: reverse-mode differentiation.

Used to learn how much an error of each value matters to the outputs, nothing else: quantizers pass
gradients straight through (Bengio, Leonard, Courville, arXiv:1308.3432), functions of one element
are differentiated by a central difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.ir import Graph, Node, Op, Reals, located
from gatewright.ops import (
    Argmax,
    Concatenate,
    Constant,
    Dense,
    Multiply,
    Quantize,
    Requantize,
    ScaledQuantize,
    Softmax,
)
from gatewright.ops.elementwise import Binary, Unary
from gatewright.ops.movement import Movement

Pull = Callable[[Reals], list[Reals]]
"""Turns the gradient of an operation's result into those of its inputs; batches lead."""


class Reverse:
    """Gradients of one run of a graph: local derivatives are computed once, for many seeds."""

    def __init__(self, graph: Graph, values: Mapping[str, Reals]) -> None:
        """Differentiate every node at `values`, the result of `run_real`."""
        self.graph = graph
        self.pulls: list[tuple[Node, Pull]] = []
        for node in graph.nodes:
            with located(graph, node):
                inputs = [values[name] for name in node.inputs]
                self.pulls.append((node, pullback(node.op, inputs, values[node.name])))

    def gradients(self, seeds: Mapping[str, Reals]) -> dict[str, Reals]:
        """Return the gradient of every value that reaches a seed, given gradients of some."""
        result = dict(seeds)
        for node, pull in reversed(self.pulls):
            if node.name not in result:
                continue
            for name, part in zip(node.inputs, pull(result[node.name]), strict=True):
                result[name] = result[name] + part if name in result else part
        return result


def pullback(op: Op, x: list[Reals], y: Reals) -> Pull:
    """Return how a gradient of `y = op(*x)` becomes gradients of `x`.

    Raises:
        UnsupportedError: the operation has no rule here.
    """
    if isinstance(op, Dense):
        return lambda g: [g @ op.weight.T]
    if isinstance(op, Softmax):
        return lambda g: [y * (g - (g * y).sum(-1, keepdims=True))]
    if isinstance(op, Quantize | ScaledQuantize):
        inside = (np.abs(y - x[0]) <= np.abs(x[0]) * 0.5 + 1e-9).astype(np.float64)
        return lambda g: [g * inside]
    if isinstance(op, Argmax | Constant | Requantize):
        return lambda g: [np.zeros_like(v) for v in x]
    if isinstance(op, Multiply):
        a, b = x
        return lambda g: [unbroadcast(g * b, a.shape), unbroadcast(g * a, b.shape)]
    if isinstance(op, Unary | Binary):
        slopes = [slope(op, x, k) for k in range(len(x))]
        return lambda g: [unbroadcast(g * s, v.shape) for s, v in zip(slopes, x, strict=True)]
    if isinstance(op, Movement | Concatenate):
        return scatter(op, x)
    raise UnsupportedError(
        "an operation cannot be quantized automatically",
        found=op.kind,
        supported="dense, affine, elementwise, movement, softmax and argmax operations",
        remedy="give this layer number formats in the model (quantization-aware training)",
    )


def slope(op: Op, x: list[Reals], k: int) -> Reals:
    """Return the derivative of an elementwise operation in its input `k`."""
    step = 1e-5 * (1 + np.abs(x[k]))
    up, down = list(x), list(x)
    up[k], down[k] = x[k] + step, x[k] - step
    difference = op.real(*up) - op.real(*down)
    return np.asarray(difference / (2 * step), np.float64)


def unbroadcast(g: Reals, shape: tuple[int, ...]) -> Reals:
    """Sum a gradient over the axes along which an operand was repeated; the batch stays."""
    extra = g.ndim - len(shape)
    if extra > 0:
        g = g.sum(axis=tuple(range(1, 1 + extra)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return g.sum(axis=axes, keepdims=True) if axes else g


def scatter(op: Op, x: list[Reals]) -> Pull:
    """Return the pullback of an operation that moves elements, each any number of times."""
    sizes = [int(np.prod(v.shape[1:])) for v in x]
    starts = np.cumsum([0, *sizes])
    numbered = [
        np.arange(start, stop, dtype=np.float64).reshape(1, *v.shape[1:])
        for start, stop, v in zip(starts[:-1], starts[1:], x, strict=True)
    ]
    where = op.real(*numbered).astype(np.int64).ravel()

    def pull(g: Reals) -> list[Reals]:
        flat = np.zeros((int(starts[-1]), len(g)))
        np.add.at(flat, where, g.reshape(len(g), -1).T)
        parts = np.split(flat.T, starts[1:-1], axis=1)
        return [part.reshape(len(g), *v.shape[1:]) for part, v in zip(parts, x, strict=True)]

    return pull
