"""Normalisation of channels by stored statistics, and of a sample by its own."""

from __future__ import annotations

from collections.abc import Callable

from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.operand import Operand
from gatewright.ir import Reals
from gatewright.ops import Affine


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
    call.ignore("momentum", "cudnn_enabled")
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
    if call.operator.startswith("aten.batch_norm"):
        return result
    return (result, None, None)


def affine_parameters(call: Call, shape: tuple[int, ...]) -> tuple[Reals | None, Reals | None]:
    """Return weight and bias of a normalisation, where it has them."""
    return call.optional_reals("weight", shape), call.optional_reals("bias", shape)


HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "_native_batch_norm_legit_no_training": batch_norm,
    "batch_norm": batch_norm,
}
