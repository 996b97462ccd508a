"""Bound how far a framework's floats may be from a graph's meaning, an operation at a time.

With u the unit roundoff (2**-24 for float32, 2**-53 for float64), a sum of n products in any order
is off by at most (n + 2) u times the sum of their sizes (Higham, Accuracy and Stability of
Numerical Algorithms, 3.1; the factor 1.01 covers terms of order u**2). Functions of the frameworks'
math libraries are taken to be good to 8 u, relative to the larger of 1 and their value. A quantizer
turns an error that reaches a threshold into a step, and no other. Each operation states its own
bound (`Op.float_bound`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.ir import Graph, Reals, located, run_real

FLOAT32, FLOAT64 = 1.01 * 2.0**-24, 1.01 * 2.0**-53
"""Unit roundoffs."""


def float_bounds(
    graph: Graph, inputs: Mapping[str, Reals], u: float = FLOAT32
) -> tuple[dict[str, Reals], dict[str, Reals]]:
    """Return every value of a graph and a bound on the distance of floats from it.

    Raises:
        UnsupportedError: an operation states no bound.
    """
    values = run_real(graph, inputs)
    bounds = {i.name: np.zeros(values[i.name].shape) for i in graph.inputs}
    for node in graph.nodes:
        xs = [values[name] for name in node.inputs]
        es = [bounds[name] for name in node.inputs]
        with located(graph, node):
            bound = node.op.float_bound(xs, es, values[node.name], u)
            if bound is None:
                raise UnsupportedError(
                    "an operation does not say how far floats may be from it",
                    found=node.op.kind,
                    supported="operations with a `float_bound`",
                    remedy="add one to its class; see docs/guides/add-an-operation.md",
                )
        # Where a function leaves its domain within the errors there is no bound.
        bounds[node.name] = np.where(np.isnan(bound), np.inf, bound)
    return values, bounds
