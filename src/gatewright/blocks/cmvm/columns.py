"""The columns of a problem: a weight for every operand, and the digits that may be taken from it.

A change of a weight updates the counts of the patterns that its digits make in its column.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gatewright.blocks.cmvm.layout import (
    ENTRY_COL,
    ENTRY_COLUMNS,
    ENTRY_NEXT,
    ENTRY_OP,
    ENTRY_PREV,
    ENTRY_SLOT,
    ENTRY_WAYS,
    ENTRY_WEIGHT,
)
from gatewright.blocks.cmvm.pairs import (
    change,
    pair_key,
    rebuilt,
)
from gatewright.blocks.cmvm.terms import (
    ONE,
    Int,
    bit_length,
)


@njit()
def digit_count(weight: Int) -> Int:
    """Return the number of canonical signed digits."""
    magnitude = abs(weight)
    bits = magnitude ^ (3 * magnitude)
    count = 0
    while bits != 0:
        bits &= bits - 1
        count += 1
    return count


@njit()
def list_ways(weight: Int, ways: Any) -> Int:
    """List the digits (power << 1 | negative) of all shortest forms in `ways`; return how many."""
    number = 0
    least = digit_count(weight) - 1
    power = 0
    while (abs(weight) << 1) >> power != 0:
        digit = np.int64(1) << power
        if digit_count(weight - digit) == least:
            ways[number] = power << 1
            number += 1
        if digit_count(weight + digit) == least:
            ways[number] = power << 1 | 1
            number += 1
        power += 1
    return number


@njit()
def valued(way: Int) -> Int:
    """Return the value of a digit."""
    digit = np.int64(1) << (way >> 1)
    return -digit if way & 1 != 0 else digit


@njit()
def count_way(
    entries: Any, ways: Any, items: Any, start: Int, size: Int, skip: Int, operand: Int, way: Int,
    delta: Int, counts: Any, used: Any, fresh: Any, n_fresh: Int,
) -> Int:  # fmt: skip
    """Add `delta` to every pattern of one digit with the column's entries other than `skip`.

    Patterns that reach two are listed in `fresh`; returns their number.
    """
    power, negative = way >> 1, way & 1
    for k in range(start, start + size):
        other = items[k]
        if other == skip:
            continue
        partner = entries[other, ENTRY_OP]
        for n in range(entries[other, ENTRY_WAYS]):
            second = ways[other, n]
            key = pair_key(operand, power, negative, partner, second >> 1, second & 1)
            if change(counts, key, delta, used) == 2 and delta > 0:
                fresh[n_fresh] = key
                n_fresh += 1
    return n_fresh


@njit()
def count_own(
    entries: Any, ways: Any, entry: Int, delta: Int, counts: Any, used: Any, fresh: Any,
    n_fresh: Int,
) -> Int:  # fmt: skip
    """Add `delta` to the patterns that an entry's digits make among themselves."""
    weight, operand = entries[entry, ENTRY_WEIGHT], entries[entry, ENTRY_OP]
    least = digit_count(weight) - 2
    for n in range(entries[entry, ENTRY_WAYS]):
        for k in range(n):
            one, two = ways[entry, k], ways[entry, n]
            if digit_count(weight - valued(one) - valued(two)) == least:
                key = pair_key(operand, one >> 1, one & 1, operand, two >> 1, two & 1)
                if change(counts, key, delta, used) == 2 and delta > 0:
                    fresh[n_fresh] = key
                    n_fresh += 1
    return n_fresh


@njit()
def room_for(fresh: Any, extra: Int) -> Any:
    """Return the list with space for `extra` keys more than it has rows in use, regrown."""
    if extra <= fresh.shape[0]:
        return fresh
    grown = np.empty(2 * extra, np.int64)
    for k in range(fresh.shape[0]):
        grown[k] = fresh[k]
    return grown


