"""Run a graph on floats, fast: quantizers without the general rounding's detours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gatewright.ir import Graph, Op, Reals
from gatewright.num import FixedArray, Overflow, Rounding
from gatewright.ops import Quantize, ScaledQuantize
from gatewright.quantize.load import chunks, cut

PROBE = 16
"""Samples run first, to see what a sample holds."""


def apply(op: Op, *x: Reals) -> Reals:
    """Compute an operation on floats; once it has formats, as on integers."""
    if op.rounds == "bits" and op.is_formatted:
        return op.evaluate(*(FixedArray.exact(v) for v in x)).value
    quick = isinstance(op, Quantize) and op.overflow is Overflow.SAT
    if not (isinstance(op, Quantize) and quick and op.rounding in (Rounding.TRN, Rounding.RND)):
        return op.real(*x)
    kind = op.format
    unit = np.ldexp(1.0, kind.frac.astype(np.int32))
    y = x[0] * unit
    if op.rounding is Rounding.RND:
        y = _half_up(y)
    else:
        np.floor(y, out=y)
    np.clip(y, kind.lo.astype(np.float64), kind.hi.astype(np.float64), out=y)
    y /= unit
    return y


def _half_up(y: Reals) -> Reals:
    """Round to nearest, half up, exactly: adding a half could itself round."""
    floor = np.floor(y)
    return np.asarray(floor + (y - floor >= 0.5), np.float64)


def encode(graph: Graph, inputs: Mapping[str, Reals]) -> dict[str, Reals]:
    """Bring a user's numbers to what the firmware receives."""
    result = {}
    for i in graph.inputs:
        x = inputs[i.name]
        for op in i.encode:
            x = apply(op, x)
        result[i.name] = x
    return result


def forward(
    graph: Graph, inputs: Mapping[str, Reals], keep: tuple[str, ...] = ()
) -> dict[str, Reals]:
    """Compute outputs, and values to `keep`, from a user's numbers (encoding included).

    Samples are run a chunk after the other, so that a chunk's values stay in the processor's cache.
    """
    samples = len(next(iter(inputs.values())))
    if samples <= PROBE or _breaks_ties(graph):
        return _forward(graph, inputs, keep)[0]
    parts, live = _forward(graph, cut(inputs, slice(0, PROBE)), keep)
    collected = {name: [x] for name, x in parts.items()}
    rest = {name: x[PROBE:] for name, x in inputs.items()}
    for step in chunks(samples - PROBE, live // PROBE):
        for name, x in _forward(graph, cut(rest, step), keep)[0].items():
            collected[name].append(x)
    return {name: np.concatenate(pieces) for name, pieces in collected.items()}


def _breaks_ties(graph: Graph) -> bool:
    """Say whether results depend on the last bit of a sum, which is not the same in all chunks."""
    return any(isinstance(node.op, ScaledQuantize) for node in graph.nodes)


def _forward(
    graph: Graph, inputs: Mapping[str, Reals], keep: tuple[str, ...]
) -> tuple[dict[str, Reals], int]:
    """Compute one chunk; return also how many elements were held at once."""
    values = encode(graph, inputs)
    live = held = sum(x.size for x in values.values())
    last = {name: node.name for node in graph.nodes for name in node.inputs}
    kept = {o.value for o in graph.outputs} | set(keep)
    for node in graph.nodes:
        values[node.name] = apply(node.op, *(values[name] for name in node.inputs))
        held += values[node.name].size
        live = max(live, held)
        for name in set(node.inputs):
            if last[name] == node.name and name not in kept:
                held -= values.pop(name).size
    return {name: x for name, x in values.items() if name in kept}, live


def decode(graph: Graph, values: Mapping[str, Reals]) -> dict[str, Reals]:
    """Return the model's outputs from the firmware's."""
    result = {}
    for o in graph.outputs:
        y = values[o.value]
        for op in o.decode:
            y = op.real(y)
        result[o.name] = y
    return result
