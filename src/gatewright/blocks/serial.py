"""Products with constants on streams, the elements of a row coming some bits at a time.

A row is taken whole and shifted out, its highest bits first. The constants stay in the circuit: of
so few bits of each element their products and sums are lookup tables of six bits and adders, or the
shared terms of a parallel product. The sums are shifted and added up (distributed arithmetic;
Croisier 1973, White 1989), so a row takes as many steps as an element has groups of bits. Tables of
nine bits in blocks of memory take the place of half of the adders.
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

BLOCK_INDEX = 9
"""Bits that a table in a block of memory takes: 512 words, the widest shape of a block."""

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
    return float(step + n_out * sums + n_in * _held_luts(shape))


def serial_blocks(weight: Ints, x: Intervals, bits: int) -> tuple[float, float]:
    """Return about how many LUTs, and blocks of 36 kbit, rows take with tables in blocks.

    Args:
        weight: (n_in, n_out) integers.
        x: types of the elements of a row, (n_in,).
        bits: of each element in a step.
    """
    shape = SerialShape.of(x, bits)
    n_in, n_out = weight.shape
    groups = -(-n_in * bits // BLOCK_INDEX)
    wide = int(np.abs(weight).max(initial=1)).bit_length() + bits + 2
    sums = wide + shape.width + int(n_in).bit_length() - bits
    adders = (groups - 1) * (wide + 2) + sums
    return float(n_out * adders + n_in * _held_luts(shape)), groups * -(-n_out * wide // 36) / 2


def _held_luts(shape: SerialShape) -> float:
    """Return the LUTs of what chooses the bits of an element, three for one of eight."""
    return shape.bits * max(1.0, 3 / 8 * shape.turns)


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


def serial_product(
    to: Streams, x: Stream, matrices: Matrices, bits: int, memory: str = "auto"
) -> Stream:
    """Return the stream of `row @ weight + bias`, some bits of each element a step.

    Args:
        to: the network under construction.
        x: rows of n_in elements.
        matrices: one matrix, weight (1, n_in, n_out).
        bits: of each element in a step.
        memory: "block" puts the tables of the sums into blocks of memory.

    Raises:
        FormatError: a sum would not fit 62 bits.
        OptionError: an accumulator's adder takes longer than a period.
    """
    n_in, n_out = matrices.weight.shape[1:]
    rows = to.rebeat(x, n_in)
    stem = to.module_name(to.layer or to.name)
    grid = matrices.on_grid_of_products(rows.types)
    serial = _Serial(to, stem, rows.types, grid, bits, memory == "block")
    turns = serial.shape.turns
    number = np.arange(rows.beats * turns) % turns
    timing = Program((number == 0)[:, None], (number == turns - 1)[:, None], serial.latency)
    note = f"{bits} bit{'' if bits == 1 else 's'} of each element a step"
    actor = serial.shell.actor(timing, to.layer, note)
    (result,) = to.add(actor, [rows], [(*x.shape[:-1], n_out)])
    return result


class _Serial:
    """The actor under construction."""

    def __init__(
        self, to: Streams, stem: str, x: Intervals, matrices: Matrices, bits: int, blocks: bool
    ) -> None:
        self.blocks = blocks
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
        self.turn, self.last = self.shell.counter(self.shape.turns, self.fired, "turn")
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
        """Choose the bits of the elements that vary, highest first; two steps of the pipeline.

        A row stays in registers while its bits are chosen: a choice of eight takes three LUTs, a
        register that shifts and can be set takes one for each of its bits.
        """
        m, shape, shell = self.m, self.shape, self.shell
        word = Fixed(False, shape.room, 0)
        turn = shell.register(self.turn)
        digits = []
        for i in np.flatnonzero(shape.moving).tolist():
            element = m.wrap(m.shift(shell.data["x"][i], shape.point), word)
            held = m.register((0, word.high, 0))
            m.label(held, f"x_{i}")
            m.connect(held, element, m.and_(self.fired, self.taking))
            parts = [m.slice(held, shape.room - (t + 1) * shape.bits, shape.bits)
                     for t in range(shape.turns)]  # fmt: skip
            if shape.signed[i]:  # the sign counts as if it were above zero, inverted
                top = m.not_(m.slice(held, shape.room - 1, 1))
                rest = m.slice(held, shape.room - shape.bits, shape.bits - 1)
                parts[0] = m.concat(top, rest) if shape.bits > 1 else top
            digits.append(shell.register(_chosen(m, turn, parts)))
        return digits

    def _totals(self) -> list[int]:
        """Return the sums of a step."""
        shape, shell = self.shape, self.shell
        rows = self.weight[shape.moving]
        feeds = self._digits()
        widths = [shape.bits] * len(feeds)
        if self.rest.any():
            feeds, widths = [*feeds, shell.later(self.last, 2)], [*widths, 1]
            rows = np.concatenate([rows, self.rest[None]])
        kernel = Module(self.to.module_name(f"{self.stem}_kernel"), self.to.layer)
        front = 2
        if self.blocks:
            feeds = self._looked_up(feeds, widths, rows)
            front += 2
            inner = kernel.input("x", self.m.intervals(feeds))
            columns = np.reshape(inner, (rows.shape[1], -1)).tolist()
            sums = [signed_sum(kernel, column) for column in columns]
        else:
            high = (1 << np.asarray(widths, np.int64)) - 1
            inner = kernel.input("x", Intervals.of(np.zeros_like(high), high, 0))
            if _table_luts(rows, shape.bits) <= _shared_luts(rows, shape.bits):
                sums = _of_tables(kernel, inner, widths, rows)
            else:
                none = np.zeros(rows.shape[1], np.int64)
                sums = constant_matmul(kernel, inner, rows, 0, none, 0)
        kernel.output("y", [kernel.shift(s, -self.frac) for s in sums])
        kernel = self.to.finish(kernel)
        self.cycles = front + kernel.latency
        return shell.kernel(kernel, {p: feeds for p in kernel.inputs if p == "x"})["y"]

    def _looked_up(self, digits: list[int], widths: list[int], rows: Ints) -> list[int]:
        """Return words of tables in blocks, by output, two steps of the pipeline later."""
        m, shell = self.m, self.shell
        bits = [(m.slice(d, k, 1), row << k)
                for d, width, row in zip(digits, widths, rows, strict=True)
                for k in range(width)]  # fmt: skip
        groups = -(-len(bits) // BLOCK_INDEX)
        found: list[list[int]] = [[] for _ in range(rows.shape[1])]
        for number in range(groups):
            own = bits[number * len(bits) // groups : (number + 1) * len(bits) // groups]
            index, words = own[0][0], np.stack([np.zeros_like(own[0][1]), own[0][1]])
            for bit, row in own[1:]:
                index, words = m.concat(bit, index), np.concatenate([words, words + row])
            table = Table.of(f"sums_{number}", words, 0, "block")
            for j, column in enumerate(found):
                # A block is slow to read: its words move on before they are added.
                column.append(shell.later(m.table(index, table, j), 2))
        return [s for column in found for s in column]

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


def _chosen(m: Module, number: int, choices: list[int]) -> int:
    """Return the choice of a number, by a tree over its bits, the lowest first."""
    bit = 0
    while len(choices) > 1:
        last = m.slice(number, bit, 1)
        pairs = zip(choices[1::2], choices[::2], strict=False)
        odd = choices[-1:] if len(choices) % 2 else []
        choices = [*(m.select(last, b, a) for b, a in pairs), *odd]
        bit += 1
    return choices[0]


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
