"""What the quantization of a forest learns from data: places to cut at, costs, targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import OptionError
from gatewright.blocks.forest import comparator_luts
from gatewright.ir import Graph, Input, Node, Reals
from gatewright.num import Fixed, Ints, dyadic
from gatewright.ops import Argmax, FillMissing, Forest, Softmax
from gatewright.ops.forest_reach import flips, flips_plain
from gatewright.quantize.data import Part
from gatewright.quantize.forests.cuts import Places
from gatewright.quantize.sensitivity import is_class_score, roots, score_value

FINE_BITS = 20
"""Bits of the span of a feature's thresholds on the finest grid looked at."""

COARSE_BITS = 7
"""Bits of the grid all of whose places are looked at."""

DROPPED = (3, 6, 9)
"""Bits of the finest grid without which each threshold is looked at as well."""

MOST_FRAC = 40


@dataclass(frozen=True, eq=False)
class Found:
    """A forest that reads an input, and where it leads.

    Attributes:
        node: the forest.
        input: what it reads, (features,) real numbers; on the way there at most what is missing
            becomes a code word.
        classes: its outputs stand for probabilities of classes.
        free: a number common to all outputs changes nothing, and all may be scaled.
    """

    node: Node
    input: Input
    classes: bool
    free: bool

    @property
    def op(self) -> Forest:
        """The forest."""
        assert isinstance(self.node.op, Forest)
        return self.node.op

    def samples(self, part: Part) -> Reals:
        """Return what the forest reads of some data."""
        x = part.inputs[self.input.name]
        for op in self.input.encode:
            x = op.real(x)
        return np.ascontiguousarray(x)


def find(graph: Graph, labelled: bool) -> Found | None:
    """Return the forest that a graph is, but for a choice of the class; None where it is another.

    Args:
        graph: without what stays on the host.
        labelled: there are labels, so that outputs stand for classes.
    """
    forests = [node for node in graph.nodes if isinstance(node.op, Forest)]
    others = [node for node in graph.nodes if not isinstance(node.op, Forest | Argmax)]
    if len(forests) != 1 or others or len(graph.inputs) != 1:
        return None
    (node,), (i,) = forests, graph.inputs
    assert isinstance(node.op, Forest)
    plain = all(score_value(graph, o) == node.name for o in graph.outputs)
    filled = all(isinstance(op, FillMissing) for op in i.encode)
    if i.type is not None or len(i.shape) != 1 or not filled or not plain:
        return None
    classes = all(is_class_score(graph, o, labelled) for o in graph.outputs)
    # A softmax or the position of the largest does not see what all scores have in common.
    free = len(node.op.base) > 1 and all(
        o.value != node.name or (o.decode and isinstance(o.decode[0], Argmax | Softmax))
        for o in graph.outputs
    )
    return Found(node, i, classes, free)


@dataclass(frozen=True, eq=False)
class Feature:
    """A feature's grid and places.

    Attributes:
        frac: binary point of the grid on which `places.edges` are whole numbers.
        nodes: that compare it with a threshold.
        start: edge of each at the beginning.
        places: to cut at.
        least: binary point that the feature's format has at least; None: any.
        keep: integers on the grid that its format must hold.
        fixed: the user's format.
    """

    frac: int
    nodes: Ints
    start: Ints
    places: Places
    least: int | None
    keep: tuple[int, ...]
    fixed: Fixed | None


@dataclass(frozen=True, eq=False)
class ForestMaterial:
    """What a quantization works on.

    Attributes:
        x: (rows, features) to fit to.
        target: (rows, outputs) of the real forest.
        weights: (rows, outputs), cost of a squared error; the sum over rows is its mean.
        features: all of them.
    """

    x: Reals
    target: Reals
    weights: Reals
    features: tuple[Feature, ...]


