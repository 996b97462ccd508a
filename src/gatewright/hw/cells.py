"""The closed set of cells that every circuit is made of.

A signal is a row of a `Module`: an integer `q` in `lo..hi` that stands for `q * 2**-frac`. Cells
compute on those *numbers*, so operands with different binary points are aligned by wiring and the
result is exact; nothing is lost but in `WRAP`. The width and the sign of a wire follow from its
range. `interpret.py` defines each cell in plain Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gatewright.base import FormatError
from gatewright.num import Intervals, Ints

NONE = -1
"""An operand that is not there."""

NO_RESET = -(2**63)
"""`imm` of a register that reset leaves alone."""


ADDED = 1 << 16
"""In `imm` of a product in one DSP block: the block's adder follows, as a cell of its own."""


class Kind(IntEnum):
    """What a cell does with its operands `a`, `b`, `c` and its constant `imm`."""

    CONST = 0  # the number imm * 2**-frac
    INPUT = 1  # element imm of the module's inputs, counted through all ports
    ADD = 2  # a + b; imm = 1 where it is meant for the adder of a DSP block, else 0
    SUB = 3  # a - b
    MUL = 4  # a * b; imm = DSP blocks that it is meant for, 0 for LUTs (and ADDED)
    SHIFT = 5  # a * 2**imm: moves the binary point, no logic
    WRAP = 6  # floor to the grid 2**-frac, then modulo the width; imm = 2 * width + signed
    LESS = 7  # 1 where a < b, else 0
    EQUAL = 8  # 1 where a == b, else 0
    SELECT = 9  # b where a is 1, c where a is 0
    AND = 10  # bit by bit on two's complement codes; operands share a binary point
    OR = 11
    XOR = 12
    SLICE = 13  # bits of the code of a as an unsigned integer; imm = 256 * lowest bit + width
    CONCAT = 14  # code of a above the code of b, an unsigned integer
    TABLE = 15  # word number (code of a) of table imm // 2**20, field imm % 2**20
    REG = 16  # a of the cycle before, held where b (enable) is 0; imm = reset value or NO_RESET
    INSTANCE = 17  # output number imm % 2**32 of instance imm // 2**32
    READ = 18  # word number (code of a) of memory imm // 2**20, field imm % 2**20, before the edge


TABLE_STYLES = ("auto", "distributed", "block")
MEMORY_STYLES = (*TABLE_STYLES, "ultra")
"""What holds a memory: LUTs, blocks, the large blocks of UltraScale+, or what synthesis chooses."""


def check_style(name: str, style: str, supported: tuple[str, ...]) -> None:
    """Refuse a style of memory that there is not.

    Raises:
        FormatError: it is none of those supported.
    """
    if style not in supported:
        raise FormatError(
            "a memory cannot be held that way",
            place=f"memory {name}",
            found=f"style {style}",
            supported=", ".join(supported),
        )


@dataclass(frozen=True, eq=False)
class Table:
    """A read-only memory: `depth` words of several fields, each field with a type of its own.

    `words` has shape (depth, fields) and holds integers; field `f` stands for
    `words[:, f] * 2**-frac[f]`. Words past the end of the table read as zero. `style` asks for
    the kind of memory that holds it ("auto", "distributed", "block"); a block has its register
    behind it (a REG without reset).
    """

    name: str
    words: Ints
    frac: Ints
    style: str = "auto"

    @classmethod
    def of(
        cls, name: str, words: NDArray[np.int64], frac: int | Ints = 0, style: str = "auto"
    ) -> Table:
        """Make a table of one field (1-D words) or of several (2-D words)."""
        check_style(name, style, TABLE_STYLES)
        words = np.asarray(words, np.int64)
        words = words[:, None] if words.ndim == 1 else words
        if words.ndim != 2 or not words.size:
            raise FormatError("a table needs words", found=f"shape {words.shape}")
        points = np.broadcast_to(np.asarray(frac, np.int64), words.shape[1:]).copy()
        return cls(name, words, points, style)

    @property
    def depth(self) -> int:
        """Number of words."""
        return int(self.words.shape[0])

    @property
    def fields(self) -> Intervals:
        """Range of each field."""
        return Intervals.of(self.words.min(0), self.words.max(0), self.frac)

    def key(self) -> tuple[bytes, bytes]:
        """Return what makes two tables equal, their names aside."""
        return self._key

    @cached_property
    def _key(self) -> tuple[bytes, bytes]:
        style = b"" if self.style == "auto" else self.style.encode()
        words = self.words.tobytes() + bytes(str(self.words.shape), "ascii")
        return words, self.frac.tobytes() + style
