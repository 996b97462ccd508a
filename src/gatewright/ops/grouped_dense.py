"""Multiply each group of a tensor by a constant matrix of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.blocks.mac import mac_array
from gatewright.blocks.mac_shape import MacShape
from gatewright.blocks.mac_store import Matrices
from gatewright.hw import Bus, Module
from gatewright.ir import Op, Plan, Pull, Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.dense import Dense
from gatewright.streams import Stream, Streams


@dataclass(frozen=True, eq=False)
class GroupedDense(Op):
    """Return `x[..., g, :] @ weight[g] + bias[g]` for samples of shape (..., groups, n_in).

    Grouped and depthwise convolutions, and einsum kernels that share an axis with their input.

    Attributes:
        weight: (groups, n_in, n_out) float64; dyadic numbers once the model is quantized.
        bias: (groups, n_out) float64.
    """

    weight: Reals
    bias: Reals
    growth = "narrows"
    constants = ("weight", "bias")
    writable = True
    slab_axes = 2

    @classmethod
    def of(cls, weight: Reals, bias: Reals | None = None) -> GroupedDense:
        """Build with or without a bias."""
        weight = np.asarray(weight, np.float64)
        if weight.ndim != 3:
            raise ModelError(
                "a grouped dense layer needs a matrix for each group",
                found=f"weights of shape {weight.shape}",
                supported="(groups, n_in, n_out)",
            )
        wanted = (weight.shape[0], weight.shape[2])
        bias = np.zeros(wanted) if bias is None else np.asarray(bias, np.float64)
        if bias.shape != wanted:
            raise ModelError(
                "a grouped dense layer's bias does not fit its matrices",
                found=f"{bias.shape} for weights of shape {weight.shape}",
                supported=f"{wanted}",
            )
        return cls(weight, bias)

    def _check(self, shape: tuple[int, ...]) -> None:
        if shape[-2:] != self.weight.shape[:2]:
            raise ModelError(
                "a grouped dense layer's input does not fit its matrices",
                found=f"input of shape {shape}, weights of shape {self.weight.shape}",
                supported="an input of shape (..., groups, n_in)",
            )

    def group(self, number: int) -> Dense:
        """Return the matrix of one group."""
        return Dense.of(self.weight[number], self.bias[number])

    @property
    def groups(self) -> list[Dense]:
        """Return the matrix of each group."""
        return [self.group(g) for g in range(len(self.weight))]

    def at_row(self, index: tuple[int, ...]) -> Op | None:
        """Return the matrix of the group at `index`."""
        return self.group(index[-1])

    def at_slab(self, axes: int) -> Op | None:
        """Return the operation itself: all groups of a position."""
        return self

    def real(self, *x: Reals) -> Reals:
        """Multiply real numbers."""
        self._check(x[0].shape[1:])
        return np.asarray((x[0][..., None, :] @ self.weight)[..., 0, :] + self.bias)

    def infer(self, *x: Intervals) -> Intervals:
        """Return the exact range of each group's sums, on the grid that its own products need."""
        kind = x[0]
        self._check(kind.shape)
        arrays = [
            tuple(v[..., g, :] for v in (kind.lo, kind.hi, kind.frac))
            for g in range(len(self.weight))
        ]
        parts = [op.infer(Intervals(*a)) for op, a in zip(self.groups, arrays, strict=True)]
        return Intervals.of(
            *(np.stack([getattr(p, name) for p in parts], -2) for name in ("lo", "hi", "frac"))
        )

    def evaluate(self, *x: FixedArray) -> FixedArray:
        """Multiply integers, group by group, and bring all to the finest grid."""
        q, frac = x[0].q, np.broadcast_to(x[0].frac, x[0].q.shape[1:])
        parts = [
            op.evaluate(FixedArray(q[..., g, :], frac[..., g, :]))
            for g, op in enumerate(self.groups)
        ]
        point = max(int(np.max(part.frac)) for part in parts)
        return FixedArray(np.stack([p.aligned(point) for p in parts], -2), np.asarray(point))

    def lower(self, module: Module, *x: Bus, plan: Plan) -> Bus:
        """Build the matrix of each group."""
        bus = x[0]
        self._check(bus.shape)
        parts = [
            op.lower(module, Bus(bus.signals[..., g, :], bus.valid, bus.layout), plan=plan).signals
            for g, op in enumerate(self.groups)
        ]
        signals = np.stack(parts, -2)
        return bus.with_signals(signals, signals.shape)

    def stream(self, to: Streams, *x: Stream, plan: Plan) -> Stream | None:
        """Build multipliers that work on one group after the other, or on some groups at once."""
        self._check(x[0].shape)
        weight, bias = FixedArray.exact(self.weight), FixedArray.exact(self.bias)
        taken = plan.taken or (weight.q.shape[1] if plan.writable else 0)
        shape = MacShape.of(weight.q, taken, plan.beat)
        if not plan.writable and (not taken or shape.words == 1):
            return None
        matrices = Matrices(weight.q, int(weight.frac), bias.q, int(bias.frac))
        return mac_array(to, x[0], matrices, shape, plan)

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Multiply by each group's matrix, transposed."""
        back = self.weight.swapaxes(-1, -2)
        return lambda dy: [(dy[..., None, :] @ back)[..., 0, :]]

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count what the matrix of each group counts."""
        total = 0.0
        for g, op in enumerate(self.groups):
            own = Intervals(*(v[..., g, :] for v in (x[0].lo, x[0].hi, x[0].frac)))
            total += op.luts(y, own) or 0.0
        return total

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return the bound of each group's sum of products; see `rounding_error`."""
        weight, n = np.abs(self.weight), self.weight.shape[1]
        size = (np.abs(xs[0])[..., None, :] @ weight)[..., 0, :] + np.abs(self.bias)
        return np.asarray((es[0][..., None, :] @ weight)[..., 0, :] + (n + 2) * u * size)
