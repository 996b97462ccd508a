"""The cycle-level model of a network, compiled: valid bits, steps and counts, no data.

Arrays in common: `rows` has (kind, steps, latency, first flag, first number, depth, beats of an
event) for each actor, kind 0 for a `Program` and 1 for a `Buffered`; `starts` (first input,
inputs, first output, outputs) in `links_in` and `links_out`; `flags` what each step takes and
gives; `numbers` pairs of `need` and `free`; `border` is 1 for a link from outside, 2 for one to
outside; `beats` of an event for each link.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

LAST_IN, LAST_OUT = 1, 2
STEP, WRITTEN, FREED, HEAD, MOVES, FIRES = range(6)
COUNT, FILLED, PASSED, READY, LEAVES, ARRIVES, GIVER, OFFERED, LATE = range(9)


@njit()
def _due(
    links: Any, border: Any, beats: Any, events: Any, pace: Any, interval: Any, cycle: Any
) -> Any:
    """Settle which inputs offer a beat in this cycle; return whether one is yet to come."""
    waits = False
    for link in range(len(border)):
        if border[link] == LAST_IN:
            number = links[link, PASSED]
            due = number // beats[link] * interval + number % beats[link] * pace[link]
            is_left = number < beats[link] * events
            links[link, OFFERED] = is_left and cycle >= due
            waits = waits or (is_left and cycle < due)
    return waits


@njit()
def _offers(link: Any, links: Any, border: Any, full: Any) -> Any:
    """Whether the giving side of a link has a beat."""
    if border[link] == LAST_IN:
        return links[link, OFFERED] == 1
    return full[links[link, GIVER]] == 1


@njit()
def _takes(
    a: Any, actors: Any, links: Any, rows: Any, starts: Any, links_in: Any, flags: Any,
    border: Any, full: Any, depths: Any,
) -> None:  # fmt: skip
    """Settle whether a `Program` fires, and the `ready` of its inputs."""
    i0, inputs = starts[a, 0], starts[a, 1]
    flag = rows[a, 3] + actors[a, STEP] * (inputs + starts[a, 3])
    for i in range(inputs):
        link = links_in[i0 + i]
        if flags[flag + i] == 0:
            continue
        stored = depths[link] > 0
        there = links[link, COUNT] > 0 if stored else _offers(link, links, border, full)
        if not there:
            actors[a, FIRES] = 0
    for i in range(inputs):
        links[links_in[i0 + i], READY] = flags[flag + i] * actors[a, FIRES]


@njit()
def _settle(
    actors: Any, links: Any, rows: Any, starts: Any, links_in: Any, links_out: Any, flags: Any,
    numbers: Any, border: Any, full: Any, depths: Any,
) -> None:  # fmt: skip
    """Find who moves and fires in this cycle: `ready` runs from the outputs to the inputs."""
    for a in range(len(rows) - 1, -1, -1):
        free = 1
        for o in range(starts[a, 2], starts[a, 2] + starts[a, 3]):
            link = links_out[o]
            if depths[link] == 0:
                wants = links[link, READY] == 1
            else:
                wants = links[link, COUNT] < depths[link]
            if full[o] and not wants:
                free = 0
        actors[a, MOVES] = actors[a, FIRES] = free
        if rows[a, 0] == 0:
            _takes(a, actors, links, rows, starts, links_in, flags, border, full, depths)
        else:
            kept = actors[a, WRITTEN] - actors[a, FREED]
            links[links_in[starts[a, 0]], READY] = kept < rows[a, 5]
            if actors[a, WRITTEN] < numbers[rows[a, 4] + 2 * actors[a, STEP]]:
                actors[a, FIRES] = 0


@njit()
def _pass(links: Any, border: Any, full: Any, depths: Any) -> Any:
    """Let beats pass the links; return whether any did."""
    moved = False
    for link in range(len(depths)):
        offered = _offers(link, links, border, full)
        ready = links[link, READY] == 1
        if depths[link] == 0:
            leaves = arrives = offered and ready
        else:
            leaves = offered and links[link, COUNT] < depths[link]
            arrives = ready and links[link, COUNT] > 0
            links[link, COUNT] += int(leaves) - int(arrives)
            links[link, FILLED] = max(links[link, FILLED], links[link, COUNT])
        links[link, LEAVES], links[link, ARRIVES] = leaves, arrives
        if border[link] == LAST_IN:
            links[link, PASSED] += leaves
            links[link, LATE] += int(offered) - int(leaves)
        elif border[link] == LAST_OUT:
            links[link, PASSED] += arrives
        moved = moved or leaves or arrives
    return moved


@njit()
def _give(
    a: Any, actors: Any, links: Any, rows: Any, starts: Any, links_out: Any, flags: Any,
    full: Any, pipe: Any,
) -> None:  # fmt: skip
    """Move an actor's pipeline, or only let go of what its readers took."""
    kind, latency, head, step = rows[a, 0], rows[a, 2], actors[a, HEAD], actors[a, STEP]
    first, width = starts[a, 2], starts[a, 1] + starts[a, 3]
    for o in range(first, first + starts[a, 3]):
        if actors[a, MOVES]:
            at = rows[a, 3] + step
            if kind == 0:
                at = rows[a, 3] + step * width + starts[a, 1] + o - first
            pipe[o, (head + latency - 1) % latency] = flags[at] * actors[a, FIRES]
            full[o] = pipe[o, head]
        elif links[links_out[o], LEAVES]:
            full[o] = 0
    if actors[a, MOVES]:
        actors[a, HEAD] = (head + 1) % latency


