"""What the engine calls besides the circuit: movers and the driver, compiled when needed."""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gatewright.base.cache import Cache
from gatewright.engine import jit
from gatewright.engine.batch import Array, aligned, limits_in
from gatewright.engine.layout import Port, extent
from gatewright.engine.program import attributes
from gatewright.engine.stored import Compiled
from gatewright.engine.target import Target
from gatewright.engine.transpose import DRIVER, Mover, tile_for
from gatewright.hw import Module

_SIGNATURE = (*[ctypes.c_void_p, ctypes.c_int64] * 2, ctypes.c_int64, *[ctypes.c_void_p] * 5)
_DRIVE = ctypes.CFUNCTYPE(ctypes.c_int64, *_SIGNATURE)


@dataclass
class Space:
    """Memory that one thread computes in."""

    inputs: Array
    outputs: Array
    frame: Array

    @classmethod
    def of(cls, circuit: Compiled) -> Space:
        """Return what a circuit needs."""
        sizes = (extent(circuit.inputs), extent(circuit.outputs), circuit.depth)
        return cls(*(aligned(size) for size in sizes))


@dataclass(frozen=True)
class Move:
    """How a port of one type moves: the mover and the ranges it checks."""

    address: int
    low: Array
    span: Array

    def record(self, port: Port, rows: Array, first: int, block: int, buffer: Array) -> list[int]:
        """Describe the move of some blocks to the driver, as its `%port`."""
        pitch = rows.strides[0]
        start = rows.ctypes.data + first * pitch * block
        place = buffer.ctypes.data + port.offset
        low, span = self.low.ctypes.data, self.span.ctypes.data
        return [start, pitch, pitch * block, place, low, span, len(port.signals), self.address]


@dataclass
class Kernels:
    """Give out compiled functions; they stay loaded as long as this object is there."""

    module: Module
    block: int
    target: Target
    store: Cache | None
    _libraries: dict[str, jit.Library] = field(default_factory=dict)
    _moves: dict[tuple[bool, str, np.dtype[Any]], Move] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def drive(self) -> Any:
        """Return the function that runs blocks."""
        return _DRIVE(self._address("drive", DRIVER))

    def move(self, port: Port, dtype: np.dtype[Any], into: bool) -> Move:
        """Return how a port moves from or into an array of a type."""
        key = (into, port.name, dtype)
        with self._lock:
            if key not in self._moves:
                self._moves[key] = self._make(port, dtype, into)
            return self._moves[key]

    def _make(self, port: Port, dtype: np.dtype[Any], into: bool) -> Move:
        signed = dtype.kind == "i" if into else any(self.module.lo[s] < 0 for s in port.signals)
        tile = tile_for(len(port.signals))
        mover = Mover(into, 8 * dtype.itemsize, signed, port.lane, tile, self.block)
        none = np.zeros(0, dtype)
        low, span = limits_in(self.module, port, dtype) if into else (none, none)
        return Move(self._address(mover.name, mover.text()), low, span)

    def _address(self, name: str, text: str) -> int:
        if name not in self._libraries:
            whole = f"{text}\n{attributes(self.target)}\n"
            self._libraries[name] = jit.fetch(whole, [name], self.target, self.store)
        return self._libraries[name].address[name]
