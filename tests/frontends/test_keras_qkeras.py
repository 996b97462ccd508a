"""QKeras models: what QKeras recorded, the rules of its quantizers, and its traps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_files import DATA, answers, layer, recorded, sequential, start, write_keras

from gatewright.base import ModelError, UnsupportedError
from gatewright.frontends.keras import read_keras
from gatewright.ir import run_real
from gatewright.ops import Affine, Dense, Quantize
from gatewright.ops.rounding_error import float_bounds

STEMS = ["qkeras_kernels", "qkeras_biases", "qkeras_data", "qkeras_network", "qkeras_windows"]


def agree(graph, inputs, expected):
    values, bounds = float_bounds(graph, inputs)
    for output, y in zip(graph.outputs, expected, strict=True):
        error, bound = np.abs(values[output.value] - y), bounds[output.value]
        assert (error <= bound + 2.0**-22).all(), (output.name, error.max(), bound.max())


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("stem", STEMS)
def test_answers_of_qkeras(stem, suffix, tmp_path):
    """Up to 2**-22: QKeras's straight-through sums x + (q - x) round in float32."""
    graph = read_keras(recorded(stem, suffix, tmp_path))
    assert graph.facts["quantization"] == "QKeras"
    inputs, expected = answers(stem)
    agree(graph, inputs, expected)


def test_deep_sets_of_l1_jet_id(shared_data):
    """A published Keras 2 file: QKeras layers without module, a nested quantizer text, a mean."""
    graph = read_keras(shared_data / "models" / "jets_qdeepsets_8const_8bit.h5")
    inputs, (expected,) = answers("deepsets_answers")
    values = run_real(graph, inputs)
    np.testing.assert_allclose(values[graph.outputs[0].value], expected, atol=1e-6)
    assert graph.facts["framework version"] == "2.13.1"


def kernel_file(folder, quantizer, kernel, bias=None, bias_quantizer=None):
    kernel = np.asarray(kernel, np.float32)
    entry = layer(
        "QDense", "q", "qkeras.qlayers", units=kernel.shape[1], use_bias=bias is not None,
        activation="linear", kernel_quantizer=quantizer, bias_quantizer=bias_quantizer,
        kernel_range=None, bias_range=None,
    )  # fmt: skip
    arrays = [kernel] if bias is None else [kernel, np.asarray(bias, np.float32)]
    return write_keras(folder, sequential(start(len(kernel)), entry), {"layers/q_dense": arrays})


def weights(graph):
    """Return the matrix that a graph of one layer multiplies with."""
    n = graph.inputs[0].shape[0]
    values = run_real(graph, {graph.inputs[0].name: np.eye(n)})
    return values[graph.outputs[0].value]


def test_alpha_none_is_auto_po2_for_kernels_but_not_for_biases(tmp_path):
    """0.1 rounds to 0 at the fixed scale; a scale fitted to the kernel keeps it."""
    bits = {"class_name": "quantized_bits", "config": {"bits": 4, "integer": 0, "alpha": None}}
    graph = read_keras(kernel_file(tmp_path, bits, [[0.05], [0.03]], [0.05], bits))
    assert (weights(graph) != 0).all()
    dense = graph.nodes[0].op
    assert isinstance(dense, Dense)
    assert dense.bias == 0.0
    assert len(graph.nodes) == 1  # a power of two folds into the codes
    fixed = read_keras(kernel_file(tmp_path, "quantized_bits(4,0,alpha=1)", [[0.05], [0.03]]))
    assert (weights(fixed) == 0).all()


def test_scale_that_is_no_power_of_two_follows_the_codes(tmp_path):
    graph = read_keras(
        kernel_file(tmp_path, "quantized_bits(4,0,alpha='auto')", [[0.7, 0.3], [-0.2, 0.1]])
    )
    dense, affine = (node.op for node in graph.nodes)
    assert isinstance(dense, Dense)
    assert isinstance(affine, Affine)
    np.testing.assert_array_equal(dense.weight, [[7, 7], [-2, 2]])
    np.testing.assert_allclose(affine.scale, [0.1, 0.3 / 7], rtol=1e-6)


