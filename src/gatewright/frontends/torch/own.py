"""Modules and operators of a user's own: kept whole in the export, built by the user's handler.

A module of which the user gives a handler by its class is exported as one call of an operator,
`gatewright::own`, so that its inside need not be one that can be exported or is handled.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import _disable_current_modes

from gatewright.base import ModelError, OptionError, UnsupportedError
from gatewright.frontends.custom import CustomHandler, CustomLayer, custom_handler
from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.operand import Codes, Const, Operand, Value

OWN = "gatewright.own.default"
"""Name of the operator that stands for a module."""

UNREAD = frozenset({"training", "forward"})
"""Attributes of a module that are no configuration; nor are those with a leading underscore."""


@dataclass(eq=False)
class OwnModule:
    """A module that stays whole.

    Attributes:
        module: a copy of it, as it was when the model was exported.
        kind: its class, with the package and module that define it.
    """

    module: torch.nn.Module
    kind: str

    def run(self, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return what the module answers, in double precision where an input has it."""
        module = self.module
        if any(x.dtype is torch.float64 for x in inputs):
            module = copy.deepcopy(module).double()
        found = module(*inputs)
        results = list(found) if isinstance(found, tuple | list) else [found]
        if not results or not all(isinstance(r, torch.Tensor) for r in results):
            raise UnsupportedError(
                "a module of your own gives something that is no tensor",
                place=self.kind,
                found=", ".join(type(r).__name__ for r in results) or "nothing",
                supported="a tensor, or a tuple of tensors",
            )
        return [r.clone() for r in results]  # an operator's result must be memory of its own


KEPT: WeakValueDictionary[str, OwnModule] = WeakValueDictionary()
"""Modules that stand in some program, by the key in its calls of `gatewright::own`."""


@torch.library.custom_op("gatewright::own", mutates_args=())  # type: ignore[untyped-decorator]
def own(inputs: Sequence[torch.Tensor], key: str) -> list[torch.Tensor]:
    """Call a module that stays whole."""
    return KEPT[key].run(inputs)


@own.register_fake  # type: ignore[untyped-decorator]
def _shapes_of(inputs: Sequence[torch.Tensor], key: str) -> list[torch.Tensor]:
    """Return results without numbers: the module is run on zeros to know their shapes."""
    with _disable_current_modes():
        zeros = [torch.zeros(tuple(map(int, x.shape)), dtype=x.dtype) for x in inputs]
        found = [(tuple(r.shape), r.dtype) for r in KEPT[key].run(zeros)]
    return [torch.empty(shape, dtype=dtype, device=inputs[0].device) for shape, dtype in found]


def class_of(module: torch.nn.Module) -> str:
    """Return the name of a module's class under which a handler is given."""
    return f"{type(module).__module__}.{type(module).__qualname__}"


@contextmanager
def kept_whole(model: torch.nn.Module) -> Iterator[list[OwnModule]]:
    """Replace, for a while, modules that have a user's handler by calls of one operator.

    Yields:
        What the operator needs as long as the program is used.

    Raises:
        OptionError: a handler was given for a layer of `torch.nn`.
    """
    found: list[tuple[torch.nn.Module, OwnModule]] = []
    for part in model.modules():
        kind = class_of(part)
        if custom_handler(kind) is not None:
            if kind.startswith("torch."):
                raise OptionError(
                    "a handler was given for a layer of PyTorch itself",
                    found=kind,
                    supported="modules of your own",
                    remedy="derive a class of your own from it, or leave the handler out",
                )
            found.append((part, OwnModule(copy.deepcopy(part), kind)))
    try:
        for part, kept in found:
            key = f"{kept.kind} {id(kept)}"
            KEPT[key] = kept
            part.forward = _calling(part.forward, kept.kind, key)
        yield [kept for _, kept in found]
    finally:
        for part, _ in found:
            part.__dict__.pop("forward", None)


