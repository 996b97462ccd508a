"""Random circuits over all cell kinds, and how to compare their text with the interpreter."""

from __future__ import annotations

import random

import numpy as np

from gatewright.emit import top_name
from gatewright.hw import Kind, Module, Packing, Simulator, Table, evaluate
from gatewright.num import Fixed, Intervals
from gatewright.tools.rtl import RtlDesign, RtlPort
from gatewright.tools.verilator import Stimulus, simulate

Values = dict[str, np.ndarray]

SPANS = ((0, 0), (0, 1), (-1, 0), (-5, -3), (3, 200), (-128, 127))
LABELS = ("sum", "t3", "r4", "wire", "x_0", "acc[1]", "u_x", "rom_lut_1", "u_rnd", "fill_rom_lut_1")
MAX = 40  # bits of any signal, so that products still fit


def random_format(rng: random.Random, most: int = 12) -> Fixed:
    width = rng.choice([0, 1, 1, 2, rng.randint(1, most), rng.randint(1, most)])
    return Fixed(rng.random() < 0.6, width, rng.randint(-3, 6))


def random_types(rng: random.Random, count: int) -> Intervals:
    rows = []
    for _ in range(count):
        fmt = random_format(rng)
        lo, hi = sorted((rng.randint(fmt.low, fmt.high), rng.randint(fmt.low, fmt.high)))
        full = rng.random() < 0.5
        rows.append((fmt.low if full else lo, fmt.high if full else hi, fmt.frac))
    lo, hi, frac = zip(*rows, strict=True) if rows else ((), (), ())
    return Intervals.of(np.array(lo, np.int64), np.array(hi, np.int64), np.array(frac, np.int64))


def random_table(rng: random.Random, number: int) -> Table:
    depth = rng.choice([1, 2, 3, 7, 16, 65, 70, 300])
    fields = rng.choice([1, 1, 2, 4])
    spans = [
        rng.choice([(0, 0), (0, 1), (-1, 0), (-5, -3), (3, 200), (-128, 127)])
        for _ in range(fields)
    ]
    words = [[rng.randint(*span) for span in spans] for _ in range(depth)]
    return Table.of(f"lut {number}", np.array(words), np.array([rng.randint(-2, 5) for _ in spans]))


