"""Keep the first of many rows that are present, in order: a network of two-way choices.

A tree joins neighbours. A node over 2**k rows has 2**k slots, at most as many as a power of two
that holds all that is kept, and the row of rank r among all those present stands in slot r modulo
the number of slots. So a slot of a node has one candidate in each half, at a place that is known:
one choice of two a bit and level, and no shifter. Where a node has more rows than slots, the
candidate of the first half goes first; at the root slot r holds the row of rank r.

Two levels are built together: a slot has four candidates, and two bits that are common to all that
a row holds say which. A bit of a choice of four by two bits is one LUT of six inputs; two levels
apart, whose choices have a bit each, would be three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from gatewright.blocks.arith import reduce_tree, signed_sum
from gatewright.hw import Module
from gatewright.num import Fixed


@dataclass(frozen=True)
class Row:
    """One row: a bit that says whether it is present, its signals, bits of its number, low first.

    What a row that is not present holds means nothing.
    """

    present: int
    content: tuple[int, ...]
    number: tuple[int, ...] = ()


@dataclass(frozen=True)
class Open:
    """A choice between two rows that the next level makes together with its own.

    Attributes:
        present: one of them is there, and belongs where it stands.
        first: it is `a`.
    """

    present: int
    first: int
    a: Row
    b: Row


Slots = list[Row | None]
Waiting = list[Row | Open | None]


def first_present(m: Module, rows: Sequence[Row | None], count: int) -> Slots:
    """Return the first `count` rows that are present, each with the bits of its number.

    Args:
        m: the module.
        rows: None where no row can be present; all with equally many signals, without numbers.
        count: how many are kept, from 1.
    """
    levels = max(len(rows) - 1, 0).bit_length()
    most = max(count - 1, 0).bit_length()
    leaves = [*rows, *(None,) * ((1 << levels) - len(rows))]
    bases = _bases(m, [row.present if row else m.constant(0) for row in leaves], levels, most)
    nodes: list[Waiting] = [[row] for row in leaves]
    for level in range(levels):
        pairs = list(zip(nodes[::2], nodes[1::2], strict=True))
        last = level % 2 == 1 or level == levels - 1
        if level < most:
            base = bases[level]
            nodes = [
                _spread(m, a, b, base[2 * i], base[2 * i + 1], level, last)
                for i, (a, b) in enumerate(pairs)
            ]
        else:
            nodes = [[_choice(m, x, y, last) for x, y in zip(a, b, strict=True)] for a, b in pairs]
        nodes = [node[:count] if len(node) >= 1 << most else node for node in nodes]
    found = [None if isinstance(row, Open) else row for row in nodes[0][:count]]
    return [row for row, _ in zip_longest(found, range(count))]


def _bases(m: Module, bits: list[int], levels: int, most: int) -> list[list[int]]:
    """Return for each level below `most` the rows present before each of its nodes.

    Of the node's rank only what tells slots apart on the next level is kept: `level + 1` bits.
    """
    counts = [bits]
    for level in range(levels):
        pairs = zip(counts[-1][::2], counts[-1][1::2], strict=True)
        counts.append([_low(m, signed_sum(m, pair), min(level + 2, most)) for pair in pairs])
    bases = [[m.constant(0)]]
    for level in reversed(range(levels)):
        found = []
        for i, base in enumerate(bases[0]):
            width = min(level + 1, most)
            second = m.add(base, counts[level][2 * i])
            found += [_low(m, base, width), _low(m, second, width)]
        bases.insert(0, found)
    return bases


def _low(m: Module, a: int, width: int) -> int:
    """Return the low bits of a count."""
    return m.wrap(a, Fixed(False, width, 0))


def _spread(
    m: Module, a: Waiting, b: Waiting, base_a: int, base_b: int, level: int, last: bool
) -> Waiting:
    """Join two nodes of 2**level slots each into one of twice as many."""
    half = 1 << level
    high = [[_high_bit(m, base, slot, level) for slot in range(half)] for base in (base_a, base_b)]
    return [
        _choice(m, _there(m, a[s % half], high[0][s % half], s // half),
                _there(m, b[s % half], high[1][s % half], s // half), last)
        for s in range(2 * half)
    ]  # fmt: skip


def _high_bit(m: Module, base: int, slot: int, level: int) -> int:
    """Return bit `level` of the rank of what stands in a slot of a node that begins at `base`."""
    top = m.slice(base, level, 1) if m.width(base) > level else m.constant(0)
    wrapped = m.less(m.constant(slot), _low(m, base, level))  # ranks before `base` are not here
    if m.is_constant(wrapped):
        return m.not_(top) if m.lo[wrapped] else top
    if m.is_constant(top):
        return m.not_(wrapped) if m.lo[top] else wrapped
    return m.xor(top, wrapped)


def _there(m: Module, row: Row | Open | None, high: int, wanted: int) -> Row | Open | None:
    """Return the row as present only where it belongs into a half of the slots."""
    if row is None:
        return None
    present = m.and_(row.present, high if wanted else m.not_(high))
    return None if m.range(present)[:2] == (0, 0) else replace(row, present=present)


def _choice(m: Module, a: Row | Open | None, b: Row | Open | None, last: bool) -> Row | Open | None:
    """Return `a` where it is present, else `b`; the number gets a bit on top.

    Without `last` the choice stays open; open ones come in only where it does not.
    """
    if a is None or b is None:
        row = a or b
        if row is None:
            return None
        whole = _closed(m, row)
        return replace(whole, number=(*whole.number, m.constant(int(a is None))))
    first = a.present
    present = m.or_(first, b.present) if not m.is_constant(first) else first
    if not last:
        assert isinstance(a, Row)
        assert isinstance(b, Row)
        return Open(present, first, a, b)
    if isinstance(a, Open) and isinstance(b, Open):
        common = m.select(first, a.first, b.first)
        a, b = replace(a, first=common), replace(b, first=common)
    x, y = _closed(m, a), _closed(m, b)
    content = tuple(m.select(first, p, q) for p, q in zip(x.content, y.content, strict=True))
    number = tuple(m.select(first, p, q) for p, q in zip(x.number, y.number, strict=True))
    return Row(present, content, (*number, m.not_(first)))


def _closed(m: Module, row: Row | Open) -> Row:
    """Return a row, with an open choice made."""
    if isinstance(row, Row):
        return row
    content = tuple(
        m.select(row.first, p, q) for p, q in zip(row.a.content, row.b.content, strict=True)
    )
    number = tuple(
        m.select(row.first, p, q) for p, q in zip(row.a.number, row.b.number, strict=True)
    )
    return Row(row.present, content, (*number, m.not_(row.first)))


def number_of(m: Module, bits: Sequence[int]) -> int:
    """Return the number that bits make, low first."""
    return signed_sum(m, [m.shift(bit, place) for place, bit in enumerate(bits)])


def any_of(m: Module, bits: Sequence[int]) -> int:
    """Return whether one of some bits is 1, constants among them."""
    if any(m.range(bit)[:2] == (1, 1) for bit in bits):
        return m.constant(1)
    open_bits = [bit for bit in bits if not m.is_constant(bit)]
    return reduce_tree(m, open_bits, Module.or_) if open_bits else m.constant(0)
