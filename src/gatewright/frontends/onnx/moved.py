"""Operators on tensors whose batch is not the first axis, as recurrent nodes take and give them.

A sample never holds the batch, so that moving the batch alone is nothing: these handlers keep count
of where it stands. Every other operator refuses such a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.onnx import movement
from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Const, Operand, Value
from gatewright.ops import Concatenate, Gather, Reshape, Slice, Transpose

ELEMENTWISE = frozenset(
    [
        "Cast", "Celu", "Clip", "Cos", "Dropout", "Elu", "Erf", "Exp", "Gelu",
        "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "Mish",
        "Reciprocal", "Relu", "Selu", "Shrink", "Sigmoid", "Sin", "Softplus",
        "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu",
    ]
)  # fmt: skip
"""Operators on each element of one tensor, wherever the batch is."""


def has_moved(operands: Sequence[Operand | None]) -> bool:
    """Say whether an operand's batch is not its first axis."""
    return any(isinstance(operand, Value) and operand.batch for operand in operands)


def transpose(call: Call) -> Operand:
    """Permute axes, the batch among them."""
    if isinstance(call.operand(0, "data"), Const):
        return movement.transpose(call)
    x = call.value(0, "data")
    axes = call.attributes.integers("perm") or tuple(reversed(range(x.rank)))
    if sorted(axes) != list(range(x.rank)):
        raise ModelError("a permutation does not name every axis once", place=call.place)
    batch = axes.index(x.batch)
    order = tuple(_sample_axis(x, a) for a in axes if a != x.batch)
    flat = replace(x, batch=0)
    moved = flat if order == tuple(range(len(order))) else call.emit(Transpose(order), flat)
    return replace(moved, batch=batch)


def _sample_axis(x: Value, axis: int) -> int:
    """Return an ONNX axis, from 0, counted without the batch."""
    return axis - (axis > x.batch)


def _axis(call: Call, x: Value, axis: int) -> int:
    """Return an ONNX axis counted without the batch, which it must not be."""
    axis = call.axis(axis, x.rank)
    if axis == x.batch:
        raise call.unsupported(
            f"{call.node.op_type} works along the batch",
            found=f"axis {axis}",
            supported="the axes of one sample",
        )
    return _sample_axis(x, axis)


def squeeze(call: Call) -> Operand:
    """Drop axes of length 1, but never the batch."""
    axes, x = movement._axes(call), call.value(0, "data")
    if axes is None:
        raise call.unsupported("a Squeeze names no axes", supported="axes given")
    drop = {_axis(call, x, a) for a in axes}
    if any(x.shape[a] != 1 for a in drop):
        raise call.unsupported("a Squeeze drops an axis longer than 1", found=f"{axes}")
    shape = tuple(n for a, n in enumerate(x.shape) if a not in drop)
    before = sum(call.axis(a, x.rank) < x.batch for a in axes)
    value = call.emit(Reshape(shape), replace(x, batch=0))
    return replace(value, batch=x.batch - before)


def unsqueeze(call: Call) -> Operand:
    """Insert axes of length 1."""
    axes, x = movement._axes(call), call.value(0, "data")
    if axes is None:
        raise call.unsupported("an Unsqueeze names no axes")
    rank = x.rank + len(axes)
    new = {call.axis(a, rank) for a in axes}
    old = iter([*x.shape[: x.batch], None, *x.shape[x.batch :]])
    full = [1 if a in new else next(old) for a in range(rank)]
    batch = full.index(None)
    shape = tuple(n for n in full if n is not None)
    return replace(call.emit(Reshape(shape), replace(x, batch=0)), batch=batch)


