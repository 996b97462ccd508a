"""LLVM text of one function, and the values in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewright.engine.lanes import BIT
from gatewright.engine.layout import ALIGN, Plan, Port, Tables
from gatewright.engine.target import Target
from gatewright.hw import Kind

PARAMETERS = "ptr noalias %in, ptr noalias %out, ptr noalias %frame, ptr noalias %tab"


def wrapped(value: int, lane: int) -> int:
    """Return an integer modulo `2**lane`, as the signed number that LLVM's text takes."""
    return (value + (1 << (lane - 1))) % (1 << lane) - (1 << (lane - 1))


@dataclass
class Shared:
    """What all functions of a program have in common.

    Attributes:
        target: the processor.
        tables: the words of all tables.
        lookups: bits of index and of word for which a reader of tables is called.
        declared: intrinsic functions in use.
    """

    target: Target
    tables: Tables = field(default_factory=Tables)
    lookups: set[tuple[int, int]] = field(default_factory=set)
    declared: set[str] = field(default_factory=set)


@dataclass
class Writer:
    """Write one function; every method returns the name of a vector of `plan.block` lanes."""

    plan: Plan
    shared: Shared
    reads: bool = False
    lines: list[str] = field(default_factory=list)
    values: dict[int, str] = field(default_factory=dict)
    _aligned: dict[tuple[int, int, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.module, self.lanes = self.plan.module, self.plan.lanes
        self._inputs = [(port, i) for port in self.plan.inputs for i in range(len(port.signals))]

    # ---- text

    def do(self, text: str) -> str:
        """Append an instruction and return the name of its result."""
        name = f"%v{len(self.lines)}"
        self.lines.append(f"  {name} = {text}")
        return name

    def type(self, lane: int) -> str:
        """Return the type of a vector of lanes."""
        return f"<{self.plan.block} x i{lane}>"

    def splat(self, value: int, lane: int) -> str:
        """Return a constant in all lanes."""
        if lane == BIT:
            return f"splat (i1 {'true' if value & 1 else 'false'})"
        return f"splat (i{lane} {wrapped(value, lane)})"

    def binary(self, operation: str, lane: int, a: str, b: str) -> str:
        """Append an operation on two vectors."""
        return self.do(f"{operation} {self.type(lane)} {a}, {b}")

    def address(self, base: str, offset: int) -> str:
        """Return an address in one of the function's buffers."""
        return self.do(f"getelementptr i8, ptr {base}, i64 {offset}") if offset else base

    def load(self, base: str, offset: int, lane: int) -> str:
        """Load a vector."""
        address = self.address(base, offset)
        return self.do(f"load {self.type(lane)}, ptr {address}, align {self.align(lane)}")

    def load_as(self, kind: str, base: str, offset: int) -> str:
        """Load a vector of another type from the start of a cache line."""
        return self.do(f"load {kind}, ptr {self.address(base, offset)}, align {ALIGN}")

    def store(self, value: str, base: str, offset: int, lane: int) -> None:
        """Store a vector."""
        address = self.address(base, offset)
        self.lines.append(
            f"  store {self.type(lane)} {value}, ptr {address}, align {self.align(lane)}"
        )

    def align(self, lane: int) -> int:
        """Return what the address of a vector is a multiple of."""
        return min(self.plan.block * lane // 8, ALIGN)

    # ---- signals

    def value(self, root: int) -> str:
        """Return a signal in its own lane, from memory where this function does not make it."""
        if root not in self.values:
            self.values[root] = self._fetch(root)
        return self.values[root]

    def _fetch(self, root: int) -> str:
        module, lane = self.module, self.lanes.lane[root]
        kind = module.kind[root]
        if kind == Kind.CONST:
            return self.splat(module.lo[root], lane)
        if kind == Kind.INPUT:
            port, element = self._inputs[module.imm[root]]
            return self.load("%in", port.offset + element * port.stride, lane)
        if kind == Kind.INSTANCE:
            return self._result(root)
        offset = self.plan.slots[root]
        if lane != BIT:
            return self.load("%frame", offset, lane)
        mask = self.load("%frame", offset, 8)
        return self.do(f"icmp slt {self.type(8)} {mask}, {self.splat(0, 8)}")

    def _result(self, root: int) -> str:
        """Load an output of an instance, in the lane of this module's signal."""
        instance, index = divmod(self.module.imm[root], 1 << 32)
        child = self.module.instances[instance].module
        port, element = self._child_output(instance, index)
        offset = self.plan.results[instance] + port.offset + element * port.stride
        loaded = self.load("%frame", offset, port.lane)
        signed = child.lo[port.signals[element]] < 0
        return self.resize(loaded, port.lane, self.lanes.lane[root], signed)

    def _child_output(self, instance: int, index: int) -> tuple[Port, int]:
        for port in self.children_ports(instance):
            if index < len(port.signals):
                return port, index
            index -= len(port.signals)
        raise AssertionError("an instance has no such output")

    def children_ports(self, instance: int) -> list[Port]:
        """Return the output ports of an instance's module."""
        return self.plan.children[id(self.module.instances[instance].module)].outputs

    def keep(self, root: int) -> None:
        """Store a signal for the functions that follow."""
        lane, value = self.lanes.lane[root], self.value(root)
        if lane == BIT:
            value = self.do(f"sext {self.type(BIT)} {value} to {self.type(8)}")
        self.store(value, "%frame", self.plan.slots[root], max(lane, 8))

    # ---- conversions

    def resize(self, value: str, lane: int, to: int, signed: bool) -> str:
        """Bring a vector into other lanes."""
        if lane == to:
            return value
        extend = "sext" if signed and lane != BIT else "zext"
        return self.do(
            f"{'trunc' if to < lane else extend} {self.type(lane)} {value} to {self.type(to)}"
        )

    def get(self, s: int, lane: int, frac: int) -> str:
        """Return a signal in units of `2**-frac`, floored, modulo `2**lane`."""
        root, shift = self.lanes.root[s], frac - self.module.frac[s]
        if self.module.kind[root] == Kind.CONST:
            q = self.module.lo[root]
            return self.splat(q << shift if shift >= 0 else q >> -shift, lane)
        key = (root, lane, shift)
        if key not in self._aligned:
            self._aligned[key] = self._align(root, lane, shift)
        return self._aligned[key]

    def _align(self, root: int, lane: int, shift: int) -> str:
        own, signed = self.lanes.lane[root], self.lanes.signed(root)
        if shift >= 0:
            if shift >= lane:
                return self.splat(0, lane)
            base = self.resize(self.value(root), own, lane, signed)
            return self.binary("shl", lane, base, self.splat(shift, lane)) if shift else base
        wide = max(own, lane)
        if -shift >= wide and not signed:
            return self.splat(0, lane)
        base = self.resize(self.value(root), own, wide, signed)
        count = self.splat(min(-shift, wide - 1), wide)
        floored = self.binary("ashr" if signed else "lshr", wide, base, count)
        return self.resize(floored, wide, lane, signed)

    def own(self, s: int) -> str:
        """Return a signal in its own lane and on its own grid."""
        return self.get(s, max(self.lanes.lane[self.lanes.root[s]], 8), self.module.frac[s])

    def code(self, s: int, lane: int) -> str:
        """Return the two's complement code of a signal as an unsigned integer."""
        value, width = self.get(s, lane, self.module.frac[s]), self.module.width(s)
        if self.module.lo[s] >= 0 or width >= lane:
            return value
        return self.binary("and", lane, value, self.splat((1 << width) - 1, lane))

    def bit(self, s: int) -> str:
        """Return whether a signal is not zero, as a vector of bits."""
        root = self.lanes.root[s]
        if self.module.kind[root] == Kind.CONST:
            return self.splat(int(self.module.lo[root] != 0), BIT)
        if self.lanes.lane[root] == BIT:
            return self.value(root)
        lane = self.lanes.lane[root]
        return self.do(f"icmp ne {self.type(lane)} {self.value(root)}, {self.splat(0, lane)}")
