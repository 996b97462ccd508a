"""A constant matrix times a vector of signals, as shared shifts and additions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewright.blocks.cmvm import AdderGraph, solve
from gatewright.hw import Kind, Module
from gatewright.num import Ints


def constant_matmul(
    m: Module,
    x: Sequence[int],
    matrix: Ints,
    matrix_frac: int,
    bias: Ints | None = None,
    bias_frac: int = 0,
) -> list[int]:
    """Return the signals of `x @ (matrix * 2**-matrix_frac) + bias * 2**-bias_frac`.

    Args:
        m: the module to build in.
        x: n_in signals.
        matrix: integers of shape (n_in, n_out).
        matrix_frac: binary point of the matrix.
        bias: integers of shape (n_out,), or None.
        bias_frac: binary point of the bias.
    """
    kinds = m.intervals(x)
    # The solver's output grid is that of the inputs times integers: shift the bias to match.
    graph = solve(
        matrix, kinds.lo, kinds.hi, kinds.frac, bias=bias, bias_frac=bias_frac - matrix_frac
    )
    return [m.shift(s, -matrix_frac) for s in place(m, x, graph)]


def place(m: Module, x: Sequence[int], graph: AdderGraph) -> list[int]:
    """Build the adders of a solved graph on the signals `x`; return its outputs.

    Ranges come from each adder as a linear form of the inputs, which is exact where the interval of
    a sum of sums that share inputs would be too wide.
    """
    nodes = [*x, *(m.constant(c) for c in graph.constants.tolist())]
    lows, highs = linear_ranges(m, x, graph)
    columns = (graph.a, graph.b, graph.shift_a, graph.shift_b, graph.negate_a, graph.negate_b)
    rows = zip(*(column.tolist() for column in columns), lows, highs, strict=True)
    for a, b, shift_a, shift_b, negate_a, negate_b, low, high in rows:
        left, right = m.shift(nodes[a], shift_a), m.shift(nodes[b], shift_b)
        frac = max(m.frac[left], m.frac[right])
        if negate_a:
            left, right = right, left
        kind = Kind.SUB if negate_a or negate_b else Kind.ADD
        if kind == Kind.ADD and left > right:
            left, right = right, left
        scale = 2.0**frac  # linear_ranges answers in floats that hold these integers exactly
        if abs(low) < 2.0**53 / scale and abs(high) < 2.0**53 / scale:
            nodes.append(m.row(kind, (int(low * scale), int(high * scale), frac), left, right))
        else:
            nodes.append(m.add(left, right) if kind == Kind.ADD else m.sub(left, right))
    outputs = []
    for operand, shift, negate in zip(
        graph.out.tolist(), graph.out_shift.tolist(), graph.out_negate.tolist(), strict=True
    ):
        if operand < 0:
            outputs.append(m.constant(0))
            continue
        signal = m.shift(nodes[operand], shift)
        outputs.append(m.neg(signal) if negate else signal)
    return outputs


def linear_ranges(
    m: Module, x: Sequence[int], graph: AdderGraph
) -> tuple[list[float], list[float]]:
    """Return the smallest and largest value of each adder, exact while below 53 bits.

    Each adder is a linear form `offset + sum(c_i * x_i)`, whose extremes lie where every input is
    at one of its ends.
    """
    kinds = m.intervals(x)
    n = len(x)
    forms = np.zeros((n + len(graph.constants) + graph.n_nodes, n + 1))
    forms[np.arange(n), np.arange(n)] = 1
    forms[n : n + len(graph.constants), n] = graph.constants
    first = n + len(graph.constants)
    scale_a = np.ldexp(np.where(graph.negate_a, -1.0, 1.0), graph.shift_a)
    scale_b = np.ldexp(np.where(graph.negate_b, -1.0, 1.0), graph.shift_b)
    pairs = zip(graph.a.tolist(), graph.b.tolist(), scale_a.tolist(), scale_b.tolist(), strict=True)
    for k, (a, b, sa, sb) in enumerate(pairs, first):
        forms[k] = forms[a] * sa + forms[b] * sb
    weights, offset = forms[first:, :n], forms[first:, n]
    positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
    low = positive @ kinds.low_value + negative @ kinds.high_value + offset
    high = positive @ kinds.high_value + negative @ kinds.low_value + offset
    return low.tolist(), high.tolist()
