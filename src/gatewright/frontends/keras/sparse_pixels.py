"""Layers of the package `sparsepixels` (arXiv:2512.06208), on the first active pixels.

Facts from sparsepixels 0.3.2 (semantics only; no code of theirs): layers pass an image and a mask.
The deployed budget is n * n_frac, rounded half to even; a convolution is HGQ2's, with a bias of its
own where the sum is not 0; poolings take the mask's largest element. A model whose budget or
threshold is learned computes its mask as s + (1 - s) in float32, which may be off by a last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.keras.activations import activate
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hgq_config import quantizer_of
from gatewright.frontends.keras.hgq_layers import EFFORT
from gatewright.frontends.keras.hgq_quantizer import as_quantize, quantize_weights
from gatewright.frontends.keras.hgq_windows import TABLE as CONVOLUTION
from gatewright.frontends.keras.pooling import POOL
from gatewright.frontends.recipes.sparse_pixels import (
    SparseImage,
    clear_missing,
    convolve_pixels,
    densify,
    keep_first,
    pool_pixels,
)
from gatewright.num import Ints
from gatewright.ops import Quantize


@dataclass(frozen=True)
class SparseValue(Value):
    """An image or its mask, with its pixels; layers of other kinds see it whole.

    Attributes:
        image: the pixels.
    """

    image: SparseImage[Value]


def _pair(site: Site, image: SparseImage[Value]) -> list[Value]:
    """Return an image and its mask, for any layer that may follow."""
    dense = densify(site, image)
    return [SparseValue(v.name, v.shape, image) for v in (dense, dense)]


def _pixels(site: Site) -> SparseImage[Value]:
    """Return the pixels of a layer's image, which its mask must belong to."""
    images = [value.image for value in site.inputs if isinstance(value, SparseValue)]
    if len(site.inputs) != 2 or len(images) != 2 or images[0].coordinates != images[1].coordinates:
        raise site.unsupported(
            "a sparse layer has no sparse image",
            "",
            f"{len(site.inputs)} inputs, {len(images)} of them sparse",
            "[image, mask] of an InputReduce, or of a sparse layer behind it",
            "call sparse layers one after another, without other layers between them",
        )
    return images[0]


def _reduce(site: Site) -> list[Value]:
    """Keep the first active pixels."""
    a = site.attributes
    names = [name for name, there in (
        ("threshold", a["learn_threshold"]),
        ("n_frac", a["learn_n"]),
        ("masked_intensity", a["beta_maskedE"] > 0),
    ) if there]  # fmt: skip
    own = dict(zip(names, site.floats(*names), strict=True)) if names else {}
    threshold = float(own["threshold"]) if "threshold" in own else float(a["threshold"])
    count = np.float32(a["n"]) * (own["n_frac"].reshape(()) if "n_frac" in own else np.float32(1))
    if not count >= 0.5:
        raise ModelError("no pixels are kept", place=site.at("n"), found=float(count))
    return _pair(site, keep_first(site, site.input, int(np.round(count)), threshold))


def _shared(site: Site, entry: Any, attribute: str, part: str, shape: tuple[int, ...]) -> Any:
    """Return a quantizer of data as an operation on pixels, or None for one that does nothing.

    Raises:
        UnsupportedError: pixels have formats of their own.
    """
    quantizer = quantizer_of(site, entry, attribute, part, (1, *shape))
    if quantizer is None:
        return None
    whole = as_quantize(quantizer)

    def row(widths: Ints) -> Ints:
        spread = np.broadcast_to(widths, shape).reshape(-1, shape[-1])
        if (spread != spread[:1]).any() or quantizer.affine is not None:
            raise site.unsupported(
                "pixels of a sparse image have formats of their own, or an affine",
                attribute,
                f"widths of shape {np.shape(widths)}",
                "one format for all pixels of a channel",
                "train with `homogeneous_axis=(0, 1, 2)` in this quantizer's configuration",
            )
        return np.asarray(spread[:1])

    signed, width, frac = (row(np.asarray(v)) for v in (whole.signed, whole.width, whole.frac))
    return Quantize.to(signed, width, frac, whole.rounding, whole.overflow)


