"""What one step of a recurrent layer computes: the cells of SimpleRNN, LSTM and GRU.

Gates are computed as in Hochreiter and Schmidhuber (1997) with forget gates, and Cho et al.
(arXiv:1406.1078), whose two conventions of the reset gate are both there. The GRU's mixture
`z * h + (1 - z) * n` is computed as `n + z * (h - n)`: the same numbers with one product.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic

import numpy as np

from gatewright.frontends.recipes.emitter import Emitter, T
from gatewright.ir import Op, Reals
from gatewright.ops import (
    Add,
    Affine,
    Clip,
    Dense,
    Gather,
    Multiply,
    Subtract,
)
from gatewright.ops.elementwise import Unary

Ops = tuple[Op, ...]
"""Operations on one value, applied in order."""


@dataclass(frozen=True, eq=False)
class Product:
    """Multiply by a constant matrix.

    Attributes:
        weight: (n_in, n_out).
        bias: (n_out,), or None.
        scale: (n_out,): factors behind the product with integer codes; None for none.
    """

    weight: Reals
    bias: Reals | None = None
    scale: Reals | None = None

    def columns(self, order: np.ndarray | slice) -> Product:
        """Return the product with some of its columns."""
        parts = (None if v is None else v[order] for v in (self.bias, self.scale))
        return Product(self.weight[:, order], *parts)

    @property
    def ops(self) -> Ops:
        """Return the product as operations."""
        if self.scale is None:
            return (Dense.of(self.weight, self.bias),)
        bias = np.zeros(len(self.scale)) if self.bias is None else self.bias
        return (Dense.of(self.weight), Affine(np.asarray(self.scale, np.float64), bias))


class Steps(Generic[T]):
    """Appends the operations of one step after the other, with part and ties.

    Attributes:
        label: what tells this run from another in the same layer (a direction); "" for the only.
        step: number of the current step, in the order of computation.
    """

    def __init__(self, emitter: Emitter[T], label: str = "") -> None:
        self.emitter, self.label, self.step = emitter, label, 0
        self.roles: set[tuple[int, str]] = set()

    def emit(self, op: Op, *inputs: T, role: str) -> T:
        """Append an operation that every step has under the name `role`."""
        assert (self.step, role) not in self.roles, f"two operations of a step are {role!r}"
        self.roles.add((self.step, role))
        suffix = f"{self.label}{self.step}_{role}"
        part, tie = f"{self.label}step {self.step}", f"{self.label}{role}"
        return self.emitter.emit(op, *inputs, suffix=suffix, part=part, tie=tie)

    def chain(self, ops: Ops, x: T, role: str) -> T:
        """Append operations on one value."""
        for number, op in enumerate(ops):
            x = self.emit(op, x, role=f"{role}_{number}" if number else role)
        return x

    def cut(self, x: T, start: int, stop: int, role: str) -> T:
        """Return the elements from `start` to `stop` along the last axis."""
        axis = len(x.shape) - 1
        if (start, stop) == (0, x.shape[axis]):
            return x
        return self.emit(Gather.of(np.arange(start, stop), axis), x, role=role)


@dataclass(frozen=True, eq=False)
class Cell:
    """What one step computes.

    Attributes:
        kernel: product of an input (features,) that does not wait for the state.
        state: operations that every state goes through on its way to the next step.
    """

    kernel: Product
    state: Ops = field(default=(), kw_only=True)

    @property
    @abstractmethod
    def widths(self) -> tuple[int, ...]:
        """Return the lengths of the states, the output's first."""

    @abstractmethod
    def step(self, steps: Steps[T], x: T, states: Sequence[T]) -> tuple[T, ...]:
        """Append one step: from the input's product and the states to new states."""


