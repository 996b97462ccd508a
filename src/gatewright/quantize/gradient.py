"""Pull gradients of the outputs back through a graph of real numbers: reverse-mode differentiation.

Used to learn how much an error of each value matters to the outputs, nothing else. Operations state
their own rule (`Op.pullback`); for one that does not, differences of its real meaning are taken.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.ir import Graph, Node, Op, Pull, Reals, located
from gatewright.ops.derivative import STEP

MOST_DIFFERENCES = 4096
"""Elements of an operand up to which differences are taken one by one."""


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

    def gradients(
        self, seeds: Mapping[str, Reals], keep: Container[str] | None = None
    ) -> dict[str, Reals]:
        """Return the gradient of every value that reaches a seed, given gradients of some.

        Args:
            seeds: gradients by value.
            keep: the values whose gradients are wanted; None: all.
        """
        result = dict(seeds)
        for node, pull in reversed(self.pulls):
            if node.name not in result:
                continue
            for name, part in zip(node.inputs, pull(result[node.name]), strict=True):
                result[name] = result[name] + part if name in result else part
            if keep is not None and node.name not in keep:
                del result[node.name]
        return result


def pullback(op: Op, x: list[Reals], y: Reals) -> Pull:
    """Return how a gradient of `y = op(*x)` becomes gradients of `x`.

    Raises:
        UnsupportedError: the operation has no rule, and too many elements for differences.
    """
    own = op.pullback(x, y)
    if own is not None:
        return own
    for v in x:
        steps = v.shape[-1] if _by_rows(op, v, y) else int(np.prod(v.shape[1:]))
        if steps > MOST_DIFFERENCES:
            raise UnsupportedError(
                "an operation cannot be differentiated, so that it cannot be quantized",
                found=f"{op.kind} on {steps} elements, without a rule of its own",
                supported=f"a rule (`Op.pullback`), or at most {MOST_DIFFERENCES} elements",
                remedy="give this layer number formats in the model (quantization-aware training)",
            )
    return lambda dy: [_differences(op, x, y, dy, k) for k in range(len(x))]


def _by_rows(op: Op, x: Reals, y: Reals) -> bool:
    """Say whether rows are independent, so that one element of each can move at once."""
    if x.ndim < 2 or y.ndim != x.ndim or y.shape[:-1] != x.shape[:-1]:
        return False
    return op.at_row((0,) * (x.ndim - 2)) is not None


def _differences(op: Op, xs: list[Reals], y: Reals, dy: Reals, k: int) -> Reals:
    """Return the gradient in operand `k`: move each element up and down."""
    x, result = xs[k], np.zeros(xs[k].shape)
    rows = _by_rows(op, x, y)
    indices = (
        [(..., j) for j in range(x.shape[-1])]
        if rows
        else [(slice(None), *index) for index in np.ndindex(x.shape[1:])]
    )
    axes = (-1,) if rows else tuple(range(1, y.ndim))
    for at in indices:
        step = STEP * (1 + np.abs(x[at]))
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[at] += sign * step
            ends.append(op.real(*xs[:k], moved, *xs[k + 1 :]))
        result[at] = ((ends[0] - ends[1]) * dy).sum(axis=axes) / (2 * step)
    return result
