"""Multiply-accumulate arrays on streams: rows times matrices, over several steps a row.

At a step the array takes a beat of a row, multiplies it by the weights of that step, and adds the
products to the sums of a group of outputs. Where there are several groups, the beats of the row are
kept and read again for each. Counters address the weights' table, whose words are put into
registers; the products and their sums are a pipelined circuit without state; the accumulators
behind it are one adder each, which starts from the bias.
"""

from __future__ import annotations

from itertools import pairwise

from gatewright.base import OptionError
from gatewright.blocks.mac_kernel import FEW_WORDS, mac_kernel
from gatewright.blocks.mac_products import Multiplier, choose_multiplier, product
from gatewright.blocks.mac_shape import MacShape, Sums, sums
from gatewright.blocks.mac_store import Formats, Matrices, MemoryStore, TableStore
from gatewright.hw import Module
from gatewright.ir import Plan
from gatewright.num import Fixed, Intervals
from gatewright.streams import Program, Shell, Stream, Streams, narrow, widen

RING = 32
"""Most beats of a row that are kept in shift registers; more are kept in a memory."""


def mac_array(to: Streams, x: Stream, matrices: Matrices, shape: MacShape, plan: Plan) -> Stream:
    """Return the stream of `row @ weight + bias` for each row of a stream, by steps.

    Args:
        to: the network under construction.
        x: rows of `shape.n_in` elements, as many as a multiple of `shape.kinds`.
        matrices: what they are multiplied by.
        shape: of the array.
        plan: what holds the weights, and what multiplies.

    Raises:
        FormatError: a sum would not fit 62 bits.
        OptionError: an accumulator's adder takes longer than a period.
    """
    leading, rows = x.shape[:-1], x.elements // shape.n_in
    beats = _rows_in_beats(to, x, shape)
    stem = to.module_name(to.layer or to.name)
    mac = _Mac(to, stem, beats.types, matrices, shape, plan)
    takes, gives = shape.steps(rows)
    timing = Program(takes[:, None], gives[:, None], mac.latency)
    note = f"{shape.lanes} x {shape.group} products a step"
    if shape.units > 1:
        note = f"{shape.units} rows of {note}"
    actor = mac.shell.actor(timing, to.layer, note)
    padded = shape.groups * shape.group
    (result,) = to.add(actor, [beats], [(*leading, padded)])
    if padded == shape.n_out:
        return result
    name = to.module_name(f"{stem}_rows")
    whole = widen(name, result.types, shape.groups, result.beats, keep=shape.n_out)
    return to.add(whole, [result], [(*leading, shape.n_out)])[0]


def _rows_in_beats(to: Streams, x: Stream, shape: MacShape) -> Stream:
    """Return the rows in beats of the array's lanes; the last beat of a row may be filled up."""
    if shape.turns * shape.lanes == shape.n_in:
        return to.rebeat(x, shape.units * shape.lanes)
    whole = to.rebeat(x, shape.n_in)
    name = to.module_name(f"{to.layer or to.name}_cut")
    actor = narrow(name, whole.types, shape.turns, whole.beats, size=shape.lanes)
    filled = (*x.shape[:-1], shape.turns * shape.lanes)
    return to.add(actor, [whole], [filled])[0]


def _store(
    to: Streams, x: Intervals, matrices: Matrices, shape: MacShape, plan: Plan
) -> TableStore | MemoryStore:
    """Return what holds the weights: tables, or memories with addresses behind those taken."""
    if not plan.writable:
        return TableStore(shape, matrices)
    formats = Formats.of(matrices, x, plan.weight_bits, plan.bias_bits)
    return MemoryStore(shape, matrices, formats, to.layer, to.registers)


