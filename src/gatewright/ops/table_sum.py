"""Look up several elements together in enumerated tables, and add the answers up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatewright.base import ModelError, UnsupportedError
from gatewright.blocks.tables import MAX_INDEX_BITS, Summand, table_sums
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints, bit_length, dyadic

FOLDED = 0.8
"""Of the lookup tables of a table and its adder, what sharing and folding leave."""


class TableSpec(NamedTuple):
    """One table, as a frontend has it.

    Attributes:
        elements: numbers of the elements it reads.
        target: the output it adds to.
        values: of shape (codes of the first element, codes of the second, ...); NaN where no value
            is given.
    """

    elements: Sequence[int]
    target: int
    values: ArrayLike


@dataclass(frozen=True, eq=False)
class TableSum(Op):
    """Return for samples of shape (..., n) outputs that are sums of tables and a bias.

    Element `i` has the codes 0 to `codes[i] - 1`, which stand for the numbers
    `(low[i] + code) * 2**-frac[i]`. Table `t` reads the elements `element[first[t]:first[t + 1]]`;
    its entries stand in C order of their codes, the first element's slowest, one table after the
    other. Kolmogorov-Arnold layers have a table for each edge, networks of lookup tables one with
    several inputs for each neuron. An entry that is not given is an error where it can be reached.

    Attributes:
        element: elements that the tables read, one table after the other.
        first: (tables + 1,) where each table's elements begin in `element`.
        target: (tables,) the output that each table adds to.
        low: (n,) integer of code 0 of each element.
        frac: (n,) binary point of each element.
        codes: (n,) how many codes each element has.
        values: (entries,) float64, dyadic numbers; 0 where none is given.
        given: (entries,) whether there is a value.
        bias: (outputs,) float64, dyadic numbers.
    """

    element: Ints
    first: Ints
    target: Ints
    low: Ints
    frac: Ints
    codes: Ints
    values: Reals
    given: NDArray[np.bool_]
    bias: Reals
    growth = "narrows"
    addresses = True

    @classmethod
    def of(
        cls,
        tables: Sequence[TableSpec],
        low: ArrayLike,
        codes: ArrayLike,
        frac: ArrayLike,
        bias: ArrayLike,
    ) -> TableSum:
        """Build from a list of tables.

        Args:
            tables: in any order.
            low: (n,) integer of each element's first code.
            codes: (n,) how many codes each element has.
            frac: binary point of each element, or one for all.
            bias: (outputs,) added to each output.

        Raises:
            ModelError: a table's shape does not fit its elements, or its output is not there.
        """
        lows, counts = np.asarray(low, np.int64), np.asarray(codes, np.int64)
        offset = np.asarray(bias, np.float64)
        points = np.broadcast_to(np.asarray(frac, np.int64), lows.shape).copy()
        flat = [np.asarray(t.values, np.float64).ravel() for t in tables]
        entries = np.concatenate([*flat, np.zeros(0)])
        given = np.isfinite(entries)
        elements = [np.asarray(t.elements, np.int64).ravel() for t in tables]
        op = cls(
            np.concatenate([*elements, np.zeros(0, np.int64)]),
            np.cumsum([0, *(len(e) for e in elements)]).astype(np.int64),
            np.asarray([t.target for t in tables], np.int64),
            lows, points, counts, np.where(given, entries, 0.0), given, offset,
        )  # fmt: skip
        for t, (table, reads) in enumerate(zip(tables, elements, strict=True)):
            inside = (reads >= 0) & (reads < len(counts))
            wanted = tuple(counts[reads].tolist()) if inside.all() else None
            if np.shape(table.values) != wanted or not 0 <= table.target < len(offset):
                raise ModelError(
                    "a table does not fit what it reads, or the outputs",
                    found=f"table {t} of shape {np.shape(table.values)} for output {table.target}, "
                    f"reading elements {reads.tolist()}",
                    supported=f"shape {wanted}, an output below {len(offset)}"
                    if wanted
                    else f"elements below {len(counts)}",
                )
        return op

    @cached_property
    def _offsets(self) -> Ints:
        """Return where each table's entries begin, and where the last one's end."""
        sizes = [prod(self.codes[reads].tolist()) for reads in self._reads]
        return np.cumsum([0, *sizes]).astype(np.int64)

    @cached_property
    def _reads(self) -> list[Ints]:
        """Return the elements that each table reads."""
        return np.split(self.element, self.first[1:-1]) if len(self.target) else []

    @property
    def tables(self) -> Iterator[tuple[Ints, int, Reals, NDArray[np.bool_]]]:
        """Each table's elements, output, values and which are given, shaped by its elements."""
        for t, (reads, target) in enumerate(zip(self._reads, self.target.tolist(), strict=True)):
            part, shape = slice(*self._offsets[t : t + 2]), tuple(self.codes[reads].tolist())
            yield reads, target, self.values[part].reshape(shape), self.given[part].reshape(shape)

    def _check(self, shape: tuple[int, ...]) -> None:
        if not shape or shape[-1] != len(self.codes):
            raise ModelError(
                "the input of a layer of tables does not fit it",
                found=f"input of shape {shape}, tables on {len(self.codes)} elements",
            )

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the operation itself: the same tables for all rows."""
        return self

    # ---- meaning

    def real(self, *x: Reals) -> Reals:
        """Look numbers up; NaN where they are none of the codes, or no value is given."""
        self._check(x[0].shape[1:])
        with np.errstate(invalid="ignore"):
            scaled = np.ldexp(x[0], self.frac.astype(np.int32)) - self.low
            there = (scaled == np.floor(scaled)) & (scaled >= 0) & (scaled < self.codes)
        code = np.where(there, scaled, 0).astype(np.int64)
        total = np.broadcast_to(self.bias, (*x[0].shape[:-1], len(self.bias))).copy()
        for reads, target, values, given in self.tables:
            at = tuple(code[..., i] for i in reads)
            known = given[at] & there[..., reads].all(-1)
            total[..., target] += np.where(known, values[at], np.nan)
        return total

    @cached_property
    def _points(self) -> Ints:
        """Return the binary point of each output: the finest that its entries and bias need."""
        point = dyadic(self.bias)[1]
        for _, target, values, _ in self.tables:
            point[target] = max(point[target], int(dyadic(values)[1].max(initial=0)))
        return point

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Look integers up and add."""
        self._check(x[0].q.shape[1:])
        finest = np.maximum(x[0].frac, self.frac)
        number, up = x[0].aligned(finest), finest - self.frac
        code = (number >> up) - self.low
        there = ((number >> up) << up == number) & (code >= 0) & (code < self.codes)
        point = self._points
        total = np.broadcast_to(_integers(self.bias, point), (*code.shape[:-1], len(point))).copy()
        for t, (reads, target, values, given) in enumerate(self.tables):
            at = tuple(np.where(there, code, 0)[..., i] for i in reads)
            known = given[at] & there[..., reads].all(-1)
            if not known.all():
                worst = tuple(np.argwhere(~known)[0])
                raise self._missing(t, reads, x[0].value[worst][reads])
            total[..., target] += _integers(values, point[target])[at]
        return FixedArray(total, point)

    def _missing(self, t: int, reads: Ints, x: Reals) -> ModelError:
        """Return the error for an entry that can be reached and is not given."""
        spans = [
            f"{math_value(self.low[i], self.frac[i])} to "
            f"{math_value(self.low[i] + self.codes[i] - 1, self.frac[i])}"
            for i in reads
        ]
        return ModelError(
            "a table has no value for an input that can occur",
            found=f"table {t} of output {self.target[t]} at {np.asarray(x).tolist()} of elements "
            f"{reads.tolist()}",
            supported=f"values given for every input that can occur, within {', '.join(spans)}",
            remedy="give a value for every such input, or quantize the input to those given",
        )

    # ---- types

    def _digits(self, lo: int, hi: int, frac: int, i: int) -> Ints:
        """Return the codes that an element's numbers have; -1 where a number has none."""
        if (hi - lo).bit_length() > MAX_INDEX_BITS:
            raise UnsupportedError(
                "a table would be addressed by too wide a number",
                found=f"{hi - lo + 1} possible values of element {i}",
                supported=f"up to 2**{MAX_INDEX_BITS}",
                remedy="quantize the input of this layer to fewer bits",
            )
        q, up = np.arange(lo, hi + 1, dtype=np.int64), frac - int(self.frac[i])
        on = q << max(-up, 0) if up <= 0 else q >> up
        exact = np.ones(len(q), np.bool_) if up <= 0 else (on << up) == q
        code = on - self.low[i]
        return np.where(exact & (code >= 0) & (code < self.codes[i]), code, -1)

    def reached(self, kind: Intervals) -> list[Summand]:
        """Return what tables answer to the numbers that one row of inputs can hold.

        Tables of one output that read the same elements are one.

        Raises:
            ModelError: an entry that can be reached is not given.
            UnsupportedError: a table has too many entries.
        """
        ends = zip(kind.lo.tolist(), kind.hi.tolist(), kind.frac.tolist(), strict=True)
        rows, digits = list(ends), dict[int, Ints]()
        found: dict[tuple[tuple[int, ...], int], Ints] = {}
        for t, (reads, target, values, given) in enumerate(self.tables):
            for i in reads.tolist():
                if i not in digits:
                    lo, hi, frac = rows[i]
                    digits[i] = self._digits(lo, hi, frac, i)
            distinct = sorted(set(reads.tolist()))
            bits = sum((len(digits[i]) - 1).bit_length() for i in distinct)
            if bits > MAX_INDEX_BITS:
                raise UnsupportedError(
                    "a table of several elements is too large",
                    found=f"table {t} of output {target}: {bits} address bits",
                    supported=f"up to {MAX_INDEX_BITS} bits together",
                    remedy="let each table read fewer elements, or quantize them to fewer bits",
                )
            axes = np.meshgrid(*(digits[i] for i in distinct), indexing="ij", sparse=True)
            at = np.broadcast_arrays(*(axes[distinct.index(i)] for i in reads.tolist()))
            known = np.all([a >= 0 for a in at], axis=0) & given[tuple(at)]
            if not np.all(known):
                where = [int(w) for w in np.argwhere(~np.atleast_1d(known))[0]]
                x = {
                    i: math_value(rows[i][0] + w, rows[i][2])
                    for i, w in zip(distinct, where, strict=False)
                }
                raise self._missing(t, reads, np.asarray([x[i] for i in reads.tolist()]))
            answers = _integers(values, int(self._points[target]))[tuple(at)]
            key = tuple(distinct), target
            found[key] = found[key] + answers if key in found else np.asarray(answers)
        return [Summand(*key, answers) for key, answers in found.items()]

    def infer(self, *x: Intervals) -> Intervals:
        """Return the sum of the ranges of the entries that inputs can reach."""
        kind, point = x[0], self._points
        self._check(kind.shape)
        rows = kind.map(lambda v: v.reshape(-1, v.shape[-1]))
        first, which = rows.alike()
        low = np.tile(_integers(self.bias, point), (len(first), 1))
        high = low.copy()
        for number, row in enumerate(first.tolist()):
            for summand in self.reached(rows.map(lambda v, row=row: v[row])):  # type: ignore[misc]
                low[number, summand.target] += summand.answers.min()
                high[number, summand.target] += summand.answers.max()
        found = Intervals.of(low, high, np.broadcast_to(point, low.shape))
        return found.map(lambda v: v[which].reshape(*kind.shape[:-1], -1))

    # ---- circuit

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build each row's tables and sums; see `gatewright.blocks.tables`."""
        bus = x[0]
        bias, signals = _integers(self.bias, self._points), list[int]()
        for row in bus.signals.reshape(-1, bus.shape[-1]).tolist():
            summands = self.reached(module.intervals(row))
            signals += table_sums(module, row, summands, bias, self._points)
        return bus.with_signals(signals, (*bus.shape[:-1], len(self.bias)))

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count tables and adders, less what folding saves; rows of equal types once."""
        width = x[0].width.reshape(-1, x[0].shape[-1]).max(0)
        total, rows = 0.0, max(x[0].size // max(x[0].shape[-1], 1), 1)
        for reads, target, values, _ in self.tables:
            span = _integers(values, int(self._points[target]))
            bits = int(bit_length(np.asarray(span.max() - span.min())))
            total += bits * (2.0 ** max(int(width[reads].sum()) - 6, 0) + 1)
        return float(FOLDED * total * rows)

    # ---- floats

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the spans of the tables whose inputs may be off, and the rounding of the sum."""
        self._check(xs[0].shape[1:])
        off = es[0] > 0
        bound = np.zeros_like(y)
        size = np.broadcast_to(np.abs(self.bias), y.shape).copy()
        for reads, target, values, _ in self.tables:
            bound[..., target] += off[..., reads].any(-1) * np.ptp(values)
            size[..., target] += np.abs(values).max(initial=0)
        return np.asarray(bound + (len(self.target) + 2) * u * size)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Take differences between an entry's neighbours."""
        scaled = np.nan_to_num(np.ldexp(xs[0], self.frac.astype(np.int32))) - self.low
        code = np.clip(np.rint(scaled), 0, self.codes - 1).astype(np.int64)

        def pull(dy: Reals) -> list[Reals]:
            dx = np.zeros_like(xs[0])
            for reads, target, values, _ in self.tables:
                for axis, i in enumerate(reads.tolist()):
                    below, above = ([code[..., j] for j in reads] for _ in range(2))
                    below[axis] = np.maximum(below[axis] - 1, 0)
                    above[axis] = np.minimum(above[axis] + 1, self.codes[i] - 1)
                    steps = np.maximum(above[axis] - below[axis], 1)
                    slope = (values[tuple(above)] - values[tuple(below)]) / steps
                    dx[..., i] += dy[..., target] * np.ldexp(slope, int(self.frac[i]))
            return [dx]

        return pull


def _integers(values: ArrayLike, point: ArrayLike) -> Ints:
    """Return numbers in units of `2**-point`."""
    scaled = np.ldexp(np.asarray(values, np.float64), np.asarray(point, np.int32))
    return np.rint(scaled).astype(np.int64)


def math_value(q: int, frac: int) -> float:
    """Return the number that an integer stands for."""
    return float(np.ldexp(float(q), -int(frac)))
