"""Operators that move elements: shapes, axes, parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np
import torch

from gatewright.frontends.torch.call import NARROW, Call
from gatewright.frontends.torch.operand import Codes, Const, Operand, Value
from gatewright.frontends.torch.scatter import moved_by_torch
from gatewright.ops import Compare, Concatenate, Gather, Pad, Slice

Part = tuple[int | None, int | None, int | None]


def identity(call: Call) -> Operand:
    """Return the operand itself."""
    call.ignore(
        "memory_format",
        "dtype",
        "layout",
        "device",
        "pin_memory",
        "non_blocking",
        "copy",
        "implicit",
    )
    return call.raw("self")


def convert(call: Call) -> Operand:
    """Return the operand where another type of numbers changes none of its values."""
    call.ignore("memory_format", "layout", "device", "pin_memory", "non_blocking", "copy")
    x = call.value("self")
    dtype = call.real_type(x)
    if dtype is torch.bool and x.kind == "integer":
        zero = call.constant(np.zeros((1,) * len(x.shape)), x, "zero")
        return call.emit(Compare("not_equal"), x, zero)
    if dtype in NARROW and x.kind == "integer":
        raise call.unsupported(
            "a conversion to short integers drops their upper bits",
            found=str(dtype),
            supported="int64, int32, float32, float64, bool",
            remedy="keep whole numbers in int64",
        )
    return x


def dropout(call: Call) -> Operand:
    """Return the operand: nothing is dropped at inference."""
    train = call.flag("train")
    if train and call.number("p"):
        raise call.unsupported(
            "a dropout is active", found=f"p {call.number('p'):g}", remedy="export module.eval()"
        )
    call.ignore("p", "input")
    result = call.value("input")
    return (result, None) if call.operator.startswith("aten.native_dropout") else result


def reshaped(call: Call) -> Operand:
    """Give the elements another shape, in order; the batch keeps its place among them."""
    call.ignore(*call.given)
    operand = call.operand("self")
    if isinstance(operand, Codes):
        return replace(operand, value=view(call, operand.value, call.shapes[0]))
    return view(call, call.value("self"), call.shapes[0])


def view(call: Call, x: Value, target: tuple[int, ...]) -> Value:
    """Return `x` in another of PyTorch's shapes (with the batch's length in it).

    Raises:
        UnsupportedError: the batch would not stay one stride: elements of several samples meet.
    """
    if x.batch is None:
        return call.reshape(x, target)
    before = prod(x.shape[: x.batch + (1 if x.joined else 0)])
    after = prod(x.shape) // before
    candidates = []
    for axis, length in enumerate(target):
        lead, trail = prod(target[:axis]), prod(target[axis + 1 :])
        if lead and trail and before % lead == 0 and after % trail == 0:
            outer, inner = before // lead, after // trail
            if length == outer * call.builder.batch * inner:
                # A batch of 1 fits in several places: the one that joins least, nearest to before.
                candidates.append((outer * inner, abs(axis - x.batch), axis, outer, inner))
    found = min(candidates, default=None)
    if found is None:
        raise call.unsupported(
            f"{call.operator} moves elements between samples",
            found=f"{x} to {target} with {call.builder.batch} for the batch",
            supported="shapes that keep the batch, or join it with axes next to it",
        )
    *_, axis, outer, inner = found
    apart = (outer, inner) != (1, 1)
    own = (outer, inner) if apart else ()
    result = call.reshape(x, (*target[:axis], *own, *target[axis + 1 :]), "")
    return replace(result, batch=axis, joined=apart)


def permuted(call: Call, x: Value, axes: tuple[int, ...]) -> Value:
    """Permute PyTorch's axes; the batch may move."""
    if x.batch is None:
        return call.transpose(x, axes, "")
    own = (x.batch, x.batch + 1) if x.joined else ()
    groups = {a: own if a == x.batch else (call_axis(x, a),) for a in axes}
    order = tuple(a for axis in axes for a in groups[axis])
    return replace(call.transpose(x, order, ""), batch=axes.index(x.batch))


def call_axis(x: Value, axis: int) -> int:
    """Return the sample's axis of one of PyTorch's that is not the batch's."""
    assert x.batch is not None
    return axis if axis < x.batch else axis + 1 if x.joined else axis - 1


def permute(call: Call) -> Operand:
    """Permute axes."""
    x = call.value("self")
    return permuted(call, x, tuple(call.axis(a, x.rank) for a in call.integers("dims")))


def transpose(call: Call) -> Operand:
    """Exchange two axes."""
    x = call.value("self")
    a, b = (call.axis(call.integer(n), x.rank) for n in ("dim0", "dim1"))
    axes = list(range(x.rank))
    axes[a], axes[b] = b, a
    return permuted(call, x, tuple(axes))


