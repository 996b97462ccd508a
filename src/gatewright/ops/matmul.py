"""Multiply two tensors as matrices: queries with keys, attention weights with values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.blocks.arith import multiply, signed_sum
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals, Ints, require_exact
from gatewright.ops.derivative import unbroadcast
from gatewright.ops.elementwise import pad_batch, pad_reals

EXACT_FLOAT = 2.0**53
"""Sums below it are exact in float64, in whatever order they are added."""


@dataclass(frozen=True, eq=False)
class Matmul(Op):
    """Return `a @ b` for samples of shape (..., n, k) and (..., k, m), exactly.

    Leading axes broadcast as in NumPy. Both operands are activations; a product with a constant
    matrix is `Dense`, which needs no multipliers.
    """

    growth = "narrows"
    whole_operands = (1,)
    slab_axes = 2

    @staticmethod
    def _check(a: tuple[int, ...], b: tuple[int, ...]) -> None:
        fits = len(a) >= 2 and len(b) >= 2 and a[-1] == b[-2]
        if fits:
            try:
                np.broadcast_shapes(a[:-2], b[:-2])
            except ValueError:
                fits = False
        if not fits:
            raise ModelError(
                "the operands of a matrix product do not fit together",
                found=f"{a} and {b}",
                supported="(..., n, k) and (..., k, m), leading axes that broadcast as in NumPy",
            )

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the product of one row of `a` with the whole matrix `b`."""
        return _ROW

    def at_slab(self, axes: int) -> Op | None:
        """Return the operation itself: matrices are multiplied each on their own."""
        return self

    def real(self, *x: Reals) -> Reals:
        """Multiply real numbers."""
        self._check(x[0].shape[1:], x[1].shape[1:])
        rank = max(x[0].ndim, x[1].ndim) - 1
        return np.asarray(pad_reals(x[0], rank) @ pad_reals(x[1], rank), np.float64)

    def infer(self, *x: Intervals) -> Intervals:
        """Return the exact range of each sum, on the finest grid that its own products need."""
        self._check(x[0].shape, x[1].shape)
        require_exact(_size(x[0]) @ _size(x[1]))
        products = x[0].map(lambda v: v[..., :, :, None]) * x[1].map(lambda v: v[..., None, :, :])
        moving = (products.lo != 0) | (products.hi != 0)
        grid = np.where(moving, products.frac, -(2**40)).max(
            axis=-2, keepdims=True, initial=-(2**40)
        )
        grid = np.where(grid == -(2**40), 0, grid)
        up = np.where(moving, grid - products.frac, 0)
        low, high = ((v << up).sum(axis=-2) for v in (products.lo, products.hi))
        return Intervals.of(low, high, grid.squeeze(-2))

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Multiply integers, each operand on one grid."""
        rank = max(x[0].q.ndim, x[1].q.ndim) - 1
        points = [int(np.max(v.frac, initial=-(2**40))) for v in x]
        a, b = (
            pad_batch(FixedArray(v.aligned(point), np.asarray(point)), rank).q
            for v, point in zip(x, points, strict=True)
        )
        return FixedArray(_exact(a, b), np.asarray(sum(points)))

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build multipliers and a tree of adders for each element."""
        a, b = (v.signals for v in x)
        leading = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a = np.broadcast_to(a, (*leading, *a.shape[-2:]))
        b = np.broadcast_to(b, (*leading, *b.shape[-2:]))
        signals = np.empty((*leading, a.shape[-2], b.shape[-1]), np.int64)
        for *at, i, j in np.ndindex(signals.shape):
            pairs = zip(a[(*at, i)].tolist(), b[(*at, slice(None), j)].tolist(), strict=True)
            signals[(*at, i, j)] = signed_sum(module, [multiply(module, p, q) for p, q in pairs])
        return x[0].with_signals(signals, signals.shape)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a LUT for each pair of bits that meet, and an adder for each product but one."""
        a, b = (v.width.astype(np.float64) for v in x)
        return float((a @ b).sum() + y.width.sum() * (x[0].shape[-1] - 1))

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Multiply by the other operand, transposed."""
        rank = y.ndim - 1
        a, b = (pad_reals(v, rank) for v in xs)
        shapes = [v.shape for v in xs]

        def pull(dy: Reals) -> list[Reals]:
            parts = dy @ b.swapaxes(-1, -2), a.swapaxes(-1, -2) @ dy
            return [unbroadcast(p, shape) for p, shape in zip(parts, shapes, strict=True)]

        return pull

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return what the operands' errors do, and (k + 2) u times the sum of the sizes."""
        rank = max(v.ndim for v in xs) - 1
        (a, b), (ea, eb) = ([np.abs(pad_reals(v, rank)) for v in vs] for vs in (xs, es))
        rounding = (a.shape[-1] + 2) * u
        return np.asarray((a + ea) @ (eb + rounding * b) + ea @ b + rounding * (ea @ (b + eb)))


class _RowMatmul(Matmul):
    """A row of k elements times a matrix (k, m)."""

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Multiply matrices of one row."""
        row = FixedArray(x[0].q[..., None, :], x[0].frac)
        found = super().evaluate(row, x[1])
        return FixedArray(found.q[..., 0, :], found.frac)

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build the product of a matrix of one row."""
        row = x[0].with_signals(x[0].signals, (1, x[0].shape[-1]))
        found = super().lower(module, row, x[1], plan=plan)
        return found.with_signals(found.signals, found.shape[-1:])


_ROW = _RowMatmul()


def _size(kind: Intervals) -> Reals:
    """Return the largest magnitudes, as integers on the finest grid among the elements."""
    point = int(np.max(kind.frac, initial=-(2**40)))
    size = np.maximum(np.abs(kind.lo), np.abs(kind.hi)).astype(np.float64)
    return np.ldexp(size, point - kind.frac)


def _exact(a: Ints, b: Ints) -> Ints:
    """Return the products of integer matrices, by floating point where that is exact."""
    bound = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    if bound.max(initial=0) < EXACT_FLOAT:
        return np.rint(a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)
    require_exact(bound)
    return np.asarray(a @ b, np.int64)
