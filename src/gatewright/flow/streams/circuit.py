"""Build a network of actors for a model: beats, kernels, FIFOs, cycles, the top module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.arch import plan
from gatewright.arch.ready import is_ready_late, ready_breaks
from gatewright.arch.stream_forests import walk_interval
from gatewright.arch.stream_plan import StreamPlan, plan_streams
from gatewright.arch.stream_planner import LEAST_CELL
from gatewright.base import ModelError, OptionError, Place
from gatewright.blocks.axi_stream import axi_stream
from gatewright.blocks.valid_ports import valid_ports
from gatewright.blocks.weight_ports import axi_lite_weights, fixed_weights
from gatewright.flow.options import Options
from gatewright.flow.steps import Steps
from gatewright.flow.streams.facts import fifo_rows
from gatewright.flow.streams.limits import StreamNeed, limits, refusal
from gatewright.flow.streams.paced import paced
from gatewright.flow.streams.plans import GivenPlans, check_beats
from gatewright.flow.streams.state import least_interval, varied_rows
from gatewright.hw import Module
from gatewright.ir import Graph
from gatewright.num import Ints
from gatewright.passes.netlist import Clock, pipeline, recode, total_resources
from gatewright.passes.netlist.optimise import optimise
from gatewright.passes.streams import Port, lower_streams
from gatewright.streams import (
    OUTSIDE,
    Cycles,
    Finish,
    Network,
    Registers,
    assemble,
    least_depths,
    simulate,
)
from gatewright.streams.cycles import pace_of

TRIES = 8
"""Plans that are looked at."""

MOST_ROUNDS = 4
"""Of taking out FIFOs that cut a path of `ready` for nothing, and finding the least again."""


@dataclass(frozen=True, eq=False)
class StreamCircuit:
    """A network, the plan that it follows, and its top module.

    Attributes:
        planned: the plan of each input and operation.
        network: actors and links, with the depths of FIFOs.
        inputs, outputs: how tensors enter and leave, in the graph's order.
        beats: elements of a beat of each value.
        cycles: what the cycle model says, with the surroundings that the ports stand for.
        interval: cycles between events.
        ports: of the top; see `Options.ports`.
        pace: cycles from a beat of an event to its next, by input, of ports without a `ready`.
        core: the network as a module, its ports streams, its weights those of the model.
        module: the top: the core, with the ports that were asked for.
        clock: with the delays of a design of this size.
        tried: the plans that were looked at, this one the last.
        registers: weights that can be written, by node; the top has an AXI4-Lite slave for them.
    """

    planned: StreamPlan
    network: Network
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    beats: dict[str, int]
    cycles: Cycles
    interval: int
    ports: str
    pace: dict[str, int]
    core: Module
    module: Module
    clock: Clock
    tried: tuple[StreamNeed, ...] = ()
    registers: dict[str, Registers] = field(default_factory=dict)

    @property
    def joined(self) -> Module:
        """The network alone: where weights can be written, `core` is it with those of the model."""
        return self.core.instances[0].module if self.network.registers else self.core

    @property
    def handshake(self) -> bool:
        """Whether the ports have a `ready`."""
        return self.ports != "valid"

    def finished(self, events: int) -> Ints:
        """Return the cycle of each event's last result, from the first beat that is taken on."""
        found = simulate(self.network, events=max(events, 2), interval=self.given_interval)
        return np.asarray(found.finished[:events] - found.finished[0] + found.latency)

    @property
    def given_interval(self) -> int:
        """Cycles between events as the surroundings give them; 0: as fast as they are taken."""
        return 0 if self.handshake else self.interval

    @cached_property
    def fifo_rows(self) -> list[dict[str, Any]]:
        """What is told of each FIFO, found out once."""
        return fifo_rows(self)

    @property
    def full_latency(self) -> int:
        """The longest latency of an event at full rate, others under way before it."""
        first = self.cycles.finished - self.cycles.finished[0] + self.cycles.latency
        return int((first - np.arange(len(first)) * self.interval).max())


