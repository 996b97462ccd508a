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
STEP, WRITTEN, FREED, MOVES, FIRES, SLEEPS, AWAKE = range(7)
BITS = 62
"""Valid bits in a word of a pipeline."""
COUNT, FILLED, PASSED, READY, LEAVES, ARRIVES, GIVER, OFFERED, LATE, TAKER, SOURCE = range(11)


@njit(inline="always")
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


@njit(inline="always")
def _offers(link: Any, links: Any, border: Any, full: Any) -> Any:
    """Whether the giving side of a link has a beat."""
    if border[link] == LAST_IN:
        return links[link, OFFERED] == 1
    return full[links[link, GIVER]] == 1


@njit(inline="always")
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


@njit(inline="always")
def _settle(
    actors: Any, links: Any, rows: Any, starts: Any, links_in: Any, links_out: Any, flags: Any,
    numbers: Any, border: Any, full: Any, depths: Any,
) -> None:  # fmt: skip
    """Find who moves and fires in this cycle: `ready` runs from the outputs to the inputs."""
    for a in range(len(rows) - 1, -1, -1):
        if actors[a, SLEEPS]:
            continue  # nothing that it sees has changed
        free = 1
        for o in range(starts[a, 2], starts[a, 2] + starts[a, 3]):
            if full[o]:
                link = links_out[o]
                if depths[link] == 0:
                    free &= links[link, READY]
                else:
                    free &= int(links[link, COUNT] < depths[link])
        actors[a, MOVES] = actors[a, FIRES] = free
        if rows[a, 0] == 0:
            _takes(a, actors, links, rows, starts, links_in, flags, border, full, depths)
        else:
            kept = actors[a, WRITTEN] - actors[a, FREED]
            links[links_in[starts[a, 0]], READY] = kept < rows[a, 5]
            if actors[a, WRITTEN] < numbers[rows[a, 4] + 2 * actors[a, STEP]]:
                actors[a, FIRES] = 0


@njit(inline="always")
def _pass(actors: Any, links: Any, border: Any, full: Any, depths: Any) -> Any:
    """Let beats pass the links, and wake who sees it; return whether any did."""
    moved = False
    for link in range(len(depths)):
        offered = _offers(link, links, border, full)
        if not offered and links[link, COUNT] == 0:
            links[link, LEAVES] = links[link, ARRIVES] = 0
            continue
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
        if leaves or arrives:
            moved = True
            actors[links[link, TAKER], SLEEPS] = 0
            actors[links[link, SOURCE], SLEEPS] = 0
    return moved


@njit(inline="always")
def _give(
    a: Any, actors: Any, links: Any, rows: Any, starts: Any, links_out: Any, flags: Any,
    full: Any, pipe: Any, depths: Any,
) -> Any:  # fmt: skip
    """Move an actor's pipeline, or only let go of what its readers took.

    A pipeline is some words for each output, bit 0 of the first the beat that is next to be given.
    Return whether anything is in it or in the output registers, as far as that is looked at.
    """
    latency, step, busy = rows[a, 2], actors[a, STEP], False
    first, width = starts[a, 2], starts[a, 1] + starts[a, 3]
    at, stride = rows[a, 3] + step, 0
    if rows[a, 0] == 0:
        at, stride = rows[a, 3] + step * width + starts[a, 1], 1
    for o in range(first, first + starts[a, 3]):
        if actors[a, MOVES]:
            last = (latency - 1) // BITS
            pipe[o, last] |= (flags[at + (o - first) * stride] * actors[a, FIRES]) << (
                (latency - 1) % BITS
            )
            full[o] = pipe[o, 0] & 1
            for w in range(last + 1):
                pipe[o, w] = (pipe[o, w] >> 1) | ((pipe[o, w + 1] & 1) << (BITS - 1))
                busy = busy or pipe[o, w] != 0
            if full[o] and depths[links_out[o]] == 0:
                actors[links[links_out[o], TAKER], SLEEPS] = 0
        elif links[links_out[o], LEAVES]:
            full[o] = 0
        else:
            busy = True
        busy = busy or full[o] != 0
    return busy


@njit(inline="always")
def _clock(
    actors: Any, links: Any, rows: Any, starts: Any, links_in: Any, links_out: Any, flags: Any,
    numbers: Any, full: Any, pipe: Any, depths: Any, spans: Any, cycle: Any,
) -> Any:  # fmt: skip
    """Move pipelines and steps at the clock edge; return whether any step fired."""
    fired = False
    for a in range(len(rows)):
        if actors[a, SLEEPS]:
            continue
        kind, step = rows[a, 0], actors[a, STEP]
        if kind == 1:
            actors[a, WRITTEN] += links[links_in[starts[a, 0]], ARRIVES]
        busy = _give(a, actors, links, rows, starts, links_out, flags, full, pipe, depths)
        if actors[a, FIRES]:
            fired = True
            if spans[a, 0] < 0:
                spans[a, 0] = cycle
            if spans[a, 2] == 0:
                spans[a, 1] = cycle + rows[a, 2]
            if kind == 1:
                actors[a, FREED] = numbers[rows[a, 4] + 2 * step + 1]
            actors[a, STEP] += 1
            if actors[a, STEP] == rows[a, 1]:
                actors[a, STEP] = 0
                spans[a, 2] += 1
                if kind == 1:
                    actors[a, WRITTEN] -= rows[a, 6]
                    actors[a, FREED] -= rows[a, 6]
        elif not busy and actors[a, MOVES]:
            _rest(a, actors, links, rows, starts, links_in, full)
    return fired


