"""Operators that move elements, of values and of constants; softmax and argmax along an axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.linear import moved
from gatewright.frontends.onnx.operand import BATCH, Array, Codes, Const, Operand, Value
from gatewright.frontends.onnx.tensors import FLOATS, INTEGERS, type_name
from gatewright.num import Overflow, Rounding
from gatewright.ops import (
    Compare,
    Concatenate,
    Constant,
    Quantize,
    Reshape,
    Slice,
    Softmax,
    Transpose,
)

Move = Callable[[Array], Array]


def _reshaped(call: Call, x: Value, shape: tuple[int, ...]) -> Value:
    return x if x.shape == shape else call.emit(Reshape(shape), x)


def _fold(call: Call, const: Const, move: Move) -> Const:
    try:
        return moved(const, move)
    except ValueError as error:
        raise call.unsupported(
            f"{call.node.op_type} does not fit a constant", found=f"shape {const.shape}: {error}"
        ) from None


def identity(call: Call) -> Operand:
    """Return the operand itself."""
    return call.operand(0, "input")


def dropout(call: Call) -> Operand:
    """Return the operand itself: at inference nothing is dropped."""
    call.attributes.ignore("ratio", "seed")
    call.optional_const(1, "ratio")
    training = call.optional_const(2, "training_mode")
    if training is not None and training.array.any():
        raise call.unsupported("a Dropout is in training mode")
    return call.operand(0, "data")


def cast(call: Call) -> Operand:
    """Return the operand where real numbers stay; cut fractions off, or ask for other than 0."""
    to = call.attributes.integer("to", 0)
    call.attributes.ignore("saturate", "round_mode")  # they speak of 8-bit floats
    x = call.operand(0, "input")
    if isinstance(x, Const) and x.scale is None and type_name(to) == "BOOL":
        return Const(x.array != 0)
    if isinstance(x, Const) and x.scale is None and x.array.dtype != np.int64:
        if type_name(to) in ("FLOAT", "DOUBLE"):
            return Const(x.array.astype(FLOATS[to]))
    elif isinstance(x, Const) and x.scale is None:
        if type_name(to) in ("FLOAT", "DOUBLE"):
            return Const(x.array.astype(FLOATS[to]))
        if to in INTEGERS and x.array.size == np.sum(
            (x.array >= INTEGERS[to][0]) & (x.array <= INTEGERS[to][1])
        ):
            return Const(x.array, None, to)
    elif isinstance(x, Value):
        if type_name(to) in ("FLOAT", "DOUBLE"):
            return Value(x.name, x.shape)
        if type_name(to) in ("INT32", "INT64"):
            cut = Quantize.to(True, 32, 0, Rounding.TRN_ZERO, Overflow.SAT)
            return x if x.integer else replace(call.emit(cut, x), integer=True)
        if type_name(to) == "BOOL":
            zero = call.emit(Constant(np.zeros((1,) * len(x.shape))), x, suffix="zero")
            return replace(call.emit(Compare("not_equal"), x, zero), integer=True)
    raise call.unsupported(
        "a Cast changes numbers",
        found=f"to {type_name(to)}",
        supported="FLOAT, DOUBLE, INT32, INT64, BOOL",
        remedy="quantize with Quant or QuantizeLinear nodes",
    )


def reshape(call: Call) -> Operand:
    """Give the elements of a sample another shape; the batch stays first."""
    x, target = call.operand(0, "data"), call.whole_numbers(1, "shape")
    keep_zero = call.attributes.flag("allowzero", False)
    if isinstance(x, Const):
        shape = tuple(
            x.shape[i] if n == 0 and not keep_zero and i < len(x.shape) else n
            for i, n in enumerate(target)
        )
        return _fold(call, x, lambda a: a.reshape(shape))
    x = call.value(0, "data")
    if keep_zero and 0 in target:
        raise call.unsupported("a Reshape makes an empty tensor", found=target)
    return _reshaped(call, x, _sample_shape(call, x, target))


def _sample_shape(call: Call, x: Value, target: tuple[int, ...]) -> tuple[int, ...]:
    """Return a Reshape's target without the batch, with -1 resolved."""
    old = (-2, *x.shape)  # -2 stands for the batch
    target = tuple(-2 if n == BATCH and i == 0 else n for i, n in enumerate(target))
    shape = [old[i] if n == 0 and i < len(old) else n for i, n in enumerate(target)]
    size = int(np.prod(x.shape))
    if (
        shape
        and shape[0] == -1
        and int(np.prod(shape[1:])) == size
        and min(shape[1:], default=1) > 0
    ):
        shape[0] = -2
    if shape and shape[0] == 1 and call.builder.fixed_batch:
        shape[0] = -2
    rest = shape[1:]
    known = int(np.prod([n for n in rest if n != -1]))
    if rest.count(-1) == 1 and known > 0 and size % known == 0:
        rest[rest.index(-1)] = size // known
    if not shape or shape[0] != -2 or any(n < 1 for n in rest) or int(np.prod(rest)) != size:
        raise call.unsupported(
            "a Reshape moves elements between samples",
            found=f"(batch, {', '.join(map(str, x.shape))}) to {target}",
            supported="shapes whose first length is the batch (0, or -1 where the rest is known)",
            remedy="export with a symbolic batch axis and keep it first",
        )
    return tuple(rest)