@dataclass(frozen=True, eq=False)
class SimpleCell(Cell):
    """`h = activation(x @ kernel + h @ recurrent)`."""

    recurrent: Product
    activation: Ops

    @property
    def widths(self) -> tuple[int, ...]:
        """Return the length of the state."""
        return (self.recurrent.weight.shape[1],)

    def step(self, steps: Steps[T], x: T, states: Sequence[T]) -> tuple[T, ...]:
        """Append one step."""
        old = steps.chain(self.recurrent.ops, states[0], "recurrent")
        return (steps.chain(self.activation, steps.emit(Add(), x, old, role="sum"), "activation"),)


@dataclass(frozen=True, eq=False)
class LstmCell(Cell):
    """Long short-term memory. Columns of both products: input, forget, output gate, candidate.

    Attributes:
        gate, candidate, output: activations of the gates, of the candidate, of the cell's state.
        peephole: (3, units): what input, forget and output gate take of the cell's state.
        coupled: the forget gate is 1 minus the input gate (which then gives its columns in vain).
        projection: product of the output, which then has its length.
        clip: limit on what enters an activation of a gate or candidate; None for none.
    """

    recurrent: Product
    gate: Ops
    candidate: Ops
    output: Ops
    peephole: Reals | None = None
    coupled: bool = False
    projection: Product | None = None
    clip: float | None = None

    @property
    def units(self) -> int:
        """Return the length of the cell's state."""
        return int(self.recurrent.weight.shape[1]) // 4

    @property
    def widths(self) -> tuple[int, ...]:
        """Return the lengths of output and cell's state."""
        units = self.units
        return (units if self.projection is None else self.projection.weight.shape[1], units)

    def step(self, steps: Steps[T], x: T, states: Sequence[T]) -> tuple[T, ...]:
        """Append one step."""
        units, old_cell = self.units, states[1]
        old = steps.chain(self.recurrent.ops, states[0], "recurrent")
        total = steps.emit(Add(), x, old, role="sum")
        new = steps.chain(
            self.candidate, self._clipped(steps, steps.cut(total, 3 * units, 4 * units, "c"), "c"),
            "candidate",
        )  # fmt: skip
        gates = self._gates(steps, total, old_cell)
        forgotten = steps.emit(Multiply(), gates[1], old_cell, role="kept")
        taken = steps.emit(Multiply(), gates[0], new, role="taken")
        cell = steps.emit(Add(), forgotten, taken, role="cell")
        out_gate = gates[2] if len(gates) > 2 else self._out_gate(steps, total, cell)
        shown = steps.chain(self.output, cell, "shown")
        hidden = steps.emit(Multiply(), out_gate, shown, role="hidden")
        if self.projection is not None:
            hidden = steps.chain(self.projection.ops, hidden, "projection")
        return hidden, cell

    def _gates(self, steps: Steps[T], total: T, cell: T) -> list[T]:
        """Return input and forget gate, and the output gate where the new cell has no say in it."""
        units = self.units
        names = ("input", "forget", "output")
        if _apart(self.gate) and not self.coupled and self.peephole is None:
            joint = steps.cut(total, 0, 3 * units, "g")
            joint = steps.chain(self.gate, self._clipped(steps, joint, "g"), "gates")
            return [
                steps.cut(joint, k * units, (k + 1) * units, f"{name}_gate")
                for k, name in enumerate(names)
            ]
        gates: list[T] = []
        for k in range(3 if self.peephole is None else 2):
            if k == 1 and self.coupled:
                one = Affine(np.asarray(-1.0), np.asarray(1.0))
                gates.append(steps.emit(one, gates[0], role="forget"))
                continue
            x = steps.cut(total, k * units, (k + 1) * units, f"{names[k]}_sum")
            gates.append(self._one_gate(steps, x, cell, k, names[k]))
        return gates

    def _out_gate(self, steps: Steps[T], total: T, cell: T) -> T:
        x = steps.cut(total, 2 * self.units, 3 * self.units, "output_sum")
        return self._one_gate(steps, x, cell, 2, "output")

    def _one_gate(self, steps: Steps[T], x: T, cell: T, number: int, name: str) -> T:
        if self.peephole is not None:
            seen = Affine(self.peephole[number], np.asarray(0.0))
            seen_cell = steps.emit(seen, cell, role=f"{name}_seen")
            x = steps.emit(Add(), x, seen_cell, role=f"{name}_both")
        return steps.chain(self.gate, self._clipped(steps, x, name), f"{name}_gate")

    def _clipped(self, steps: Steps[T], x: T, role: str) -> T:
        return x if self.clip is None else steps.chain(_limit(self.clip), x, f"{role}_clipped")


