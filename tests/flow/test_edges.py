"""Models and data at the edges: dead branches, scalars, constants, numbers beyond float64."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_models import model, node

import gatewright as gw
from gatewright.base import DataError, OptionError
from gatewright.num import Fixed, Overflow, Rounding
from gatewright.ops import Quantize

QUANT = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND", "domain": "qonnx.custom_op.general"}
NUMBERS = {"s": np.float32(0.25), "z": np.float32(0), "b": np.float32(6)}


def quantized(nodes, inputs, outputs=("y",), **constants):
    first = [node("Quant", f"{name} s z b", f"{name}q", **QUANT) for name in inputs]
    arrays = {name: np.asarray(value, np.float32) for name, value in constants.items()}
    return model([*first, *nodes], inputs, outputs, constants={**NUMBERS, **arrays})


def check(design, x):
    """RTL that is simulated by the interpreter, netlist and emulator agree with the reference."""
    design.verify(random=20, rtl=False)
    return design.predict(x)


@pytest.mark.parametrize("reuse", [None, 2])
def test_what_no_output_needs_is_no_part_of_the_firmware(reuse):
    w = np.arange(8).reshape(4, 2) / 4
    mlp = quantized(
        [node("MatMul", "xq w", "y"), node("MatMul", "xq v", "dead"), node("Relu", "dead", "d2")],
        {"x": (4,)},
        w=w,
        v=np.eye(4),
    )
    design = gw.compile(mlp, reuse=reuse)
    x = np.random.default_rng(0).integers(-20, 20, (50, 4)) / 4
    np.testing.assert_array_equal(check(design, x), x @ w)
    assert not any("dead" in name or "d2" in name for name in design.sources)


def test_an_input_that_nothing_reads_keeps_its_port():
    two = quantized([node("Relu", "xq", "y")], {"x": (3,), "unused": (2,)})
    design = gw.compile(two)
    x = np.asarray([[1.0, -1.0, 0.25]])
    y = check(design, {"x": x, "unused": np.zeros((1, 2))})
    np.testing.assert_array_equal(y, np.maximum(x, 0))
    assert "input  wire [11:0] unused" in design.sources[f"{design.name}.v"]


def test_scalars():
    design = gw.compile(quantized([node("Add", "xq xq", "y")], {"x": ()}))
    np.testing.assert_array_equal(check(design, np.asarray([1.0, -2.25])), [2.0, -4.5])


def test_integers_that_float64_would_change_are_refused():
    design = gw.compile(quantized([node("Relu", "xq", "y")], {"x": (2,)}))
    with pytest.raises(DataError, match="too large to be exact in float64"):
        design.predict(np.asarray([[1, 2**53 + 1]]))
    with pytest.raises(DataError, match="too large to be exact in float64"):
        design.predict(np.asarray([[1, -(2**63)]]))
    np.testing.assert_array_equal(design.predict(np.asarray([[1, 2**53 - 1]])), [[1.0, 7.75]])


def test_answers_that_float64_would_change_are_refused():
    wide = quantized([node("Mul", "xq k", "a"), node("Add", "a xq", "y")], {"x": (1,)},
                     k=[[2.0**52]])  # fmt: skip
    design = gw.compile(wide)
    with pytest.raises(DataError, match=r"more bits than float64 can hold(.|\n)*predict_codes"):
        design.predict(np.asarray([[7.75]]))
    code = design.predict_codes(np.asarray([[7.75]]))["y"]
    assert int(code.q[0, 0]) == 31 * (2**52 + 1) << int(code.frac[0]) - 2
    np.testing.assert_array_equal(design.predict(np.asarray([[0.0]])), [[0.0]])


def test_denormals_and_negative_zero():
    design = gw.compile(quantized([node("Relu", "xq", "y")], {"x": (3,)}))
    x = np.asarray([[-0.0, 5e-324, -1e-300]])
    np.testing.assert_array_equal(design.predict(x), np.zeros((1, 3)))


@pytest.fixture(scope="module")
def small():
    return quantized([node("Relu", "xq", "y")], {"x": (3,)})


@pytest.mark.parametrize("reuse", [None, 2])
def test_no_sample_gives_no_answer(reuse):
    w = np.arange(8).reshape(4, 2) / 4
    design = gw.compile(quantized([node("MatMul", "xq w", "y")], {"x": (4,)}, w=w), reuse=reuse)
    assert design.predict(np.zeros((0, 4))).shape == (0, 2)


def test_calibration_without_samples_is_refused(small):
    with pytest.raises(DataError, match="hold no sample"):
        gw.compile(small, calibration=np.zeros((0, 3)))


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (np.zeros(3, int), "do not match"),
        (np.eye(3)[[0, 1, 2, 0]], r"do not match(.|\n)*argmax"),
        (["a"] * 4, "no class numbers"),
        ([0.5] * 4, "no class numbers"),
        ([0, 1, np.nan, 2], "no class numbers"),
        ([0, -1, 2, 1], "negative"),
        ([0, 1, 2, 3], "names no class of the model"),
    ],
)
def test_labels_that_are_no_classes(small, labels, text):
    with pytest.raises(DataError, match=text):
        gw.compile(small, calibration=np.zeros((4, 3)), labels=labels)


def test_labels_count(small):
    x = np.eye(3)
    design = gw.compile(small, calibration=x, labels=[[0], [1], [0]])
    assert design.facts_of_model["metrics"]["accuracy_firmware"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"labels": [0]}, DataError, "labels were given without calibration data"),
        ({"tolerance": 0.1}, OptionError, "quantized already"),
        ({"granularity": "tensor"}, OptionError, "how to choose formats was said for a model"),
        ({"weight_bits": 6}, OptionError, "how to choose formats was said for a model"),
        ({"input_format": "fixed<8,4>"}, OptionError, "the model quantizes itself"),
        ({"reuse": 1.5}, OptionError, "reuse factor is impossible"),
        ({"reuse": "2"}, OptionError, "reuse factor is impossible"),
        ({"reuse": True}, OptionError, "reuse factor is impossible"),
        ({"reuse": float("nan")}, OptionError, "reuse factor is impossible"),
        ({"device": 5}, OptionError, "device"),
        ({"formats": ["x"], "calibration": np.eye(3)}, OptionError, "by layer pattern"),
    ],
)
def test_options_that_would_do_nothing_are_refused(small, options, error, text):
    with pytest.raises(error, match=text):
        gw.compile(small, **options)


def test_a_reuse_factor_of_numpy():
    w = np.arange(8).reshape(4, 2) / 4
    mlp = quantized([node("MatMul", "xq w", "y")], {"x": (4,)}, w=w)
    assert gw.compile(mlp, reuse=np.int64(2)).interval == 2


def test_numbers_of_threads_samples_and_seeds(small):
    design = gw.compile(small)
    x = np.random.default_rng(0).normal(0, 3, (500, 3))
    np.testing.assert_array_equal(design.predict(x, threads=1), design.predict(x, threads=3))
    for call in (
        lambda: design.predict(x, threads=0),
        lambda: design.verify(random=-1, rtl=False),
        lambda: design.verify(seed=-1, rtl=False),
    ):
        with pytest.raises(OptionError, match="impossible"):
            call()


def test_masked_data_are_refused(small):
    x = np.ma.masked_array(np.zeros((2, 3)), mask=[[0, 0, 1], [0, 0, 0]])
    with pytest.raises(DataError, match="masked"):
        gw.compile(small).predict(x)


def test_wrapping_quantizers_on_numbers_past_float64s_integers():
    """A large float is a multiple of every small power of two, so that it wraps to 0."""
    for bits in (1, 2, 8):
        op = Quantize.to_format(Fixed(True, bits, 0), Rounding.TRN, Overflow.WRAP)
        x = np.asarray([2.0**61, -(2.0**61), 2.0**53 + 2, 1e300, -1e300, 2.0 ** (bits - 1)])
        np.testing.assert_array_equal(
            op.real(x),
            [0, 0, 2 if bits > 2 else -2 if bits == 2 else 0, 0, 0, -(2.0 ** (bits - 1))],
        )
        fine = Quantize.to_format(Fixed(True, bits, 60), Rounding.TRN, Overflow.WRAP)
        np.testing.assert_array_equal(fine.real(np.asarray([1e308])), [0])


def test_many_samples_of_several_inputs_are_kept_together(tmp_path, monkeypatch):
    monkeypatch.setattr("gatewright.flow.calibration.CALIBRATION_NUMBERS", 60)
    two = quantized(
        [node("Relu", "xq", "y"), node("Relu", "vq", "u")], {"x": (3,), "v": (1,)}, ("y", "u")
    )
    design = gw.compile(two, calibration={"x": np.ones((40, 3)), "v": np.ones((40, 1))})
    again = gw.load(design.save(tmp_path / "design"))
    assert {len(codes.q) for codes in again.calibration.values()} == {15}
    again.verify(random=5, rtl=False)
