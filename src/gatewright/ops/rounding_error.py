"""Bound how far a framework's floats may be from a graph's meaning, an operation at a time.

With u the unit roundoff (2**-24 for float32, 2**-53 for float64), a sum of n products in any order
is off by at most (n + 2) u times the sum of their sizes (Higham, Accuracy and Stability of
Numerical Algorithms, 3.1; the factor 1.01 covers terms of order u**2). Functions of the frameworks'
math libraries are taken to be good to 8 u, relative to the larger of 1 and their value. A quantizer
turns an error that reaches a threshold into a step, and no other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gatewright.ir import Graph, Op, Reals, run_real
from gatewright.ops.affine import Affine
from gatewright.ops.clip import Clip
from gatewright.ops.dense import Dense
from gatewright.ops.leaky_relu import LeakyRelu
from gatewright.ops.multiply import Multiply
from gatewright.ops.quantize import Quantize
from gatewright.ops.scaled_quantize import ScaledQuantize
from gatewright.ops.softmax import Softmax

FLOAT32, FLOAT64 = 1.01 * 2.0**-24, 1.01 * 2.0**-53
"""Unit roundoffs."""


def float_bounds(
    graph: Graph, inputs: Mapping[str, Reals], u: float = FLOAT32
) -> tuple[dict[str, Reals], dict[str, Reals]]:
    """Return every value of a graph and a bound on the distance of floats from it."""
    values = run_real(graph, inputs)
    bounds = {i.name: np.zeros(values[i.name].shape) for i in graph.inputs}
    for node in graph.nodes:
        xs = [values[name] for name in node.inputs]
        es = [bounds[name] for name in node.inputs]
        bounds[node.name] = _bound(node.op, xs, es, values[node.name], u)
    return values, bounds


def _bound(op: Op, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals:
    """Return the bound of one operation's result."""
    own = op.float_bound(xs, es, y, u)
    if own is not None:
        return own
    x, e = xs[0], es[0]
    if isinstance(op, Quantize | ScaledQuantize):
        return np.asarray(np.maximum(np.abs(op.real(x - e) - y), np.abs(op.real(x + e) - y)))
    if isinstance(op, Dense):
        size = np.abs(x) @ np.abs(op.weight) + np.abs(op.bias)
        return np.asarray(e @ np.abs(op.weight) + (len(op.weight) + 2) * u * size)
    if isinstance(op, Affine):
        # Scales of a normalisation come from a sum, a root, a quotient and a product in float32.
        sizes = np.abs(x * op.scale) + 2 * np.abs(op.offset)
        return np.asarray(e * np.abs(op.scale) + 8 * u * sizes)
    if isinstance(op, Clip):
        return e
    if isinstance(op, LeakyRelu):
        return np.asarray(e * np.maximum(1, np.abs(op.slope)) + 2 * u * np.abs(y))
    if isinstance(op, Softmax):
        return _of_softmax(x, e, y, u)
    return _of_others(op, xs, es, y, u)


def _of_softmax(x: Reals, e: Reals, y: Reals, u: float) -> Reals:
    """Add the relative errors of the exponentials, of their sum, of the quotient."""
    spread = np.ptp(x, axis=-1)[..., None]
    worst = 2 * e.max(axis=-1, keepdims=True) + 16 * u * (1 + spread) + x.shape[-1] * u
    return np.asarray(2 * y * worst + u)


def _of_others(op: Op, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals:
    if isinstance(op, Multiply):
        cross = np.abs(xs[1]) * es[0] + np.abs(xs[0]) * es[1] + es[0] * es[1]
        return np.asarray(cross + u * np.abs(y))
    if op.kind in ("add", "subtract", "minimum", "maximum"):
        return np.asarray(es[0] + es[1] + u * np.abs(y))
    assert op.wiring, f"no bound for {op.kind}"
    if op.kind == "constant":
        return u * np.abs(y)
    return op.real(*es)
