"""Products with constants on streams, the elements of a row coming some bits at a time.

A row is taken whole and shifted out, its highest bits first. The constants stay in the circuit: of
so few bits of each element their products and sums are lookup tables of six bits and adders, or the
shared terms of a parallel product. The sums are shifted and added up (distributed arithmetic;
Croisier 1973, White 1989), so a row takes as many steps as an element has groups of bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import OptionError
from gatewright.blocks.arith import signed_sum
from gatewright.blocks.cmvm.csd import count_digits
from gatewright.blocks.linear import constant_matmul
from gatewright.blocks.mac_shape import on_one_grid
from gatewright.blocks.mac_store import Matrices
from gatewright.hw import Module, Table
from gatewright.num import Fixed, Intervals, Ints, require_exact
from gatewright.streams import Program, Shell, Stream, Streams

INDEX = 6
"""Bits that one lookup table takes."""

SHARED = 0.62
"""Adders left of each digit of a constant once terms are shared; see `ops.dense`."""


@dataclass(frozen=True, eq=False)
class SerialShape:
    """How a row is worked off.

    Attributes:
        bits: of each element in a step.
        width: bits of an element, all on one grid.
        point: their binary point.
        moving, signed: of each element, whether it varies, whether it can be below zero.
    """

    bits: int
    width: int
    point: int
    moving: np.ndarray
    signed: np.ndarray

    @classmethod
    def of(cls, x: Intervals, bits: int) -> SerialShape:
        """Return the shape for elements of some types, (n_in,)."""
        point, lo, hi = on_one_grid(x)
        moving = lo != hi
        own = [Fixed.holding(a, b, 0).width for a, b in zip(lo.tolist(), hi.tolist(), strict=True)]
        return cls(bits, max(own, default=1), point, moving, moving & (lo < 0))

    @property
    def turns(self) -> int:
        """Steps of a row."""
        return max(-(-self.width // self.bits), 1)

    @property
    def room(self) -> int:
        """Bits of an element with what fills it up to whole steps."""
        return self.turns * self.bits


def serial_luts(weight: Ints, x: Intervals, bits: int) -> float:
    """Return about how many LUTs rows take: sums of a step, accumulators, shift registers.

    Args:
        weight: (n_in, n_out) integers.
        x: types of the elements of a row, (n_in,).
        bits: of each element in a step.
    """
    shape = SerialShape.of(x, bits)
    n_in, n_out = weight.shape
    wide = int(np.abs(weight).max(initial=1)).bit_length() + 1
    sums = wide + shape.width + int(n_in).bit_length()
    step = min(_table_luts(weight, bits), _shared_luts(weight, bits))
    return float(step + n_out * sums + n_in * shape.room)


def _table_luts(weight: Ints, bits: int) -> float:
    """Return the LUTs of the sums of a step, of tables and adders."""
    n_in, n_out = weight.shape
    wide = int(np.abs(weight).max(initial=1)).bit_length() + bits + 2
    groups = -(-n_in // max(INDEX // bits, 1))
    copies = 1 if bits <= INDEX else 1 << (bits - INDEX)
    return float(n_out * (groups * wide * copies + (groups - 1) * (wide + 2)))


def _shared_luts(weight: Ints, bits: int) -> float:
    """Return the LUTs of the sums of a step, of shared terms."""
    digits = float(np.asarray(count_digits(weight)).sum())
    return SHARED * digits * (bits + 2)


def serial_product(to: Streams, x: Stream, matrices: Matrices, bits: int) -> Stream:
    """Return the stream of `row @ weight + bias`, some bits of each element a step.

    Args:
        to: the network under construction.
        x: rows of n_in elements.
        matrices: one matrix, weight (1, n_in, n_out).
        bits: of each element in a step.

    Raises:
        FormatError: a sum would not fit 62 bits.
        OptionError: an accumulator's adder takes longer than a period.
    """
    n_in, n_out = matrices.weight.shape[1:]
    rows = to.rebeat(x, n_in)
    stem = to.module_name(to.layer or to.name)
    serial = _Serial(to, stem, rows.types, matrices.on_grid_of_products(rows.types), bits)
    turns = serial.shape.turns
    number = np.arange(rows.beats * turns) % turns
    timing = Program((number == 0)[:, None], (number == turns - 1)[:, None], serial.latency)
    note = f"{bits} bit{'' if bits == 1 else 's'} of each element a step"
    actor = serial.shell.actor(timing, to.layer, note)
    (result,) = to.add(actor, [rows], [(*x.shape[:-1], n_out)])
    return result


class _Serial:
    """The actor under construction."""

    def __init__(self, to: Streams, stem: str, x: Intervals, matrices: Matrices, bits: int) -> None:
        self.to, self.stem, self.shape = to, stem, SerialShape.of(x, bits)
        self.frac = matrices.bias_frac
        up = self.frac - matrices.weight_frac - self.shape.point
        self.weight = matrices.weight[0] << up
        self._bounds(x, matrices.bias[0])
        self.shell = Shell.begin(stem, {"x": x}, ["y"], to.layer, "product, bits in turn")
        self.m = m = self.shell.module
        self.taking = m.register((0, 1, 0), reset=1)
        m.label(self.taking, "taking")
        self.fired = self.shell.fire({"x": self.taking})
        _, self.last = self.shell.counter(self.shape.turns, self.fired, "turn")
        m.connect(self.taking, self.last, self.fired)
        self._add_up(self._totals())

    def _bounds(self, x: Intervals, bias: Ints) -> None:
        """Find the range of the sums, their start, and what is added in the last step."""
        _, lo, hi = on_one_grid(x)
        positive, negative = np.maximum(self.weight, 0), np.minimum(self.weight, 0)
        size = np.abs(self.weight).sum(0).astype(float) * 2.0**self.shape.room
        require_exact(size + np.abs(bias).astype(float))
        self.low = lo @ positive + hi @ negative + bias
        self.high = hi @ positive + lo @ negative + bias
        # A sign counts as if it were above zero, inverted; what does not vary is no input.
        still = np.where(self.shape.moving, 0, lo) @ self.weight
        signs = self.shape.signed.astype(np.int64) @ self.weight << (self.shape.room - 1)
        offset = bias + still - signs
        # Where an accumulator starts is shifted with it; what is finer comes with the last bits.
        self.start = offset >> self.shape.room
        self.rest = offset - (self.start << self.shape.room)

    def _digits(self) -> list[int]:
        """Shift the elements that vary out of registers, highest bits first."""
        m, shape = self.m, self.shape
        word = Fixed(False, shape.room, 0)
        digits = []
        for i in np.flatnonzero(shape.moving).tolist():
            register = m.register((0, word.high, 0))
            m.label(register, f"x_{i}")
            element = m.wrap(m.shift(self.shell.data["x"][i], shape.point), word)
            held = m.select(self.taking, element, register, within=(0, word.high))
            m.connect(register, m.wrap(m.shift(held, shape.bits), word), self.fired)
            top = m.slice(held, shape.room - 1, 1)
            if shape.signed[i]:
                top = m.xor(top, self.taking)
            if shape.bits > 1:
                top = m.concat(top, m.slice(held, shape.room - shape.bits, shape.bits - 1))
            digits.append(self.shell.register(top))
        return digits

    def _totals(self) -> list[int]:
        """Return the sums of a step."""
        weight = self.weight[self.shape.moving]
        kernel = Module(self.to.module_name(f"{self.stem}_kernel"), self.to.layer)
        high = np.full(len(weight), (1 << self.shape.bits) - 1)
        inner = kernel.input("x", Intervals.of(np.zeros_like(high), high, 0))
        widths = [self.shape.bits] * len(inner)
        rows = weight
        if self.rest.any():
            inner = [*inner, *kernel.input("last", Intervals.of([0], [1], 0))]
            widths, rows = [*widths, 1], np.concatenate([weight, self.rest[None]])
        if _table_luts(weight, self.shape.bits) <= _shared_luts(weight, self.shape.bits):
            sums = _of_tables(kernel, inner, widths, rows)
        else:
            none = np.zeros(rows.shape[1], np.int64)
            sums = constant_matmul(kernel, inner, rows, 0, none, 0)
        kernel.output("y", [kernel.shift(s, -self.frac) for s in sums])
        kernel = self.to.finish(kernel)
        feeds = {"x": self._digits(), "last": [self.shell.register(self.last)]}
        feeds = {port: feeds[port] for port in kernel.inputs}
        self.cycles = 1 + kernel.latency
        return self.shell.kernel(kernel, feeds)["y"]

    def _add_up(self, totals: list[int]) -> None:
        """Shift and add the sums of a row; give them with its last step."""
        m, shell = self.m, self.shell
        valid = shell.later(self.fired, self.cycles + 1, reset=0)
        last = shell.later(self.last, self.cycles + 1)
        self.latency = self.cycles + 2
        moves = m.and_(valid, shell.advance)
        given, widest = [], 0
        for j, total in enumerate(totals):
            fmt = Fixed.holding(int(self.low[j]), int(self.high[j]), self.frac)
            start = (int(self.start[j]) - fmt.low) % (1 << fmt.width) + fmt.low
            register = m.register((fmt.low, fmt.high, fmt.frac), reset=start)
            m.label(register, f"acc_{j}")
            kept = shell.register(total)
            following = _shifted_sum(m, kept, register, self.shape.bits, fmt)
            # Set behind a row: a register's own reset does that, a choice in front of the adder
            # would take as many lookup tables as it.
            begin = m.constant(start, fmt.frac)
            m.connect(register, m.select(last, begin, following), moves)
            given.append(following)
            if fmt.width > widest:
                self._check_loop(kept, fmt)
                widest = fmt.width
        shell.finish({"y": (m.and_(valid, last), given)})

    def _check_loop(self, total: int, fmt: Fixed) -> None:
        """Refuse an accumulator whose adder takes longer than a period."""
        m = Module(f"{self.stem}_loop")
        (own,) = m.input("total", self.m.intervals([total]))
        (sums,) = m.input("acc", Intervals.of([fmt.low], [fmt.high], fmt.frac))
        m.output("y", [_shifted_sum(m, own, sums, self.shape.bits, fmt)])
        if self.to.finish(m).latency:
            raise OptionError(
                "the accumulators of this layer are too slow for the clock",
                place=self.to.layer or self.to.name,
                found=f"sums of {fmt.width} bits",
                supported="an adder in one clock period",
                remedy="choose a slower clock, or plan the layer without `bits`",
            )


def _shifted_sum(m: Module, total: int, register: int, bits: int, fmt: Fixed) -> int:
    """Return a sum with a step's bits; it wraps, since only a row's whole sum must fit."""
    return m.wrap(m.add(m.wrap(m.shift(register, bits), fmt), total), fmt)


def _of_tables(m: Module, digits: list[int], widths: list[int], rows: Ints) -> list[int]:
    """Return sums of products with constants, each of tables that six bits address."""
    groups: list[list[int]] = [[]]
    for i, width in enumerate(widths):
        if groups[-1] and sum(widths[k] for k in groups[-1]) + width > INDEX:
            groups.append([])
        groups[-1].append(i)
    terms: list[list[int]] = [[] for _ in range(rows.shape[1])]
    for number, group in enumerate(groups):
        index, words = digits[group[0]], np.zeros((1, rows.shape[1]), np.int64)
        for i in group[1:]:
            index = m.concat(digits[i], index)
        for i in group:  # each next element stands above those before
            own = np.arange(1 << widths[i])[:, None, None] * rows[i]
            words = (own + words).reshape(-1, rows.shape[1])
        table = Table.of(f"sums_{number}", words, 0)
        for j, column in enumerate(terms):
            column.append(m.table(index, table, j))
    return [signed_sum(m, column) for column in terms]
