"""The rules of actors, links and FIFOs, cycle by cycle, every register of it: slow and plain."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewright.streams import OUTSIDE, Network, Program
from gatewright.streams.cycles import pace_of


@dataclass(eq=False)
class Stepped:
    """A network in some cycle.

    Attributes:
        step, written, freed: of each actor.
        pipe: of each actor and output, the valid bits on their way; the first is the output's.
        count: beats in each link's FIFO.
        passed: beats that came in or went out, by link.
    """

    network: Network
    depths: list[int]
    events: int
    interval: int
    step: list[int] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    freed: list[int] = field(default_factory=list)
    pipe: list[dict[str, list[bool]]] = field(default_factory=list)
    count: list[int] = field(default_factory=list)
    filled: list[int] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        actors, links = len(self.network.actors), len(self.network.links)
        self.step, self.written, self.freed, self.rounds = ([0] * actors for _ in range(4))
        self.begun, self.last = [-1] * actors, [-1] * actors
        self.pipe = [
            {name: [False] * (a.timing.latency + 1) for name in a.outputs}
            for a in self.network.actors
        ]
        self.count, self.filled, self.passed, self.late = ([0] * links for _ in range(4))

    def run(self, patience: int) -> tuple[list[int], int, bool]:
        """Return when events ended, when the first beat came in, and whether it locked up."""
        ended: list[int] = []
        first, idle, cycle = -1, 0, 0
        while len(ended) < self.events and idle < patience:
            before = list(self.passed)
            moved = self.cycle(cycle)
            inside = [i for i, li in enumerate(self.network.links) if li.source[0] == OUTSIDE]
            if first < 0 and any(self.passed[i] > before[i] for i in inside):
                first = cycle
            outside = [i for i, li in enumerate(self.network.links) if li.target[0] == OUTSIDE]
            over = min(self.passed[i] // self.network.links[i].beats for i in outside)
            ended += [cycle] * (over - len(ended))
            idle = 0 if moved else idle + 1
            cycle += 1
        return ended, first, len(ended) < self.events

    def cycle(self, now: int) -> bool:
        """Move all by a cycle; return whether any beat passed or any step fired."""
        net = self.network
        given = [self._given(number, now) for number in range(len(net.links))]
        there = [
            self.count[i] > 0 if depth else given[i] for i, depth in enumerate(self.depths)
        ]  # fmt: skip
        ready = [li.target[0] == OUTSIDE for li in net.links]
        into = {li.target: i for i, li in enumerate(net.links)}
        out_of = {li.source: i for i, li in enumerate(net.links)}
        moves, fires = [False] * len(net.actors), [False] * len(net.actors)
        for a in reversed(range(len(net.actors))):
            actor = net.actors[a]
            outs = [out_of[a, name] for name in actor.outputs]
            moves[a] = all(self._free(i, ready) for i in outs if given[i])
            ins = [into[a, name] for name in actor.inputs]
            timing = actor.timing
            if isinstance(timing, Program):
                takes = timing.takes[self.step[a]]
                fires[a] = moves[a] and all(there[i] for i, t in zip(ins, takes, strict=True) if t)
                for i, t in zip(ins, takes, strict=True):
                    ready[i] = bool(t) and fires[a]
            else:
                enough = self.written[a] >= timing.need[self.step[a]]
                fires[a] = moves[a] and bool(enough)
                ready[ins[0]] = bool(self.written[a] - self.freed[a] < timing.depth)
        leaves = [given[i] and self._free(i, ready) for i in range(len(net.links))]
        arrives = [there[i] and ready[i] for i in range(len(net.links))]
        for i, link in enumerate(net.links):
            if self.depths[i]:
                self.count[i] += leaves[i] - arrives[i]
                self.filled[i] = max(self.filled[i], self.count[i])
            if link.source[0] == OUTSIDE:
                self.passed[i] += leaves[i]
                self.late[i] += given[i] and not leaves[i]
            elif link.target[0] == OUTSIDE:
                self.passed[i] += arrives[i]
        for a in range(len(net.actors)):
            left = {name: leaves[out_of[a, name]] for name in net.actors[a].outputs}
            came = [arrives[into[a, name]] for name in net.actors[a].inputs]
            self._clock(a, now, moves[a], fires[a], left, came[0])
        return any(leaves) or any(arrives) or any(fires)

    def _given(self, number: int, now: int) -> bool:
        """Whether the giving side of a link has a beat."""
        link = self.network.links[number]
        actor, name = link.source
        if actor != OUTSIDE:
            return self.pipe[actor][name][0]
        event, beat = divmod(self.passed[number], link.beats)
        due = event * self.interval + beat * pace_of(link.beats, self.interval)
        return event < self.events and now >= due

    def _free(self, number: int, ready: list[bool]) -> bool:
        """Whether a link takes a beat from its giving side."""
        depth = self.depths[number]
        return self.count[number] < depth if depth else ready[number]

    def _clock(
        self, a: int, now: int, moves: bool, fires: bool, left: dict[str, bool], came: bool
    ) -> None:
        """Move an actor's registers, which stand still together."""
        timing, step = self.network.actors[a].timing, self.step[a]
        gives = timing.gives[step].tolist() if isinstance(timing, Program) else [timing.gives[step]]
        for (name, bits), given in zip(self.pipe[a].items(), gives, strict=True):
            if moves:
                bits[-1] = bool(given) and fires
                bits[:] = [*bits[1:], False]
            elif left[name]:
                bits[0] = False
        if not isinstance(timing, Program):
            self.written[a] += came
        if not fires:
            return
        if self.begun[a] < 0:
            self.begun[a] = now
        if not self.rounds[a]:
            self.last[a] = now + timing.latency
        if not isinstance(timing, Program):
            self.freed[a] = int(timing.free[step])
        self.step[a] = (step + 1) % timing.steps
        if not self.step[a]:
            self.rounds[a] += 1
            if not isinstance(timing, Program):
                self.written[a] -= timing.beats
                self.freed[a] -= timing.beats
