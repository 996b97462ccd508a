"""Compare a stream design with the integer reference: values, cycles, stalls."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gatewright.base import ToolError, VerificationError
from gatewright.flow.streams.circuit import StreamCircuit
from gatewright.flow.streams.reference import evaluate_outputs
from gatewright.flow.streams.simulate import (
    Beats,
    StreamRun,
    beats_of,
    run_rtl,
)
from gatewright.flow.verify import INTERPRETER_BUDGET, Check, Codes, first_difference
from gatewright.hw.elastic import random_ready, run_streams
from gatewright.ir import Graph
from gatewright.num import FixedArray, Intervals, Ints, Rounding, round_shift
from gatewright.passes.netlist import counted
from gatewright.passes.streams import Port, from_beats
from gatewright.tools.rtl import RtlDesign
from gatewright.tools.verilator import versions

RTL_SECONDS = 40.0
CYCLES_A_SECOND = 15_000.0
"""Cycles that Verilator simulates in a second of a design of one megabyte of Verilog."""

LEAST_EVENTS = 2
STALLED = 0.3
"""Share of the cycles in which the surroundings stall, in the run with stalls."""

SETTLES = 80
"""How much slower the interpreter is on a network, whose signals it lets settle in each cycle."""


def affordable(circuit: StreamCircuit, sources: Mapping[str, str]) -> int:
    """Return the events that can be simulated in a time that people wait."""
    size = max(sum(map(len, sources.values())) / 1e6, 0.02)
    cycles = RTL_SECONDS * CYCLES_A_SECOND / size
    return max(int((cycles - circuit.cycles.latency) / circuit.interval), LEAST_EVENTS)


def reference(graph: Graph, circuit: StreamCircuit, inputs: Mapping[str, FixedArray]) -> Codes:
    """Return what the integer reference says each output port must show, sample by sample.

    Raises:
        VerificationError: a port cannot hold it.
    """
    found = evaluate_outputs(graph, inputs)
    answers = {}
    for port, o in zip(circuit.outputs, graph.outputs, strict=True):
        value = found[o.name]
        flat = value.q.reshape(len(value.q), -1)
        frac = np.broadcast_to(value.frac, value.q.shape[1:]).ravel()
        kinds = element_types(port)
        answers[port.name] = round_shift(flat, frac - kinds.frac, Rounding.TRN)
        back = round_shift(answers[port.name], kinds.frac - frac, Rounding.TRN)
        if (back != flat).any() or not kinds.contains(answers[port.name]).all():
            raise VerificationError(
                "the circuit's output port cannot hold the reference's answer",
                place=graph.source,
                found=port.name,
                remedy="this is a defect of Gatewright: please report the model",
            )
    return answers


def element_types(port: Port) -> Intervals:
    """Return the types of a sample's elements on a port, side by side."""
    count = int(np.prod(port.shape))
    return port.types.map(lambda v: np.tile(v, port.beats)[:count])


def to_codes(circuit: StreamCircuit, beats: Beats) -> Codes:
    """Return the elements of whole samples from the beats of output ports."""
    found = {p.name: from_beats(beats[p.name], p).q for p in circuit.outputs}
    return {name: q.reshape(len(q), -1) for name, q in found.items()}


def emulator_line() -> Check:
    """Say why there is no emulator to be compared."""
    return Check(
        "emulator", "integer reference, vectorised", 0, "not run",
        "a stream design is emulated by the reference itself: there is nothing to compare",
    )  # fmt: skip


def unwritten_line(writes: int) -> Check:
    """Say why the cells are not interpreted where weights have to be written first."""
    return Check(
        "netlist", "interpreter of cells", 0, "not run",
        f"{writes:,} words are written first; the simulated RTL, which gets them, covers the cells",
    )  # fmt: skip


def proof_line() -> Check:
    """Say that the proof for every input does not speak of streams."""
    return Check(
        "Verilog of the actors", "proof for every input", 0, "not proven",
        "actors keep state from beat to beat, and the proof speaks of circuits without; simulation "
        "covers them",
    )  # fmt: skip


