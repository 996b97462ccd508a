"""The order in which a module's cells are computed, and where it is cut into functions.

LLVM's time for a function grows faster than its length, so a long circuit becomes a row of
functions. A signal that is read in a later function waits in a frame in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from gatewright.engine.lanes import Lanes
from gatewright.hw import Kind, Module

CALL = -1
"""Unit `CALL - n` of an order stands for instance `n`; other units are signals."""

WEIGHT = 8
"""Cells that count as much as a table or an instance."""


def operands(module: Module, lanes: Lanes, unit: int) -> list[int]:
    """Return the signals that a unit reads, with shifts looked through and constants left out."""
    rows = module.instances[CALL - unit].inputs if unit < 0 else lanes.operands(unit)
    roots = [lanes.root[o] for o in rows]
    return [r for r in roots if module.kind[r] != Kind.CONST]


def unit_of(module: Module, root: int) -> int | None:
    """Return the unit that computes a signal, None for what needs no computing."""
    kind = module.kind[root]
    if kind in (Kind.INPUT, Kind.CONST):
        return None
    return CALL - (module.imm[root] >> 32) if kind == Kind.INSTANCE else root


def order(lanes: Lanes) -> list[int]:
    """Return the units that the outputs need, operands first, depth first from each output.

    Depth first keeps few values alive at a time: a sum is finished before the next is begun.
    """
    module = lanes.module
    done: set[int] = set()
    result: list[int] = []
    for output in module.output_signals:
        first = unit_of(module, lanes.root[output])
        if first is None or first in done:
            continue
        stack: list[tuple[int, Iterator[int]]] = [(first, _before(lanes, first))]
        done.add(first)
        while stack:
            unit, before = stack[-1]
            following = next((u for u in before if u not in done), None)
            if following is None:
                result.append(unit)
                stack.pop()
            else:
                done.add(following)
                stack.append((following, _before(lanes, following)))
    return result


def _before(lanes: Lanes, unit: int) -> Iterator[int]:
    module = lanes.module
    units = (unit_of(module, r) for r in operands(module, lanes, unit))
    return iter([u for u in units if u is not None])


@dataclass(frozen=True)
class Chunk:
    """What one function computes.

    Attributes:
        units: signals and instances, in order.
        live: signals that a later function reads.
    """

    units: tuple[int, ...]
    live: frozenset[int]


def chunks(lanes: Lanes, units: list[int], size: int) -> list[Chunk]:
    """Cut an order into functions of about equal length, about `size` cells each."""
    weights = [WEIGHT if u < 0 or lanes.module.kind[u] == Kind.TABLE else 1 for u in units]
    count = max(-(-sum(weights) // size), 1)
    step = max(-(-sum(weights) // count), 1)
    parts: list[list[int]] = [[] for _ in range(count)]
    for unit, before in zip(units, accumulate(weights, initial=0), strict=False):
        parts[before // step].append(unit)
    last = last_use(lanes, parts)
    result = []
    for number, part in enumerate(parts):
        # The outputs of an instance stay where its module put them.
        live = frozenset(unit for unit in part if unit >= 0 and last.get(unit, -1) > number)
        result.append(Chunk(tuple(part), live))
    return result


def last_use(lanes: Lanes, parts: list[list[int]]) -> dict[int, int]:
    """Return for each signal the number of the last part that reads it."""
    last: dict[int, int] = {}
    for number, part in enumerate(parts):
        for unit in part:
            for r in operands(lanes.module, lanes, unit):
                last[r] = number
    return last
