"""What memories are estimated to take, beside what Yosys counted for the same shapes."""

from __future__ import annotations

import numpy as np
import pytest
from tests.memory_circuits import block_rom, dual_port, held

from gatewright.emit import emit_verilog
from gatewright.hw import Module, Table, check
from gatewright.num import Intervals
from gatewright.passes.netlist import Resources, total_resources
from gatewright.passes.netlist.memory_cost import stores

BIT = Intervals.of([0], [1], 0)


def readers(count: int, depth: int, width: int, *, registered: bool) -> Module:
    """A memory with several read ports."""
    m = Module("readers")
    kinds = Intervals.of([0], [(1 << width) - 1], 0)
    (we,), (re,) = m.input("we", BIT), m.input("re", BIT)
    (wa,) = m.input("wa", Intervals.of([0], [depth - 1], 0))
    ra = m.input("ra", Intervals.of([0] * count, [depth - 1] * count, 0))
    store = m.memory("store", depth, kinds)
    m.write(store, wa, m.input("d", kinds), we)
    words = [m.read(store, a) for a in ra]
    m.output("q", held(m, words, re) if registered else words)
    return m


def read_back(depth: int, width: int, style: str = "auto") -> Module:
    """A memory that is read at the address of its write port, too."""
    m = Module("read_back")
    kinds = Intervals.of([0], [(1 << width) - 1], 0)
    (we,), (re,), (be,) = (m.input(p, BIT) for p in ("we", "re", "be"))
    (wa,), (ra,) = (m.input(p, Intervals.of([0], [depth - 1], 0)) for p in ("wa", "ra"))
    store = m.memory("store", depth, kinds, style=style)
    m.write(store, wa, m.input("d", kinds), we)
    m.output("q", held(m, m.read_word(store, ra), re))
    m.output("b", held(m, m.read_word(store, wa), be))
    return m


