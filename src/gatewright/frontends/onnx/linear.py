"""Gemm and MatMul with a constant matrix, float or quantized."""

from __future__ import annotations

import numpy as np

from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Array, Const, Operand, Value
from gatewright.frontends.recipes.einsum import Equation, contract, parse_equation, without_batch
from gatewright.frontends.recipes.einsum import einsum as sum_of_products
from gatewright.ir import Reals
from gatewright.num import dyadic
from gatewright.ops import Affine, Dense, Matmul, Transpose


def gemm(call: Call) -> Operand:
    """Return `alpha * A @ B + beta * C`."""
    alpha, beta = call.attributes.number("alpha", 1.0), call.attributes.number("beta", 1.0)
    call.attributes.must_be("transA", 0, "the transpose of a batch")
    transposed = call.attributes.flag("transB", False)
    x, matrix = call.value(0, "A"), call.const(1, "B")
    if x.rank != 2 or len(matrix.shape) != 2:
        raise call.unsupported(
            "Gemm joins tensors that are no matrices", found=f"{x.shape} and {matrix.shape}"
        )
    if transposed:
        matrix = moved(matrix, np.transpose)
    bias = call.optional_const(2, "C")
    offset = None if bias is None else beta * call.sample(bias.reals(), 2)
    return _dense(call, x, matrix, alpha, offset)


def matmul(call: Call) -> Operand:
    """Return `x @ W`, or `W @ x` by way of transposes."""
    left = call.operand(0, "A")
    if isinstance(left, Const):
        x, matrix = call.value(1, "B"), moved(_matrix(call, left), np.transpose)
        if x.rank < 3:
            raise call.unsupported(
                "a constant matrix multiplies the batch", found=f"{left.shape} @ (batch, {x.shape})"
            )
        swap = (*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2)
        product = _dense(call, call.emit(Transpose(swap), x), matrix, 1.0, None)
        return call.emit(Transpose(swap), product)
    right = call.operand(1, "B")
    if isinstance(right, Value):
        return _product(call, call.value(0, "A"), right)
    x, matrix = call.value(0, "A"), _matrix(call, call.const(1, "B"))
    if x.rank < 2:
        raise call.unsupported("MatMul needs a sample with an axis", found=x.shape)
    return _dense(call, x, matrix, 1.0, None)


def _product(call: Call, left: Value, right: Value) -> Value:
    """Return the product of two activations; leading axes broadcast, the batch with the batch.

    Of tensors of fewer axes ONNX aligns the last ones, so the batch would meet another axis.
    """
    if left.rank != right.rank or left.rank < 3:
        raise call.unsupported(
            "a matrix product of two computed tensors joins the batch with another axis",
            found=f"(batch, {left.shape}) @ (batch, {right.shape})",
            supported="tensors of equal rank, 3 or more",
        )
    return call.emit(Matmul(), left, right)


def einsum(call: Call) -> Operand:
    """Return a sum of products; a constant may stand at any place of one equation of two."""
    text = call.attributes.text("equation", "")
    operands: list[Const | Value] = []
    for i in range(len(call.operands)):
        own = call.operand(i, f"input {i}")
        operands.append(own if isinstance(own, Const) else call.value(i, f"input {i}"))
    known = [isinstance(o, Const) for o in operands]
    ranks = [len(o.shape) if isinstance(o, Const) else o.rank for o in operands]
    form = parse_equation(text, ranks)
    form = None if form is None else without_batch(form, [not k for k in known])
    if form is None or sum(known) > 1 or (any(known) and len(known) != 2):
        raise call.unsupported(
            "an einsum equation is not handled", found=f"{text!r} of ranks {ranks}",
            supported="the batch as first axis of every computed input and of the result, and in "
            "no other place; at most one constant, beside one computed input",
        )  # fmt: skip
    values = [o for o in operands if not isinstance(o, Const)]
    for constant, axes in zip(operands, form.operands, strict=True):
        if isinstance(constant, Const):
            (other,) = (a for a, k in zip(form.operands, known, strict=True) if not k)
            return contract(call, Equation((other, axes), form.result), values[0], constant.reals())
    return sum_of_products(call, form, *values)


def _matrix(call: Call, const: Const) -> Const:
    """Return a matrix; leading axes of length 1 are dropped."""
    shape = const.shape
    if len(shape) < 2 or any(n != 1 for n in shape[:-2]):
        raise call.unsupported(
            "MatMul has a constant that is no matrix", found=f"shape {shape}", supported="(n, m)"
        )
    return moved(const, lambda a: a.reshape(shape[-2:]))


def moved(const: Const, move: object) -> Const:
    """Return a constant whose elements are moved, codes and scales alike."""
    assert callable(move)
    scale = None if const.scale is None else move(const.scale)
    return Const(move(const.array), scale, const.kind)


def _dense(call: Call, x: Value, matrix: Const, alpha: float, bias: Reals | None) -> Value:
    """Emit `Dense`, and behind it the scale of quantized weights where it is no power of two."""
    n_in, n_out = matrix.shape
    if not x.shape or x.shape[-1] != n_in:
        raise call.unsupported(
            "a matrix does not fit its input",
            found=f"input (batch, {', '.join(map(str, x.shape))}), matrix {matrix.shape}",
        )
    offset = np.zeros(n_out) if bias is None else _bias(call, bias, n_out)
    if matrix.scale is None:
        return call.emit(Dense.of(matrix.reals() * alpha, offset), x)
    codes, scale = np.asarray(matrix.array, np.float64), _output_scale(call, matrix, alpha)
    if is_power_of_two(scale):
        return call.emit(Dense.of(codes * scale, offset), x)
    product = call.emit(Dense.of(codes), x)
    return call.emit(Affine(scale, offset), product)


def _bias(call: Call, bias: Reals, n_out: int) -> Reals:
    if bias.ndim > 1 or bias.size not in (1, n_out):
        raise call.unsupported(
            "a bias does not fit its matrix", found=bias.shape, supported=f"({n_out},) or a number"
        )
    return np.broadcast_to(bias.reshape(-1), (n_out,)).astype(np.float64)


def _output_scale(call: Call, matrix: Const, alpha: float) -> Reals:
    """Return the scale of each output, or one for all; along the inputs it must not change."""
    assert matrix.scale is not None
    scale = matrix.scale * alpha
    if (scale != scale[:1]).any():
        raise call.unsupported(
            "the scale of quantized weights changes along the inputs of a product",
            found=f"scales {np.unique(scale)[:4]} in one sum",
            supported="one scale for the tensor, or one for each output",
            remedy="quantize the weights per output channel",
        )
    row = scale[0]
    return np.asarray(row[0]) if (row == row[0]).all() else row


def is_power_of_two(scale: Array) -> bool:
    """Say whether every scale is a power of two."""
    return bool((np.abs(dyadic(scale)[0]) == 1).all())
