"""What one quantization of a model takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gatewright.ir import Graph, Reals
from gatewright.num import Ints
from gatewright.quantize.activations import SiteFormat


@dataclass(frozen=True, eq=False)
class Material:
    """What a pass learns from.

    Attributes:
        inputs: calibration rows by input.
        real: every value of the real model on them.
        sensitivity: of every value, the cost of a squared error, per row and element.
        extremes: of every value, smallest and largest per element, on more rows than these.
    """

    inputs: dict[str, Reals]
    real: dict[str, Reals]
    sensitivity: dict[str, Reals]
    extremes: dict[str, tuple[Reals, Reals]]


@dataclass(frozen=True, eq=False)
class Prices:
    """What a LUT costs, in units of the outputs' error, and where it costs more or less.

    Attributes:
        lut: the price of one LUT everywhere.
        weight: factors by node.
        site: factors by value.
        softmax: bits behind the point that a softmax in the firmware gives.
    """

    lut: float
    weight: Mapping[str, float] = field(default_factory=dict)
    site: Mapping[str, float] = field(default_factory=dict)
    softmax: int = 8

    def at(self, lut: float) -> Prices:
        """Return prices with another price of a LUT."""
        return replace(self, lut=lut)

    def scaled(self, group: str, name: str, factor: float) -> Prices:
        """Return prices with one more factor."""
        old = self.weight if group == "weight" else self.site
        own = {**old, name: old.get(name, 1.0) * factor}
        return replace(self, weight=own) if group == "weight" else replace(self, site=own)


@dataclass(frozen=True, eq=False)
class Built:
    """A quantized model.

    Attributes:
        graph: on integers.
        sites: the formats chosen.
        reads: by value, the adders that read each element: what a bit of it costs.
    """

    graph: Graph
    sites: dict[str, SiteFormat]
    reads: dict[str, Ints]
