"""An emulator that is there at once: the netlist's cells, one after another, on blocks of samples.

Compiling a circuit of ten thousands of cells takes seconds, running it on some thousand samples
takes milliseconds. This one compiles nothing: a loop that was compiled once goes through the
cells, each on a block of samples, and does what `hw.interpret` says that it does.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewright.engine.batch import Array, accept, explain
from gatewright.engine.engine import processors
from gatewright.engine.flat import Flat
from gatewright.engine.program import below
from gatewright.hw import Kind, Module
from gatewright.num import Ints

BLOCK = 512
"""Samples that a cell is computed for at a time."""

MOST_ROWS = 1_000_000
"""Cells, those of instances counted at each use, beyond which the plan takes too long."""

LEAST_BLOCKS = 4
"""Blocks that are worth a thread of their own."""


class Interpreter:
    """Run a circuit without state, sample for sample equal to `hw.evaluate`, without compiling.

    Attributes:
        module: the circuit.
        steps: what is done for a block.
        lane_bits: bits of the integers that signals of several bits travel in.
        plan_seconds: time it took to make the interpreter.
        rate: samples per second of the last run, 0 before.
    """

    def __init__(self, module: Module) -> None:
        """Plan the steps; the circuit is one that `can_interpret`."""
        from gatewright.engine.steps import plan

        start = time.perf_counter()
        self.module = module
        flat = Flat.of(module)
        self._steps, self._outputs, self._used = plan(flat.columns, flat.tables, flat.outputs)
        self._kind = np.dtype(np.int32 if _fits(flat, 31) else np.int64)
        self._words = flat.words.astype(self._kind)
        self.steps, self.lane_bits = len(self._steps), 8 * self._kind.itemsize
        self.rate = 0.0
        self.plan_seconds = time.perf_counter() - start

    def run(
        self, inputs: Mapping[str, NDArray[np.integer[Any]]], *, threads: int | None = None
    ) -> dict[str, Ints]:
        """Run a batch; as `Engine.run`.

        Args:
            inputs: for each port, integers of shape (batch, elements).
            threads: how many to use at most, all processors unless given.

        Returns:
            For each output port, int64 of shape (batch, elements).

        Raises:
            DataError: a port is missing or unknown, an array has the wrong shape or type, a value
                is outside the range of its element.
        """
        start = time.perf_counter()
        arrays = accept(self.module, inputs)
        batch = len(next(iter(arrays.values()))) if arrays else 1
        x = self._checked(arrays, batch)
        found = np.empty((batch, len(self._outputs)), np.int64)
        blocks = -(-batch // BLOCK)
        workers = max(min(threads or processors(), blocks // LEAST_BLOCKS), 1)
        cuts = [BLOCK * (blocks * i // workers) for i in range(workers)] + [batch]
        parts = [(x[a:b], found[a:b]) for a, b in itertools.pairwise(cuts)]
        if workers == 1:
            self._run(*parts[0])
        else:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(lambda part: self._run(*part), parts))
        self.rate = batch / max(time.perf_counter() - start, 1e-9)
        ends = np.cumsum([len(signals) for signals in self.module.outputs.values()])
        ports = np.split(found, ends[:-1], axis=1) if len(ends) else []
        return dict(zip(self.module.outputs, ports, strict=True))

    def _checked(self, arrays: Mapping[str, Array], batch: int) -> Array:
        """Return all elements of all ports side by side, each within its range."""
        m = self.module
        for name, array in arrays.items():
            own = m.inputs[name]
            low, high = ([column[s] for s in own] for column in (m.lo, m.hi))
            if len(array) and ((array.min(0) < low).any() or (array.max(0) > high).any()):
                raise explain(m, arrays, 0, batch, 0)
        if not arrays:
            return np.zeros((batch, 0), self._kind)
        return np.concatenate([a.astype(self._kind) for a in arrays.values()], axis=1)

    def _run(self, x: Array, found: Ints) -> None:
        from gatewright.engine.blocks import run

        integers, bits = (int(n) for n in self._used)
        held = np.zeros((integers, BLOCK), self._kind)
        packed = np.zeros((bits, BLOCK // 64), np.uint64)
        run(self._steps, self._outputs, self._words, x, held, packed, found)


def can_interpret(module: Module) -> bool:
    """Say whether a circuit is one that an `Interpreter` takes: without state, and not too long."""
    modules = below(module)
    if any(m.is_network or m.memories or m.holds(Kind.REG) for m in modules):
        return False
    rows: dict[int, int] = {}
    for m in modules:
        rows[id(m)] = len(m) + sum(i.count * rows[id(i.module)] for i in m.instances)
    return rows[id(module)] <= MOST_ROWS


def _fits(flat: Flat, bits: int) -> bool:
    """Say whether all signals, also on the grids that they are brought to, have so few bits."""
    kind, a, b, c, _, lo, hi, frac = flat.columns.T
    size = np.maximum(np.abs(lo.astype(np.float64)), np.abs(hi.astype(np.float64)))
    finest = frac.copy()
    for kinds, columns in (((Kind.ADD, Kind.SUB, Kind.LESS, Kind.EQUAL), (a, b)),
                           ((Kind.SELECT,), (b, c))):  # fmt: skip
        rows = np.flatnonzero(np.isin(kind, [int(k) for k in kinds]))
        common = np.maximum(frac[columns[0][rows]], frac[columns[1][rows]])
        common = frac[rows] if Kind.SELECT in kinds else common
        for column in columns:
            np.maximum.at(finest, column[rows], common)
    rows = np.flatnonzero(kind == Kind.WRAP)
    np.maximum.at(finest, a[rows], frac[rows])
    largest = float(np.ldexp(size, (finest - frac).astype(np.int32)).max(initial=0.0))
    return max(largest, float(np.abs(flat.words).max(initial=0))) < 2.0**bits
