"""Fixed-point formats: how many bits, with or without a sign, and where the binary point is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gatewright.base import FormatError

MAX_WIDTH = 62
FARTHEST_POINT = 1000
"""Binary points beyond this are refused where a user writes them: no float64 reaches there."""


@dataclass(frozen=True, order=True)
class Fixed:
    """A format in which the integer `q` stands for `q * 2**-frac`.

    `frac` may be negative or exceed `width`. Width 0 is the constant zero. `width` counts the
    sign bit.
    """

    signed: bool
    width: int
    frac: int

    def __post_init__(self) -> None:
        if not 0 <= self.width <= MAX_WIDTH:
            raise FormatError(
                "a format has an impossible width",
                found=f"{self.width} bits",
                supported=f"0 to {MAX_WIDTH} bits",
            )

    @property
    def low(self) -> int:
        """The smallest integer."""
        return -(1 << (self.width - 1)) if self.signed and self.width else 0

    @property
    def high(self) -> int:
        """The largest integer."""
        return (1 << max(self.width - self.signed, 0)) - 1 if self.width else 0

    @property
    def integer(self) -> int:
        """Bits before the binary point, sign included: the I of `ap_fixed<W,I>`."""
        return self.width - self.frac

    def __str__(self) -> str:
        """Print as `fixed<W,I>` or `ufixed<W,I>`, the way `ap_fixed` counts."""
        return f"{'' if self.signed else 'u'}fixed<{self.width},{self.integer}>"

    @classmethod
    def parse(cls, text: str) -> Fixed:
        """Read `fixed<8,4>`, `ufixed<8,4>`, `int<8>`, `uint<8>`, or these behind `ap_`.

        Raises:
            FormatError: the text is none of these, or the format is impossible.
        """
        number = r"\s*(-?[0-9]{1,9})\s*"
        match = re.fullmatch(rf"\s*(?:ap_)?(u?)(fixed|int)<{number}(?:,{number})?>\s*", text)
        if match is None or (match[2] == "fixed") != (match[4] is not None):
            raise FormatError(
                "a number format cannot be read",
                found=text,
                supported="fixed<W,I>, ufixed<W,I>, int<W>, uint<W> (W bits, I before the point)",
            )
        width = int(match[3])
        integer = int(match[4]) if match[4] is not None else width
        fmt = cls(signed=not match[1], width=width, frac=width - integer)
        if abs(fmt.frac) > FARTHEST_POINT:
            raise FormatError(
                "a number format has its binary point out of bounds",
                found=text,
                supported=f"at most {FARTHEST_POINT} bits beside the format's own",
            )
        return fmt

    @classmethod
    def holding(cls, low: int, high: int, frac: int) -> Fixed:
        """Return the narrowest format for the integers `low` to `high`."""
        signed = low < 0
        width = max(high, -low - 1 if signed else 0).bit_length() + signed
        return cls(signed, width, frac)
