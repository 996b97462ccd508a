"""Sums of products over named axes, by the matrix products of `ops`.

Axes are letters, one for each axis of a sample; the batch, which every activation has, is not among
them. NumPy's and the frameworks' rules: a letter twice in an operand takes the diagonal, a letter
in one operand alone and not in the result is summed, axes of length 1 broadcast.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.recipes.emitter import Emitter, T
from gatewright.ir import Reals
from gatewright.ops import (
    Dense,
    Gather,
    GroupedDense,
    Matmul,
    Multiply,
    Reshape,
    Sum,
    Transpose,
)

LETTERS = "0123456789"
"""Stand for the axes of an ellipsis."""

FORM = re.compile(r"[A-Za-z.]*(,[A-Za-z.]*)*(->[A-Za-z.]*)?")


@dataclass(frozen=True)
class Equation:
    """An equation with a letter for each axis, the batch's included.

    Attributes:
        operands: axes of each operand.
        result: axes of the result.
    """

    operands: tuple[str, ...]
    result: str


def parse_equation(text: str, ranks: Sequence[int]) -> Equation | None:
    """Return an equation with its ellipses written out and its result stated.

    Args:
        text: such as "bij,bjk->bik", "...ij,...jk", "bi,bj".
        ranks: of the operands, with the batch.

    Returns:
        None where the text is no equation of so many operands of these ranks.
    """
    text = text.replace(" ", "")
    left, arrow, right = text.partition("->")
    sides = left.split(",")
    if not FORM.fullmatch(text) or len(sides) != len(ranks):
        return None
    hidden = []
    for side, rank in zip(sides, ranks, strict=True):
        own = side.replace("...", "", 1)
        missing = rank - len(own)
        if "." in own or missing < 0 or (missing and own == side) or missing > len(LETTERS):
            return None
        hidden.append(missing)
    most = LETTERS[: max(hidden)]
    operands = tuple(
        side.replace("...", most[len(most) - n :]) for side, n in zip(sides, hidden, strict=True)
    )
    if arrow:
        result = right.replace("...", most, 1)
    else:
        every = "".join(operands)
        result = most + "".join(sorted(c for c in set(every) - set(most) if every.count(c) == 1))
    known = set("".join(operands))
    if "." in result or len(set(result)) != len(result) or not set(result) <= known:
        return None
    return Equation(operands, result)


def without_batch(equation: Equation, activations: Sequence[bool]) -> Equation | None:
    """Take the batch out of an equation.

    Args:
        equation: with the batch as the first axis of each activation.
        activations: which operands are activations; the others are constants without batch.

    Returns:
        None where the batch is not an axis of its own, first in every activation and in the result.
    """
    batch = {axes[:1] for axes, own in zip(equation.operands, activations, strict=True) if own}
    if len(batch) != 1 or equation.result[:1] not in batch or "" in batch:
        return None
    (letter,) = batch
    rest = tuple(
        axes[1:] if own else axes for axes, own in zip(equation.operands, activations, strict=True)
    )
    if any(letter in axes for axes in (*rest, equation.result[1:])):
        return None
    return Equation(rest, equation.result[1:])


def axis_lengths(equation: Equation, shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """Return the length of every axis; one of length 1 broadcasts.

    Raises:
        ModelError: the shapes do not fit the equation.
    """
    lengths: dict[str, int] = {}
    for axes, shape in zip(equation.operands, shapes, strict=True):
        fits = len(axes) == len(shape)
        for axis, length in zip(axes, shape, strict=False):
            known = lengths.setdefault(axis, length)
            fits = fits and (known == length or 1 in (known, length))
            lengths[axis] = max(known, length)
        if not fits:
            raise ModelError(
                "the shapes of a sum of products do not fit its equation",
                found=" and ".join(map(str, shapes)),
                supported=f"{','.join(equation.operands)} -> {equation.result}, without the batch",
            )
    return lengths


def einsum(at: Emitter[T], equation: Equation, *values: T) -> T:
    """Append a sum of products of activations, two at a time from the left.

    Args:
        at: where to append.
        equation: without the batch.
        values: the operands.
    """
    axis_lengths(equation, [v.shape for v in values])
    (axes, *others), (value, *rest) = equation.operands, values
    if not rest:
        axes, value = _own(at, axes, value, equation.result)
        return move(at, value, axes, equation.result)
    for n, (other, operand) in enumerate(zip(others, rest, strict=True)):
        later = set("".join([equation.result, *others[n + 1 :]]))
        last = n + 1 == len(rest)
        target = equation.result if last else _ordered(axes + other, later)
        value = _pair(at, (axes, value), (other, operand), target)
        axes = target
    return value


def _ordered(axes: str, wanted: set[str]) -> str:
    return "".join(c for c in dict.fromkeys(axes) if c in wanted)


def _own(at: Emitter[T], axes: str, value: T, needed: str) -> tuple[str, T]:
    """Take diagonals, and sum what no other operand nor the result has; return the axes left."""
    for axis in dict.fromkeys(axes):
        while axes.count(axis) > 1:
            i = axes.index(axis)
            j = axes.index(axis, i + 1)
            value, axes = _diagonal(at, value, i, j), axes[:j] + axes[j + 1 :]
    alone = tuple(i for i, axis in enumerate(axes) if axis not in needed)
    if alone:
        value = at.emit(Sum(alone), value, suffix="sum")
        axes = "".join(axis for axis in axes if axis in needed)
    return axes, value


def _diagonal(at: Emitter[T], value: T, i: int, j: int) -> T:
    """Keep of axes i < j the elements with equal positions, along axis i."""
    shape = value.shape
    length = shape[i]
    rest = [a for a in range(len(shape)) if a not in (i, j)]
    value = _turn(at, value, (i, j, *rest))
    value = reshape(at, value, (length * length, *(shape[a] for a in rest)))
    value = at.emit(Gather.of(np.arange(length) * (length + 1), 0), value, suffix="diagonal")
    return _turn(at, value, (*range(1, i + 1), 0, *range(i + 1, len(rest) + 1)))


def _pair(at: Emitter[T], first: tuple[str, T], second: tuple[str, T], result: str) -> T:
    """Append the product of two operands."""
    a, x = _own(at, *first, second[0] + result)
    b, y = _own(at, *second, a + result)
    a, x = _drop_broadcast(at, a, x, (b, y.shape))
    b, y = _drop_broadcast(at, b, y, (a, x.shape))
    a, x = _own(at, a, x, b + result)
    b, y = _own(at, b, y, a + result)
    lengths = dict(zip(a + b, x.shape + y.shape, strict=True))
    shared = "".join(c for c in a if c in b and c in result)
    inner = "".join(c for c in a if c in b and c not in result)
    left, right = ("".join(c for c in own if c not in shared + inner) for own in (a, b))

    def count(axes: str) -> int:
        return math.prod(lengths[c] for c in axes)

    lead = tuple(lengths[c] for c in shared)
    x = reshape(at, move(at, x, a, shared + left + inner), (*lead, count(left), count(inner)))
    y = reshape(at, move(at, y, b, shared + inner + right), (*lead, count(inner), count(right)))
    found = at.emit(Matmul() if inner else Multiply(), x, y)
    axes = shared + left + right
    found = reshape(at, found, tuple(lengths[c] for c in axes))
    return move(at, found, axes, result)


def _drop_broadcast(
    at: Emitter[T], axes: str, value: T, other: tuple[str, tuple[int, ...]]
) -> tuple[str, T]:
    """Drop an operand's axes of length 1 that broadcast against longer ones of the other."""
    longer = {axis for axis, n in zip(*other, strict=True) if n > 1}
    kept = [i for i, axis in enumerate(axes) if value.shape[i] > 1 or axis not in longer]
    value = reshape(at, value, tuple(value.shape[i] for i in kept))
    return "".join(axes[i] for i in kept), value


