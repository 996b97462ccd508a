"""Translate a problem in normal form to the compiled code's tables, and its answer to a graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatewright.base import FormatError
from gatewright.blocks.cmvm.csd import count_digits
from gatewright.blocks.cmvm.graph import AdderGraph
from gatewright.blocks.cmvm.layout import (
    COST_UNIT,
    COUNT,
    EXP,
    HALF,
    HI,
    LEVEL,
    LO,
    NEG_A,
    NEG_B,
    OPERAND_COLUMNS,
    SHIFT_A,
    SHIFT_B,
    START,
    TOP,
    A,
    B,
    width_of,
)
from gatewright.blocks.cmvm.problem import WIDEST, Column, Problem

Table = NDArray[np.int64]


@dataclass(frozen=True)
class Tables:
    """A problem as the compiled code takes it.

    Attributes:
        leaves: Operand table of the live inputs.
        values: Rows (operand, column, weight), sorted by column.
    """

    leaves: Table
    values: Table

    def digits(self) -> Table:
        """Return the number of signed digits of every row of `values`."""
        return count_digits(self.values[:, 2])

    @property
    def pairs(self) -> int:
        """Return the work: the pairs of digits that share a column, both orders."""
        return int((np.bincount(self.values[:, 1], self.digits()) ** 2).sum())

    def least_depth(self) -> int:
        """Return the least level at which every column can be summed (Kraft)."""
        if not len(self.values):
            return 0
        weight = self.digits() * 2.0 ** self.leaves[self.values[:, 0], LEVEL]
        return int(np.ceil(np.log2(np.bincount(self.values[:, 1], weight).max())))


@dataclass(frozen=True)
class Answer:
    """What one attempt gives: operand table, node table, (operand, power, sign) of each column.

    The cost is in units of 1 / COST_UNIT LUT.
    """

    cost: int
    operands: Table
    nodes: Table
    outputs: Table


def tables(problem: Problem) -> Tables:
    """Lay a problem out."""
    leaves = np.zeros((len(problem.inputs), OPERAND_COLUMNS), np.int64)
    leaves[:, LO], leaves[:, HI] = problem.lo, problem.hi
    leaves[:, EXP], leaves[:, LEVEL] = -problem.frac, problem.level
    widths = [width_of(lo, hi) for lo, hi in leaves[:, [LO, HI]].tolist()]
    leaves[:, TOP] = leaves[:, EXP] + np.array(widths, dtype=np.int64)
    leaves[:, START], leaves[:, COUNT] = np.arange(len(leaves)), 1
    column, row = np.nonzero(problem.matrix.T)
    values = np.stack([row, column, problem.matrix[row, column]], axis=1).astype(np.int64)
    return Tables(leaves, np.ascontiguousarray(values))


@dataclass(frozen=True)
class Sum:
    """A row of the graph: a number of the compiled code's, or such a number plus a constant."""

    a: int
    b: int
    shift_a: int
    shift_b: int
    negate_a: bool
    negate_b: bool
    lo: int
    hi: int
    frac: int


