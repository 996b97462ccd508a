"""Tables on streams whose words a bus writes: a row of numbers for each code of an element.

Each element of a beat reads a memory of its own; all of them are written at once. A word stands at
the two's complement code of its input, so that nothing is computed in front of the memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError, OptionError, UnsupportedError
from gatewright.blocks.lookup import MAX_INDEX_BITS
from gatewright.blocks.mac_store import (
    asked_format,
    banks_of,
    integers_of,
    require_narrow,
    style_of,
)
from gatewright.hw import Module
from gatewright.ir import Plan, Reals
from gatewright.num import Fixed, FixedArray, Intervals, Ints
from gatewright.streams import Program, Shell, Stream, Streams
from gatewright.streams.registers import UNREADABLE, RegisterPort, Registers, next_base


@dataclass(frozen=True, eq=False)
class Rows:
    """What a table answers: row `i` is for the input `(low + i) * 2**-frac`.

    Attributes:
        values: (inputs, features), dyadic.
        low: integer of the first input.
        frac: binary point of the inputs.
        format: of the answers; None: as few bits as they need.
    """

    values: Reals
    low: int
    frac: int
    format: Fixed | None = None

    def stored_format(self, bits: int) -> Fixed:
        """Return the format of a word's fields; `bits` as a plan states them, or 0."""
        found = self.format
        if found is None:
            exact = FixedArray.exact(self.values)
            low, high = int(exact.q.min()), int(exact.q.max())
            found = Fixed.holding(min(low, 0), max(high, 1), int(exact.frac))
        found = asked_format("values", found, bits) if bits else found
        require_narrow("values of a table", found)
        return found


@dataclass(frozen=True, eq=False)
class TableRegisters(Registers):
    """The words of a table that can be written.

    Attributes:
        shape: of the values that a user gives: (inputs,) or (inputs, features).
        low, frac: the first value is for the input `low * 2**-frac`.
        grid: binary point of the inputs as the hardware has them.
        reached: the first and the last integer on that grid that can come.
        format: of each value.
    """

    shape: tuple[int, ...]
    low: int
    frac: int
    grid: int
    reached: tuple[int, int]
    format: Fixed

    def load(self, values: np.ndarray) -> Ints:
        """Return the writes, (writes, 2) addresses and data, that bring in other values.

        Args:
            values: of the shape; those for inputs that cannot come are not looked at.

        Raises:
            ModelError: another shape, or a number that is not one of the format.
        """
        values = np.asarray(values, np.float64)
        if values.shape != self.shape:
            raise ModelError(
                "a table of another shape than the layer's",
                place=self.layer,
                found=f"{values.shape}",
                supported=f"{self.shape}",
            )
        return self.writes(self.contents(values.reshape(self.shape[0], -1)))

    def contents(self, values: Reals) -> list[Ints]:
        """Return the words of each bank."""
        first, last = self.reached
        rows = (np.arange(first, last + 1) << (self.frac - self.grid)) - self.low
        used = np.zeros(values.shape, np.bool_)
        used[rows] = True
        checked = np.where(used, values, 0.0)
        q = integers_of("value of a table", checked, self.format, self.layer)
        words = np.zeros((self.banks[0].depth, values.shape[1]), np.int64)
        words[np.arange(first, last + 1) % len(words)] = q[rows]
        ends = np.cumsum([bank.fields.size for bank in self.banks])
        return np.split(words, ends[:-1], axis=1)


def in_beats(to: Streams, x: Stream, features: int, plan: Plan) -> Stream:
    """Return the inputs of a table in beats of as many as answer a beat of the result."""
    row = x.shape[-1] if x.shape else 1
    count = plan.beat // features if plan.beat and plan.beat % features == 0 else row
    return to.rebeat(x, count)


def reach_of(types: Intervals) -> tuple[int, int, int]:
    """Return the range of elements on the finest of their grids, and its binary point."""
    moving = (types.lo != 0) | (types.hi != 0)
    grid = int(types.frac.max(initial=-(2**40), where=moving)) if moving.any() else 0
    up = np.where(moving, grid - types.frac, 0)
    return int((types.lo << up).min()), int((types.hi << up).max()), grid


def table_array(
    to: Streams, x: Stream, rows: Rows, plan: Plan, shape: tuple[int, ...]
) -> Stream:  # fmt: skip
    """Return the stream of a table's rows for each element of a stream.

    Args:
        to: the network under construction.
        x: in beats that `in_beats` made; all that its elements can be has a row.
        rows: of the table, as at power-up.
        plan: what holds it, and the bits of a value.
        shape: of the values as a user gives them.

    Raises:
        OptionError: the plan asks for what a table does not have.
        UnsupportedError: the inputs have too many bits.
    """
    if plan.bias_bits:
        raise OptionError(
            "a table has no biases", place=to.layer, found=f"bias_bits = {plan.bias_bits}",
            supported="weight_bits: of each value",
        )  # fmt: skip
    low, high, grid = reach_of(x.types)
    width = max(Fixed.holding(min(low, 0), max(high, 0), grid).width, 1)
    if width > MAX_INDEX_BITS:
        raise UnsupportedError(
            "a table that can be written would be too large",
            found=f"inputs of {width} bits",
            supported=f"up to {MAX_INDEX_BITS} bits",
            remedy="quantize the input of this layer to fewer bits",
        )
    fmt, features = rows.stored_format(plan.weight_bits), rows.values.shape[1]
    style = style_of(plan.memory, 1 << width, features * fmt.width)
    widths = np.full(features, fmt.width)
    banks = banks_of(
        "values", 1 << width, widths, fmt.frac, bool(fmt.signed), style not in UNREADABLE
    )
    draft = Registers(to.layer, 0, tuple(banks))
    registers = TableRegisters(
        to.layer, next_base(to.registers, draft.words), draft.banks, shape, rows.low, rows.frac,
        grid, (low, high), fmt,
    )  # fmt: skip
    stem, note = to.module_name(to.layer or to.name), "table that can be written"
    shell = Shell.begin(stem, {"x": x.types}, ["y"], to.layer, note)
    port = RegisterPort(shell.module, registers)
    copies = [
        port.memories(number, None if style == "ultra" else words, style, x.beat)
        for number, words in enumerate(registers.contents(rows.values))
    ]
    port.close()
    fired = shell.fire()
    found = []
    for number, element in enumerate(shell.data["x"]):
        address = _address(shell.module, element, grid, width)
        for bank in copies:
            found += shell.module.read_word(bank[number], address)
    # Blocks are slow to read: their words move on by a register.
    slow = int(style in ("block", "ultra"))
    found = [shell.later(s, slow) for s in found]
    shell.finish({"y": (shell.later(fired, slow, reset=0), found)})
    to.registers.append(registers)
    program = Program.plain(x.beats, latency=slow + 1)
    result = (*x.shape, features) if len(shape) > 1 else x.shape
    return to.add(shell.actor(program, to.layer, note), [x], [result])[0]


def _address(m: Module, element: int, grid: int, width: int) -> int:
    """Return an element's code on the table's grid, of so many bits, unsigned."""
    if m.is_constant(element):
        up = grid - m.frac[element]
        code = m.lo[element] << up if m.lo[element] else 0
        return m.constant(code % (1 << width))
    up = grid - m.frac[element]
    code = m.wrap(m.shift(element, m.frac[element]), Fixed(False, width - up, 0))
    if not up:
        return code
    # Bits behind the code that are zero: as many ones, each turned round.
    ones = m.constant((1 << up) - 1)
    return m.xor(m.concat(code, ones), ones)
