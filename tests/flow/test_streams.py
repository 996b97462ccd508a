"""Stream designs through the whole way: built, run, compared."""

from __future__ import annotations

import json

import numpy as np
import pytest
import recurrent_graphs
from flow_models import quantized_mlp

import gatewright as gw
from gatewright.base import OptionError, VerificationError
from gatewright.flow.options import Options
from gatewright.flow.steps import Steps
from gatewright.flow.streams import StreamDesign, build_streams, read_plan, reference
from gatewright.flow.streams.plans import plan_text
from gatewright.ir import Graph, Input, Node, Output
from gatewright.num import Intervals
from gatewright.ops import Dense, Pad, Windows
from gatewright.passes.streams import stateful


@pytest.fixture(scope="module")
def design():
    return gw.compile(quantized_mlp(), ii=3, ports="stream", plan={"x": {"beat": 2}})


def test_a_stream_design_is_built_predicted_and_verified(design):
    assert isinstance(design, StreamDesign)
    assert design.interval == 3
    x = np.random.default_rng(0).normal(size=(50, 6))
    parallel = gw.compile(quantized_mlp())
    assert np.array_equal(design.predict(x), parallel.predict(x))
    assert np.array_equal(design.simulate(x), design.predict(x))
    found = design.verify(random=20)
    assert found.verified
    lines = {check.subject: check for check in found.checks}
    assert lines["netlist"].status == "exact"
    assert "an event every 3" in lines["simulated RTL"].detail
    assert lines["simulated RTL under stalls"].status == "exact"
    assert "emulated by the reference itself" in lines["emulator"].detail


def test_a_change_of_the_rtl_is_found(design):
    before = dict(design.sources)
    sums = (n for n, text in design.sources.items() if "kernel" in n and " + " in text)
    name = next(sums)
    design.sources[name] = design.sources[name].replace(" + ", " - ", 1)
    try:
        with pytest.raises(VerificationError, match=r"simulated RTL(.|\n)*port y, element"):
            design.verify(random=20)
    finally:
        design.sources = before


def test_ports_without_ready_take_beats_at_their_pace():
    design = gw.compile(quantized_mlp(), ii=6)
    assert set(design.module.inputs) == {"x_valid", "x"}
    assert set(design.module.outputs) == {"y_valid", "y", "x_overrun"}
    pace = {"x": design.interval // design.stream.inputs[0].beats}
    assert design.stream.pace == pace
    assert design.verify(random=20).verified


def test_axi_stream_ports_end_every_event():
    design = gw.compile(quantized_mlp(), ii=6, ports="axi-stream", plan={"x": {"beat": 2}})
    assert "s_axis_x_tlast" in design.module.inputs
    assert design.stream.inputs[0].beats == 3
    assert design.verify(random=20).verified


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"ii": 3, "throughput": 1e6}, "the interval was given twice"),
        ({"throughput": 1e9}, "more than one event a clock cycle"),
        ({"throughput": 0}, "the throughput is impossible"),
        ({"ii": 0}, r"initiation interval \(ii\) is impossible"),
        ({"ports": "wires"}, "the kind of ports is not known"),
        ({"ii": 3, "reuse": 2}, "options for designs without streams"),
        ({"ports": "stream", "latency": 9}, "options for designs without streams"),
        ({"plan": {}, "reuse": 2}, "a plan is for designs on streams"),
        ({"max_brams": 10**6}, "fewer block memories than"),
        ({"plan": {"nope": {"beat": 2}}}, "the plan names a node that the model does not have"),
        ({"plan": {"x": {"beat": 99}}}, "`beat` of a plan is impossible"),
        ({"plan": {"x": {"beat": "2"}}}, "`beat` of a plan is impossible"),
        ({"plan": {"x": {"beats": 2}}}, "a plan has a value that is not known"),
        ({"plan": {"x": {"memory": "tape"}}}, "`memory` of a plan is not known"),
        ({"plan": {"x": {"memory": "ultra"}}}, r"UltraRAM(.|\n)*a bitstream does not fill"),
        ({"plan": {"x": {"memory": "ultra", "writable": True}}}, r"until then(.|\n)*block"),
        ({"plan": {"x": 2}}, "the plan of a node is an object"),
        ({"plan": 2}, "a plan is given by node"),
    ],
)
def test_what_cannot_be_is_refused(more, words):
    with pytest.raises(OptionError, match=words):
        gw.compile(quantized_mlp(), **more)


def of_graph(graph, interval, plan=None):
    options = Options.of(
        "250 MHz", "xcvu13p", None, None, None, None, None, interval, None, None, "stream"
    )
    return build_streams(graph, options, Steps(None), plan)


def test_a_state_is_kept_from_event_to_event(monkeypatch):
    monkeypatch.setattr(reference, "NUMBERS", 300)  # some events a batch
    graph = stateful(recurrent_graphs.layer("simple"), steps=1)
    design = of_graph(graph, 8)
    assert design.verify(random=20).verified
    x = np.random.default_rng(0).integers(-8, 8, (30, 1, 2)) / 4
    found = design.predict(x)
    assert np.array_equal(design.simulate(x), found)
    assert not np.array_equal(found[1:], design.predict(x[1:]))  # the first event is remembered


