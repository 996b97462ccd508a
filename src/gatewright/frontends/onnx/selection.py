"""Operators that compare, decide, sort and take: conditions, positions, one-hot vectors.

Truth values and positions are `Value`s with `integer`: ONNX types keep them out of arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.elementwise import check_ranks
from gatewright.frontends.onnx.operand import Const, Operand, Value
from gatewright.frontends.recipes.reductions import (
    one_hot,
    position_of_extreme,
    positions,
    top_k,
)
from gatewright.ir import Op
from gatewright.ops import (
    Absolute,
    Affine,
    Compare,
    Constant,
    Embedding,
    Gather,
    Logical,
    Reshape,
    Sign,
    Slice,
    Take,
    Where,
)

RELATIONS: dict[str, Callable[..., np.ndarray]] = {
    "equal": np.equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
}
LOGIC: dict[str, Callable[..., np.ndarray]] = {
    "and": np.logical_and,
    "or": np.logical_or,
    "xor": np.logical_xor,
    "not": np.logical_not,
}


def whole(value: Value) -> Value:
    """Mark a tensor of integers or truth values."""
    return replace(value, integer=True)


def known(call: Call) -> list[np.ndarray] | None:
    """Return all operands where all are plain constants, else None."""
    arrays = [o.array for o in call.operands if isinstance(o, Const) and o.scale is None]
    return arrays if len(arrays) == len(call.operands) else None


def values(call: Call, *names: str) -> list[Value]:
    """Return operands as tensors, constants among them in the rank of the others."""
    given = [call.operand(i, name) for i, name in enumerate(names)]
    computed = [call.value(i, name) for i, name in enumerate(names)
                if not isinstance(given[i], Const)]  # fmt: skip
    check_ranks(call, *computed)
    rank = max(v.rank for v in computed)
    found = []
    for i, operand in enumerate(given):
        if isinstance(operand, Const):
            array = call.sample(operand.reals(), rank)
            array = array.reshape((1,) * (rank - 1 - array.ndim) + array.shape)
            found.append(call.emit(Constant(array), call.builder.first, suffix="constant"))
        else:
            found.append(call.value(i, names[i]))
    return found


def compare(relation: str) -> Callable[[Call], Operand]:
    """Return a handler of a comparison."""

    def build(call: Call) -> Operand:
        arrays = known(call)
        if arrays is not None:
            return Const(RELATIONS[relation](*arrays))
        return whole(call.emit(Compare(relation), *values(call, "A", "B")))

    return build


def logical(function: str) -> Callable[[Call], Operand]:
    """Return a handler of a logical function."""

    def build(call: Call) -> Operand:
        arrays = known(call)
        if arrays is not None:
            return Const(LOGIC[function](*arrays))
        names = ("A",) if function == "not" else ("A", "B")
        return whole(call.emit(Logical(function), *values(call, *names)))

    return build


def where(call: Call) -> Operand:
    """Choose between two tensors by a third."""
    arrays = known(call)
    if arrays is not None:
        return Const(np.where(*arrays))
    condition, a, b = values(call, "condition", "X", "Y")
    found = call.emit(Where(), condition, a, b)
    integer = (
        o.integer if isinstance(o, Value) else isinstance(o, Const) and o.array.dtype.kind in "iub"
        for o in call.operands[1:]
    )  # fmt: skip
    return whole(found) if all(integer) else found


def unary(op: Op) -> Callable[[Call], Operand]:
    """Return a handler of a function without attributes."""
    return lambda call: call.emit(op, call.value(0, "X"))


absolute = unary(Absolute())
sign = unary(Sign())


def extreme(smallest: bool) -> Callable[[Call], Operand]:
    """Return a handler of ArgMax or ArgMin."""

    def build(call: Call) -> Operand:
        axis, keep = call.attributes.integer("axis", 0), call.attributes.flag("keepdims", True)
        last = call.attributes.flag("select_last_index", False)
        x = call.value(0, "data")
        at = call.sample_axis(axis, x.rank)
        return whole(position_of_extreme(call, x, at, keep, smallest, last))

    return build


def sort_top(call: Call) -> list[Operand]:
    """Return the k largest or smallest along an axis, and their positions.

    Whether they are asked for in order or not, they come in order.
    """
    axis = call.attributes.integer("axis", -1)
    largest = call.attributes.flag("largest", True) if call.opset >= 11 else True
    if call.opset >= 11:
        call.attributes.flag("sorted", True)
    x = call.value(0, "X")
    given = (call.attributes.integer("k", 0),) if call.opset < 10 else call.whole_numbers(1, "K")
    k = given[0] if len(given) == 1 else 0
    at = call.sample_axis(axis, x.rank)
    if not 0 < k <= x.shape[at]:
        raise call.unsupported(
            "a TopK takes more elements than there are", found=k, supported=f"1 to {x.shape[at]}"
        )
    wanted = [bool(name) for name in (*call.node.output, "", "")[:2]]
    first, second = top_k(call, x, at, k, largest, (wanted[0] or not wanted[1], wanted[1]))
    found: list[Operand] = [] if first is None else [first]
    if second is not None:
        found = [*(found or [whole(second)]), whole(second)]
    return found


def one_hot_vectors(call: Call) -> Operand:
    """Return vectors with one value at the position and another elsewhere."""
    axis = call.attributes.integer("axis", -1)
    x = call.value(0, "indices")
    depth = int(call.scalar(1, "depth"))
    pair = call.const(2, "values").reals()
    if pair.shape != (2,) or depth < 1:
        raise call.unsupported("a OneHot is malformed", found=f"depth {depth}, {pair.shape}")
    found = one_hot(call, x, depth, call.sample_axis(axis, x.rank + 1), wraps=call.opset >= 11)
    off, on = (float(v) for v in pair)
    if (off, on) != (0.0, 1.0):
        found = call.emit(Affine(np.asarray(on - off), np.asarray(off)), found, suffix="values")
    return replace(found, integer=call.const(2, "values").array.dtype.kind in "iub")


def gather(call: Call) -> Operand:
    """Take along an axis, at positions known or computed, of a tensor or of a constant table."""
    axis = call.attributes.integer("axis", 0)
    data, places = call.operand(0, "data"), call.operand(1, "indices")
    if isinstance(data, Const) and isinstance(places, Const):
        return _of_constant(call, data, places, axis)
    if isinstance(data, Const):
        return _rows(call, data, call.value(1, "indices"), axis)
    x = call.value(0, "data")
    at = call.sample_axis(axis, x.rank)
    n = x.shape[at]
    if isinstance(places, Const):
        index = places.array.astype(np.int64)
        if index.size and not -n <= index.min() <= index.max() < n:
            raise call.unsupported("a Gather names a position that is not there", found=index)
        return replace(call.emit(Gather.of(index % n, at), x), integer=x.integer)
    return _computed(call, x, call.value(1, "indices"), at)


def _of_constant(call: Call, data: Const, places: Const, axis: int) -> Const:
    try:
        scale = None if data.scale is None else np.take(data.scale, places.array, axis)
        return Const(np.take(data.array, places.array, axis), scale, data.kind)
    except IndexError as error:
        raise call.unsupported("a Gather does not fit a constant", found=error) from None


def _rows(call: Call, data: Const, x: Value, axis: int) -> Value:
    """Look rows of a constant table up."""
    if call.axis(axis, len(data.shape)) != 0 or not data.shape:
        raise call.unsupported(
            "a Gather looks up along an inner axis of a table", found=axis, supported="axis 0"
        )
    table = data.reals().reshape(data.shape[0], -1)
    found = _looked_up(call, table, x)
    shape = (*x.shape, *data.shape[1:])
    found = call.emit(Reshape(shape), found) if shape != found.shape else found
    return replace(found, integer=data.scale is None and data.array.dtype.kind in "iub")


def _looked_up(call: Call, table: np.ndarray, x: Value) -> Value:
    """Look rows up; negative numbers count from the end, since opset 11."""
    if call.opset < 11:
        return call.emit(Embedding(table), positions(call, x, len(table)), suffix="rows")
    # From -n to n - 1: rows of two tables, one behind the other.
    places = positions(call, x, len(table), True)
    up = Affine(np.asarray(1.0), np.asarray(float(len(table))))
    places = call.emit(up, places, suffix="from_end")
    return call.emit(Embedding(np.concatenate([table, table])), places, suffix="rows")


def _computed(call: Call, x: Value, places: Value, axis: int) -> Value:
    """Take at computed positions, which ONNX makes an outer product of batches."""
    if not call.builder.fixed_batch or axis != 0:
        raise call.unsupported(
            "a Gather at computed positions joins every sample's positions with every sample",
            found=f"axis {axis + 1}, {places.shape} into {x.shape}",
            supported="axis 1 with a batch of length 1, or GatherElements, or GatherND with "
            "batch_dims 1",
            remedy="use torch.gather or torch.take_along_dim in the model",
        )
    taken = call.emit(Take(0), x, positions(call, places, x.shape[0], True), suffix="taken")
    return call.emit(Reshape((1, *taken.shape)), taken)


def gather_elements(call: Call) -> Operand:
    """Take each element along its own line."""
    axis = call.attributes.integer("axis", 0)
    x = call.value(0, "data")
    at = call.sample_axis(axis, x.rank)
    given = call.operand(1, "indices")
    if isinstance(given, Const):
        index = call.sample(given.reals(), x.rank)
        places = call.emit(Constant(index), call.builder.first, suffix="places")
    else:
        places = positions(call, call.value(1, "indices"), x.shape[at], True)
    cut = tuple((0, n, 1) if a != at else (None, None, None) for a, n in enumerate(places.shape))
    if len(places.shape) == len(x.shape) and any(
        n != m for a, (n, m) in enumerate(zip(places.shape, x.shape, strict=True)) if a != at
    ):
        x = call.emit(Slice(cut), x, suffix="part")
    return call.emit(Take(at, True), x, places)


def gather_nd(call: Call) -> Operand:
    """Take rows of each sample at its own positions."""
    batched = call.attributes.integer("batch_dims", 0)
    x, places = call.value(0, "data"), call.operand(1, "indices")
    if batched != 1 or not isinstance(places, Value) or places.shape[-1:] != (1,):
        raise call.unsupported(
            "a GatherND takes in a way that is not handled",
            found=f"batch_dims {batched}",
            supported="batch_dims 1 and computed positions along axis 1",
            remedy="use GatherElements (torch.gather)",
        )
    flat = call.emit(Reshape(places.shape[:-1]), call.value(1, "indices"), suffix="flat")
    return call.emit(Take(0), x, positions(call, flat, x.shape[0], True))
