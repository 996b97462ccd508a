"""Layers of neurons that can be enumerated, as LogicNets and its heirs write them.

What is used is their public structure, and nothing of what a neuron computes:

- `SparseLinearNeq` (Xilinx/logicnets, MartaAndronic/PolyLUT, MartaAndronic/NeuraLUT): quantized
  inputs and outputs; which inputs a neuron reads says `fc.mask()` (1 where it does), or `imask`,
  a tensor or a module that gives one: (neurons, inputs) places.
- `SparseLinearNeq_add2` (bingleilou/PolyLUT-Add): two such neurons for each output, the first of
  which reads the first half of a row of `imask`. It answers their values one after the other along
  the batch.
- `Adder2`: adds such pairs up and quantizes the sum again.

Quantizers give their states (`get_state_space`, `get_bin_state_space`; NeuraLUT's take `is_cuda`)
and switch between integers and floats (`bin_output`, `float_output`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.base import ModelError, Place, UnsupportedError
from gatewright.num import Ints

PAIRS, ADDER = "SparseLinearNeq_add2", "Adder2"
QUANTIZER = ("get_state_space", "get_bin_state_space", "bin_output", "float_output")
PARTS = ("out_features", "input_quant", "output_quant", "apply_input_quant", "apply_output_quant")

MOST_AT_ONCE = 1 << 18
"""Answers that a layer computes at a time: a neuron may hold many numbers for each."""


@dataclass(frozen=True, eq=False)
class Neurons:
    """A layer whose neurons read few inputs each.

    Attributes:
        label: its name in the model.
        module: the live layer.
        inputs: how many values it reads.
        reads: the inputs of each neuron, in order of the answers.
    """

    label: str
    module: Any
    inputs: int
    reads: tuple[Ints, ...]

    def run(self, x: np.ndarray) -> np.ndarray:
        """Return the answers (samples, neurons) to float32 numbers (samples, inputs)."""
        import torch

        kind, samples = type(self.module).__name__, torch.from_numpy(np.ascontiguousarray(x))
        device = next((p.device for p in self.module.parameters()), samples.device)
        with torch.no_grad():
            found = []
            for part in samples.split(max(MOST_AT_ONCE // len(self.reads), 1)):
                if kind == ADDER:
                    part = torch.cat(part.chunk(2, 1), 0)
                y = self.module(part.to(device))
                found.append(torch.cat(y.chunk(2, 0), 1) if kind == PAIRS else y)
        return np.asarray(torch.cat(found).detach().cpu(), np.float64)

    @contextmanager
    def answering(self, integers: bool) -> Iterator[None]:
        """Let the layer take the states of its input, and answer integers or their floats."""
        module, quantizer = self.module, self.module.output_quant
        before = module.apply_input_quant, module.apply_output_quant, is_binary(quantizer)
        module.apply_input_quant, module.apply_output_quant = False, True
        _switch(quantizer, integers)
        try:
            yield
        finally:
            module.apply_input_quant, module.apply_output_quant = before[:2]
            _switch(quantizer, before[2])


def neurons_of(label: str, layer: Any, model: str) -> Neurons:
    """Return a live layer's neurons.

    Raises:
        UnsupportedError: it lacks what it is enumerated by.
        ModelError: its parts do not fit.
    """
    place, kind = Place(model, label), type(layer).__name__
    missing = [part for part in PARTS if not hasattr(layer, part)]
    missing += [
        f"{part}.{wanted}" for part in ("input_quant", "output_quant") for wanted in QUANTIZER
        if hasattr(layer, part) and not hasattr(getattr(layer, part), wanted)
    ]  # fmt: skip
    if missing:
        raise _lacking(place, kind, ", ".join(missing))
    outputs = int(layer.out_features)
    if kind == ADDER:
        pairs = [np.asarray([j, outputs + j], np.int64) for j in range(outputs)]
        return Neurons(label, layer, 2 * outputs, tuple(pairs))
    if not hasattr(layer, "in_features"):
        raise _lacking(place, kind, "in_features")
    inputs = int(layer.in_features)
    if callable(getattr(getattr(layer, "fc", None), "mask", None)):
        mask = np.asarray(layer.fc.mask().detach().cpu()) != 0
        if mask.shape != (outputs, inputs):
            raise ModelError("a layer's mask does not fit it", place=place,
                             found=f"shape {mask.shape}",
                             supported=f"{(outputs, inputs)}: outputs, inputs")  # fmt: skip
        return Neurons(label, layer, inputs, tuple(np.flatnonzero(row) for row in mask))
    if not hasattr(layer, "imask"):
        raise _lacking(place, kind, "fc.mask or imask")
    index = layer.imask() if callable(layer.imask) else layer.imask
    places = np.asarray(index.detach().cpu())
    each = 2 if kind == PAIRS else 1
    whole = places.dtype.kind in "iu" and places.ndim == 2 and len(places) == outputs
    if not whole or places.shape[1] % each or (places < 0).any() or (places >= inputs).any():
        raise ModelError(
            "a layer's imask does not fit it", place=place,
            found=f"{places.dtype} of shape {places.shape}"
            + (f", {int(places.min())} to {int(places.max())}" if places.size else ""),
            supported=f"for each of {outputs} outputs places of 0 to {inputs - 1}"
            + (", two groups of equal size" if each == 2 else ""),
        )  # fmt: skip
    halves = np.split(places.astype(np.int64), each, axis=1)
    return Neurons(label, layer, inputs, tuple(np.unique(row) for half in halves for row in half))


def states_of(quantizer: Any, place: Place) -> tuple[Ints, np.ndarray]:
    """Return the integers of a quantizer and the floats that they stand for, in order."""
    given = [quantizer.get_bin_state_space, quantizer.get_state_space]
    codes, floats = (
        np.asarray(g(*([False] if _takes_device(g) else [])).detach().cpu()).ravel() for g in given
    )
    codes, floats = codes.astype(np.int64), floats.astype(np.float32)
    apart = len(codes) != len(floats) or (np.diff(codes) != 1).any()
    if apart or not len(codes) or not np.isfinite(floats).all():
        raise ModelError(
            "a quantizer's states cannot be enumerated",
            place=place,
            found=f"{len(codes)} integers, {len(floats)} numbers",
            supported="consecutive integers, each with a finite number",
        )
    return codes, floats


def is_binary(quantizer: Any) -> bool:
    """Say whether a quantizer answers integers."""
    return bool(getattr(quantizer, "is_bin_output", False))


def _switch(quantizer: Any, integers: bool) -> None:
    if integers:
        quantizer.bin_output()
    else:
        quantizer.float_output()


def _takes_device(function: Any) -> bool:
    """Whether a function that lists states must be told where: NeuraLUT's `is_cuda`."""
    needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    return len(needed) == 1


def _lacking(place: Place, kind: str, missing: str) -> UnsupportedError:
    return UnsupportedError(
        "a layer of enumerated neurons lacks what it is enumerated by",
        place=place,
        found=f"no {missing}",
        supported=f"{kind} as LogicNets, PolyLUT, PolyLUT-Add or NeuraLUT have it",
    )
