"""Dense layers with DSP blocks: reference, netlist, emulator and RTL agree bit for bit."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from gatewright.arch import find_device
from gatewright.blocks.linear import matmul_with_blocks
from gatewright.emit import emit_verilog
from gatewright.engine import Engine
from gatewright.flow.verify import (
    first_difference,
    pack_ports,
    reference,
    rtl_design,
    to_ports,
    unpack_ports,
)
from gatewright.hw import ADDED, DspBlock, Kind, Module, check, evaluate
from gatewright.ir import Offload, Plan
from gatewright.ops import Dense
from gatewright.passes.lower import lower
from gatewright.passes.netlist import Clock, modules, pipeline, total_resources
from gatewright.tools.verilator import Stimulus, simulate
from gatewright.tools.yosys import synthesize
from tests.conformance.test_conformance import _needs_compiler, samples
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
    netlist = lower(graph, {"y": Plan(1, Offload(count, BLOCKS[shape], 6, price))})
    check(netlist)
    return graph, netlist


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
    graph, netlist = netlist_of(case)
    assert total_resources(netlist).dsp > 0
    inputs = samples(case)
    wanted = reference(graph, netlist, inputs)
    count = len(next(iter(wanted.values())))
    feed = {"valid_in": np.ones((count, 1), np.int64), **to_ports(graph, netlist, inputs)}
    assert first_difference(wanted, Engine(netlist, threads=1, cache=False).run(feed)) == ""


def test_simulated_rtl_agrees_with_the_reference():
    _needs_compiler()
    designs, stimuli, expected = [], [], []
    for number, case in enumerate(WIDE):
        graph, netlist = netlist_of(case)
        module = pipeline(netlist, Clock((10.0, 2.2)[number % 2], find_device("xcvu13p").delay))
        assert total_resources(module).dsp == total_resources(netlist).dsp
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
