"""Canonical signed digits: the form of a constant with the fewest non-zero digits.

Source: Avizienis, "Signed-digit number representations for fast parallel arithmetic" (1961);
Reitwiesner (1960) for the non-adjacent form, which the code below computes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def csd_digits(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the non-adjacent form of `values` as two bit masks: where +1 and where -1 stands.

    `values == plus - minus`, no position is set in both, no two neighbours are set. Values must
    be smaller than 2**61 in magnitude.
    """
    magnitude = np.abs(values)
    tripled = magnitude + (magnitude >> 1)
    changed = magnitude >> 1
    plus = tripled & ~changed
    minus = changed & ~tripled
    negative = values < 0
    return np.where(negative, minus, plus), np.where(negative, plus, minus)


def count_digits(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of non-zero canonical signed digits of each value."""
    plus, minus = csd_digits(values)
    count: NDArray[np.int64] = np.bitwise_count(plus | minus).astype(np.int64)
    return count
