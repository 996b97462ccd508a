"""From a graph to modules: who shares one, what crosses its border, when `valid` is right."""

from __future__ import annotations

import numpy as np
import pytest
from lowered import agrees, dense, graph, quantizer, streams

from gatewright.base import GatewrightError, ModelError
from gatewright.blocks.folded import Folding
from gatewright.hw import Kind
from gatewright.ir import Graph, Plan
from gatewright.ops import (
    Add,
    Argmax,
    Concatenate,
    Constant,
    Multiply,
    Relu,
    Reshape,
    Slice,
    Subtract,
    Transpose,
)
from gatewright.passes.lower import group_nodes, lower
from gatewright.passes.netlist import Clock, DelayModel, modules, pipeline, resources

# Fixed constants: what a recalibration of a device changes is not tested here.
DELAY = DelayModel(0.30, 0.46, 0.008, 0.12, 0.20, "for tests")


def layers(g: Graph, plans=None) -> list[tuple[str, list[str]]]:
    return [(group.layer, [n.name for n in group.nodes]) for group in group_nodes(g, plans or {})]


MLP = [
    ("xq", quantizer(), "x", "first"), ("h", dense(3, 4), "xq", "first"),
    ("r", Relu(), "h", "act"), ("rq", quantizer(), "r", "second"),
    ("y", dense(4, 2, 1), "rq", "second"),
]  # fmt: skip


def test_a_module_a_layer_and_quantizers_join_the_layer_before():
    g = graph(MLP, "y")
    assert layers(g) == [("first", ["xq", "h"]), ("act", ["r", "rq"]), ("second", ["y"])]
    m = agrees(g)
    assert [i.module.origin for i in m.instances] == ["first", "act", "second"]
    assert [i.module.note for i in m.instances] == [
        "quantize + dense, parallel", "relu + quantize, parallel", "dense, parallel",
    ]  # fmt: skip
    assert list(m.inputs) == ["valid_in", "x"]
    assert list(m.outputs) == ["valid_out", "out_y"]


def test_a_quantizer_with_company_stays_with_its_layer():
    """Its source is read by another layer, or it stands behind wiring only."""
    g = graph([*MLP[:4], ("o", Relu(high=1.0), "r", "other")], "rq o")
    assert layers(g)[1:] == [("act", ["r"]), ("second", ["rq"]), ("other", ["o"])]
    g = graph([("f", Reshape((-1,)), "x", "flat"), ("q", quantizer(), "f", "quant")], "q")
    assert layers(g) == [("flat", ["f"]), ("quant", ["q"])]
    agrees(g)


def test_a_quantizer_of_a_result_that_goes_outside_may_join():
    m = agrees(graph(MLP[:4], "r rq"))
    assert len(m.instances) == 2


def test_a_folded_operation_stands_alone():
    plans = {"h": Plan(3)}
    g = graph(MLP, "y")
    assert layers(g, plans) == [
        ("first", ["xq"]), ("first", ["h"]), ("act", ["r", "rq"]), ("second", ["y"]),
    ]  # fmt: skip
    m = lower(g, plans)
    names = [i.module.name for i in m.instances]
    assert names == ["first", "first_2", "act", "second"]
    assert list(m.instances[1].module.inputs) == ["valid_in", "x"]
    streams(g, pipeline(m, Clock(5.0, DELAY)))


def test_nodes_without_a_layer_are_layers_of_their_own():
    assert layers(graph([("a", Relu(), "x"), ("b", Relu(), "a")], "b")) == [
        ("a", ["a"]), ("b", ["b"]),
    ]  # fmt: skip


def test_movements_need_no_module():
    g = graph(
        [("t", Transpose((1, 0)), "x"), ("s", Slice(((0, 2, None),)), "t"),
         ("f", Reshape((-1,)), "s"), ("c", Concatenate(0), "f f")],
        "c f", {"x": (2, 3)},
    )  # fmt: skip
    m = agrees(g)
    assert m.instances == []
    assert not any(k not in (Kind.INPUT, Kind.CONST) for k in m.kind)


