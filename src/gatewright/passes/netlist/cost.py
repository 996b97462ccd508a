"""Estimate resources from the circuit itself: cell by cell, module by module, times instances."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from gatewright.blocks.booth import product_luts
from gatewright.hw import ADDED, NO_RESET, NONE, Kind, Module
from gatewright.hw.bulk import is_structure, values
from gatewright.num import Ints
from gatewright.passes.netlist.bits import Bits
from gatewright.passes.netlist.delay import is_complement, is_sign_test
from gatewright.passes.netlist.memory_cost import DEFAULT, stored
from gatewright.passes.netlist.taken_in import taken_in

FREE = frozenset(
    int(kind)
    for kind in (
        Kind.CONST, Kind.INPUT, Kind.SHIFT, Kind.WRAP, Kind.SLICE, Kind.CONCAT, Kind.INSTANCE,
        Kind.READ,
    )
)  # fmt: skip
"""Cells that are wiring, or counted with their memory."""
ADD, MUL, REG, SELECT = int(Kind.ADD), int(Kind.MUL), int(Kind.REG), int(Kind.SELECT)
SUMS = frozenset((ADD, int(Kind.SUB)))


@dataclass(frozen=True)
class Resources:
    """Estimated resources.

    Attributes:
        lut: lookup tables, those used as shift registers or memory included; an adder takes one
            for each bit of its result that both operands reach.
        ff: flip-flops: the registers outside of shift registers (before synthesis merges any).
        dsp: blocks of the products that are meant for them; any other product is counted in LUTs,
            as synthesis without DSP blocks builds it.
        srl: lookup tables used as shift registers.
        lutram: lookup tables used as memory.
        bram: blocks of 36 kbit; one of 18 kbit is half of one.
        uram: blocks of UltraRAM.
    """

    lut: float = 0.0
    ff: int = 0
    dsp: int = 0
    srl: int = 0
    lutram: int = 0
    bram: float = 0.0
    uram: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, times: int) -> Resources:
        return Resources(*(getattr(self, f.name) * times for f in fields(self)))


def own_resources(m: Module, family: str = DEFAULT) -> Resources:
    """Return what a module's own cells take in a family of devices, its instances aside."""
    if is_structure(m):
        return Resources()
    memories = stored(m, family)
    lut, ff, srl, dsp = 0.0, 0, 0, 0
    known = Bits(m)
    inside = shared_choices(m)
    for total, (table, *_) in taken_in(m).items():
        inside.add(table)
        lut += max(0.0, m.width(table) - known.adder_bits(total))  # above the other operand
    for s, kind in enumerate(m.kind):
        if kind not in FREE and kind != REG and s not in inside and s not in memories.tables:
            lut += cell_luts(m, s, known)
            dsp += m.imm[s] % ADDED if kind == MUL else 0
    for run in register_runs(m):
        run = [r for r in run if r not in memories.registers]
        if not run:
            continue
        single, shifting = run_cost(len(run))
        ff += single * m.width(run[0])
        srl += shifting * m.width(run[0])
    lut += srl + memories.lut + memories.lutram
    ff += memories.ff
    return Resources(lut, ff, dsp, srl, memories.lutram, memories.bram, memories.uram)


def shared_choices(m: Module) -> set[int]:
    """Return the choices that take no LUT, since the choice that alone reads them has room.

    A choice of four by two bits, of which one is common to both inner choices, is one LUT of six
    inputs a bit; so is a choice between something and one inner choice.
    """
    inside: set[int] = set()
    if not m.holds(Kind.SELECT):
        return inside
    reads = readers(m)
    kind, a = m.kind, m.a

    def is_inner(s: int) -> bool:
        return kind[s] == SELECT and reads[s] == 1 and not _half_constant(m, s)

    for s in range(len(kind) - 1, -1, -1):
        if kind[s] != SELECT or s in inside or _half_constant(m, s):
            continue
        inner = [v for v in (m.b[s], m.c[s]) if is_inner(v) and m.width(v) <= m.width(s)]
        if len(inner) == 2 and a[inner[0]] != a[inner[1]]:
            inner = inner[:1]  # a LUT has no input left for the other's condition
        inside.update(inner)
    return inside


def _half_constant(m: Module, s: int) -> bool:
    return m.is_constant(m.b[s]) or m.is_constant(m.c[s])


def readers(m: Module) -> Ints:
    """Return how many operands and outputs read each signal."""
    columns = [values(m.a), values(m.b), values(m.c), np.asarray(m.output_signals, np.int64)]
    columns += [np.asarray(memory.port, np.int64) for memory in m.memories]
    read = np.concatenate([*columns, *(values(i.inputs) for i in m.instances)])
    return np.bincount(read[read >= 0], minlength=len(m))


