"""Choose the beat of every value and the shape of every operation, for one interval.

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
from gatewright.arch.stream_cells import fold_cell
from gatewright.arch.stream_choice import StreamChoice, StreamPlan
from gatewright.arch.stream_cost import (
    TABLE_SHARE,
    Cost,
    folded_cost,
    parallel_cost,
    serial_cost,
    wants_dsp,
)
from gatewright.arch.stream_forests import in_row, walked
from gatewright.arch.stream_windows import cutting, windows_at_once
from gatewright.base import GatewrightError
from gatewright.blocks.serial import SerialShape
from gatewright.ir import Graph, Node, Plan, infer
from gatewright.num import Intervals
from gatewright.ops import Dense, Forest, Gather, GroupedDense
from gatewright.passes.streams import Loop
from gatewright.passes.streams.domain import in_beats, refused_by
from gatewright.passes.streams.reductions import ReducedChain
from gatewright.passes.streams.slabs import slabs
from gatewright.streams import Raster

LEAST_CELL = 4
"""Cycles that a recurrent cell takes at least, for what is not known before it is built."""

WHOLE_INPUT = 1024
"""Bits up to which an input comes in one beat, unless its pixels or steps come one by one."""

WHOLE_WINDOWS = 1 << 15
"""Bits up to which all windows of an image may be there at once."""


class RefusedError(Exception):
    """An operation does not take what elements that share a place in a beat can be together."""

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node


@dataclass(eq=False)
class Planner:
    """Planning for one interval.

    Attributes:
        graph: as it is built: rolled up, its movements joined.
        given: plans that are fixed.
        tail: see `plan_streams`.
        whole: values that travel in one beat.
        spare_blocks: blocks of memory may hold tables of sums.
        tables: blocks of memory that hold tables of sums so far.
        check: raise `RefusedError` where an operation would refuse its operands' beats.
        said: what the beats of each value say of its elements.
    """

    graph: Graph
    interval: int
    device: Device
    most_blocks: int
    given: dict[str, Plan]
    tail: int
    whole: frozenset[str] = frozenset()
    check: bool = True
    spare_blocks: bool = True
    types: Mapping[str, Intervals] = field(init=False)
    readers: Mapping[str, list[Node]] = field(init=False)
    plans: dict[str, Plan] = field(default_factory=dict)
    choices: list[StreamChoice] = field(default_factory=list)
    nodes: dict[str, Node] = field(init=False)
    blocks: int = 0
    tables: float = 0.0
    comes_late: set[str] = field(default_factory=set)
    said: dict[str, Intervals] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.types, self.readers = infer(self.graph), self.graph.readers()
        self.nodes = {node.name: node for node in self.graph.nodes}

    @property
    def most_tables(self) -> float:
        """Blocks of memory that tables of sums may take: not what lines and weights need."""
        return TABLE_SHARE * self.device.bram if self.spare_blocks else 0.0

    def run(self) -> StreamPlan:
        """Plan inputs, then operations in order."""
        for i in self.graph.inputs:
            beat = prod(i.shape) if i.name in self.whole else self._input_beat(i.name)
            self.plans[i.name] = self.given.get(i.name) or Plan(beat=beat)
            self._say(i.name, self.types[i.name])
        folded = {n.name: self._product(n) for n in self.graph.nodes if self._is_product(n)}
        for node in self.graph.nodes:
            if node.name in folded:
                self._choose(node, *folded[node.name])
            elif self._cuts(node):
                self._windows(node, folded)
            elif isinstance(node.op, ReducedChain):
                self._reduced(node, node.op)
            elif isinstance(node.op, Loop):
                self._loop(node, node.op)
            elif isinstance(node.op, Forest):
                self._forest(node, node.op)
            else:
                self._other(node)
        return StreamPlan(self.interval, self.plans, tuple(self.choices))

    def _choose(
        self, node: Node, plan: Plan, cost: Cost, multipliers: int, reason: str, least: int = 1
    ) -> None:
        if node.name in self.given:
            plan, reason = self.given[node.name], "as asked"
        elif node.name in self.whole and not isinstance(node.op, Loop):
            plan, multipliers = Plan(beat=self.types[node.name].size), 0
            reason = "whole: what reads it tells the elements of a beat apart"
        self.plans[node.name] = plan
        steps = ceil(self.types[node.name].size / max(plan.beat, 1))
        if plan.taken:
            steps *= ceil(self.types[node.inputs[0]].shape[-1] / plan.taken)
        steps = max(steps, least)
        self.choices.append(
            StreamChoice(node.name, node.layer, plan, steps, multipliers, cost, reason)
        )
        if self.check:
            self._check_domain(node)

    # ---- what elements that share a place of a beat can be together

    def _check_domain(self, node: Node) -> None:
        """Find what the beats of a result say of its elements; refuse as the lowering does."""
        operands = [self.said[name] for name in node.inputs]
        if refused_by(node.op, operands) is not None:
            raise RefusedError(node.name)
        y, plan = self.types[node.name], self.plans[node.name]
        parts = []
        for x in operands:
            beat, rest = divmod(x.size * (plan.beat or y.size), y.size)
            parts.append(x if rest or not beat else in_beats(x, beat))
        try:
            found = node.op.infer(*parts)
        except GatewrightError:  # then it is built on whole tensors
            found = node.op.infer(*operands)
        self._say(node.name, found)

    def _say(self, name: str, kind: Intervals) -> None:
        """Keep what the beats of a value say of it."""
        beat = self.plans[name].beat
        self.said[name] = in_beats(kind, beat) if 0 < beat < kind.size else kind

    # ---- inputs

    def _cuts(self, node: Node) -> bool:
        """Whether an operation cuts windows out of an image, also to join what is in them."""
        return self._raster(node) is not None

    def _raster(self, node: Node) -> Raster | None:
        shape = self.types[node.inputs[0]].shape if node.inputs else ()
        return cutting(node.op, shape)

    def _input_beat(self, name: str) -> int:
        kind = self.types[name]
        spatial = any(self._cuts(reader) for reader in self._behind(name))
        spatial |= self.interval >= (kind.shape or (1,))[0] and self._steps_through(name)
        if int(kind.width.sum()) <= WHOLE_INPUT and not spatial:
            return kind.shape[-1] if self._goes_by_rows(name) else int(kind.size)
        return self._least_beat(kind.shape)

    def _behind(self, name: str) -> Iterable[Node]:
        """Return the readers of a value, through paddings."""
        for reader in self.readers[name]:
            yield reader
            if reader.op.wiring and not self._cuts(reader):
                yield from self._behind(reader.name)

    def _goes_by_rows(self, name: str) -> bool:
        """Whether rows are picked out of a value one at a time, and all that reads it takes rows.

        Such a value is cut into rows for each reader if it comes whole.
        """
        shape, readers = self.types[name].shape, self.readers[name]
        picks = {r.name for r in readers if isinstance(r.op, Gather) and r.op.axis == 0}
        if len(shape) != 2 or not picks:
            return False
        sizes = [self.types[r.name] for r in readers]
        by_rows = all(r.name in picks or r.op.at_slab(1) is not None for r in readers)
        return by_rows and all(y.size // y.shape[-1] <= self._most_steps(y.shape) for y in sizes)

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
        serial = self._serial(node.op, x, rows)
        price = whole.weight
        if serial is not None and serial[1].table_weight(self.device) < price:
            (bits, whole), price = serial, serial[1].table_weight(self.device)
            fixed = Plan(beat=slab, bits=bits, memory="block" if whole.bram else "auto")
            note = f"constants in the circuit, {bits} bits of each element at once"
            note += ", sums in blocks of memory" * bool(whole.bram)
        shape = self._fold(node, x.shape[-1], y.shape[-1], rows)
        if shape is None:
            self.tables += whole.bram
            return fixed, whole, 0, note
        taken, given = shape
        dsp = wants_dsp(node.op, x, self.device)
        cost = folded_cost(node.op, x, taken, given, self.device, dsp)
        if dsp and self.blocks + cost.dsp > self.most_blocks:
            dsp, cost = False, folded_cost(node.op, x, taken, given, self.device, False)
        if price <= cost.weight:
            self.tables += whole.bram
            return fixed, whole, 0, note
        self.blocks += cost.dsp
        style, block = "auto" if dsp else "lut", self.device.block
        plan = Plan(beat=given, taken=taken, multipliers=style, block=block)
        if given == y.shape[-1]:
            self.comes_late.add(node.name)
        return plan, cost, taken * given, f"folded onto {taken} x {given} multipliers"

    def _serial(self, op: Dense, x: Intervals, rows: int) -> tuple[int, Cost] | None:
        """Return bits of each element in a step, and the cost; None where a row has one step."""
        most = self._most_steps(x.shape) // rows
        width = SerialShape.of(in_row(x), 1).width
        bits = ceil(width / max(most, 1))
        if most < 2 or bits >= width:
            return None
        return bits, serial_cost(op, in_row(x), bits, self.device, self.most_tables - self.tables)

    def _fold(self, node: Node, n_in: int, n_out: int, rows: int) -> tuple[int, int] | None:
        """Return elements taken and given in a step, with fewest multipliers; None: too slow.

        Of equal ones, a product whose operand comes bit by bit takes few elements and gives all
        outputs at its end, so that it works while they come; one whose operand comes at once takes
        many and gives its outputs bit by bit: two such products in a row take the time of one.
        """
        source = self._source(node.inputs[0])
        steps_in = _divisors(n_in)
        raster = None if source is None else self._raster(source)
        if raster is not None and n_in % len(raster.offsets) == 0:
            steps_in = [*_divisors(n_in // len(raster.offsets)), n_in]
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
        plan = Plan(beat=rows * row, unroll=unroll)
        if op.what.initial and not unroll:
            spare = self.most_blocks - self.blocks
            folded = fold_cell(op.what, self.interval // steps, cost, self.device, spare)
            if folded is not None:
                plan, cost = replace(plan, cell=folded.plans), folded.cost
                self.blocks += cost.dsp
                reason += f", products in at most {folded.folding} cycles of a step"
        self._choose(node, plan, cost, 0, reason)

    # ---- forests

    def _forest(self, node: Node, op: Forest) -> None:
        """Walk down a few trees at once where that costs less than a circuit for all of them."""
        x, y = self.types[node.inputs[0]], self.types[node.name]
        rows, given = y.size // y.shape[-1], self.given.get(node.name)
        whole = parallel_cost(op, y, x, ceil(rows / self.interval) / rows)
        asked = given.lanes if given is not None else 0
        found = walked(op, in_row(x), self._most_steps(y.shape) // rows, self.device, asked)
        if found and given and given.writable:
            self.given[node.name] = replace(given, lanes=found.lanes)
        elif found is None or (not asked and (given or whole.weight <= found.cost.weight)):
            self._other(node)
            return
        memory = "auto" if self.device.bram else "distributed"
        plan = Plan(beat=y.shape[-1], lanes=found.lanes, memory=memory)
        reason = f"{found.lanes} of {op.trees} trees walked down at once"
        self._choose(node, plan, found.cost, 0, reason, rows * found.steps)

    # ---- everything else

    def _windows(self, node: Node, folded: Mapping[str, tuple[Plan, Cost, int, str]]) -> None:
        """Give whole windows, or what a folded product behind takes in a step."""
        kind = self.types[node.name]
        readers = self.readers[node.name]
        takes = [folded[r.name][0].taken for r in readers if r.name in folded]
        if takes and min(takes) > 0:
            self._choose(node, Plan(beat=min(takes)), Cost(), 0, "as the product behind takes them")
            return
        beat, channels = self.plans[node.inputs[0]].beat, self.types[node.inputs[0]].shape[-1]
        part = gcd(beat, channels)
        if not takes and kind.size <= part * self._most_steps(kind.shape):
            self._choose(node, Plan(beat=part), Cost(), 0, "at the pace of what it reads")
            return
        raster = self._raster(node)
        assert raster is not None
        count = windows_at_once(raster, beat // channels, self.interval)
        if count is None:  # windows do not lie alike in steps of several pixels
            count = len(raster.ends) if int(kind.width.sum()) <= WHOLE_WINDOWS else 1
        plan = Plan(beat=count * len(raster.offsets) * channels)
        reason = "whole windows" if count == 1 else f"{count} of {len(raster.ends)} windows at once"
        self._choose(node, plan, Cost(), 0, reason)

    def _reduced(self, node: Node, op: ReducedChain) -> None:
        """Give results, or parts of them, as what is read completes them."""
        x, y = self.types[node.inputs[0]], self.types[node.name]
        coming = self.plans[node.inputs[0]].beat
        row = next((n for n in reversed(y.shape) if n > 1), 1)
        beat = gcd(coming, row) if coming < row else row
        if y.size > beat * self._most_steps(y.shape):
            beat = self._least_beat(y.shape or (1,))
        cost = Cost(lut=(op.luts(y, x) or 0.0) * min(1.0, coming / max(x.size, 1)))
        self._choose(node, Plan(beat=beat), cost, 0, "as what it reads completes results")

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