def test_constants_need_no_wires():
    g = graph(
        [("k", Constant(np.asarray([1.5, 0.0, -2.0])), "x", "k"), ("s", Add(), "x k", "sum"),
         ("p", Multiply(), "k k", "square"), ("y", Add(), "s p", "out")],
        "y p",
    )  # fmt: skip
    m = agrees(g)
    first = m.instances[0].module
    assert [len(p) for p in first.inputs.values()] == [3, 0]
    kinds = [m.kind[s] for s in m.outputs["out_p"]]
    assert kinds == [Kind.CONST] * 3


def test_a_value_read_twice_is_one_port():
    g = graph([("r", Relu(), "x", "act"), ("y", Multiply(), "r r", "square")], "y")
    m = agrees(g)
    assert [list(i.module.inputs) for i in m.instances] == [["x"], ["x"]]
    assert all(m.lo[s] >= 0 for s in m.outputs["out_y"])


def test_an_element_read_twice_is_one_wire():
    g = graph([("c", Concatenate(0), "x x"), ("r", Relu(), "c", "act")], "r")
    m = agrees(g)
    assert [len(p) for p in m.instances[0].module.inputs.values()] == [3]
    assert len(m.outputs["out_r"]) == 6


def test_several_inputs_and_outputs():
    g = graph(
        [("d", Subtract(), "b a", "diff"), ("w", Argmax(), "d", "winner")],
        "w d a", {"a": (3,), "b": (3,)},
    )  # fmt: skip
    m = agrees(g)
    assert list(m.inputs) == ["valid_in", "a", "b"]
    assert list(m.outputs) == ["valid_out", "out_w", "out_d", "out_a"]
    streams(g, pipeline(m, Clock(1.2, DELAY)))


def test_a_module_has_a_port_for_each_value_that_leaves_it():
    g = graph(
        [("h", dense(3, 3), "x", "one"), ("r", Relu(), "h", "one"), ("s", Add(), "h r", "two")], "s"
    )
    m = agrees(g)
    assert list(m.instances[0].module.outputs) == ["y", "y2"]


def test_hostile_names_become_identifiers():
    nodes = [("r", Relu(), "clk", "module"), ("s", Relu(), "r", "1/2 é"), ("t", Relu(), "s", "é")]
    g = graph(nodes, "t", {"clk": (2,)})
    m = agrees(g)
    assert [i.module.name for i in m.instances] == ["module_layer", "layer1_2", "layer"]
    assert list(m.inputs) == ["valid_in", "clk_x"]


def test_kernels_do_not_take_the_name_of_a_layer():
    g = graph(
        [("h", dense(3, 2), "x", "a"), ("r", Relu(), "h", "a_row"), ("y", dense(2, 2), "r", "A")],
        "y", {"x": (4, 3)},
    )  # fmt: skip
    m = agrees(g)
    names = [part.name.lower() for part in modules(m)]
    assert len(set(names)) == len(names)
    assert len(resources(m)) == len(names)


@pytest.mark.parametrize("reuse", [1, 2, 5, 12])
@pytest.mark.parametrize("period", [10.0, 1.6])
def test_residual_around_a_layer(reuse, period):
    """The short way waits for the long one, folded or not."""
    g = graph(
        [("h", dense(3, 3), "x", "d1"), ("hq", quantizer(), "h", "d1"), ("s", Add(), "hq x", "sum"),
         ("z", dense(3, 2, 1), "s", "d2"), ("o", Relu(), "z", "act")],
        "o s",
    )  # fmt: skip
    plans = {n: Plan(min(reuse, most)) for n, most in (("h", 9), ("z", 6)) if reuse > 1}
    m = pipeline(lower(g, plans), Clock(period, DELAY))
    assert m.interval == (1 if reuse == 1 else max(_interval(3, 3, reuse), _interval(3, 2, reuse)))
    streams(g, m)


