"""Quantizers at inputs become the inputs' types."""

import numpy as np
import pytest

from gatewright import ops
from gatewright.base import ManyErrors, UnsupportedError
from gatewright.ir import Graph, Input, Node, Output, run_real
from gatewright.num import Fixed, Overflow, Rounding
from gatewright.passes.graph import host_input

FORMAT = ops.Quantize.to_format(Fixed(True, 4, 1), Rounding.RND, Overflow.SAT)
OTHER = ops.Quantize.to_format(Fixed(True, 5, 1), Rounding.RND, Overflow.SAT)
SCALED = ops.ScaledQuantize(np.asarray(0.3), np.asarray(5.0), 0, 15)
DENSE = ops.Dense.of(np.ones((3, 2)))


def graph(*nodes, shape=(3,), outputs=None):
    made = tuple(
        Node(name, op, tuple(inputs.split()), f"layer {name}") for name, op, inputs in nodes
    )
    names = outputs or (made[-1].name,)
    return Graph("g", (Input("x", shape),), made, tuple(Output(n, n) for n in names), "m.onnx")


def test_quantizer_becomes_the_type():
    turned = host_input(graph(("q", FORMAT, "x"), ("d", DENSE, "q")))
    (i,) = turned.inputs
    assert i.type.fixed(0) == Fixed(True, 4, 1)
    assert i.encode == (FORMAT,)
    assert [(n.name, n.inputs) for n in turned.nodes] == [("d", ("x",))]


def test_equal_quantizers_and_an_output():
    again = ops.Quantize.to_format(Fixed(True, 4, 1), Rounding.RND, Overflow.SAT)
    nodes = (("a", FORMAT, "x"), ("b", again, "x"), ("s", ops.Add(), "a b"))
    turned = host_input(graph(*nodes, outputs=("s", "b")))
    assert turned.nodes[0].inputs == ("x", "x")
    assert [o.value for o in turned.outputs] == ["s", "x"]


def test_movement_and_normalisation_in_front():
    normalise = ops.Affine(np.asarray(0.5), np.asarray(1.0))
    before = graph(
        ("f", ops.Reshape((3,)), "x"), ("n", normalise, "f"), ("q", SCALED, "n"), ("d", DENSE, "q"),
        shape=(3, 1),
    )  # fmt: skip
    turned = host_input(before)
    (i,) = turned.inputs
    assert [op.kind for op in i.encode] == ["affine", "scaled_quantize", "affine", "quantize"]
    assert [n.op.kind for n in turned.nodes] == ["reshape", "affine", "dense"]
    x = np.random.default_rng(0).normal(0, 9, (200, 3, 1))
    codes = x
    for op in i.encode:
        codes = op.real(codes)
    assert np.array_equal(codes, SCALED.codes(x * 0.5 + 1))
    assert np.allclose(run_real(turned, {"x": codes})["d"], run_real(before, {"x": x})["d"])


def test_input_without_quantizer_is_left():
    before = graph(("d", DENSE, "x"))
    assert host_input(before).inputs[0].type is None


@pytest.mark.parametrize(
    "nodes",
    [
        (("a", FORMAT, "x"), ("b", OTHER, "x"), ("s", ops.Add(), "a b")),
        (("a", FORMAT, "x"), ("s", ops.Add(), "a x")),
    ],
)
def test_different_readers_are_refused(nodes):
    with pytest.raises(UnsupportedError) as caught:
        host_input(graph(*nodes))
    text = str(caught.value)
    assert "not read through one quantizer" in text
    assert "layer a (quantize)" in text
    assert "quantize the input once" in text


def test_raw_output_is_refused():
    with pytest.raises(UnsupportedError, match="an output"):
        host_input(graph(("q", FORMAT, "x"), outputs=("q", "x")))


def test_movement_under_formats_per_element_is_refused():
    mixed = ops.Quantize.to([True] * 3, [3, 4, 5], 0, Rounding.RND, Overflow.SAT)
    with pytest.raises(UnsupportedError, match="moved before it is quantized"):
        host_input(graph(("f", ops.Reshape((3,)), "x"), ("q", mixed, "f"), shape=(3, 1)))


def test_all_inputs_are_checked():
    nodes = tuple(
        Node(f"{q}{i}", op, (i,)) for i in "ab" for q, op in (("p", FORMAT), ("q", OTHER))
    )
    outputs = tuple(Output(n.name, n.name) for n in nodes)
    with pytest.raises(ManyErrors):
        host_input(Graph("g", (Input("a", (3,)), Input("b", (3,))), nodes, outputs))
