"""Models and data at the edges: dead branches, scalars, constants, numbers beyond float64."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_models import model, node

import gatewright as gw
from gatewright.base import DataError

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
