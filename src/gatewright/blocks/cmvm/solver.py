"""Solve constant matrix-vector multiplication: try several ways, keep the cheapest."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatewright.base import FormatError
from gatewright.blocks.cmvm.csd import digit_list
from gatewright.blocks.cmvm.graph import AdderGraph
from gatewright.blocks.cmvm.problem import Problem, as_integers, check, normal_form

UNLIMITED_DEPTH = 900
MEMO_SIZE = 512


@dataclass(frozen=True)
class Attempt:
    """One way to solve a problem: how patterns are scored, how ties break, how trees are built.

    The fields before `seed` are the weights of the score (see `greedy`), in order.
    """

    overlap: float = 1.0
    bits: float = 0.0
    adder: float = 1.0
    first: float = 0.0
    span: float = 0.1
    level_gap: float = 0.0
    random: float = 0.0
    seed: int = 0
    share: bool = True
    by_level: bool = False

    def weights(self) -> NDArray[np.float64]:
        """Return the score's weights in the compiled code's order."""
        return np.array(
            [
                self.overlap, self.bits, self.adder, self.first, self.span, self.level_gap,
                self.random,
            ]
        )  # fmt: skip


# Found by running many weightings on dense, sparse, ternary, correlated and trained matrices and
# taking, one after the other, the one that lowers the mean of the best cost the most.
ATTEMPTS = (
    Attempt(bits=0.2, adder=0.0),
    Attempt(adder=0.0, first=0.5, span=-0.1),
    Attempt(adder=0.0, first=1.0),
    Attempt(overlap=0.0, span=-0.1),
    Attempt(),
    Attempt(share=False),
    Attempt(bits=0.5, adder=0.0, first=1.0, span=-0.1),
    Attempt(bits=1.0, adder=0.0, first=1.0, span=0.0),
    *(
        Attempt(overlap=overlap, random=amplitude, seed=seed)
        for seed in range(1, 19)
        for overlap, amplitude in ((1.0, 0.1), (0.0, 0.02), (1.0, 0.02))
    ),
)
# Work is counted in pairs of digits of a column; an attempt takes some 0.1 µs for each.
WORK = (0, 800_000, 16_000_000)
MOST_ATTEMPTS = (1, 12, len(ATTEMPTS))

_memo: OrderedDict[tuple[object, ...], AdderGraph] = OrderedDict()


def solve(
    matrix: NDArray[np.int64],
    lo: NDArray[np.int64],
    hi: NDArray[np.int64],
    frac: NDArray[np.int64],
    bias: NDArray[np.int64] | None = None,
    bias_frac: int = 0,
    arrival: NDArray[np.float64] | None = None,
    effort: int = 1,
    extra_depth: int | None = 2,
) -> AdderGraph:
    """Find few and narrow adders that compute `x @ matrix + bias` exactly.

    Args:
        matrix: (n_in, n_out) integer weights, up to 40 bits.
        lo: (n_in,) least values of the inputs, in units of 2**-frac.
        hi: (n_in,) greatest values of the inputs, in the same units.
        frac: (n_in,) binary points of the inputs; they may differ and be negative.
        bias: (n_out,) in units of 2**-bias_frac, or None.
        bias_frac: Binary point of the bias.
        arrival: (n_in,) delay at which each input is ready, in adder levels; None: all at once.
        effort: How many ways are tried: 0 one, 1 up to a dozen, 2 up to some sixty.
        extra_depth: Levels allowed above the least possible of the deepest output; None: any.

    Returns:
        The cheapest solution found. The same call gives the same object.

    Raises:
        FormatError: Where shapes disagree, a range is empty, a weight exceeds 40 bits or some
            exact value would not fit 62 bits.
        OptionError: Where the arrivals are too far apart.
    """
    matrix = as_integers(matrix, "matrix")
    lo, hi, frac = as_integers(lo, "lo"), as_integers(hi, "hi"), as_integers(frac, "frac")
    bias = None if bias is None else as_integers(bias, "bias")
    arrival = None if arrival is None else np.ascontiguousarray(arrival, dtype=np.float64)
    check(matrix, lo, hi, frac, bias, arrival)
    key = (
        matrix.shape, matrix.tobytes(), lo.tobytes(), hi.tobytes(), frac.tobytes(),
        None if bias is None else bias.tobytes(), bias_frac,
        None if arrival is None else arrival.tobytes(), effort, extra_depth,
    )  # fmt: skip
    if key in _memo:
        _memo.move_to_end(key)
        return _memo[key]
    problem = normal_form(matrix, lo, hi, frac, bias, bias_frac, arrival)
    out_frac = max([bias_frac, *frac.tolist()])
    graph = _solve(problem, frac, out_frac, effort, extra_depth)
    _memo[key] = graph
    if len(_memo) > MEMO_SIZE:
        _memo.popitem(last=False)
    return graph


def _solve(
    problem: Problem, in_frac: NDArray[np.int64], out_frac: int, effort: int, extra: int | None
) -> AdderGraph:
    """Run the attempts on a problem in normal form and translate the cheapest answer."""
    from gatewright.blocks.cmvm.kernel import attempt  # here: numba loads where it is needed

    leaves, constants, digits = _tables(problem)
    n_columns = problem.matrix.shape[1]
    depth = _least_depth(leaves, digits, n_columns)
    depth = UNLIMITED_DEPTH if extra is None else depth + extra
    powers = int(digits[:, 1].max(initial=0)) + 1
    best = None
    for way in _ways(effort, digits):
        answer = attempt(
            leaves, digits, n_columns, powers, depth, way.weights(), way.seed,
            int(way.share), int(way.by_level),
        )  # fmt: skip
        if answer[0] < 0:
            continue
        cost = int(answer[0]) + _negation_bits(problem, len(constants), *answer[1::2])
        if best is None or cost < best[0]:
            best = (cost, *answer[1:])
    if best is None:
        raise FormatError(
            "CMVM: an exact sum does not fit",
            found="an intermediate value beyond 62 bits",
            supported="62 bits",
            remedy="round the inputs or the weights to fewer bits, or bring binary points closer",
        )
    cost, table, nodes, outputs = best
    return _graph(problem, in_frac, out_frac, constants, float(cost), table, nodes, outputs)


def _negation_bits(
    problem: Problem, n_constants: int, table: NDArray[np.int64], outputs: NDArray[np.int64]
) -> int:
    """Return the widths of the operands that outputs must negate; a constant's sign is free."""
    live = [(c.column, int(c.negate)) for c in problem.columns if c.column >= 0]
    if not live:
        return 0
    column, mirrored = np.array(live).T
    operand, negate = outputs[column, 0], outputs[column, 2] ^ mirrored
    n_live = len(problem.inputs)
    negate[(operand >= n_live) & (operand < n_live + n_constants)] = 0
    return int(((table[operand, 4] - table[operand, 2]) * negate).sum())


