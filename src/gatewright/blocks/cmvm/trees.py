"""Adder trees over what remains in every column: cheapest pair first, within the depth limit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gatewright.blocks.cmvm.greedy import NEG, OP, POW
from gatewright.blocks.cmvm.pairs import change, count_of, new_table, pack, pair_key
from gatewright.blocks.cmvm.terms import (
    COUNT,
    LEVEL,
    NEG_A,
    NEG_B,
    SHIFT_A,
    TOP,
    A,
    B,
    Int,
    adder_bits,
    estimated_top,
    make_node,
    with_room,
)

NEVER = np.int64(1) << 60
TOP_BIAS = 1 << 14


@njit()
def pair_cost(table: Any, terms: Any, i: Int, j: Int, known: Any, by_level: Int) -> Int:
    """Return how unwelcome it is to add terms `i` and `j`.

    A sum that exists already comes first. Then what counts is the top of the sum, not the adder's
    own bits: narrow and low terms are gathered before wide ones, so that few adders are wide.
    `by_level` puts the level first: the tree is then built as early as its terms arrive.
    """
    a, b = terms[i, 0], terms[j, 0]
    distance = terms[j, 1] - terms[i, 1]
    opposite = terms[i, 2] ^ terms[j, 2]
    level = max(table[a, LEVEL], table[b, LEVEL])
    key = pair_key(a, terms[i, 1], terms[i, 2], b, terms[j, 1], terms[j, 2])
    if count_of(known, key) != 0:
        return level
    sa, sb = max(-distance, 0), max(distance, 0)
    top = estimated_top(table, a, b, sa, sb, 0, opposite)
    bits = adder_bits(table, a, b, sa, sb, 0, opposite, top)
    if opposite != 0:
        turned = estimated_top(table, a, b, sa, sb, 1, 0)
        bits = min(bits, adder_bits(table, a, b, sa, sb, 1, 0, turned))
        top = min(top, turned)
    height = top + min(terms[i, 1], terms[j, 1]) + TOP_BIAS
    if by_level != 0:
        return (((level << 16) + height) << 16) + bits
    return (((height << 16) + level) << 16) + bits


@njit()
def best_partner(costs: Any, size: Int, row: Int) -> Int:
    """Return the cheapest partner of `row` among the first `size` terms (-1: none)."""
    best, best_cost = -1, NEVER
    for k in range(size):
        if costs[row, k] < best_cost:
            best, best_cost = k, costs[row, k]
    return best


@njit()
def update_partners(costs: Any, partner: Any, size: Int, i: Int, j: Int) -> None:
    """Find the cheapest partners anew after term `i` changed and the last term moved to `j`."""
    partner[j] = partner[size]
    for k in range(size):
        mate = partner[k]
        if k in (i, j) or mate in (i, j) or mate >= size:
            partner[k] = best_partner(costs, size, k)
        elif costs[k, i] < costs[k, mate]:
            partner[k] = i


@njit()
def cheapest_pair(table: Any, terms: Any, costs: Any, partner: Any, size: Int, room: float) -> Int:
    """Return the term whose pair is the cheapest that fits the depth limit.

    The room only shrinks, so a pair that does not fit is struck out for good. Some pair always
    fits: the two terms of the lowest levels (Huffman's argument).
    """
    while True:
        best = -1
        for i in range(size):
            if partner[i] >= 0 and (best < 0 or costs[i, partner[i]] < costs[best, partner[best]]):
                best = i
        if best < 0:
            return -1
        other = partner[best]
        gap = abs(2.0 ** table[terms[best, 0], LEVEL] - 2.0 ** table[terms[other, 0], LEVEL])
        if gap <= room:
            return best
        costs[best, other] = costs[other, best] = NEVER
        for i in (best, other):
            partner[i] = best_partner(costs, size, i)


@njit()
def choose_signs(table: Any, spec: Any, sign_a: Int, sign_b: Int, keep_positive: bool) -> Int:
    """Set the signs of a node for two terms; return the sign of the term it becomes."""
    spec[NEG_A] = spec[NEG_B] = 0
    if sign_a == sign_b:
        return sign_a
    a, b, sa, sb = spec[A], spec[B], spec[SHIFT_A], spec[SHIFT_A + 1]
    cost_plus = adder_bits(table, a, b, sa, sb, sign_a, sign_b,
                           estimated_top(table, a, b, sa, sb, sign_a, sign_b))  # fmt: skip
    cost_minus = adder_bits(table, a, b, sa, sb, sign_b, sign_a,
                            estimated_top(table, a, b, sa, sb, sign_b, sign_a))  # fmt: skip
    negative = 1 if cost_minus < cost_plus and not keep_positive else 0
    spec[NEG_A], spec[NEG_B] = sign_a ^ negative, sign_b ^ negative
    return negative


@njit()
def merge_terms(
    table: Any, forms: Any, nodes: Any, n_leaf: Int, node: Int, form_end: Int, terms: Any,
    i: Int, j: Int, positives: Int, known: Any,
) -> Int:  # fmt: skip
    """Make term `i` the sum of terms `i` and `j`, with an operand that exists where there is one.

    Returns the end of the linear forms: unchanged where no node was made, -1 where a value would
    not fit. `positives` counts the positive terms of the column: the last one is kept, so that the
    column's sum needs no negation.
    """
    spec = np.zeros(6, np.int64)
    if terms[i, 0] > terms[j, 0] or (terms[i, 0] == terms[j, 0] and terms[i, 1] > terms[j, 1]):
        first, second = j, i
    else:
        first, second = i, j
    sign_a, sign_b = terms[first, 2], terms[second, 2]
    distance = terms[second, 1] - terms[first, 1]
    spec[0], spec[1] = terms[first, 0], terms[second, 0]
    spec[2], spec[3] = max(-distance, 0), max(distance, 0)
    power = min(terms[i, 1], terms[j, 1])
    keep_positive = positives == 1 and sign_a != sign_b
    key = pack(spec[0], spec[1], distance, sign_a ^ sign_b)
    twin = count_of(known, key) - 1
    if twin >= 0:
        sign = sign_a ^ nodes[twin - n_leaf, NEG_A]
        if not (keep_positive and sign != 0):
            terms[i, 0], terms[i, 1], terms[i, 2] = twin, power, sign
            return form_end
    sign = choose_signs(table, spec, sign_a, sign_b, keep_positive)
    terms[i, 0], terms[i, 1], terms[i, 2] = node, power, sign
    return make_node(table, forms, nodes, n_leaf, node, spec, form_end)


@njit()
def remember(nodes: Any, n_leaf: Int, node: Int, known: Any, used: Any) -> None:
    """Enter a node into the table of known patterns, under its number plus one."""
    spec = nodes[node - n_leaf]
    key = pack(spec[0], spec[1], spec[3] - spec[2], spec[4] ^ spec[5])
    if count_of(known, key) == 0:
        change(known, key, node + 1, used)


@njit()
def column_terms(digits: Any, items: Any, start: Int, size: Int) -> Any:
    """Return the terms (operand, power, sign) of a column."""
    terms = np.empty((size, 3), np.int64)
    for k in range(size):
        digit = items[start + k]
        terms[k, 0], terms[k, 1] = digits[digit, OP], digits[digit, POW]
        terms[k, 2] = digits[digit, NEG]
    return terms


@njit()
def sum_column(
    table: Any, forms: Any, nodes: Any, n_leaf: Int, made: Int, form_end: Int, terms: Any,
    room: float, known: Any, used: Any, by_level: Int,
) -> Any:  # fmt: skip
    """Add the terms of one column up into terms[0]; return (nodes made, forms' end, forms)."""
    size = terms.shape[0]
    costs = np.full((size, size), NEVER, np.int64)
    partner = np.empty(size, np.int64)
    positives = 0
    for i in range(size):
        positives += 1 - terms[i, 2]
        for j in range(i):
            costs[i, j] = costs[j, i] = pair_cost(table, terms, i, j, known, by_level)
    for i in range(size):
        partner[i] = best_partner(costs, size, i)
    while size > 1:
        i = cheapest_pair(table, terms, costs, partner, size, room)
        j = partner[i]
        if i > j:
            i, j = j, i
        room -= abs(2.0 ** table[terms[i, 0], LEVEL] - 2.0 ** table[terms[j, 0], LEVEL])
        before = 2 - terms[i, 2] - terms[j, 2]
        node = n_leaf + made
        forms = with_room(forms, form_end, table[terms[i, 0], COUNT] + table[terms[j, 0], COUNT])
        end = merge_terms(
            table, forms, nodes, n_leaf, node, form_end, terms, i, j, positives, known
        )
        if end < 0:
            return -1, 0, forms
        if terms[i, 0] == node:
            form_end = end
            made += 1
            remember(nodes, n_leaf, node, known, used)
        positives += 1 - terms[i, 2] - before
        size -= 1
        terms[j] = terms[size]
        costs[j, :size] = costs[size, :size]
        costs[:size, j] = costs[:size, size]
        costs[j, j] = NEVER
        for k in range(size):
            if k != i:
                costs[i, k] = costs[k, i] = pair_cost(table, terms, i, k, known, by_level)
        update_partners(costs, partner, size, i, j)
    return made, form_end, forms


@njit()
def add_up(
    table: Any, forms: Any, nodes: Any, n_leaf: Int, made: Int, form_end: Int, digits: Any,
    items: Any, starts: Any, sizes: Any, room: Any, by_level: Int, outputs: Any,
) -> Int:  # fmt: skip
    """Build an adder tree for every column; return the number of nodes, -1 where one is too wide.

    `outputs` receives (operand or -1, power, sign) of each column.
    """
    used = np.zeros(1, np.int64)
    capacity = 64
    while capacity < 4 * nodes.shape[0]:
        capacity *= 2
    known = new_table(capacity)
    for node in range(made):
        remember(nodes, n_leaf, n_leaf + node, known, used)
    for column in range(sizes.shape[0]):
        outputs[column, 0], outputs[column, 1], outputs[column, 2] = -1, 0, 0
        if sizes[column] == 0:
            continue
        terms = column_terms(digits, items, starts[column], sizes[column])
        made, form_end, forms = sum_column(
            table, forms, nodes, n_leaf, made, form_end, terms, room[column], known, used, by_level
        )
        if made < 0:
            return -1
        outputs[column] = terms[0]
    return made


@njit()
def total_bits(table: Any, nodes: Any, made: Int) -> Int:
    """Return the adder bits of all nodes."""
    total = np.int64(0)
    n_leaf = table.shape[0] - nodes.shape[0]
    for k in range(made):
        n = nodes[k]
        top = table[n_leaf + k, TOP]
        total += adder_bits(table, n[0], n[1], n[2], n[3], n[4], n[5], top)
    return total
