"""The CMVM solver: exact on every path, within depth, cheap, and clear where it refuses."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import DataError, FormatError, OptionError
from gatewright.blocks.cmvm import AdderGraph, columns, kernel, solve, solver
from gatewright.blocks.cmvm.csd import count_digits, csd_digits
from gatewright.blocks.cmvm.layout import COST_UNIT, HALF, width_of

Problem = dict[str, Any]


def reference(problem: Problem, x: np.ndarray, point: int) -> list[list[int]]:
    """Multiply with Python integers on the grid 2**-point."""
    matrix, frac = problem["matrix"].tolist(), problem["frac"].tolist()
    bias = problem["bias"].tolist()
    rows = []
    for sample in x.tolist():
        scaled = [value << (point - f) for value, f in zip(sample, frac, strict=True)]
        rows.append(
            [
                sum(scaled[i] * matrix[i][j] for i in range(len(scaled)))
                + (bias[j] << (point - problem["bias_frac"]))
                for j in range(len(bias))
            ]
        )
    return rows


def corners(problem: Problem, rng: np.random.Generator, count: int = 40) -> np.ndarray:
    """Draw inputs within the ranges, half of them at the ends."""
    lo, hi = problem["lo"], problem["hi"]
    inside = rng.integers(lo, hi + 1, (count, len(lo)))
    ends = np.where(rng.random(inside.shape) < 0.5, lo, hi)
    return np.where(np.arange(count)[:, None] % 2 == 0, inside, ends)


def check_graph(graph: AdderGraph, problem: Problem, seed: int = 0) -> None:
    """Check values, ranges and the rules that the graph promises."""
    x = corners(problem, np.random.default_rng(seed))
    assert graph.evaluate(x).tolist() == reference(problem, x, graph.out_frac)
    n_leaf = graph.n_in + len(graph.constants)
    ids = np.arange(n_leaf, n_leaf + graph.n_nodes)
    assert (np.maximum(graph.a, graph.b) < ids).all()
    assert not (graph.negate_a & graph.negate_b).any()
    for operand, negate in ((graph.a, graph.negate_a), (graph.b, graph.negate_b)):
        is_constant = (operand >= graph.n_in) & (operand < n_leaf)
        assert not (negate & is_constant).any()
    assert (graph.lo <= graph.hi).all()
    used = set(graph.a.tolist()) | set(graph.b.tolist()) | set(graph.out.tolist())
    assert set(ids.tolist()) <= used, "a node feeds nothing"


def slow_cost(graph: AdderGraph) -> float:
    """Price the graph anew from what it says, in exact arithmetic: units of one LUT."""
    ends = [
        (Fraction(2) ** -f, width_of(lo, hi))
        for lo, hi, f in zip(
            graph.in_lo.tolist(), graph.in_hi.tolist(), graph.in_frac.tolist(), strict=True
        )
    ]
    ends += [(Fraction(1), abs(c).bit_length()) for c in graph.constants.tolist()]
    total = Fraction(0)
    for k in range(graph.n_nodes):
        spans = []
        for operand, shift in ((graph.a[k], graph.shift_a[k]), (graph.b[k], graph.shift_b[k])):
            unit, bits = ends[operand]
            low = unit * Fraction(2) ** int(shift)
            spans.append({low * 2**i for i in range(bits)})
        one, two = spans
        if one & two:
            above = {bit for bit in one ^ two if bit > min(one & two)}
            total += len(one & two) + Fraction(HALF, COST_UNIT) * len(above)
        ends.append(
            (Fraction(2) ** -int(graph.frac[k]), (int(graph.hi[k]) - int(graph.lo[k])).bit_length())
        )
    return float(total)


def make(matrix: Any, lo: Any = -128, hi: Any = 127, frac: Any = 0, bias: Any = 0) -> Problem:
    """Return a problem, scalars widened to all inputs and outputs."""
    matrix = np.atleast_2d(np.asarray(matrix, dtype=np.int64))
    n_in, n_out = matrix.shape

    def fill(value: Any, size: int) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, dtype=np.int64), size).copy()

    return {
        "matrix": matrix, "lo": fill(lo, n_in), "hi": fill(hi, n_in), "frac": fill(frac, n_in),
        "bias": fill(bias, n_out), "bias_frac": 0,
    }  # fmt: skip


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    n_in, n_out = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    bits = draw(st.sampled_from([1, 2, 4, 8, 24]))
    weight = st.one_of(st.just(0), st.integers(-(2**bits), 2**bits))
    matrix = [[draw(weight) for _ in range(n_out)] for _ in range(n_in)]
    lo = np.array([draw(st.integers(-(2**12), 2**12)) for _ in range(n_in)])
    span = np.array([draw(st.sampled_from([0, 1, 7, 255, 4096])) for _ in range(n_in)])
    problem = make(matrix, lo, lo + span, [draw(st.integers(-4, 6)) for _ in range(n_in)],
                   [draw(st.integers(-1000, 1000)) for _ in range(n_out)])  # fmt: skip
    problem["bias_frac"] = draw(st.integers(-3, 5))
    return problem


@settings(max_examples=120, deadline=None)
@given(problems(), st.sampled_from([0, 1, None]), st.sampled_from([0, 1]))
def test_every_problem_is_exact(problem: Problem, extra: int | None, effort: int) -> None:
    check_graph(solve(**problem, extra_depth=extra, effort=effort), problem)


@settings(max_examples=60, deadline=None)
@given(problems(), st.sampled_from([0, 2]))
def test_the_cost_is_what_the_graph_costs(problem: Problem, effort: int) -> None:
    graph = solve(**problem, effort=effort)
    assert graph.cost == slow_cost(graph)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 2**24), st.integers(-(2**24), 2**24))
def test_the_ways_to_write_a_weight_are_the_removable_digits(one: int, two: int) -> None:
    for weight in (one, two):
        count = int(count_digits(np.array([weight]))[0])
        assert columns.digit_count(np.int64(weight)) == count
        ways = np.zeros(64, np.int64)
        found = set(ways[: columns.list_ways(np.int64(weight), ways)].tolist())
        for power in range(27):
            for negative in (0, 1):
                rest = weight - (-1) ** negative * 2**power
                shorter = int(count_digits(np.array([rest]))[0]) < count
                assert (power << 1 | negative in found) == shorter


@given(st.integers(-(2**60) + 1, 2**60 - 1))
def test_csd_is_exact_and_has_no_neighbours(value: int) -> None:
    plus, minus = (int(part[0]) for part in csd_digits(np.array([value])))
    assert plus - minus == value
    assert plus & minus == 0
    assert (plus | minus) & (plus | minus) << 1 == 0


def test_node_ranges_are_reached() -> None:
    problem = make([[7], [-3]], lo=[0, -8], hi=[255, 7])
    graph = solve(**problem)
    x = np.array([[a, b] for a in (0, 255) for b in (-8, 7)])
    y = graph.evaluate(x)[:, 0]
    root = int(graph.out[0]) - graph.n_in - len(graph.constants)
    unit = 2.0 ** (int(graph.out_shift[0]) - int(graph.frac[root]))
    assert (graph.lo[root] * unit, graph.hi[root] * unit) == (y.min(), y.max())


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_depth_stays_within_the_limit(extra: int) -> None:
    rng = np.random.default_rng(extra)
    matrix = rng.integers(-127, 128, (24, 12))
    graph = solve(**make(matrix), extra_depth=extra)
    digits = count_digits(matrix).sum(axis=0).max()
    assert graph.depth <= int(np.ceil(np.log2(digits))) + extra


def test_late_inputs_are_added_last() -> None:
    problem = make(np.ones((9, 1)))
    graph = solve(**problem, arrival=np.array([0.0] * 8 + [3.0]), extra_depth=0)
    level = [0] * 8 + [3] + [0] * graph.n_nodes
    for k in range(graph.n_nodes):
        level[9 + k] = max(level[graph.a[k]], level[graph.b[k]]) + 1
    assert max(level) == 4
    check_graph(graph, problem)


def test_constant_and_unused_inputs_cost_nothing() -> None:
    problem = make([[3, 5], [0, 0], [1, -9]], lo=[-8, -8, 6], hi=[7, 7, 6], bias=[1, 54])
    graph = solve(**problem)
    assert not ({1, 2} & set(graph.a.tolist() + graph.b.tolist()))
    assert graph.cost == solve(**make([[3, 5]], lo=-8, hi=7, bias=[7, 0])).cost
    check_graph(graph, problem)


def test_equal_columns_are_solved_once() -> None:
    column = np.array([[3], [5], [-7], [0]])
    once = solve(**make(column))
    many = solve(**make(np.hstack([column, 4 * column, column, -2 * column])))
    assert many.n_nodes == once.n_nodes
    assert many.out_shift.tolist() == [many.out_shift[0] + k for k in (0, 2, 0, 1)]
    assert many.out_negate.tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("matrix", "bias", "nodes"),
    [
        ([[0, 0]], 0, 0),
        ([[4, -8]], 0, 0),
        ([[0, 0]], [3, -12], 0),
        ([[7]], 0, 1),
        ([[1], [1], [1], [1]], 0, 3),
        ([[1, 1], [1, 1], [1, -1]], 0, 3),
        (np.zeros((3, 0)), 0, 0),
        (np.zeros((0, 2)), [1, 0], 0),
    ],
)
def test_small_cases_take_the_fewest_adders(matrix: Any, bias: Any, nodes: int) -> None:
    problem = make(matrix, bias=bias)
    graph = solve(**problem)
    assert graph.n_nodes == nodes
    check_graph(graph, problem)


def test_concatenation_is_free() -> None:
    assert solve(**make([[1], [256]], lo=0, hi=255)).cost == 0
    assert solve(**make([[1], [256]], lo=-128, hi=127)).cost == 0  # codes have no sign
    assert solve(**make([[1], [-256]], lo=-128, hi=127)).cost == 0


def test_sharing_beats_adding_up_digits() -> None:
    matrix = np.random.default_rng(3).integers(-127, 128, (16, 16))
    graph = solve(**make(matrix))
    plain = int(count_digits(matrix).sum()) - 16
    assert graph.n_nodes < 0.6 * plain
    check_graph(graph, make(matrix))


def test_ternary_and_sparse_never_cost_more_than_plain_trees() -> None:
    rng = np.random.default_rng(5)
    for density in (0.05, 0.3, 1.0):
        matrix = rng.choice([-1, 1], (20, 16)) * (rng.random((20, 16)) < density)
        graph = solve(**make(matrix, lo=0, hi=1))
        assert graph.n_nodes <= np.maximum((matrix != 0).sum(axis=0) - 1, 0).sum()
        check_graph(graph, make(matrix, lo=0, hi=1))


def test_wide_weights_and_ranges() -> None:
    problem = make([[2**23 + 12345, -(2**22) - 77]], lo=-(2**36), hi=2**36, frac=20)
    check_graph(solve(**problem), problem)


def test_same_call_same_answer() -> None:
    problem = make(np.random.default_rng(7).integers(-31, 32, (8, 8)))
    first = solve(**problem)
    assert solve(**problem) is first
    again = solve(**problem, extra_depth=3)
    assert again is not first


@pytest.mark.parametrize("effort", [0, 1, 2])
def test_equal_calls_give_equal_answers(effort: int) -> None:
    problem = make(np.random.default_rng(8).integers(-31, 32, (9, 7)))
    first = solve(**problem, effort=effort)
    solver._memo.clear()
    again = solve(**problem, effort=effort)
    assert again is not first
    for name in ("a", "b", "shift_a", "shift_b", "negate_a", "negate_b", "out", "out_shift"):
        assert getattr(first, name).tolist() == getattr(again, name).tolist()
    assert first.cost == again.cost


def test_more_effort_never_costs_more_and_a_budget_still_answers() -> None:
    problem = make(np.random.default_rng(9).integers(-127, 128, (10, 10)))
    costs = [solve(**problem, effort=effort).cost for effort in (0, 1, 2)]
    assert costs == sorted(costs, reverse=True)
    hurried = solve(**problem, effort=3, seconds=0.0)
    assert hurried.cost == costs[0]
    check_graph(hurried, problem)


def test_open_digits_beat_one_fixed_form() -> None:
    # 11 = 8 + 2 + 1 shares 2 + 1 with 3; the canonical 16 - 4 - 1 shares nothing with 4 - 1.
    assert solve(**make([[11, 3]], lo=0, hi=15)).n_nodes == 2


def test_biases_come_last_and_outputs_share_columns_whatever_their_bias() -> None:
    column = np.array([[3], [5], [-7]])
    plain = solve(**make(column))
    problem = make(np.hstack([column, column, -2 * column, column]), bias=[1, 6, 3, 0])
    graph = solve(**problem)
    assert graph.n_nodes == plain.n_nodes + 3
    check_graph(graph, problem)
    constant = range(graph.n_in, graph.n_in + len(graph.constants))
    assert not set(graph.a.tolist()) & set(constant)
    assert sum(b in constant for b in graph.b.tolist()) == 3


def test_numba_s_cache_goes_where_one_can_write(monkeypatch: Any, tmp_path: Path) -> None:
    """Numba raises where neither the package's folder nor a home can be written."""
    asked = []

    def no_place(*_: Any, cache: bool = False) -> Any:
        asked.append((cache, kernel.config.CACHE_DIR))
        if cache and not kernel.config.CACHE_DIR.startswith(str(tmp_path)):
            raise RuntimeError("cannot cache function: no locator available")
        if cache and len(asked) > 2:
            raise OSError("read-only")
        return lambda function: function

    before = kernel.config.CACHE_DIR
    monkeypatch.setenv("GATEWRIGHT_CACHE", str(tmp_path))
    monkeypatch.setattr(kernel, "njit", no_place)
    assert kernel._jit(len) is len
    assert asked[1] == (True, str(tmp_path / "numba"))
    assert kernel._jit(len) is len
    assert asked[-1][0] is False
    assert before == kernel.config.CACHE_DIR