def reshape(call: Call) -> Operand:
    """Reshape what stands before and behind the batch, each part on its own."""
    x, wanted = call.value(0, "data"), list(call.whole_numbers(1, "shape"))
    if call.attributes.flag("allowzero", False) and 0 in wanted:
        raise call.unsupported("a Reshape makes a tensor empty", found=wanted)
    full = [*x.shape[: x.batch], None, *x.shape[x.batch :]]
    head, tail = x.shape[: x.batch], x.shape[x.batch :]
    given = [full[k] if n == 0 and k < len(full) else n for k, n in enumerate(wanted)]
    for batch in range(len(given)):
        # The batch: copied by a 0, left open by a -1, or the 1 of a model with a batch of 1.
        if not (given[batch] in (None, -1) or (given[batch] == 1 and call.builder.fixed_batch)):
            continue
        first, last = _fill(given[:batch], head), _fill(given[batch + 1 :], tail)
        if first is not None and last is not None:
            value = call.emit(Reshape((*first, *last)), replace(x, batch=0))
            return replace(value, batch=batch)
    raise call.unsupported(
        "a Reshape mixes the batch with other axes",
        found=f"{wanted} of a tensor whose batch is axis {x.batch}, sample {x.shape}",
        supported="shapes that keep the batch, and the axes on either side of it",
    )


def _fill(wanted: list[int | None], lengths: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return lengths with one -1 filled in; None where their product is not kept."""
    if None in wanted or wanted.count(-1) > 1:
        return None
    known = int(np.prod([n for n in wanted if n is not None and n > 0]))
    total = int(np.prod(lengths))
    if total % known:
        return None
    shape = tuple(total // known if n == -1 else int(n or 0) for n in wanted)
    return shape if int(np.prod(shape)) == total else None


def gather(call: Call) -> Operand:
    """Take elements at constant positions."""
    x = call.value(0, "data")
    axis = _axis(call, x, call.attributes.integer("axis", 0))
    indices = call.const(1, "indices").array
    length = x.shape[axis]
    if indices.dtype.kind not in "iu" or (indices < -length).any() or (indices >= length).any():
        raise ModelError("a Gather's indices are out of range", place=call.place)
    value = call.emit(Gather.of(np.asarray(indices) % length, axis), replace(x, batch=0))
    grown = x.batch + (indices.ndim - 1 if axis < x.batch else 0)
    return replace(value, batch=grown)


def slice_(call: Call) -> Operand:
    """Take a part of a tensor."""
    starts, ends, axes, steps = movement._slice_arguments(call)
    x = call.value(0, "data")
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise call.unsupported("a Slice is malformed", found=(starts, ends, axes, steps))
    parts: list[tuple[int | None, int | None, int | None]] = [(None, None, None)] * len(x.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        at = _axis(call, x, axis)
        parts[at] = movement._bounds(start, end, step, x.shape[at])
    return replace(call.emit(Slice(tuple(parts)), replace(x, batch=0)), batch=x.batch)


def concat(call: Call) -> Operand:
    """Join tensors whose batches stand at the same axis."""
    values = [call.value(k, "data") for k in range(len(call.operands))]
    x = values[0]
    if any(value.batch != x.batch or value.rank != x.rank for value in values):
        raise call.unsupported("tensors are joined whose batches stand at different axes")
    axis = _axis(call, x, call.attributes.integer("axis", 0))
    flat = [replace(value, batch=0) for value in values]
    return replace(call.emit(Concatenate(axis), *flat), batch=x.batch)


def elementwise(
    handler: Callable[[Call], Operand | Sequence[Operand]],
) -> Callable[[Call], Operand]:
    """Return a handler that leaves the batch where it is."""

    def build(call: Call) -> Operand:
        batch = call.value(0, "X").batch
        call.operands[0] = replace(call.value(0, "X"), batch=0)
        found = handler(call)
        first = found if isinstance(found, Value) else found[0]  # type: ignore[index]
        assert isinstance(first, Value)
        return replace(first, batch=batch)

    return build


HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "Concat": concat,
    "Gather": gather,
    "Reshape": reshape,
    "Slice": slice_,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
"""Operators that move elements."""

RECURRENT = frozenset(["GRU", "LSTM", "RNN"])
"""Operators that say themselves where they want the batch."""