def flatten(call: Call) -> Operand:
    """Make a matrix of a tensor, cut at an axis."""
    axis = call.attributes.integer("axis", 1)
    x = call.operand(0, "input")
    if isinstance(x, Const):
        cut = axis if axis >= 0 else axis + len(x.shape)
        return _fold(call, x, lambda a: a.reshape(int(np.prod(a.shape[:cut])), -1))
    x = call.value(0, "input")
    cut = axis if axis >= 0 else axis + x.rank
    if cut < 1 or any(n != 1 for n in x.shape[: cut - 1]):
        raise call.unsupported(
            "a Flatten joins other axes with the batch",
            found=f"axis {axis} of (batch, {', '.join(map(str, x.shape))})",
            supported="axis 1",
        )
    return _reshaped(call, x, (int(np.prod(x.shape)),))


def _axes(call: Call, what: str = "axes") -> tuple[int, ...] | None:
    """Return axes from the attribute (before opset 13) or the second input."""
    if call.opset < 13:
        return call.attributes.integers("axes")
    return None if call.optional(1) is None else call.whole_numbers(1, what)


def squeeze(call: Call) -> Operand:
    """Drop axes of length 1."""
    axes, x = _axes(call), call.operand(0, "data")
    if isinstance(x, Const):
        return _fold(call, x, lambda a: a.squeeze(axes))
    x = call.value(0, "data")
    if axes is None:
        raise call.unsupported(
            "a Squeeze names no axes, so that a batch of one would vanish too",
            supported="axes given, without the batch",
        )
    drop = {call.sample_axis(a, x.rank) for a in axes}
    if any(x.shape[a] != 1 for a in drop):
        raise call.unsupported(
            "a Squeeze drops an axis longer than 1", found=f"{axes} of {x.shape}"
        )
    return _reshaped(call, x, tuple(n for a, n in enumerate(x.shape) if a not in drop))


def unsqueeze(call: Call) -> Operand:
    """Insert axes of length 1."""
    axes, x = _axes(call), call.operand(0, "data")
    if axes is None:
        raise call.unsupported("an Unsqueeze names no axes")
    if isinstance(x, Const):
        return _fold(call, x, lambda a: np.expand_dims(a, axes))
    x = call.value(0, "data")
    rank = x.rank + len(axes)
    new = {call.sample_axis(a, rank) for a in axes}
    if len(new) != len(axes):
        raise call.unsupported("an Unsqueeze names an axis twice", found=axes)
    lengths = iter(x.shape)
    return _reshaped(call, x, tuple(1 if a in new else next(lengths) for a in range(rank - 1)))


def concat(call: Call) -> Operand:
    """Join tensors along an axis."""
    axis = call.attributes.integer("axis", 1)
    operands = [call.operand(i, "inputs") for i in range(len(call.operands))]
    if all(isinstance(o, Const) for o in operands):
        return _joined(call, [o for o in operands if isinstance(o, Const)], axis)
    rank = max(o.rank for o in operands if not isinstance(o, Const))
    parts = []
    for i, operand in enumerate(operands):
        if isinstance(operand, Const):
            if not call.builder.fixed_batch or len(operand.shape) != rank:
                raise call.unsupported(
                    "a Concat joins a constant to a batch", found=f"shape {operand.shape}"
                )
            values = Constant(call.sample(operand.reals(), rank))
            parts.append(call.emit(values, call.builder.first))
        else:
            parts.append(call.value(i, "inputs"))
    if any(part.rank != rank for part in parts):
        raise call.unsupported("a Concat joins different ranks", found=[p.shape for p in parts])
    return call.emit(Concatenate(call.sample_axis(axis, rank)), *parts)


def _joined(call: Call, parts: list[Const], axis: int) -> Const:
    if any(part.scale is not None for part in parts):
        raise call.unsupported("a Concat joins quantized constants")
    try:
        return Const(np.concatenate([part.array for part in parts], axis))
    except ValueError as error:
        raise call.unsupported("a Concat does not fit constants", found=error) from None


