"""Build a network of actors for a model: beats, kernels, FIFOs, cycles, the top module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gatewright.arch import Planned, plan
from gatewright.base import OptionError, Place
from gatewright.flow.options import Options
from gatewright.flow.steps import Steps
from gatewright.flow.streams.plans import Plans, check_beats, plan_of
from gatewright.hw import Module
from gatewright.ir import Graph, Plan, infer
from gatewright.num import Ints
from gatewright.passes.lower import live
from gatewright.passes.netlist import Clock, pipeline, recode
from gatewright.passes.netlist.optimise import optimise
from gatewright.passes.streams import Port, lower_streams
from gatewright.streams import OUTSIDE, Cycles, Finish, Network, assemble, least_depths, simulate
from gatewright.streams.cycles import pace_of

EVENTS = 8
"""Events of a run at a pace: enough for the network to be full."""

ENDLESS = 1 << 40


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
        pace: cycles from a beat of an event to its next, by input; 0 where ports have a `ready`.
        module: the top.
    """

    planned: Planned
    network: Network
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    beats: dict[str, int]
    cycles: Cycles
    interval: int
    pace: dict[str, int]
    module: Module

    @property
    def handshake(self) -> bool:
        """Whether the ports have a `ready`."""
        return not any(self.pace.values())

    def finished(self, events: int) -> Ints:
        """Return the cycle of each event's last result, from the first beat that is taken on."""
        found = simulate(self.network, events=max(events, 2), interval=self._given_interval)
        return np.asarray(found.finished[:events] - found.finished[0] + found.latency)

    @property
    def _given_interval(self) -> int:
        return 0 if self.handshake else self.interval

    @property
    def full_latency(self) -> int:
        """The longest latency of an event at full rate, others under way before it."""
        first = self.cycles.finished - self.cycles.finished[0] + self.cycles.latency
        return int((first - np.arange(len(first)) * self.interval).max())


def stream_circuit(
    graph: Graph,
    options: Options,
    steps: Steps,
    plans: Plans | None = None,
    depths: Sequence[int] | None = None,
) -> StreamCircuit:
    """Build the network of a model.

    Args:
        graph: quantized.
        options: clock, device, interval, ports.
        steps: told what is done.
        plans: a plan in place of the planner's.
        depths: of the FIFOs, known from before; by default the least are found.

    Raises:
        OptionError: the plan cannot be followed, or the network is slower than asked for.
    """
    steps.begin("plan")
    planned = _planned(graph, options, plans)
    steps.end()
    steps.prepare_solver()
    steps.begin("lower and pipeline")
    # RTL tells which model it computes, not where that stood on someone's disk.
    finish = _finish(options, expected_luts(graph, planned.plans))
    named = graph.with_source(Path(graph.source).name)
    lowered = lower_streams(named, planned.plans, finish, steps.progress)
    steps.end()
    _check_bits(graph, lowered.inputs + lowered.outputs)
    if plans is not None:
        check_beats(plans, lowered.beats, graph)
    steps.begin("FIFO depths")
    network = lowered.network
    if depths is None:
        depths, cycles = least_depths(network)
        interval = cycles.interval
    else:
        cycles = simulate(network, depths)
        interval = cycles.interval
    network = network.with_depths(depths)
    pace: dict[str, int] = {}
    if options.ports == "valid":
        network, cycles, interval = _paced(network, interval)
        pace = {p.name: pace_of(p.beats, interval) for p in lowered.inputs}
    steps.end()
    _check_interval(options, interval, network.name)
    module = assemble(network, cycles.latency, interval, options.ports != "valid")
    return StreamCircuit(
        planned, network, lowered.inputs, lowered.outputs, lowered.beats, cycles, interval, pace,
        module,
    )  # fmt: skip


def _planned(graph: Graph, options: Options, plans: Plans | None) -> Planned:
    """Return the plan that a user gave, what it leaves open as the planner has it."""
    interval = options.interval
    if interval is None:  # by size, as a folded design would be
        interval = max((c.plan.reuse for c in plan(graph).choices), default=1)
    planned = plan_of(graph, interval)
    if plans is None:
        return planned
    chosen = {**planned.plans, **plans}
    choices = tuple(
        type(c)(c.node, c.layer, plans[c.node], c.products, "as the plan given says")
        if c.node in plans
        else c
        for c in planned.choices
    )
    return Planned(chosen, choices)


def expected_luts(graph: Graph, plans: Mapping[str, Plan]) -> float:
    """Return about how many LUTs a network takes, for the spread of its nets."""
    types, total = infer(graph), 0.0
    for node in live(graph).nodes:
        kind = types[node.name]
        whole = node.op.luts(kind, *(types[name] for name in node.inputs)) or 0.0
        beat = plans.get(node.name, Plan()).beat or (kind.shape[-1] if kind.shape else 1)
        total += whole * min(beat / max(kind.size, 1), 1.0)
    return total


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


# ---- ports without `ready`


def _paced(network: Network, interval: int) -> tuple[Network, Cycles, int]:
    """Return a network that takes the beats of events `interval` apart whenever they come.

    Where it is not ready at each of those cycles, a FIFO at the input holds what waits. An event
    that comes later than that only finds the FIFOs emptier: every cycle in which a beat is taken
    is a maximum of sums of cycles in which earlier ones came, so it moves by no more than these.
    """
    while not _keeps_up(network, interval):
        interval += 1  # the interval of the last events of a run was shorter than it is for long
    inputs = [i for i, link in enumerate(network.links) if link.source[0] == OUTSIDE]
    depths = _opened(network)
    for number in inputs:
        depths[number] = _least_depth(network, depths, number, interval)
    while (late := _late(network, depths, interval)[inputs]).any():
        for number, cycles in zip(inputs, late.tolist(), strict=True):
            depths[number] += bool(cycles)
    network = network.with_depths(depths)
    return network, simulate(network, events=EVENTS, interval=interval), interval


def _keeps_up(network: Network, interval: int) -> bool:
    """Whether endless FIFOs at the inputs stop growing."""
    depths = _opened(network)
    few, many = (simulate(network, depths, n, interval) for n in (EVENTS, 3 * EVENTS))
    return bool((few.filled == many.filled).all())


def _opened(network: Network) -> list[int]:
    """Return the network's depths, with endless FIFOs at the inputs."""
    return [ENDLESS if li.source[0] == OUTSIDE else li.depth for li in network.links]


def _late(network: Network, depths: Sequence[int], interval: int) -> Ints:
    """Return for each link the cycles in which a beat came that could not be taken."""
    found = simulate(network, depths, 2 * EVENTS, interval)
    return found.late + int(found.locked)


def _least_depth(network: Network, depths: Sequence[int], number: int, interval: int) -> int:
    """Return the least depth of one input's FIFO that takes every beat in its cycle."""

    def holds(depth: int) -> bool:
        tried = [depth if i == number else d for i, d in enumerate(depths)]
        return not _late(network, tried, interval)[number]

    low = high = network.depths[number]
    if holds(low):
        return low
    while not holds(high):
        low, high = high, 2 * high + 1
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
