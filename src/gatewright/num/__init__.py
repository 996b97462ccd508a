"""Floor 2: fixed-point formats, rounding and overflow modes, intervals, exact integer arrays."""

from gatewright.num.array import FixedArray
from gatewright.num.fixed import MAX_WIDTH, Fixed
from gatewright.num.interval import Intervals, bit_length, dyadic
from gatewright.num.linear import exact_matmul
from gatewright.num.modes import (
    Ints,
    Overflow,
    Rounding,
    limits,
    overflow,
    require_exact,
    round_shift,
)

__all__ = [
    "MAX_WIDTH",
    "Fixed",
    "FixedArray",
    "Intervals",
    "Ints",
    "Overflow",
    "Rounding",
    "bit_length",
    "dyadic",
    "exact_matmul",
    "limits",
    "overflow",
    "require_exact",
    "round_shift",
]