FAMILIES = ("xc7", "xcup", "ecp5")
# What Yosys counts in the fast flow for each shape: LUT sites used as memory and blocks of 36 kbit,
# by family. Around each memory there are only ports.
COUNTED = {
    "64 x 32": (lambda: dual_port(64, 32), ((44, 0), (40, 0), (0, 0.5))),
    "128 x 32": (lambda: dual_port(128, 32), ((0, 0.5), (0, 0.5), (0, 0.5))),
    "256 x 8": (lambda: dual_port(256, 8), ((48, 0), (64, 0), (0, 0.5))),
    "64 x 8": (lambda: dual_port(64, 8), ((12, 0), (16, 0), (48, 0))),
    "1024 x 72": (lambda: dual_port(1024, 36, fields=2), ((0, 2), (0, 2), (0, 2))),
    "100 x 100": (lambda: dual_port(100, 50, fields=2), ((0, 1.5), (0, 1.5), (0, 1.5))),
    "1100 x 27": (lambda: dual_port(1100, 27), ((0, 1.5), (0, 1.5), (0, 1.5))),
    "5000 x 12": (lambda: dual_port(5000, 12), ((0, 2.5), (0, 2.5), (0, 2.5))),
    "20000 x 8": (lambda: dual_port(20000, 8), ((0, 5), (0, 5), (0, 5))),
    "read at once": (
        lambda: dual_port(512, 16, registered=False),
        ((192, 0), (192, 0), (768, 0)),
    ),
    "in LUTs": (
        lambda: dual_port(512, 16, style="distributed"),
        ((192, 0), (192, 0), (768, 0)),
    ),
    "in a block": (
        lambda: dual_port(16, 8, style="block"),
        ((0, 0.5), (0, 0.5), (0, 0.5)),
    ),
    "two readers": (
        lambda: readers(2, 64, 8, registered=False),
        ((24, 0), (32, 0), (96, 0)),
    ),
    "three readers": (
        lambda: readers(3, 64, 8, registered=False),
        ((32, 0), (48, 0), (144, 0)),
    ),
    "two registered readers": (
        lambda: readers(2, 1024, 9, registered=True),
        ((0, 1), (0, 1), (0, 1)),
    ),
    "64 x 32, read back": (lambda: read_back(64, 32), ((64, 0), (64, 0), (0, 1))),
    "64 x 8, read back": (lambda: read_back(64, 8), ((16, 0), (16, 0), (96, 0))),
    "1024 x 32, read back": (lambda: read_back(1024, 32), ((0, 1), (0, 1), (0, 2))),
    "512 x 32, read back": (
        lambda: read_back(512, 32, "block"),
        ((0, 1), (0, 1), (0, 1)),
    ),
    "512 x 16, read back": (
        lambda: read_back(512, 16, "distributed"),
        ((256, 0), (256, 0), (1536, 0)),
    ),
    "small ROM": (
        lambda: block_rom(256, 8, "auto"),
        ((0, 0), (0, 0), (0, 0)),
    ),
    "middling ROM": (
        lambda: block_rom(512, 8, "auto"),
        ((0, 0), (0, 0), (0, 0.5)),
    ),
    "large ROM": (
        lambda: block_rom(1024, 36, "auto"),
        ((0, 1), (0, 1), (0, 1)),
    ),
    "small ROM in a block": (
        lambda: block_rom(16, 8, "block"),
        ((0, 0.5), (0, 0.5), (0, 0.5)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTED)
def test_memories_take_what_yosys_counts(name):
    make, counted = COUNTED[name]
    m = make()
    check(m)
    found = [total_resources(m, family) for family in FAMILIES]
    assert tuple((r.lutram, r.bram) for r in found) == counted


def test_registers_that_a_block_takes_in_are_no_flip_flops():
    assert total_resources(dual_port(1024, 32)) == Resources(bram=1.0)
    assert total_resources(block_rom(1024, 36, "auto")) == Resources(bram=1.0)
    in_luts = total_resources(dual_port(64, 32))
    assert (in_luts.lut, in_luts.ff, in_luts.lutram) == (40, 32, 40)


def test_memories_side_by_side_need_a_multiplexer():
    """Yosys counts 33 LUTs and 3 registers behind 5 blocks of 1024 x 12, 62 LUTs behind 8 x 64."""
    deep = total_resources(dual_port(5000, 12), "xc7")
    assert (deep.lut, deep.ff) == (29, 3)
    now = total_resources(dual_port(512, 16, registered=False), "xc7")
    assert now.lut - now.lutram == 56


def test_a_block_of_ecp5_needs_logic_to_show_what_stood_there():
    """Yosys counts 54 LUTs and 83 registers beside the block."""
    found = total_resources(dual_port(512, 36), "ecp5")
    assert (found.lut, found.ff, found.bram) == (54, 83, 0.5)


def test_ultraram_is_counted_apart():
    found = total_resources(dual_port(5000, 36, fields=3, style="ultra"))
    assert found == Resources(uram=4)
    assert (found * 2 + found).uram == 12


def test_fields_and_memories_that_nothing_reads_take_nothing():
    m = dual_port(1024, 36, fields=2, registered=False)
    m.outputs["q"] = m.outputs["q"][:1]
    (store,) = stores(m)
    assert (store.width, store.readers, store.registered) == (36, 1, False)
    m.outputs["q"] = [m.inputs["we"][0]]
    assert list(stores(m)) == []
    assert total_resources(m) == Resources()


def test_a_reset_or_another_reader_keeps_a_word_out_of_blocks():
    def around(reset: int | None, *, shared: bool) -> bool:
        m = Module("around")
        (a,) = m.input("a", Intervals.of([0], [1023], 0))
        s = m.table(a, Table.of("w", np.arange(1024) % 999))
        r = m.register(m.range(s), reset)
        m.connect(r, s)
        m.output("q", [r, s] if shared else [r])
        return bool(total_resources(m).bram)

    assert around(None, shared=False)
    assert not around(0, shared=False)
    assert not around(None, shared=True)


CELLS = {
    "xcup": {"RAMB36E2": 2, "RAM32M16": 1, "URAM288": 1},
    "xc7": {"RAMB36E1": 10, "RAM32M": 2},
    "ecp5": {"DP16KD": 20, "TRELLIS_DPR16X4": 4},
}
"""Primitives that hold the memories of the test below."""


@pytest.mark.parametrize(
    "family", ["xcup", *(pytest.param(f, marks=pytest.mark.slow) for f in ("xc7", "ecp5"))]
)
def test_estimates_are_what_yosys_counts(family, tmp_path):
    """One synthesis of several memories side by side."""
    pytest.importorskip("pyosys", reason="pyosys is not installed")
    from gatewright.base.cache import Cache
    from gatewright.tools.yosys import synthesize

    ultra = "ultra" if family == "xcup" else "block"
    parts = [
        dual_port(1024, 32, name="sync"), dual_port(32, 8, registered=False, name="now"),
        block_rom(1024, 36, "auto"), block_rom(300, 8, "distributed"),
        dual_port(4096, 36, fields=2, style=ultra, name="large"),
    ]  # fmt: skip
    parts[3].name = "soft_rom"
    top = Module("top")
    for part in parts:
        feeds = {
            p: top.input(f"{part.name}_{p}", part.intervals(s)) for p, s in part.inputs.items()
        }
        top.output(f"{part.name}_q", top.instance(part, feeds)["q"])
    check(top)
    counted = synthesize(
        emit_verilog(top), "top", family, flow="fast", per_module=False, cache=Cache(tmp_path)
    ).total
    found = total_resources(top, family)
    assert (counted.lutram, counted.bram, counted.uram) == (found.lutram, found.bram, found.uram)
    assert found.uram == (1 if family == "xcup" else 0)
    assert counted.ff == found.ff
    memories = {name: n for name, n in counted.cells.items() if name in CELLS[family]}
    assert memories == CELLS[family]
