"""Simulate designs whose ports are streams (valid, ready, one beat) with Verilator."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gatewright.base.cache import Cache
from gatewright.base.errors import DataError, OptionError, ToolError
from gatewright.hw import Module, Packing
from gatewright.hw.elastic import (
    CHANGED,
    DROPPED,
    Pattern,
    broken_protocol,
    check_plan,
    describe_wait,
    stream_names,
)
from gatewright.num import Ints
from gatewright.tools.compiler import find_compiler
from gatewright.tools.cxx_build import Compiler
from gatewright.tools.process import (
    Progress,
    ending,
    error_lines,
    in_parallel,
    job_count,
    run,
    steps,
    work_folder,
    write_sources,
)
from gatewright.tools.rtl import RtlDesign, RtlPort
from gatewright.tools.verilator import FEW_CYCLES, TIMEOUT
from gatewright.tools.verilator_binding import port_masks
from gatewright.tools.verilator_build import programs
from gatewright.tools.verilator_program import find_verilator

Words = NDArray[np.uint64]

RULES = ("", DROPPED, CHANGED, "valid waits for ready, without a register between them")
"""What the driver says is broken, by number."""


@dataclass(frozen=True, eq=False)
class StreamStimulus:
    """Hold what is done at a design's streams, by the stream's name.

    Attributes:
        beats: for each input, (beats, words) uint64: a beat little-endian in ceil(width / 64)
            words, bits beyond the port's width zero.
        expected: for each output, how many beats must come.
        gaps: for some inputs, (beats,) cycles with valid low before each beat, counted from the
            beat before; by default none.
        ready: for some outputs, in which cycles the receiver is ready, again and again
            (`hw.random_ready`); by default in all.
    """

    beats: Mapping[str, Words]
    expected: Mapping[str, int]
    gaps: Mapping[str, Ints] = field(default_factory=dict)
    ready: Mapping[str, Pattern] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class StreamResponse:
    """Hold what a design did, by the stream's name; cycle 0 is the first one after reset.

    Attributes:
        beats: for each output, (beats, words) uint64.
        accept_cycle: for each input, the cycle in which each beat was taken.
        output_cycle: for each output, the cycle in which each beat was transferred.
        cycles: how many were simulated.
        deadlock: which streams wait for what, where nothing moved any more; else empty.
    """

    beats: dict[str, Words]
    accept_cycle: dict[str, Ints]
    output_cycle: dict[str, Ints]
    cycles: int
    deadlock: str


def stream_design(
    module: Module, top: str, sources: Mapping[str, str], shared: tuple[str, ...] = ()
) -> RtlDesign:
    """Describe the emitted Verilog of a module whose ports are streams.

    Raises `OptionError` where a port belongs to no stream.
    """
    names = stream_names(module)
    groups = []
    for streams, ports in zip(names, (module.inputs, module.outputs), strict=True):
        widths = {n: Packing.of(module.intervals(ports[n])).bits for n in streams}
        is_input = ports is module.inputs
        groups.append(tuple(RtlPort(name, width, is_input) for name, width in widths.items()))
    known = {n + end for n in names[0] + names[1] for end in ("", "_valid", "_ready")}
    loose = sorted({*module.inputs, *module.outputs} - known)
    if loose:
        raise OptionError(
            "a port belongs to no stream",
            place=f"module {module.name!r}",
            found=", ".join(loose),
            supported="NAME, NAME_valid and NAME_ready for each stream",
        )
    return RtlDesign(top, dict(sources), groups[0], groups[1], shared, elastic=True)


def pack_beats(module: Module, beats: Mapping[str, Ints]) -> dict[str, Words]:
    """Return the words of integers of shape (beats, elements), for each input stream."""
    kinds = {name: module.intervals(module.inputs[name]) for name in beats}
    return {name: Packing.of(kinds[name]).pack(values) for name, values in beats.items()}


def unpack_beats(module: Module, words: Mapping[str, Words]) -> dict[str, Ints]:
    """Undo `pack_beats`, for the output streams."""
    kinds = {name: module.intervals(module.outputs[name]) for name in words}
    return {name: Packing.of(kinds[name]).unpack(values) for name, values in words.items()}


def simulate_streams(
    designs: Sequence[RtlDesign],
    stimuli: Sequence[StreamStimulus],
    *,
    drain: int = 64,
    patience: int = 20_000,
    seed: int = 1,
    jobs: int | None = None,
    timeout: float = TIMEOUT,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> list[StreamResponse]:
    """Simulate each design with its stimulus; return the responses in that order.

    Designs that the cache does not know are built into one program. Before cycle 0 come some cycles
    of reset with every valid and ready toggling; registers and memories start at random; the data
    of an input carry garbage while it is not valid. A run ends `drain` cycles after the last
    expected beat without any other, or with 64 beats too many on an output. Where beats are
    outstanding and nothing moves for `patience` cycles, although every sender with beats left is
    valid and no receiver stalls, the response names a deadlock.

    Raises `DataError` for stimulus that does not fit the streams, `VerificationError` where an
    output breaks the protocol (valid falls or data change before the beat is taken, valid waits
    for ready), `ToolError` where Verilator or the compiler is missing, refuses the design or takes
    too long.
    """
    _check_options(designs, stimuli, drain, patience)
    checked = [_packed(d, s) for d, s in zip(designs, stimuli, strict=True)]
    if not designs:
        return []
    workers = job_count(jobs)
    store = cache if cache is not None else Cache()
    compiler = Compiler(find_compiler(), find_verilator(), timing=False, timeout=timeout)
    few = max(_least_cycles(stimulus) for stimulus in checked) < FEW_CYCLES
    with work_folder() as work:
        known = programs(designs, compiler, store, work, few, workers, progress)
        step = steps(progress, "simulate", len(designs))

        def one(index: int) -> StreamResponse:
            design, stimulus = designs[index], checked[index]
            program, number = known[design.digest()]
            folder = work / f"run{index}"
            command: list[str | Path] = [program, str(number)]
            limits = [drain, patience, seed]
            response = _run_one(design, stimulus, command, folder, limits, timeout)
            step()
            return response

        return in_parallel(one, range(len(designs)), workers)


def _check_options(
    designs: Sequence[RtlDesign], stimuli: Sequence[StreamStimulus], drain: int, patience: int
) -> None:
    if len(designs) != len(stimuli):
        raise OptionError("one stimulus a design", found=f"{len(stimuli)} for {len(designs)}")
    if drain < 0 or patience < 1 or sys.byteorder != "little":
        found = f"drain {drain}, patience {patience}, {sys.byteorder}"
        raise OptionError("simulation limits", found=found)
    rigid = [design.top for design in designs if not design.elastic]
    if rigid:
        raise OptionError(
            "a design whose ports are no streams",
            found=", ".join(rigid),
            remedy="describe it with elastic=True, or simulate it with tools.verilator.simulate",
        )


def _packed(design: RtlDesign, stimulus: StreamStimulus) -> StreamStimulus:
    """Check that a stimulus fits the design's streams; return it whole and contiguous."""
    place = f"design {design.top!r}"
    if set(stimulus.beats) != {port.name for port in design.inputs}:
        raise DataError(
            "beats for other streams than the design's inputs",
            place=place,
            found=", ".join(stimulus.beats) or "none",
            supported=", ".join(port.name for port in design.inputs),
        )
    beats: dict[str, Words] = {}
    for port in design.inputs:
        words = np.asarray(stimulus.beats[port.name])
        if words.ndim != 2 or words.shape[1] != port.words or words.dtype != np.uint64:
            raise DataError(
                "beats of the wrong shape or type",
                place=f"{place}, stream {port.name!r}",
                found=f"{words.dtype}{words.shape}",
                supported=f"uint64(beats, {port.words})",
            )
        if (words & ~np.asarray(port_masks(port), np.uint64)).any():
            raise DataError(
                "beats with bits beyond the port's width",
                place=f"{place}, stream {port.name!r}",
                supported=f"{port.width} bits",
                remedy="mask each beat to the port's width",
            )
        beats[port.name] = np.ascontiguousarray(words)
    outs = [port.name for port in design.outputs]
    counts = {name: len(words) for name, words in beats.items()}
    check_plan(counts, outs, stimulus.gaps, stimulus.expected, stimulus.ready)
    gaps = {n: np.asarray(stimulus.gaps.get(n, np.zeros(c)), np.int64) for n, c in counts.items()}
    ready = {n: np.asarray(stimulus.ready.get(n, np.ones(1)), np.bool_) for n in outs}
    return StreamStimulus(beats, dict(stimulus.expected), gaps, ready)


