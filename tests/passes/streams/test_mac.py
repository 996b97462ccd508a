"""Dense layers folded over time: every cut of rows and outputs, with stalls, to the cycle."""

from dataclasses import replace

import numpy as np
import pytest
from stream_runs import MODEL, compare, network_of

from gatewright.base import OptionError
from gatewright.hw import DspBlock, Kind
from gatewright.ir import Graph, Input, Node, Output, Plan
from gatewright.num import Intervals
from gatewright.ops import Dense, GroupedDense
from gatewright.passes.netlist import Clock, modules, pipeline
from gatewright.passes.streams import lower_streams
from gatewright.streams import assemble


def layer(shape, n_out, weights=(-4, 4), inputs=(-8, 7), seed=0):
    """One dense layer with a bias on a finer grid than its products."""
    rng = np.random.default_rng(seed)
    low, high = weights
    matrix = rng.integers(low, high + 1, (shape[-1], n_out)) / 4
    dense = Dense.of(matrix, rng.integers(-40, 40, n_out) / 32)
    kind = Intervals.of(np.full(shape, inputs[0]), np.full(shape, inputs[1]), 2)
    return Graph(
        "folded",
        (Input("x", shape, kind),),
        (Node("d", dense, ("x",), "dense"),),
        (Output("y", "d"),),
    )


@pytest.mark.parametrize(
    ("shape", "n_out", "taken", "beat", "came", "steps"),
    [
        ((6,), 4, 2, 4, 2, 3),  # one group: no beat is kept
        ((6,), 4, 2, 2, 3, 6),
        ((2, 2, 6), 4, 6, 1, 6, 4),  # whole rows in a step
        ((3, 7), 5, 7, 2, 7, 3),  # groups that do not fill up
        ((2, 7), 5, 3, 2, 7, 9),  # nor do the lanes
        ((2, 7), 5, 3, 5, 1, 3),
        ((3, 5), 5, 1, 5, 1, 5),
        ((2, 5), 6, 1, 1, 10, 30),  # one multiplier
        ((1, 36), 4, 1, 2, 4, 72),  # more beats than shift registers hold
        ((2, 4), 3, 9, 1, 4, 3),  # more lanes than elements
    ],
)
def test_every_cut_gives_the_reference_in_the_cycles_of_the_plan(
    shape, n_out, taken, beat, came, steps
):
    rows = int(np.prod(shape[:-1]))
    plans = {"x": Plan(beat=came), "d": Plan(beat=beat, taken=taken)}
    cycles = compare(layer(shape, n_out), plans, samples=3)
    assert cycles.interval == max(rows * steps, rows * shape[-1] // came)


@pytest.mark.parametrize("block", [None, DspBlock(25, 18), DspBlock(18, 18)])
@pytest.mark.parametrize(
    ("weights", "inputs"),
    [((-128, 127), (0, 255)), ((0, 3), (-255, -3)), ((-8, 7), (-8, 7)), ((-9000, 9000), (-1, 1))],
)
def test_signs_and_wide_numbers(weights, inputs, block):
    style = "lut" if block is None else "dsp"
    fold = Plan(beat=3, taken=2, block=block, multipliers=style)
    compare(layer((6,), 6, weights, inputs), {"x": Plan(beat=6), "d": fold}, samples=3)


@pytest.mark.parametrize(
    ("shape", "n_out", "taken", "beat", "came"),
    [
        ((3, 4), 2, 4, 2, 4),  # a group a step
        ((3, 4), 2, 2, 1, 4),
        ((2, 4, 2), 2, 4, 2, 2),  # two groups at once
        ((2, 3, 5), 3, 2, 2, 5),  # nothing divides
        ((2, 2, 9), 1, 3, 1, 6),  # depthwise
    ],
)
def test_groups_have_matrices_of_their_own(shape, n_out, taken, beat, came):
    rng = np.random.default_rng(1)
    groups, n_in = shape[-2:]
    matrices = rng.integers(-8, 8, (groups, n_in, n_out)) / 4
    op = GroupedDense.of(matrices, rng.integers(-40, 40, (groups, n_out)) / 8)
    kind = Intervals.of(np.full(shape, -8), np.full(shape, 7), 2)
    nodes = (Node("d", op, ("x",), "grouped"),)
    graph = Graph("grouped", (Input("x", shape, kind),), nodes, (Output("y", "d"),))
    fold = Plan(beat=beat, taken=taken)
    compare(graph, {"x": Plan(beat=came), "d": fold}, samples=3)


def test_weights_that_are_zero_take_no_multiplier():
    graph = layer((4,), 4)
    op = graph.nodes[0].op
    thin = Dense.of(op.weight * np.eye(4), op.bias)
    graph = Graph("thin", graph.inputs, (Node("d", thin, ("x",), "dense"),), graph.outputs)
    compare(graph, {"x": Plan(beat=4), "d": Plan(beat=2, taken=2)}, samples=3)


def test_a_layer_with_all_its_products_in_a_step_is_built_with_constants():
    lowered, _, _ = network_of(layer((2, 4), 3), {"d": Plan(beat=3, taken=4)})
    assert not any(actor.module.holds(Kind.TABLE) for actor in lowered.network.actors)


def test_an_accumulator_that_is_slower_than_the_clock_is_refused():
    graph = layer((8,), 2, weights=(-(1 << 20), 1 << 20), inputs=(-(1 << 20), 1 << 20))
    plans = {"d": Plan(beat=1, taken=2)}
    clock = Clock(2.1, MODEL)
    with pytest.raises(OptionError, match="accumulators of this layer are too slow") as caught:
        lower_streams(graph, plans, lambda m: pipeline(m, clock))
    assert "at:        dense" in str(caught.value)
    assert "sums of 45 bits" in str(caught.value)


def test_products_that_blocks_are_too_slow_for_are_built_of_luts():
    def kinds(period, style):
        clock = Clock(period, replace(MODEL, dsp=3.4))
        plans = {"d": Plan(beat=2, taken=2, block=DspBlock(25, 18), multipliers=style)}
        graph = layer((8,), 4, weights=(-120, 120), inputs=(0, 255))
        lowered = lower_streams(graph, plans, lambda m: pipeline(m, clock))
        return {
            imm
            for m in modules(assemble(lowered.network, 1, 1))
            for kind, imm in zip(m.kind, m.imm, strict=True)
            if kind == Kind.MUL
        }

    assert kinds(5.0, "auto") == {1}
    assert kinds(3.0, "auto") == {0}
    with pytest.raises(OptionError, match="the clock is too fast for this circuit"):
        kinds(3.0, "dsp")
