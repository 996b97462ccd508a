"""The cycle-level model of a network, compiled: valid bits, steps and counts, no data.

Only nodes are looked at that something can happen to: a node says in which cycle it can next give a
beat or fire, and beats that come or leave on its links may call it earlier. In each cycle nodes are
looked at once, from the outputs to the inputs, as `ready` runs: a node sees of its readers what
they do in this cycle, and of its sources what stood there when the cycle began. Looking at a node
to which nothing happens changes nothing, so calls may be too many but never too few.

An actor's registers stand still together, so its own time counts only the cycles in which they
move. A step fired at one tick of that time gives its beat at another, `latency` later, whatever
happens in between, and the steps after it that take nothing fire at the ticks that follow.

Nodes are the inputs of the network (`SOURCE`), its actors in their order, and its outputs (`SINK`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

NEVER = 1 << 60
PROGRAM, BUFFERED, SOURCE, SINK = range(4)
NODES = 17
(
    KIND, STEPS, LATENCY, FLAG, NUMBER, KEEPS, BEATS, IN, INS, OUT, OUTS,
    WAKE, STEP, NEXT, BEHIND, FROZEN, WRITTEN, FREED, EVENTS, BEGUN, LAST,
) = range(21)  # fmt: skip
"""Columns of nodes. First what stays: kind, steps of an event, latency, where flags and numbers
begin, beats that a memory keeps, beats of an event on a memory's input, where inputs and outputs
begin, and how many. Then the state: cycle to look at it next, step, tick at which it may fire,
cycles that its time is behind, cycle since which it stands still or -1, beats written and let go
of, events whose steps are done, cycle of the first step and of the last beat of the first event."""
NODE_FACTS = 11
LINK, SLOT, MASK, GIVEN, PUT, DUE = range(6)
"""Columns of outputs: link, first place of the queue of ticks at which beats are given, its places
less one, beats given and fired so far, cycle in which the next beat is (or was first) valid."""
OUT_FACTS = 3
(
    GIVER, TAKER, OUTPUT, BORDER, FRAME,
    DEPTH, PACE, COUNT, FILLED, POPPED, PUSHED, TAKEN, PASSED, LATE,
) = range(14)  # fmt: skip
"""Columns of links: nodes, the giver's output, whether it comes from outside or goes there, beats
of an event, depth, cycles between beats from outside; then beats held, most of them, the last cycle
in which one left the FIFO, the last in which one entered it, the last in which the reader took one
without a FIFO, and for links of the surroundings beats that passed and cycles in which one was not
taken."""
LINK_FACTS = 5
INSIDE, LAST_IN, LAST_OUT = range(3)


def _jit(**options: Any) -> Callable[[Function], Function]:
    """Compile without counting references to arrays, which would take most of the time.

    Nothing here allocates, so nothing is there to be counted. The option is not in numba's stubs.
    """
    with_options: Any = njit
    return cast(Callable[[Function], Function], with_options(_nrt=False, **options))


@_jit(inline="always")
def _call(node: Any, cycle: Any, nodes: Any, soon: Any) -> None:
    """Have a node looked at in a cycle to come."""
    if cycle < nodes[node, WAKE]:
        nodes[node, WAKE] = cycle
        soon[0] = min(soon[0], cycle)


@_jit(inline="always")
def _there(link: Any, cycle: Any, outs: Any, links: Any) -> Any:
    """Whether a link has a beat for its reader in this cycle."""
    if links[link, DEPTH] == 0:
        return outs[links[link, OUTPUT], DUE] <= cycle
    # On a link that runs backwards the giver has been looked at before: what it gave comes later.
    return links[link, COUNT] > int(links[link, PUSHED] == cycle)


@_jit(inline="always")
def _take(link: Any, cycle: Any, nodes: Any, links: Any, soon: Any) -> None:
    """Take the beat that is there."""
    giver = links[link, GIVER]
    if links[link, DEPTH] == 0:
        links[link, TAKEN] = cycle
        nodes[giver, WAKE] = cycle  # its turn is yet to come in this cycle
    else:
        if links[link, COUNT] == links[link, DEPTH]:
            _call(giver, cycle + 1, nodes, soon)
        links[link, COUNT] -= 1
        links[link, POPPED] = cycle


@_jit(inline="always")
def _leaves(link: Any, cycle: Any, nodes: Any, links: Any, soon: Any) -> Any:
    """Whether a valid beat leaves its output in this cycle; a FIFO has it then."""
    if links[link, DEPTH] == 0:
        return links[link, TAKEN] == cycle
    held = links[link, COUNT]
    if held + int(links[link, POPPED] == cycle) >= links[link, DEPTH]:
        return False
    links[link, COUNT], links[link, PUSHED] = held + 1, cycle
    links[link, FILLED] = max(links[link, FILLED], held + 1)
    if held == 0:
        _call(links[link, TAKER], cycle + 1, nodes, soon)
    return True


@_jit(inline="always")
def _give(a: Any, cycle: Any, nodes: Any, outs: Any, links: Any, soon: Any) -> Any:
    """Let go of beats that leave; return whether the actor moves, and when to look again if not."""
    moves, again = True, NEVER
    for o in range(nodes[a, OUT], nodes[a, OUT] + nodes[a, OUTS]):
        if outs[o, DUE] <= cycle:
            link = outs[o, LINK]
            if _leaves(link, cycle, nodes, links, soon):
                outs[o, GIVEN] += 1
                outs[o, DUE] = NEVER
            else:
                moves = False
                if links[link, COUNT] < links[link, DEPTH]:  # a beat leaves in this very cycle
                    again = cycle + 1
    if moves:
        if nodes[a, FROZEN] >= 0:
            nodes[a, BEHIND] += cycle - nodes[a, FROZEN]
            nodes[a, FROZEN] = -1
    elif nodes[a, FROZEN] < 0:
        nodes[a, FROZEN] = cycle
        for o in range(nodes[a, OUT], nodes[a, OUT] + nodes[a, OUTS]):
            if outs[o, DUE] > cycle:
                outs[o, DUE] = NEVER
    return moves, again


@_jit(inline="always")
def _dues(a: Any, nodes: Any, outs: Any, links: Any, queue: Any, soon: Any) -> Any:
    """Settle when an actor that moves gives its next beats; return the cycle of the first."""
    wake = NEVER
    for o in range(nodes[a, OUT], nodes[a, OUT] + nodes[a, OUTS]):
        if outs[o, DUE] == NEVER and outs[o, GIVEN] < outs[o, PUT]:
            due = queue[outs[o, SLOT] + (outs[o, GIVEN] & outs[o, MASK])] + nodes[a, BEHIND]
            outs[o, DUE] = due
            link = outs[o, LINK]
            if links[link, DEPTH] == 0:
                _call(links[link, TAKER], due, nodes, soon)
        wake = min(wake, outs[o, DUE])
    return wake


@_jit(inline="always")
def _fired(a: Any, cycle: Any, nodes: Any) -> None:
    """Note the first step of the first event, and its last beat."""
    if nodes[a, BEGUN] < 0:
        nodes[a, BEGUN] = cycle
    if nodes[a, EVENTS] == 0:
        nodes[a, LAST] = cycle + nodes[a, LATENCY]


@_jit(inline="always")
def _fire(
    a: Any, cycle: Any, nodes: Any, outs: Any, links: Any, queue: Any, flags: Any, links_in: Any,
    soon: Any,
) -> None:  # fmt: skip
    """Fire a step of a `Program`, and plan those after it that take nothing.

    The first and the last step of an event are fired by themselves, to be noted.
    """
    inputs, outputs = nodes[a, INS], nodes[a, OUTS]
    width, first, step = inputs + outputs, nodes[a, OUT], nodes[a, STEP]
    at = nodes[a, FLAG] + step * width
    for i in range(inputs):
        if flags[at + i]:
            _take(links_in[nodes[a, IN] + i], cycle, nodes, links, soon)
    _fired(a, cycle, nodes)
    tick, last = cycle - nodes[a, BEHIND], nodes[a, STEPS] - 1
    goes_on = True
    while goes_on:
        for o in range(outputs):
            if flags[at + inputs + o]:
                out = first + o
                queue[outs[out, SLOT] + (outs[out, PUT] & outs[out, MASK])] = (
                    tick + nodes[a, LATENCY]
                )
                outs[out, PUT] += 1
        tick += 1
        if step == last:
            step = 0
            nodes[a, EVENTS] += 1
            break
        step += 1
        at += width
        goes_on = step < last
        for i in range(inputs):
            if flags[at + i]:
                goes_on = False
    nodes[a, STEP], nodes[a, NEXT] = step, tick


@_jit(inline="always")
def _program(
    a: Any, cycle: Any, nodes: Any, outs: Any, links: Any, queue: Any, flags: Any, links_in: Any,
    soon: Any,
) -> Any:  # fmt: skip
    """Look at a `Program`; return the cycle in which to look again."""
    moves, again = _give(a, cycle, nodes, outs, links, soon)
    if not moves:
        return again
    first, inputs, width = nodes[a, IN], nodes[a, INS], nodes[a, INS] + nodes[a, OUTS]
    if cycle - nodes[a, BEHIND] >= nodes[a, NEXT]:
        at, there = nodes[a, FLAG] + nodes[a, STEP] * width, True
        for i in range(inputs):
            if flags[at + i] and not _there(links_in[first + i], cycle, outs, links):
                there = False
        if there:
            _fire(a, cycle, nodes, outs, links, queue, flags, links_in, soon)
    wake = max(nodes[a, NEXT] + nodes[a, BEHIND], cycle + 1)
    at = nodes[a, FLAG] + nodes[a, STEP] * width
    for i in range(inputs):
        link = links_in[first + i]
        if flags[at + i] == 0:
            continue
        if links[link, DEPTH]:
            if links[link, COUNT] == 0:
                wake = NEVER  # the next beat will call
        elif links[link, TAKEN] == cycle:
            wake = NEVER  # likewise: its giver's turn is yet to come
        else:
            wake = max(wake, outs[links[link, OUTPUT], DUE])
    return min(wake, _dues(a, nodes, outs, links, queue, soon))


@_jit(inline="always")
def _buffered(
    a: Any, cycle: Any, nodes: Any, outs: Any, links: Any, queue: Any, flags: Any, numbers: Any,
    links_in: Any, soon: Any,
) -> Any:  # fmt: skip
    """Look at a `Buffered`; return the cycle in which to look again."""
    moves, wake = _give(a, cycle, nodes, outs, links, soon)
    link, written = links_in[nodes[a, IN]], nodes[a, WRITTEN]
    room = written - nodes[a, FREED] < nodes[a, KEEPS]
    if moves and written >= numbers[nodes[a, NUMBER] + 2 * nodes[a, STEP]]:
        step, o = nodes[a, STEP], nodes[a, OUT]
        _fired(a, cycle, nodes)
        if flags[nodes[a, FLAG] + step]:
            queue[outs[o, SLOT] + (outs[o, PUT] & outs[o, MASK])] = (
                cycle - nodes[a, BEHIND] + nodes[a, LATENCY]
            )
            outs[o, PUT] += 1
        nodes[a, FREED] = numbers[nodes[a, NUMBER] + 2 * step + 1]
        nodes[a, STEP] += 1
        if nodes[a, STEP] == nodes[a, STEPS]:
            nodes[a, STEP] = 0
            nodes[a, EVENTS] += 1
            nodes[a, WRITTEN] -= nodes[a, BEATS]
            nodes[a, FREED] -= nodes[a, BEATS]
    if room and _there(link, cycle, outs, links):
        _take(link, cycle, nodes, links, soon)
        nodes[a, WRITTEN] += 1
    if moves:
        wake = _dues(a, nodes, outs, links, queue, soon)
        if nodes[a, WRITTEN] >= numbers[nodes[a, NUMBER] + 2 * nodes[a, STEP]]:
            return cycle + 1
    if nodes[a, WRITTEN] - nodes[a, FREED] < nodes[a, KEEPS]:
        if links[link, DEPTH]:
            if links[link, COUNT]:
                wake = cycle + 1
        elif links[link, TAKEN] != cycle:
            wake = min(wake, max(outs[links[link, OUTPUT], DUE], cycle + 1))
    return wake


@_jit(inline="always")
def _source(
    a: Any, cycle: Any, nodes: Any, outs: Any, links: Any, soon: Any, events: Any, interval: Any
) -> Any:
    """Look at an input: beat k of event e is offered from `e * interval + k * pace` on."""
    o = nodes[a, OUT]
    link = outs[o, LINK]
    if outs[o, DUE] <= cycle:
        if not _leaves(link, cycle, nodes, links, soon):
            return cycle + 1 if links[link, COUNT] < links[link, DEPTH] else NEVER
        links[link, PASSED] += 1
        links[link, LATE] += cycle - outs[o, DUE]
        number, frame = links[link, PASSED], links[link, FRAME]
        outs[o, DUE] = NEVER
        if number < frame * events:
            due = number // frame * interval + number % frame * links[link, PACE]
            outs[o, DUE] = max(due, cycle + 1)
            if links[link, DEPTH] == 0:
                _call(links[link, TAKER], outs[o, DUE], nodes, soon)
    return outs[o, DUE]


@_jit(inline="always")
def _sink(a: Any, cycle: Any, nodes: Any, outs: Any, links: Any, links_in: Any, soon: Any) -> Any:
    """Look at an output, which takes a beat in every cycle."""
    link = links_in[nodes[a, IN]]
    if _there(link, cycle, outs, links):
        _take(link, cycle, nodes, links, soon)
        links[link, PASSED] += 1
        return cycle + 1 if links[link, COUNT] else NEVER
    return NEVER if links[link, DEPTH] else outs[links[link, OUTPUT], DUE]


@_jit(inline="always")
def _ended(links: Any, events: Any) -> Any:
    """Return the events whose results have all left."""
    least = events
    for link in range(len(links)):
        if links[link, BORDER] == LAST_OUT:
            least = min(least, links[link, PASSED] // links[link, FRAME])
    return least


@_jit(cache=True)
def run(
    nodes: Any, outs: Any, links: Any, queue: Any, flags: Any, numbers: Any, links_in: Any,
    interval: Any, deadlines: Any, ended: Any, soon: Any,
) -> Any:  # fmt: skip
    """Run events through a network whose surroundings take a beat in every cycle.

    The run ends early where an event takes longer than its deadline, in cycles from the one in
    which the first beat came in.

    Args:
        nodes: as `tables` lays them out, in their first state; changed.
        outs: likewise.
        links: likewise.
        queue: likewise.
        flags: what each step of a `Program` takes and gives; whether each of a `Buffered` gives.
        numbers: pairs of `need` and `free`.
        links_in: the links of nodes' inputs.
        interval: cycles between events on the inputs; 0 offers a beat in every cycle.
        deadlines: one for each event.
        ended: likewise, set to the cycle in which the event's last beat left.
        soon: one place, for the next cycle in which anything can happen.

    Returns:
        The cycle in which the first beat came in, and whether the network came to a stand or was
        late.
    """
    events = len(ended)
    soon[0] = 0
    first, done, cycle = -1, 0, 0
    while done < events and soon[0] < NEVER:
        if first >= 0 and soon[0] - first > deadlines[done]:
            break
        cycle, soon[0] = soon[0], NEVER
        ends = False
        for a in range(len(nodes) - 1, -1, -1):
            wake = nodes[a, WAKE]
            if wake <= cycle:
                kind = nodes[a, KIND]
                if kind == PROGRAM:
                    wake = _program(a, cycle, nodes, outs, links, queue, flags, links_in, soon)
                elif kind == BUFFERED:
                    wake = _buffered(a, cycle, nodes, outs, links, queue, flags, numbers, links_in,
                                     soon)  # fmt: skip
                elif kind == SOURCE:
                    given = outs[nodes[a, OUT], DUE]
                    wake = _source(a, cycle, nodes, outs, links, soon, events, interval)
                    if first < 0 and given != outs[nodes[a, OUT], DUE]:
                        first = cycle
                else:
                    wake = _sink(a, cycle, nodes, outs, links, links_in, soon)
                    ends = True
                nodes[a, WAKE] = wake
            soon[0] = min(soon[0], wake)
        if ends:
            least = _ended(links, events)
            ended[done:least] = cycle
            done = max(done, least)
    for link in range(len(links)):
        if links[link, BORDER] == LAST_IN:  # offered, and not taken until now
            links[link, LATE] += max(cycle + 1 - outs[links[link, OUTPUT], DUE], 0)
    return first, done < events
