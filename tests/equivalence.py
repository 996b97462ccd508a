"""Prove two circuits equal for every input in range, or find an input on which they differ.

Both are bit-blasted into one set of gates with structural hashing, so that what they share is
shared, and a SAT solver looks for an input that tells their outputs apart. Registers count as wires
once every path is known to hold the same number of them. Written from `docs/semantics/cells.md`,
apart from the interpreter, which then confirms what is found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from pysat.solvers import Solver

from gatewright.hw import NONE, Kind, Module, Simulator

Word = list[int]
"""Literals of a two's complement number, lowest first; the last is the sign."""

CONFLICTS = 200_000
"""Conflicts after which the solver gives up."""


class UndecidedError(Exception):
    """The solver gave up, or a circuit is outside what can be proven."""


@dataclass(frozen=True)
class Counterexample:
    """An input on which two circuits differ, or one leaves a range that it claims."""

    inputs: dict[str, np.ndarray]
    why: str


@dataclass
class Gates:
    """And-gates and exclusive-ors over literals; literal 1 is true."""

    clauses: list[list[int]] = field(default_factory=lambda: [[1]])
    count: int = 1
    known: dict[tuple[str, int, int], int] = field(default_factory=dict)

    def new(self) -> int:
        self.count += 1
        return self.count

    def and_(self, a: int, b: int) -> int:
        if a == b or b == 1:
            return a
        if a == 1:
            return b
        if -1 in (a, b) or a == -b:
            return -1
        key = ("and", min(a, b), max(a, b))
        if key not in self.known:
            c = self.known[key] = self.new()
            self.clauses += [[-c, a], [-c, b], [c, -a, -b]]
        return self.known[key]

    def or_(self, a: int, b: int) -> int:
        return -self.and_(-a, -b)

    def xor(self, a: int, b: int) -> int:
        sign = 1
        if a < 0:
            a, sign = -a, -sign
        if b < 0:
            b, sign = -b, -sign
        if a == b:
            return -sign
        if 1 in (a, b):
            return -sign * (b if a == 1 else a)
        key = ("xor", min(a, b), max(a, b))
        if key not in self.known:
            c = self.known[key] = self.new()
            self.clauses += [[-c, a, b], [-c, -a, -b], [c, -a, b], [c, a, -b]]
        return sign * self.known[key]

    def choose(self, condition: int, a: int, b: int) -> int:
        if a == b:
            return a
        return self.or_(self.and_(condition, a), self.and_(-condition, b))

    def any(self, literals: Word) -> int:
        found = -1
        for literal in literals:
            found = self.or_(found, literal)
        return found

    # ---- words

    def number(self, q: int) -> Word:
        width = q.bit_length() + 1
        return [1 if q >> i & 1 else -1 for i in range(width)]

    def trim(self, a: Word) -> Word:
        while len(a) > 1 and a[-1] == a[-2]:
            a = a[:-1]
        return a

    def add(self, a: Word, b: Word, carry: int = -1) -> Word:
        width = max(len(a), len(b)) + 1
        total = []
        for x, y in zip(extend(a, width), extend(b, width), strict=True):
            half = self.xor(x, y)
            total.append(self.xor(half, carry))
            carry = self.or_(self.and_(x, y), self.and_(half, carry))
        return self.trim(total)

    def sub(self, a: Word, b: Word) -> Word:
        return self.add(a, [-x for x in b], 1)

    def mul(self, a: Word, b: Word) -> Word:
        total = [-1]
        for i, bit in enumerate(b):
            row = [-1] * i + [self.and_(x, bit) for x in a]
            total = self.sub(total, row) if i == len(b) - 1 else self.add(total, row)
        return total

    def differ(self, a: Word, b: Word) -> int:
        width = max(len(a), len(b))
        pairs = zip(extend(a, width), extend(b, width), strict=True)
        return self.any([self.xor(x, y) for x, y in pairs])

    def less(self, a: Word, b: Word) -> int:
        return self.sub(a, b)[-1]


def extend(a: Word, width: int) -> Word:
    return a + [a[-1]] * (width - len(a))


def to_grid(a: Word, frac: int, target: int) -> Word:
    shift = target - frac
    return [-1] * shift + a if shift >= 0 else (a[-shift:] or [a[-1]])


def code(a: Word, width: int) -> Word:
    """Return the unsigned number of the lowest bits."""
    return [*extend(a, width)[:width], -1]