def _least_cycles(stimulus: StreamStimulus) -> int:
    """Return how many cycles a run takes at least."""
    sent = [len(gaps) + int(gaps.sum()) for gaps in stimulus.gaps.values()]
    return max([*sent, *stimulus.expected.values()], default=0)


def _question(design: RtlDesign, stimulus: StreamStimulus, limits: list[int]) -> Iterator[bytes]:
    """Give the pieces of the driver's file, in their order."""
    yield np.array(limits, np.uint64).tobytes()
    for port in design.inputs:
        words = stimulus.beats[port.name]
        yield np.array([len(words)], np.uint64).tobytes()
        yield words.tobytes()
        yield stimulus.gaps[port.name].tobytes()
    for port in design.outputs:
        pattern = stimulus.ready[port.name].astype(np.uint64)
        yield np.array([stimulus.expected[port.name], len(pattern)], np.uint64).tobytes()
        yield pattern.tobytes()


def _run_one(
    design: RtlDesign,
    stimulus: StreamStimulus,
    command: list[str | Path],
    folder: Path,
    limits: list[int],
    timeout: float,
) -> StreamResponse:
    """Run one design's simulation in a folder with its sources (memory contents lie there)."""
    write_sources(design.sources, folder)
    question, answer = folder / "stimulus.bin", folder / "response.bin"
    with question.open("wb") as file:
        for piece in _question(design, stimulus, limits):
            file.write(piece)
    what = f"simulating {design.top!r}"
    done = run([*command, question, answer], cwd=folder, timeout=timeout, what=what)
    if done.status != 0 or not answer.is_file():
        raise ToolError(f"{what} failed:\n  {error_lines(done.text)}", found=ending(done.status))
    return _response(design, stimulus, np.fromfile(answer, np.uint64))


