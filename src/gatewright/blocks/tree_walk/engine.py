"""An engine that walks trees: in each lane a node a cycle, several trees in turn.

A sample's features stand in registers. A lane reads the node at which a walk stands, chooses the
feature that it asks for, compares, and knows the next node a few cycles later; meanwhile it goes
on with other trees. All trees take as many steps as the deepest, so that what happens in which
cycle is known beforehand. Behind the last step the leaves that all lanes reached are added up, and
one accumulator adds the sums of those trees that belong to the same outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewright.base import OptionError
from gatewright.blocks.tree_walk.kernel import step_kernel, sum_kernel
from gatewright.blocks.tree_walk.shape import WalkShape
from gatewright.blocks.tree_walk.store import Asked, Store
from gatewright.hw import Kind, Module, Table
from gatewright.num import Fixed, Intervals
from gatewright.streams import Program, Shell, Stream, Streams
from gatewright.streams.actor import Flags


def forest_walk(
    to: Streams, x: Stream, asked: Asked, shape: WalkShape, store: Store, memory: str
) -> Stream:
    """Return the stream of the sums of leaves, group by group.

    Args:
        to: the network under construction.
        x: samples, a beat each.
        asked: what nodes can ask of a sample.
        shape: of the engine.
        store: what holds nodes and leaves.
        memory: what holds them, as a plan says it.

    Raises:
        FormatError: a sum would not fit 62 bits.
        OptionError: the accumulator takes longer than a clock period.
    """
    engine = _Engine(to, x.types, asked, shape, store, memory)
    takes, gives = engine.steps(x.beats)
    note = f"walks down {shape.lanes} trees at once" if shape.lanes > 1 else "walks down a tree"
    actor = engine.shell.actor(
        Program(takes[:, None], gives[:, None], engine.latency), to.layer, note
    )
    return to.add(actor, [x], [(*x.shape[:-1], len(shape.slots) * shape.width)])[0]


class _Engine:
    """The engine's actor under construction."""

    def __init__(
        self, to: Streams, x: Intervals, asked: Asked, shape: WalkShape, store: Store, memory: str
    ) -> None:
        self.to, self.asked, self.shape, self.store = to, asked, shape, store
        self.stem = to.module_name(to.layer or to.name)
        self.shell = Shell.begin(self.stem, {"x": x}, ["y"], to.layer, "walks down trees")
        self.m = self.shell.module
        slow_nodes, slow_leaves = store.place(self.m, memory)
        # The address, the word; blocks are slow to read: theirs moves on by a register.
        self.front, self.behind = 2 + slow_nodes, 2 + slow_leaves
        self.codes = {i: code for i, code in enumerate(asked.absent) if code is not None}
        features = np.asarray(asked.features, np.int64)
        plain = Intervals(x.lo[features], x.hi[features], np.zeros_like(features))
        self.state_bits = shape.index_bits + shape.linked
        kernel = step_kernel(
            to.module_name(f"{self.stem}_step"), plain, list(self.codes), store.nodes,
            self.state_bits, shape.linked,
        )  # fmt: skip
        kernel.origin = to.layer
        self.kernel = to.finish(kernel)
        self.found = self.front + self.kernel.latency
        self.batches, self.turn = shape.turns(self.found + 1)
        self._sequence()
        self._sample()
        leaves = [self._lane(number) for number in range(shape.lanes)]
        self._sums(leaves)

    @property
    def sample_steps(self) -> int:
        """Steps of a sample."""
        return self.batches * self.shape.levels * self.turn

    def steps(self, samples: int) -> tuple[Flags, Flags]:
        """Return which steps take a beat, and which give one, (steps,) each."""
        takes, gives = (np.zeros(self.sample_steps, np.bool_) for _ in range(2))
        takes[0] = True
        for last in np.cumsum(self.shape.slots) - 1:
            batch, place = divmod(int(last), self.turn)
            gives[((batch + 1) * self.shape.levels - 1) * self.turn + place] = True
        return np.tile(takes, samples), np.tile(gives, samples)

    def _sequence(self) -> None:
        """Build the counters: which tree of a lane, which level, whether a sample is taken."""
        m, shell, shape = self.m, self.shell, self.shape
        taking = m.register((0, 1, 0), reset=1)
        m.label(taking, "taking")
        self.fired = shell.fire({"x": taking})
        self.taken = m.and_(self.fired, taking)
        slot, last_slot = shell.counter(self.turn, self.fired, "slot")
        level_ends = m.and_(self.fired, last_slot)
        level, self.at_leaf = shell.counter(shape.levels, level_ends, "level")
        batch_ends = m.and_(level_ends, self.at_leaf)
        _, last_batch = shell.counter(self.batches, batch_ends, "batch")
        m.connect(taking, m.and_(m.and_(last_slot, self.at_leaf), last_batch), self.fired)
        self.at_root = m.equal(level, m.constant(0))
        self.slot = slot
        if self.batches > 1:
            last = (self.batches - 1) * self.turn
            first = m.register((0, last, 0), reset=0)
            m.label(first, "first_tree")
            after = m.wrap(m.add(first, m.constant(self.turn)), Fixed.holding(0, last, 0))
            after = m.select(last_batch, m.constant(0), after, within=(0, last))
            m.connect(first, after, batch_ends)
            self.slot = m.add(first, slot)
        # A slot without a tree walks down the first one: nothing is made of what it finds.
        self.tree = self.slot
        if m.hi[self.slot] >= shape.trees:
            there = m.less(self.slot, m.constant(shape.trees))
            within = (0, shape.trees - 1)
            self.tree = m.select(there, self.slot, m.constant(0), within=within)
        m.label(self.tree, "tree")

    def _sample(self) -> None:
        """Keep the features from the cycle on in which the first step asks for them."""
        m, shell = self.m, self.shell
        taken = [shell.register(s, self.taken) for s in self._asked_for]
        enable = m.and_(shell.later(self.taken, self.front - 1, reset=0), shell.advance)
        self.x = []
        for i, s in enumerate(taken):
            kept = shell.register(m.shift(s, m.frac[s]), enable)
            m.label(kept, f"x_{i}")
            self.x.append(kept)
        self.absent = []
        for i, code in self.codes.items():
            is_code = m.equal(m.shift(taken[i], m.frac[taken[i]]), m.constant(code))
            self.absent.append(shell.register(is_code, enable))

    @property
    def _asked_for(self) -> list[int]:
        return [self.shell.data["x"][feature] for feature in self.asked.features]

    def _address(self, tree: int, at: int) -> int:
        """Return the word at which a walk stands."""
        m, bits = self.m, self.shape.index_bits
        if self.shape.linked:
            return at if m.hi[at] < 1 << bits else m.slice(at, 0, bits)
        if m.is_constant(tree):
            return at
        last = (m.hi[tree] << bits) + (1 << bits) - 1
        return m.row(Kind.CONCAT, (0, last, 0), tree, at)

    def _lane(self, number: int) -> list[int]:
        """Build a lane; return the numbers of the leaf that it reached, `_reached` steps later."""
        m, shell, shape = self.m, self.shell, self.shape
        root = self.tree if shape.linked else m.constant(1)
        at, loop = root, -1
        if shape.levels > 1:
            loop = m.register((0, (1 << self.state_bits) - 1, 0))
            m.label(loop, f"lane_{number}_at")
            at = m.select(self.at_root, root, loop)
        address = shell.register(self._address(self.tree, at))
        fields = self.store.node(number, address)
        words = [shell.later(s, self.front - 1) for s in fields]
        feeds = {
            "x": [s for s in self.x if not m.is_constant(s)],
            "absent": self.absent,
            "node": [w for w, moves in zip(words, self._moving, strict=True) if moves],
            "at": [shell.later(at, self.front)],
        }
        (after,) = shell.kernel(
            self.kernel, {port: feeds[port] for port in self.kernel.inputs}, f"u_lane_{number}"
        )["y"]
        if loop >= 0:
            m.connect(loop, shell.later(after, self.turn - self.found - 1), shell.advance)
        tree = shell.later(self.tree, self.found)
        leaf = shell.register(self._address(tree, after))
        return [shell.later(s, self.behind - 1) for s in self.store.leaf(number, leaf)]

    @property
    def _moving(self) -> list[bool]:
        """Which fields of a node are more than one number."""
        return [bool(v) for v in self.store.nodes.lo != self.store.nodes.hi]

    def _sums(self, leaves: Sequence[Sequence[int]]) -> None:
        """Add up leaves, and give what is whole."""
        m, shell = self.m, self.shell
        kernel = sum_kernel(
            self.to.module_name(f"{self.stem}_sum"), [m.intervals(words) for words in leaves]
        )
        kernel.origin = self.to.layer
        kernel = self.to.finish(kernel)
        feeds = {
            f"leaf_{i}": [s for s in words if not m.is_constant(s)]
            for i, words in enumerate(leaves)
        }
        totals = shell.kernel(kernel, {port: feeds[port] for port in kernel.inputs}, "u_sum")["y"]
        cycles = self.found + self.behind + kernel.latency
        marks, group = self._marks(cycles - 1)
        starts = [shell.register(s) for s in self.store.start(shell.register(group))]
        first, last = (shell.later(mark, 2) for mark in marks)
        done = shell.later(m.and_(self.fired, self.at_leaf), cycles + 1, reset=0)
        moves = m.and_(done, shell.advance)
        self.latency = cycles + 2
        given = [
            self._accumulator(i, shell.register(total), starts[i], first, moves)
            for i, total in enumerate(totals)
        ]
        shell.finish({"y": (m.and_(done, last), given)})

    def _marks(self, cycles: int) -> tuple[list[int], int]:
        """Return whether a tree is the first, and the last, of its group, and which group that is.

        Args:
            cycles: steps of the pipeline behind the last step of the tree.
        """
        ends = np.cumsum(self.shape.slots)
        words = np.zeros((self.shape.trees, 3), np.int64)
        words[ends - self.shape.slots, 0] = words[ends - 1, 1] = 1
        words[:, 2] = np.repeat(np.arange(len(ends)), self.shape.slots)
        slot, table = self.shell.later(self.slot, cycles), Table.of("groups", words)
        first, last, group = (self.m.table(slot, table, column) for column in range(3))
        return [first, last], group

    def _accumulator(self, i: int, total: int, start: int, first: int, moves: int) -> int:
        """Add a total to a sum; return the sum before its register, as whole sums have it."""
        m, bounds, frac = self.m, self.store.bounds, self.store.frac
        width = Fixed.holding(int(bounds.low[i]), int(bounds.high[i]), frac)
        register = m.register((width.low, width.high, frac))
        m.label(register, f"sum_{i}")
        loop = _adder(m, total, register, start, first, width)
        m.connect(register, loop, moves)
        self._check_loop(total, register, start, width)
        return m.wrap(loop, Fixed.holding(int(bounds.least[i]), int(bounds.most[i]), frac))

    def _check_loop(self, total: int, register: int, start: int, width: Fixed) -> None:
        """Refuse an accumulator whose adder takes longer than a period."""
        m = Module(f"{self.stem}_loop")
        ports = {"total": total, "sum": register, "start": start}
        own = [m.input(name, self.m.intervals([s]))[0] for name, s in ports.items()]
        (first,) = m.input("first", Intervals.of([0], [1], 0))
        m.output("y", [_adder(m, own[0], own[1], own[2], first, width)])
        if self.to.finish(m).latency:
            raise OptionError(
                "the sums of this forest are too slow for the clock",
                place=self.to.layer or self.to.name,
                found=f"sums of {width.width} bits",
                supported="an adder and a selection in one clock period",
                remedy="choose a slower clock, or quantize the leaves to fewer bits",
            )


def _adder(m: Module, total: int, register: int, start: int, first: int, width: Fixed) -> int:
    """Return a sum after a step: wrapped, since what is no leaf's may pass the adder, too."""
    return m.wrap(m.add(m.select(first, start, register), total), width)
