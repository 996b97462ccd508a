"""Where a module's values lie in memory: ports, frame, tables.

A signal of a block of samples lies in one piece, lane after lane. A function gets the addresses of
its inputs, its outputs, its frame and the tables; a module called from it gets the frame behind.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gatewright.engine.lanes import Lanes
from gatewright.engine.schedule import CALL, Chunk, chunks, last_use, order
from gatewright.hw import Kind, Module
from gatewright.num import Ints

ALIGN = 64


@dataclass(frozen=True)
class Port:
    """A port in memory: `count` elements, each `block` lanes of `lane` bits."""

    name: str
    lane: int
    offset: int
    stride: int
    signals: tuple[int, ...]

    @property
    def end(self) -> int:
        """First byte behind the port, aligned."""
        return round_up(self.offset + self.stride * len(self.signals))


def round_up(size: int) -> int:
    """Return a size in whole cache lines."""
    return -(-size // ALIGN) * ALIGN


def place_ports(ports: dict[str, list[int]], lanes: dict[str, int], block: int) -> list[Port]:
    """Lay the ports of one direction after each other."""
    result: list[Port] = []
    offset = 0
    for name, signals in ports.items():
        port = Port(name, lanes[name], offset, block * lanes[name] // 8, tuple(signals))
        result.append(port)
        offset = port.end
    return result


@dataclass
class Frame:
    """Gives out pieces of a frame and takes them back."""

    size: int = 0
    free: dict[int, list[int]] = field(default_factory=dict)
    held: list[tuple[int, int, int]] = field(default_factory=list)

    def take(self, size: int, until: int) -> int:
        """Return the offset of a piece that is held up to function number `until`."""
        size = round_up(size)
        pieces = self.free.get(size)
        offset = pieces.pop() if pieces else self.size
        self.size = max(self.size, offset + size)
        self.held.append((until, offset, size))
        return offset

    def release(self, number: int) -> None:
        """Take back what was held up to a function before `number`."""
        for until, offset, size in self.held:
            if until < number:
                self.free.setdefault(size, []).append(offset)
        self.held = [piece for piece in self.held if piece[0] >= number]


@dataclass(frozen=True, eq=False)
class Plan:
    """How one module is computed.

    Attributes:
        number: names the module's functions.
        inputs, outputs: the ports in memory.
        chunks: the functions, in order.
        slots: place in the frame of each signal that outlives its function.
        feeds, results: place in the frame of each instance's inputs and outputs.
        children: plans of the modules it uses, by identity.
        frame: bytes of the frame.
        depth: bytes of the frame and of those behind it.
    """

    number: int
    lanes: Lanes
    block: int
    inputs: list[Port]
    outputs: list[Port]
    chunks: list[Chunk]
    slots: dict[int, int]
    feeds: dict[int, int]
    results: dict[int, int]
    children: dict[int, Plan]
    frame: int
    depth: int

    @property
    def module(self) -> Module:
        """The circuit."""
        return self.lanes.module

    @classmethod
    def of(
        cls, number: int, lanes: Lanes, block: int, size: int, children: dict[int, Plan]
    ) -> Plan:
        """Plan a module; `children` holds the plans of the modules it uses, by identity."""
        module = lanes.module
        parts = chunks(lanes, order(lanes), size)
        last = last_use(lanes, [list(part.units) for part in parts])
        frame, slots = Frame(), {}
        feeds: dict[int, int] = {}
        results: dict[int, int] = {}
        ends = _result_ends(module, last)
        for position, part in enumerate(parts):
            frame.release(position)
            for unit in part.units:
                if unit < 0:
                    child = children[id(module.instances[CALL - unit].module)]
                    end = max(ends.get(CALL - unit, position), position)
                    feeds[CALL - unit] = frame.take(extent(child.inputs), position)
                    results[CALL - unit] = frame.take(extent(child.outputs), end)
                elif unit in part.live:
                    slots[unit] = frame.take(block * max(lanes.lane[unit], 8) // 8, last[unit])
        deepest = max((children[id(i.module)].depth for i in module.instances), default=0)
        return cls(
            number,
            lanes,
            block,
            place_ports(module.inputs, lanes.inputs, block),
            place_ports(module.outputs, lanes.outputs, block),
            parts,
            slots,
            feeds,
            results,
            children,
            frame.size,
            frame.size + deepest,
        )


def extent(ports: list[Port]) -> int:
    """Return the bytes of all ports of one direction."""
    return ports[-1].end if ports else 0


def _result_ends(module: Module, last: dict[int, int]) -> dict[int, int]:
    """Return the last function that reads any output of each instance."""
    ends: dict[int, int] = {}
    for signal, number in last.items():
        if module.kind[signal] == Kind.INSTANCE:
            instance = module.imm[signal] >> 32
            ends[instance] = max(ends.get(instance, 0), number)
    return ends


@dataclass
class Tables:
    """All table fields that a design reads, one after the other in one buffer."""

    size: int = 0
    known: dict[tuple[int, int, int, int, int], tuple[int, int]] = field(default_factory=dict)
    parts: list[tuple[int, Ints, int]] = field(default_factory=list)

    def depth(self, module: Module, signal: int) -> int:
        """Return the words of a table cell's table."""
        return module.tables[module.imm[signal] >> 20].depth

    def place(self, module: Module, signal: int, lane: int, entries: int) -> tuple[int, int]:
        """Return the offset of a table cell's first words, with zeros behind, and their number."""
        number, column = divmod(module.imm[signal], 1 << 20)
        words = module.tables[number].words[:, column]
        key = (id(module), number, column, lane, entries)
        if key not in self.known:
            padded = np.zeros(entries, np.int64)
            padded[: len(words)] = words[:entries]
            self.known[key] = (self.size, entries)
            self.parts.append((self.size, padded, lane))
            self.size = round_up(self.size + entries * lane // 8)
        return self.known[key]

    def fill(self, buffer: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> None:
        """Write all words into a buffer of `size` bytes."""
        for offset, words, lane in self.parts:
            data = words.astype(f"<i{lane // 8}").view(np.uint8)
            buffer[offset : offset + len(data)] = data
