"""Recurrent layers, unrolled over their (fixed) number of steps: SimpleRNN, LSTM and GRU.

The products of all inputs with the input matrix are one dense operation, whose rows are instances
of one module. Each step is a part of its own; its operations have the ties of every other step's,
so that quantization gives them one set of constants and formats, and steps that see the same types
become instances of one module. A state that begins at zero is fed as a constant: lowering folds it,
so that the first step costs no recurrent product, at the price of a second, smaller module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic

import numpy as np

from gatewright.frontends.recipes.emitter import Emitter, T
from gatewright.frontends.recipes.recurrent_cells import (
    Cell,
    GruCell,
    LstmCell,
    Ops,
    Product,
    SimpleCell,
    Steps,
)
from gatewright.ir import Reals
from gatewright.ops import Add, Affine, Concatenate, Constant, Gather, Multiply, Quantize, Reshape

__all__ = [
    "MERGES",
    "Cell",
    "GruCell",
    "LstmCell",
    "Ops",
    "Product",
    "Run",
    "SimpleCell",
    "merge",
    "recurrent",
    "sequence",
]


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
    product = x
    for number, op in enumerate(cell.kernel.ops):
        name = f"{label}inputs_{number}" if number else f"{label}inputs"
        product = emitter.emit(op, product, suffix=name, tie=name)
    steps = Steps(emitter, label)
    given = tuple(initial) or (None,) * len(cell.widths)
    states = [
        _first(steps, cell, product, state, n, k)
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
