"""What every operation has to say of itself."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatewright.hw import Bus, DspBlock, Module
from gatewright.ir.plan import Plan
from gatewright.num import FixedArray, Intervals
from gatewright.streams import Stream, Streams

Reals = NDArray[np.float64]
Growth = Literal["", "fixes", "keeps", "narrows", "grows"]
Rounds = Literal["", "format", "bits"]
Pull = Callable[[Reals], list[Reals]]
"""Turns the gradient of an operation's result into those of its operands; batches lead."""


class Savings(NamedTuple):
    """What DSP blocks can save in a parallel operation.

    Attributes:
        copies: of the circuit; each wants the same blocks.
        price: adders that one signed digit of the constants costs.
        chains: for each further chain of blocks in one copy, how many blocks it has and how many
            adders each saves; the largest saving first.
    """

    copies: int
    price: float
    chains: tuple[tuple[int, float], ...]


class Op(ABC):
    """One operation on tensors: its meaning on real numbers and on integers, and its circuit.

    Subclasses are frozen dataclasses; constants (weights, slopes) are float64 arrays that hold
    dyadic numbers once a model is quantized. Batches lead in `real` and `evaluate`; types, shapes
    and axes speak of one sample, without the batch.

    Attributes:
        wiring: the operation moves elements and needs no logic and no module of its own.
        folds: `lower` can take a plan with a reuse factor above 1.
        exact_real: `real` on values of the input grids gives exactly what `evaluate` gives.
        growth: what the operation does to formats, for automatic quantization. "fixes": its result
            has a format whatever comes in; "keeps": it has one where the inputs have; "narrows":
            its inputs must have few bits; "grows": exact on what it gets, more bits come out;
            "": the operation cannot be quantized.
        addresses: its operands address tables, so that they must have very few bits.
        index_operands: which operands hold positions or classes, that is integers: quantization
            leaves them exact.
        nonzero_operands: which operands the operation divides by: their formats leave 0 out.
        constants: names of the fields that hold constants to be rounded when a model is quantized.
        rounds: how its result gets a format where it does not follow from the operands': by
            `with_format`, by `with_bits`, or "" where it follows.
        whole_operands: numbers of the operands of which each row of the result needs the whole
            last two axes; of the others it needs its own row. See `at_row`.
        slab_axes: axes of each operand that a slab has at least; see `at_slab`.
        writable: `stream` can put the operation's constants where a bus writes them while the
            design runs, as `Plan.writable` asks.
    """

    wiring: ClassVar[bool] = False
    folds: ClassVar[bool] = False
    exact_real: ClassVar[bool] = True
    growth: ClassVar[Growth] = ""
    addresses: ClassVar[bool] = False
    index_operands: ClassVar[tuple[int, ...]] = ()
    nonzero_operands: ClassVar[tuple[int, ...]] = ()
    constants: ClassVar[tuple[str, ...]] = ()
    rounds: ClassVar[Rounds] = ""
    whole_operands: ClassVar[tuple[int, ...]] = ()
    slab_axes: ClassVar[int] = 1
    writable: ClassVar[bool] = False

    @abstractmethod
    def real(self, *x: Reals) -> Reals:
        """Compute the operation on real numbers (float64), batch first: the source's meaning."""

    @abstractmethod
    def infer(self, *x: Intervals) -> Intervals:
        """Return the exact type of the result.

        Raises:
            GatewrightError: shapes do not fit, or a result would not fit 62 bits.
        """

    @abstractmethod
    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Compute the integers that the firmware must give, batch first."""

    @abstractmethod
    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build the circuit in `module` and return the result's signals."""

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the operation that computes the row at `index` of the leading axes alone.

        None where the rows (along the last axis) of the result do not each depend on that row of
        the inputs alone, and on the whole matrix of `whole_operands`. An operation whose constants
        are the same for all rows returns itself.
        """
        return None

    def at_slab(self, axes: int) -> Op | None:
        """Return the operation on what is behind the first `axes` axes, each position on its own.

        None where a position's result does not depend on that position of all operands alone, or
        constants differ between positions. `at_row` says the same of all axes but the last, for
        operations whose rows have constants of their own. Only asked where all operands have as
        many axes, the result's lengths along the first ones, and `slab_axes` or more behind.
        """
        return None

    def at_part(self, part: slice) -> Op | None:
        """Return the operation that computes some elements of each row from those of its inputs.

        None where an element of the result does not depend on its own elements of the inputs alone.

        Args:
            part: of the last axis, which all operands and the result share.
        """
        return None

    def lower_phases(
        self, module: Module, *x: Bus, phase: int, parts: Sequence[Op]
    ) -> list[int] | None:
        """Build the circuit of parts of a row that come one after the other.

        None where it has no way of its own: then the circuits of all parts are built, and one is
        chosen.

        Args:
            module: where it is built.
            x: elements of one part of the operands, on a single axis.
            phase: the signal of the part's number.
            parts: `at_part` of each, in order.
        """
        return None

    def stream(self, to: Streams, *x: Stream, plan: Plan) -> Stream | None:
        """Build the operation on streams; return the stream of its result.

        None where the operation has no way of its own: then it is built in parallel for each row,
        or for the whole tensor.

        Args:
            to: the network under construction.
            x: the operands.
            plan: with `beat`, the elements of a beat of the result.
        """
        return None

    @property
    def kind(self) -> str:
        """The operation's name in snake case: the stem of its file, test and documentation."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def is_monotone_unary(self) -> bool:
        """Whether this is an elementwise function of one input that never falls."""
        return False

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Estimate the LUTs of the parallel circuit from the types of result and operands.

        None: not known. Every operation but wiring states it; rough is enough, since formats are
        chosen by it and circuits are counted.
        """
        return 0.0 if self.wiring else None

    @property
    def is_formatted(self) -> bool:
        """Whether the result has a format by now, whatever comes in."""
        return self.growth == "fixes"

    def with_format(self, out: Op, *x: Intervals) -> Op:
        """Return the operation on operands of types `x`, its result rounded by the quantizer `out`.

        Where `rounds` is "format".
        """
        raise NotImplementedError(self.kind)

    def with_bits(self, bits: int, *x: Intervals) -> Op:
        """Return the operation with formats that keep its result within about `2**-bits`.

        Where `rounds` is "bits".
        """
        raise NotImplementedError(self.kind)

    def index_range(self, *shapes: tuple[int, ...]) -> tuple[int, int]:
        """Return the smallest and largest number that `index_operands` can hold.

        Args:
            shapes: of the operands' samples.
        """
        raise NotImplementedError(self.kind)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Return how a gradient of the result becomes gradients of the operands.

        Quantization learns from it how much an error of each value matters, nothing else: steps
        pass gradients through, and a difference quotient is as good as a derivative.

        Args:
            xs: operands, batch first.
            y: `real(*xs)`.

        Returns:
            None: differences of `real` are taken, an element after the other.
        """
        return None

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Bound how far a framework's floats may be from this operation's real meaning.

        Args:
            xs: operands, batch first.
            es: how far the framework's operands may be from them.
            y: `real(*xs)`.
            u: unit roundoff of the framework's floats.

        Returns:
            A bound for each element of the result; None: not known. Every operation that a
            frontend emits states it.
        """
        return None

    def multiplications(self, *x: Intervals) -> int:
        """Return the products of one inference, for the planner; 0 where there are none."""
        return 0

    def block_savings(self, block: DspBlock, adders: int, *x: Intervals) -> Savings:
        """Return what DSP blocks can save where the operation is built in parallel.

        Args:
            block: what one block multiplies.
            adders: how many one copy of the circuit has without blocks.
            x: types of the operands.
        """
        return Savings(1, 0.0, ())
