"""Estimate what memories and tables with registers behind them take: LUTs, blocks, UltraRAM.

The rules are those by which Yosys chooses (its libraries of RAM cells give each a cost): a word
whose readers are all registers without reset, or whose address is a register, may stand in blocks,
where LUTs would cost more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np

from gatewright.hw import NO_RESET, Kind, Module
from gatewright.hw.bulk import values
from gatewright.hw.memory import FIELD_BITS

REG, TABLE, READ = int(Kind.REG), int(Kind.TABLE), int(Kind.READ)

HALVES = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
"""Shapes of a block of 18 kbit with a read and a write port, words x bits (UG473, UG573; the block
of ECP5 is one of these, FPGA-TN-02204). With two read ports its words are half as wide at most."""
WHOLE = (*((2 * words, bits) for words, bits in HALVES), (512, 72))
"""Shapes of two of them as one."""
ULTRA = (4096, 72)
"""Shape of a block of UltraRAM (UG573)."""


@dataclass(frozen=True)
class Fabric:
    """What memories are built from in a family of devices.

    Attributes:
        luts: shapes of a memory in LUTs with a write port: words, bits, LUTs, read ports.
        doubles: shapes that are read at the address of the write port as well: words, bits, LUTs.
        site, block, rom: cost of one such LUT, of a block of 18 kbit, of a bit of a ROM in logic.
        inputs: of a LUT.
        pairs: whether two blocks of 18 kbit make one of 36.
        collides: whether a block needs logic to show what stood in a word that is being written.
    """

    luts: tuple[tuple[int, int, int, int], ...]
    site: float
    block: float
    rom: float
    inputs: int = 6
    pairs: bool = True
    collides: bool = False
    doubles: tuple[tuple[int, int, int], ...] = ()

    def multiplexer(self, ways: int) -> int:
        """Return the LUTs of a multiplexer of a bit (wide ones have cells of their own beside)."""
        if self.inputs == 6:
            return ceil((ways - 1) / 3)
        return ways if ways > 2 else ways - 1


DOUBLES = ((64, 1, 2), (128, 1, 4), (256, 1, 8))
"""RAM64X1D and its like (UG574)."""

FABRICS = {
    "xc7": Fabric(
        ((32, 6, 4, 1), (64, 3, 4, 1), (64, 1, 4, 3)), 2.0, 129.0, 1 / 64, doubles=DOUBLES[:2]
    ),
    "xcu": Fabric(((32, 14, 8, 1), (64, 7, 8, 1)), 2.0, 129.0, 1 / 64, doubles=DOUBLES),
    "xcup": Fabric(((32, 14, 8, 1), (64, 7, 8, 1)), 2.0, 129.0, 1 / 64, doubles=DOUBLES),
    "ecp5": Fabric(((16, 4, 6, 1),), 4 / 6, 128.0, 1 / 32, inputs=4, pairs=False, collides=True),
}
DEFAULT = "xcup"


@dataclass(frozen=True)
class Store:
    """A memory or a table as a module reads it.

    Attributes:
        depth, width: words, and bits of one that are read.
        readers: addresses at which it is read.
        shared: whether one of them is that of the write port.
        registered: whether registers that a block can take in are all that read it.
        addressed: otherwise, whether every address is a register, whose place those of a block can
            take: synthesis reads with the next address then, and adds what shows a word that is
            just being written.
        style: what was asked for.
        is_rom: whether nothing writes it.
        rows: its READ or TABLE cells.
    """

    depth: int
    width: int
    readers: int
    registered: bool
    style: str
    is_rom: bool
    rows: tuple[int, ...]
    shared: bool = False
    addressed: bool = False

    def saves(self, fabric: Fabric) -> bool:
        """Return whether the read at the write port takes no port of its own."""
        return self.shared and bool(fabric.doubles)

    def halves(self, fabric: Fabric) -> tuple[int, int]:
        """Return blocks of 18 kbit, and how many stand side by side for its depth."""
        found = []
        for shapes, each in ((HALVES, 1), (WHOLE, 2))[: 1 + fabric.pairs]:
            widest = max(bits for _, bits in shapes)
            for words, bits in shapes:
                if self.saves(fabric) and 2 * bits > widest:
                    continue  # both ports are read: each is half as wide at most
                deep = ceil(self.depth / words)
                ports = 2 if self.is_rom and 2 * bits <= widest else 1
                copies = ceil((self.readers - self.saves(fabric)) / ports)
                found.append((each * deep * ceil(self.width / bits) * copies, deep))
        return min(found)

    def sites(self, fabric: Fabric) -> tuple[int, int]:
        """Return LUTs used as memory, and how many stand side by side for its depth."""
        found = []
        for words, bits, luts, ports in fabric.luts:
            deep, copies = ceil(self.depth / words), ceil(self.readers / ports)
            found.append((deep * ceil(self.width / bits) * luts * copies, deep))
        for words, bits, luts in fabric.doubles if self.shared else ():
            deep, copies = ceil(self.depth / words), self.readers - 1
            found.append((deep * ceil(self.width / bits) * luts * copies, deep))
        return min(found)

    def place(self, fabric: Fabric) -> str:
        """Return what holds it: "logic" (a ROM in LUTs), "distributed", "block" or "ultra"."""
        in_luts = "logic" if self.is_rom else "distributed"
        if self.style in ("block", "ultra"):
            return self.style
        if self.style == "distributed" or not (self.registered or self.addressed):
            return in_luts
        bits = self.depth * self.width
        cost = bits * fabric.rom if self.is_rom else fabric.site * self.sites(fabric)[0]
        return "block" if cost >= fabric.block * self.halves(fabric)[0] else in_luts


@dataclass(frozen=True)
class Stored:
    """What the memories of a module take.

    Attributes:
        lut, ff: logic and registers around them, such as multiplexers behind blocks side by side.
        lutram: LUTs used as memory.
        bram: blocks of 36 kbit, in halves.
        uram: blocks of UltraRAM.
        tables: TABLE cells that are in blocks.
        registers: registers that blocks take in.
    """

    lut: float = 0.0
    ff: int = 0
    lutram: int = 0
    bram: float = 0.0
    uram: int = 0
    tables: frozenset[int] = frozenset()
    registers: frozenset[int] = frozenset()


def stored(m: Module, family: str = DEFAULT) -> Stored:
    """Return what the memories of a module take, and the tables that registers make blocks.

    Args:
        m: a module.
        family: of the device, as Yosys calls it.
    """
    if not (m.memories or m.tables):
        return Stored()
    fabric, readers = FABRICS[family], _Readers(m)
    lut, ff, lutram, halves, uram = 0.0, 0, 0, 0, 0
    tables: set[int] = set()
    registers: set[int] = set()
    for store in stores(m, readers):
        place = store.place(fabric)
        if place in ("block", "ultra"):
            if store.registered:
                registers.update(r for s in store.rows for r in readers.registers(s))
            tables.update(store.rows if store.is_rom else ())
        deep = 1
        if place == "distributed":
            sites, deep = store.sites(fabric)
            lutram += sites
        elif place == "block":
            blocks, deep = store.halves(fabric)
            halves += blocks
            ff += (deep - 1).bit_length()
            address = (store.depth - 1).bit_length()
            if store.addressed:  # the address that comes next, chosen in logic
                lut += address * store.readers
            if store.addressed and not store.is_rom:
                ff += (store.width + 1) * store.readers
                lut += (store.width + ceil(address / 3)) * store.readers
            elif fabric.collides and not store.is_rom:
                ff += 2 * store.width + address + 1 + store.readers
                lut += (store.width + 2 * address) * store.readers
        elif place == "ultra":
            uram += ceil(store.depth / ULTRA[0]) * ceil(store.width / ULTRA[1]) * store.readers
        if deep > 1:
            lut += store.readers * store.width * fabric.multiplexer(deep) + deep
    return Stored(lut, ff, lutram, halves / 2, uram, frozenset(tables), frozenset(registers))


class _Readers:
    """Who reads the cells of a module."""

    def __init__(self, m: Module) -> None:
        self.m = m
        ports = [np.asarray(memory.port, np.int64) for memory in m.memories]
        columns = [values(m.a), values(m.b), values(m.c), np.asarray(m.output_signals, np.int64)]
        read = np.concatenate([*columns, *ports, *(values(i.inputs) for i in m.instances)])
        self.count = np.bincount(read[read >= 0], minlength=len(m))
        plain = (values(m.kind) == REG) & (values(m.imm) == NO_RESET)
        self._registers: dict[int, list[int]] = {}
        for r in np.flatnonzero(plain).tolist():
            if m.kind[m.a[r]] in (READ, TABLE):
                self._registers.setdefault(m.a[r], []).append(r)

    def registers(self, s: int) -> list[int]:
        """Return the registers without reset that a signal feeds."""
        return self._registers.get(s, [])

    def registered(self, rows: list[int]) -> bool:
        """Whether registers of one enable are all that read some rows."""
        found = [r for s in rows for r in self.registers(s)]
        alone = all(len(self.registers(s)) == self.count[s] for s in rows)
        return bool(found) and alone and len({self.m.b[r] for r in found}) == 1


def stores(m: Module, readers: _Readers | None = None) -> Iterator[Store]:
    """Return the memories and tables that a module reads, in order."""
    readers = readers or _Readers(m)
    kind = values(m.kind)
    for which, is_rom in ((READ, False), (TABLE, True)):
        words: dict[int, dict[int, list[int]]] = {}
        shared = False
        for s in np.flatnonzero(kind == which).tolist():
            if readers.count[s] and m.lo[s] != m.hi[s]:
                at = words.setdefault(m.imm[s] >> FIELD_BITS, {})
                at.setdefault(m.a[s], []).append(s)
        for number, at in words.items():
            rows = [s for group in at.values() for s in group]
            columns = {m.imm[s] % (1 << FIELD_BITS) for s in rows}
            if is_rom:
                table = m.tables[number]
                depth = min(table.depth, max(m.reach(a) for a in at))
                width, style = int(table.fields.width[sorted(columns)].sum()), table.style
            else:
                memory = m.memories[number]
                depth, style = memory.depth, memory.style
                width = int(memory.widths[sorted(columns)].sum())
                # A memory that is read elsewhere, too, may be read at its write port for nothing.
                shared = memory.address in at and len(at) > 1
            registered = all(readers.registered(group) for group in at.values())
            addressed = not registered and all(kind[a] == REG for a in at)
            yield Store(
                depth, width, len(at), registered, style, is_rom, tuple(rows), shared, addressed
            )
