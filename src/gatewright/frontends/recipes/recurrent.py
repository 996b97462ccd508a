"""Recurrent layers, unrolled over their (fixed) number of steps: SimpleRNN, LSTM and GRU.

The products of all inputs with the input matrix are one dense operation, whose rows are instances
of one module. Each step is a part of its own; its operations have the ties of every other step's,
so that quantization gives them one set of constants and formats, and steps that see the same types
become instances of one module. A state that begins at zero is fed as a constant: lowering folds it,
so that the first step costs no recurrent product, at the price of a second, smaller module.

Gates are computed as in Hochreiter and Schmidhuber (1997) with forget gates, and Cho et al.
(arXiv:1406.1078), whose two conventions of the reset gate are both there. The GRU's mixture
`z * h + (1 - z) * n` is computed as `n + z * (h - n)`: the same numbers with one product.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic

import numpy as np

from gatewright.frontends.recipes.emitter import Emitter, T
from gatewright.ir import Op, Reals
from gatewright.ops import (
    Add,
    Affine,
    Clip,
    Concatenate,
    Constant,
    Dense,
    Gather,
    Multiply,
    Quantize,
    Reshape,
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


@dataclass(frozen=True, eq=False)
class Run(Generic[T]):
    """What a recurrent layer gives.

    Attributes:
        outputs: of each step, in the order of computation.
        states: after the last step.
    """

    outputs: tuple[T, ...]
    states: tuple[T, ...]


def recurrent(
    emitter: Emitter[T],
    cell: Cell,
    x: T,
    initial: Sequence[T | None] = (),
    *,
    backwards: bool = False,
    label: str = "",
) -> Run[T]:
    """Append a recurrent layer.

    Args:
        emitter: the call of the layer.
        cell: what a step computes.
        x: of shape (steps, features).
        initial: the states before the first step; none, or None, for zeros.
        backwards: begin with the last input.
        label: what to call this run within the layer, if there are several.

    Returns:
        Outputs (units,) of all steps, and the last states (which a state's operations have not
        gone through yet).
    """
    count = x.shape[0]
    # A name is a layer's first word for its modules: "inputs" are computed by one for all steps.
    product = x
    for number, op in enumerate(cell.kernel.ops):
        name = f"{label}inputs_{number}" if number else f"{label}inputs"
        product = emitter.emit(op, product, suffix=name, part=f"{label}inputs", tie=name)
    steps = Steps(emitter, label)
    given = tuple(initial) or (None,) * len(cell.widths)
    states = [
        _first(steps, cell, x, state, n, k)
        for k, (state, n) in enumerate(zip(given, cell.widths, strict=True))
    ]
    outputs: list[T] = []
    fresh: tuple[T, ...] = ()
    for number in range(count):
        steps.step = number
        at = count - 1 - number if backwards else number
        row = steps.emit(Gather.of(at, 0), product, role="row")
        fresh = cell.step(steps, row, states)
        outputs.append(fresh[0])
        if number + 1 < count:
            states = [
                steps.chain(_whole(cell.state), value, f"state{k}") for k, value in enumerate(fresh)
            ]
    return Run(tuple(outputs), fresh)


def _first(steps: Steps[T], cell: Cell, x: T, state: T | None, width: int, number: int) -> T:
    """Return a state before the first step."""
    if state is not None:
        return steps.chain(cell.state, state, f"initial{number}")
    zeros: Reals = np.zeros((1, width))
    for op in cell.state:
        zeros = op.real(zeros)
    return steps.emitter.emit(Constant(zeros[0]), x, suffix=f"{steps.label}initial{number}")


def _whole(ops: Ops) -> Ops:
    """Return operations of which a last quantizer states its whole format; see `Quantize`."""
    if ops and isinstance(ops[-1], Quantize):
        return (*ops[:-1], replace(ops[-1], whole=True))
    return ops


def sequence(emitter: Emitter[T], outputs: Sequence[T], label: str = "") -> T:
    """Return values of all steps (units,) as one of shape (steps, units), in the order given."""
    joined = outputs[0]
    if len(outputs) > 1:
        joined = emitter.emit(Concatenate(0), *outputs, suffix=f"{label}joined")
    shape = (len(outputs), *outputs[0].shape)
    return emitter.emit(Reshape(shape), joined, suffix=f"{label}sequence")


MERGES = ("sum", "mul", "ave", "concat")


def merge(emitter: Emitter[T], mode: str, forward: T, backward: T) -> T:
    """Join what both directions of a layer give: one of `MERGES`."""
    if mode == "concat":
        return emitter.emit(Concatenate(len(forward.shape) - 1), forward, backward)
    if mode == "mul":
        return emitter.emit(Multiply(), forward, backward)
    total = emitter.emit(Add(), forward, backward, suffix="" if mode == "sum" else "total")
    if mode == "sum":
        return total
    return emitter.emit(Affine(np.asarray(0.5), np.asarray(0.0)), total)
