"""Translate a problem in normal form to the compiled code's tables, and its answer to a graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatewright.blocks.cmvm.csd import digit_list
from gatewright.blocks.cmvm.graph import AdderGraph
from gatewright.blocks.cmvm.layout import (
    COL,
    CONST,
    COUNT,
    DIGIT_COLUMNS,
    EXP,
    HI,
    LEVEL,
    LO,
    NEG,
    NEG_A,
    NEG_B,
    OP,
    OPERAND_COLUMNS,
    POW,
    SHIFT_A,
    SHIFT_B,
    START,
    TERM_NEG,
    TERM_OP,
    TERM_POW,
    TOP,
    A,
    B,
    width_of,
)
from gatewright.blocks.cmvm.problem import Problem

Table = NDArray[np.int64]


@dataclass(frozen=True)
class Tables:
    """A problem as the compiled code takes it.

    Attributes:
        leaves: Operand table of the live inputs, then of the constants.
        constants: (odd integer, exponent) of those constants.
        digits: Digit table, sorted by column.
    """

    leaves: Table
    constants: tuple[tuple[int, int], ...]
    digits: Table

    @property
    def powers(self) -> int:
        """Return one more than the greatest power of a digit."""
        return int(self.digits[:, POW].max(initial=0)) + 1

    @property
    def pairs(self) -> int:
        """Return the work: the pairs of digits that share a column, both orders."""
        if not len(self.digits):
            return 0
        return int((np.bincount(self.digits[:, COL]) ** 2).sum())

    def least_depth(self) -> int:
        """Return the least level at which every column can be summed (Kraft)."""
        if not len(self.digits):
            return 0
        levels = self.leaves[self.digits[:, OP], LEVEL]
        return int(np.ceil(np.log2(np.bincount(self.digits[:, COL], 2.0**levels).max())))


@dataclass(frozen=True)
class Answer:
    """What one attempt gives: operand table, node table, (operand, power, sign) of each column."""

    cost: int
    operands: Table
    nodes: Table
    outputs: Table


def tables(problem: Problem) -> Tables:
    """Lay a problem out: a digit of weight w is ±operand * 2**power, a bias is one digit more."""
    constants = tuple(sorted({bias for bias in problem.biases if bias[0]}))
    n_live = len(problem.inputs)
    leaves = np.zeros((n_live + len(constants), OPERAND_COLUMNS), np.int64)
    leaves[:n_live, LO], leaves[:n_live, HI] = problem.lo, problem.hi
    leaves[:n_live, EXP], leaves[:n_live, LEVEL] = -problem.frac, problem.level
    for k, (odd, exponent) in enumerate(constants):
        leaves[n_live + k, [LO, HI, EXP, CONST]] = odd, odd, exponent, 1
    widths = [width_of(lo, hi) for lo, hi in leaves[:, [LO, HI]].tolist()]
    leaves[:, TOP] = leaves[:, EXP] + np.array(widths, dtype=np.int64)
    leaves[:, START], leaves[:, COUNT] = np.arange(len(leaves)), 1
    row, column, power, negative = digit_list(problem.matrix)
    biased = [j for j, bias in enumerate(problem.biases) if bias[0]]
    digits = np.zeros((len(row) + len(biased), DIGIT_COLUMNS), np.int64)
    digits[: len(row), [OP, POW, NEG, COL]] = np.stack([row, power, negative, column], axis=1)
    digits[len(row) :, OP] = [n_live + constants.index(problem.biases[j]) for j in biased]
    digits[len(row) :, COL] = biased
    order = np.argsort(digits[:, COL], kind="stable")
    return Tables(leaves, constants, np.ascontiguousarray(digits[order]))


def negation_bits(problem: Problem, operands: Table, outputs: Table) -> int:
    """Return the widths of the operands that outputs must negate; a constant's sign is free."""
    live = [(c.column, int(c.negate)) for c in problem.columns if c.column >= 0]
    if not live:
        return 0
    column, mirrored = np.array(live).T
    chosen = operands[outputs[column, TERM_OP]]
    negate = (outputs[column, TERM_NEG] ^ mirrored) * (chosen[:, CONST] == 0)
    return int(((chosen[:, TOP] - chosen[:, EXP]) * negate).sum())


