"""Drive a module whose ports are streams: `NAME_valid`, `NAME_ready` and `NAME`, one beat.

A beat is transferred at the clock edge that ends a cycle with valid and ready both 1. `valid` must
not wait for `ready`, and once it is 1 it and the data stay until the beat is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gatewright.base import DataError, VerificationError
from gatewright.hw.interpret import Simulator
from gatewright.hw.module import Module
from gatewright.num import Ints

VALID, READY = "_valid", "_ready"
SPURIOUS = 64
"""Beats beyond the expected ones after which a run is given up."""

Pattern = NDArray[np.bool_]
"""Whether a receiver is ready in each cycle; it begins again where it ends."""

DROPPED = "valid falls before the beat is taken"
CHANGED = "the data change before the beat is taken"


@dataclass(frozen=True, eq=False)
class StreamsResult:
    """What was transferred; cycle 0 is the first one after reset.

    Attributes:
        outputs: for each output stream, the beats, integers of shape (beats, elements).
        accept_cycle: for each input stream, the cycle in which each beat was taken.
        output_cycle: for each output stream, the cycle in which each beat was transferred.
        cycles: how many were run.
        deadlock: which streams wait for what, where nothing moved any more; else empty.
    """

    outputs: dict[str, Ints]
    accept_cycle: dict[str, Ints]
    output_cycle: dict[str, Ints]
    cycles: int
    deadlock: str


def stream_names(module: Module) -> tuple[list[str], list[str]]:
    """Return the names of a module's input streams and output streams, in the ports' order."""
    return _streams(module.inputs, module.outputs), _streams(module.outputs, module.inputs)


def _streams(forth: Mapping[str, object], back: Mapping[str, object]) -> list[str]:
    """Return the names whose valid goes one way and whose ready comes back."""
    marks = [port.removesuffix(VALID) for port in forth if port.endswith(VALID)]
    return [name for name in marks if name in forth and name + READY in back]


def random_ready(probability: float, seed: int = 0, cycles: int = 4093) -> Pattern:
    """Return a receiver that is ready in some cycles, each with the given probability.

    Raises:
        DataError: a probability that is not above 0 and at most 1, or no cycle.
    """
    if not 0 < probability <= 1 or cycles < 1:
        raise DataError(
            "a receiver must be ready now and then",
            found=f"probability {probability}, {cycles} cycles",
            supported="a probability above 0 and at most 1, 1 cycle or more",
        )
    pattern = np.random.default_rng(seed).random(cycles) < probability
    pattern[-1] = True
    return pattern


def check_plan(
    inputs: Mapping[str, int],
    outputs: list[str],
    gaps: Mapping[str, Ints],
    expected: Mapping[str, int],
    ready: Mapping[str, Pattern],
) -> None:
    """Raise `DataError` where a run is not described as its design's streams ask for.

    Args:
        inputs: beats that are sent on each input stream.
        outputs: the design's output streams.
        gaps: idle cycles before each beat of some input streams.
        expected: beats expected on each output stream.
        ready: whether the receiver is ready, for some output streams.
    """
    found: list[str] = []
    if set(expected) != set(outputs):
        found.append(f"expected beats of {sorted(expected)}, the outputs are {outputs}")
    found += [f"{n}: {count} beats expected" for n, count in expected.items() if count < 0]
    found += [f"{name}: no such input" for name in gaps if name not in inputs]
    found += [f"{name}: no such output" for name in ready if name not in outputs]
    for name, beats in inputs.items():
        gap = np.asarray(gaps.get(name, np.zeros(beats, np.int64)))
        if gap.shape != (beats,) or gap.dtype.kind not in "iu" or (beats and gap.min() < 0):
            found.append(f"{name}: gaps {gap.dtype}{gap.shape} for {beats} beats")
    for name, pattern in ready.items():
        bits = np.asarray(pattern)
        if bits.ndim != 1 or bits.dtype != np.bool_ or not bits.any():
            found.append(f"{name}: a ready pattern {bits.dtype}{bits.shape} that is never true")
    if found:
        raise DataError(
            "the beats do not fit the design's streams",
            found="; ".join(found),
            supported="a gap of 0 or more before each beat, an expected number of beats for each "
            "output, ready as booleans of which one is true",
        )


def describe_wait(
    sent: Mapping[str, tuple[int, int]], seen: Mapping[str, tuple[int, int]]
) -> str:  # fmt: skip
    """Say what the streams of a standing design wait for; each has (done, wanted) beats."""
    waits = [f"input {n}: {a} of {b} beats taken" for n, (a, b) in sent.items() if a < b]
    waits += [f"output {n}: {a} of {b} beats came" for n, (a, b) in seen.items() if a < b]
    return "; ".join(waits)


def broken_protocol(place: str, port: str, rule: str, cycle: int) -> VerificationError:
    """Return the error for an output stream that does not keep its promise."""
    return VerificationError(
        f"output stream {port!r} breaks the protocol: {rule}",
        place=place,
        found=f"cycle {cycle} after reset",
        remedy="this is a defect of Gatewright: please report the model",
    )


@dataclass
class _Source:
    """One input stream: its beats, and how far it is."""

    beats: Ints
    gaps: Ints
    accepted: list[int] = field(default_factory=list)
    wait: int = 0

    def __post_init__(self) -> None:
        self.wait = int(self.gaps[0]) if len(self.gaps) else 0

    @property
    def left(self) -> bool:
        return len(self.accepted) < len(self.beats)

    @property
    def presents(self) -> bool:
        return self.left and self.wait == 0

    def clock(self, ready: bool, cycle: int) -> bool:
        """Take the clock edge; return whether the stream moved or idled on purpose."""
        if not self.left:
            return False
        if self.wait:
            self.wait -= 1
            return True
        if ready:
            self.accepted.append(cycle)
            self.wait = int(self.gaps[len(self.accepted)]) if self.left else 0
        return ready


@dataclass
class _Sink:
    """One output stream: its receiver, and what came."""

    ready: Pattern
    expected: int
    beats: list[Ints] = field(default_factory=list)
    cycles: list[int] = field(default_factory=list)
    held: Ints | None = None

    def clock(self, valid: bool, beat: Ints, cycle: int) -> str:
        """Take the clock edge; return the rule that is broken, if one is."""
        held, self.held = self.held, None
        if not valid:
            return DROPPED if held is not None else ""
        if self.ready[cycle % len(self.ready)]:
            self.beats.append(beat)
            self.cycles.append(cycle)
        else:
            self.held = beat
        return CHANGED if held is not None and not np.array_equal(held, beat) else ""


def run_streams(
    module: Module,
    beats: Mapping[str, Ints],
    expected: Mapping[str, int],
    *,
    gaps: Mapping[str, Ints] | None = None,
    ready: Mapping[str, Pattern] | None = None,
    drain: int = 64,
    patience: int = 2000,
    unchecked: int = 16,
    seed: int = 0,
) -> StreamsResult:
    """Run beats through a module cycle by cycle, in the plain interpreter.

    Args:
        module: with streams as ports, and no other ports.
        beats: for each input stream, integers of shape (beats, elements).
        expected: for each output stream, how many beats must come.
        gaps: for some inputs, idle cycles before each beat, counted from the beat before.
        ready: for some outputs, in which cycles the receiver is ready; by default in all.
        drain: cycles without any transfer after the last expected one, so that a spurious beat
            shows (64 too many on an output end the run at once).
        patience: cycles in which nothing moves, while all senders with beats left are valid and no
            receiver stalls, after which a run with outstanding beats is a deadlock.
        unchecked: cycles in which ranges are not checked: until then, what registers held before
            reset need not belong together.
        seed: of the garbage on the data while an input is not valid.

    Raises:
        DataError: the beats do not fit the ports.
        VerificationError: an output stream breaks the protocol, or a signal leaves its range.
    """
    ins, outs = stream_names(module)
    gaps, ready = dict(gaps or {}), dict(ready or {})
    _check_beats(module, beats)
    check_plan({n: len(b) for n, b in beats.items()}, outs, gaps, expected, ready)
    sources = {n: _Source(beats[n], gaps.get(n, np.zeros(len(beats[n]), np.int64))) for n in ins}
    sinks = {n: _Sink(ready.get(n, np.ones(1, np.bool_)), expected[n]) for n in outs}
    simulator, rng = Simulator(module), np.random.default_rng(seed)
    simulator.reset()
    simulator.checking(False)
    cycle = quiet = 0
    while True:
        if cycle == unchecked:
            simulator.checking(True)
        quiet = 0 if _one_cycle(simulator, sources, sinks, cycle, rng) else quiet + 1
        cycle += 1
        done = not any(s.left for s in sources.values()) and all(
            len(s.cycles) >= s.expected for s in sinks.values()
        )
        spills = any(len(s.cycles) > s.expected + SPURIOUS for s in sinks.values())
        if spills or quiet >= (drain if done else patience):
            break
    return _result(module, sources, sinks, cycle, done or spills)


def _check_beats(module: Module, beats: Mapping[str, Ints]) -> None:
    """Raise `DataError` where the beats are not those of the module's input streams."""
    ins, outs = stream_names(module)
    ports = {*module.inputs, *module.outputs}
    loose = ports - {name + end for name in ins + outs for end in ("", VALID, READY)}
    wrong = [f"port {name} belongs to no stream" for name in sorted(loose)]
    if set(beats) != set(ins):
        wrong.append(f"beats of {sorted(beats)}, the inputs are {ins}")
    for name in [name for name in ins if name in beats]:
        values, kinds = np.asarray(beats[name]), module.intervals(module.inputs[name])
        if values.ndim != 2 or values.shape[1:] != kinds.shape or values.dtype.kind not in "iu":
            wrong.append(f"{name}: {values.dtype}{values.shape}, a beat has {kinds.shape}")
        elif ((values < kinds.lo) | (values > kinds.hi)).any():
            wrong.append(f"{name}: a value is outside its range")
    if wrong:
        raise DataError(
            "the beats do not fit the module's streams",
            place=f"module {module.name!r}",
            found="; ".join(wrong),
            supported="integers (beats, elements of a beat) within range, for each input stream",
        )