@dataclass(frozen=True, eq=False)
class GruCell(Cell):
    """Gated recurrent unit. Columns of both products: update gate, reset gate, candidate.

    Attributes:
        gate, candidate: activations of the gates and of the candidate.
        reset_after: the reset gate multiplies the recurrent product, else the state before it.
        inner: operations on what the reset gate multiplies (after) or has multiplied (before).
        clip: limit on what enters an activation; None for none.
    """

    recurrent: Product
    gate: Ops
    candidate: Ops
    reset_after: bool = True
    inner: Ops = ()
    clip: float | None = None

    @property
    def widths(self) -> tuple[int, ...]:
        """Return the length of the state."""
        return (self.recurrent.weight.shape[1] // 3,)

    def step(self, steps: Steps[T], x: T, states: Sequence[T]) -> tuple[T, ...]:
        """Append one step."""
        (units,), h = self.widths, states[0]
        # Two products: the gates' sums need no rounding of their own, the candidate's may.
        for_gates = self.recurrent.columns(slice(0, 2 * units))
        for_new = self.recurrent.columns(slice(2 * units, 3 * units))
        old = steps.chain(for_gates.ops, h, "recurrent")
        total = steps.emit(Add(), steps.cut(x, 0, 2 * units, "g"), old, role="sum")
        update, reset = self._gates(steps, total)
        if self.reset_after:
            inner = steps.chain(self.inner, steps.chain(for_new.ops, h, "inner"), "inner_q")
            inner = steps.emit(Multiply(), reset, inner, role="reset")
        else:
            left = steps.chain(self.inner, steps.emit(Multiply(), reset, h, role="reset"), "left")
            inner = steps.chain(for_new.ops, left, "inner")
        fresh = steps.emit(Add(), steps.cut(x, 2 * units, 3 * units, "c"), inner, role="both")
        fresh = steps.chain(self.candidate, _clip(steps, self.clip, fresh, "both"), "candidate")
        change = steps.emit(Subtract(), h, fresh, role="change")
        change = steps.emit(Multiply(), update, change, role="kept")
        return (steps.emit(Add(), fresh, change, role="hidden"),)

    def _gates(self, steps: Steps[T], total: T) -> tuple[T, T]:
        (units,) = self.widths
        total = _clip(steps, self.clip, total, "sum")
        names = ("update", "reset")
        if _apart(self.gate):
            joint = steps.chain(self.gate, total, "gates")
            cuts = [
                steps.cut(joint, k * units, (k + 1) * units, f"{n}_gate")
                for k, n in enumerate(names)
            ]
        else:
            cuts = [
                steps.chain(
                    self.gate, steps.cut(total, k * units, (k + 1) * units, f"{n}_sum"), f"{n}_gate"
                )
                for k, n in enumerate(names)
            ]
        return cuts[0], cuts[1]


def _apart(ops: Ops) -> bool:
    """Say whether operations compute each element apart, so that gates may be computed as one."""
    return all(isinstance(op, Unary) for op in ops)


def _limit(clip: float) -> Ops:
    return (Clip(-clip, clip),)


def _clip(steps: Steps[T], clip: float | None, x: T, role: str) -> T:
    return x if clip is None else steps.chain(_limit(clip), x, f"{role}_clipped")
