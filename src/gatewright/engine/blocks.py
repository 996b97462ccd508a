"""The loop of the interpreter: each step on a block of samples; see `steps`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gatewright.engine.flat import MOVE
from gatewright.engine.steps import (
    ADD,
    AND,
    BIT_AND,
    BIT_OR,
    BIT_SELECT,
    BIT_XOR,
    CONCAT,
    CONST,
    EQUAL,
    INPUT,
    INTEGER,
    LESS,
    MUL,
    OP,
    OR,
    SELECT,
    SLICE,
    SUB,
    TABLE,
    TO,
    TO_BIT,
    TO_INTEGER,
    WRAP,
    P,
    Q,
    R,
    X,
    Y,
    Z,
)  # fmt: skip

ONE = np.uint64(1)


@njit(cache=True)
def _pack(mask: Any, to: Any) -> None:
    """Bring a byte a sample to a bit a sample."""
    for w in range(len(to)):
        word = np.uint64(0)
        for j in range(64):
            word |= np.uint64(mask[64 * w + j]) << np.uint64(j)
        to[w] = word


@njit(cache=True)
def _grid(x: Any, shift: int, y: Any) -> Any:
    """Return integers in units of `2**-shift` of theirs; `y` is room for them."""
    if shift == 0:
        return x
    if shift > 0:
        for i in range(len(x)):
            y[i] = x[i] << shift
    else:
        for i in range(len(x)):
            y[i] = x[i] >> -shift
    return y


@njit(cache=True)
def _bits(step: Any, bits: Any) -> bool:
    """Do a step on bits; say whether it was one."""
    op = step[OP]
    if op < BIT_SELECT or op > BIT_XOR:
        return False
    to, x, y = bits[step[TO]], bits[step[X]], bits[step[Y]]
    if op == BIT_SELECT:
        z = bits[step[Z]]
        for w in range(len(to)):
            to[w] = z[w] ^ (x[w] & (y[w] ^ z[w]))
    elif op == BIT_AND:
        for w in range(len(to)):
            to[w] = x[w] & y[w]
    elif op == BIT_OR:
        for w in range(len(to)):
            to[w] = x[w] | y[w]
    else:
        for w in range(len(to)):
            to[w] = x[w] ^ y[w]
    return True


@njit(cache=True)
def _compared(step: Any, x: Any, y: Any, bits: Any, mask: Any) -> None:
    """Compare two integers."""
    if step[OP] == LESS:
        for i in range(len(x)):
            mask[i] = x[i] < y[i]
    else:
        for i in range(len(x)):
            mask[i] = x[i] == y[i]
    _pack(mask, bits[step[TO]])


@njit(cache=True)
def _sum(op: int, to: Any, x: Any, y: Any) -> None:
    """Compute a sum, a difference, or a product."""
    if op == ADD:
        for i in range(len(to)):
            to[i] = x[i] + y[i]
    elif op == SUB:
        for i in range(len(to)):
            to[i] = x[i] - y[i]
    else:
        for i in range(len(to)):
            to[i] = x[i] * y[i]


@njit(cache=True)
def _bitwise(op: int, to: Any, x: Any, y: Any) -> None:
    """Compute a bitwise operation on codes."""
    if op == AND:
        for i in range(len(to)):
            to[i] = x[i] & y[i]
    elif op == OR:
        for i in range(len(to)):
            to[i] = x[i] | y[i]
    else:
        for i in range(len(to)):
            to[i] = x[i] ^ y[i]


@njit(cache=True)
def _of_one(step: Any, to: Any, x: Any, room: Any) -> None:
    """Compute a wrap, a slice, or a move between grids."""
    p, q, r = step[P], step[Q], step[R]
    if step[OP] == WRAP:
        y, mask = _grid(x, p, room), (1 << q) - 1
        for i in range(len(to)):
            to[i] = ((y[i] - r) & mask) + r
    elif step[OP] == SLICE:
        mask = (1 << q) - 1
        for i in range(len(to)):
            to[i] = (x[i] >> p) & mask
    else:
        to[:] = _grid(x, p, room)


@njit(cache=True)
def _looked_up(step: Any, to: Any, x: Any, words: Any) -> None:
    """Read a table; words past its end are zero."""
    first, depth, mask = step[P], step[Q], step[R]
    if mask < depth:
        for i in range(len(to)):
            to[i] = words[np.uint64(first + (x[i] & mask))]
    else:
        for i in range(len(to)):
            code = x[i] & mask
            to[i] = words[first + code] if code < depth else 0


@njit(cache=True)
def _spread(to: Any, word: Any) -> None:
    """Bring a bit a sample to an integer a sample."""
    for w in range(len(word)):
        for j in range(64):
            to[64 * w + j] = (word[w] >> np.uint64(j)) & ONE


@njit(cache=True)
def _between(step: Any, held: Any, bits: Any, mask: Any, room: Any) -> bool:
    """Do a step between bits and integers; say whether it was one."""
    op = step[OP]
    if op == TO_INTEGER:
        _spread(held[step[TO]], bits[step[X]])
    elif op == TO_BIT:
        a = held[step[X]]
        for i in range(len(a)):
            mask[i] = a[i] != 0
        _pack(mask, bits[step[TO]])
    elif op in (LESS, EQUAL):
        a = _grid(held[step[X]], step[P], room[0])
        _compared(step, a, _grid(held[step[Y]], step[Q], room[1]), bits, mask)
    elif op == SELECT:
        a = _grid(held[step[Y]], step[P], room[0])
        b, to = _grid(held[step[Z]], step[Q], room[1]), held[step[TO]]
        _spread(mask, bits[step[X]])
        for i in range(len(to)):
            to[i] = a[i] if mask[i] else b[i]
    else:
        return False
    return True


@njit(cache=True)
def _integers(step: Any, x: Any, held: Any, words: Any, room: Any) -> None:
    """Do a step on integers; `x` is the block's samples, (samples, elements)."""
    op, to = step[OP], held[step[TO]]
    if op == CONCAT:
        a, b = held[step[X]], held[step[Y]]
        shift, high, low = step[P], step[Q], step[R]
        for i in range(len(to)):
            to[i] = ((a[i] & high) << shift) | (b[i] & low)
    elif op == TABLE:
        _looked_up(step, to, held[step[X]], words)
    elif op == INPUT:
        for i in range(len(x)):
            to[i] = x[i, step[P]]
    elif op in (WRAP, SLICE, MOVE):
        _of_one(step, to, held[step[X]], room[0])
    elif op in (ADD, SUB, MUL):
        a = _grid(held[step[X]], step[P] if op != MUL else 0, room[0])
        _sum(op, to, a, _grid(held[step[Y]], step[Q] if op != MUL else 0, room[1]))
    else:
        _bitwise(op, to, held[step[X]], held[step[Y]])


@njit(cache=True, nogil=True)
def run(steps: Any, outputs: Any, words: Any, x: Any, held: Any, bits: Any, found: Any) -> None:
    """Run all samples, a block after the other.

    Args:
        steps: of `steps.plan`.
        outputs: (outputs,) slots.
        words: of all tables.
        x: (samples, elements).
        held: (slots, block), room for integers.
        bits: (slots, block / 64), room for bits.
        found: (samples, outputs), set.
    """
    block = held.shape[1]
    mask, room = np.zeros(block, np.uint8), np.empty((2, block), held.dtype)
    for step in steps:
        if step[OP] == CONST:
            if step[R] == INTEGER:
                held[step[TO], :] = step[P]
            else:
                bits[step[TO], :] = np.uint64(0) - np.uint64(step[P])
    for start in range(0, len(x), block):
        own = x[start : start + block]
        for step in steps:
            if step[OP] == CONST or _bits(step, bits):
                continue
            if not _between(step, held, bits, mask, room):
                _integers(step, own, held, words, room)
        for k in range(len(outputs)):
            a = held[outputs[k]]
            for i in range(len(own)):
                found[start + i, k] = a[i]
