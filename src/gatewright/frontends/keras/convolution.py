"""Convolutions of Keras: plain, depthwise, separable and transposed, on sequences and images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.keras.activations import activate
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.dense import LORA
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hdf5 import Array
from gatewright.frontends.keras.spatial import (
    channels_last,
    check_rank,
    is_first,
    named_padding,
    sizes,
    transposed_crop,
)
from gatewright.frontends.recipes.convolution import (
    convolution,
    depthwise,
    transposed_convolution,
)
from gatewright.frontends.recipes.windows import Pairs


@dataclass(frozen=True)
class Geometry:
    """The attributes that say where windows lie.

    Attributes:
        lengths: of the input's spatial axes.
        channels: of the input.
    """

    lengths: tuple[int, ...]
    channels: int
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def steps(self) -> dict[str, Any]:
        """Return strides and dilation as arguments of a recipe."""
        return {"strides": self.strides, "dilation": self.dilation}


def geometry(site: Site, rank: int) -> Geometry:
    """Read sizes, strides and dilation."""
    check_rank(site, rank)
    shape = site.input.shape
    shape = (*shape[1:], shape[0]) if is_first(site) else shape
    return Geometry(
        shape[:-1],
        shape[-1],
        sizes(site, "kernel_size", rank),
        sizes(site, "strides", rank),
        sizes(site, "dilation_rate", rank),
    )


def zeros_of(site: Site, at: Geometry, causal: bool = False) -> Pairs:
    """Return the padding of a convolution."""
    return named_padding(site, at.lengths, at.kernel, at.strides, at.dilation, causal)


def whole(site: Site, attribute: str) -> int:
    """Return an attribute that is a whole number from 1."""
    value = site.attributes[attribute]
    if type(value) is not int or value < 1:
        raise ModelError(
            "an attribute is no whole number from 1", place=site.at(attribute),
            found=repr(value)[:100],
        )  # fmt: skip
    return value


def kernel_shape(site: Site, at: Geometry) -> tuple[int, ...]:
    """Return the shape that a convolution's kernel must have."""
    groups = whole(site, "groups")
    if at.channels % groups or whole(site, "filters") % groups:
        raise ModelError(
            "channels and filters are no multiples of the groups",
            place=site.at("groups"),
            found=f"{at.channels} channels, {site.attributes['filters']} filters, {groups} groups",
        )
    return (*at.kernel, at.channels // groups, whole(site, "filters"))


def weights_of(site: Site, **shapes: tuple[int, ...]) -> list[Array]:
    """Return weights by name, checked; a bias only where `use_bias` says so."""
    names = [n for n in shapes if n != "bias" or site.attributes["use_bias"]]
    arrays = site.floats(*names)
    for name, array in zip(names, arrays, strict=True):
        site.expect(name, array, shapes[name])
    return arrays


def finish(site: Site, value: Value) -> Value:
    """Append the activation."""
    return activate(site, value, site.attributes["activation"])


def _first(arrays: list[Array]) -> Array | None:
    return arrays[0] if arrays else None


def convolve(site: Site, at: Geometry, x: Value, kernel: Array, bias: Array | None) -> Value:
    """Append the convolution that the attributes describe to a tensor with channels last."""
    padding = zeros_of(site, at, len(at.kernel) == 1)
    groups = whole(site, "groups")
    return convolution(site, x, kernel, bias, padding=padding, groups=groups, **at.steps)


def _convolution(rank: int) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        at = geometry(site, rank)
        shape = kernel_shape(site, at)
        zeros_of(site, at, rank == 1)  # says what is wrong before weights are missed
        kernel, *bias = weights_of(site, kernel=shape, bias=shape[-1:])
        value = channels_last(site, rank, lambda x: convolve(site, at, x, kernel, _first(bias)))
        return finish(site, value)

    return build


def depthwise_name(site: Site) -> str:
    """Return what the kernel is called: Keras 3 renamed it."""
    return "kernel" if site.keras == 3 else "depthwise_kernel"


def _depthwise(rank: int) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        at = geometry(site, rank)
        shape = (*at.kernel, at.channels, whole(site, "depth_multiplier"))
        names = {depthwise_name(site): shape, "bias": (shape[-1] * shape[-2],)}
        kernel, *bias = weights_of(site, **names)
        padding = zeros_of(site, at)
        value = channels_last(
            site,
            rank,
            lambda x: depthwise(site, x, kernel, _first(bias), padding=padding, **at.steps),
        )
        return finish(site, value)

    return build


def _separable(rank: int) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        at = geometry(site, rank)
        shape = (*at.kernel, at.channels, whole(site, "depth_multiplier"))
        filters = whole(site, "filters")
        point = (*(1,) * rank, shape[-1] * shape[-2], filters)
        deep, wide, *bias = weights_of(
            site, depthwise_kernel=shape, pointwise_kernel=point, bias=(filters,)
        )
        padding = named_padding(
            site, at.lengths, at.kernel, at.strides, at.dilation, rank == 1 and site.keras == 2
        )

        def both(x: Value) -> Value:
            between = depthwise(site, x, deep, padding=padding, **at.steps)
            return convolution(site, between, wide, _first(bias))

        return finish(site, channels_last(site, rank, both))

    return build


def _transposed(rank: int) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        at = geometry(site, rank)
        filters = whole(site, "filters")
        kernel, *bias = weights_of(site, kernel=(*at.kernel, filters, at.channels), bias=(filters,))
        crop = transposed_crop(site, at.lengths, at.kernel, at.strides, at.dilation)
        turned = np.swapaxes(kernel, -1, -2)
        value = channels_last(
            site,
            rank,
            lambda x: transposed_convolution(site, x, turned, _first(bias), crop=crop, **at.steps),
        )
        return finish(site, value)

    return build


WINDOWED: dict[str, Any] = {
    "kernel_size": REQUIRED, "strides": 1, "padding": "valid", "data_format": "channels_last",
    "dilation_rate": 1, "activation": None, "use_bias": True,
}  # fmt: skip
CONVOLUTION: dict[str, Any] = {**WINDOWED, "filters": REQUIRED, "groups": 1}
DEPTHWISE: dict[str, Any] = {**WINDOWED, "depth_multiplier": 1}
SEPARABLE: dict[str, Any] = {**DEPTHWISE, "filters": REQUIRED}
TRANSPOSED: dict[str, Any] = {**WINDOWED, "filters": REQUIRED, "output_padding": None}
INITIAL = frozenset(
    f"{part}_{what}"
    for part in ("depthwise", "pointwise")
    for what in ("initializer", "regularizer", "constraint")
)
ONE_GROUP: dict[str, tuple[Any, ...]] = {**LORA, "groups": (1,)}

HANDLERS = tuple(
    handler
    for rank in (1, 2)
    for handler in (
        Handler(f"Conv{rank}D", "keras", Table(CONVOLUTION, only=LORA), _convolution(rank)),
        Handler(
            f"DepthwiseConv{rank}D", "keras", Table(DEPTHWISE, INITIAL, ONE_GROUP), _depthwise(rank)
        ),
        Handler(
            f"SeparableConv{rank}D", "keras", Table(SEPARABLE, INITIAL, ONE_GROUP), _separable(rank)
        ),
        Handler(
            f"Conv{rank}DTranspose", "keras", Table(TRANSPOSED, only=ONE_GROUP), _transposed(rank)
        ),
    )
)
