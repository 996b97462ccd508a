"""Arithmetic on constants, in the precision of the file, as the source's executor would do it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Array, Const


def _clip(x: Array, low: Array | None = None, high: Array | None = None) -> Array:
    return np.asarray(np.clip(x, low, high))


FOLDS: dict[str, Callable[..., Array]] = {
    "Abs": np.abs,
    "Add": np.add,
    "Ceil": np.ceil,
    "Clip": _clip,
    "Div": np.divide,
    "Exp": np.exp,
    "Floor": np.floor,
    "Max": lambda *x: np.asarray(np.maximum.reduce(np.broadcast_arrays(*x))),
    "Min": lambda *x: np.asarray(np.minimum.reduce(np.broadcast_arrays(*x))),
    "Mul": np.multiply,
    "Neg": np.negative,
    "Pow": np.power,
    "Reciprocal": np.reciprocal,
    "Relu": lambda x: np.maximum(x, 0),
    "Round": np.rint,
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
}
"""Operators folded where every operand is constant; movement folds in its own handlers."""


def fold(call: Call) -> Const:
    """Compute one operator on constants.

    Raises:
        UnsupportedError: operands of different types, quantized ones, or a result not finite.
    """
    operands = [o for o in call.operands if isinstance(o, Const)]
    arrays = [o.array if isinstance(o, Const) else None for o in call.operands]
    kinds = {o.array.dtype for o in operands}
    if len(kinds) > 1 or any(o.scale is not None for o in operands):
        raise call.unsupported(
            f"{call.node.op_type} of quantized or mixed constants is not folded",
            found=", ".join(
                "quantized" if o.scale is not None else str(o.array.dtype) for o in operands
            ),
            supported="float constants of one type",
            remedy="fold constants when exporting",
        )
    integer = kinds == {np.dtype(np.int64)}
    if integer and call.node.op_type not in ("Add", "Sub", "Mul", "Min", "Max", "Neg", "Clip"):
        raise call.unsupported(f"{call.node.op_type} of integer constants is not folded")
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(FOLDS[call.node.op_type](*arrays))
    except (TypeError, ValueError) as error:
        raise call.unsupported("constants do not fit together", found=error) from None
    if not np.isfinite(result).all():
        raise call.unsupported("a folded constant is NaN or infinite")
    return Const(result.astype(operands[0].array.dtype), None, operands[0].kind if integer else 0)