def _ways(effort: int, digits: NDArray[np.int64]) -> tuple[Attempt, ...]:
    """Return the attempts that an effort allows: fewer, the larger the problem is."""
    effort = min(max(effort, 0), len(WORK) - 1)
    pairs = int((np.bincount(digits[:, 3]) ** 2).sum()) if len(digits) else 0
    return ATTEMPTS[: min(max(WORK[effort] // max(pairs, 1), 1), MOST_ATTEMPTS[effort])]


def _tables(
    problem: Problem,
) -> tuple[NDArray[np.int64], list[tuple[int, int]], NDArray[np.int64]]:
    """Return the kernel's leaf table, the constants behind its last leaves, its digit table."""
    constants = sorted({bias for bias in problem.biases if bias[0]})
    n_live = len(problem.inputs)
    leaves = np.zeros((n_live + len(constants), 8), np.int64)
    leaves[:n_live, 0], leaves[:n_live, 1] = problem.lo, problem.hi
    leaves[:n_live, 2], leaves[:n_live, 3] = -problem.frac, problem.level
    for k, (odd, exponent) in enumerate(constants):
        leaves[n_live + k, :6] = odd, odd, exponent, 0, 0, 1
    widths = [_width(int(lo), int(hi)) for lo, hi in leaves[:, :2]]
    leaves[:, 4] = leaves[:, 2] + np.array(widths, dtype=np.int64)
    leaves[:, 6], leaves[:, 7] = np.arange(len(leaves)), 1
    row, column, power, negative = digit_list(problem.matrix)
    place = {constant: n_live + k for k, constant in enumerate(constants)}
    biased = [j for j, bias in enumerate(problem.biases) if bias[0]]
    digits = np.zeros((len(row) + len(biased), 7), np.int64)
    digits[: len(row), :4] = np.stack([row, power, negative, column], axis=1)
    digits[len(row) :, 0] = [place[problem.biases[j]] for j in biased]
    digits[len(row) :, 3] = biased
    order = np.argsort(digits[:, 3], kind="stable")
    return leaves, constants, np.ascontiguousarray(digits[order])


def _width(lo: int, hi: int) -> int:
    """Return the bits that hold every integer of lo..hi, a sign bit included where needed."""
    if lo >= 0:
        return hi.bit_length()
    return max(max(hi, 0).bit_length(), (-lo - 1).bit_length()) + 1


def _least_depth(leaves: NDArray[np.int64], digits: NDArray[np.int64], n_columns: int) -> int:
    """Return the least level at which every column can be summed (Kraft)."""
    if not len(digits):
        return 0
    weights = np.bincount(digits[:, 3], 2.0 ** leaves[digits[:, 0], 3], minlength=n_columns)
    return int(np.ceil(np.log2(weights.max())))


def _graph(
    problem: Problem,
    in_frac: NDArray[np.int64],
    out_frac: int,
    leaf_constants: list[tuple[int, int]],
    cost: float,
    table: NDArray[np.int64],
    nodes: NDArray[np.int64],
    outputs: NDArray[np.int64],
) -> AdderGraph:
    """Translate the kernel's answer: its leaves become inputs and constants."""
    n_in, n_live = len(in_frac), len(problem.inputs)
    n_leaf = n_live + len(leaf_constants)
    fixed = [column.constant[0] for column in problem.columns if column.column < 0]
    values = {sign * odd for odd, _ in leaf_constants for sign in (1, -1)} | set(fixed) - {0}
    used = sorted(values)
    place = {value: n_in + k for k, value in enumerate(used)}
    first = n_in + len(used)
    # Column 0: id where the operand is added; 1: id where it is subtracted; 2: its exponent.
    leaf_ids = [[int(i), int(i), 0] for i in problem.inputs]
    leaf_ids += [[place[odd], place[-odd], exponent] for odd, exponent in leaf_constants]
    node_ids = np.arange(first, first + len(nodes))
    ids = np.concatenate(
        [
            np.array(leaf_ids, dtype=np.int64).reshape(n_leaf, 3),
            np.stack([node_ids, node_ids, np.zeros_like(node_ids)], axis=1),
        ]
    )
    is_constant = (np.arange(len(ids)) >= n_live) & (np.arange(len(ids)) < n_leaf)
    sides = []
    for operand, shift, negate in ((nodes[:, 0], nodes[:, 2], nodes[:, 4]),
                                   (nodes[:, 1], nodes[:, 3], nodes[:, 5])):  # fmt: skip
        sides.append(
            (
                ids[operand, negate].astype(np.int32),
                (shift + ids[operand, 2]).astype(np.int32),
                (negate != 0) & ~is_constant[operand],
            )
        )
    out, out_shift, out_negate = _outputs(problem, ids, is_constant, place, outputs)
    return AdderGraph(
        n_in=n_in,
        in_frac=in_frac.copy(),
        constants=np.array(used, dtype=np.int64),
        a=sides[0][0],
        b=sides[1][0],
        shift_a=sides[0][1],
        shift_b=sides[1][1],
        negate_a=sides[0][2],
        negate_b=sides[1][2],
        lo=table[n_leaf:, 0].copy(),
        hi=table[n_leaf:, 1].copy(),
        frac=-table[n_leaf:, 2],
        out=out,
        out_shift=out_shift,
        out_negate=out_negate,
        out_frac=out_frac,
        cost=cost,
        depth=_depth(n_leaf, nodes, outputs),
    )


def _outputs(
    problem: Problem,
    ids: NDArray[np.int64],
    is_constant: NDArray[np.bool_],
    place: dict[int, int],
    outputs: NDArray[np.int64],
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    """Return operand, shift and sign of every output."""
    out = np.full(len(problem.columns), -1, np.int32)
    shifts, negate = np.zeros(len(out), np.int32), np.zeros(len(out), np.bool_)
    for j, column in enumerate(problem.columns):
        if column.column < 0:
            odd, exponent = column.constant
            if odd:
                out[j], shifts[j] = place[odd], exponent
            continue
        operand, power, sign = outputs[column.column].tolist()
        sign ^= int(column.negate)
        out[j] = ids[operand, sign]
        shifts[j] = power + column.shift + ids[operand, 2]
        negate[j] = bool(sign) and not is_constant[operand]
    return out, shifts, negate


def _depth(n_leaf: int, nodes: NDArray[np.int64], outputs: NDArray[np.int64]) -> int:
    """Return the number of adders on the longest path to an output."""
    levels = [0] * (n_leaf + len(nodes))
    for k, (a, b) in enumerate(nodes[:, :2].tolist()):
        levels[n_leaf + k] = max(levels[a], levels[b]) + 1
    return max((levels[operand] for operand in outputs[:, 0].tolist() if operand >= 0), default=0)