@pytest.mark.parametrize(
    ("quantizer", "kernel", "expected"),
    [
        ("quantized_bits(4,0,alpha=1)", [0.0625, 0.1875, -1.5, 2], [0, 0.25, -1, 0.875]),
        ("quantized_bits(4,0,1,alpha=1)", [-1.5, 0.3125, 0.4375], [-0.875, 0.25, 0.5]),
        ("quantized_bits(3,1,keep_negative=False,alpha=1)", [-1, 0.625, 9], [0, 0.5, 1.75]),
        ("quantized_bits(1,0,alpha=1)", [-0.1, 0, 0.1], [-1, 1, 1]),
        ("binary(alpha=1)", [-0.1, 0, 0.1], [-1, 1, 1]),
        ("binary(1,alpha=0.5)", [-0.1, 0, 0.1], [0, 0.5, 0.5]),
        ("ternary(alpha=1)", [-0.4, 0.32, 0.34], [-1, 0, 1]),
        ("ternary(alpha=2, threshold=0.5)", [-0.5, 0.49], [-2, 0]),
        ("quantized_po2(4)", [0, 2.8284, -0.3, 1e9], [0.0625, 2, -0.25, 8]),
        ("quantized_po2(4,1)", [0.3, 5], [0.25, 1]),
        ("quantized_relu_po2(4)", [-3, 0.3, 0], [2**-8, 0.25, 2**-8]),
        ("quantized_po2(4,log2_rounding='floor')", [0.3, 0.7], [0.25, 0.5]),
    ],
)
def test_rules_of_weight_quantizers(quantizer, kernel, expected, tmp_path):
    column = np.asarray(kernel, np.float32)[:, None]
    graph = read_keras(kernel_file(tmp_path, quantizer, column))
    np.testing.assert_array_equal(weights(graph)[:, 0], expected)


def data_file(folder, activation):
    entry = layer("QActivation", "q", "qkeras.qlayers", activation=activation)
    return write_keras(folder, sequential(start(1), entry))


