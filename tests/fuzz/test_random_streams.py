"""Random models on streams, planned for random intervals: the reference's integers, to the cycle.

A failing case names its seed: `random_sample(seed)` is the model, `plan_streams` at its interval
the plan. `pytest -m slow tests/fuzz` runs many more.
"""

from __future__ import annotations

import numpy as np
import pytest
from random_graphs import random_sample

from gatewright.arch import find_device
from gatewright.arch.stream_plan import plan_streams
from gatewright.flow.host import corner_codes
from gatewright.hw import check, random_ready, run_streams
from gatewright.ir import Graph, evaluate
from gatewright.num import FixedArray
from gatewright.passes.netlist import Clock, DelayModel, pipeline
from gatewright.passes.streams import from_beats, lower_streams, to_beats
from gatewright.streams import assemble, least_depths, simulate

INTERVALS = (1, 3, 10, 100)
FAST, SLOW = 5, 200
SHARED = [17, 24]  # reshaped streams with several readers, behind a kernel
APART = [47]  # a table given value by value, whose operand must travel whole
SEEDS = [*range(FAST), *SHARED, *APART]
SEEDS += [
    pytest.param(s, marks=pytest.mark.slow) for s in range(FAST, SLOW) if s not in SHARED + APART
]
CLOCK = Clock(5.0, DelayModel(0.30, 0.46, 0.008, 0.12, 0.20, "for tests"))
EVENTS = 3


def tensors(graph: Graph, seed: int) -> dict[str, FixedArray]:
    """Return a few samples of each input."""
    rng = np.random.default_rng(seed)
    found = {}
    for i in graph.inputs:
        codes = corner_codes(i.type, rng, 16)
        found[i.name] = FixedArray(codes[rng.permutation(len(codes))[:EVENTS]], i.type.frac)
    return found


def same(a: FixedArray, b: FixedArray) -> bool:
    finest = np.maximum(np.broadcast_to(a.frac, a.q.shape[1:]), b.frac)
    return np.array_equal(a.aligned(finest), b.aligned(finest))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_model_on_streams(seed):
    graph = random_sample(seed).graph
    interval = INTERVALS[seed % len(INTERVALS)]
    plan = plan_streams(graph, interval, find_device("xcvu13p"))
    lowered = lower_streams(
        graph, plan.plans, lambda m: pipeline(m, CLOCK), most_steps=max(interval, 1)
    )
    depths, cycles = least_depths(lowered.network)
    network = lowered.network.with_depths(depths)
    top = assemble(network, cycles.latency, cycles.interval)
    check(top)
    x = tensors(graph, seed)
    beats = {port.name: to_beats(x[port.value], port) for port in lowered.inputs}
    wanted = evaluate(graph, x)
    expected = {port.name: EVENTS * port.beats for port in lowered.outputs}
    rng = np.random.default_rng(seed)
    gaps = {name: rng.integers(0, 3, len(b)) for name, b in beats.items()}
    ready = {name: random_ready(0.6, seed + i) for i, name in enumerate(expected)}
    for stalls in ({}, {"gaps": gaps, "ready": ready}):
        found = run_streams(top, beats, expected, drain=16, **stalls)
        assert not found.deadlock, found.deadlock
        for port in lowered.outputs:
            given = from_beats(found.outputs[port.name][: expected[port.name]], port)
            assert same(given, wanted[port.value]), port.name
        if not stalls:
            last = [
                found.output_cycle[port.name][port.beats - 1 : expected[port.name] : port.beats]
                for port in lowered.outputs
            ]
            model = simulate(network, events=EVENTS)
            assert np.max(last, axis=0).tolist() == model.finished.tolist()
            assert model.latency == cycles.latency
