"""Choose binary points: the cheapest circuit whose derived error is within the bound."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from gatewright.base import OptionError, Place
from gatewright.ops import Compare, Sign
from gatewright.quantize.bounded.errors import Model, Value
from gatewright.quantize.bounded.text import text_of

COARSEST, FINEST = -12, 44
"""Binary points that are tried."""

ROUNDS = 3
"""How often every point is tried one lower."""

Points = dict[str, int]


def worst(model: Model, values: Mapping[str, Value]) -> float:
    """Return the largest derived error of an output."""
    return max(float(values[o.value].bound.max()) for o in model.graph.outputs)


def choose(model: Model, most: float) -> Points:
    """Return the binary point of each operation that rounds; `""` is that of constants.

    Args:
        model: the rules.
        most: largest error of an output that is allowed.

    Raises:
        OptionError: no binary points make the derived error so small.
    """
    uniform = _uniform(model, most)
    found = [uniform, _greedy(model, uniform, most)]
    weighed = _weighed(model, uniform, most)
    if weighed is not None:
        found.append(_greedy(model, weighed, most))
    return min(found, key=lambda points: model.run(points)[1])


def _flat(model: Model, point: int) -> Points:
    return {"": point} | dict.fromkeys(model.rounded, point)


def _error(model: Model, points: Points) -> float:
    return worst(model, model.run(points)[0])


def _uniform(model: Model, most: float) -> Points:
    """Return the smallest binary point that does for all."""
    best = math.inf
    for point in range(COARSEST, FINEST + 1):
        points = _flat(model, point)
        error = _error(model, points)
        if error <= most:
            return points
        best = min(best, error)
    raise OptionError(
        "the output error that was asked for cannot be derived",
        place=Place(model.graph.source),
        found=f"max_error = {most:g}; the smallest bound found is {best:.3g}{_why(model)}",
        remedy="ask for a larger error, or give narrower ranges of the inputs",
    )


def _why(model: Model) -> str:
    """Name what jumps where its operands are not exact, if anything does."""
    values, _ = model.run(_flat(model, FINEST // 2))
    for node in model.graph.nodes:
        if isinstance(node.op, Compare | Sign) and values[node.name].error.any():
            term = text_of(model.graph, node.name)
            return (
                f"; `{term}` decides by numbers that are rounded, and what it chooses between "
                "differs where it may go either way (compare inputs, or use max and min)"
            )
    for point in range(COARSEST, FINEST):
        values, _ = model.run(_flat(model, point))
        wide = model.too_wide(values, point)
        if wide is not None:
            return f"; a finer one needs `{text_of(model.graph, wide[0])}` of {wide[1]} bits"
    for node in model.graph.nodes:
        if np.isinf(values[node.name].error).any():
            return f"; nothing bounds the error of `{text_of(model.graph, node.name)}`"
    return ""


def _weighed(model: Model, uniform: Points, most: float) -> Points | None:
    """Return points that take from each operation what a LUT saved costs in error.

    With error `c * 2**-p` and cost `w * p` for each, the cheapest sum of costs within a sum of
    errors has `2**-p` proportional to `w / c` (Lagrange).
    """
    fine = {name: point + 2 for name, point in uniform.items()}
    values, luts = model.run(fine)
    base = worst(model, values)
    if not math.isfinite(base):
        return None
    wanted: dict[str, float] = {}
    for name in model.rounded:
        less, saved = model.run(fine | {name: fine[name] - 1})
        more = max(worst(model, less) - base, 1e-6 * math.ldexp(1.0, -fine[name]))
        more = min(more, 1e6)  # infinite where the operand gets too coarse
        wanted[name] = fine[name] + math.log2(more) - math.log2(max(luts - saved, 0.25))
    middle = sum(wanted.values()) / max(len(wanted), 1)
    for quarter in range(4 * COARSEST, 4 * FINEST):
        points = {name: round(v - middle + quarter / 4) for name, v in wanted.items()}
        points = {n: min(max(p, COARSEST), FINEST) for n, p in points.items()}
        points[""] = max([uniform[""], *points.values()])
        if _error(model, points) <= most:
            return points
    return None


def _greedy(model: Model, points: Points, most: float) -> Points:
    """Lower points one by one while the bound holds and the circuit gets no larger."""
    points = dict(points)
    luts = model.run(points)[1]
    for _ in range(ROUNDS):
        before = dict(points)
        for name in [*model.rounded, ""]:
            trial = points | {name: points[name] - 1}
            values, cost = model.run(trial)
            if cost <= luts and points[name] > COARSEST and worst(model, values) <= most:
                points, luts = trial, cost
        if points == before:
            break
    return points
