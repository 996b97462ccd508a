"""Run a PyTorch model as PyTorch means it, to compare with what was read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.export.graph_signature import InputKind
from torch.utils import _pytree as pytree

from gatewright.frontends.torch.batch import batch_of
from gatewright.frontends.torch.read import remembered
from gatewright.frontends.torch.trace import Traced, evaluating
from gatewright.ir import Reals

Answer = Callable[[list[torch.Tensor]], Any]

OTHER_BATCH = 64
"""Samples that a module itself takes at once, where it takes any number."""


def run_module(model: Any, inputs: Sequence[Reals]) -> list[Reals]:
    """Return the outputs, batch first, of the model itself in its own precision.

    Raises:
        RuntimeError: PyTorch cannot run it.
    """
    traced = remembered(model)
    module = traced.module
    if module is None:
        program = traced.program
        own = program.module()

        def answer(tensors: list[torch.Tensor]) -> Any:
            args, kwargs = pytree.tree_unflatten(tensors, program.call_spec.in_spec)
            return own(*args, **kwargs)

        return _run(traced, answer, inputs, wide=False)
    with evaluating(module):
        try:  # another length than the export's shows a module that computes with it
            return _run(traced, lambda tensors: module(*tensors), inputs, False, OTHER_BATCH)
        except (AssertionError, IndexError, RuntimeError, ValueError):
            return _run(traced, lambda tensors: module(*tensors), inputs, False)


def run_float64(model: Any, inputs: Sequence[Reals]) -> list[Reals]:
    """Return the outputs of the exported program with what depends on the input made float64.

    What is computed from parameters alone stays as it is: those are the numbers of the model.

    Raises:
        RuntimeError: PyTorch cannot run it.
    """
    traced = remembered(model)
    program = traced.program
    if any(_quantizes(str(n.target)) for n in program.graph.nodes):
        raise NotImplementedError("quantizers mean what they compute in float32")
    stored = [
        program.state_dict[s.target]
        if s.target in program.state_dict
        else program.constants[s.target]
        for s in program.graph_signature.input_specs
        if s.kind is not InputKind.USER_INPUT and s.target is not None
    ]
    interpreter = _Wide(program.graph_module)
    count = len(program.graph_signature.user_outputs)

    def answer(tensors: list[torch.Tensor]) -> Any:
        found = interpreter.run(*(t.detach() for t in stored), *(_Marked(t) for t in tensors))
        return [part.tensor if isinstance(part, _Marked) else part for part in found[-count:]]

    return _run(traced, answer, inputs, wide=True)


def roundings(model: Any) -> float:
    """Return how many times coarser than its arithmetic PyTorch computes some constants."""
    return remembered(model).roundings


def _quantizes(target: str) -> bool:
    return target.startswith(("onnx_symbolic", "quantized_decomposed")) or "fake_quant" in target


class _Marked:
    """A tensor that depends on the input."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


class _Wide(torch.fx.Interpreter):  # type: ignore[misc]
    """Runs a program with double precision behind its inputs."""

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Run one operator."""
        leaves = pytree.tree_leaves((args, kwargs))
        marked = any(isinstance(leaf, _Marked) for leaf in leaves)
        if marked:
            args, kwargs = pytree.tree_map(_widened, (args, dict(kwargs)))
            if str(target) == "aten.rms_norm.default" and "eps" not in kwargs and len(args) < 4:
                kwargs["eps"] = float(torch.finfo(torch.float32).eps)  # its default, by the type
        result = target(*args, **kwargs)
        if not marked or str(target) == "aten.sym_size.int":
            return result
        return pytree.tree_map_only(torch.Tensor, _Marked, result)


def _widened(leaf: Any) -> Any:
    if isinstance(leaf, _Marked):
        return leaf.tensor
    if isinstance(leaf, torch.Tensor) and leaf.dtype is torch.float32:
        return leaf.to(torch.float64)
    return torch.float64 if leaf is torch.float32 else leaf


def _run(
    traced: Traced, answer: Answer, inputs: Sequence[Reals], wide: bool, other: int | None = None
) -> list[Reals]:
    """Run all samples in batches of the size that the program takes, or of another."""
    batch = batch_of(traced.program, traced.batched, traced.source)
    count = len(inputs[0])
    size = count if batch.symbolic else batch.length
    if other is not None and batch.batched:
        size = other
    types = _input_types(traced)
    parts: list[list[np.ndarray]] = []
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for start in range(0, count, size):
            tensors = []
            for x, dtype in zip(inputs, types, strict=True):
                rows = np.resize(x[start : start + size], (size, *x.shape[1:]))
                own = torch.float64 if wide and dtype.is_floating_point else dtype
                tensors.append(torch.as_tensor(rows if traced.batched else rows[0]).to(own))
            parts.append(_batch_first(traced, answer(tensors)))
    return [np.concatenate(list(column))[:count] for column in zip(*parts, strict=True)]


def _batch_first(traced: Traced, answers: Any) -> list[np.ndarray]:
    """Return the results of one call as arrays with the batch in front."""
    if hasattr(answers, "value") and hasattr(answers, "scale"):  # a quantized tensor of Brevitas
        answers = answers.value
    tensors = [t for t in pytree.tree_leaves(answers) if isinstance(t, torch.Tensor)]
    if len(tensors) != len(traced.outputs):
        raise RuntimeError(f"{len(tensors)} results instead of {len(traced.outputs)}")
    arrays = [t.detach().to(torch.float64).numpy() for t in tensors]
    return [
        a[None] if axis is None else np.moveaxis(a, axis, 0)
        for a, axis in zip(arrays, traced.outputs, strict=True)
    ]


def _input_types(traced: Traced) -> list[torch.dtype]:
    names = set(traced.program.graph_signature.user_inputs)
    return [
        node.meta["val"].dtype
        for node in traced.program.graph.nodes
        if node.op == "placeholder"
        and node.name in names
        and isinstance(node.meta.get("val"), torch.Tensor)
    ]
