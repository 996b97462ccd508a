"""Recurrent cells whose products are shared over time: values, cycles, what is refused."""

from dataclasses import replace

import pytest
import recurrent_graphs as models
from recurrent_runs import agrees, plans_of, simulate_all
from stream_runs import finish

from gatewright.base import OptionError
from gatewright.ir import Plan
from gatewright.passes.streams import Loop, lower_streams, roll, stateful
from gatewright.passes.streams.loop_folded import foldable
from gatewright.streams import least_depths


def loops(graph):
    return {node.name: node.op for node in roll(graph).nodes if isinstance(node.op, Loop)}


def folded(graph, *own):
    """Fold the products of all cells, each by its own plan; the last one serves those left."""
    plans = plans_of(graph)
    for name, op in loops(graph).items():
        names = [node.name for node in foldable(op.what.cell)]
        last = own[-1:] * len(names)
        plans[name] = Plan(cell=tuple(zip(names, (*own, *last), strict=False)))
    return plans


def reset_before():
    """A GRU whose second product waits for gates that the first one makes."""
    (port, x), to = models.sequence_input(steps=5, features=3), models.Nodes("gru")
    cell = replace(models.cell_of("gru", 3, 4), reset_after=False, inner=models.STATE)
    return models.graph_of(to, [port], models.recurrent(to, cell, x).outputs[-1])


GRU = models.layer("gru", steps=5, features=3, units=4)
ONE = Plan(taken=1, beat=1)
GRAPHS = {
    "gru": (GRU, folded(GRU, Plan(taken=2, beat=4), Plan(taken=4, beat=1))),
    "gru_one_multiplier": (GRU, folded(GRU, ONE)),
    "gru_first_alone": (GRU, plans_of(GRU) | {
        "gru_loop": Plan(cell=(("gru/recurrent", Plan(taken=2, beat=3)),))}),
    "gru_bits": (GRU, folded(GRU, Plan(bits=1), Plan(bits=2))),
    "gru_before": (reset_before(), folded(reset_before(), Plan(taken=2, beat=3))),
    "lstm": (models.layer("lstm", each=True, states=True), folded(
        models.layer("lstm", each=True, states=True), Plan(taken=2, beat=5))),
    "given": (models.from_a_given_state("gru"), folded(
        models.from_a_given_state("gru"), Plan(taken=3, beat=2))),
    "backwards": (models.layer("simple", each=True, backwards=True), folded(
        models.layer("simple", each=True, backwards=True), Plan(taken=2, beat=3))),
    "both": (models.both_ways("simple"), folded(models.both_ways("simple"), ONE)),
}  # fmt: skip


@pytest.fixture(scope="module")
def simulated():
    return simulate_all(GRAPHS)


@pytest.mark.parametrize("name", GRAPHS)
def test_values_and_cycles_in_simulated_rtl(simulated, name):
    agrees(simulated[name])


def cycles_of(steps, *own):
    graph = models.layer("gru", steps=steps, features=3, units=4)
    lowered = lower_streams(graph, folded(graph, *own), finish)
    return least_depths(lowered.network)[1]


def test_each_step_adds_the_cycles_of_one():
    """A step takes its products' folding and the pipelines around; the last overlaps the next."""
    five, six, seven = (cycles_of(n, Plan(taken=1, beat=4)) for n in (5, 6, 7))
    step = six.interval - five.interval
    assert seven.interval - six.interval == six.latency - five.latency == step
    assert 8 < step < 8 + 12  # 4 x 8 weights on 4 multipliers
    assert 4 * step < five.interval <= 5 * step
    slower = (
        cycles_of(6, Plan(taken=1, beat=2)).interval - cycles_of(5, Plan(taken=1, beat=2)).interval
    )
    assert slower == step + 8


def test_the_way_back_has_a_place_and_no_first_beat():
    graph, plans = GRAPHS["gru"]
    network = lower_streams(graph, plans, finish).network
    (back,) = (number for number, link in enumerate(network.links) if link.is_backward)
    depths, _ = least_depths(network)
    assert depths[back] == 1
    assert network.links[back].beats == 4  # of 5 steps


def test_what_cannot_be_folded_is_refused():
    with pytest.raises(OptionError, match="names what is no product in its loop") as error:
        lower_streams(GRU, {"gru_loop": Plan(cell=(("gru/sum", ONE),))}, finish)
    assert "gru/recurrent, gru/inner" in str(error.value)
    kept = stateful(GRU, steps=5)
    both = Plan(unroll=True, cell=(("gru/inner", ONE),))
    with pytest.raises(OptionError, match="keeps its state cannot have a folded cell"):
        lower_streams(kept, folded(kept, ONE), finish)
    with pytest.raises(OptionError, match="a cell for each step cannot have folded ones"):
        lower_streams(GRU, {"gru_loop": both}, finish)
    with pytest.raises(OptionError, match="planned, and not folded by its plan"):
        lower_streams(GRU, folded(GRU, Plan(taken=4)), finish)
