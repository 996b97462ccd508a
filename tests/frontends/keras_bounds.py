"""Bound how far a float32 framework may be from a graph's exact meaning, an operation at a time.

With u = 2**-24, a sum of n float32 products in any order is off by at most (n + 2) u times the sum
of their sizes (Higham, Accuracy and Stability of Numerical Algorithms, 3.1; the factor 1.01 covers
terms of order u**2). Functions of the frameworks' math libraries are taken to be good to 8 u,
relative to the larger of 1 and their value.
"""

from __future__ import annotations

import numpy as np

from gatewright.ir import run_real
from gatewright.ops import Affine, Clip, Dense, Function, LeakyRelu, Multiply, Quantize, Softmax

U = 1.01 * 2.0**-24


def float32_bounds(graph, inputs):
    """Return values and bounds of every value by name."""
    values = run_real(graph, inputs)
    bounds = {i.name: np.zeros(values[i.name].shape) for i in graph.inputs}
    for node in graph.nodes:
        xs = [values[name] for name in node.inputs]
        es = [bounds[name] for name in node.inputs]
        bounds[node.name] = _bound(node.op, xs, es, values[node.name])
    return values, bounds


def _bound(op, xs, es, y):
    x, e = xs[0], es[0]
    if isinstance(op, Dense):
        size = np.abs(x) @ np.abs(op.weight) + np.abs(op.bias)
        return e @ np.abs(op.weight) + (len(op.weight) + 2) * U * size
    if isinstance(op, Affine):
        # Scales of a normalisation come from a sum, a root, a quotient and a product in float32.
        return e * np.abs(op.scale) + 8 * U * (np.abs(x * op.scale) + 2 * np.abs(op.offset))
    if isinstance(op, Clip):
        return e
    if isinstance(op, LeakyRelu):
        return e * np.maximum(1, np.abs(op.slope)) + 2 * U * np.abs(y)
    if isinstance(op, Function):
        low, high = op.real(x - e), op.real(x + e)
        slope = np.maximum(np.abs(low - y), np.abs(high - y)) if op.name != "silu" else 1.1 * e
        return slope + (8 * U * np.maximum(1, np.abs(y)) if op.out is None else 0)
    if isinstance(op, Softmax):
        # Relative errors of exponentials, of their sum, of the quotient.
        worst = (
            2 * e.max(-1, keepdims=True) + 16 * U * (1 + np.ptp(x, -1)[..., None]) + x.shape[-1] * U
        )
        return 2 * y * worst + U
    if isinstance(op, Quantize):
        return np.maximum(np.abs(op.real(x - e) - y), np.abs(op.real(x + e) - y))
    if isinstance(op, Multiply):
        return np.abs(xs[1]) * e + np.abs(x) * es[1] + e * es[1] + U * np.abs(y)
    if len(xs) == 2 and op.kind in ("add", "subtract", "minimum", "maximum"):
        return es[0] + es[1] + U * np.abs(y)
    assert op.wiring, f"no bound for {op.kind}"
    return op.real(*es)
