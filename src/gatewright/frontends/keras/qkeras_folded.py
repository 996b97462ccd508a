"""Layers of QKeras that fold a batch normalisation into kernel and bias before they quantize.

Facts from QKeras 0.9.0 and qkeras-v3 1.2.1 (semantics only; no code of theirs): at inference both
folding modes take the moving statistics: inv = gamma / sqrt(variance + epsilon) in float32, the
kernel times inv and inv * (bias - mean) + beta are then quantized.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.frontends.keras.activations import number
from gatewright.frontends.keras.attributes import Table
from gatewright.frontends.keras.convolution import (
    CONVOLUTION,
    DEPTHWISE,
    INITIAL,
    ONE_GROUP,
    convolve,
    geometry,
    kernel_shape,
    whole,
    zeros_of,
)
from gatewright.frontends.keras.dense import LORA
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hdf5 import Array
from gatewright.frontends.keras.normalization import STATISTICS, check_variance
from gatewright.frontends.keras.qkeras_data import quantized_activation
from gatewright.frontends.keras.qkeras_layers import QUANTIZED_DENSE, RANGES
from gatewright.frontends.keras.qkeras_weights import Quantized, quantize_weight
from gatewright.frontends.keras.qkeras_windows import (
    DEEP,
    KERNEL,
    channel_scale,
    filter_scale,
    scaled_products,
)
from gatewright.frontends.keras.spatial import channels_last
from gatewright.frontends.keras.weights import NamedWeights
from gatewright.frontends.recipes.convolution import depthwise
from gatewright.ir import Reals
from gatewright.ops import Dense

PARTS = ("gamma", "beta", "moving_mean", "moving_variance")
STEPS = 4 * 2.0**-24
"""By how much float32 roots and quotients of two libraries may differ, relatively."""


def _variables(site: Site, kernel: str, steps: int) -> dict[str, Array]:
    """Return kernel, bias (0 without one) and statistics by name, as float32.

    `.keras` files hold the normalisation as a part of its own, `.h5` files all in one group;
    `steps` counts of training steps stand between, which do not matter.
    """
    own = (kernel, "bias") if site.attributes["use_bias"] else (kernel,)
    for name in ("center", "scale"):
        if not site.attributes[name]:
            raise site.unsupported(
                "a folded normalisation lacks a factor or an offset, which QKeras cannot run",
                name, False, "True", f"train with {name}=True",
            )  # fmt: skip
    if isinstance(site.builder.weights, NamedWeights):
        names = (*own, *PARTS, "iteration")
        arrays = site.arrays(*names)
    else:
        counts = tuple(f"count {n}" for n in range(steps - 1))
        arrays = site.arrays(*own, *counts, "iteration")[: len(own)]
        arrays += site.arrays(*PARTS, part="batchnorm")
        names = (*own, *PARTS)
    found = dict(zip(names, arrays, strict=True))
    found.pop("iteration", None)
    result = {name: array.astype(np.float32) for name, array in found.items()}
    return {"bias": np.zeros(1, np.float32), **result}


def _folded(
    site: Site, own: dict[str, Array], name: str, shape: tuple[int, ...], count: int
) -> tuple[Quantized, Reals]:
    """Return the quantized kernel, its last axes scaled as `shape` says, and the quantized bias."""
    for part in PARTS:
        site.expect(part, own[part], (count,))
    if site.attributes["use_bias"]:
        site.expect("bias", own["bias"], (count,))
    axis = site.attributes["axis"]
    if axis not in (-1, [-1], len(site.input.shape)):
        raise site.unsupported(
            "a folded normalisation runs over another axis than the channels", "axis", axis, "-1",
            "normalise over the last axis",
        )  # fmt: skip
    epsilon = np.float32(number(site, "epsilon", site.attributes["epsilon"]))
    check_variance(site, own["moving_variance"], float(epsilon))
    one = np.float32(1)
    inverse = (one / np.sqrt(own["moving_variance"] + epsilon) * own["gamma"]).astype(np.float32)
    kernel = (inverse.reshape(shape) * own[name]).astype(np.float32)
    difference = own["bias"] - own["moving_mean"]
    bias = (inverse * difference + own["beta"]).astype(np.float32)
    size = np.abs(inverse * difference) + np.abs(own["beta"])
    attribute = f"{name.removesuffix('_kernel')}_quantizer"
    return (
        _steady(site, attribute, kernel, np.abs(kernel), True),
        _steady(site, "bias_quantizer", bias, size, False).values,
    )


def _steady(site: Site, attribute: str, x: Array, size: Array, trained: bool) -> Quantized:
    """Return quantized constants, which must not depend on the last bits of a float32.

    Raises:
        UnsupportedError: one lies so close to a tie that they do.
    """
    entry = site.attributes[attribute]
    found = quantize_weight(site, entry, attribute, x, trained)
    if entry is None:
        return found
    for sign in (-1, 1):
        moved = (x.astype(np.float64) + sign * STEPS * size).astype(np.float32)
        other = quantize_weight(site, entry, attribute, moved, trained)
        if not np.array_equal(found.codes, other.codes):
            raise site.unsupported(
                "a folded constant lies so close to a tie that it depends on the backend",
                attribute,
                f"{int((found.codes != other.codes).sum())} constants next to a tie",
                "constants clear of ties",
                "train one more step, or keep the normalisation a layer of its own",
            )
    return found


def _convolution(site: Site) -> Value:
    at = geometry(site, 2)
    shape = kernel_shape(site, at)
    zeros_of(site, at)
    own = _variables(site, "kernel", 1)
    site.expect("kernel", own["kernel"], shape)
    kernel, bias = _folded(site, own, "kernel", (-1,), shape[-1])

    def products(x: Value, codes: Reals, b: Reals | None) -> Value:
        return convolve(site, at, x, codes, b)

    value = channels_last(
        site, 2, lambda x: scaled_products(site, x, kernel, filter_scale(kernel), bias, products)
    )
    return quantized_activation(site, value, site.attributes["activation"])


def _depthwise(site: Site) -> Value:
    at = geometry(site, 2)
    shape = (*at.kernel, at.channels, whole(site, "depth_multiplier"))
    padding = zeros_of(site, at)
    own = _variables(site, "depthwise_kernel", 2)
    site.expect("depthwise_kernel", own["depthwise_kernel"], shape)
    kernel, bias = _folded(site, own, "depthwise_kernel", shape[2:], shape[2] * shape[3])

    def products(x: Value, codes: Reals, b: Reals | None) -> Value:
        return depthwise(site, x, codes, b, padding=padding, **at.steps)

    value = channels_last(
        site, 2, lambda x: scaled_products(site, x, kernel, channel_scale(kernel), bias, products)
    )
    return quantized_activation(site, value, site.attributes["activation"])


def _dense(site: Site) -> Value:
    units = whole(site, "units")
    own = _variables(site, "kernel", 1)
    site.expect("kernel", own["kernel"], (site.input.shape[-1], units))
    kernel, bias = _folded(site, own, "kernel", (-1,), units)
    value = scaled_products(
        site, site.input, kernel, filter_scale(kernel), bias,
        lambda x, codes, b: site.emit(Dense.of(codes, b), x),
    )  # fmt: skip
    return quantized_activation(site, value, site.attributes["activation"])


FOLDED: dict[str, Any] = {"axis": -1, "epsilon": 1e-3, "center": True, "scale": True}
TRAINING = STATISTICS | RANGES | INITIAL | {"ema_freeze_delay", "depthwise_range"}
MODES: dict[str, tuple[Any, ...]] = {
    "folding_mode": ("ema_stats_folding", "batch_stats_folding"),
    "renorm": (False, None),
    "mask": (None,),
}

HANDLERS = (
    Handler(
        "QConv2DBatchnorm", "qkeras",
        Table({**CONVOLUTION, **KERNEL, **FOLDED}, TRAINING, {**LORA, **MODES}), _convolution,
    ),
    Handler(
        "QDepthwiseConv2DBatchnorm", "qkeras",
        Table({**DEPTHWISE, **DEEP, **FOLDED}, TRAINING, {**ONE_GROUP, **MODES}), _depthwise,
    ),
    Handler(
        "QDenseBatchnorm", "qkeras",
        Table({**QUANTIZED_DENSE, **FOLDED}, TRAINING, {**LORA, **MODES}), _dense,
    ),
)  # fmt: skip
