"""Count the thresholds that a number reaches where channels come one after the other.

The channel that is there chooses the thresholds from a table, and the comparisons are shared by all
channels: one for each threshold, or, where there are many, one for each bit of the count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gatewright.blocks.arith import multiply_constant
from gatewright.blocks.thresholds import MAX_FLAT, thermometer_count
from gatewright.hw import Kind, Module, Table
from gatewright.num import Ints


def phased_code(
    m: Module,
    a: int,
    phase: int,
    thresholds: Ints,
    frac: int,
    *,
    first: int,
    step: int,
    falling: NDArray[np.bool_],
) -> int:
    """Return `first + step * count`, the count of the phase's thresholds t with `a >= t`.

    Args:
        m: to build in.
        a: the number.
        phase: which row of thresholds counts now; from 0.
        thresholds: (phases, levels), rising, on the grid `2**-frac`, that of `a` or a finer one.
        frac: see there.
        first: the code where no threshold is reached.
        step: the distance of neighbouring codes.
        falling: (phases,), where `-a >= t` is asked for.
    """
    if falling.any():
        turned = m.table(phase, Table.of("falling", falling.astype(np.int64)))
        a = m.select(turned, m.neg(a), a)
    lo, hi, point = m.range(a)
    lo, never = lo << (frac - point), (hi << (frac - point)) + 1
    base = int((thresholds <= lo).all(0).sum())
    kept = thresholds[:, base : thresholds.shape[1] - int((thresholds >= never).all(0).sum())]
    if not kept.size:
        return m.constant(first + step * base)
    # What is always, or never, reached in a phase takes the shortest words that say so.
    kept = np.clip(kept, lo, never)
    if kept.shape[1] <= MAX_FLAT:
        count = _flat(m, a, phase, kept, frac)
    else:
        count = _search(m, a, phase, kept, frac, never)
    return m.add(multiply_constant(m, count, step), m.constant(first + step * base))


def _flat(m: Module, a: int, phase: int, thresholds: Ints, frac: int) -> int:
    """Compare with every threshold of the phase."""
    table = Table.of("thresholds", thresholds, frac)
    reached = [
        m.not_(m.less(a, m.table(phase, table, level))) for level in range(thresholds.shape[1])
    ]
    return thermometer_count(m, reached)


def _search(m: Module, a: int, phase: int, thresholds: Ints, frac: int, never: int) -> int:
    """Find the count from its highest bit down; phase and bits found choose what is compared."""
    phases, levels = thresholds.shape
    top = levels.bit_length()
    behind = np.full((phases, (1 << top) - 1 - levels), never)
    padded = np.concatenate([thresholds, behind], axis=1)
    found: list[int] = []  # bits, highest first
    for k in reversed(range(top)):
        # With prefix p found, the count is p * 2**(k+1) or more; ask for its next 2**k.
        words = padded[:, (1 << k) - 1 :: 1 << (k + 1)]
        address = phase
        for bit in found:
            address = m.concat(address, bit)
        threshold = m.table(address, Table.of("thresholds", words.ravel(), frac))
        found.append(m.not_(m.less(a, threshold)))
    number = found[0]
    for bit in found[1:-1]:
        number = m.concat(number, bit)
    return m.row(Kind.CONCAT, (0, levels, 0), number, found[-1])
