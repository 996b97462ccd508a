"""Borders, cuts and upsampling of Keras."""

from __future__ import annotations

from collections.abc import Callable

from gatewright.frontends.keras.attributes import Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.spatial import channels_last, pairs, sizes
from gatewright.frontends.recipes.resize import along, crop, linear, pad, repeat


def _zero_padding(rank: int) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        around = (*pairs(site, "padding", rank), (0, 0))
        return channels_last(site, rank, lambda x: pad(site, x, around))

    return build


def _cropping(rank: int) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        cut = (*pairs(site, "cropping", rank), (0, 0))
        return channels_last(site, rank, lambda x: crop(site, x, cut))

    return build


def _up_sampling(rank: int) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        factors = sizes(site, "size", rank)
        way = str(site.attributes.get("interpolation", "nearest")).lower()
        if way not in ("nearest", "bilinear"):
            raise site.unsupported(
                "an interpolation is not handled: its weights differ between Keras's backends",
                "interpolation", way, "nearest, bilinear", "train with one of these",
            )  # fmt: skip

        def build_one(x: Value) -> Value:
            if way == "nearest":
                return repeat(site, x, factors)
            for axis, factor in enumerate(factors):
                n = x.shape[axis]
                if factor != 1:
                    x = along(site, x, axis, linear(n, n * factor, "half_pixel"))
            return x

        return channels_last(site, rank, build_one)

    return build


LAST = {"data_format": "channels_last"}

HANDLERS = (
    Handler("UpSampling1D", "keras", Table({"size": 2}), _up_sampling(1)),
    Handler(
        "UpSampling2D", "keras", Table({"size": 2, "interpolation": "nearest", **LAST}),
        _up_sampling(2),
    ),
    *(
        handler
        for rank in (1, 2)
        for handler in (
            Handler(
                f"ZeroPadding{rank}D", "keras", Table({"padding": 1, **LAST}), _zero_padding(rank)
            ),
            Handler(
                f"Cropping{rank}D", "keras",
                Table({"cropping": 1 if rank == 1 else 0, **LAST}), _cropping(rank),
            ),
        )
    ),
)  # fmt: skip