def _convolution(site: Site) -> Value:
    """Quantize the pixels, convolve, add the bias where the sum is not 0, activate."""
    image = _pixels(site)
    config = site.layer.config["conv_config"]
    if not isinstance(config, Mapping):
        raise ModelError("a convolution has no configuration", place=site.at("conv_config"))
    conv = CONVOLUTION.read(config, site.at("conv_config"), "QConv2D")
    _check_convolution(site, conv)
    channels, filters = image.values.shape[1], int(conv["filters"])
    effort = EFFORT if conv["enable_ebops"] else ()
    kernel = site.arrays("kernel", *effort, part="conv")[0].astype(np.float32)
    site.expect("kernel", kernel, (*conv["kernel_size"], channels, filters))
    if conv["enable_iq"]:
        shape = (*image.size, channels)
        inner = _shared(site, config.get("iq_conf"), "iq_conf", "conv/iq", shape)
        if inner is not None:
            image = image.with_values(site.emit(inner, image.values, suffix="iq"))
    weights = quantizer_of(site, config.get("kq_conf"), "kq_conf", "conv/kq", kernel.shape)
    kernel = quantize_weights(site, kernel, weights, "kq_conf")
    bias = None
    if site.attributes["use_bias"]:
        (bias,) = site.floats("sparse_bias")
        entry = site.layer.config.get("bq_conf")
        quantizer = quantizer_of(site, entry, "bq_conf", "_bq", bias.shape)
        bias = quantize_weights(site, bias, quantizer, "bq_conf")
    image = convolve_pixels(site, image, kernel.astype(np.float64), bias)
    values = activate(site, image.values, site.attributes["activation"])
    image = image.with_values(values)
    if site.attributes["activation"] not in ("linear", "relu", None):
        image = clear_missing(site, image)
    return _pair(site, image)[0]


def _check_convolution(site: Site, conv: Mapping[str, Any]) -> None:
    ones = all(
        np.all(np.asarray(conv[name]) == 1) for name in ("strides", "dilation_rate", "groups")
    )
    plain = conv["padding"] == "same" and conv["data_format"] == "channels_last"
    if not ones or not plain or conv["enable_oq"] or conv["use_bias"]:
        raise site.unsupported(
            "a sparse convolution is not handled",
            "conv_config",
            f"strides {conv['strides']}, dilation {conv['dilation_rate']}, groups "
            f"{conv['groups']}, padding {conv['padding']}, {conv['data_format']}, "
            f"enable_oq {conv['enable_oq']}",
            "strides, dilation and groups of 1, padding 'same', channels last, no output quantizer",
            "change the layer's options",
        )


def _pooling(kind: str) -> Callable[[Site], list[Value]]:
    def build(site: Site) -> list[Value]:
        image = _pixels(site)
        config = site.layer.config["pool_config"]
        if not isinstance(config, Mapping):
            raise ModelError("a pooling has no configuration", place=site.at("pool_config"))
        pool = POOL.read(config, site.at("pool_config"), "pooling")
        window = tuple(int(n) for n in np.broadcast_to(pool["pool_size"], 2))
        strides = pool["strides"] if pool["strides"] is not None else window
        steps = tuple(int(n) for n in np.broadcast_to(strides, 2))
        ragged = any(n % w for n, w in zip(image.size, window, strict=True))
        layout = pool["data_format"] in ("channels_last", None)
        if steps != window or not layout or (pool["padding"] != "valid" and ragged):
            raise site.unsupported(
                "a sparse pooling is not handled",
                "pool_config",
                f"windows {window}, strides {steps}, padding {pool['padding']}",
                "strides equal to the windows, padding 'valid', channels last",
                "change the layer's options",
            )
        return _pair(site, pool_pixels(site, image, (window[0], window[1]), kind))

    return build


REDUCE = Table(
    {"n": 30, "threshold": 0.0, "learn_n": True, "learn_threshold": True, "beta_maskedE": 1.0},
    frozenset({"beta_n", "tau_threshold", "tau_n"}),
)
SPARSE = Table({"conv_config": REQUIRED, "use_bias": True, "bq_conf": None, "activation": "linear"})
POOLING = Table({"pool_config": REQUIRED})

HANDLERS = (
    Handler("InputReduce", "sparsepixels", REDUCE, _reduce),
    Handler("QConv2DSparse", "sparsepixels", SPARSE, _convolution),
    Handler("AveragePooling2DSparse", "sparsepixels", POOLING, _pooling("average")),
    Handler("MaxPooling2DSparse", "sparsepixels", POOLING, _pooling("max")),
)
