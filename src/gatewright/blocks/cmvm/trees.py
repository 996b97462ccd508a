"""Adder trees over what remains in every column: cheapest pair first, within the depth limit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gatewright.blocks.cmvm.columns import digit_count
from gatewright.blocks.cmvm.greedy import remember
from gatewright.blocks.cmvm.layout import (
    COST_UNIT,
    COUNT,
    ENTRY_OP,
    ENTRY_WEIGHT,
    EXP,
    LEVEL,
    NEG_A,
    NEG_B,
    NODE_COLUMNS,
    SHIFT_A,
    SHIFT_B,
    TERM_COLUMNS,
    TERM_NEG,
    TERM_OP,
    TERM_POW,
    TOP,
    A,
    B,
)
from gatewright.blocks.cmvm.pairs import count_of, pack, pair_key
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

NEVER = np.int64(1) << 60
TOP_BIAS = 1 << 14


@njit()
def pair_cost(table: Any, terms: Any, i: Int, j: Int, known: Any, waste: Int) -> Int:
    """Return how unwelcome it is to add terms `i` and `j`.

    A sum that exists already comes first. Then what counts is the top of the sum, not the adder's
    own bits: narrow and low terms are gathered before wide ones, so that few adders are wide.
    Against that stands, weighted by `waste`, what an adder spends without taking a bit off the
    column: the column's bits less the output's are the same in every tree, and each sum that is
    wider than its operands adds one. Long operands that take up short ones grow least.
    """
    a, b = terms[i, TERM_OP], terms[j, TERM_OP]
    distance = terms[j, TERM_POW] - terms[i, TERM_POW]
    level = max(table[a, LEVEL], table[b, LEVEL])
    key = pair_key(
        a, terms[i, TERM_POW], terms[i, TERM_NEG], b, terms[j, TERM_POW], terms[j, TERM_NEG]
    )
    if count_of(known, key) != 0:
        return level
    sa, sb = max(-distance, 0), max(distance, 0)
    top = estimated_top(table, a, b, sa, sb)
    cost = adder_cost(table, a, b, sa, sb)
    height = top + min(terms[i, TERM_POW], terms[j, TERM_POW]) + TOP_BIAS
    growth = max(top - max(table[a, TOP] + sa, table[b, TOP] + sb), 0)
    half = cost - COST_UNIT * overlap_of(table, a, b, sa, sb)
    rank = COST_UNIT * height + waste * (COST_UNIT * growth + half)
    return (((rank << 16) + level) << 16) + cost


@njit()
def term_room(table: Any, terms: Any, i: Int, j: Int) -> float:
    """Return what adding terms `i` and `j` takes from the room (see `room_taken`)."""
    distance = terms[j, TERM_POW] - terms[i, TERM_POW]
    sa, sb = max(-distance, 0), max(distance, 0)
    return room_taken(table, terms[i, TERM_OP], terms[j, TERM_OP], sa, sb)


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
def lowest_pair(table: Any, terms: Any, partner: Any, size: Int) -> Int:
    """Pair the two terms of the lowest levels: what is left where rounding ate the last room."""
    low, second = 0, 1
    if table[terms[1, TERM_OP], LEVEL] < table[terms[0, TERM_OP], LEVEL]:
        low, second = 1, 0
    for k in range(2, size):
        level = table[terms[k, TERM_OP], LEVEL]
        if level < table[terms[low, TERM_OP], LEVEL]:
            low, second = k, low
        elif level < table[terms[second, TERM_OP], LEVEL]:
            second = k
    partner[low] = second
    return low


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
            return lowest_pair(table, terms, partner, size)
        other = partner[best]
        if term_room(table, terms, best, other) <= room:
            return best
        costs[best, other] = costs[other, best] = NEVER
        for i in (best, other):
            partner[i] = best_partner(costs, size, i)


@njit()
def choose_signs(table: Any, spec: Any, sign_a: Int, sign_b: Int, keep_positive: bool) -> Int:
    """Set the signs of a node for two terms; return the sign of the term it becomes.

    The coarser one is subtracted: bits of the finer one that pass below it need no inverter.
    """
    if sign_a == sign_b:
        spec[NEG_A] = spec[NEG_B] = 0
        return sign_a
    a_is_finer = table[spec[A], EXP] + spec[SHIFT_A] <= table[spec[B], EXP] + spec[SHIFT_B]
    negative = ZERO if keep_positive else (sign_a if a_is_finer else sign_b)
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
    spec = np.zeros(NODE_COLUMNS, np.int64)
    if terms[i, TERM_OP] > terms[j, TERM_OP] or (
        terms[i, TERM_OP] == terms[j, TERM_OP] and terms[i, TERM_POW] > terms[j, TERM_POW]
    ):
        first, second = j, i
    else:
        first, second = i, j
    sign_a, sign_b = terms[first, TERM_NEG], terms[second, TERM_NEG]
    distance = terms[second, TERM_POW] - terms[first, TERM_POW]
    spec[A], spec[B] = terms[first, TERM_OP], terms[second, TERM_OP]
    spec[SHIFT_A], spec[SHIFT_B] = max(-distance, 0), max(distance, 0)
    power = min(terms[i, TERM_POW], terms[j, TERM_POW])
    keep_positive = positives == 1 and sign_a != sign_b
    key = pack(spec[A], spec[B], distance, sign_a ^ sign_b)
    twin = count_of(known, key) - 1
    if twin >= 0:
        sign = sign_a ^ nodes[twin - n_leaf, NEG_A]
        if not (keep_positive and sign != 0):
            terms[i, TERM_OP], terms[i, TERM_POW], terms[i, TERM_NEG] = twin, power, sign
            return form_end
    sign = choose_signs(table, spec, sign_a, sign_b, keep_positive)
    terms[i, TERM_OP], terms[i, TERM_POW], terms[i, TERM_NEG] = node, power, sign
    return make_node(table, forms, nodes, n_leaf, node, spec, form_end)


@njit()
def column_terms(entries: Any, items: Any, start: Int, size: Int) -> Any:
    """Return the terms (operand, power, sign) of a column: its weights' canonical signed digits."""
    number = 0
    for k in range(start, start + size):
        number += digit_count(entries[items[k], ENTRY_WEIGHT])
    terms = np.empty((number, TERM_COLUMNS), np.int64)
    number = 0
    for k in range(start, start + size):
        weight = entries[items[k], ENTRY_WEIGHT]
        half = abs(weight) >> 1
        tripled = abs(weight) + half
        power = 0
        while (tripled | half) >> power != 0:
            if (tripled ^ half) >> power & 1 != 0:
                terms[number, TERM_OP], terms[number, TERM_POW] = entries[items[k], ENTRY_OP], power
                sign = half >> power & 1
                terms[number, TERM_NEG] = 1 - sign if weight < 0 else sign
                number += 1
            power += 1
    return terms


