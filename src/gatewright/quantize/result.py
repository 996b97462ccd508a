"""What quantization found, and a line of it for each value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.ir import Graph, describe, infer
from gatewright.num import Intervals
from gatewright.ops import Affine, Constant, Dense, Forest, LeakyRelu, ScaledQuantize
from gatewright.quantize.cost import layer_costs
from gatewright.quantize.data import Part
from gatewright.quantize.forests import ForestResult
from gatewright.quantize.material import Material
from gatewright.quantize.search import Candidate
from gatewright.quantize.structure import Structure


@dataclass(frozen=True, eq=False)
class LayerChoice:
    """What was chosen for one value.

    Attributes:
        layer: the user's layer, or the model's input.
        kind: operation.
        weight: formats of the constants, in short; empty where there are none.
        activation: formats of what the layer gives, in short.
        observed: smallest and largest value of the real model on the calibration data.
        interval: smallest and largest value possible in the firmware.
        saturated: fraction of the calibration values that the format clips.
        cost: estimated LUTs of the parallel circuit.
        pruned: fraction of the constants that became 0.
    """

    layer: str
    kind: str
    weight: str
    activation: str
    observed: tuple[float, float]
    interval: tuple[float, float]
    saturated: float
    cost: float
    pruned: float


@dataclass(frozen=True, eq=False)
class Quantized:
    """A quantized model and how it was found.

    Attributes:
        graph: computes on integers; inputs encode, outputs decode on the host.
        choices: a line per input and operation.
        metric_name: "accuracy" or "relative output error".
        metric_float, metric_fixed: of both models on the report's part of the data; an error is 0
            for the real model.
        loss: how much worse the quantized model is there.
        tolerance: what was allowed.
        cost: estimated LUTs of the parallel circuit.
        history: (cost, metric on the data to choose with) of every model tried, in order. For a
            network of many weights these costs are estimated from digits; `cost` is solved.
        data: which data were used for what.
        notes: decisions to be known: what stays on the host, inputs that never change.
    """

    graph: Graph
    choices: tuple[LayerChoice, ...]
    metric_name: str
    metric_float: float
    metric_fixed: float
    loss: float
    tolerance: float
    cost: float
    history: tuple[tuple[float, float], ...]
    data: tuple[str, ...]
    notes: tuple[str, ...]


def choices_of(structure: Structure, best: Candidate, material: Material) -> list[LayerChoice]:
    """Return a line per input and operation."""
    graph = best.built.graph
    if any(isinstance(node.op, ScaledQuantize) for node in graph.nodes):
        return []
    types = infer(graph)
    costs = layer_costs(graph, types)
    sites = best.built.sites
    lines = []
    for i in graph.inputs:
        x = material.observed[i.name]
        saturated = sites[i.name].saturated if i.name in sites else 0.0
        lines.append(line(i.name, "input", "", types[i.name], x, saturated, 0.0, 0.0))
    real = {node.name for node in structure.graph.nodes}
    for node in graph.nodes:
        observed = node.name if node.name in real else node.inputs[0]
        site = sites.get(observed) if node.name not in real or node.op.kind == "function" else None
        text, pruned = _constants(node.op)
        lines.append(
            line(
                node.layer or node.name,
                node.op.kind,
                text,
                types[node.name],
                material.observed[observed],
                site.saturated if site else 0.0,
                costs[node.name],
                pruned,
            )
        )
    return lines


def line(
    layer: str,
    kind: str,
    weight: str,
    type_: Intervals,
    observed: tuple[float, float],
    saturated: float,
    cost: float,
    pruned: float,
) -> LayerChoice:
    """Return a line of the report."""
    return LayerChoice(
        layer,
        kind,
        weight,
        describe(type_),
        observed,
        (float(type_.low_value.min()), float(type_.high_value.max())),
        saturated,
        cost,
        pruned,
    )


def _constants(op: object) -> tuple[str, float]:
    """Return the format that holds an operation's constants, and how many of them are 0."""
    values = {Dense: "weight", Affine: "scale", Constant: "values", LeakyRelu: "slope"}
    for kind, name in values.items():
        if isinstance(op, kind):
            array = np.asarray(getattr(op, name), np.float64)
            every = Intervals.constant(array)
            one = every.fixed(*(0,) * array.ndim) if not array.size else None
            union = _union(every)
            return (str(one) if one else union), float((array == 0).mean())
    return "", 0.0


def _union(kind: Intervals) -> str:
    """Return the one format that holds all elements."""
    frac = int(kind.frac[kind.lo != 0].max(initial=-(2**30))) if (kind.lo != 0).any() else 0
    lo, hi = Intervals(kind.lo, kind.hi, np.where(kind.lo != 0, kind.frac, frac)).aligned(frac)
    return describe(Intervals.of(lo.min(initial=0), hi.max(initial=0), frac)).split(" ", 1)[1]


def forest_choices(found: ForestResult, fit: Part) -> tuple[LayerChoice, ...]:
    """Return a line for the input of a forest and one for it."""
    i, node = found.found.input, found.found.node
    (new,) = (n for n in found.graph.nodes if n.name == node.name)
    assert isinstance(new.op, Forest)
    types = infer(found.graph)
    x = found.found.samples(fit)
    type_ = types[i.name]
    outside = (x < type_.low_value) | (x > type_.high_value)
    y = found.found.op.real(x)
    words = Intervals.constant(new.op.leaves)
    pruned = 1.0 - len(new.op.leaves) / len(found.found.op.leaves)
    bounds = (float(x.min()), float(x.max())), (float(y.min()), float(y.max()))
    return (
        line(i.name, "input", "", type_, bounds[0], float(outside.mean()), 0.0, 0.0),
        line(
            node.layer or node.name, "forest", _union(words), types[node.name], bounds[1], 0.0,
            found.cost, pruned,
        ),
    )  # fmt: skip
