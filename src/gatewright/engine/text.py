"""LLVM text of one function: instructions on vectors of `block` lanes."""

from __future__ import annotations

from dataclasses import dataclass, field

ALIGN = 64
"""Bytes of a cache line; where every port, slot and table starts."""

BIT = 1
"""Lane of a signal that is kept as a vector of single bits: the result of a comparison."""


def wrapped(value: int, lane: int) -> int:
    """Return an integer modulo `2**lane`, as the signed number that LLVM's text takes."""
    return (value + (1 << (lane - 1))) % (1 << lane) - (1 << (lane - 1))


def alignment(block: int, lane: int) -> int:
    """Return what the address of a vector is a multiple of."""
    return min(block * lane // 8, ALIGN)


@dataclass
class Text:
    """Write instructions; every method that computes returns the name of a vector."""

    block: int
    lines: list[str] = field(default_factory=list)

    def do(self, text: str) -> str:
        """Append an instruction and return the name of its result."""
        name = f"%v{len(self.lines)}"
        self.lines.append(f"  {name} = {text}")
        return name

    def type(self, lane: int) -> str:
        """Return the type of a vector of lanes."""
        return f"<{self.block} x i{lane}>"

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
        """Load a vector; single bits lie in memory as bytes 0 and -1."""
        address = self.address(base, offset)
        held = max(lane, 8)
        align = alignment(self.block, held)
        value = self.do(f"load {self.type(held)}, ptr {address}, align {align}")
        if lane != BIT:
            return value
        return self.do(f"icmp slt {self.type(8)} {value}, {self.splat(0, 8)}")

    def load_as(self, kind: str, base: str, offset: int) -> str:
        """Load a vector of another type from the start of a cache line."""
        return self.do(f"load {kind}, ptr {self.address(base, offset)}, align {ALIGN}")

    def store(self, value: str, base: str, offset: int, lane: int) -> None:
        """Store a vector; see `load`."""
        if lane == BIT:
            value, lane = self.do(f"sext {self.type(BIT)} {value} to {self.type(8)}"), 8
        address = self.address(base, offset)
        align = alignment(self.block, lane)
        self.lines.append(f"  store {self.type(lane)} {value}, ptr {address}, align {align}")

    def resize(self, value: str, lane: int, to: int, signed: bool) -> str:
        """Bring a vector into other lanes."""
        if lane == to:
            return value
        extend = "sext" if signed and lane != BIT else "zext"
        return self.do(
            f"{'trunc' if to < lane else extend} {self.type(lane)} {value} to {self.type(to)}"
        )

    def shifted(self, value: str, own: int, signed: bool, lane: int, shift: int) -> str:
        """Return `value * 2**shift`, floored, modulo `2**lane`, from lanes of `own` bits."""
        if shift >= 0:
            if shift >= lane:
                return self.splat(0, lane)
            base = self.resize(value, own, lane, signed)
            return self.binary("shl", lane, base, self.splat(shift, lane)) if shift else base
        wide = max(own, lane)
        if -shift >= wide and not signed:
            return self.splat(0, lane)
        base = self.resize(value, own, wide, signed)
        count = self.splat(min(-shift, wide - 1), wide)
        floored = self.binary("ashr" if signed else "lshr", wide, base, count)
        return self.resize(floored, wide, lane, signed)