@njit()
def set_weight(
    entries: Any, ways: Any, items: Any, starts: Any, sizes: Any, entry: Int, weight: Int,
    counts: Any, used: Any, fresh: Any, n_fresh: Int, scratch: Any,
) -> Any:  # fmt: skip
    """Give an entry another weight, and recount what changes; return (counts, fresh, its length).

    An entry that is new has weight 0 and no digits, and stands in its column's list already.
    """
    column, operand = entries[entry, ENTRY_COL], entries[entry, ENTRY_OP]
    start, size = starts[column], sizes[column]
    number = list_ways(weight, scratch)
    total = number
    for k in range(start, start + size):
        total += entries[items[k], ENTRY_WAYS]
    worst = number * total
    if 2 * (used[0] + worst) > counts.shape[0]:
        counts = rebuilt(counts, worst, used)
    fresh = room_for(fresh, n_fresh + worst)
    count_own(entries, ways, entry, -ONE, counts, used, fresh, n_fresh)
    for n in range(entries[entry, ENTRY_WAYS]):
        old, kept = ways[entry, n], False
        for k in range(number):
            kept |= scratch[k] == old
        if not kept:
            count_way(entries, ways, items, start, size, entry, operand, old, -ONE, counts, used,
                      fresh, n_fresh)  # fmt: skip
    for n in range(number):
        new, kept = scratch[n], False
        for k in range(entries[entry, ENTRY_WAYS]):
            kept |= ways[entry, k] == new
        if not kept:
            n_fresh = count_way(entries, ways, items, start, size, entry, operand, new, ONE,
                                counts, used, fresh, n_fresh)  # fmt: skip
    for n in range(number):
        ways[entry, n] = scratch[n]
    entries[entry, ENTRY_WEIGHT], entries[entry, ENTRY_WAYS] = weight, number
    n_fresh = count_own(entries, ways, entry, ONE, counts, used, fresh, n_fresh)
    return counts, fresh, n_fresh


@njit()
def insert(entries: Any, head: Any, items: Any, starts: Any, sizes: Any, entry: Int) -> None:
    """Put an entry into the lists of its operand and of its column."""
    operand, column = entries[entry, ENTRY_OP], entries[entry, ENTRY_COL]
    entries[entry, ENTRY_PREV], entries[entry, ENTRY_NEXT] = -1, head[operand]
    if head[operand] >= 0:
        entries[head[operand], ENTRY_PREV] = entry
    head[operand] = entry
    entries[entry, ENTRY_SLOT] = sizes[column]
    items[starts[column] + sizes[column]] = entry
    sizes[column] += 1


@njit()
def take_out(entries: Any, head: Any, items: Any, starts: Any, sizes: Any, entry: Int) -> None:
    """Take an entry out of the lists of its operand and of its column."""
    before, after = entries[entry, ENTRY_PREV], entries[entry, ENTRY_NEXT]
    if before >= 0:
        entries[before, ENTRY_NEXT] = after
    else:
        head[entries[entry, ENTRY_OP]] = after
    if after >= 0:
        entries[after, ENTRY_PREV] = before
    column = entries[entry, ENTRY_COL]
    sizes[column] -= 1
    last = items[starts[column] + sizes[column]]
    items[starts[column] + entries[entry, ENTRY_SLOT]] = last
    entries[last, ENTRY_SLOT] = entries[entry, ENTRY_SLOT]


@njit()
def lay_out(values: Any, n_columns: Int, n_operands: Int) -> Any:
    """Lay the weights (rows operand, column, weight, sorted by column) out in lists.

    Returns entries without digits as yet, the lists' heads by operand, the columns' lists (items,
    starts, sizes), the number of digits and one more than their greatest power.
    """
    digits, powers, column = 0, 0, 0
    starts, sizes = np.zeros(n_columns, np.int64), np.zeros(n_columns, np.int64)
    for row in range(values.shape[0]):
        while column < values[row, ENTRY_COL]:
            column += 1
            starts[column] = digits
        digits += digit_count(values[row, ENTRY_WEIGHT])
        powers = max(powers, bit_length(abs(values[row, ENTRY_WEIGHT])) + 1)
    while column < n_columns - 1:
        column += 1
        starts[column] = digits
    entries = np.zeros((values.shape[0] + digits, ENTRY_COLUMNS), np.int64)
    head, items = np.full(n_operands + digits, -1, np.int64), np.empty(digits, np.int64)
    for row in range(values.shape[0]):
        for k in range(3):
            entries[row, k] = values[row, k]
        insert(entries, head, items, starts, sizes, row)
    return entries, head, items, starts, sizes, digits, powers