def _one_cycle(
    simulator: Simulator,
    sources: Mapping[str, _Source],
    sinks: Mapping[str, _Sink],
    cycle: int,
    rng: np.random.Generator,
) -> bool:
    """Run one cycle; return whether anything moved or the surroundings hold the module up."""
    module, given = simulator.module, dict[str, Ints]()
    for name, source in sources.items():
        kinds = module.intervals(module.inputs[name])
        number = len(source.accepted)
        given[name + VALID] = np.asarray([[int(source.presents)]])
        given[name] = rng.integers(kinds.lo, kinds.hi + 1)[None]
        if source.presents:
            given[name] = np.asarray(source.beats[number : number + 1], np.int64)
    for name, sink in sinks.items():
        given[name + READY] = np.asarray([[int(sink.ready[cycle % len(sink.ready)])]])
    seen = simulator.step({port: given[port] for port in module.inputs})
    moved = False
    for name, source in sources.items():
        moved |= source.clock(bool(seen[name + READY][0, 0]), cycle)
    for name, sink in sinks.items():
        valid = bool(seen[name + VALID][0, 0])
        rule = sink.clock(valid, seen[name][0], cycle)
        if rule:
            raise broken_protocol(f"module {module.name!r}", name, rule, cycle)
        moved |= valid
    return moved


def _result(
    module: Module,
    sources: Mapping[str, _Source],
    sinks: Mapping[str, _Sink],
    cycles: int,
    is_done: bool,
) -> StreamsResult:
    """Gather what was transferred."""
    sent = {n: (len(s.accepted), len(s.beats)) for n, s in sources.items()}
    came = {n: (len(s.cycles), s.expected) for n, s in sinks.items()}
    shapes = {n: (len(s.beats), len(module.outputs[n])) for n, s in sinks.items()}
    return StreamsResult(
        {n: np.asarray(s.beats, np.int64).reshape(shapes[n]) for n, s in sinks.items()},
        {n: np.asarray(s.accepted, np.int64) for n, s in sources.items()},
        {n: np.asarray(s.cycles, np.int64) for n, s in sinks.items()},
        cycles,
        "" if is_done else describe_wait(sent, came),
    )
