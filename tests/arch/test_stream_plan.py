"""Plans of stream designs: who is folded, how far, and what is said where nothing fits."""

import itertools

import numpy as np
import pytest
import recurrent_graphs
from tests.ops.cases.forest import grown

from gatewright.arch import find_device
from gatewright.arch.stream_cost import multiplier_luts
from gatewright.arch.stream_forests import parallel_luts, walk_interval
from gatewright.arch.stream_plan import plan_streams
from gatewright.base.errors import OptionError
from gatewright.ir import Graph, Input, Node, Output, Plan
from gatewright.num import Intervals, Overflow, Rounding
from gatewright.ops import Dense, Gather, Pad, Quantize, Reshape, Sum, Windows

DEVICE = find_device("xc7z020")


def layers(rows=1, sizes=(64, 32, 16)):
    rng = np.random.default_rng(0)
    shape = (rows, sizes[0]) if rows > 1 else (sizes[0],)
    kind = Intervals.of(np.full(shape, -128), np.full(shape, 127), 4)
    nodes, last = [], "x"
    for number, (a, b) in enumerate(itertools.pairwise(sizes)):
        dense = Dense.of(rng.integers(-127, 128, (a, b)) / 64)
        nodes.append(Node(f"d{number}", dense, (last,), f"dense_{number}"))
        last = f"q{number}"
        quantize = Quantize.to(False, 8, 4, Rounding.RND, Overflow.SAT)
        nodes.append(Node(last, quantize, (f"d{number}",), f"dense_{number}"))
    return Graph("mlp", (Input("x", shape, kind),), tuple(nodes), (Output("y", last),))


@pytest.mark.parametrize("interval", [2, 8, 64, 300, 3000])
def test_every_operation_keeps_the_interval_and_multipliers_fall_with_it(interval):
    plan = plan_streams(layers(), interval, DEVICE, most_blocks=10**6)
    assert all(choice.steps <= interval for choice in plan.choices)
    folded = [c for c in plan.choices if c.plan.taken]
    for choice in folded:
        products = 64 * 32 if choice.node == "d0" else 32 * 16
        assert products / interval <= choice.multipliers < 2.2 * products / interval + 2


def test_two_products_in_a_row_take_the_time_of_one():
    plans = plan_streams(layers(sizes=(64, 64, 64)), 64, DEVICE).plans
    first, second = plans["d0"], plans["d1"]
    assert first.taken < first.beat  # takes its elements as they come
    assert second.taken > second.beat  # and has them all when this one begins


def test_many_rows_have_their_constants_in_the_circuit():
    choices = plan_streams(layers(rows=64), 16, DEVICE).choices
    assert choices[0].plan == Plan(beat=4 * 32)
    assert choices[0].reason == "constants in the circuit, 4 of 64 rows at once"


def test_blocks_are_not_planned_beyond_those_there_are():
    plan = plan_streams(layers(), 16, DEVICE, most_blocks=40)
    assert 0 < plan.cost.dsp <= 40


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_products_of_a_recurrent_cell_are_folded_as_far_as_the_interval_lets_them(kind):
    graph = recurrent_graphs.layer(kind, steps=5, units=32)
    cells = {}
    for interval in (20, 300, 1000):
        found = plan_streams(graph, interval, DEVICE)
        cells[interval] = dict(found.plans[f"{kind}_loop"].cell)
        cells[interval, "cost"] = found.cost.weight
    assert not cells[20]  # no time for it
    products = {"gru": 2, "lstm": 1}[kind]
    assert len(cells[300]) == len(cells[1000]) == products
    assert cells[1000, "cost"] < cells[300, "cost"] < cells[20, "cost"]


def test_a_plan_for_what_is_not_there_is_refused():
    with pytest.raises(OptionError, match="names an operation that the model does not have"):
        plan_streams(layers(), 16, DEVICE, given={"dense": Plan(beat=1)})
    with pytest.raises(OptionError, match="the interval is impossible"):
        plan_streams(layers(), 0, DEVICE)


def test_what_is_done_last_can_be_given_less_time():
    for tail in (64, 16, 4):
        plan = plan_streams(layers(), 300, DEVICE, most_blocks=10**6, tail=tail)
        assert all(choice.steps <= tail for choice in plan.choices)


def image(side=8, pad=1):
    """Two convolutions, `same` or `valid`, and a sum over what they give."""
    rng = np.random.default_rng(0)
    kind = Intervals.of(np.full((side, side, 3), -128), np.full((side, side, 3), 127), 7)
    nodes, last = [], "x"
    for number, channels in enumerate((3, 8)):
        if pad:
            nodes.append(Node(f"p{number}", Pad((pad, pad, 0), (pad, pad, 0), 0.0), (last,)))
            last = f"p{number}"
        nodes.append(Node(f"w{number}", Windows.of((3, 3)), (last,)))
        weight = rng.integers(-127, 128, (9 * channels, 8)) / 64
        nodes.append(Node(f"d{number}", Dense.of(weight), (f"w{number}",)))
        last = f"q{number}"
        quantize = Quantize.to(False, 8, 6, Rounding.RND, Overflow.SAT)
        nodes.append(Node(last, quantize, (f"d{number}",)))
    nodes += [Node("s", Sum((0, 1)), (last,)), Node("flat", Reshape((8,)), ("s",))]
    return Graph(
        "image", (Input("x", (side, side, 3), kind),), tuple(nodes), (Output("y", "flat"),)
    )


