"""The values in one function that computes cells."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewright.engine.layout import Plan
from gatewright.engine.tables import Tables
from gatewright.engine.target import Target
from gatewright.engine.text import BIT, Text
from gatewright.hw import Kind


@dataclass
class Shared:
    """What all functions of a program have in common.

    Attributes:
        target: the processor.
        tables: what the code reads besides the samples.
        lookups: bits of index and of word for which a reader of tables is called.
        moves: kinds of moves between places in memory for which a mover is called.
    """

    target: Target
    tables: Tables = field(default_factory=Tables)
    lookups: set[tuple[int, int]] = field(default_factory=set)
    moves: set[tuple[int, int, int, bool]] = field(default_factory=set)


@dataclass
class Writer(Text):
    """Write one function that computes cells of a module.

    Attributes:
        reads: whether the function calls a reader of tables.
        declared: what it calls that is defined elsewhere.
    """

    plan: Plan = None  # type: ignore[assignment]
    shared: Shared = None  # type: ignore[assignment]
    reads: bool = False
    declared: set[str] = field(default_factory=set)
    values: dict[int, str] = field(default_factory=dict)
    _aligned: dict[tuple[int, int, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.module, self.lanes = self.plan.module, self.plan.lanes

    @classmethod
    def of(cls, plan: Plan, shared: Shared) -> Writer:
        """Begin a function."""
        return cls(plan.block, plan=plan, shared=shared)

    def value(self, root: int) -> str:
        """Return a signal in its own lane, from memory where this function does not make it."""
        if root not in self.values:
            self.values[root] = self._fetch(root)
        return self.values[root]

    def _fetch(self, root: int) -> str:
        lane = self.lanes.lane[root]
        if self.module.kind[root] == Kind.CONST:
            return self.splat(self.module.lo[root], lane)
        place = self.plan.place(root)
        loaded = self.load(f"%{place.base}", place.offset, place.lane)
        return self.resize(loaded, place.lane, lane, place.signed)

    def keep(self, root: int) -> None:
        """Store a signal for the functions that follow."""
        self.store(self.value(root), "%frame", self.plan.slots[root], self.lanes.lane[root])

    def get(self, s: int, lane: int, frac: int) -> str:
        """Return a signal in units of `2**-frac`, floored, modulo `2**lane`."""
        root, shift = self.lanes.root[s], frac - self.module.frac[s]
        if self.module.kind[root] == Kind.CONST:
            q = self.module.lo[root]
            return self.splat(q << shift if shift >= 0 else q >> -shift, lane)
        key = (root, lane, shift)
        if key not in self._aligned:
            own, signed = self.lanes.lane[root], self.lanes.signed(root)
            self._aligned[key] = self.shifted(self.value(root), own, signed, lane, shift)
        return self._aligned[key]

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
