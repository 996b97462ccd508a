"""Build a network of actors for a model: beats, kernels, FIFOs, cycles, the top module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from gatewright.arch import plan
from gatewright.arch.stream_plan import StreamPlan, plan_streams
from gatewright.base import ModelError, OptionError, Place
from gatewright.blocks.axi_stream import axi_stream
from gatewright.blocks.mac_store import MacRegisters
from gatewright.blocks.valid_ports import valid_ports
from gatewright.blocks.weight_ports import axi_lite_weights, fixed_weights
from gatewright.flow.options import Options
from gatewright.flow.steps import Steps
from gatewright.flow.streams.paced import paced
from gatewright.flow.streams.plans import Plans, check_beats
from gatewright.hw import Module
from gatewright.ir import Graph
from gatewright.num import Ints
from gatewright.passes.netlist import Clock, pipeline, recode
from gatewright.passes.netlist.optimise import optimise
from gatewright.passes.streams import Port, lower_streams
from gatewright.streams import OUTSIDE, Cycles, Finish, Network, assemble, least_depths, simulate
from gatewright.streams.cycles import pace_of

TRIES = 6
"""Plans that are looked at for an interval."""


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
    registers: dict[str, MacRegisters] = field(default_factory=dict)

    @property
    def handshake(self) -> bool:
        """Whether the ports have a `ready`."""
        return self.ports != "valid"

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
    asked = options.interval
    target = _first_target(graph, options)
    for _ in range(TRIES):
        circuit = _build(graph, options, steps, target, plans, depths)
        found = circuit.interval
        if asked is None or found <= asked or plans is not None or target == 1:
            break
        # What actors add to the time that the planner gave them is about the same for another.
        target = max(min(target - 1, asked + target - found, target * asked // found), 1)
    _check_interval(options, circuit.interval, circuit.network.name)
    return circuit


def _first_target(graph: Graph, options: Options) -> int:
    """Return the interval to plan for; by default as a folded design of this size would have."""
    if options.interval is not None:
        return options.interval
    return max((c.plan.reuse for c in plan(graph).choices), default=1)


def _build(
    graph: Graph,
    options: Options,
    steps: Steps,
    target: int,
    plans: Plans | None,
    depths: Sequence[int] | None,
) -> StreamCircuit:
    """Build a network for an interval that is aimed at."""
    steps.begin("plan")
    planned = plan_streams(graph, target, options.device, options.max_dsps, plans)
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
    network, cycles = _with_depths(lowered.network, depths)
    interval, pace = cycles.interval, dict[str, int]()
    if options.ports == "valid":
        network, cycles, interval = paced(network, interval)
        pace = {p.name: pace_of(p.beats, interval) for p in lowered.inputs}
    steps.end()
    core, module = _top(network, options.ports, cycles.latency, interval)
    return StreamCircuit(
        planned, network, lowered.inputs, lowered.outputs, lowered.beats, cycles, interval,
        options.ports, pace, core, module, lowered.registers,
    )  # fmt: skip


def _with_depths(network: Network, depths: Sequence[int] | None) -> tuple[Network, Cycles]:
    """Return a network with FIFOs, those known from before or the least, and its cycles."""
    if depths is None:
        found, cycles = least_depths(network)
        return network.with_depths(found), cycles
    if len(depths) != len(network.links):
        raise ModelError("a design's FIFOs are not those of its network", found=len(depths))
    cycles = simulate(network, depths)
    if cycles.locked:
        raise ModelError("a network locks up with the depths given for its FIFOs")
    return network.with_depths(depths), cycles


def _top(network: Network, ports: str, latency: int, interval: int) -> tuple[Module, Module]:
    """Return the network as a module, and the top with the ports that were asked for."""
    if ports == "stream" and not network.registers:
        core = assemble(network, latency, interval)
        return core, core
    top = core = assemble(replace(network, name=f"{network.name}_network"), latency, interval)
    if ports == "valid":
        top = valid_ports(core)
    elif ports != "stream":
        frames = {name: link.beats for link in network.links for side, name in
                  (link.source, link.target) if side == OUTSIDE}  # fmt: skip
        top = axi_stream(core, frames)
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
