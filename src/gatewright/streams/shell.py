"""The control of an actor: when a step fires, what stands still, what its output registers hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gatewright.hw import Module, Range
from gatewright.hw.enable import ENABLE, with_enable
from gatewright.num import Fixed, Intervals
from gatewright.streams.actor import Actor, Timing

BIT = Intervals.of([0], [1], 0)


@dataclass(eq=False)
class Shell:
    """An actor under construction.

    All its registers move only where `advance` is 1: that is while no output register holds a beat
    that its reader does not take in this cycle.

    Attributes:
        module: what is built.
        valid: of each input stream, whether a beat is there.
        data: of each input stream, the elements of the beat.
        advance: 1 where the pipeline moves on.
    """

    module: Module
    valid: dict[str, int] = field(default_factory=dict)
    data: dict[str, list[int]] = field(default_factory=dict)
    advance: int = -1
    _ready: dict[str, int] = field(default_factory=dict)
    _full: dict[str, int] = field(default_factory=dict)

    @classmethod
    def begin(
        cls,
        name: str,
        inputs: Mapping[str, Intervals],
        outputs: Sequence[str],
        origin: str = "",
        note: str = "",
    ) -> Shell:
        """Open an actor with these input streams (types of a beat) and output streams."""
        m = Module(name, origin, note)
        shell = cls(m)
        for stream, types in inputs.items():
            (shell.valid[stream],) = m.input(f"{stream}_valid", BIT)
            shell.data[stream] = m.input(stream, types)
        for stream in outputs:
            (shell._ready[stream],) = m.input(f"{stream}_ready", BIT)
        free = []
        for stream in outputs:
            full = shell._full[stream] = m.register((0, 1, 0), reset=0)
            m.label(full, f"{stream}_full")
            free.append(m.or_(m.not_(full), shell._ready[stream]))
        shell.advance = all_of(m, free)
        m.label(shell.advance, "advance")
        return shell

    def fire(self, takes: Mapping[str, int] | None = None) -> int:
        """Return the signal that marks a step; make the `ready` of each input.

        Args:
            takes: for each input, the signal that says whether this step takes a beat; by default
                every step takes one of each.
        """
        m = self.module
        wanted = {name: m.constant(1) for name in self.valid} | dict(takes or {})
        there = {name: m.or_(m.not_(wanted[name]), valid) for name, valid in self.valid.items()}
        for name in self.valid:
            others = [there[other] for other in self.valid if other != name]
            m.output(f"{name}_ready", [all_of(m, [self.advance, wanted[name], *others])])
        fired = all_of(m, [self.advance, *there.values()])
        m.label(fired, "fire")
        return fired

    def register(self, signal: int, enable: int | None = None, reset: int | None = None) -> int:
        """Return a signal one step of the pipeline later; constants need no register.

        Args:
            signal: what is kept.
            enable: in place of `advance`.
            reset: value after reset.
        """
        m = self.module
        if m.is_constant(signal) and reset in (None, m.lo[signal]):
            return signal
        lo, hi, frac = m.range(signal)
        if reset is not None:
            lo, hi = min(lo, reset), max(hi, reset)
        register = m.register((lo, hi, frac), reset)
        m.connect(register, signal, self.advance if enable is None else enable)
        return register

    def later(self, signal: int, cycles: int, reset: int | None = None) -> int:
        """Return a signal some steps of the pipeline later."""
        for _ in range(cycles):
            signal = self.register(signal, reset=reset)
        return signal

    def counter(self, count: int, enable: int, name: str = "") -> tuple[int, int]:
        """Return a counter from 0 to `count` - 1 that moves with `enable`, and its last state.

        Args:
            count: states; it starts anew behind the last one.
            enable: must imply `advance` where the count is used in the pipeline.
            name: of the register.
        """
        return counter(self.module, count, enable, name)

    def kernel(
        self, module: Module, feeds: Mapping[str, Sequence[int]], name: str = "u_kernel"
    ) -> dict[str, list[int]]:
        """Use a pipelined circuit without state; its registers move with `advance`.

        Its results come `module.latency` steps of the pipeline after its inputs.
        """
        inner = with_enable(module)
        ports = {ENABLE: [self.advance]} if ENABLE in inner.inputs else {}
        found = self.module.instance(inner, {**ports, **feeds}, name)
        self.module.latency = max(self.module.latency, module.latency)
        return found

    def finish(
        self, outputs: Mapping[str, tuple[int, Sequence[int]]], registered: bool = False
    ) -> Module:
        """Close the actor: put beats into the output registers.

        Args:
            outputs: of each output stream the signal that marks a beat and its elements, both in
                one step of the pipeline.
            registered: the elements stand in registers already, one step of the pipeline behind
                the mark, which move with steps alone.
        """
        m = self.module
        held: dict[int, int] = {}  # readers of the same beat share its registers
        for stream, (valid, data) in outputs.items():
            full = self._full[stream]
            kept = m.and_(full, m.not_(self._ready[stream]))
            m.connect(full, m.select(self.advance, valid, kept))
            m.output(f"{stream}_valid", [full])
            for s in data:
                if s not in held:
                    held[s] = s if registered else self.register(s)
            m.output(stream, [held[s] for s in data])
        return m

    def actor(self, timing: Timing, layer: str = "", note: str = "", name: str = "") -> Actor:
        """Return the finished actor."""
        # What the head of its file states: from a step to its beat, and the steps of an event.
        self.module.latency, self.module.interval = timing.latency, timing.steps
        inputs, outputs = tuple(self.valid), tuple(self._full)
        return Actor(name or self.module.name, self.module, inputs, outputs, timing, layer, note)


def all_of(m: Module, signals: Sequence[int]) -> int:
    """Return whether all of some bits are 1, by a tree: an actor may have dozens of streams."""
    return joined(signals or [m.constant(1)], m.and_)


def joined(signals: Sequence[int], join: Callable[[int, int], int]) -> int:
    """Return what a cell of two operands makes of some signals, one at least, as a tree."""
    level = list(signals)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[-1:] if len(level) % 2 else []
        level = [join(a, b) for a, b in pairs] + odd
    return level[0]


def counter(m: Module, count: int, enable: int, name: str = "") -> tuple[int, int]:
    """Return a counter from 0 to `count` - 1 that moves with `enable`, and its last state."""
    if count == 1:
        return m.constant(0), m.constant(1)
    state = m.register((0, count - 1, 0), reset=0)
    if name:
        m.label(state, name)
    last = m.equal(state, m.constant(count - 1))
    bits = Fixed.holding(0, count - 1, 0)
    following = m.wrap(m.add(state, m.constant(1)), bits)
    if count & (count - 1):
        following = m.select(last, m.constant(0), following, within=(0, count - 1))
    m.connect(state, following, enable)
    return state, last


def union(m: Module, signals: Sequence[int]) -> Range:
    """Return the range that holds every one of some signals, on the finest of their grids."""
    moving = [m.range(s) for s in signals if (m.lo[s], m.hi[s]) != (0, 0)]
    if not moving:
        return 0, 0, 0
    frac = max(f for _, _, f in moving)
    lows = [lo << (frac - f) for lo, _, f in moving]
    highs = [hi << (frac - f) for _, hi, f in moving]
    if len(moving) < len(signals):
        lows, highs = [*lows, 0], [*highs, 0]
    return min(lows), max(highs), frac


def constants(m: Module, values: Intervals | None, count: int) -> list[int]:
    """Return constants (lo = hi) as signals; `count` zeros where none are given."""
    if values is None:
        return [m.constant(0)] * count
    return [m.constant(int(q), int(f)) for q, f in zip(values.lo, values.frac, strict=True)]
