"""Export a module with `torch.export`: ATen operations, with the batch as an unknown length."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from gatewright.base import DataError, GatewrightError, UnsupportedError
from gatewright.frontends.torch.brevitas import quantizers_told
from gatewright.frontends.torch.own import OwnModule, kept_whole
from gatewright.frontends.torch.places import users_line

BATCHES = (61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113)
"""Lengths of the batch that a module is exported with; a prime that it has nowhere else.

A symbol in place of a number would say as much, and takes ten times as long to export."""


Example = tuple[tuple[int, ...], str]
"""Shape of one sample of an input, and what kind of numbers it holds."""


@dataclass(eq=False)
class Traced:
    """A module as ATen operations.

    Attributes:
        program: as `torch.export` gave it.
        module: what it was exported from, None where it came from a file.
        source: what the user calls it, for messages.
        batched: the first axis of every input is the batch; otherwise the module takes one sample.
        outputs: the axis of each output that holds the batch; known once the program is read.
        roundings: how many times coarser than its arithmetic PyTorch computes some constants;
            known once the program is read.
        own: modules that a user's handler builds, which the program calls.
    """

    program: torch.export.ExportedProgram
    module: torch.nn.Module | None
    source: str
    batched: bool = True
    outputs: list[int | None] = field(default_factory=list)
    roundings: float = 1.0
    own: list[OwnModule] = field(default_factory=list)


def trace(module: torch.nn.Module, inputs: Any, *, batched: bool = True) -> Traced:
    """Export a module as it computes at inference.

    Args:
        module: any that `torch.export` takes. It is put into evaluation mode meanwhile.
        inputs: the shape of one sample; or samples (an array or tensor, batch first, whose shape
            and kind of numbers are taken); or a list, or a mapping by the name of the argument of
            `forward`, of these.
        batched: False for a module that takes one sample without a batch, such as one graph of
            nodes and edges. Samples then are of the inputs' own shape.

    Raises:
        DataError: the inputs do not say what the module takes.
        UnsupportedError: `torch.export` refuses the module.
    """
    source = type(module).__name__
    names = _arguments(module)
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    given = _examples(names, inputs, batched, source)
    with evaluating(module), kept_whole(module) as own:
        integer = any(kind == "integer" for _, kind in given)
        try:
            program = _export(module, given, dtype, batched, source)
        except GatewrightError as error:
            if not integer:
                raise
            try:  # whole numbers as data, for a module that computes on real ones
                given = [(shape, "float") for shape, _ in given]
                program = _export(module, given, dtype, batched, source)
            except GatewrightError:
                raise error from None
    return Traced(program, module, source, batched, own=own)


@contextmanager
def evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode for a while."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _export(
    module: torch.nn.Module, given: list[Example], dtype: torch.dtype, batched: bool, source: str
) -> torch.export.ExportedProgram:
    """Export with a batch of some length; of 1, where the module takes no other."""
    if not batched:
        return _export_once(module, _tensors(given, None, dtype), source)
    lengths = {n for shape, _ in given for n in shape}
    lengths |= {n for tensor in module.parameters() for n in tensor.shape}
    batch = next((p for p in BATCHES if all(n % p for n in lengths)), BATCHES[0])
    try:
        return _export_once(module, _tensors(given, batch, dtype), source)
    except GatewrightError as error:
        try:
            return _export_once(module, _tensors(given, 1, dtype), source)
        except GatewrightError:
            raise error from None


def _export_once(
    module: torch.nn.Module, tensors: list[torch.Tensor], source: str
) -> torch.export.ExportedProgram:
    with quiet(), torch.no_grad(), quantizers_told(module, tensors):
        try:
            return torch.export.export(module, tuple(tensors), strict=False)
        except Exception as error:  # its errors share no base class
            line = users_line("".join(_frames(error)))
            raise UnsupportedError(
                "torch.export cannot express the module as a graph of operations",
                place=f"{source}, {line}" if line else source,
                found=f"{type(error).__name__}: {_first_line(error)}",
                supported="modules whose operations do not depend on the values of the data",
                remedy="replace `if` and loops over data by torch.where or masks; "
                "torch.export.draft_export(module, inputs) lists what stands in the way",
            ) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Keep PyTorch from telling of its attempts: an error says what matters."""
    off = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(off)


def _frames(error: BaseException) -> list[str]:
    import traceback

    return traceback.format_tb(error.__traceback__)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else "no message"


def _arguments(module: torch.nn.Module) -> list[str]:
    """Return the names of `forward`'s arguments that may be given by position."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(module.forward).parameters.values()
    return [p.name for p in parameters if p.kind in kinds]


def _examples(names: list[str], inputs: Any, batched: bool, source: str) -> list[Example]:
    """Return shape (of one sample) and kind of each input."""
    if inputs is None:
        raise DataError(
            "a PyTorch module does not say which shape its input has",
            place=source,
            supported="calibration data, or the shape of one sample: inputs=(16,)",
            remedy="give `calibration=` or `inputs=`",
        )
    parts = [inputs]
    if isinstance(inputs, Mapping):
        parts = [inputs[name] for name in names if name in inputs]
        if set(inputs) != set(names[: len(inputs)]):
            raise DataError(
                "inputs are not named as the arguments of the module's forward",
                place=source,
                found=", ".join(map(str, inputs)),
                supported=", ".join(names),
            )
    elif isinstance(inputs, list | tuple) and not _is_shape(inputs):
        parts = list(inputs)
    return [_example(part, batched, source) for part in parts]


def _is_shape(given: Any) -> bool:
    return isinstance(given, Sequence) and all(isinstance(n, int | np.integer) for n in given)


def _example(given: Any, batched: bool, source: str) -> Example:
    if isinstance(given, list | tuple) and _is_shape(given):
        shape = tuple(int(n) for n in given)
        kind = "float"
    else:
        tensor = given if isinstance(given, torch.Tensor) else np.asarray(given)
        shape = tuple(tensor.shape)
        kind = "float"
        if isinstance(tensor, torch.Tensor):
            kind = "float" if tensor.is_floating_point() else "integer"
        elif tensor.dtype.kind in "iu":
            kind = "integer"
        if batched:
            shape = shape[1:] if shape else (0,)
    if any(n < 1 for n in shape):
        raise DataError(
            "an example input has an impossible shape",
            place=source,
            found=given if isinstance(given, list | tuple) else f"an array of shape {shape}",
            supported="the shape of one sample, as (16,), or samples with the batch first",
        )
    return shape, kind


def _tensors(given: list[Example], batch: int | None, dtype: torch.dtype) -> list[torch.Tensor]:
    """Return examples: the export runs on their shapes, never on their values."""
    front = () if batch is None else (batch,)
    return [
        torch.zeros((*front, *shape), dtype=torch.int64 if kind == "integer" else dtype)
        for shape, kind in given
    ]
