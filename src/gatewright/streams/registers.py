"""Words of a design that a bus writes while it runs: where they stand, what they hold.

The bus has three ports, which lead to every actor that has such words: in a cycle with `w_write` 1,
`w_data` (32 bits) goes to the word `w_address`. Nothing is answered, and nothing can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.hw import Module
from gatewright.num import Fixed, Intervals, Ints
from gatewright.streams.shell import BIT

BITS = 32
"""Bits of a word of the bus."""
ADDRESS_BITS = 24
WRITE, ADDRESS, DATA = "w_write", "w_address", "w_data"
BUS = (WRITE, ADDRESS, DATA)


@dataclass(frozen=True, eq=False)
class Bank:
    """A memory whose words fit the bus: part of the fields of wider words, or all.

    Attributes:
        name: what it holds.
        depth: words.
        fields: formats of its fields, the first in the lowest bits: each the whole range of a
            two's complement number.
    """

    name: str
    depth: int
    fields: Intervals

    def pack(self, words: Ints) -> Ints:
        """Return the bus's words of (depth, fields) integers."""
        packed, at = np.zeros(len(words), np.int64), 0
        for number, width in enumerate(self.fields.width.tolist()):
            packed |= (words[:, number] & ((1 << width) - 1)) << at
            at += width
        return packed


@dataclass(frozen=True, eq=False)
class Registers:
    """What the bus writes in one actor.

    Word number `w` of bank `b` stands at `base + b * stride + w`.

    Attributes:
        layer: of the model.
        base: its first address, a multiple of `words`.
        banks: in order.
    """

    layer: str
    base: int
    banks: tuple[Bank, ...]

    @property
    def stride(self) -> int:
        """Addresses from bank to bank."""
        return 1 << max((max(bank.depth for bank in self.banks) - 1).bit_length(), 1)

    @property
    def words(self) -> int:
        """Addresses that it takes, a power of two."""
        return self.stride << (len(self.banks) - 1).bit_length()

    def writes(self, contents: Sequence[Ints]) -> Ints:
        """Return what the bus writes, (writes, 2) addresses and data.

        Args:
            contents: for each bank its words, (depth, fields).
        """
        parts = []
        for number, (bank, words) in enumerate(zip(self.banks, contents, strict=True)):
            first = self.base + number * self.stride
            addresses = np.arange(first, first + bank.depth)
            parts.append(np.stack([addresses, bank.pack(words)], axis=1))
        return np.concatenate(parts)

    def table(self) -> list[tuple[str, str, int, int, str]]:
        """Return layer, name, first address, words and fields of each bank."""
        return [
            (self.layer, bank.name, self.base + number * self.stride, bank.depth, _fields(bank))
            for number, bank in enumerate(self.banks)
        ]


def _fields(bank: Bank) -> str:
    """Return how many fields a word has, and their format."""
    width, frac = int(bank.fields.width[0]), int(bank.fields.frac[0])
    return f"{bank.fields.size} x fixed<{width},{width - frac}>"


@dataclass(eq=False)
class RegisterPort:
    """The bus as an actor sees it, a cycle later: registers keep its wires short.

    Attributes:
        module: the actor's.
        registers: what is written there.
    """

    module: Module
    registers: Registers
    _write: int = -1
    _address: int = -1
    _data: int = -1

    def __post_init__(self) -> None:
        m, every = self.module, Intervals.of([0], [(1 << ADDRESS_BITS) - 1], 0)
        kinds = (BIT, every, Intervals.of([0], [(1 << BITS) - 1], 0))
        kept = []
        for name, kind in zip(BUS, kinds, strict=True):
            (signal,) = m.input(name, kind)
            register = m.register(m.range(signal), reset=0 if name == WRITE else None)
            m.connect(register, signal)
            m.label(register, f"{name}_kept")
            kept.append(register)
        self._write, self._address, self._data = kept

    def memory(self, number: int, init: Ints | None, style: str) -> int:
        """Return the number of the memory of a bank, which the bus writes."""
        m, registers = self.module, self.registers
        bank = registers.banks[number]
        low = (registers.stride - 1).bit_length()
        bank_number = (registers.base + number * registers.stride) >> low
        place = m.slice(self._address, low, ADDRESS_BITS - low)
        here = m.and_(self._write, m.equal(place, m.constant(bank_number)))
        enable = m.register((0, 1, 0), reset=0)
        m.connect(enable, here)
        word = m.slice(self._address, 0, low)
        memory = m.memory(f"bank_{number}", bank.depth, bank.fields, init, style)
        m.write(memory, self._later(word), [self._later(s) for s in self._cut(bank)], enable)
        return memory

    def _later(self, signal: int) -> int:
        register = self.module.register(self.module.range(signal))
        self.module.connect(register, signal)
        return register

    def _cut(self, bank: Bank) -> list[int]:
        """Return the fields of a word of the bus."""
        m, at, found = self.module, 0, []
        for width, frac in zip(bank.fields.width.tolist(), bank.fields.frac.tolist(), strict=True):
            field = m.wrap(m.slice(self._data, at, width), Fixed(True, width, 0))
            found.append(m.shift(field, -frac))
            at += width
        return found