def stream_circuit(
    graph: Graph,
    options: Options,
    steps: Steps,
    given: GivenPlans | None = None,
    depths: Sequence[int] | None = None,
) -> StreamCircuit:
    """Build the network of a model.

    Args:
        graph: quantized.
        options: clock, device, interval, ports.
        steps: told what is done.
        given: a plan in place of the planner's, where it says something.
        depths: of the FIFOs, known from before; by default the least are found.

    Raises:
        OptionError: the plan cannot be followed, the network is slower than asked for, or it takes
            more than it may.
    """
    asked = options.interval
    target = (given.interval if given else None) or _first_target(graph, options)
    tried: list[StreamNeed] = []
    tail: int | None = None
    intervals: list[int] = []
    while True:
        circuit = _build(graph, options, steps, target, given, depths, tail)
        intervals.append(circuit.interval)
        tried.append(StreamNeed.of(circuit.module, options, target))
        over = tried[-1].excess(options, asked=True)
        slow = asked is not None and circuit.interval > asked
        if given or len(tried) == TRIES or not (slow or over):
            break
        if slow and len(tried) > 2 and intervals[-1] >= intervals[-3]:
            break  # what is slow does not follow the plan, and all else grows for nothing
        limit = options.most_cycles if "cycles" in over else None
        if limit is not None and not slow and (tail is None or tail > 1):
            # First what is done last, whose time adds to the latency, then all.
            far = circuit.cycles.latency > 1.5 * limit
            tail = max(1, (tail or target) // (4 if far else 2))
        elif slow and asked is not None and target > 1:
            # What actors add to the time that the planner gave them is about the same for another.
            least = min(asked + target - circuit.interval, target * asked // circuit.interval)
            target = max(min(target - 1, least), 1)
        elif not slow and asked is None and over.keys() <= {"lut", "dsp", "bram"}:
            target *= 2
        else:
            break
    _check_interval(options, circuit.interval, circuit.network.name)
    if over:
        raise refusal(tried, options, circuit.network.name)
    return replace(circuit, tried=tuple(tried))


def _first_target(graph: Graph, options: Options) -> int:
    """Return the interval to plan for; by default as a folded design of this size would have."""
    if options.interval is not None:
        return options.interval
    folded = max((c.plan.reuse for c in plan(graph).choices), default=1)
    device, most = options.device, limits(options)
    walked = walk_interval(graph, most["lut"] or 0, most["bram"] or 0, device)
    return max(folded, walked, least_interval(graph, LEAST_CELL))


def _build(
    graph: Graph,
    options: Options,
    steps: Steps,
    target: int,
    given: GivenPlans | None,
    depths: Sequence[int] | None,
    tail: int | None = None,
) -> StreamCircuit:
    """Build a network for an interval that is aimed at."""
    steps.begin("plan")
    plans = given.plans if given else None
    rows = varied_rows(graph, plans or {})
    plans = {**plans, **rows} if plans is not None else rows or None
    spare = options.max_brams is None  # else blocks are for lines and weights alone
    planned = plan_streams(graph, target, options.device, options.max_dsps, plans, tail, spare)
    steps.end()
    steps.prepare_solver()
    steps.begin("lower and pipeline")
    # RTL tells which model it computes, not where that stood on someone's disk.
    finish = _finish(options, planned.cost.lut)
    named = graph.with_source(Path(graph.source).name)
    lowered = lower_streams(named, planned.plans, finish, steps.progress, planned.interval)
    steps.end()
    _check_bits(graph, lowered.inputs + lowered.outputs)
    if plans is not None:
        check_beats(plans, lowered.beats, graph)
    steps.begin("FIFO depths")
    clock = Clock(options.clock_ns, options.device.delay.sized(_size(lowered.network, options)))
    network, cycles = _with_depths(lowered.network, clock, depths)
    interval, pace = cycles.interval, dict[str, int]()
    if options.ports == "valid":
        network, cycles, interval = paced(network, interval, cycles.latency)
        pace = {p.name: pace_of(p.beats, interval) for p in lowered.inputs}
    steps.end()
    ends = [p.name for p in lowered.inputs if p.value in rows]
    core, module = _top(network, options.ports, cycles.latency, interval, ends)
    return StreamCircuit(
        planned, network, lowered.inputs, lowered.outputs, lowered.beats, cycles, interval,
        options.ports, pace, core, module, clock, registers=lowered.registers,
    )  # fmt: skip


def _size(network: Network, options: Options) -> float:
    """Return the LUTs of all actors."""
    family = options.device.family
    return sum(total_resources(actor.module, family).lut for actor in network.actors)


def _with_depths(
    network: Network, clock: Clock, depths: Sequence[int] | None
) -> tuple[Network, Cycles]:
    """Return a network with FIFOs, those known from before or the least, and its cycles."""
    if depths is None:
        # What has to be stored anyway cuts paths of `ready` for nothing.
        found, cycles = least_depths(network)
        floors = ready_breaks(network.with_depths(found), clock)
        if any(floor > depth for floor, depth in zip(floors, found, strict=True)):
            found, cycles = least_depths(network, floors, near=found)
        for _ in range(MOST_ROUNDS if any(floors) else 0):
            before, cycles = _without_spare(network, found, cycles, clock)
            # What was taken out no longer delays its path, nor need others wait as long beside it.
            floors = [min(pair) for pair in zip(floors, before, strict=True)]
            found, cycles = least_depths(network, floors, near=before)
            if found == before:
                break
        return network.with_depths(found), cycles
    if len(depths) != len(network.links):
        raise ModelError("a design's FIFOs are not those of its network", found=len(depths))
    cycles = simulate(network, depths)
    if cycles.locked:
        raise ModelError("a network locks up with the depths given for its FIFOs")
    return network.with_depths(depths), cycles


def _without_spare(
    network: Network, depths: list[int], cycles: Cycles, clock: Clock
) -> tuple[list[int], Cycles]:
    """Take out FIFOs of one beat that neither speed nor a path of `ready` needs after all."""
    links = enumerate(zip(depths, network.links, strict=True))
    for i in [i for i, (depth, link) in links if depth == 1 and not link.is_backward]:
        fewer = [0 if j == i else depth for j, depth in enumerate(depths)]
        if is_ready_late(network.with_depths(fewer), clock):
            continue
        found = simulate(network, fewer)
        slower = found.interval > cycles.interval or found.latency > cycles.latency
        if not (found.locked or slower):
            depths, cycles = fewer, found
    return depths, cycles


def _top(
    network: Network, ports: str, latency: int, interval: int, varied: Sequence[str]
) -> tuple[Module, Module]:
    """Return the network as a module, and the top with the ports that were asked for.

    Frames of streams in `varied` may end early.
    """
    if ports == "stream" and not network.registers:
        core = assemble(network, latency, interval)
        return core, core
    top = core = assemble(replace(network, name=f"{network.name}_network"), latency, interval)
    if ports == "valid":
        top = valid_ports(core)
    elif ports != "stream":
        frames = {name: link.beats for link in network.links for side, name in
                  (link.source, link.target) if side == OUTSIDE}  # fmt: skip
        top = axi_stream(core, frames, varied)
    if network.registers:
        top, core = axi_lite_weights(top), fixed_weights(core)
    top.name = network.name
    return core, top


def _finish(options: Options, luts: float) -> Finish:
    """Return what makes a pipelined circuit of a kernel."""
    clock = Clock(options.clock_ns, options.device.delay.sized(luts))

    def finish(module: Module) -> Module:
        return pipeline(recode(optimise(module)), clock)

    return finish


def _check_bits(graph: Graph, ports: Sequence[Port]) -> None:
    """Refuse a stream that carries nothing."""
    for port in ports:
        if not port.types.width.sum():
            raise OptionError(
                "an input or output is constant: there is nothing to stream",
                place=Place(graph.source, port.value),
                supported="tensors of which at least one element varies",
                remedy="leave it out of the model, or build the design without streams",
            )


def _check_interval(options: Options, interval: int, name: str) -> None:
    """Refuse a network that is slower than the user asked for."""
    asked = options.interval
    if asked is not None and interval > asked:
        raise OptionError(
            "the design takes fewer events than asked for",
            place=name,
            found=f"an event every {interval:,} cycles, "
            f"{options.clock_mhz * 1e6 / interval:,.0f} a second",
            supported=f"ii = {asked:,}",
            remedy=f"give ii = {interval:,}, or a plan with larger beats where the report shows "
            "most steps",
        )
