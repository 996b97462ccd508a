"""What a layer does to each row of a tensor (a particle, a position) becomes one module, instanced.

A *kernel* is the circuit of one row: the matrix and whatever follows it element by element. Rows
with inputs of the same types and the same constants share a kernel, also across layers, so that it
is solved, optimised, pipelined, printed and counted once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gatewright.base import Namer
from gatewright.hw import Bus, Kind, Module
from gatewright.ir import Graph, Node, Op, Plan, located
from gatewright.num import Intervals

LEAST_CELLS = 8
"""Cells of logic below which a row is not worth a module."""

WIRING = (Kind.CONST, Kind.INPUT, Kind.SHIFT, Kind.WRAP, Kind.SLICE, Kind.CONCAT)
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
    """

    graph: Graph
    namer: Namer
    _kernels: dict[Key, Kernel] = field(default_factory=dict)
    _states: dict[int, tuple[Op, Key]] = field(default_factory=dict)

    def lower(self, job: Job, values: Mapping[str, Bus]) -> dict[str, Bus]:
        """Build a segment from the values outside; return its results by name."""
        segment = job.segment
        inputs = [_rows_of(values[name], segment.leading, w) for name, w in segment.outside]
        types = [_types_of(job.module, rows) for rows in inputs]
        ops = [[_at(n, index) for n in segment.nodes] for index in np.ndindex(segment.leading)]
        form = _form(segment, job.results)
        keys: list[Key] = [
            (form, job.plans, *map(self._state, row_ops), *(_type_key(t, p) for t in types))
            for p, row_ops in enumerate(ops)
        ]
        uses = Counter(keys)
        found: list[list[np.ndarray]] = []
        for p, (key, row_ops) in enumerate(zip(keys, ops, strict=True)):
            row = [rows[p] for rows in inputs]
            if uses[key] > 1 and key not in self._kernels:
                self._kernels[key] = self._kernel(job, row_ops, [_row(t, p) for t in types])
            kernel = self._kernels.get(key)
            if kernel is None or not kernel.worth:
                found.append(self._inline(job, job.module, row_ops, row))
            else:
                found.append(_use(job.module, kernel, row))
        valid = max(values[name].valid for name, _ in segment.outside)
        return {
            node.name: Bus(_joined([row[k] for row in found], segment.leading), valid)
            for k, node in enumerate(job.results)
        }

    def _state(self, op: Op) -> Key:
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


def _at(node: Node, index: tuple[int, ...]) -> Op:
    op = node.op.at_row(index)
    assert op is not None, f"{node.name} computes no row apart"
    return op


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


def _types_of(m: Module, rows: np.ndarray) -> Intervals:
    """Return the ranges of signals, in their shape."""
    flat = m.intervals(rows.ravel().tolist())
    return Intervals(*(v.reshape(rows.shape) for v in (flat.lo, flat.hi, flat.frac)))


def _row(kind: Intervals, position: int) -> Intervals:
    return kind.map(lambda v: v[position])


def _type_key(kind: Intervals, position: int) -> Key:
    parts = (kind.lo[position], kind.hi[position], kind.frac[position])
    return tuple(part.tobytes() for part in parts)


def _form(segment: Segment, results: Sequence[Node]) -> Key:
    """Return how the operations are connected, without names."""
    every = [*segment.outside, *((n.name, False) for n in segment.nodes)]
    numbers = {use: i for i, use in enumerate(every)}
    return (
        tuple(tuple(numbers[use] for use in operands(node)) for node in segment.nodes),
        tuple(numbers[node.name, False] for node in results),
    )


def _use(module: Module, kernel: Kernel, row: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Instance a kernel on the signals of a row."""
    feeds = {
        port: signals.ravel()[live].tolist()
        for port, live, signals in zip(kernel.module.inputs, kernel.live, row, strict=True)
    }
    found = module.instance(kernel.module, feeds)
    return [
        np.asarray(signals, np.int64).reshape(shape)
        for signals, shape in zip(found.values(), kernel.shapes, strict=True)
    ]


def _joined(rows: Sequence[np.ndarray], leading: tuple[int, ...]) -> np.ndarray:
    return np.stack(rows).reshape(*leading, *rows[0].shape)


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