class Blaster:
    """One module's signals as words."""

    def __init__(self, gates: Gates, m: Module, claims: list[int]) -> None:
        self.g, self.m, self.claims = gates, m, claims

    def run(self, inputs: list[Word]) -> list[Word]:
        """Return all output signals for all input signals, port after port."""
        self.words: list[Word] = []
        self.ready: dict[int, list[Word]] = {}
        for s, kind in enumerate(self.m.kind):
            word = inputs[self.m.imm[s]] if kind == Kind.INPUT else self.cell(s, Kind(kind))
            self.words.append(self.claimed(s, self.g.trim(word)))
        return [self.words[s] for s in self.m.output_signals]

    def claimed(self, s: int, word: Word) -> Word:
        """Note where a signal would leave the range that it claims; return it within the width."""
        g, lo, hi = self.g, self.m.lo[s], self.m.hi[s]
        if self.m.kind[s] != Kind.INPUT:
            self.claims += [g.less(word, g.number(lo)), g.less(g.number(hi), word)]
        width = self.m.width(s)
        inside = extend(word, width)[:width]
        return g.trim(inside if lo < 0 else [*inside, -1])

    def pair(self, s: int) -> tuple[Word, Word]:
        m, a, b = self.m, self.m.a[s], self.m.b[s]
        frac = max(m.frac[a], m.frac[b])
        return to_grid(self.words[a], m.frac[a], frac), to_grid(self.words[b], m.frac[b], frac)

    def cell(self, s: int, kind: Kind) -> Word:
        return CELLS[kind](self, s)

    def constant(self, s: int) -> Word:
        return self.g.number(self.m.imm[s])

    def add(self, s: int) -> Word:
        return self.g.add(*self.pair(s))

    def sub(self, s: int) -> Word:
        return self.g.sub(*self.pair(s))

    def mul(self, s: int) -> Word:
        return self.g.mul(self.words[self.m.a[s]], self.words[self.m.b[s]])

    def shift(self, s: int) -> Word:
        return self.words[self.m.a[s]]

    def wrap(self, s: int) -> Word:
        a, (width, signed) = self.m.a[s], divmod(self.m.imm[s], 2)
        low = to_grid(self.words[a], self.m.frac[a], self.m.frac[s])
        return code(low, width)[: width + (not signed)] if width else [-1]

    def less(self, s: int) -> Word:
        return [self.g.less(*self.pair(s)), -1]

    def equal(self, s: int) -> Word:
        return [-self.g.differ(*self.pair(s)), -1]

    def select(self, s: int) -> Word:
        m, w = self.m, self.words
        one, other = (to_grid(w[o], m.frac[o], m.frac[s]) for o in (m.b[s], m.c[s]))
        return self.selected(self.g.any(w[m.a[s]]), one, other)

    def bitwise(self, s: int) -> Word:
        gate = {Kind.AND: self.g.and_, Kind.OR: self.g.or_, Kind.XOR: self.g.xor}
        a, b = self.words[self.m.a[s]], self.words[self.m.b[s]]
        width = max(len(a), len(b))
        pairs = zip(extend(a, width), extend(b, width), strict=True)
        return [gate[Kind(self.m.kind[s])](x, y) for x, y in pairs]

    def slice(self, s: int) -> Word:
        low, width = divmod(self.m.imm[s], 256)
        return code(extend(self.words[self.m.a[s]], low + 1)[low:], width)

    def concat(self, s: int) -> Word:
        a, b = self.m.a[s], self.m.b[s]
        low = code(self.words[b], self.m.width(b))[:-1]
        return low + code(self.words[a], self.m.width(a))

    def register(self, s: int) -> Word:
        a = self.m.a[s]
        if self.m.b[s] != NONE or a >= s:
            raise UndecidedError("a register with an enable, or on a loop")
        return to_grid(self.words[a], self.m.frac[a], self.m.frac[s])

    def selected(self, condition: int, a: Word, b: Word) -> Word:
        width = max(len(a), len(b))
        pairs = zip(extend(a, width), extend(b, width), strict=True)
        return [self.g.choose(condition, x, y) for x, y in pairs]

    def table(self, s: int) -> Word:
        number, column = divmod(self.m.imm[s], 1 << 20)
        words = self.m.tables[number].words[:, column].tolist()
        index = code(self.words[self.m.a[s]], self.m.width(self.m.a[s]))[:-1]
        level = [self.g.number(q) for q in words[: 1 << len(index)]]
        for bit in index:  # choose between neighbours, from the lowest bit up
            level += [[-1]] * (len(level) % 2)
            level = [self.selected(bit, level[i + 1], level[i]) for i in range(0, len(level), 2)]
        return level[0]

    def instance(self, s: int) -> Word:
        number, index = self.m.imm[s] >> 32, self.m.imm[s] & 0xFFFFFFFF
        if number not in self.ready:
            use, m = self.m.instances[number], self.m
            inner = use.module.input_signals
            feeds = [
                to_grid(self.words[o], m.frac[o], use.module.frac[i])
                for o, i in zip(use.inputs, inner, strict=True)
            ]
            self.ready[number] = Blaster(self.g, use.module, self.claims).run(feeds)
        return self.ready[number][index]


CELLS: dict[Kind, Callable[[Blaster, int], Word]] = {
    Kind.CONST: Blaster.constant,
    Kind.ADD: Blaster.add,
    Kind.SUB: Blaster.sub,
    Kind.MUL: Blaster.mul,
    Kind.SHIFT: Blaster.shift,
    Kind.WRAP: Blaster.wrap,
    Kind.LESS: Blaster.less,
    Kind.EQUAL: Blaster.equal,
    Kind.SELECT: Blaster.select,
    Kind.AND: Blaster.bitwise,
    Kind.OR: Blaster.bitwise,
    Kind.XOR: Blaster.bitwise,
    Kind.SLICE: Blaster.slice,
    Kind.CONCAT: Blaster.concat,
    Kind.TABLE: Blaster.table,
    Kind.REG: Blaster.register,
    Kind.INSTANCE: Blaster.instance,
}


