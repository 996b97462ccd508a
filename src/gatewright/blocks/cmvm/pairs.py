"""An index of how often each two-term pattern occurs: a hash table and a lazy priority queue.

A pattern `first ± second << distance` is packed into one integer. The table counts occurrences
and is updated in place when digits appear and vanish. The queue holds (priority, pattern) and is
lazy: priorities only fall after a pattern enters it, so a stale entry is re-inserted when popped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gatewright.blocks.cmvm.terms import Int, copy_rows

DISTANCE_BITS, OPERAND_BITS = 8, 26
DISTANCE_BIAS = 1 << (DISTANCE_BITS - 1)


@njit()
def pack(first: Int, second: Int, distance: Int, opposite: Int) -> Int:
    """Pack `first ± second << distance` (opposite: minus) into one positive integer."""
    key = np.int64(first) << OPERAND_BITS | second
    return ((key << DISTANCE_BITS) | (distance + DISTANCE_BIAS)) << 1 | opposite


@njit()
def unpack(key: Int) -> Any:
    """Return (first, second, distance, opposite) of a pattern."""
    opposite = key & 1
    key >>= 1
    distance = (key & ((1 << DISTANCE_BITS) - 1)) - DISTANCE_BIAS
    key >>= DISTANCE_BITS
    return key >> OPERAND_BITS, key & ((1 << OPERAND_BITS) - 1), distance, opposite


@njit()
def pair_key(op1: Int, pow1: Int, neg1: Int, op2: Int, pow2: Int, neg2: Int) -> Int:
    """Return the pattern that two digits make, the same whichever comes first."""
    if op1 > op2 or (op1 == op2 and pow1 > pow2):
        return pack(op2, op1, pow1 - pow2, neg1 ^ neg2)
    return pack(op1, op2, pow2 - pow1, neg1 ^ neg2)


@njit()
def mixed(key: Int) -> Int:
    """Scramble a key (the finalizer of splitmix64, Steele et al. 2014)."""
    z = np.uint64(key) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((z ^ (z >> np.uint64(31))) >> np.uint64(2))


@njit()
def new_table(capacity: Int) -> Any:
    """Return an empty count table: rows of (key + 1 or 0, count); `capacity` is a power of two."""
    return np.zeros((capacity, 2), np.int64)


@njit()
def change(counts: Any, key: Int, delta: Int, used: Any) -> Int:
    """Add `delta` to the count of `key`; return the new count. `used[0]` counts filled rows."""
    mask = counts.shape[0] - 1
    row = mixed(key) & mask
    while counts[row, 0] != key + 1:
        if counts[row, 0] == 0:
            counts[row, 0] = key + 1
            used[0] += 1
            break
        row = (row + 1) & mask
    counts[row, 1] += delta
    return counts[row, 1]


@njit()
def count_of(counts: Any, key: Int) -> Int:
    """Return the count of `key`."""
    mask = counts.shape[0] - 1
    row = mixed(key) & mask
    while counts[row, 0] != 0:
        if counts[row, 0] == key + 1:
            return counts[row, 1]
        row = (row + 1) & mask
    return 0


@njit()
def rebuilt(counts: Any, extra: Int, used: Any) -> Any:
    """Return the table without its zero rows, with room for `extra` keys more."""
    live = 0
    for row in range(counts.shape[0]):
        if counts[row, 1] != 0:
            live += 1
    capacity = 1024
    while capacity < 3 * live + 2 * extra:
        capacity *= 2
    fresh = new_table(capacity)
    used[0] = 0
    for row in range(counts.shape[0]):
        if counts[row, 1] != 0:
            change(fresh, counts[row, 0] - 1, counts[row, 1], used)
    return fresh


@njit()
def push(heap: Any, size: Int, priority: Int, key: Int) -> Any:
    """Insert into the binary max-heap of rows (priority, key); return the heap, maybe regrown."""
    if size == heap.shape[0]:
        grown = np.empty((2 * size + 64, 2), np.int64)
        copy_rows(grown, heap, size)
        heap = grown
    child = size
    while child > 0:
        parent = (child - 1) >> 1
        if heap[parent, 0] > priority or (heap[parent, 0] == priority and heap[parent, 1] >= key):
            break
        heap[child, 0], heap[child, 1] = heap[parent, 0], heap[parent, 1]
        child = parent
    heap[child, 0], heap[child, 1] = priority, key
    return heap


@njit()
def drop_top(heap: Any, size: Int) -> None:
    """Remove the greatest of `size` entries; the caller counts one less."""
    last = size - 1
    priority, key = heap[last, 0], heap[last, 1]
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= last:
            break
        right = child + 1
        if right < last and (
            heap[right, 0] > heap[child, 0]
            or (heap[right, 0] == heap[child, 0] and heap[right, 1] > heap[child, 1])
        ):
            child = right
        if heap[child, 0] < priority or (heap[child, 0] == priority and heap[child, 1] <= key):
            break
        heap[hole, 0], heap[hole, 1] = heap[child, 0], heap[child, 1]
        hole = child
    heap[hole, 0], heap[hole, 1] = priority, key
