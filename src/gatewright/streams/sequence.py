"""What changes from step to step, in an order known beforehand: nested counters and small tables.

A sequence is written over nested loops. Along each loop, numbers that give the same values are put
in one class (first, middle, last column of an image), so that a table holds a word for each
combination of classes and not for each step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import prod

import numpy as np

from gatewright.hw import Module, Table
from gatewright.num import Fixed, Ints


@dataclass(eq=False)
class Sequence:
    """Registers that hold what is known beforehand of the step that comes next.

    Attributes:
        signals: one for each field; a field that never changes is a constant.
    """

    module: Module
    loops: tuple[int, ...]
    values: Ints
    name: str
    signals: list[int]

    @classmethod
    def begin(cls, m: Module, loops: tuple[int, ...], values: Ints, name: str = "at") -> Sequence:
        """Make the registers; `close` feeds them.

        Args:
            m: what is built in.
            loops: lengths of nested loops, the last fastest. Where there are fewer steps than they
                have, the last round of the first loop ends early.
            values: (steps, fields), integers.
            name: stem of the counters' names.
        """
        steps = len(values)
        assert prod(loops[1:]) * (loops[0] - 1) < steps <= prod(loops), "loops do not fit the steps"
        signals = []
        for field in values.T:
            low, high, first = int(field.min()), int(field.max()), int(field[0])
            moves = low != high
            signals.append(m.register((low, high, 0), first) if moves else m.constant(first))
        return cls(m, loops, values, name, signals)

    def close(self, enable: int) -> None:
        """Let `enable` move on by one step; behind the last one comes the first again."""
        m = self.module
        moving = [i for i, s in enumerate(self.signals) if not m.is_constant(s)]
        if not moving:
            return
        # The counters run one step ahead, so that tables stand in front of registers.
        counters = _counters(m, self.loops, len(self.values), enable, self.name)
        for i in moving:
            following = _table(m, self.loops, self.values[:, i], counters, self.name)
            m.connect(self.signals[i], following, enable)


def _counters(m: Module, loops: tuple[int, ...], steps: int, enable: int, name: str) -> list[int]:
    """Return a counter for each loop; after reset they stand at step 1."""
    start = [int(v) for v in np.unravel_index(1 % steps, loops)]
    end = [int(v) for v in np.unravel_index(steps - 1, loops)]
    states = []
    for number, (length, first) in enumerate(zip(loops, start, strict=True)):
        if length == 1:
            states.append(m.constant(0))
            continue
        states.append(m.register((0, length - 1, 0), reset=first))
        m.label(states[-1], f"{name}_{number}")
    early = steps < prod(loops)
    at_end = m.constant(0)
    if early:
        each = [m.equal(s, m.constant(v)) for s, v in zip(states, end, strict=True)]
        at_end = m.and_(enable, reduce(m.and_, each))
    carry = enable
    for state, length in reversed(list(zip(states, loops, strict=True))):
        if length == 1:
            continue
        last = m.equal(state, m.constant(length - 1))
        following = m.wrap(m.add(state, m.constant(1)), Fixed.holding(0, length - 1, 0))
        over = m.or_(last, at_end)
        if early or length & (length - 1):
            following = m.select(over, m.constant(0), following, within=(0, length - 1))
        m.connect(state, following, m.or_(carry, at_end))
        carry = m.and_(carry, last)
    return states


def _table(m: Module, loops: tuple[int, ...], field: Ints, counters: list[int], name: str) -> int:
    """Return a field at the step that the counters stand at."""
    grid = _filled(loops, field)
    index = None
    for axis, counter in enumerate(counters):
        rows = np.moveaxis(grid, axis, 0).reshape(grid.shape[axis], -1)
        known: dict[bytes, int] = {}
        classes = np.asarray([known.setdefault(r.tobytes(), len(known)) for r in rows], np.int64)
        first = np.unique(classes, return_index=True)[1]
        grid = np.take(grid, first, axis=axis)
        if len(first) == 1:
            continue
        own = counter
        if len(first) < len(classes):
            own = m.table(counter, Table.of(f"{name}_class", _to_power(classes)))
        index = own if index is None else m.concat(index, own)
    for axis in range(grid.ndim):
        grid = np.moveaxis(_to_power(np.moveaxis(grid, axis, 0)), 0, axis)
    assert index is not None, "a field that never changes"
    return m.table(index, Table.of(f"{name}_table", grid.ravel()))


def _to_power(rows: Ints) -> Ints:
    """Repeat the last row up to a power of two."""
    missing = (1 << (len(rows) - 1).bit_length()) - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)])


def _filled(loops: tuple[int, ...], field: Ints) -> Ints:
    """Return the field over whole loops; where no step is, it is as in a round like the last."""
    rest = prod(loops[1:])
    known = len(field) - rest * (loops[0] - 1)
    if known == rest:
        return field.reshape(loops)
    rounds, last = field[:-known].reshape(-1, rest), field[-known:]
    alike = np.flatnonzero((rounds[:, :known] == last).all(1))
    model = rounds[alike[-1] if len(alike) else -1] if len(rounds) else np.zeros(rest, np.int64)
    whole = np.concatenate([rounds, np.concatenate([last, model[known:]])[None]])
    return np.asarray(whole.reshape(loops), np.int64)
