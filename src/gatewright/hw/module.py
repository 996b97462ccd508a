"""A module: a netlist, and how cells, ports, memories and instances are added to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.hw.bulk import Ints, append, as_column, fit
from gatewright.hw.cells import NO_RESET, NONE, Kind, Table
from gatewright.hw.instance import Instance
from gatewright.hw.memory import FIELD_BITS, Memory
from gatewright.hw.netlist import HALF, LIMIT, Netlist
from gatewright.hw.ranges import Range, common, narrowed
from gatewright.num import Fixed, Intervals


@dataclass(eq=False)
class Module(Netlist):
    """A circuit under construction, then a finished one; see `Netlist` for what it holds."""

    # ---- ports

    def input(self, name: str, types: Intervals) -> list[int]:
        """Add an input port; return a signal per element."""
        assert name not in self.inputs, f"port {name} is there already"
        base = sum(map(len, self.inputs.values()))
        lo, hi, frac = types.lo.ravel(), types.hi.ravel(), types.frac.ravel()
        for i in np.flatnonzero((lo < -HALF) | (hi >= HALF)):
            self._check_width(Kind.INPUT, int(lo[i]), int(hi[i]))
        imm = np.arange(base, base + lo.size, dtype=np.int64)
        signals: list[int] = append(self, Kind.INPUT, (lo, hi, frac), imm).tolist()
        self.inputs[name] = signals
        return signals

    def output(self, name: str, signals: Sequence[int]) -> None:
        """Add an output port."""
        assert name not in self.outputs, f"port {name} is there already"
        self.outputs[name] = list(signals)

    # ---- arithmetic

    def aligned(self, a: int, b: int) -> tuple[Range, Range]:
        """Return both ranges on the finer of the two grids; zero is on every grid.

        Raises:
            FormatError: there an operand would not fit 62 bits, so that no engine could compare it.
        """
        left, right = common(self.range(a), self.range(b))
        for lo, hi, _ in (left, right):
            if lo < -LIMIT or hi >= LIMIT:
                raise self._too_wide("two numbers on one grid", lo, hi)
        return left, right

    def _moved(self, a: int, frac: int) -> int:
        """Return `a`; a zero that stands on a finer grid than `2**-frac` is moved to it."""
        if self.frac[a] <= frac:
            return a
        return self.row(Kind.CONST, (0, 0, frac))

    def add(
        self, a: int, b: int, within: tuple[int, int] | None = None, in_block: bool = False
    ) -> int:
        """Return a + b, exactly; `within` is as in `sub`.

        `in_block` means it for the adder of the DSP block that multiplies one of the operands.
        """
        (alo, ahi, f), (blo, bhi, _) = self.aligned(a, b)
        if alo == ahi and blo == bhi:
            return self.constant(alo + blo, f)
        if (alo, ahi) == (0, 0):
            return b
        if (blo, bhi) == (0, 0):
            return a
        lo, hi = narrowed(alo + blo, ahi + bhi, within)
        if lo == hi:
            return self.constant(lo, f)
        return self.row(Kind.ADD, (lo, hi, f), min(a, b), max(a, b), imm=int(in_block))

    def sub(self, a: int, b: int, within: tuple[int, int] | None = None) -> int:
        """Return a - b, exactly.

        `within` states a narrower range that the caller can prove, in units of the finer grid.
        """
        (alo, ahi, f), (blo, bhi, _) = self.aligned(a, b)
        if a == b:
            return self.constant(0)
        if alo == ahi and blo == bhi:
            return self.constant(alo - blo, f)
        if (blo, bhi) == (0, 0):
            return a
        lo, hi = narrowed(alo - bhi, ahi - blo, within)
        if lo == hi:
            return self.constant(lo, f)
        return self.row(Kind.SUB, (lo, hi, f), self._moved(a, f), b)

    def neg(self, a: int) -> int:
        """Return -a."""
        return self.sub(self.constant(0), a)

    def mul(self, a: int, b: int, blocks: int = 0) -> int:
        """Return a * b, exactly; a constant power of two costs nothing.

        `blocks` is the number of DSP blocks that the product is meant for, 0 for LUTs.
        """
        (alo, ahi, af), (blo, bhi, bf) = self.range(a), self.range(b)
        for constant, other in ((a, b), (b, a)):
            if self.is_constant(constant) and self.lo[constant] in (0, 1):
                if self.lo[constant] == 0:
                    return self.constant(0)
                return self.shift(other, -self.frac[constant])
        if self.is_constant(a) and self.is_constant(b):
            return self.constant(alo * blo, af + bf)
        corners = (
            [alo * alo, ahi * ahi] if a == b else [x * y for x in (alo, ahi) for y in (blo, bhi)]
        )
        low = 0 if a == b and alo < 0 < ahi else min(corners)
        return self.row(Kind.MUL, (low, max(corners), af + bf), min(a, b), max(a, b), imm=blocks)

    def shift(self, a: int, bits: int) -> int:
        """Return a * 2**bits: the binary point moves, no logic."""
        lo, hi, frac = self.range(a)
        if bits == 0 or (lo, hi) == (0, 0):
            return a
        if lo == hi:
            return self.constant(lo, frac - bits)
        if self.kind[a] == Kind.SHIFT:
            return self.shift(self.a[a], bits + self.imm[a])
        return self.row(Kind.SHIFT, (lo, hi, frac - bits), a, imm=bits)

    def wrap(self, a: int, to: Fixed) -> int:
        """Return `a` floored to the grid of `to`, then modulo its width: wiring only."""
        lo, hi, frac = self.range(a)
        drop = frac - to.frac
        low = lo >> drop if drop > 0 else lo << -drop
        high = hi >> drop if drop > 0 else hi << -drop
        if low < to.low or high > to.high:
            if low == high:
                span = 1 << to.width
                return self.constant((low - to.low) % span + to.low if to.width else 0, to.frac)
            low, high = to.low, to.high
        elif drop <= 0:
            return a  # nothing is lost: the value is on a coarser grid already
        if low == high:
            return self.constant(low, to.frac)
        return self.row(Kind.WRAP, (low, high, to.frac), a, imm=2 * to.width + to.signed)

    def floor(self, a: int, frac: int) -> int:
        """Return `a` floored to the grid `2**-frac`: drop low bits."""
        lo, hi, old = self.range(a)
        drop = max(old - frac, 0)
        return self.wrap(a, Fixed.holding(lo >> drop, hi >> drop, frac)) if drop else a

    # ---- comparison and choice

    def less(self, a: int, b: int) -> int:
        """Return 1 where a < b."""
        (alo, ahi, _), (blo, bhi, _) = self.aligned(a, b)
        if ahi < blo:
            return self.constant(1)
        if alo >= bhi or a == b:
            return self.constant(0)
        return self.row(Kind.LESS, (0, 1, 0), a, b)

    def equal(self, a: int, b: int) -> int:
        """Return 1 where a == b."""
        (alo, ahi, _), (blo, bhi, _) = self.aligned(a, b)
        if a == b or (alo == ahi == blo == bhi):
            return self.constant(1)
        if ahi < blo or bhi < alo:
            return self.constant(0)
        return self.row(Kind.EQUAL, (0, 1, 0), min(a, b), max(a, b))

    def select(self, condition: int, a: int, b: int, within: tuple[int, int] | None = None) -> int:
        """Return a where the condition is 1, else b.

        `within` states a narrower range that the caller can prove, in units of the finer grid.
        """
        if self.is_constant(condition):
            return a if self.lo[condition] else b
        if a == b:
            return a
        (alo, ahi, f), (blo, bhi, _) = self.aligned(a, b)
        lo, hi = narrowed(min(alo, blo), max(ahi, bhi), within)
        if lo == hi:
            return self.constant(lo, f)
        return self.row(Kind.SELECT, (lo, hi, f), condition, self._moved(a, f), self._moved(b, f))

    # ---- bits

    def _bits(self, kind: Kind, a: int, b: int) -> int:
        """Return a bitwise operation on codes; both operands share a binary point."""
        assert self.frac[a] == self.frac[b], "bitwise operands need one binary point"
        joint = Fixed.holding(min(self.lo[a], self.lo[b]), max(self.hi[a], self.hi[b]), 0)
        return self.row(kind, (joint.low, joint.high, self.frac[a]), min(a, b), max(a, b))

    def and_(self, a: int, b: int) -> int:
        """Return a & b, bit by bit."""
        for one, other in ((a, b), (b, a)):
            if self.range(one) == (0, 0, 0):
                return one
            if self.range(one) == (1, 1, 0) and (self.lo[other], self.hi[other]) == (0, 1):
                return other
        return self._bits(Kind.AND, a, b)

    def or_(self, a: int, b: int) -> int:
        """Return a | b, bit by bit."""
        for one, other in ((a, b), (b, a)):
            if self.range(one) == (0, 0, 0):
                return other
        return self._bits(Kind.OR, a, b)

    def xor(self, a: int, b: int) -> int:
        """Return a ^ b, bit by bit."""
        return self._bits(Kind.XOR, a, b)

    def not_(self, a: int) -> int:
        """Return 1 - a for a single bit."""
        assert (self.lo[a], self.hi[a], self.frac[a]) in {(0, 0, 0), (0, 1, 0), (1, 1, 0)}
        if self.is_constant(a):
            return self.constant(1 - self.lo[a])
        return self.xor(a, self.constant(1))

    def slice(self, a: int, low: int, width: int) -> int:
        """Return bits `low` to `low + width - 1` of the code of `a`, unsigned."""
        if self.is_constant(a):
            return self.constant((self.lo[a] >> low) & ((1 << width) - 1))
        return self.row(Kind.SLICE, (0, (1 << width) - 1, 0), a, imm=256 * low + width)

    def concat(self, high: int, low: int) -> int:
        """Return the code of `high` above the code of `low`, unsigned."""
        width = self.width(high) + self.width(low)
        return self.row(Kind.CONCAT, (0, (1 << width) - 1, 0), high, low)

    def table(self, index: int, table: Table, column: int = 0) -> int:
        """Return a field of the table's word at the code of `index` (two's complement bits)."""
        key = table.key()
        number = self._table_keys.setdefault(key, len(self.tables))
        if number == len(self.tables):
            self.tables.append(table)
        words = table.words[:, column]
        lo, hi, frac = int(words.min()), int(words.max()), int(table.frac[column])
        if self.reach(index) > table.depth:
            lo, hi = min(lo, 0), max(hi, 0)
        if lo == hi:
            return self.constant(lo, frac)
        return self.row(Kind.TABLE, (lo, hi, frac), index, imm=(number << 20) + column)

    # ---- state and structure

    def register(self, rng: Range, reset: int | None = None) -> int:
        """Return a register of the given range, to be fed with `connect`."""
        return self.row(Kind.REG, rng, imm=NO_RESET if reset is None else reset)

    def connect(self, register: int, data: int, enable: int = NONE) -> None:
        """Feed a register; without `enable` it takes a new value each cycle."""
        assert self.kind[register] == Kind.REG, "not a register"
        assert self.a[register] == NONE, "the register is connected already"
        self.a[register], self.b[register] = data, enable

    def memory(
        self, name: str, depth: int, fields: Intervals, init: Ints | None = None,
        style: str = "auto",
    ) -> int:  # fmt: skip
        """Add a memory, to be fed with `write`; return its number. See `Memory`."""
        self.memories.append(Memory(name, depth, fields, init, style))
        return len(self.memories) - 1

    def read(self, number: int, address: int, column: int = 0) -> int:
        """Return a field of a memory's word at the code of `address` (two's complement bits).

        Keep the range of `address` below the memory's depth: what lies beyond reads as zero, which
        takes logic where the depth is no power of two.
        """
        lo, hi, frac = self.memories[number].range(column, self.reach(address))
        if lo == hi:
            return self.constant(lo, frac)
        return self.row(Kind.READ, (lo, hi, frac), address, imm=(number << FIELD_BITS) + column)

    def read_word(self, number: int, address: int) -> list[int]:
        """Return every field of a memory's word."""
        return [self.read(number, address, f) for f in range(self.memories[number].fields.size)]

    def write(self, number: int, address: int, data: Sequence[int], enable: int) -> None:
        """Feed a memory: where `enable` is 1, `data` (one per field) is its word from the edge on.

        Every signal must fit the range of its field and stand on its grid or a coarser one.
        """
        memory = self.memories[number]
        assert memory.address == NONE, "the memory is connected already"
        memory.address, memory.enable, memory.data = address, enable, list(data)

    def reach(self, address: int) -> int:
        """Return how many words an address can tell apart: its largest code and one."""
        lo, hi = self.lo[address], self.hi[address]
        return 1 << self.width(address) if lo < 0 else hi + 1

    def instance(
        self, module: Module, inputs: Mapping[str, Sequence[int]], name: str = ""
    ) -> dict[str, list[int]]:
        """Use a module; return its output signals, port by port.

        Every signal must fit the range of the port element it feeds, and stand on its grid or a
        coarser one.
        """
        assert list(inputs) == list(module.inputs), "ports of an instance do not match its module"
        flat = np.asarray([[s for port in inputs.values() for s in port]], np.int64)
        found = iter(self.instances_of(module, flat, name)[0].tolist())
        return {port: [next(found) for _ in signals] for port, signals in module.outputs.items()}

    def instances_of(self, module: Module, feeds: Ints, name: str = "") -> Ints:
        """Use a module many times, side by side, as one record.

        Args:
            module: what is used.
            feeds: signals for its inputs, (copies, inputs), as for `instance`.
            name: of the instance.

        Returns:
            The output signals, (copies, outputs).
        """
        inner, outer = module.intervals(module.input_signals), self.intervals(feeds)
        assert feeds.shape[1:] == inner.shape, "a port has another number of elements"
        ranges = (outer.lo, outer.hi, outer.frac), (inner.lo, inner.hi, inner.frac)
        inside, on_grid = fit(*ranges)
        assert inside.all(), "a signal does not fit the port it feeds"
        assert on_grid.all(), "a signal is off the grid of the port it feeds"
        number, count = len(self.instances), len(feeds)
        name = name or f"u_{module.name}"
        self.instances.append(Instance(module, name, as_column(feeds), count))
        kinds = module.intervals(module.output_signals)
        imm = (number << 32) + np.arange(count * kinds.size, dtype=np.int64)
        lo, hi, frac = (np.tile(v, count) for v in (kinds.lo, kinds.hi, kinds.frac))
        return append(self, Kind.INSTANCE, (lo, hi, frac), imm).reshape(count, kinds.size)

    def place(self, module: Module, name: str = "") -> dict[str, list[int]]:
        """Use a module in a network; return its outputs. Its inputs wait for `join`."""
        assert self.is_network, "only a network has instances whose inputs come later"
        number = len(self.instances)
        inputs = as_column(np.full(len(module.input_signals), NONE, np.int64))
        self.instances.append(Instance(module, name or f"u_{module.name}", inputs))
        kinds = module.intervals(module.output_signals)
        imm = (number << 32) + np.arange(kinds.size, dtype=np.int64)
        found = iter(append(self, Kind.INSTANCE, (kinds.lo, kinds.hi, kinds.frac), imm).tolist())
        return {port: [next(found) for _ in signals] for port, signals in module.outputs.items()}

    def join(self, number: int, port: str, signals: Sequence[int]) -> None:
        """Feed an input port of a placed instance."""
        instance = self.instances[number]
        inner = instance.module.inputs[port]
        assert len(inner) == len(signals), f"port {port} has another number of elements"
        outer, own = self.intervals(signals), instance.module.intervals(inner)
        ranges = (outer.lo, outer.hi, outer.frac), (own.lo, own.hi, own.frac)
        inside, on_grid = fit(*ranges)
        assert inside.all(), f"a signal does not fit port {port}"
        assert on_grid.all(), f"a signal is off the grid of port {port}"
        start = instance.module.input_signals.index(inner[0]) if inner else 0
        instance.inputs[start : start + len(inner)] = as_column(np.asarray(signals, np.int64))

    def label(self, s: int, name: str) -> None:
        """Give a signal a name that the emitted text will show."""
        self.names.setdefault(s, name)
