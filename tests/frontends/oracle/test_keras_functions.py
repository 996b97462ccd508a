"""Activations of Keras, as layers, names and functions of `keras.ops`: within the derived bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_files import layer, sequential, start, write_keras

from gatewright.base import GatewrightError
from gatewright.frontends.keras import read_keras
from gatewright.ir import run_real
from gatewright.ops.rounding_error import float_bounds

keras = pytest.importorskip("keras", reason="needs Keras (the extra 'keras')")

NAMES = [
    "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu",
    "hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu",
    "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign",
    "sparse_plus", "sparse_sigmoid", "squareplus", "swish", "tanh", "tanh_shrink",
]  # fmt: skip


def numbers(shape, low=-6.0, high=6.0):
    """Multiples of 1/8, which meet the corners of piecewise functions, and others."""
    rng = np.random.default_rng(1)
    x = rng.uniform(low, high, (40, *shape))
    x[:20] = np.clip(np.round(x[:20] * 8) / 8, low, high)
    return x.astype(np.float32)


def compare(model, x, folder, least=1e-4):
    expected = keras.ops.convert_to_numpy(model(x))
    model.save(folder / "model.keras")
    graph = read_keras(folder / "model.keras")
    values, bounds = float_bounds(graph, {graph.inputs[0].name: x.astype(np.float64)})
    y, bound = (v[graph.outputs[0].value] for v in (values, bounds))
    assert y.shape == expected.shape
    assert (np.abs(y - expected) <= bound).all(), (np.abs(y - expected).max(), bound.max())
    assert np.median(bound) <= least * max(1.0, float(np.abs(expected).max()))
    return graph


def test_activations_by_name(tmp_path):
    """Every name in one model: a sum would hide, so each is an output of its own."""
    x = keras.Input((4,))
    outputs = [keras.layers.Activation(name)(x) for name in NAMES]
    model = keras.Model(x, outputs)
    data = numbers((4,))
    expected = [keras.ops.convert_to_numpy(y) for y in model(data)]
    model.save(tmp_path / "model.keras")
    graph = read_keras(tmp_path / "model.keras")
    values, bounds = float_bounds(graph, {graph.inputs[0].name: data.astype(np.float64)})
    for name, output, y in zip(NAMES, graph.outputs, expected, strict=True):
        error, bound = np.abs(values[output.value] - y), bounds[output.value]
        assert (error <= bound).all(), (name, error.max(), bound.max())
        assert np.median(bound) <= 1e-4, name


@settings(max_examples=12)
@given(
    st.sampled_from([0.0, 0.25, 1.5]), st.sampled_from([None, 0.5, 2.0, 6.0]),
    st.sampled_from([0.0, 1.0, 3.0]),
)  # fmt: skip
def test_relu_with_slope_limit_and_threshold(tmp_path_factory, slope, most, threshold):
    layer = keras.layers.ReLU(max_value=most, negative_slope=slope, threshold=threshold)
    model = keras.Sequential([keras.Input((3,)), layer])
    compare(model, numbers((3,)), tmp_path_factory.mktemp("m"))


def test_layers_and_layers_as_activations(tmp_path):
    layers = [
        keras.layers.LeakyReLU(0.125), keras.layers.ELU(0.5), keras.layers.PReLU(),
        keras.layers.Softmax(axis=1),
        keras.layers.Dense(3, activation=keras.layers.LeakyReLU(0.25)),
        keras.layers.Dense(3, activation=keras.layers.ReLU(max_value=1.0)),
    ]  # fmt: skip
    model = keras.Sequential([keras.Input((2, 3)), *layers])
    for weight in model.weights:
        weight.assign(np.random.default_rng(0).normal(size=weight.shape).astype(np.float32))
    compare(model, numbers((2, 3)), tmp_path)


OPS = {
    "arccosh": ((1.5, 4), {}), "arcsin": ((-0.9, 0.9), {}), "arctan": ((-4, 4), {}),
    "arctanh": ((-0.9, 0.9), {}), "cosh": ((-2, 2), {}), "exp2": ((-3, 2), {}),
    "log10": ((0.2, 4), {}), "log2": ((0.2, 4), {}), "log_sigmoid": ((-4, 4), {}),
    "sinh": ((-2, 2), {}), "sparse_sigmoid": ((-4, 4), {}),
    "tan": ((-1.2, 1.2), {}), "divide": ((-4, 4), {"x2": 3.0}),
    "arccos": ((-0.9, 0.9), {}), "arcsinh": ((-4, 4), {}), "celu": ((-4, 4), {"alpha": 0.5}),
    "cos": ((-4, 4), {}), "elu": ((-4, 4), {"alpha": 0.5}), "erf": ((-4, 4), {}),
    "expm1": ((-3, 2), {}), "gelu": ((-4, 4), {}), "glu": ((-4, 4), {}),
    "hard_shrink": ((-4, 4), {"threshold": 1.0}), "hard_tanh": ((-4, 4), {}),
    "layer_normalization": ((-4, 4), {}), "leaky_relu": ((-4, 4), {"negative_slope": 0.5}),
    "log": ((0.2, 4), {}), "log1p": ((0.2, 4), {}), "log_softmax": ((-4, 4), {}),
    "normalize": ((-4, 4), {}), "reciprocal": ((0.2, 4), {}), "rms_normalization": ((-4, 4), {}),
    "rsqrt": ((0.2, 4), {}), "sin": ((-4, 4), {}), "soft_shrink": ((-4, 4), {"threshold": 1.0}),
    "sparse_plus": ((-4, 4), {}), "sqrt": ((0.2, 4), {}), "squareplus": ((-4, 4), {"b": 2.0}),
    "tanh_shrink": ((-4, 4), {}), "threshold": ((-4, 4), {"threshold": 1.0, "default_value": -2.0}),
}  # fmt: skip


@pytest.mark.parametrize("name", OPS)
def test_functions_of_ops(name, tmp_path):
    (low, high), options = OPS[name]
    x = keras.Input((4,))
    model = keras.Model(x, getattr(keras.ops, name)(x, **options))
    compare(model, numbers((4,), low, high), tmp_path, least=1e-3)


@pytest.mark.parametrize("exponent", [2, 3, 0.5, -1.5])
def test_powers_and_quotients(exponent, tmp_path):
    x = keras.Input((4,))
    y = keras.ops.power(x, exponent)
    compare(keras.Model(x, y / (x + 1.0)), numbers((4,), 0.3, 3), tmp_path)


def test_layers_that_do_nothing_at_inference(tmp_path):
    layers = keras.layers
    names = (
        layers.ActivityRegularization(0.1), layers.AlphaDropout(0.2), layers.GaussianDropout(0.2),
        layers.GaussianNoise(0.2), layers.Identity(), layers.SpatialDropout1D(0.2),
    )  # fmt: skip
    compare(keras.Sequential([keras.Input((2, 3)), *names]), numbers((2, 3)), tmp_path)
    for own, shape in ((layers.SpatialDropout2D(0.2), (2, 2, 3)),
                         (layers.SpatialDropout3D(0.2), (2, 1, 2, 3))):  # fmt: skip
        compare(keras.Sequential([keras.Input(shape), own]), numbers(shape), tmp_path)


@pytest.mark.parametrize("name", ["segment_sum", "segment_max"])
def test_segments_along_the_batch_are_refused(name, tmp_path):
    x = keras.Input((3,), batch_size=4)
    try:
        y = getattr(keras.ops, name)(x, np.array([0, 0, 1, 2]), num_segments=3)
    except (TypeError, ValueError):
        pytest.skip("this Keras records no segments")
    keras.Model(x, y).save(tmp_path / "model.keras")
    with pytest.raises(GatewrightError) as error:
        read_keras(tmp_path / "model.keras")
    assert "segment" in str(error.value)


def test_thresholded_relu_of_keras_2(tmp_path):
    """Keras 3 has the layer no more; its documentation: x where x > theta, otherwise 0."""
    path = write_keras(tmp_path, sequential(start(3), layer("ThresholdedReLU", "t", theta=0.75)))
    graph = read_keras(path)
    x = numbers((3,)).astype(np.float64)
    found = run_real(graph, {graph.inputs[0].name: x})
    np.testing.assert_array_equal(found[graph.outputs[0].name], np.where(x > 0.75, x, 0))
