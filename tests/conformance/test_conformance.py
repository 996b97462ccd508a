"""Every operation, format and plan: reference, netlist, emulator and RTL agree bit for bit.

Cases are found by the stem of an operation's file: an operation without `tests/ops/cases/<stem>.py`
fails here.
"""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from gatewright.arch import find_device
from gatewright.base import ToolError
from gatewright.emit import emit_verilog
from gatewright.engine import Engine
from gatewright.flow.verify import (
    data_ports,
    first_difference,
    pack_ports,
    reference,
    rtl_design,
    to_ports,
    unpack_ports,
)
from gatewright.hw import Module, check, evaluate, run_stream
from gatewright.ir import Graph, Plan, infer
from gatewright.ir import evaluate as evaluate_graph
from gatewright.num import FixedArray
from gatewright.ops import OPERATIONS
from gatewright.ops.serialize import dump, load
from gatewright.passes.lower import lower
from gatewright.passes.netlist import Clock, pipeline
from gatewright.tools.verilator import Stimulus, find_compiler, simulate
from tests.conformance.common import all_cases, chunks_of, samples, stem
from tests.ops.cases.common import Case

BATCH = 48
"""Circuits in one Verilator build."""


CASES = all_cases()
PLANNED = [(case, reuse) for case in CASES for reuse in case.reuses]


def label(pair: tuple[Case, int]) -> str:
    return f"{pair[0].name}-R{pair[1]}"


def circuit(case: Case, reuse: int):
    graph = case.graph()
    netlist = lower(graph, {"y": Plan(reuse)})
    check(netlist)
    return graph, netlist


@pytest.mark.parametrize("op", OPERATIONS, ids=stem)
def test_every_operation_has_cases(op):
    module = importlib.import_module(f"tests.ops.cases.{stem(op)}")
    assert module.CASES or "no case of its own" in (module.__doc__ or "")


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_reference_agrees_with_the_real_meaning(case):
    """On values of the input grids, float64 gives the same numbers, or stays within the bound."""
    graph, inputs = case.graph(), samples(case)
    exact = evaluate_graph(graph, inputs)["y"].value
    real = case.op.real(*(inputs[f"x{i}"].value for i in range(len(case.inputs))))
    if case.op.exact_real:
        np.testing.assert_array_equal(exact, real)
    else:
        assert np.abs(exact - real).max() <= case.op.error_bound(*case.inputs)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_a_graph_survives_the_disk(case):
    structure, arrays = dump(case.graph())
    again: Graph = load(structure, arrays)
    one, two = infer(case.graph())["y"], infer(again)["y"]
    np.testing.assert_array_equal(one.lo, two.lo)
    inputs = samples(case)
    np.testing.assert_array_equal(
        evaluate_graph(case.graph(), inputs)["y"].q, evaluate_graph(again, inputs)["y"].q
    )


PARALLEL = [c for c in CASES if 1 in c.reuses]


@pytest.mark.parametrize("case", PARALLEL, ids=lambda c: c.name)
def test_netlist_agrees_with_the_reference(case):
    graph, netlist = circuit(case, 1)
    inputs = samples(case)
    ports = to_ports(graph, netlist, inputs)
    wanted = reference(graph, netlist, inputs)
    count = len(next(iter(wanted.values())))
    feed = {"valid_in": np.ones((count, 1), np.int64), **ports}
    assert first_difference(wanted, evaluate(netlist, feed)) == ""


@pytest.mark.parametrize("chunk", chunks_of(PARALLEL, 64), ids=lambda c: c[0].name)
def test_emulator_agrees_with_the_reference(chunk):
    """Many circuits are instanced in one, so that they are compiled together."""
    top, feed, expected = Module("all"), {}, {}
    for number, case in enumerate(chunk):
        graph, netlist = circuit(case, 1)
        inputs = {
            name: FixedArray(x.q[: case.samples], x.frac) for name, x in samples(case).items()
        }
        ports = {
            "valid_in": np.ones((case.samples, 1), np.int64),
            **to_ports(graph, netlist, inputs),
        }
        signals = {}
        for port, codes in ports.items():
            signals[port] = top.input(f"{port}_{number}", netlist.intervals(netlist.inputs[port]))
            feed[f"{port}_{number}"] = codes
        for port, found in top.instance(netlist, signals).items():
            top.output(f"{port}_{number}", found)
        for port, codes in reference(graph, netlist, inputs).items():
            expected[f"{port}_{number}"] = codes
    found = Engine(top, threads=1, cache=False).run(feed)
    for port, codes in expected.items():
        case = chunk[int(port.rpartition("_")[2])]
        assert first_difference({port: codes}, found) == "", case.name


@pytest.mark.parametrize(
    "pair", [p for p in PLANNED if p[1] > 1 or p[0].name.startswith("dense")], ids=label
)
def test_interpreter_counts_the_cycles_that_are_stated(pair):
    case, reuse = pair
    graph, netlist = circuit(case, reuse)
    inputs = samples(case)
    ports = {p: q[:12] for p, q in to_ports(graph, netlist, inputs).items()}
    wanted = {p: q[:12] for p, q in reference(graph, netlist, inputs).items()}
    gaps = np.random.default_rng(1).integers(0, 3, 12)
    module = pipeline(netlist, Clock(4.0, find_device("xcvu13p").delay))
    check(module)
    result = run_stream(module, ports, gaps)
    assert first_difference(wanted, result.outputs) == ""
    assert set((result.output_cycle - result.accept_cycle).tolist()) == {module.latency}
    assert module.interval <= reuse


def _needs_compiler() -> None:
    try:
        find_compiler()
    except ToolError as error:
        pytest.skip(f"RTL cannot be simulated: {error}")


@pytest.mark.parametrize("chunk", chunks_of(PLANNED, BATCH), ids=lambda c: label(c[0]))
def test_simulated_rtl_agrees_with_the_reference(chunk):
    """Verilator runs every circuit with random gaps and garbage; many share a build."""
    _needs_compiler()
    device = find_device("xcvu13p")
    designs, stimuli, expected = [], [], []
    for number, (case, reuse) in enumerate(chunk):
        graph, netlist = circuit(case, reuse)
        module = pipeline(netlist, Clock((10.0, 2.5)[number % 2], device.delay))
        inputs = samples(case)
        wanted = reference(graph, module, inputs)
        if not any(
            q.size and module.intervals(data_ports(module, True)[p]).width.any()
            for p, q in wanted.items()
        ):
            continue  # a constant zero: no wires to look at
        if not any(module.intervals(s).width.any() for s in data_ports(module).values()):
            continue
        ports = to_ports(graph, module, inputs)
        rng = np.random.default_rng(case.seed)
        count = len(next(iter(wanted.values())))
        designs.append(rtl_design(module, module.name, emit_verilog(module)))
        stimuli.append(
            Stimulus(pack_ports(module, ports), rng.integers(0, 3, count) + module.interval - 1)
        )
        expected.append((label((case, reuse)), module, wanted))
    responses = simulate(designs, stimuli, drain=200)
    for (name, module, wanted), response in zip(expected, responses, strict=True):
        assert first_difference(wanted, unpack_ports(module, response.words)) == "", name
        latency = response.output_cycle - response.accept_cycle
        assert set(latency.tolist()) == {module.latency}, name
