"""A dense layer behind a sparse image takes weights by place, and gives the same integers."""

from dataclasses import replace

import numpy as np
import pytest

from gatewright.frontends.recipes.sparse_pixels import densify, keep_first, pool_pixels
from gatewright.frontends.scores import Extension, Tensor
from gatewright.ir import Graph, Input, Output, evaluate
from gatewright.num import FixedArray, Intervals, Overflow
from gatewright.ops import Dense, Densify, PlaceWeights, PoolCells, Quantize, Reshape, Where
from gatewright.passes.graph import gather_dense, prune, streamline

MANY = 10_000


def network(pool, window=(2, 2), bias=1.0, outputs=2):
    """Return an image of 8 x 6 pixels with two channels, the first 4 active, and a dense layer."""
    rng = np.random.default_rng(3)
    shape = (8, 6, 2)
    x = Input("x", shape, Intervals.of(np.zeros(shape, int), np.full(shape, 7), 2))
    call = Extension(Graph("sparse", (x,), (), ()), "sparse")
    image = keep_first(call, Tensor("x", shape), 4, 0.0)
    if pool:
        image = pool_pixels(call, image, window, pool)
    flat = call.emit(Reshape((int(np.prod(image.size)) * 2,)), densify(call, image))
    weight = np.ldexp(rng.integers(-15, 16, (flat.shape[0], outputs)).astype(float), -1)
    value = call.emit(Dense(weight, bias * np.arange(outputs) / 4.0), flat)
    value = call.emit(Quantize.to(True, 12, 4, overflow=Overflow.SAT), value)
    return prune(streamline(Graph("sparse", (x,), tuple(call.nodes), (Output("y", value.name),))))


def kinds(graph):
    return {type(node.op) for node in graph.nodes}


def answers(graph):
    rng = np.random.default_rng(5)
    x = np.where(rng.random((300, 8, 6, 2)) < 0.15, rng.integers(1, 8, (300, 8, 6, 2)), 0)
    return evaluate(graph, {"x": FixedArray(x, np.asarray(2))})[graph.outputs[0].value].value


@pytest.mark.parametrize(
    ("pool", "window", "bias"),
    [(None, (1, 1), 1.0), ("average", (2, 2), 1.0), ("average", (2, 3), 0.0), ("max", (2, 2), 1.0)],
)
def test_the_same_integers(pool, window, bias):
    plain = network(pool, window, bias)
    found = gather_dense(plain, MANY)
    assert PlaceWeights in kinds(found)
    assert not kinds(found) & {Dense, Densify}
    assert (PoolCells in kinds(found)) == (pool == "max")  # an average needs no windows any more
    assert np.array_equal(answers(found), answers(plain))
    assert len(np.unique(answers(plain))) > 20


def test_it_is_done_where_it_gains():
    """Without DSP blocks, products of two variables cost more than few constants."""
    small = network("average", (4, 3), outputs=1)
    assert gather_dense(small, 0) is small
    assert gather_dense(small, MANY) is not small


def test_places_that_may_be_equal_stay():
    """`Densify` takes the first of two pixels at one place: a sum would take both."""
    graph = network(None)
    nodes = {node.name: node for node in graph.nodes}
    (image,) = [node for node in graph.nodes if isinstance(node.op, Densify)]
    places = nodes[image.inputs[1]]
    moved = replace(places, name="moved", op=Quantize.to(False, 2, 0), inputs=(places.name,))
    where = [
        n if n is not image else replace(n, inputs=(n.inputs[0], "moved")) for n in graph.nodes
    ]
    at = where.index(next(n for n in where if isinstance(n.op, Densify)))
    same = graph.with_nodes([*where[:at], moved, *where[at:]])
    assert gather_dense(same, MANY) is same


def test_an_image_that_is_read_twice_stays():
    graph = network("average")
    (image,) = [node for node in graph.nodes if isinstance(node.op, Densify)]
    both = replace(graph, outputs=(*graph.outputs, Output("image", image.name)))
    assert gather_dense(both, MANY) is both
    assert Where not in kinds(both)
