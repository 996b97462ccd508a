"""Products with constant matrices, float or quantized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.elementwise import scaled
from gatewright.frontends.torch.operand import Const, Operand, Value
from gatewright.ir import Reals
from gatewright.num import dyadic
from gatewright.ops import Affine, Dense


def linear(call: Call) -> Operand:
    """Return `input @ weight.T + bias` along the last axis."""
    x, weight = call.value("input"), call.const("weight")
    row = len(weight.shape) == 1
    if row:
        weight = moved(weight, lambda t: t.reshape(1, -1))
    last = call.sample_axis(-1, x)
    bias = call.optional_reals("bias")
    product = dense(call, x, last, moved(weight, lambda t: t.t()), bias)
    return _without(call, product, -1) if row else product


def addmm(call: Call) -> Operand:
    """Return `beta * self + alpha * mat1 @ mat2` for a constant `mat2`."""
    beta, alpha = call.number("beta"), call.number("alpha")
    x = call.value("mat1")
    bias = beta * call.reals("self")
    matrix = call.const("mat2")
    axis = call.sample_axis(-1, x)
    if bias.ndim == 2 and bias.shape[0] == 1:
        bias = bias[0]
    if bias.ndim > 1:
        raise call.unsupported("a bias of addmm is a matrix", found=bias.shape)
    return dense(call, x, axis, matrix, np.broadcast_to(bias, matrix.shape[1:]), alpha)


def matmul(call: Call) -> Operand:
    """Return the product of a tensor and a constant matrix or vector, on either side."""
    names = [n for n in ("self", "other", "mat2", "vec", "tensor") if call.has(n)][:2]
    left, right = (call.operand(n) for n in names)
    if isinstance(left, Value) and isinstance(right, Value):
        raise call.unsupported(
            "a product of two computed tensors is not handled",
            found=f"{left} and {right}",
            supported="a constant matrix on one side",
        )
    if isinstance(left, Value):
        matrix = _matrix(call, call.const(names[1]))
        product = dense(call, left, call.sample_axis(-1, left), matrix, None)
        return _without(call, product, -1) if len(right.shape) == 1 else product
    x = call.value(names[1])
    matrix = _matrix(call, call.const(names[0]))
    if len(left.shape) == 1:
        axis = -1 if x.rank == 1 else -2
        product = dense(call, x, call.sample_axis(axis, x), matrix, None)
        return _without(call, product, axis)
    matrix = moved(matrix, lambda t: t.t())
    if x.rank == 1:
        return dense(call, x, call.sample_axis(-1, x), matrix, None)
    return dense(call, x, call.sample_axis(-2, x), matrix, None)


def _without(call: Call, x: Value, axis: int) -> Value:
    """Drop an axis of length 1."""
    at = call.sample_axis(axis, x)
    full = call.axis(axis, x.rank)
    shape = (*x.shape[:at], *x.shape[at + 1 :])
    result = call.reshape(x, shape)
    batch = x.batch if x.batch is None or x.batch < full else x.batch - 1
    return replace(result, batch=batch)


def _matrix(call: Call, const: Const) -> Const:
    """Return a matrix; a vector becomes a column, leading axes along which it repeats go."""
    shape = const.shape
    if len(shape) == 1:
        return moved(const, lambda t: t.reshape(-1, 1))
    same = moved(const, lambda t: t.reshape(-1, *shape[-2:]))
    numbers = same.reals()
    if (numbers != numbers[:1]).any():
        raise call.unsupported(
            "a constant of a product is no matrix",
            found=f"shape {shape}",
            supported="(n, m), the same matrix everywhere",
        )
    return moved(same, lambda t: t[0])


def moved(const: Const, move: Callable[[torch.Tensor], torch.Tensor]) -> Const:
    """Return a constant whose elements are moved, codes and scales alike."""
    return Const(move(const.tensor), None if const.scale is None else move(const.scale))


def dense(
    call: Call, x: Value, axis: int, matrix: Const, bias: Reals | None, alpha: float = 1.0
) -> Value:
    """Multiply along an axis of the sample by a constant matrix, and add a bias.

    Quantized weights are multiplied as integers; their scale comes behind the product where it is
    no power of two.
    """
    if x.shape[axis] != matrix.shape[0]:
        raise call.unsupported(
            "a matrix does not fit its input", found=f"input {x}, matrix {matrix.shape}"
        )
    last = len(x.shape) - 1
    swap = list(range(len(x.shape)))
    swap[axis], swap[last] = last, axis
    turned = call.transpose(x, tuple(swap), "turned")
    return call.transpose(_product(call, turned, matrix, bias, alpha), tuple(swap), "turned_back")


def _product(call: Call, x: Value, matrix: Const, bias: Reals | None, alpha: float) -> Value:
    n_out = matrix.shape[1]
    offset = np.zeros(n_out) if bias is None else np.broadcast_to(bias, (n_out,)).astype(np.float64)
    if matrix.scale is None:
        weight = call.finite(matrix.reals(), "the weights")
        return call.emit(Dense.of(weight * alpha, offset), x)
    codes = matrix.tensor.to(torch.float64).cpu().numpy()
    scale = output_scale(call, matrix.scale.cpu().numpy() * alpha)
    if is_power_of_two(scale):
        return call.emit(Dense.of(codes * scale, offset), x)
    product = call.emit(Dense.of(codes), x, suffix="product")
    return call.emit(Affine(scale, offset), product)


def output_scale(call: Call, scale: Reals) -> Reals:
    """Return the scale of each output, or one for all; along the inputs it must not change."""
    if (scale != scale[:1]).any():
        raise call.unsupported(
            "the scale of quantized weights changes along the inputs of a product",
            found=f"scales {np.unique(scale)[:4]} in one sum",
            supported="one scale for the tensor, or one for each output",
            remedy="quantize the weights per output channel",
        )
    row = scale[0]
    return np.asarray(row[0]) if (row == row[0]).all() else np.asarray(row)


def is_power_of_two(scale: Reals) -> bool:
    """Say whether every scale is a power of two."""
    return bool((np.abs(dyadic(scale)[0]) == 1).all())


__all__ = ["HANDLERS", "dense", "scaled"]

HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "addmm": addmm,
    "linear": linear,
    "matmul": matmul,
    "mm": matmul,
    "mv": matmul,
}
