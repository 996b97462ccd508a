"""Join truth values: and, or, exclusive or, and their complements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.hw import Module
from gatewright.ir import Pull, Reals
from gatewright.num import FixedArray, Intervals
from gatewright.ops.derivative import weighted
from gatewright.ops.elementwise import Joined, pad_reals
from gatewright.ops.truth import require_truth

FUNCTIONS = {"and": 2, "or": 2, "xor": 2, "not": 1}
"""Functions by name, with the number of their operands."""


@dataclass(frozen=True, eq=False)
class Logical(Joined):
    """Join tensors of 0 and 1 by `function`: "and", "or", "xor" of two, "not" of one."""

    function: str
    growth = "fixes"
    index_operands = (0, 1)

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise ModelError(
                "a logical function is not known",
                found=self.function,
                supported=", ".join(FUNCTIONS),
            )

    def _apply(self, *x: np.ndarray) -> np.ndarray:
        """Join integers or real numbers that are 0 and 1."""
        if len(x) != FUNCTIONS[self.function]:
            raise ModelError(
                f"a logical {self.function} joins the wrong number of tensors",
                found=len(x),
                supported=FUNCTIONS[self.function],
            )
        truths = [v != 0 for v in x]
        if self.function == "not":
            return np.asarray(~truths[0])
        joins = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}
        return np.asarray(joins[self.function](*truths))

    def join_types(self, *x: Intervals) -> Intervals:
        """Return 0 to 1, or what the operands decide already."""
        for kind in x:
            require_truth(kind, f"an operand of a logical {self.function}")
        if self.function in ("and", "or"):
            low, high = self._apply(*(v.lo for v in x)), self._apply(*(v.hi for v in x))
        else:
            fixed = np.all([v.lo == v.hi for v in x], axis=0)
            value = self._apply(*(v.lo for v in x))
            low, high = value & fixed, value | ~fixed
        return Intervals.of(low.astype(np.int64), high.astype(np.int64), 0)

    def join_real(self, *x: Reals) -> Reals:
        """Join real numbers; anything but 0 counts as 1."""
        return self._apply(*x).astype(np.float64)

    def join(self, *x: FixedArray) -> FixedArray:
        """Join integers."""
        return FixedArray(self._apply(*(v.q for v in x)).astype(np.int64), np.asarray(0))

    def join_signals(self, m: Module, *x: int) -> int:
        """Build one gate."""
        if self.function == "not":
            return m.not_(x[0])
        return self._gate(m, *(m.constant(m.lo[s]) if m.is_constant(s) else s for s in x))

    def _gate(self, m: Module, a: int, b: int) -> int:
        """Build a gate of two; a constant operand decides, or drops out."""
        for one, other in ((a, b), (b, a)):
            if m.is_constant(one):
                if self.function == "xor":
                    return m.not_(other) if m.lo[one] else other
                absorbs = m.lo[one] == (self.function == "or")
                return one if absorbs else other
        gates = {"and": m.and_, "or": m.or_, "xor": m.xor}
        return gates[self.function](a, b)

    def index_range(self, *shapes: tuple[int, ...]) -> tuple[int, int]:
        """Return the two truth values."""
        return 0, 1

    def pullback(self, xs: list[Reals], y: Reals) -> Pull | None:
        """Give each operand what a change of it does."""
        parts = [np.broadcast_to(pad_reals(v, y.ndim - 1) != 0, y.shape) for v in xs]
        if self.function == "not":
            return weighted([-np.ones(y.shape)], xs)
        changes = {"and": lambda v: v * 1.0, "or": lambda v: 1.0 - v, "xor": lambda v: 1.0 - 2 * v}
        return weighted([changes[self.function](v) for v in parts[::-1]], xs)

    def luts(self, y: Intervals, *x: Intervals) -> float | None:
        """Count a gate for each element."""
        return float(y.size)

    def float_bound(self, xs: list[Reals], es: list[Reals], y: Reals, u: float) -> Reals | None:
        """Return 1 where an operand may be the other truth value."""
        rank = y.ndim - 1
        parts = [pad_reals(e, rank) > 0 for e in es]
        return np.broadcast_to(np.any(np.broadcast_arrays(*parts), axis=0), y.shape) * 1.0
