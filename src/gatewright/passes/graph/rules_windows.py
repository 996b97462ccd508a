"""What `streamline` does with sums, largest elements, borders, quotients and grouped matrices."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.ir import Op
from gatewright.ops import Densify, DivideConstant, GroupedDense, Pad, ReduceMax, ReduceMin, Sum
from gatewright.passes.graph.scaled import Exact, Scaled, all_equal, exact, is_float, short
from gatewright.passes.graph.weave import Weaver


def grouped(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Multiply codes; the bias and the input's offset go into the result's offset."""
    assert isinstance(op, GroupedDense)
    (x,) = inputs
    plain = weaver.try_plain(op, x) if x.plain else None
    value = x if not x.pending else weaver.settled(x, "a product")
    value = weaver.uniform(value, "a product")
    code = weaver.emit(GroupedDense.of(op.weight), value.code)
    offset = exact(op.bias)
    if not all_equal(value.offset, 0):
        matrix = np.vectorize(lambda w: exact(w).flat[0], otypes=[object])(op.weight)
        rows = np.broadcast_to(value.offset, value.shape)
        offset = short(offset + (rows[..., None] * matrix).sum(-2))
    result = Scaled(code, weaver.types[code], value.scale, offset)
    return result if plain is None else _with_plain(result, plain)


def total(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Add codes; offsets are added beside them."""
    assert isinstance(op, Sum)
    (x,) = inputs
    plain = weaver.try_plain(op, x) if x.plain else None
    value = weaver.settled(x, "a sum") if x.pending else x
    scale, value = _common(weaver, value, op, "a sum")
    code = weaver.emit(op, value.code)
    offset = _added(op, value)
    result = Scaled(code, weaver.types[code], scale, offset)
    return result if plain is None else _with_plain(result, plain)


def _added(op: Sum, value: Scaled) -> Exact:
    if all_equal(value.offset, 0):
        return exact(0.0)
    spread = np.broadcast_to(value.offset, value.shape)
    return short(np.asarray(spread.sum(axis=op.axes, keepdims=op.keepdims), object))


def extreme(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Choose among codes of equal scale and offset; functions that never fall wait on."""
    assert isinstance(op, ReduceMax | ReduceMin)
    (x,) = inputs
    if x.plain:
        return Scaled.of_plain(name := weaver.emit(op, x.plain), weaver.types[name])
    if not all(p.is_monotone_unary and _single(p) for p in x.pending):
        x = weaver.settled(x, op.kind)
    pending = x.pending
    bare = Scaled(x.code, x.kind, x.scale, x.offset)
    bare = bare if all_equal(bare.offset, bare.offset.flat[0]) else weaver.centred(bare)
    scale, bare = _common(weaver, bare, op, "a maximum")
    if not all(s > 0 for s in scale.ravel()) or not all_equal(bare.offset, bare.offset.flat[0]):
        raise UnsupportedError(
            "the largest of values with different offsets, or a scale below zero, is asked for",
            found=f"{op.kind} of integers times {float(scale.flat[0]):.8g}",
            supported="positive scales and one zero point along the window",
            remedy="quantize in front of the pooling",
        )
    code = weaver.emit(op, bare.code)
    return Scaled(code, weaver.types[code], scale, bare.offset, pending)


def _single(op: Op) -> bool:
    """Say whether a waiting function is the same for every element."""
    return all(np.size(v) == 1 for v in vars(op).values() if isinstance(v, np.ndarray))


def _common(weaver: Weaver, value: Scaled, op: Any, what: str) -> tuple[Exact, Scaled]:
    """Return the scale of each result; what meets in one has one scale, by shifts if need be."""
    if value.scale.size == 1:
        return value.scale, value
    spread = np.broadcast_to(value.scale, value.shape)
    first = tuple(slice(0, 1) if a in op.axes else slice(None) for a in range(spread.ndim))
    if not (spread == spread[first]).all():
        value = weaver.uniform(value, what)
        return value.scale, value
    kept = spread[first]
    if not op.keepdims:
        kept = kept.reshape([n for a, n in enumerate(kept.shape) if a not in op.axes])
    return short(kept), value


def border(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Surround codes with the code of the constant, where there is one; keep scales beside."""
    assert isinstance(op, Pad)
    (x,) = inputs
    if x.plain:
        return Scaled.of_plain(name := weaver.emit(op, x.plain), weaver.types[name])
    value = weaver.settled(x, "a border") if x.pending else x
    value = weaver.centred(value)
    codes = short((exact(op.value) - value.offset) / value.scale)
    if codes.size != 1 or codes.flat[0].denominator != 1 or not is_float(codes):
        raise UnsupportedError(
            "a border of constants is no code of the quantizer in front of it",
            found=f"{op.value:.8g} beside integers times {float(value.scale.flat[0]):.8g}",
            supported="a border of 0 beside a quantizer without offset, or of a multiple of its "
            "scale",
            remedy="pad in front of the quantizer",
        )
    code = weaver.emit(Pad(op.before, op.after, float(codes.flat[0])), value.code)

    def widened(array: Exact) -> Exact:
        if array.size == 1:
            return array
        around = list(zip(op.before, op.after, strict=True))
        return short(np.pad(np.broadcast_to(array, value.shape), around, mode="edge"))

    return Scaled(code, weaver.types[code], widened(value.scale), widened(value.offset))


def placed(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Put the codes of pixels where they belong; what has no pixel is the code 0."""
    assert isinstance(op, Densify)
    x, at = inputs
    at = weaver.settled(at, "a coordinate")
    if not at.plain:
        raise UnsupportedError(
            "a coordinate is no whole number",
            found=f"integers times {float(at.scale.flat[0]):.8g}",
            supported="coordinates as the choice of active pixels gives them",
        )
    if x.plain:
        return Scaled.of_plain(name := weaver.emit(op, x.plain, at.plain), weaver.types[name])
    value = weaver.uniform(weaver.centred(weaver.settled(x, "an image")), "an image")
    if not all_equal(value.offset, 0):
        raise UnsupportedError(
            "pixels with an offset are put into an image of zeros",
            found=f"offset {float(value.offset.flat[0]):.8g}",
            supported="numbers with the code 0 for 0",
            remedy="put a quantizer without a zero point in front of this layer",
        )
    code = weaver.emit(op, value.code, at.plain)
    return Scaled(code, weaver.types[code], value.scale, value.offset)


def quotient(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Divide the scale, exactly; a quotient by powers of two stays plain."""
    assert isinstance(op, DivideConstant)
    (x,) = inputs
    inverse = np.vectorize(lambda n: Fraction(1, int(n)), otypes=[object])(op.divisor)
    if x.pending:
        x = weaver.settled(x, "a quotient")
    result = x.affine(short(inverse), exact(0.0))
    if x.plain and op.is_shift:
        plain = weaver.try_plain(op, x)
        if plain is not None:
            return _with_plain(result, plain)
    return result


def _with_plain(value: Scaled, plain: Scaled) -> Scaled:
    return Scaled(value.code, value.kind, value.scale, value.offset, value.pending, plain.plain)


WINDOW_RULES: tuple[tuple[Any, Callable[[Weaver, Op, list[Scaled]], Scaled]], ...] = (
    (GroupedDense, grouped),
    (Sum, total),
    ((ReduceMax, ReduceMin), extreme),
    (Pad, border),
    (Densify, placed),
    (DivideConstant, quotient),
)
"""The rules of this file, for the list in `rules`."""
