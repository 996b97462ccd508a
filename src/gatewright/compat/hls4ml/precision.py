"""Number formats as hls4ml writes them: `fixed<16,6>`, `ap_fixed<8,3,RND,SAT>`, `uint<4>`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gatewright.base import OptionError
from gatewright.num import Fixed, Overflow, Rounding
from gatewright.ops import Quantize

ROUNDINGS = {
    "TRN": Rounding.TRN,
    "TRN_ZERO": Rounding.TRN_ZERO,
    "RND": Rounding.RND,
    "RND_ZERO": Rounding.RND_ZERO,
    "RND_INF": Rounding.RND_INF,
    "RND_MIN_INF": Rounding.RND_MIN_INF,
    "RND_CONV": Rounding.RND_CONV,
}
OVERFLOWS = {
    "WRAP": Overflow.WRAP,
    "SAT": Overflow.SAT,
    "SAT_ZERO": Overflow.SAT_ZERO,
    "SAT_SYM": Overflow.SAT_SYM,
}


@dataclass(frozen=True)
class Precision:
    """A format with its modes; without modes it truncates and wraps, as `ap_fixed` does."""

    fmt: Fixed
    rounding: Rounding = Rounding.TRN
    overflow: Overflow = Overflow.WRAP

    def quantizer(self) -> Quantize:
        """Return the operation that brings a value into the format."""
        return Quantize.to_format(self.fmt, self.rounding, self.overflow)


def parse_precision(text: object, where: str) -> Precision | None:
    """Read a precision; `auto` gives None.

    Args:
        text: as in the configuration.
        where: the key, for the error.

    Raises:
        OptionError: it cannot be read, or names a mode that is not known.
    """
    match = re.fullmatch(r"\s*((?:ap_|ac_)?u?(?:fixed|int)\s*<)([^<>]*)>\s*", str(text))
    if str(text).strip() == "auto":
        return None
    parts = [part.strip() for part in match[2].split(",")] if match else []
    count = 2 if match and "fixed" in match[1] else 1
    numbers, modes = parts[:count], parts[count:]
    modes = [mode.removeprefix("AP_").removeprefix("AC_") for mode in modes]
    known = (
        len(modes) <= 3
        and all(mode in ROUNDINGS for mode in modes[:1])
        and all(mode in OVERFLOWS for mode in modes[1:2])
        and modes[2:] in ([], ["0"])
    )
    if match is None or not known or match[1].startswith("ac_"):
        raise OptionError(
            f"the precision of {where} cannot be read",
            found=text,
            supported="auto, fixed<W,I>, ufixed<W,I>, int<W>, uint<W>, with a rounding of "
            f"{', '.join(ROUNDINGS)} and an overflow of {', '.join(OVERFLOWS)}",
            remedy="write Intel's ac_fixed<W,I,S> as fixed<W,I> or ufixed<W,I>",
        )
    fmt = Fixed.parse(f"{match[1].replace(' ', '')}{','.join(numbers)}>")
    return Precision(
        fmt,
        ROUNDINGS[modes[0]] if modes else Rounding.TRN,
        OVERFLOWS[modes[1]] if modes[1:] else Overflow.WRAP,
    )
