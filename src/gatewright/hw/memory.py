"""Memories: words of several fields, one write port, any number of asynchronous reads."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gatewright.base import FormatError
from gatewright.hw.cells import MEMORY_STYLES, NONE, check_style
from gatewright.hw.ranges import Range
from gatewright.num import Intervals, Ints

FIELD_BITS = 20
"""Bits of `imm` of a READ below the memory's number."""


@dataclass(eq=False)
class Memory:
    """A memory of a module; its cells `READ` see what it held before the clock edge.

    A READ with a REG behind it, which has no reset (and perhaps an enable), is a synchronous read
    port, as blocks have. What lies past the end reads as zero and cannot be written. Reset leaves
    the contents alone.

    Attributes:
        name: what the text calls it.
        depth: number of words.
        fields: range and binary point of each field of a word, 1-D.
        init: what it holds at power-up, (depth, fields); None: anything, so write before you read.
        style: what holds it: "distributed" (LUTs), "block", "ultra", or "auto".
        address, enable: signals of the write port, as for a register perhaps later rows.
        data: the signal written into each field.
    """

    name: str
    depth: int
    fields: Intervals
    init: Ints | None = None
    style: str = "auto"
    address: int = NONE
    enable: int = NONE
    data: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check the shape, the style and what it holds at power-up.

        Raises:
            FormatError: there are no words, no fields or too many, a style is not known, or
                `init` is of another shape or leaves the range of a field.
        """
        check_style(self.name, self.style, MEMORY_STYLES)
        size = self.fields.size
        if self.depth < 1 or len(self.fields.shape) != 1 or not 0 < size < 1 << FIELD_BITS:
            raise FormatError(
                "a memory needs words of one field or more",
                place=f"memory {self.name}",
                found=f"{self.depth} words of fields of shape {self.fields.shape}",
                supported=f"1 word or more of 1 to {(1 << FIELD_BITS) - 1:,} fields",
            )
        if self.init is not None:
            self.init = np.asarray(self.init, np.int64)
            self._check_init(self.init)

    def _check_init(self, init: Ints) -> None:
        """Refuse initial words that the memory cannot hold."""
        if init.shape != (self.depth, self.fields.size):
            raise FormatError(
                "a memory is filled with words of another shape",
                place=f"memory {self.name}",
                found=f"shape {init.shape}",
                supported=f"shape {(self.depth, self.fields.size)}",
            )
        if self.style == "ultra" and init.any():
            raise FormatError(
                "a memory of UltraRAM cannot hold anything but zeros at power-up",
                place=f"memory {self.name}",
                remedy="use the style block, or write the words once after power-up",
            )
        bad = (init < self.fields.lo) | (init > self.fields.hi)
        if bad.any():
            word, column = (int(i) for i in np.argwhere(bad)[0])
            raise FormatError(
                "a memory is filled with a number outside the range of its field",
                place=f"memory {self.name}, word {word}, field {column}",
                found=str(init[word, column]),
                supported=f"{self.fields.lo[column]}..{self.fields.hi[column]}",
            )

    def range(self, column: int, reach: int) -> Range:
        """Return the range of a field where an address tells `reach` words apart."""
        lo, hi = int(self.fields.lo[column]), int(self.fields.hi[column])
        if reach > self.depth:
            lo, hi = min(lo, 0), max(hi, 0)
        return lo, hi, int(self.fields.frac[column])

    @property
    def widths(self) -> Ints:
        """Bits of each field."""
        return self.fields.width

    @property
    def bits(self) -> int:
        """Bits of a word."""
        return int(self.widths.sum())

    @property
    def port(self) -> list[int]:
        """The signals of the write port that are connected."""
        return [s for s in (self.address, self.enable, *self.data) if s != NONE]
