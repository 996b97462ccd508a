"""What a recurrent layer does: the operations of a step, and what goes from step to step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import TypeVar

import numpy as np

from gatewright.base import FormatError
from gatewright.hw import Bus, Module, Range
from gatewright.ir import PARALLEL, Node, Reals
from gatewright.num import Fixed, FixedArray, Intervals, dyadic

MOST_GROWTH = 64
"""Steps after which a state must have stopped growing, where it is never reset."""

Types = dict[str, Intervals]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Cell:
    """The operations of one step, in order of computation. Names are the cell's own.

    Attributes:
        nodes: their operands are nodes, rows, held values and states.
        rows: of each sequence, the row that the step reads.
        held: values that every step reads.
        states: what the step before left.
        following: of each state, the node that gives it to the step behind.
        results: nodes whose values leave the loop.
    """

    nodes: tuple[Node, ...]
    rows: tuple[str, ...]
    held: tuple[str, ...]
    states: tuple[str, ...]
    following: tuple[str, ...]
    results: tuple[str, ...]

    def infer(self, known: Mapping[str, Intervals]) -> Types:
        """Return the type of every value, given those of rows, held values and states."""
        types = dict(known)
        for node in self.nodes:
            types[node.name] = node.op.infer(*(types[name] for name in node.inputs))
        return types

    def evaluate(
        self, known: Mapping[str, FixedArray], types: Mapping[str, Intervals]
    ) -> dict[str, FixedArray]:
        """Return every value on integers, each on the grid of its type."""
        values = {name: value.fit(types[name]) for name, value in known.items()}
        for node in self.nodes:
            found = node.op.evaluate(*(values[name] for name in node.inputs))
            values[node.name] = found.fit(types[node.name])
        return values

    def real(self, known: Mapping[str, Reals]) -> dict[str, Reals]:
        """Return every value on real numbers."""
        values = dict(known)
        for node in self.nodes:
            values[node.name] = node.op.real(*(values[name] for name in node.inputs))
        return values

    def lower(self, m: Module, known: Mapping[str, Bus], names: Iterable[str]) -> dict[str, Bus]:
        """Build the circuit of those values that some names need and that are not known."""
        needed = self.ahead(set(names) - set(known), known)
        values = dict(known)
        for node in self.nodes:
            if node.name in needed:
                buses = [values[name] for name in node.inputs]
                values[node.name] = node.op.lower(m, *buses, plan=PARALLEL)
        return values

    def behind(self, names: Collection[str]) -> set[str]:
        """Return the nodes that depend on some values."""
        found = set(names)
        for node in self.nodes:
            if not found.isdisjoint(node.inputs):
                found.add(node.name)
        return found & {node.name for node in self.nodes}

    def ahead(self, names: Collection[str], known: Collection[str] = ()) -> set[str]:
        """Return the nodes that some values need, they themselves among them, beyond the known."""
        wanted, found = set(names), set()
        for node in reversed(self.nodes):
            if node.name in wanted and node.name not in known:
                found.add(node.name)
                wanted.update(node.inputs)
        return found

    def next_of(self, values: Mapping[str, T]) -> dict[str, T]:
        """Return what the states are behind a step."""
        pairs = zip(self.states, self.following, strict=True)
        return {state: values[name] for state, name in pairs}


@dataclass(frozen=True, eq=False)
class Recurrence:
    """A cell and the steps that it does.

    Attributes:
        steps: of one event.
        kinds: types of the operands: the sequences (steps, features), the held values, and the
            initial states that are not constant.
        initial: of each state its constant value before the first step; None for an operand.
        each: the result has a row for each step, (steps, elements); else it is that of the last
            step, (elements,). A row is the cell's results one behind the other.
        stateful: the state lives on from event to event; the initial one is the first event's.
    """

    cell: Cell
    steps: int
    kinds: tuple[Intervals, ...]
    initial: tuple[Reals | None, ...]
    each: bool
    stateful: bool = False

    def sorted(
        self, x: Sequence[T], constant: Callable[[Reals], T]
    ) -> tuple[dict[str, T], dict[str, T], dict[str, T]]:
        """Sort operands out: sequences, held values, and states before the first step.

        Args:
            x: the operands, whatever stands for them.
            constant: makes such a thing of a constant state.
        """
        cell, count = self.cell, len(self.cell.rows)
        given = iter(x[count + len(cell.held) :])
        states = {
            name: next(given) if value is None else constant(value)
            for name, value in zip(cell.states, self.initial, strict=True)
        }
        rows = dict(zip(cell.rows, x[:count], strict=True))
        return rows, dict(zip(cell.held, x[count : count + len(cell.held)], strict=True)), states

    @cached_property
    def types(self) -> Types:
        """Types that hold at every step: the cell's circuit is built at them.

        Raises:
            FormatError: a state grows from step to step.
        """
        sequences, held, states = self.sorted(self.kinds, Intervals.constant)
        rows = {
            n: joined([_row(kind, k) for k in range(self.steps)]) for n, kind in sequences.items()
        }
        for _ in range(MOST_GROWTH if self.stateful else self.steps + 1):
            types = self.cell.infer(rows | held | states)
            following = self.cell.next_of(types)
            wider = {name: joined([states[name], following[name]]) for name in states}
            if all(_equal(wider[name], states[name]) for name in states):
                return types
            states, before = wider, states
        grown = [name for name in states if not _equal(states[name], before[name])]
        raise FormatError(
            "a recurrent layer's state grows from step to step",
            found=", ".join(f"{n.removeprefix('state:')}: {states[n].formats()[0]}" for n in grown),
            supported="a state with a format of its own, which one circuit for all steps can hold",
            remedy="quantize the state, or give each step a circuit of its own (unroll)",
        )

    @cached_property
    def traced(self) -> list[Types]:
        """Types of the cell's values at each step: those of the layer unrolled."""
        if self.stateful:
            return [self.types] * self.steps
        sequences, held, states = self.sorted(self.kinds, Intervals.constant)
        found: list[Types] = []
        for k in range(self.steps):
            rows = {name: _row(kind, k) for name, kind in sequences.items()}
            found.append(self.cell.infer(rows | held | states))
            states = self.cell.next_of(found[-1])
        return found

    @property
    def width(self) -> int:
        """Elements of a row of the result."""
        return sum(prod(self.traced[-1][name].shape) for name in self.cell.results)


