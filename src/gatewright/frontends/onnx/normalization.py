"""Operators that normalise by statistics: of training, or of each sample."""

from __future__ import annotations

import numpy as np

from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Operand, Value
from gatewright.frontends.recipes.normalization import (
    normalize_axes,
    normalize_groups,
    scale_and_offset,
)
from gatewright.ir import Reals
from gatewright.ops import Absolute, Affine, Divide, Normalize, Sum

EPSILON = float(np.float32(1e-5))
OUTSIDE = 1e-9
"""What a MeanVarianceNormalization adds to the root."""


def batch_normalization(call: Call) -> Operand:
    """Return `(x - mean) / sqrt(variance + epsilon) * gamma + beta` along axis 1."""
    epsilon = call.attributes.number("epsilon", EPSILON)
    call.attributes.ignore("momentum")
    call.attributes.must_be("training_mode", 0, "training")
    if call.opset < 9:
        call.attributes.must_be("spatial", 1, "statistics of each position")
    x = call.value(0, "X")
    names = ("scale", "B", "mean", "var")
    gamma, beta, mean, variance = (_channels(call, x, i, n) for i, n in enumerate(names, 1))
    if (variance + epsilon <= 0).any():
        raise call.unsupported("a batch normalisation has a variance that is not positive")
    return call.emit(Affine.of_batch_normalization(gamma, beta, mean, variance, epsilon), x)


def _channels(call: Call, x: Value, i: int, name: str) -> Reals:
    """Return a constant of a number for each channel, to broadcast against the sample."""
    part = call.const(i, name).reals()
    if not x.shape or part.shape != x.shape[:1]:
        raise call.unsupported(
            f"{call.node.op_type} has constants that do not fit its input",
            found=f"{name} of {part.shape} on (batch, {', '.join(map(str, x.shape))})",
            supported="a number for each channel (axis 1)",
        )
    return part.reshape(-1, *(1,) * (len(x.shape) - 1))


def _epsilon(call: Call) -> float:
    epsilon = call.attributes.number("epsilon", EPSILON)
    if epsilon < 0:
        raise call.unsupported(
            "a normalisation has a negative epsilon", found=epsilon, supported="0 and above"
        )
    return epsilon


def _from_axis(call: Call, op: Normalize) -> Operand:
    """Normalise over an axis and all behind it, with a scale and a bias of their shape."""
    call.attributes.must_be("stash_type", 1, "statistics in another type than float32")
    x = call.value(0, "X")
    first = call.sample_axis(call.attributes.integer("axis", -1), x.rank)
    axes = tuple(range(first, len(x.shape)))
    trained = []
    for i, name in enumerate(("Scale", "B"), 1):
        const = call.optional_const(i, name)
        part = None if const is None else call.sample(const.reals(), x.rank)
        if part is not None and np.broadcast_shapes(part.shape, x.shape) != x.shape:
            raise call.unsupported(
                f"{call.node.op_type} has a {name} that does not fit its input",
                found=f"{part.shape} on (batch, {', '.join(map(str, x.shape))})",
            )
        trained.append(part)
    _refuse_statistics(call)
    return scale_and_offset(call, normalize_axes(call, x, axes, op), *trained)


def _refuse_statistics(call: Call) -> None:
    if any(name for name in call.node.output[1:]):
        raise call.unsupported(
            f"{call.node.op_type} also gives its mean and deviation",
            found=f"{len(call.node.output)} outputs",
            supported="the normalised tensor alone",
            remedy="export the model for inference",
        )


def layer_normalization(call: Call) -> Operand:
    """Normalise by mean and variance over an axis and all behind it."""
    return _from_axis(call, Normalize(True, "variance", _epsilon(call)))


def rms_normalization(call: Call) -> Operand:
    """Divide by the root of the mean square over an axis and all behind it."""
    return _from_axis(call, Normalize(False, "mean square", _epsilon(call)))


def group_normalization(call: Call) -> Operand:
    """Normalise groups of channels; scale and bias are per group before opset 21."""
    call.attributes.must_be("stash_type", 1, "statistics in another type than float32")
    x, groups = call.value(0, "X"), call.attributes.integer("num_groups", 0)
    channels = x.shape[0] if x.shape else 0
    if groups <= 0 or channels % groups:
        raise call.unsupported(
            "groups that do not divide the channels",
            found=f"{groups} groups of {channels} channels",
            supported=f"a divisor of {channels}",
        )
    op = Normalize(True, "variance", _epsilon(call))
    scale, bias = call.const(1, "scale").reals(), call.const(2, "bias").reals()
    wanted = groups if call.opset < 21 else channels
    if scale.shape != (wanted,) or bias.shape != (wanted,):
        raise call.unsupported(
            "a group normalisation has a scale or bias of another length",
            found=f"{scale.shape} and {bias.shape}",
            supported=f"({wanted},): per {'group' if call.opset < 21 else 'channel'} in this opset",
        )
    shape = (-1, *(1,) * (len(x.shape) - 1))
    parts = (np.repeat(v, channels // wanted).reshape(shape) for v in (scale, bias))
    y = normalize_groups(call, x, groups, op, channels_last=False)
    return scale_and_offset(call, y, *parts)


def instance_normalization(call: Call) -> Operand:
    """Normalise each channel over its positions."""
    x = call.value(0, "input")
    if len(x.shape) < 2:
        raise call.unsupported(
            "an instance normalisation without positions", found=f"shape (batch, {x.shape})"
        )
    parts = [_channels(call, x, i, name) for i, name in ((1, "scale"), (2, "B"))]
    axes = tuple(range(1, len(x.shape)))
    y = normalize_axes(call, x, axes, Normalize(True, "variance", _epsilon(call)))
    return scale_and_offset(call, y, *parts)


def lp_normalization(call: Call) -> Operand:
    """Divide by the sum of sizes (p 1) or by the length (p 2) along an axis; 0 where that is 0."""
    x, p = call.value(0, "input"), call.attributes.integer("p", 2)
    axis = call.sample_axis(call.attributes.integer("axis", -1), x.rank)
    if p == 2:
        return normalize_axes(call, x, (axis,), Normalize(False, "square sum"))
    if p != 1:
        raise call.unsupported("a norm of another order", found=f"p = {p}", supported="1, 2")
    sizes = call.emit(Absolute(), x, suffix="sizes")
    total = call.emit(Sum((axis,), True), sizes, suffix="sum")
    return call.emit(Divide(None, 0.0), x, total)


def mean_variance_normalization(call: Call) -> Operand:
    """Return (x - mean) / (deviation + 1e-9) over axes that leave the batch out."""
    x = call.value(0, "X")
    given = call.attributes.integers("axes")
    axes = sorted({call.axis(a, x.rank) for a in ((0, 2, 3) if given is None else given)})
    if axes[:1] == [0]:
        raise call.unsupported(
            "a normalisation over the batch",
            found=f"axes {axes}",
            supported="axes of one sample (1 and up)",
            remedy="use a BatchNormalization with the statistics of training",
        )
    op = Normalize(True, "variance", OUTSIDE, "outside")
    return normalize_axes(call, x, tuple(a - 1 for a in axes), op)
