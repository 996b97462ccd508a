"""Truth tables: which index bits an output bit depends on, and what it costs in lookup tables.

A function is two arrays over all codes of an index of n bits: its value, and whether that code can
occur. What cannot occur is free to be anything, which often frees the function of an index bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]

LUT_INPUTS = 6


def reduced(value: Bools, care: Bools) -> tuple[Bools, list[int]]:
    """Complete a function so that it depends on few index bits.

    Index bits are tried from the top; one goes where every two codes that differ in it alone, and
    can both occur, have the same value.

    Args:
        value: (2**n,) values, of any content where `care` is false.
        care: (2**n,) which codes can occur.

    Returns:
        The values for all codes, and the index bits that are left.
    """
    count = len(value).bit_length() - 1
    value, care, support = value & care, care.copy(), []
    for bit in range(count - 1, -1, -1):
        pairs = value.reshape(-1, 2, 1 << bit)
        cares = care.reshape(-1, 2, 1 << bit)
        both = cares[:, 0] & cares[:, 1]
        if np.any(both & (pairs[:, 0] != pairs[:, 1])):
            support.append(bit)
            continue
        joint = (pairs[:, 0] & cares[:, 0]) | (pairs[:, 1] & cares[:, 1])
        either = cares[:, 0] | cares[:, 1]
        value = np.repeat(joint[:, None], 2, 1).reshape(-1)
        care = np.repeat(either[:, None], 2, 1).reshape(-1)
    return value, support[::-1]


def luts(support: int) -> int:
    """Return the lookup tables of one function of so many index bits: 0 for a wire.

    Beyond six, halves are chosen between by the multiplexers beside the tables.
    """
    if support <= 1:
        return 0
    return 1 << max(support - LUT_INPUTS, 0)