def turned_matrix(call: Call) -> Operand:
    """Exchange the last two axes, of a matrix both."""
    x = call.value("self")
    axes = list(range(x.rank))
    axes[-2:] = axes[-2:][::-1]
    return permuted(call, x, tuple(axes))


def expand(call: Call) -> Operand:
    """Repeat axes of length 1, and put new ones in front."""
    x, target = call.value("self"), call.shapes[0]
    call.ignore("size", "implicit", "other")
    new = len(target) - x.rank
    if new:
        shape = (1,) * new + x.shape
        batch = None if x.batch is None else x.batch + new
        x = replace(call.reshape(x, shape, "new_axes"), batch=batch, joined=x.joined)
    for axis, length in enumerate(target):
        if axis == x.batch:
            if x.full_shape(call.builder.batch)[axis] != length:
                raise call.unsupported("an expansion repeats the batch", found=f"{x} to {target}")
            continue
        at = call.sample_axis(axis, x)
        if x.shape[at] != length:
            x = call.emit(Gather.of(np.zeros(length, np.int64), at), x, suffix="repeated")
    return x


def cat(call: Call) -> Operand:
    """Join tensors along an axis."""
    parts = [
        p for p in call.operand("tensors") if not (isinstance(p, Const) and not p.tensor.numel())
    ]
    return joined_along(call, parts, call.integer("dim") if call.has("dim") else 0)


def joined_along(call: Call, parts: list[Operand], dim: int) -> Value:
    """Join values, and constants that are the same for all samples."""
    values = [p for p in parts if isinstance(p, Value)]
    first = values[0]
    axis = call.sample_axis(dim, first)
    if any((v.rank, v.batch, v.joined) != (first.rank, first.batch, first.joined) for v in values):
        raise call.unsupported(
            "tensors to join have their batch on different axes",
            found=" and ".join(map(str, values)),
        )
    ready = [
        p
        if isinstance(p, Value)
        else call.constant(call.sample(call.finite(p.reals(), "a part"), first), first)
        for p in parts
    ]
    return call.emit(Concatenate(axis), *ready) if len(ready) > 1 else ready[0]


def stack(call: Call) -> Operand:
    """Join tensors along a new axis."""
    parts, dim = list(call.operand("tensors")), call.integer("dim")
    first = next(p for p in parts if isinstance(p, Value))
    axis = call.axis(dim, first.rank + 1)
    ready: list[Operand] = []
    for part in parts:
        if isinstance(part, Value):
            full = part.full_shape(call.builder.batch)
            ready.append(_unsqueezed(call, part, axis, (*full[:axis], 1, *full[axis:])))
        else:
            ready.append(Const(part.tensor.unsqueeze(axis)))
    return joined_along(call, ready, axis)


def _unsqueezed(call: Call, x: Value, axis: int, full: tuple[int, ...]) -> Value:
    if x.batch is None or x.joined:
        return view(call, x, full)
    batch = x.batch + 1 if axis <= x.batch else x.batch
    shape = (*full[:batch], *full[batch + 1 :])
    return replace(call.reshape(x, shape, "new_axis"), batch=batch)


def taken(
    call: Call, x: Value, axis: int, start: int | None, stop: int | None, step: int = 1,
    suffix: str = "",
) -> Value:  # fmt: skip
    """Take a part of a sample along one of its axes."""
    parts: list[Part] = [(None, None, None)] * len(x.shape)
    parts[axis] = (start, stop, step)
    return call.emit(Slice(tuple(parts)), x, suffix=suffix)


def picked(call: Call, x: Value, dim: int, index: int) -> Value:
    """Take one position along an axis of PyTorch's, and drop the axis."""
    at, full = call.sample_axis(dim, x), call.axis(dim, x.rank)
    length = x.shape[at]
    if not -length <= index < length:
        raise call.unsupported("an index is out of range", found=f"{index} of {length}")
    parts: list[Part] = [(None, None, None)] * len(x.shape)
    parts[at] = (index % length, index % length + 1, 1)
    result = call.emit(Slice(tuple(parts), (at,)), x)
    batch = x.batch if x.batch is None or x.batch < full else x.batch - 1
    return replace(result, batch=batch)


def slice_(call: Call) -> Operand:
    """Take a part of a tensor along one axis."""
    x, dim = call.value("self"), call.axis(call.integer("dim"), call.value("self").rank)
    start, end, step = (call.operand(n) for n in ("start", "end", "step"))
    length = x.full_shape(call.builder.batch)[dim]
    first, stop, stride = slice(start, end, step).indices(length)
    if (first, stop, stride) == (0, length, 1):
        return x
    return taken(call, x, call.sample_axis(dim, x), first, stop, stride)