def test_planned_is_what_is_built():
    plan = plan_streams(image(), 100, DEVICE)
    assert [c.node for c in plan.choices] == ["w0", "d0", "q0", "w1", "d1", "q1", "flat"]
    with pytest.raises(OptionError, match="built as part of another") as caught:
        plan_streams(image(), 100, DEVICE, given={"p1": Plan(beat=3)})
    assert "plan w1, which it is a part of" in caught.value.text()


@pytest.mark.parametrize(("interval", "windows", "copies"), [(80, 1, 1), (64, 2, 1), (40, 2, 2),
                                                            (20, 4, 4), (10, 8, 7)])  # fmt: skip
def test_as_many_windows_as_the_interval_needs(interval, windows, copies):
    plans = plan_streams(image(), interval, DEVICE).plans
    assert (plans["w0"].beat, plans["w1"].beat) == (windows * 27, windows * 72)
    assert plans["d0"].beat == plans["d1"].beat == copies * 8


def test_windows_that_do_not_lie_alike_come_one_by_one():
    plans = plan_streams(image(32, pad=0), 300, DEVICE).plans
    assert plans["w0"].beat == 27


def test_sums_by_bits_stand_in_blocks_where_the_device_has_many():
    graph = layers(rows=8, sizes=(36, 18))
    small, large = (plan_streams(graph, 64, find_device(d)) for d in ("xc7z020", "xcvu13p"))
    assert small.plans["d0"].bits == large.plans["d0"].bits == 1
    assert (small.plans["d0"].memory, small.cost.bram) == ("auto", 0)
    assert large.plans["d0"].memory == "block"
    assert 0 < large.cost.bram <= 0.02 * find_device("xcvu13p").bram
    assert large.cost.lut < 0.7 * small.cost.lut


def test_rows_that_are_picked_come_one_by_one():
    kind = Intervals.of(np.full((4, 3), -8), np.full((4, 3), 7), 2)
    pairs = Gather.of([0, 1, 2, 3, 3, 2, 1, 0])
    nodes = (Node("g", pairs, ("x",)), Node("d", Dense.of(np.ones((3, 2))), ("g",)))
    graph = Graph("pairs", (Input("x", (4, 3), kind),), nodes, (Output("y", "d"),))
    assert plan_streams(graph, 16, DEVICE).plans["x"] == Plan(beat=3)
    assert plan_streams(graph, 4, DEVICE).plans["x"] == Plan(beat=12)  # two picks at once


def test_a_product_of_signals_costs_what_it_is_built_of():
    assert multiplier_luts(8, 8) == pytest.approx(118, rel=0.1)  # Yosys
    assert multiplier_luts(16, 8) == pytest.approx(216, rel=0.1)
    assert multiplier_luts(3, 3) < 12  # looked up


def trees(number=60, depth=4):
    kind = Intervals.of(np.zeros(4), np.full(4, 255), 4)
    forest = Node("f", grown(1, number, depth, 4, 1), ("x",), "forest")
    return Graph("trees", (Input("x", (4,), kind),), (forest,), (Output("y", "f"),))


@pytest.mark.parametrize("interval", [40, 80, 250])
def test_as_few_trees_are_walked_at_once_as_keep_the_interval(interval):
    (choice,) = plan_streams(trees(), interval, DEVICE).choices
    assert choice.plan.lanes == -(-60 // (interval // 4))
    assert choice.steps <= interval
    assert choice.reason == f"{choice.plan.lanes} of 60 trees walked down at once"


def test_a_forest_is_a_circuit_where_that_is_faster_or_smaller_or_asked_for():
    assert plan_streams(trees(), 8, DEVICE).plans["f"].lanes == 0
    assert plan_streams(trees(2, 2), 250, DEVICE).plans["f"].lanes == 0
    given = {"f": Plan(beat=1)}
    assert plan_streams(trees(), 250, DEVICE, given=given).plans["f"] == Plan(
        beat=1, block=DEVICE.block
    )


def test_a_forest_that_can_be_written_is_walked():
    given = {"f": Plan(writable=True)}
    plans = plan_streams(trees(), 250, DEVICE, given=given).plans
    assert (plans["f"].lanes, plans["f"].writable) == (1, True)


def test_forests_in_memories_cost_less_the_longer_they_may_take():
    costs = [plan_streams(trees(200, 6), t, DEVICE).cost for t in (60, 300, 1500)]
    assert costs[0].lut > costs[1].lut > costs[2].lut
    assert costs[2].bram > 0


def test_an_interval_is_found_at_which_a_forest_fits():
    graph = trees(200, 6)
    whole = parallel_luts(graph)
    assert walk_interval(graph, int(whole) + 1, 10, DEVICE) == 1
    loose, tight = (walk_interval(graph, luts, 100, DEVICE) for luts in (1500, 300))
    assert 1 < loose < tight
    assert parallel_luts(layers()) == 0
