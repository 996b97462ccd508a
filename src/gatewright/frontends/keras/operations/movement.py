"""Functions that move elements: slices, axes, repetition, positions known or computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import MOST_ELEMENTS, Handler, Site, Value
from gatewright.frontends.keras.operations.operands import (
    argument,
    array,
    as_values,
    axes_of,
    axis_of,
    for_sample,
    integers,
    like,
    tensor,
)
from gatewright.frontends.recipes.reductions import positions
from gatewright.ir import Op, Reals
from gatewright.ops import Concatenate, Gather, Reshape, Slice, Take, Transpose


def move(site: Site, op: Op, x: Value) -> Value:
    """Append an operation that keeps what the elements are."""
    return like(x, site.emit(op, x))


def _get_item(site: Site) -> Value:
    """Index as NumPy does: slices, integers, new axes; the batch is taken whole."""
    x, key = tensor(site), argument(site, 1, "key")
    parts = key if isinstance(key, list) else [key]
    parts = _without_ellipsis(site, parts, len(x.shape) + 1)
    if not parts or not _is_whole(parts[0]):
        raise _no_key(site, key, "a key that takes the whole batch first")
    slices: list[tuple[int | None, int | None, int | None]] = []
    shape: list[int] = []
    for part in parts[1:]:
        if part is None:
            shape.append(1)
            continue
        length = x.shape[len(slices)]
        bounds = _bounds(part, length)
        if bounds is None:
            raise _no_key(site, key, "integers within the shape, slices, new axes, an ellipsis")
        slices.append(bounds)
        if not isinstance(part, int):
            shape.append(len(range(*slice(*bounds).indices(length))))
    shape += x.shape[len(slices) :]
    value = move(site, Slice(tuple(slices)), x) if slices else x
    return value if value.shape == tuple(shape) else move(site, Reshape(tuple(shape)), value)


def _without_ellipsis(site: Site, parts: list[Any], rank: int) -> list[Any]:
    """Put whole slices in the place of an ellipsis."""
    found = [i for i, part in enumerate(parts) if _kind(part) == "__ellipsis__"]
    named = sum(part is not None for part in parts) - len(found)
    if len(found) > 1 or named > rank:
        raise _no_key(site, parts, f"up to {rank} axes")
    if not found:
        return parts
    whole = {"class_name": "__slice__", "config": {}}
    return parts[: found[0]] + [whole] * (rank - named) + parts[found[0] + 1 :]


def _kind(part: Any) -> str:
    return str(part.get("class_name")) if isinstance(part, Mapping) else ""


def _ends(part: Mapping[str, Any]) -> list[Any]:
    settings = part.get("config")
    settings = settings if isinstance(settings, Mapping) else {"start": settings or None}
    return [settings.get(name) for name in ("start", "stop", "step")]


def _is_whole(part: Any) -> bool:
    return _kind(part) == "__slice__" and _ends(part) in ([None] * 3, [None, None, 1], [0, None, 1])


def _bounds(part: Any, length: int) -> tuple[int | None, int | None, int | None] | None:
    """Return start, stop and step of a slice or of one position; None for anything else."""
    if isinstance(part, int) and not isinstance(part, bool) and -length <= part < length:
        place = part % length
        return place, place + 1, 1
    if _kind(part) == "__slice__":
        ends = _ends(part)
        if all(v is None or isinstance(v, int) for v in ends) and ends[2] != 0:
            return ends[0], ends[1], ends[2]
    return None


def _no_key(site: Site, key: object, supported: str) -> Exception:
    return site.unsupported(
        "elements are taken by a key that is not handled",
        "key", repr(key)[:150], supported, "slice with numbers, or use `keras.ops.take`",
    )  # fmt: skip


def _reshape(site: Site) -> Value:
    x, given = tensor(site), site.attributes["newshape"]
    wanted = list(given) if isinstance(given, list | tuple) else [given]
    if not all(v is None or (isinstance(v, int) and abs(v) < 1 << 40) for v in wanted):
        raise site.unsupported(
            "a reshape's lengths are no whole numbers", "newshape", repr(given)[:100],
            "whole numbers", "correct the call",
        )  # fmt: skip
    total, rest = math.prod(x.shape), wanted[1:]
    known = math.prod(n for n in rest if n != -1)
    first_is_batch = wanted[:1] in ([-1], [None]) and (-1 not in rest or wanted[0] is None)
    if -1 in rest and rest.count(-1) == 1 and known > 0 and total % known == 0:
        rest[rest.index(-1)] = total // known
    if not first_is_batch or any(not isinstance(n, int) or n < 1 for n in rest):
        rest = []
    if math.prod(rest) != total or (not rest and total != 1):
        raise site.unsupported(
            "a reshape moves elements between samples, or changes their number",
            "newshape", wanted, f"(-1, ...) with {total} elements behind", "keep the batch first",
        )  # fmt: skip
    return move(site, Reshape(tuple(rest)), x)


def _transpose(site: Site) -> Value:
    x, axes = tensor(site), site.attributes["axes"]
    rank = len(x.shape) + 1
    given = list(range(rank))[::-1] if axes is None else integers(site, "axes")
    order = [a % rank if -rank <= a < rank else -1 for a in given]
    if sorted(order) != list(range(rank)) or order[0] != 0:
        raise site.unsupported(
            "a transposition moves the batch", "axes", axes, "permutations that keep axis 0",
            "permute the axes of one sample",
        )  # fmt: skip
    return move(site, Transpose(tuple(a - 1 for a in order[1:])), x)


def _swap(site: Site) -> Value:
    x = tensor(site)
    a, b = (axis_of(site, len(x.shape), name) for name in ("axis1", "axis2"))
    order = list(range(len(x.shape)))
    order[a], order[b] = order[b], order[a]
    return move(site, Transpose(tuple(order)), x)


def _squeeze(site: Site) -> Value:
    x = tensor(site)
    axes = axes_of(site, len(x.shape))
    if any(x.shape[a] != 1 for a in axes):
        raise ModelError("an axis longer than 1 is dropped", place=site.at("axis"), found=x.shape)
    return move(site, Reshape(tuple(n for a, n in enumerate(x.shape) if a not in axes)), x)


def _expand(site: Site) -> Value:
    x, given = tensor(site), site.attributes["axis"]
    listed = given if isinstance(given, list | tuple) else [given]
    rank = len(x.shape) + len(listed)
    axes = {axis_of(site, rank, "axis", axis) for axis in listed}
    rest = iter(x.shape)
    return move(site, Reshape(tuple(1 if a in axes else next(rest) for a in range(rank))), x)


def _tensors(site: Site, name: str) -> list[Value]:
    given = argument(site, 0, name)
    found = list(given) if isinstance(given, list) else [given]
    if not any(isinstance(v, Value) for v in found):
        raise site.unsupported("no tensor is joined", name, repr(given)[:100], "tensors", "")
    parts: list[Value | Reals] = []
    rank = max(len(v.shape) for v in found if isinstance(v, Value))
    for v in found:
        known = v if isinstance(v, Value) else for_sample(site, array(site, v, name), rank, name)
        parts.append(known)
    return as_values(site, parts)


def _concatenate(site: Site) -> Value:
    parts = _tensors(site, "xs")
    return site.emit(Concatenate(axis_of(site, len(parts[0].shape))), *parts)


def _stack(site: Site) -> Value:
    parts = _tensors(site, "x")
    axis = axis_of(site, len(parts[0].shape) + 1)
    shape = (*parts[0].shape[:axis], 1, *parts[0].shape[axis:])
    turned = [site.emit(Reshape(shape), part, suffix="part") for part in parts]
    return site.emit(Concatenate(axis), *turned)


def _gathered(site: Site, places: Callable[[int], Sequence[int]], axis: int) -> Value:
    x = tensor(site)
    return move(site, Gather.of(list(places(x.shape[axis])), axis), x)


def _repeat(site: Site) -> Value:
    axis = axis_of(site, len(tensor(site).shape))
    repeats = integers(site, "repeats")
    n = tensor(site).shape[axis]
    if len(repeats) not in (1, n) or min(repeats) < 0 or max(repeats) > MOST_ELEMENTS:
        raise site.unsupported(
            "a repetition does not fit its tensor", "repeats", repr(repeats)[:100],
            f"a count, or {n}", "correct the call",
        )  # fmt: skip
    return _gathered(site, lambda n: np.repeat(np.arange(n), repeats).tolist(), axis)


def _tile(site: Site) -> Value:
    value = tensor(site)
    repeats = given = integers(site, "repeats")
    if min(repeats, default=1) < 1 or max(repeats, default=1) > MOST_ELEMENTS:
        raise site.unsupported(
            "a repetition is no count",
            "repeats",
            given,
            f"1 to {MOST_ELEMENTS}",
            "correct the call",
        )
    repeats = [1] * (len(value.shape) + 1 - len(repeats)) + repeats
    if len(repeats) != len(value.shape) + 1 or repeats[0] != 1:
        raise site.unsupported(
            "a repetition repeats the batch", "repeats", given, "1 for the batch", "leave it"
        )
    for axis, times in enumerate(repeats[1:]):
        if times != 1:
            n = value.shape[axis]
            value = move(site, Gather.of(np.tile(np.arange(n), times), axis), value)
    return value


def _flip(site: Site) -> Value:
    value = tensor(site)
    for axis in axes_of(site, len(value.shape)):
        value = move(site, Gather.of(np.arange(value.shape[axis])[::-1], axis), value)
    return value


def _roll(site: Site) -> Value:
    axis, shift = axis_of(site, len(tensor(site).shape)), site.attributes["shift"]
    if not isinstance(shift, int) or abs(shift) > 1 << 40:
        raise site.unsupported("a shift is no number", "shift", shift, "an integer", "shift twice")
    return _gathered(site, lambda n: np.roll(np.arange(n), shift).tolist(), axis)


def _split(site: Site) -> list[Value]:
    """Cut along an axis, into equal parts or at positions."""
    x = tensor(site)
    axis, cuts = axis_of(site, len(x.shape)), site.attributes["indices_or_sections"]
    n = x.shape[axis]
    if isinstance(cuts, int) and (cuts < 1 or n % cuts):
        raise ModelError("a tensor cannot be cut into equal parts", place=site.place,
                         found=f"{n} into {cuts}")  # fmt: skip
    if isinstance(cuts, int):
        parts = np.split(np.arange(n), cuts)
    else:
        parts = np.split(np.arange(n), integers(site, "indices_or_sections"))
    if not all(len(part) for part in parts):
        raise ModelError("a part of a tensor is empty", place=site.place, found=cuts)
    return [move(site, Gather.of(part, axis), x) for part in parts]


def _unstack(site: Site) -> list[Value]:
    x, count = tensor(site), site.attributes["num"]
    axis = axis_of(site, len(x.shape))
    if count not in (None, x.shape[axis]):
        raise ModelError("a tensor has not that many parts", place=site.at("num"), found=count)
    return [move(site, Gather.of(np.asarray(i), axis), x) for i in range(x.shape[axis])]


def _take(site: Site) -> Value:
    """Take at positions that are known, or computed."""
    x, places = argument(site, 0, "x"), argument(site, 1, "indices")
    if not isinstance(x, Value):
        raise site.unsupported(
            "elements of a constant are taken", "x", "a constant", "a tensor",
            "use an Embedding layer",
        )  # fmt: skip
    axis = axis_of(site, len(x.shape))
    n = x.shape[axis]
    if not isinstance(places, Value):
        known = array(site, places, "indices").astype(np.int64)
        if known.size and not -n <= known.min() <= known.max() < n:
            raise ModelError(
                "elements are taken at a position that is not there",
                place=site.at("indices"), found=f"{known.min()} to {known.max()} of {n}",
            )  # fmt: skip
        return move(site, Gather.of(known % n, axis), x)
    if axis != 0:
        raise site.unsupported(
            "computed positions take along an inner axis", "axis", site.attributes["axis"], "1",
            "transpose before and after, or use `take_along_axis`",
        )  # fmt: skip
    return like(x, site.emit(Take(0), x, positions(site, places, n, True)))


def _take_along(site: Site) -> Value:
    x, places = tensor(site), tensor(site, 1, "indices")
    axis = axis_of(site, len(x.shape))
    return like(x, site.emit(Take(axis, True), x, positions(site, places, x.shape[axis], True)))


X = frozenset({"x"})
AXIS = Table({"axis": REQUIRED})
HANDLERS = (
    Handler("Concatenate", "keras", AXIS, _concatenate, frozenset({"xs"}), True),
    Handler("ExpandDims", "keras", AXIS, _expand, X),
    Handler("Flip", "keras", AXIS, _flip, X),
    Handler("GetItem", "keras", Table(), _get_item, frozenset({"x", "key"}), True),
    Handler("Repeat", "keras", Table({"axis": REQUIRED, "repeats": REQUIRED}), _repeat, X),
    Handler("Reshape", "keras", Table({"newshape": REQUIRED}), _reshape, X),
    Handler("Roll", "keras", Table({"axis": REQUIRED, "shift": REQUIRED}), _roll, X),
    Handler(
        "Split", "keras", Table({"axis": REQUIRED, "indices_or_sections": REQUIRED}), _split, X
    ),
    Handler("Squeeze", "keras", AXIS, _squeeze, X),
    Handler("Stack", "keras", AXIS, _stack, X, True),
    Handler("Swapaxes", "keras", Table({"axis1": REQUIRED, "axis2": REQUIRED}), _swap, X),
    Handler("Take", "keras", AXIS, _take, frozenset({"x", "indices"}), True),
    Handler("TakeAlongAxis", "keras", AXIS, _take_along, frozenset({"x", "indices"})),
    Handler("Tile", "keras", Table({"repeats": REQUIRED}), _tile, X),
    Handler("Transpose", "keras", Table({"axes": None}), _transpose, X),
    Handler("Unstack", "keras", Table({"axis": REQUIRED, "num": None}), _unstack, X),
)
