"""Run the emitted Verilog of a stream design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.blocks.weight_ports import SLAVE
from gatewright.flow.streams.circuit import StreamCircuit
from gatewright.flow.streams.harness import WRITE_CYCLES, harness
from gatewright.flow.verify import shared_modules
from gatewright.hw import Packing
from gatewright.hw.elastic import Pattern
from gatewright.num import FixedArray, Ints
from gatewright.passes.streams import from_beats, to_beats
from gatewright.tools.rtl import RtlDesign
from gatewright.tools.streams import StreamStimulus, simulate_streams

Beats = dict[str, Ints]
"""Integers by port, of shape (samples * beats, elements)."""


@dataclass(frozen=True, eq=False)
class StreamRun:
    """What the simulated RTL did.

    Attributes:
        outputs: by output port, as many beats as came.
        accepted: by input port, the cycle in which each beat was taken.
        given: by output port, the cycle in which each beat was.
        cycles: how many were run.
        deadlock: what waits for what where nothing moved any more, else empty.
        marks: where `tlast` or the pin of refused frames is wrong, else empty.
    """

    outputs: Beats
    accepted: dict[str, Ints]
    given: dict[str, Ints]
    cycles: int
    deadlock: str
    marks: str = ""

    def finished(self, circuit: StreamCircuit) -> Ints:
        """Return the cycle of each event's last beat, from the first beat that was taken on."""
        first = min(int(cycles[0]) for cycles in self.accepted.values())
        ends = [self.given[p.name][p.beats - 1 :: p.beats] for p in circuit.outputs]
        count = min(map(len, ends))
        return np.asarray(np.max([end[:count] for end in ends], axis=0) - first)


def rtl_design(
    circuit: StreamCircuit, top: str, sources: Mapping[str, str], writes: Ints | None = None
) -> RtlDesign:
    """Describe the emitted Verilog to the simulator: streams with `valid` and `ready`.

    Args:
        circuit: what was emitted.
        top: name of its module.
        sources: its files.
        writes: (writes, 2) address and data, brought in by AXI4-Lite before the first event.
    """
    shared = shared_modules(circuit.module, sources)
    m = circuit.module
    # Without writes the slave is left alone: weights are those at power-up.
    idle = {name: Packing.of(m.intervals(signals)).bits for name, signals in m.inputs.items()
            if circuit.registers and name.startswith(f"{SLAVE}_")}  # fmt: skip
    around = harness(circuit.ports, top, circuit.inputs, circuit.outputs, idle, writes)
    own = {f"{around.top}.v": around.text} if around.text else {}
    sources = {**own, **sources}
    return RtlDesign(around.top, sources, around.inputs, around.outputs, shared, elastic=True)


def beats_of(circuit: StreamCircuit, inputs: Mapping[str, FixedArray]) -> Beats:
    """Return the beats of some samples, by input port."""
    return {port.name: to_beats(inputs[port.value], port) for port in circuit.inputs}


def contract_gaps(circuit: StreamCircuit, samples: int) -> dict[str, Ints]:
    """Return the idle cycles before each beat that ports without `ready` ask for at least."""
    gaps = {}
    for port in circuit.inputs:
        pace = max(circuit.pace[port.name], 1)
        one = np.full(port.beats, pace - 1, np.int64)
        one[0] = circuit.interval - (port.beats - 1) * pace - 1
        gaps[port.name] = np.tile(one, samples)
        gaps[port.name][:1] = 0
    return gaps


def run_rtl(
    circuit: StreamCircuit,
    design: RtlDesign,
    beats: Beats,
    gaps: Mapping[str, Ints] | None = None,
    ready: Mapping[str, Pattern] | None = None,
    progress: Any = None,
    writes: int = 0,
) -> StreamRun:
    """Simulate emitted Verilog.

    Args:
        circuit: what was emitted.
        design: its files.
        beats: by input port; whole samples.
        gaps: idle cycles before each beat, beyond what the ports ask for.
        ready: in which cycles whoever takes the results is ready; ports without `ready`: always.
        progress: told of the steps.
        writes: words that the design is given before the first event; see `rtl_design`.
    """
    samples = len(next(iter(beats.values()))) // circuit.inputs[0].beats
    waits = {} if circuit.handshake else contract_gaps(circuit, samples)
    for name, extra in (gaps or {}).items():
        waits[name] = waits.get(name, np.zeros(len(extra), np.int64)) + extra
    if writes:
        for port in circuit.inputs:
            own = waits.setdefault(port.name, np.zeros(samples * port.beats, np.int64)).copy()
            own[:1] += WRITE_CYCLES * (writes + 1)
            waits[port.name] = own
    packed = {p.name: Packing.of(p.types).pack(beats[p.name]) for p in circuit.inputs}
    expected = {p.name: samples * p.beats for p in circuit.outputs}
    stimulus = StreamStimulus(packed, expected, waits, dict(ready or {}))
    drain = 2 * circuit.cycles.latency + 64
    (found,) = simulate_streams(
        [design], [stimulus], drain=drain, patience=2 * drain, progress=progress
    )
    outputs = {p.name: Packing.of(p.types).unpack(found.beats[p.name]) for p in circuit.outputs}
    return StreamRun(outputs, found.accept_cycle, found.output_cycle, found.cycles, found.deadlock)


def answers_of(circuit: StreamCircuit, run: StreamRun) -> dict[str, FixedArray]:
    """Return the tensors of whole samples that came, by the name of the graph's value."""
    return {p.value: from_beats(run.outputs[p.name], p) for p in circuit.outputs}
