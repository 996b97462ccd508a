"""Movements of any kind: PyTorch itself says where each element goes.

An operator that only moves elements is run on numbers that name them, for two samples. What comes
out names, for each element of the result, the element that stands there; an operator that mixes the
samples gives itself away, and so does one that computes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch

from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.operand import Const, Operand, Value, contains_value
from gatewright.ops import Concatenate, Gather, Reshape

SAMPLE = float(1 << 40)
"""What the second sample's numbers are higher by; float64 holds sums of both exactly."""


def moved_by_torch(*data: str) -> Callable[[Call], Operand]:
    """Return a handler of an operator that moves the elements of its arguments `data`."""

    def handler(call: Call) -> Operand:
        return _moved(call, data)

    return handler


def _moved(call: Call, data: tuple[str, ...]) -> Operand:
    parts = {name: call.operand(name) for name in data}
    names: list[Value] = []
    constants: list[np.ndarray] = []
    arguments: dict[str, Any] = {}
    total = 1  # 0 stands for a zero that the operator puts in itself
    for name, operand in call.given.items():
        call.ignore(name)
        if name not in parts:
            if contains_value(operand):
                raise call.unsupported(
                    f"{call.operator} moves elements to places that depend on the data",
                    found=f"a computed argument {name}",
                    supported="indices and masks known at import",
                )
            arguments[name] = _for_two(call, operand)
        elif isinstance(operand, Value):
            arguments[name] = _numbered(call, operand, total)
            names.append(operand)
            total += prod(operand.shape)
    for name, operand in parts.items():
        if not isinstance(operand, Value):
            numbers = call.reals(name)
            constants.append(numbers.reshape(-1))
            ids = np.arange(numbers.size, dtype=np.float64).reshape(numbers.shape) + total
            arguments[name] = torch.as_tensor(ids)
            total += numbers.size
    return _emitted(call, _run(call, arguments), names, constants)


def _for_two(call: Call, operand: Operand) -> Any:
    """Return an argument for two samples where it is one for all that stand for the batch."""
    batch = call.builder.batch
    if isinstance(operand, list | tuple):
        return [_for_two(call, part) for part in operand]
    if isinstance(operand, int) and not isinstance(operand, bool) and batch > 2:
        return operand if operand % batch or not operand else operand // batch * 2
    if not isinstance(operand, Const):
        return operand
    tensor = operand.tensor
    for axis, length in enumerate(tensor.shape):
        if length == batch > 2:
            rows = tensor.movedim(axis, 0).reshape(batch, -1)
            counted = torch.arange(batch, dtype=rows.dtype)[:, None]
            if not (rows == rows[:1]).all() and not (rows == counted).all():
                raise call.unsupported(
                    f"an argument of {call.operator} differs along the batch",
                    found=f"shape {operand.shape}",
                )
            tensor = tensor.narrow(axis, 0, 2)
    return tensor


def _numbered(call: Call, x: Value, start: int) -> torch.Tensor:
    """Return two samples of a value with a number for each element."""
    if x.joined:
        raise call.unsupported(
            f"{call.operator} takes a tensor whose batch is joined with other axes", found=str(x)
        )
    ids = np.arange(start, start + prod(x.shape), dtype=np.float64).reshape(x.shape)
    if x.batch is None:
        return torch.as_tensor(ids)
    return torch.as_tensor(np.stack([ids, ids + SAMPLE], axis=x.batch))


def _run(call: Call, arguments: dict[str, Any]) -> np.ndarray:
    try:
        result = call.target(**arguments)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise call.unsupported(
            f"{call.operator} cannot be followed for two samples",
            found=str(error).splitlines()[0],
            supported="arguments that do not depend on the batch",
        ) from None
    if not isinstance(result, torch.Tensor):
        raise call.unsupported(f"{call.operator} gives several tensors")
    return np.asarray(result.numpy(), np.float64)


def _emitted(
    call: Call, result: np.ndarray, values: list[Value], constants: list[np.ndarray]
) -> Value:
    """Emit what picks the elements by their numbers."""
    if values[0].batch is None:
        axis, sample = None, result
    else:
        axis, sample = _one_sample(call, result, sum(prod(v.shape) for v in values))
    numbers = sample.astype(np.int64)
    count = sum(prod(v.shape) for v in values)
    flat = [call.reshape(v, (prod(v.shape),), "flat") for v in values]
    if (numbers == 0).any():
        constants = [*constants, np.zeros(1)]
        numbers = np.where(numbers == 0, count + sum(c.size for c in constants), numbers)
    used = numbers[numbers > count]
    if used.size:
        flat.append(call.constant(np.concatenate(constants), values[0]))
    joined = flat[0] if len(flat) == 1 else call.emit(Concatenate(0), *flat, suffix="joined")
    if sample.size == joined.shape[0] and (numbers.ravel() == np.arange(1, sample.size + 1)).all():
        moved = call.emit(Reshape(sample.shape), joined)
    else:
        moved = call.emit(Gather(numbers - 1, 0), joined)
    return Value(moved.name, moved.shape, axis)


def _one_sample(call: Call, result: np.ndarray, count: int) -> tuple[int, np.ndarray]:
    """Return the axis that the batch is on, and the numbers of the first sample."""
    for axis in range(result.ndim):
        if result.shape[axis] != 2:
            continue
        first, second = np.moveaxis(result, axis, 0)
        of_sample = (first >= 1) & (first <= count)
        if (first < SAMPLE).all() and (second == first + SAMPLE * of_sample).all():
            return axis, first
    raise call.unsupported(
        f"{call.operator} moves elements between samples",
        found=f"arguments { {k: v for k, v in call.given.items() if isinstance(v, int | list)} }",
        supported="movements within each sample",
    )
