"""The compiled model, which skips what cannot happen, against one that steps every register."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import looped, program_actor, random_network
from stepped_model import Stepped

from gatewright.streams import OUTSIDE, Link, Network, Program, simulate

PATIENCE = 60


def as_stepped(network, depths, events, interval=0):
    """Hold a run to the plain model; return it."""
    found = simulate(network, depths, events, interval)
    model = Stepped(network, list(depths), events, interval)
    ended, first, locked = model.run(PATIENCE)
    assert found.locked == locked
    assert found.finished[: len(ended)].tolist() == ended
    assert (found.finished[len(ended) :] == -1).all()
    assert found.filled.tolist() == model.filled
    if not locked:
        assert found.latency == ended[0] - first
        assert found.late.tolist() == model.late
        spans = np.stack([model.begun, model.last], axis=1) - first
        assert found.spans.tolist() == spans.tolist()
    return found


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 5), st.sampled_from([0, 7, 30]))
@settings(max_examples=40)
def test_every_cycle_is_that_of_the_plain_model(seed, size, deepest, interval):
    network = random_network(seed, size)
    depths = np.random.default_rng(seed).integers(0, deepest, len(network.links)).tolist()
    as_stepped(network, depths, 3, interval)


@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([0, 7, 30]))
@settings(max_examples=30)
def test_every_cycle_of_a_loop_is_that_of_the_plain_model(seed, deepest, interval):
    rng = np.random.default_rng(seed)
    network = looped(rng)
    depths = rng.integers(0, deepest, len(network.links)).tolist()
    depths[-1] = int(rng.integers(1, 4))  # the way back
    assert [link.is_backward for link in network.links] == [False] * 5 + [True]
    as_stepped(network, depths, 3, interval)


def test_a_long_pipeline_and_steps_that_take_nothing():
    """More beats on their way than a word has bits, and many given after one was taken."""
    takes = np.zeros((90, 1), np.bool_)
    takes[[0, 1, 40]] = True
    gives = np.ones((90, 2), np.bool_)
    gives[::3, 1] = False
    actor = program_actor("a", Program(takes, gives, 80), 1)
    slow = program_actor("b", Program.plain(60, latency=2), 1)
    types = random_network(0, 1).links[0].types
    links = (
        Link((OUTSIDE, "in"), (0, "x"), types, 3),
        Link((0, "y"), (OUTSIDE, "out"), types, 90),
        Link((0, "y2"), (1, "x"), types, 60),
        Link((1, "y"), (OUTSIDE, "out2"), types, 60),
    )
    network = Network("top", (actor, slow), links, ("in",), ("out", "out2"))
    for depths in ([0, 0, 0, 0], [2, 1, 1, 0], [0, 3, 2, 1]):
        found = as_stepped(network, depths, 4)
        assert not found.locked


@given(st.integers(0, 10**6), st.integers(1, 6))
@settings(max_examples=10)
def test_a_run_ends_where_an_event_misses_its_deadline(seed, size):
    network = random_network(seed, size)
    whole = simulate(network, [2] * len(network.links), 3)
    if whole.locked:
        return
    ends = (whole.finished - whole.finished[0] + whole.latency).tolist()
    depths = [2] * len(network.links)
    assert not simulate(network, depths, 3, deadlines=ends).locked
    for number in range(3):
        sooner = [end - (i == number) for i, end in enumerate(ends)]
        cut = simulate(network, depths, 3, deadlines=sooner)
        assert cut.locked
        assert (cut.finished >= 0).sum() <= number