def register_runs(m: Module) -> list[list[int]]:
    """Split the registers into runs, each read by the next one only; all but few are runs of one.

    A register with a reset or an enable is a run of its own: a shift register has no reset.
    """
    if not m.holds(Kind.REG):
        return []
    reads = readers(m)
    registers = np.flatnonzero(values(m.kind) == REG)
    plain = (values(m.imm) == NO_RESET) & (values(m.b) == NONE) & (values(m.kind) == REG)
    a = values(m.a)[registers]
    alike = plain[registers] & plain[a] & (reads[a] == 1)
    for column in (m.lo, m.hi, m.frac):
        alike &= values(column)[registers] == values(column)[a]
    follower = dict(zip(a[alike].tolist(), registers[alike].tolist(), strict=True))
    inner = set(follower.values())
    runs = []
    for s in registers.tolist():
        if s not in inner:
            run = [s]
            while run[-1] in follower:
                run.append(follower[run[-1]])
            runs.append(run)
    return runs


def run_cost(length: int) -> tuple[int, int]:
    """Return the flip-flops and the shift registers that a run takes for each bit.

    Yosys maps runs of three and more to SRL16E and SRLC32E (`xilinx_srl -minlen 3`), as the
    vendor's tool does; one register left over after 16 or 32 stays a flip-flop.
    """
    if length < 3:
        return length, 0
    whole, rest = divmod(length, 32)
    return int(rest in (1, 17)), whole + (rest > 1)


def cell_luts(m: Module, s: int, known: Bits | None = None) -> float:
    """Return the estimated LUTs of one cell."""
    kind = m.kind[s]
    if m.imm[s] and kind in (ADD, MUL):
        return 0.0  # in DSP blocks
    if kind in SUMS:
        return float((known or Bits(m)).adder_bits(s))
    if kind == Kind.LESS:
        return _comparison(m, s)
    if is_complement(m, s):
        return 0.0
    if kind == Kind.EQUAL:
        return max(1.0, max(m.width(m.a[s]), m.width(m.b[s])) / 3)
    if kind == Kind.TABLE:
        number, _ = divmod(m.imm[s], 1 << 20)
        depth = min(1 << m.width(m.a[s]), m.tables[number].depth)
        return m.width(s) * max(1.0, depth / 64)
    if kind == Kind.MUL:
        a, b = m.a[s], m.b[s]
        return product_luts((m.width(a), m.lo[a] < 0), (m.width(b), m.lo[b] < 0))
    if kind == Kind.SELECT and not (m.is_constant(m.b[s]) or m.is_constant(m.c[s])):
        return float(m.width(s))
    return m.width(s) / 2  # two such bits share a LUT, or what follows absorbs them


def _comparison(m: Module, s: int) -> float:
    """Return the LUTs of a < b: a tree over the bits that matter where one side is constant.

    Against a multiple of 2**k the k lowest bits of the other side say nothing; `c < b` is
    `b >= c + 1`, so there it is the next integer that counts.
    """
    if is_sign_test(m, s):
        return 0.0
    a, b = m.a[s], m.b[s]
    if not (m.is_constant(a) or m.is_constant(b)):
        return max(m.width(a), m.width(b)) / 2
    constant, other, extra = (a, b, 1) if m.is_constant(a) else (b, a, 0)
    shift = m.frac[other] - m.frac[constant]
    limit = (m.lo[constant] << shift if shift >= 0 else m.lo[constant] >> -shift) + extra
    idle = (limit & -limit).bit_length() - 1 if limit else m.width(other)
    return max(m.width(other) - idle, 1) / 4


def resources(top: Module, family: str = DEFAULT) -> dict[str, tuple[Resources, int]]:
    """Return, by module name, its own resources and how many instances there are of it in all.

    Of modules that share a name (`lower` makes none) one is shown; `total_resources` counts all.
    """
    return {module.name: (own_resources(module, family), count) for module, count in counted(top)}


def counted(top: Module) -> list[tuple[Module, int]]:
    """Return every module under `top` and how many instances there are of it, users first."""
    found: list[tuple[Module, int]] = []
    counts = {id(top): 1}
    for module in reversed(modules(top)):
        count = counts[id(module)]
        found.append((module, count))
        for instance in module.instances:
            counts[id(instance.module)] = (
                counts.get(id(instance.module), 0) + count * instance.count
            )
    return found


def modules(top: Module) -> list[Module]:
    """Return every module under `top` once, used ones before their users."""
    order: list[Module] = []
    seen: set[int] = set()
    todo: list[tuple[Module, bool]] = [(top, False)]
    while todo:
        module, expanded = todo.pop()
        if expanded:
            order.append(module)
            continue
        if id(module) in seen:
            continue
        seen.add(id(module))
        todo.append((module, True))
        todo.extend((i.module, False) for i in module.instances if id(i.module) not in seen)
    return order


def total_resources(top: Module, family: str = DEFAULT) -> Resources:
    """Return the estimate for the whole design in a family of devices."""
    total = Resources()
    for module, count in counted(top):
        total = total + own_resources(module, family) * count
    return total