class _Mac:
    """The array's actor under construction."""

    def __init__(
        self, to: Streams, stem: str, x: Intervals, matrices: Matrices, shape: MacShape,
        plan: Plan,
    ) -> None:  # fmt: skip
        if plan.writable:
            matrices = matrices.on_grid_of_products(x)
        self.to, self.stem, self.shape, self.matrices = to, stem, shape, matrices
        self.store = _store(to, x, matrices, shape, plan)
        store = self.store
        self.bounds = sums(
            shape, x, store.low, store.high, matrices.weight_frac,
            (store.bias_low, store.bias_high), matrices.bias_frac,
        )  # fmt: skip
        self.widest = 0
        self.shell = Shell.begin(stem, {"x": x}, ["y"], to.layer, "multiply-accumulate array")
        self.m = self.shell.module
        self.multiplier = choose_multiplier(
            x, store.low, store.high, shape.group, plan.block, plan.multipliers, shape.lanes
        )
        if plan.multipliers == "auto" and not self._fast_enough(x):
            self.multiplier = Multiplier()
        slow = store.place(self.m, self.multiplier, plan.memory)
        if isinstance(store, MemoryStore):
            to.registers.append(store.registers)
        self.deep = shape.groups > 1 and shape.turns > RING
        # Blocks are slow to read: their words move on by a register before they are used.
        self.front = 2 if slow or self.deep else 1
        self._sequence()
        weights = [self.shell.later(s, self.front) for s in store.read_weights(self.step)]
        self._compute(self._row(), weights)

    def _fast_enough(self, x: Intervals) -> bool:
        """Whether products in blocks meet the clock, those of LUTs can have registers within."""
        if self.multiplier.block is None:
            return True
        m = Module(f"{self.stem}_product")
        (a,) = m.input("x", Intervals.of([x.lo.min()], [x.hi.max()], 0))
        (b,) = m.input("w", Intervals.of([self.store.low.min()], [self.store.high.max()], 0))
        m.output("y", [product(m, a, b, self.multiplier)])
        try:
            self.to.finish(m)
        except OptionError:
            return False
        return True

    def _sequence(self) -> None:
        """Build the counters: which turn, which set of weights, whether beats are taken."""
        m, shape, shell = self.m, self.shape, self.shell
        taking = m.constant(1) if shape.groups == 1 else m.register((0, 1, 0), reset=1)
        m.label(taking, "taking")
        self.taking, self.fired = taking, shell.fire({"x": taking})
        self.turn, self.last = shell.counter(shape.turns, self.fired, "turn")
        next_set = m.and_(self.fired, self.last)
        self.set, _ = shell.counter(shape.sets, next_set, "set")
        if shape.groups > 1:
            group = self.set
            if shape.sets > shape.groups:
                group, _ = shell.counter(shape.groups, next_set, "group")
            at_end = m.equal(group, m.constant(shape.groups - 1))
            m.connect(taking, m.select(self.last, at_end, taking), self.fired)
        # With one turn a step is a set, with one set a turn.
        if shape.turns == 1 or shape.sets == 1:
            self.step = self.set if shape.turns == 1 else self.turn
        else:
            self.step, _ = shell.counter(shape.words, self.fired, "step")

    def _row(self) -> list[int]:
        """Return the elements that are multiplied, `front` steps of the pipeline later."""
        m, shell, shape = self.m, self.shell, self.shape
        data = shell.data["x"]
        if shape.groups == 1:
            return [shell.later(s, self.front) for s in data]
        if not self.deep:
            return [shell.later(self._ring(s), self.front - 1) for s in data]
        kept = m.memory("row", shape.turns, m.intervals(data), style="auto")
        m.write(kept, self.turn, data, m.and_(self.fired, self.taking))
        again = [shell.register(s) for s in m.read_word(kept, self.turn)]
        fresh = [shell.register(s) for s in data]
        taken = shell.register(self.taking)
        pairs = zip(fresh, again, strict=True)
        return [shell.register(m.select(taken, a, b)) for a, b in pairs]

    def _ring(self, signal: int) -> int:
        """Return an element a step later; it comes again after as many steps as the row has beats.

        The registers shift with each step, so that they can be shift registers of LUTs.
        """
        m = self.m
        if m.is_constant(signal):
            return signal
        ring = [m.register(m.range(signal)) for _ in range(self.shape.turns)]
        m.label(ring[0], f"x_{self.shell.data['x'].index(signal)}")
        m.connect(ring[0], m.select(self.taking, signal, ring[-1]), self.fired)
        for before, register in pairwise(ring):
            m.connect(register, before, self.fired)
        return ring[0]

    def _compute(self, x: list[int], weights: list[int]) -> None:
        """Multiply, add up, and give what is whole."""
        m, shell, shape = self.m, self.shell, self.shape
        alone = shape.turns == 1
        biases: list[int] = []
        if alone:
            biases = [shell.later(s, self.front) for s in self.store.read_biases(self.set)]
        kinds = m.intervals
        kernel = mac_kernel(
            self.to.module_name(f"{self.stem}_kernel"),
            self.to.module_name(f"{self.stem}_dot"),
            kinds(x).map(lambda v: v.reshape(shape.units, shape.lanes)),
            kinds(weights).map(lambda v: v.reshape(shape.units, shape.lanes, shape.group)),
            kinds(biases).map(lambda v: v.reshape(shape.units, shape.group)) if alone else None,
            shape.words > FEW_WORDS or isinstance(self.store, MemoryStore),
            self.multiplier,
        )
        kernel.origin = self.to.layer
        kernel = self.to.finish(kernel)
        ports = {"x": x, "w": weights, "bias": biases}
        feeds = {p: [s for s in ports[p] if not m.is_constant(s)] for p in kernel.inputs}
        totals = shell.kernel(kernel, feeds)["y"]
        cycles = self.front + kernel.latency
        valid = shell.later(self.fired, cycles, reset=0)
        self.latency = cycles + 1
        if alone:
            given = [self._whole(s, i) for i, s in enumerate(totals)]
            shell.finish({"y": (valid, given)})
            return
        first = m.equal(self.turn, m.constant(0))
        marks = [shell.later(s, cycles + 1) for s in (first, self.last)]
        valid, self.latency = shell.later(valid, 1, reset=0), self.latency + 1
        starts = self._starts(cycles + 1)
        moves = m.and_(valid, shell.advance)
        given = []
        for i, total in enumerate(totals):
            result = self._accumulator(i, shell.register(total), starts[i], marks[0], moves)
            given.append(self._whole(result, i))
        shell.finish({"y": (m.and_(valid, marks[1]), given)})

    def _starts(self, cycles: int) -> list[int]:
        """Return the bias of each accumulator, some steps of the pipeline later."""
        number = self.shell.later(self.set, cycles - 1)
        return [self.shell.register(s) for s in self.store.read_biases(number)]

    def _accumulator(self, i: int, total: int, bias: int, first: int, moves: int) -> int:
        """Add a step's products to a sum; return the sum before its register."""
        m = self.m
        width = self._width(total, bias, i, self.bounds)
        register = m.register((width.low, width.high, width.frac))
        m.label(register, f"acc_{i}")
        loop = _adder(m, total, register, bias, first, width)
        m.connect(register, loop, moves)
        if width.width > self.widest:  # the others are faster
            self._check_loop(total, register, bias, width)
            self.widest = width.width
        return loop

    def _width(self, total: int, bias: int, i: int, bounds: Sums) -> Fixed:
        """Return the format that holds every partial sum, on the grid of the terms."""
        m = self.m
        points = [m.frac[s] for s in (total, bias) if (m.lo[s], m.hi[s]) != (0, 0)]
        frac = max(points, default=0)
        down, up = max(bounds.frac - frac, 0), max(frac - bounds.frac, 0)
        low, high = (int(v.ravel()[i]) << up >> down for v in (bounds.low, bounds.high))
        return Fixed.holding(low, high, frac)

    def _whole(self, result: int, i: int) -> int:
        """Return a finished sum in the format of finished sums, which can be a narrower one."""
        bounds, frac = self.bounds, self.m.frac[result]
        down, up = max(bounds.frac - frac, 0), max(frac - bounds.frac, 0)
        low, high = (int(v.ravel()[i]) << up >> down for v in (bounds.least, bounds.most))
        return self.m.wrap(result, Fixed.holding(low, high, frac))

    def _check_loop(self, total: int, register: int, bias: int, width: Fixed) -> None:
        """Refuse an accumulator whose adder takes longer than a period."""
        m = Module(f"{self.stem}_loop")
        ports = {"total": total, "acc": register, "bias": bias}
        kinds = {name: self.m.intervals([s]) for name, s in ports.items()}
        own = [m.input(name, kind)[0] for name, kind in kinds.items()]
        (first,) = m.input("first", Intervals.of([0], [1], 0))
        m.output("y", [_adder(m, own[0], own[1], own[2], first, width)])
        if self.to.finish(m).latency:
            raise OptionError(
                "the accumulators of this layer are too slow for the clock",
                place=self.to.layer or self.to.name,
                found=f"sums of {width.width} bits",
                supported="an adder and a selection in one clock period",
                remedy="choose a slower clock, or quantize the layer's inputs or weights to fewer "
                "bits; a layer that takes whole rows in one step has no accumulators",
            )


def _adder(m: Module, total: int, register: int, bias: int, first: int, width: Fixed) -> int:
    """Return the sum after a step: wrapped, since what is no step's may pass the adder, too."""
    return m.wrap(m.add(m.select(first, bias, register), total), width)
