"""Solve constant matrix-vector multiplication: try several ways, keep the cheapest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from time import process_time

import numpy as np
from numpy.typing import NDArray

from gatewright.blocks.cmvm.graph import AdderGraph
from gatewright.blocks.cmvm.layout import NODE_COLUMNS
from gatewright.blocks.cmvm.problem import Problem, as_integers, check, normal_form
from gatewright.blocks.cmvm.tables import Answer, Tables, graph, tables, too_wide

UNLIMITED_DEPTH = 900
MEMO_SIZE = 512
NO_NODES = np.zeros((0, NODE_COLUMNS), np.int64)


@dataclass(frozen=True)
class Attempt:
    """One way to solve a problem: how patterns are scored, how ties break; or adder trees only.

    The fields before `seed` are the weights of the score (see `layout`), in order.
    """

    overlap: float = 1.0
    bits: float = 0.0
    adder: float = 1.0
    first: float = 0.0
    span: float = 0.1
    level_gap: float = 0.0
    random: float = 0.0
    waste: int = 4
    seed: int = 0
    share: bool = True

    def weights(self) -> NDArray[np.float64]:
        """Return the score's weights in the compiled code's order."""
        return np.array(
            [
                self.overlap, self.bits, self.adder, self.first, self.span, self.level_gap,
                self.random, self.waste,
            ]
        )  # fmt: skip


# Found by running 300 random weightings on dense, sparse, ternary and trained matrices and taking,
# one after the other, the one that lowers the mean of the best cost the most.
ATTEMPTS = (
    Attempt(overlap=0.0, bits=1.0, adder=-2.0, first=0.5, span=0.05, random=0.02, seed=35),
    Attempt(adder=-2.0, span=0.0, random=0.05, seed=564, waste=3),
    Attempt(bits=0.2, adder=0.0, waste=4),
    Attempt(overlap=0.5, bits=0.5, adder=-1.0, first=0.7, random=0.1, seed=822, waste=2),
    Attempt(bits=0.5, adder=0.0, first=1.0, span=-0.1, waste=3),
    Attempt(overlap=0.0, bits=1.0, adder=0.0, first=0.5, waste=2),
    Attempt(share=False),
    Attempt(overlap=0.0, bits=0.5, adder=0.0, first=0.3, span=0.3, random=0.1, seed=284, waste=8),
    Attempt(overlap=0.0, bits=0.5, adder=-1.0, first=1.3, span=0.05, level_gap=0.2, random=0.02,
            seed=245),
    Attempt(adder=0.0, first=-0.5, span=1.0, level_gap=1.0, random=0.02, seed=410, waste=3),
    Attempt(bits=0.5, adder=-2.0, span=0.05, level_gap=0.2, random=0.02, seed=607, waste=8),
    Attempt(adder=2.0, span=0.05, random=0.02, seed=44, waste=2),
)  # fmt: skip
# Work is counted in pairs of digits of a column; an attempt takes some 0.2 µs for each.
WORK = (0, 250_000, 16_000_000, 400_000_000)
MOST_ATTEMPTS = (1, len(ATTEMPTS), 60, 1000)

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
    seconds: float | None = None,
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
        effort: How many ways are tried, fewer for a large matrix: 0 one, 1 up to a dozen, 2 up to
            sixty, 3 up to a thousand (a minute for 48 x 16 weights of 8 bits).
        extra_depth: Levels allowed above the least possible of the deepest output; None: any.
        seconds: CPU time after which no further way is begun; None: as many as `effort` says. With
            a budget that ends the search, the answer depends on the machine.

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
    check(matrix, lo, hi, frac, bias, bias_frac, arrival)
    key = (
        matrix.shape, matrix.tobytes(), lo.tobytes(), hi.tobytes(), frac.tobytes(),
        None if bias is None else bias.tobytes(), bias_frac,
        None if arrival is None else arrival.tobytes(), effort, extra_depth, seconds,
    )  # fmt: skip
    if key in _memo:
        _memo.move_to_end(key)
        return _memo[key]
    problem = normal_form(matrix, lo, hi, frac, bias, bias_frac, arrival)
    out_frac = max([bias_frac, *frac.tolist()])
    laid, answer = _solve(problem, effort, extra_depth, seconds)
    _memo[key] = graph(problem, laid, answer, (lo, hi, frac), out_frac)
    if len(_memo) > MEMO_SIZE:
        _memo.popitem(last=False)
    return _memo[key]


def _solve(
    problem: Problem, effort: int, extra: int | None, seconds: float | None
) -> tuple[Tables, Answer]:
    """Run the attempts on a problem in normal form; return the cheapest answer."""
    from gatewright.blocks.cmvm.kernel import attempt  # here: numba loads where it is needed

    laid = tables(problem)
    depth = UNLIMITED_DEPTH if extra is None else laid.least_depth() + extra
    best = None
    started = process_time()
    for way in _ways(effort, laid.pairs):
        if best is not None and seconds is not None and process_time() - started > seconds:
            break
        cost, operands, nodes, outputs = attempt(
            laid.leaves, NO_NODES, laid.values, problem.matrix.shape[1], depth, way.weights(),
            way.seed, int(way.share),
        )  # fmt: skip
        if cost >= 0 and (best is None or cost < best.cost):
            best = Answer(int(cost), operands, nodes, outputs)
    if best is None:
        raise too_wide()
    return laid, best


def _ways(effort: int, pairs: int) -> Iterator[Attempt]:
    """Yield the attempts that an effort allows: fewer, the larger the problem is."""
    effort = min(max(effort, 0), len(WORK) - 1)
    number = min(max(WORK[effort] // max(pairs, 1), 1), MOST_ATTEMPTS[effort])
    yield from ATTEMPTS[:number]
    for seed in range(len(ATTEMPTS), number):
        yield _drawn(seed)


def _drawn(seed: int) -> Attempt:
    """Return an attempt with weights drawn for `seed`, always the same."""
    pick = Random(seed).choice
    overlap, bits = pick(((1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (1.0, 0.5), (0.5, 0.2)))
    return Attempt(
        overlap=overlap,
        bits=bits,
        adder=pick((-2.0, -1.0, 0.0, 1.0)),
        first=pick((-0.5, 0.0, 0.3, 0.5, 0.7, 1.0, 1.3)),
        span=pick((-0.2, 0.0, 0.05, 0.1, 0.3, 1.0)),
        level_gap=pick((0.0, 0.0, 0.2, 1.0)),
        random=pick((0.02, 0.05, 0.1)),
        seed=seed,
        waste=pick((2, 3, 4, 8)),
    )
