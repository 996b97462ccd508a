"""Vectors of wires: signals, runs of bits, extensions, and their numbers over a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatewright.flow.prove.forms import Form, Gap, Scalar
from gatewright.flow.prove.numeric import NUMERIC, WIDE
from gatewright.tools.yosys_netlist import NetCell

WIDEST = 62
"""Bits of the widest word that is computed with numerically."""

Words = NDArray[np.uint64]


class Bit(NamedTuple):
    """Bit `at` of a signal, or without a signal the constant `at`."""

    signal: Signal | None
    at: int


Vector = tuple[Bit, ...]


@dataclass(eq=False, slots=True)
class Signal:
    """The output of a cell, or a number from outside.

    Attributes:
        form: the number modulo `2**width`, where it is affine.
        cell: what computes it; None for a number from outside.
        operands: the vectors at the cell's inputs.
    """

    width: int
    form: Form | None = None
    cell: NetCell | None = None
    operands: dict[str, Vector] = field(default_factory=dict, repr=False)
    support: frozenset[Scalar] | None = None


class Run(NamedTuple):
    """Bits `low..end-1` of a signal (or of the number `low` without one) at `offset`."""

    signal: Signal | None
    low: int
    end: int
    offset: int
    flipped: bool


def runs(bits: Vector, flips: int = 0) -> list[Run]:
    """Split a vector where it stops to be consecutive bits of one signal, lowest first."""
    if not bits:
        return []
    starts = [0]
    for i, (one, next_) in enumerate(pairwise(bits), 1):
        joined = one.signal is next_.signal and (one.signal is None or next_.at == one.at + 1)
        if not joined or (flips >> i & 1) != (flips >> (i - 1) & 1):
            starts.append(i)
    found = []
    for start, end in pairwise([*starts, len(bits)]):
        first, flipped = bits[start], bool(flips >> start & 1)
        if first.signal is None:
            number = sum(bit.at << i for i, bit in enumerate(bits[start:end]))
            found.append(Run(None, number, end - start, start, flipped))
        else:
            low = first.at
            found.append(Run(first.signal, low, low + end - start, start, flipped))
    return found


def extended(bits: Vector, signed: bool, width: int) -> Vector:
    """Return a vector at another width."""
    if not bits:
        return (Bit(None, 0),) * width
    fill = bits[-1] if signed else Bit(None, 0)
    return bits[:width] + (fill,) * (width - len(bits))


class Evaluator:
    """Compute words from known signals, cell by cell, over a batch; remembers every word.

    Attributes:
        known: gives so many low bits of a signal where they are known from outside.
        done: what was found, by signal and the number of its low bits.
    """

    def __init__(self, batch: int, known: Callable[[Signal, int], Words | None]) -> None:
        self.batch, self.known = batch, known
        self.done: dict[tuple[Signal, int], Words] = {}
        self.unknown: set[tuple[Signal, int]] = set()

    def vector(self, bits: Vector) -> Words:
        """Return a vector as unsigned numbers.

        Raises:
            Gap: it is too wide, needs a signal that is not known, or a cell without a rule.
        """
        if len(bits) > WIDEST:
            raise Gap(f"a word of {len(bits)} bits is too wide to be computed with")
        parts = runs(bits)
        self._prepare([run for run in parts if run.signal is not None])
        total = np.zeros(self.batch, np.uint64)
        for run in parts:
            if run.signal is None:
                total |= np.uint64(run.low << run.offset)
            else:
                total |= self._field(run) << np.uint64(run.offset)
        return total

    def _field(self, run: Run) -> Words:
        words = self._found(run)
        assert words is not None
        mask = np.uint64((1 << (run.end - run.low)) - 1)
        return (words >> np.uint64(run.low)) & mask

    def _found(self, run: Run) -> Words | None:
        """Return a word that holds a run, if there is one."""
        signal = run.signal
        assert signal is not None
        for end in dict.fromkeys((signal.width, run.end)):
            words = self.done.get((signal, end))
            if words is None and (signal, end) not in self.unknown:
                words = self.known(signal, end)
                if words is None:
                    self.unknown.add((signal, end))
                else:
                    self.done[signal, end] = words
            if words is not None:
                return words
        return None

    def _prepare(self, wanted: list[Run]) -> None:
        """Compute signals and what they need, without recursion."""
        stack = list(wanted)
        while stack:
            run = stack[-1]
            if self._found(run) is None:
                signal = run.signal
                assert signal is not None
                todo = self._missing(signal)
                if todo:
                    stack += todo
                    continue
                self.done[signal, signal.width] = self._compute(signal)
            stack.pop()

    def _missing(self, signal: Signal) -> list[Run]:
        if signal.cell is None:
            raise Gap("it depends on more than its linear value")
        return [
            run
            for bits in signal.operands.values()
            for run in runs(bits)
            if run.signal is not None and self._found(run) is None
        ]

    def _compute(self, signal: Signal) -> Words:
        cell = signal.cell
        assert cell is not None
        rule = NUMERIC.get(cell.kind)
        if rule is None or signal.width > WIDEST:
            raise Gap(
                f"a cell {cell.kind} of {signal.width} bits is not understood ({cell.source})"
            )
        operands = {port: self.operand(bits) for port, bits in signal.operands.items()}
        if cell.kind not in WIDE and any(words.ndim > 1 for words in operands.values()):
            raise Gap(f"a cell {cell.kind} reads more than {WIDEST} bits ({cell.source})")
        words = rule(cell, operands)
        words = np.broadcast_to(words, (self.batch,)).astype(np.uint64)
        return words & np.uint64((1 << signal.width) - 1)

    def operand(self, bits: Vector) -> Words:
        """Return an operand; one that is too wide is given bit by bit (batch, bits)."""
        if len(bits) <= WIDEST:
            return self.vector(bits)
        columns = [self.vector((bit,)) for bit in bits]
        return np.stack(columns, axis=1)
