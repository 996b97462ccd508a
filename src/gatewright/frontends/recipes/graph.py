"""Sets and graphs: features of edges from nodes, aggregation to nodes, layers made of these.

Node features have shape (nodes, features), edge features (edges, features). Edges given at import
are arrays of node numbers; edges that are computed (or come in as an input) are tensors of them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Literal, TypeVar

import numpy as np

from gatewright.base import UnsupportedError
from gatewright.frontends.recipes.emitter import Emitter, Tensor
from gatewright.num import Ints
from gatewright.ops import (
    Affine,
    Concatenate,
    Constant,
    Dense,
    Embedding,
    Function,
    Gather,
    Multiply,
    ReduceMax,
    ReduceMin,
    Reshape,
    Segment,
    Subtract,
    Sum,
    Take,
    TopK,
)

T = TypeVar("T", bound=Tensor)
How = Literal["sum", "mean", "max", "min"]


def complete_edges(nodes: int) -> Ints:
    """Return receivers and senders, shape (2, edges), of all ordered pairs of two nodes."""
    return np.asarray(list(permutations(range(nodes), 2)), np.int64).reshape(-1, 2).T


def gather_nodes(to: Emitter[T], x: T, nodes: Ints | T, suffix: str = "") -> T:
    """Return the features of one node for each edge: wiring, or multiplexers where computed."""
    if isinstance(nodes, np.ndarray):
        return to.emit(Gather.of(nodes, 0), x, suffix=suffix)
    return to.emit(Take(0), x, nodes, suffix=suffix)


def sum_edges(to: Emitter[T], x: T, nodes: Ints, count: int) -> T:
    """Return, for each of `count` nodes, the sum of the features of its edges."""
    return aggregate(to, x, nodes, count, "sum")


def aggregate(
    to: Emitter[T], x: T, nodes: Ints | T, count: int, how: How = "sum", empty: float = 0.0
) -> T:
    """Reduce the features of the edges of each node.

    A node without edges gets 0 as sum and mean, `empty` as largest or smallest. A mean is the
    exact sum times 1 / number of edges, rounded to float64 where that is no power of two.

    Args:
        to: emits.
        x: (edges, features).
        nodes: of each edge, known at import (int64) or computed.
        count: of nodes.
        how: "sum", "mean", "max" or "min".
        empty: see above.
    """
    if not isinstance(nodes, np.ndarray):
        return _aggregate_computed(to, x, nodes, count, how, empty)
    degree = np.bincount(nodes[(nodes >= 0) & (nodes < count)], minlength=count)
    value = _reduced(to, x, nodes, degree, how, empty)
    if how != "mean":
        return value
    share = np.where(degree > 0, 1.0 / np.maximum(degree, 1), 0.0)
    scale = share.reshape(-1, *(1,) * (len(x.shape) - 1))
    return to.emit(Affine(scale, np.asarray(0.0)), value, suffix="mean")


def _reduced(to: Emitter[T], x: T, nodes: Ints, degree: Ints, how: How, empty: float) -> T:
    """Reduce edges known at import; where all nodes have as many, axis by axis."""
    count, each = len(degree), int(degree[0]) if len(degree) else 0
    if each and (degree == each).all() and len(nodes) == count * each:
        order = np.argsort(nodes, kind="stable").reshape(count, each)
        rows = to.emit(Gather.of(order, 0), x, suffix="edges")
        ops = {"max": ReduceMax((1,)), "min": ReduceMin((1,))}
        return to.emit(ops.get(how, Sum((1,))), rows, suffix=how)
    function = how if how in ("max", "min") else "sum"
    number = to.emit(Constant(nodes.astype(np.float64)), x, suffix="nodes")
    nothing = empty if function != "sum" else 0.0
    return to.emit(Segment(count, function, nothing), x, number, suffix=how)


def _aggregate_computed(to: Emitter[T], x: T, nodes: T, count: int, how: How, empty: float) -> T:
    """Offer every edge to every node that its number can name."""
    function = how if how in ("max", "min") else "sum"
    value = to.emit(Segment(count, function, empty if function != "sum" else 0.0), x, nodes,
                    suffix=how)  # fmt: skip
    if how != "mean":
        return value
    edges = x.shape[0]
    ones = to.emit(Constant(np.ones(edges)), x, suffix="ones")
    degree = to.emit(Segment(count), ones, nodes, suffix="degree")
    shares = np.concatenate([[0.0], 1.0 / np.arange(1, edges + 1)])[:, None]
    share = to.emit(Embedding(shares), degree, suffix="share")
    shape = (count, *(1,) * (len(x.shape) - 1))
    share = to.emit(Reshape(shape), share, suffix="shares") if shape != share.shape else share
    return to.emit(Multiply(), value, share, suffix="mean")


Network = Callable[[T], T]
"""What computes each row apart: dense layers and activations."""


def interaction_network(
    to: Emitter[T],
    x: T,
    edges: Ints | tuple[T, T],
    edge_network: Network[T],
    node_network: Network[T],
    how: How = "sum",
) -> T:
    """Build an interaction network (Battaglia et al. 2016, arXiv:1612.00222).

    For each edge, `edge_network` of receiver and sender; for each node, `node_network` of its own
    features and the aggregate of its incoming edges.

    Args:
        to: emits.
        x: (nodes, features).
        edges: receivers and senders, int64 of shape (2, edges) or two computed tensors.
        edge_network: from (edges, 2 * features) to (edges, effects).
        node_network: from (nodes, features + effects).
        how: of the aggregation.
    """
    receivers, senders = edges
    ends = [gather_nodes(to, x, n, s) for n, s in ((receivers, "receivers"), (senders, "senders"))]
    effects = edge_network(to.emit(Concatenate(-1), *ends, suffix="ends"))
    inflow = aggregate(to, effects, receivers, x.shape[0], how)
    return node_network(to.emit(Concatenate(-1), x, inflow, suffix="inflow"))


def distances(to: Emitter[T], a: T, b: T) -> T:
    """Return squared Euclidean distances (m, n) of the rows of (m, features) and (n, features)."""
    m, n, features = a.shape[0], b.shape[0], a.shape[1]
    left = to.emit(Reshape((m, 1, features)), a, suffix="left")
    right = to.emit(Reshape((1, n, features)), b, suffix="right")
    apart = to.emit(Subtract(), left, right, suffix="apart")
    squares = to.emit(Multiply(), apart, apart, suffix="squares")
    return to.emit(Sum((2,)), squares, suffix="distance")


def nearest(to: Emitter[T], x: T, k: int) -> T:
    """Return the numbers (nodes, k) of the nearest other nodes, the nearest first.

    Of equally near nodes the first leads; a node is never its own neighbour.
    """
    nodes = x.shape[0]
    if not 0 < k < nodes:
        raise UnsupportedError(
            "a graph of nearest neighbours asks for more than there are",
            found=f"{k} neighbours of {nodes} nodes",
            supported=f"1 to {nodes - 1}",
        )
    others = np.asarray([[j for j in range(nodes) if j != i] for i in range(nodes)], np.int64)
    apart = distances(to, x, x)
    flat = to.emit(Reshape((nodes * nodes,)), apart, suffix="pairs")
    rows = to.emit(Gather.of(others + nodes * np.arange(nodes)[:, None]), flat, suffix="others")
    places = to.emit(TopK(k, "positions", largest=False), rows, suffix="places")
    names = to.emit(Constant(others.astype(np.float64)), x, suffix="names")
    return to.emit(Take(1, along=True), names, places, suffix="neighbours")


def edge_conv(
    to: Emitter[T], x: T, neighbours: Ints | T, network: Network[T], how: How = "max"
) -> T:
    """Build an EdgeConv (Wang et al. 2018, arXiv:1801.07829).

    Reduces `network(x_i, x_j - x_i)` over the neighbours j of each node i.

    Args:
        to: emits.
        x: (nodes, features).
        neighbours: (nodes, k), known at import or computed (see `nearest`).
        network: from (nodes, k, 2 * features).
        how: of the aggregation.
    """
    nodes, k = neighbours.shape
    near = gather_nodes(to, x, neighbours, "near")
    own = to.emit(Gather.of(np.repeat(np.arange(nodes)[:, None], k, axis=1), 0), x, suffix="own")
    apart = to.emit(Subtract(), near, own, suffix="apart")
    edges = network(to.emit(Concatenate(-1), own, apart, suffix="ends"))
    ops = {"max": ReduceMax((1,)), "min": ReduceMin((1,))}
    value = to.emit(ops.get(how, Sum((1,))), edges, suffix=how)
    if how == "mean":
        value = to.emit(Affine(np.asarray(1.0 / k), np.asarray(0.0)), value, suffix="mean")
    return value


def gar_net(to: Emitter[T], x: T, distance: Dense, features: Dense, output: Dense) -> T:
    """Build a GarNet layer (Qasim et al. 2019, arXiv:1902.07987).

    In the simpler form for firmware (Iiyama et al. 2020, arXiv:2008.03601): distances of each node
    to each aggregator and features to pass on are affine; the potential is exp(-d**2) by table.
    Aggregators get the mean over nodes of potential times feature, each node the aggregators'
    means times its potentials, through an affine output.

    Args:
        to: emits.
        x: (nodes, features).
        distance: to (nodes, aggregators).
        features: to (nodes, passed).
        output: from (nodes, aggregators * passed).
    """
    nodes, s, passed = x.shape[0], distance.weight.shape[1], features.weight.shape[1]
    d = to.emit(distance, x, suffix="distance")
    potential = _potential(to, to.emit(Multiply(), d, d, suffix="square"))
    f = to.emit(features, x, suffix="features")
    left = to.emit(Reshape((nodes, s, 1)), potential, suffix="potentials")
    right = to.emit(Reshape((nodes, 1, passed)), f, suffix="passed")
    total = to.emit(Sum((0,), True), to.emit(Multiply(), left, right, suffix="weighted"),
                    suffix="sum")  # fmt: skip
    mean = to.emit(Affine(np.asarray(1.0 / nodes), np.asarray(0.0)), total, suffix="mean")
    back = to.emit(Multiply(), left, mean, suffix="returned")
    return to.emit(output, to.emit(Reshape((nodes, s * passed)), back, suffix="flat"))


def grav_net(
    to: Emitter[T], x: T, space: Dense, features: Dense, output: Dense, k: int,
    hows: tuple[How, ...] = ("mean", "max"), sharpness: float = 10.0,
) -> T:  # fmt: skip
    """Build a GravNet layer (Qasim et al. 2019, arXiv:1902.07987).

    Each node takes the features of its `k` nearest neighbours in a learned space, weighted by
    exp(-sharpness * d**2), reduces them in each of the ways `hows`, and joins the results to its
    own features before an affine output.

    Args:
        to: emits.
        x: (nodes, features).
        space: to (nodes, coordinates).
        features: to (nodes, passed).
        output: from (nodes, features + len(hows) * passed).
        k: neighbours.
        hows: reductions, in order.
        sharpness: of the potential.
    """
    nodes = x.shape[0]
    s = to.emit(space, x, suffix="space")
    f = to.emit(features, x, suffix="features")
    neighbours = nearest(to, s, k)
    near = gather_nodes(to, s, neighbours, "near")
    own = to.emit(Gather.of(np.repeat(np.arange(nodes)[:, None], k, axis=1), 0), s, suffix="own")
    apart = to.emit(Subtract(), near, own, suffix="offset")
    squares = to.emit(Multiply(), apart, apart, suffix="offset_squares")
    square = to.emit(Sum((2,), True), squares, suffix="square")
    weight = _potential(to, square, sharpness)
    passed = to.emit(Multiply(), gather_nodes(to, f, neighbours, "passed"), weight,
                     suffix="weighted")  # fmt: skip
    parts = [x]
    for how in hows:
        ops = {"max": ReduceMax((1,)), "min": ReduceMin((1,))}
        value = to.emit(ops.get(how, Sum((1,))), passed, suffix=how)
        if how == "mean":
            value = to.emit(Affine(np.asarray(1.0 / k), np.asarray(0.0)), value, suffix="share")
        parts.append(value)
    return to.emit(output, to.emit(Concatenate(-1), *parts, suffix="joined"))


def _potential(to: Emitter[T], square: T, sharpness: float = 1.0) -> T:
    """Return exp(-sharpness * square) by table."""
    scaled = to.emit(Affine(np.asarray(-sharpness), np.asarray(0.0)), square, suffix="exponent")
    return to.emit(Function("exp"), scaled, suffix="potential")
