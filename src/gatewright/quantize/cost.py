"""Estimate the LUTs of the parallel circuit of a quantized graph.

Constant matrices are solved as they will be built (`blocks.cmvm`), or estimated from their signed
digits where that would take long; activations are counted by bits.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gatewright.blocks.cmvm import solve
from gatewright.ir import Graph, Node
from gatewright.num import FixedArray, Intervals, Overflow, Rounding
from gatewright.ops import (
    Add,
    Affine,
    Clip,
    Dense,
    Function,
    LeakyRelu,
    Maximum,
    Minimum,
    Multiply,
    Quantize,
    Softmax,
    Subtract,
)
from gatewright.quantize.digits import digits_of

SOLVED_DIGITS = 12_000
"""Digits of a matrix up to which it is solved."""

LIMITER = 0.7
"""LUTs for each bit that is limited; part of it merges with a ReLU before."""

SHARING = 0.62
"""Adders left of each digit once terms are shared, as the solver finds on trained layers."""


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
    """Return the estimated LUTs of one operation."""
    op = node.op
    own = op.luts(y, *x)
    if own is not None:
        return own
    if isinstance(op, Dense):
        return dense_cost(op, x[0], solved)
    bits = float(y.width.sum())
    if isinstance(op, Clip):
        return 0.0 if (x[0].lo >= 0).all() and getattr(op, "high", None) is None else bits
    if isinstance(op, Quantize):
        return quantize_cost(op, x[0], y)
    if isinstance(op, Add | Subtract):
        return bits
    if isinstance(op, Maximum | Minimum):
        return 2 * bits
    if isinstance(op, Multiply):
        return float((x[0].width * x[1].width).sum()) if x[0].shape == x[1].shape else bits * 4
    if isinstance(op, Affine):
        digits = digits_of(np.broadcast_to(op.scale, y.shape))
        return float((np.maximum(digits, 1) * y.width).sum())
    if isinstance(op, LeakyRelu):
        digits = digits_of(np.broadcast_to(op.slope, y.shape))
        return float(((digits + 1) * y.width).sum())
    if isinstance(op, Function):
        return float((np.ldexp(1.0, np.maximum(x[0].width - 6, 0)) * y.width).sum())
    if isinstance(op, Softmax):
        return float((np.ldexp(1.0, np.maximum(x[0].width - 6, 0)) + 3 * y.width).sum() * 10)
    return 0.0


def quantize_cost(op: Quantize, x: Intervals, y: Intervals) -> float:
    """Return the LUTs of rounding (an adder, unless bits are dropped) and of limiting."""
    adds = (x.frac > y.frac) & (op.rounding is not Rounding.TRN)
    free = Quantize.to(True, 62, op.frac, op.rounding, Overflow.SAT).infer(x)
    limits = (free.hi > y.hi) | (free.lo < y.lo)
    return float((y.width * adds + LIMITER * y.width * limits).sum())


def dense_cost(op: Dense, x: Intervals, solved: bool) -> float:
    """Return the LUTs of a constant matrix times every row of a tensor."""
    rows = (
        x.lo.reshape(-1, x.shape[-1]),
        x.hi.reshape(-1, x.shape[-1]),
        x.frac.reshape(-1, x.shape[-1]),
    )
    weight, bias = FixedArray.exact(op.weight), FixedArray.exact(op.bias)
    total = 0.0
    digits = digits_of(op.weight)
    for lo, hi, frac in zip(*rows, strict=True):
        if solved and digits.sum() <= SOLVED_DIGITS:
            total += solve(
                weight.q,
                lo,
                hi,
                frac,
                bias=bias.q,
                bias_frac=int(bias.frac) - int(weight.frac),
                effort=0,
            ).cost
        else:
            width = Intervals.of(lo, hi, frac).width
            total += float(SHARING * (digits.sum(1) * (width + 2.0)).sum())
    return total
