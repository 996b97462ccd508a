"""The fast way to the firmware's integers gives what the plain one gives, errors included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import DataError
from gatewright.flow import encoder
from gatewright.flow.encoder import encode_fast, narrowest
from gatewright.flow.host import as_inputs, encode
from gatewright.ir import Graph, Input, Output
from gatewright.num import Fixed, Intervals, Overflow, Rounding
from gatewright.ops import Affine, Function, Quantize, ScaledQuantize

WIDTHS, FRACS, SIGNED = (
    np.asarray([4, 6, 9]),
    np.asarray([1, -2, 5]),
    np.asarray([True, False, True]),
)


def graph(*host, kind=None, shape=(3,)):
    if kind is None:
        form = host[-1].format
        kind = Intervals.of(*(np.broadcast_to(v, shape) for v in (form.lo, form.hi, form.frac)))
    return Graph("net", (Input("x", shape, kind, host),), (), (Output("y", "x"),), "net.onnx")


def same(g, x):
    fast, plain = encode_fast(g, x)["x"], encode(g, as_inputs(g, x))["x"]
    np.testing.assert_array_equal(fast.q, plain.q)
    np.testing.assert_array_equal(fast.frac, plain.frac)
    return fast.q


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.floats(-300, 300),
    st.integers(-2000, 2000).map(lambda v: v / 64),
)  # fmt: skip


@pytest.mark.parametrize("overflow", list(Overflow))
@pytest.mark.parametrize("rounding", list(Rounding))
@settings(max_examples=12)
@given(x=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=6))
def test_every_mode_equals_the_plain_way(rounding, overflow, x):
    """On any float: ties, huge ones, denormal ones."""
    same(graph(Quantize.to(SIGNED, WIDTHS, FRACS, rounding, overflow)), np.asarray(x))
    same(graph(Quantize.to(True, 6, 2, rounding, overflow)), np.asarray(x))


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "u2", "i8", "?", ">f4"])
def test_every_type_of_number_and_any_layout(kind):
    g = graph(Quantize.to(True, 6, 2, Rounding.RND, Overflow.WRAP), shape=(4, 3))
    x = np.random.default_rng(0).integers(0, 2, (50, 4, 3)).astype(kind)
    q = same(g, x)
    assert q.dtype == np.int8
    same(g, np.asfortranarray(x))
    same(g, x[::-2])
    assert same(g, x[:0]).shape == (0, 4, 3)


def test_operations_in_front_of_the_quantizer():
    cut = Quantize.to_format(Fixed.parse("fixed<3,1>"), Rounding.RND, Overflow.SAT)
    x = np.random.default_rng(1).normal(0, 3, (1000, 3))
    same(graph(Affine(np.asarray([0.5, 1.1, 2.0]), np.asarray(0.125)), cut), x)
    same(graph(Function("tanh"), cut), x)
    scaled = ScaledQuantize(np.asarray(0.1), np.asarray(3.0), -128, 127)
    back = Affine(np.asarray(10.0), np.asarray(3.0))
    codes = Quantize.to(True, 8, 0, Rounding.RND, Overflow.SAT)
    same(graph(scaled, back, codes), x)


def test_numbers_of_the_grid_without_a_quantizer():
    kind = Intervals.format(Fixed.parse("fixed<5,3>"), (3,))
    x = np.random.default_rng(2).integers(-16, 16, (100, 3)) / 4
    assert same(graph(kind=kind), x).dtype == np.int8


def test_many_blocks_and_threads(monkeypatch):
    monkeypatch.setattr(encoder, "BLOCK", 64)
    monkeypatch.setattr(encoder, "LEAST", 100)
    g = graph(Quantize.to(SIGNED, WIDTHS, FRACS, Rounding.RND_CONV, Overflow.SAT))
    x = np.random.default_rng(3).normal(0, 9, (1001, 3))
    expected = encode(g, as_inputs(g, x))["x"].q
    for threads in (None, 1, 3):
        np.testing.assert_array_equal(encode_fast(g, x, threads)["x"].q, expected)


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (np.nan, "not finite"), (np.inf, "not finite"), (-np.inf, "not finite"),
        (0.3, "0.3 at index (700, 1)"), (99.0, "99.0 at index (700, 1)"),
        (-1e308, "-1e+308 at index (700, 1)"),
    ],
)  # fmt: skip
def test_errors_are_those_of_the_plain_way(bad, what):
    g = graph(kind=Intervals.format(Fixed.parse("fixed<5,3>"), (3,)))
    x = np.zeros((1000, 3))
    x[700, 1] = bad
    with pytest.raises(DataError) as plain:
        encode(g, as_inputs(g, x))
    with pytest.raises(DataError) as fast:
        encode_fast(g, x)
    assert str(fast.value) == str(plain.value)
    assert what in str(fast.value)


def test_integers_beyond_float64_wrong():
    g = graph(Quantize.to(True, 6, 2))
    with pytest.raises(DataError, match="too large to be exact"):
        encode_fast(g, np.full((2, 3), 2**60))


def test_an_extreme_binary_point_goes_the_plain_way():
    g = graph(Quantize.to(True, 6, 1040, Rounding.RND, Overflow.SAT))
    same(g, np.asarray([[0.0, 1e-310, 5.0]]))


@pytest.mark.parametrize(
    ("low", "high", "name"),
    [(0, 0, "i1"), (-128, 127, "i1"), (0, 255, "u1"), (-129, 0, "i2"), (0, 2**40, "i8")],
)
def test_the_narrowest_type_of_a_range(low, high, name):
    assert narrowest(Intervals.of([low], [high], 0)) == np.dtype(name)


def test_a_type_narrower_than_its_quantizer_is_checked():
    g = graph(Quantize.to(True, 6, 2, Rounding.RND, Overflow.SAT))
    (i,) = g.inputs
    g = replace(g, inputs=(replace(i, type=Intervals.of([-4] * 3, [4] * 3, 2)),))
    same(g, np.asarray([[0.5, -1.0, 1.0]]))
    with pytest.raises(DataError, match="not one of the firmware's input numbers"):
        encode_fast(g, np.asarray([[0.5, -1.0, 1.25]]))