class Maker:
    """Grow one random module."""

    def __init__(self, rng: random.Random, name: str, children: tuple[Module, ...] = ()) -> None:
        self.rng, self.m = rng, Module(name, origin=f"layer {name}")
        self.children = children
        self.tables = [random_table(rng, i) for i in range(3)]
        self.signals: list[int] = []
        self.open: list[int] = []

    def any(self, most: int = MAX) -> int:
        for _ in range(50):
            s = self.rng.choice(self.signals[-40:] if self.rng.random() < 0.5 else self.signals)
            if self.m.width(s) <= most and -20 <= self.m.frac[s] <= 20:
                return s
        return self.m.constant(self.rng.randint(-9, 9), self.rng.randint(-2, 2))

    def bit(self) -> int:
        for _ in range(20):
            s = self.rng.choice(self.signals)
            if self.m.range(s) == (0, 1, 0):
                return s
        return self.m.less(self.any(), self.any())

    def fitting(self, s: int, lo: int, hi: int, frac: int) -> int:
        """Return a signal within a range, made from another one."""
        fmt = Fixed.holding(lo, hi, frac)
        if (lo, hi) == (fmt.low, fmt.high):
            return self.m.wrap(s, fmt)
        return self.m.constant(self.rng.randint(lo, hi), frac)

    def grow(self, cells: int, state: bool) -> None:
        steps = [self.arith, self.compare, self.bits, self.wiring, self.look_up]
        steps += [self.register, self.memory] * state + [self.instance] * bool(self.children)
        for _ in range(cells):
            self.rng.choice(steps)()
            if self.rng.random() < 0.1:
                self.m.label(
                    self.signals[-1],
                    self.rng.choice(LABELS),
                )

    def arith(self) -> None:
        m, rng = self.m, self.rng
        kind = rng.randrange(6)
        if kind == 0:
            new = m.mul(self.any(20), self.any(20))
        elif kind == 1:
            new = m.neg(self.any())
        elif kind == 2:
            new = m.add(self.any(), m.constant(rng.randint(-300, 300), rng.randint(-2, 4)))
        elif kind == 3:
            new = m.mul(self.any(20), m.constant(rng.randint(-300, 300), rng.randint(-2, 4)))
        else:
            new = (m.add if kind == 4 else m.sub)(self.any(), self.any())
        self.signals.append(new)

    def compare(self) -> None:
        m, rng = self.m, self.rng
        kind = rng.randrange(5)
        if kind < 2:
            new = (m.less if kind else m.equal)(self.any(), self.any())
        elif kind == 2:
            new = m.less(self.any(), m.constant(rng.randint(-4, 4)))
        else:
            condition = self.any(8) if rng.random() < 0.5 else self.bit()
            new = m.select(condition, self.any(), self.any())
        self.signals.append(new)

    def bits(self) -> None:
        m, rng = self.m, self.rng
        a = self.any()
        kind = rng.randrange(5)
        if kind == 0:
            new = m.concat(self.any(15), self.any(15))
        elif kind == 1:
            low = rng.randint(0, m.width(a) + 2)
            new = m.slice(a, low, rng.randint(1, 10))
        else:
            b = m.shift(b0 := self.any(), m.frac[b0] - m.frac[a])
            if m.frac[b] != m.frac[a]:
                return
            new = (m.and_, m.or_, m.xor)[kind - 2](a, b)
        self.signals.append(new)

    def wiring(self) -> None:
        m, rng = self.m, self.rng
        a = self.any()
        if rng.random() < 0.4:
            self.signals.append(m.shift(a, rng.randint(-4, 4)))
            return
        fmt = random_format(rng)
        self.signals.append(m.wrap(a, Fixed(fmt.signed, fmt.width, m.frac[a] + rng.randint(-5, 3))))

    def look_up(self) -> None:
        table = self.rng.choice(self.tables)
        index = self.any(12)
        for column in range(table.words.shape[1]):
            if self.rng.random() < 0.7:
                self.signals.append(self.m.table(index, table, column))

    def register(self) -> None:
        m, rng = self.m, self.rng
        data = self.any()
        lo, hi, frac = m.range(data)
        reset = rng.randint(lo, hi) if rng.random() < 0.6 else None
        enable = self.bit() if reset is not None and rng.random() < 0.5 else -1
        if reset is not None and rng.random() < 0.4:  # closes a loop later on
            fmt = random_format(rng)
            r = m.register((fmt.low, fmt.high, fmt.frac), rng.randint(fmt.low, fmt.high))
            self.open.append(r)
        elif reset is None and rng.random() < 0.5:  # a coarser or finer grid
            to = frac + rng.randint(-3, 2)
            scale = [q << (to - frac) if to > frac else q >> (frac - to) for q in (lo, hi)]
            r = m.register((*scale, to))
            m.connect(r, data)
        else:
            r = m.register((lo, hi, frac), reset)
            m.connect(r, data, enable)
        self.signals.append(r)

    def memory(self) -> None:
        """Add a memory that is read at several addresses; it is written once all has settled."""
        m, rng = self.m, self.rng
        if len(m.memories) == 3:
            return
        depth = rng.choice([1, 2, 3, 8, 13, 16, 40])
        kinds = random_types(rng, rng.choice([1, 2, 5]))
        shape = depth, kinds.size
        init = np.random.default_rng(rng.randrange(99)).integers(kinds.lo, kinds.hi + 1, shape)
        style = rng.choice(["auto", "distributed", "block"])
        number = m.memory(f"store {len(m.memories)}", depth, kinds, init, style)
        for _ in range(rng.randint(1, 3)):
            address = self.any(10)
            for column in range(kinds.size):
                if rng.random() < 0.7:
                    self.signals.append(m.read(number, address, column))

    def settled(self) -> int:
        """Return a bit that is 0 for the first cycles, while registers remember their start."""
        m = self.m
        count = m.register((0, 30, 0), reset=0)
        over = m.equal(count, m.constant(30))
        following = m.add(count, m.constant(1), within=(0, 30))
        m.connect(count, m.select(over, count, following))
        return over

    def instance(self) -> None:
        m, rng = self.m, self.rng
        child = rng.choice(self.children)
        feeds = {
            port: [self.fitting(self.any(), *child.range(s)) for s in signals]
            for port, signals in child.inputs.items()
        }
        for port in m.instance(child, feeds, rng.choice(["", "u", "x"])).values():
            self.signals.extend(port)

    def close(self) -> None:
        for r in self.open:
            lo, hi, frac = self.m.range(r)
            fmt = Fixed.holding(lo, hi, frac)
            data = self.m.wrap(self.any(), fmt)
            self.m.connect(r, data, self.bit() if self.rng.random() < 0.5 else -1)
        for number, memory in enumerate(self.m.memories):
            kinds = memory.fields
            kinds = zip(kinds.lo.tolist(), kinds.hi.tolist(), kinds.frac.tolist(), strict=True)
            data = [self.fitting(self.any(), *kind) for kind in kinds]
            enable = self.m.and_(self.settled(), self.bit())
            self.m.write(number, self.any(10), data, enable)