def _row(kind: Intervals, k: int) -> Intervals:
    return Intervals(kind.lo[k], kind.hi[k], kind.frac[k])


def joined(kinds: Sequence[Intervals]) -> Intervals:
    """Return the type that holds all of some; zeros stand on every grid."""
    found = kinds[0]
    for kind in kinds[1:]:
        zero = [(k.lo == 0) & (k.hi == 0) for k in (found, kind)]
        frac = np.maximum(
            np.where(zero[0], kind.frac, found.frac), np.where(zero[1], found.frac, kind.frac)
        )
        aligned = [
            Intervals(k.lo, k.hi, np.where(z, frac, k.frac)).aligned(frac)
            for k, z in zip((found, kind), zero, strict=True)
        ]
        (a, b), (c, d) = aligned
        found = Intervals.of(np.minimum(a, c), np.maximum(b, d), frac)
    return found


def _equal(a: Intervals, b: Intervals) -> bool:
    return all(np.array_equal(*pair) for pair in ((a.lo, b.lo), (a.hi, b.hi), (a.frac, b.frac)))


@dataclass(frozen=True, eq=False)
class Bundle:
    """Values that travel in one beat, one behind the other.

    Attributes:
        kinds: their types; the signals of a beat may be wider.
    """

    names: tuple[str, ...]
    kinds: tuple[Intervals, ...]

    @classmethod
    def of(cls, names: Iterable[str], types: Mapping[str, Intervals]) -> Bundle:
        """Bundle some values."""
        chosen = tuple(names)
        return cls(chosen, tuple(types[name] for name in chosen))

    @property
    def size(self) -> int:
        """Elements of a beat."""
        return sum(kind.size for kind in self.kinds)

    @property
    def flat(self) -> Intervals:
        """Types of the elements."""
        lo, hi, frac = (
            np.concatenate([np.zeros(0, np.int64), *(getattr(k, part).ravel() for k in self.kinds)])
            for part in ("lo", "hi", "frac")
        )
        return Intervals(lo, hi, frac)

    def pack(self, values: Mapping[str, Bus]) -> list[int]:
        """Return the signals of the values."""
        return [s for name in self.names for s in values[name].flat]

    def unpack(self, m: Module, signals: Sequence[int]) -> dict[str, Bus]:
        """Return the values that signals hold, each on the grid and in the range of its type."""
        found: dict[str, Bus] = {}
        ends = np.cumsum([0, *(kind.size for kind in self.kinds)]).tolist()
        for name, kind, (start, stop) in zip(self.names, self.kinds, pairwise(ends), strict=True):
            pairs = zip(signals[start:stop], elements(kind), strict=True)
            own = [_within(m, s, element) for s, element in pairs]
            found[name] = Bus(np.asarray(own, np.int64).reshape(kind.shape))
        return found


def constants(m: Module, values: Reals) -> Bus:
    """Return constant signals."""
    q, frac = (v.ravel().tolist() for v in dyadic(values))
    signals = [m.constant(*pair) for pair in zip(q, frac, strict=True)]
    return Bus(np.asarray(signals, np.int64).reshape(values.shape))


def elements(kind: Intervals) -> list[Range]:
    """Return (lo, hi, frac) of each element, in C order."""
    parts = (v.ravel().tolist() for v in (kind.lo, kind.hi, kind.frac))
    return list(zip(*parts, strict=True))


def _within(m: Module, s: int, kind: Range) -> int:
    """Return a signal that is known to lie in a range as one of that range's format."""
    lo, hi, frac = kind
    if lo == hi:
        return m.constant(lo, frac)
    return m.wrap(s, Fixed.holding(lo, hi, frac))
