"""Poolings of Keras: windows, whole axes, and a given number of windows."""

from __future__ import annotations

from collections.abc import Callable

from gatewright.base import ModelError
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.spatial import (
    channels_last,
    check_rank,
    is_first,
    named_padding,
    sizes,
)
from gatewright.frontends.recipes.pooling import adaptive_pool, average_pool, global_pool, max_pool
from gatewright.frontends.recipes.windows import Axis
from gatewright.ops import Reshape


def axes_of(site: Site, rank: int) -> list[Axis]:
    """Return the windows along each spatial axis."""
    check_rank(site, rank)
    shape = site.input.shape
    lengths = shape[1:] if is_first(site) else shape[:-1]
    kernel = sizes(site, "pool_size", rank)
    strides = kernel if site.attributes["strides"] is None else sizes(site, "strides", rank)
    padding = named_padding(site, lengths, kernel, strides, (1,) * rank)
    return [
        Axis(n, k, s, 1, before, after)
        for n, k, s, (before, after) in zip(lengths, kernel, strides, padding, strict=True)
    ]


def _pool(rank: int, kind: str) -> Callable[[Site], Value]:
    """Append a pooling; padding neither wins nor counts, as in TensorFlow."""
    return lambda site: pool(site, site.input, rank, kind)


def pool(site: Site, x: Value, rank: int, kind: str) -> Value:
    """Append the pooling that the attributes describe to `x`, of the input's shape."""
    axes = axes_of(site, rank)
    recipe = max_pool if kind == "max" else average_pool
    return channels_last(site, rank, lambda value: recipe(site, value, axes), x)


def _global(rank: int, kind: str) -> Callable[[Site], Value]:
    return lambda site: pool_all(site, site.input, rank, kind)


def pool_all(site: Site, x: Value, rank: int, kind: str) -> Value:
    """Append the global pooling that the attributes describe to `x`, of the input's shape."""
    if len(site.input.shape) != rank + 1:
        raise ModelError(
            "a global pooling takes steps and channels"
            if rank == 1
            else "a global pooling takes height, width and channels",
            place=site.place,
            found=f"shape {site.input.shape}",
        )
    value = channels_last(site, rank, lambda v: global_pool(site, v, kind), x)
    return kept(site, value, rank)


def kept(site: Site, value: Value, rank: int) -> Value:
    """Give the result of a global pooling its spatial axes back, where `keepdims` says so."""
    if not site.attributes["keepdims"]:
        return value
    ones = (1,) * rank
    shape = (*value.shape, *ones) if is_first(site) else (*ones, *value.shape)
    return site.emit(Reshape(shape), value)


def _adaptive(rank: int, kind: str) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        wanted = sizes(site, "output_size", rank)
        return channels_last(site, rank, lambda x: adaptive_pool(site, x, wanted, kind))

    return build


POOL = Table({"pool_size": 2, "strides": None, "padding": "valid", "data_format": "channels_last"})
GLOBAL = Table({"keepdims": False, "data_format": "channels_last"})
ADAPTIVE = Table({"output_size": REQUIRED, "data_format": "channels_last"})

HANDLERS = tuple(
    handler
    for rank in (1, 2)
    for word, kind in (("Max", "max"), ("Average", "average"))
    for handler in (
        Handler(f"{word}Pooling{rank}D", "keras", POOL, _pool(rank, kind)),
        Handler(f"Global{word}Pooling{rank}D", "keras", GLOBAL, _global(rank, kind)),
        Handler(f"Adaptive{word}Pooling{rank}D", "keras", ADAPTIVE, _adaptive(rank, kind)),
    )
)
