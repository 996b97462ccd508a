"""Random circuits of modules, and what may be said of their registers without any label."""

from __future__ import annotations

import itertools
import random

from gatewright.hw import NONE, VALID_IN, VALID_OUT, Kind, Module
from gatewright.num import Fixed, Intervals
from gatewright.passes.netlist import DelayModel, cell_delay

MODEL = DelayModel(lut=0.3, carry=0.5, carry_bit=0.01, mux=0.1, register=0.2, source="test")


def grow(m: Module, signals: list[int], cells: int, rng: random.Random) -> list[int]:
    """Add random cells that read what is there; return all signals."""
    signals = list(signals)
    while len(signals) < cells:
        a, b = rng.choice(signals[-6:]), rng.choice(signals)
        what = rng.choice(("add", "add", "sub", "sub", "shift", "wrap", "less", "slice"))
        if max(m.width(a), m.width(b)) > 24:
            what = "wrap"
        if what in ("add", "sub"):
            s = getattr(m, what)(a, b)
        elif what == "shift":
            s = m.shift(a, rng.randint(-2, 3))
        elif what == "wrap":
            s = m.wrap(a, Fixed(True, rng.randint(2, 6), m.frac[a]))
        elif what == "less":
            s = m.select(m.less(a, b), a, b)
        else:
            s = m.slice(a, 0, max(1, m.width(a) - 1))
        signals.append(s)
    return signals


def leaf(name: str, inputs: int, outputs: int, cells: int, rng: random.Random) -> Module:
    """Return a random module of one level."""
    m = Module(name, name)
    x = m.input("x", Intervals.of([-8] * inputs, [7] * inputs, [0] * inputs))
    signals = grow(m, x, cells, rng)
    m.output("y", [rng.choice(signals[-4:]) for _ in range(outputs)])
    return m


def circuit(seed: int, cells: int = 14) -> Module:
    """Return a random circuit: modules within modules, some used twice, and logic between."""
    rng = random.Random(seed)
    top = Module("top", "top")
    (valid,) = top.input(VALID_IN, Intervals.of([0], [1], [0]))
    x = top.input("x", Intervals.of([-8] * 3, [7] * 3, [0] * 3))
    signals = grow(top, x, 5, rng)
    shared = leaf("shared", 2, 2, cells // 2, rng)
    middle = Module("middle", "middle")
    inner = grow(middle, middle.input("x", Intervals.of([-8] * 2, [7] * 2, [0] * 2)), 4, rng)
    narrow = [middle.wrap(s, Fixed(True, 4, 0)) for s in inner[-2:]]
    found = middle.instance(leaf("deep", 2, 1, cells, rng), {"x": narrow})["y"]
    middle.output("y", [*grow(middle, [*found, inner[0]], 4, rng)[-2:], inner[1]])
    for module in (shared, middle, leaf("single", 2, 2, cells, rng), shared):
        feeds = [top.wrap(rng.choice(signals), Fixed(True, 4, 0)) for _ in range(2)]
        signals += top.instance(module, {"x": feeds}, f"u{len(signals)}")["y"]
        signals = grow(top, signals, len(signals) + 2, rng)
    top.output(VALID_OUT, [valid])
    top.output("y", signals[-3:])
    return top


def register_bits(top: Module) -> int:
    """Count the bits of all registers of a circuit, instance by instance."""
    own = sum(top.width(s) for s, kind in enumerate(top.kind) if kind == Kind.REG)
    return own + sum(register_bits(i.module) for i in top.instances)


def latest(top: Module, model: DelayModel, feeds: list[float] | None = None) -> list[float]:
    """Return when the outputs settle; fail where a register or a cell does later than allowed.

    Looks at the finished circuit only: a register starts at 0, a cell ends after its operands.
    """
    arrivals, _ = _settle(top, model, feeds or [0.0] * len(top.input_signals))
    return [arrivals[s] for s in top.output_signals]


def worst_arrival(top: Module, model: DelayModel) -> float:
    """Return the longest time between two registers, or a port and a register."""
    return _settle(top, model, [0.0] * len(top.input_signals))[1]


def _settle(m: Module, model: DelayModel, feeds: list[float]) -> tuple[list[float], float]:
    arrival: list[float] = []
    worst = 0.0
    children: dict[int, list[float]] = {}
    for s, kind in enumerate(m.kind):
        if kind == Kind.REG or m.is_constant(s):
            arrival.append(0.0)
        elif kind == Kind.INPUT:
            arrival.append(feeds[m.imm[s]])
        elif kind == Kind.INSTANCE:
            number = m.imm[s] >> 32
            if number not in children:
                instance = m.instances[number]
                inner, deep = _settle(instance.module, model, [arrival[o] for o in instance.inputs])
                worst = max(worst, deep)
                children[number] = [inner[o] for o in instance.module.output_signals]
            arrival.append(children[number][m.imm[s] & 0xFFFFFFFF])
        else:
            start = max((arrival[o] for o in m.operands(s)), default=0.0)
            arrival.append(start + cell_delay(m, s, model))
        worst = max(worst, arrival[-1])
    return arrival, worst


def fewest_bits(m: Module, depth: int, budget: float, model: DelayModel) -> int:
    """Try every label of every cell of a module of one level; return the fewest register bits."""
    cells = [s for s, k in enumerate(m.kind) if k not in (Kind.CONST, Kind.INPUT)]
    best = None
    for labels in itertools.product(range(depth + 1), repeat=len(cells)):
        label = dict.fromkeys(range(len(m)), 0) | dict(zip(cells, labels, strict=True))
        if _legal(m, cells, label, budget, model):
            bits = _bits(m, cells, label, depth)
            best = bits if best is None else min(best, bits)
    assert best is not None, "no placement meets the clock"
    return best


def _legal(
    m: Module, cells: list[int], label: dict[int, int], budget: float, model: DelayModel
) -> bool:
    arrival = dict.fromkeys(range(len(m)), 0.0)
    for s in cells:
        reads = [o for o in (m.a[s], m.b[s], m.c[s]) if o != NONE and not m.is_constant(o)]
        if any(label[o] > label[s] for o in reads):
            return False
        start = max((arrival[o] for o in reads if label[o] == label[s]), default=0.0)
        arrival[s] = start + cell_delay(m, s, model)
        if arrival[s] > budget + 1e-9:
            return False
    return True


def _bits(m: Module, cells: list[int], label: dict[int, int], depth: int) -> int:
    last = dict(label)
    for s in cells:
        for o in m.operands(s):
            last[o] = max(last[o], label[s])
    for o in m.output_signals:
        last[o] = max(last[o], depth)
    return sum(m.width(s) * (last[s] - label[s]) for s in last if not m.is_constant(s))
