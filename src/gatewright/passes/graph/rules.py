"""What `streamline` does with each operation: where its scale, offset and codes go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.ir import Node, Op
from gatewright.num import dyadic
from gatewright.ops import (
    Add,
    Affine,
    Argmax,
    Clip,
    Concatenate,
    Constant,
    Dense,
    Function,
    LeakyRelu,
    Maximum,
    Minimum,
    Multiply,
    Quantize,
    ScaledQuantize,
    Softmax,
    Subtract,
)
from gatewright.ops.movement import Movement
from gatewright.passes.graph.absorb import requantize
from gatewright.passes.graph.host_input import equal
from gatewright.passes.graph.rules_windows import WINDOW_RULES
from gatewright.passes.graph.scaled import (
    Scaled,
    all_equal,
    exact,
    power_of_two,
    reals,
    same,
    short,
    strictly_rising,
)
from gatewright.passes.graph.weave import Weaver


def turn(weaver: Weaver, node: Node, inputs: list[Scaled]) -> Scaled:
    """Return what a node's result is, by the rule for its operation."""
    op = node.op
    if any(isinstance(p, Softmax) for x in inputs for p in x.pending) and not isinstance(
        op, Argmax
    ):
        raise UnsupportedError(
            "an operation follows a softmax of integers times a scale",
            found=op.kind,
            supported="a softmax at the model's output, or in front of an argmax",
            remedy="drop the softmax, or quantize its input to a scale that is a power of two",
        )
    for kind, rule in RULES:
        if isinstance(op, kind):
            return rule(weaver, op, inputs)
    return _as_it_is(weaver, op, inputs)


