"""A netlist: cells in columns, with their ports, tables, memories and instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Self

import numpy as np

from gatewright.base import FormatError
from gatewright.hw.bulk import Column, Ints, column, values
from gatewright.hw.cells import NONE, Kind, Table
from gatewright.hw.instance import Instance
from gatewright.hw.memory import Memory
from gatewright.hw.ranges import Range, too_wide
from gatewright.num import MAX_WIDTH, Fixed, Intervals

LIMIT = 1 << MAX_WIDTH
HALF = LIMIT >> 1
UNIQUE = frozenset(int(kind) for kind in (Kind.REG, Kind.INPUT, Kind.INSTANCE))
"""Cells that stand for themselves: two of them are never one."""

INSTANCE = int(Kind.INSTANCE)


@dataclass(eq=False)
class Netlist:
    """What a module is made of; `Module` adds how cells are made.

    Rows are signals, numbered in order of creation; every operand of a row is an earlier row, but
    for the input and enable of a register, which may close a loop, as may the write port of a
    memory. `clk` and `rst` (synchronous, active high) are implied where a module holds either.

    Attributes:
        latency: cycles from an input (with `valid_in`) to its output, once registers are placed;
            for a module not yet pipelined, the cycles its own state machine takes.
        interval: initiation interval (II): the least number of cycles between two inputs.
        origin: the user's layer that this module computes.
        is_network: the module only joins instances (`place`, `join`), and signals may run from a
            later instance back to an earlier one, as `ready` does. No combinational path may close
            a loop through them. Such a module is not optimised or pipelined as a whole.
        as_built: its cells are what a reader should see: it is not optimised or recoded.
        names: what the text calls a signal.
        meanings: what a name means, which the text says behind its wire.
        sections: heading above the first signal of a section, by the names of its signals.
    """

    name: str
    origin: str = ""
    note: str = ""
    latency: int = 0
    interval: int = 1
    is_network: bool = False
    as_built: bool = False
    meanings: dict[str, str] = field(default_factory=dict)
    sections: dict[str, str] = field(default_factory=dict)
    kind: Column = field(default_factory=column)
    a: Column = field(default_factory=column)
    b: Column = field(default_factory=column)
    c: Column = field(default_factory=column)
    imm: Column = field(default_factory=column)
    lo: Column = field(default_factory=column)
    hi: Column = field(default_factory=column)
    frac: Column = field(default_factory=column)
    names: dict[int, str] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    inputs: dict[str, list[int]] = field(default_factory=dict)
    outputs: dict[str, list[int]] = field(default_factory=dict)
    _known: dict[int, int] = field(default_factory=dict, repr=False)
    _table_keys: dict[tuple[bytes, bytes], int] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.kind)

    def emptied(self) -> Self:
        """Return a module without cells, ports and instances that is described like this one."""
        return type(self)(
            self.name, self.origin, self.note, self.latency, self.interval,
            as_built=self.as_built, meanings=self.meanings, sections=self.sections,
        )  # fmt: skip

    # ---- what a signal is

    def range(self, s: int) -> Range:
        """Return (lo, hi, frac) of a signal."""
        return self.lo[s], self.hi[s], self.frac[s]

    def fixed(self, s: int) -> Fixed:
        """Return the narrowest format of a signal."""
        return Fixed.holding(self.lo[s], self.hi[s], self.frac[s])

    def width(self, s: int) -> int:
        """Return the bits of a signal, 0 for the constant zero."""
        lo, hi = self.lo[s], self.hi[s]
        return max(hi, -lo - 1).bit_length() + 1 if lo < 0 else hi.bit_length()

    def intervals(self, signals: Sequence[int] | Ints) -> Intervals:
        """Return the ranges of some signals, in their shape."""
        rows = np.asarray(signals, np.int64)
        lo, hi, frac = (values(column)[rows] for column in (self.lo, self.hi, self.frac))
        return Intervals(lo, hi, frac)

    def operands(self, s: int) -> list[int]:
        """Return the rows that a cell reads; an instance output reads all of its inputs.

        A READ reads its address; what was written in an earlier cycle is no operand of it.
        """
        if self.kind[s] == INSTANCE:
            return list(self.instances[self.imm[s] >> 32].inputs)
        return [o for o in (self.a[s], self.b[s], self.c[s]) if o != NONE]

    def holds(self, kind: int) -> bool:
        """Whether any cell is of a kind."""
        return bool((values(self.kind) == int(kind)).any())

    @property
    def holds_state(self) -> bool:
        """Whether the module itself holds registers or memories."""
        return bool(self.memories) or self.holds(Kind.REG)

    @property
    def is_sequential(self) -> bool:
        """Whether the module or anything in it holds state."""
        return self.holds_state or any(i.module.is_sequential for i in self.instances)

    @property
    def output_signals(self) -> list[int]:
        """All output signals, port after port."""
        return list(chain.from_iterable(self.outputs.values()))

    @property
    def input_signals(self) -> list[int]:
        """All input signals, port after port."""
        return list(chain.from_iterable(self.inputs.values()))

    # ---- rows

    def row(
        self, kind: int, rng: Range, a: int = NONE, b: int = NONE, c: int = NONE, imm: int = 0
    ) -> int:
        """Append a cell and return its signal; an equal cell that is there already is returned."""
        lo, hi, frac = rng
        if hi >= HALF or lo < -HALF:
            self._check_width(kind, lo, hi)
        signal = len(self.kind)
        if kind not in UNIQUE:
            cell = (kind, a, b, c, imm, lo, hi, frac)
            if self._known.setdefault(hash(cell), signal) != signal:
                known = self._find(cell, signal)
                if known != signal:
                    return known
        self.kind.append(kind)
        self.a.append(a)
        self.b.append(b)
        self.c.append(c)
        self.imm.append(imm)
        self.lo.append(lo)
        self.hi.append(hi)
        self.frac.append(frac)
        return signal

    def _find(self, cell: tuple[int, ...], signal: int) -> int:
        """Return the row of an equal cell; where there is none, note that it will be `signal`.

        A cell is known by its hash, which takes a third of the memory of the cell itself as a key;
        cells whose hashes meet lie at the numbers behind.
        """
        key = hash(cell)
        while True:
            s = self._known.setdefault(key, signal)
            if s == signal or cell == (
                self.kind[s], self.a[s], self.b[s], self.c[s], self.imm[s],
                self.lo[s], self.hi[s], self.frac[s],
            ):  # fmt: skip
                return s
            key += 1

    def _check_width(self, kind: int, lo: int, hi: int) -> None:
        if lo < -HALF or hi >= (LIMIT if lo >= 0 else HALF):
            raise self._too_wide(Kind(kind).name.lower(), lo, hi)

    def _too_wide(self, what: str, lo: int, hi: int) -> FormatError:
        return too_wide(self.origin or self.name, f"{what} of range {lo}..{hi}")

    def is_constant(self, s: int) -> bool:
        """Whether a signal can only have one value."""
        return self.lo[s] == self.hi[s]

    def constant(self, q: int, frac: int = 0) -> int:
        """Return the number `q * 2**-frac` as a signal."""
        while q and not q & 1:
            q, frac = q >> 1, frac - 1
        frac = frac if q else 0
        return self.row(Kind.CONST, (q, q, frac), imm=q)
