"""Plan a stream design: how many elements of each tensor travel at once, and what is folded.

Planned is what is built: the graph with its recurrent layers rolled up and its movements joined.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from gatewright.arch.devices import Device
from gatewright.arch.stream_choice import StreamChoice, StreamPlan
from gatewright.arch.stream_planner import Planner, RefusedError
from gatewright.base import OptionError
from gatewright.hw import DspBlock
from gatewright.ir import Graph, Plan
from gatewright.passes.lower import live
from gatewright.passes.streams import fuse, roll

__all__ = ["StreamChoice", "StreamPlan", "plan_streams"]


def plan_streams(
    graph: Graph,
    interval: int,
    device: Device,
    most_blocks: int | None = None,
    given: Mapping[str, Plan] | None = None,
    tail: int | None = None,
    spare_blocks: bool = True,
) -> StreamPlan:
    """Plan every operation for a target interval.

    Args:
        graph: quantized.
        interval: cycles between events that is aimed at.
        device: whose DSP blocks products may use.
        most_blocks: DSP blocks that may be used; None: what the device has.
        given: plans that are fixed, by node or input.
        tail: cycles that an operation may take for what is first along the first axis, or for a
            tensor of one axis, where that is less: it begins on the last of them when all else is
            done, so that time adds to the latency.
        spare_blocks: a few blocks of memory may take the place of LUTs.

    Raises:
        OptionError: the interval is below 1, or a plan is given for what the graph does not have or
            for what is built as part of another operation.
    """
    if interval < 1:
        raise OptionError("the interval is impossible", found=interval, supported="1 and above")
    rolled = roll(graph)
    graph = fuse(live(rolled))
    _check_names(given or {}, rolled, graph)
    most = device.dsp if most_blocks is None else most_blocks
    block = device.block if device.dsp else None
    fixed = {name: _with_block(plan, block) for name, plan in (given or {}).items()}
    tail = interval if tail is None else tail
    planner = partial(
        Planner, graph, interval, device, most, fixed, tail, spare_blocks=spare_blocks
    )
    whole: frozenset[str] = frozenset()
    while True:
        try:
            return planner(whole=whole).run()
        except RefusedError as refused:
            more = _wider(graph, refused.node, whole | fixed.keys())
            if not more:  # beats that the user fixed are refused where the operation is built
                return planner(whole=whole, check=False).run()
            whole |= more


def _with_block(plan: Plan, block: DspBlock | None) -> Plan:
    """Return a plan for a device's DSP block."""
    cell = tuple((name, replace(own, block=block)) for name, own in plan.cell)
    return replace(plan, block=block, cell=cell)


def _wider(graph: Graph, node: str, done: frozenset[str]) -> set[str]:
    """Return the nearest values before a node that can be planned whole and are not yet."""
    inputs = {n.name: n.inputs for n in graph.nodes}
    level = set(inputs[node])
    while level and level <= done:
        level = {name for value in level for name in inputs.get(value, ())}
    return level - done


def _check_names(given: Mapping[str, Plan], rolled: Graph, built: Graph) -> None:
    """Raise `OptionError` where a plan was given for what is no operation of its own."""
    known = [i.name for i in built.inputs] + [node.name for node in built.nodes]
    readers = {name: node.name for node in rolled.nodes for name in node.inputs}
    for name in given:
        if name in known:
            continue
        last = name
        while last in readers and last not in known:
            last = readers[last]
        if last in known and last != name:
            raise OptionError(
                "the plan names an operation that is built as part of another",
                found=name,
                supported=", ".join(sorted(known)),
                remedy=f"plan {last}, which it is a part of",
            )
        raise OptionError(
            "the plan names an operation that the model does not have",
            found=name,
            supported=", ".join(sorted(known)),
        )
