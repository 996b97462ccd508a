"""Einsum equations that are a matrix product: contract some axes with a kernel, keep the others."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.keras.handler import Site, Value
from gatewright.frontends.keras.hdf5 import Array
from gatewright.ops import Affine, Dense, Reshape, Transpose

SUPPORTED = (
    "a batch axis first, kept and contracted axes in the input, contracted and new axes in the "
    "kernel, kept and new axes in the result"
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
    def contracted(self) -> str:
        """Axes that the kernel takes from the input, in the kernel's order."""
        return "".join(c for c in self.kernel if c in self.source)

    @property
    def kept(self) -> str:
        """Axes of the input that the kernel does not touch."""
        return "".join(c for c in self.source if c not in self.kernel)

    @property
    def new(self) -> str:
        """Axes that the kernel brings."""
        return "".join(c for c in self.kernel if c not in self.source)

    def shape(self, axes: str) -> tuple[int, ...]:
        """Return the lengths of axes."""
        return tuple(self.lengths[c] for c in axes)

    def emit(self, site: Site, value: Value, kernel: Array, bias: Array | None) -> Value:
        """Append the product, with the axes moved to where a matrix product wants them."""
        site.expect("kernel", kernel, self.shape(self.kernel))
        order = self.contracted + self.new
        matrix = kernel.transpose([self.kernel.index(c) for c in order])
        matrix = matrix.reshape(
            math.prod(self.shape(self.contracted)), math.prod(self.shape(self.new))
        )
        value = self._move(site, value, self.source, self.kept + self.contracted)
        value = self._reshape(site, value, (*self.shape(self.kept), len(matrix)))
        offset = None
        if bias is not None:
            bias = self.squeezed(site, "bias", bias)
            if set(self.bias) <= set(self.new):
                offset, bias = self._spread(bias, self.new).reshape(-1), None
        value = site.emit(Dense.of(matrix, offset), value)
        value = self._reshape(site, value, (*self.shape(self.kept), *self.shape(self.new)))
        value = self._move(site, value, self.kept + self.new, self.result)
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

    @staticmethod
    def _reshape(site: Site, value: Value, shape: tuple[int, ...]) -> Value:
        return value if value.shape == shape else site.emit(Reshape(shape), value, suffix="reshape")

    @staticmethod
    def _move(site: Site, value: Value, source: str, target: str) -> Value:
        if source == target:
            return value
        return site.emit(
            Transpose(tuple(source.index(c) for c in target)), value, suffix="transpose"
        )


def contraction(site: Site, shape: tuple[int, ...]) -> Contraction:
    """Read the attributes `equation`, `output_shape` and `bias_axes`.

    Raises:
        UnsupportedError: it is no matrix product.
        ModelError: shapes and equation do not fit.
    """
    equation = site.attributes["equation"]
    bias = str(site.attributes["bias_axes"] or "")
    match = re.fullmatch(r"([a-zA-Z.]+),([a-zA-Z]+)->([a-zA-Z.]+)", str(equation).replace(" ", ""))
    sides = _expand(match[1], match[2], match[3], len(shape)) if match else None
    if sides is None or not _is_product(*sides) or not set(bias) <= set(sides[2][1:]):
        raise site.unsupported(
            "an einsum equation is not handled",
            "equation",
            f"{equation!r} with bias axes {bias!r} on an input of shape {shape}",
            SUPPORTED,
            "express the layer by Dense, Permute and Reshape",
        )
    source, kernel, result = sides
    lengths = dict(zip(source[1:], shape, strict=True))
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
    for axis, length in zip(reversed(result[1:]), reversed(stated), strict=False):
        if length is not None and lengths.setdefault(axis, length) != length:
            raise ModelError(
                "a layer's output shape does not fit its input",
                place=site.at("output_shape"),
                found=f"{stated} on an input of shape {shape}",
            )
    if not set(result[1:] + kernel) <= set(lengths):
        raise ModelError(
            "a layer's output shape leaves axes open",
            place=site.at("output_shape"),
            found=f"{stated} for {equation!r}",
        )
    return Contraction(
        source[1:], kernel, result[1:], lengths, "".join(c for c in result[1:] if c in bias)
    )


def _expand(source: str, kernel: str, result: str, rank: int) -> tuple[str, str, str] | None:
    """Put letters in place of an ellipsis (which then holds the batch); None where it cannot be."""
    if "." in source + result:
        if source.count("...") != 1 or result.count("...") != 1:
            return None
        free = list("0123456789")
        missing = rank + 1 - len(source.replace("...", ""))
        if not 0 < missing <= len(free):
            return None
        letters = "".join(free[:missing])
        source, result = source.replace("...", letters), result.replace("...", letters)
    return None if len(source) != rank + 1 or "." in source + result else (source, kernel, result)


def _is_product(source: str, kernel: str, result: str) -> bool:
    """Say whether an axis is in two of the three, but for new ones, and the batch leads."""
    unique = all(len(set(side)) == len(side) for side in (source, kernel, result))
    batch = source[0]
    kept = {c for c in source if c not in kernel}
    new = {c for c in kernel if c not in source}
    return unique and batch == result[0] and batch in kept and set(result) == kept | new
