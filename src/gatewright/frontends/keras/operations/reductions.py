"""Functions along axes: sums, means, extremes and their positions, sorting, one-hot vectors."""

from __future__ import annotations

from collections.abc import Callable

from gatewright.frontends.keras.activations import activate
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.operations.elementwise import as_truth
from gatewright.frontends.keras.operations.operands import Truth, axes_of, axis_of, tensor, truth
from gatewright.frontends.recipes.reductions import (
    one_hot,
    position_of_extreme,
    reduce,
    top_k,
)
from gatewright.ops import Gather


def _reduce(how: str) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        x = tensor(site)
        axes = axes_of(site, len(x.shape))
        found = reduce(site, x, how, axes, bool(site.attributes["keepdims"]))
        return truth(found) if isinstance(x, Truth) and how in ("max", "min") else found

    return build


def _quantor(how: str) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        x = as_truth(site, tensor(site))
        axes = axes_of(site, len(x.shape))
        return truth(reduce(site, x, how, axes, bool(site.attributes["keepdims"])))

    return build


def _position(smallest: bool) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        x = tensor(site)
        axis = axis_of(site, len(x.shape))
        return position_of_extreme(site, x, axis, bool(site.attributes["keepdims"]), smallest)

    return build


def _sort(positions: bool) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        x = tensor(site)
        axis = axis_of(site, len(x.shape))
        wanted = (not positions, positions)
        values, places = top_k(site, x, axis, x.shape[axis], False, wanted)
        found = places if positions else values
        assert found is not None, "what was wanted is there"
        return found

    return build


def _top_k(site: Site) -> list[Value]:
    """Return values and positions; the order is that of a stable sort, whether asked for or not."""
    x, k = tensor(site), site.attributes["k"]
    if not isinstance(k, int) or not x.shape or not 0 < k <= x.shape[-1]:
        raise site.unsupported(
            "a top-k takes more elements than there are", "k", k, f"1 to {x.shape[-1:]}", "lower k"
        )
    values, places = top_k(site, x, len(x.shape) - 1, k, True, (True, True))
    return [v for v in (values, places) if v is not None]


def _one_hot(site: Site) -> Value:
    x, depth = tensor(site), site.attributes["num_classes"]
    axis = axis_of(site, len(x.shape) + 1)
    if type(depth) is not int or depth < 1:
        raise site.unsupported(
            "a number of classes is no count", "num_classes", repr(depth)[:80], "from 1",
            "correct the call",
        )  # fmt: skip
    return one_hot(site, x, depth, axis)


def _softmax(site: Site) -> Value:
    x = tensor(site)
    if axis_of(site, len(x.shape)) != len(x.shape) - 1:
        raise site.unsupported(
            "a softmax runs along an inner axis", "axis", site.attributes["axis"], "-1", "transpose"
        )
    return activate(site, x, "softmax")


def _cumulative(site: Site) -> Value:
    """Add each element to the sum of those before it."""
    from gatewright.ops import Add, Concatenate

    x = tensor(site)
    axis = axis_of(site, len(x.shape))
    parts = [site.emit(Gather.of([i], axis), x, suffix="part") for i in range(x.shape[axis])]
    sums = parts[:1]
    for part in parts[1:]:
        sums.append(site.emit(Add(), sums[-1], part, suffix="sum"))
    return site.emit(Concatenate(axis), *sums)


X = frozenset({"x"})
REDUCED = Table({"axis": None, "keepdims": False}, only={"initial": (None,)})
AXIS = Table({"axis": -1})
HANDLERS = (
    Handler("All", "keras", REDUCED, _quantor("min"), X),
    Handler("Any", "keras", REDUCED, _quantor("max"), X),
    Handler("Argmax", "keras", REDUCED, _position(False), X),
    Handler("Argmin", "keras", REDUCED, _position(True), X),
    Handler("Argsort", "keras", AXIS, _sort(True), X),
    Handler("Cumsum", "keras", Table({"axis": None}, only={"dtype": (None, "float32")}),
            _cumulative, X),
    Handler("Max", "keras", REDUCED, _reduce("max"), X),
    Handler("Mean", "keras", REDUCED, _reduce("mean"), X),
    Handler("Min", "keras", REDUCED, _reduce("min"), X),
    Handler(
        "OneHot", "keras",
        Table({"num_classes": REQUIRED, "axis": -1}, frozenset({"dtype"}),
              only={"sparse": (False,)}),
        _one_hot, X,
    ),
    Handler("Softmax", "keras", AXIS, _softmax, X),
    Handler("Sort", "keras", AXIS, _sort(False), X),
    Handler("Sum", "keras", REDUCED, _reduce("sum"), X),
    Handler("TopK", "keras", Table({"k": REQUIRED}, frozenset({"sorted"})), _top_k, X),
)  # fmt: skip
