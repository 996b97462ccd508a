"""An emitter that computes at once, so that a recipe can be compared with NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gatewright.ir import Op


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor and its numbers, batch first."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape[1:]


@dataclass
class Eager:
    """Appends operations by computing them; remembers which."""

    ops: list[Op] = field(default_factory=list)

    def emit(
        self, op: Op, *inputs: Value, suffix: str = "", part: str = "", tie: str = ""
    ) -> Value:
        self.ops.append(op)
        return Value(op.real(*(value.array for value in inputs)))
