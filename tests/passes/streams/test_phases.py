"""Channels one after the other whose thresholds differ: tables, not a circuit for each."""

from __future__ import annotations

import numpy as np
import pytest
from stream_runs import compare, network_of

from gatewright.ir import Graph, Input, Node, Output, Plan
from gatewright.num import Fixed, Intervals
from gatewright.ops import Requantize
from gatewright.passes.netlist import total_resources

CHANNELS, LEVELS = 16, 7


def network(falling):
    rng = np.random.default_rng(1)
    thresholds = np.sort(rng.integers(-300, 300, (CHANNELS, LEVELS)), axis=1)
    op = Requantize(thresholds, falling, 0)
    kind = Intervals.format(Fixed(True, 10, 0), (3, CHANNELS))
    return Graph(
        "g", (Input("x", (3, CHANNELS), kind),), (Node("q", op, ("x",)),), (Output("y", "q"),)
    )


@pytest.mark.parametrize("beat", [1, 4])
def test_each_channel_meets_its_own_thresholds(beat):
    for falling in (np.zeros(CHANNELS, bool), np.arange(CHANNELS) % 3 == 1):
        compare(network(falling), {"x": Plan(beat=beat), "q": Plan(beat=beat)}, samples=4)


def test_hardware_does_not_grow_with_the_channels():
    graph = network(np.zeros(CHANNELS, bool))
    _, top, _ = network_of(graph, {"x": Plan(beat=1), "q": Plan(beat=1)})
    assert total_resources(top).lut < 150