def _calling(forward: Any, kind: str, key: str) -> Any:
    """Return a `forward` that calls the operator."""

    @functools.wraps(forward)
    def call(*inputs: Any, **named: Any) -> Any:
        if named or not inputs or not all(isinstance(x, torch.Tensor) for x in inputs):
            raise UnsupportedError(
                "a module of your own is called with something that is no tensor",
                place=kind,
                found=", ".join([*(type(x).__name__ for x in inputs), *named]) or "nothing",
                supported="tensors, by position",
                remedy="make other arguments attributes of the module",
            )
        results = own(list(inputs), key)
        return results[0] if len(results) == 1 else tuple(results)

    return call


def own_handler(operator: str, given: dict[str, Any]) -> CustomHandler | None:
    """Return the user's handler of an operator, or of the module that it stands for."""
    if operator == OWN:
        return custom_handler(KEPT[given["key"]].kind)
    space, _, name = operator.partition(".")
    return custom_handler(f"{space}::{name.partition('.')[0]}", f"{space}::{name}")


def build_own(call: Call, handler: CustomHandler) -> Operand:
    """Run a user's handler for one call of a module or operator.

    Raises:
        GatewrightError: the handler raised it, or its result is not of PyTorch's shape.
    """
    layer = _module(call) if call.operator == OWN else _operator(call)
    results = layer.build(handler)
    shapes = [r.full_shape(call.builder.batch) for r in results]
    if shapes != list(call.shapes):
        raise ModelError(
            "the handler of a layer gives results of another shape than PyTorch",
            place=call.where.place,
            found=_listed(shapes),
            supported=_listed(call.shapes),
        )
    schema = call.target._schema.returns
    alone = len(schema) == 1 and isinstance(schema[0].type, torch.TensorType)
    return results[0] if alone else tuple(results)


def _listed(shapes: Sequence[tuple[int, ...]]) -> str:
    """Return shapes as text, the batch apart: it is a number that stands for any."""
    return ", ".join(f"(batch, {', '.join(map(str, s[1:]))})" for s in shapes)


def _module(call: Call) -> CustomLayer[Value]:
    """Return a module's view: attributes are the configuration, parameters and buffers weights."""
    kept = KEPT[str(call.operand("key"))]
    config = {
        name: value
        for name, value in vars(kept.module).items()
        if name not in UNREAD and not name.startswith("_")
    }
    stored = [*kept.module.named_parameters(), *kept.module.named_buffers()]
    arrays = {
        name: tensor.detach().numpy()
        for name, tensor in stored
        if name.rpartition(".")[2] != "num_batches_tracked"
    }
    inputs = tuple(_input(call, x) for x in call.operand("inputs"))
    return _layer(call, kept.kind, inputs, config, arrays)


def _operator(call: Call) -> CustomLayer[Value]:
    """Return an operator's view: constant tensors are its weights, other arguments the rest."""
    config: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    inputs: list[Value] = []
    for name in call.given:
        found = call.operand(name)
        leaves = pytree.tree_leaves(found)
        if any(isinstance(leaf, Value | Codes) for leaf in leaves):
            inputs += [_input(call, leaf) for leaf in leaves]
        elif isinstance(found, Const):
            arrays[name] = found.reals()
        else:
            config[name] = found
    space, _, name = call.operator.partition(".")
    kind = f"{space}::{name.removesuffix('.default')}"
    return _layer(call, kind, tuple(inputs), config, arrays)


def _input(call: Call, found: Operand) -> Value:
    """Return a computed tensor whose first axis is the batch."""
    if isinstance(found, Value) and found.mask is None and not found.joined and not found.batch:
        return found
    raise call.unsupported(
        "a layer of your own takes something that is not computed, or has its batch elsewhere",
        found=str(found) if isinstance(found, Value) else type(found).__name__,
        supported="tensors computed from the model's input, (batch, ...)",
    )


def _layer(
    call: Call,
    kind: str,
    inputs: tuple[Value, ...],
    config: dict[str, Any],
    arrays: dict[str, np.ndarray],
) -> CustomLayer[Value]:
    def weights(*names: str) -> list[np.ndarray]:
        if set(names) != set(arrays):
            raise ModelError(
                "a layer's weights are not those its handler asks for",
                place=call.where.place,
                found=", ".join(sorted(arrays)) or "none",
                supported=", ".join(names) or "none",
            )
        return [arrays[name] for name in names]

    return CustomLayer(kind, call.where.layer, call.where.place, inputs, config, weights, call)
