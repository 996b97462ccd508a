"""Where a folded product's weights stand: in tables, or in memories that a bus writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gatewright.base import ModelError, OptionError
from gatewright.blocks.mac_products import Multiplier, paired
from gatewright.blocks.mac_shape import MacShape
from gatewright.hw import Module, Table
from gatewright.num import Fixed, FixedArray, Intervals, Ints
from gatewright.streams.registers import BITS, UNREADABLE, Bank, RegisterPort, Registers, next_base

LUT_WORDS = 64
LUT_BITS = 8192
"""Weights of so few words or bits are held by LUTs."""


@dataclass(frozen=True, eq=False)
class Matrices:
    """What rows are multiplied by and what is added, as integers with their binary points.

    Attributes:
        weight: (kinds, n_in, n_out).
        bias: (kinds, n_out).
    """

    weight: Ints
    weight_frac: int
    bias: Ints
    bias_frac: int

    @classmethod
    def of(cls, weight: np.ndarray, bias: np.ndarray) -> Matrices:
        """Return dyadic numbers as integers."""
        w, b = FixedArray.exact(weight), FixedArray.exact(bias)
        return cls(w.q, int(w.frac), b.q, int(b.frac))

    def on_grid_of_products(self, x: Intervals) -> Matrices:
        """Return the same numbers, the biases on a grid no coarser than that of the products."""
        frac = max(self.bias_frac, int(x.frac.max(initial=0)) + self.weight_frac)
        return replace(self, bias=self.bias << (frac - self.bias_frac), bias_frac=frac)


def style_of(memory: str, words: int, bits: int) -> str:
    """Return what holds words of so many bits, where the plan leaves it to their size."""
    if memory != "auto":
        return memory
    return "auto" if words <= LUT_WORDS or words * bits <= LUT_BITS else "block"


@dataclass(frozen=True, eq=False)
class Formats:
    """The formats of weights and biases that can be written."""

    weight: Fixed
    bias: Fixed

    @classmethod
    def of(cls, matrices: Matrices, x: Intervals, weight_bits: int, bias_bits: int) -> Formats:
        """Return formats that hold what the model has.

        Args:
            matrices: of the model, biases on the grid of the products.
            x: types of the elements.
            weight_bits: of a weight, sign included; 0: as many as the model's need.
            bias_bits: of a bias; 0: as the model's need, and a product of the largest weight and
                the largest element.

        Raises:
            OptionError: the model's do not fit, or a number does not fit a word of the bus.
        """
        w, b = matrices.weight, matrices.bias
        weight = _signed(int(w.min(initial=-1)), int(w.max(initial=0)), matrices.weight_frac)
        if weight_bits:
            weight = asked_format("weights", weight, weight_bits)
        up = matrices.bias_frac - matrices.weight_frac - x.frac
        size = -weight.low * int((np.maximum(np.abs(x.lo), np.abs(x.hi)) << up).max())
        product = 0 if bias_bits else size
        bias = _signed(min(int(b.min()), -1, -product), max(int(b.max()), product),
                       matrices.bias_frac)  # fmt: skip
        if bias_bits:
            bias = asked_format("biases", bias, bias_bits)
        require_narrow("weights", weight)
        require_narrow("biases", bias)
        return cls(weight, bias)


def _signed(low: int, high: int, frac: int) -> Fixed:
    return Fixed.holding(min(low, -1), max(high, 0), frac)


def require_narrow(name: str, fmt: Fixed) -> None:
    """Raise `OptionError` where numbers do not fit a word of the bus."""
    if fmt.width > BITS:
        raise OptionError(
            f"{name} that can be written are too wide for the bus",
            found=f"{fmt.width} bits",
            supported=f"{BITS} bits",
            remedy="quantize the layer to fewer bits, or state `bias_bits` in its plan",
        )


def asked_format(name: str, needed: Fixed, bits: int) -> Fixed:
    """Return a format of so many bits, if it holds what is needed."""
    if needed.width > bits:
        raise OptionError(
            f"the {name} of a layer do not fit the bits that its plan states",
            found=f"{bits} bits",
            supported=f"{needed.width} bits or more",
        )
    return Fixed(needed.signed, bits, needed.frac)


class TableStore:
    """Weights and biases in tables."""

    def __init__(self, shape: MacShape, matrices: Matrices) -> None:
        self.shape, self.matrices = shape, matrices
        self.low = self.high = shape.weights(matrices.weight)
        self.bias_low = self.bias_high = shape.offsets(matrices.bias)

    def place(self, m: Module, multiplier: Multiplier, memory: str) -> bool:
        """Choose what holds them; return whether it is slow to read."""
        words = paired(self.low, multiplier).reshape(self.shape.words, -1)
        self.m = m
        self.weights = _table("weights", words, self.matrices.weight_frac, memory)
        offsets = self.bias_low.reshape(self.shape.sets, -1)
        self.biases = _table("bias", offsets, self.matrices.bias_frac, "auto")
        return self.weights.style == "block"

    def read_weights(self, step: int) -> list[int]:
        """Return the fields of a word of weights."""
        return [self.m.table(step, self.weights, f) for f in range(self.weights.words.shape[1])]

    def read_biases(self, number: int) -> list[int]:
        """Return the biases of a set."""
        return [self.m.table(number, self.biases, f) for f in range(self.biases.words.shape[1])]


def _table(name: str, words: Ints, frac: int, memory: str) -> Table:
    bits = int(Table.of(name, words, frac).fields.width.sum())
    return Table.of(name, words, frac, style_of(memory, len(words), bits))


@dataclass(frozen=True, eq=False)
class MacRegisters(Registers):
    """The weights and biases of a layer that can be written.

    Attributes:
        shape: of the array.
        formats: of weights and biases.
        multiplier: what multiplies; two weights of a block are kept in a form of their own.
    """

    shape: MacShape
    formats: Formats
    multiplier: Multiplier
    weight_banks: int

    def contents(self, matrices: Matrices) -> list[Ints]:
        """Return the words of each bank."""
        shape = self.shape
        held = paired(shape.weights(matrices.weight), self.multiplier).reshape(shape.words, -1)
        offsets = shape.offsets(matrices.bias).reshape(shape.sets, -1)
        return [*_split(held, self.banks[: self.weight_banks]),
                *_split(offsets, self.banks[self.weight_banks :])]  # fmt: skip

    def load(self, weight: np.ndarray, bias: np.ndarray) -> Ints:
        """Return the writes, (writes, 2) addresses and data, that bring in other numbers.

        Args:
            weight: (n_in, n_out), or (groups, n_in, n_out).
            bias: (n_out,), or (groups, n_out).

        Raises:
            ModelError: shapes are not the layer's, or a number is not one of the format's.
        """
        shape = self.shape
        weight, bias = np.asarray(weight, np.float64), np.asarray(bias, np.float64)
        wanted = (shape.kinds, shape.n_in, shape.n_out)
        own = wanted if weight.ndim == 3 else wanted[1:]
        if weight.shape != own or bias.shape != (*own[:-2], own[-1]):
            raise ModelError(
                "weights of another shape than the layer's",
                place=self.layer,
                found=f"weights {weight.shape}, bias {bias.shape}",
                supported=f"weights {wanted[1:] if shape.kinds == 1 else wanted}",
            )
        q = integers_of("weight", weight, self.formats.weight, self.layer).reshape(wanted)
        b = integers_of("bias", bias, self.formats.bias, self.layer)
        b = b.reshape(shape.kinds, shape.n_out)
        frac = self.formats.weight.frac, self.formats.bias.frac
        return self.writes(self.contents(Matrices(q, frac[0], b, frac[1])))


def integers_of(name: str, values: np.ndarray, fmt: Fixed, place: str) -> Ints:
    """Return numbers as integers of a format.

    Raises:
        ModelError: one is not a number of the format.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.ldexp(values, fmt.frac)
        good = np.isfinite(values) & (scaled == np.rint(scaled))
        good &= (scaled >= fmt.low) & (scaled <= fmt.high)
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        raise ModelError(
            f"a {name} is not a number of the format that the hardware holds",
            place=place,
            found=f"{values[index]} at {index}; {int((~good).sum())} such numbers",
            supported=f"multiples of 2**{-fmt.frac} from {fmt.low * 2.0**-fmt.frac} to "
            f"{fmt.high * 2.0**-fmt.frac}",
            remedy="round and limit the numbers to this format first",
        )
    return np.asarray(scaled, np.int64)


