"""Multiply by a constant matrix along the last axis and add a bias."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gatewright.base import ModelError
from gatewright.blocks.chains import chains, digit_counts
from gatewright.blocks.cmvm.csd import count_digits
from gatewright.blocks.folded import folded_matmul
from gatewright.blocks.linear import constant_matmul, matmul_with_blocks
from gatewright.blocks.mac import mac_array
from gatewright.blocks.mac_shape import MacShape
from gatewright.blocks.mac_store import Matrices
from gatewright.blocks.serial import SerialShape, serial_product
from gatewright.hw import Bus, DspBlock, Module
from gatewright.ir import Op, Plan, Pull, Reals, Savings
from gatewright.num import (
    FixedArray,
    Intervals,
    Ints,
    Rounding,
    dyadic,
    exact_matmul,
    require_exact,
    round_shift,
)
from gatewright.streams import Stream, Streams, beat_types

SHARING = 0.62
"""Adders left of each digit once terms are shared, as the solver finds on trained layers."""


@dataclass(frozen=True, eq=False)
class Dense(Op):
    """Return `x @ weight + bias` for samples of shape (..., n_in).

    Attributes:
        weight: (n_in, n_out) float64; dyadic numbers once the model is quantized.
        bias: (n_out,) float64.
    """

    weight: Reals
    bias: Reals
    folds = True
    growth = "narrows"
    constants = ("weight", "bias")
    writable = True

    @classmethod
    def of(cls, weight: Reals, bias: Reals | None = None) -> Dense:
        """Build with or without a bias."""
        weight = np.asarray(weight, np.float64)
        if weight.ndim != 2:
            raise ModelError(
                "a dense layer needs a matrix", found=f"weights of shape {weight.shape}"
            )
        bias = np.zeros(weight.shape[1]) if bias is None else np.asarray(bias, np.float64)
        if bias.shape != weight.shape[1:]:
            raise ModelError(
                "a dense layer's bias does not fit its matrix",
                found=f"{bias.shape} for weights of shape {weight.shape}",
            )
        return cls(weight, bias)

    def _check(self, shape: tuple[int, ...]) -> None:
        if not shape or shape[-1] != len(self.weight):
            raise ModelError(
                "a dense layer's input does not fit its matrix",
                found=f"input of shape {shape}, weights of shape {self.weight.shape}",
            )

    def real(self, *x: Reals) -> Reals:
        """Multiply real numbers."""
        self._check(x[0].shape[1:])
        return x[0] @ self.weight + self.bias

    @cached_property
    def _integers(self) -> tuple[Ints, int, Ints, int]:
        """Matrix and bias as integers with their binary points."""
        weight, bias = FixedArray.exact(self.weight), FixedArray.exact(self.bias)
        return weight.q, int(weight.frac), bias.q, int(bias.frac)

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the operation itself: one matrix for all rows."""
        return self

    @property
    def weight_range(self) -> tuple[int, int]:
        """Return the least and the largest weight as integers on one grid, with 0 between."""
        weight = self._integers[0]
        return int(weight.min(initial=0)), int(weight.max(initial=0))

    @property
    def weight_bits(self) -> int:
        """Return the bits of a weight as a signed number, all of them on one grid."""
        low, high = self.weight_range
        return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length()) + 1

    @cached_property
    def _points(self) -> tuple[Ints, Ints]:
        """Binary points of each weight and bias, none finer than it needs."""
        return dyadic(self.weight)[1], dyadic(self.bias)[1]

    def infer(self, *x: Intervals) -> Intervals:
        """Return the exact range of each sum, on the finest grid that its own products need."""
        kind = x[0]
        self._check(kind.shape)
        rows = kind.map(lambda v: v.reshape(-1, v.shape[-1]))
        first, which = rows.alike()
        found = self._infer_rows(rows.map(lambda v: v[first]))
        return found.map(lambda v: v[which].reshape(*kind.shape[:-1], -1))

    def _infer_rows(self, kind: Intervals) -> Intervals:
        """Return the types of some rows, all on one grid where they are added up."""
        weight, weight_frac, bias, bias_frac = self._integers
        moving = (kind.lo != 0) | (kind.hi != 0)
        point = int(np.max(kind.frac, initial=-(2**40), where=moving)) if moving.any() else 0
        shift = np.where(moving, kind.frac - point, 0)
        lo, hi = (round_shift(v, shift, Rounding.TRN) for v in (kind.lo, kind.hi))
        frac = max(point + weight_frac, bias_frac)
        bound = np.maximum(np.abs(lo), np.abs(hi)).astype(float) @ np.abs(weight).astype(float)
        require_exact(np.ldexp(bound, frac - point - weight_frac))
        require_exact(np.ldexp(np.abs(bias).astype(float), frac - bias_frac))
        positive, negative = np.maximum(weight, 0), np.minimum(weight, 0)
        up, offset = frac - point - weight_frac, bias << (frac - bias_frac)
        low = ((lo @ positive + hi @ negative) << up) + offset
        high = ((hi @ positive + lo @ negative) << up) + offset
        return _coarsest(low, high, self._needed_frac(kind), frac)

    def _needed_frac(self, kind: Intervals) -> Ints:
        """Return the finest grid among the products and the bias of each output."""
        weight_frac, bias_points = self._points
        live = (self.weight != 0)[None]
        moving = ((kind.lo != 0) | (kind.hi != 0)).reshape(-1, kind.shape[-1], 1)
        total = kind.frac.reshape(-1, kind.shape[-1], 1) + weight_frac[None]
        best = np.where(live & moving, total, -(2**40)).max(1, initial=-(2**40))
        from_products = best.reshape(*kind.shape[:-1], self.weight.shape[1])
        bias_frac = np.where(self.bias != 0, bias_points, -(2**40))
        needed = np.maximum(from_products, bias_frac)
        return np.where(needed == -(2**40), 0, needed)

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Multiply integers."""
        weight, weight_frac, bias, bias_frac = self._integers
        point = int(np.max(x[0].frac, initial=-(2**40)))
        product = exact_matmul(x[0].aligned(point), weight)
        frac = max(point + weight_frac, bias_frac)
        up = frac - point - weight_frac
        return FixedArray(
            (product << up) + (bias << (frac - bias_frac)), np.asarray(frac, np.int64)
        )

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build adders of shifted terms, or multipliers that work `plan.reuse` cycles."""
        bus = x[0]
        rows = bus.signals.reshape(-1, bus.shape[-1])
        shape = (*bus.shape[:-1], self.weight.shape[1])
        if not plan.is_parallel:
            return self._lower_folded(module, bus, rows, shape, plan)
        signals: list[int] = []
        for row in rows.tolist():
            signals += self._sums(module, row, plan)
        return bus.with_signals(signals, shape)

    def _sums(self, m: Module, row: list[int], plan: Plan) -> list[int]:
        """Build one row, its products with adders or some of them with DSP blocks."""
        if plan.offload is None:
            return constant_matmul(m, row, *self._integers)
        return matmul_with_blocks(m, row, *self._integers, plan.offload)

    def block_savings(self, block: DspBlock, adders: int, *x: Intervals) -> Savings:
        """Return what each block saves in the first row."""
        kind = x[0].map(lambda v: v.reshape(-1, v.shape[-1]))
        weight, *_ = self._integers
        price = min(adders / max(int(digit_counts(weight).sum()), 1), 1.0)
        found = chains(weight, kind.map(lambda v: v[0]), block, price)
        return Savings(kind.shape[0], price, tuple((len(c.rows), c.saving) for c in found))

    def stream(self, to: Streams, *x: Stream, plan: Plan) -> Stream | None:
        """Build multipliers that take `plan.taken` elements a step for `plan.beat` results.

        Or, with `plan.bits`, sums of constants that take so many bits of each element.
        """
        self._check(x[0].shape)
        weight, weight_frac, bias, bias_frac = self._integers
        if plan.bits and not plan.writable:
            rows = beat_types(x[0].types, len(weight)) if x[0].beat > len(weight) else None
            if SerialShape.of(rows or x[0].types, plan.bits).turns > 1:
                matrices = Matrices(weight[None], weight_frac, bias[None], bias_frac)
                return serial_product(to, x[0], matrices, plan.bits, plan.memory)
        taken = plan.taken or (len(weight) if plan.writable else 0)
        shape = MacShape.of(weight[None], taken, plan.beat)
        if not plan.writable and (not taken or shape.words == 1):
            return None
        matrices = Matrices(weight[None], weight_frac, bias[None], bias_frac)
        return mac_array(to, x[0], matrices, shape, plan)

    def _lower_folded(
        self, module: Module, bus: Bus, rows: Ints, shape: tuple[int, ...], plan: Plan
    ) -> Bus:
        """Build one folded engine a row; all run at once and finish together."""
        weight, weight_frac, bias, bias_frac = self._integers
        parts = [
            folded_matmul(
                module, Bus(row, bus.valid), weight, weight_frac, bias, bias_frac, plan.reuse
            )
            for row in rows
        ]
        signals = np.stack([part.signals for part in parts]).reshape(shape)
        return Bus(signals, parts[0].valid, bus.layout)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count the adders of each digit, less what sharing saves; rows of equal types once."""
        digits = count_digits(self._integers[0]).sum(1)
        width = x[0].width.reshape(-1, x[0].shape[-1]).astype(np.float64).sum(0)
        rows = max(x[0].size // max(x[0].shape[-1], 1), 1)
        return float(SHARING * (digits * (width + 2.0 * rows)).sum())

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the bound of a sum of products; see `rounding_error`."""
        weight = np.abs(self.weight)
        size = np.abs(xs[0]) @ weight + np.abs(self.bias)
        return np.asarray(es[0] @ weight + (len(weight) + 2) * u * size)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Multiply by the matrix, transposed."""
        return lambda dy: [dy @ self.weight.T]

    def multiplications(self, *x: Intervals) -> int:
        """Return products of one row: what a reuse factor divides."""
        return int(self.weight.size)


def _coarsest(low: Ints, high: Ints, needed: Ints, frac: int) -> Intervals:
    """Return a range on the grid it needs, which may be coarser than the common one."""
    drop = np.maximum(frac - needed, 0)
    return Intervals.of(
        round_shift(low, drop, Rounding.TRN), round_shift(high, drop, Rounding.TRN), frac - drop
    )