@njit(inline="always")
def _rest(
    a: Any, actors: Any, links: Any, rows: Any, starts: Any, links_in: Any, full: Any
) -> None:
    """Let an actor sleep that waits for a beat, with nothing on its way, until a link moves."""
    stays = actors[a, AWAKE]
    for i in range(starts[a, 0], starts[a, 0] + starts[a, 1]):
        link = links_in[i]
        # What came in this very cycle it has to look at first.
        stays |= links[link, ARRIVES] | links[link, LEAVES] | full[links[link, GIVER]]
    if not stays:
        for i in range(starts[a, 0], starts[a, 0] + starts[a, 1]):
            if rows[a, 0] == 0:
                links[links_in[i], READY] = 0
        actors[a, SLEEPS] = 1


@njit(inline="always")
def _ended(links: Any, border: Any, beats: Any, events: Any) -> Any:
    """Return the events whose results have all left."""
    least = events
    for link in range(len(border)):
        if border[link] == LAST_OUT:
            least = min(least, links[link, PASSED] // beats[link])
    return least


@njit(inline="always")
def _state(rows: Any, starts: Any, links_in: Any, links_out: Any, border: Any, depths: Any) -> Any:
    """Return the states of actors and links: one actor more stands for the surroundings."""
    actors, links = np.zeros((len(rows) + 1, 7), np.int64), np.zeros((len(depths), 11), np.int64)
    links[:, TAKER] = links[:, SOURCE] = len(rows)
    links[:, GIVER] = len(links_out)
    for a in range(len(rows)):
        for i in range(starts[a, 0], starts[a, 0] + starts[a, 1]):
            links[links_in[i], TAKER] = a
            if border[links_in[i]] == LAST_IN:
                actors[a, AWAKE] = 1
        for o in range(starts[a, 2], starts[a, 2] + starts[a, 3]):
            links[links_out[o], SOURCE], links[links_out[o], GIVER] = a, o
    for link in range(len(depths)):
        if border[link] == LAST_OUT:
            links[link, READY] = 1
    return actors, links


@njit(cache=True)
def run(
    rows: Any, starts: Any, links_in: Any, links_out: Any, flags: Any, numbers: Any,
    border: Any, beats: Any, depths: Any, events: Any, pace: Any, interval: Any, deadlines: Any,
) -> Any:  # fmt: skip
    """Run events through a network whose surroundings take a beat in every cycle.

    Beat k of event e is offered on an input from cycle `e * interval + k * pace` on: with zeros,
    one in every cycle. The run ends early where an event takes longer than its deadline, in cycles
    from the one in which the first beat came in.

    Returns:
        The cycle in which each event's last beat left, the one in which the first beat came in, the
        most beats in each FIFO, whether the network came to a stand or was late; for each link the
        cycles in which a beat was offered from outside and not taken; and of the first event the
        cycle of each actor's first step and that of the last beat that it gives.
    """
    actors, links = _state(rows, starts, links_in, links_out, border, depths)
    spans = np.full((len(rows), 3), -1, np.int64)
    spans[:, 2] = 0
    longest = 1
    for a in range(len(rows)):
        longest = max(longest, rows[a, 2])
    # Valid bits on their way, and a word that stays empty.
    pipe = np.zeros((len(links_out), (longest - 1) // BITS + 2), np.int64)
    full = np.zeros(len(links_out) + 1, np.int64)  # the output registers
    ended = np.full(events, -1, np.int64)
    first, cycle, idle, done = -1, 0, 0, 0
    while done < events and idle < 2 * longest + 8:
        waits = _due(links, border, beats, events, pace, interval, cycle)
        _settle(actors, links, rows, starts, links_in, links_out, flags, numbers, border, full,
                depths)  # fmt: skip
        passed = _pass(actors, links, border, full, depths)
        fired = _clock(actors, links, rows, starts, links_in, links_out, flags, numbers, full, pipe,
                       depths, spans, cycle)  # fmt: skip
        if first < 0:
            for link in range(len(depths)):
                if border[link] == LAST_IN and links[link, LEAVES]:
                    first = cycle
        idle = 0 if passed or fired or waits else idle + 1
        least = _ended(links, border, beats, events)
        ended[done:least] = cycle
        done = max(done, least)
        cycle += 1
        if done < events and first >= 0 and cycle - first > deadlines[done]:
            break
    late = links[:, LATE].copy()
    return ended, first, links[:, FILLED].copy(), done < events, late, spans[:, :2].copy()
