"""Sets and graphs: sorting, places that are computed, sums and extremes by place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from gatewright.frontends.recipes.graph import How, aggregate
from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.elementwise import joined, scaled
from gatewright.frontends.torch.linear import dense
from gatewright.frontends.torch.operand import Const, Operand, Value
from gatewright.frontends.torch.reductions import along_last
from gatewright.frontends.torch.scatter import moved_by_torch
from gatewright.ops import Add, Embedding, Maximum, Minimum, OneHot, Take, TopK


def embedding(call: Call) -> Operand:
    """Replace each position by a row of a constant table."""
    places = call.value("indices")
    call.ignore("padding_idx", "scale_grad_by_freq", "sparse")
    table = call.reals("weight")
    result = call.emit(Embedding(table), places)
    return replace(result, batch=places.batch, joined=places.joined)


def one_hot(call: Call) -> Operand:
    """Give a 1 at the position, 0 elsewhere, along a new last axis."""
    places, depth = call.value("self"), call.integer("num_classes")
    if depth < 1:
        raise call.unsupported("a one-hot vector has as many classes as the data", found=depth)
    return call.emit(OneHot(depth), places)


def top_k(call: Call) -> Operand:
    """Return the largest (or smallest) elements in order, with their positions."""
    x, k = call.value("self"), call.integer("k")
    call.ignore("sorted")  # any order is allowed where it is false: this is one of them
    return _sorted(call, x, call.integer("dim"), k, call.flag("largest"))


def sort(call: Call) -> Operand:
    """Return all elements in order, with their positions."""
    x = call.value("self")
    call.ignore("stable")  # of equal elements the first leads, which both allow
    axis = call.sample_axis(call.integer("dim"), x)
    return _sorted(call, x, call.integer("dim"), x.shape[axis], call.flag("descending"))


def argsort(call: Call) -> Operand:
    """Return the positions of all elements in order."""
    x = call.value("self")
    call.ignore("stable")
    axis, largest = call.sample_axis(call.integer("dim"), x), call.flag("descending")
    op = TopK(x.shape[axis], "positions", largest)
    return along_last(call, x, axis, op, "positions")


def _sorted(call: Call, x: Value, dim: int, k: int, largest: bool) -> Operand:
    axis = call.sample_axis(dim, x)
    results = (TopK(k, result, largest, both=True) for result in ("values", "positions"))
    return tuple(along_last(call, x, axis, op, op.result) for op in results)


def gather(call: Call) -> Operand:
    """Take elements along an axis at places that are given at import, or computed."""
    if not isinstance(call.operand("index"), Value):
        return moved_by_torch("self")(call)
    call.ignore("sparse_grad")
    x, places = call.value("self"), call.value("index")
    if (x.batch, x.joined) != (places.batch, places.joined):
        raise call.unsupported(
            "elements and places have their batch on different axes", found=f"{x} and {places}"
        )
    axis = call.sample_axis(call.integer("dim"), x)
    for a, length in enumerate(places.shape):
        if a != axis and length != x.shape[a]:
            raise call.unsupported(
                "places do not name every line", found=f"{places} for {x}", supported="all lines"
            )
    return call.emit(Take(axis, along=True), x, places)


def cumsum(call: Call) -> Operand:
    """Add up each element and those before it along an axis."""
    x = call.value("self")
    call.real_type(x)
    axis = call.sample_axis(call.integer("dim"), x)
    length = x.shape[axis]
    ones = torch.ones(length, length, dtype=torch.float64).triu()
    return dense(call, x, axis, Const(ones), None)


HOWS: dict[str, How] = {"sum": "sum", "amax": "max", "amin": "min", "mean": "mean"}


def index_add(call: Call) -> Operand:
    """Add rows of a source to the rows that an index names."""
    source = call.operand("source")
    index = _index(call, call.const("index"))
    value = _computed(call, source, call.operand("self"))
    added = _aggregated(call, value, call.integer("dim"), index, "sum")
    return _with_self(call, scaled(call, added, call.number("alpha")), "sum")


def scatter_add(call: Call) -> Operand:
    """Add elements to the places that an index names, the same for all lines."""
    return _scatter(call, "sum")


def scatter_reduce(call: Call) -> Operand:
    """Add elements, or take the largest or smallest, at the places that an index names."""
    how = HOWS.get(call.text("reduce"))
    if how is None or how == "mean":
        raise call.unsupported(
            "elements are joined in a way that is not handled",
            found=call.text("reduce"),
            supported="sum, amax, amin",
        )
    if call.has("include_self") and not call.flag("include_self"):
        raise call.unsupported("a scatter_reduce leaves its first operand out where it has others")
    return _scatter(call, how)


def _scatter(call: Call, how: How) -> Value:
    value = _computed(call, call.operand("src"), call.operand("self"))
    dim = call.integer("dim")
    axis = call.sample_axis(dim, value)
    numbers = call.sample(call.const("index").reals(), value, "the index")
    turned = np.moveaxis(np.broadcast_to(numbers, numbers.shape), axis, 0)
    lines = turned.reshape(len(turned), -1)
    if numbers.shape != value.shape or (lines != lines[:, :1]).any():
        raise call.unsupported(
            "elements of one row go to different places",
            found=f"an index of shape {numbers.shape} for {value}",
            supported="an index that is the same for all elements of a row",
        )
    index = np.asarray(lines[:, 0], np.int64)
    return _with_self(call, _aggregated(call, value, dim, index, how), how)


def _index(call: Call, const: Const) -> np.ndarray:
    return np.asarray(const.tensor.cpu().numpy(), np.int64).reshape(-1)


def _computed(call: Call, source: Operand, like: Operand) -> Value:
    if not isinstance(source, Value):
        raise call.unsupported("constants are added to computed elements by an index")
    return source


def _aggregated(call: Call, x: Value, dim: int, index: np.ndarray, how: How) -> Value:
    """Join rows along one of PyTorch's axes into as many as the result has."""
    axis = call.sample_axis(dim, x)
    count = call.shapes[0][call.axis(dim, x.rank)]
    order = (axis, *(a for a in range(len(x.shape)) if a != axis))
    turned = call.transpose(x, order, "turned")
    rows = aggregate(call, turned, index, count, how, _EMPTY[how])
    back = tuple(int(i) for i in np.argsort(order))
    return replace(call.transpose(rows, back, "turned_back"), batch=x.batch, joined=x.joined)


_EMPTY = {"sum": 0.0, "max": -(2.0**20), "min": 2.0**20, "mean": 0.0}
"""What a place gets that no element goes to, before it is joined to the first operand."""


def _with_self(call: Call, added: Value, how: How) -> Value:
    """Join what was aggregated to the operator's first operand."""
    own = call.operand("self")
    joins: dict[str, type[Add] | type[Maximum] | type[Minimum]] = {
        "sum": Add,
        "max": Maximum,
        "min": Minimum,
    }
    op = joins[how]
    if isinstance(own, Value):
        return joined(call, op(), own, added)
    numbers = call.sample(call.reals("self"), added)
    if how == "sum" and not numbers.any():
        return added
    return joined(call, op(), added, call.constant(numbers, added))


HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "argsort": argsort,
    "cumsum": cumsum,
    "embedding": embedding,
    "gather": gather,
    "index_add": index_add,
    "one_hot": one_hot,
    "scatter_add": scatter_add,
    "scatter_reduce.two": scatter_reduce,
    "sort": sort,
    "topk": top_k,
}