def _as_it_is(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Keep an operation that no rule turns, on values that are there as they are."""
    settled = [weaver.simplified(weaver.settled(x, op.kind)) for x in inputs]
    if not all(x.plain for x in settled):
        raise UnsupportedError(
            "an operation needs numbers whose scale is a power of two",
            found=f"{op.kind} on integers times {_scales(settled)}",
            supported="dense, bias, normalisation, monotone activations, movement, equal scales",
            remedy="put a quantizer with a power of two as its scale in front of this layer",
        )
    name = weaver.emit(op, *(x.plain or "" for x in settled))
    return Scaled.of_plain(name, weaver.types[name])


def _scales(values: list[Scaled]) -> str:
    return " and ".join(f"{float(x.scale.flat[0]):.8g}" for x in values)


def _constant(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Keep a constant; products and sums with it go into scales and offsets."""
    assert isinstance(op, Constant)
    name = weaver.emit(op, inputs[0].code)
    kind = weaver.types[name]
    return Scaled(name, kind, exact(0.0), exact(op.values), (), name)


def _affine(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Change scale and offset; a plain value stays plain where the scale is a power of two."""
    assert isinstance(op, Affine)
    (x,) = inputs
    result = x.affine(exact(op.scale), exact(op.offset))
    if x.plain and bool((np.abs(dyadic(op.scale)[0]) == 1).all()):
        plain = weaver.try_plain(op, x)
        if plain is not None:
            return replace(result, plain=plain.plain)
    return result


def _activation(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Let a monotone function wait for the next quantizer."""
    (x,) = inputs
    plain = None
    if x.plain and not (isinstance(op, Function) and op.out is None):
        plain = weaver.try_plain(op, x)
    if isinstance(op, Function) and op.out is not None:
        if plain is not None:
            return plain
        return requantize(weaver, x.then(Function(op.name)), op.out)
    if not op.is_monotone_unary:
        if plain is not None:
            return plain
        return _as_it_is(weaver, op, inputs)
    result = x.then(op)
    return result if plain is None else replace(result, plain=plain.plain)


def _softmax(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Keep a softmax that has formats; else leave it to the host."""
    assert isinstance(op, Softmax)
    if op.formats is not None:
        return _as_it_is(weaver, op, inputs)
    return inputs[0].then(op)


def _dense(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Multiply codes; the bias and the input's offset go into the result's offset."""
    assert isinstance(op, Dense)
    (x,) = inputs
    plain = weaver.try_plain(op, x) if x.plain else None
    value = x if not x.pending else weaver.settled(x, "a product")
    value = weaver.uniform(value, "a product")
    code = weaver.emit(Dense.of(op.weight), value.code)
    offset = exact(op.bias)
    if not all_equal(value.offset, 0):
        offset = short(offset + _through(value, op.weight))
    result = Scaled(code, weaver.types[code], value.scale, offset)
    return result if plain is None else replace(result, plain=plain.plain)


def _through(value: Scaled, weight: np.ndarray) -> np.ndarray:
    """Return `offset @ weight`, exactly."""
    matrix = np.vectorize(lambda w: exact(w).flat[0], otypes=[object])(weight)
    offset = np.broadcast_to(value.offset, value.shape)
    return np.asarray(offset @ matrix, object)


def _move(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Move codes, and with them scales, offsets and waiting functions."""
    assert isinstance(op, Movement)
    (x,) = inputs
    code = weaver.emit(op, x.code)
    moved = x.moved(code, weaver.types[code], op.move)
    if not x.plain:
        return moved
    plain = code if x.plain == x.code else weaver.emit(op, x.plain)
    return replace(moved, plain=plain)


def _concatenate(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Join codes, and scales and offsets beside them."""
    assert isinstance(op, Concatenate)
    if all(x.plain for x in inputs):
        return _as_it_is(weaver, op, inputs)
    waiting = inputs[0].pending
    alike = all(
        len(x.pending) == len(waiting)
        and all(equal(a, b) and _single(a) for a, b in zip(x.pending, waiting, strict=True))
        for x in inputs
    )
    parts = inputs if alike else [weaver.settled(x, "a concatenation") for x in inputs]
    code = weaver.emit(op, *(x.code for x in parts))
    axis = op.axis % len(parts[0].shape)

    def joined(arrays: list[np.ndarray]) -> np.ndarray:
        spread = [np.broadcast_to(a, x.shape) for a, x in zip(arrays, parts, strict=True)]
        return short(np.concatenate(spread, axis))

    scale, offset = joined([x.scale for x in parts]), joined([x.offset for x in parts])
    return Scaled(code, weaver.types[code], scale, offset, waiting if alike else ())


def _single(op: Op) -> bool:
    """Say whether a waiting function is the same for every element."""
    return not isinstance(op, Affine | LeakyRelu) or all(np.size(v) == 1 for v in vars(op).values())


def _sum(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Add codes of equal scale; a constant goes into the offset."""
    if all(x.plain for x in inputs):
        return _as_it_is(weaver, op, inputs)
    sign = -1 if isinstance(op, Subtract) else 1
    a, b = (x if _is_constant(x) else weaver.settled(x, "a sum") for x in inputs)
    if _is_constant(b) and np.broadcast_shapes(a.shape, b.shape) == a.shape:
        return a.affine(exact(1.0), short(sign * b.offset))
    if _is_constant(a) and np.broadcast_shapes(a.shape, b.shape) == b.shape:
        return b.affine(exact(float(sign)), a.offset)
    a, b = _one_scale(weaver, a, b, op)
    code = weaver.emit(op, a.code, b.code)
    return Scaled(code, weaver.types[code], a.scale, short(a.offset + sign * b.offset))


def _is_constant(x: Scaled) -> bool:
    return not x.pending and all_equal(x.scale, 0)


def _one_scale(weaver: Weaver, a: Scaled, b: Scaled, op: Op) -> tuple[Scaled, Scaled]:
    """Return two values of equal scale; a ratio that is a power of two is shifted away.

    Raises:
        UnsupportedError: another ratio.
    """
    if same(a.scale, b.scale):
        return a, b
    if a.scale.size == b.scale.size == 1 and a.scale.flat[0] and b.scale.flat[0]:
        ratio = a.scale.flat[0] / b.scale.flat[0]
        if power_of_two(ratio):
            coarse, fine = (a, b) if ratio > 1 else (b, a)
            factor = np.asarray(float(max(ratio, 1 / ratio)))
            shifted = weaver.with_code(coarse, Affine(factor, np.asarray(0.0)), scale=fine.scale)
            return (shifted, b) if ratio > 1 else (a, shifted)
    raise UnsupportedError(
        "two values of different scales meet",
        found=f"{op.kind} of integers times {_scales([a, b])}",
        supported="equal scales, or scales that differ by a power of two",
        remedy="quantize both operands with one scale (share the quantizer)",
    )


def _extreme(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Compare codes of equal scale and offset."""
    if all(x.plain for x in inputs):
        return _as_it_is(weaver, op, inputs)
    for x, other in (inputs, inputs[::-1]):
        if _is_constant(other) and np.broadcast_shapes(x.shape, other.shape) == x.shape:
            return _limited(x, reals(other.offset), isinstance(op, Maximum))
    a, b = (weaver.settled(x, op.kind) for x in inputs)
    a, b = _one_scale(weaver, a, b, op)
    if not same(a.offset, b.offset):
        a, b = weaver.centred(a), weaver.centred(b)
    if not same(a.offset, b.offset) or not all(s > 0 for s in a.scale.ravel()):
        raise UnsupportedError(
            "two values of different offsets are compared",
            found=f"offsets {float(a.offset.flat[0]):.8g} and {float(b.offset.flat[0]):.8g}",
            supported="equal scales and zero points",
            remedy="quantize both operands with one scale and zero point",
        )
    code = weaver.emit(op, a.code, b.code)
    return Scaled(code, weaver.types[code], a.scale, a.offset)


def _limited(x: Scaled, limit: np.ndarray, from_below: bool) -> Scaled:
    """Return max(x, limit) as relu(x - limit) + limit, and min(x, limit) by its mirror image."""
    sign = 1.0 if from_below else -1.0
    one = np.asarray(sign)
    first = x.affine(exact(sign), exact(-sign * limit))
    return first.then(Clip(0.0, None)).then(Affine(one, np.asarray(limit)))


def _multiply(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Multiply codes and scales; a constant goes into the scale."""
    if all(x.plain for x in inputs) and not any(_is_constant(x) for x in inputs):
        return _as_it_is(weaver, op, inputs)
    for x, other in (inputs, inputs[::-1]):
        if _is_constant(other) and np.broadcast_shapes(x.shape, other.shape) == x.shape:
            return x.affine(other.offset, exact(0.0))
    a, b = (weaver.centred(weaver.settled(x, "a product")) for x in inputs)
    if not all_equal(a.offset, 0) or not all_equal(b.offset, 0):
        raise UnsupportedError(
            "two values are multiplied of which one has an offset",
            found=f"offsets {float(a.offset.flat[0]):.8g} and {float(b.offset.flat[0]):.8g}",
            supported="values straight from a quantizer",
            remedy="quantize both operands",
        )
    code = weaver.emit(op, a.code, b.code)
    return Scaled(code, weaver.types[code], short(a.scale * b.scale), exact(0.0))


def _argmax(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Compare codes: an order-keeping function behind them changes nothing."""
    (x,) = inputs
    if not x.plain:
        pending = list(x.pending)
        while pending and strictly_rising(pending[-1]):
            pending.pop()
        x = weaver.settled(replace(x, pending=tuple(pending)), "argmax")
        x = weaver.uniform(weaver.centred(x), "argmax")
        if x.scale.flat[0] <= 0 or x.offset.size > 1:
            raise UnsupportedError(
                "argmax compares values with different offsets, or a scale below zero",
                supported="one positive scale and one offset",
                remedy="leave the argmax to the host: drop the layer",
            )
    name = weaver.emit(op, x.plain or x.code)
    return Scaled.of_plain(name, weaver.types[name])


def _quantize(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    """Keep a fixed-point quantizer of a plain value; else find its thresholds."""
    assert isinstance(op, Quantize)
    (x,) = inputs
    plain = weaver.try_plain(op, x) if x.plain else None
    return requantize(weaver, x, op) if plain is None else plain


def _scaled_quantize(weaver: Weaver, op: Op, inputs: list[Scaled]) -> Scaled:
    assert isinstance(op, ScaledQuantize)
    return requantize(weaver, inputs[0], op)


RULES: tuple[
    tuple[type[Op] | tuple[type[Op], ...], Callable[[Weaver, Op, list[Scaled]], Scaled]], ...
] = (
    (Constant, _constant),
    (Affine, _affine),
    ((Clip, LeakyRelu, Function), _activation),
    (Softmax, _softmax),
    (Dense, _dense),
    (Movement, _move),
    (Concatenate, _concatenate),
    ((Add, Subtract), _sum),
    ((Maximum, Minimum), _extreme),
    (Multiply, _multiply),
    (Argmax, _argmax),
    (Quantize, _quantize),
    (ScaledQuantize, _scaled_quantize),
    *WINDOW_RULES,
)
"""Every operation that has a rule of its own."""
