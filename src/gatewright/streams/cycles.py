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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewright.base import OptionError
from gatewright.num import Ints
from gatewright.streams.actor import Buffered, Program
from gatewright.streams.network import OUTSIDE, Network
from gatewright.streams.run import LAST_IN, LAST_OUT, run

UNBOUNDED = 1 << 40
EVENTS = 4
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
) -> Cycles:
    """Run a network whose surroundings take a beat in every cycle.

    Args:
        network: what to run.
        depths: of the links' FIFOs, in place of those that they have.
        events: how many, at least 2; 0 for so many that the first is long gone when the last ends:
            a long chain of actors has many under way before it is as slow as it will be.
        interval: cycles between events on the inputs, whose beats come evenly then, one every
            `pace_of` cycles; 0 offers a beat in every cycle.
    """
    if not events:
        found = simulate(network, depths, EVENTS, interval)
        enough = found.latency // max(found.interval, 1) + EVENTS - 1
        if found.locked or enough <= EVENTS:
            return found
        return simulate(network, depths, enough, interval)
    tables = _Tables.of(network)
    chosen = np.asarray(network.depths if depths is None else depths, np.int64)
    compiled: Any = run
    pace = np.asarray([pace_of(link.beats, interval) for link in network.links], np.int64)
    given, accepted, filled, locked, late, spans = compiled(
        *tables.arrays, chosen, events, pace, interval
    )
    if locked:
        return Cycles(0, 0, filled, True, given, late, spans)
    latency = int(given[0] - accepted)
    steps = np.diff(given)
    longest = int(steps[len(steps) // 2 :].max())
    return Cycles(latency, longest, filled, False, given, late, spans - accepted)


def pace_of(beats: int, interval: int) -> int:
    """Return how many cycles apart the beats of an event come, where they come evenly."""
    return interval // beats if interval else 0


@dataclass(frozen=True, eq=False)
class _Tables:
    """A network as flat arrays; see `run`."""

    arrays: tuple[NDArray[np.int64], ...]

    @classmethod
    def of(cls, network: Network) -> _Tables:
        """Lay out actors and links."""
        rows, flags, numbers = [], [], []
        at_flag = at_number = 0
        links_in: list[int] = []
        links_out: list[int] = []
        starts = []
        into = {link.target: i for i, link in enumerate(network.links)}
        out_of = {link.source: i for i, link in enumerate(network.links)}
        for number, actor in enumerate(network.actors):
            timing = actor.timing
            ins = [into[number, name] for name in actor.inputs]
            outs = [out_of[number, name] for name in actor.outputs]
            starts.append((len(links_in), len(ins), len(links_out), len(outs)))
            links_in += ins
            links_out += outs
            if isinstance(timing, Program):
                both = np.concatenate([timing.takes, timing.gives], axis=1).astype(np.int8)
                rows.append((0, timing.steps, timing.latency, at_flag, 0, 0, 0))
                flags.append(both.ravel())
                at_flag += both.size
            else:
                assert isinstance(timing, Buffered)
                rows.append((1, timing.steps, timing.latency, at_flag, at_number,
                             timing.depth, timing.beats))  # fmt: skip
                flags.append(timing.gives.astype(np.int8))
                at_flag += timing.steps
                numbers.append(np.stack([timing.need, timing.free], axis=1).ravel())
                at_number += 2 * timing.steps
        border = [
            LAST_IN if link.source[0] == OUTSIDE else LAST_OUT * (link.target[0] == OUTSIDE)
            for link in network.links
        ]
        beats = [link.beats for link in network.links]
        return cls(
            (
                np.asarray(rows, np.int64).reshape(-1, 7),
                np.asarray(starts, np.int64).reshape(-1, 4),
                np.asarray(links_in, np.int64),
                np.asarray(links_out, np.int64),
                np.concatenate([*flags, np.zeros(1, np.int8)]).astype(np.int64),
                np.concatenate([*numbers, np.zeros(1, np.int64)]).astype(np.int64),
                np.asarray(border, np.int64),
                np.asarray(beats, np.int64),
            )
        )


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
    events = len(endless.finished)
    latency = simulate(network, depths, events).latency
    search = _Search(network, low, depths, endless.interval, latency, events)
    order = sorted(range(len(low)), key=lambda i: -network.links[i].bits * depths[i])
    while search.lower(order):
        pass
    return search.depths, simulate(network, search.depths, events)


@dataclass(eq=False)
class _Search:
    """Lowers depths as long as the network stays as fast."""

    network: Network
    floors: list[int]
    depths: list[int]
    interval: int
    latency: int
    events: int

    def lower(self, links: Sequence[int]) -> bool:
        """Lower what can be of some links, first all at once; say whether anything changed."""
        links = [i for i in links if self.depths[i] > self.floors[i]]
        if not links:
            return False
        if self._holds(dict.fromkeys(links)):
            return True
        if len(links) == 1:
            return self._bisect(links[0])
        half = len(links) // 2
        first = self.lower(links[:half])
        return self.lower(links[half:]) or first

    def _bisect(self, link: int) -> bool:
        """Find the least depth of one link; its floor is known to be too low."""
        low, high = self.floors[link] + 1, self.depths[link]
        start = high
        while low < high:
            middle = (low + high) // 2
            if self._holds({link: middle}):
                high = middle
            else:
                low = middle + 1
        return self.depths[link] < start

    def _holds(self, change: Mapping[int, int | None]) -> bool:
        """Take over other depths (None: the floor) if the network is as fast with them."""
        tried = list(self.depths)
        for link, depth in change.items():
            tried[link] = self.floors[link] if depth is None else depth
        found = simulate(self.network, tried, self.events)
        if found.locked or found.interval > self.interval or found.latency > self.latency:
            return False
        self.depths, self.latency = tried, found.latency
        return True
