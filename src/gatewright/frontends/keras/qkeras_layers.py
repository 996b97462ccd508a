"""Layers of QKeras: Dense, activation and batch normalisation with quantizers."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.frontends.keras.activations import number
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.dense import LORA, dense_weights
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.normalization import (
    STATISTICS,
    channel_axis,
    check_variance,
    statistics,
)
from gatewright.frontends.keras.qkeras_data import quantized_activation
from gatewright.frontends.keras.qkeras_weights import quantize_weight
from gatewright.ops import Affine, Dense


def _dense(site: Site) -> Value:
    """Multiply by exact codes; a scale that is no power of two follows as a factor per channel."""
    kernel, bias = dense_weights(site)
    weight = quantize_weight(
        site, site.attributes["kernel_quantizer"], "kernel_quantizer", kernel, True
    )
    offset = None
    if bias is not None:
        entry = site.attributes["bias_quantizer"]
        offset = quantize_weight(site, entry, "bias_quantizer", bias, False).values
    if weight.scale is None:
        value = site.emit(Dense.of(weight.codes, offset), site.input)
    else:
        value = site.emit(Dense.of(weight.codes), site.input)
        zeros = np.zeros(weight.codes.shape[1])
        scale = np.broadcast_to(weight.scale, (1, len(zeros)))[0].astype(np.float64)
        value = site.emit(Affine(scale, zeros if offset is None else offset), value, suffix="scale")
    return quantized_activation(site, value, site.attributes["activation"])


def _activation(site: Site) -> Value:
    return quantized_activation(site, site.input, site.attributes["activation"])


def _batch_normalization(site: Site) -> Value:
    """Normalise with quantized statistics: gamma * (x - mean) / sqrt(variance + epsilon) + beta."""
    axis = channel_axis(site)
    shape = (site.input.shape[axis], *(1,) * (len(site.input.shape) - axis - 1))
    weights = statistics(site, shape[0])
    quantized: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        short = name.removeprefix("moving_")
        attribute = f"{short}_quantizer"
        entry = site.attributes[attribute]
        trained = short in ("gamma", "variance")
        quantized[short] = quantize_weight(site, entry, attribute, array, trained).values
    epsilon = number(site, "epsilon", site.attributes["epsilon"])
    check_variance(site, quantized["variance"], epsilon)
    scale = quantized.get("gamma", np.ones(1)) / np.sqrt(quantized["variance"] + epsilon)
    entry = site.attributes["inverse_quantizer"]
    if entry is not None:
        inverse = scale.astype(np.float32)
        scale = quantize_weight(site, entry, "inverse_quantizer", inverse, False).values
    offset = quantized.get("beta", np.zeros(1)) - quantized["mean"] * scale
    return site.emit(
        Affine(scale.reshape(shape), np.broadcast_to(offset, shape[:1]).reshape(shape)), site.input
    )


QUANTIZED_DENSE: dict[str, Any] = {
    "units": REQUIRED, "activation": None, "use_bias": True,
    "kernel_quantizer": None, "bias_quantizer": None,
}  # fmt: skip
QUANTIZED_BATCH: dict[str, Any] = {
    "axis": -1, "epsilon": 1e-3, "center": True, "scale": True,
    # Files name all quantizers; where one is absent it is none.
    "beta_quantizer": REQUIRED, "gamma_quantizer": REQUIRED, "mean_quantizer": REQUIRED,
    "variance_quantizer": REQUIRED, "inverse_quantizer": None,
}  # fmt: skip
RANGES = frozenset({"kernel_range", "bias_range", "beta_range", "gamma_range"})
"""Ranges of initial values, deprecated in QKeras."""

HANDLERS = (
    Handler("QDense", "qkeras", Table(QUANTIZED_DENSE, RANGES, only=LORA), _dense),
    Handler("QActivation", "qkeras", Table({"activation": REQUIRED}), _activation),
    Handler(
        "QBatchNormalization",
        "qkeras",
        Table(QUANTIZED_BATCH, STATISTICS | RANGES, only={"renorm": (False, None)}),
        _batch_normalization,
    ),
)
