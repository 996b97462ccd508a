"""Ports that are passed on whole: a vector goes from one port to the next and is not taken apart.

An element of an input port, or of an instance's output, has a place: bits of that port's vector.
Elements of a port that are neighbouring places, bit for bit, are written as those bits. The copies
of an instance have their outputs side by side in one vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from gatewright.base import VerificationError
from gatewright.emit.header import safe
from gatewright.emit.loops import Loop, Places, find_loop
from gatewright.emit.nets import Nets
from gatewright.hw import NONE, Kind, Module
from gatewright.hw.bulk import instance_rows, values
from gatewright.hw.memory import FIELD_BITS
from gatewright.num import Ints

INSTANCE, READ = int(Kind.INSTANCE), int(Kind.READ)
Key = tuple[int, str]
"""A vector: of a port, the instance's number (-1 for the module's own inputs) and the port; of a
word that is read, -2 - the memory's number and the row of its address."""
Feed = tuple[int, int, int]
"""What an element of a port takes: a signal, bits of it to drop, bits to take."""
Elements = tuple[Ints, Ints, Ints]
"""The same of many elements, as arrays."""


@dataclass(frozen=True)
class Run:
    """Neighbouring elements of one vector: its lowest bit and width there."""

    key: Key
    low: int
    width: int


@dataclass(frozen=True)
class Element:
    """An output element of an instance: its port, place in the port's vector, width and sign."""

    port: str
    low: int
    width: int
    signed: bool


@dataclass(frozen=True, eq=False)
class Outputs:
    """The output elements of a module, port after port.

    Attributes:
        ports: their names.
        port: number of each element's port.
        low: its lowest bit there.
        width, signed: its own.
        size: bits of each port.
    """

    ports: list[str]
    port: Ints
    low: Ints
    width: Ints
    signed: np.ndarray
    size: Ints

    @classmethod
    def of(cls, child: Module) -> Outputs:
        """Lay out the outputs of a module."""
        kinds = child.intervals(child.output_signals)
        counts = [len(signals) for signals in child.outputs.values()]
        port = np.repeat(np.arange(len(counts)), counts)
        width = kinds.width
        size = np.bincount(port, width, len(counts)).astype(np.int64)
        low = np.cumsum(width) - width - (np.cumsum(size) - size)[port]
        return cls(list(child.outputs), port, low, width, kinds.signed, size)


@dataclass(frozen=True, eq=False)
class PortFeeds:
    """What feeds an input port of an instance; elements without bits take nothing.

    Attributes:
        signals: (copies, elements).
        drop: bits of each to drop, likewise.
        width: bits of the element, (elements,).
    """

    signals: Ints
    drop: Ints
    width: Ints

    @property
    def flat(self) -> Elements:
        """All elements, copy after copy."""
        width = np.broadcast_to(self.width, self.signals.shape)
        return self.signals.ravel(), self.drop.ravel(), width.ravel()


def instance_feeds(m: Module, number: int) -> dict[str, PortFeeds]:
    """Return what feeds each input port of an instance."""
    instance, at, feeds = m.instances[number], 0, {}
    child, outers = instance.module, instance.feeds
    frac = values(m.frac)
    for port, signals in child.inputs.items():
        kinds = child.intervals(signals)
        taken = kinds.width > 0
        outer = outers[:, at : at + len(signals)][:, taken]
        at += len(signals)
        feeds[port] = PortFeeds(outer, frac[outer] - kinds.frac[taken], kinds.width[taken])
    return feeds