def _split(words: Ints, banks: Sequence[Bank]) -> list[Ints]:
    """Return each bank's fields of wide words."""
    ends = np.cumsum([bank.fields.size for bank in banks])
    return np.split(words, ends[:-1], axis=1)


class MemoryStore:
    """Weights and biases in memories that the bus of a design writes."""

    def __init__(
        self, shape: MacShape, matrices: Matrices, formats: Formats, layer: str,
        known: Sequence[Registers],
    ) -> None:  # fmt: skip
        self.shape, self.matrices, self.formats = shape, matrices, formats
        self.layer, self.known = layer, known
        ones = shape.weights(np.ones((shape.kinds, shape.n_in, shape.n_out), np.int64))
        # What fills up the lanes meets zeros; what fills up a group is added to nothing that is
        # given. Both may be written like the others.
        lanes = ones.any(3, keepdims=True) | np.zeros_like(ones, np.bool_)
        self.low, self.high = lanes * formats.weight.low, lanes * formats.weight.high
        room = (shape.sets, shape.units, shape.group)
        self.bias_low = np.full(room, formats.bias.low)
        self.bias_high = np.full(room, formats.bias.high)

    def place(self, m: Module, multiplier: Multiplier, memory: str) -> bool:
        """Build the memories; return whether they are slow to read."""
        shape, formats = self.shape, self.formats
        count, weight = shape.multipliers, formats.weight
        widths = np.full((shape.units, shape.lanes, shape.group), weight.width)
        if multiplier.pair:
            widths[..., 1 : shape.group - shape.group % 2 : 2] += 1
        readable = style_of(memory, shape.words, int(widths.sum())) not in UNREADABLE
        weights = banks_of("weights", shape.words, widths.ravel(), weight.frac, readable=readable)
        offsets = np.full(shape.units * shape.group, formats.bias.width)
        biases = banks_of("biases", shape.sets, offsets, formats.bias.frac)
        draft = Registers(self.layer, 0, (*weights, *biases))
        base = next_base(self.known, draft.words)
        self.registers = MacRegisters(
            self.layer, base, draft.banks, shape, formats, multiplier, len(weights)
        )
        contents = self.registers.contents(self.matrices)
        port = RegisterPort(m, self.registers)
        style = style_of(memory, shape.words, int(widths.sum()))
        self.m, self.numbers = m, []
        for number, words in enumerate(contents):
            kind = style if number < len(weights) else style_of("auto", shape.sets, BITS)
            init = None if kind == "ultra" else words
            self.numbers += port.memories(number, init, kind)
        port.close()
        assert count == sum(bank.fields.size for bank in weights)
        return style in ("block", "ultra")

    def read_weights(self, step: int) -> list[int]:
        """Return the fields of a word of weights."""
        return self._read(self.numbers[: self.registers.weight_banks], step)

    def read_biases(self, number: int) -> list[int]:
        """Return the biases of a set."""
        return self._read(self.numbers[self.registers.weight_banks :], number)

    def _read(self, memories: Sequence[int], address: int) -> list[int]:
        return [s for number in memories for s in self.m.read_word(number, address)]


def banks_of(
    name: str, depth: int, widths: Ints, frac: int, signed: bool = True, readable: bool = True
) -> list[Bank]:
    """Put fields into as few words of the bus as hold them, in order."""
    banks: list[Bank] = []
    start, bits = 0, 0
    for end, width in enumerate([*widths.tolist(), BITS + 1]):
        if bits + width > BITS:
            own = widths[start:end]
            high = (1 << (own - signed)) - 1
            fields = Intervals.of((-high - 1) * signed, high, frac)
            stem = f"{name} {start} to {end - 1}" if end - 1 > start else f"{name} {start}"
            banks.append(Bank(stem, depth, fields, readable))
            start, bits = end, 0
        bits += width
    return banks