def random_module(
    seed: int, name: str, *, state: bool, children: tuple[Module, ...] = (), cells: int = 60
) -> Module:
    """Return a random module; with state, each register without reset forgets after some cycles."""
    rng = random.Random(seed)
    maker = Maker(rng, name, children)
    m = maker.m
    for port in ("x", "single", "y_1")[: rng.randint(1, 3)]:
        count = 1 if port == "single" else rng.randint(1, 12)
        maker.signals += m.input(port, random_types(rng, count))
    maker.grow(cells, state)
    maker.close()
    chosen = [maker.any(62) for _ in range(rng.randint(2, 14))]
    m.output("z", [*chosen, m.constant(-5), m.constant(0), maker.signals[0]])
    m.output("one", [maker.signals[-1]])
    return m


def odd_claims() -> Module:
    """Return rows as passes may leave them: ranges wider or narrower than a cell needs."""
    m = Module("odd_claims")
    x = m.input("x", Intervals.of([-8, 0, -4], [7, 15, 3], [0, 0, 2]))
    a, b, c = x
    bit = m.less(a, b)
    never = m.row(Kind.EQUAL, (0, 3, 0), b, m.constant(-1))  # two bits, always 0
    table = Table.of("two", np.array([[3, -2], [1, 0], [2, 5]]))
    m.tables.append(table)
    rows = [
        m.row(Kind.SELECT, (-8, 15, 0), bit, c, b),  # c is floored to the coarser grid
        m.row(Kind.SELECT, (-16, 30, 1), bit, b, c),
        m.row(Kind.WRAP, (-100, 100, 0), a, imm=2 * 3 + 1),
        m.row(Kind.WRAP, (0, 100, 0), a, imm=2 * 3),
        m.row(Kind.WRAP, (-2, 1, -2), a, imm=2 * 5 + 1),
        m.row(Kind.SLICE, (0, 100, 0), b, imm=256 * 1 + 2),
        m.row(Kind.SLICE, (0, 3, 0), m.row(Kind.SLICE, (0, 3, 0), b, imm=2), imm=7),
        m.row(Kind.CONCAT, (0, 1000, 0), a, b),
        m.row(Kind.CONCAT, (0, 15, 0), never, b),
        m.row(Kind.CONCAT, (0, 31, 0), never, b),
        m.row(Kind.LESS, (0, 3, 0), a, b),
        m.row(Kind.LESS, (0, 1, 0), a, m.constant(9)),
        m.row(Kind.EQUAL, (-1, 1, 0), a, c),
        m.row(Kind.EQUAL, (0, 1, 0), b, m.constant(-1)),
        m.row(Kind.TABLE, (-9, 9, 0), b, imm=0),
        m.row(Kind.TABLE, (-9, 9, 0), b, imm=1),
        m.row(Kind.ADD, (-100, 100, 0), a, b),
        m.row(Kind.MUL, (-200, 200, 0), a, b),
        m.row(Kind.MUL, (-8, 0, 0), a, m.row(Kind.LESS, (0, 1, 0), a, m.constant(0))),
        m.row(Kind.AND, (-64, 64, 0), a, b),
        m.row(Kind.SHIFT, (-100, 100, -1), a, imm=1),
    ]
    hold = m.register((0, 15, 0), reset=3)
    m.connect(hold, b, m.sub(a, m.constant(1)))  # any value but zero enables
    m.output("z", [*rows, hold])
    return m


