"""Convolutions and poolings as the frontends make them, on streams."""

import numpy as np
import pytest
from tests.passes.stream_runs import compare, network_of

from gatewright.frontends.recipes.convolution import convolution, depthwise
from gatewright.frontends.recipes.pooling import average_pool, global_pool, max_pool
from gatewright.frontends.recipes.windows import Axis
from gatewright.ir import Graph, Input, Node, Output, Plan, infer
from gatewright.num import Intervals
from gatewright.ops import Pad, ReduceMax, Slice, Sum, Transpose
from gatewright.passes.streams import fuse


class Value:
    def __init__(self, name, shape):
        self.name, self.shape = name, shape


class Model:
    """Appends operations as a frontend's call does."""

    def __init__(self, shape, low=-8, high=7):
        kind = Intervals.of(np.full(shape, low), np.full(shape, high), 1)
        self.inputs, self.nodes = (Input("x", shape, kind),), []
        self.x = Value("x", shape)

    def emit(self, op, *inputs, suffix="", part="", tie=""):
        name = suffix or "y"
        while name in {n.name for n in self.nodes}:
            name += "_"
        self.nodes.append(Node(name, op, tuple(v.name for v in inputs), "layer"))
        shape = op.real(*(np.zeros((1, *v.shape)) for v in inputs)).shape[1:]
        return Value(name, shape)

    def graph(self, value):
        return Graph("image", self.inputs, tuple(self.nodes), (Output("y", value.name),))


def kinds(graph):
    return [node.op.kind for node in fuse(graph).nodes]


def actors(graph, plans):
    return [actor.note for actor in network_of(graph, plans)[0].network.actors]


SHAPES = {
    "valid": ((4, 5, 2), (3, 3), {}),
    "same": ((4, 5, 2), (3, 3), {"padding": ((1, 1), (1, 1))}),
    "strided": ((5, 5, 2), (3, 3), {"padding": ((0, 1), (1, 1)), "strides": (2, 2)}),
    "causal": ((7, 2), (3,), {"padding": ((2, 0),)}),
    "dilated": ((6, 5, 2), (2, 2), {"dilation": (2, 3)}),
    "far": ((3, 3, 2), (2, 2), {"padding": ((2, 2), (0, 3))}),
    "pointwise": ((4, 4, 2), (1, 1), {"strides": (2, 2)}),
}


LONG = [
    ("far", "one"),
    ("far", "channels"),
    ("same", "channels"),
    ("valid", "one"),
    ("same", "one"),
    ("strided", "one"),
    ("dilated", "one"),
]
BEATS = [(name, beat) for name in SHAPES for beat in ("whole", "channels", "one")]


@pytest.mark.parametrize(
    ("name", "beat"),
    [pytest.param(*c, marks=[pytest.mark.slow] if c in LONG else []) for c in BEATS],
)
def test_convolution(name, beat):
    shape, kernel, options = SHAPES[name]
    model = Model(shape)
    weights = np.random.default_rng(0).integers(-2, 3, (*kernel, shape[-1], 2)) / 2
    y = convolution(model, model.x, weights, None, **options)
    graph = model.graph(y)
    assert "pad" not in kinds(graph)
    size = {"whole": int(np.prod(kernel)) * shape[-1], "channels": shape[-1], "one": 1}[beat]
    plans = {"x": Plan(beat=min(size, shape[-1])), "windows": Plan(beat=size)}
    cycles = compare(graph, plans, 2)
    pixels, positions = int(np.prod(shape[:-1])), int(np.prod(y.shape[:-1]))
    if beat != "whole" and name != "pointwise":
        assert cycles.interval == positions * int(np.prod(kernel)) * shape[-1] // size
    elif name == "valid":
        assert cycles.interval == pixels


@pytest.mark.parametrize("beat", [pytest.param(1, marks=[pytest.mark.slow]), 8])
def test_depthwise_convolution(beat):
    model = Model((4, 4, 2))
    y = depthwise(model, model.x, np.ones((2, 2, 2, 1)) / 2)
    graph = model.graph(y)
    found = compare(
        graph, {"x": Plan(beat=2), "groups": Plan(beat=beat), "products": Plan(beat=2)}, 3
    )
    assert found.interval == (16 if beat == 8 else 9 * 8)


