"""Quantize a forest once, at a price of a LUT: cuts, formats of the features, leaves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gatewright.blocks.tree_walk import BASE_BITS
from gatewright.ir import Graph, Output
from gatewright.num import Fixed, Intervals, Ints, Overflow, Rounding
from gatewright.ops import Affine, Forest, Quantize
from gatewright.quantize.constants import leaf_unit
from gatewright.quantize.forests.cuts import choose
from gatewright.quantize.forests.leaves import Fit, round_leaves
from gatewright.quantize.forests.material import Feature, ForestMaterial, Found
from gatewright.quantize.forests.shrink import shrunk

FINEST_BITS = 24
"""Bits of the largest leaf on the finest grid looked at. Boosting gives rare classes leaves of some
10,000, beside which scores of the others differ by less than 1."""


@dataclass(frozen=True, eq=False)
class BuiltForest:
    """A quantized forest.

    Attributes:
        graph: on integers.
        comparators: different questions that are left.
        cost: estimated LUTs.
    """

    graph: Graph
    comparators: int
    cost: float


def build(
    graph: Graph,
    found: Found,
    material: ForestMaterial,
    price: float,
    word: Fixed | None,
    shared: bool,
) -> BuiltForest:
    """Return a graph on integers.

    Args:
        graph: on real numbers.
        found: its forest.
        material: learnt from data.
        price: of a LUT, in units of the outputs' error.
        word: the user's format of leaves.
        shared: all features have one format.
    """
    edges = [choose(f.places, f.start, price) for f in material.features]
    formats = [_format(f, e) for f, e in zip(material.features, edges, strict=True)]
    if shared:
        formats = [_union(formats)] * len(formats)
    op = _cut(found.op, material, edges)
    scale = _scale(material, price) if found.free and word is None else 1.0
    op = replace(op, leaves=op.leaves * scale, base=op.base * scale)
    encode = _encoder(formats, material.features[0].fixed is not None)
    type_ = encode.format
    columns = (type_.lo, type_.hi, type_.frac)
    kind = Intervals.of(*(np.broadcast_to(v, found.input.shape) for v in columns))
    x = encode.real(material.x)
    fit = Fit(
        op.reached(x), *op.live_leaves(kind), material.target * scale, material.weights / scale**2
    )
    op = _rounded(op, found, fit, price, word)
    i = replace(found.input, type=kind, encode=(*found.input.encode, encode))
    nodes = [replace(n, op=op) if n.name == found.node.name else n for n in graph.nodes]
    outputs = tuple(_unscaled(o, scale) for o in graph.outputs)
    built = replace(graph, inputs=(i,), nodes=tuple(nodes), outputs=outputs)
    cost = float(op.luts(op.infer(kind), kind) or 0.0)
    return BuiltForest(built, op.comparators(kind), cost)


def _scale(material: ForestMaterial, price: float) -> float:
    """Return the scale of scores, from 1 to 2, by which the best unit of leaves is a power of two.

    What decides between classes does not see it, and the host takes it out.
    """
    unit = leaf_unit(float(material.weights.sum(axis=0).mean()), price)
    return float(2.0 ** (-np.log2(unit) % 1.0))


def _unscaled(output: Output, scale: float) -> Output:
    """Return an output whose scores the host scales back."""
    if scale == 1.0 or not output.decode:
        return output
    return replace(output, decode=(Affine(np.asarray(1 / scale), np.zeros(1)), *output.decode))


def _format(feature: Feature, edges: Ints) -> Fixed:
    """Return the least format in which every sample is on its side of every cut."""
    if feature.fixed is not None:
        return feature.fixed
    last = len(feature.places.edges) - 1
    cuts = feature.places.edges[[int(e) for e in np.unique(edges) if 0 < e < last]]
    if not len(cuts) and not feature.keep:
        return Fixed(False, 0, 0)
    held = [*cuts.tolist(), *feature.keep]
    drop = min((c & -c).bit_length() - 1 if c else 60 for c in held)
    drop = min(drop, 60)
    if feature.least is not None:
        drop = min(drop, feature.frac - feature.least)
    if drop == 60:
        drop = 0
    units = [c >> drop for c in held]
    low = min([c - 1 for c in units[: len(cuts)]] + units)
    return Fixed.holding(min(low, 0), max(max(units), 0), feature.frac - drop)


def _union(formats: list[Fixed]) -> Fixed:
    """Return one format that holds what each of several holds."""
    used = [f for f in formats if f.width]
    if not used:
        return formats[0]
    frac = max(f.frac for f in used)
    low = min(f.low << (frac - f.frac) for f in used)
    high = max(((f.high + 1) << (frac - f.frac)) - 1 for f in used)
    return Fixed.holding(low, high, frac)


def _encoder(formats: list[Fixed], nearest: bool) -> Quantize:
    """Return what the host does with a sample: floored, so that sides of cuts stay."""
    columns = ([f.signed for f in formats], [f.width for f in formats], [f.frac for f in formats])
    return Quantize.to(*columns, Rounding.RND if nearest else Rounding.TRN, Overflow.SAT)


def _cut(op: Forest, material: ForestMaterial, edges: list[Ints]) -> Forest:
    """Return the forest with its thresholds at the places chosen, and no idle nodes."""
    thresholds, inclusive = op.thresholds.copy(), op.inclusive.copy()
    sides = np.zeros(len(op.features), np.int64)
    for feature, at in zip(material.features, edges, strict=True):
        last = len(feature.places.edges) - 1
        thresholds[feature.nodes] = np.ldexp(
            feature.places.edges[at].astype(np.float64), -feature.frac
        )
        sides[feature.nodes] = np.where(at == 0, 1, np.where(at == last, -1, 0))
    inclusive[op.members < 0] = False
    return shrunk(replace(op, thresholds=thresholds, inclusive=inclusive), sides)


def _rounded(op: Forest, found: Found, fit: Fit, price: float, word: Fixed | None) -> Forest:
    """Return the forest with words for leaves."""
    spread = float(np.abs(op.leaves).max(initial=0.0)) or 1.0
    finest = FINEST_BITS - int(np.floor(np.log2(spread)))
    if word is not None:
        limits = np.ldexp(np.asarray([word.low, word.high], np.float64), -word.frac)
        leaves = np.clip(np.rint(np.ldexp(op.leaves, word.frac)) * 2.0**-word.frac, *limits)
        base = op.base
    else:
        leaves, base = round_leaves(fit, op.leaves, op.base, price, finest)
    if found.free:
        base = base - base.min()
    # Leaves that no sample reaches any more would only make the grid finer.
    every = np.zeros(len(leaves), np.bool_)
    every[fit.live] = True
    leaves = np.where(every[:, None], leaves, 0.0)
    grid = replace(op, leaves=leaves, base=np.zeros_like(base)).grid()
    grid = grid if leaves.any() else finest
    point = grid + BASE_BITS
    base = np.rint(np.ldexp(base, point)) * 2.0**-point
    return shrunk(replace(op, leaves=leaves, base=base))
