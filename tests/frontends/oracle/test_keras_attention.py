"""Attention, einsum and dot products of Keras on random shapes, attributes and weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import GatewrightError
from gatewright.frontends.keras import read_keras
from gatewright.ops.rounding_error import float_bounds

keras = pytest.importorskip("keras", reason="needs Keras (the extra 'keras')")

SEEDS = st.integers(0, 2**31)
SMALL = st.integers(1, 4)


def compare(call, shapes, folder, seed):
    """Save a model of one call, read it, and compare it with what Keras gives."""
    rng = np.random.default_rng(seed)
    inputs = [keras.Input(shape, name=f"x{n}") for n, shape in enumerate(shapes)]
    outputs = call(*inputs)
    model = keras.Model(inputs, outputs)
    for weight in model.weights:
        if weight.dtype.startswith("float"):
            weight.assign(rng.normal(0, 0.7, weight.shape).astype(np.float32))
    xs = [rng.normal(0, 1, (8, *shape)).astype(np.float32) for shape in shapes]
    expected = model(xs if len(xs) > 1 else xs[0])
    expected = expected if isinstance(expected, list | tuple) else [expected]
    path = folder / "model.keras"
    model.save(path)
    graph = read_keras(path)
    given_ = {i.name: x.astype(np.float64) for i, x in zip(graph.inputs, xs, strict=True)}
    values, bounds = float_bounds(graph, given_)
    for output, wanted in zip(graph.outputs, expected, strict=True):
        y, bound = values[output.value], bounds[output.value]
        wanted = keras.ops.convert_to_numpy(wanted)
        assert y.shape == wanted.shape
        assert (np.abs(y - wanted) <= bound).all(), (np.abs(y - wanted).max(), bound.max())
        assert np.median(bound) <= 1e-2 * max(1.0, np.abs(wanted).max())
    return graph


@settings(max_examples=8)
@given(st.data(), SMALL, SMALL, st.integers(1, 3), SEEDS)
def test_multi_head(tmp_path_factory, data, queries, keys, heads, seed):
    draw = data.draw
    layer = keras.layers.MultiHeadAttention(
        heads, draw(SMALL), value_dim=draw(st.none() | SMALL), use_bias=draw(st.booleans()),
        output_shape=draw(st.sampled_from([None, 3, (2, 2)])), use_gate=draw(st.booleans()),
        sliding_window=draw(st.sampled_from([None, 4])),
    )  # fmt: skip
    causal, scores = draw(st.booleans()), draw(st.booleans())
    compare(
        lambda q, v: layer(q, v, use_causal_mask=causal, return_attention_scores=scores),
        [(queries, 3), (keys, 2)], tmp_path_factory.mktemp("m"), seed,
    )  # fmt: skip


@settings(max_examples=4)
@given(st.sampled_from([None, (1,), (2,), (1, 2)]), SEEDS)
def test_multi_head_over_axes(tmp_path_factory, axes, seed):
    layer = keras.layers.MultiHeadAttention(2, 3, attention_axes=axes)
    compare(lambda x: layer(x, x), [(2, 3, 4)], tmp_path_factory.mktemp("m"), seed)


@settings(max_examples=5)
@given(st.data(), SMALL, st.booleans(), SEEDS)
def test_grouped_query(tmp_path_factory, data, length, causal, seed):
    draw = data.draw
    layer = keras.layers.GroupQueryAttention(
        draw(SMALL), 4, draw(st.sampled_from([1, 2, 4])), use_bias=draw(st.booleans())
    )
    compare(
        lambda q, v: layer(q, v, use_causal_mask=causal),
        [(length, 3), (length, 3)], tmp_path_factory.mktemp("m"), seed,
    )  # fmt: skip


@settings(max_examples=8)
@given(st.data(), st.booleans(), st.booleans(), SEEDS)
def test_dot_product_and_additive(tmp_path_factory, data, causal, scale, seed):
    layers = keras.layers
    layer = data.draw(
        st.sampled_from(
            [layers.Attention(use_scale=scale), layers.AdditiveAttention(use_scale=scale),
             layers.Attention(use_scale=scale, score_mode="concat")]
        )
    )  # fmt: skip
    three = data.draw(st.booleans())
    shapes = [(3, 2), (4, 2), (4, 2)][: 3 if three else 2]
    compare(
        lambda *xs: layer(list(xs), use_causal_mask=causal),
        shapes, tmp_path_factory.mktemp("m"), seed,
    )  # fmt: skip


@settings(max_examples=6)
@given(st.sampled_from([-1, 1, 2, (1, 2), (-1, 1)]), SEEDS)
def test_softmax_along_axes(tmp_path_factory, axis, seed):
    layer = keras.layers.Softmax(axis=axis)
    compare(layer, [(3, 4)], tmp_path_factory.mktemp("m"), seed)


EQUATIONS = [
    ("abc,cd->abd", (None, 5), "d"), ("abc,bcd->abd", (3, 5), "bd"), ("abc,dbc->ad", (5,), "d"),
    ("...x,xy->...y", (5,), "y"), ("abc,bc->abc", (3, 4), None), ("abc,cb->ac", (4,), "c"),
    ("abc,bcde->aed", (2, 3), "ed"),
]  # fmt: skip


@settings(max_examples=7)
@given(st.sampled_from(EQUATIONS), SEEDS)
def test_einsum_dense(tmp_path_factory, case, seed):
    equation, shape, bias = case
    layer = keras.layers.EinsumDense(equation, shape, bias_axes=bias)
    compare(layer, [(3, 4)], tmp_path_factory.mktemp("m"), seed)


@settings(max_examples=5)
@given(st.sampled_from([(1, 1), (2, 2), -1, (1, 2)]), SEEDS)
def test_dot(tmp_path_factory, axes, seed):
    compare(
        lambda a, b: keras.layers.Dot(axes)([a, b]),
        [(3, 3), (3, 3)], tmp_path_factory.mktemp("m"), seed,
    )  # fmt: skip


def test_a_mask_that_is_computed_is_refused(tmp_path):
    x = keras.Input((3, 2))
    mask = keras.Input((3, 3), dtype="float32")
    y = keras.layers.MultiHeadAttention(1, 2, name="attend")(x, x, attention_mask=mask)
    keras.Model([x, mask], y).save(tmp_path / "m.keras")
    with pytest.raises(GatewrightError, match="attention_mask"):
        read_keras(tmp_path / "m.keras")
