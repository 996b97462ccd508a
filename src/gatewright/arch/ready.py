"""Find where paths of `ready` through a network are too long for a clock, and where to cut them.

Joined by wires, actors pass `ready` on from the outputs to the inputs, a cell or two each. A FIFO
gives its own `ready` from a register, so one on a link cuts the path.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewright.hw import Kind, Module
from gatewright.num import Intervals
from gatewright.passes.netlist import Clock, cell_delay
from gatewright.passes.netlist.bits import Bits
from gatewright.passes.netlist.delay import WIRES, DelayModel
from gatewright.streams import OUTSIDE, Network
from gatewright.streams.fifo import fifo

READY = "_ready"
STOPS = frozenset(int(kind) for kind in (Kind.REG, Kind.INSTANCE, Kind.CONST))
"""Where a path from `ready` ends: what stands behind has an enable at its registers."""
GATES = frozenset(int(kind) for kind in (Kind.AND, Kind.OR, Kind.XOR, Kind.SELECT))


@dataclass(frozen=True)
class _Paths:
    """Delays in an actor or a FIFO.

    Attributes:
        ends: from the `ready` of an output to the latest register or port behind it.
        through: from the `ready` of an output to that of an input.
        starts: from registers to the `ready` of an input.
    """

    ends: dict[str, float]
    through: dict[tuple[str, str], float]
    starts: dict[str, float]


def ready_breaks(network: Network, clock: Clock) -> list[int]:
    """Return for each link the least depth that its FIFO must have: 1 where a path is cut, else 0.

    A cut costs a register of the link's beat and a cycle of latency. Of the links on a path that is
    too long, the narrowest that is far enough along is cut.

    Args:
        network: links that have FIFOs keep them.
        clock: for the design's size.
    """
    search = _Search(network, clock.model, clock.budget)
    search.cuts.update(i for i, link in enumerate(network.links) if link.depth)
    while (late := search.late()) is not None:
        cut = search.cut(late)
        if cut is None:  # one cell too long on its own: no FIFO helps
            search.given_up.add(late)
        else:
            search.cuts.add(cut)
    return [int(i in search.cuts) for i in range(len(network.links))]


def is_ready_late(network: Network, clock: Clock) -> bool:
    """Whether a path of `ready` is too long, with the FIFOs as they are."""
    return slowest_ready(network, clock.model)[0] > clock.budget


def slowest_ready(network: Network, model: DelayModel) -> tuple[float, str]:
    """Return the longest delay of a path of `ready`, and the name of the actor where it ends.

    Args:
        network: with the depths of its FIFOs.
        model: delays, for the design's size.
    """
    search = _Search(network, model, 0.0)
    search.cuts.update(i for i, link in enumerate(network.links) if link.depth)
    found = search.arrivals(search.cuts)
    link = max(search.order, key=lambda i: search.length(i, found))
    number, stream = network.links[link].source
    name = stream if number == OUTSIDE else network.actors[number].name
    return search.length(link, found), name


@dataclass(frozen=True)
class _Arrivals:
    """When `ready` is there.

    Attributes:
        wanted: at the taking side of each link.
        given: at its giving side: the same but for a FIFO in between.
        source: the link from which it comes on.
    """

    wanted: list[float]
    given: list[float]
    source: dict[int, int]


@dataclass(eq=False)
class _Search:
    network: Network
    model: DelayModel
    budget: float
    cuts: set[int] = field(default_factory=set)
    given_up: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        network = self.network
        done: dict[int, _Paths] = {}
        for actor in network.actors:
            if id(actor.module) not in done:
                done[id(actor.module)] = _paths(actor.module, self.model)
        self.paths = [done[id(actor.module)] for actor in network.actors]
        self.into = {link.target: i for i, link in enumerate(network.links)}
        self.out_of = {link.source: i for i, link in enumerate(network.links)}
        bit = Intervals.of([0], [1], 0)
        self.stored = _paths(fifo("path", bit, 2), self.model)
        # From the outputs to the inputs, as `ready` runs.
        self.order = sorted(range(len(network.links)), key=lambda i: -network.links[i].source[0])

    def late(self) -> int | None:
        """Return a link whose `ready` comes too late, nearest to the outputs."""
        found = self.arrivals(self.cuts)
        late = (i for i in self.order if i not in self.given_up and self._is_late(i, found))
        return next(late, None)

    def _is_late(self, i: int, found: _Arrivals) -> bool:
        return self.length(i, found) > self.budget

    def length(self, i: int, found: _Arrivals) -> float:
        """Return the delay of the paths that a link's `ready` ends: at its giver, in its FIFO."""
        number, stream = self.network.links[i].source
        # A port adds a cell.
        end = self.model.lut if number == OUTSIDE else self.paths[number].ends[stream]
        inside = found.wanted[i] + self.stored.ends["y"] if i in self.cuts else 0.0
        return max(found.given[i] + end, inside)

    def arrivals(self, cuts: set[int]) -> _Arrivals:
        """Return when `ready` is there, with FIFOs on some links."""
        count = len(self.network.links)
        # FIFOs give their own at once, those of links that run backwards before they are reached.
        stored = [self.stored.starts["x"] if i in cuts else 0.0 for i in range(count)]
        found = _Arrivals([0.0] * count, stored, {})
        for i in self._by_target():
            number, stream = self.network.links[i].target
            if number != OUTSIDE:
                found.wanted[i] = self.paths[number].starts[stream]
                for out in self.network.actors[number].outputs:
                    after = self.out_of[number, out]
                    delay = self.paths[number].through.get((out, stream))
                    if delay is not None and found.given[after] + delay > found.wanted[i]:
                        found.wanted[i] = found.given[after] + delay
                        found.source[i] = after
            if i not in cuts:
                found.given[i] = found.wanted[i]
        return found

    def _by_target(self) -> list[int]:
        """Return the links, those of later takers first; an output of the design is the last."""
        links = self.network.links
        last = len(self.network.actors)
        rank = [last if li.target[0] == OUTSIDE else li.target[0] for li in links]
        return sorted(range(len(links)), key=lambda i: -rank[i])

    def cut(self, late: int) -> int | None:
        """Return the narrowest link of the path to a late one whose cut is enough."""
        source = self.arrivals(self.cuts).source
        chain = [late]
        while chain[-1] in source and (chain[-1] not in self.cuts or chain[-1] == late):
            chain.append(source[chain[-1]])
        links = self.network.links
        for link in sorted(chain, key=lambda i: (links[i].bits, chain.index(i))):
            if link not in self.cuts:
                found = self.arrivals(self.cuts | {link})
                if not self._is_late(late, found):
                    return link
        return None


