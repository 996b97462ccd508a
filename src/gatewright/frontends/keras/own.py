"""Layers of classes that are in no library we read: a user's own, or a published model's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.base import Place
from gatewright.frontends.custom import CustomHandler, CustomLayer, custom_handler
from gatewright.frontends.keras.attributes import HARMLESS, Table, check_dtype, plain
from gatewright.frontends.keras.custom import PUBLISHED
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.model import Layer


@dataclass(frozen=True)
class OpenTable(Table):
    """Leaves all attributes to the handler, but for those that mean nothing at inference."""

    def read(self, config: Mapping[str, Any], place: Place, kind: str) -> dict[str, Any]:
        """Return the attributes, unwrapped."""
        if "dtype" in config:
            check_dtype(config["dtype"], Place(place.source, place.layer, "dtype"))
        skipped = HARMLESS | {"dtype"}
        return {key: plain(value) for key, value in config.items() if key not in skipped}


def own_handler(layer: Layer) -> Handler | None:
    """Return the handler that a user gave for a class, or the one of a published model's."""
    handler = custom_handler(f"{layer.family}>{layer.kind}", layer.kind)
    handler = handler or PUBLISHED.get(layer.kind)
    if handler is None:
        return None
    return Handler(layer.kind, "keras", OpenTable(), lambda site: _build(site, handler))


def _build(site: Site, handler: CustomHandler) -> list[Value]:
    layer = CustomLayer(
        site.layer.kind, site.title, site.place, site.inputs, site.attributes, site.arrays, site
    )
    return layer.build(handler)
