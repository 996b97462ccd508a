"""Every operator of PyTorch that is read, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gatewright.frontends.torch import (
    activations,
    attention,
    comparisons,
    convolution,
    elementwise,
    indexing,
    linear,
    movement,
    normalization,
    pooling,
    qonnx,
    quantizers,
    recurrent,
    reductions,
)
from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.operand import Operand

Handler = Callable[[Call], Operand]

FAMILIES: tuple[Mapping[str, Handler], ...] = (
    activations.HANDLERS,
    comparisons.HANDLERS,
    convolution.HANDLERS,
    elementwise.HANDLERS,
    linear.HANDLERS,
    attention.HANDLERS,  # behind `linear`: products of which neither side is constant
    movement.HANDLERS,
    indexing.HANDLERS,  # behind `movement`: the same with places that are computed
    normalization.HANDLERS,
    pooling.HANDLERS,
    qonnx.HANDLERS,
    quantizers.HANDLERS,
    recurrent.HANDLERS,
    reductions.HANDLERS,
)
"""Handlers of ATen operators, by name or by name and overload."""

OPERATORS: dict[str, Handler] = {name: h for family in FAMILIES for name, h in family.items()}
"""What reads each operator of `aten`; those of other namespaces by their full name."""

HARMLESS = frozenset(
    (
        "aten._assert_async.msg", "aten._assert_scalar.default",
        "aten._assert_tensor_metadata.default", "aten.sym_constrain_range.default",
        "aten.sym_constrain_range_for_size.default",
    )
)  # fmt: skip
"""Checks of the export's own assumptions about shapes and types, without a result."""


def handler_of(name: str) -> Handler | None:
    """Return what reads an operator, given as `aten.add.Tensor`, or None."""
    space, _, own = name.partition(".")
    if space != "aten":
        return OPERATORS.get(name)
    return OPERATORS.get(own) or OPERATORS.get(own.partition(".")[0])


def supported() -> list[str]:
    """Return the names of the operators that are read, without overloads."""
    return sorted({name.partition(".")[0] for name in OPERATORS})
