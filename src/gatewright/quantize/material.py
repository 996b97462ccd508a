"""What one quantization of a model takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gatewright.ir import Graph, Reals
from gatewright.num import Intervals
from gatewright.quantize.activations import SiteFormat
from gatewright.quantize.load import Rows


@dataclass(frozen=True, eq=False)
class Material:
    """What a pass learns from.

    Attributes:
        inputs: samples to fit to, by input.
        rows: which rows of a value are looked at.
        real: those of the real model, of each node whose matrix is to be rounded, of what tied
            nodes with a matrix read, and of tied values that get a format.
        sensitivity: of these and of the values that get a format, the cost of a squared error, per
            row and element.
        whole: the same of nodes with other constants, for the first samples, whole.
        given: of tied nodes with other constants, what these samples are of their operand.
        extremes: of each value that gets a format, smallest and largest along the last axis, on
            more samples than these.
        observed: smallest and largest number of every value.
    """

    inputs: dict[str, Reals]
    rows: Rows
    real: dict[str, Reals]
    sensitivity: dict[str, Reals]
    whole: dict[str, Reals]
    given: dict[str, Reals]
    extremes: dict[str, tuple[Reals, Reals]]
    observed: dict[str, tuple[float, float]]


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
        reads: by value, the adders that read each element of its last axis, on average over the
            positions: what a bit of it costs.
        types: of every value that has one yet.
    """

    graph: Graph
    sites: dict[str, SiteFormat]
    reads: dict[str, Reals]
    types: dict[str, Intervals]
