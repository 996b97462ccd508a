"""Readers, droppers and collectors give the right beats in the cycles of the model."""

from dataclasses import replace

import numpy as np
import pytest
from tests.streams.actor_runs import compare, one_actor

from gatewright.num import Intervals
from gatewright.streams import Parts, Raster, Walk, collect, ordered, reader, simulate, window_walk

BYTE = Intervals.of([-8], [7], 0)
EVENTS = 3


def data_of(beats, size, seed=0):
    return np.random.default_rng(seed).integers(-8, 8, (EVENTS, beats, size))


def expected(data, walk, fill=0):
    return np.where(walk.inside[:, None], data[:, walk.source.clip(0, walk.beats - 1)], fill)


def permutation(order, beats=None):
    order = np.asarray(order)
    inside = order >= 0
    return Walk(beats or order.max() + 1, (len(order),), np.maximum(order, 0), inside)


def image(spatial, kernel, strides, pads, groups, dilation=(1, 1)):
    before, after = pads
    return window_walk(Raster(spatial, kernel, strides, dilation, before, after), groups)


WALKS = [
    image((5, 4), (3, 3), (1, 1), ((0, 0), (0, 0)), 1),
    image((3, 3), (3, 2), (1, 1), ((1, 0), (1, 1)), 2),
    image((4, 6), (3, 3), (2, 2), ((0, 0), (1, 1)), 1),
    image((5, 5), (2, 2), (2, 2), ((0, 0), (0, 0)), 2),
    image((4, 6), (2, 2), (1, 2), ((1, 1), (1, 1)), 1, (2, 2)),
    permutation(np.arange(24).reshape(4, 6).T.ravel()),
    permutation([3, 2, 1, 0]),
    permutation([5, -1, 0, 0, 7, -1], 9),
    permutation([2, 2, 2], 4),
]


SLOW = {(1, True), (1, False), (2, False), (0, True), (4, False)}


@pytest.mark.parametrize(
    ("number", "least"),
    [
        pytest.param(n, least, marks=[pytest.mark.slow] if (n, least) in SLOW else [])
        for n in range(len(WALKS))
        for least in (True, False)
    ],
)
def test_reader(number, least):
    walk = WALKS[number]
    types = Intervals.of([-8, 3], [7, 3], 0)
    data = data_of(walk.beats, 2, number)
    data[..., 1] = 3
    actor = reader("read", types, walk, walk.least_depth if least else 0)
    compare(actor, data, expected(data, walk))


def test_reader_keeps_the_rate_where_beats_come_evenly():
    """The depth of itself is enough for an event in as many cycles as it has steps."""
    walk = WALKS[0]
    assert walk.least_depth < walk.even_depth < 2 * walk.beats
    one = reader("one", BYTE, walk)
    cycles = compare(one, data_of(20, 1), expected(data_of(20, 1), walk), (0.0,))
    assert cycles.interval == walk.steps == 54


def test_a_reader_could_not_hold_one_beat_less():
    walk = WALKS[0]
    actor = reader("read", BYTE, walk, walk.least_depth)
    timing = replace(actor.timing, depth=walk.least_depth - 1)
    assert not simulate(one_actor(actor, BYTE)).locked
    assert simulate(one_actor(replace(actor, timing=timing), BYTE)).locked


ORDERED = [
    permutation([0, 2, 4], 5),
    permutation([-1, 0, 1, -1, 2, 3, -1], 4),
    permutation([0, 0, 1, 1, 2, 2]),
    permutation([1, -1, 1, 3], 5),
]


@pytest.mark.parametrize("number", range(len(ORDERED)))
def test_ordered(number):
    walk = ORDERED[number]
    fill = Intervals.of([11, -3], [11, -3], 0)
    types = Intervals.of([-8, -8], [7, 7], 0)
    data = data_of(walk.beats, 2, number)
    actor = ordered("keep", types, walk, (walk.beats,), fill)
    compare(actor, data, expected(data, walk, [11, -3]))


PARTS = [
    Parts(np.zeros(5, np.int64), (5,)),
    Parts(np.array([0, 0, 1, 1, -1] * 2 + [2, 2, 3, 3, -1] * 2 + [-1] * 5), (5, 5)),
    Parts(np.tile([0, 1, 2], 4), (4, 3)),
    Parts(np.array([0, 1, 2, 3]), (4,)),
    Parts(np.array([-1, 0, 1, -1, 0, 1, 2, -1, 2, -1]), (10,)),
]
"""Some results have parts far apart, others in a row, some beats belong to none."""


@pytest.mark.parametrize("number", range(len(PARTS)))
@pytest.mark.parametrize("adds", [True, False])
def test_collect(number, adds):
    parts = PARTS[number]
    types = Intervals.of([-8, 0], [7, 5], 0)
    n = parts.most if adds else 1
    kept = Intervals.of(types.lo * n, types.hi * n, 0)
    data = np.random.default_rng(0).integers(types.lo, types.hi + 1, (EVENTS, len(parts.target), 2))

    def join(m, a, b):
        return m.add(a, b) if adds else m.select(m.less(a, b), b, a)

    actor = collect("sum", types, kept, parts, join)
    chosen = [data[:, parts.target == k] for k in range(len(parts.ends))]
    found = [c.sum(1) if adds else c.max(1) for c in chosen]
    compare(actor, data, np.stack(found, 1))
