"""Normalisations of Keras on random shapes, attributes and weights: within the derived bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatewright.frontends.keras import read_keras
from gatewright.ops.rounding_error import float_bounds

keras = pytest.importorskip("keras", reason="needs Keras (the extra 'keras')")

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)


def randomise(model, rng):
    for weight in model.weights:
        if weight.dtype.startswith("float"):
            low = 0.1 if "variance" in weight.name else -2.0
            weight.assign(rng.uniform(low, 2.0, weight.shape).astype(np.float32))


def compare(layers, shape, folder, rng, least=1e-3):
    """Save a model, read it, and compare it with what Keras gives."""
    model = keras.Sequential([keras.Input(shape), *layers])
    randomise(model, rng)
    x = rng.normal(0, 2, (16, *shape)).astype(np.float32)
    expected = np.asarray(keras.ops.convert_to_numpy(model(x)))
    path = folder / "model.keras"
    model.save(path)
    graph = read_keras(path)
    values, bounds = float_bounds(graph, {graph.inputs[0].name: x.astype(np.float64)})
    y, bound = (v[graph.outputs[0].value] for v in (values, bounds))
    assert y.shape == expected.shape
    assert (np.abs(y - expected) <= bound).all(), (np.abs(y - expected).max(), bound.max())
    assert np.median(bound) <= least * max(1.0, np.abs(expected).max())
    return graph


def axes_of(draw, rank):
    """Draw axes; on torch Keras fails for neighbouring ones that do not end with the last."""
    many = draw(st.sets(st.integers(1, rank), min_size=1))
    neighbours = max(many) - min(many) + 1 == len(many)
    assume(keras.backend.backend() != "torch" or not neighbours or max(many) == rank)
    negative = draw(st.booleans())
    axes = sorted(a - rank - 1 if negative else a for a in many)
    return axes[0] if len(axes) == 1 and draw(st.booleans()) else axes


@settings(max_examples=10)
@given(st.data(), SHAPES, st.booleans(), st.booleans(), st.integers(0, 2**31))
def test_layer_normalization(tmp_path_factory, data, shape, center, scale, seed):
    layer = keras.layers.LayerNormalization(
        axis=axes_of(data.draw, len(shape)), center=center, scale=scale,
        epsilon=data.draw(st.sampled_from([1e-3, 1e-2, 1.0])),
        **({"rms_scaling": True} if data.draw(st.booleans()) and min(shape) > 1 else {}),
    )  # fmt: skip
    compare([layer], shape, tmp_path_factory.mktemp("m"), np.random.default_rng(seed))


@settings(max_examples=10)
@given(st.data(), SHAPES, st.integers(0, 2**31))
def test_rms_and_unit_normalization(tmp_path_factory, data, shape, seed):
    rng, axes = np.random.default_rng(seed), axes_of(data.draw, len(shape))
    kind = data.draw(st.sampled_from(["RMSNormalization", "UnitNormalization"]))
    compare([getattr(keras.layers, kind)(axis=axes)], shape, tmp_path_factory.mktemp("m"), rng)


@settings(max_examples=10)
@given(st.data(), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**31))
def test_group_normalization(tmp_path_factory, data, groups, each, seed):
    rng = np.random.default_rng(seed)
    inner = data.draw(st.lists(st.integers(1, 4), max_size=2))
    last = data.draw(st.booleans())
    shape = (*inner, groups * each) if last else (groups * each, *inner)
    wanted = data.draw(st.sampled_from([groups, -1]))
    options = {k: data.draw(st.booleans()) for k in ("center", "scale")}
    axis = data.draw(st.sampled_from([-1, len(shape)])) if last else 1
    layer = keras.layers.GroupNormalization(wanted, axis=axis, epsilon=1e-2, **options)
    compare([layer], shape, tmp_path_factory.mktemp("m"), rng)


@settings(max_examples=10)
@given(st.data(), SHAPES, st.booleans(), st.integers(0, 2**31))
def test_normalization(tmp_path_factory, data, shape, invert, seed):
    rng = np.random.default_rng(seed)
    axis = data.draw(st.sampled_from([None, -1, 1]))
    if data.draw(st.booleans()):
        size = () if axis is None else (shape[axis - 1 if axis > 0 else axis],)
        given_ = {"mean": rng.normal(size=size), "variance": rng.uniform(0.1, 2, size)}
        given_ = {k: v.astype(np.float32).tolist() for k, v in given_.items()}
        layer = keras.layers.Normalization(axis=axis, invert=invert, **given_)
    else:
        layer = keras.layers.Normalization(axis=axis, invert=invert)
        layer.adapt(rng.normal(1, 2, (20, *shape)).astype(np.float32))
    compare([layer], shape, tmp_path_factory.mktemp("m"), rng)
