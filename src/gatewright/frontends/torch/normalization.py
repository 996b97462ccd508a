"""Normalisation of channels by stored statistics, and of a sample by its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewright.frontends.recipes.normalization import (
    normalize_axes,
    normalize_groups,
    scale_and_offset,
)
from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.operand import Operand, Value
from gatewright.ops import Affine, Normalize


def batch_norm(call: Call) -> Operand:
    """Return `(x - mean) / sqrt(variance + eps) * weight + bias` along axis 1, as at inference."""
    x = call.plain("input")
    training = call.has("training") and call.flag("training")
    if training or call.given.get("running_mean") is None:
        raise call.unsupported(
            "a batch normalisation uses the statistics of the batch",
            found="training mode" if training else "no running statistics",
            supported="running statistics, as at inference",
            remedy="export module.eval(), with track_running_stats=True",
        )
    call.ignore("momentum", "cudnn_enabled", "use_input_stats")
    channels = x.shape[:1]
    mean, variance = (call.reals(n, channels) for n in ("running_mean", "running_var"))
    gamma, beta = (call.optional_reals(n, channels) for n in ("weight", "bias"))
    eps = call.number("eps")
    if (variance + eps <= 0).any():
        raise call.unsupported("a batch normalisation has a variance that is not positive")
    one, zero = mean * 0 + 1, mean * 0
    own = Affine.of_batch_normalization(
        one if gamma is None else gamma, zero if beta is None else beta, mean, variance, eps
    )
    result = call.channels_first(call.emit(own, call.channels_last(x)))
    native = call.operator.startswith("aten._native")
    return (result, None, None) if native else result


def layer_norm(call: Call) -> Operand:
    """Normalise over the last axes by mean and variance."""
    return _over_last(call, True)


def rms_norm(call: Call) -> Operand:
    """Normalise over the last axes by the root of the mean square."""
    return _over_last(call, False)


def _over_last(call: Call, centred: bool) -> Operand:
    x, shape = call.value("input"), call.integers("normalized_shape")
    axes = tuple(call.sample_axis(a, x) for a in range(-len(shape), 0))
    call.ignore("cudnn_enable")
    eps = call.optional_number("eps")
    if eps is None:
        eps = float(np.finfo(np.float32).eps)  # PyTorch's default of an RMS norm
    spread = "variance" if centred else "mean square"
    value = normalize_axes(call, x, axes, Normalize(centred, spread, eps))
    gamma = call.optional_reals("weight", shape)
    beta = call.optional_reals("bias", shape) if call.has("bias") else None
    result = scale_and_offset(call, value, gamma, beta)
    return (result, None, None) if call.operator.startswith("aten.native") else result


def group_norm(call: Call) -> Operand:
    """Normalise groups of channels over their channels and all positions."""
    x = call.plain("input")
    call.ignore("cudnn_enabled", "N", "C", "HxW")
    groups = call.integer("num_groups" if call.has("num_groups") else "group")
    result = _of_groups(call, x, groups)
    return (result, None, None) if call.operator.startswith("aten.native") else result


def instance_norm(call: Call) -> Operand:
    """Normalise each channel over all positions of the sample."""
    x = call.plain("input")
    if not call.flag("use_input_stats"):
        return batch_norm(call)
    call.ignore("running_mean", "running_var", "momentum", "cudnn_enabled")
    return _of_groups(call, x, x.shape[0])


def _of_groups(call: Call, x: Value, groups: int) -> Value:
    channels = x.shape[:1]
    op = Normalize(True, "variance", call.number("eps"))
    value = normalize_groups(call, x, groups, op, channels_last=False)
    apart = (-1, *(1,) * (len(x.shape) - 1))
    gamma, beta = (call.optional_reals(n, channels) for n in ("weight", "bias"))
    return scale_and_offset(
        call, value, None if gamma is None else gamma.reshape(apart),
        None if beta is None else beta.reshape(apart),
    )  # fmt: skip


HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "_native_batch_norm_legit_no_training": batch_norm,
    "_native_batch_norm_legit": batch_norm,
    "_native_batch_norm_legit_functional": batch_norm,
    "batch_norm": batch_norm,
    "native_batch_norm": batch_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "native_group_norm": group_norm,
    "native_layer_norm": layer_norm,
    "rms_norm": rms_norm,
}
