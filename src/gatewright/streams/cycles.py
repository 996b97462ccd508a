"""How many cycles a network takes, cycle by cycle.

The model follows the rules that `shell`, `fifo` and the buffers are built by, on valid bits and
counts alone, so its cycles are those of the circuit; the tests hold it to simulated RTL.

A network is determinate: which beats pass each link, and in which order, does not depend on when
(Kahn 1974; cyclo-static data flow, Bilsen et al. 1996). A run of whole events that ends with all
actors at their first step therefore shows that no pattern of stalls can lock it up: stalls of the
surroundings only delay steps, and a step that can fire stays able to until it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gatewright.num import Ints
from gatewright.streams import run
from gatewright.streams.network import Network
from gatewright.streams.tables import Tables

UNBOUNDED = 1 << 40
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
