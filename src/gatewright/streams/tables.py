"""A network as flat arrays, as `run` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gatewright.num import Ints
from gatewright.streams import run
from gatewright.streams.actor import Buffered, Program
from gatewright.streams.network import OUTSIDE, Network

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class State:
    """Nodes, outputs and links in some cycle; see `run`."""

    nodes: Numbers
    outs: Numbers
    links: Numbers
    queue: Numbers


@dataclass(eq=False)
class Tables:
    """A network as flat arrays.

    Attributes:
        nodes, outs, links: the columns of `run` that no run changes; depths and paces left open.
        places: of all queues.
        flags, numbers, links_in: see `run`.
        actors: the nodes that are actors, in their order.
    """

    nodes: Numbers
    outs: Numbers
    links: Numbers
    places: int
    flags: NDArray[np.uint8]
    numbers: Numbers
    links_in: Numbers
    actors: slice

    @classmethod
    def of(cls, network: Network) -> Tables:
        """Lay out a network, whose depths do not matter."""
        return _Layout(network).tables()

    def start(self, depths: Sequence[int], paces: Sequence[int]) -> State:
        """Return the state before the first cycle."""
        nodes = np.zeros((len(self.nodes), run.LAST + 1), np.int64)
        nodes[:, : run.NODE_FACTS] = self.nodes
        nodes[:, run.FROZEN] = nodes[:, run.BEGUN] = nodes[:, run.LAST] = -1
        outs = np.zeros((len(self.outs), run.DUE + 1), np.int64)
        outs[:, : run.OUT_FACTS] = self.outs
        inputs = nodes[:, run.KIND] == run.SOURCE
        outs[:, run.DUE] = run.NEVER
        outs[nodes[inputs, run.OUT], run.DUE] = 0
        links = np.zeros((len(self.links), run.LATE + 1), np.int64)
        links[:, : run.LINK_FACTS] = self.links
        links[:, run.DEPTH], links[:, run.PACE] = depths, paces
        links[:, run.POPPED] = links[:, run.PUSHED] = links[:, run.TAKEN] = -1
        return State(nodes, outs, links, np.zeros(self.places, np.int64))


@dataclass(eq=False)
class _Layout:
    """The arrays of a network, in the making."""

    network: Network
    nodes: list[list[int]] = field(default_factory=list)
    outs: list[tuple[int, int, int]] = field(default_factory=list)
    links_in: list[int] = field(default_factory=list)
    flags: list[NDArray[np.uint8]] = field(default_factory=list)
    numbers: list[Ints] = field(default_factory=list)
    at_flag: int = 0
    at_number: int = 0
    places: int = 0

    def tables(self) -> Tables:
        """Return the arrays: inputs first, outputs last."""
        network, sides = self.network, {}
        for number, link in enumerate(network.links):
            sides["from", *link.source] = sides["to", *link.target] = number
        for name in network.inputs:
            self._node(run.SOURCE, [], [(sides["from", OUTSIDE, name], 1)])
        for number, actor in enumerate(network.actors):
            ins = [sides["to", number, name] for name in actor.inputs]
            kind = run.PROGRAM if isinstance(actor.timing, Program) else run.BUFFERED
            waits = _most_waiting(actor.timing)
            outs = [(sides["from", number, name], waits) for name in actor.outputs]
            self._node(kind, ins, outs, actor.timing)
        for name in network.outputs:
            self._node(run.SINK, [sides["to", OUTSIDE, name]], [])
        inside = slice(len(network.inputs), len(network.inputs) + len(network.actors))
        return Tables(
            np.asarray(self.nodes, np.int64).reshape(-1, run.NODE_FACTS),
            np.asarray(self.outs, np.int64).reshape(-1, run.OUT_FACTS),
            self._links(),
            self.places,
            np.concatenate([*self.flags, np.zeros(1, np.uint8)]),
            np.concatenate([*self.numbers, np.zeros(1, np.int64)]).astype(np.int64),
            np.asarray(self.links_in, np.int64),
            inside,
        )

    def _node(
        self, kind: int, ins: list[int], outs: list[tuple[int, int]],
        timing: Program | Buffered | None = None,
    ) -> None:  # fmt: skip
        """Add a node, its inputs, and its outputs with the beats that wait to be given."""
        steps = timing.steps if timing else 1
        latency = timing.latency if timing else 1
        keeps, beats = (timing.depth, timing.beats) if isinstance(timing, Buffered) else (0, 0)
        self.nodes.append([kind, steps, latency, self.at_flag, self.at_number, keeps, beats,
                           len(self.links_in), len(ins), len(self.outs), len(outs)])  # fmt: skip
        self.links_in += ins
        for link, waits in outs:
            places = 1 << waits.bit_length()
            self.outs.append((link, self.places, places - 1))
            self.places += places
        if isinstance(timing, Program):
            both = np.concatenate([timing.takes, timing.gives], axis=1)
            self.flags.append(both.astype(np.uint8).ravel())
            self.at_flag += both.size
        elif timing:
            self.flags.append(timing.gives.astype(np.uint8))
            self.numbers.append(np.stack([timing.need, timing.free], axis=1).ravel())
            self.at_flag += timing.steps
            self.at_number += 2 * timing.steps

    def _links(self) -> Numbers:
        """Return the links: between which nodes, of which output."""
        first, last = len(self.network.inputs), len(self.nodes) - len(self.network.outputs)
        inputs = {name: i for i, name in enumerate(self.network.inputs)}
        outputs = {name: last + i for i, name in enumerate(self.network.outputs)}
        number_of = {link: i for i, (link, _, _) in enumerate(self.outs)}
        rows = []
        for number, link in enumerate(self.network.links):
            (source, given), (target, taken) = link.source, link.target
            rows.append((
                inputs[given] if source == OUTSIDE else first + source,
                outputs[taken] if target == OUTSIDE else first + target,
                number_of[number],
                run.LAST_IN if source == OUTSIDE else run.LAST_OUT * (target == OUTSIDE),
                link.beats,
            ))  # fmt: skip
        return np.asarray(rows, np.int64).reshape(-1, run.LINK_FACTS)


def _most_waiting(timing: Program | Buffered) -> int:
    """Return how many beats of an output may have been fired and not been given.

    Steps that take nothing are fired together with the one before them, except the first and last.
    """
    if isinstance(timing, Buffered):
        return timing.latency + 1
    alone = {0, timing.steps - 1, *np.flatnonzero(timing.takes.any(axis=1)).tolist()}
    longest = int(np.diff(sorted(alone)).max(initial=1))
    return longest + timing.latency + 1
