"""The products of a step and their sums: the circuit in the middle of a multiply-accumulate array.

It has no state; weights are inputs. Every output has the same dot product, so that it is one module
with an instance for each, unless weights have so few words that their ranges differ.
"""

from __future__ import annotations

import numpy as np

from gatewright.blocks.arith import signed_sum
from gatewright.hw import Module, Table
from gatewright.num import Intervals, Ints

FEW_WORDS = 16
"""Up to so many words of weights each product has the range of its own weights."""

TABLE_BITS = 6
"""Operands of so many bits together are multiplied by a table: one LUT a bit of the product."""


def mac_kernel(
    name: str, dot_name: str, x: Intervals, w: Intervals, bias: Intervals | None, alike: bool
) -> Module:
    """Return a circuit with ports `x`, `w` and `bias` that gives `y`, (units * group,).

    What is constant in every word has no place in a port.

    Args:
        name: of the module.
        dot_name: of the one of a dot product.
        x: types of a beat, (units, lanes).
        w: types of the weights, (units, lanes, group).
        bias: types of what is added, (units, group), or None.
        alike: whether all dot products are instances of one module.
    """
    m = Module(name)
    units, _, group = w.shape
    elements = moving_input(m, "x", x)
    weights = moving_input(m, "w", w)
    starts = None if bias is None else moving_input(m, "bias", bias)
    if alike and units * group > 1:
        found = _instances(m, dot_name, elements, weights)
    else:
        found = np.empty((units, group), np.int64)
        for u, j in np.ndindex(units, group):
            found[u, j] = dot(m, elements[u].tolist(), weights[u, :, j].tolist())
    results = found.ravel().tolist()
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


def _instances(m: Module, name: str, elements: Ints, weights: Ints) -> Ints:
    """Build one dot product for all outputs."""
    units, lanes, group = weights.shape
    one = Module(name, m.origin, f"dot product of {lanes}")
    feeds = np.empty((units, group, 2, lanes), np.int64)
    feeds[:, :, 0] = elements[:, None]
    feeds[:, :, 1] = weights.transpose(0, 2, 1)
    rows = feeds.reshape(units * group, 2 * lanes)
    kinds = [_union(m.intervals(column)) for column in rows.T]
    types = Intervals.of(*np.asarray(kinds, np.int64).T)
    moving = types.lo != types.hi
    signals = moving_input(one, "x", types.map(lambda v: v[:lanes]))
    factors = moving_input(one, "w", types.map(lambda v: v[lanes:]))
    one.output("y", [dot(one, signals.tolist(), factors.tolist())])
    return m.instances_of(one, rows[:, moving], f"u_{name}").reshape(units, group)


def _union(kinds: Intervals) -> tuple[int, int, int]:
    """Return the range that holds every one of some."""
    moving = (kinds.lo != 0) | (kinds.hi != 0)
    if not moving.any():
        return 0, 0, 0
    frac = int(kinds.frac[moving].max())
    lo, hi = kinds.aligned(frac)
    return int(lo.min()), int(hi.max()), frac


def dot(m: Module, x: list[int], w: list[int]) -> int:
    """Return the sum of products of two lists of signals."""
    return signed_sum(m, [product(m, a, b) for a, b in zip(x, w, strict=True)])


def product(m: Module, x: int, w: int) -> int:
    """Return a product; that of two very narrow numbers is looked up."""
    bits = m.width(x), m.width(w)
    if m.is_constant(x) or m.is_constant(w) or min(bits) < 2 or sum(bits) > TABLE_BITS:
        return m.mul(x, w)
    first, second = (_numbers(m, s) for s in (x, w))
    words = np.outer(second, first).ravel()
    return m.table(m.concat(w, x), Table.of("products", words, m.frac[x] + m.frac[w]))


def _numbers(m: Module, s: int) -> Ints:
    """Return the number of each code of a signal, 0 for those that do not occur."""
    width, lo, hi = m.width(s), m.lo[s], m.hi[s]
    codes = np.arange(1 << width, dtype=np.int64)
    value = np.where(codes >= 1 << (width - 1), codes - (1 << width), codes) if lo < 0 else codes
    return np.where((value >= lo) & (value <= hi), value, 0)
