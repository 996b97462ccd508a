"""The circuits of an engine that walks trees: a step of a walk, and the sum over the lanes."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.blocks.arith import signed_sum
from gatewright.blocks.mac_kernel import moving_input
from gatewright.hw import Module
from gatewright.num import Intervals
from gatewright.streams.serve import tree as chosen


def step_kernel(
    name: str, x: Intervals, absent: Sequence[int], nodes: Intervals, state: int, linked: bool
) -> Module:
    """Return the circuit that says where a walk goes from a node.

    Ports: `x`, the features; `absent`, a bit for each feature that can be missing; `node`, its
    fields; `at`, where the walk stands. `y` is where it stands next: at the end, which leaf.

    Args:
        name: of the module.
        x: types of the features, integers.
        absent: the features that can be missing.
        nodes: types of the fields of a node.
        state: bits that say where a walk stands.
        linked: see `WalkShape`.
    """
    m = Module(name, note="a step of a walk down a tree")
    features = moving_input(m, "x", x).tolist()
    bit = Intervals.of([0] * len(absent), [1] * len(absent), 0)
    gone = m.input("absent", bit) if absent else []
    number, cut, *rest = moving_input(m, "node", nodes).tolist()
    (at,) = m.input("at", Intervals.of([0], [(1 << state) - 1], 0))
    left = m.less(chosen(m, number, features), cut)
    if absent:
        bits = [m.constant(0)] * len(features)
        for feature, signal in zip(absent, gone, strict=True):
            bits[feature] = signal
        left = m.select(chosen(m, number, bits), rest.pop(0), left)
    if linked:  # a leaf, whose number is above all nodes', stays
        child = m.select(left, rest[0], rest[1])
        after = m.select(m.slice(at, state - 1, 1), at, child)
    else:  # the 1 that all numbers of a full tree begin with leaves with the last level
        after = m.slice(m.concat(at, m.not_(left)), 0, state)
    m.output("y", [after])
    return m


def sum_kernel(name: str, leaves: Sequence[Intervals]) -> Module:
    """Return the circuit that adds up what the lanes reached, output by output.

    Args:
        name: of the module.
        leaves: types of the numbers of a leaf, of each lane.
    """
    m = Module(name, note=f"sum over {len(leaves)} lanes")
    lanes = [moving_input(m, f"leaf_{i}", kind).tolist() for i, kind in enumerate(leaves)]
    m.output("y", [signed_sum(m, terms) for terms in zip(*lanes, strict=True)])
    return m
