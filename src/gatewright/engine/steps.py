"""The steps in which an interpreter runs a circuit: compiled planning of a flat list of rows.

A signal of one bit travels as a bit of a 64-bit word, 64 samples at a time; all others travel as
integers. A step that needs the other form has a step of its own before it, once a signal. Slots
are used again behind the last reader of what they hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gatewright.engine.flat import MOVE
from gatewright.hw import NONE, Kind

INTEGER, BIT = 0, 1
"""Forms in which a signal travels."""

CONST, INPUT, ADD, SUB, MUL = (int(k) for k in (
    Kind.CONST, Kind.INPUT, Kind.ADD, Kind.SUB, Kind.MUL))  # fmt: skip
SHIFT, WRAP, LESS, EQUAL, SELECT = (int(k) for k in (
    Kind.SHIFT, Kind.WRAP, Kind.LESS, Kind.EQUAL, Kind.SELECT))  # fmt: skip
AND, OR, XOR, SLICE, CONCAT, TABLE = (int(k) for k in (
    Kind.AND, Kind.OR, Kind.XOR, Kind.SLICE, Kind.CONCAT, Kind.TABLE))  # fmt: skip
BIT_SELECT, BIT_AND, BIT_OR, BIT_XOR, TO_BIT, TO_INTEGER = 40, 41, 42, 43, 44, 45

KIND, A, B, C, IMM, LO, HI, FRAC = range(8)
OP, TO, X, Y, Z, P, Q, R = range(8)
"""Columns of a step: what to do, the slot of its result, those of its operands, and numbers."""


@njit(cache=True)
def _width(lo: int, hi: int) -> int:
    """Return the bits of a range."""
    top = max(hi, -lo - 1)
    bits = 1 if lo < 0 else 0
    while top:
        bits += 1
        top >>= 1
    return bits


@njit(cache=True)
def _is_bit(row: Any) -> bool:
    return bool(row[LO] >= 0 and row[HI] <= 1)


@njit(cache=True)
def _roots(rows: Any) -> Any:
    """Return for each row the one that holds its integers."""
    root = np.arange(len(rows))
    for s in range(len(rows)):
        at = s
        while rows[at, KIND] == SHIFT or (
            rows[at, KIND] == MOVE and rows[at, FRAC] == rows[rows[at, A], FRAC]
        ):
            at = rows[at, A]
        root[s] = at
    return root


@njit(cache=True)
def _order(rows: Any, root: Any, outputs: Any) -> Any:
    """Return what the outputs need, operands first: a sum is finished before the next begins."""
    state = np.zeros(len(rows), np.int8)
    found, stack = np.empty(len(rows), np.int64), np.empty(4 * len(rows) + 4, np.int64)
    count = 0
    for output in outputs:
        stack[0], depth = root[output], 1
        while depth:
            s = stack[depth - 1]
            if state[s] == 0:
                state[s] = 1
                for column in (C, B, A):
                    o = rows[s, column]
                    if o != NONE and state[root[o]] == 0 and rows[s, KIND] != CONST:
                        stack[depth] = root[o]
                        depth += 1
                continue
            depth -= 1
            if state[s] == 1:
                state[s] = 2
                found[count] = s
                count += 1
    return found[:count]


@njit(cache=True)
def _form(rows: Any, root: Any, forms: Any, s: int) -> int:
    """Return the form in which a row's result comes."""
    kind = rows[s, KIND]
    if kind in (LESS, EQUAL):
        return BIT
    if kind == CONST:
        return BIT if _is_bit(rows[s]) else INTEGER
    first = B if kind == SELECT else A
    if kind in (SELECT, AND, OR, XOR):
        for column in range(first, first + 2):
            o = rows[s, column]
            if rows[o, FRAC] != rows[s, FRAC] or not _is_bit(rows[root[o]]):
                return INTEGER
        return BIT if _is_bit(rows[s]) else INTEGER
    return INTEGER


@njit(cache=True)
def _numbers(rows: Any, tables: Any, s: int, step: Any) -> None:
    """Set the numbers of a step: shifts onto a common grid, places and widths of bits."""
    kind, a, b, c = rows[s, KIND], rows[s, A], rows[s, B], rows[s, C]
    if kind in (ADD, SUB, LESS, EQUAL):
        frac = max(rows[a, FRAC], rows[b, FRAC])
        step[P], step[Q] = frac - rows[a, FRAC], frac - rows[b, FRAC]
    elif kind == SELECT:
        step[P], step[Q] = rows[s, FRAC] - rows[b, FRAC], rows[s, FRAC] - rows[c, FRAC]
    elif kind == WRAP:
        width, signed = rows[s, IMM] >> 1, rows[s, IMM] & 1
        step[P], step[Q] = rows[s, FRAC] - rows[a, FRAC], width
        step[R] = -(1 << (width - 1)) if signed and width else 0
    elif kind == MOVE:
        step[P] = rows[s, FRAC] - rows[a, FRAC]
    elif kind == SLICE:
        step[P], step[Q] = rows[s, IMM] // 256, rows[s, IMM] % 256
    elif kind == CONCAT:
        step[P] = _width(rows[b, LO], rows[b, HI])
        step[Q] = (1 << _width(rows[a, LO], rows[a, HI])) - 1
        step[R] = (1 << step[P]) - 1
    elif kind == TABLE:
        step[P], step[Q] = tables[rows[s, IMM], 0], tables[rows[s, IMM], 1]
        step[R] = (1 << _width(rows[a, LO], rows[a, HI])) - 1
    elif kind in (CONST, INPUT):
        step[P], step[R] = rows[s, IMM], step[TO] & 1


