"""Greedy two-term common subexpression elimination on a matrix of signed digits.

Sources of the method: Potkonjak et al. (1996), Hartley (1996) for two-term patterns over signed
digits; Aksoy et al. and Sun et al. (da4ml, 2025) for weighting a pattern by the bits it saves.
Here the pattern counts live in an index that is updated where digits change, so that a step costs
what it changes and no step scans the matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gatewright.blocks.cmvm.layout import (
    ADDER,
    BITS,
    COL,
    COST_UNIT,
    COUNT,
    EXP,
    FIRST,
    LEVEL,
    LEVEL_GAP,
    NEG,
    NEG_A,
    NEG_B,
    NEXT,
    NODE_COLUMNS,
    OP,
    OVERLAP,
    POW,
    PREV,
    RANDOM,
    SHIFT_A,
    SHIFT_B,
    SLOT,
    SPAN,
    A,
    B,
)
from gatewright.blocks.cmvm.pairs import (
    change,
    count_of,
    drop_top,
    mixed,
    new_table,
    pair_key,
    push,
    rebuilt,
    unpack,
)
from gatewright.blocks.cmvm.terms import (
    ONE,
    ZERO,
    Int,
    adder_cost,
    estimated_top,
    make_node,
    overlap_of,
    room_taken,
    with_room,
)


@njit()
def score(table: Any, key: Int, count: Int, weights: Any, seed: Int) -> Int:
    """Return the priority of a pattern that occurs `count` times: greater is better."""
    first, second, distance, _ = unpack(key)
    sa, sb = max(-distance, 0), max(distance, 0)
    bits = adder_cost(table, first, second, sa, sb) / COST_UNIT
    value = weights[OVERLAP] * overlap_of(table, first, second, sa, sb) + weights[BITS] * bits
    value = (value + weights[ADDER]) * (count - weights[FIRST])
    top = estimated_top(table, first, second, sa, sb)
    value += weights[SPAN] * (top - min(table[first, EXP] + sa, table[second, EXP] + sb))
    value -= weights[LEVEL_GAP] * abs(table[first, LEVEL] - table[second, LEVEL])
    scrambled = mixed(key ^ (seed << 3)) & 0xFFFF
    value *= 1.0 + weights[RANDOM] * scrambled / 65536.0
    return (np.int64(max(value, 0.0) * 256.0) << 16) | scrambled


@njit()
def link(digits: Any, head: Any, digit: Int) -> None:
    """Put a digit into the list of its operand."""
    operand = digits[digit, OP]
    digits[digit, PREV] = -1
    digits[digit, NEXT] = head[operand]
    if head[operand] >= 0:
        digits[head[operand], PREV] = digit
    head[operand] = digit


@njit()
def remove(digits: Any, head: Any, items: Any, starts: Any, sizes: Any, digit: Int) -> None:
    """Take a digit out of its operand's and its column's lists."""
    before, after = digits[digit, PREV], digits[digit, NEXT]
    if before >= 0:
        digits[before, NEXT] = after
    else:
        head[digits[digit, OP]] = after
    if after >= 0:
        digits[after, PREV] = before
    column = digits[digit, COL]
    sizes[column] -= 1
    last = items[starts[column] + sizes[column]]
    items[starts[column] + digits[digit, SLOT]] = last
    digits[last, SLOT] = digits[digit, SLOT]


@njit()
def count_pairs(
    digits: Any, items: Any, start: Int, size: Int, digit: Int, delta: Int, counts: Any, used: Any
) -> None:
    """Add `delta` to every pattern that `digit` makes with the first `size` digits listed."""
    operand, power, negative = digits[digit, OP], digits[digit, POW], digits[digit, NEG]
    for k in range(start, start + size):
        other = items[k]
        key = pair_key(
            operand, power, negative, digits[other, OP], digits[other, POW], digits[other, NEG]
        )
        change(counts, key, delta, used)


@njit()
def count_new_pairs(
    digits: Any, items: Any, start: Int, size: Int, digit: Int, counts: Any, used: Any,
    fresh: Any, n_fresh: Int,
) -> Any:  # fmt: skip
    """Count the patterns of a digit of a new operand; list in `fresh` those that reach two."""
    operand, power, negative = digits[digit, OP], digits[digit, POW], digits[digit, NEG]
    if n_fresh + size > fresh.shape[0]:
        grown = np.empty(2 * (n_fresh + size), np.int64)
        for k in range(n_fresh):
            grown[k] = fresh[k]
        fresh = grown
    for k in range(start, start + size):
        other = items[k]
        key = pair_key(
            operand, power, negative, digits[other, OP], digits[other, POW], digits[other, NEG]
        )
        if change(counts, key, ONE, used) == 2:
            fresh[n_fresh] = key
            n_fresh += 1
    return fresh, n_fresh


@njit()
def occurrences(digits: Any, head: Any, marks: Any, key: Int, found: Any) -> Int:
    """List disjoint occurrences (digit, digit) of a pattern in `found`; return their number."""
    first, second, distance, opposite = unpack(key)
    powers = marks.shape[1]
    digit = head[second]
    while digit >= 0:
        marks[digits[digit, COL], digits[digit, POW]] = digit + 1
        digit = digits[digit, NEXT]
    number = 0
    digit = head[first]
    while digit >= 0:
        column, power = digits[digit, COL], digits[digit, POW]
        partner_power = power + distance
        if 0 <= partner_power < powers:
            partner = marks[column, partner_power] - 1
            free = first != second or marks[column, power] != 0
            if partner >= 0 and free and digits[digit, NEG] ^ digits[partner, NEG] == opposite:
                found[number, 0], found[number, 1] = digit, partner
                number += 1
                marks[column, partner_power] = 0
                if first == second:
                    marks[column, power] = 0
        digit = digits[digit, NEXT]
    digit = head[second]
    while digit >= 0:
        marks[digits[digit, COL], digits[digit, POW]] = 0
        digit = digits[digit, NEXT]
    return number


@njit()
def within_depth(digits: Any, cost: float, found: Any, number: Int, room: Any) -> Int:
    """Keep the occurrences whose columns have room for a tree afterwards (see `room_taken`)."""
    if cost == 0.0:
        return number
    kept = 0
    for k in range(number):
        column = digits[found[k, 0], COL]
        if room[column] >= cost:
            room[column] -= cost
            found[kept, 0], found[kept, 1] = found[k, 0], found[k, 1]
            kept += 1
    return kept


@njit()
def give_room_back(digits: Any, cost: float, found: Any, number: Int, room: Any) -> None:
    """Undo `within_depth` for occurrences that are not merged after all."""
    for k in range(number):
        room[digits[found[k, 0], COL]] += cost


@njit()
def oriented(digits: Any, key: Int, found: Any, number: Int, positives: Any, spec: Any) -> None:
    """Choose the signs of the node for a pattern: what leaves the columns positive terms.

    A column without a positive term must negate its sum. Then the sign that occurs more often.
    """
    first, second, distance, opposite = unpack(key)
    spec[A], spec[B], spec[NEG_A], spec[NEG_B] = first, second, 0, opposite
    spec[SHIFT_A], spec[SHIFT_B] = max(-distance, 0), max(distance, 0)
    if opposite == 0:
        return
    negative, lost = 0, 0
    for k in range(number):
        is_negative = digits[found[k, 0], NEG]
        negative += is_negative
        if positives[digits[found[k, 0], COL]] == 1:
            lost += 2 * is_negative - 1
    if lost > 0 or (lost == 0 and 2 * negative > number):
        spec[NEG_A], spec[NEG_B] = 1, 0


@njit()
def initial_index(
    digits: Any, items: Any, starts: Any, sizes: Any, table: Any, weights: Any, seed: Int, used: Any
) -> Any:
    """Count all patterns of all columns; return the table, the queue and its size."""
    counts = new_table(1 << 12)
    for column in range(sizes.shape[0]):
        for k in range(sizes[column]):
            if 2 * (used[0] + k) > counts.shape[0]:
                counts = rebuilt(counts, counts.shape[0] + k, used)
            digit = items[starts[column] + k]
            count_pairs(digits, items, starts[column], k, digit, ONE, counts, used)
    heap, size = np.empty((64, 2), np.int64), ZERO
    for row in range(counts.shape[0]):
        if counts[row, 1] >= 2:
            key = counts[row, 0] - 1
            heap = push(heap, size, score(table, key, counts[row, 1], weights, seed), key)
            size += 1
    return counts, heap, size


@njit()
def replace(
    digits: Any, head: Any, items: Any, starts: Any, sizes: Any, found: Any, number: Int,
    spec: Any, node: Int, counts: Any, used: Any, fresh: Any, positives: Any,
) -> Any:  # fmt: skip
    """Put digits of the new operand in the place of the pairs found, and recount.

    Returns the counts and a list, with its length, of the patterns that came to occur twice.
    """
    n_fresh = ZERO
    for k in range(number):
        one, two = found[k, 0], found[k, 1]
        column = digits[one, COL]
        start = starts[column]
        if 2 * (used[0] + sizes[column] + 8) > counts.shape[0]:
            counts = rebuilt(counts, sizes[column] + 8, used)
        positives[column] -= 2 - digits[one, NEG] - digits[two, NEG]
        remove(digits, head, items, starts, sizes, one)
        count_pairs(digits, items, start, sizes[column], one, -ONE, counts, used)
        remove(digits, head, items, starts, sizes, two)
        count_pairs(digits, items, start, sizes[column], two, -ONE, counts, used)
        digits[one, POW] = min(digits[one, POW], digits[two, POW])
        digits[one, NEG] ^= spec[NEG_A]
        positives[column] += 1 - digits[one, NEG]
        digits[one, OP] = node
        fresh, n_fresh = count_new_pairs(
            digits, items, start, sizes[column], one, counts, used, fresh, n_fresh
        )
        digits[one, SLOT] = sizes[column]
        items[start + sizes[column]] = one
        sizes[column] += 1
        link(digits, head, one)
    return counts, fresh, n_fresh


@njit()
def eliminate(
    table: Any, forms: Any, nodes: Any, n_leaf: Int, digits: Any, items: Any, starts: Any,
    sizes: Any, powers: Int, room: Any, weights: Any, seed: Int,
) -> Any:  # fmt: skip
    """Share two-term patterns until none pays; return (number of nodes, forms, their end).

    The number is -1 where a value would not fit.
    """
    used = np.zeros(1, np.int64)
    head = np.full(table.shape[0], -1, np.int64)
    positives = np.zeros(sizes.shape[0], np.int64)
    for digit in range(digits.shape[0]):
        link(digits, head, digit)
        positives[digits[digit, COL]] += 1 - digits[digit, NEG]
    counts, heap, size = initial_index(digits, items, starts, sizes, table, weights, seed, used)
    marks = np.zeros((sizes.shape[0], powers), np.int64)
    found = np.empty((digits.shape[0] + 1, 2), np.int64)
    spec, fresh = np.empty(NODE_COLUMNS, np.int64), np.empty(64, np.int64)
    made, form_end = 0, n_leaf
    while size > 0:
        priority, key = heap[0, 0], heap[0, 1]
        drop_top(heap, size)
        size -= 1
        count = count_of(counts, key)
        if count < 2:
            continue
        current = score(table, key, count, weights, seed)
        if current < priority and size > 0 and current < heap[0, 0]:
            heap = push(heap, size, current, key)
            size += 1
            continue
        number = occurrences(digits, head, marks, key, found)
        spec[A], spec[B], distance, _ = unpack(key)
        taken = room_taken(table, spec[A], spec[B], max(-distance, 0), max(distance, 0))
        number = within_depth(digits, taken, found, number, room)
        current = score(table, key, number, weights, seed)
        if number < 2 or (current < priority and size > 0 and current < heap[0, 0]):
            give_room_back(digits, taken, found, number, room)
            if number >= 2:
                heap = push(heap, size, current, key)
                size += 1
            continue
        node = n_leaf + made
        oriented(digits, key, found, number, positives, spec)
        forms = with_room(forms, form_end, table[spec[A], COUNT] + table[spec[B], COUNT])
        form_end = make_node(table, forms, nodes, n_leaf, node, spec, form_end)
        if form_end < 0:
            return -1, forms, 0
        made += 1
        counts, fresh, n_fresh = replace(
            digits, head, items, starts, sizes, found, number, spec, node, counts, used, fresh,
            positives,
        )  # fmt: skip
        for k in range(n_fresh):
            count = count_of(counts, fresh[k])
            if count >= 2:
                priority = score(table, fresh[k], count, weights, seed)
                heap = push(heap, size, priority, fresh[k])
                size += 1
    return made, forms, form_end
