"""How many trees of a forest are walked down at once, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from gatewright.arch.devices import Device
from gatewright.arch.stream_cost import ROM_BITS_PER_LUT, Cost
from gatewright.blocks.mac_store import style_of
from gatewright.ir import Graph, infer
from gatewright.num import Intervals
from gatewright.ops import Forest
from gatewright.ops.forest_walk import Walk, walk
from gatewright.passes.netlist.memory_cost import DEFAULT, FABRICS, Store
from gatewright.streams import beat_types

WALK_DELAY = 5
"""Cycles from a step of a walk down a tree to the next, about: address, word, comparison."""

WALK_CONTROL = 60
"""LUTs of the counters and marks of an engine that walks down trees."""


@dataclass(frozen=True)
class Walked:
    """How a forest is walked.

    Attributes:
        lanes: trees that are walked down at once.
        steps: of a sample, about.
        cost: estimated.
    """

    lanes: int
    steps: int
    cost: Cost


def walked(op: Forest, x: Intervals, steps: int, device: Device, lanes: int = 0) -> Walked | None:
    """Return how a forest is walked in so many steps; None: that is too fast.

    Args:
        op: the forest.
        x: types of the features of any sample.
        steps: that a sample may take.
        device: whose memories hold the nodes.
        lanes: trees walked down at once, where that is given; 0: the fewest that do.
    """
    if not lanes and steps < WALK_DELAY:
        return None
    found = walk(op, x)
    fewest = lanes or found.lanes(steps, WALK_DELAY)
    if fewest is None:
        return None
    cost = forest_cost(found, fewest, device)
    return Walked(fewest, found.steps(fewest, WALK_DELAY), cost)


def parallel_luts(graph: Graph) -> float:
    """Return the LUTs of circuits for all trees of a graph's forests at once; 0: it has none."""
    forests = [node for node in graph.nodes if isinstance(node.op, Forest)]
    if not forests:
        return 0.0
    types = infer(graph)
    return sum(n.op.luts(types[n.name], types[n.inputs[0]]) or 0.0 for n in forests)


def walk_interval(graph: Graph, luts: int, brams: int, device: Device) -> int:
    """Return an interval at which a graph's forests fit; 1 where their circuits do in parallel.

    Args:
        graph: quantized.
        luts: that they may take.
        brams: blocks of memory, likewise.
        device: what it is built for.
    """
    if parallel_luts(graph) <= luts:
        return 1
    types = infer(graph)
    forests = [(n.op, types[n.inputs[0]]) for n in graph.nodes if isinstance(n.op, Forest)]
    slowest = max(len(op.features) + 1 for op, _ in forests) * WALK_DELAY
    most = max(x.size // x.shape[-1] for _, x in forests) * slowest
    interval = WALK_DELAY
    while interval < most:
        found = [walked(op, in_row(x), interval * x.shape[-1] // x.size, device)
                 for op, x in forests]  # fmt: skip
        cost = sum((each.cost for each in found if each), Cost())
        if all(found) and cost.lut <= luts and cost.bram <= brams:
            break
        interval *= 2
    return interval


def forest_cost(walk: Walk, lanes: int, device: Device) -> Cost:
    """Return the cost of walking down some trees of a forest at once.

    Args:
        walk: the forest, for samples of its types.
        lanes: trees that are walked at once.
        device: whose memories hold nodes and leaves.
    """
    shape, asked = walk.engine(lanes), walk.asked.features
    bits = int(walk.kind.width[list(asked)].max())
    node, leaf = walk.node_bits + shape.node_pointers, walk.leaf_bits
    # The choice of a feature, the comparison, where the walk goes, the sum of two lanes.
    choice = bits * ceil((len(asked) - 1) / 3) + bits + shape.index_bits + 2
    lut, bram = lanes * (choice + leaf + 2.0), 0.0
    for words, width in ((shape.nodes, node), (shape.leaves, leaf)):
        if device.bram and style_of("auto", words, width) == "block":
            store = Store(words, width, 1, True, "block", True, ())
            bram += lanes * store.halves(FABRICS.get(device.family, FABRICS[DEFAULT]))[0] / 2
        else:
            lut += lanes * width * ceil(words / ROM_BITS_PER_LUT)
    return Cost(lut + WALK_CONTROL, 0, bram)


def in_row(x: Intervals) -> Intervals:
    """Return the types of the elements of any row."""
    return beat_types(x, x.shape[-1])
