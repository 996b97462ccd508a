"""How many cycles a network takes, cycle by cycle, and the least depths of its FIFOs.

The model follows the rules that `shell`, `fifo` and the buffers are built by, on valid bits and
counts alone, so its cycles are those of the circuit; the tests hold it to simulated RTL.

A network is determinate: which beats pass each link, and in which order, does not depend on when
(Kahn 1974; cyclo-static data flow, Bilsen et al. 1996). A run of whole events that ends with all
actors at their first step therefore shows that no pattern of stalls can lock it up: stalls of the
surroundings only delay steps, and a step that can fire stays able to until it does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import networkx as nx
import numpy as np

from gatewright.base import OptionError
from gatewright.num import Ints
from gatewright.streams import run
from gatewright.streams.network import OUTSIDE, Network
from gatewright.streams.tables import Tables

UNBOUNDED = 1 << 40
LONG = 300_000
"""Cycles of a run above which FIFOs are tried by fewer events."""

EVENTS = 3
"""Least events of a run: the first tells the latency, the distances of later ones the interval."""


@dataclass(frozen=True, eq=False)
class Cycles:
    """What a run of the model found.

    Attributes:
        latency: cycles from the one in which the first event's first beat is taken to the one in
            which its last result is given, nothing else under way.
        interval: cycles between events that follow each other without a pause, in the long run.
        filled: most beats that each link's FIFO held.
        locked: whether the network came to a stand before the last result.
        finished: cycle in which each event's last result was given.
        late: for each link, the cycles in which a beat from outside was offered and not taken.
        spans: (actors, 2), of the first event the cycle of each actor's first step and of the last
            beat that it gives, counted from the cycle in which the first beat was taken.
    """

    latency: int
    interval: int
    filled: Ints
    locked: bool
    finished: Ints
    late: Ints
    spans: Ints


def simulate(
    network: Network,
    depths: Sequence[int] | None = None,
    events: int = 0,
    interval: int = 0,
    deadlines: Sequence[int] | None = None,
) -> Cycles:
    """Run a network whose surroundings take a beat in every cycle.

    Args:
        network: what to run.
        depths: of the links' FIFOs, in place of those that they have.
        events: how many, at least 2; 0 for so many that the first is long gone when the last ends:
            a long chain of actors has many under way before it is as slow as it will be.
        interval: cycles between events on the inputs, whose beats come evenly then, one every
            `pace_of` cycles; 0 offers a beat in every cycle.
        deadlines: of each event, in cycles from the first beat taken; a run that misses one ends
            there, and counts as locked.
    """
    if not events:
        found = simulate(network, depths, EVENTS, interval)
        enough = found.latency // max(found.interval, 1) + EVENTS - 1
        if found.locked or enough <= EVENTS:
            return found
        return simulate(network, depths, enough, interval)
    tables = _tables(network)
    chosen = network.depths if depths is None else depths
    state = tables.start(chosen, [pace_of(link.beats, interval) for link in network.links])
    limits = np.full(events, UNBOUNDED) if deadlines is None else np.asarray(deadlines, np.int64)
    compiled: Any = run.run
    given = np.full(events, -1, np.int64)
    accepted, locked = compiled(
        state.nodes, state.outs, state.links, state.queue, tables.flags, tables.numbers,
        tables.links_in, interval, limits, given, np.zeros(1, np.int64),
    )  # fmt: skip
    filled, late = state.links[:, run.FILLED].copy(), state.links[:, run.LATE].copy()
    spans = state.nodes[tables.actors, run.BEGUN : run.LAST + 1].copy()
    if locked:
        return Cycles(0, 0, filled, True, given, late, spans)
    latency = int(given[0] - accepted)
    steps = np.diff(given)
    longest = int(steps[len(steps) // 2 :].max())
    return Cycles(latency, longest, filled, False, given, late, spans - accepted)


@lru_cache(maxsize=4)
def _tables(network: Network) -> Tables:
    """Return the arrays of a network, whose depths do not matter, kept for its next run."""
    return Tables.of(network)


def pace_of(beats: int, interval: int) -> int:
    """Return how many cycles apart the beats of an event come, where they come evenly."""
    return interval // beats if interval else 0


def least_depths(network: Network, floors: Sequence[int] | None = None) -> tuple[list[int], Cycles]:
    """Return the least depths of FIFOs that do not slow the network down, and its cycles then.

    The interval is that of endless FIFOs. None of the depths could be one smaller, the others as
    they are, without a longer interval or latency, or a lock.

    Args:
        network: its depths do not matter.
        floors: depths that no FIFO may fall below, such as those that break long paths of `ready`.
    """
    low = [0] * len(network.links) if floors is None else list(floors)
    endless = simulate(network, [UNBOUNDED] * len(low))
    if endless.locked:
        raise OptionError(
            "the streams of a network do not fit each other: it locks up with endless FIFOs",
            place=network.name,
            remedy="this is a defect of Gatewright: please report the model",
        )
    # A FIFO that is never full takes a beat in every cycle: one place more than ever is filled.
    depths = [max(int(f) + 1, least) for f, least in zip(endless.filled, low, strict=True)]
    found = _least(network, low, depths, endless, len(endless.finished))
    if found[1].interval > endless.interval or found[1].locked:
        found = _least(network, low, depths, endless, 2 * len(endless.finished))
    return found


def _least(
    network: Network, low: list[int], depths: list[int], endless: Cycles, events: int
) -> tuple[list[int], Cycles]:
    """Lower depths as long as so many events are over as soon; long ones are tried by two."""
    tried = 2 if endless.finished[-1] > LONG and events == len(endless.finished) else events
    goal = simulate(network, depths, tried)
    ends = goal.latency + goal.finished - goal.finished[0]
    search = _Search(network, low, depths, ends, goal.interval)
    bridges = _bridges(network)
    order = sorted(range(len(low)), key=lambda i: (i not in bridges, endless.filled[i]))
    search.to_floor(order)
    search.to_filled()
    for link in order:
        search.lower(link)
    return search.depths, simulate(network, search.depths, events)


def _bridges(network: Network) -> set[int]:
    """Return the links that are on no loop, seen without direction: nothing waits beside them."""
    graph = nx.MultiGraph()
    for number, link in enumerate(network.links):
        ends = [a if a != OUTSIDE else (name, number) for a, name in (link.source, link.target)]
        graph.add_edge(*ends, number=number)
    simple = nx.Graph(graph)
    return {
        next(iter(graph[a][b].values()))["number"]
        for a, b in nx.bridges(simple)
        if graph.number_of_edges(a, b) == 1
    }


@dataclass(eq=False)
class _Search:
    """Lowers depths as long as the network stays as fast.

    Attributes:
        network: its own depths do not matter.
        floors: the least depths that may be.
        depths: found so far.
        goal: cycles from the first beat taken to the end of each event, which none may exceed.
        interval: cycles between events, likewise: a shorter latency is no leave to fall behind.
    """

    network: Network
    floors: list[int]
    depths: list[int]
    goal: Ints
    interval: int

    def to_floor(self, links: Sequence[int]) -> None:
        """Take links to their floors, all at once or half of them, and so on."""
        links = [i for i in links if self.depths[i] > self.floors[i]]
        if not links or self._holds({i: self.floors[i] for i in links}) or len(links) == 1:
            return
        half = len(links) // 2
        self.to_floor(links[:half])
        self.to_floor(links[half:])

    def to_filled(self) -> None:
        """Take all links to what they hold at most as things are."""
        found = simulate(self.network, self.depths, len(self.goal))
        for more in (0, 1):
            most = zip(self.depths, found.filled.tolist(), self.floors, strict=True)
            fitted = [min(depth, max(filled + more, low)) for depth, filled, low in most]
            if self._holds(dict(enumerate(fitted))):
                return

    def lower(self, link: int) -> None:
        """Find the least depth of one link; its floor, if it is not there, is too low.

        What is too low for one depth of the others is so for smaller ones, so each link is looked
        at once.
        """
        low = self.floors[link] + 1  # the floor is known to be too low
        step = 1
        while self.depths[link] > low:
            high = self.depths[link]
            if self._holds({link: max(high - step, low)}):
                step *= 4  # most are near what they were filled to: go down in growing steps
            elif step == 1:
                return
            else:
                low, step = max(high - step, low) + 1, max(1, min(step, high - low) // 2)

    def _holds(self, change: Mapping[int, int]) -> bool:
        """Take over other depths if the network is as fast with them."""
        tried = list(self.depths)
        for link, depth in change.items():
            tried[link] = depth
        found = simulate(self.network, tried, len(self.goal), deadlines=self.goal.tolist())
        if found.locked or found.interval > self.interval:
            return False
        own = found.latency + found.finished - found.finished[0]
        # What was never full would not be with one place more than it held.
        held = zip(tried, found.filled.tolist(), self.floors, strict=True)
        self.depths = [min(depth, max(filled + 1, low)) for depth, filled, low in held]
        self.goal = np.minimum(self.goal, own)
        return True