POOLS = {
    "halves": [Axis(6, 2, 2), Axis(4, 2, 2)],
    "a line left over": [Axis(5, 2, 2), Axis(7, 3, 3)],
    "overlapping": [Axis(5, 3, 2), Axis(5, 3, 2)],
    "padded": [Axis(4, 3, 2, before=1, after=1), Axis(4, 3, 2, before=1, after=1)],
    "gaps": [Axis(5, 1, 2), Axis(6, 2, 4)],
    "a vector": [Axis(8, 2, 2)],
}


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("name", POOLS)
def test_pooling(name, kind):
    axes = POOLS[name]
    model = Model((*(a.length for a in axes), 2))
    pool = max_pool if kind == "max" else average_pool
    y = pool(model, model.x, axes)
    last = model.nodes[-1]
    if last.op.kind == "divide_constant":
        model.nodes.pop()
        y = Value(last.inputs[0], y.shape)
    graph = model.graph(y)
    assert kinds(graph) == ["reduced_chain"]
    cycles = compare(graph, {"x": Plan(beat=2)}, 3)
    pixels = int(np.prod([a.length for a in axes]))
    if name not in ("padded",):
        assert cycles.interval == pixels
    wide = [note for note in actors(graph, {"x": Plan(beat=2)}) if "windows of" in note]
    assert bool(wide) == (name in ("overlapping", "padded"))
    if not wide:
        assert compare(graph, {"x": Plan(beat=1)}, 3).interval == 2 * pixels


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("beat", [1, 3])
def test_global_pooling(kind, beat):
    model = Model((3, 4, 3))
    y = global_pool(model, model.x, kind)
    if kind == "average":
        model.nodes.pop()
        y = Value(model.nodes[-1].name, y.shape)
    graph = model.graph(y)
    assert kinds(graph) == ["reduced_chain"]
    assert compare(graph, {"x": Plan(beat=beat)}, 3).interval == 12 * 3 // beat


@pytest.mark.parametrize("op", [Sum((0,)), ReduceMax((0, 1)), Sum((0, 1), True)])
def test_reductions_over_leading_axes(op):
    model = Model((3, 2, 2))
    graph = model.graph(model.emit(op, model.x))
    compare(graph, {"x": Plan(beat=2)}, 3)


MOVED = [
    (Transpose((1, 0, 2)), 2),
    (Transpose((2, 0, 1)), 1),
    (Transpose((1, 0, 2)), 1),
    (Slice(((1, 4, None), (0, 3, 2))), 2),
    (Slice(((None, None, -1),)), 2),
    (Pad((1, 0, 0), (0, 2, 0), 0.5), 2),
]


@pytest.mark.parametrize("number", range(len(MOVED)))
def test_movements(number):
    op, beat = MOVED[number]
    model = Model((4, 3, 2))
    graph = model.graph(model.emit(op, model.x))
    cycles = compare(graph, {"x": Plan(beat=2), "y": Plan(beat=beat)}, 3)
    assert cycles.interval <= max(24, infer(graph)["y"].size) // beat


def test_a_channel_split_of_a_window_needs_no_memory():
    """What only moves within a window is wiring, and the windows come from line memories."""
    model = Model((3, 3, 2))
    y = depthwise(model, model.x, np.ones((2, 2, 2, 1)))
    notes = actors(model.graph(y), {"x": Plan(beat=2), "groups": Plan(beat=8)})
    assert [note for note in notes if "windows of 2x2" in note]
    assert not [note for note in notes if "another order, keeps" in note]


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize(("width", "pixels"), [(8, 2), (8, 4), (9, 3)])
def test_pooling_of_several_pixels_a_step(kind, width, pixels):
    axes = [Axis(4, 2, 2), Axis(width, 2 if width == 8 else 3, 2 if width == 8 else 3)]
    model = Model((4, width, 2))
    y = (max_pool if kind == "max" else average_pool)(model, model.x, axes)
    if model.nodes[-1].op.kind == "divide_constant":
        y = Value(model.nodes.pop().inputs[0], y.shape)
    cycles = compare(model.graph(y), {"x": Plan(beat=2 * pixels)}, 2)
    assert cycles.interval == 4 * width // pixels


def test_convolution_of_two_pixels_a_step():
    model = Model((4, 6, 2))
    y = convolution(model, model.x, np.ones((3, 3, 2, 1)), None, padding=((1, 1), (1, 1)))
    plans = {"x": Plan(beat=4), "windows": Plan(beat=36), "y": Plan(beat=2)}
    assert compare(model.graph(y), plans, 2).interval == 12 + 3 + 1
