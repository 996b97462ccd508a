"""Sort signals by a network of comparators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gatewright.blocks.arith import maximum, minimum
from gatewright.hw import Kind, Module


def exchanges(n: int) -> Iterator[tuple[int, int]]:
    """Yield the comparators (upper, lower position) of Batcher's odd-even merge sort.

    For any n, in order; comparators of one step do not touch each other (Knuth, The Art of
    Computer Programming 3, 5.2.2, Algorithm M).
    """
    top = 1
    while top < n:
        top *= 2
    p = top // 2
    while p > 0:
        q, r, d = top // 2, 0, p
        while d > 0:
            for i in range(n - d):
                if i & p == r:
                    yield i, i + d
            d, q, r = q - p, q // 2, p
        p //= 2


def needed(n: int, k: int) -> list[tuple[int, int, bool, bool]]:
    """Return the comparators that the first `k` of `n` depend on, and which results are read."""
    wanted, found = set(range(k)), []
    for i, j in reversed(list(exchanges(n))):
        if i in wanted or j in wanted:
            found.append((i, j, i in wanted, j in wanted))
            wanted |= {i, j}
    return found[::-1]


def sort_values(m: Module, signals: Sequence[int], k: int, largest: bool) -> list[int]:
    """Return the first `k` numbers in order, the largest (or smallest) first."""
    row = list(signals)
    first, second = (maximum, minimum) if largest else (minimum, maximum)
    for i, j, upper, lower in needed(len(row), k):
        a, b = row[i], row[j]
        if upper:
            row[i] = first(m, a, b)
        if lower:
            row[j] = second(m, a, b)
    return row[:k]


def sort_with_positions(
    m: Module, signals: Sequence[int], k: int, largest: bool
) -> tuple[list[int], list[int]]:
    """Return the first `k` numbers in order and their positions; of equal ones the first leads.

    Each number carries its position as further low bits, counted downwards where the largest comes
    first, so that one comparison settles ties as well.
    """
    count = len(signals)
    bits = max(count - 1, 1).bit_length()
    ends = [m.range(s) for s in signals]
    frac = max((f for lo, hi, f in ends if (lo, hi) != (0, 0)), default=0)
    last = (1 << bits) - 1
    tags = [last - i if largest else i for i in range(count)]
    keys = [m.add(s, m.constant(tag, frac + bits)) for s, tag in zip(signals, tags, strict=True)]
    values, positions = [], []
    for key in sort_values(m, keys, k, largest):
        values.append(m.floor(key, frac))
        tag = _tag(m, key, frac + bits, (min(tags), max(tags)))
        positions.append(m.sub(m.constant(last), tag) if largest else tag)
    return values, positions


def _tag(m: Module, key: int, frac: int, span: tuple[int, int]) -> int:
    """Return the lowest bits of a number on the grid `2**-frac`, an integer within `span`."""
    lo, hi, own = m.range(key)
    bits = max(span[1], 1).bit_length()
    if lo == hi:
        shift = max(frac - own, 0)  # only a zero stands on a finer grid than the rows' own
        return m.constant((lo << shift) & ((1 << bits) - 1))
    if span[0] == span[1]:
        return m.constant(span[0])
    return m.row(Kind.WRAP, (*span, 0), m.shift(key, frac), imm=2 * bits)
