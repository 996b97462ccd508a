"""Round the constants of operations other than dense: scales, offsets, slopes, constant tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.ir import Op, Reals
from gatewright.num import Fixed, Rounding
from gatewright.ops import Affine, Constant, Embedding, Forest, LeakyRelu, OffsetWeights
from gatewright.ops.forest import WORD_LUTS
from gatewright.quantize.activations import choose_format, choose_one, quantizer
from gatewright.quantize.digits import cheapest, on_grid

OPEN = 2**60

OFFSET_PRICE = 4.0
"""LUTs that a digit of an added constant counts for: it costs bits, not adders."""


@dataclass(frozen=True, eq=False)
class Situation:
    """What is known where an operation stands.

    Attributes:
        x: (samples, *shape), the quantized input.
        sensitivity: like the result of these samples: cost of a squared error.
        lut: price of a LUT.
        digit: price of a digit that multiplies the input; broadcasts against the sample.
        weight, bias: the user's formats, or None.
        bits: of a factor at most, or None.
        shared: whether all elements of a tensor have one format.
    """

    x: Reals
    sensitivity: Reals
    lut: float
    digit: Reals
    weight: Fixed | None
    bias: Fixed | None
    bits: int | None = None
    shared: bool = False


def round_affine(op: Affine, at: Situation) -> Affine:
    """Round scale and offset; the offset undoes the mean error of the scale.

    Each differs along the axes along which the source's does, and along the last: what is one for
    all positions of an image stays so.
    """
    shape = at.x.shape[1:]
    scale, offset = (
        np.broadcast_to(c, np.broadcast_shapes(np.shape(c), shape[-1:]))
        for c in (op.scale, op.offset)
    )
    s = at.sensitivity
    new = round_each(
        scale,
        gathered((s * at.x * at.x).mean(0), scale),
        gathered(at.digit, scale),
        at.weight,
        at.bits,
    )
    total = np.maximum(s.mean(0), 1e-300)
    drift = (scale - new) * (s * at.x).mean(0)
    offset = offset + gathered(drift, offset) / gathered(total, offset)
    price = gathered(np.full(shape, OFFSET_PRICE * at.lut), offset)
    return Affine(new, round_each(offset, gathered(total, offset), price, at.bias))


def round_slope(op: LeakyRelu, at: Situation) -> LeakyRelu:
    """Round the slope by what it does to negative inputs."""
    stiffness = gathered((at.sensitivity * np.minimum(at.x, 0) ** 2).mean(0), op.slope)
    return LeakyRelu(
        round_each(op.slope, stiffness, gathered(at.digit, op.slope), at.weight, at.bits)
    )


def round_constant(op: Constant, at: Situation) -> Constant:
    """Round a constant tensor."""
    if at.shared and at.bits is not None and at.weight is None:
        return Constant(on_one_grid(op.values, at.bits))
    price = np.asarray(OFFSET_PRICE * at.lut)
    return Constant(round_each(op.values, at.sensitivity.mean(0), price, at.weight))


def round_table(op: Embedding, at: Situation) -> Embedding:
    """Round a table of rows to a format for each feature: a bit costs a LUT for 64 rows."""
    rows, features = op.table.shape
    if at.weight is not None:
        fixed = at.weight
        return Embedding(on_grid(op.table, fixed.frac, fixed.low, fixed.high))
    felt = np.zeros((rows, features))
    np.add.at(felt, at.x.astype(np.int64).ravel(), at.sensitivity.reshape(-1, features))
    felt = felt * rows / len(at.x)
    # A row that was never asked for on these samples may be on the next.
    felt = felt + felt.mean(0) / (1 + at.x.size)
    places = at.x[0].size
    price = np.full(features, at.lut * places * np.ceil(rows / 64))
    ends = op.table.min(0), op.table.max(0)
    choose = choose_one if at.shared else choose_format
    chosen = choose(op.table, felt, price, np.inf, ends, None)
    return Embedding(quantizer(chosen, (features,), Rounding.RND).real(op.table))


def round_offsets(op: OffsetWeights, at: Situation) -> OffsetWeights:
    """Round the kernel of a sparse convolution to a format for each filter."""
    kernel = op.kernel.reshape(-1, op.kernel.shape[-1])
    if at.weight is not None:
        fixed = at.weight
        return replace(op, kernel=on_grid(op.kernel, fixed.frac, fixed.low, fixed.high))
    rows, filters = kernel.shape
    # Each weight of the kernel stands at about as many places of the result as any other.
    felt = at.sensitivity.reshape(len(at.x), -1, filters).sum(1).mean(0) / rows
    pixels = at.x.shape[1]
    price = np.full(filters, at.lut * pixels**2 * rows)
    ends = kernel.min(0), kernel.max(0)
    choose = choose_one if at.shared else choose_format
    chosen = choose(kernel, np.tile(felt, (rows, 1)), price, np.inf, ends, None)
    rounded = quantizer(chosen, (filters,), Rounding.RND).real(kernel)
    return replace(op, kernel=rounded.reshape(op.kernel.shape))


def round_forest(op: Forest, at: Situation) -> Forest:
    """Round the leaves of a forest inside of a larger model to one grid."""
    if at.weight is not None:
        fixed = at.weight
        leaves = on_grid(op.leaves, fixed.frac, fixed.low, fixed.high)
        return replace(op, leaves=leaves, base=on_grid(op.base, fixed.frac + 2, -OPEN, OPEN))
    felt = float(at.sensitivity.mean()) or 1e-12
    frac = -math.floor(math.log2(leaf_unit(felt, at.lut)))
    leaves = on_grid(op.leaves, frac, -OPEN, OPEN)
    return replace(op, leaves=leaves, base=on_grid(op.base, frac + 2, -OPEN, OPEN))


def leaf_unit(felt: float, price: float) -> float:
    """Return the last bit's worth at which errors of leaves and their bits cost the same.

    A tree's rounding costs `felt * unit**2 / 12`, a bit of its words `price * WORD_LUTS`.

    Args:
        felt: cost of a squared error of the output.
        price: of a LUT.
    """
    return math.sqrt(6 * price * WORD_LUTS / (math.log(2) * felt))


def refuse(op: Op) -> Op:
    """Say that an operation's constants have no rule."""
    raise UnsupportedError(
        "an operation has constants that cannot be rounded automatically",
        found=op.kind,
        supported="dense, grouped_dense, affine, constant, embedding, forest, leaky_relu, "
        "offset_weights",
        remedy="give this layer number formats in the model (quantization-aware training)",
    )


