"""Einsum layers: their attributes, and where Keras puts the axes of a bias."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.keras.handler import Site, Value
from gatewright.frontends.keras.hdf5 import Array
from gatewright.frontends.recipes.einsum import (
    Equation,
    contract,
    new_axes,
    parse_equation,
    without_batch,
)
from gatewright.ops import Affine

SUPPORTED = (
    "'input,kernel->result' with the batch as first axis of input and result and in no other place"
)


@dataclass(frozen=True)
class Contraction:
    """An equation, axes by letter without the batch.

    Attributes:
        source: axes of the input.
        kernel: axes of the kernel.
        result: axes of the result.
        lengths: of every axis.
        bias: axes of the bias, in the order in which it is stored; "" for none.
    """

    source: str
    kernel: str
    result: str
    lengths: dict[str, int]
    bias: str

    @property
    def new(self) -> str:
        """Axes of the result that only the kernel has, in its order."""
        return new_axes(Equation((self.source, self.kernel), self.result))

    def shape(self, axes: str) -> tuple[int, ...]:
        """Return the lengths of axes."""
        return tuple(self.lengths[c] for c in axes)

    def emit(self, site: Site, value: Value, kernel: Array, bias: Array | None) -> Value:
        """Append the product, with the axes moved to where a matrix product wants them."""
        site.expect("kernel", kernel, self.shape(self.kernel))
        equation = Equation((self.source, self.kernel), self.result)
        offset = None
        if bias is not None:
            bias = self.squeezed(site, "bias", bias)
            new = new_axes(equation)
            if set(self.bias) <= set(new):
                offset, bias = self._spread(bias, new), None
        value = contract(site, equation, value, kernel, offset)
        if bias is not None:
            full = self._spread(bias, self.result).astype(np.float64)
            value = site.emit(Affine(np.asarray(1.0), full), value, suffix="bias")
        return value

    def squeezed(self, site: Site, name: str, array: Array) -> Array:
        """Return an array over the bias's axes without the axes of length 1 that Keras inserts."""
        shape = self.shape(self.bias)
        if [n for n in array.shape if n != 1] != [n for n in shape if n != 1]:
            site.expect(name, array, shape)
        return array.reshape(shape)

    def _spread(self, bias: Array, axes: str) -> Array:
        """Return the bias broadcast over `axes`."""
        own = [c for c in axes if c in self.bias]
        moved = bias.transpose([self.bias.index(c) for c in own])
        kept = moved.reshape([self.lengths[c] if c in self.bias else 1 for c in axes])
        return np.broadcast_to(kept, self.shape(axes))


def contraction(site: Site, shape: tuple[int, ...]) -> Contraction:
    """Read the attributes `equation`, `output_shape` and `bias_axes`.

    Raises:
        UnsupportedError: it is no matrix product.
        ModelError: shapes and equation do not fit.
    """
    equation = site.attributes["equation"]
    bias = str(site.attributes["bias_axes"] or "")
    form = _parse(str(equation), len(shape))
    if form is None or not set(bias.replace("...", "")) <= set(form.result):
        raise site.unsupported(
            "an einsum equation is not handled",
            "equation",
            f"{equation!r} with bias axes {bias!r} on an input of shape {shape}",
            SUPPORTED,
            "express the layer by Dense, Permute and Reshape",
        )
    (source, kernel), result = form.operands, form.result
    lengths = dict(zip(source, shape, strict=True))
    if any(lengths[c] != n for c, n in zip(source, shape, strict=True)):
        raise ModelError(
            "an einsum equation takes the diagonal of unequal axes",
            place=site.at("equation"),
            found=f"{equation!r} on an input of shape {shape}",
        )
    stated = site.attributes["output_shape"]
    stated = [stated] if isinstance(stated, int) else stated
    whole = isinstance(stated, list)
    if not whole or not all(n is None or (isinstance(n, int) and n > 0) for n in stated):
        raise ModelError(
            "a layer's output shape is malformed",
            place=site.at("output_shape"),
            found=repr(stated)[:200],
            supported="lengths, or null for axes that the input tells",
        )
    # The stated shape may leave out leading axes where the equation has an ellipsis.
    for axis, length in zip(reversed(result), reversed(stated), strict=False):
        if length is not None and lengths.setdefault(axis, length) != length:
            raise ModelError(
                "a layer's output shape does not fit its input",
                place=site.at("output_shape"),
                found=f"{stated} on an input of shape {shape}",
            )
    if not set(result + kernel) <= set(lengths):
        raise ModelError(
            "a layer's output shape leaves axes open",
            place=site.at("output_shape"),
            found=f"{stated} for {equation!r}",
        )
    return Contraction(source, kernel, result, lengths, "".join(c for c in result if c in bias))


def _parse(text: str, rank: int) -> Equation | None:
    """Return the equation without the batch; the kernel has as many axes as it says."""
    sides = text.replace(" ", "").partition("->")[0].split(",")
    if len(sides) != 2 or "->" not in text or "." in sides[1]:
        return None
    form = parse_equation(text, (rank + 1, len(sides[1])))
    return None if form is None else without_batch(form, (True, False))
