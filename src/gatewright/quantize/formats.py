"""Formats that the user fixes by layer name or pattern."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gatewright.base import Diagnostics, OptionError
from gatewright.num import Fixed

ROLES = ("weight", "bias", "activation", "input")
GRANULARITIES = ("channel", "tensor")
SHARED_BITS = 8
"""Bits of weights that share hardware, where nothing is said: what the field calls int8."""

LEAST_BITS, MOST_BITS = 2, 24


@dataclass(frozen=True)
class Formats:
    """Formats fixed by the user; the search leaves them alone.

    Attributes:
        rules: (layer pattern, role, format): `("dense_*", "weight", "fixed<6,1>")`. Patterns are
            those of a shell (`*`, `?`, `[seq]`) and meet names of layers, for the role `input`
            names of the model's inputs. Roles: `weight`, `bias`, `activation` (what the layer
            gives), `input`. Of several rules that meet a layer the last counts.

        granularity: "channel": each channel of a value has its own format, and each weight as many
            signed digits as it pays for, as parallel circuits want it. "tensor": all elements of a
            value have one format, and all weights of an output one binary point, as hardware that
            works off one channel after the other wants it; what joins a sum of two branches then
            has a format too.
        weight_bits: bits of a weight at most; None: no limit by "channel", 8 by "tensor".
        activation_bits: bits of a value at most that a layer gives and another multiplies by its
            constants or by a second value; None: as many as it pays for.

    A user's rule goes before both.

    Values that a fixed format cannot hold are clipped (SAT); rounding is to nearest, half up.
    """

    rules: tuple[tuple[str, str, str], ...] = ()
    granularity: str = "channel"
    weight_bits: int | None = None
    activation_bits: int | None = None

    @property
    def is_shared(self) -> bool:
        """Whether all elements of a value have one format."""
        return self.granularity == "tensor"

    @property
    def most_weight_bits(self) -> int | None:
        """Bits of a weight at most; None: weights are rounded to few digits each."""
        shared = SHARED_BITS if self.is_shared else None
        return shared if self.weight_bits is None else self.weight_bits

    def check_options(self) -> None:
        """Refuse options out of range.

        Raises:
            OptionError: naming all that are wrong.
        """
        diagnostics = Diagnostics()
        with diagnostics.gather():
            if self.granularity not in GRANULARITIES:
                raise OptionError(
                    "formats are chosen by channel or by tensor",
                    found=self.granularity,
                    supported=", ".join(GRANULARITIES),
                )
        for what in ("weight_bits", "activation_bits"):
            bits = getattr(self, what)
            with diagnostics.gather():
                if bits is not None and not _is_count(bits):
                    raise OptionError(
                        f"{what} is no number of bits that quantization can keep to",
                        found=bits,
                        supported=f"whole numbers from {LEAST_BITS} to {MOST_BITS}, or None",
                    )
        diagnostics.raise_if_any()

    def parsed(self) -> tuple[tuple[str, str, Fixed], ...]:
        """Return the rules with formats read.

        Raises:
            OptionError: a role is unknown.
            FormatError: a format cannot be read.
        """
        diagnostics, result = Diagnostics(), []
        for pattern, role, text in self.rules:
            with diagnostics.gather():
                if role not in ROLES:
                    raise OptionError(
                        f"the format rule for {pattern!r} names no role of a number",
                        found=role,
                        supported=", ".join(ROLES),
                    )
                result.append((pattern, role, Fixed.parse(text)))
        diagnostics.raise_if_any()
        return tuple(result)

    def find(self, role: str, *names: str) -> Fixed | None:
        """Return the format of the last rule for a role that meets one of the names."""
        found = None
        for pattern, own, fmt in self.parsed():
            if own == role and any(fnmatchcase(name, pattern) for name in names if name):
                found = fmt
        return found

    def check_used(self, names: dict[str, Iterable[str]]) -> None:
        """Refuse rules that meet nothing.

        Args:
            names: of each role, the names that a rule can meet.

        Raises:
            OptionError: naming the pattern and what it could have met.
        """
        diagnostics = Diagnostics()
        for pattern, role, _ in self.parsed():
            known = list(dict.fromkeys(name for name in names[role] if name))
            if not any(fnmatchcase(name, pattern) for name in known):
                with diagnostics.gather():
                    raise OptionError(
                        f"a format rule meets nothing: no {role} of {pattern!r} is to be quantized",
                        found=pattern,
                        supported=", ".join(known) if known else f"no layer has a {role} to fix",
                        remedy="name a layer of the list, or a pattern such as 'dense_*'",
                    )
        diagnostics.raise_if_any()


def _is_count(bits: object) -> bool:
    return type(bits) is int and LEAST_BITS <= bits <= MOST_BITS
