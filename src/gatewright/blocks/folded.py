"""A constant matrix times a vector over several cycles: few multipliers, weights in a ROM.

The inputs stand in a ring of registers that turns by `lanes` places a cycle, so that the
multipliers always look at the same ones. A counter addresses the ROM, whose words hold the weights
of one cycle, the bias, and two marks: the first step of a group of outputs, and the last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.base import OptionError
from gatewright.blocks.arith import signed_sum
from gatewright.hw import Bus, Module, Range, Table
from gatewright.num import Fixed, Intervals, Ints, require_exact

FAR = 1 << 40
"""Further than any binary point."""


@dataclass(frozen=True)
class Folding:
    """How a matrix of shape (n_in, n_out) is worked off in steps.

    Attributes:
        lanes: inputs taken in one step.
        group: outputs worked on in one step.
        turns: steps that take every input once: ceil(n_in / lanes).
        groups: ceil(n_out / group).
    """

    lanes: int
    group: int
    turns: int
    groups: int

    @property
    def steps(self) -> int:
        """Cycles of one inference."""
        return self.turns * self.groups

    @property
    def multipliers(self) -> int:
        """Multipliers that the folding needs."""
        return self.lanes * self.group

    @classmethod
    def choose(cls, n_in: int, n_out: int, reuse: int) -> Folding:
        """Return the folding with fewest multipliers that needs at most `reuse` steps.

        Of equal ones the one with most outputs at once is taken: it turns the ring least often.

        Raises:
            OptionError: the reuse factor exceeds the number of products.
        """
        if not 1 <= reuse <= n_in * n_out:
            raise OptionError(
                "a reuse factor is out of range",
                found=reuse,
                supported=f"1 to {n_in * n_out}, the products of this layer",
                remedy="choose a smaller reuse factor",
            )
        best: Folding | None = None
        for groups in range(1, min(n_out, reuse) + 1):
            group = -(-n_out // groups)
            lanes = -(-n_in // min(n_in, reuse // groups))
            found = cls(lanes, group, -(-n_in // lanes), -(-n_out // group))
            if best is None or found.multipliers < best.multipliers:
                best = found
        assert best is not None
        return best


def folded_matmul(
    m: Module, x: Bus, matrix: Ints, matrix_frac: int, bias: Ints, bias_frac: int, reuse: int
) -> Bus:
    """Return `x @ (matrix * 2**-matrix_frac) + bias * 2**-bias_frac`, `reuse` cycles an input.

    `x.valid` marks an input; the result's `valid` marks the cycle from which the result stands
    until the next one is ready. Sets the module's latency and interval.

    Raises:
        OptionError: the reuse factor exceeds the number of products.
        FormatError: a sum would not fit 62 bits.
    """
    n_in, n_out = matrix.shape
    fold = Folding.choose(n_in, n_out, reuse)
    kinds = _result_types(m.intervals(x.flat), matrix, matrix_frac, bias, bias_frac)
    count, active, last = _sequencer(m, x.valid, fold.steps)
    ring = _ring(m, x, fold)
    rom = _Rom(m, count, matrix, matrix_frac, bias, bias_frac, fold)
    sums = []
    for j in range(fold.group):
        products = [m.mul(ring[i], rom.weight(i, j)) for i in range(fold.lanes)]
        total = signed_sum(m, products)
        bounds = _partial_range(m, x, j, fold, rom)
        sums.append(_accumulator(m, total, rom, j, active, bounds))
    done = m.and_(active, rom.last_turn)
    outputs = []
    for o in range(n_out):
        group, j = divmod(o, fold.group)
        enable = done
        if fold.groups > 1:
            enable = m.and_(done, m.equal(rom.group_number, m.constant(group)))
        outputs.append(_hold(m, sums[j], enable, kinds[o]))
    valid = m.register((0, 1, 0), reset=0)
    m.connect(valid, last)
    m.label(valid, "done")
    m.latency, m.interval = fold.steps + 1, fold.steps
    return Bus(np.asarray(outputs, np.int64), valid, x.layout)


def _sequencer(m: Module, start: int, steps: int) -> tuple[int, int, int]:
    """Return (step number, whether a step runs, whether it is the last)."""
    active = m.register((0, 1, 0), reset=0)
    m.label(active, "active")
    if steps == 1:
        m.connect(active, start)
        return m.constant(0), active, active
    count = m.register((0, steps - 1, 0), reset=0)
    m.label(count, "step")
    at_end = m.equal(count, m.constant(steps - 1))
    last = m.and_(active, at_end)
    m.label(at_end, "at_end")
    m.label(last, "last_step")
    goes_on = m.and_(active, m.not_(at_end))
    m.connect(active, m.or_(start, goes_on))
    bits = Fixed.holding(0, steps - 1, 0)
    following = m.wrap(m.add(count, m.constant(1)), bits)
    restart = m.or_(start, at_end)
    following = m.select(restart, m.constant(0), following, within=(0, steps - 1))
    m.label(following, "step_next")
    m.connect(count, following)
    return count, active, last


def _ring(m: Module, x: Bus, fold: Folding) -> list[int]:
    """Return the registers that hold the inputs and turn by `lanes` each cycle."""
    flat = x.flat
    size = fold.lanes * fold.turns
    flat = flat + [m.constant(0)] * (size - len(flat))
    if fold.turns == 1:
        return [_captured(m, s, x.valid, f"x_{i}") for i, s in enumerate(flat)]
    ranges = [_union(m, flat[i :: fold.lanes]) for i in range(fold.lanes)]
    ring = [m.register(ranges[i % fold.lanes]) for i in range(size)]
    for i, register in enumerate(ring):
        following = ring[(i + fold.lanes) % size]
        m.label(register, f"ring_{i}")
        m.connect(register, m.select(x.valid, flat[i], following))
    return ring


def _captured(m: Module, s: int, valid: int, name: str) -> int:
    """Keep an input from the cycle that marks it until the next one."""
    if m.is_constant(s):
        return s
    register = m.register(m.range(s))
    m.label(register, name)
    m.connect(register, s, valid)
    return register


def _union(m: Module, signals: list[int]) -> Range:
    """Return the range that holds every one of some signals."""
    frac, lo, hi = _on_one_grid(m.intervals(signals))
    return int(lo.min()), int(hi.max()), frac


class _Rom:
    """The words of each step, and the signals read from them."""

    def __init__(
        self, m: Module, count: int, matrix: Ints, matrix_frac: int, bias: Ints, bias_frac: int,
        fold: Folding,
    ) -> None:  # fmt: skip
        self.m, self.count, self.fold = m, count, fold
        n_in, n_out = matrix.shape
        padded = np.zeros((fold.lanes * fold.turns, fold.group * fold.groups), np.int64)
        padded[:n_in, :n_out] = matrix
        offsets = np.zeros(fold.group * fold.groups, np.int64)
        offsets[:n_out] = bias
        # Step number = group * turns + turn.
        blocks = padded.reshape(fold.turns, fold.lanes, fold.groups, fold.group)
        self.weights = blocks.transpose(2, 0, 1, 3).reshape(fold.steps, fold.lanes, fold.group)
        self.bias = np.repeat(offsets.reshape(fold.groups, fold.group), fold.turns, axis=0)
        turn = np.tile(np.arange(fold.turns), fold.groups)
        marks = [turn == 0, turn == fold.turns - 1, np.repeat(np.arange(fold.groups), fold.turns)]
        words = [self.weights.reshape(fold.steps, -1), self.bias, np.stack(marks, axis=1)]
        frac = [matrix_frac] * fold.multipliers + [bias_frac] * fold.group + [0, 0, 0]
        self.table = Table.of("weights", np.concatenate(words, axis=1), np.asarray(frac))
        self.bias_frac, self.matrix_frac = bias_frac, matrix_frac

    def _field(self, number: int, name: str) -> int:
        words = self.table.words[:, number]
        if words.min() == words.max():
            return self.m.constant(int(words[0]), int(self.table.frac[number]))
        signal = self.m.table(self.count, self.table, number)
        self.m.label(signal, name)
        return signal

    def weight(self, lane: int, output: int) -> int:
        """Return the weight of a multiplier in this step."""
        return self._field(lane * self.fold.group + output, f"w_{lane}_{output}")

    def bias_of(self, output: int) -> int:
        """Return the bias of the output that is worked on."""
        return self._field(self.fold.multipliers + output, f"bias_{output}")

    @property
    def first_turn(self) -> int:
        """1 in the first step of a group of outputs."""
        return self._field(self.fold.multipliers + self.fold.group, "first_turn")

    @property
    def last_turn(self) -> int:
        """1 in the last step of a group of outputs."""
        return self._field(self.fold.multipliers + self.fold.group + 1, "last_turn")

    @property
    def group_number(self) -> int:
        """Which group of outputs is worked on."""
        return self._field(self.fold.multipliers + self.fold.group + 2, "group")


def _partial_range(m: Module, x: Bus, lane: int, fold: Folding, rom: _Rom) -> Range:
    """Return bounds of every partial sum in an accumulator.

    Partial sums start from the bias and grow turn by turn, so the bound is over all turns and all
    outputs that share the accumulator.
    """
    flat = x.flat + [m.constant(0)] * (fold.lanes * fold.turns - len(x.flat))
    point, lo, hi = _on_one_grid(m.intervals(flat))
    frac = max(point + rom.matrix_frac, rom.bias_frac)
    lo, hi = (v.reshape(fold.turns, fold.lanes) for v in (lo, hi))
    scale = frac - point - rom.matrix_frac
    lows, highs = [0], [0]
    for group in range(fold.groups):
        steps = slice(group * fold.turns, (group + 1) * fold.turns)
        weights = rom.weights[steps, :, lane]
        low = np.minimum(weights * lo, weights * hi).sum(1).cumsum() << scale
        high = np.maximum(weights * lo, weights * hi).sum(1).cumsum() << scale
        bias = int(rom.bias[group * fold.turns, lane]) << (frac - rom.bias_frac)
        lows += [bias, bias + int(low.min())]
        highs += [bias, bias + int(high.max())]
    return min(lows), max(highs), frac


def _on_one_grid(kinds: Intervals) -> tuple[int, Ints, Ints]:
    """Return the finest grid of those that are not zero, and all ranges on it."""
    point = int(kinds.frac.max(initial=-FAR, where=(kinds.lo != 0) | (kinds.hi != 0)))
    if point == -FAR:
        point = 0
    return point, *kinds.aligned(point)


def _accumulator(m: Module, total: int, rom: _Rom, lane: int, active: int, bounds: Range) -> int:
    """Add each step's sum to the partial result; return the result before its register.

    Between inferences garbage passes the adder, so its sum is wrapped to the accumulator's width;
    in an inference it never wraps (`bounds`).
    """
    bias = rom.bias_of(lane)
    if rom.fold.turns == 1:
        return m.add(total, bias)
    low, high, point = bounds
    frac = max(m.frac[total], m.frac[bias])
    # All partial sums stand on the terms' grid, which constant weights can make a coarser one.
    down, up = max(point - frac, 0), max(frac - point, 0)
    width = Fixed.holding(low << up >> down, high << up >> down, frac)
    register = m.register((width.low, width.high, frac))
    m.label(register, f"acc_{lane}")
    start = m.select(rom.first_turn, bias, register)
    following = m.wrap(m.add(start, total), width)
    m.label(total, f"sum_{lane}")
    m.label(following, f"acc_{lane}_next")
    m.connect(register, following, active)
    return following


def _result_types(
    x: Intervals, matrix: Ints, matrix_frac: int, bias: Ints, bias_frac: int
) -> list[Range]:
    """Return the exact range of each output."""
    point, lo, hi = _on_one_grid(x)
    frac = max(point + matrix_frac, bias_frac)
    up, bias_up = frac - point - matrix_frac, frac - bias_frac
    most = np.maximum(np.abs(lo), np.abs(hi)).astype(float) @ np.abs(matrix).astype(float)
    require_exact(np.ldexp(most, up) + np.ldexp(np.abs(bias).astype(float), bias_up))
    positive, negative = np.maximum(matrix, 0), np.minimum(matrix, 0)
    low = ((lo @ positive + hi @ negative) << up) + (bias << bias_up)
    high = ((hi @ positive + lo @ negative) << up) + (bias << bias_up)
    return [(int(a), int(b), frac) for a, b in zip(low, high, strict=True)]


def _hold(m: Module, result: int, enable: int, rng: Range) -> int:
    """Keep a finished result until the next one."""
    if rng[0] == rng[1]:
        return m.constant(rng[0], rng[2])
    register = m.register(rng)
    m.connect(register, result, enable)
    return register