def contract(
    at: Emitter[T], equation: Equation, value: T, kernel: Reals, bias: Reals | None = None
) -> T:
    """Append the product of an activation with a constant, by matrices along the last axis.

    Args:
        at: where to append.
        equation: of the activation and the kernel, without the batch.
        value: the activation.
        kernel: of as many axes as the equation says.
        bias: of the axes that the kernel brings (`new_axes`), in their order; None for none.

    Raises:
        ModelError: the shapes do not fit the equation.
    """
    lengths = axis_lengths(equation, [value.shape, kernel.shape])
    source, result = equation.operands[0], equation.result
    names, kernel = _plain(equation.operands[1], np.asarray(kernel, np.float64), source + result)
    source, value = _own(at, source, value, names + result)
    source, value = _drop_broadcast(at, source, value, (names, kernel.shape))
    longer = {c for c, n in zip(source, value.shape, strict=True) if n > 1}
    squeezed = tuple(i for i, c in enumerate(names) if kernel.shape[i] == 1 and c in longer)
    kernel = kernel.sum(axis=squeezed)
    names = "".join(c for i, c in enumerate(names) if i not in squeezed)
    names, kernel = _plain(names, kernel, source + result)
    source, value = _own(at, source, value, names + result)
    new = "".join(c for c in names if c not in source)
    inner = "".join(c for c in names if c in source and c not in result)
    shared = "".join(c for c in names if c in source and c in result)
    kept = "".join(c for c in source if c not in names)

    def shape(axes: str) -> tuple[int, ...]:
        return tuple(lengths[c] for c in axes)

    matrices = kernel.transpose([names.index(c) for c in shared + inner + new]).reshape(
        math.prod(shape(shared)), math.prod(shape(inner)), math.prod(shape(new))
    )
    value = move(at, value, source, kept + shared + inner)
    offset = None if bias is None else np.asarray(bias, np.float64).reshape(-1)
    if shared:
        value = reshape(at, value, (*shape(kept), *matrices.shape[:2]))
        spread = None if offset is None else np.tile(offset, (len(matrices), 1))
        value = at.emit(GroupedDense.of(matrices, spread), value)
    else:
        value = reshape(at, value, (*shape(kept), matrices.shape[1]))
        value = at.emit(Dense.of(matrices[0], offset), value)
    value = reshape(at, value, shape(kept + shared + new))
    return move(at, value, kept + shared + new, result)


