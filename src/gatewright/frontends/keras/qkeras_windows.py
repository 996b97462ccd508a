"""Convolutions and poolings of QKeras, and layers that fold a batch normalisation.

Facts from QKeras 0.9.0 and qkeras-v3 1.2.1 (semantics only; no code of theirs). Kernels are
quantized as `quantize_weight` says, `alpha=None` silently turned into "auto_po2"; biases keep None.
An average takes sums times the quantized 1 / n where it has an `average_quantizer`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewright.frontends.keras.attributes import Table
from gatewright.frontends.keras.convolution import (
    CONVOLUTION,
    DEPTHWISE,
    INITIAL,
    ONE_GROUP,
    SEPARABLE,
    TRANSPOSED,
    convolve,
    geometry,
    kernel_shape,
    weights_of,
    whole,
    zeros_of,
)
from gatewright.frontends.keras.dense import LORA
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hdf5 import Array
from gatewright.frontends.keras.pooling import GLOBAL, POOL, axes_of
from gatewright.frontends.keras.qkeras_data import quantized_activation
from gatewright.frontends.keras.qkeras_layers import RANGES
from gatewright.frontends.keras.qkeras_weights import Quantized, quantize_weight
from gatewright.frontends.keras.spatial import channels_last, transposed_crop
from gatewright.frontends.recipes.convolution import (
    convolution,
    depthwise,
    transposed_convolution,
)
from gatewright.frontends.recipes.pooling import average_pool
from gatewright.frontends.recipes.windows import Axis
from gatewright.ir import Reals
from gatewright.ops import Affine, Reshape

Products = Callable[[Value, Reals, Reals | None], Value]
"""Appends a layer's products, with a kernel and a bias or none."""


def quantized_kernel(site: Site, attribute: str, kernel: Array) -> Quantized:
    """Return a kernel under its quantizer."""
    return quantize_weight(site, site.attributes[attribute], attribute, kernel, True)


def quantized_bias(site: Site, bias: Array | None) -> Reals | None:
    """Return a bias under its quantizer."""
    if bias is None:
        return None
    entry = site.attributes["bias_quantizer"]
    return quantize_weight(site, entry, "bias_quantizer", bias, False).values


def scaled_products(
    site: Site,
    x: Value,
    kernel: Quantized,
    scale: Reals | None,
    bias: Reals | None,
    build: Products,
) -> Value:
    """Append products with exact codes; a scale for each filter follows, with the bias."""
    if scale is None:
        return build(x, kernel.codes, bias)
    value = build(x, kernel.codes, None)
    offset = np.zeros(len(scale)) if bias is None else bias
    return site.emit(Affine(scale, offset), value, suffix="scale")


def filter_scale(kernel: Quantized) -> Reals | None:
    """Return the scale of each filter of a kernel (..., filters)."""
    if kernel.scale is None:
        return None
    filters = kernel.codes.shape[-1]
    return np.broadcast_to(np.asarray(kernel.scale, np.float64).reshape(-1), (filters,)).copy()


def channel_scale(kernel: Quantized) -> Reals | None:
    """Return the scale of each result of a depthwise kernel (..., channels, multiplier)."""
    if kernel.scale is None:
        return None
    spread = np.broadcast_to(kernel.scale, (*kernel.scale.shape[:-2], *kernel.codes.shape[-2:]))
    return np.asarray(spread, np.float64).reshape(-1)


def _first(arrays: list[Array]) -> Array | None:
    return arrays[0] if arrays else None


def _finish(site: Site, value: Value) -> Value:
    return quantized_activation(site, value, site.attributes["activation"])


def _convolution(rank: int) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        at = geometry(site, rank)
        shape = kernel_shape(site, at)
        zeros_of(site, at, rank == 1)
        raw, *bias = weights_of(site, kernel=shape, bias=shape[-1:])
        kernel, offset = quantized_kernel(site, "kernel_quantizer", raw), _first(bias)
        added = quantized_bias(site, offset)

        def products(x: Value, codes: Reals, b: Reals | None) -> Value:
            return convolve(site, at, x, codes, b)

        value = channels_last(
            site,
            rank,
            lambda x: scaled_products(site, x, kernel, filter_scale(kernel), added, products),
        )
        return _finish(site, value)

    return build


def _depthwise(site: Site) -> Value:
    at = geometry(site, 2)
    shape = (*at.kernel, at.channels, whole(site, "depth_multiplier"))
    padding = zeros_of(site, at)
    raw, *bias = weights_of(site, depthwise_kernel=shape, bias=(shape[-1] * shape[-2],))
    kernel = quantized_kernel(site, "depthwise_quantizer", raw)
    added = quantized_bias(site, _first(bias))

    def products(x: Value, codes: Reals, b: Reals | None) -> Value:
        return depthwise(site, x, codes, b, padding=padding, **at.steps)

    value = channels_last(
        site, 2, lambda x: scaled_products(site, x, kernel, channel_scale(kernel), added, products)
    )
    return _finish(site, value)