@njit()
def sum_column(
    table: Any, forms: Any, nodes: Any, n_leaf: Int, made: Int, form_end: Int, terms: Any,
    room: float, known: Any, used: Any, waste: Int,
) -> Any:  # fmt: skip
    """Add the terms of one column up into terms[0]; return (nodes made, forms' end, forms)."""
    size = terms.shape[0]
    costs = np.full((size, size), NEVER, np.int64)
    partner = np.empty(size, np.int64)
    positives = ZERO
    for i in range(size):
        positives += 1 - terms[i, TERM_NEG]
        for j in range(i):
            costs[i, j] = costs[j, i] = pair_cost(table, terms, i, j, known, waste)
    for i in range(size):
        partner[i] = best_partner(costs, size, i)
    while size > 1:
        i = cheapest_pair(table, terms, costs, partner, size, room)
        j = partner[i]
        if i > j:
            i, j = j, i
        before = 2 - terms[i, TERM_NEG] - terms[j, TERM_NEG]
        node = n_leaf + made
        a, b = terms[i, TERM_OP], terms[j, TERM_OP]
        forms = with_room(forms, form_end, table[a, COUNT] + table[b, COUNT])
        room -= term_room(table, terms, i, j)
        end = merge_terms(
            table, forms, nodes, n_leaf, node, form_end, terms, i, j, positives, known
        )
        if end < 0:
            return -1, 0, forms
        if terms[i, TERM_OP] == node:
            form_end = end
            made += 1
            remember(nodes, n_leaf, node, known, used)
        positives += 1 - terms[i, TERM_NEG] - before
        size -= 1
        for k in range(TERM_COLUMNS):
            terms[j, k] = terms[size, k]
        for k in range(size):
            costs[j, k] = costs[k, j] = costs[size, k]
        costs[j, j] = NEVER
        for k in range(size):
            if k != i:
                costs[i, k] = costs[k, i] = pair_cost(table, terms, i, k, known, waste)
        update_partners(costs, partner, size, i, j)
    return made, form_end, forms


@njit()
def add_up(
    table: Any, forms: Any, nodes: Any, n_leaf: Int, made: Int, form_end: Int, known: Any,
    used: Any, entries: Any, items: Any, starts: Any, sizes: Any, room: Any, waste: Int,
    outputs: Any,
) -> Int:  # fmt: skip
    """Build an adder tree for every column; return the number of nodes, -1 where one is too wide.

    `outputs` receives (operand or -1, power, sign) of each column.
    """
    for column in range(sizes.shape[0]):
        outputs[column, TERM_OP] = -1
        if sizes[column] == 0:
            continue
        terms = column_terms(entries, items, starts[column], sizes[column])
        made, form_end, forms = sum_column(
            table,
            forms,
            nodes,
            n_leaf,
            made,
            form_end,
            terms,
            room[column],
            known,
            used,
            waste,
        )
        if made < 0:
            return -1
        for k in range(TERM_COLUMNS):
            outputs[column, k] = terms[0, k]
    return made


@njit()
def total_cost(table: Any, nodes: Any, made: Int) -> Int:
    """Return the cost of all nodes in units of 1 / COST_UNIT LUT."""
    total = np.int64(0)
    for k in range(made):
        n = nodes[k]
        total += adder_cost(table, n[A], n[B], n[SHIFT_A], n[SHIFT_B])
    return total
