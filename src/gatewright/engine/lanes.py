"""The machine integer that each signal travels in.

A signal `q` in `lo..hi` is kept modulo `2**lane`, and the lane is wide enough to tell all values of
the range apart: as two's complement where `lo < 0`, else as an unsigned number. Sums and products
may then wrap on the way, because their result does not. What asks for the number itself (compare,
shift right, table) extends it first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gatewright.hw import Kind, Module

WIDTHS = (8, 16, 32, 64)
BIT = 1
"""Lane of a signal that is kept as a vector of single bits: the result of a comparison."""

LOGIC = frozenset({Kind.LESS, Kind.EQUAL, Kind.AND, Kind.OR, Kind.XOR, Kind.SELECT})
FREE = frozenset({Kind.CONST, Kind.SHIFT, Kind.INPUT, Kind.INSTANCE})


def bits_of(lo: int, hi: int) -> int:
    """Return the bits that tell the integers `lo..hi` apart, 0 for the constant zero."""
    return max(hi.bit_length(), (-lo - 1).bit_length()) + 1 if lo < 0 else hi.bit_length()


def lane_of(lo: int, hi: int, least: int) -> int:
    """Return the narrowest machine integer of at least `least` bits for a range."""
    need = max(bits_of(lo, hi), least)
    return next(width for width in WIDTHS if width >= need)


@dataclass(frozen=True, eq=False)
class Lanes:
    """How the signals of one module travel.

    Attributes:
        module: the circuit.
        least: narrowest lane in use.
        root: for each signal the one that holds its integers; a `SHIFT` has its operand's.
        lane: bits of each signal's lane, `BIT` for vectors of single bits.
        inputs, outputs: for each port the one lane that all its elements travel in.
    """

    module: Module
    least: int
    root: list[int]
    lane: list[int]
    inputs: dict[str, int]
    outputs: dict[str, int]

    @classmethod
    def of(cls, module: Module, least: int) -> Lanes:
        """Choose the lanes of a module."""
        root = list(range(len(module)))
        lane: list[int] = []
        inputs = {name: port_lane(module, ports, least) for name, ports in module.inputs.items()}
        outputs = {name: port_lane(module, ports, least) for name, ports in module.outputs.items()}
        by_element = [inputs[name] for name, ports in module.inputs.items() for _ in ports]
        for s, kind in enumerate(module.kind):
            if kind == Kind.SHIFT:
                root[s] = root[module.a[s]]
                lane.append(lane[root[s]])
            elif kind == Kind.INPUT:
                lane.append(by_element[module.imm[s]])
            elif _is_logic(module, s, lane):
                lane.append(BIT)
            else:
                lane.append(lane_of(module.lo[s], module.hi[s], least))
        return cls(module, least, root, lane, inputs, outputs)

    def signed(self, s: int) -> bool:
        """Whether a signal is extended by its sign."""
        return self.module.lo[self.root[s]] < 0


def port_lane(module: Module, signals: Iterable[int], least: int) -> int:
    """Return the lane of a port; one extension, by sign or by zero, serves all its elements."""
    signals = list(signals)
    lo = min((module.lo[s] for s in signals), default=0)
    hi = max((module.hi[s] for s in signals), default=0)
    return lane_of(lo, hi, least)


def _is_logic(module: Module, s: int, lane: list[int]) -> bool:
    """Whether a signal comes as single bits: a comparison, or logic on such signals."""
    kind = module.kind[s]
    if kind not in LOGIC or module.lo[s] < 0 or module.hi[s] > 1:
        return False
    if kind in (Kind.LESS, Kind.EQUAL):
        return True
    operands = (module.b[s], module.c[s]) if kind == Kind.SELECT else (module.a[s], module.b[s])
    return all(_is_bit(module, o, s, lane) for o in operands)


def _is_bit(module: Module, o: int, reader: int, lane: list[int]) -> bool:
    if module.frac[o] != module.frac[reader]:
        return False
    constant = module.kind[o] == Kind.CONST and module.lo[o] in (0, 1)
    return constant or lane[o] == BIT


def share(module: Module, least: int) -> dict[int, int]:
    """Count the cells that compute, by the narrowest lane for them."""
    counts = dict.fromkeys(WIDTHS, 0)
    for s, kind in enumerate(module.kind):
        if kind not in FREE:
            counts[lane_of(module.lo[s], module.hi[s], least)] += 1
    return counts
