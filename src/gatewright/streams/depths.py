"""The least depths of a network's FIFOs, found by runs of the cycle-level model.

The search goes from what endless FIFOs hold downwards. Its runs end as soon as an event is later
than before, and long ones are of two events, so most of them are short; that a smaller FIFO which
fails goes on to fail when others get smaller is all but always so (pipelines that stand still as a
whole may do better when a beat comes later). So at the end each FIFO is tried with one place less
by whole runs, and lowered on, until none can be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import networkx as nx
import numpy as np

from gatewright.base import OptionError
from gatewright.num import Ints
from gatewright.streams.cycles import UNBOUNDED, Cycles, simulate
from gatewright.streams.network import OUTSIDE, Network

LONG = 300_000
"""Cycles of a run above which FIFOs are tried by fewer events."""

SPARE = (0, 2, 8)
"""Places more than depths that are thought to be near, to start from."""


def least_depths(
    network: Network, floors: Sequence[int] | None = None, near: Sequence[int] | None = None
) -> tuple[list[int], Cycles]:
    """Return the least depths of FIFOs that do not slow the network down, and its cycles then.

    The interval is that of endless FIFOs. None of the depths could be one smaller, the others as
    they are, without a longer interval or latency, or a lock.

    Args:
        network: its depths do not matter.
        floors: depths that no FIFO may fall below, such as those that break long paths of `ready`.
            One that closes a loop has at least one place.
        near: depths that are likely to be about right, such as the least for lower floors.
    """
    low = [0] * len(network.links) if floors is None else list(floors)
    low = [max(least, int(li.is_backward)) for least, li in zip(low, network.links, strict=True)]
    endless = simulate(network, [UNBOUNDED] * len(low))
    if endless.locked:
        raise OptionError(
            "the streams of a network do not fit each other: it locks up with endless FIFOs",
            place=network.name,
            remedy="this is a defect of Gatewright: please report the model",
        )
    # A FIFO that is never full takes a beat in every cycle: one place more than ever is filled.
    depths = [max(int(f) + 1, least) for f, least in zip(endless.filled, low, strict=True)]
    events = len(endless.finished)
    few = 2 if endless.finished[-1] > LONG else events
    for tried in (few, 2 * events):
        search = _Search.begin(network, low, depths, tried)
        search.run(endless.filled, near)
        found = simulate(network, search.depths)
        if found.interval <= endless.interval and not found.locked:
            break
    return _settled(search, found)


def _settled(search: _Search, cycles: Cycles) -> tuple[list[int], Cycles]:
    """Lower depths one by one, by the long-run interval, until none can be."""
    network, depths, floors = search.network, list(search.depths), search.floors

    def holds(link: int, depth: int) -> bool:
        nonlocal cycles
        tried = [depth if i == link else d for i, d in enumerate(depths)]
        found = simulate(network, tried)
        if found.locked or found.interval > cycles.interval or found.latency > cycles.latency:
            return False
        depths[link], cycles = depth, found
        return True

    links = [i for i, depth in enumerate(depths) if depth > floors[i]]
    least = 0  # links that have been found to be so, one after the other
    for link in cycle(links):
        if least == len(links):
            break
        before = depths[link]
        _descend(link, depths, floors[link], holds)
        least = least + 1 if depths[link] == before else 1
    return depths, cycles


def _descend(link: int, depths: Sequence[int], low: int, holds: Callable[[int, int], bool]) -> None:
    """Lower a link: in growing steps while that holds, then between what held and what did not.

    Args:
        link: which.
        depths: of all links, changed by `holds`.
        low: depth that it may have at least.
        holds: takes over a depth of the link, or a smaller one, if the network is as fast then.
    """
    step = 1
    while depths[link] > low:
        tried = max(depths[link] - step, low)
        if not holds(link, tried):
            low = tried + 1
            break
        step *= 4
    while depths[link] > low:
        middle = (low + depths[link]) // 2
        if not holds(link, middle):
            low = middle + 1


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
    """Lowers depths as long as so many events are over as soon.

    Attributes:
        network: its own depths do not matter.
        floors: the least depths that may be.
        depths: found so far; a list that stays the same one.
        goal: cycles from the first beat taken to the end of each event, which none may exceed.
        interval: cycles between events, likewise: a shorter latency is no leave to fall behind.
    """

    network: Network
    floors: list[int]
    depths: list[int]
    goal: Ints
    interval: int

    @classmethod
    def begin(cls, network: Network, floors: list[int], depths: list[int], events: int) -> _Search:
        """Start from depths that are enough."""
        goal = simulate(network, depths, events)
        ends = goal.latency + goal.finished - goal.finished[0]
        return cls(network, floors, list(depths), ends, goal.interval)

    def run(self, filled: Ints, near: Sequence[int] | None) -> None:
        """Lower all links, those on no loop first, then those that endless FIFOs fill least."""
        if near is None or not self._start(near):
            bridges = _bridges(self.network)
            order = sorted(range(len(self.depths)), key=lambda i: (i not in bridges, filled[i]))
            self.to_floor(order)
            self.to_filled()
            for link in order:
                # What is too low for one depth of the others is so for smaller ones, so each link
                # is looked at once; its floor, if it is not there, is known to be too low.
                _descend(link, self.depths, self.floors[link] + 1, self._holds_at)

    def _start(self, near: Sequence[int]) -> bool:
        """Take over depths that are thought to be near, or some places more, if they hold."""
        for more in SPARE:
            pairs = zip(near, self.floors, strict=True)
            tried = [max(depth + more * bool(depth), low) for depth, low in pairs]
            if self._holds(dict(enumerate(tried))):
                for link in range(len(tried)) if more else ():
                    _descend(link, self.depths, self.floors[link], self._holds_at)
                return True
        return False

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

    def _holds_at(self, link: int, depth: int) -> bool:
        return self._holds({link: depth})

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
        self.depths[:] = [min(depth, max(filled + 1, low)) for depth, filled, low in held]
        self.goal = np.minimum(self.goal, own)
        return True
