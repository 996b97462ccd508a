"""The products of a step and their sums: the circuit in the middle of a multiply-accumulate array.

It has no state; weights are inputs. Every output has the same dot product, so that it is one module
with an instance for each, unless weights have so few words that their ranges differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gatewright.blocks.mac_products import Multiplier, dot, two_dots
from gatewright.hw import Module
from gatewright.num import Intervals, Ints

BoolMask = NDArray[np.bool_]

FEW_WORDS = 16
"""Up to so many words of weights each product has the range of its own weights."""


def mac_kernel(
    name: str,
    dot_name: str,
    x: Intervals,
    w: Intervals,
    bias: Intervals | None,
    alike: bool,
    multiplier: Multiplier,
) -> Module:
    """Return a circuit with ports `x`, `w` and `bias` that gives `y`, (units * group,).

    What is constant in every word has no place in a port.

    Args:
        name: of the module.
        dot_name: of the one of a dot product.
        x: types of a beat, (units, lanes).
        w: types of the weights as words hold them, (units, lanes, group).
        bias: types of what is added, (units, group), or None.
        alike: whether all dot products are instances of one module.
        multiplier: what multiplies.
    """
    m = Module(name)
    units, _, group = w.shape
    elements = moving_input(m, "x", x)
    weights = moving_input(m, "w", w)
    starts = None if bias is None else moving_input(m, "bias", bias)
    # Outputs whose products share blocks stand together, the last one perhaps alone.
    size = 2 if multiplier.pair else 1
    results: list[int] = []
    dots = _Dots(m, dot_name, multiplier, elements, weights, alike)
    for u in range(units):
        whole = group - group % size
        results += dots.run(u, 0, whole, size)
        results += dots.run(u, whole, group, 1)
    if starts is not None:
        pairs = zip(results, starts.ravel().tolist(), strict=True)
        results = [m.add(total, start) for total, start in pairs]
    m.output("y", results)
    return m


def moving_input(m: Module, name: str, types: Intervals) -> Ints:
    """Add a port for the elements that are not constant; return the signals of all."""
    flat = types.map(np.ravel)
    moving = flat.lo != flat.hi
    signals = np.empty(flat.size, np.int64)
    if moving.any():
        signals[moving] = m.input(name, flat.map(lambda v: v[moving]))
    for i in np.flatnonzero(~moving).tolist():
        signals[i] = m.constant(int(flat.lo[i]), int(flat.frac[i]))
    return signals.reshape(types.shape)


@dataclass
class _Dots:
    """The dot products of a kernel."""

    m: Module
    name: str
    multiplier: Multiplier
    elements: Ints
    weights: Ints
    alike: bool
    _made: dict[int, tuple[Module, BoolMask]] = field(default_factory=dict)

    def run(self, unit: int, start: int, stop: int, size: int) -> list[int]:
        """Return the dot products of some outputs of a unit, `size` of them sharing blocks."""
        if start == stop:
            return []
        x = self.elements[unit]
        w = self.weights[unit, :, start:stop].T.reshape(-1, size * len(x))
        if not self.alike or self.weights[..., 0].size == self.weights.size:
            parts = [_dots(self.m, x.tolist(), own.tolist(), size, self.multiplier) for own in w]
            return [s for part in parts for s in part]
        rows = np.concatenate([np.broadcast_to(x, (len(w), len(x))), w], axis=1)
        if size not in self._made:
            self._made[size] = self._one(size, start, stop)
        one, moving = self._made[size]
        found = self.m.instances_of(one, rows[:, moving], f"u_{one.name}")
        return found.ravel().tolist()

    def _one(self, size: int, start: int, stop: int) -> tuple[Module, BoolMask]:
        """Return the module of one output, or of two that share blocks, and which inputs it has."""
        units, lanes, _ = self.weights.shape
        w = self.weights[:, :, start:stop].transpose(0, 2, 1).reshape(units, -1, size * lanes)
        x = np.broadcast_to(self.elements[:, None], (units, w.shape[1], lanes))
        rows = np.concatenate([x, w], axis=2).reshape(-1, (size + 1) * lanes)
        kinds = [_union(self.m.intervals(column)) for column in rows.T]
        types = Intervals.of(*np.asarray(kinds, np.int64).T)
        name = self.name if size == 1 else f"{self.name}_pair"
        one = Module(name, self.m.origin, f"dot product of {lanes}" + ", two outputs" * (size > 1))
        signals = moving_input(one, "x", types.map(lambda v: v[:lanes])).tolist()
        factors = moving_input(one, "w", types.map(lambda v: v[lanes:])).tolist()
        one.output("y", _dots(one, signals, factors, size, self.multiplier))
        return one, types.lo != types.hi


def _dots(m: Module, x: list[int], w: list[int], size: int, multiplier: Multiplier) -> list[int]:
    """Return the dot product of one output, or of two."""
    if size == 1:
        return [dot(m, x, w, multiplier)]
    return list(two_dots(m, x, w[: len(x)], w[len(x) :], multiplier))


def _union(kinds: Intervals) -> tuple[int, int, int]:
    """Return the range that holds every one of some."""
    moving = (kinds.lo != 0) | (kinds.hi != 0)
    if not moving.any():
        return 0, 0, 0
    frac = int(kinds.frac[moving].max())
    lo, hi = kinds.aligned(frac)
    return int(lo.min()), int(hi.max()), frac
