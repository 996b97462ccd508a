"""A constant matrix times a vector of signals, as shared shifts and additions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewright.blocks.chains import chains, place_chains
from gatewright.blocks.cmvm import AdderGraph, solve
from gatewright.hw import Module
from gatewright.ir import Offload
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


def matmul_with_blocks(
    m: Module,
    x: Sequence[int],
    matrix: Ints,
    matrix_frac: int,
    bias: Ints,
    bias_frac: int,
    given: Offload,
) -> list[int]:
    """Return what `constant_matmul` returns, with the DSP blocks that are given.

    The blocks take what saves most adders; the solver adds their sums to the rest, and knows that
    they come later than the inputs.
    """
    chosen, count = [], 0
    for chain in chains(matrix, m.intervals(x), given.block, given.price):
        if count + len(chain.rows) <= given.count:
            chosen.append(chain)
            count += len(chain.rows)
    if not chosen:
        return constant_matmul(m, x, matrix, matrix_frac, bias, bias_frac)
    rest = place_chains(m, x, matrix, matrix_frac, bias, bias_frac, chosen)
    inputs = [*x, *rest.sums]
    kinds = m.intervals(inputs)
    arrival = np.repeat([0.0, float(given.levels)], [len(x), len(rest.sums)])
    graph = solve(
        rest.matrix, kinds.lo, kinds.hi, kinds.frac, bias=rest.bias,
        bias_frac=rest.bias_frac - matrix_frac, arrival=arrival,
    )  # fmt: skip
    return [m.shift(s, -matrix_frac) for s in place(m, inputs, graph)]


def place(m: Module, x: Sequence[int], graph: AdderGraph) -> list[int]:
    """Build the adders of a solved graph on the signals `x`; return its outputs.

    The solver knows each adder as a linear form of the inputs. Its range is exact where the
    interval of a sum of sums that share inputs would be too wide.
    """
    nodes = [*x, *(m.constant(c) for c in graph.constants.tolist())]
    columns = (
        graph.a, graph.b, graph.shift_a, graph.shift_b, graph.negate_a, graph.negate_b,
        graph.lo, graph.hi, graph.frac,
    )  # fmt: skip
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for a, b, shift_a, shift_b, negate_a, negate_b, low, high, point in rows:
        left, right = m.shift(nodes[a], shift_a), m.shift(nodes[b], shift_b)
        # A sum can stand on a coarser grid than its operands, where their last bits cancel.
        (_, _, frac), _ = m.aligned(left, right)
        within = low << (frac - point), high << (frac - point)
        if negate_a:
            nodes.append(m.sub(right, left, within))
        elif negate_b:
            nodes.append(m.sub(left, right, within))
        else:
            nodes.append(m.add(left, right, within))
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