def _interval(n_in: int, n_out: int, reuse: int) -> int:
    return Folding.choose(n_in, n_out, min(reuse, n_in * n_out)).steps


@pytest.mark.parametrize("slow_first", [True, False])
def test_branches_of_different_latency_meet_in_time(slow_first):
    """`valid` of the sum, and of the folded layer behind it, is that of the later branch."""
    branches = [("a", dense(3, 3), "x", "a"), ("b", dense(3, 3, 1), "x", "b")]
    g = graph(
        [*branches[:: 1 if slow_first else -1], ("s", Add(), "a b", "sum"),
         ("q", quantizer(), "s", "sum"), ("y", dense(3, 2, 2), "q", "last")],
        "y q",
    )  # fmt: skip
    m = lower(g, {"a": Plan(9), "b": Plan(2), "y": Plan(4)})
    streams(g, pipeline(m, Clock(4.0, DELAY)))


def test_what_no_output_depends_on_is_left_out():
    """A layer of its own, and a part of a layer, before and behind what is read."""
    g = graph(
        [("h", dense(3, 3), "x", "one"), ("dead", Relu(high=1.0), "h", "one"),
         ("deader", dense(3, 2), "dead", "two"), ("y", Relu(), "h", "three")],
        "y",
    )  # fmt: skip
    m = agrees(g)
    assert [i.module.origin for i in m.instances] == ["one", "three"]
    assert m.instances[0].module.note == "dense, parallel"
    streams(g, pipeline(m, Clock(2.0, DELAY)))
    wrong = graph([("h", dense(2, 2), "x", "dead"), ("y", Relu(), "x")], "y")
    with pytest.raises(ModelError, match="does not fit its matrix"):
        lower(wrong)


def test_an_input_that_is_an_output():
    g = graph([("r", Relu(), "x", "act")], "x r")
    m = agrees(g)
    streams(g, pipeline(m, Clock(0.8, DELAY)))
    only = graph([], "x")
    agrees(only)
    assert pipeline(lower(only), Clock(0.8, DELAY)).latency == 0


def test_a_constant_output():
    g = graph([("k", Constant(np.asarray([0.5])), "x")], "k")
    m = agrees(g)
    assert pipeline(m, Clock(0.8, DELAY)).latency == 0


def test_progress_names_every_layer():
    told = []
    lower(graph(MLP, "y"), progress=lambda *step: told.append(step))
    assert told == [("first", 0, 3), ("act", 1, 3), ("second", 2, 3)]


def test_every_error_of_a_graph_is_told_at_once():
    g = graph(
        [("a", dense(2, 2), "x", "one"), ("b", dense(4, 2), "x", "two"), ("c", Add(), "a b")], "c"
    )
    with pytest.raises(GatewrightError, match="does not fit its matrix") as error:
        lower(g)
    assert [str(e.place) for e in error.value.errors] == [
        "net.onnx, layer 'one'", "net.onnx, layer 'two'",
    ]  # fmt: skip
    assert all(isinstance(e, ModelError) for e in error.value.errors)


def chain(length: int, layer: str) -> Graph:
    ops = (Relu(high=3.5), quantizer())
    nodes = [
        (f"n{i}", ops[i % 2], f"n{i - 1}" if i else "x", layer.format(i)) for i in range(length)
    ]
    return graph(nodes, f"n{length - 1}", {"x": (1,)})


@pytest.mark.parametrize("layer", ["one", "l{}"])
def test_a_long_chain_does_not_recurse(layer):
    g = chain(1200, layer)
    m = agrees(g)
    pipelined = pipeline(m, Clock(5.0, DELAY))
    assert len(modules(pipelined)) == (2 if layer == "one" else 601)


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["one", "l{}"])
def test_a_chain_of_a_hundred_thousand_operations(layer):
    m = lower(chain(100_000, layer))
    assert len(modules(pipeline(m, Clock(5.0, DELAY)))) > 1
