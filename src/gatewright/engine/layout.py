"""Where a module's values lie in memory: ports and frame.

A signal of a block of samples lies in one piece, lane after lane. A function gets the addresses of
its inputs, its outputs, its frame and the tables; a module called from it gets the frame behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gatewright.engine.lanes import Lanes
from gatewright.engine.schedule import Part, Run, parts_of
from gatewright.engine.tables import round_up
from gatewright.hw import Kind, Module


@dataclass(frozen=True)
class Port:
    """A port in memory: elements one after the other, each `block` lanes of `lane` bits."""

    name: str
    lane: int
    offset: int
    stride: int
    signals: tuple[int, ...]

    @property
    def end(self) -> int:
        """First byte behind the port, aligned."""
        return round_up(self.offset + self.stride * len(self.signals))


def place_ports(ports: Mapping[str, list[int]], lanes: Mapping[str, int], block: int) -> list[Port]:
    """Lay the ports of one direction after each other."""
    result: list[Port] = []
    offset = 0
    for name, signals in ports.items():
        port = Port(name, lanes[name], offset, block * lanes[name] // 8, tuple(signals))
        result.append(port)
        offset = port.end
    return result


def extent(ports: list[Port]) -> int:
    """Return the bytes of all ports of one direction."""
    return ports[-1].end if ports else 0


@dataclass(frozen=True)
class Place:
    """Where a signal lies: bytes from `in`, `frame` or `tab`, its lane, how it is extended."""

    base: str
    offset: int
    lane: int
    signed: bool


@dataclass
class Frame:
    """Gives out pieces of a frame and takes them back."""

    size: int = 0
    free: dict[int, list[int]] = field(default_factory=dict)
    held: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def take(self, size: int, until: int) -> int:
        """Return the offset of a piece that is held up to part number `until`."""
        size = round_up(size)
        pieces = self.free.get(size)
        offset = pieces.pop() if pieces else self.size
        self.size = max(self.size, offset + size)
        self.held.setdefault(until, []).append((offset, size))
        return offset

    def release(self, number: int) -> None:
        """Take back what was held up to a part."""
        for offset, size in self.held.pop(number, []):
            self.free.setdefault(size, []).append(offset)


@dataclass(eq=False)
class Plan:
    """How one module is computed.

    Attributes:
        number: names the module's functions.
        inputs, outputs: the ports in memory.
        parts: the functions, in order.
        slots: place in the frame of each signal that outlives its function.
        feeds: place in the frame of the inputs of each run's instance, by the run's part number.
        results: place in the frame of each instance's outputs, its copies one after the other.
        children: plans of the modules it uses, by identity.
        frame: bytes of the frame.
        depth: bytes of the frame and of those behind it.
    """

    number: int
    lanes: Lanes
    block: int
    inputs: list[Port]
    outputs: list[Port]
    parts: list[Part]
    children: Mapping[int, Plan]
    slots: dict[int, int] = field(default_factory=dict)
    feeds: dict[int, int] = field(default_factory=dict)
    results: dict[int, int] = field(default_factory=dict)
    frame: int = 0
    depth: int = 0

    def __post_init__(self) -> None:
        self.input_places = [
            (port, port.offset + i * port.stride)
            for port in self.inputs
            for i in range(len(port.signals))
        ]
        self.output_places = [
            (port, port.offset + i * port.stride)
            for port in self.outputs
            for i in range(len(port.signals))
        ]

    @property
    def module(self) -> Module:
        """The circuit."""
        return self.lanes.module

    @classmethod
    def of(
        cls, number: int, lanes: Lanes, block: int, size: int, children: Mapping[int, Plan]
    ) -> Plan:
        """Plan a module; `children` holds the plans of the modules it uses, by identity."""
        module = lanes.module
        parts, last = parts_of(lanes, size)
        inputs = place_ports(module.inputs, lanes.inputs, block)
        outputs = place_ports(module.outputs, lanes.outputs, block)
        plan = cls(number, lanes, block, inputs, outputs, parts, children)
        plan._place(last)
        return plan

    def _place(self, last: dict[int, int]) -> None:
        """Give every value that outlives its function a place."""
        frame = Frame()
        ends = _result_ends(self.module, last)
        for position, part in enumerate(self.parts):
            frame.release(position - 1)
            if isinstance(part, Run):
                child = self.child(part.instances[0])
                self.feeds[position] = frame.take(extent(child.inputs), position)
                for number in part.instances:
                    end = max(ends.get(number, position), position)
                    count = self.module.instances[number].count
                    self.results[number] = frame.take(count * extent(child.outputs), end)
            else:
                for unit in part.units:
                    if unit in part.live:
                        size = self.block * max(self.lanes.lane[unit], 8) // 8
                        self.slots[unit] = frame.take(size, last[unit])
        self.frame = frame.size
        behind = (self.child(part.instances[0]) for part in self.parts if isinstance(part, Run))
        self.depth = self.frame + max((child.depth for child in behind), default=0)

    def child(self, number: int) -> Plan:
        """Return the plan of an instance's module."""
        return self.children[id(self.module.instances[number].module)]

    def place(self, root: int) -> Place:
        """Return where a signal lies that is no constant and not made in the same function."""
        module = self.module
        kind, imm, signed = module.kind[root], module.imm[root], self.lanes.signed(root)
        if kind == Kind.INPUT:
            port, offset = self.input_places[imm]
            return Place("in", offset, port.lane, signed)
        if kind == Kind.INSTANCE:
            number, index = divmod(imm, 1 << 32)
            child = self.child(number)
            copy, output = divmod(index, len(child.output_places))
            port, offset = child.output_places[output]
            offset += self.results[number] + copy * extent(child.outputs)
            return Place("frame", offset, port.lane, signed)
        return Place("frame", self.slots[root], self.lanes.lane[root], signed)


def _result_ends(module: Module, last: dict[int, int]) -> dict[int, int]:
    """Return the last part that reads any output of each instance."""
    ends: dict[int, int] = {}
    for signal, number in last.items():
        if module.kind[signal] == Kind.INSTANCE:
            instance = module.imm[signal] >> 32
            ends[instance] = max(ends.get(instance, 0), number)
    return ends