def chained() -> Module:
    """Return instances whose ports are passed on whole, in part, and shuffled."""
    child = Module("twist")
    types = Intervals.of([0, -8, 0, 0, -2], [15, 7, 0, 15, 1], [0, 1, 0, 0, 0])
    x = child.input("x", types)
    child.output("y", [child.and_(x[0], x[3]), x[1], x[2], x[0], x[4]])
    m = Module("chained")
    a = m.instance(child, {"x": m.input("x", types)}, "first")["y"]
    b = m.instance(child, {"x": a}, "second")["y"]
    c = m.instance(child, {"x": [b[3], b[1], b[2], b[0], b[4]]}, "shuffled")["y"]
    shifted = [b[0], m.wrap(m.shift(b[4], -1), Fixed(True, 4, 1)), *b[2:]]
    d = m.instance(child, {"x": shifted}, "shifted")["y"]
    m.output("whole", a)
    m.output("part", b[1:4])
    m.output("mixed", [*c[:2], *d[2:], a[1]])
    return m


def wrapper(modules: list[Module], name: str = "all_of_them") -> Module:
    """Return a streaming top with an instance of each module; it passes `valid` on at once."""
    top = Module(name)
    valid = top.input("valid_in", Intervals.of([0], [1], [0]))
    outputs = {}
    for i, m in enumerate(modules):
        feeds = {
            port: top.input(f"m{i}_{port}", m.intervals(signals))
            for port, signals in m.inputs.items()
        }
        for port, signals in top.instance(m, feeds).items():
            outputs[f"m{i}_{port}"] = signals
    for port, signals in outputs.items():
        top.output(port, signals)
    top.output("valid_out", valid)
    return top


def random_inputs(m: Module, cycles: int, seed: int) -> Values:
    rng = np.random.default_rng(seed)
    result = {}
    for port, signals in m.inputs.items():
        lo, hi = np.array([m.lo[s] for s in signals]), np.array([m.hi[s] for s in signals])
        q = rng.integers(lo, hi + 1, (cycles, len(signals)))
        corner = rng.random(q.shape)
        q = np.where(corner < 0.1, lo, np.where(corner > 0.9, hi, q))
        result[port] = q if port != "valid_in" else np.ones_like(q)
    return result


def interpreted(m: Module, inputs: Values) -> Values:
    """Return what the interpreter answers cycle by cycle, from reset on."""
    if not m.is_sequential:
        return evaluate(m, inputs)
    simulator = Simulator(m, check=False)
    simulator.reset()
    cycles = len(next(iter(inputs.values())))
    steps = [simulator.step({p: q[t : t + 1] for p, q in inputs.items()}) for t in range(cycles)]
    return {p: np.concatenate([step[p] for step in steps]) for p in m.outputs}


def interpreted_parts(modules: list[Module], inputs: Values) -> Values:
    """Return what a `wrapper` of modules answers, one module after another."""
    result = {}
    for i, m in enumerate(modules):
        answer = interpreted(m, {port: inputs[f"m{i}_{port}"] for port in m.inputs})
        result |= {f"m{i}_{port}": q for port, q in answer.items()}
    return result


def streaming(top: Module, sources: dict[str, str]) -> RtlDesign:
    """Return a module's text as the tools take it."""
    widths = [
        [
            (p, sum(top.width(s) for s in ss))
            for p, ss in ports.items()
            if not p.startswith("valid_")
        ]
        for ports in (top.inputs, top.outputs)
    ]
    inputs, outputs = (
        tuple(RtlPort(name, width, side == 0) for name, width in group if width)
        for side, group in enumerate(widths)
    )
    return RtlDesign(top_name(top), sources, inputs, outputs)


def simulated(top: Module, design: RtlDesign, inputs: Values) -> Values:
    """Return what the RTL answers to a sample each cycle."""
    packings = {p: Packing.of(top.intervals(s)) for p, s in (top.inputs | top.outputs).items() if s}
    words = np.concatenate([packings[p.name].pack(inputs[p.name]) for p in design.inputs], axis=1)
    response = simulate([design], [Stimulus(words, np.zeros(len(words), np.int64))])[0]
    assert (response.output_cycle == response.accept_cycle).all()
    result, at = {}, 0
    for port in design.outputs:
        result[port.name] = packings[port.name].unpack(response.words[:, at : at + port.words])
        at += port.words
    return result
