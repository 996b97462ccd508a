"""Recurrent layers on streams: one cell for all steps, or one for each; values and cycles."""

import numpy as np
import pytest
import recurrent_graphs as models
from stream_runs import finish

from gatewright.base import ToolError
from gatewright.emit import emit_verilog
from gatewright.emit.verilog import top_name
from gatewright.hw import random_ready, run_streams
from gatewright.hw.check import check
from gatewright.ir import Plan, evaluate
from gatewright.num import FixedArray
from gatewright.passes.streams import from_beats, lower_streams, stateful, to_beats
from gatewright.streams import assemble, least_depths
from gatewright.tools.streams import (
    StreamStimulus,
    pack_beats,
    simulate_streams,
    stream_design,
    unpack_beats,
)
from gatewright.tools.verilator import find_compiler
from gatewright.tools.verilator_program import find_verilator

SAMPLES = 8


def plans_of(graph, unroll=False, beat=1):
    rows = {i.name: Plan(beat=beat * i.shape[-1]) for i in graph.inputs}
    loops = (f"{graph.name}_{label}loop" for label in ("", "forward_", "backward_"))
    return rows | {name: Plan(unroll=unroll) for name in loops}


def built(graph, plans):
    lowered = lower_streams(graph, plans, finish)
    depths, cycles = least_depths(lowered.network)
    top = assemble(lowered.network.with_depths(depths), cycles.latency, cycles.interval)
    check(top)
    return lowered, top, cycles


def samples_of(graph, seed=2):
    rng = np.random.default_rng(seed)
    found = {}
    for i in graph.inputs:
        q = rng.integers(i.type.lo, i.type.hi + 1, (SAMPLES, *i.shape))
        found[i.name] = FixedArray(q, i.type.frac)
    return found


def stalls_of(beats, outputs, seed=0):
    rng = np.random.default_rng(seed)
    gaps = {name: rng.integers(0, 9, len(b)) for name, b in beats.items()}
    return {"gaps": gaps, "ready": {name: random_ready(0.3, seed) for name in outputs}}


def same(outputs, lowered, wanted):
    for port in lowered.outputs:
        found, truth = from_beats(outputs[port.name], port), wanted[port.value]
        finest = np.maximum(found.frac, truth.frac)
        assert np.array_equal(found.aligned(finest), truth.aligned(finest))


def ends_of(lowered, run):
    """Return the cycle of each event's last beat, from the first that was taken on."""
    ends = [run.output_cycle[p.name][p.beats - 1 :: p.beats] for p in lowered.outputs]
    return np.max(ends, axis=0) - min(cycles[0] for cycles in run.accept_cycle.values())


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


def _lacks_tools():
    try:
        find_compiler()
        find_verilator()
    except ToolError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def simulated():
    """Simulate all layers in one build, with and without stalls."""
    if _lacks_tools():
        pytest.skip(_lacks_tools())
    designs, stimuli, facts = [], [], {}
    for name, (graph, plans) in WAYS.items():
        lowered, top, cycles = built(graph, plans)
        data = samples_of(graph)
        facts[name] = lowered, top, cycles, evaluate(graph, data)
        beats = {port.name: to_beats(data[port.value], port) for port in lowered.inputs}
        expected = {port.name: port.beats * SAMPLES for port in lowered.outputs}
        for stalls in ({}, stalls_of(beats, expected)):
            designs.append(stream_design(top, top_name(top), emit_verilog(top)))
            stimuli.append(StreamStimulus(pack_beats(top, beats), expected, **stalls))
    runs = iter(simulate_streams(designs, stimuli))
    return {name: (*fact, next(runs), next(runs)) for name, fact in facts.items()}


@pytest.mark.parametrize("name", WAYS)
def test_values_and_cycles_in_simulated_rtl(simulated, name):
    lowered, top, cycles, wanted, free, stalled = simulated[name]
    for run in (free, stalled):
        assert not run.deadlock
        same(unpack_beats(top, run.beats), lowered, wanted)
    ends = ends_of(lowered, free)
    assert ends[0] == cycles.latency
    assert (np.diff(ends)[-3:] == cycles.interval).all()


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
