"""Products and sums of activations over axes: `Dot`, and HGQ2's `QDot`, `QEinsum`, `QSum`."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.keras.activations import number
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hgq_layers import (
    BASE,
    COST,
    own_variables,
    quantized_input,
    quantized_inputs,
    quantized_output,
)
from gatewright.frontends.recipes.einsum import (
    Equation,
    einsum,
    parse_equation,
    reshape,
    without_batch,
)
from gatewright.ops import Affine, Sum


def dot(site: Site, values: list[Value]) -> Value:
    """Append Keras's `Dot`: contract one axis of each of two tensors, keep the others in order."""
    if len(values) != 2:
        raise ModelError(
            f"a {site.layer.kind} layer takes two tensors",
            place=site.place,
            found=f"{len(values)} tensors",
        )
    axes = site.attributes["axes"]
    axes = [axes, axes] if isinstance(axes, int) and not isinstance(axes, bool) else axes
    a, b = (len(v.shape) for v in values)
    whole = isinstance(axes, list | tuple) and len(axes) == 2
    if not whole or not all(
        isinstance(axis, int) and axis and -rank <= axis <= rank
        for axis, rank in zip(axes, (a, b), strict=True)
    ):
        raise site.unsupported(
            "a dot product runs along axes that are not handled", "axes", axes,
            f"one number, or two, from 1 to {a} and {b}", "contract axes other than the batch",
        )  # fmt: skip
    i, j = ((n if n < 0 else n - 1) % rank for n, rank in zip(axes, (a, b), strict=True))
    left = "abcdefgh"[:a]
    right = "".join(left[i] if n == j else "ABCDEFGH"[n] for n in range(b))
    result = (left + right).replace(left[i], "")
    found = einsum(site, Equation((left, right), result), *values)
    return reshape(site, found, (1,)) if not result else found


def _dot(site: Site) -> Value:
    return dot(site, list(site.inputs))


def _quantized_dot(site: Site) -> Value:
    return quantized_output(site, dot(site, quantized_inputs(site)))


def _quantized_einsum(site: Site) -> Value:
    values = quantized_inputs(site)
    text = site.attributes["equation"]
    ranks = [len(v.shape) + 1 for v in values]
    form = parse_equation(text, ranks) if isinstance(text, str) and "->" in text else None
    form = None if form is None else without_batch(form, [True] * len(values))
    if form is None:
        raise site.unsupported(
            "an einsum equation is not handled", "equation",
            f"{text!r} on inputs of shapes {', '.join(str(v.shape) for v in values)}",
            "the batch as first axis of every input and of the result, and in no other place",
            "keep the batch apart",
        )  # fmt: skip
    return quantized_output(site, einsum(site, form, *values))


def _sum(site: Site) -> Value:
    scale = number(site, "scale", site.attributes["scale"])
    return _scaled_sum(site, scale)


def _mean_pow2(site: Site) -> Value:
    lengths = [site.input.shape[axis] for axis in _axes(site)]
    return _scaled_sum(site, 2.0 ** round(float(np.log2(1.0 / np.prod(lengths)))))


def _scaled_sum(site: Site, scale: float) -> Value:
    own_variables(site)
    value = quantized_input(site, site.input)
    value = site.emit(Sum(_axes(site), bool(site.attributes["keepdims"])), value)
    if scale != 1.0:
        value = site.emit(Affine(np.asarray(scale), np.asarray(0.0)), value, suffix="scale")
    return quantized_output(site, value)


def _axes(site: Site) -> tuple[int, ...]:
    axes, rank = site.attributes["axes"], len(site.input.shape)
    axes = [axes] if isinstance(axes, int) and not isinstance(axes, bool) else axes
    if (
        not isinstance(axes, list | tuple)
        or not axes
        or not all(isinstance(a, int) and a and -rank <= a <= rank for a in axes)
    ):
        raise site.unsupported(
            "a sum runs along axes that are not handled", "axes", axes,
            f"1 to {rank}, or -1 to {-rank}", "sum along axes other than the batch",
        )  # fmt: skip
    return tuple(sorted({(a if a < 0 else a - 1) % rank for a in axes}))


SUMS: dict[str, Any] = {**BASE, "axes": -1, "keepdims": False}
JOINS: dict[str, Any] = {**BASE, "iq_confs": None}

HANDLERS = (
    Handler("Dot", "keras", Table({"axes": REQUIRED}, only={"normalize": (False,)}), _dot),
    Handler(
        "QDot", "hgq", Table({**JOINS, "axes": -1}, COST, only={"normalize": (False,)}),
        _quantized_dot,
    ),
    Handler("QEinsum", "hgq", Table({**JOINS, "equation": REQUIRED}, COST), _quantized_einsum),
    Handler("QMeanPow2", "hgq", Table(SUMS, COST), _mean_pow2),
    Handler("QSum", "hgq", Table({**SUMS, "scale": 1.0}, COST), _sum),
)  # fmt: skip