def _paths(m: Module, model: DelayModel) -> _Paths:
    """Find the delays of an actor's own cells."""
    known = Bits(m)
    outs = [p.removesuffix(READY) for p in m.inputs if p.endswith(READY)]
    ins = [p.removesuffix(READY) for p in m.outputs if p.endswith(READY)]
    ends, through = {}, {}
    for out in outs:
        (row,) = m.inputs[out + READY]
        time = _from(m, {row}, model, known)
        ends[out] = max(time.values(), default=0.0)
        for name in ins:
            (ready,) = m.outputs[name + READY]
            if ready in time:
                through[out, name] = time[ready]
    taken = {m.inputs[out + READY][0] for out in outs}
    sources = {s for s, kind in enumerate(m.kind)
               if kind in STOPS or (kind == Kind.INPUT and s not in taken)}  # fmt: skip
    time = _from(m, sources, model, known)
    starts = {name: time.get(m.outputs[name + READY][0], 0.0) for name in ins}
    return _Paths(ends, through, starts)


def _from(m: Module, sources: set[int], model: DelayModel, known: Bits) -> dict[int, float]:
    """Return the longest delay from some signals to each one that they reach without a register.

    Control is bits and gates: neighbours go into one lookup table as long as that has inputs.
    """
    time = {s: 0.0 for s in sources if not m.is_constant(s)}
    leaves = {s: {s} for s in time}
    for s, kind in enumerate(m.kind):
        if kind in STOPS or kind == Kind.INPUT or m.is_constant(s):
            continue
        operands = [o for o in m.operands(s) if not m.is_constant(o)]
        latest = max((time[o] for o in operands if o in time), default=None)
        if latest is None:
            continue
        if kind in GATES:
            merged = set().union(*(leaves.get(o, {o}) for o in operands))
            leaves[s] = merged if len(merged) <= model.lut_inputs else set(operands)
            time[s] = max(time[o] for o in leaves[s] if o in time) + model.lut
        else:
            time[s] = latest + cell_delay(m, s, model, known)
            only = operands[0] if len(operands) == 1 else s
            leaves[s] = leaves.get(only, {s}) if kind in WIRES else {s}
    return time
