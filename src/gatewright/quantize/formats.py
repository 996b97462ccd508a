"""Formats that the user fixes by layer name or pattern."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gatewright.base import Diagnostics, OptionError
from gatewright.num import Fixed

ROLES = ("weight", "bias", "activation", "input")


@dataclass(frozen=True)
class Formats:
    """Formats fixed by the user; the search leaves them alone.

    Attributes:
        rules: (layer pattern, role, format): `("dense_*", "weight", "fixed<6,1>")`. Patterns are
            those of a shell (`*`, `?`, `[seq]`) and meet names of layers, for the role `input`
            names of the model's inputs. Roles: `weight`, `bias`, `activation` (what the layer
            gives), `input`. Of several rules that meet a layer the last counts.

    Values that a fixed format cannot hold are clipped (SAT); rounding is to nearest, half up.
    """

    rules: tuple[tuple[str, str, str], ...] = ()

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
