"""Apply any function of one number, given by its value at every input code: users' functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatewright.base import ModelError, UnsupportedError
from gatewright.blocks.lookup import codes_of, lookup
from gatewright.blocks.table_store import Rows, in_beats, table_array
from gatewright.hw import Module
from gatewright.ir import Op, Plan, Reals
from gatewright.num import FixedArray, Intervals, Ints, dyadic
from gatewright.ops.elementwise import Unary
from gatewright.ops.quantize import Quantize, quantize_real
from gatewright.streams import Stream, Streams

NumberFunction = Callable[[Reals], Reals]


@dataclass(frozen=True, eq=False)
class Lookup(Unary):
    """Return `values[q - low]` for the input `q * 2**-frac`: a table given value by value.

    Where no value is given nothing is known: an input that can be there is an error. `of` tabulates
    a NumPy function of one number, `of_values` takes the values; `of_function` holds the function
    itself until the model is quantized and the input's format is known.

    Attributes:
        values: of shape (codes,), float64. Empty while `function` stands for it.
        given: of the same shape, whether there is a value; the others are 0.
        low: the integer of the first value.
        frac: binary point of the input's integers.
        function: before quantization, what to tabulate; never saved.
    """

    values: Reals
    given: NDArray[np.bool_]
    low: int = 0
    frac: int = 0
    function: NumberFunction | None = None
    tables = ("values", "given")
    growth = "narrows"
    rounds = "format"
    addresses = True
    writable = True

    @classmethod
    def of(cls, function: NumberFunction, low: int, high: int, frac: int, out: Op | None) -> Lookup:
        """Tabulate a function at the inputs `low * 2**-frac` to `high * 2**-frac`.

        Args:
            function: of an array, elementwise.
            low: first integer.
            high: last integer.
            frac: their binary point.
            out: quantizer of the values; None keeps them as they are (each must be dyadic).
        """
        x = np.ldexp(codes_of(low, high).astype(np.float64), -frac)
        y = _called(function, x)
        if isinstance(out, Quantize):
            y = np.where(np.isfinite(y), quantize_real(np.nan_to_num(y), out), np.nan)
        return cls.of_values(y, low, frac)

    @classmethod
    def of_values(cls, values: ArrayLike, low: int, frac: int) -> Lookup:
        """Take the values at `low * 2**-frac` and on; NaN or infinity where none is given."""
        y = np.asarray(values, np.float64)
        given = np.isfinite(y)
        return cls(np.where(given, y, 0.0), given, low, frac)

    @classmethod
    def of_function(cls, function: NumberFunction) -> Lookup:
        """Hold a NumPy function of one number, to be tabulated when the model is quantized."""
        return cls(np.zeros(0), np.zeros(0, np.bool_), function=function)

    @property
    def is_formatted(self) -> bool:
        """Whether the values are there."""
        return self.function is None

    def with_format(self, out: Op, *x: Intervals) -> Op:
        """Tabulate the function on the input's type, rounded to one format for all elements.

        Raises:
            UnsupportedError: the input has no format, or too many values.
        """
        assert isinstance(out, Quantize)
        if self.function is None:
            return self
        if not x:
            raise UnsupportedError(
                "a function given as Python code stands behind a value without a format",
                supported="a quantizer before the function",
                remedy="quantize the input of this layer",
            )
        point = int(x[0].frac.max(initial=0))
        low, high = x[0].aligned(point)
        return Lookup.of(self.function, int(low.min()), int(high.max()), point, _widest(out))

    def at_part(self, part: slice) -> Op | None:
        """Return the operation itself: one table for all elements."""
        return self

    def _index(self, q: Ints, frac: Ints) -> Ints:
        """Return where the values of inputs stand; -1 where there is none."""
        if self.function is not None:
            raise UnsupportedError(
                "a function given as Python code has no table yet",
                supported="values at every input, made when the model is quantized",
                remedy="give calibration data, or tabulate the function with `Lookup.of`",
            )
        finest = np.maximum(frac, self.frac)
        number = FixedArray(q, frac).aligned(finest)
        up = finest - self.frac
        index = (number >> up) - self.low
        there = ((number >> up) << up == number) & (index >= 0) & (index < len(self.values))
        return np.where(there, index, -1)

    def _answers(self, index: Ints, x: Reals) -> Reals:
        """Return values by index.

        Raises:
            ModelError: one was not given, or is no finite number.
        """
        wrong = (index < 0) | ~self.given[np.maximum(index, 0)]
        y = np.asarray(self.values[np.maximum(index, 0)], np.float64)
        if wrong.any():
            raise ModelError(
                "a function given by its values has none for an input that can occur",
                found=f"x = {float(np.broadcast_to(x, y.shape)[wrong].flat[0])}",
                supported=f"values of {self.low * 2.0**-self.frac} to "
                f"{(self.low + len(self.values) - 1) * 2.0**-self.frac} in steps of "
                f"{2.0**-self.frac}, all of them finite",
                remedy="give a finite value for every input, or quantize the input to those given",
            )
        return y

    def real(self, *x: Reals) -> Reals:
        """Look numbers up, or call the function; NaN where no value is given."""
        if self.function is not None:
            return _called(self.function, x[0])
        with np.errstate(invalid="ignore"):
            scaled = np.ldexp(x[0], self.frac) - self.low
            index = np.where(np.isfinite(scaled), scaled, -1.0)
        there = (index == np.floor(index)) & (index >= 0) & (index < len(self.values))
        known = np.where(self.given, self.values, np.nan)
        return np.where(there, known[np.where(there, index, 0).astype(np.int64)], np.nan)

    @property
    def _point(self) -> int:
        """Return the binary point that all values share."""
        return int(np.max(dyadic(self.values)[1], initial=0))

    def infer(self, *x: Intervals) -> Intervals:
        """Return the range of the values that inputs can reach."""
        kind, point = x[0], self._point
        ends: dict[tuple[int, int, int], tuple[int, int]] = {}
        triples = zip(
            kind.lo.ravel().tolist(), kind.hi.ravel().tolist(), kind.frac.ravel().tolist(),
            strict=True,
        )  # fmt: skip
        results = []
        for lo, hi, frac in triples:
            if (lo, hi, frac) not in ends:
                y = self._codes(codes_of(lo, hi), frac, point)
                ends[lo, hi, frac] = int(y.min()), int(y.max())
            results.append(ends[lo, hi, frac])
        low, high = np.asarray(results, np.int64).reshape(-1, 2).T
        return Intervals.of(low.reshape(kind.shape), high.reshape(kind.shape), point)

    def _codes(self, q: Ints, frac: int, point: int) -> Ints:
        """Return the answers to integers as integers of `2**-point`."""
        y = self._answers(self._index(q, np.asarray(frac)), np.ldexp(q.astype(np.float64), -frac))
        return np.rint(np.ldexp(y, point)).astype(np.int64)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Look every element up."""
        y = self._answers(self._index(x[0].q, x[0].frac), x[0].value)
        return FixedArray(np.ldexp(y, self._point).astype(np.int64), np.asarray(self._point))

    def lower_element(self, m: Module, a: int, index: tuple[int, ...]) -> int:
        """Build the table of the values that this element reaches."""
        frac, point = m.frac[a], self._point
        return lookup(m, a, lambda q: self._codes(q, frac, point), point, "function")

    def stream(self, to: Streams, *x: Stream, plan: Plan) -> Stream | None:
        """Put the table where a bus writes it, if the plan asks for that."""
        if not plan.writable:
            return None
        inputs = in_beats(to, x[0], 1, plan)
        self.infer(inputs.types)  # an error where an input has no value
        rows = Rows(self.values[:, None], self.low, self.frac)
        return table_array(to, inputs, rows, plan, self.values.shape)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count the table."""
        return float((np.ldexp(1.0, np.maximum(x[0].width - 6, 0)) * y.width).sum())

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the larger change at the ends of the input's error; nothing where it has none."""
        ends = [np.abs(self.real(xs[0] + sign * es[0]) - y) for sign in (-1.0, 1.0)]
        moved = np.nan_to_num(np.maximum(*ends), nan=np.inf, posinf=np.inf)
        return np.asarray(np.where(es[0] > 0, moved, 0.0) + 8 * u * np.maximum(1, np.abs(y)))


def _widest(out: Quantize) -> Quantize:
    """Return one format that holds all of a quantizer's."""
    live = out.width > 0
    signed = bool((out.signed & live).any())
    frac = int(out.frac.max(initial=-(2**20), where=live)) if live.any() else 0
    top = out.width - out.signed - out.frac
    width = int(top.max(initial=-frac, where=live)) + frac + signed if live.any() else 0
    return Quantize.to(signed, width, frac, out.rounding, out.overflow)


def _called(function: NumberFunction, x: Reals) -> Reals:
    """Call a user's function.

    Raises:
        ModelError: it fails, or does not give one number for each.
    """
    try:
        with np.errstate(all="ignore"):
            y = np.asarray(function(np.asarray(x, np.float64)), np.float64)
    except Exception as error:
        raise ModelError(
            "a user's function failed",
            found=f"{type(error).__name__}: {error}",
            supported="NumPy functions that take an array and return one of the same shape",
        ) from error
    if y.shape != np.shape(x):
        raise ModelError(
            "a user's function does not give one number for each it gets",
            found=f"shape {y.shape} from {np.shape(x)}",
            supported="NumPy functions that take an array and return one of the same shape",
        )
    return y
