"""Estimate the LUTs of the parallel circuit of a quantized graph.

Operations state their own (`Op.luts`). Constant matrices are solved as they will be built
(`blocks.cmvm`), rows of equal types once, or estimated from their signed digits where that would
take long.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gatewright.blocks.cmvm import solve
from gatewright.ir import Graph, Node
from gatewright.num import FixedArray, Intervals
from gatewright.ops import Clip, Dense, Quantize
from gatewright.quantize.digits import digits_of

SOLVED_DIGITS = 12_000
"""Digits of a matrix up to which it is solved."""

SOLVED_ROWS = 1
"""Different rows for which a matrix is solved; the others are scaled by their estimates."""


def layer_costs(
    graph: Graph, types: Mapping[str, Intervals], solved: bool = True
) -> dict[str, float]:
    """Return the estimated LUTs of each node."""
    readers = graph.readers()
    costs = {}
    for node in graph.nodes:
        kind, after = types[node.name], readers[node.name]
        if isinstance(node.op, Clip) and len(after) == 1 and isinstance(after[0].op, Quantize):
            kind = types[after[0].name]  # bits that are dropped behind a ReLU are never made
        costs[node.name] = node_cost(node, [types[n] for n in node.inputs], kind, solved)
    return costs


def node_cost(node: Node, x: list[Intervals], y: Intervals, solved: bool) -> float:
    """Return the estimated LUTs of one operation; what does not know its own counts as none."""
    if isinstance(node.op, Dense) and solved:
        return dense_cost(node.op, x[0])
    return float(node.op.luts(y, *x) or 0.0)


def dense_cost(op: Dense, x: Intervals) -> float:
    """Return the LUTs of a constant matrix times every row of a tensor."""
    kinds = np.stack([v.reshape(-1, x.shape[-1]) for v in (x.lo, x.hi, x.frac)], axis=1)
    different, counts = np.unique(kinds, axis=0, return_counts=True)
    digits = digits_of(op.weight)
    if digits.sum() > SOLVED_DIGITS:
        return float(op.luts(x, x) or 0.0)
    order = np.argsort(-counts, kind="stable")
    estimates = [_estimate(op, kind) for kind in different]
    solved = [_solved(op, different[k]) for k in order[:SOLVED_ROWS]]
    known = sum(estimates[k] for k in order[:SOLVED_ROWS])
    scale = sum(solved) / known if known else 1.0
    total = sum(cost * int(counts[k]) for cost, k in zip(solved, order, strict=False))
    return float(total + sum(scale * estimates[k] * int(counts[k]) for k in order[SOLVED_ROWS:]))


def _estimate(op: Dense, kind: np.ndarray) -> float:
    row = Intervals(*kind)
    return float(op.luts(row, row) or 0.0)


def _solved(op: Dense, kind: np.ndarray) -> float:
    """Return the cost of one row as it will be built."""
    weight, bias = FixedArray.exact(op.weight), FixedArray.exact(op.bias)
    lo, hi, frac = kind
    shift = int(bias.frac) - int(weight.frac)
    return float(solve(weight.q, lo, hi, frac, bias=bias.q, bias_frac=shift, effort=0).cost)
