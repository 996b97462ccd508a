"""Operators along axes: reductions, running sums; and what makes constants of shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from gatewright.frontends.onnx.call import MAX_ELEMENTS, Call
from gatewright.frontends.onnx.elementwise import check_ranks
from gatewright.frontends.onnx.linear import moved
from gatewright.frontends.onnx.operand import BATCH, Const, Operand, Value
from gatewright.frontends.recipes.reductions import reduce as reduced
from gatewright.ops import Add, Affine, Concatenate, Gather, Segment
from gatewright.ops import Constant as ConstantOp
from gatewright.ops.reshape import Reshape

INPUT_SINCE = {"sum": 13}
"""Opset from which on a reduction has its axes as an input; 18 where nothing is said."""

FOLDED: dict[str, Callable[..., np.ndarray]] = {
    "sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min,
}  # fmt: skip


def _axes(call: Call, how: str) -> tuple[int, ...] | None:
    if call.opset < INPUT_SINCE.get(how, 18):
        return call.attributes.integers("axes")
    given = None if call.optional(1) is None else call.whole_numbers(1, "axes")
    return given or None


def reduce(how: str) -> Callable[[Call], Operand]:
    """Return a handler of a reduction."""

    def build(call: Call) -> Operand:
        keep = call.attributes.flag("keepdims", True)
        nothing = call.opset >= INPUT_SINCE.get(how, 18) and call.attributes.flag(
            "noop_with_empty_axes", False
        )
        axes, x = _axes(call, how), call.operand(0, "data")
        if isinstance(x, Const):
            if how not in FOLDED or x.scale is not None or (axes is None and nothing):
                raise call.unsupported(f"{call.node.op_type} of a constant is not folded")
            array = FOLDED[how](x.array, axis=axes, keepdims=keep)
            return Const(np.asarray(array, x.array.dtype))
        x = call.value(0, "data")
        if axes is None and nothing:
            return x
        if x.integer and how == "mean":
            raise call.unsupported(
                f"{call.node.op_type} of integers cuts fractions off", supported="real numbers",
                remedy="cast to float before it",
            )  # fmt: skip
        given = tuple(range(x.rank)) if axes is None else axes
        if call.builder.fixed_batch and keep:
            given = tuple(a for a in given if call.axis(a, x.rank) != 0)
        return reduced(call, x, how, tuple(call.sample_axis(a, x.rank) for a in given), keep)

    return build


def cumulative(call: Call) -> Operand:
    """Add to each element those before it along an axis."""
    exclusive = call.attributes.flag("exclusive", False)
    backwards = call.attributes.flag("reverse", False)
    x = call.value(0, "x")
    axis = call.sample_axis(int(call.scalar(1, "axis")), x.rank)
    order = list(range(x.shape[axis]))[:: -1 if backwards else 1]
    parts = [call.emit(Gather.of([i], axis), x, suffix="part") for i in order]
    zero = call.emit(Affine(np.asarray(0.0), np.asarray(0.0)), parts[0], suffix="zero")
    sums = [zero if exclusive else parts[0]]
    for part in parts[:-1] if exclusive else parts[1:]:
        sums.append(call.emit(Add(), sums[-1], part, suffix="sum"))
    return call.emit(Concatenate(axis), *(sums[::-1] if backwards else sums))


def variadic(mean: bool) -> Callable[[Call], Operand]:
    """Return a handler of Sum or Mean of several tensors."""

    def build(call: Call) -> Operand:
        parts = [call.value(i, "data") for i in range(len(call.operands))]
        check_ranks(call, *parts)
        total = parts[0]
        for part in parts[1:]:
            total = call.emit(Add(), total, part)
        if not mean or len(parts) == 1:
            return total
        return call.emit(Affine(np.asarray(1.0 / len(parts)), np.asarray(0.0)), total)

    return build


def shape(call: Call) -> Const:
    """Return the lengths of a tensor; that of the batch only means something to a Reshape."""
    start, end = call.attributes.integer("start", 0), call.attributes.integer("end", 1 << 40)
    x = call.operand(0, "data")
    if isinstance(x, Const):
        lengths: Sequence[int] = x.shape
    else:
        batch = 1 if call.builder.fixed_batch else BATCH
        lengths = (batch, *call.value(0, "data").shape)
    return Const(np.asarray(lengths[start:end], np.int64))


def constant_of_shape(call: Call) -> Const:
    """Return a constant filled with one value."""
    lengths = call.whole_numbers(0, "input")
    tensor = call.attributes.tensor("value")
    from onnx import numpy_helper

    value = np.float32(0) if tensor is None else numpy_helper.to_array(tensor).reshape(-1)[0]
    if any(n < 0 for n in lengths) or np.prod(lengths, dtype=float) > 1 << 24:
        raise call.unsupported("a constant has no shape, or is too large", found=lengths)
    if value.dtype.kind in "iu":
        value = np.int64(value)
    return Const(np.full(lengths, value))


def span(call: Call) -> Const:
    """Return the numbers from start to limit."""
    start, limit, step = (call.const(i, n).array for i, n in enumerate(("start", "limit", "delta")))
    if start.size != 1 or limit.size != 1 or step.size != 1 or not step.item():
        raise call.unsupported("a Range is malformed", found=(start, limit, step))
    first, last, each = start.item(), limit.item(), step.item()
    _check_size(call, (max(int((last - first) / each), 0),))
    return Const(np.arange(first, last, each, dtype=start.dtype))


def _check_size(call: Call, lengths: Sequence[int]) -> None:
    """Refuse lengths that are negative, or too many numbers, before memory is asked for them."""
    if min(lengths, default=0) < 0 or prod(lengths) > MAX_ELEMENTS:
        raise call.unsupported(
            f"{call.node.op_type} gives a tensor that is impossible, or too large",
            found=f"shape {tuple(lengths)}", supported=f"up to {MAX_ELEMENTS} numbers",
        )  # fmt: skip


def expand(call: Call) -> Operand:
    """Repeat along axes of length 1."""
    x, target = call.operand(0, "input"), call.whole_numbers(1, "shape")
    if isinstance(x, Const):
        if BATCH in target:
            raise call.unsupported("a constant is repeated along the batch", found="Expand")
        _check_size(call, target)
        return moved(x, lambda a: np.broadcast_to(a, np.broadcast_shapes(a.shape, target)).copy())
    x = call.value(0, "input")
    lengths = (1,) * (x.rank - len(target)) + target
    if len(lengths) != x.rank or lengths[0] not in (1, BATCH):
        raise call.unsupported(
            "an Expand repeats along the batch", found=target, supported="1 in place of the batch"
        )
    return _repeated(call, x, [
        n if m == 1 else 1 for n, m in zip(lengths[1:], x.shape, strict=True)
    ])  # fmt: skip


def tile(call: Call) -> Operand:
    """Repeat a tensor along its axes."""
    x, repeats = call.operand(0, "input"), call.whole_numbers(1, "repeats")
    if isinstance(x, Const):
        _check_size(call, repeats)
        _check_size(call, (prod(x.shape), prod(repeats)))
        return moved(x, lambda a: np.tile(a, repeats))
    x = call.value(0, "input")
    if len(repeats) != x.rank or repeats[0] != 1 or min(repeats) < 1:
        raise call.unsupported(
            "a Tile repeats the batch", found=repeats, supported="1 in place of the batch"
        )
    return _repeated(call, x, repeats[1:])


def _repeated(call: Call, x: Value, repeats: Sequence[int]) -> Value:
    _check_size(call, repeats)
    _check_size(call, (prod(x.shape), prod(repeats)))
    for axis, times in enumerate(repeats):
        if times != 1:
            places = np.tile(np.arange(x.shape[axis]), times)
            x = call.emit(Gather.of(places, axis), x)
    return x


def split(call: Call) -> list[Operand]:
    """Cut a tensor along an axis."""
    axis, count = call.attributes.integer("axis", 0), len(call.node.output)
    x = call.operand(0, "input")
    rank = len(x.shape) if isinstance(x, Const) else x.rank
    sizes = call.attributes.integers("split") if call.opset < 13 else None
    if call.opset >= 13 and call.optional(1) is not None:
        sizes = call.whole_numbers(1, "split")
    if call.opset >= 18:
        count = call.attributes.integer("num_outputs", count)
    at = call.axis(axis, rank) if isinstance(x, Const) else call.sample_axis(axis, rank)
    n = x.shape[at] if isinstance(x, Const) else call.value(0, "input").shape[at]
    if not 0 < count <= n:
        raise call.unsupported("a Split makes empty parts", found=f"{n} into {count}")
    each = -(-n // count)
    if sizes is None and call.opset < 18 and n % count:
        raise call.unsupported("a Split makes unequal parts", found=f"{n} into {count}")
    sizes = sizes or (*(each,) * (count - 1), n - each * (count - 1))
    if sum(sizes) != n or min(sizes) < 1 or len(sizes) != len(call.node.output):
        raise call.unsupported("a Split does not fit its input", found=f"{sizes} of {n}")
    parts = np.split(np.arange(n), np.cumsum(sizes)[:-1])
    if isinstance(x, Const):
        return [moved(x, lambda a, p=p: np.take(a, p, at)) for p in parts]
    value = call.value(0, "input")
    return [call.emit(Gather.of(part, at), value) for part in parts]


def triangle(call: Call) -> Operand:
    """Keep the upper or lower triangle of matrices, zero elsewhere."""
    upper = call.attributes.flag("upper", True)
    k = 0 if call.optional(1) is None else int(call.scalar(1, "k"))
    cut = np.triu if upper else np.tril
    x = call.operand(0, "input")
    if isinstance(x, Const):
        return moved(x, lambda a: cut(a, k))
    value = call.value(0, "input")
    if len(value.shape) < 2:
        raise call.unsupported("a Trilu takes matrices", found=value.shape)
    mask = cut(np.ones(value.shape[-2:]), k)
    return call.emit(Affine(mask, np.asarray(0.0)), value)


SCATTERED = {"none": "none", "add": "sum", "max": "max", "min": "min"}


def scatter_elements(call: Call) -> Operand:
    """Write or add elements at known positions along an axis."""
    axis = call.attributes.integer("axis", 0)
    shape, index, updates = _scattered(call)
    at = call.axis(axis, len(shape))
    places = [index % shape[at] if a == at else p for a, p in enumerate(np.indices(index.shape))]
    if updates != index.shape or (np.abs(index + 0.5) > shape[at]).any():
        raise call.unsupported("a scatter does not fit", found=f"{index.shape} into {shape}")
    return _scatter(call, shape, np.ravel_multi_index(places, shape).reshape(-1))


def scatter_nd(call: Call) -> Operand:
    """Write or add slices at known positions."""
    shape, index, updates = _scattered(call)
    depth = index.shape[-1]
    rest = shape[depth:]
    if updates != (*index.shape[:-1], *rest):
        raise call.unsupported("a scatter does not fit", found=f"{updates} into {shape}")
    lead = np.moveaxis(index % np.asarray(shape[:depth]), -1, 0).reshape(depth, -1)
    starts = np.ravel_multi_index(list(lead), shape[:depth]) * int(np.prod(rest))
    places = starts[:, None] + np.arange(int(np.prod(rest)))
    return _scatter(call, shape, places.reshape(-1))


def _scattered(call: Call) -> tuple[tuple[int, ...], np.ndarray, tuple[int, ...]]:
    """Return the shape with the batch, the indices, the shape of the updates."""
    if not call.builder.fixed_batch:
        raise call.unsupported(
            "a scatter at known positions names samples of the batch",
            found="a batch of any length",
            supported="a batch of length 1",
            remedy="export the model for one sample",
        )
    index = call.const(1, "indices").array.astype(np.int64)

    def lengths(i: int, name: str) -> tuple[int, ...]:
        o = call.operand(i, name)
        return o.shape if isinstance(o, Const) else (1, *call.value(i, name).shape)

    return lengths(0, "data"), index, lengths(2, "updates")


def _scatter(call: Call, shape: tuple[int, ...], places: np.ndarray) -> Value:
    """Join what stands at each place with what is written there."""
    reduction = call.attributes.text("reduction", "none") if call.opset >= 16 else "none"
    if reduction not in SCATTERED or (reduction == "none" and len(set(places)) < len(places)):
        raise call.unsupported(
            "a scatter joins in a way that is not handled",
            found=f"{reduction}, {len(places) - len(set(places.tolist()))} places named twice",
            supported="none (each place once), add, max, min",
        )
    parts = [_flat(call, 0, "data"), _flat(call, 2, "updates")]
    size = int(np.prod(shape))
    both = call.emit(Concatenate(0), *parts, suffix="both")
    if reduction == "none":
        source = np.arange(size)
        source[places] = size + np.arange(len(places))
        flat = call.emit(Gather.of(source, 0), both, suffix="written")
    else:
        own = np.concatenate([np.arange(size), places]).astype(np.float64)
        where = call.emit(ConstantOp(own), both, suffix="places")
        flat = call.emit(Segment(size, SCATTERED[reduction]), both, where, suffix="joined")
    return call.emit(Reshape(shape[1:]), flat)


def _flat(call: Call, i: int, name: str) -> Value:
    operand = call.operand(i, name)
    if isinstance(operand, Const):
        return call.emit(ConstantOp(operand.reals().reshape(-1)), call.builder.first, suffix=name)
    x = call.value(i, name)
    return call.emit(Reshape((int(np.prod(x.shape)),)), x, suffix=name)
