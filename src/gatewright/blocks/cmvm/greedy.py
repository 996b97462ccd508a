"""Greedy two-term common subexpression elimination that leaves open how digits write a weight.

Sources of the method: Potkonjak et al. (1996), Hartley (1996) for two-term patterns over signed
digits; Aksoy et al. and Sun et al. (da4ml, 2025) for weighting a pattern by the bits it saves.
Here the pattern counts live in an index that is updated where weights change, so that a step costs
what it changes and no step scans the matrix.

A weight has many shortest forms: 11 = 16 - 4 - 1 = 8 + 4 - 1 = 8 + 2 + 1. A column keeps the
weight itself for every operand, and a pattern may take any digit that some shortest form has: those
whose removal makes the weight's count of canonical digits fall by one. (Whatever is removable after
a removal was so before, so that counts still only fall, which the lazy queue needs.) A pattern is
thus found more often than among fixed digits, and a choice binds no more than it must. Counts in
the index are upper bounds: two digits may exclude each other. `occurrences` counts exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gatewright.blocks.cmvm.columns import digit_count, insert, set_weight, take_out, valued
from gatewright.blocks.cmvm.layout import (
    ADDER,
    BITS,
    COST_UNIT,
    COUNT,
    ENTRY_COL,
    ENTRY_NEXT,
    ENTRY_OP,
    ENTRY_WAYS,
    ENTRY_WEIGHT,
    EXP,
    FIRST,
    LEVEL,
    LEVEL_GAP,
    NEG_A,
    NEG_B,
    NODE_COLUMNS,
    OVERLAP,
    RANDOM,
    SHIFT_A,
    SHIFT_B,
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
    pack,
    push,
    unpack,
)
from gatewright.blocks.cmvm.terms import (
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
def next_fit(first: Int, second: Int, distance: Int, opposite: Int, own: bool) -> Int:
    """Return the digit of weight `first` where a pattern fits, -1: nowhere.

    `own`: both digits are of the one weight `first`.
    """
    least, other = digit_count(first) - 1, digit_count(second) - 1
    power = np.int64(max(-distance, 0))
    while (abs(first) << 1) >> power != 0:
        for negative in range(2):
            one = valued(power << 1 | negative)
            two = valued((power + distance) << 1 | (negative ^ opposite))
            if own:
                fits = digit_count(first - one - two) == least - 1
            else:
                fits = digit_count(first - one) == least and digit_count(second - two) == other
            if fits:
                return power << 1 | negative
        power += 1
    return -1


@njit()
def occurrences(entries: Any, head: Any, mark: Any, key: Int, taken: float, room: Any,
                found: Any) -> Any:  # fmt: skip
    """Find the disjoint occurrences of a pattern that the columns' room allows.

    `found` receives, for every column with some: entries of both operands, their weights
    afterwards, the weight of the pattern's sum. Returns the numbers of rows, of occurrences, and
    of those where the first operand is negative.
    """
    first, second, distance, opposite = unpack(key)
    own = first == second
    entry = head[second]
    while entry >= 0:
        mark[entries[entry, ENTRY_COL]] = entry + 1
        entry = entries[entry, ENTRY_NEXT]
    rows, number, negatives = 0, 0, 0
    entry = head[first]
    while entry >= 0:
        column = entries[entry, ENTRY_COL]
        partner = mark[column] - 1
        if partner >= 0:
            one, two = entries[entry, ENTRY_WEIGHT], entries[partner, ENTRY_WEIGHT]
            total, left = np.int64(0), room[column]
            while taken <= 0.0 or left >= taken:
                way = next_fit(one, two, distance, opposite, own)
                if way < 0:
                    break
                partner_way = ((way >> 1) + distance) << 1 | ((way & 1) ^ opposite)
                one -= valued(way)
                if own:
                    one -= valued(partner_way)
                else:
                    two -= valued(partner_way)
                total += valued(min(way >> 1, partner_way >> 1) << 1 | (way & 1))
                left -= taken
                number += 1
                negatives += way & 1
            if total != 0:
                found[rows, 0], found[rows, 1], found[rows, 2] = entry, partner, one
                found[rows, 3], found[rows, 4] = two, total
                rows += 1
        entry = entries[entry, ENTRY_NEXT]
    entry = head[second]
    while entry >= 0:
        mark[entries[entry, ENTRY_COL]] = 0
        entry = entries[entry, ENTRY_NEXT]
    return rows, number, negatives


@njit()
def replace(
    entries: Any, ways: Any, head: Any, items: Any, starts: Any, sizes: Any, found: Any,
    rows: Int, spec: Any, node: Int, n_entries: Int, counts: Any, used: Any, fresh: Any,
    scratch: Any, taken: float, room: Any,
) -> Any:  # fmt: skip
    """Put an operand in the place of a pattern.

    Returns (counts, list of patterns that came to occur twice, its length, number of entries).
    """
    n_fresh = ZERO
    for k in range(rows):
        one, two = found[k, 0], found[k, 1]
        column = entries[one, ENTRY_COL]
        before = digit_count(entries[one, ENTRY_WEIGHT]) - digit_count(found[k, 2])
        room[column] -= taken * (before // 2 if one == two else before)
        for side in range(1 if one == two else 2):
            entry = found[k, side]
            counts, fresh, n_fresh = set_weight(
                entries, ways, items, starts, sizes, entry, found[k, 2 + side], counts, used,
                fresh, n_fresh, scratch,
            )  # fmt: skip
            if entries[entry, ENTRY_WEIGHT] == 0:
                take_out(entries, head, items, starts, sizes, entry)
        weight = -found[k, 4] if spec[NEG_A] != 0 else found[k, 4]
        new = -1
        for at in range(starts[column], starts[column] + sizes[column]):
            if entries[items[at], ENTRY_OP] == node:
                new = items[at]
        if new < 0:
            new = n_entries
            n_entries += 1
            entries[new, ENTRY_OP], entries[new, ENTRY_COL] = node, column
            entries[new, ENTRY_WEIGHT] = entries[new, ENTRY_WAYS] = 0
            insert(entries, head, items, starts, sizes, new)
        weight += entries[new, ENTRY_WEIGHT]
        counts, fresh, n_fresh = set_weight(
            entries, ways, items, starts, sizes, new, weight, counts, used, fresh, n_fresh, scratch
        )
        if weight == 0:
            take_out(entries, head, items, starts, sizes, new)
    return counts, fresh, n_fresh, n_entries


@njit()
def remember(nodes: Any, n_leaf: Int, node: Int, known: Any, used: Any) -> None:
    """Enter a node into the table of known patterns, under its number plus one."""
    spec = nodes[node - n_leaf]
    key = pack(spec[A], spec[B], spec[SHIFT_B] - spec[SHIFT_A], spec[NEG_A] ^ spec[NEG_B])
    if count_of(known, key) == 0:
        change(known, key, node + 1, used)


@njit()
def initial_index(
    table: Any, entries: Any, n_entries: Int, ways: Any, items: Any, starts: Any, sizes: Any,
    counts: Any, used: Any, scratch: Any, weights: Any, seed: Int,
) -> Any:  # fmt: skip
    """Count all patterns of all columns; return the table, the queue and its size."""
    fresh = np.empty(64, np.int64)
    for entry in range(n_entries):
        weight = entries[entry, ENTRY_WEIGHT]
        entries[entry, ENTRY_WEIGHT] = 0
        counts, fresh, _ = set_weight(
            entries, ways, items, starts, sizes, entry, weight, counts, used, fresh, ZERO, scratch
        )
    heap, size = np.empty((64, 2), np.int64), ZERO
    for row in range(counts.shape[0]):
        if counts[row, 1] >= 2:
            key = counts[row, 0] - 1
            heap = push(heap, size, score(table, key, counts[row, 1], weights, seed), key)
            size += 1
    return counts, heap, size


@njit()
def eliminate(
    table: Any, forms: Any, nodes: Any, n_leaf: Int, made: Int, form_end: Int, known: Any,
    used_known: Any, entries: Any, n_entries: Int, head: Any, items: Any, starts: Any, sizes: Any,
    powers: Int, room: Any, weights: Any, seed: Int,
) -> Any:  # fmt: skip
    """Share two-term patterns until none pays; return (number of nodes, forms, their end).

    The number is -1 where a value would not fit.
    """
    used = np.zeros(1, np.int64)
    ways = np.zeros((entries.shape[0], 2 * powers + 2), np.int64)
    scratch = np.empty(2 * powers + 2, np.int64)
    counts, heap, size = initial_index(
        table, entries, n_entries, ways, items, starts, sizes, new_table(1 << 12), used, scratch,
        weights, seed,
    )  # fmt: skip
    fresh, mark = np.empty(64, np.int64), np.zeros(sizes.shape[0], np.int64)
    found, spec = np.empty((sizes.shape[0], 5), np.int64), np.empty(NODE_COLUMNS, np.int64)
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
        spec[A], spec[B], distance, opposite = unpack(key)
        spec[SHIFT_A], spec[SHIFT_B] = max(-distance, 0), max(distance, 0)
        taken = room_taken(table, spec[A], spec[B], spec[SHIFT_A], spec[SHIFT_B])
        rows, number, negatives = occurrences(entries, head, mark, key, taken, room, found)
        if number < 2:
            continue
        current = score(table, key, number, weights, seed)
        if current < priority and size > 0 and current < heap[0, 0]:
            heap = push(heap, size, current, key)
            size += 1
            continue
        node = count_of(known, key) - 1
        if node >= 0:
            spec[NEG_A], spec[NEG_B] = nodes[node - n_leaf, NEG_A], nodes[node - n_leaf, NEG_B]
        else:
            turned = opposite != 0 and 2 * negatives > number
            spec[NEG_A], spec[NEG_B] = (1, 0) if turned else (0, opposite)
            node = n_leaf + made
            forms = with_room(forms, form_end, table[spec[A], COUNT] + table[spec[B], COUNT])
            form_end = make_node(table, forms, nodes, n_leaf, node, spec, form_end)
            if form_end < 0:
                return -1, forms, 0
            made += 1
            remember(nodes, n_leaf, node, known, used_known)
        counts, fresh, n_fresh, n_entries = replace(
            entries, ways, head, items, starts, sizes, found, rows, spec, node, n_entries, counts,
            used, fresh, scratch, taken, room,
        )  # fmt: skip
        for k in range(n_fresh):
            count = count_of(counts, fresh[k])
            if count >= 2:
                heap = push(heap, size, score(table, fresh[k], count, weights, seed), fresh[k])
                size += 1
    return made, forms, form_end
