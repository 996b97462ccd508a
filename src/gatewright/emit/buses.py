"""Ports that are passed on whole: a vector goes from one port to the next and is not taken apart.

An element of an input port, or of an instance's output, has a place: bits of that port's vector.
Elements of a port that are neighbouring places, bit for bit, are written as those bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gatewright.emit.nets import Nets
from gatewright.hw import Kind, Module

INSTANCE = int(Kind.INSTANCE)
Key = tuple[int, str]
"""The vector of a port: the instance's number (-1 for the module's own inputs) and the port."""
Feed = tuple[int, int, int]
"""What an element of a port takes: a signal, bits of it to drop, bits to take."""


@dataclass(frozen=True)
class Run:
    """Neighbouring elements of one vector: its lowest bit and width there."""

    key: Key
    low: int
    width: int


@dataclass(frozen=True)
class Element:
    """An output element of a module: its port, place, width and sign there."""

    port: str
    low: int
    width: int
    signed: bool


def layout(child: Module) -> list[Element]:
    """Return the output elements of a module, port after port."""
    elements = []
    for port, signals in child.outputs.items():
        low = 0
        for s in signals:
            elements.append(Element(port, low, child.width(s), child.lo[s] < 0))
            low += child.width(s)
    return elements


def instance_feeds(m: Module, number: int) -> dict[str, list[Feed]]:
    """Return what feeds each input port of an instance; elements without bits take nothing."""
    instance, at, feeds = m.instances[number], 0, {}
    child = instance.module
    for port, signals in child.inputs.items():
        outers = instance.inputs[at : at + len(signals)]
        at += len(signals)
        pairs = zip(outers, signals, strict=True)
        triples = ((o, m.frac[o] - child.frac[i], child.width(i)) for o, i in pairs)
        feeds[port] = [triple for triple in triples if triple[2]]
    return feeds


@dataclass
class Buses:
    """Where elements lie in vectors, and which elements need a wire of their own.

    Attributes:
        module: the module under the pen.
        nets: its nets.
        live: mask of the rows that an output depends on.
        layouts: output elements of each module that it uses, by `id`.
        place: vector and lowest bit of a row that is an element of one.
        needed: mask of the rows that are read one by one.
        vector: net of each vector that is declared.
    """

    module: Module
    nets: Nets
    live: bytearray
    layouts: dict[int, list[Element]] = field(default_factory=dict)
    place: dict[int, tuple[Key, int]] = field(default_factory=dict)
    needed: bytearray = field(init=False)
    vector: dict[Key, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        m = self.module
        for port, signals in m.inputs.items():
            low = 0
            for s in signals:
                self.place[s] = ((-1, port), low)
                low += self.nets.width[s]
        for instance in m.instances:
            if id(instance.module) not in self.layouts:
                self.layouts[id(instance.module)] = layout(instance.module)
        instances = [s for s, kind in enumerate(m.kind) if kind == INSTANCE and self.live[s]]
        for s in instances:
            number, element = self.element(s)
            if element.width == self.nets.width[s]:
                self.place[s] = ((number, element.port), element.low)
        self.needed = bytearray(len(m))
        self._mark(sorted({m.imm[s] >> 32 for s in instances}))

    def element(self, s: int) -> tuple[int, Element]:
        """Return the instance's number and the output element that a row stands for."""
        number, index = self.module.imm[s] >> 32, self.module.imm[s] & 0xFFFFFFFF
        return number, self.layouts[id(self.module.instances[number].module)][index]

    def _mark(self, instances: Iterable[int]) -> None:
        """Find the rows that are read one by one."""
        m, needed, live = self.module, self.needed, self.live
        for s, (a, b, c) in enumerate(zip(m.a, m.b, m.c, strict=True)):
            if live[s]:
                for operand in (a, b, c):
                    if operand >= 0:
                        needed[operand] = 1
        ports = [self.output_feeds(signals) for signals in m.outputs.values()]
        for number in instances:
            ports += instance_feeds(m, number).values()
        for feeds in ports:
            for piece in self.pieces(feeds):
                if not isinstance(piece, Run):
                    needed[piece[0]] = 1

    def output_feeds(self, signals: Sequence[int]) -> list[Feed]:
        """Return what feeds an output port of the module."""
        width = self.nets.width
        return [(s, 0, width[s]) for s in signals if width[s]]

    def pieces(self, feeds: Sequence[Feed]) -> list[Feed | Run]:
        """Split a port into runs of two or more elements that lie in one vector, and the rest."""
        pieces: list[Feed | Run] = []
        at = 0
        while at < len(feeds):
            run, count = self._run(feeds, at)
            pieces.append(run if count > 1 else feeds[at])
            at += count
        return pieces

    def _run(self, feeds: Sequence[Feed], at: int) -> tuple[Run, int]:
        """Return the longest run from an element on, and its number of elements, at least 1."""
        key, first = self.place.get(feeds[at][0], ((-2, ""), 0))
        low, count = first, 0
        while at + count < len(feeds):
            s, drop, width = feeds[at + count]
            if drop or width != self.nets.width[s] or self.place.get(s) != (key, low):
                break
            low, count = low + width, count + 1
        return Run(key, first, low - first), max(count, 1)

    def parts(self, feeds: Sequence[Feed]) -> list[str]:
        """Return the expressions that make up a port, lowest first."""
        return [
            self.nets.part(self.vector[piece.key], piece.low, piece.width)
            if isinstance(piece, Run)
            else self.nets.part(*piece)
            for piece in self.pieces(feeds)
        ]