def learn(
    found: Found, part: Part, fixed: Fixed | None, seed: int, bits: int = FINE_BITS
) -> ForestMaterial:
    """Return places, costs and targets.

    Args:
        found: the forest.
        part: of the data, to fit to.
        fixed: the user's format of the input.
        seed: of probes of wide outputs.
        bits: of the span of a feature's thresholds on the finest grid looked at.

    Raises:
        OptionError: what stands for a missing value has too many bits.
    """
    op, x = found.op, found.samples(part)
    target = op.real(x)
    vectors = roots(target, found.classes, np.random.default_rng(seed))
    weights = np.asarray(sum(0.5 * v * v for v in vectors), np.float64) / len(x)
    grids = [_grid(op, k, x[:, k], fixed, bits) for k in range(x.shape[1])]
    edges = [_edges(op, k, x[:, k], grids[k][0]) for k in range(x.shape[1])]
    offset = 0.0 if fixed is None else 0.5  # the user's format rounds to nearest
    features = _costed(op, x, weights, grids, edges, offset, fixed)
    return ForestMaterial(x, target, weights, features)


def _grid(
    op: Forest, k: int, x: Reals, fixed: Fixed | None, bits: int
) -> tuple[int, int | None, list[int]]:
    """Return a feature's finest grid, the least that it must have, and integers to hold."""
    numeric = (op.features == k) & (op.members < 0)
    sets = (op.features == k) & (op.members >= 0)
    needed = [float(op.missing[k])] if op.has_missing[k] else []
    if sets.any():
        needed += [-1.0, float(op.sets.shape[1])]
    if fixed is not None:
        return fixed.frac, fixed.frac, []
    least = None
    if needed:
        values, points = dyadic(np.asarray(needed))
        least = max(int(points[values != 0].max(initial=0)), 0)
        if least > MOST_FRAC:
            raise OptionError(
                "the code word of missing values needs too many bits",
                found=f"{needed[0]:g} of feature {k}, {least} bits behind the point",
                supported=f"{MOST_FRAC} bits behind the point at most",
                remedy="take a whole number, or one of few bits such as 0.125",
            )
    frac = least or 0
    if numeric.any():
        thresholds = op.thresholds[numeric]
        span = float(np.ptp(thresholds)) or float(np.abs(thresholds).max()) or 1.0
        frac = bits - int(np.ceil(np.log2(span)))
        data = dyadic(x)[1][x != 0]
        if data.size and not sets.any():
            frac = min(frac, int(data.max()))
        frac = max(frac, least if least is not None else frac)
    frac = int(np.clip(frac, -MOST_FRAC, MOST_FRAC))
    keep = [int(np.ldexp(v, frac)) for v in needed]
    if op.has_missing[k] and not sets.any():  # what is clipped must not become what is missing
        keep += [keep[0] - 1, keep[0] + 1]
    return frac, least, keep