@njit(cache=True)
def _written(rows: Any, root: Any, tables: Any, order: Any, outputs: Any) -> Any:
    """Return the steps; a slot is still the number `2 * row + form` of what it holds."""
    forms = np.full(len(rows), INTEGER, np.int64)
    there = np.zeros(2 * len(rows), np.bool_)
    steps = np.full((2 * len(order) + len(outputs), 8), NONE, np.int64)
    count = 0
    for at in range(len(order) + len(outputs)):
        is_output = at >= len(order)
        s = outputs[at - len(order)] if is_output else order[at]
        form = INTEGER if is_output else _form(rows, root, forms, s)
        wanted = np.full(3, NONE, np.int64)
        if is_output:
            wanted[0] = 2 * root[s]
        else:
            kind = rows[s, KIND]
            for column in range(A, C + 1):
                o = rows[s, column]
                if o != NONE and kind != CONST and kind != INPUT:
                    bitwise = kind in (AND, OR, XOR)
                    is_bit = (bitwise and form == BIT) or (
                        kind == SELECT and (column == A or form == BIT)
                    )
                    wanted[column - A] = 2 * root[o] + (BIT if is_bit else INTEGER)
        for w in wanted:
            if w != NONE and not there[w]:
                steps[count, OP] = TO_BIT if w & 1 else TO_INTEGER
                steps[count, TO], steps[count, X] = w, w ^ 1
                there[w] = True
                count += 1
        if is_output:
            continue
        forms[s] = form
        op = rows[s, KIND]
        if form == BIT and op == SELECT:
            op = BIT_SELECT
        elif form == BIT and op in (AND, OR, XOR):
            op += BIT_AND - AND
        steps[count, OP], steps[count, TO] = op, 2 * s + form
        steps[count, X : Z + 1] = wanted
        _numbers(rows, tables, s, steps[count])
        there[2 * s + form] = True
        count += 1
    return steps[:count]


@njit(cache=True)
def _last_readers(steps: Any, kept: Any, size: int) -> Any:
    """Return the last step that reads what is held; of constants and of `kept` the end."""
    last = np.full(size, -1, np.int64)
    for at in range(len(steps)):
        for column in range(X, Z + 1):
            if steps[at, column] != NONE:
                last[steps[at, column]] = at
    for at in range(len(steps)):
        if steps[at, OP] == CONST:
            last[steps[at, TO]] = len(steps)
    for s in kept:
        last[s] = len(steps)
    return last


@njit(cache=True)
def _slots(steps: Any, kept: Any, size: int) -> Any:
    """Put slots in the place of what they hold; return where `kept` lie, and how many there are.

    Constants keep their slots, so that they are written once.
    """
    last = _last_readers(steps, kept, size)
    slot, used = np.full(size, NONE, np.int64), np.zeros(2, np.int64)
    free = np.empty((2, len(steps) + 1), np.int64)
    idle = np.zeros(2, np.int64)
    for at in range(len(steps)):
        ends = np.full(3, NONE, np.int64)
        for column in range(X, Z + 1):
            held = steps[at, column]
            if held != NONE:
                steps[at, column] = slot[held]
                if last[held] == at and held not in ends:
                    ends[column - X] = held
        for held in ends:
            if held != NONE:
                form = held & 1
                free[form, idle[form]] = slot[held]
                idle[form] += 1
        new = steps[at, TO]
        form = new & 1
        # A constant's slot was never another's: what is written once must not be overwritten.
        if idle[form] and steps[at, OP] != CONST:
            idle[form] -= 1
            slot[new] = free[form, idle[form]]
        else:
            slot[new] = used[form]
            used[form] += 1
        steps[at, TO] = slot[new]
    return slot[kept], used


@njit(cache=True)
def plan(rows: Any, tables: Any, outputs: Any) -> Any:
    """Plan a flat circuit.

    Returns:
        (steps, (steps, 8); slots of the outputs; slots of integers and of bits in all)
    """
    root = _roots(rows)
    order = _order(rows, root, outputs)
    steps = _written(rows, root, tables, order, outputs)
    found, used = _slots(steps, 2 * root[outputs], 2 * len(rows))
    return steps, found, used
