"""Conformance cases as networks of actors: built, and run in the plain interpreter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.hw import Module, check, random_ready, run_streams
from gatewright.ir import evaluate
from gatewright.num import FixedArray, Ints
from gatewright.passes.netlist import Clock, DelayModel, pipeline
from gatewright.passes.streams import Lowered, from_beats, lower_streams, to_beats
from gatewright.streams import Cycles, assemble, least_depths, simulate
from tests.conformance.common import same_numbers, samples
from tests.conformance.stream_plans import Planned

MODEL = DelayModel(0.4, 0.5, 0.02, 0.2, 0.5, "for tests")
PERIODS = (5.0, 2.5)
"""Of the clock, in ns: most circuits have no or a few registers."""


@dataclass(frozen=True, eq=False)
class Network:
    """A planned case as a network with the least FIFOs.

    Attributes:
        depths: of the FIFOs.
    """

    planned: Planned
    lowered: Lowered
    depths: list[int]
    cycles: Cycles
    top: Module

    @classmethod
    def of(cls, planned: Planned) -> Network:
        """Lower a case."""
        folded = any(plan.taken for plan in planned.plans.values())
        period = PERIODS[0] if folded else PERIODS[planned.case.seed % len(PERIODS)]
        clock = Clock(period, MODEL)
        lowered = lower_streams(
            planned.case.graph(), planned.plans, lambda m: pipeline(m, clock),
            most_steps=planned.most_steps,
        )  # fmt: skip
        depths, cycles = least_depths(lowered.network)
        network = lowered.network.with_depths(depths)
        top = assemble(network, cycles.latency, cycles.interval)
        check(top)
        return cls(planned, lowered, depths, cycles, top)

    def tensors(self, count: int) -> dict[str, FixedArray]:
        """Return some samples: corners and random ones."""
        found = samples(self.planned.case)
        length = min(len(x.q) for x in found.values())
        rows = np.random.default_rng(self.planned.case.seed).permutation(length)[:count]
        return {name: FixedArray(x.q[rows], x.frac) for name, x in found.items()}

    def beats(self, tensors: dict[str, FixedArray]) -> dict[str, Ints]:
        """Return the beats of samples, by the name of the stream."""
        return {port.name: to_beats(tensors[port.value], port) for port in self.lowered.inputs}

    def compare(self, beats: Ints, tensors: dict[str, FixedArray]) -> None:
        """Compare the beats of the result with the reference."""
        wanted = evaluate(self.planned.case.graph(), tensors)["y"]
        found = from_beats(beats, self.lowered.outputs[0])
        assert same_numbers(found, wanted), self.planned.name

    def finished(self, events: int) -> list[int]:
        """Return the cycles in which the model says that events end."""
        found = simulate(self.lowered.network, self.depths, events=events)
        assert not found.locked
        assert int(found.finished[0] - found.latency) >= 0
        return [int(v) for v in found.finished]


def run(planned: Planned, count: int) -> None:
    """Run samples without stalls and with: values of the reference, cycles of the model."""
    network = Network.of(planned)
    tensors = network.tensors(count)
    beats, (out,) = network.beats(tensors), network.lowered.outputs
    expected = {out.name: count * out.beats}
    free = run_streams(network.top, beats, expected, drain=16)
    assert not free.deadlock, (planned.name, free.deadlock)
    network.compare(free.outputs[out.name], tensors)
    ends = free.output_cycle[out.name][out.beats - 1 :: out.beats]
    assert ends.tolist() == network.finished(count), planned.name
    first = min(int(cycles[0]) for cycles in free.accept_cycle.values())
    assert ends[0] - first == network.cycles.latency, planned.name
    rng = np.random.default_rng(planned.case.seed)
    gaps = {name: rng.integers(0, 3, len(b)) for name, b in beats.items()}
    ready = {out.name: random_ready(0.6, planned.case.seed)}
    held = run_streams(network.top, beats, expected, gaps=gaps, ready=ready, drain=16)
    assert not held.deadlock, (planned.name, held.deadlock)
    network.compare(held.outputs[out.name], tensors)