@njit()
def _clock(
    actors: Any, links: Any, rows: Any, starts: Any, links_in: Any, links_out: Any, flags: Any,
    numbers: Any, full: Any, pipe: Any, spans: Any, cycle: Any,
) -> Any:  # fmt: skip
    """Move pipelines and steps at the clock edge; return whether any step fired."""
    fired = False
    for a in range(len(rows)):
        kind, latency, step = rows[a, 0], rows[a, 2], actors[a, STEP]
        if kind == 1:
            actors[a, WRITTEN] += links[links_in[starts[a, 0]], ARRIVES]
        _give(a, actors, links, rows, starts, links_out, flags, full, pipe)
        if actors[a, FIRES]:
            fired = True
            if spans[a, 0] < 0:
                spans[a, 0] = cycle
            if spans[a, 2] == 0:
                spans[a, 1] = cycle + latency
            if kind == 1:
                actors[a, FREED] = numbers[rows[a, 4] + 2 * step + 1]
            actors[a, STEP] += 1
            if actors[a, STEP] == rows[a, 1]:
                actors[a, STEP] = 0
                spans[a, 2] += 1
                if kind == 1:
                    actors[a, WRITTEN] -= rows[a, 6]
                    actors[a, FREED] -= rows[a, 6]
    return fired


@njit()
def _ended(links: Any, border: Any, beats: Any, events: Any) -> Any:
    """Return the events whose results have all left."""
    least = events
    for link in range(len(border)):
        if border[link] == LAST_OUT:
            least = min(least, links[link, PASSED] // beats[link])
    return least


@njit(cache=True)
def run(
    rows: Any, starts: Any, links_in: Any, links_out: Any, flags: Any, numbers: Any,
    border: Any, beats: Any, depths: Any, events: Any, pace: Any, interval: Any,
) -> Any:  # fmt: skip
    """Run events through a network whose surroundings take a beat in every cycle.

    Beat k of event e is offered on an input from cycle `e * interval + k * pace` on: with zeros,
    one in every cycle.

    Returns:
        The cycle in which each event's last beat left, the one in which the first beat came in, the
        most beats in each FIFO, whether the network came to a stand; for each link the cycles in
        which a beat was offered from outside and not taken; and of the first event the cycle of
        each actor's first step and that of the last beat that it gives.
    """
    actors, links = np.zeros((len(rows), 6), np.int64), np.zeros((len(depths), 9), np.int64)
    spans = np.full((len(rows), 3), -1, np.int64)
    spans[:, 2] = 0
    longest = 1
    for a in range(len(rows)):
        longest = max(longest, rows[a, 2])
    pipe = np.zeros((len(links_out), longest), np.int64)  # valid bits on their way, rings
    full = np.zeros(len(links_out), np.int64)  # the output registers
    for o in range(len(links_out)):
        links[links_out[o], GIVER] = o
    for link in range(len(depths)):
        if border[link] == LAST_OUT:
            links[link, READY] = 1
    ended = np.full(events, -1, np.int64)
    first, cycle, idle, done = -1, 0, 0, 0
    while done < events and idle < 2 * longest + 8:
        waits = _due(links, border, beats, events, pace, interval, cycle)
        _settle(actors, links, rows, starts, links_in, links_out, flags, numbers, border, full,
                depths)  # fmt: skip
        passed = _pass(links, border, full, depths)
        fired = _clock(actors, links, rows, starts, links_in, links_out, flags, numbers, full, pipe,
                       spans, cycle)  # fmt: skip
        if first < 0:
            for link in range(len(depths)):
                if border[link] == LAST_IN and links[link, LEAVES]:
                    first = cycle
        idle = 0 if passed or fired or waits else idle + 1
        least = _ended(links, border, beats, events)
        ended[done:least] = cycle
        done = max(done, least)
        cycle += 1
    late = links[:, LATE].copy()
    return ended, first, links[:, FILLED].copy(), done < events, late, spans[:, :2].copy()