def round_each(
    values: Reals, stiffness: Reals, price: Reals, fixed: Fixed | None, bits: int | None = None
) -> Reals:
    """Round numbers, each on its own: to a format, to so many bits, or to few digits."""
    values = np.asarray(values, np.float64)
    if fixed is not None:
        return on_grid(values, fixed.frac, fixed.low, fixed.high)
    if bits is not None:
        _, exponent = np.frexp(values)
        limit = 2.0 ** (bits - 1) - 1
        return on_grid(values, bits - 1 - exponent.astype(np.int64), -limit, limit)
    return cheapest(np.atleast_1d(values), stiffness, price).reshape(values.shape)


def on_one_grid(values: Reals, bits: int) -> Reals:
    """Round a tensor to one format of so many bits that holds its largest number."""
    largest = float(np.abs(values).max(initial=0.0))
    _, exponent = np.frexp(largest)
    limit = 2.0 ** (bits - 1) - 1
    return on_grid(np.asarray(values, np.float64), bits - 1 - int(exponent), -limit, limit)


def gathered(values: Reals, constant: Reals) -> Reals:
    """Sum, for each element of a constant that broadcasts, what belongs to it."""
    shape = np.shape(constant)
    values = np.asarray(values, np.float64)
    extra = values.ndim - len(shape)
    values = np.asarray(values.sum(axis=tuple(range(extra)))) if extra > 0 else values
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and values.shape[i] != 1)
    return np.asarray(values.sum(axis=axes, keepdims=True), np.float64)
