"""Random networks on images through everything: what repeats is one module with many copies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_images import random_images

from gatewright.arch import critical_path
from gatewright.base import ToolError
from gatewright.emit import emit_verilog
from gatewright.engine import Engine
from gatewright.flow import verify
from gatewright.flow.facts import start_cycles
from gatewright.flow.host import corner_codes
from gatewright.hw import check, evaluate, run_stream
from gatewright.num import FixedArray
from gatewright.passes.lower import lower
from gatewright.passes.netlist import (
    Clock,
    DelayModel,
    least_latency,
    pipeline,
    recode,
    total_resources,
)
from gatewright.passes.netlist.optimise import optimise
from gatewright.tools.verilator import find_compiler

# Fixed constants: what a recalibration of a device changes is not tested here.
DELAY = DelayModel(0.30, 0.46, 0.008, 0.12, 0.20, "for tests")
CLOCKS = (1.8, 2.5, 5.0, 20.0)


def vectors(graph, net, count=16):
    kind = graph.inputs[0].type
    codes = corner_codes(kind, np.random.default_rng(3), count)[-count:]
    inputs = {"x": FixedArray(codes, kind.frac)}
    ports = verify.to_ports(graph, net, inputs)
    return {"valid_in": np.ones((len(codes), 1), np.int64), **ports}, inputs


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), clock=st.sampled_from(CLOCKS), extra=st.integers(0, 5))
def test_every_form_of_the_circuit_gives_the_reference(seed, clock, extra):
    graph = random_images(seed, largest=6)
    net = lower(graph)
    feed, inputs = vectors(graph, net)
    wanted = verify.reference(graph, net, inputs)
    smaller = optimise(net)
    circuit = recode(smaller)
    for m in (net, smaller, circuit):
        check(m)
        assert verify.first_difference(wanted, evaluate(m, feed)) == ""
    period = Clock(clock, DELAY)
    latency = least_latency(circuit, period) + extra if extra else None
    placed = pipeline(circuit, period, latency)
    check(placed)
    ports = {name: q for name, q in feed.items() if name != "valid_in"}
    count = len(feed["valid_in"])
    run = run_stream(placed, ports, np.arange(count) % 3)
    assert verify.first_difference(wanted, run.outputs) == ""
    assert set((run.output_cycle - run.accept_cycle).tolist()) == {placed.latency}
    assert latency is None or placed.latency == latency
    # No path is longer than what registers were placed for.
    path = critical_path(placed, DELAY, 0.0)
    assert path.period <= clock + 1e-6
    spans = start_cycles(placed)
    assert all(0 <= begin <= end for begin, end in spans.values())
    assert total_resources(placed).lut >= 0
    assert emit_verilog(placed)


@pytest.mark.parametrize("seed", [105, 112, 138])
def test_emulator_and_simulated_copies_give_the_reference(seed, monkeypatch):
    """Also where the simulator translates the smallest module once."""
    try:
        find_compiler()
    except ToolError as error:
        pytest.skip(f"RTL cannot be simulated: {error}")
    monkeypatch.setattr(verify, "LEAST_SHARED", 1)
    monkeypatch.setattr(verify, "LEAST_SAVED", 1)
    graph = random_images(seed, largest=5)
    net = optimise(lower(graph))
    feed, inputs = vectors(graph, net)
    wanted = verify.reference(graph, net, inputs)
    assert verify.first_difference(wanted, Engine(net, threads=1, cache=False).run(feed)) == ""
    placed = pipeline(recode(net), Clock(2.5, DELAY))
    ports = {name: q for name, q in feed.items() if name != "valid_in"}
    design = verify.rtl_design(placed, placed.name, emit_verilog(placed))
    assert design.shared
    assert verify.check_rtl(placed, design, ports, wanted).status == "exact"
