"""What the sums of leaves can be, so that they are exact in as few bits as that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.num import Ints, require_exact


@dataclass(frozen=True, eq=False)
class Bounds:
    """Ranges of the sums of a group's outputs, (width,) each.

    Attributes:
        low, high: of all partial sums of any group.
        least, most: of whole sums alone.
    """

    low: Ints
    high: Ints
    least: Ints
    most: Ints


def bounds(low: Ints, high: Ints, slots: Sequence[int], starts: tuple[Ints, Ints]) -> Bounds:
    """Return the ranges of sums.

    Args:
        low: the least that a slot adds, over all lanes, (slots, width).
        high: the largest.
        slots: of each group.
        starts: the least and the largest that each group begins with, (groups, width).

    Raises:
        FormatError: a sum would not fit 62 bits.
    """
    size = np.maximum(np.abs(low), np.abs(high)).astype(float).sum(0)
    require_exact(size + np.maximum(np.abs(starts[0]), np.abs(starts[1])).astype(float).max(0))
    ends = np.cumsum(slots)
    every: list[tuple[Ints, Ints]] = []
    whole: list[tuple[Ints, Ints]] = []
    for group, (first, last) in enumerate(zip(ends - slots, ends, strict=True)):
        down = starts[0][group] + low[first:last].cumsum(0)
        up = starts[1][group] + high[first:last].cumsum(0)
        every.append((np.minimum(starts[0][group], down.min(0)),
                      np.maximum(starts[1][group], up.max(0))))  # fmt: skip
        whole.append((down[-1], up[-1]))
    return Bounds(
        np.min([lo for lo, _ in every], axis=0), np.max([hi for _, hi in every], axis=0),
        np.min([lo for lo, _ in whole], axis=0), np.max([hi for _, hi in whole], axis=0),
    )  # fmt: skip
