"""Put a network together, operation by operation: streams in, actors, streams out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import gcd, lcm, prod

import numpy as np

from gatewright.base import Namer
from gatewright.hw import Module
from gatewright.num import Intervals, Ints
from gatewright.streams.actor import Actor, Program
from gatewright.streams.fork import fork
from gatewright.streams.network import OUTSIDE, Link, Network
from gatewright.streams.registers import Registers
from gatewright.streams.serve import serve
from gatewright.streams.shell import Shell, counter
from gatewright.streams.width import narrow, widen

ANY = -(1 << 20)
"""The binary point of what stands on every grid."""

QUEUED = 2
"""Parts of a beat up to which those that wait move up in a queue; more are chosen by number."""

FIRST_OPEN = -10
"""Numbers from here downwards stand for kernels that are no actors yet."""

Finish = Callable[[Module], Module]
"""Optimises a circuit without registers and pipelines it for the clock."""


@dataclass(frozen=True, eq=False)
class Stream:
    """A tensor that travels in beats, its elements in C order.

    Attributes:
        source: who gives it: number of an actor, or `OUTSIDE`, and the name there.
        types: of a beat's elements, (elements,): they hold whatever passes there in any beat.
        shape: of the tensor. Where its elements do not fill the last beat, what is behind them
            there means nothing.
    """

    source: tuple[int, str]
    types: Intervals
    shape: tuple[int, ...]

    @property
    def beat(self) -> int:
        """Elements of a beat."""
        return int(self.types.lo.size)

    @property
    def elements(self) -> int:
        """Elements of the tensor."""
        return prod(self.shape)

    @property
    def beats(self) -> int:
        """Beats of an event."""
        return -(-self.elements // self.beat)

    def reshaped(self, shape: tuple[int, ...]) -> Stream:
        """Return the same elements as a tensor of another shape."""
        assert prod(shape) == self.elements, "a reshaped tensor has other elements"
        return Stream(self.source, self.types, shape)


def beat_types(types: Intervals, beat: int) -> Intervals:
    """Return, for each element of a beat, the type that holds it in every beat.

    Args:
        types: of a tensor, any shape.
        beat: elements of a beat. What fills up the last one has no say.
    """
    lo, hi, frac = (v.ravel() for v in (types.lo, types.hi, types.frac))
    beats = -(-lo.size // beat)
    missing = beats * beat - lo.size
    # Zeros stand on every grid; a place that is only ever filled up is a zero, too.
    frac = np.where((lo == 0) & (hi == 0), ANY, frac)
    none = np.zeros(missing, np.int64)
    grids = np.concatenate([frac, none + ANY]).reshape(beats, beat)
    finest = np.where(grids.max(0) == ANY, 0, grids.max(0))
    filled = np.arange(beats * beat).reshape(beats, beat) < lo.size
    shift = np.where(grids == ANY, 0, finest - grids)
    low = np.concatenate([lo, none]).reshape(beats, beat) << shift
    high = np.concatenate([hi, none]).reshape(beats, beat) << shift
    return Intervals.of(
        low.min(0, where=filled, initial=np.iinfo(np.int64).max),
        high.max(0, where=filled, initial=np.iinfo(np.int64).min),
        finest,
    )


@dataclass(eq=False)
class _Open:
    """A kernel that its only reader may still join, if that is a kernel, too.

    Attributes:
        module: its circuit so far, with a port for each input.
        layer: the user's layer that it counts for.
        beats: of an event.
        light: whether all in it takes little logic.
        inputs: the streams that it reads.
        results: the elements of a beat of each result.
        alone: whether its result has one reader.
        source: of its result, while that reader joins it.
        closed: its result, once it is an actor.
    """

    module: Module
    layer: str
    beats: int
    light: bool
    phases: int = 1
    note: str = ""
    inputs: list[Stream] = field(default_factory=list)
    results: list[list[int]] = field(default_factory=list)
    alone: bool = False
    source: tuple[int, str] = (0, "")
    closed: Stream | None = None


@dataclass(eq=False)
class Streams:
    """A network under construction.

    Attributes:
        name: of the design.
        finish: makes a pipelined circuit of a kernel.
        most_steps: steps of an event that an actor may take, in the rate that is planned for.
        layer: the user's layer that is built; actors belong to it.
        light: what is built takes little logic, so that it may join another layer's actor.
        alone: what is built has one reader.
        registers: what a bus writes in the actors so far.
    """

    name: str
    finish: Finish
    most_steps: int = 1 << 30
    layer: str = ""
    light: bool = False
    alone: bool = False
    actors: list[Actor] = field(default_factory=list)
    registers: list[Registers] = field(default_factory=list)
    _open: dict[tuple[int, str], _Open] = field(default_factory=dict)
    _reads: dict[tuple[int, str], list[tuple[int, str]]] = field(default_factory=dict)
    _given: dict[tuple[int, str], Stream] = field(default_factory=dict)
    _inputs: list[str] = field(default_factory=list)
    _outputs: list[str] = field(default_factory=list)
    _backward: set[tuple[int, str]] = field(default_factory=set)
    _namer: Namer = field(default_factory=Namer)

    def module_name(self, stem: str) -> str:
        """Return a name for a module that no other has."""
        return self._namer.name(stem, "actor")

    def input(self, name: str, types: Intervals, beat: int) -> Stream:
        """Open a stream of the design's own, of a tensor of some types."""
        self._inputs.append(name)
        return self._keep(Stream((OUTSIDE, name), beat_types(types, beat), types.shape))

    def output(self, name: str, stream: Stream) -> None:
        """Make a stream an output of the design."""
        self._outputs.append(name)
        stream = self.settled(stream)
        self._reads[stream.source].append((OUTSIDE, name))

    def _keep(self, stream: Stream) -> Stream:
        self._given[stream.source] = stream
        self._reads[stream.source] = []
        return stream

    def add(
        self, actor: Actor, inputs: Sequence[Stream | None], shapes: Sequence[tuple[int, ...]]
    ) -> list[Stream]:
        """Add an actor that reads streams; return its outputs.

        Args:
            actor: its timing must take as many beats of each input as that stream has.
            inputs: in the order of its inputs; None for one that `feed_back` feeds.
            shapes: of the tensor on each output.
        """
        settled = [stream and self.settled(stream) for stream in inputs]
        number = len(self.actors)
        self.actors.append(actor)
        for name, stream in zip(actor.inputs, settled, strict=True):
            if stream is not None:
                self._read(stream, number, name)
        found = []
        m = actor.module
        for name, shape, beats in zip(
            actor.outputs, shapes, actor.timing.beats_out.tolist(), strict=True
        ):
            stream = self._keep(Stream((number, name), m.intervals(m.outputs[name]), shape))
            assert beats == stream.beats, f"{actor.name} gives {beats} of {stream.beats} beats"
            found.append(stream)
        return found

    def _read(self, stream: Stream, number: int, name: str) -> None:
        """Note that an actor's input reads a stream."""
        actor = self.actors[number]
        beats = int(actor.timing.beats_in[actor.inputs.index(name)])
        assert beats == stream.beats, f"{actor.name} takes {beats} of {stream.beats} beats"
        self._reads[stream.source].append((number, name))

    def feed_back(self, stream: Stream, number: int, name: str) -> None:
        """Lead a stream to an input of an earlier actor: it closes a loop.

        The actor must give what the loop begins with without taking a beat there: no link has
        beats in it before the first step.
        """
        stream = self.settled(stream)
        self._read(stream, number, name)
        self._backward.add((number, name))

    def rebeat(self, stream: Stream, beat: int) -> Stream:
        """Return the same tensor in beats of another size.

        By beats of the common divisor, or where that would take more steps than `most_steps`, by
        beats of the common multiple, or of the whole tensor.
        """
        common = gcd(beat, stream.beat)
        if common in (beat, stream.beat) or stream.elements <= common * self.most_steps:
            return self._wider(self._narrower(stream, common), beat)
        return self._narrower(self._wider(stream, lcm(beat, stream.beat)), beat)

    def _narrower(self, stream: Stream, beat: int) -> Stream:
        if beat == stream.beat:
            return stream
        parts, count = stream.beat // beat, -(-stream.elements // beat)
        name = self.module_name(f"{self.layer or self.name}_narrow")
        if parts <= QUEUED:
            actor = narrow(name, stream.types, parts, stream.beats, count)
        else:
            index = np.arange(stream.beat).reshape(parts, beat)
            actor = serve(name, stream.types, index, stream.beats, self.finish, count)
        return self.add(_of(actor, self.layer), [stream], [stream.shape])[0]

    def served(self, whole: Stream, index: Ints, shape: tuple[int, ...], note: str) -> Stream:
        """Return chosen elements of a tensor that comes in one beat, some at a time.

        Args:
            whole: in one beat.
            index: (beats, elements), which element of the tensor goes where.
            shape: of the result.
            note: what it is.
        """
        name = self.module_name(self.layer or self.name)
        actor = serve(name, whole.types, index, 1, self.finish, note=note)
        return self.add(_of(actor, self.layer), [whole], [shape])[0]

    def _wider(self, stream: Stream, beat: int) -> Stream:
        if beat == stream.beat:
            return stream
        name = self.module_name(f"{self.layer or self.name}_widen")
        actor = widen(name, stream.types, beat // stream.beat, stream.beats)
        return self.add(_of(actor, self.layer), [stream], [stream.shape])[0]

    def kernel(
        self,
        inputs: Sequence[Stream],
        shapes: Sequence[tuple[int, ...]],
        build: Callable[[Module, list[list[int]], int], list[list[int]]],
        phases: int = 1,
        note: str = "",
    ) -> list[Stream]:
        """Add an actor that does the same to each beat: a circuit without state.

        Kernels that follow each other become one actor where the first has no other reader and they
        belong to one layer, or either takes little logic.

        Args:
            inputs: with the same number of beats; a beat of each is taken in a step.
            shapes: of the tensors that come out.
            build: fills a module: given the elements of a beat of each input and the signal of the
                phase, it returns the elements of a beat of each output.
            phases: the phase counts beats from 0, and starts anew after so many.
            note: what it computes.
        """
        beats = inputs[0].beats
        assert all(stream.beats == beats for stream in inputs), "streams of different beats"
        opened = self._joined(inputs, phases)
        if opened is None:
            module = Module(self.module_name(f"{self.layer or self.name}_kernel"), self.layer)
            opened = _Open(module, self.layer, beats, self.light)
        opened.phases = max(opened.phases, phases)
        opened.note = ", ".join(part for part in (opened.note, note) if part)
        if opened.light:
            opened.layer, opened.module.origin, opened.light = self.layer, self.layer, self.light
        m = opened.module
        elements = [self._elements(opened, stream) for stream in inputs]
        phase = m.constant(0)
        if phases > 1:
            if "phase" not in m.inputs:
                m.input("phase", Intervals.of([0], [phases - 1], 0))
            (phase,) = m.inputs["phase"]
        opened.results = build(m, elements, phase)
        if len(shapes) > 1:
            return self._close(opened, shapes)
        source = (FIRST_OPEN - len(self._open), "y")
        opened.alone = self.alone
        self._open[source] = opened
        return [Stream(source, m.intervals(opened.results[0]), shapes[0])]

    def _joined(self, inputs: Sequence[Stream], phases: int) -> _Open | None:
        """Return the open kernel whose only reader this one is, if the two may be one actor."""
        for stream in inputs:
            opened = self._open.get(stream.source)
            if opened is None or opened.closed or not opened.alone:
                continue
            near = self.light or opened.light or opened.layer == self.layer
            if near and (opened.phases == phases or 1 in (opened.phases, phases)):
                opened.source = stream.source
                return opened
        return None

    def _elements(self, opened: _Open, stream: Stream) -> list[int]:
        """Return what a kernel reads: its own signals, or those of a port for another stream."""
        if stream.source == opened.source:
            return opened.results[0]
        stream = self.settled(stream)
        (name,) = _numbered("x", len(opened.inputs) + 1)[-1:]
        opened.inputs.append(stream)
        return _moving(opened.module, opened.module.input(name, stream.types))

    def share(self, stream: Stream) -> None:
        """Tell that a stream has several readers, under whatever name and shape they read it."""
        opened = self._open.get(stream.source)
        if opened is not None:
            opened.alone = False

    def settled(self, stream: Stream) -> Stream:
        """Return a stream that an actor gives: a kernel that others might have joined is closed."""
        opened = self._open.get(stream.source)
        if opened is None:
            return stream
        if opened.closed is None:
            (opened.closed,) = self._close(opened, [stream.shape])
        return Stream(opened.closed.source, opened.closed.types, stream.shape)

    def _close(self, opened: _Open, shapes: Sequence[tuple[int, ...]]) -> list[Stream]:
        """Make an actor of a kernel."""
        inputs, note = opened.inputs, opened.note
        stem = self.module_name(opened.layer or self.name)
        outputs = _numbered("y", len(shapes))
        ports = dict(zip(_numbered("x", len(inputs)), (s.types for s in inputs), strict=True))
        opened.module.note = note
        for name, signals in zip(outputs, opened.results, strict=True):
            opened.module.output(name, signals)
        module = self.finish(opened.module)
        shell = Shell.begin(stem, ports, outputs, opened.layer, note)
        fired = shell.fire()
        feeds = {name: shell.data[name] for name in ports}
        if opened.phases > 1:
            feeds["phase"] = [counter(shell.module, opened.phases, fired, "phase")[0]]
        found = shell.kernel(module, {name: feeds[name] for name in module.inputs})
        valid = shell.later(fired, module.latency, reset=0)
        shell.finish({name: (valid, found[name]) for name in outputs})
        program = Program.plain(opened.beats, len(inputs), len(outputs), module.latency + 1)
        return self.add(shell.actor(program, opened.layer, note), inputs, shapes)

    def network(self) -> Network:
        """Close the network: a stream that is read more than once is given to all its readers.

        An input that is an output as well passes an actor, too: `valid` comes from a register. One
        that no output needs is taken and dropped.
        """
        for source, readers in list(self._reads.items()):
            assert readers or source[0] == OUTSIDE, f"nothing reads {source}"
            if len(readers) != 1 or source[0] == readers[0][0] == OUTSIDE:
                stream = self._given[source]
                actor = fork(
                    self.module_name(f"{_owner(self.actors, source)}_fork"),
                    stream.types, len(readers), stream.beats,
                )  # fmt: skip
                self._reads[source] = []
                copies = self.add(actor, [stream], [stream.shape] * len(readers))
                for copy, reader in zip(copies, readers, strict=True):
                    self._reads[copy.source] = [reader]
        return self._sorted()

    def _sorted(self) -> Network:
        """Number the actors in an order of computation, and lay the links."""
        before: dict[int, set[int]] = {i: set() for i in range(len(self.actors))}
        links = [(source, reader) for source, rs in self._reads.items() for reader in rs]
        for (giver, _), (taker, port) in links:
            if OUTSIDE not in (giver, taker) and (taker, port) not in self._backward:
                before[taker].add(giver)
        order: list[int] = []
        placed: set[int] = set()
        todo = list(range(len(self.actors)))
        while todo:
            ready = [i for i in todo if before[i] <= placed]
            assert ready, "the actors are in a loop"
            order += ready
            placed.update(ready)
            todo = [i for i in todo if i not in placed]
        number = {old: new for new, old in enumerate(order)} | {OUTSIDE: OUTSIDE}
        found = [
            Link((number[giver], name), (number[taker], port), stream.types, stream.beats)
            for (giver, name), (taker, port) in links
            for stream in [self._given[giver, name]]
        ]
        actors = tuple(self.actors[i] for i in order)
        ends = tuple(self._inputs), tuple(self._outputs)
        registers = tuple(self.registers)
        return Network(self.name, actors, tuple(found), *ends, registers=registers)


def _numbered(stem: str, count: int) -> list[str]:
    return [stem if i == 0 else f"{stem}{i + 1}" for i in range(count)]


def _of(actor: Actor, layer: str) -> Actor:
    return Actor(
        actor.name, actor.module, actor.inputs, actor.outputs, actor.timing, layer, actor.note
    )


def _owner(actors: Sequence[Actor], source: tuple[int, str]) -> str:
    number, name = source
    return name if number == OUTSIDE else actors[number].name


def _moving(m: Module, signals: list[int]) -> list[int]:
    """Replace signals that can only have one value by constants."""
    return [m.constant(m.lo[s], m.frac[s]) if m.is_constant(s) else s for s in signals]
