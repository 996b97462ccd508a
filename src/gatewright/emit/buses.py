"""Ports that are passed on whole: a vector goes from one port to the next and is not taken apart.

An element of an input port, or of an instance's output, has a place: bits of that port's vector.
A port whose elements are neighbouring places, bit for bit, is written as those bits.
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
            if self.run(feeds) is None:
                for s, _, _ in feeds:
                    needed[s] = 1

    def output_feeds(self, signals: Sequence[int]) -> list[Feed]:
        """Return what feeds an output port of the module."""
        width = self.nets.width
        return [(s, 0, width[s]) for s in signals if width[s]]

    def run(self, feeds: Sequence[Feed]) -> tuple[Key, int, int] | None:
        """Return the vector, lowest bit and width that the feeds are, in one piece, if they are."""
        if len(feeds) < 2 or feeds[0][0] not in self.place:
            return None
        key, first = self.place[feeds[0][0]]
        low = first
        for s, drop, width in feeds:
            if drop or width != self.nets.width[s] or self.place.get(s) != (key, low):
                return None
            low += width
        return key, first, low - first

    def parts(self, feeds: Sequence[Feed]) -> list[str]:
        """Return the expressions that make up a port, lowest first."""
        run = self.run(feeds)
        if run is not None:
            key, low, width = run
            return [self.nets.part(self.vector[key], low, width)]
        return [self.nets.part(*feed) for feed in feeds]
