"""Convolutions of one, two and three axes, and transposed ones; channels are first in PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from gatewright.frontends.recipes.convolution import convolution, transposed_convolution
from gatewright.frontends.recipes.windows import Pairs
from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.linear import is_power_of_two, output_scale
from gatewright.frontends.torch.operand import Operand, Value
from gatewright.ir import Reals
from gatewright.ops import Affine


def conv(call: Call) -> Operand:
    """Return a convolution (PyTorch's is a correlation)."""
    x, spatial = _images(call)
    strides, dilation = (_each(call, n, spatial) for n in ("stride", "dilation"))
    groups = call.integer("groups")
    if call.has("transposed") and call.flag("transposed"):
        return _transposed(call, x, strides, dilation, groups)
    call.ignore("output_padding")
    kernel, scale = _kernel(call, spatial, groups)
    padding = _padding(call, kernel.shape[:spatial], strides, dilation)
    bias = call.optional_reals("bias")
    own = convolution(
        call, call.channels_last(x), kernel, bias if scale is None else None, strides=strides,
        dilation=dilation, padding=padding, groups=groups,
    )  # fmt: skip
    return call.channels_first(_scaled(call, own, scale, bias))


def _images(call: Call) -> tuple[Value, int]:
    """Return the input as (channels, *spatial), and the number of its spatial axes."""
    x, spatial = call.plain("input"), len(call.const("weight").shape) - 2
    if len(x.shape) != spatial + 1 or spatial < 1:
        raise call.unsupported(
            f"{call.operator} has an input of another rank",
            found=str(x),
            supported=f"(batch, channels) and {spatial} lengths",
            remedy="give the input an axis of channels",
        )
    return x, spatial


def conv_transpose(call: Call) -> Operand:
    """Return a transposed convolution."""
    x, spatial = _images(call)
    strides, dilation = (_each(call, n, spatial) for n in ("stride", "dilation"))
    return _transposed(call, x, strides, dilation, call.integer("groups"))


def _transposed(
    call: Call, x: Value, strides: tuple[int, ...], dilation: tuple[int, ...], groups: int
) -> Value:
    spatial = len(strides)
    padding, extra = (_each(call, n, spatial) for n in ("padding", "output_padding"))
    weight = call.const("weight")
    if weight.scale is not None:
        raise call.unsupported("a transposed convolution has quantized weights")
    # (channels, filters / groups, *kernel) to (*kernel, channels / groups, filters)
    numbers = call.finite(weight.reals(), "the weights")
    channels, filters, *sizes = numbers.shape
    parts = numbers.reshape(groups, channels // groups, filters, *sizes)
    parts = parts.transpose(*range(3, 3 + spatial), 1, 0, 2)
    kernel = parts.reshape(*sizes, channels // groups, groups * filters)
    crop = tuple((p, p - e) for p, e in zip(padding, extra, strict=True))
    own = transposed_convolution(
        call, call.channels_last(x), kernel, call.optional_reals("bias"), strides=strides,
        dilation=dilation, crop=crop, groups=groups,
    )  # fmt: skip
    return call.channels_first(own)


def _each(call: Call, name: str, spatial: int) -> tuple[int, ...]:
    """Return a number for each spatial axis."""
    numbers = call.integers(name)
    return numbers * spatial if len(numbers) == 1 else numbers


def _kernel(call: Call, spatial: int, groups: int) -> tuple[Reals, Reals | None]:
    """Return the kernel as (*spatial, channels / groups, filters), and the scale of its codes."""
    weight = call.const("weight")
    order = (*range(2, 2 + spatial), 1, 0)
    if weight.scale is None:
        return call.finite(weight.reals(), "the weights").transpose(order), None
    filters = weight.shape[0]
    codes = weight.tensor.to(torch.float64).cpu().numpy()
    scale = output_scale(call, weight.scale.cpu().numpy().reshape(filters, -1).T)
    if is_power_of_two(scale):
        row = np.broadcast_to(scale, (filters,)).reshape(-1, *(1,) * (spatial + 1))
        return (codes * row).transpose(order), None
    return codes.transpose(order), scale


def _scaled(call: Call, x: Value, scale: Reals | None, bias: Reals | None) -> Value:
    if scale is None:
        return x
    return call.emit(Affine(scale, np.asarray(0.0) if bias is None else bias), x)


def _padding(
    call: Call, kernel: tuple[int, ...], strides: tuple[int, ...], dilation: tuple[int, ...]
) -> Pairs:
    """Return the zeros before and after along each axis; `same` puts an odd one behind."""
    found = call.operand("padding")
    if found == "valid":
        return ((0, 0),) * len(kernel)
    if found == "same":
        if any(s != 1 for s in strides):
            raise call.unsupported("a convolution with padding 'same' has strides", found=strides)
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((t // 2, t - t // 2) for t in totals)
    return tuple((p, p) for p in _each(call, "padding", len(kernel)))


HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "conv1d": conv,
    "conv2d": conv,
    "conv3d": conv,
    "conv_transpose1d": conv_transpose,
    "conv_transpose2d": conv_transpose,
    "conv_transpose3d": conv_transpose,
    "convolution": conv,
}
