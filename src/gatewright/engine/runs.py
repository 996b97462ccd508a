"""Instances, and copies to the outputs: loops over addresses that lie in memory, as data.

However many instances a module has, the code is the same: a loop that brings the inputs of an
instance together and calls its module. Where they lie together already, they stay there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.engine.layout import Place, Plan, extent
from gatewright.engine.schedule import Run
from gatewright.engine.tables import Tables
from gatewright.engine.text import Text
from gatewright.engine.writer import Shared
from gatewright.hw import Kind
from gatewright.num import Ints

PARAMETERS = "ptr noalias %in, ptr noalias %out, ptr noalias %frame, ptr noalias %tab"
ARGUMENTS = "ptr %in, ptr %out, ptr %frame, ptr %tab"
BASES = ("in", "frame", "tab")
"""Buffers that a value may lie in; a place names them by their number."""

MoveKind = tuple[int, int, int, bool]
"""Lane before, lane after, bits of shift to the left, whether extended by sign."""


@dataclass(frozen=True)
class Move:
    """One vector to bring to `to`, bytes into a buffer."""

    place: Place
    lane: int
    shift: int
    to: int

    @property
    def kind(self) -> MoveKind:
        """What the mover does to the integers."""
        if self.place.lane == self.lane and not self.shift:
            return self.lane, self.lane, 0, False
        signed = self.place.signed and self.lane > self.place.lane
        return self.place.lane, self.lane, self.shift, signed

    @property
    def is_plain(self) -> bool:
        """Whether the integers stay as they are."""
        return self.kind == (self.lane, self.lane, 0, False)


def _move(plan: Plan, tables: Tables, s: int, lane: int, frac: int, to: int) -> Move:
    """Return how a signal gets to a place in units of `2**-frac`."""
    root, shift = plan.lanes.root[s], frac - plan.module.frac[s]
    if plan.module.kind[root] == Kind.CONST:
        q = plan.module.lo[root]
        value = q << shift if shift >= 0 else q >> -shift
        place = Place("tab", tables.vector(value, lane, plan.block), lane, False)
        return Move(place, lane, 0, to)
    return Move(plan.place(root), lane, shift, to)


@dataclass(frozen=True, eq=False)
class Feeds:
    """How the inputs of all copies in a run get to where their module reads them.

    Attributes:
        kinds: what movers do.
        kind: which of `kinds` brings each input, (copies, inputs).
        base, offset: where it lies, likewise.
        to: where it goes, (inputs,).
    """

    kinds: list[MoveKind]
    kind: Ints
    base: Ints
    offset: Ints
    to: Ints

    @property
    def starts(self) -> Ints | None:
        """Buffer and offset, (copies, 2), at which the inputs of each lie in order already."""
        if not self.to.size or any(a != b or up for a, b, up, _ in self.kinds):
            return None
        first = self.offset - self.to
        if (first != first[:, :1]).any() or (self.base != self.base[:, :1]).any():
            return None
        return np.stack([self.base[:, 0], first[:, 0]], axis=1)


def feeding(plan: Plan, tables: Tables, numbers: Sequence[int]) -> Feeds:
    """Return how the inputs of some instances of one module get to where it reads them."""
    instances, child = [plan.module.instances[n] for n in numbers], plan.child(numbers[0])
    outer = np.concatenate([instance.feeds for instance in instances])
    inner = [s for port in child.inputs for s in port.signals]
    ways = [(p.lane, child.module.frac[s]) for s, (p, _) in zip(inner, child.input_places,
                                                               strict=True)]  # fmt: skip
    kinds: dict[MoveKind, int] = {}
    found = np.zeros((3, *outer.shape), np.int64)
    for lane, frac in dict.fromkeys(ways):
        columns = [i for i, way in enumerate(ways) if way == (lane, frac)]
        signals, inverse = np.unique(outer[:, columns], return_inverse=True)
        moves = [_move(plan, tables, s, lane, frac, 0) for s in signals.tolist()]
        each = [(kinds.setdefault(m.kind, len(kinds)), BASES.index(m.place.base), m.place.offset)
                for m in moves]  # fmt: skip
        shape = (len(outer), len(columns))
        for part, number in zip(found, np.asarray(each, np.int64).T, strict=True):
            part[:, columns] = number[inverse.reshape(shape)]
    to = np.asarray([to for _, to in child.input_places], np.int64)
    return _sorted_kinds(Feeds(list(kinds), found[0], found[1], found[2], to))


def _sorted_kinds(feeds: Feeds) -> Feeds:
    """Return the same with the kinds in order, however they were met."""
    kinds = sorted(feeds.kinds)
    new = np.asarray([kinds.index(kind) for kind in feeds.kinds], np.int64)
    kind = new[feeds.kind] if new.size else feeds.kind
    return Feeds(kinds, kind, feeds.base, feeds.offset, feeds.to)


def copies(plan: Plan, tables: Tables) -> list[Move]:
    """Return how outputs get to their places that no cell of this module computes."""
    module, lanes = plan.module, plan.lanes
    signals = [s for port in plan.outputs for s in port.signals]
    return [
        _move(plan, tables, s, port.lane, module.frac[s], to)
        for s, (port, to) in zip(signals, plan.output_places, strict=True)
        if module.kind[lanes.root[s]] in (Kind.INPUT, Kind.CONST, Kind.INSTANCE)
    ]


def write_run(plan: Plan, shared: Shared, position: int) -> tuple[list[str], set[str]]:
    """Return the body of a run's function, and what it calls."""
    part = plan.parts[position]
    assert isinstance(part, Run)
    child, tables = plan.child(part.instances[0]), shared.tables
    feeds, results = feeding(plan, tables, part.instances), _results(plan, part)
    callee = f"@m{child.number}"
    calls = {f"declare void {callee}(ptr, ptr, ptr, ptr)"}
    starts = feeds.starts
    if starts is not None:
        rows, inside = np.column_stack([starts, results]), _direct()
    else:
        rows, inside = _gathered(shared, plan.feeds[position], feeds, results, calls)
    table = tables.integers(rows.ravel().tolist(), 64)
    columns = rows.shape[1]
    return _loop(table, columns, len(rows), inside, callee, plan.frame), calls


