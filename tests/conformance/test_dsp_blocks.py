"""Dense layers with DSP blocks: reference, netlist, emulator and RTL agree bit for bit."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from gatewright.arch import find_device
from gatewright.blocks.linear import matmul_with_blocks
from gatewright.emit import emit_verilog
from gatewright.engine import Engine
from gatewright.flow.host import input_vectors
from gatewright.flow.verify import (
    first_difference,
    pack_ports,
    reference,
    rtl_design,
    to_ports,
    unpack_ports,
)
from gatewright.hw import ADDED, DspBlock, Kind, Module, Simulator, check, evaluate
from gatewright.ir import Graph, Input, Node, Offload, Output, Plan
from gatewright.num import Fixed, Overflow, Rounding
from gatewright.ops import Clip, Dense, Quantize
from gatewright.passes.lower import lower
from gatewright.passes.netlist import Clock, modules, pipeline, recode, total_resources
from gatewright.passes.netlist.optimise import optimise
from gatewright.tools.verilator import Stimulus, simulate
from gatewright.tools.yosys import synthesize
from tests.conformance.common import samples
from tests.conformance.test_conformance import _needs_compiler
from tests.ops.cases.common import Case, mixed, uniform
from tests.ops.cases.dense import CASES as DENSE
from tests.ops.cases.dense import dense

WIDE = [
    Case("wide", dense(11, 6, 5, bits=14), (uniform("fixed<12,4>", 6),)),
    Case("wide-mixed", dense(12, 9, 4, bits=9), (mixed(13, 9),)),
    Case("even", Dense.of(dense(13, 5, 4, bits=7).weight * 8), (uniform("ufixed<8,8>", 5),)),
    Case("rows", dense(14, 5, 3, bits=8), (uniform("fixed<8,3>", 3, 5),)),
]
CASES = [*DENSE, *WIDE]
BLOCKS = {"27x18": DspBlock(27, 18), "18x18": DspBlock(18, 18)}


def netlist_of(case: Case, shape: str = "27x18", count: int = 1000, price: float = 1.0):
    graph = case.graph()
    netlist = lower(graph, {"y": given(shape, count, price)})
    check(netlist)
    return graph, netlist


def network(seed: int, rows: int = 1):
    """Two layers in blocks with all between them that rewrites move: biases, roundings, cuts."""
    first, second = dense(seed, 6, 8, bits=6), dense(seed + 1, 8, 3, bits=7)
    half = Quantize.to_format(Fixed.parse("ufixed<6,3>"), Rounding.RND, Overflow.SAT)
    last = Quantize.to_format(Fixed.parse("fixed<9,5>"), Rounding.TRN, Overflow.WRAP)
    nodes = (
        Node("d", first, ("x",), "one"), Node("r", Clip(0.0, None), ("d",), "one"),
        Node("q", half, ("r",), "one"), Node("e", second, ("q",), "two"),
        Node("o", last, ("e",), "two"),
    )  # fmt: skip
    shape = (6,) if rows == 1 else (rows, 6)
    graph = Graph("g", (Input("x", shape, uniform("fixed<7,3>", *shape)),), nodes,
                  (Output("y", "o"),))  # fmt: skip
    return graph, {"d": given(), "e": given()}


def given(shape: str = "27x18", count: int = 1000, price: float = 1.0) -> Plan:
    return Plan(1, Offload(count, BLOCKS[shape], 6, price))


def finished(netlist: Module) -> tuple[Module, Module]:
    """Return what the flow makes of a lowered circuit: optimised, and on codes."""
    netlist = optimise(netlist)
    circuit = recode(netlist)
    check(netlist)
    check(circuit)
    return netlist, circuit


def broken(top: Module) -> list[str]:
    """Return the adders and products of blocks that do not stand together, registers aside."""
    found = []
    for m in modules(top):
        read = {}
        for s, kind in enumerate(m.kind):
            if kind == Kind.ADD and m.imm[s]:
                read[s] = [_behind(m, o) for o in (m.a[s], m.b[s])]
        added = {o for operands in read.values() for o in operands}
        for s, operands in read.items():
            if not any(m.kind[o] == Kind.MUL and m.imm[o] == 1 + ADDED for o in operands):
                found.append(f"{m.name}: sum {s} has no product")
        for s, kind in enumerate(m.kind):
            if kind == Kind.MUL and m.imm[s] & ADDED and s not in added:
                found.append(f"{m.name}: product {s} has no sum")
    return found


def _behind(m: Module, s: int) -> int:
    while m.kind[s] == Kind.REG:
        s = m.a[s]
    return s


def fed(graph: Graph, module: Module, count: int = 200):
    """Return inputs of every corner and at random, and what the model answers."""
    inputs = input_vectors(graph, {}, count, 0)
    size = len(next(iter(inputs.values())).q)
    ports = {"valid_in": np.ones((size, 1), np.int64), **to_ports(graph, module, inputs)}
    return ports, reference(graph, module, inputs)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("seed", range(8))
def test_blocks_stay_together_through_all_passes(seed, rows):
    graph, plans = network(seed, rows)
    lowered = lower(graph, plans)
    blocks = total_resources(lowered).dsp
    assert blocks > 0
    netlist, circuit = finished(lowered)
    ports, wanted = fed(graph, circuit)
    for circuit_of in (netlist, circuit):
        assert broken(circuit_of) == []
        assert total_resources(circuit_of).dsp == blocks
        assert first_difference(wanted, evaluate(circuit_of, ports)) == ""
    for period in (10.0, 2.4):
        module = pipeline(circuit, Clock(period, find_device("xcvu13p").delay))
        check(module)
        assert broken(module) == []
        assert total_resources(module).dsp == blocks
        simulator = Simulator(module, batch=len(ports["valid_in"]), check=False)
        answers = [simulator.step(ports) for _ in range(module.latency + 1)]
        assert first_difference(wanted, answers[-1]) == ""


def test_products_that_become_constant_leave_their_block():
    m = Module("m")
    (x, y) = m.input("x", uniform("fixed<8,4>", 2))
    ranges = m.row(Kind.WRAP, (0, 1, 0), x, imm=2)  # 0 or 1 ...
    zero = m.row(Kind.SELECT, (0, 3, 0), ranges, m.constant(0), m.constant(0))  # ... and always 0
    total = m.add(m.mul(zero, m.constant(77), blocks=1 + ADDED), m.constant(5), in_block=True)
    total = m.add(total, m.mul(y, m.constant(91), blocks=1 + ADDED), in_block=True)
    m.output("y", [total])
    done = optimise(m)
    assert broken(done) == []
    assert total_resources(done).dsp == 1


@pytest.mark.parametrize("shape", BLOCKS)
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_netlist_agrees_with_the_reference(case, shape):
    graph, netlist = netlist_of(case, shape)
    inputs = samples(case)
    wanted = reference(graph, netlist, inputs)
    count = len(next(iter(wanted.values())))
    feed = {"valid_in": np.ones((count, 1), np.int64), **to_ports(graph, netlist, inputs)}
    assert first_difference(wanted, evaluate(netlist, feed)) == ""
    for m in modules(netlist):
        for s, kind in enumerate(m.kind):
            if kind == Kind.MUL:
                widths = [m.width(o) + (m.lo[o] >= 0) for o in (m.a[s], m.b[s])]
                assert m.imm[s] % ADDED == BLOCKS[shape].blocks(*widths) == 1


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9, 20])
def test_no_more_blocks_than_given(count):
    _, netlist = netlist_of(WIDE[0], count=count)
    assert count - 4 < total_resources(netlist).dsp <= count


@pytest.mark.parametrize("case", WIDE, ids=lambda c: c.name)
def test_emulator_agrees_with_the_reference(case):
    graph, lowered = netlist_of(case)
    assert total_resources(lowered).dsp > 0
    netlist, _ = finished(lowered)
    inputs = samples(case)
    wanted = reference(graph, netlist, inputs)
    count = len(next(iter(wanted.values())))
    feed = {"valid_in": np.ones((count, 1), np.int64), **to_ports(graph, netlist, inputs)}
    assert first_difference(wanted, Engine(netlist, threads=1, cache=False).run(feed)) == ""


def test_simulated_rtl_agrees_with_the_reference():
    _needs_compiler()
    designs, stimuli, expected = [], [], []
    for number, case in enumerate(WIDE):
        graph, lowered = netlist_of(case)
        _, circuit = finished(lowered)
        module = pipeline(circuit, Clock((10.0, 2.2)[number % 2], find_device("xcvu13p").delay))
        assert total_resources(module).dsp == total_resources(lowered).dsp > 0
        assert broken(module) == []
        inputs = samples(case)
        ports = to_ports(graph, module, inputs)
        count = len(next(iter(ports.values())))
        designs.append(rtl_design(module, module.name, emit_verilog(module)))
        stimuli.append(Stimulus(pack_ports(module, ports), np.zeros(count, np.int64)))
        expected.append((module, reference(graph, module, inputs)))
    for (module, wanted), response in zip(expected, simulate(designs, stimuli), strict=True):
        assert first_difference(wanted, unpack_ports(module, response.words)) == ""
        assert set((response.output_cycle - response.accept_cycle).tolist()) == {module.latency}


@pytest.mark.skipif(not importlib.util.find_spec("pyosys"), reason="pyosys is not installed")
def test_yosys_maps_as_many_blocks_as_estimated():
    """Two chains in blocks, and a product of two variables that the plan leaves to LUTs."""
    top = Module("top")
    x = top.input("x", uniform("fixed<8,4>", 6))
    matrix = np.array([[77, -45], [-91, 107], [53, 0], [85, -37], [0, 93], [59, 61]])
    bias = np.array([1, -2])
    given = Offload(5, BLOCKS["27x18"], 6, 1.0)
    sums = matmul_with_blocks(top, x, matrix, 3, bias, 3, given)
    top.output("y", [*sums, top.mul(x[0], x[1])])
    estimated = total_resources(top).dsp
    assert estimated in (3, 4, 5)
    found = synthesize(emit_verilog(top), "top", "xcup", flow="fast", per_module=False, nodsp=False)
    assert found.total.dsp == estimated
