"""What the machine code reads besides the samples, in one buffer: tables, constants, addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewright.base import UnsupportedError
from gatewright.engine.text import ALIGN
from gatewright.hw import Module


def round_up(size: int) -> int:
    """Return a size in whole cache lines."""
    return -(-size // ALIGN) * ALIGN


@dataclass
class Tables:
    """A buffer under construction; what is equal lies in it once."""

    data: bytearray = field(default_factory=bytearray)
    known: dict[tuple[int, bytes], int] = field(default_factory=dict)
    _fields: dict[tuple[int, int, int, int], int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes so far."""
        return len(self.data)

    def depth(self, module: Module, signal: int) -> int:
        """Return the words of a table cell's table."""
        return module.tables[module.imm[signal] >> 20].depth

    def place(self, module: Module, signal: int, lane: int, entries: int) -> int:
        """Return the offset of a table cell's first `entries` words, with zeros behind."""
        number, column = divmod(module.imm[signal], 1 << 20)
        key = (id(module.tables[number]), column, lane, entries)
        if key not in self._fields:
            words = module.tables[number].words[:, column]
            padded = np.zeros(entries, np.int64)
            padded[: len(words)] = words[:entries]
            self._fields[key] = self.add(padded.astype(f"<i{lane // 8}"))
        return self._fields[key]

    def vector(self, value: int, lane: int, block: int) -> int:
        """Return the offset of a constant in all lanes of a block."""
        return self.add(np.full(block, value, np.int64).astype(f"<i{lane // 8}"))

    def integers(self, values: Sequence[int], bits: int) -> int:
        """Return the offset of a row of integers that the code itself reads.

        Raises:
            UnsupportedError: a value does not fit, which is an address in more than 2 GiB.
        """
        largest = max(values, default=0)
        if largest >= 1 << (bits - 1):
            raise UnsupportedError(
                "the circuit is too large for the emulator",
                found=f"{largest} bytes for the values of a block of samples",
                supported="2 GiB",
            )
        return self.add(np.asarray(values, np.int64).astype(f"<i{bits // 8}"))

    def add(self, values: NDArray[np.integer[Any]]) -> int:
        """Return the offset of some values, at the start of a cache line."""
        data = values.tobytes()
        key = (len(data), data if len(data) <= ALIGN else hashlib.sha256(data).digest())
        if key not in self.known:
            self.known[key] = len(self.data)
            self.data += data + bytes(-len(data) % ALIGN)
        return self.known[key]
