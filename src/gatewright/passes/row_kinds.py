"""Which rows of a tensor are alike: the same operations, constants and types.

Rows are compared by arrays, not one by one: what a million positions share is found by a hash of
each row's types.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gatewright.ir import Node, Op
from gatewright.num import Intervals, Ints

MOST_KINDS = 16
"""Kinds of rows in a segment above which rare ones use the kernel of the most frequent one."""

Key = tuple[object, ...]
Operand = tuple[str, bool]
"""A value, and whether each row needs its last two axes whole; see `Op.whole_operands`."""


@dataclass(frozen=True, eq=False)
class Segment:
    """Neighbouring operations of a layer that compute each row apart; or one that does not.

    Attributes:
        nodes: the operations, in order.
        leading: shape of the rows' positions; () for an operation that is lowered whole.
    """

    nodes: tuple[Node, ...]
    leading: tuple[int, ...] = ()

    @cached_property
    def outside(self) -> list[Operand]:
        """Values that come from outside, each once, and whether a row needs the whole matrix."""
        own = {node.name for node in self.nodes}
        every = (use for node in self.nodes for use in operands(node))
        return list(dict.fromkeys(use for use in every if use[0] not in own))


def operands(node: Node) -> list[Operand]:
    """Return what an operation reads, in order."""
    return [(name, k in node.op.whole_operands) for k, name in enumerate(node.inputs)]


def segments(nodes: Sequence[Node], types: Mapping[str, Intervals]) -> list[Segment]:
    """Split a layer's operations, in order, into runs over the same rows."""
    runs: list[tuple[tuple[int, ...], list[Node]]] = []
    for node in nodes:
        shape = types[node.name].shape
        leading = shape[:-1]
        apart = int(np.prod(leading)) > 1 and node.op.at_row((0,) * len(leading)) is not None
        if apart and runs and runs[-1][0] == leading and not _needs_whole(node, runs[-1][1]):
            runs[-1][1].append(node)
        else:
            runs.append((leading if apart else (), [node]))
    return [Segment(tuple(members), leading) for leading, members in runs]


def _needs_whole(node: Node, run: Sequence[Node]) -> bool:
    """Say whether a row of an operation needs all rows of what a run computes."""
    own = {member.name for member in run}
    return any(whole and name in own for name, whole in operands(node))


@dataclass(frozen=True, eq=False)
class RowKind:
    """Rows that are alike.

    Attributes:
        rows: their positions, in order; the first one stands for all.
        fed: those of them that are not quite: where the others have a variable, they have a
            constant, which is fed in as one.
    """

    rows: Ints
    fed: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def apart(self) -> list[RowKind]:
        """Those with and those without constants that are fed in."""
        if not len(self.fed):
            return [self]
        return [RowKind(np.setdiff1d(self.rows, self.fed)), RowKind(self.fed, self.fed)]


def ops_at_rows(node: Node, leading: tuple[int, ...]) -> list[Op]:
    """Return an operation's part at each row; a single one where all rows have the same."""
    first = _at(node, (0,) * len(leading))
    if first is node.op:
        return [first]
    return [_at(node, index) for index in np.ndindex(leading)]


def _at(node: Node, index: tuple[int, ...]) -> Op:
    op = node.op.at_row(index)
    assert op is not None, f"{node.name} computes no row apart"
    return op


def kinds_of_rows(types: Sequence[Intervals], ops: Sequence[Ints]) -> list[RowKind]:
    """Group rows that are alike, in order of their first.

    Args:
        types: of each outside value, the first axis is the row.
        ops: of each operation its number at each row, or one for all.

    Zero padding gives a kind of row to each way in which a window can reach over the border: 8 for
    a kernel of 3 x 3, 48 for one of 7 x 7, most of them used once. Above `MOST_KINDS` the rare
    ones take the kernel of the most frequent kind, where all that sets them apart is that they
    have constants: adders of zeros cost LUTs at the border, a kernel of its own costs solving, text
    and checking.
    """
    count = len(types[0].lo)
    columns = [part.reshape(count, -1) for t in types for part in (t.lo, t.hi, t.frac)]
    columns += [np.broadcast_to(each, (count,))[:, None] for each in ops]
    packed = np.ascontiguousarray(np.concatenate(columns, axis=1))
    length = packed.shape[1] * packed.itemsize
    groups: dict[bytes, list[int]] = {}
    data = packed.tobytes()
    for p in range(count):
        groups.setdefault(data[p * length : (p + 1) * length], []).append(p)
    kinds = [RowKind(np.asarray(rows, np.int64)) for rows in groups.values()]
    return _merged(kinds, types, ops) if len(kinds) > MOST_KINDS else kinds


def _merged(
    kinds: Sequence[RowKind], types: Sequence[Intervals], ops: Sequence[Ints]
) -> list[RowKind]:
    """Give rare kinds that only have more constants to the most frequent one."""
    ranked = sorted(kinds, key=lambda kind: -len(kind.rows))
    main, rare = ranked[0], ranked[MOST_KINDS - 1 :]
    if len(main.rows) == 1:
        return list(kinds)
    fed = [kind.rows for kind in rare if _fits(kind.rows[0], main.rows[0], types, ops)]
    if not fed:
        return list(kinds)
    added = np.sort(np.concatenate(fed))
    joined = RowKind(np.concatenate([main.rows, added]), added)
    gone = {int(rows[0]) for rows in fed}
    rest = (kind for kind in kinds if int(kind.rows[0]) not in gone)
    return [joined if kind is main else kind for kind in rest]


def _fits(row: int, main: int, types: Sequence[Intervals], ops: Sequence[Ints]) -> bool:
    """Whether a row differs from another only by constants, which that one's types can hold."""
    if any(len(each) > 1 and each[row] != each[main] for each in ops):
        return False
    for kind in types:
        (lo, hi, frac), (low, high, point) = (
            (kind.lo[p], kind.hi[p], kind.frac[p]) for p in (row, main)
        )
        same = (lo == low) & (hi == high) & (frac == point)
        shift = point - frac
        value = lo << np.clip(shift, 0, 32)
        held = (lo == hi) & (shift >= 0) & (shift <= 32) & (np.abs(lo) < 1 << 24)
        if not (same | (held & (low <= value) & (value <= high))).all():
            return False
    return True


def state_key(value: Any) -> Key:
    """Return an operation's class and constants as something to compare and hash."""
    if isinstance(value, np.ndarray):
        digest = hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=20).digest()
        return value.dtype.str, value.shape, digest
    if is_dataclass(value) and not isinstance(value, type):
        state = ((f.name, state_key(getattr(value, f.name))) for f in fields(value))
        return (type(value).__qualname__, *state)
    if isinstance(value, tuple):
        return tuple(state_key(part) for part in value)
    return (type(value).__name__, value)
