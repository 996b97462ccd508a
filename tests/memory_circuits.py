"""Small circuits around a memory, one for each way in which one is used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewright.hw import Module, Table
from gatewright.num import Fixed, Intervals

BIT = Intervals.of([0], [1], 0)


def held(m: Module, signals: Sequence[int], enable: int) -> list[int]:
    """Return registers without reset behind signals: what makes a read port synchronous."""
    registers = [m.register(m.range(s)) for s in signals]
    for r, s in zip(registers, signals, strict=True):
        m.connect(r, s, enable)
    return registers


def dual_port(
    depth: int = 16,
    width: int = 8,
    *,
    fields: int = 1,
    registered: bool = True,
    style: str = "auto",
    init: np.ndarray | None = None,
    name: str = "dual_port",
) -> Module:
    """One write port, one read port, addresses of their own."""
    m = Module(name)
    kinds = Intervals.format(Fixed(True, width, 0), (fields,))
    (we,), (re,) = m.input("we", BIT), m.input("re", BIT)
    (wa,), (ra,) = (m.input(p, Intervals.of([0], [depth - 1], 0)) for p in ("wa", "ra"))
    store = m.memory("store", depth, kinds, init, style)
    m.write(store, wa, m.input("d", kinds), we)
    word = m.read_word(store, ra)
    m.output("q", held(m, word, re) if registered else word)
    return m


def beyond() -> Module:
    """Words at power-up, and signed addresses that reach past the end; fields on several grids."""
    m = Module("beyond")
    kinds = Intervals.of([-5, 3, 0], [-3, 200, 0], [0, 2, 0])
    (we,) = m.input("we", BIT)
    (wa,), (ra,) = (m.input(p, Intervals.of([-16], [15], 0)) for p in ("wa", "ra"))
    init = np.random.default_rng(3).integers(kinds.lo, kinds.hi + 1, (20, 3))
    store = m.memory("store", 20, kinds, init)
    d = m.input("d", Intervals.of([-5, 1], [-3, 50], 0))  # the second on a coarser grid
    m.write(store, wa, [*d, m.constant(0)], we)
    m.output("q", m.read_word(store, ra))
    (far,) = m.input("far", Intervals.of([0], [200], 0))
    m.output("p", [m.read(store, far, 1)])
    return m


def one_address() -> Module:
    """A word is read in the cycle in which it is written: what it held before comes out."""
    m = Module("one_address")
    kinds = Intervals.format(Fixed(False, 6, 0), (2,))
    (address,) = m.input("wa", Intervals.of([0], [7], 0))
    store = m.memory("store", 8, kinds, np.zeros((8, 2), np.int64))
    m.write(store, address, m.input("d", kinds), m.constant(1))
    word = m.read_word(store, address)
    m.output("now", word)
    m.output("late", held(m, word, m.constant(1)))
    return m


def two_readers() -> Module:
    """Two addresses, one of them with registers behind; the second field is read by one only."""
    m = Module("two_readers")
    kinds = Intervals.of([0, -8], [1000, 7], [0, 3])
    (we,), (re,) = m.input("we", BIT), m.input("re", BIT)
    wa, first, second = (
        m.input(p, Intervals.of([0], [9], 0))[0] for p in ("wa", "first", "second")
    )
    store = m.memory("store", 10, kinds, style="distributed")
    m.write(store, wa, m.input("d", kinds), we)
    m.output("p", [m.read(store, first, 0)])
    m.output("q", held(m, m.read_word(store, second), re))
    return m


def histogram() -> Module:
    """Counts in a memory: what is written comes from what is read, and is made later than it."""
    m = Module("histogram")
    (enable,), (clear,) = m.input("enable", BIT), m.input("clear", BIT)
    (at,) = m.input("wa", Intervals.of([0], [4], 0))
    store = m.memory("counts", 5, Intervals.of([0], [255], 0), np.zeros((5, 1), np.int64))
    count = m.read(store, at)
    following = m.wrap(m.add(count, m.constant(1)), Fixed(False, 8, 0))
    m.write(store, at, [m.select(clear, m.constant(0), following)], m.or_(enable, clear))
    m.output("count", [count])
    return m


def block_rom(depth: int = 24, width: int = 9, style: str = "block") -> Module:
    """A table with a register behind it."""
    m = Module("block_rom")
    (re,) = m.input("re", BIT)
    (ra,) = m.input("ra", Intervals.of([0], [depth - 1], 0))
    low = -(1 << (width - 1))
    words = np.random.default_rng(1).integers(low, -low, depth)
    m.output("q", held(m, [m.table(ra, Table.of("w", words, style=style))], re))
    return m


CIRCUITS = {
    "dual_port": dual_port,
    "asynchronous": lambda: dual_port(13, 5, fields=3, registered=False, name="asynchronous"),
    "single_word": lambda: dual_port(1, 4, name="single_word"),
    "wide": lambda: dual_port(6, 7, fields=300, name="wide"),
    "wide_read_now": lambda: dual_port(6, 7, fields=300, registered=False, name="wide_read_now"),
    "beyond": beyond,
    "one_address": one_address,
    "two_readers": two_readers,
    "histogram": histogram,
    "block_rom": block_rom,
}