def check_network(
    circuit: StreamCircuit, inputs: Mapping[str, FixedArray], wanted: Codes, seed: int
) -> Check:
    """Run the cells of all actors and FIFOs in the plain interpreter, with stalls at both ends."""
    start = time.perf_counter()
    method = "interpreter of cells, cycle by cycle, with stalls"
    cells = sum(len(m) * count for m, count in counted(circuit.module))
    cycles = 2 * (circuit.cycles.latency + circuit.interval)
    work = SETTLES * cells * cycles
    if work > INTERPRETER_BUDGET:
        return Check(
            "netlist", method, 0, "not run",
            f"{cells:,} cells x {cycles:,} cycles are too many; the simulated RTL covers them",
        )  # fmt: skip
    events = LEAST_EVENTS * INTERPRETER_BUDGET // work
    count = min(events, len(next(iter(wanted.values()))))
    beats = beats_of(circuit, {n: FixedArray(v.q[:count], v.frac) for n, v in inputs.items()})
    gaps, ready = stalls(circuit, beats, seed)
    expected = {p.name: count * p.beats for p in circuit.outputs}
    patience = 4 * (circuit.cycles.latency + circuit.interval) + 64
    found = run_streams(circuit.core, beats, expected, gaps=gaps, ready=ready, patience=patience)
    detail = found.deadlock and f"the network stands still: {found.deadlock}"
    got = to_codes(circuit, found.outputs)
    detail = detail or first_difference({p: q[:count] for p, q in wanted.items()}, got)
    took = time.perf_counter() - start
    return Check("netlist", method, count, "failed" if detail else "exact", detail, took)


def stalls(
    circuit: StreamCircuit, beats: Beats, seed: int
) -> tuple[dict[str, Ints], dict[str, np.ndarray]]:
    """Return random gaps before beats, and cycles in which results are not taken."""
    rng = np.random.default_rng(seed)
    gaps = {}
    for name, rows in beats.items():
        gap = rng.geometric(1 - STALLED, len(rows)) - 1
        long = rng.random(len(rows)) < 1 / 64
        gaps[name] = gap + long * rng.integers(0, circuit.interval + 1, len(rows))
    ready = {p.name: random_ready(1 - STALLED, seed + i) for i, p in enumerate(circuit.outputs)}
    return gaps, ready if circuit.handshake else {}


def check_rtl(
    circuit: StreamCircuit,
    design: RtlDesign,
    inputs: Mapping[str, FixedArray],
    wanted: Codes,
    seed: int,
    progress: Any = None,
    writes: int = 0,
) -> list[Check]:
    """Run the emitted files at full rate and again with random stalls; compare values and cycles.

    `writes` words are written first, which `design` says.

    Raises:
        ToolError: Verilator fails. A missing compiler is a line of the ledger.
    """
    beats = beats_of(circuit, inputs)
    count = len(next(iter(wanted.values())))
    lines = []
    for subject, stalled in (("simulated RTL", False), ("simulated RTL under stalls", True)):
        start = time.perf_counter()
        gaps, ready = stalls(circuit, beats, seed) if stalled else ({}, {})
        try:
            run = run_rtl(circuit, design, beats, gaps, ready, progress, writes)
        except ToolError as error:
            if "compiler" not in error.what.lower():
                raise
            return [Check(subject, "Verilator", 0, "not run", error.text())]
        except VerificationError as error:  # a broken protocol
            line = Check(subject, "Verilator", count, "failed", f"{error.what}, {error.found}")
        else:
            line = _compared(circuit, run, wanted, subject, stalled, seed)
        lines.append(replace(line, seconds=time.perf_counter() - start))
    return lines


def _compared(
    circuit: StreamCircuit, run: StreamRun, wanted: Codes, subject: str, stalled: bool, seed: int
) -> Check:
    """Compare one run."""
    count = len(next(iter(wanted.values())))
    detail = run.deadlock and f"the network stands still: {run.deadlock}"
    detail = detail or run.marks
    for port in circuit.outputs:
        came, due = len(run.outputs[port.name]), count * port.beats
        if not detail and came != due:
            detail = f"port {port.name}: {came:,} beats instead of {due:,}"
    if not detail:
        detail = first_difference(wanted, to_codes(circuit, run.outputs))
    if not detail and not stalled:
        detail = _other_cycles(circuit, run, count)
    status = "failed" if detail else "exact"
    return Check(subject, "Verilator", count, status, detail or _told(circuit, stalled, seed))


def _other_cycles(circuit: StreamCircuit, run: StreamRun, count: int) -> str:
    """Say where the cycles are not those of the cycle model, or of the ports' contract."""
    found, stated = run.finished(circuit), circuit.finished(count)
    bad = np.flatnonzero(found != stated[: len(found)])
    if len(bad):
        event = int(bad[0])
        return (
            f"event {event} ends in cycle {found[event]:,} instead of {stated[event]:,} "
            f"({len(bad)} of {count} events differ)"
        )
    return ""


def _told(circuit: StreamCircuit, stalled: bool, seed: int) -> str:
    """Return what was run."""
    tools = ", ".join(f"{name} {version}" for name, version in versions().items())
    if stalled:
        ends = "both ends" if circuit.handshake else "the inputs; results are always taken"
        return f"random stalls at {ends} (seed {seed}), no beat lost, doubled or late; {tools}"
    return (
        f"latency {circuit.cycles.latency:,} cycles, an event every {circuit.interval:,}, each "
        f"event in the very cycle that the model tells; {tools}"
    )
