"""Operators of ONNX that compute on integers: QLinearConv, QLinearMatMul, QGemm, ConvInteger, ...

The specification leaves open in which precision a result is scaled. Here it is onnxruntime's rule:
`clip(round(float32(sum) * m) + zp)` with `m = float32(float32(x_scale * w_scale) / y_scale)`, ties
to even. Sources: ONNX operators; onnxruntime's `qlinearconv.cc`, `quantize_linear_matmul.cc` and
`quant_gemm.cc`, against which they are held.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from gatewright.frontends.onnx import linear, windows
from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Codes, Const, Operand, Value
from gatewright.frontends.onnx.tensors import INTEGERS
from gatewright.frontends.recipes.quantizers import uniform
from gatewright.ir import Reals
from gatewright.num import Rounding
from gatewright.ops import Affine

F = np.float32


def dynamic(call: Call) -> Operand:
    """Refuse scales that are chosen from the data of each call."""
    raise call.unsupported(
        f"{call.node.op_type} chooses a scale anew from the data of each call",
        supported="static scales: QuantizeLinear",
        remedy="quantize statically, with calibration data (onnxruntime: quantize_static)",
    )


def _single(call: Call, i: int, what: str) -> np.float32:
    number = call.scalar(i, what)
    if not number > 0 or F(number) != number:
        raise call.unsupported(f"{what} is no positive float32 number", found=number)
    return F(number)


def _zero(call: Call, i: int) -> float:
    return 0.0 if call.optional(i) is None else call.scalar(i, "zero point")


def _integers(call: Call, i: int, scale: np.float32 | None, zero_point: float) -> Value:
    """Return an operand's integers less their zero point.

    Raises:
        UnsupportedError: they come from no quantizer, or from one of another scale or zero point.
    """
    codes = call.operand(i, "integers")
    if not isinstance(codes, Codes):
        raise call.unsupported(
            f"{call.node.op_type} reads integers that no QuantizeLinear gave",
            supported="QuantizeLinear, or another operator on integers, in front",
            remedy="let the model take real numbers, and quantize them by its first node",
        )
    own = codes.step if codes.step is not None else codes.scale
    same = scale is None or np.array_equal(own, np.float64(scale))
    if not same or not np.array_equal(codes.zero_point, zero_point):
        raise call.unsupported(
            "integers are read with another scale or zero point than they were made with",
            found=f"scales {own} and {scale}, zero points {codes.zero_point} and {zero_point:g}",
            supported="equal ones",
        )
    return uniform(
        call, codes.value, codes.scale, codes.zero_point, codes.low, codes.high,
        Rounding.RND_CONV, shift_after=True, unit=True,
    )  # fmt: skip


def _weights(call: Call, i: int, zero_at: int, axis: int) -> Const:
    """Return constant integers less their zero point, which may differ along the outputs."""
    const = call.const(i, "weights")
    zero = call.optional_const(zero_at, "zero point")
    if const.scale is not None or const.array.dtype != np.int64:
        raise call.unsupported("the weights of an operator on integers are no integers")
    array = const.array.astype(np.float64)
    if zero is None:
        return Const(array)
    offset = zero.reals()
    if offset.size > 1:
        offset = offset.reshape([-1 if a == axis % array.ndim else 1 for a in range(array.ndim)])
    return Const(np.asarray(array - offset, np.float64))


def _scaled(
    call: Call, total: Value, factors: ArrayLike, scale_at: int, zero_at: int, channel: int
) -> Codes:
    """Return sums as codes of another scale.

    Args:
        call: the node.
        total: integers.
        factors: float32 products of the operands' scales, one for each output or one.
        scale_at: the operand that is the result's scale; the next is its zero point.
        zero_at: of that zero point.
        channel: how many axes of the sample stand behind the outputs' one.
    """
    scale = _single(call, scale_at, "the result's scale")
    zero = call.const(zero_at, "the result's zero point")
    low, high = INTEGERS[zero.kind]
    factor = np.asarray(np.asarray(factors, F) / scale, np.float64)
    if factor.size > 1:
        factor = factor.reshape(-1, *(1,) * channel)
    value = call.emit(
        Affine(factor.reshape(()) if factor.size == 1 else factor, np.asarray(0.0)),
        total, suffix="rescaled",
    )  # fmt: skip
    one = np.asarray(1.0)
    offset = np.asarray(call.scalar(zero_at, "the result's zero point"))
    return Codes(value, one, offset, low, high, step=np.asarray(np.float64(scale)))


def _scales(call: Call, i: int) -> Reals:
    numbers = call.const(i, "a scale").reals().reshape(-1)
    if not (numbers > 0).all() or (numbers.astype(F) != numbers).any():
        raise call.unsupported("a scale is no positive float32 number", found=numbers[:4])
    return np.asarray(numbers, np.float64)


def qlinear_matmul(call: Call) -> Operand:
    """Read `QLinearMatMul` with a constant second matrix."""
    scale = _single(call, 1, "the input's scale")
    x = _integers(call, 0, scale, call.scalar(2, "zero point"))
    weights = _weights(call, 3, 5, -1)
    total = linear.matmul(replace(call, operands=[x, weights]))
    assert isinstance(total, Value)
    return _scaled(call, total, scale * _scales(call, 4).astype(F), 6, 7, 0)


def qlinear_conv(call: Call) -> Operand:
    """Read `QLinearConv` with constant weights."""
    scale = _single(call, 1, "the input's scale")
    x = _integers(call, 0, scale, call.scalar(2, "zero point"))
    weights = _weights(call, 3, 5, 0)
    bias = call.optional_const(8, "bias")
    offset = None if bias is None else Const(bias.reals())
    total = windows.conv(replace(call, operands=[x, weights, offset]))
    assert isinstance(total, Value)
    return _scaled(call, total, scale * _scales(call, 4).astype(F), 6, 7, len(total.shape) - 1)


def qgemm(call: Call) -> Operand:
    """Read onnxruntime's `QGemm`: `alpha * A @ B` with a bias that has the product's scale."""
    scale = _single(call, 1, "the input's scale")
    alpha = F(call.attributes.number("alpha", 1.0))
    transposed = call.attributes.flag("transB", False)
    call.attributes.must_be("transA", 0, "the transpose of a batch")
    x = _integers(call, 0, scale, call.scalar(2, "zero point"))
    weights = _weights(call, 3, 5, 0 if transposed else 1)
    if transposed:
        weights = linear.moved(weights, np.transpose)
    total = linear.matmul(replace(call, operands=[x, weights]))
    assert isinstance(total, Value)
    bias = call.optional_const(6, "bias")
    if bias is not None:
        own = call.sample(bias.reals(), 2)
        total = call.emit(Affine(np.asarray(1.0), own), total, suffix="bias")
    factors = alpha * scale * _scales(call, 4).astype(F)
    if call.optional(7) is None:
        return call.emit(Affine(np.asarray(factors, np.float64), np.asarray(0.0)), total)
    return _scaled(call, total, factors, 7, 8, 0)


def matmul_integer(call: Call) -> Operand:
    """Read `MatMulInteger` with a constant second matrix: integers."""
    x = _integers(call, 0, None, _zero(call, 2))
    weights = _weights(call, 1, 3, -1)
    total = linear.matmul(replace(call, operands=[x, weights]))
    assert isinstance(total, Value)
    return replace(total, integer=True)


def conv_integer(call: Call) -> Operand:
    """Read `ConvInteger` with constant weights: integers."""
    x = _integers(call, 0, None, _zero(call, 2))
    weights = _weights(call, 1, 3, 0)
    total = windows.conv(replace(call, operands=[x, weights]))
    assert isinstance(total, Value)
    return replace(total, integer=True)
