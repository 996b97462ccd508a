"""Random networks of real actors: steps, rates, latencies and memories of all kinds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gatewright.num import Intervals
from gatewright.streams import OUTSIDE, Actor, Link, Network, Program, Sequence, Shell
from gatewright.streams.fork import fork
from gatewright.streams.reader import Walk, reader
from gatewright.streams.width import widen

NIBBLE = Intervals.of([0], [15], 0)


def program_actor(name: str, program: Program, inputs: int) -> Actor:
    """Return an actor of any steps, whose beats mix what it took with a count of its steps."""
    names = ["x" if i == 0 else f"x{i + 1}" for i in range(inputs)]
    outputs = ["y" if i == 0 else f"y{i + 1}" for i in range(program.gives.shape[1])]
    shell = Shell.begin(name, dict.fromkeys(names, NIBBLE), outputs)
    m = shell.module
    table = np.concatenate([program.takes, program.gives], axis=1).astype(np.int64)
    sequence = Sequence.begin(m, (program.steps,), table)
    takes = dict(zip(names, sequence.signals, strict=False))
    fired = shell.fire(takes)
    count, _ = shell.counter(program.steps, fired, "step")
    sequence.close(fired)
    mixed = m.slice(m.concat(m.constant(0), count), 0, 4) if program.steps > 16 else count
    for stream in names:
        # What was not taken stands on the wires all the same: the last beat taken counts.
        taken = m.and_(fired, takes[stream])
        kept = m.register((0, 15, 0), reset=0)
        m.connect(kept, shell.data[stream][0], taken)
        now = m.select(takes[stream], shell.data[stream][0], kept)
        mixed = m.slice(m.add(m.add(mixed, now), now), 0, 4)
    mixed = shell.later(mixed, program.latency - 1)
    marks = {}
    for number, stream in enumerate(outputs):
        given = m.and_(fired, sequence.signals[inputs + number])
        marks[stream] = (shell.later(given, program.latency - 1, reset=0), [mixed])
    shell.finish(marks)
    return shell.actor(program)


@dataclass(eq=False)
class Builder:
    """A network in the making, from a seed; ends of streams that nothing reads become outputs."""

    rng: np.random.Generator
    actors: list[Actor] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    ends: list[tuple[tuple[int, str], int]] = field(default_factory=list)

    def network(self, size: int) -> Network:
        """Return a network of some actors."""
        inputs = [f"in{i}" for i in range(int(self.rng.integers(1, 3)))]
        self.ends = [((OUTSIDE, name), int(self.rng.integers(1, 7))) for name in inputs]
        while len(self.actors) < size or any(source[0] == OUTSIDE for source, _ in self.ends):
            self._grow(str(self.rng.choice(["program", "program", "fork", "reader", "width"])))
        outputs = []
        for number, (source, beats) in enumerate(self.ends):
            outputs.append(f"out{number}")
            self.links.append(Link(source, (OUTSIDE, outputs[-1]), NIBBLE, beats))
        return Network("top", tuple(self.actors), tuple(self.links), tuple(inputs), tuple(outputs))

    def _take(self, count: int) -> list[int]:
        """Let the next actor read some ends; return their beats."""
        beats = []
        for number in range(count):
            outside = [i for i, (source, _) in enumerate(self.ends) if source[0] == OUTSIDE]
            place = outside[0] if outside else int(self.rng.integers(len(self.ends)))
            source, length = self.ends.pop(place)
            name = "x" if number == 0 else f"x{number + 1}"
            self.links.append(Link(source, (len(self.actors), name), NIBBLE, length))
            beats.append(length)
        return beats

    def _add(self, actor: Actor) -> None:
        number = len(self.actors)
        self.actors.append(actor)
        gives = actor.timing.beats_out.tolist()
        self.ends += [((number, n), b) for n, b in zip(actor.outputs, gives, strict=True)]

    def _grow(self, kind: str) -> None:
        """Add an actor."""
        name, draw = f"a{len(self.actors)}", self.rng.integers
        if kind == "program":
            beats = self._take(min(int(draw(1, 3)), len(self.ends)))
            given = [int(b) for b in draw(1, 7, int(draw(1, 3)))]
            steps = max(*beats, *given) + int(draw(0, 4))
            flags = [self.rng.permutation(np.arange(steps) < b) for b in (*beats, *given)]
            # An event begins with a beat: else its first steps would run ahead of it.
            flags[0] = np.roll(flags[0], -int(flags[0].argmax()))
            columns = np.stack(flags, axis=1)
            if self.rng.random() < 0.4:  # results at the end, as where sums are added up
                for column in range(len(beats), columns.shape[1]):
                    columns[:, column] = np.sort(columns[:, column])
            takes, gives = columns[:, : len(beats)], columns[:, len(beats) :]
            program = Program(takes, gives, int(draw(1, 5)))
            self._add(program_actor(name, program, len(beats)))
            return
        (beats_in,) = self._take(1)
        if kind == "fork":
            self._add(fork(name, NIBBLE, 2, beats_in))
        elif kind == "width" and beats_in > 1:
            self._add(widen(name, NIBBLE, int(draw(2, beats_in + 1)), beats_in, keep=1))
        elif kind == "width":
            steps = np.ones((1, 1), np.bool_)
            self._add(program_actor(name, Program(steps, steps), 1))
        else:
            length = int(draw(beats_in, beats_in + 5))
            source = draw(0, beats_in, length)
            inside = self.rng.random(length) < 0.9
            inside[0] = True  # likewise
            walk = Walk(beats_in, (length,), source, inside)
            self._add(reader(name, NIBBLE, walk, int(draw(0, 5))))


def random_network(seed: int, size: int) -> Network:
    """Return the network of a seed."""
    return Builder(np.random.default_rng(seed)).network(size)


def looped(rng: np.random.Generator) -> Network:
    """Return actors in a loop: the first takes nothing from it at an event's first step.

    The beats of the loop have others beside them that come from outside and go there.
    """
    steps = int(rng.integers(2, 6))
    begin = np.ones((steps, 2), np.bool_)
    begin[0, 1] = False
    latencies = rng.integers(1, 5, 3).tolist()
    parts = int(rng.integers(1, 4))  # beats of a step between the first and the last
    many = np.ones((steps * parts, 1), np.bool_)
    first = Program(begin, np.ones((steps, 2), np.bool_), latencies[0])
    gives, takes = many.copy(), many.copy()
    takes[:] = (np.arange(steps * parts) % parts == 0)[:, None]
    middle = Program(takes, gives, latencies[1])
    end = np.zeros((steps * parts, 2), np.bool_)
    end[parts - 1 :: parts] = True
    end[-1, 1] = False
    both = np.concatenate([many, takes], axis=1)
    last = Program(both, end, latencies[2])
    actors = (
        program_actor("first", first, 2),
        program_actor("middle", middle, 1),
        program_actor("last", last, 2),
    )
    links = (
        Link((OUTSIDE, "in"), (0, "x"), NIBBLE, steps),
        Link((0, "y"), (1, "x"), NIBBLE, steps),
        Link((1, "y"), (2, "x"), NIBBLE, steps * parts),
        Link((0, "y2"), (2, "x2"), NIBBLE, steps),
        Link((2, "y"), (OUTSIDE, "out"), NIBBLE, steps),
        Link((2, "y2"), (0, "x2"), NIBBLE, steps - 1),
    )
    return Network("top", actors, links, ("in",), ("out",))
