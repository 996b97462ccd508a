"""Actors joined by links: what a stream design is made of, and its top module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gatewright.base import Namer
from gatewright.hw import Module
from gatewright.num import Intervals
from gatewright.streams.actor import Actor
from gatewright.streams.fifo import fifo
from gatewright.streams.registers import (
    ADDRESS,
    ANSWER,
    BITS,
    DATA,
    KNOWN,
    READ,
    WRITE,
    Registers,
    join_answers,
)
from gatewright.streams.shell import BIT

OUTSIDE = -1
"""Stands for the design's own ports in place of an actor's number."""


@dataclass(frozen=True, eq=False)
class Link:
    """A stream from one actor to another.

    Attributes:
        source: number of the giving actor and its output's name; (`OUTSIDE`, NAME) for an input of
            the design.
        target: the same of the taking actor; (`OUTSIDE`, NAME) for an output of the design.
        types: of a beat's elements at the giving side.
        beats: of an event.
        depth: of the FIFO in between; 0 for none, so that `ready` runs through.
    """

    source: tuple[int, str]
    target: tuple[int, str]
    types: Intervals
    beats: int
    depth: int = 0

    @property
    def bits(self) -> int:
        """Width of a beat."""
        return int(self.types.width.sum())

    @property
    def is_backward(self) -> bool:
        """Whether it closes a loop: its FIFO then breaks the path of `ready`, and is never a wire.

        All other links run from an actor to one with a larger number.
        """
        return OUTSIDE not in (self.source[0], self.target[0]) and self.source[0] >= self.target[0]


@dataclass(frozen=True, eq=False)
class Network:
    """Actors in an order of computation, and their links.

    Links run from an actor to a later one, but for those that close loops (`Link.is_backward`).

    Attributes:
        name: of the top module.
        actors: what computes.
        links: every output and input of every actor is in exactly one.
        inputs, outputs: names of the design's streams.
        registers: what the bus of weights writes; the top has its ports if there are any.
    """

    name: str
    actors: tuple[Actor, ...]
    links: tuple[Link, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    origin: str = ""
    registers: tuple[Registers, ...] = ()

    def with_depths(self, depths: Sequence[int]) -> Network:
        """Return the network with other FIFOs, a depth for each link."""
        links = (replace(link, depth=d) for link, d in zip(self.links, depths, strict=True))
        return replace(self, links=tuple(links))

    @property
    def depths(self) -> list[int]:
        """The depth of each link's FIFO."""
        return [link.depth for link in self.links]


def assemble(network: Network, latency: int, interval: int) -> Module:
    """Return the top module: an instance for each actor and each FIFO.

    Args:
        network: with the depths of its FIFOs.
        latency: in cycles, from `cycles`.
        interval: likewise.
    """
    top = Module(network.name, network.origin, "stream design", is_network=True)
    top.latency, top.interval = latency, interval
    feeds: list[tuple[int, str, list[int]]] = []
    signals: dict[tuple[int, str, str], list[int]] = {}  # (actor, stream, valid | data | ready)
    for name in network.inputs:
        link = next(li for li in network.links if li.source == (OUTSIDE, name))
        signals[OUTSIDE, name, "valid"] = top.input(f"{name}_valid", BIT)
        signals[OUTSIDE, name, "data"] = top.input(name, link.types)
    for name in network.outputs:
        signals[OUTSIDE, name, "ready"] = top.input(f"{name}_ready", BIT)
    bus = _bus(top, network.registers)
    namer = Namer()
    answers: list[dict[str, list[int]]] = []
    for number, actor in enumerate(network.actors):
        feeds += [(number, port, bus[port]) for port in bus if port in actor.module.inputs]
        found = top.place(actor.module, namer.name(f"u_{actor.name}", "u_actor"))
        if ANSWER in found:
            answers.append(found)
        for stream in actor.outputs:
            signals[number, stream, "valid"] = found[f"{stream}_valid"]
            signals[number, stream, "data"] = found[stream]
        for stream in actor.inputs:
            signals[number, stream, "ready"] = found[f"{stream}_ready"]
    shared: dict[object, Module] = {}
    for link in network.links:
        _join(top, link, signals, feeds, shared, namer, _link_name(network, link))
    if answers:
        _join_answers(top, answers, feeds, namer)
    for number, port, feed in feeds:
        top.join(number, port, feed)
    for name in network.inputs:
        top.output(f"{name}_ready", signals[OUTSIDE, name, "accepted"])
    for name in network.outputs:
        top.output(f"{name}_valid", signals[OUTSIDE, name, "given"])
        top.output(name, signals[OUTSIDE, name, "result"])
    return top


def _bus(top: Module, registers: Sequence[Registers]) -> dict[str, list[int]]:
    """Add the ports of the bus of weights, its address as wide as what stands there."""
    if not registers:
        return {}
    last = max(r.base + r.words for r in registers) - 1
    return {
        WRITE: top.input(WRITE, BIT),
        READ: top.input(READ, BIT),
        ADDRESS: top.input(ADDRESS, Intervals.of([0], [last], 0)),
        DATA: top.input(DATA, Intervals.of([0], [(1 << BITS) - 1], 0)),
    }


def _join_answers(
    top: Module,
    answers: Sequence[dict[str, list[int]]],
    feeds: list[tuple[int, str, list[int]]],
    namer: Namer,
) -> None:
    """Place what joins the answers on the bus of weights, and add its ports."""
    number = len(top.instances)
    found = top.place(join_answers(len(answers)), namer.name("u_register_answers"))
    for name in (ANSWER, KNOWN):
        feeds += [(number, f"{name}_{i}", given[name]) for i, given in enumerate(answers)]
        top.output(name, found[name])


def _link_name(network: Network, link: Link) -> str:
    number, stream = link.target
    owner = "" if number == OUTSIDE else network.actors[number].name
    return "_".join(part for part in ("fifo", owner, stream) if part)


def _join(
    top: Module,
    link: Link,
    signals: dict[tuple[int, str, str], list[int]],
    feeds: list[tuple[int, str, list[int]]],
    shared: dict[object, Module],
    namer: Namer,
    name: str,
) -> None:
    """Place a link's FIFO, if it has one, and note what feeds which port."""
    valid, data = signals[(*link.source, "valid")], signals[(*link.source, "data")]
    ready = signals[(*link.target, "ready")]
    if link.depth:
        types = link.types
        key = (link.depth, types.lo.tobytes(), types.hi.tobytes(), types.frac.tobytes())
        if key not in shared:
            shared[key] = fifo(name, types, link.depth)
        number = len(top.instances)
        found = top.place(shared[key], namer.name(f"u_{name}"))
        feeds += [(number, "x_valid", valid), (number, "x", data), (number, "y_ready", ready)]
        valid, data, ready = found["y_valid"], found["y"], found["x_ready"]
    source, stream = link.source
    if source == OUTSIDE:
        signals[OUTSIDE, stream, "accepted"] = ready
    else:
        feeds.append((source, f"{stream}_ready", ready))
    target, stream = link.target
    if target == OUTSIDE:
        signals[OUTSIDE, stream, "given"] = valid
        signals[OUTSIDE, stream, "result"] = data
    else:
        feeds += [(target, f"{stream}_valid", valid), (target, stream, data)]
