"""Compare two elements: 1 where the relation holds, else 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.hw import Module
from gatewright.ir import Pull, Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.derivative import weighted
from gatewright.ops.elementwise import Binary, pad_reals
from gatewright.ops.jumps import slope_of

RELATIONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "equal": np.equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "not_equal": np.not_equal,
}
"""Relations of two numbers by name."""


@dataclass(frozen=True, eq=False)
class Compare(Binary):
    """Give 1 where `RELATIONS[relation]` holds for the two elements, else 0."""

    relation: str
    growth = "fixes"

    def __post_init__(self) -> None:
        if self.relation not in RELATIONS:
            raise ModelError(
                "a comparison is not known",
                found=self.relation,
                supported=", ".join(RELATIONS),
            )

    def join_types(self, a: Intervals, b: Intervals) -> Intervals:
        """Return 0 to 1, or what the ranges decide already."""
        frac = np.maximum(_grid(a), _grid(b))
        (alo, ahi), (blo, bhi) = _on(a, frac), _on(b, frac)
        if self.relation in ("equal", "not_equal"):
            same = (alo == ahi) & (blo == bhi) & (alo == blo)
            apart = (ahi < blo) | (bhi < alo)
            always, never = (same, apart) if self.relation == "equal" else (apart, same)
        elif self.relation in ("less", "greater_equal"):
            holds, fails = ahi < blo, alo >= bhi
            always, never = (holds, fails) if self.relation == "less" else (fails, holds)
        else:
            holds, fails = alo > bhi, ahi <= blo
            always, never = (holds, fails) if self.relation == "greater" else (fails, holds)
        return Intervals.of(always.astype(np.int64), (~never).astype(np.int64), 0)

    def join_real(self, a: Reals, b: Reals) -> Reals:
        """Compare real numbers."""
        return RELATIONS[self.relation](a, b).astype(np.float64)

    def join(self, a: FixedArray, b: FixedArray) -> FixedArray:
        """Compare integers on one grid."""
        frac = np.maximum(a.frac, b.frac)
        holds = RELATIONS[self.relation](a.aligned(frac), b.aligned(frac))
        return FixedArray(holds.astype(np.int64), np.asarray(0))

    def join_signals(self, m: Module, a: int, b: int) -> int:
        """Build a comparator; the opposite relation is its complement."""
        if self.relation in ("equal", "not_equal"):
            holds = m.equal(a, b)
        elif self.relation in ("less", "greater_equal"):
            holds = m.less(a, b)
        else:
            holds = m.less(b, a)
        opposite = self.relation in ("not_equal", "greater_equal", "less_equal")
        return m.not_(holds) if opposite else holds

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give the operands a slope in place of the jump; see `ops.jumps`."""
        rank = y.ndim - 1
        apart = np.subtract(*(pad_reals(v, rank) for v in xs))
        slope = np.full(apart.shape, slope_of(apart))
        return weighted([slope, -slope], xs)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a LUT for two bits of each pair."""
        widest = np.maximum(*np.broadcast_arrays(x[0].width, x[1].width))
        return float(widest.sum()) / 2

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return 1 where the numbers are closer than their errors, 0 elsewhere."""
        rank = y.ndim - 1
        (a, b), (e, f) = ([pad_reals(v, rank) for v in part] for part in (xs, es))
        slack = e + f
        # Operands without error are compared by both in the same way, equal ones included.
        return np.where((np.abs(a - b) <= slack) & (slack > 0), 1.0, 0.0)


def _grid(kind: Intervals) -> np.ndarray:
    """Return the binary points; zero is on every grid."""
    return np.where((kind.lo == 0) & (kind.hi == 0), -(2**40), kind.frac)


def _on(kind: Intervals, frac: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends on a grid that is at least as fine but for zeros."""
    zero = (kind.lo == 0) & (kind.hi == 0)
    return Intervals(kind.lo, kind.hi, np.where(zero, frac, kind.frac)).aligned(frac)