class _Builder:
    """Number a graph's operands (inputs, constants, nodes) and append the constants' adders."""

    def __init__(self, problem: Problem, laid: Tables, answer: Answer, n_in: int) -> None:
        self.n_in, self.answer = n_in, answer
        self.inputs, self.n_live = problem.inputs.tolist(), len(problem.inputs)
        self.constants = sorted({c.constant[0] for c in problem.columns} - {0})
        self.place = {value: n_in + k for k, value in enumerate(self.constants)}
        self.first = n_in + len(self.constants)
        self.rows = [
            Sum(
                self.look_up(n[A]), self.look_up(n[B]), n[SHIFT_A], n[SHIFT_B],
                bool(n[NEG_A]), bool(n[NEG_B]), o[LO], o[HI], -o[EXP],
            )
            for n, o in zip(
                answer.nodes.tolist(), answer.operands[self.n_live :].tolist(), strict=True
            )
        ]  # fmt: skip
        self.cost, self.levels = answer.cost, _levels(answer.operands, answer.nodes)
        self.depth = 0
        self.biased: dict[Column, int] = {}

    def look_up(self, operand: int) -> int:
        """Return the id of an operand of the compiled code."""
        if operand < self.n_live:
            return int(self.inputs[operand])
        return self.first + operand - self.n_live

    def output(self, column: Column, number: int) -> tuple[int, int, bool]:
        """Return (id, shift, negated) of output `number`."""
        odd, exponent = column.constant
        if column.column < 0:
            return (self.place[odd], exponent, False) if odd else (-1, 0, False)
        operand, power, sign = self.answer.outputs[column.column].tolist()
        shift, negate = power + column.shift, bool(sign ^ int(column.negate))
        self.depth = max(self.depth, self.levels[operand] + (odd != 0))
        if not odd:
            return self.look_up(operand), shift, negate
        # Outputs that differ by a power of two share the adder of their constant.
        key = Column(column.column, 0, column.negate, (odd, exponent - column.shift))
        if key not in self.biased:
            self.biased[key] = self._add_constant(operand, power, negate, key.constant, number)
        return self.biased[key], column.shift, False

    def _add_constant(
        self, operand: int, shift: int, negate: bool, constant: tuple[int, int], number: int
    ) -> int:
        """Append `±operand << shift + constant`; return its id."""
        odd, exponent = constant
        lo, hi, point, top = self.answer.operands[operand, [LO, HI, EXP, TOP]].tolist()
        low = point + shift
        unit = min(low, exponent)
        lo, hi = (-hi, -lo) if negate else (lo, hi)
        lo = (lo << (low - unit)) + (odd << (exponent - unit))
        hi = (hi << (low - unit)) + (odd << (exponent - unit))
        if max(width_of(lo, hi), width_of(lo, hi) + low - unit) > WIDEST:
            raise too_wide(number)
        self.rows.append(
            Sum(
                self.look_up(operand), self.place[odd], shift, exponent, negate, False, lo, hi,
                -unit,
            )
        )  # fmt: skip
        bottom, ends = max(low, exponent), (top + shift, exponent + abs(odd).bit_length())
        if min(ends) > bottom:
            self.cost += COST_UNIT * (min(ends) - bottom) + HALF * (max(ends) - min(ends))
        return self.first + len(self.rows) - 1


def too_wide(column: int | None = None) -> FormatError:
    """Return the error for a sum that 62 bits do not hold."""
    return FormatError(
        "CMVM: an exact sum does not fit" + ("" if column is None else f": output {column}"),
        found="an intermediate value beyond 62 bits",
        supported="62 bits",
        remedy="round the inputs or the weights to fewer bits, or bring binary points closer",
    )


def graph(
    problem: Problem,
    laid: Tables,
    answer: Answer,
    inputs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    out_frac: int,
) -> AdderGraph:
    """Translate an answer; `inputs` are lo, hi and frac of all inputs, the dead ones included.

    Raises:
        FormatError: Where a constant makes an output too wide.
    """
    build = _Builder(problem, laid, answer, len(inputs[0]))
    outputs = [build.output(column, j) for j, column in enumerate(problem.columns)]
    out, out_shift, out_negate = zip(*outputs, strict=True) if outputs else ((), (), ())
    rows = build.rows
    return AdderGraph(
        n_in=build.n_in,
        in_lo=inputs[0].copy(),
        in_hi=inputs[1].copy(),
        in_frac=inputs[2].copy(),
        constants=np.array(build.constants, dtype=np.int64),
        a=np.array([r.a for r in rows], dtype=np.int32),
        b=np.array([r.b for r in rows], dtype=np.int32),
        shift_a=np.array([r.shift_a for r in rows], dtype=np.int32),
        shift_b=np.array([r.shift_b for r in rows], dtype=np.int32),
        negate_a=np.array([r.negate_a for r in rows], dtype=np.bool_),
        negate_b=np.array([r.negate_b for r in rows], dtype=np.bool_),
        lo=np.array([r.lo for r in rows], dtype=np.int64),
        hi=np.array([r.hi for r in rows], dtype=np.int64),
        frac=np.array([r.frac for r in rows], dtype=np.int64),
        out=np.array(out, dtype=np.int32),
        out_shift=np.array(out_shift, dtype=np.int32),
        out_negate=np.array(out_negate, dtype=np.bool_),
        out_frac=out_frac,
        cost=build.cost / COST_UNIT,
        depth=build.depth,
    )


def _levels(operands: Table, nodes: Table) -> list[int]:
    """Return the adders on the longest path to each operand of the compiled code."""
    n_leaf = len(operands) - len(nodes)
    low, top = (operands[:, column].tolist() for column in (EXP, TOP))
    levels = [0] * len(operands)
    for k, (a, b, shift_a, shift_b, *_) in enumerate(nodes.tolist(), n_leaf):
        overlap = min(top[a] + shift_a, top[b] + shift_b) - max(low[a] + shift_a, low[b] + shift_b)
        levels[k] = max(levels[a], levels[b]) + (overlap > 0)  # else wires, side by side
    return levels
