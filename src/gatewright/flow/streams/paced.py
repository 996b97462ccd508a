"""FIFOs at the inputs of a network whose beats come when they come."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.num import Ints
from gatewright.streams import OUTSIDE, Cycles, Network, simulate

EVENTS = 8
"""Events of a run at a pace, beside those that the network holds at once."""

ENDLESS = 1 << 40


def paced(network: Network, interval: int, latency: int) -> tuple[Network, Cycles, int]:
    """Return a network that takes the beats of events `interval` apart whenever they come.

    Where it is not ready at each of those cycles, a FIFO at the input holds what waits. An event
    that comes later than that only finds the FIFOs emptier: every cycle in which a beat is taken
    is a maximum of sums of cycles in which earlier ones came, so it moves by no more than these.
    """
    events = EVENTS + latency // interval
    while not _keeps_up(network, interval, events):
        interval += 1  # the interval of the last events of a run was shorter than it is for long
    inputs = [i for i, link in enumerate(network.links) if link.source[0] == OUTSIDE]
    depths = _opened(network)
    for number in inputs:
        depths[number] = _least_depth(network, depths, number, interval, events)
    while (late := _late(network, depths, interval, events)[inputs]).any():
        for number, cycles in zip(inputs, late.tolist(), strict=True):
            depths[number] += bool(cycles)
    network = network.with_depths(depths)
    return network, simulate(network, events=events, interval=interval), interval


def _keeps_up(network: Network, interval: int, events: int) -> bool:
    """Whether endless FIFOs at the inputs stop growing."""
    depths = _opened(network)
    few, many = (simulate(network, depths, n, interval) for n in (events, 3 * events))
    return bool((few.filled == many.filled).all())


def _opened(network: Network) -> list[int]:
    """Return the network's depths, with endless FIFOs at the inputs."""
    return [ENDLESS if li.source[0] == OUTSIDE else li.depth for li in network.links]


def _late(network: Network, depths: Sequence[int], interval: int, events: int) -> Ints:
    """Return for each link the cycles in which a beat came that could not be taken."""
    found = simulate(network, depths, 2 * events, interval)
    return found.late + int(found.locked)


def _least_depth(
    network: Network, depths: Sequence[int], number: int, interval: int, events: int
) -> int:
    """Return the least depth of one input's FIFO that takes every beat in its cycle."""

    def holds(depth: int) -> bool:
        tried = [depth if i == number else d for i, d in enumerate(depths)]
        return not _late(network, tried, interval, events)[number]

    low = high = network.depths[number]
    if holds(low):
        return low
    while not holds(high):
        low, high = high, 2 * high + 1
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
