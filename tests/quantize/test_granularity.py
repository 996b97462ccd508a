"""One format a tensor and weights of so many bits, for hardware that channels share."""

from __future__ import annotations

import numpy as np
import pytest
from quantize_models import chain, classifier, dense, integers, samples

import gatewright as gw
from gatewright.base import OptionError
from gatewright.ir import Graph, Input, Node, Output, infer, run_real
from gatewright.num import dyadic
from gatewright.ops import (
    Add,
    Affine,
    Dense,
    DivideConstant,
    Pad,
    Quantize,
    Relu,
    Reshape,
    Sum,
    Windows,
)
from gatewright.quantize import Formats, quantize
from gatewright.quantize.activations import SiteFormat, choose_one, within
from gatewright.quantize.joins import factors, joins, shifts
from gatewright.quantize.judge import relative_error

RNG = np.random.default_rng(5)
SHARED = Formats(granularity="tensor", activation_bits=8)


def residual():
    """Return a convolution, a residual block, an average of 4 x 4 pixels and a dense layer."""
    nodes = (
        Node("pad", Pad((1, 1, 0), (1, 1, 0)), ("x",), "first"),
        Node("taps", Windows.of((3, 3)), ("pad",), "first"),
        Node("first", dense(RNG, 18, 4), ("taps",), "first"),
        Node("on", Relu(), ("first",), "on"),
        Node("second", dense(RNG, 4, 4), ("on",), "second"),
        Node("both", Add(), ("on", "second"), "both"),
        Node("relu", Relu(), ("both",), "relu"),
        Node("sum", Sum((0, 1), True), ("relu",), "mean"),
        Node("mean", Affine(np.asarray(1 / 16), np.asarray(0.0)), ("sum",), "mean"),
        Node("flat", Reshape((4,)), ("mean",), "last"),
        Node("last", dense(RNG, 4, 3), ("flat",), "last"),
    )
    return Graph("residual", (Input("x", (4, 4, 2)),), nodes, (Output("y", "last"),), "model.onnx")


@pytest.fixture(scope="module")
def quantized():
    """Return the residual network, its data and it quantized by tensor."""
    graph, x = residual(), RNG.normal(size=(300, 4, 4, 2)) * np.array([0.3, 2.0])
    return graph, x, quantize(graph, x, tolerance=0.05, formats=SHARED)


def test_every_tensor_has_one_format_and_range(quantized):
    graph, x, q = quantized
    types = infer(q.graph)
    quantizers = [n for n in q.graph.nodes if isinstance(n.op, Quantize)]
    assert [n.name for n in quantizers] == ["on_q", "second_q", "mean_q", "last_q"]
    for name in ["x", "on_q", "second_q", "both", "relu", "sum", "mean_q", "last_q"]:
        kind = types[name]
        assert len({*kind.lo.flat}) == len({*kind.hi.flat}) == len({*kind.frac.flat}) == 1, name
    assert max(types[name].width.max() for name in ("on_q", "mean_q")) <= 8
    real = run_real(graph, {"x": x})["last"]
    assert relative_error({"y": real}, {"y": integers(q.graph, {"x": x})["y"]}) <= 0.06


def test_weights_of_an_output_stand_on_one_grid(quantized):
    _, _, q = quantized
    products = [n.op for n in q.graph.nodes if isinstance(n.op, Dense)]
    assert len(products) == 3
    for op in products:
        frac = dyadic(op.weight)[1].max(0)
        whole = np.ldexp(op.weight, frac.astype(np.int32))
        assert (whole == np.rint(whole)).all()
        assert np.abs(whole).max() <= 127


def test_an_average_over_a_power_of_two_is_rounded_once(quantized):
    _, _, q = quantized
    (mean,) = [n for n in q.graph.nodes if n.name == "mean"]
    assert isinstance(mean.op, DivideConstant)
    assert mean.inputs == ("sum",)


def test_fewer_weight_bits_are_kept_to():
    x = samples()
    q = quantize(classifier(), x, tolerance=0.3, formats=Formats(weight_bits=4))
    for node in q.graph.nodes:
        if isinstance(node.op, Dense):
            frac = dyadic(node.op.weight)[1].max(0)
            assert np.abs(np.ldexp(node.op.weight, frac.astype(np.int32))).max() <= 7


def test_a_users_rule_goes_before_the_bits():
    rules = (("*", "weight", "fixed<10,2>"), ("layer_1", "activation", "ufixed<11,3>"))
    formats = Formats(rules, "tensor", 4, 4)
    q = quantize(classifier(), samples(), tolerance=0.5, formats=formats)
    weights = np.concatenate([n.op.weight.ravel() for n in q.graph.nodes if n.op.kind == "dense"])
    assert len({*weights}) > 15
    widths = {n.name: infer(q.graph)[n.name].width.max() for n in q.graph.nodes}
    assert widths["n1_q"] == 11
    assert widths["n3_q"] <= 4


def test_scales_that_are_powers_of_two_are_shifts():
    ops = [
        Affine(np.asarray(scale), np.asarray(offset))
        for scale, offset in ((0.25, 0.0), (0.3, 0.0), (0.5, 1.0), (-0.5, 0.0), (2.0, 0.0))
    ]
    kinds = [n.op.kind for n in shifts(chain(*ops)).nodes]
    assert kinds == ["divide_constant", "affine", "affine", "affine", "affine"]


def test_what_branches_join_and_what_is_multiplied():
    graph = residual()
    assert joins(graph) == ["on", "second"]
    assert factors(graph) >= {"x", "taps", "on", "mean"}
    assert not factors(graph) & {"second", "both", "last"}


def test_one_format_holds_columns_of_different_scales():
    x = RNG.normal(size=(500, 3)) * np.array([0.1, 1.0, 10.0])
    ones, ends = np.ones_like(x), (x.min(0), x.max(0))
    one = choose_one(x, ones, np.full(3, 1e-4), 0.0, ends, None)
    assert len({*one.top}) == len({*one.frac}) == 1
    assert 2.0 ** one.top[0] > 20
    assert one.signed.all()


def test_too_wide_formats_lose_bits_at_the_end_that_matters_less():
    x = np.concatenate([RNG.uniform(-1, 1, size=(999, 2)), [[1.0, 60.0]]])
    wide = SiteFormat(np.full(2, True), np.array([0, 6]), np.array([15, 15]), 0.0)
    found = within(wide, 8, x, np.ones_like(x), (x.min(0), np.array([1.0, 1.0])))
    assert found.width.tolist() == [8, 8]
    assert found.top.tolist() == [0, 6]  # clipping 60 to 32 costs more than all rounding
    s = np.ones_like(x)
    s[-1] = 0.0
    assert within(wide, 8, x, s, (x.min(0), np.array([1.0, 1.0]))).top[1] < 6
    narrow = SiteFormat(np.full(2, True), np.array([0, 6]), np.array([3, 1]), 0.0)
    assert within(narrow, 8, x, s, (x.min(0), x.max(0))) is narrow


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"granularity": "layer"}, "formats are chosen by channel or by tensor"),
        ({"weight_bits": 1}, "weight_bits is no number of bits"),
        ({"weight_bits": True}, "weight_bits is no number of bits"),
        ({"activation_bits": 8.0}, "activation_bits is no number of bits"),
    ],
)
def test_options_out_of_range(options, text):
    with pytest.raises(OptionError, match=text):
        quantize(classifier(), samples(), formats=Formats(**options))
    with pytest.raises(OptionError, match=text):
        gw.compile("absent.onnx", **options)
