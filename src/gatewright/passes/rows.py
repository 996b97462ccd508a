"""What a layer does to each row of a tensor (a particle, a position) becomes one module, instanced.

A *kernel* is the circuit of one row: the matrix and whatever follows it element by element. Rows
with inputs of the same types and the same constants share a kernel, also across layers, so that it
is solved, optimised, pipelined, printed and counted once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gatewright.base import Namer
from gatewright.hw import Bus, Kind, Module
from gatewright.ir import Graph, Node, Op, Plan, located
from gatewright.num import Intervals
from gatewright.passes.row_kinds import (
    Key,
    RowKind,
    Segment,
    kinds_of_rows,
    operands,
    ops_at_rows,
    state_key,
)

LEAST_CELLS = 8
"""Cells of logic below which a row is not worth a module."""

WIRING = (Kind.CONST, Kind.INPUT, Kind.SHIFT, Kind.WRAP, Kind.SLICE, Kind.CONCAT)


@dataclass(eq=False)
class Kernel:
    """The circuit of one row.

    Attributes:
        module: its inputs are the elements that are not constant, a port per outside value.
        live: which elements of each outside value it takes.
        shapes: of each result.
        worth: whether it holds enough logic to stand alone.
    """

    module: Module
    live: list[list[int]]
    shapes: list[tuple[int, ...]]
    worth: bool


@dataclass(frozen=True, eq=False)
class Job:
    """A segment to be built in a layer's module.

    Attributes:
        module: the layer's module.
        segment: with rows.
        results: the nodes whose values are read outside of the segment.
        plans: of the segment's operations, in order.
    """

    module: Module
    segment: Segment
    results: Sequence[Node]
    plans: tuple[Plan, ...]


@dataclass(eq=False)
class Rows:
    """Lowers segments row by row; keeps the kernels of a whole design.

    Attributes:
        graph: for the places of errors.
        namer: gives out the names of modules.
        types: of every value.
    """

    graph: Graph
    namer: Namer
    types: Mapping[str, Intervals]
    _kernels: dict[Key, Kernel] = field(default_factory=dict)
    _states: dict[int, tuple[Op, Key]] = field(default_factory=dict)

    def lower(self, job: Job, values: Mapping[str, Bus]) -> dict[str, Bus]:
        """Build a segment from the values outside; return its results by name."""
        segment, module = job.segment, job.module
        inputs = [_rows_of(values[name], segment.leading, w) for name, w in segment.outside]
        types = [module.intervals(rows) for rows in inputs]
        ops = [ops_at_rows(node, segment.leading) for node in segment.nodes]
        kinds = kinds_of_rows(types, [self._numbers(each) for each in ops])
        repeated = 2 * len(kinds) <= len(inputs[0])
        results = _Results(module, [self.types[node.name] for node in job.results])
        for kind in kinds:
            first = kind.rows[0]
            row_ops = [each[first if len(each) > 1 else 0] for each in ops]
            kernel = self._kernel_of(job, row_ops, [_row(t, first) for t in types],
                                     repeated or len(kind.rows) > 1)  # fmt: skip
            if kernel is not None and kernel.worth:
                for alike in kind.apart:  # each of their own, so that each is a regular pattern
                    used = _use(module, kernel, [rows[alike.rows] for rows in inputs])
                    results.put(alike, used)
                continue
            for p in kind.rows.tolist():
                row = [rows[p] for rows in inputs]
                found = self._inline(job, module, row_ops, row)
                results.put(RowKind(np.asarray([p])), [signals[None] for signals in found])
        valid = max(values[name].valid for name, _ in segment.outside)
        return results.buses(job, valid)

    def _kernel_of(
        self, job: Job, ops: Sequence[Op], types: Sequence[Intervals], repeats: bool
    ) -> Kernel | None:
        """Return the kernel of a row, if there is one or, where it repeats, ought to be."""
        key: Key = (
            _form(job.segment, job.results), job.plans, *map(self.state, ops),
            *map(_type_key, types),
        )  # fmt: skip
        if repeats and key not in self._kernels:
            self._kernels[key] = self._kernel(job, ops, types)
        return self._kernels.get(key)

    def _numbers(self, ops: Sequence[Op]) -> np.ndarray:
        """Return a number for each of some operations, equal ones the same."""
        known: dict[Key, int] = {}
        return np.asarray([known.setdefault(self.state(op), len(known)) for op in ops], np.int64)

    def state(self, op: Op) -> Key:
        """Return everything an operation is made of, to compare by."""
        if id(op) not in self._states:
            self._states[id(op)] = op, state_key(op)  # the operation is kept: its id stays its own
        return self._states[id(op)][1]

    def _inline(
        self, job: Job, module: Module, ops: Sequence[Op], row: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Build one row right in a module; return the signals of each result."""
        values = {use: Bus(s) for use, s in zip(job.segment.outside, row, strict=True)}
        for node, op, plan in zip(job.segment.nodes, ops, job.plans, strict=True):
            with located(self.graph, node):
                buses = [values[use] for use in operands(node)]
                values[node.name, False] = op.lower(module, *buses, plan=plan)
        return [values[node.name, False].signals for node in job.results]

    def _kernel(self, job: Job, ops: Sequence[Op], types: Sequence[Intervals]) -> Kernel:
        """Build the kernel of a row."""
        kinds = " + ".join(dict.fromkeys(op.kind for op in ops))
        new = Module(f"{job.module.name}_row", job.module.origin, f"{kinds}, one row of the tensor")
        live, row = [], []
        for count, kind in enumerate(types):
            moving, signals = _port(new, _numbered("x", count), kind)
            live.append(moving)
            row.append(signals)
        found = self._inline(job, new, ops, row)
        for count, result in enumerate(found):
            new.output(_numbered("y", count), result.ravel().tolist())
        worth = sum(kind not in WIRING for kind in new.kind) >= LEAST_CELLS
        if worth:
            new.name = self.namer.name(new.name, "kernel")
        return Kernel(new, live, [s.shape for s in found], worth)