def _results(plan: Plan, part: Run) -> Ints:
    """Return where in the frame the outputs of each copy go."""
    size = extent(plan.child(part.instances[0]).outputs)
    copies = (np.arange(plan.module.instances[number].count) for number in part.instances)
    places = [plan.results[n] + size * c for n, c in zip(part.instances, copies, strict=True)]
    return np.concatenate(places).astype(np.int64)


def _direct() -> list[str]:
    return [
        "  %which = load i64, ptr %row",
        "  %place = getelementptr ptr, ptr %bases, i64 %which",
        "  %base = load ptr, ptr %place",
        "  %start = getelementptr i64, ptr %row, i64 1",
        "  %skip = load i64, ptr %start",
        "  %feed = getelementptr i8, ptr %base, i64 %skip",
        "  %last = getelementptr i64, ptr %row, i64 2",
    ]


def _gathered(
    shared: Shared, feed: int, feeds: Feeds, results: Ints, calls: set[str]
) -> tuple[Ints, list[str]]:
    """Return a row for each copy (start and count of each kind's moves, result), and code."""
    kinds = feeds.kinds
    moves = np.stack([feeds.base, feeds.offset, np.broadcast_to(feeds.to, feeds.base.shape)], -1)
    rows = np.zeros((len(results), 2 * len(kinds) + 1), np.int64)
    rows[:, -1] = results
    for number in range(len(kinds)):
        mine = feeds.kind == number
        rows[:, 2 * number + 1] = mine.sum(1)
        for row, own, chosen in zip(rows, moves, mine, strict=True):
            row[2 * number] = _at(shared.tables, own[chosen])
    lines = [f"  %feed = getelementptr i8, ptr %frame, i64 {feed}"]
    for i, kind in enumerate(kinds):
        lines += [
            f"  %start{i} = getelementptr i64, ptr %row, i64 {2 * i}",
            f"  %many{i} = getelementptr i64, ptr %row, i64 {2 * i + 1}",
            f"  %skip{i} = load i64, ptr %start{i}",
            f"  %count{i} = load i64, ptr %many{i}",
            f"  %moves{i} = getelementptr i8, ptr %tab, i64 %skip{i}",
            _call_mover(shared, kind, "%feed", f"%moves{i}", f"%count{i}", calls),
        ]
    lines.append(f"  %last = getelementptr i64, ptr %row, i64 {2 * len(kinds)}")
    return rows, lines


