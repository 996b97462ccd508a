"""Passes over circuits are proven to change nothing, on small random circuits; a wrong one is not.

A new pass from module to module is one line in `PASSES`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from lowered import dense, graph, quantizer
from netlists import Netlist
from random_circuits import random_module

from equivalence import Counterexample, UndecidedError, prove_equal, settled
from gatewright.arch import find_device
from gatewright.base import VerificationError
from gatewright.hw import Kind, Module, check
from gatewright.num import Fixed, Intervals
from gatewright.ops import Relu
from gatewright.passes.graph import prune
from gatewright.passes.lower import lower
from gatewright.passes.netlist import Clock, cell_delay, modules, pipeline, recode
from gatewright.passes.netlist.optimise import PASSES as REWRITES
from gatewright.passes.netlist.optimise import optimise

MODEL = find_device("xcvu13p").delay
Pass = Callable[[Module], Module]


def stage(m: Module) -> float:
    """Return 2 ns, or more where a single cell takes longer."""
    cells = ((n, s) for n in modules(m) for s in range(len(n)))
    return max(2.0, *(cell_delay(n, s, MODEL) for n, s in cells)) + 1e-6


PASSES: dict[str, Pass] = {
    "pipeline, slow": lambda m: pipeline(m, Clock(20.0, MODEL)),
    "optimise": optimise,
    **{
        f"optimise, {rewrite.__name__}": partial(optimise, passes=(rewrite,))
        for rewrite in REWRITES
    },
    "recode": recode,
    "pipeline, short stages": lambda m: pipeline(m, Clock(stage(m) + MODEL.register, MODEL)),
}
"""Every pass over circuits."""

SEEDS = range(6)


def small(seed: int) -> Module:
    """Return a random circuit whose products are narrow enough for a SAT solver."""
    netlist = Netlist(seed)
    netlist.inputs(4, 3)
    netlist.grow(25)
    m = netlist.m
    narrow = [s for s in netlist.meaning if m.width(s) <= 14]
    m.output("y", narrow[-8:])
    return m


def all_kinds(seed: int) -> Module:
    """Return a random circuit of all cells without state, wide ones too, with an instance."""
    child = random_module(seed + 100, "child", state=False, cells=12)
    return random_module(seed, "all", state=False, children=(child,), cells=25)


def confirmed(a: Module, b: Module, found: Counterexample) -> bool:
    """Whether the interpreter says the same of a counterexample."""
    return settled(a, found.inputs) != settled(b, found.inputs)


@pytest.mark.parametrize("name", ["optimise", "recode", "pipeline, short stages"])
def test_the_circuits_give_a_pass_something_to_change(name):
    """Else it would be proven equal to itself."""

    def cells(m: Module) -> list[tuple[int, ...]]:
        return [tuple(column) for column in (m.kind, m.a, m.b, m.lo, m.hi)]

    made = [make(seed) for make in (small, all_kinds) for seed in SEEDS]
    assert any(cells(PASSES[name](m)) != cells(m) for m in made)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("make", [small, all_kinds])
@pytest.mark.parametrize("name", PASSES)
def test_a_pass_changes_nothing(name, make, seed):
    m = make(seed)
    changed = PASSES[name](m)
    check(changed)
    assert prove_equal(m, changed) is None


def test_pruning_changes_nothing():
    layers = [
        ("a", dense(3, 3), "x"), ("q", quantizer(), "a"), ("dead", dense(3, 2, 5), "q"),
        ("r", Relu(), "q"), ("b", dense(3, 2, 1), "r"),
    ]  # fmt: skip
    g = graph(layers, "b")
    assert len(prune(g).nodes) == 4
    assert prove_equal(lower(g), lower(prune(g))) is None


# ---- wrong passes are refuted, and the interpreter agrees


def copy(m: Module, change: Callable[[Module, int], None]) -> Module:
    """Return a module with one row changed, the last one that the change is for."""
    new = Module(m.name, m.origin, latency=m.latency)
    for column in ("kind", "a", "b", "c", "imm", "lo", "hi", "frac"):
        setattr(new, column, list(getattr(m, column)))
    new.tables, new.instances = list(m.tables), list(m.instances)
    new.inputs, new.outputs = dict(m.inputs), dict(m.outputs)
    change(new, len(m))
    return new


def last(m: Module, kind: Kind) -> int:
    return max(s for s, k in enumerate(m.kind) if k == kind)


def adds_for_subtracts(m: Module, size: int) -> None:
    m.kind[last(m, Kind.SUB)] = int(Kind.ADD)


def wraps_a_bit_early(m: Module, size: int) -> None:
    m.imm[last(m, Kind.WRAP)] -= 2


def chooses_the_other(m: Module, size: int) -> None:
    s = last(m, Kind.SELECT)
    m.b[s], m.c[s] = m.c[s], m.b[s]


def compares_the_other_way(m: Module, size: int) -> None:
    s = last(m, Kind.LESS)
    m.a[s], m.b[s] = m.b[s], m.a[s]


def network() -> Module:
    """Return a circuit with a cell of each kind that the wrong passes change."""
    m = Module("network")
    x, y, z = m.input("x", Intervals.of([-8, -8, 0], [7, 5, 9], [0, 1, 0]))
    difference = m.sub(m.mul(x, y), z)
    chosen = m.select(m.less(x, z), difference, m.add(y, z))
    m.output("y", [m.wrap(chosen, Fixed(True, 5, 1)), m.equal(x, z)])
    return m


@pytest.mark.parametrize(
    "change",
    [adds_for_subtracts, wraps_a_bit_early, chooses_the_other, compares_the_other_way],
)
def test_a_wrong_pass_is_refuted_and_the_interpreter_agrees(change):
    m = network()
    wrong = copy(m, change)
    found = prove_equal(m, wrong)
    assert found is not None
    assert found.why == "the outputs differ"
    for port, q in found.inputs.items():
        assert m.intervals(m.inputs[port]).contains(q).all()
    assert confirmed(m, wrong, found)
    assert prove_equal(m, copy(m, lambda new, size: None)) is None


def test_a_range_that_is_too_narrow_is_refuted():
    m = network()

    def narrow(new: Module, size: int) -> None:
        new.hi[last(new, Kind.MUL)] -= 1

    wrong = copy(m, narrow)
    found = prove_equal(m, wrong)
    assert found is not None
    assert found.why == "a signal leaves its range"
    with pytest.raises(VerificationError, match="left the range"):
        settled(wrong, found.inputs, check=True)


def test_a_register_too_few_is_no_proof():
    m = network()
    slowest = max(cell_delay(m, s, MODEL) for s in range(len(m)))
    late = pipeline(m, Clock(slowest + MODEL.register, MODEL))
    assert late.latency >= 1
    register = next(s for s, k in enumerate(late.kind) if k == Kind.REG)

    def skip(new: Module, size: int) -> None:
        for column in (new.a, new.b, new.c):
            for s in range(size):
                if column[s] == register and s != register:
                    column[s] = new.a[register]

    with pytest.raises(UndecidedError, match=r"unequal latency|registers to the outputs"):
        prove_equal(m, copy(late, skip))


def test_the_blaster_knows_every_cell_as_the_interpreter_does():
    """Fix all inputs: what remains is a number, and it must be the interpreter's."""
    for seed in range(4):
        m = all_kinds(seed)
        rng = np.random.default_rng(seed)
        given = {
            p: rng.integers(k.lo, k.hi + 1)[None]
            for p, k in ((p, m.intervals(s)) for p, s in m.inputs.items())
        }
        fixed = Module("fixed")
        for port, signals in m.inputs.items():
            fixed.input(port, m.intervals(signals))
        values = settled(m, given)
        for port, signals in m.outputs.items():
            fixed.output(
                port,
                [
                    fixed.constant(round(v * 2.0 ** m.frac[s]), m.frac[s])
                    for v, s in zip(values[port], signals, strict=True)
                ],
            )
        assert prove_equal(m, fixed, given) is None
        port, s = next((p, i) for p, ss in fixed.outputs.items() for i in range(len(ss)))
        fixed.outputs[port][s] = fixed.add(fixed.outputs[port][s], fixed.constant(1))
        assert prove_equal(m, fixed, given) is not None