def new_axes(equation: Equation) -> str:
    """Return the axes of the result that only the kernel has, in the kernel's order."""
    source, kernel = equation.operands
    return "".join(c for c in dict.fromkeys(kernel) if c not in source and c in equation.result)


def _plain(names: str, kernel: Reals, needed: str) -> tuple[str, Reals]:
    """Take the kernel's diagonals, and sum the axes that it alone has."""
    plain = "".join(c for c in dict.fromkeys(names) if c in needed)
    if plain == names:
        return names, kernel
    short = {c: chr(ord("a") + i) for i, c in enumerate(dict.fromkeys(names))}
    sides = ("".join(short[c] for c in axes) for axes in (names, plain))
    return plain, np.asarray(np.einsum("->".join(sides), kernel), np.float64)


def matmul(at: Emitter[T], a: T, b: T) -> T:
    """Append NumPy's `matmul` of two activations with the batch in front.

    An operand of one axis (a vector a sample) is a row on the left, a column on the right.
    """
    left, right = a.shape, b.shape
    x = reshape(at, a, (1, *left)) if len(left) == 1 else a
    y = reshape(at, b, (*right, 1)) if len(right) == 1 else b
    value = at.emit(Matmul(), x, y)
    shape = value.shape
    if len(left) == 1:
        shape = (*shape[:-2], shape[-1])
    return reshape(at, value, shape[:-1] if len(right) == 1 else shape)


def reshape(at: Emitter[T], value: T, shape: tuple[int, ...]) -> T:
    """Append a change of shape, where it is one."""
    return value if value.shape == shape else at.emit(Reshape(shape), value, suffix="reshape")


def move(at: Emitter[T], value: T, source: str, target: str) -> T:
    """Append an exchange of axes, where it is one."""
    return _turn(at, value, tuple(source.index(c) for c in target))


def _turn(at: Emitter[T], value: T, order: tuple[int, ...]) -> T:
    if order == tuple(range(len(order))):
        return value
    return at.emit(Transpose(order), value, suffix="transpose")
