"""Layers and operations that join several tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.keras.attributes import Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.ir import Op
from gatewright.ops import Add, Affine, Concatenate, Maximum, Minimum, Multiply, Subtract


def join(site: Site, op: Op, inputs: tuple[Value, ...]) -> Value:
    """Fold an operation of two tensors over at least two of them."""
    if len(inputs) < 2 or (isinstance(op, Subtract) and len(inputs) != 2):
        raise ModelError(
            f"a {site.layer.kind} layer joins the wrong number of tensors",
            place=site.place,
            found=f"{len(inputs)} tensors",
            supported="two" if isinstance(op, Subtract) else "two or more",
        )
    value = inputs[0]
    for following in inputs[1:]:
        value = site.emit(op, value, following)
    return value


def _joining(op: Op) -> Callable[[Site], Value]:
    return lambda site: join(site, op, site.inputs)


def _average(site: Site) -> Value:
    total = join(site, Add(), site.inputs)
    return site.emit(
        Affine(np.asarray(1.0 / len(site.inputs)), np.asarray(0.0)), total, suffix="scale"
    )


def _concatenate(site: Site) -> Value:
    axis = site.attributes["axis"]
    rank = len(site.inputs[0].shape) if site.inputs else 0
    if not isinstance(axis, int) or axis == 0 or not -rank <= axis <= rank:
        raise site.unsupported(
            "tensors cannot be joined along this axis",
            "axis",
            axis,
            f"1 to {rank}, or -1 to {-rank}",
            "join along an axis other than the batch",
        )
    return site.emit(Concatenate(axis - 1 if axis > 0 else axis), *site.inputs)


HANDLERS = (
    Handler("Add", "keras", Table(), _joining(Add())),
    Handler("Average", "keras", Table(), _average),
    Handler("Concatenate", "keras", Table({"axis": -1}), _concatenate),
    Handler("Maximum", "keras", Table(), _joining(Maximum())),
    Handler("Minimum", "keras", Table(), _joining(Minimum())),
    Handler("Multiply", "keras", Table(), _joining(Multiply())),
    Handler("Subtract", "keras", Table(), _joining(Subtract())),
)