def depths(m: Module) -> set[int]:
    """Return how many registers lie on the paths from the inputs to the outputs."""
    depth: list[int | None] = []
    for s, kind in enumerate(m.kind):
        found = {depth[o] for o in m.operands(s) if o < s} - {None}
        if m.is_constant(s) or kind == Kind.CONST:
            depth.append(None)
            continue
        if len(found) > 1:
            raise UndecidedError(f"paths of unequal latency meet in signal {s} of {m.name}")
        own = found.pop() if found else 0 if kind == Kind.INPUT else None
        if own is not None:
            own += kind == Kind.REG
            if kind == Kind.INSTANCE:
                own += max(depths(m.instances[m.imm[s] >> 32].module), default=0)
        depth.append(own)
    return {d for s in m.output_signals if (d := depth[s]) is not None}


def prove_equal(
    a: Module,
    b: Module,
    given: Mapping[str, np.ndarray] | None = None,
    conflicts: int = CONFLICTS,
) -> Counterexample | None:
    """Return None where two circuits give equal numbers for all inputs in range.

    The two have the same ports; `b` may be later. Ranges that either claims for a signal are part
    of the proof. `given` asks for these inputs only.

    Raises:
        UndecidedError: the solver gave up, or a circuit holds state.
    """
    assert list(a.inputs) == list(b.inputs), "the circuits have other inputs"
    assert list(a.outputs) == list(b.outputs), "the circuits have other outputs"
    for m in (a, b):
        if depths(m) - {m.latency}:
            raise UndecidedError(f"{depths(m)} registers to the outputs, latency {m.latency}")
    gates, claims = Gates(), []
    words, inputs = [], a.input_signals
    for s, other in zip(inputs, b.input_signals, strict=True):
        assert a.range(s) == b.range(other), "the circuits have other inputs"
        width = a.width(s)
        bits = [gates.new() for _ in range(width)]
        words.append(bits if a.lo[s] < 0 else [*bits, -1])
        below = gates.less(words[-1], gates.number(a.lo[s]))
        above = gates.less(gates.number(a.hi[s]), words[-1])
        gates.clauses += [[-below], [-above]]
    if given is not None:
        numbers = [q for port in a.inputs for q in given[port][0].tolist()]
        for word, q in zip(words, numbers, strict=True):
            gates.clauses.append([-gates.differ(word, gates.number(q))])
    results = [Blaster(gates, m, claims).run(words) for m in (a, b)]
    different = []
    for s, t, x, y in zip(a.output_signals, b.output_signals, *results, strict=True):
        frac = max(a.frac[s], b.frac[t])
        different.append(gates.differ(to_grid(x, a.frac[s], frac), to_grid(y, b.frac[t], frac)))
    return _solve(gates, a, words, different, claims, conflicts)


def _solve(
    gates: Gates, a: Module, words: list[Word], different: Word, claims: Word, conflicts: int
) -> Counterexample | None:
    goals = {"the outputs differ": different, "a signal leaves its range": claims}
    with Solver(name="glucose4", bootstrap_with=gates.clauses) as solver:
        for why, goal in goals.items():
            known = len(gates.clauses)
            wanted = gates.any(goal)
            solver.append_formula(gates.clauses[known:])
            if wanted == -1:
                continue
            solver.conf_budget(conflicts)
            found = solver.solve_limited(assumptions=[wanted])
            if found is None:
                raise UndecidedError(f"no answer after {conflicts} conflicts")
            if found:
                true = set(solver.get_model())
                return Counterexample(_inputs(a, words, true), why)
    return None


def _inputs(a: Module, words: list[Word], true: set[int]) -> dict[str, np.ndarray]:
    values = []
    for word in words:
        bits = [literal == 1 or literal in true for literal in word]
        values.append(
            sum(bit << i for i, bit in enumerate(bits[:-1])) - (bits[-1] << len(bits) - 1)
        )
    found, at = {}, 0
    for port, signals in a.inputs.items():
        found[port] = np.array([values[at : at + len(signals)]], np.int64)
        at += len(signals)
    return found


def settled(m: Module, inputs: dict[str, np.ndarray], check: bool = False) -> dict[str, list]:
    """Return the outputs, as fractions of their grids, that constant inputs lead to."""
    simulator = Simulator(m, 1, check)
    simulator.reset()
    for _ in range(m.latency):
        simulator.checking(False)
        simulator.step(inputs)
    simulator.checking(check)
    found = simulator.step(inputs)
    return {
        port: [q * 2.0 ** -m.frac[s] for q, s in zip(found[port][0].tolist(), signals, strict=True)]
        for port, signals in m.outputs.items()
    }
