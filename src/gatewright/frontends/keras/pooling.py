"""Global pooling: a mean over an axis, as a matrix product."""

from __future__ import annotations

import math

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.keras.attributes import Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.ops import Affine, Dense, Reshape, Transpose


def _global_average(site: Site) -> Value:
    """Average (steps, channels) over steps: exact sums, then a factor 1 / steps."""
    shape = site.input.shape
    if len(shape) != 2:
        raise ModelError(
            "a global pooling takes steps and channels", place=site.place, found=f"shape {shape}"
        )
    steps, channels = shape
    turned = site.emit(Transpose((1, 0)), site.input, suffix="transpose")
    share = 1.0 / steps
    exact = math.frexp(share)[0] == 0.5
    value = site.emit(Dense.of(np.full((steps, 1), share if exact else 1.0)), turned, suffix="sum")
    if not exact:
        value = site.emit(Affine(np.asarray(share), np.asarray(0.0)), value, suffix="mean")
    kept = (1, channels) if site.attributes["keepdims"] else (channels,)
    return site.emit(Reshape(kept), value)


HANDLERS = (
    Handler(
        "GlobalAveragePooling1D",
        "keras",
        Table({"keepdims": False}, only={"data_format": ("channels_last", None)}),
        _global_average,
    ),
)
