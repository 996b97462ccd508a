"""Circuits whose constants follow a counter: parts in turn, with constants of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewright.blocks.arith import clip, multiply_constant
from gatewright.blocks.staircase import affine_staircase
from gatewright.hw import Module, Table
from gatewright.num import Ints

MAX_SEARCH = 15
"""Thresholds up to which a search is built, also where they are a staircase."""
FULL = 2.0**60
"""Products of staircases stay below."""


def chosen(m: Module, phase: int, variants: Sequence[int]) -> int:
    """Return the signal of the phase's number, by a tree of selections among different ones."""
    distinct = list(dict.fromkeys(variants))
    if len(distinct) == 1:
        return distinct[0]
    which = np.asarray([distinct.index(s) for s in variants], np.int64)
    index = m.table(phase, Table.of("variant", which))
    bit = 0
    while len(distinct) > 1:
        odd = m.slice(index, bit, 1)
        pairs = zip(distinct[::2], distinct[1::2], strict=False)
        rest = distinct[-1:] if len(distinct) % 2 else []
        distinct = [m.select(odd, b, a) for a, b in pairs] + rest
        bit += 1
    return distinct[0]


def phased_affine(
    m: Module, a: int, phase: int, scale: tuple[Ints, Ints], offset: tuple[Ints, Ints]
) -> int:
    """Return `a * scale + offset`, both of the phase's number, as integers and binary points."""
    factor = m.table(phase, _on_one_grid("scale", *scale))
    return m.add(m.mul(a, factor), m.table(phase, _on_one_grid("offset", *offset)))


def _on_one_grid(name: str, q: Ints, frac: Ints) -> Table:
    point = int(np.max(frac, initial=-(1 << 40), where=q != 0)) if q.any() else 0
    return Table.of(name, q << np.where(q == 0, 0, point - frac), point)


def phased_code(
    m: Module, a: int, phase: int, thresholds: Ints, frac: int, first: int, step: int,
    falling: Ints,
) -> int:  # fmt: skip
    """Return `first + step * count`, the count of the phase's thresholds that a number reaches.

    Args:
        m: where it is built.
        a: the number.
        phase: number of the part.
        thresholds: (phases, levels), rising, in units of `2**-frac`, the grid of `a` or a finer.
        frac: their binary point.
        first: the code where none is reached.
        step: from code to code.
        falling: (phases,), 1 where `-a` and not `a` is compared.
    """
    lo, hi, point = m.range(a)
    levels = thresholds.shape[1]
    # On the grid of `a`, and with a >= t everywhere: -a >= t is the opposite of a >= 1 - t.
    own = -(-thresholds >> (frac - point)) if lo or hi else thresholds
    back = falling.astype(bool)
    own = np.where(back[:, None], 1 - own[:, ::-1], own)
    own = np.clip(own, lo, hi + 1)  # the ends are always and never reached
    count = _staircase(m, a, phase, own) if levels > MAX_SEARCH else None
    if count is None:
        count = _search(m, a, phase, own)
    if back.any():
        turned = m.sub(m.constant(levels), count, within=(0, levels))
        count = m.select(m.table(phase, Table.of("falling", falling)), turned, count)
    return m.add(multiply_constant(m, count, step), m.constant(first))


def _search(m: Module, a: int, phase: int, thresholds: Ints) -> int:
    """Find the count from its highest bit down, each by a comparison with a threshold looked up."""
    phases, levels = thresholds.shape
    top, point = levels.bit_length(), m.frac[a]
    never = np.full((phases, (1 << top) - 1 - levels), m.hi[a] + 1)
    # By phase and the bits found so far: the thresholds that are left to ask for.
    left = np.concatenate([thresholds, never], axis=1)[:, None]
    index, count = phase, m.constant(0)
    for k in reversed(range(top)):
        words = left[:, :, (1 << k) - 1]
        threshold = m.table(index, Table.of("thresholds", words.ravel(), point))
        bit = m.not_(m.less(a, threshold))
        count = m.add(m.shift(count, 1), bit, within=(0, levels >> k))
        below, above = left[:, :, : (1 << k) - 1], left[:, :, 1 << k :]
        if m.is_constant(bit):
            left = above if m.lo[bit] else below
        elif k:
            index = m.concat(index, bit)
            left = np.stack([below, above], axis=2).reshape(phases, -1, (1 << k) - 1)
    return count


def _staircase(m: Module, a: int, phase: int, thresholds: Ints) -> int | None:
    """Multiply, add and shift, where the thresholds of every phase are proven to be that."""
    lo, hi, point = m.range(a)
    levels = thresholds.shape[1]
    found = []
    for own in thresholds:
        reached = own[(own > lo) & (own <= hi)]
        if len(reached) != levels:
            return None
        stairs = affine_staircase(reached, lo, hi)
        if stairs is None or stairs.window or stairs.below is not None:
            return None
        found.append(stairs)
    shift = max(s.shift for s in found)
    up = np.asarray([shift - s.shift for s in found], np.int64)
    factors = np.asarray([s.multiplier for s in found], np.int64) << up
    offsets = np.asarray([s.offset for s in found], np.int64) << up
    if float(np.abs(factors).max()) * max(abs(lo), abs(hi)) + float(np.abs(offsets).max()) >= FULL:
        return None
    whole = m.shift(a, point)
    product = m.mul(whole, m.table(phase, Table.of("factor", factors)))
    summed = m.add(product, m.table(phase, Table.of("offset", offsets)))
    return clip(m, m.floor(m.shift(summed, -shift), 0), (0, 0), (levels, 0))
