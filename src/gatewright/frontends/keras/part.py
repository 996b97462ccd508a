"""A layer inside another one: its own configuration and weights, the outer layer's place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gatewright.frontends.keras.handler import Site, Value
from gatewright.frontends.keras.hdf5 import Array


@dataclass(frozen=True, eq=False)
class Part(Site):
    """A sublayer's view of the call of its outer layer.

    Attributes:
        group: of the sublayer's weights within the layer's.
        label: what messages and modules call it, after the layer's name.
    """

    group: str = ""
    label: str = ""

    @property
    def title(self) -> str:
        """Return the names of the outer layer and the sublayer."""
        return f"{super().title}/{self.label}"

    def arrays(self, *names: str, part: str = "") -> list[Array]:
        """Return the sublayer's weights; see `Site.arrays`."""
        return super().arrays(*names, part="/".join(filter(None, (self.group, part))))

    def has(self, part: str) -> bool:
        """Say whether the file has weights of a part of the sublayer."""
        path = "/".join(filter(None, (self.group, part)))
        return self.builder.weights.has(self.layer.address, path)


def part_of(
    site: Site,
    group: str,
    label: str,
    attributes: Mapping[str, Any],
    config: Mapping[str, Any],
    *inputs: Value,
) -> Part:
    """Return a sublayer's view of a call.

    Args:
        site: the call of the outer layer.
        group: of the sublayer's weights within the layer's.
        label: what messages call the sublayer.
        attributes: what the sublayer's handler reads.
        config: where it finds its quantizers.
        inputs: of the sublayer.
    """
    layer = replace(site.layer, config=config)
    outer = site.group if isinstance(site, Part) else ""
    names = site.label if isinstance(site, Part) else ""
    return Part(
        site.builder, layer, attributes, inputs,
        group="/".join(filter(None, (outer, group))),
        label="/".join(filter(None, (names, label))),
    )  # fmt: skip
