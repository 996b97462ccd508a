"""What training ends in: integer tables, in NumPy alone, whose answers are the definition."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Encoder:
    """Bring features to codes: `floor(x * scale + offset)`, limited to `bits` bits.

    Attributes:
        scale: (features,) positive.
        offset: (features,).
        bits: of each code; codes count from 0.
    """

    scale: Reals
    offset: Reals
    bits: int

    def codes(self, x: NDArray[np.floating]) -> Ints:
        """Return the codes of samples (n, features), computed in float64."""
        y = np.asarray(x, np.float64) * self.scale + self.offset
        return np.clip(np.floor(y), 0, (1 << self.bits) - 1).astype(np.int64)


@dataclass(frozen=True, eq=False)
class TableLayer:
    """Outputs that are sums of tables and a bias, limited to a format.

    Attributes:
        reads: (tables, k) elements of the input that each table reads.
        target: (tables,) output that each table adds to.
        values: (tables, codes**k) entries in C order, the first element's code the slowest.
        bias: (outputs,).
        codes: how many codes each element of the input has.
        low: integer of the input's code 0.
        limits: least and largest integer of the outputs, or None: sums as they are.
    """

    reads: Ints
    target: Ints
    values: Ints
    bias: Ints
    codes: int
    low: int = 0
    limits: tuple[int, int] | None = None

    def run(self, x: Ints) -> Ints:
        """Return the outputs (n, outputs) for integers (n, elements)."""
        code = x - self.low
        total = np.broadcast_to(self.bias, (len(x), len(self.bias))).copy()
        powers = self.codes ** np.arange(self.reads.shape[1])[::-1]
        for reads, target, values in zip(self.reads, self.target, self.values, strict=True):
            total[:, target] += values[code[:, reads] @ powers]
        return total if self.limits is None else np.clip(total, *self.limits)

    @property
    def reach(self) -> tuple[int, int]:
        """The least and largest integer that outputs can be."""
        ends = []
        for pick in (np.min, np.max):
            total = self.bias.copy()
            if len(self.target):
                np.add.at(total, self.target, pick(self.values, axis=1))
            ends.append(total)
        low, high = int(ends[0].min()), int(ends[1].max())
        if self.limits is not None:
            low, high = (min(max(end, self.limits[0]), self.limits[1]) for end in (low, high))
        return low, high

    def without_constants(self) -> TableLayer:
        """Return the layer with tables that always answer the same as part of the bias."""
        same = np.ptp(self.values, axis=1) == 0
        bias = self.bias.copy()
        np.add.at(bias, self.target[same], self.values[same, 0])
        return replace(self.only(~same), bias=bias)

    def only(self, kept: NDArray[np.bool_]) -> TableLayer:
        """Return the layer with some of its tables."""
        return replace(
            self, reads=self.reads[kept], target=self.target[kept], values=self.values[kept]
        )


@dataclass(frozen=True, eq=False)
class Network:
    """Layers of tables behind an encoder.

    Attributes:
        family: `kan`, `tables` or `weightless`.
        encoder: of the features.
        layers: in order of computation.
        thermometer: (features, levels) codes from which on a bit is 1, feature by feature; None
            where the first layer reads the codes themselves.
        scale: number that one unit of an output stands for: a logit, or what is predicted.
        offset: (outputs,) added to it.
        classes: what the outputs stand for; None where a number is predicted.
        facts: how it was trained, for the report.
    """

    family: str
    encoder: Encoder
    layers: tuple[TableLayer, ...]
    thermometer: Ints | None = None
    scale: float = 1.0
    offset: Reals = field(default_factory=lambda: np.zeros(1))
    classes: NDArray[np.generic] | None = None
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def features(self) -> int:
        """How many features a sample has."""
        return len(self.encoder.scale)

    @property
    def tables(self) -> int:
        """How many tables all layers have."""
        return sum(len(layer.target) for layer in self.layers)

    def predict_codes(self, x: NDArray[np.floating]) -> Ints:
        """Return the integers that the last layer answers for samples (n, features)."""
        value = self.encoder.codes(x)
        if self.thermometer is not None:
            bits = value[:, :, None] >= self.thermometer
            value = bits.reshape(len(value), -1).astype(np.int64)
        for layer in self.layers:
            value = layer.run(value)
        return value

    def values(self, x: NDArray[np.floating]) -> Reals:
        """Return the numbers that the integers stand for: logits, or what is predicted."""
        return self.predict_codes(x) * self.scale + self.offset

    def trimmed(self) -> Network:
        """Return the network without what no output depends on; its answers stay."""
        kept: list[TableLayer] = []
        used: Ints | None = None
        for layer in reversed(self.layers):
            layer = layer.without_constants()
            if used is not None:
                number = np.full(len(layer.bias), -1)
                number[used] = np.arange(len(used))
                layer = layer.only(number[layer.target] >= 0)
                layer = replace(layer, target=number[layer.target], bias=layer.bias[used])
            if len(kept) < len(self.layers) - 1:  # the first layer reads the features as they are
                used, places = np.unique(layer.reads, return_inverse=True)
                if not len(used):
                    used, places = np.zeros(1, np.int64), np.zeros(0, np.int64)
                layer = replace(layer, reads=places.reshape(layer.reads.shape))
            kept.insert(0, layer)
        return replace(self, layers=tuple(kept))
