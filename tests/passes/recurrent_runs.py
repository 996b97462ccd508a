"""Build recurrent layers as streams, and simulate many of them at once."""

import numpy as np
import pytest
from stream_runs import finish

from gatewright.base import ToolError
from gatewright.emit import emit_verilog
from gatewright.emit.verilog import top_name
from gatewright.hw import random_ready
from gatewright.hw.check import check
from gatewright.ir import Plan, evaluate
from gatewright.num import FixedArray
from gatewright.passes.streams import from_beats, lower_streams, to_beats
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


def agrees(simulated):
    """Hold values and cycles of both runs of a design against reference and model."""
    lowered, top, cycles, wanted, free, stalled = simulated
    for run in (free, stalled):
        assert not run.deadlock
        same(unpack_beats(top, run.beats), lowered, wanted)
    ends = ends_of(lowered, free)
    assert ends[0] == cycles.latency
    assert (np.diff(ends)[-3:] == cycles.interval).all()


def _lacks_tools():
    try:
        find_compiler()
        find_verilator()
    except ToolError as error:
        return str(error)
    return ""


def simulate_all(ways):
    """Simulate graphs with their plans in one build, with and without stalls; return by name.

    What is lowered, the top, the model's cycles, the reference's values, and the two runs.
    """
    if _lacks_tools():
        pytest.skip(_lacks_tools())
    designs, stimuli, facts = [], [], {}
    for name, (graph, plans) in ways.items():
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