class _Ids:
    """Number the graph's operands: inputs, then the constants in use with their signs, nodes."""

    def __init__(self, n_in: int, problem: Problem, laid: Tables, answer: Answer) -> None:
        self.n_in, self.n_live = n_in, len(problem.inputs)
        self.n_leaf = self.n_live + len(laid.constants)
        self.inputs, self.leaf_constants = problem.inputs, laid.constants
        used = {c.constant[0] for c in problem.columns if c.column < 0} - {0}
        nodes, outputs = answer.nodes, answer.outputs
        signs = {(c.column, int(c.negate)) for c in problem.columns if c.column >= 0}
        uses = [
            *zip(nodes[:, A].tolist(), nodes[:, NEG_A].tolist(), strict=True),
            *zip(nodes[:, B].tolist(), nodes[:, NEG_B].tolist(), strict=True),
            *((int(outputs[j, TERM_OP]), int(outputs[j, TERM_NEG]) ^ s) for j, s in signs),
        ]
        for operand, negate in uses:
            if self.n_live <= operand < self.n_leaf:
                used.add(self._value(operand, negate))
        self.constants = sorted(used)
        self.place = {value: n_in + k for k, value in enumerate(self.constants)}

    def _value(self, operand: int, negate: int) -> int:
        odd = self.leaf_constants[operand - self.n_live][0]
        return -odd if negate else odd

    def look_up(self, operand: int, negate: int) -> tuple[int, int, bool]:
        """Return (id, exponent, still to be negated) of an operand of the compiled code."""
        if operand < self.n_live:
            return int(self.inputs[operand]), 0, bool(negate)
        if operand < self.n_leaf:
            exponent = self.leaf_constants[operand - self.n_live][1]
            return self.place[self._value(operand, negate)], exponent, False
        return self.n_in + len(self.constants) + operand - self.n_leaf, 0, bool(negate)


def graph(
    problem: Problem,
    laid: Tables,
    answer: Answer,
    inputs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    out_frac: int,
) -> AdderGraph:
    """Translate an answer; `inputs` are lo, hi and frac of all inputs, the dead ones included."""
    ids = _Ids(len(inputs[0]), problem, laid, answer)
    nodes, operands = answer.nodes, answer.operands[ids.n_leaf :]
    sides = []
    for operand, shift, negate in ((A, SHIFT_A, NEG_A), (B, SHIFT_B, NEG_B)):
        found = [ids.look_up(o, n) for o, n in nodes[:, [operand, negate]].tolist()]
        place, exponent, left = np.array(found, dtype=np.int64).reshape(-1, 3).T
        sides.append(
            (
                place.astype(np.int32),
                (nodes[:, shift] + exponent).astype(np.int32),
                left.astype(np.bool_),
            )
        )
    out, out_shift, out_negate = _outputs(problem, ids, answer.outputs)
    return AdderGraph(
        n_in=ids.n_in,
        in_lo=inputs[0].copy(),
        in_hi=inputs[1].copy(),
        in_frac=inputs[2].copy(),
        constants=np.array(ids.constants, dtype=np.int64),
        a=sides[0][0],
        b=sides[1][0],
        shift_a=sides[0][1],
        shift_b=sides[1][1],
        negate_a=sides[0][2],
        negate_b=sides[1][2],
        lo=operands[:, LO].copy(),
        hi=operands[:, HI].copy(),
        frac=-operands[:, EXP],
        out=out,
        out_shift=out_shift,
        out_negate=out_negate,
        out_frac=out_frac,
        cost=float(answer.cost),
        depth=_depth(ids.n_leaf, nodes, answer.outputs),
    )


def _outputs(
    problem: Problem, ids: _Ids, outputs: Table
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    """Return operand, shift and sign of every output."""
    out = np.full(len(problem.columns), -1, np.int32)
    shifts, negate = np.zeros(len(out), np.int32), np.zeros(len(out), np.bool_)
    for j, column in enumerate(problem.columns):
        if column.column < 0:
            odd, exponent = column.constant
            if odd:
                out[j], shifts[j] = ids.place[odd], exponent
            continue
        operand, power, sign = outputs[column.column, [TERM_OP, TERM_POW, TERM_NEG]].tolist()
        out[j], exponent, negate[j] = ids.look_up(operand, sign ^ int(column.negate))
        shifts[j] = power + column.shift + exponent
    return out, shifts, negate


def _depth(n_leaf: int, nodes: Table, outputs: Table) -> int:
    """Return the number of adders on the longest path to an output."""
    levels = [0] * (n_leaf + len(nodes))
    for k, (a, b) in enumerate(nodes[:, [A, B]].tolist()):
        levels[n_leaf + k] = max(levels[a], levels[b]) + 1
    return max((levels[operand] for operand in outputs[:, TERM_OP].tolist()), default=0)
