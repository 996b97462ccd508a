"""Words of a design that a bus writes and reads while it runs: where they stand, what they hold.

The ports of the bus lead to every actor that has such words: in a cycle with `w_write` 1, `w_data`
(32 bits) goes to the word `w_address`; in one with `w_read` 1 that word is asked for. `LATENCY`
cycles after either, `w_known` is 1 where there is such a word that can be written, or read, and
`w_answer` is what stood there.

Both use one address, so that the two share a port of a memory. The other port is the actor's own: a
read never disturbs what is computed, whenever it comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

from gatewright.hw import Module
from gatewright.num import Fixed, Intervals, Ints
from gatewright.streams.shell import BIT, joined

BITS = 32
"""Bits of a word of the bus."""
ADDRESS_BITS = 24
WRITE, READ, ADDRESS, DATA = "w_write", "w_read", "w_address", "w_data"
BUS = (WRITE, READ, ADDRESS, DATA)
ANSWER, KNOWN = "w_answer", "w_known"
LATENCY = 6
"""Cycles from an access to its answer: there, the memory, two to choose the bank, the actor."""
GROUP = 16
"""Banks whose words are joined at once."""
WORD = (0, (1 << BITS) - 1, 0)
UNREADABLE = ("ultra",)
"""Styles of memories that cannot be read: UltraRAM shows nothing on a port that may write."""


@dataclass(frozen=True, eq=False)
class Bank:
    """A memory whose words fit the bus: part of the fields of wider words, or all.

    Attributes:
        name: what it holds.
        depth: words.
        fields: formats of its fields, the first in the lowest bits: each the whole range of a
            two's complement number, or of an unsigned one.
        readable: whether the bus can read it.
    """

    name: str
    depth: int
    fields: Intervals
    readable: bool = True

    @property
    def formats(self) -> list[Fixed]:
        """The format of each field."""
        fields = self.fields
        columns = zip(fields.lo.tolist(), fields.width.tolist(), fields.frac.tolist(), strict=True)
        return [Fixed(lo < 0, width, frac) for lo, width, frac in columns]

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

    def rows(self) -> list[dict[str, Any]]:
        """Return each bank as plain data; addresses count bytes, as at the AXI4-Lite slave."""
        return [
            {
                "layer": self.layer,
                "name": bank.name,
                "address": 4 * (self.base + number * self.stride),
                "words": bank.depth,
                "fields": int(bank.fields.size),
                "formats": [str(fmt) for fmt in bank.formats],
                "readable": bank.readable,
            }
            for number, bank in enumerate(self.banks)
        ]


def next_base(known: Sequence[Registers], words: int) -> int:
    """Return the first address, a multiple of `words`, behind all that is taken."""
    free = max((registers.base + registers.words for registers in known), default=0)
    return -(-free // words) * words


@dataclass(eq=False)
class RegisterPort:
    """The bus as an actor sees it, a cycle later: registers keep its wires short.

    Attributes:
        module: the actor's.
        registers: what is written and read there.
    """

    module: Module
    registers: Registers
    _kept: dict[str, int] = field(default_factory=dict)
    _words: list[int] = field(default_factory=list)
    _known: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        m, every = self.module, Intervals.of([0], [(1 << ADDRESS_BITS) - 1], 0)
        kinds = (BIT, BIT, every, Intervals.of([0], [WORD[1]], 0))
        for name, kind in zip(BUS, kinds, strict=True):
            (signal,) = m.input(name, kind)
            register = m.register(m.range(signal), reset=0 if name in (WRITE, READ) else None)
            m.connect(register, signal)
            m.label(register, f"{name}_kept")
            self._kept[name] = register

    def memories(self, number: int, init: Ints | None, style: str, copies: int = 1) -> list[int]:
        """Return the numbers of the memories of a bank: the bus writes all, and reads the first."""
        m, registers, kept = self.module, self.registers, self._kept
        bank = registers.banks[number]
        low = (registers.stride - 1).bit_length()
        bank_number = (registers.base + number * registers.stride) >> low
        place = m.slice(kept[ADDRESS], low, ADDRESS_BITS - low)
        word = m.slice(kept[ADDRESS], 0, low)
        here = m.equal(place, m.constant(bank_number))
        if bank.depth < 1 << low:
            here = m.and_(here, m.less(word, m.constant(bank.depth)))
        writes = self._later(m.and_(kept[WRITE], here), reset=0)
        reads = self._later(m.and_(kept[READ], here), reset=0)
        address = self._later(word)
        data = [self._later(s) for s in self._cut(bank)]
        found = []
        for copy in range(copies):
            name = f"bank_{number}" + (f"_copy_{copy}" if copy else "")
            found.append(m.memory(name, bank.depth, bank.fields, init, style))
            m.write(found[-1], address, data, writes)
        known = writes
        if bank.readable:
            known = m.or_(writes, reads)
            held = []
            for s in m.read_word(found[0], address):
                held.append(m.register(m.range(s)))
                m.connect(held[-1], s, reads)
            shown = self._later(reads, reset=0)
            self._words.append(m.select(shown, self._packed(bank, held), m.constant(0)))
        self._known.append(self._later(known, reset=0))
        return found

    def close(self) -> None:
        """Add the ports of the answer, once all banks have their memories."""
        m = self.module
        for name, parts, reset in ((ANSWER, self._words, None), (KNOWN, self._known, 0)):
            for size in (GROUP, max(len(parts), 1)):
                groups = [parts[i : i + size] for i in range(0, len(parts), size)]
                parts = [self._later(joined(group, m.or_), reset) for group in groups]
            m.output(name, parts or [m.constant(0)])

    def _later(self, signal: int, reset: int | None = None) -> int:
        if self.module.is_constant(signal):
            return signal
        register = self.module.register(self.module.range(signal), reset)
        self.module.connect(register, signal)
        return register

    def _cut(self, bank: Bank) -> list[int]:
        """Return the fields of a word of the bus."""
        m, at, found = self.module, 0, []
        columns = zip(*(v.tolist() for v in (bank.fields.width, bank.fields.frac, bank.fields.lo)),
                      strict=True)  # fmt: skip
        for width, frac, lo in columns:
            part = m.wrap(m.slice(self._kept[DATA], at, width), Fixed(lo < 0, width, 0))
            found.append(m.shift(part, -frac))
            at += width
        return found

    def _packed(self, bank: Bank, fields: list[int]) -> int:
        """Return the word of the bus that some fields are."""
        m = self.module
        codes = [m.slice(s, 0, w) for s, w in zip(fields, bank.fields.width.tolist(), strict=True)]
        return reduce(lambda low, high: m.concat(high, low), codes)


def join_answers(count: int) -> Module:
    """Return what joins the answers of some actors, a cycle later; at most one is not zero."""
    m = Module("register_answers", note="answers of the actors that have registers")
    kinds = {ANSWER: Intervals.of([0], [WORD[1]], 0), KNOWN: BIT}
    for name, kind in kinds.items():
        parts = [m.input(f"{name}_{number}", kind)[0] for number in range(count)]
        register = m.register(m.range(parts[0]), reset=0 if name == KNOWN else None)
        m.connect(register, joined(parts, m.or_))
        m.output(name, [register])
    m.latency = 1
    return m
