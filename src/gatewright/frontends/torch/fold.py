"""Arithmetic on constants: run by PyTorch itself, in the precision of the model."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils import _pytree as pytree

from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.operand import Const, Operand

MOVES = frozenset(
    f"aten.{name}"
    for name in (
        "alias",
        "clone",
        "contiguous",
        "detach",
        "expand",
        "flatten",
        "permute",
        "reshape",
        "select",
        "slice",
        "squeeze",
        "t",
        "transpose",
        "unsqueeze",
        "view",
        "lift_fresh_copy",
        "_unsafe_view",
        "unflatten",
        "split",
        "chunk",
        "unbind",
        "split_with_sizes",
        "numpy_T",
    )
)
"""Operators that move elements: they treat codes and scales alike."""

READ_BY_HANDLERS = frozenset(("onnx_symbolic", "quantized_decomposed", "torchao"))
"""Namespaces whose operators make codes of constants; handlers keep them apart from scales."""


def can_fold(call: Call, target: Any) -> bool:
    """Say whether PyTorch is to compute an operator on constants."""
    names = call.operator.split(".")
    return names[0] not in READ_BY_HANDLERS and "fake_quant" not in call.operator


def fold(call: Call, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operand:
    """Run an operator on constants.

    Raises:
        UnsupportedError: it draws random numbers, or computes on quantized weights.
    """
    if isinstance(target, torch._ops.OpOverload) and (
        torch.Tag.nondeterministic_seeded in target.tags
        and call.operator.rpartition(".")[0] != "aten.dropout"
    ):
        raise call.unsupported(
            "the module draws random numbers",
            found=call.operator,
            supported="modules that give the same answer every time",
            remedy="draw the numbers once, and keep them in a buffer",
        )
    scaled = any(c.scale is not None for c in _constants(args, kwargs))
    if scaled and call.operator.rpartition(".")[0] not in MOVES:
        return _run(call, target, *_without_scales(args, kwargs))
    codes = _run(call, target, args, kwargs)
    if not scaled:
        return codes
    scales = _run(call, target, *pytree.tree_map_only(Const, _scale_of, (args, kwargs)))
    return pytree.tree_map(lambda c, s: Const(c.tensor, s.tensor), codes, scales)


def _constants(args: Any, kwargs: Any) -> list[Const]:
    return [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, Const)]


def _scale_of(const: Const) -> Const:
    return Const(
        torch.ones_like(const.tensor, dtype=torch.float64) if const.scale is None else const.scale
    )


def _without_scales(args: Any, kwargs: Any) -> Any:
    """Return quantized constants as PyTorch has them: the product in float32."""
    return pytree.tree_map_only(
        Const,
        lambda c: (
            c if c.scale is None else Const(c.tensor.to(torch.float32) * c.scale.to(torch.float32))
        ),
        (args, kwargs),
    )


def _run(call: Call, target: Any, args: Any, kwargs: Any) -> Operand:
    args, kwargs = pytree.tree_map_only(Const, lambda c: c.tensor, (args, kwargs))
    kwargs = {k: v for k, v in kwargs.items() if k not in ("device", "pin_memory", "layout")}
    with torch.no_grad():
        try:
            result = target(*args, **kwargs)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise call.unsupported(
                "a computation on constants fails",
                found=f"{call.operator}: {str(error).splitlines()[0] if str(error) else error!r}",
            ) from None
    return pytree.tree_map_only(torch.Tensor, Const, result)
