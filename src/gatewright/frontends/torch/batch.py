"""The length of the batch in an exported program: a symbol, or the number it was exported with.

Shapes are computed with whole numbers throughout. Where the batch is a symbol a prime stands for it
that divides no other length of the program.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.export.graph_signature import InputKind

from gatewright.base import ModelError, Place, UnsupportedError

PRIMES = (1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049, 1051, 1061, 1063, 1069, 1087, 1091, 1093)
"""Lengths that can stand for a batch."""


@dataclass(frozen=True)
class Batch:
    """What the batch of a program is.

    Attributes:
        length: the number that stands for it in shapes.
        symbolic: it is a symbol in the program.
        batched: there is one.
    """

    length: int
    symbolic: bool
    batched: bool

    def sample_shape(self, name: str, shape: tuple[Any, ...], source: str) -> tuple[int, ...]:
        """Return the shape of one sample of an input.

        Raises:
            UnsupportedError: the batch is not its first axis, or a length is not known.
        """
        rest = shape[1:] if self.batched else shape
        if any(not isinstance(n, int) for n in rest):
            raise UnsupportedError(
                "an input has a length that is not known",
                place=Place(source, name),
                found=f"shape {tuple(map(str, shape))}",
                supported="numbers in all places but the first, the batch's",
                remedy="export the module with fixed shapes but for the batch",
            )
        if self.batched and (not shape or concrete(shape[:1], self.length) != (self.length,)):
            raise UnsupportedError(
                "an input has no batch as its first axis",
                place=Place(source, name),
                found=f"shape {tuple(map(str, shape))}",
                supported="the same batch as the first axis of every input",
                remedy="export the module with a batch axis; for a module that takes single "
                "samples use gatewright.frontends.torch.trace(module, shapes, batched=False)",
            )
        return tuple(rest)


def batch_of(program: torch.export.ExportedProgram, batched: bool, source: str) -> Batch:
    """Find out what the batch of a program is, from its first input."""
    if not batched:
        return Batch(1, False, False)
    user = {
        getattr(s.arg, "name", "")
        for s in program.graph_signature.input_specs
        if s.kind is InputKind.USER_INPUT
    }
    lengths: set[int] = set()
    firsts: list[Any] = []
    for node in program.graph.nodes:
        for tensor in _tensors(node.meta.get("val")):
            lengths.update(n for n in tensor.shape if isinstance(n, int))
            if node.op == "placeholder" and node.name in user and tensor.shape:
                firsts.append(tensor.shape[0])
        lengths.update(_numbers(node.args))
    if not firsts:
        raise ModelError("the model has no input with a batch", place=source)
    if isinstance(firsts[0], int):
        return Batch(firsts[0], False, True)
    for prime in PRIMES:
        if not any(n % prime == 0 for n in lengths if n):
            return Batch(prime, True, True)
    raise UnsupportedError(
        "the lengths of the model leave no number to stand for the batch",
        place=source,
        supported=f"lengths that {PRIMES[0]} or another prime up to {PRIMES[-1]} does not divide",
        remedy="export the module with a batch of 1",
    )


def _tensors(value: Any) -> Iterable[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _numbers(args: Any) -> Iterable[int]:
    if isinstance(args, int) and not isinstance(args, bool):
        yield args
    elif isinstance(args, list | tuple):
        for part in args:
            yield from _numbers(part)


def concrete(shape: Iterable[Any], batch: int) -> tuple[int, ...]:
    """Return a shape of the export with a number in place of the batch's symbol."""
    result = []
    for length in shape:
        if isinstance(length, int):
            result.append(length)
        else:
            expression = length.node.expr
            result.append(int(expression.subs(dict.fromkeys(expression.free_symbols, batch))))
    return tuple(result)
