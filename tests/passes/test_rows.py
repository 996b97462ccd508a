"""What repeats along the rows of a tensor is solved, built and counted once."""

from __future__ import annotations

import numpy as np
import pytest
from lowered import agrees, dense, graph, quantizer, streams

from gatewright.arch import find_device
from gatewright.blocks import linear
from gatewright.emit import emit_verilog
from gatewright.hw import Kind
from gatewright.num import Overflow, Rounding
from gatewright.ops import (
    Add,
    Affine,
    Concatenate,
    Dense,
    Function,
    LeakyRelu,
    Quantize,
    Relu,
    Requantize,
    Transpose,
)
from gatewright.passes.lower import lower
from gatewright.passes.netlist import Clock, modules, pipeline, resources

DELAY = find_device("xcvu13p").delay
ROWS = {"x": (6, 4)}


def uses(top):
    """Return how often each module is used, by name, those used once left out."""
    return {name: count for name, (_, count) in resources(top).items() if count > 1}


def one_layer(*ops):
    nodes, value = [], "x"
    for number, op in enumerate(ops):
        nodes.append((f"n{number}", op, value, "layer"))
        value = f"n{number}"
    return graph(nodes, value, ROWS)


def test_a_row_carries_the_elementwise_operations_of_its_layer():
    g = one_layer(dense(4, 3), Relu(), quantizer())
    m = agrees(g)
    assert uses(m) == {"layer_row": 6}
    (layer,) = [module for module in modules(m) if module.name == "layer"]
    assert set(layer.kind) == {Kind.INPUT, Kind.INSTANCE}
    streams(g, pipeline(m, Clock(3.0, DELAY)))


def test_the_matrix_is_solved_once_and_printed_once(monkeypatch):
    solved = []
    real = linear.solve
    monkeypatch.setattr(linear, "solve", lambda *a, **k: solved.append(a) or real(*a, **k))
    g = graph([("h", dense(4, 3), "x", "h"), ("r", Relu(), "h", "h")], "r", {"x": (40, 4)})
    m = lower(g)
    assert len(solved) == 1
    assert sorted(emit_verilog(m)) == ["h.v", "h_row.v", "net.v"]


def test_equal_layers_share_the_row_also_across_the_design():
    op = dense(4, 4)
    nodes = [("a", op, "x", "a"), ("aq", quantizer(), "a", "a"), ("b", op, "aq", "b"),
             ("bq", quantizer(), "b", "b")]  # fmt: skip
    m = agrees(graph(nodes, "bq", ROWS))
    assert uses(m) == {"a_row": 12}


def test_other_constants_or_types_make_another_kernel():
    formats = Quantize.to(True, np.asarray([[6], [6], [5], [5], [4], [3]]), 1, Rounding.RND,
                          Overflow.SAT)  # fmt: skip
    m = agrees(one_layer(dense(4, 3), formats))
    assert sorted(uses(m).values()) == [2, 2]  # the last two rows stand in the layer's module
    widths = Quantize.to(True, np.asarray([[5], [5], [4], [4], [4], [4]]), 1, Rounding.RND,
                         Overflow.SAT)  # fmt: skip
    m = agrees(graph([("q", widths, "x", "q"), ("y", dense(4, 3), "q", "y")], "y", ROWS))
    assert sorted(uses(m).values()) == [2, 4, 4]  # rounding alone is not worth a module


def test_rows_that_all_differ_stay_in_the_module_of_their_layer():
    formats = Quantize.to(True, np.arange(2, 8)[:, None], 1, Rounding.RND, Overflow.SAT)
    m = agrees(one_layer(dense(4, 3), formats))
    assert uses(m) == {}
    assert len(modules(m)) == 2


def test_an_operand_that_is_broadcast_goes_to_each_row():
    nodes = [("h", dense(4, 4), "x", "h"), ("s", Add(), "h c", "h"), ("r", Relu(), "s", "h")]
    for shape in ((4,), (1, 4), (6, 1), (1,), ()):
        g = graph(nodes, "r", {"x": (6, 4), "c": shape})
        m = agrees(g)
        assert uses(m) == {"h_row": 6}
        streams(g, pipeline(m, Clock(3.0, DELAY)))
    g = graph(nodes, "r", {"x": (2, 3, 4), "c": (3, 4)})
    assert uses(agrees(g)) == {"h_row": 6}


def test_what_is_read_inside_and_outside_the_rows_has_ports():
    nodes = [("h", dense(4, 4), "x", "h"), ("r", Relu(), "h", "h"), ("s", Add(), "h r", "h"),
             ("t", Transpose((1, 0)), "r", "t")]  # fmt: skip
    m = agrees(graph(nodes, "s t", ROWS))
    (kernel,) = [module for module in modules(m) if module.name == "h_row"]
    assert list(kernel.outputs) == ["y", "y2"]


def test_constant_elements_of_a_row_need_no_port():
    zero = Affine(np.asarray([1.0, 0.0, 1.0, 1.0]), np.asarray([0.0, 0.5, 0.0, 0.0]))
    m = agrees(graph([("z", zero, "x", "z"), ("y", dense(4, 3), "z", "y")], "y", ROWS))
    (kernel,) = [module for module in modules(m) if module.name == "y_row"]
    assert len(kernel.inputs["x"]) == 3


def test_a_movement_among_the_rows_keeps_its_place():
    nodes = [("h", dense(4, 3), "x", "h"), ("q", quantizer(), "h", "h"),
             ("t", Transpose((1, 0)), "q", "h"), ("y", dense(6, 2, 1), "t", "h")]  # fmt: skip
    m = agrees(graph(nodes, "y", ROWS))
    assert sorted(uses(m).values()) == [3, 6]


def test_rows_without_logic_to_speak_of_need_no_module():
    m = agrees(graph([("r", Relu(), "x", "r")], "r", {"x": (6, 2)}))
    assert uses(m) == {}


@pytest.mark.parametrize(
    "op",
    [
        Relu(high=1.5),
        LeakyRelu(np.asarray([[0.5], [0.5], [0.25], [0.25], [0.0], [0.0]])),
        LeakyRelu(np.asarray([0.5, 0.25, 0.125, 0.5])),
        Affine(np.asarray([[2.0], [2.0], [3.0], [3.0], [2.0], [-1.0]]), np.asarray(0.5)),
        Affine(np.ones((6, 4)), np.arange(24.0).reshape(6, 4) // 12),
        Function("tanh", Quantize.to(True, np.asarray([[4]] * 3 + [[5]] * 3), 2)),
        Requantize(np.asarray([[-3, 0, 5], [1, 2, 4], [0, 3, 9], [-8, -4, 4]]),
                   np.asarray([False, True, False, False]), first=-1, frac=2),
        Quantize.to(True, np.asarray([[3], [3], [3], [4], [4], [4]]), 1),
    ],
    ids=lambda op: op.kind,
)  # fmt: skip
def test_every_elementwise_operation_has_its_rows(op):
    """Constants that differ from row to row meet the right row."""
    m = agrees(one_layer(Dense.of(np.eye(4) * 0.75 + 0.25), quantizer(), op))
    assert len(uses(m)) in (1, 2, 3)


def test_operations_that_join_rows_have_none():
    assert Concatenate(0).at_row((0,)) is None
    assert Transpose((1, 0)).at_row((0,)) is None
