"""Apply a function of one number by table: sigmoid, tanh, exp and their like."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gatewright.base import OptionError, UnsupportedError
from gatewright.blocks.arith import clip
from gatewright.blocks.lookup import MAX_INDEX_BITS, codes_of, lookup
from gatewright.blocks.table_store import Rows, in_beats, reach_of, table_array
from gatewright.hw import Module
from gatewright.ir import Op, Plan, Reals
from gatewright.num import Fixed, FixedArray, Intervals, Ints
from gatewright.ops.elementwise import Unary, pick
from gatewright.ops.functions import FUNCTIONS, apply_function, is_rising, steepest
from gatewright.ops.quantize import Quantize, quantize_real
from gatewright.streams import Stream, Streams


@dataclass(frozen=True, eq=False)
class Function(Unary):
    """Apply `FUNCTIONS[name]`, rounded to the format `out`, by a table over every input code.

    Where the answer is one constant below some input or above another (a sigmoid that has
    saturated), the input is limited to these first, exactly, so that fewer bits address the table;
    a function that never falls may therefore have any wide input as long as it saturates soon.
    While `out` is None the model has not been quantized, and only the real meaning is known.

    Attributes:
        name: of the function.
        out: the format of the answers, per element or one for all.
        parameters: of the function, in the order of `FUNCTIONS[name].parameters`.
    """

    name: str
    out: Quantize | None = None
    parameters: tuple[float, ...] = ()
    exact_real = True
    growth = "narrows"
    addresses = True
    rounds = "format"
    writable = True

    @property
    def is_monotone_unary(self) -> bool:
        """It never falls if the function does not, and its quantizer does not wrap."""
        rises = is_rising(self.name)
        return rises and (self.out is None or self.out.is_monotone_unary)

    def value(self, x: Reals) -> Reals:
        """Apply the function alone."""
        return apply_function(self.name, x, self.parameters)

    def real(self, *x: Reals) -> Reals:
        """Apply the function, then the quantizer if there is one."""
        y = self.value(x[0])
        return y if self.out is None else quantize_real(y, self.out)

    def _quantizer(self) -> Quantize:
        if self.out is None:
            raise UnsupportedError(
                f"the result of {self.name!r} has no number format",
                supported="a quantizer behind the function, or quantization by calibration",
                remedy="give calibration data, or put a quantizer behind this layer",
            )
        return self.out

    def infer(self, *x: Intervals) -> Intervals:
        """Return the range of the answers to every possible input."""
        out = self._quantizer()
        kind, low, high, frac = x[0], [], [], []
        memo: dict[tuple[object, ...], tuple[int, int]] = {}
        for index in np.ndindex(kind.shape):
            lo, hi, point = int(kind.lo[index]), int(kind.hi[index]), int(kind.frac[index])
            element = _element(out, index)
            key = (lo, hi, point, bool(element.signed), int(element.width), int(element.frac))
            if key not in memo:
                q = np.asarray([lo, hi]) if self.is_monotone_unary else codes_of(lo, hi)
                answers = self._answers(q, point, element)
                memo[key] = int(answers.min()), int(answers.max())
            low.append(memo[key][0])
            high.append(memo[key][1])
            frac.append(int(element.frac))
        return Intervals.of(*(np.reshape(v, kind.shape) for v in (low, high, frac)))

    def _answers(self, q: Ints, point: int, out: Quantize) -> Ints:
        """Return the integers that answer the inputs `q * 2**-point`.

        Raises:
            UnsupportedError: the function is not defined at one of them.
        """
        x = np.ldexp(q.astype(np.float64), -point)
        y = self.value(x)
        wrong = ~np.isfinite(y)
        if wrong.any():
            raise UnsupportedError(
                f"the function {self.name!r} is not defined for an input that can occur",
                found=f"x = {float(x[wrong].flat[0])}",
                supported=FUNCTIONS[self.name].domain,
                remedy="limit the input of this layer to where the function is defined, by a clip "
                "before it or by a quantizer without the values outside",
            )
        return np.rint(np.ldexp(quantize_real(y, out), int(out.frac))).astype(np.int64)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Look every element up."""
        out = self._quantizer()
        shape = x[0].q.shape[1:]
        frac = np.broadcast_to(x[0].frac, shape)
        result = np.empty(x[0].q.shape, np.int64)
        fracs = np.empty(shape, np.int64)
        for index in np.ndindex(shape):
            element = _element(out, index)
            at = (slice(None), *index)
            result[at] = self._answers(x[0].q[at], int(frac[index]), element)
            fracs[index] = int(element.frac)
        return FixedArray(result, fracs)

    def lower_element(self, m: Module, a: int, index: tuple[int, ...]) -> int:
        """Limit the input to where the answers change, and build the table."""
        out = _element(self._quantizer(), index)
        lo, hi, point = m.range(a)
        first, last = self._changing(lo, hi, point, out)
        if _saves_bits(m.width(a), lo, hi, first, last, int(out.width)):
            a = clip(m, a, (first, point), (last, point))
        point = m.frac[a]
        return lookup(m, a, lambda q: self._answers(q, point, out), int(out.frac), self.name)

    def stream(self, to: Streams, *x: Stream, plan: Plan) -> Stream | None:
        """Put the table where a bus writes it, if the plan asks for that."""
        if not plan.writable:
            return None
        inputs = in_beats(to, x[0], 1, plan)
        low, high, grid = reach_of(inputs.types)
        rows = self.rows(low, high, grid)
        return table_array(to, inputs, rows, plan, (len(rows.values),))

    def rows(self, low: int, high: int, frac: int) -> Rows:
        """Return the table of the answers to the integers of a range.

        Raises:
            OptionError: elements have formats of their own.
            UnsupportedError: there are too many, or one has no answer.
        """
        out = self._quantizer()
        if any(np.unique(v).size != 1 for v in (out.signed, out.width, out.frac)):
            raise OptionError(
                "a table that can be written has one format for all elements",
                found="a quantizer with a format for each",
                supported="one format for the answers of this layer",
                remedy="quantize the layer's result to one format, or leave `writable` out",
            )
        one = _element(out, (0,) * max(np.ndim(v) for v in (out.signed, out.width, out.frac)))
        answers = self._answers(codes_of(low, high), frac, one)
        fmt = Fixed(bool(one.signed), int(one.width), int(one.frac))
        return Rows(np.ldexp(answers.astype(np.float64), -fmt.frac)[:, None], low, frac, fmt)

    @property
    def is_formatted(self) -> bool:
        """Whether its answers have a format."""
        return self.out is not None

    def with_format(self, out: Op, *x: Intervals) -> Op:
        """Return the function with its answers rounded."""
        assert isinstance(out, Quantize)
        return replace(self, out=out)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count 64 entries of a table for each LUT and bit of the answer."""
        return float((np.ldexp(1.0, np.maximum(x[0].width - 6, 0)) * y.width).sum())

    def _changing(self, lo: int, hi: int, point: int, out: Quantize) -> tuple[int, int]:
        """Return inputs up to which, and from which, every answer is the same."""
        if (hi - lo).bit_length() <= MAX_INDEX_BITS:
            answers = self._answers(codes_of(lo, hi), point, out)
            differs = np.flatnonzero(answers[1:] != answers[:-1])
            return (
                (lo, lo) if not differs.size else (lo + int(differs[0]), lo + int(differs[-1]) + 1)
            )
        if not self.is_monotone_unary:
            codes_of(lo, hi)  # raises
        bottom, top = self._answers(np.asarray([lo, hi]), point, out).tolist()
        first = self._bisect(lo, hi, point, out, bottom)
        last = self._bisect(lo, hi, point, out, top - 1) + 1
        return (first, last) if bottom < top else (lo, lo)

    def _bisect(self, lo: int, hi: int, point: int, out: Quantize, most: int) -> int:
        """Return the largest input whose answer is at most `most`, of a function that rises."""
        while lo < hi:
            middle = (lo + hi + 1) // 2
            if int(self._answers(np.asarray([middle]), point, out)[0]) <= most:
                lo = middle
            else:
                hi = middle - 1
        return lo

    def error_bound(self, x: Intervals) -> float:
        """Return the largest distance of table and function over every possible input."""
        worst = 0.0
        for index in np.ndindex(x.shape):
            out = _element(self._quantizer(), index)
            point = int(x.frac[index])
            q = codes_of(int(x.lo[index]), int(x.hi[index]))
            exact = self.value(np.ldexp(q.astype(np.float64), -point))
            answers = np.ldexp(self._answers(q, point, out).astype(np.float64), -int(out.frac))
            worst = max(worst, float(np.abs(answers - exact).max()))
        return worst

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return what the input's error does, and 8 u of the larger of 1 and the result.

        A function whose slope has no known bound never falls, never rises, or bends one way only,
        so that it is farthest from `y` at an end of the input's interval.
        """
        x, e = xs[0], es[0]
        slope = steepest(self.name)
        if slope is None:
            moved = np.maximum(np.abs(self.real(x - e) - y), np.abs(self.real(x + e) - y))
        else:
            step = 0.0 if self.out is None else np.ldexp(1.0, -self.out.frac.astype(np.int32))
            moved = np.where(e > 0, slope * e + step, 0.0)
        return np.asarray(moved + (8 * u * np.maximum(1, np.abs(y)) if self.out is None else 0))


def _saves_bits(width: int, lo: int, hi: int, first: int, last: int, out: int) -> bool:
    """Say whether limiting an input to `first..last` costs less than it saves in the table."""
    if width > MAX_INDEX_BITS:
        return True
    low, high = max(lo, first), min(hi, last)
    narrow = max(high.bit_length(), (~low).bit_length() if low < 0 else 0) + (low < 0)
    saved = (_table_luts(width) - _table_luts(narrow)) * out
    return saved > 1.5 * width * ((low > lo) + (high < hi))


def _table_luts(address: int) -> float:
    """Return the LUTs (of six inputs) that one bit of a table's word costs."""
    return 2.0 ** max(address - 6, 0)


def _element(out: Quantize, index: tuple[int, ...]) -> Quantize:
    """Return the quantizer of one element."""
    return Quantize.to(
        pick(out.signed, index), int(pick(out.width, index)), int(pick(out.frac, index)),
        out.rounding, out.overflow,
    )  # fmt: skip