def _rows(tables: Tables, moves: Iterable[Move]) -> int:
    """Return where the addresses of some moves lie, in order of where they go."""
    rows = [(BASES.index(m.place.base), m.place.offset, m.to) for m in moves]
    return _at(tables, np.asarray(rows, np.int64))


def _at(tables: Tables, rows: Ints) -> int:
    """Return where rows of numbers lie that a mover reads."""
    return tables.integers(rows.ravel().tolist(), 32) if rows.size else 0


def _bases() -> list[str]:
    lines = [f"  %bases = alloca [{len(BASES)} x ptr]"]
    for i, base in enumerate(BASES):
        lines += [
            f"  %at{i} = getelementptr ptr, ptr %bases, i64 {i}",
            f"  store ptr %{base}, ptr %at{i}",
        ]
    return lines


def _loop(
    table: int, columns: int, count: int, inside: list[str], callee: str, frame: int
) -> list[str]:
    """Return the loop over a run's instances."""
    return [
        *_bases(),
        f"  %rows = getelementptr i8, ptr %tab, i64 {table}",
        f"  %behind = getelementptr i8, ptr %frame, i64 {frame}",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ 0, %0 ], [ %next, %loop ]",
        f"  %cell = mul i64 %i, {columns}",
        "  %row = getelementptr i64, ptr %rows, i64 %cell",
        *inside,
        "  %away = load i64, ptr %last",
        "  %result = getelementptr i8, ptr %frame, i64 %away",
        f"  call void {callee}(ptr %feed, ptr %result, ptr %behind, ptr %tab)",
        "  %next = add i64 %i, 1",
        f"  %more = icmp ult i64 %next, {count}",
        "  br i1 %more, label %loop, label %done",
        "done:",
    ]


def write_copies(plan: Plan, shared: Shared) -> tuple[list[str], set[str]]:
    """Return the body of the function that fills outputs from inputs, constants and instances."""
    moves = copies(plan, shared.tables)
    if not moves:
        return [], set()
    calls: set[str] = set()
    lines = _bases()
    for i, kind in enumerate(sorted({m.kind for m in moves})):
        of_kind = [m for m in moves if m.kind == kind]
        start = _rows(shared.tables, of_kind)
        lines.append(f"  %moves{i} = getelementptr i8, ptr %tab, i64 {start}")
        count = str(len(of_kind))
        lines.append(_call_mover(shared, kind, "%out", f"%moves{i}", count, calls))
    return lines, calls


def _call_mover(
    shared: Shared, kind: MoveKind, to: str, moves: str, count: str, calls: set[str]
) -> str:
    shared.moves.add(kind)
    calls.add(f"declare void {_mover_name(kind)}(ptr, ptr, ptr, i64)")
    return f"  call void {_mover_name(kind)}(ptr %bases, ptr {to}, ptr {moves}, i64 {count})"


def _mover_name(kind: MoveKind) -> str:
    lane, to, shift, signed = kind
    way = f"up{shift}" if shift >= 0 else f"down{-shift}"
    return f"@move_{'s' if signed else 'u'}{lane}_{to}_{way}"


def mover_text(kind: MoveKind, block: int) -> str:
    """Write the function that moves vectors: a row of three 32-bit integers for each."""
    lane, to, shift, signed = kind
    text = Text(block)
    moved = text.shifted(text.load("%source", 0, lane), lane, signed, to, shift)
    text.store(moved, "%target", 0, to)
    body = "\n".join(text.lines)
    parameters = "ptr %bases, ptr %to, ptr %rows, i64 %n"
    return f"""define hidden void {_mover_name(kind)}({parameters}) #0 {{
  %none = icmp eq i64 %n, 0
  br i1 %none, label %done, label %loop
loop:
  %i = phi i64 [ 0, %0 ], [ %next, %loop ]
  %row = getelementptr [3 x i32], ptr %rows, i64 %i
  %which = load i32, ptr %row
  %from = getelementptr i32, ptr %row, i64 1
  %skip = load i32, ptr %from
  %till = getelementptr i32, ptr %row, i64 2
  %away = load i32, ptr %till
  %place = getelementptr ptr, ptr %bases, i32 %which
  %base = load ptr, ptr %place
  %source = getelementptr i8, ptr %base, i32 %skip
  %target = getelementptr i8, ptr %to, i32 %away
{body}
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}}"""
