"""Functions of one signal by table: every number that can occur has its answer stored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.hw import Module, Table
from gatewright.num import Ints

MAX_INDEX_BITS = 16


def codes_of(lo: int, hi: int) -> Ints:
    """Return the integers of a range, in order.

    Raises:
        UnsupportedError: there are more of them than a table should have words.
    """
    if (hi - lo).bit_length() > MAX_INDEX_BITS:
        raise UnsupportedError(
            "a function of one value would need too large a table",
            found=f"{hi - lo + 1} possible inputs",
            supported=f"up to 2**{MAX_INDEX_BITS}",
            remedy="quantize the input of this layer to fewer bits",
        )
    return np.arange(lo, hi + 1, dtype=np.int64)


def lookup(
    m: Module, a: int, function: Callable[[Ints], Ints], frac: int, name: str = "table"
) -> int:
    """Return `function(q) * 2**-frac` for the integer `q` of the signal `a`.

    The table is addressed by the two's complement code; codes that cannot occur repeat the nearest
    answer, so that the stored range stays tight. A narrow range far from zero is addressed by its
    distance from the smallest number instead.

    Raises:
        UnsupportedError: the signal has more than 2**16 numbers.
    """
    lo, hi, point = m.range(a)
    answers = function(codes_of(lo, hi))
    if lo == hi:
        return m.constant(int(answers[0]), frac)
    if m.width(a) > MAX_INDEX_BITS:
        a = m.sub(a, m.constant(lo, point), within=(0, hi - lo))
        lo, hi = 0, hi - lo
    width = m.width(a)
    code = np.arange(1 << width, dtype=np.int64)
    value = np.where(code >= 1 << (width - 1), code - (1 << width), code) if lo < 0 else code
    words = answers[np.clip(value, lo, hi) - lo]
    return m.table(a, Table.of(name, words, frac))