def _separable(rank: int) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        at = geometry(site, rank)
        shape = (*at.kernel, at.channels, whole(site, "depth_multiplier"))
        filters = whole(site, "filters")
        point = (*(1,) * rank, shape[-1] * shape[-2], filters)
        padding = zeros_of(site, at)
        raw_deep, raw_wide, *bias = weights_of(
            site, depthwise_kernel=shape, pointwise_kernel=point, bias=(filters,)
        )
        deep = quantized_kernel(site, "depthwise_quantizer", raw_deep)
        wide = quantized_kernel(site, "pointwise_quantizer", raw_wide)
        added = quantized_bias(site, _first(bias))

        def both(x: Value) -> Value:
            between = scaled_products(
                site, x, deep, channel_scale(deep), None,
                lambda v, codes, b: depthwise(site, v, codes, b, padding=padding, **at.steps),
            )  # fmt: skip
            return scaled_products(
                site, between, wide, filter_scale(wide), added,
                lambda v, codes, b: convolution(site, v, codes, b),
            )  # fmt: skip

        return _finish(site, channels_last(site, rank, both))

    return build


def _transposed(site: Site) -> Value:
    """The scale of a kernel (..., filters, channels) belongs to the channels that are added up."""
    at = geometry(site, 2)
    filters = whole(site, "filters")
    crop = transposed_crop(site, at.lengths, at.kernel, at.strides, at.dilation)
    raw, *bias = weights_of(site, kernel=(*at.kernel, filters, at.channels), bias=(filters,))
    kernel, added = quantized_kernel(site, "kernel_quantizer", raw), _first(bias)
    offset = quantized_bias(site, added)
    scale = kernel.scale
    if scale is not None and (scale != scale.flat[0]).any():
        raise site.unsupported(
            "the kernel's scale changes along the channels that are added up",
            "kernel_quantizer", "a scale for each input channel, no powers of two",
            "one scale for the kernel, or powers of two", "use alpha=1 or alpha='auto_po2'",
        )  # fmt: skip
    one = None if scale is None else np.full(filters, float(scale.flat[0]))

    def products(x: Value, codes: Reals, b: Reals | None) -> Value:
        turned = np.swapaxes(codes, -1, -2)
        return transposed_convolution(site, x, turned, b, crop=crop, **at.steps)

    value = channels_last(
        site, 2, lambda x: scaled_products(site, x, kernel, one, offset, products)
    )
    return _finish(site, value)


def _factor(site: Site, area: int) -> float | None:
    """Return the quantized 1 / n, or None without a quantizer."""
    entry = site.attributes["average_quantizer"]
    if entry is None:
        return None
    share = np.asarray([1.0 / area], np.float32)
    found = quantize_weight(site, entry, "average_quantizer", share, False)
    return float(found.values.reshape(-1)[0])


def _scaled_average(site: Site, x: Value, axes: list[Axis]) -> Value:
    """Append the mean, or the sum times the quantized share (of the whole window's elements)."""
    area = int(np.prod([axis.kernel for axis in axes]))
    factor = _factor(site, area)
    if factor is None:
        return average_pool(site, x, axes)
    inside = all((axis.counted(False) == axis.kernel).all() for axis in axes)
    value = average_pool(site, x, axes, divisor=1 if inside else None)
    scale = factor if inside else factor * area
    return site.emit(Affine(np.asarray(scale), np.asarray(0.0)), value, suffix="share")


def _average(site: Site) -> Value:
    axes = axes_of(site, 2)
    value = channels_last(site, 2, lambda x: _scaled_average(site, x, axes))
    return _finish(site, value)


def _global_average(site: Site) -> Value:
    def build(x: Value) -> Value:
        axes = [Axis(n, n) for n in x.shape[:-1]]
        return _scaled_average(site, x, axes)

    value = channels_last(site, 2, build)
    first = site.attributes["data_format"] == "channels_first"
    if not site.attributes["keepdims"]:
        count = value.shape[0] if first else value.shape[-1]
        value = site.emit(Reshape((count,)), value)
    return _finish(site, value)


KERNEL: dict[str, Any] = {"kernel_quantizer": None, "bias_quantizer": None}
DEEP: dict[str, Any] = {"depthwise_quantizer": None, "bias_quantizer": None}
BOTH: dict[str, Any] = {**DEEP, "pointwise_quantizer": None}
AVERAGE: dict[str, Any] = {"average_quantizer": None, "activation": None}
IGNORED = RANGES | INITIAL | {"depthwise_range", "pointwise_range"}
TABLE = Table({**CONVOLUTION, **KERNEL}, RANGES, LORA)
MASK_TABLE = Table({**CONVOLUTION, **KERNEL}, RANGES, {**LORA, "mask": (None,)})
DEEP_TABLE = Table({**DEPTHWISE, **DEEP}, IGNORED, ONE_GROUP)
BOTH_TABLE = Table({**SEPARABLE, **BOTH}, IGNORED, ONE_GROUP)
TRANSPOSED_TABLE = Table({**TRANSPOSED, **KERNEL}, RANGES, ONE_GROUP)
GLOBAL_TABLE = Table({**GLOBAL.used, **AVERAGE})

HANDLERS = (
    Handler("QConv1D", "qkeras", TABLE, _convolution(1)),
    Handler("QConv2D", "qkeras", MASK_TABLE, _convolution(2)),
    Handler("QDepthwiseConv2D", "qkeras", DEEP_TABLE, _depthwise),
    Handler("QSeparableConv1D", "qkeras", BOTH_TABLE, _separable(1)),
    Handler("QSeparableConv2D", "qkeras", BOTH_TABLE, _separable(2)),
    Handler("QConv2DTranspose", "qkeras", TRANSPOSED_TABLE, _transposed),
    Handler("QAveragePooling2D", "qkeras", Table({**POOL.used, **AVERAGE}), _average),
    Handler("QGlobalAveragePooling2D", "qkeras", GLOBAL_TABLE, _global_average),
)  # fmt: skip
