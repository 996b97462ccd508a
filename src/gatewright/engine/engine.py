"""The fast emulator: a circuit without state, compiled, run on batches of samples."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewright.base import OptionError
from gatewright.base.cache import Cache
from gatewright.engine import jit
from gatewright.engine.batch import Array, accept, aligned, explain
from gatewright.engine.kernels import Kernels, Space
from gatewright.engine.layout import Port
from gatewright.engine.stored import Compiled
from gatewright.engine.target import Target
from gatewright.hw import Module
from gatewright.num import Ints

LEAST_BLOCKS = 64
"""Blocks that are worth a thread of their own."""


class Engine:
    """Run a circuit without state fast, sample for sample equal to `hw.evaluate`.

    The circuit is compiled for this processor; a block of samples is computed at once, each signal
    in the narrowest integers that its range allows. An engine may be used by several threads.

    Args:
        module: the circuit; it and the modules that it uses hold no register.
        threads: how many to use; all processors that we may use unless given.
        cache: where machine code is kept on disk; True is the user's cache, False nowhere.
        target: the processor, where it is not to be this one with all its features.

    Attributes:
        module: the circuit.
        threads: how many are used at most.
        lane_bits: bits of the narrowest integers in use.
        block: samples computed at once.
        cells: cells that are computed for a sample, those of instances counted at each use.
        compile_seconds: time it took to make the engine.
        cached: whether the machine code came from disk.
        rate: samples per second of the last run, 0 before.

    Raises:
        OptionError: `threads` is not positive.
        UnsupportedError: the circuit holds registers.
    """

    def __init__(
        self,
        module: Module,
        *,
        threads: int | None = None,
        cache: Cache | bool = True,
        target: Target | None = None,
    ) -> None:
        start = time.perf_counter()
        if threads is not None and threads < 1:
            raise OptionError("the emulator needs a thread", found=threads, supported="1 or more")
        self.module = module
        self.threads = threads or processors()
        target, store = target or Target.host(), _store(cache)
        circuit = Compiled.of(module, target, store)
        try:
            self._library = jit.link(circuit.codes, ["top"])
        except RuntimeError:  # an entry whose checksums are right and whose code is not ours
            if not circuit.cached:
                raise
            circuit = Compiled.of(module, target, None)
            self._library = jit.link(circuit.codes, ["top"])
        self._circuit = replace(circuit, codes=[])
        self._kernels = Kernels(module, circuit.block, target, store)
        self._drive = self._kernels.drive()
        self._tables = aligned(len(circuit.tables))
        self._tables[: len(circuit.tables)] = np.frombuffer(circuit.tables, np.uint8)
        self._spaces: list[Space] = []
        self.lane_bits, self.block, self.cells = circuit.least, circuit.block, circuit.cells
        self.cached = circuit.cached
        self.rate = 0.0
        self.compile_seconds = time.perf_counter() - start

    def run(
        self, inputs: Mapping[str, NDArray[np.integer[Any]]], *, threads: int | None = None
    ) -> dict[str, Ints]:
        """Run a batch.

        Args:
            inputs: for each port, integers `q` of the numbers `q * 2**-frac`, of shape (batch,
                elements) and of any integer type (8-bit rows are read fastest).
            threads: how many to use for this batch, the engine's own number unless given.

        Returns:
            For each output port, int64 of shape (batch, elements).

        Raises:
            DataError: a port is missing or unknown, an array has the wrong shape or type, a value
                is outside the range of its element.
        """
        return self._run(inputs, narrow=False, threads=threads)

    def run_raw(self, inputs: Mapping[str, NDArray[np.integer[Any]]]) -> dict[str, Array]:
        """Do as `run`, but return each port in the narrow integer type that it is computed in."""
        return self._run(inputs, narrow=True)

    def _run(
        self, inputs: Mapping[str, Array], narrow: bool, threads: int | None = None
    ) -> dict[str, Array]:
        start = time.perf_counter()
        arrays = accept(self.module, inputs)
        batch = len(next(iter(arrays.values()))) if arrays else 1
        outputs = {
            port.name: np.empty((batch, len(port.signals)), self._dtype(port, narrow))
            for port in self._circuit.outputs
        }
        blocks, rest = divmod(batch, self.block)
        self._run_blocks(arrays, outputs, blocks, threads or self.threads)
        if rest:
            self._run_rest(arrays, outputs, blocks * self.block)
        self.rate = batch / max(time.perf_counter() - start, 1e-9)
        return outputs

    def _run_blocks(
        self, arrays: dict[str, Array], outputs: dict[str, Array], blocks: int, threads: int
    ) -> None:
        """Run whole blocks, on several threads where there are enough."""
        workers = min(threads, max(blocks // LEAST_BLOCKS, 1))
        if workers == 1:
            self._run_part(arrays, outputs, 0, blocks)
            return
        cuts = [blocks * i // workers for i in range(workers + 1)]
        with ThreadPoolExecutor(workers) as pool:
            jobs = [
                pool.submit(self._run_part, arrays, outputs, first, end)
                for first, end in itertools.pairwise(cuts)
            ]
        for job in jobs:
            job.result()

    def _run_rest(self, arrays: dict[str, Array], outputs: dict[str, Array], first: int) -> None:
        """Run the samples behind the last whole block, filled up with copies of the last one."""
        padded = {
            name: np.concatenate([a[first:], np.repeat(a[-1:], first + self.block - len(a), 0)])
            for name, a in arrays.items()
        }
        results = {name: np.empty((self.block, o.shape[1]), o.dtype) for name, o in outputs.items()}
        self._run_part(padded, results, 0, 1, offset=first)
        for name, out in outputs.items():
            out[first:] = results[name][: len(out) - first]

    def _run_part(
        self,
        arrays: dict[str, Array],
        outputs: dict[str, Array],
        first: int,
        end: int,
        offset: int = 0,
    ) -> None:
        """Run blocks `first` to `end - 1`; `offset` samples lie before the arrays."""
        if first == end:
            return
        try:
            space = self._spaces.pop()
        except IndexError:
            space = Space.of(self._circuit)
        ins = self._records(self._circuit.inputs, arrays, first, space.inputs, into=True)
        outs = self._records(self._circuit.outputs, outputs, first, space.outputs, into=False)
        bad = self._drive(
            ins.ctypes.data, len(ins), outs.ctypes.data, len(outs), end - first,
            self._library.address["top"], space.inputs.ctypes.data, space.outputs.ctypes.data,
            space.frame.ctypes.data, self._tables.ctypes.data,
        )  # fmt: skip
        self._spaces.append(space)
        if bad >= 0:
            at = (first + bad) * self.block
            raise explain(self.module, arrays, at, at + self.block, offset)

    def _records(
        self, ports: list[Port], arrays: dict[str, Array], first: int, buffer: Array, into: bool
    ) -> Ints:
        """Describe the ports of one direction to the driver."""
        records = []
        for port in ports:
            if port.signals:
                rows = arrays[port.name]
                move = self._kernels.move(port, rows.dtype, into)
                records.append(move.record(port, rows, first, self.block, buffer))
        return np.array(records, np.int64).reshape(-1, 8)

    def _dtype(self, port: Port, narrow: bool) -> np.dtype[Any]:
        """Return the type of an output array."""
        if not narrow:
            return np.dtype(np.int64)
        signed = any(self.module.lo[s] < 0 for s in port.signals)
        return np.dtype(f"{'i' if signed else 'u'}{port.lane // 8}")


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _store(cache: Cache | bool) -> Cache | None:
    if isinstance(cache, Cache):
        return cache
    return Cache() if cache else None
