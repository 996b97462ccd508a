"""Sizes at which recursion and quadratic steps show: they fail here, or never end."""

from __future__ import annotations

import numpy as np
import pytest
from bench.set_network import chain, set_network

from gatewright.arch import find_device
from gatewright.base import ToolError
from gatewright.blocks import linear
from gatewright.emit import emit_verilog
from gatewright.flow import load_design
from gatewright.flow.compile import rebuild
from gatewright.flow.host import corner_codes
from gatewright.flow.options import Options
from gatewright.hw import Module, check
from gatewright.ir import Graph, Node, evaluate, infer
from gatewright.num import Fixed, FixedArray, Intervals
from gatewright.passes.graph import host_input, prune, streamline
from gatewright.passes.lower import lower
from gatewright.passes.netlist import Clock, modules, pipeline, resources, total_resources
from gatewright.tools.verilator import find_compiler

DELAY = find_device("xcvu13p").delay


def codes(graph: Graph, count: int) -> dict[str, FixedArray]:
    rng = np.random.default_rng(0)
    return {
        i.name: FixedArray(corner_codes(i.type, rng, count)[-count:], i.type.frac)
        for i in graph.inputs
    }


def test_a_long_chain_of_operations():
    """Every pass over the graph; then as one layer, and as a layer for each operation."""
    graph = chain(1_500)
    for step in (prune, streamline, host_input):
        assert len(step(graph).nodes) == 1_500
    apart = graph.with_nodes(Node(n.name, n.op, n.inputs) for n in graph.nodes)
    wanted = evaluate(graph, codes(graph, 3))["n1499"].value
    for g, least in ((graph, 2), (apart, 750)):
        design = rebuild(g, Options.of())
        assert len(modules(design.module)) >= least
        check(design.module)
        x = codes(g, 3)["x"]
        np.testing.assert_array_equal(design.predict(x.value), wanted)


def test_a_chain_of_twenty_thousand_operations_compiles():
    module = lower(chain(20_000))
    assert len(modules(module)) == 2
    done = pipeline(module, Clock(5.0, DELAY))
    assert done.latency > 1_000
    assert len(emit_verilog(done)["chain_2.v"]) > 1e6


@pytest.mark.slow
def test_a_chain_of_a_hundred_thousand_operations_is_compiled_written_and_read(tmp_path):
    design = rebuild(chain(100_000), Options.of())
    folder = design.save(tmp_path / "chain")
    assert load_design(folder).sources == design.sources


def test_a_set_network_builds_what_repeats_once(monkeypatch):
    solved = []
    real = linear.solve
    monkeypatch.setattr(linear, "solve", lambda *a, **k: solved.append(a[0].shape) or real(*a, **k))
    network = set_network(particles=16, features=4, width=4)
    design = rebuild(network.graph, Options.of())
    rows = {m.origin for m in modules(design.module) if "_row" in m.name}
    assert {"embed", "interact", "transform"} <= rows
    used = resources(design.module)
    assert [used[f"{name}_row"][1] for name in ("embed", "interact", "transform")] == [16] * 3
    # Once a layer; the sums over particles once for each type among the four channels.
    assert solved.count((4, 4)) == 4
    assert 2 <= solved.count((16, 1)) <= 2 * 5  # a dead channel is looked at twice
    assert len(design.sources) == len(modules(design.module))
    x = codes(network.graph, 20)
    wanted = evaluate(network.graph, x)["scores"].value
    np.testing.assert_array_equal(design.predict(x["x"].value), wanted)
    # A layer's module is its instances: no wire for each element.
    assert len(design.sources["embed.v"].splitlines()) < 16 * 8 + 30


@pytest.mark.slow
def test_the_large_set_network_is_verified_to_the_rtl():
    try:
        find_compiler()
    except ToolError as error:
        pytest.skip(f"RTL cannot be simulated: {error}")
    design = rebuild(set_network().graph, Options.of())
    assert design.verify(random=20).verified


def test_types_are_inferred_once_for_a_graph(monkeypatch):
    graph = chain(10)
    infer(graph)
    for op in {type(node.op) for node in graph.nodes}:
        monkeypatch.setattr(op, "infer", None)
    assert set(infer(graph.with_source("elsewhere"))) == set(infer(graph))


def test_a_module_of_many_cells_goes_through_every_pass():
    """Tens of thousands of cells in one module keep their logic."""
    m = Module("wide")
    x = m.input("x", Intervals.format(Fixed.parse("fixed<8,4>"), (256,)))
    rng = np.random.default_rng(0)
    chosen = zip(rng.integers(0, 256, 10_000), rng.integers(0, 4, 10_000), strict=True)
    level = [m.shift(x[i], int(bits)) for i, bits in chosen]
    pairs = rng.integers(0, len(level), (20_000, 2)).tolist()
    m.output("y", [m.add(level[a], level[b]) for a, b in pairs])
    check(m)
    assert len(m) > 18_000
    done = pipeline(m, Clock(2.0, DELAY))
    assert total_resources(done).lut == total_resources(m).lut
