"""Which cells are affine, and how; which only pass bits on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gatewright.flow.prove.forms import Form
from gatewright.flow.prove.vectors import Bit, Vector, extended
from gatewright.flow.prove.words import Reader
from gatewright.tools.yosys_netlist import NetCell

Operands = Mapping[str, Vector]
Rule = Callable[[Reader, NetCell, Operands, int], Form | None]
"""The form of an output of so many bits, modulo 2**bits; None where it is not affine."""
Passing = Callable[[NetCell, Operands, int], Vector | None]
"""The bits that an output of so many bits repeats; None where it does not only do that."""

ZERO, ONE = Bit(None, 0), Bit(None, 1)


def constant_of(bits: Vector) -> int | None:
    """Return the unsigned number of a vector of constants."""
    if any(bit.signal is not None for bit in bits):
        return None
    return sum(bit.at << i for i, bit in enumerate(bits))


def _signed(cell: NetCell) -> bool:
    """Whether the operands are extended by their sign."""
    return bool(cell.parameters["A_SIGNED"] and cell.parameters.get("B_SIGNED", 1))


def _both(reader: Reader, cell: NetCell, x: Operands, width: int) -> tuple[Form, Form]:
    signed = _signed(cell)
    a, b = (reader.value(extended(x[port], signed, width)) for port in ("A", "B"))
    return a, b


def _add(reader: Reader, cell: NetCell, x: Operands, width: int) -> Form:
    a, b = _both(reader, cell, x, width)
    return a.plus(b)


def _sub(reader: Reader, cell: NetCell, x: Operands, width: int) -> Form:
    a, b = _both(reader, cell, x, width)
    return a.plus(b, -1)


def _mul(reader: Reader, cell: NetCell, x: Operands, width: int) -> Form | None:
    a, b = _both(reader, cell, x, width)
    if b.terms:
        a, b = b, a
    return None if b.terms else a.times(b.constant)


def _neg(reader: Reader, cell: NetCell, x: Operands, width: int) -> Form:
    return reader.value(extended(x["A"], _signed(cell), width)).times(-1)


def _not(reader: Reader, cell: NetCell, x: Operands, width: int) -> Form:
    return reader.value(extended(x["A"], _signed(cell), width), flips=(1 << width) - 1)


def _xor(reader: Reader, cell: NetCell, x: Operands, width: int) -> Form | None:
    """Invert the bits where a constant is 1 (`$xnor`: 0)."""
    signed = _signed(cell)
    a, b = (extended(x[port], signed, width) for port in ("A", "B"))
    mask = constant_of(b)
    if mask is None:
        a, mask = b, constant_of(a)
    if mask is None:
        return None
    return reader.value(a, flips=mask ^ ((1 << width) - 1) if cell.kind == "$xnor" else mask)


AFFINE: dict[str, Rule] = {
    "$add": _add,
    "$sub": _sub,
    "$mul": _mul,
    "$neg": _neg,
    "$not": _not,
    "$xor": _xor,
    "$xnor": _xor,
}
"""Cells that can be affine."""


def _pass_on(cell: NetCell, x: Operands, width: int) -> Vector:
    return extended(x["A"], bool(cell.parameters.get("A_SIGNED", 0)), width)


def _masked(cell: NetCell, x: Operands, width: int) -> Vector | None:
    """Keep the bits that a constant lets through (`$and` with 1, `$or` with 0)."""
    neutral, strong = (ONE, ZERO) if cell.kind == "$and" else (ZERO, ONE)
    signed = _signed(cell)
    found = []
    for a, b in zip(*(extended(x[port], signed, width) for port in ("A", "B")), strict=True):
        if strong in (a, b):
            found.append(strong)
        elif neutral in (a, b):
            found.append(b if a == neutral else a)
        elif a == b:
            found.append(a)
        else:
            return None
    return tuple(found)


def _shift(cell: NetCell, x: Operands, width: int) -> Vector | None:
    """Shift by a constant."""
    by = constant_of(x["B"])
    if by is None:
        return None
    signed = bool(cell.parameters["A_SIGNED"])
    if cell.kind in ("$shl", "$sshl"):
        return ((ZERO,) * min(by, width) + extended(x["A"], signed, width))[:width]
    whole = extended(x["A"], signed, max(width, len(x["A"])))
    return extended(whole[by:], signed and cell.kind == "$sshr", width)


def _select(cell: NetCell, x: Operands, width: int) -> Vector | None:
    """Choose by a constant, or between equals."""
    if x["A"] == x["B"]:
        return x["A"]
    (choice,) = x["S"]
    return (x["B"] if choice.at else x["A"]) if choice.signal is None else None


PASSING: dict[str, Passing] = {
    "$pos": _pass_on,
    "$buf": _pass_on,
    "$and": _masked,
    "$or": _masked,
    "$shl": _shift,
    "$sshl": _shift,
    "$shr": _shift,
    "$sshr": _shift,
    "$mux": _select,
}
"""Cells that may only pass bits on."""