def transpose(call: Call) -> Operand:
    """Permute axes; the batch stays first."""
    axes = call.attributes.integers("perm")
    x = call.operand(0, "data")
    if isinstance(x, Const):
        return _fold(call, x, lambda a: a.transpose(axes))
    x = call.value(0, "data")
    axes = tuple(reversed(range(x.rank))) if axes is None else axes
    if sorted(axes) != list(range(x.rank)) or axes[0] != 0:
        raise call.unsupported(
            "a Transpose moves the batch", found=axes, supported="permutations that keep axis 0"
        )
    order = tuple(a - 1 for a in axes[1:])
    return x if order == tuple(range(len(order))) else call.emit(Transpose(order), x)


def slice_(call: Call) -> Operand:
    """Take a part of a tensor."""
    starts, ends, axes, steps = _slice_arguments(call)
    x = call.operand(0, "data")
    rank = len(x.shape) if isinstance(x, Const) else x.rank
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise call.unsupported("a Slice is malformed", found=(starts, ends, axes, steps))
    parts: list[tuple[int | None, int | None, int | None]] = [(None, None, None)] * rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = call.axis(axis, rank)
        whole = start == 0 and end >= (1 << 31) - 1 and step == 1
        if not isinstance(x, Const) and axis == 0 and not whole:
            raise call.unsupported("a Slice cuts the batch", supported="axes of one sample")
        length = (
            x.shape[axis] if isinstance(x, Const) else (None, *call.value(0, "data").shape)[axis]
        )
        parts[axis] = (None, None, None) if length is None else _bounds(start, end, step, length)
    if isinstance(x, Const):
        return _fold(call, x, lambda a: a[tuple(slice(*part) for part in parts)])
    return call.emit(Slice(tuple(parts[1:])), call.value(0, "data"))


def _bounds(start: int, end: int, step: int, length: int) -> tuple[int, int | None, int]:
    """Return ONNX's start, end and step as Python means them.

    ONNX counts negative positions from the end, then clamps; Python's end before the first
    element, going backwards, is None.
    """
    start, end = (n + length if n < 0 else n for n in (start, end))
    if step > 0:
        return min(max(start, 0), length), min(max(end, 0), length), step
    end = min(max(end, -1), length - 1)
    return min(max(start, 0), length - 1), None if end < 0 else end, step


def _slice_arguments(
    call: Call,
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...] | None, tuple[int, ...] | None]:
    if call.opset < 10:
        starts, ends = call.attributes.integers("starts"), call.attributes.integers("ends")
        return starts or (), ends or (), call.attributes.integers("axes"), None
    axes = None if call.optional(3) is None else call.whole_numbers(3, "axes")
    steps = None if call.optional(4) is None else call.whole_numbers(4, "steps")
    return call.whole_numbers(1, "starts"), call.whole_numbers(2, "ends"), axes, steps


def softmax(call: Call) -> Operand:
    """Normalise exponentials along an axis; before opset 13 along all axes from it."""
    x = call.value(0, "input")
    axis = call.attributes.integer("axis", 1 if call.opset < 13 else -1)
    first = call.sample_axis(axis, x.rank)
    last = len(x.shape) - 1
    if call.opset < 13 and first != last:
        flat = (*(1,) * 0, int(np.prod(x.shape[:first])), int(np.prod(x.shape[first:])))
        if first:
            raise call.unsupported(
                "a Softmax before opset 13 joins axes with the batch",
                found=f"axis {axis} of (batch, {', '.join(map(str, x.shape))})",
                supported="axis 1, or the last axis",
            )
        return _reshaped(call, call.emit(Softmax(), _reshaped(call, x, flat[1:])), x.shape)
    if first == last:
        return call.emit(Softmax(), x)
    swap = list(range(len(x.shape)))
    swap[first], swap[last] = last, first
    turned = call.emit(Softmax(), call.emit(Transpose(tuple(swap)), x))
    return call.emit(Transpose(tuple(swap)), turned)


def constant(call: Call) -> Operand:
    """Return the constant that the node holds; tensors are read by the caller."""
    for name, read in (
        ("value_float", lambda n: np.asarray(call.attributes.number(n, 0.0), np.float32)),
        ("value_int", lambda n: np.asarray(call.attributes.integer(n, 0), np.int64)),
        ("value_floats", lambda n: np.asarray(call.attributes.numbers(n), np.float32)),
        ("value_ints", lambda n: np.asarray(call.attributes.integers(n), np.int64)),
    ):
        if call.attributes.has(name):
            array = read(name)
            if not np.isfinite(array).all():
                raise call.unsupported("a constant is NaN or infinite")
            return Const(array)
    raise call.unsupported(
        "a Constant holds no plain tensor",
        supported="value, value_float, value_floats, value_int, value_ints",
    )


__all__ = [
    "Codes", "cast", "concat", "constant", "dropout", "flatten", "identity", "reshape",
    "slice_", "softmax", "squeeze", "transpose", "unsqueeze",
]  # fmt: skip
