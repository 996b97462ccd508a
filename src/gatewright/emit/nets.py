"""What the text calls each signal, and how it writes some bits of one.

Every cell is written from one primitive: bits `low` to `low + width - 1` of the two's complement
integer of a signal, which goes on with zeros below bit 0 and with its sign (or zeros) above its
top. Aligning binary points, extending, dropping bits and wrapping are all that, so each expression
has exactly the width of its wire and no tool has to extend anything by its own rules.
"""

from __future__ import annotations

import numpy as np

from gatewright.hw import Kind, Module
from gatewright.hw.bulk import values
from gatewright.num import Intervals, Ints

ALL = -1
"""Mask of the bits read where every bit is."""


def literal(value: int, width: int) -> str:
    """Return the low `width` bits of `value` as a sized decimal constant, unsigned."""
    bits = value & ((1 << width) - 1)
    if value < 0 and bits >> (width - 1):
        return f"-{width}'d{(1 << width) - bits}"
    return f"{width}'d{bits}"


def signed_literal(value: int, width: int) -> str:
    """Return a sized decimal constant that Verilog compares and multiplies as signed."""
    if value == -(1 << (width - 1)):
        return f"{width}'sh{value & ((1 << width) - 1):x}"  # its magnitude has no positive literal
    return f"-{width}'sd{-value}" if value < 0 else f"{width}'sd{value}"


class Nets:
    """The signals of one module as the text sees them.

    Indices below `len(module)` are the module's rows; `add` appends nets that have no row, such as
    a port's whole vector. A constant has a value and no name.

    Attributes:
        name: identifier, or None for a constant.
        width: bits.
        signed: whether the top bit is a sign.
        value: integer of a constant.
        root: the net whose wire this one uses (itself, but for a row that only moves the point).
        used: mask of the bits that the text has read so far; `ALL` for all.
    """

    __slots__ = ("name", "root", "signed", "used", "value", "width")

    def __init__(self, module: Module) -> None:
        const = int(Kind.CONST)
        lo, kind = values(module.lo), values(module.kind)
        kinds = Intervals(lo, values(module.hi), values(module.frac))
        self.width: list[int] = kinds.width.tolist()
        self.signed: list[bool] = kinds.signed.tolist()
        self.value: list[int] = np.where(kind == const, values(module.imm), 0).tolist()
        self.name: list[str | None] = [None] * len(module)
        self.root = list(range(len(module)))
        self.used = [0] * len(module)

    def add(self, name: str, width: int, signed: bool = False) -> int:
        """Append a net that is no row of the module; return its index."""
        self.name.append(name)
        self.width.append(width)
        self.signed.append(signed)
        self.value.append(0)
        self.used.append(0)
        self.root.append(len(self.root))
        return len(self.root) - 1

    def is_constant(self, s: int) -> bool:
        """Whether the text writes a literal in place of a name."""
        return self.name[self.root[s]] is None

    def part(self, s: int, low: int, width: int) -> str:
        """Return bits `low` to `low + width - 1` of a net as an unsized-context-free expression.

        `low` may be negative (zeros come in below) and the range may pass the top (the sign or
        zeros come in above). `width` is at least 1.
        """
        s = self.root[s]
        name = self.name[s]
        if name is None:
            value = self.value[s]
            return literal(value >> low if low > 0 else value << -low, width)
        own = self.width[s]
        if low == 0 and width == own:
            self.used[s] = ALL
            return name
        top = low + width
        pieces = []
        if top > own:
            pieces.append(self._above(s, name, top - max(own, low)))
        first, last = max(low, 0), min(top, own) - 1
        if first <= last:
            self.used[s] |= (1 << (last + 1)) - (1 << first)
            pieces.append(bits(name, own, first, last))
        if low < 0:
            pieces.append(f"{min(-low, width)}'d0")
        return pieces[0] if len(pieces) == 1 else f"{{{', '.join(pieces)}}}"

    def read(self, s: int, low: Ints, width: int) -> None:
        """Note that `width` bits of a net are read from each of some positions on."""
        s = self.root[s]
        bits = np.zeros(self.width[s], np.bool_)
        bits[low[:, None] + np.arange(width)] = True
        self.used[s] |= int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")

    def _above(self, s: int, name: str, count: int) -> str:
        """Return `count` bits from above the top of a net."""
        if not self.signed[s]:
            return f"{count}'d0"
        top = self.width[s] - 1
        self.used[s] |= 1 << top
        sign = bits(name, top + 1, top, top)
        return sign if count == 1 else f"{{{count}{{{sign}}}}}"

    def field(self, s: int, low: int, have: int, signed: bool, width: int) -> str:
        """Return a field of `have` bits from bit `low` of a net, extended or cut to `width`."""
        if width <= have:
            return self.part(s, low, width)
        sign = self.part(s, low + have - 1, 1) if signed else "1'd0"
        return f"{{{{{width - have}{{{sign}}}}}, {self.part(s, low, have)}}}"

    def signed_part(self, s: int, low: int, width: int) -> str:
        """Return `part` as an operand that Verilog takes as signed."""
        s = self.root[s]
        if self.name[s] is None:
            value = self.value[s] >> low if low > 0 else self.value[s] << -low
            half = 1 << (width - 1)
            return signed_literal(((value + half) & (2 * half - 1)) - half, width)
        text = self.part(s, low, width)
        return text if self.signed[s] and text is self.name[s] else f"$signed({text})"

    def term(self, s: int, shift: int) -> str:
        """Return what `part` means as a number, for a comment: `4*x_5`."""
        s = self.root[s]
        name = self.name[s]
        if name is None:
            return str(self.value[s] << shift)
        if not shift:
            return name
        return f"{1 << shift}*{name}" if shift < 20 else f"2**{shift}*{name}"

    def unused(self, s: int) -> list[str]:
        """Return the bits of a net that the text never read, as part selects."""
        name, own = self.name[s], self.width[s]
        if name is None or self.used[s] == ALL:
            return []
        rest = ~self.used[s] & ((1 << own) - 1)
        runs = []
        while rest:
            first = (rest & -rest).bit_length() - 1
            last = first
            while rest >> (last + 1) & 1:
                last += 1
            runs.append(bits(name, own, first, last))
            rest &= ~((1 << (last + 1)) - 1)
        return runs


def bits(name: str, own: int, first: int, last: int) -> str:
    """Return the part select of a vector of `own` bits; a single bit or all of it reads shorter."""
    if first == 0 and last == own - 1:
        return name
    return f"{name}[{first}]" if first == last else f"{name}[{last}:{first}]"


def vector(width: int, signed: bool = False) -> str:
    """Return the range (and sign) of a declaration, with a space behind it."""
    sign = "signed " if signed else ""
    return f"{sign}[{width - 1}:0] " if width > 1 else sign