def _port(m: Module, name: str, kind: Intervals) -> tuple[list[int], np.ndarray]:
    """Add a port for the elements that are not constant; return those, and all signals."""
    lo, hi, frac = kind.lo.ravel(), kind.hi.ravel(), kind.frac.ravel()
    moving = lo != hi
    signals = np.empty(lo.shape, np.int64)
    signals[moving] = m.input(name, Intervals.of(lo[moving], hi[moving], frac[moving]))
    for i in np.flatnonzero(~moving):
        signals[i] = m.constant(int(lo[i]), int(frac[i]))
    return np.flatnonzero(moving).tolist(), signals.reshape(kind.shape)


def _numbered(stem: str, count: int) -> str:
    return stem if count == 0 else f"{stem}{count + 1}"


def _rows_of(bus: Bus, leading: tuple[int, ...], whole: bool) -> np.ndarray:
    """Return signals of shape (positions, last axis); an operand that is broadcast repeats.

    Where each row needs the whole matrix, of shape (positions, last two axes).
    """
    last = bus.shape[-2:] if whole else bus.shape[-1:]
    signals = bus.signals[..., None, :, :] if whole else bus.signals
    return np.broadcast_to(signals, (*leading, *last)).reshape(-1, *last)


def _row(kind: Intervals, position: int) -> Intervals:
    return kind.map(lambda v: v[position])


def _type_key(kind: Intervals) -> Key:
    return kind.shape, *(part.tobytes() for part in (kind.lo, kind.hi, kind.frac))


def _form(segment: Segment, results: Sequence[Node]) -> Key:
    """Return how the operations are connected, without names."""
    every = [*segment.outside, *((n.name, False) for n in segment.nodes)]
    numbers = {use: i for i, use in enumerate(every)}
    return (
        tuple(tuple(numbers[use] for use in operands(node)) for node in segment.nodes),
        tuple(numbers[node.name, False] for node in results),
    )


def _use(module: Module, kernel: Kernel, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Instance a kernel on the signals of some rows, side by side; the first axis is the row."""
    count = len(rows[0])
    feeds = [signals.reshape(count, -1)[:, live] for signals, live in zip(
        rows, kernel.live, strict=True)]  # fmt: skip
    found = module.instances_of(kernel.module, np.concatenate(feeds, axis=1))
    ends = np.cumsum([int(np.prod(shape)) for shape in kernel.shapes])[:-1]
    parts = np.split(found, ends, axis=1)
    return [p.reshape(count, *shape) for p, shape in zip(parts, kernel.shapes, strict=True)]


@dataclass(eq=False)
class _Results:
    """The signals of a segment's results, as its rows are built.

    Attributes:
        module: that holds the signals.
        types: of each result, over all rows.
    """

    module: Module
    types: Sequence[Intervals]
    signals: list[np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        self.signals = [np.empty(t.shape, np.int64) for t in self.types]

    def put(self, kind: RowKind, found: Sequence[np.ndarray]) -> None:
        """Take the results of some rows; where those feed constants, with the range they have."""
        for all_signals, types, part in zip(self.signals, self.types, found, strict=True):
            flat = all_signals.reshape(-1, *part.shape[1:])
            flat[kind.rows] = part
            for p in kind.fed.tolist():
                row = flat[p].reshape(-1)
                own = slice(p * row.size, (p + 1) * row.size)
                formats = Intervals(*(v.ravel()[own] for v in (types.lo, types.hi, types.frac)))
                for i, fmt in enumerate(formats.formats()):
                    row[i] = self.module.wrap(int(row[i]), fmt)

    def buses(self, job: Job, valid: int) -> dict[str, Bus]:
        """Return the results by name."""
        names = [node.name for node in job.results]
        return {name: Bus(s, valid) for name, s in zip(names, self.signals, strict=True)}
