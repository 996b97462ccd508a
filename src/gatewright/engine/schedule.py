"""The order in which a module's cells are computed, and where it is cut into functions.

LLVM's time for a function grows faster than its length, so a long circuit becomes a row of
functions. A signal that is read in a later function waits in a frame in memory. Instances of one
module that do not wait for each other are computed one after the other, in a loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gatewright.engine.lanes import Lanes
from gatewright.hw import NONE, Kind, Module

WEIGHT = 8
"""Cells that count as much as a table."""


@dataclass(frozen=True)
class Chunk:
    """What one function computes.

    Attributes:
        units: signals, in order.
        live: signals that a later part reads.
    """

    units: tuple[int, ...]
    live: frozenset[int]


@dataclass(frozen=True)
class Run:
    """Instances of one module, by number, computed in a loop."""

    instances: tuple[int, ...]


Part = Chunk | Run


def feeds(lanes: Lanes, number: int) -> list[int]:
    """Return the signals that feed an instance, with shifts looked through."""
    return [lanes.root[o] for o in dict.fromkeys(lanes.module.instances[number].inputs)]


def is_cell(kind: int) -> bool:
    """Whether a signal is computed by instructions of its own."""
    return kind not in (Kind.INPUT, Kind.CONST, Kind.INSTANCE)


def operands(lanes: Lanes, unit: int) -> list[int]:
    """Return the signals that a cell reads, with shifts looked through and constants left out."""
    kind = lanes.module.kind
    roots = [lanes.root[o] for o in lanes.operands(unit)]
    return [r for r in roots if kind[r] != Kind.CONST]


def order(lanes: Lanes) -> list[list[int] | Run]:
    """Return what the outputs need, operands first: lists of cells, and runs of instances.

    Cells come depth first from what reads them, which keeps few values alive at a time: a sum is
    finished before the next is begun. Instances come as early as they can, so that many of one
    module come together.
    """
    module = lanes.module
    done = bytearray(len(module))
    result: list[list[int] | Run] = []
    for wave in _waves(module):
        cells: list[int] = []
        for number in wave:
            for root in feeds(lanes, number):
                _visit(lanes, root, done, cells)
        result.append(cells)
        result.extend(_runs(module, wave))
    cells = []
    for output in module.output_signals:
        _visit(lanes, lanes.root[output], done, cells)
    result.append(cells)
    return [part for part in result if part]


def _visit(lanes: Lanes, root: int, done: bytearray, cells: list[int]) -> None:
    """Append the cells that a signal needs and that are not done."""
    kind = lanes.module.kind
    if done[root] or not is_cell(kind[root]):
        return
    done[root] = 1
    stack: list[tuple[int, Iterator[int]]] = [(root, iter(operands(lanes, root)))]
    while stack:
        unit, before = stack[-1]
        following = next((r for r in before if not done[r] and is_cell(kind[r])), None)
        if following is None:
            cells.append(unit)
            stack.pop()
        else:
            done[following] = 1
            stack.append((following, iter(operands(lanes, following))))


def _waves(module: Module) -> list[list[int]]:
    """Return the instances that are needed; those of a wave wait only for earlier waves."""
    if not module.instances:
        return []
    needed = _needed(module)
    after = [0] * len(module)  # the number of waves before a signal
    wave = [-1] * len(module.instances)
    for s, kind in enumerate(module.kind):
        if kind != Kind.INSTANCE:
            columns = (module.a[s], module.b[s], module.c[s])
            after[s] = max((after[o] for o in columns if o != NONE), default=0)
            continue
        number = module.imm[s] >> 32
        if wave[number] < 0:
            wave[number] = max((after[o] for o in module.instances[number].inputs), default=0)
        after[s] = wave[number] + 1
    waves: list[list[int]] = [[] for _ in range(max(wave) + 1)]
    for number in sorted(needed):
        waves[wave[number]].append(number)
    return waves


def _needed(module: Module) -> set[int]:
    """Return the instances that an output needs."""
    wanted = bytearray(len(module))
    for s in module.output_signals:
        wanted[s] = 1
    needed: set[int] = set()
    for s in range(len(module) - 1, -1, -1):
        if not wanted[s]:
            continue
        if module.kind[s] != Kind.INSTANCE:
            for o in (module.a[s], module.b[s], module.c[s]):
                if o != NONE:
                    wanted[o] = 1
        elif module.imm[s] >> 32 not in needed:
            needed.add(module.imm[s] >> 32)
            for o in module.instances[module.imm[s] >> 32].inputs:
                wanted[o] = 1
    return needed


def _runs(module: Module, wave: Sequence[int]) -> list[Run]:
    by_module: dict[int, list[int]] = {}
    for number in wave:
        by_module.setdefault(id(module.instances[number].module), []).append(number)
    return [Run(tuple(numbers)) for numbers in by_module.values()]


def parts_of(lanes: Lanes, size: int) -> tuple[list[Part], dict[int, int]]:
    """Return the parts of a module in order, and the number of the last part that reads a signal.

    Cells are cut into functions of about equal length, about `size` cells each. What is copied to
    the outputs in the end is read by the part behind the last.
    """
    pieces: list[list[int] | Run] = []
    for piece in order(lanes):
        pieces.extend([piece] if isinstance(piece, Run) else _cut(lanes, piece, size))
    last = _last_use(lanes, pieces)
    parts: list[Part] = []
    for number, piece in enumerate(pieces):
        if isinstance(piece, Run):
            parts.append(piece)
        else:
            live = frozenset(unit for unit in piece if last.get(unit, -1) > number)
            parts.append(Chunk(tuple(piece), live))
    return parts, last


def _cut(lanes: Lanes, units: list[int], size: int) -> Iterator[list[int]]:
    kind = lanes.module.kind
    total = sum(WEIGHT if kind[u] == Kind.TABLE else 1 for u in units)
    step = -(-total // max(-(-total // size), 1))
    part: list[int] = []
    weight = 0
    for unit in units:
        part.append(unit)
        weight += WEIGHT if kind[unit] == Kind.TABLE else 1
        if weight >= step:
            yield part
            part, weight = [], 0
    if part:
        yield part


def _last_use(lanes: Lanes, pieces: list[list[int] | Run]) -> dict[int, int]:
    """Return the last reader of each signal that is read, cells that only outputs read aside."""
    last: dict[int, int] = {}
    for number, piece in enumerate(pieces):
        if isinstance(piece, Run):
            for instance in piece.instances:
                last.update(dict.fromkeys(feeds(lanes, instance), number))
            continue
        for unit in piece:
            for r in operands(lanes, unit):
                last[r] = number
    for s in lanes.module.output_signals:
        if lanes.module.kind[lanes.root[s]] == Kind.INSTANCE:
            last[lanes.root[s]] = len(pieces)
    return last
