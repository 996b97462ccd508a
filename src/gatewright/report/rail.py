"""The graph drawn beside its table: a lane for every value that is still needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_LANES = 14
"""Lanes drawn; values that need more are joined in the last lane."""


@dataclass(frozen=True)
class Rail:
    """What is drawn beside one row.

    Attributes:
        lane: where the row's own value stands.
        joins: lanes of the values it is computed from.
        passes: lanes of values that go by, needed further down.
        leaves: whether a later row reads this value.
        width: lanes of the whole drawing.
    """

    lane: int
    joins: tuple[int, ...]
    passes: tuple[int, ...]
    leaves: bool
    width: int


def rails(tensors: Sequence[Mapping[str, Any]]) -> list[Rail]:
    """Return the drawing of each row; rows stand in an order in which operands come first."""
    names = [str(t["name"]) for t in tensors]
    last: dict[str, int] = {}
    for i, tensor in enumerate(tensors):
        for operand in tensor.get("inputs") or ():
            last[str(operand)] = i
    lanes: list[str | None] = []
    rows = []
    for i, tensor in enumerate(tensors):
        operands = [str(o) for o in tensor.get("inputs") or () if str(o) in lanes]
        joins = tuple(dict.fromkeys(lanes.index(o) for o in operands))
        lanes = [None if v in operands and last[v] == i else v for v in lanes]
        passes = tuple(k for k, v in enumerate(lanes) if v is not None)
        free = [k for k in joins if lanes[k] is None]
        lane = free[0] if free else next((k for k, v in enumerate(lanes) if v is None), len(lanes))
        if lane == len(lanes):
            lanes.append(None)
        leaves = last.get(names[i], -1) > i
        if leaves:
            lanes[lane] = names[i]
        rows.append((lane, joins, passes, leaves))
    width = min(max((row[0] for row in rows), default=0) + 1, MOST_LANES)
    return [Rail(_cap(lane), _caps(j), _caps(p), leaves, width) for lane, j, p, leaves in rows]


def _cap(lane: int) -> int:
    return min(lane, MOST_LANES - 1)


def _caps(lanes: Sequence[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(map(_cap, lanes)))