@pytest.mark.parametrize("ports", ["stream", "axi-stream"])
def test_weights_can_be_written(ports):
    plan = {"MatMul_h": {"beat": 2, "taken": 2, "writable": True}}
    design = gw.compile(quantized_mlp(), ii=24, ports=ports, plan=plan)
    assert "s_axil_awaddr" in design.module.inputs
    assert design.verify(random=20).verified
    assert "MatMul_h  weights 0 to 3  0x0000000" in design.register_table
    op = next(n.op for n in design.graph.nodes if n.name == "MatMul_h")
    other, writes = design.load_weights("MatMul_h", op.weight[::-1])
    x = np.random.default_rng(0).normal(size=(50, 6))
    assert np.array_equal(other.predict(x[:, ::-1]), design.predict(x))
    assert writes.shape == (9 + 3, 2)
    assert {tuple(w) for w in other.register_words.tolist()} == {tuple(w) for w in writes.tolist()}
    assert np.array_equal(other.simulate(x), other.predict(x))
    found = other.verify(random=20)
    assert found.verified
    assert "12 words are written first" in found.checks[0].detail


def test_a_design_with_loaded_weights_is_not_saved(tmp_path):
    plan = {"MatMul_h": {"beat": 2, "taken": 2, "writable": True}}
    design = gw.compile(quantized_mlp(), ii=24, ports="stream", plan=plan)
    op = next(n.op for n in design.graph.nodes if n.name == "MatMul_h")
    other, _ = design.load_weights("MatMul_h", op.weight[::-1])
    with pytest.raises(OptionError, match="weights that were loaded") as caught:
        other.save(tmp_path / "other")
    assert "12 words to be written first" in str(caught.value)
    design.save(tmp_path / "design")
    kept = json.loads((tmp_path / "design/registers.json").read_text())
    assert kept["registers"] == design.register_rows
    row = kept["registers"][0]
    assert (row["node"], row["name"], row["address"]) == ("MatMul_h", "weights 0 to 3", 0)
    assert (row["words"], row["fields"], row["readable"]) == (9, 4, True)
    assert len(row["formats"]) == 4
    assert "registers.json" in (tmp_path / "design/README.md").read_text()


@pytest.mark.parametrize(("unroll", "interval"), [(False, 24), (True, 3)])
def test_a_recurrent_layer_is_one_cell_or_one_for_each_step(unroll, interval):
    graph = recurrent_graphs.layer("simple")
    plan = read_plan({"simple_loop": {"unroll": unroll}, "x": {"beat": 2}}, graph)
    design = of_graph(graph, interval, plan)
    assert design.verify(random=20).verified
    text = plan_text(graph, design.stream.planned, design.stream.beats, {})
    assert json.loads(text)["plans"]["simple_loop"].get("unroll", False) is unroll
    assert read_plan(json.loads(text), graph).plans["simple_loop"].unroll is unroll
    loops = [a for a in design.stream.network.actors if "recurrent cell" in a.note]
    assert len(loops) == (not unroll)
    assert design.interval == (3 if unroll else loops[0].timing.steps)


def test_products_of_a_recurrent_cell_are_folded_by_a_plan():
    graph = recurrent_graphs.layer("gru", units=4)
    cell = {"gru/recurrent": {"beat": 2, "taken": 4}}
    plan = read_plan({"gru_loop": {"cell": cell}, "x": {"beat": 2}}, graph)
    design = of_graph(graph, 99, plan)
    assert design.verify(random=4).verified
    text = plan_text(graph, design.stream.planned, design.stream.beats, {})
    assert json.loads(text)["plans"]["gru_loop"]["cell"] == cell
    assert read_plan(json.loads(text), graph).plans["gru_loop"].cell == plan.plans["gru_loop"].cell


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"x": {"cell": {"a": {}}}}, "only a recurrent layer has a `cell` to plan"),
        ({"gru_loop": {"cell": 3}}, "`cell` of a plan is an object of objects"),
        (
            {"gru_loop": {"cell": {"gru/inner": {"writable": True}}}},
            "the plan of a product in a recurrent cell has a value that is not known",
        ),
        ({"gru_loop": {"cell": {"gru/sum": {}}}}, "names a node that the model does not have"),
    ],
)
def test_a_plan_of_a_cell_that_cannot_be_is_refused(given, words):
    with pytest.raises(OptionError) as error:
        read_plan(given, recurrent_graphs.layer("gru"))
    assert words in str(error.value)


@pytest.mark.parametrize("interval", [64, 40])
def test_a_convolution_takes_as_many_pixels_at_once_as_the_interval_needs(interval):
    weight = np.random.default_rng(0).integers(-3, 4, (9, 2)) / 4
    nodes = (
        Node("pad", Pad((1, 1, 0), (1, 1, 0), 0.0), ("x",)),
        Node("windows", Windows.of((3, 3)), ("pad",)),
        Node("dense", Dense.of(weight), ("windows",)),
    )
    kind = Intervals.of(np.full((8, 8, 1), -4), np.full((8, 8, 1), 3), 2)
    graph = Graph("image", (Input("x", (8, 8, 1), kind),), nodes, (Output("y", "dense"),))
    design = of_graph(graph, interval)
    assert len(design.stream.tried) == 1
    assert design.interval <= interval
    assert design.stream.beats["dense"] == (2 if interval == 64 else 4)
    design.verify(random=5, rtl=False)  # raises where the network differs