@settings(max_examples=40)
@given(
    bits=st.integers(2, 10),
    integer=st.integers(-2, 4),
    symmetric=st.integers(0, 1),
    x=st.lists(st.integers(-(2**14), 2**14), min_size=1, max_size=20),
)
def test_quantized_bits_is_saturating_half_even(bits, integer, symmetric, x, tmp_path_factory):
    """ap_fixed<bits, integer + 1> with RND_CONV and SAT (SAT_SYM), on numbers full of ties."""
    path = data_file(
        tmp_path_factory.mktemp("q"), f"quantized_bits({bits},{integer},{symmetric},alpha=1)"
    )
    graph = read_keras(path)
    assert [type(node.op) for node in graph.nodes] == [Quantize]
    values = np.asarray(x)[:, None] / 2.0**8
    m, mi = 2.0 ** (bits - 1), 2.0**integer
    expected = mi * np.clip(np.round(values * m / mi), -m + symmetric, m - 1) / m
    y = run_real(graph, {"x": values})[graph.outputs[0].value]
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    ("activation", "x", "y"),
    [
        ("quantized_relu(4,1)", [-1, 0.0625, 0.1875, 5], [0, 0, 0.25, 1.875]),
        ("quantized_relu(4,1,negative_slope=0.25)", [-20, -1, -0.5, 1.9], [-0.5, -0.25, 0, 1.75]),
        ("quantized_relu(6,2,relu_upper_bound=1.5)", [3.0], [3.0]),
        ("quantized_relu(6,2,relu_upper_bound=1.5,is_quantized_clip=False)", [3.0], [1.5]),
        ("quantized_tanh(3)", [-2, 0.125, 0.375, 2], [-1, 0, 0.5, 0.75]),
        ("quantized_tanh(3,symmetric=1)", [-2], [-0.75]),
        ("quantized_sigmoid(2)", [-2, -0.75, 0.25, 2], [0, 0, 0.5, 0.75]),
        ("quantized_sigmoid(2,symmetric=1)", [-2], [0.25]),
        ("binary", [-0.01, 0, 3], [-1, 1, 1]),
        ("binary(use_01=True)", [-0.01, 0], [0, 1]),
        ("ternary", [-0.34, 0.32, 0.34], [-1, 0, 1]),
        ("hard_sigmoid", [-2, 0.5], [0, 0.75]),
        ("quantized_relu(quantized_bits(8, 0, alpha=1), 0)", [2.0], [1 - 2.0**-8]),
    ],
)
def test_rules_of_data_quantizers(activation, x, y, tmp_path):
    graph = read_keras(data_file(tmp_path, activation))
    values = run_real(graph, {"x": np.asarray(x, np.float64)[:, None]})
    np.testing.assert_array_equal(values[graph.outputs[0].value][:, 0], y)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("bernoulli", "an activation function is not handled"),
        ("bernoulli(1.0)", "a quantizer is not handled"),
        ("quantized_bits(8,0", "found:     'quantized_bits(8,0'"),
        ("quantized_bits(8,__import__)", "a quantizer is not handled"),
        ("quantized_bits(8,0,mystery=1)", "found:     mystery"),
        ("quantized_bits(80)", "bits = 80"),
        ("quantized_bits(8,0,alpha='auto')", "follows from the data of each batch"),
        ("quantized_bits(8,0,use_stochastic_rounding=1)", "use_stochastic_rounding = 1"),
        ("quantized_bits(8,0,qnoise_factor=0.5)", "qnoise_factor = 0.5"),
        ("quantized_po2(4,log2_rounding='floor')", "log2_rounding = 'floor'"),
        ("quantized_relu_po2(4,negative_slope=0.3)", "a slope is no power of two"),
        ("quantized_linear(4,alpha=0.3)", "an alpha is no power of two"),
        ("quantized_hswish(4,relu_shift=0)", "no positive integer"),
        ("ternary(threshold='auto')", "threshold = 'auto'"),
        ("quantized_relu(4,0,negative_slope=0.3)", "no power of two"),
        ("quantized_relu(quantized_bits(6, 2), 0)", "QKeras drops the arguments"),
    ],
)
def test_data_quantizers_that_are_refused(activation, expected, tmp_path):
    with pytest.raises(UnsupportedError) as error:
        read_keras(data_file(tmp_path, activation))
    text = str(error.value)
    assert expected in text
    assert "layer 'q', attribute 'activation'" in text
    assert "supported:" in text
    assert "remedy:" in text


def test_auto_scale_of_an_empty_channel_is_not_finite(tmp_path):
    with pytest.raises(ModelError, match="makes weights that are not finite"):
        read_keras(kernel_file(tmp_path, "quantized_bits(4,0,alpha='auto')", [[0.0, 1.0]]))


def test_threshold_along_with_an_automatic_scale(tmp_path):
    """A kernel's alpha=None becomes "auto_po2", so that QKeras itself refuses the threshold."""
    with pytest.raises(UnsupportedError, match="takes no threshold along with an automatic scale"):
        read_keras(kernel_file(tmp_path, "ternary(threshold=0.4)", [[1.0]]))


def test_power_of_two_next_to_a_tie(tmp_path):
    with pytest.raises(UnsupportedError, match="depends on the backend"):
        read_keras(kernel_file(tmp_path, "quantized_po2(4)", [[2.0**0.5]]))


def test_recorded_files_are_small():
    assert all(path.stat().st_size < 100_000 for path in DATA.iterdir() if path.is_file())


RECORDED = np.load(DATA / "qkeras_quantizers.npz")


@pytest.mark.parametrize("text", [key for key in RECORDED.files if key != "x"])
def test_data_quantizers_as_qkeras_computed_them(text, tmp_path):
    """Recorded by scripts/record_qkeras_quantizers.py with qkeras-v3; bit for bit.

    The u-law's answers are float32 logarithms, and hswish's quotients float32 too: those within a
    few units of float32, these on numbers whose product float32 holds.
    """
    x = RECORDED["x"].astype(np.float64)[:, None]
    graph = read_keras(data_file(tmp_path, text))
    found = run_real(graph, {graph.inputs[0].name: x})[graph.outputs[0].value][:, 0]
    if text.startswith("quantized_ulaw"):
        np.testing.assert_allclose(found, RECORDED[text], atol=1e-6)
    else:
        np.testing.assert_array_equal(found, RECORDED[text])