def test_the_memo_does_not_outlive_the_callers_arrays() -> None:
    problem = make([[3, 5]])
    first = solve(**problem)
    problem["matrix"][0, 0] = 9
    assert solve(**problem) is not first


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"matrix": np.array([1, 2])}, FormatError, r"two axes\n  found:     shape \(2,\)"),
        ({"matrix": np.array([[0.5]])}, FormatError,
         "`matrix` does not hold 64-bit integers(.|\n)*float64"),
        ({"matrix": np.array([[2**63]], np.uint64)}, FormatError, "64-bit integers(.|\n)*uint64"),
        ({"hi": np.array([1 << 61])}, FormatError, "an input range is too wide(.|\n)*62 bits"),
        ({"bias_frac": -1001}, FormatError, r"binary point is out of bounds\n  found:     -1001"),
        ({"bias": np.array([2**62 + 1]), "bias_frac": -1, "matrix": np.array([[0]])}, FormatError,
         "constant of output 0 is too wide(.|\n)*63 bits"),
        ({"lo": np.array([0, 0])}, FormatError, r"`lo` does not match(.|\n)*shape \(2,\)"),
        ({"lo": np.array([9]), "hi": np.array([8])}, FormatError, r"input 0 is empty(.|\n)*9\.\.8"),
        ({"matrix": np.array([[1 << 40]])}, FormatError, "weight is too wide(.|\n)*41 bits"),
        ({"frac": np.array([4000])}, FormatError, "binary point is out of bounds"),
        ({"arrival": np.array([np.nan])}, OptionError, "too far apart, or not at finite"),
        ({"hi": np.array([1 << 50]), "matrix": np.array([[(1 << 24) - 3]])}, FormatError,
         "an exact sum does not fit(.|\n)*62 bits(.|\n)*remedy"),
    ],
)  # fmt: skip
def test_refusals_say_what_and_why(changes: Problem, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        solve(**(make([[3]]) | changes))


def test_evaluate_refuses_another_shape() -> None:
    with pytest.raises(FormatError, match=r"another number of inputs(.|\n)*\(batch, 1\)"):
        solve(**make([[3]])).evaluate(np.zeros((2, 2), np.int64))


def test_evaluate_refuses_values_outside_the_ranges() -> None:
    with pytest.raises(DataError, match=r"sample 1, input 0\n  found:     128\n(.|\n)*-128\.\.127"):
        solve(**make([[3]])).evaluate(np.array([[127], [128]]))


def test_the_cache_key_covers_every_compiled_source() -> None:
    folder = Path(kernel.__file__).parent
    sources = {path.name: path.read_text() for path in folder.glob("*.py")}
    compiled = {name for name, text in sources.items() if "from numba import" in text}
    assert compiled - {"kernel.py"} <= set(kernel.PARTS)
    assert "layout.py" in kernel.PARTS