def select(call: Call) -> Operand:
    """Take one position along an axis."""
    return picked(call, call.value("self"), call.integer("dim"), call.integer("index"))


def unbind(call: Call) -> Operand:
    """Take every position along an axis."""
    x, dim = call.value("self"), call.integer("dim")
    return tuple(picked(call, x, dim, i) for i in range(x.shape[call.sample_axis(dim, x)]))


def split(call: Call) -> Operand:
    """Cut a tensor into parts along an axis."""
    x, dim = call.value("self"), call.integer("dim")
    call.ignore("split_size", "split_sizes", "chunks", "sections", "indices")
    axis, start, parts = call.sample_axis(dim, x), 0, []
    for shape in call.shapes:
        length = shape[call.axis(dim, x.rank)]
        parts.append(taken(call, x, axis, start, start + length))
        start += length
    return tuple(parts)


def pad(call: Call) -> Operand:
    """Surround a tensor: with a constant, or with its own elements."""
    if call.has("mode") and call.text("mode") != "constant":
        return moved_by_torch("self")(call)
    x, widths = call.value("self"), call.integers("pad")
    value = call.optional_number("value") or 0.0
    before, after = [0] * len(x.shape), [0] * len(x.shape)
    for i in range(len(widths) // 2):
        if widths[2 * i : 2 * i + 2] == (0, 0):
            continue
        axis = call.sample_axis(-1 - i, x)
        before[axis], after[axis] = widths[2 * i : 2 * i + 2]
    if min(*before, *after, 0) < 0:
        parts: list[Part] = [
            (max(-b, 0), n - max(-a, 0), 1) for b, a, n in zip(before, after, x.shape, strict=True)
        ]
        x = call.emit(Slice(tuple(parts)), x, suffix="cut")
        before, after = [max(n, 0) for n in before], [max(n, 0) for n in after]
    if not any(before) and not any(after):
        return x
    return call.emit(Pad(tuple(before), tuple(after), value), x)


def filled(value: float | None) -> Callable[[Call], Operand]:
    """Return a handler of a constant that takes nothing but the shape of another tensor."""

    def handler(call: Call) -> Operand:
        number = call.number("fill_value") if value is None else value
        call.ignore(*call.given)
        return Const(torch.full(call.shapes[0], number))

    return handler


ANY = (
    "as_strided",
    "channel_shuffle",
    "diagonal",
    "diagonal_copy",
    "flip",
    "fliplr",
    "flipud",
    "im2col",
    "movedim.int",
    "narrow",
    "pixel_shuffle",
    "pixel_unshuffle",
    "reflection_pad1d",
    "reflection_pad2d",
    "repeat",
    "repeat_interleave.self_int",
    "replication_pad1d",
    "replication_pad2d",
    "roll",
    "rot90",
    "tile",
    "tril",
    "triu",
    "unfold",
    "unfold_copy",
)
"""Operators of one tensor that are left to PyTorch to say where each element goes."""

HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "_to_copy": convert,
    "_unsafe_view": reshaped,
    "alias": identity,
    "cat": cat,
    "chunk": split,
    "clone": identity,
    "constant_pad_nd": pad,
    "contiguous": identity,
    "detach": identity,
    "dropout": dropout,
    "expand": expand,
    "expand_as": expand,
    "flatten": reshaped,
    "full_like": filled(None),
    "lift_fresh_copy": identity,
    "mT": turned_matrix,
    "native_dropout": dropout,
    "new_full": filled(None),
    "new_ones": filled(1.0),
    "new_zeros": filled(0.0),
    "numpy_T": turned_matrix,
    "pad": pad,
    "ones_like": filled(1.0),
    "permute": permute,
    "reshape": reshaped,
    "select.int": select,
    "slice.Tensor": slice_,
    "split": split,
    "split_with_sizes": split,
    "squeeze": reshaped,
    "stack": stack,
    "t": turned_matrix,
    "tensor_split": split,
    "to": convert,
    "transpose.int": transpose,
    "unbind.int": unbind,
    "unflatten": reshaped,
    "unsqueeze": reshaped,
    "view": reshaped,
    "view_as": reshaped,
    "zeros_like": filled(0.0),
    **{name: moved_by_torch("self") for name in ANY},
    "copy": moved_by_torch("self", "src"),
    "gather": moved_by_torch("self"),
    "index.Tensor": moved_by_torch("self"),
    "index_put": moved_by_torch("self", "values"),
    "index_select": moved_by_torch("self"),
    "scatter.src": moved_by_torch("self", "src"),
    "select_scatter": moved_by_torch("self", "src"),
    "slice_scatter": moved_by_torch("self", "src"),
}
