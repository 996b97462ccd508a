"""Paths of `ready` through actors joined by wires, and the FIFOs that cut them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gatewright.arch.ready import is_ready_late, ready_breaks, slowest_ready
from gatewright.num import Intervals
from gatewright.passes.netlist import Clock, DelayModel
from gatewright.streams import OUTSIDE, Link, Network
from gatewright.streams.fork import fork

MODEL = DelayModel(0.4, 0.5, 0.02, 0.2, 0.5, "for tests")


def chain(widths):
    """Return actors in a row, links of some widths."""
    last = len(widths) - 1
    links = []
    for i, width in enumerate(widths):
        source = (OUTSIDE, "x") if i == 0 else (i - 1, "y")
        target = (OUTSIDE, "y") if i == last else (i, "x")
        links.append(Link(source, target, Intervals.of([0], [(1 << width) - 1], 0), 4))
    actors = [fork(f"f{i}", links[i].types, 1, 4) for i in range(last)]
    return Network("top", tuple(actors), tuple(links), ("x",), ("y",))


def test_a_path_grows_with_the_actors_until_a_fifo_cuts_it():
    network = chain([8] * 20)
    whole, _ = slowest_ready(network, MODEL)
    assert whole > 19 * MODEL.lut * 0.9
    halves, _ = slowest_ready(network.with_depths([int(i == 10) for i in range(20)]), MODEL)
    assert whole / 3 < halves < 0.65 * whole


@pytest.mark.parametrize("period", [3.0, 4.0, 6.0, 20.0])
def test_breaks_are_enough_and_none_is_in_vain(period):
    widths = np.random.default_rng(1).integers(4, 40, 24).tolist()
    network, clock = chain(widths), Clock(period, MODEL)
    breaks = ready_breaks(network, clock)
    assert not is_ready_late(network.with_depths(breaks), clock)
    cuts = [i for i, depth in enumerate(breaks) if depth]
    assert bool(cuts) == is_ready_late(network, clock)
    if period < 6.0:
        between = [b - a for a, b in pairwise(cuts)]
        assert max(between) <= clock.budget / MODEL.lut + 1
    if cuts:
        mean = np.mean([widths[i] for i in cuts])
        assert mean < np.mean(widths)  # narrow links are cut


def test_what_is_stored_anyway_is_no_further_cost():
    network, clock = chain([8] * 20), Clock(5.0, MODEL)
    stored = [int(i % 4 == 2) for i in range(20)]
    assert ready_breaks(network.with_depths(stored), clock) == stored


def test_a_clock_that_one_cell_exceeds_ends():
    assert sum(ready_breaks(chain([8] * 4), Clock(0.8, MODEL))) <= 4
