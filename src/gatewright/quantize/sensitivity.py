"""Measure how much an error of each value costs at the outputs.

For class scores the cost is the divergence of the probabilities from the source's (second order:
the Fisher information, as in Martens, arXiv:1412.1193), otherwise the squared error relative to an
output's spread. Either is a quadratic form of the outputs' errors; its roots are pulled back.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

import numpy as np

from gatewright.ir import Graph, Output, Reals
from gatewright.ops import Argmax, Function, Softmax
from gatewright.ops.functions import sigmoid
from gatewright.quantize.gradient import Reverse

MOST_PROBES = 8
"""Roots pulled back for each row; wider outputs are probed with as many random signs."""

LEAST_VARIANCE = 1e-3
"""Of a probability: nearer to 0 or 1 its errors count no more."""


def score_value(graph: Graph, output: Output) -> str:
    """Return the value before a softmax, sigmoid or argmax that the firmware ends with."""
    nodes = {node.name: node for node in graph.nodes}
    value = output.value
    while value in nodes:
        op = nodes[value].op
        if not (
            isinstance(op, Softmax | Argmax) or (isinstance(op, Function) and op.name == "sigmoid")
        ):
            break
        value = nodes[value].inputs[0]
    return value


def is_class_score(graph: Graph, output: Output, labelled: bool) -> bool:
    """Say whether an output stands for probabilities of classes."""
    if labelled or score_value(graph, output) != output.value:
        return True
    return any(
        isinstance(op, Softmax) or (isinstance(op, Function) and op.name == "sigmoid")
        for op in output.decode
    )


def spreads(z: Reals) -> Reals:
    """Return the spread of each element of a value, (elements,).

    Of one that does not move it is that of the others; where none moves, the largest magnitude.
    """
    flat = z.reshape(len(z), -1)
    spread = flat.std(0)
    still = spread <= 1e-12 * np.abs(flat).max(initial=0.0)
    moving = spread[~still]
    common = float(np.sqrt((moving**2).mean())) if moving.size else float(np.abs(flat).max())
    return np.where(still, common or 1.0, spread)


def roots(
    z: Reals, classes: bool, rng: np.random.Generator, spread: Reals | None = None
) -> list[Reals]:
    """Return vectors per row: half the sum of their squared products with an error is its cost.

    Args:
        z: (rows, ...), the value that errs.
        classes: it stands for probabilities of classes.
        rng: of the probes of a wide value.
        spread: of its elements on more rows; None: on these.
    """
    flat = z.reshape(len(z), -1)
    n = flat.shape[1]
    if not classes:
        spread = spreads(z) if spread is None else spread
        full = [
            np.broadcast_to(np.eye(n)[k] / spread / np.sqrt(n), flat.shape)
            for k in range(min(n, MOST_PROBES))
        ]
        if n > MOST_PROBES:
            full = [
                _signs(rng, flat.shape) / spread / np.sqrt(n * MOST_PROBES)
                for _ in range(MOST_PROBES)
            ]
    elif n == 1:
        p = sigmoid(flat)
        full = [np.sqrt(p * (1 - p))]
    else:
        e = np.exp(flat - flat.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
        probes = (
            [np.broadcast_to(np.eye(n)[k], flat.shape) for k in range(n)]
            if n <= MOST_PROBES
            else [_signs(rng, flat.shape) / np.sqrt(MOST_PROBES) for _ in range(MOST_PROBES)]
        )
        # F = diag(p) - p p' = B B', B = diag(sqrt p) - p sqrt(p)'
        full = [np.sqrt(p) * u - p * (np.sqrt(p) * u).sum(1, keepdims=True) for u in probes]
    return [np.asarray(r, np.float64).reshape(z.shape) for r in full]


def _signs(rng: np.random.Generator, shape: tuple[int, ...]) -> Reals:
    return np.asarray(rng.integers(0, 2, shape) * 2.0 - 1.0, np.float64)


def sensitivities(
    graph: Graph,
    values: Mapping[str, Reals],
    labelled: bool,
    rng: np.random.Generator,
    spread: Mapping[str, Reals] | None = None,
    keep: Container[str] | None = None,
) -> dict[str, Reals]:
    """Return, of every value that matters, the cost of a squared error per row and element.

    Args:
        graph: the real model.
        values: all of its values on some rows.
        labelled: its output stands for classes.
        rng: of the probes.
        spread: of the values before the outputs, on more rows; None: on these.
        keep: the values to return; None: all.
    """
    reverse = Reverse(graph, values)
    total: dict[str, Reals] = {}
    for output in graph.outputs:
        value = score_value(graph, output)
        own = None if spread is None else spread[value]
        for root in roots(values[value], is_class_score(graph, output, labelled), rng, own):
            for name, g in reverse.gradients({value: root}, keep).items():
                if keep is not None and name not in keep:
                    continue
                square = 0.5 * g * g
                total[name] = total[name] + square if name in total else square
        if output.value != value and output.value not in total:
            # The divergence of probabilities, in an error of the probability itself.
            p = np.clip(values[output.value], 0, 1)
            total[output.value] = 0.5 / np.maximum(p * (1 - p), LEAST_VARIANCE)
    return total