@dataclass
class Buses:
    """Where elements lie in vectors, and which elements need a wire of their own.

    Attributes:
        module: the module under the pen.
        nets: its nets.
        live: mask of the rows that an output depends on.
        layouts: output elements of each module that it uses, by `id`.
        keys: the vectors that elements lie in.
        place: for each row the number of its vector in `keys`, or -1, and its lowest bit there.
        needed: mask of the rows that are read one by one.
        loops: how the copies of an instance are written, by its number.
        vector: net of each vector that is declared.
        labelled: outputs of instances that have names.
        words: the live rows that read each memory, by its number and the row of the address.
    """

    module: Module
    nets: Nets
    live: bytearray
    layouts: dict[int, Outputs] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    place: Places = field(init=False)
    needed: bytearray = field(init=False)
    loops: dict[int, Loop] = field(default_factory=dict)
    vector: dict[Key, int] = field(default_factory=dict)
    labelled: Ints = field(init=False)
    words: dict[tuple[int, int], list[int]] = field(init=False)

    def __post_init__(self) -> None:
        m, width = self.module, np.asarray(self.nets.width, np.int64)
        self.place = Places.none(width, values(m.lo) < 0)
        for port, signals in m.inputs.items():
            rows = np.asarray(signals, np.int64)
            own = width[rows]
            self._put(rows, len(self.keys), np.cumsum(own) - own)
            self.keys.append((-1, port))
        live = np.frombuffer(self.live, np.uint8) if self.live else np.zeros(0, np.uint8)
        self.needed = bytearray(len(m))
        self.labelled = np.asarray([s for s in m.names if m.kind[s] == Kind.INSTANCE], np.int64)
        used = []
        for number, rows in enumerate(instance_rows(m)):
            alive = rows[live[rows] != 0]
            if alive.size:
                self._enter(number, alive)
                used.append(number)
        self.words = self._enter_words(live)
        self._mark(used)

    def _put(self, rows: Ints, key: Ints | int, low: Ints) -> None:
        self.place.key[rows], self.place.low[rows] = key, low

    def outputs(self, number: int) -> Outputs:
        """Return the output elements of an instance's module."""
        child = self.module.instances[number].module
        if id(child) not in self.layouts:
            self.layouts[id(child)] = Outputs.of(child)
        return self.layouts[id(child)]

    def _enter(self, number: int, rows: Ints) -> None:
        """Note the places of an instance's outputs that are as wide as their rows."""
        outputs = self.outputs(number)
        copy, index = np.divmod(values(self.module.imm)[rows] & 0xFFFFFFFF, len(outputs.port))
        port = outputs.port[index]
        low = outputs.low[index] + copy * outputs.size[port]
        whole = outputs.width[index] == self.place.width[rows]
        self._put(rows[whole], len(self.keys) + port[whole], low[whole])
        self.keys += [(number, name) for name in outputs.ports]

    def _enter_words(self, live: np.ndarray) -> dict[tuple[int, int], list[int]]:
        """Note the places of the fields of words that are read, where as wide as their rows."""
        words: dict[tuple[int, int], list[int]] = {}
        m = self.module
        for s in np.flatnonzero(values(m.kind) == READ).tolist() if len(m) else ():
            if live[s]:
                words.setdefault((m.imm[s] >> FIELD_BITS, m.a[s]), []).append(s)
        for (number, address), found in words.items():
            rows = np.asarray(found, np.int64)
            width, column = m.memories[number].widths, values(m.imm)[rows] % (1 << FIELD_BITS)
            whole = width[column] == self.place.width[rows]
            self._put(rows[whole], len(self.keys), (np.cumsum(width) - width)[column][whole])
            self.keys.append((-2 - number, str(address)))
        return words

    @property
    def memories(self) -> list[int]:
        """Numbers of the memories that are read."""
        return sorted({number for number, _ in self.words})

    def write_feeds(self, number: int) -> Elements:
        """Return what feeds the fields of a memory.

        Raises:
            VerificationError: it has no write port.
        """
        memory = self.module.memories[number]
        if NONE in (memory.address, memory.enable) or len(memory.data) != memory.fields.size:
            raise VerificationError(
                "the circuit is malformed: a memory has no write port",
                place=f"module {safe(self.module.name)}, memory {safe(memory.name)}",
                remedy="this is a defect of Gatewright: please report the model",
            )
        rows, width = np.asarray(memory.data, np.int64), memory.widths
        taken = width > 0
        drop = values(self.module.frac)[rows] - memory.fields.frac
        return rows[taken], drop[taken], width[taken]

    def element(self, s: int) -> tuple[int, Element]:
        """Return the instance's number and the output element that a row stands for."""
        number, index = self.module.imm[s] >> 32, self.module.imm[s] & 0xFFFFFFFF
        outputs = self.outputs(number)
        copy, i = divmod(index, len(outputs.port))
        port = int(outputs.port[i])
        low = int(outputs.low[i] + copy * outputs.size[port])
        return number, Element(
            outputs.ports[port], low, int(outputs.width[i]), bool(outputs.signed[i])
        )

    def _mark(self, instances: Iterable[int]) -> None:
        """Find the rows that are read one by one."""
        m = self.module
        if not len(m):
            return
        needed, live = np.frombuffer(self.needed, np.uint8), np.frombuffer(self.live, np.uint8)
        for column in (m.a, m.b, m.c):
            read = values(column)[live != 0]
            needed[read[read >= 0]] = 1
        ports = [self.output_feeds(signals) for signals in m.outputs.values()]
        for number in self.memories:
            ports.append(self.write_feeds(number))
            needed[[m.memories[number].address, m.memories[number].enable]] = 1
        for number in instances:
            feeds = instance_feeds(m, number)
            if m.instances[number].count > 1:
                loop = self.loops[number] = find_loop(self.place, feeds)
                feeds = {port: each for port, each in feeds.items() if port not in loop.strips}
            ports += [each.flat for each in feeds.values()]
        for each in ports:
            for piece in self.pieces(each):
                if not isinstance(piece, Run):
                    needed[piece[0]] = 1

    def output_feeds(self, signals: Sequence[int]) -> Elements:
        """Return what feeds an output port of the module."""
        rows = np.asarray(signals, np.int64)
        width = self.place.width[rows]
        return rows[width > 0], np.zeros(int((width > 0).sum()), np.int64), width[width > 0]

    def pieces(self, feeds: Elements) -> list[Feed | Run]:
        """Split a port into runs of two or more elements that lie in one vector, and the rest."""
        s, drop, width = feeds
        if not s.size:
            return []
        key, low = self.place.key[s], self.place.low[s]
        whole = (drop == 0) & (width == self.place.width[s]) & (key >= 0)
        joins = whole[1:] & whole[:-1] & (key[1:] == key[:-1]) & (low[1:] == (low + width)[:-1])
        if self.labelled.size:  # names say more than places in a vector
            named = np.isin(s, self.labelled)
            joins &= ~(named[1:] | named[:-1])
        first = np.flatnonzero(np.concatenate([[True], ~joins]))
        ends = np.append(first[1:], len(s))
        total = np.concatenate([[0], np.cumsum(width)])
        return [
            Run(self.keys[key[i]], int(low[i]), int(total[j] - total[i]))
            if j - i > 1
            else (int(s[i]), int(drop[i]), int(width[i]))
            for i, j in zip(first.tolist(), ends.tolist(), strict=True)
        ]

    def parts(self, feeds: Elements) -> list[str]:
        """Return the expressions that make up a port, lowest first."""
        return [
            self.nets.part(self.vector[piece.key], piece.low, piece.width)
            if isinstance(piece, Run)
            else self.nets.part(*piece)
            for piece in self.pieces(feeds)
        ]
