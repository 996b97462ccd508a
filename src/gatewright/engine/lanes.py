"""The machine integer that each signal travels in.

A signal `q` in `lo..hi` is kept modulo `2**lane`. Its lane is wide enough either to tell all values
of the range apart (as two's complement where `lo < 0`, else as an unsigned number), or for all the
low bits that its readers ask for: sums and products need no more bits of their operands than they
have themselves, and a wrap none above those it keeps. What asks for the number itself (compare,
table, concatenate, a port) makes its operands keep it whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gatewright.engine.text import BIT
from gatewright.engine.threshold import Threshold, threshold
from gatewright.hw import Kind, Module

WIDTHS = (8, 16, 32, 64)
LANE = [next(width for width in WIDTHS if width >= bits) for bits in range(WIDTHS[-1] + 1)]
"""Narrowest machine integer for a number of bits."""

ALL = 1 << 30
"""Bits that a reader asks for that needs the number itself."""

LOGIC = frozenset({Kind.LESS, Kind.EQUAL, Kind.AND, Kind.OR, Kind.XOR, Kind.SELECT})
FREE = frozenset({Kind.CONST, Kind.SHIFT, Kind.INPUT, Kind.INSTANCE})


def bits_of(lo: int, hi: int) -> int:
    """Return the bits that tell the integers `lo..hi` apart, 0 for the constant zero."""
    return max(hi.bit_length(), (-lo - 1).bit_length()) + 1 if lo < 0 else hi.bit_length()


def lane_of(lo: int, hi: int, least: int) -> int:
    """Return the narrowest machine integer of at least `least` bits for a range."""
    return LANE[max(bits_of(lo, hi), least)]


@dataclass(frozen=True, eq=False)
class Lanes:
    """How the signals of one module travel.

    Attributes:
        module: the circuit.
        least: narrowest lane in use.
        root: for each signal the one that holds its integers; a `SHIFT` has its operand's.
        lane: bits of each signal's lane, `BIT` for vectors of single bits.
        inputs, outputs: for each port the one lane that all its elements travel in.
        fused: comparisons that are computed as a saturating sum against a limit.
    """

    module: Module
    least: int
    root: list[int]
    lane: list[int]
    inputs: dict[str, int]
    outputs: dict[str, int]
    fused: dict[int, Threshold]

    @classmethod
    def of(cls, module: Module, least: int) -> Lanes:
        """Choose the lanes of a module."""
        inputs = {name: port_lane(module, ports, least) for name, ports in module.inputs.items()}
        outputs = {name: port_lane(module, ports, least) for name, ports in module.outputs.items()}
        root = list(range(len(module)))
        bits: list[bool] = []
        for s, kind in enumerate(module.kind):
            if kind == Kind.SHIFT:
                root[s] = root[module.a[s]]
            bits.append(bits[root[s]] if root[s] < s else _is_logic(module, s, bits))
        fixed = {s: inputs[name] for name, ports in module.inputs.items() for s in ports}
        found = ((s, threshold(module, root, s, least)) for s in range(len(module)))
        fused = {s: question for s, question in found if question is not None}
        lane = _choose(module, root, bits, fixed, fused, least)
        return cls(module, least, root, lane, inputs, outputs, fused)

    def operands(self, s: int) -> list[int]:
        """Return the signals that a cell reads as it is computed."""
        return self.fused[s].signals if s in self.fused else self.module.operands(s)

    def exact(self, s: int) -> bool:
        """Whether a signal's lane tells all values of its range apart."""
        root = self.root[s]
        lo, hi = self.module.lo[root], self.module.hi[root]
        return self.lane[root] == BIT or self.lane[root] >= bits_of(lo, hi)

    def signed(self, s: int) -> bool:
        """Whether a signal is extended by its sign."""
        return self.module.lo[self.root[s]] < 0


def port_lane(module: Module, signals: Iterable[int], least: int) -> int:
    """Return the lane of a port; one extension, by sign or by zero, serves all its elements."""
    signals = list(signals)
    lo = min((module.lo[s] for s in signals), default=0)
    hi = max((module.hi[s] for s in signals), default=0)
    return lane_of(lo, hi, least)


def _is_logic(module: Module, s: int, bits: list[bool]) -> bool:
    """Whether a signal comes as single bits: a comparison, or logic on such signals."""
    kind = module.kind[s]
    if kind not in LOGIC or module.lo[s] < 0 or module.hi[s] > 1:
        return False
    if kind in (Kind.LESS, Kind.EQUAL):
        return True
    operands = (module.b[s], module.c[s]) if kind == Kind.SELECT else (module.a[s], module.b[s])
    return all(_is_bit(module, o, s, bits) for o in operands)


def _is_bit(module: Module, o: int, reader: int, bits: list[bool]) -> bool:
    if module.frac[o] != module.frac[reader]:
        return False
    constant = module.kind[o] == Kind.CONST and module.lo[o] in (0, 1)
    return constant or bits[o]


def _choose(
    module: Module,
    root: list[int],
    bits: list[bool],
    fixed: dict[int, int],
    fused: dict[int, Threshold],
    least: int,
) -> list[int]:
    """Return the lane of each signal, readers first."""
    need = [0] * len(module)
    fed = (s for instance in module.instances for s in dict.fromkeys(instance.inputs))
    for s in (*module.output_signals, *fed):
        need[root[s]] = ALL
    lane = [0] * len(module)
    for s in range(len(module) - 1, -1, -1):
        if root[s] != s:
            continue
        whole = lane_of(module.lo[s], module.hi[s], least)
        if bits[s]:
            lane[s] = BIT
        elif module.kind[s] in FREE:
            lane[s] = fixed.get(s, whole)
        else:
            lane[s] = min(whole, LANE[min(max(need[s], least), WIDTHS[-1])])
        for o, amount in _asks(module, s, lane[s], fused):
            need[root[o]] = max(need[root[o]], amount)
    return [lane[r] for r in root]


def _asks(
    module: Module, s: int, lane: int, fused: dict[int, Threshold]
) -> Iterator[tuple[int, int]]:
    """Yield the operands of a cell and how many of their low bits it asks for."""
    kind = module.kind[s]
    if s in fused:
        yield from ((o, ALL) for o in fused[s].signals)
    elif kind in (Kind.ADD, Kind.SUB):
        for o in (module.a[s], module.b[s]):
            yield o, lane - module.frac[s] + module.frac[o]
    elif kind in (Kind.MUL, Kind.AND, Kind.OR, Kind.XOR):
        yield from ((o, ALL if lane == BIT else lane) for o in (module.a[s], module.b[s]))
    elif kind == Kind.SELECT:
        yield module.a[s], ALL
        for o in (module.b[s], module.c[s]):
            yield o, ALL if lane == BIT else lane - module.frac[s] + module.frac[o]
    elif kind == Kind.WRAP:
        yield module.a[s], min(lane, module.imm[s] >> 1) + module.frac[module.a[s]] - module.frac[s]
    elif kind == Kind.SLICE:
        low, width = divmod(module.imm[s], 256)
        yield module.a[s], low + min(lane, width)
    elif kind not in FREE:
        yield from ((o, ALL) for o in module.operands(s))


def share(module: Module, least: int) -> dict[int, int]:
    """Count the cells that compute, by the narrowest lane for them."""
    counts = dict.fromkeys(WIDTHS, 0)
    for s, kind in enumerate(module.kind):
        if kind not in FREE:
            counts[lane_of(module.lo[s], module.hi[s], least)] += 1
    return counts
