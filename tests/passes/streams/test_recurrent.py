"""Recurrent layers on streams: one cell for all steps, or one for each; values and cycles."""

import numpy as np
import pytest
import recurrent_graphs as models
from recurrent_runs import SAMPLES, agrees, plans_of, same, samples_of, simulate_all

from gatewright.hw import run_streams
from gatewright.ir import Plan
from gatewright.passes.streams import stateful, to_beats


def period(lowered):
    """Cycles of a step, from the kernel of the loop: its registers, and that of the state."""
    loops = [a for a in lowered.network.actors if "recurrent cell" in a.note]
    (latency,) = {i.module.latency for a in loops for i in a.module.instances}
    return latency + 1


def kept(kind, steps):
    graph = stateful(models.layer(kind), steps=steps)
    return graph, plans_of(graph)


def layer(*words, unroll=False, beat=1, **options):
    graph = models.layer(*words, **options)
    return graph, plans_of(graph, unroll, beat)


WAYS = {
    "simple": layer("simple"),
    "lstm": layer("lstm"),
    "gru": layer("gru"),
    "lstm_each": layer("lstm", each=True),
    "gru_each_backwards": layer("gru", each=True, backwards=True),
    "lstm_states": layer("lstm", each=True, states=True),
    "both": (models.both_ways("simple"), plans_of(models.both_ways("simple"))),
    "given": (models.from_a_given_state("gru"), plans_of(models.from_a_given_state("gru"))),
    "gru_kept": kept("gru", models.STEPS),
    "lstm_kept": kept("lstm", 1),
    "same": (models.one_layer_for_each_step(), {"x": Plan(beat=models.FEATURES)}),
    "same_unrolled": (
        models.one_layer_for_each_step(),
        plans_of(models.one_layer_for_each_step(), unroll=True),
    ),
    "simple_unrolled": layer("simple", unroll=True),
    "gru_each_unrolled": layer("gru", each=True, unroll=True),
    "simple_unrolled_whole": layer("simple", each=True, unroll=True, beat=models.STEPS),
    "given_unrolled": (
        models.from_a_given_state("lstm"),
        plans_of(models.from_a_given_state("lstm"), unroll=True),
    ),
}


@pytest.fixture(scope="module")
def simulated():
    return simulate_all(WAYS)


@pytest.mark.parametrize("name", WAYS)
def test_values_and_cycles_in_simulated_rtl(simulated, name):
    agrees(simulated[name])


@pytest.mark.parametrize("name", [n for n in WAYS if "unrolled" not in n and n != "same"])
def test_one_cell_takes_steps_times_its_cycles(simulated, name):
    lowered, _, cycles, *_ = simulated[name]
    assert period(lowered) > 1
    assert cycles.interval == (1 if name == "lstm_kept" else models.STEPS) * period(lowered)


@pytest.mark.parametrize("name", ["simple_unrolled", "given_unrolled", "same", "same_unrolled"])
def test_a_cell_for_each_step_takes_a_row_in_each_cycle(simulated, name):
    assert simulated[name][2].interval == models.STEPS


def test_steps_side_by_side_take_an_event_in_each_cycle_but_for_its_results(simulated):
    _, _, cycles, *_ = simulated["simple_unrolled_whole"]
    assert cycles.interval == models.STEPS  # a row of the result in each


def test_the_interpreter_agrees(simulated):
    lowered, top, _, wanted, free, _ = simulated["simple"]
    data = samples_of(WAYS["simple"][0])
    beats = {port.name: to_beats(data[port.value], port) for port in lowered.inputs}
    expected = {port.name: port.beats * SAMPLES for port in lowered.outputs}
    run = run_streams(top, beats, expected, unchecked=60)
    same(run.outputs, lowered, wanted)
    for name in expected:
        assert np.array_equal(run.output_cycle[name], free.output_cycle[name])