def _edges(op: Forest, k: int, x: Reals, frac: int) -> Ints:
    """Return the places to cut a feature at, as integers; with one below and one above all."""
    own = _cuts(op, np.flatnonzero((op.features == k) & (op.members < 0)), frac, x)
    if not len(own):
        return np.asarray([0, 1])
    low, high = int(own.min()), int(own.max())
    step = 1 << max(int(high - low).bit_length() - COARSE_BITS, 0)
    coarse = np.arange(-(-low // step), high // step + 1) * step
    near = [(own >> d) + up << d for d in DROPPED for up in (0, 1) if step >> d]
    if not _is_on_grid(x, frac):
        near += [own - 1, own + 1]
    inner = np.unique(np.concatenate([own, coarse, *near]))
    low, high = int(inner.min()), int(inner.max())
    return np.concatenate([[low - 1], inner, [high + 1]])


def _is_on_grid(x: Reals, frac: int) -> bool:
    """Say whether all samples are whole numbers on a grid."""
    scaled = np.ldexp(x, frac)
    return bool((scaled == np.floor(scaled)).all())


def _cuts(op: Forest, nodes: Ints, frac: int, x: Reals) -> Ints:
    """Return the integers below which samples go left.

    Samples that the grid does not hold are floored. Then one equal to a threshold, which is common
    as libraries cut at samples, is on its side; others within a step of the grid may not be.
    """
    scaled = np.ldexp(op.thresholds[nodes], frac)
    exclusive = np.ceil(scaled) if _is_on_grid(x, frac) else np.floor(scaled)
    return np.where(op.inclusive[nodes], np.floor(scaled) + 1, exclusive).astype(np.int64)


def _costed(
    op: Forest,
    x: Reals,
    weights: Reals,
    grids: list[tuple[int, int | None, list[int]]],
    edges: list[Ints],
    offset: float,
    fixed: Fixed | None,
) -> tuple[Feature, ...]:
    """Count what moving thresholds costs, for all features in one walk."""
    bounds, starts, bins = [], np.zeros(len(op.features), np.int64), np.empty(x.shape, np.int64)
    size = 0
    for k in range(x.shape[1]):
        nodes = np.flatnonzero((op.features == k) & (op.members < 0))
        real = np.where(op.inclusive[nodes], np.nextafter(op.thresholds[nodes], np.inf),
                        op.thresholds[nodes])  # fmt: skip
        places = np.ldexp(edges[k][1:-1] - offset, -grids[k][0])
        every = np.union1d(places, real)  # thresholds themselves, which the grid need not hold
        bounds.append((nodes, places, real, every))
        bins[:, k] = np.searchsorted(every, x[:, k], side="right")
        starts[nodes] = size + np.arange(len(nodes)) * (len(every) + 1)
        size += len(nodes) * (len(every) + 1)
    cost = np.zeros(max(size, 1))
    values = np.ascontiguousarray(op.leaves, np.float64)
    absent = op.absent(x)
    shared = values, weights, bins, starts, cost
    plain = op.is_plain and not absent.any()
    if not plain or not flips_plain(x, *op.plain(), *shared):
        flips(x, x, absent, *shared, *op.walk)
    found = []
    # A sample that comes to a node and is on its other side may be none of those looked at.
    unseen = 2 * float((weights.mean(axis=0) * op.leaves.var(axis=0)).sum())
    for k, (nodes, places, real, every) in enumerate(bounds):
        width, first = len(every) + 1, int(starts[nodes[0]]) if len(nodes) else 0
        below = np.cumsum(cost[first : first + len(nodes) * width].reshape(len(nodes), width), 1)
        # `below[:, e]`: what the samples less than every[e] weigh.
        own = below[np.arange(len(nodes)), np.searchsorted(every, real)]
        ends = np.zeros((len(nodes), 1))
        at = np.concatenate([ends, below[:, np.searchsorted(every, places)], below[:, -1:]], 1)
        costs = np.abs(at - own[:, None])
        frac, least, keep = grids[k]
        start = np.searchsorted(edges[k][1:-1], _cuts(op, nodes, frac, x[:, k])) + 1
        costs += unseen * _way(edges[k], start)
        if op.has_missing[k]:  # a node may go only where its missing samples go
            costs[op.missing_left[nodes], 0] = np.inf
            costs[~op.missing_left[nodes], -1] = np.inf
        places_k = Places(edges[k], _luts(edges[k]), costs)
        found.append(Feature(frac, nodes, start, places_k, least, tuple(keep), fixed))
    return tuple(found)


def _way(edges: Ints, start: Ints) -> Reals:
    """Return how far nodes move to each place, (nodes, places); to the ends it is 1."""
    span = max(int(edges[-1] - edges[0]), 1)
    way = np.abs(edges[None] - edges[start][:, None]) / span
    way[:, [0, -1]] = 1.0
    return np.asarray(way)


def _luts(edges: Ints) -> Reals:
    """Return the LUTs of a comparison at each place; none at the ends."""
    inner = edges[1:-1].tolist()
    if not inner:
        return np.zeros(len(edges))
    width = max(max(inner), -min(inner)).bit_length() + (min(inner) <= 0)
    return np.asarray([0.0, *(comparator_luts(c, width) for c in inner), 0.0])