def _response(design: RtlDesign, stimulus: StreamStimulus, data: Words) -> StreamResponse:
    """Read the driver's answer; raise where it says that the protocol is broken."""
    place, at = f"design {design.top!r}", 5

    def take(count: int) -> Words:
        nonlocal at
        at += count
        if at > len(data):
            raise ToolError(f"{place}: the simulation's answer is cut short", found=len(data))
        return data[at - count : at]

    take(0)
    cycles, stands, rule, port, when = (int(value) for value in data[:5])
    if rule:
        raise broken_protocol(place, design.outputs[port].name, RULES[rule], when)
    accepted = {p.name: take(int(take(1)[0])).astype(np.int64) for p in design.inputs}
    beats: dict[str, Words] = {}
    output_cycle: dict[str, Ints] = {}
    for p in design.outputs:
        count = int(take(1)[0])
        beats[p.name] = take(count * p.words).reshape(count, p.words)
        output_cycle[p.name] = take(count).astype(np.int64)
    sent = {name: (len(found), len(stimulus.beats[name])) for name, found in accepted.items()}
    came = {name: (len(found), stimulus.expected[name]) for name, found in beats.items()}
    deadlock = describe_wait(sent, came) if stands else ""
    return StreamResponse(beats, accepted, output_cycle, cycles, deadlock)
