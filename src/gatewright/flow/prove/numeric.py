"""What each word-level cell computes, on batches of unsigned words (Yosys's cell library)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from gatewright.flow.prove.forms import Gap
from gatewright.tools.yosys_netlist import UNDEFINED, NetCell

Words = NDArray[np.uint64]
Operands = Mapping[str, Words]
Rule = Callable[[NetCell, Operands], Words]
ONE = np.uint64(1)


def both(cell: NetCell, x: Operands) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return A and B as numbers; both are signed or none is."""
    signed = bool(cell.parameters["A_SIGNED"] and cell.parameters["B_SIGNED"])
    return (
        number(x["A"], len(cell.inputs["A"]), signed),
        number(x["B"], len(cell.inputs["B"]), signed),
    )


def only(cell: NetCell, x: Operands) -> NDArray[np.int64]:
    """Return A as a number."""
    return number(x["A"], len(cell.inputs["A"]), bool(cell.parameters["A_SIGNED"]))


def number(words: Words, width: int, signed: bool) -> NDArray[np.int64]:
    """Return words as numbers."""
    q = words.astype(np.int64)
    if signed and width:
        q = q - ((q >> (width - 1) & 1) << width)
    return np.asarray(q, np.int64)


def arithmetic(
    operate: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]],
) -> Rule:
    """Return the rule of a cell of two numbers; low bits are right whatever overflows."""

    def rule(cell: NetCell, x: Operands) -> Words:
        a, b = both(cell, x)
        return operate(a, b).astype(np.uint64)

    return rule


def comparison(
    compare: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]],
) -> Rule:
    """Return the rule of a cell that compares two numbers."""

    def rule(cell: NetCell, x: Operands) -> Words:
        return compare(*both(cell, x)).astype(np.uint64)

    return rule


def unary(operate: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> Rule:
    """Return the rule of a cell of one number."""
    return lambda cell, x: operate(only(cell, x)).astype(np.uint64)


def _all(cell: NetCell, x: Operands) -> Words:
    full = np.uint64((1 << len(cell.inputs["A"])) - 1)
    return np.asarray(x["A"] == full, np.uint64)


def _parity(cell: NetCell, x: Operands) -> Words:
    words = x["A"].copy()
    for distance in (32, 16, 8, 4, 2, 1):
        words ^= words >> np.uint64(distance)
    return words & ONE


def _shift_right(cell: NetCell, x: Operands) -> Words:
    signed = cell.kind == "$sshr" and bool(cell.parameters["A_SIGNED"])
    a = number(x["A"], len(cell.inputs["A"]), signed)
    return (a >> np.minimum(x["B"], np.uint64(63)).astype(np.int64)).astype(np.uint64)


def _shift_left(cell: NetCell, x: Operands) -> Words:
    a = only(cell, x).astype(np.uint64)
    far = x["B"] > np.uint64(63)
    return np.where(far, np.uint64(0), a << np.minimum(x["B"], np.uint64(63)))


def _mux(cell: NetCell, x: Operands) -> Words:
    chosen = x["S"] != 0
    _defined(cell, "A", ~chosen)
    _defined(cell, "B", chosen)
    return np.where(chosen, x["B"], x["A"])


def _defined(cell: NetCell, port: str, chosen: NDArray[np.bool_]) -> None:
    """Refuse a choice that takes an undefined word: what a complete `case` leaves over."""
    if UNDEFINED in cell.inputs[port] and chosen.any():
        raise Gap(f"an undefined bit is chosen ({cell.source})")


def _pmux(cell: NetCell, x: Operands) -> Words:
    """Take A, or the word of B whose select bit is 1 (one at most is, after a `case`)."""
    width, choices = len(cell.inputs["A"]), len(cell.inputs["S"])
    chosen = np.array(x["A"], np.uint64)
    none = (x["S"] == 0).all(axis=1) if x["S"].ndim == 2 else x["S"] == 0
    _defined(cell, "A", none)
    _defined(cell, "B", ~none)
    for i in reversed(range(choices)):
        chosen = np.where(_bits(x["S"], i, 1) != 0, _bits(x["B"], i * width, width), chosen)
    return chosen


def _bits(words: Words, low: int, width: int) -> Words:
    """Return bits of an operand, which may be given bit by bit."""
    if words.ndim == 2:
        total = np.zeros(len(words), np.uint64)
        for i in range(width):
            total |= words[:, low + i] << np.uint64(i)
        return total
    return (words >> np.uint64(low)) & np.uint64((1 << width) - 1)


def _memory(cell: NetCell, x: Operands) -> Words:
    """Read a memory that is never written; words past its end read as zero."""
    width, size, start = (int(cell.parameters[key]) for key in ("WIDTH", "SIZE", "OFFSET"))
    text = cell.parameters["INIT"]
    text = text if isinstance(text, str) else f"{text:0{width * size}b}"
    if text.strip("01"):
        raise Gap(f"a memory with words that are not set ({cell.source})")
    words = [int(text[len(text) - (i + 1) * width : len(text) - i * width], 2) for i in range(size)]
    table = np.array([*words, 0], np.uint64)
    address = x["RD_ADDR"].astype(np.int64) - start
    inside = (address >= 0) & (address < size)
    return table[np.where(inside, address, size)]


NUMERIC: dict[str, Rule] = {
    "$add": arithmetic(lambda a, b: a + b),
    "$sub": arithmetic(lambda a, b: a - b),
    "$mul": arithmetic(lambda a, b: a * b),
    "$and": arithmetic(lambda a, b: a & b),
    "$or": arithmetic(lambda a, b: a | b),
    "$xor": arithmetic(lambda a, b: a ^ b),
    "$xnor": arithmetic(lambda a, b: ~(a ^ b)),
    "$neg": unary(lambda a: -a),
    "$pos": unary(lambda a: a),
    "$not": unary(lambda a: ~a),
    "$lt": comparison(lambda a, b: a < b),
    "$le": comparison(lambda a, b: a <= b),
    "$gt": comparison(lambda a, b: a > b),
    "$ge": comparison(lambda a, b: a >= b),
    "$eq": comparison(lambda a, b: a == b),
    "$ne": comparison(lambda a, b: a != b),
    "$logic_and": comparison(lambda a, b: (a != 0) & (b != 0)),
    "$logic_or": comparison(lambda a, b: (a != 0) | (b != 0)),
    "$logic_not": unary(lambda a: (a == 0).astype(np.int64)),
    "$reduce_or": unary(lambda a: (a != 0).astype(np.int64)),
    "$reduce_bool": unary(lambda a: (a != 0).astype(np.int64)),
    "$reduce_and": _all,
    "$reduce_xor": _parity,
    "$reduce_xnor": lambda cell, x: ONE - _parity(cell, x),
    "$shl": _shift_left,
    "$sshl": _shift_left,
    "$shr": _shift_right,
    "$sshr": _shift_right,
    "$mux": _mux,
    "$pmux": _pmux,
    "$mem_v2": _memory,
}
"""Rules by cell; what is not here is not understood, and nothing behind it is proven."""

WIDE = ("$pmux",)
"""Cells whose operands may be wider than a word."""
