"""Plan a stream design: how many elements of each tensor travel at once, and what is folded.

All operations get the same time, the target interval T in cycles. An operation with L rows either
has its constants in its circuit and works on ceil(L / T) rows at once, or is a product folded onto
S x P multipliers with weights from a memory, so that L * (n_in / S) * (n_out / P) <= T. Which of
the two costs less decides. Neighbours that give and take at one rate need nothing in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil, gcd, prod

from gatewright.arch.devices import Device
from gatewright.arch.stream_cost import Cost, folded_cost, parallel_cost, wants_dsp
from gatewright.base import OptionError
from gatewright.ir import Graph, Node, Plan, infer
from gatewright.num import Intervals
from gatewright.ops import Dense, GroupedDense, Windows
from gatewright.passes.streams import Loop, roll
from gatewright.passes.streams.slabs import slabs

LEAST_CELL = 4
"""Cycles that a recurrent cell takes at least, for what is not known before it is built."""

WHOLE_INPUT = 1024
"""Bits up to which an input comes in one beat, unless its pixels or steps come one by one."""


@dataclass(frozen=True)
class StreamChoice:
    """What was planned for one operation, and why.

    Attributes:
        steps: of one event.
        multipliers: that a folded product has.
        cost: estimated.
    """

    node: str
    layer: str
    plan: Plan
    steps: int
    multipliers: int
    cost: Cost
    reason: str


@dataclass(frozen=True)
class StreamPlan:
    """Plans by the name of a node or input, and the table of choices.

    Attributes:
        interval: cycles that every operation was given.
    """

    interval: int
    plans: dict[str, Plan]
    choices: tuple[StreamChoice, ...]

    @property
    def cost(self) -> Cost:
        """Estimated, of all operations."""
        return sum((choice.cost for choice in self.choices), Cost())


def plan_streams(
    graph: Graph,
    interval: int,
    device: Device,
    most_blocks: int | None = None,
    given: Mapping[str, Plan] | None = None,
    tail: int | None = None,
) -> StreamPlan:
    """Plan every operation for a target interval.

    Args:
        graph: quantized.
        interval: cycles between events that is aimed at.
        device: whose DSP blocks products may use.
        most_blocks: DSP blocks that may be used; None: what the device has.
        given: plans that are fixed, by node or input.
        tail: cycles that an operation may take for what is first along the first axis, or for a
            tensor of one axis, where that is less: it begins on the last of them when all else is
            done, so that time adds to the latency.

    Raises:
        OptionError: the interval is below 1, or a plan is given for what the graph does not have.
    """
    if interval < 1:
        raise OptionError("the interval is impossible", found=interval, supported="1 and above")
    graph = roll(graph)
    known = {node.name for node in graph.nodes} | {i.name for i in graph.inputs}
    for name in given or {}:
        if name not in known:
            raise OptionError(
                "the plan names an operation that the model does not have",
                found=name,
                supported=", ".join(sorted(known)),
            )
    most = device.dsp if most_blocks is None else most_blocks
    block = device.block if device.dsp else None
    fixed = {name: replace(plan, block=block) for name, plan in (given or {}).items()}
    return _Planner(graph, interval, device, most, fixed, interval if tail is None else tail).run()


@dataclass(eq=False)
class _Planner:
    graph: Graph
    interval: int
    device: Device
    most_blocks: int
    given: dict[str, Plan]
    tail: int
    types: Mapping[str, Intervals] = field(init=False)
    readers: Mapping[str, list[Node]] = field(init=False)
    plans: dict[str, Plan] = field(default_factory=dict)
    choices: list[StreamChoice] = field(default_factory=list)
    nodes: dict[str, Node] = field(init=False)
    blocks: int = 0
    comes_late: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.types, self.readers = infer(self.graph), self.graph.readers()
        self.nodes = {node.name: node for node in self.graph.nodes}

    def run(self) -> StreamPlan:
        """Plan inputs, then operations in order."""
        for i in self.graph.inputs:
            self.plans[i.name] = self.given.get(i.name) or Plan(beat=self._input_beat(i.name))
        folded = {n.name: self._product(n) for n in self.graph.nodes if self._is_product(n)}
        for node in self.graph.nodes:
            if node.name in folded:
                self._choose(node, *folded[node.name])
            elif isinstance(node.op, Windows):
                self._windows(node, folded)
            elif isinstance(node.op, Loop):
                self._loop(node, node.op)
            else:
                self._other(node)
        return StreamPlan(self.interval, self.plans, tuple(self.choices))

    def _choose(self, node: Node, plan: Plan, cost: Cost, multipliers: int, reason: str) -> None:
        if node.name in self.given:
            plan, reason = self.given[node.name], "as asked"
        self.plans[node.name] = plan
        steps = ceil(self.types[node.name].size / max(plan.beat, 1))
        if plan.taken:
            steps *= ceil(self.types[node.inputs[0]].shape[-1] / plan.taken)
        self.choices.append(
            StreamChoice(node.name, node.layer, plan, steps, multipliers, cost, reason)
        )

    # ---- inputs

    def _input_beat(self, name: str) -> int:
        kind = self.types[name]
        spatial = any(isinstance(reader.op, Windows) for reader in self._behind(name))
        spatial |= self.interval >= (kind.shape or (1,))[0] and self._steps_through(name)
        if int(kind.width.sum()) <= WHOLE_INPUT and not spatial:
            return int(kind.size)
        return self._least_beat(kind.shape)

    def _behind(self, name: str) -> Iterable[Node]:
        """Return the readers of a value, through paddings."""
        for reader in self.readers[name]:
            yield reader
            if reader.op.wiring and not isinstance(reader.op, Windows):
                yield from self._behind(reader.name)

    def _steps_through(self, name: str) -> bool:
        """Whether rows reach a recurrent layer each on its own."""
        for reader in self.readers[name]:
            if isinstance(reader.op, Loop):
                return True
            rows = len(self.types[name].shape) == 2 and reader.op.at_row((0,)) is not None
            if rows and self._steps_through(reader.name):
                return True
        return False

    def _least_beat(self, shape: tuple[int, ...]) -> int:
        """Return the least part of a row, or number of whole rows, that keeps the pace."""
        last, rows = shape[-1], prod(shape[:-1])
        if rows > self.interval:
            return last * ceil(rows / self.interval)
        parts = max(1, self._most_steps(shape) // rows)
        return min((d for d in _divisors(last) if last // d <= parts), default=last)

    # ---- products

    def _is_product(self, node: Node) -> bool:
        return isinstance(node.op, Dense | GroupedDense)

    def _product(self, node: Node) -> tuple[Plan, Cost, int, str]:
        """Return the cheaper of a circuit with the constants in it and a folded product."""
        x, y = self.types[node.inputs[0]], self.types[node.name]
        slab = prod(y.shape[-1:]) if isinstance(node.op, Dense) else prod(y.shape[-2:])
        rows = y.size // slab
        copies = ceil(rows / self.interval)
        whole = parallel_cost(node.op, y, x, copies / rows)
        fixed = Plan(beat=copies * slab)
        note = f"constants in the circuit, {copies} of {rows} rows at once"
        if not isinstance(node.op, Dense):
            return fixed, whole, 0, note
        shape = self._fold(node, x.shape[-1], y.shape[-1], rows)
        if shape is None:
            return fixed, whole, 0, note
        taken, given = shape
        dsp = wants_dsp(node.op, x, self.device)
        cost = folded_cost(node.op, x, taken, given, self.device, dsp)
        if dsp and self.blocks + cost.dsp > self.most_blocks:
            dsp, cost = False, folded_cost(node.op, x, taken, given, self.device, False)
        if whole.weight <= cost.weight:
            return fixed, whole, 0, note
        self.blocks += cost.dsp
        style, block = "auto" if dsp else "lut", self.device.block
        plan = Plan(beat=given, taken=taken, multipliers=style, block=block)
        if given == y.shape[-1]:
            self.comes_late.add(node.name)
        return plan, cost, taken * given, f"folded onto {taken} x {given} multipliers"

    def _fold(self, node: Node, n_in: int, n_out: int, rows: int) -> tuple[int, int] | None:
        """Return elements taken and given in a step, with fewest multipliers; None: too slow.

        Of equal ones, a product whose operand comes bit by bit takes few elements and gives all
        outputs at its end, so that it works while they come; one whose operand comes at once takes
        many and gives its outputs bit by bit: two such products in a row take the time of one.
        """
        source = self._source(node.inputs[0])
        steps_in = _divisors(n_in)
        if source is not None and isinstance(source.op, Windows):
            channels = n_in // prod(source.op.kernel)
            steps_in = [*_divisors(channels), n_in]
        at_once = source is not None and source.name in self.comes_late
        most = self._most_steps(self.types[node.name].shape)
        best: tuple[int, int, int, int] | None = None
        for taken in steps_in:
            for given in _divisors(n_out):
                steps = rows * (n_in // taken) * (n_out // given)
                found = (taken * given, given if at_once else taken, taken, given)
                if steps <= most and (best is None or found < best):
                    best = found
        return None if best is None else (best[2], best[3])

    def _most_steps(self, shape: tuple[int, ...]) -> int:
        """Return the steps that an operation may take: those of its last row add to the latency."""
        return min(self.interval, self.tail * (shape[0] if len(shape) > 1 else 1))

    def _source(self, name: str) -> Node | None:
        """Return what makes a value, behind what works on single elements."""
        node = self.nodes.get(name)
        while node is not None and node.op.at_part(slice(0, 1)) is not None and node.inputs:
            node = self.nodes.get(node.inputs[0])
        return node

    # ---- recurrent layers

    def _loop(self, node: Node, op: Loop) -> None:
        """Give one cell for all steps, or one for each where steps would come too fast for one."""
        steps, kind = op.what.steps, self.types[node.name]
        least = LEAST_CELL if op.what.initial else 1
        unroll = self.interval < least * steps and not op.what.stateful
        cell = op.luts(kind, *(self.types[name] for name in node.inputs)) or 0.0
        cost = Cost(lut=cell * (steps if unroll else 1))
        reason = f"a cell for each of {steps} steps" if unroll else f"one cell for {steps} steps"
        row = kind.shape[-1]
        rows = ceil(steps / self.interval) if op.what.each and unroll else 1
        self._choose(node, Plan(beat=rows * row, unroll=unroll), cost, 0, reason)

    # ---- everything else

    def _windows(self, node: Node, folded: Mapping[str, tuple[Plan, Cost, int, str]]) -> None:
        """Give whole windows, or what a folded product behind takes in a step."""
        kind = self.types[node.name]
        readers = self.readers[node.name]
        takes = [folded[r.name][0].taken for r in readers if r.name in folded]
        if takes and min(takes) > 0:
            self._choose(node, Plan(beat=min(takes)), Cost(), 0, "as the product behind takes them")
            return
        part = gcd(self.plans[node.inputs[0]].beat, self.types[node.inputs[0]].shape[-1])
        if takes or kind.size > part * self._most_steps(kind.shape):
            self._choose(node, Plan(beat=kind.shape[-1]), Cost(), 0, "whole windows")
            return
        self._choose(node, Plan(beat=part), Cost(), 0, "at the pace of what it reads")

    def _other(self, node: Node) -> None:
        """Keep the producer's beat where it does; else the least that keeps the pace."""
        kind = self.types[node.name]
        shape = kind.shape or (1,)
        operands = [self.types[name] for name in node.inputs]
        beats = [self.plans[name].beat for name in node.inputs]
        least = self._least_beat(shape)
        same = all(t.shape == shape for t in operands)
        if same and node.op.at_part(slice(0, 1)) is not None and least <= min(beats):
            after_fold = any(self.plans[name].taken for name in node.inputs)
            beat = least if after_fold and max(beats) % least == 0 else min(beats)
            self._plan_other(node, beat, operands, "at the pace of what it reads")
            return
        if node.op.wiring and len(operands) == 1:
            part = gcd(beats[0], shape[-1])
            beat = part if kind.size <= part * self._most_steps(shape) else least
            self._plan_other(node, beat, operands, "in another order")
            return
        for _, axes in slabs(node, [t.shape for t in operands], shape):
            size, leading = prod(shape[axes:]), prod(shape[:axes])
            copies = ceil(leading / min(leading, self._most_steps(shape)))
            row = next((n for n in reversed(shape) if n > 1), 1)
            if row % size == 0:  # slabs within a row: parts of equal size, or whole rows
                parts = [d for d in _divisors(row // size) if d >= copies]
                copies = min(parts, default=ceil(copies * size / row) * row // size)
            reason = f"{copies} of {leading} slabs at once"
            self._plan_other(node, copies * size, operands, reason)
            return
        self._plan_other(node, prod(shape), operands, "whole")

    def _plan_other(self, node: Node, beat: int, x: list[Intervals], reason: str) -> None:
        y = self.types[node.name]
        cost = Cost(lut=(node.op.luts(y, *x) or 0.0) * min(1.0, beat / max(y.size, 1)))
        self._choose(node, Plan(beat=beat), cost, 0, reason)


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]
