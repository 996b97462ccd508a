"""The builder: every cell means what it says, ranges hold, equal cells are one."""

from __future__ import annotations

import numpy as np
import pytest
from netlists import STEPS, Netlist, grid

from gatewright.base import FormatError
from gatewright.hw import Kind, Module, Table, check, evaluate
from gatewright.num import Fixed, Intervals


def inputs(m: Module, *rows: tuple[int, int, int]) -> list[int]:
    return m.input(f"x{len(m.inputs)}", Intervals.of(*np.asarray(rows).T))


@pytest.mark.parametrize("seed", range(40))
def test_every_cell_means_what_it_says(seed):
    """The interpreter against numbers computed beside the circuit; it checks the ranges, too."""
    netlist = Netlist(seed)
    netlist.inputs(5)
    netlist.grow(60)
    m, signals = netlist.m, list(netlist.meaning)
    m.output("y", signals)
    check(m)
    found = evaluate(m, netlist.feed)["y"]
    for s, column in zip(signals, found.T.tolist(), strict=True):
        numbers = [q * grid(m.frac[s]) for q in column]
        assert numbers == netlist.meaning[s], f"signal {s} ({Kind(m.kind[s]).name})"


def test_every_cell_was_tried():
    kinds: set[int] = set()
    for seed in range(40):
        netlist = Netlist(seed)
        netlist.inputs(5)
        netlist.grow(60)
        kinds |= set(netlist.m.kind)
    assert kinds == set(Kind) - {Kind.REG, Kind.INSTANCE, Kind.READ}
    assert len(STEPS) == 19


class Twice(Module):
    """A module whose input is the same however often it is asked for."""

    def input(self, name, types):
        return self.inputs.get(name) or super().input(name, types)


@pytest.mark.parametrize("seed", range(6))
def test_the_same_circuit_twice_is_there_once(seed):
    m, sizes = Twice("twice"), []
    for _ in range(2):
        netlist = Netlist(seed)
        netlist.m = m
        netlist.inputs(4)
        netlist.grow(40)
        sizes.append((len(m), len(m.tables)))
    assert sizes[0] == sizes[1]


def constants_of(m: Module) -> list[tuple[int, int]]:
    return [(m.imm[s], m.frac[s]) for s in m.outputs["y"] if m.kind[s] == Kind.CONST]


def test_what_can_only_have_one_value_is_a_constant():
    m = Module("folded")
    (a, b, bit) = inputs(m, (-4, 3, 1), (8, 15, 1), (0, 1, 0))
    zero, one, k = m.constant(0), m.constant(1), m.constant(6, 2)  # 1.5
    pairs = [
        (m.add(k, m.constant(-3)), (-3, 1)), (m.sub(a, a), (0, 0)), (m.mul(k, k), (9, 2)),
        (m.mul(a, zero), (0, 0)), (m.less(a, b), (1, 0)), (m.less(b, a), (0, 0)),
        (m.less(a, a), (0, 0)), (m.equal(a, a), (1, 0)), (m.equal(a, b), (0, 0)),
        (m.equal(k, m.constant(3, 1)), (1, 0)), (m.and_(bit, zero), (0, 0)),
        (m.not_(one), (0, 0)), (m.wrap(m.constant(9), Fixed(True, 3, 0)), (1, 0)),
        (m.wrap(b, Fixed(True, 3, -3)), (0, 0)), (m.slice(m.constant(7), 1, 2), (3, 0)),
        (m.table(a, Table.of("t", np.full(8, 5), 0)), (5, 0)), (m.shift(k, 1), (3, 0)),
        (m.select(bit, a, b, within=(8, 8)), (1, -2)), (m.sub(a, b, within=(-5, -5)), (-5, 1)),
        (m.add(a, b, within=(7, 7)), (7, 1)), (m.neg(k), (-3, 1)), (m.constant(0, 9), (0, 0)),
    ]  # fmt: skip
    m.output("y", [s for s, _ in pairs])
    assert constants_of(m) == [wanted for _, wanted in pairs]


def test_what_changes_nothing_costs_nothing():
    m = Module("same")
    (a, bit) = inputs(m, (-4, 3, 1), (0, 1, 0))
    zero, one = m.constant(0), m.constant(1)
    size = len(m)
    same = [
        m.add(a, zero), m.add(zero, a), m.sub(a, zero), m.mul(a, one), m.shift(a, 0),
        m.shift(m.shift(a, 3), -3), m.wrap(a, Fixed(True, 3, 1)), m.wrap(a, Fixed(True, 9, 4)),
        m.floor(a, 1), m.floor(a, 5), m.select(one, a, bit), m.select(zero, bit, a),
        m.select(bit, a, a),
    ]  # fmt: skip
    assert set(same) == {a}
    assert {m.and_(bit, one), m.and_(one, bit), m.or_(bit, zero), m.or_(zero, bit)} == {bit}
    assert len(m) == size + 1  # the shift that was shifted back


def test_order_of_operands_makes_no_second_cell():
    m = Module("order")
    (a, b) = inputs(m, (-4, 3, 1), (0, 9, 1))
    for build in (m.add, m.mul, m.equal, m.and_, m.or_, m.xor):
        assert build(a, b) == build(b, a)
    assert m.sub(a, b) != m.sub(b, a)
    assert m.less(a, b) != m.less(b, a)


def test_chains_of_shifts_are_one_shift():
    m = Module("shifts")
    (a,) = inputs(m, (-4, 3, 1))
    s = a
    for _ in range(3000):
        s = m.shift(s, 1)
    assert (m.a[s], m.imm[s], m.frac[s]) == (a, 3000, -2999)


@pytest.mark.parametrize("frac", [-5, 0, 3])
def test_zero_is_on_every_grid(frac):
    """A constant zero beside a coarse number makes nothing wider."""
    m = Module("coarse")
    (a,) = inputs(m, (-4, 3, frac))
    zero = m.constant(0)
    assert m.range(m.neg(a)) == (-3, 4, frac)
    assert m.aligned(a, zero) == ((-4, 3, frac), (0, 0, frac))
    relu = m.select(m.less(a, zero), zero, a, within=(0, 3))
    assert m.range(relu) == (0, 3, frac)
    m.output("y", [m.neg(a), relu])
    q = np.arange(-4, 4)[:, None]
    assert evaluate(m, {"x0": q})["y"].tolist() == [[-v, max(v, 0)] for v in range(-4, 4)]


def test_a_square_is_never_negative():
    m = Module("square")
    (a, b) = inputs(m, (-4, 3, 1), (-5, -2, 0))
    assert m.range(m.mul(a, a)) == (0, 16, 2)
    assert m.range(m.mul(b, b)) == (4, 25, 0)


def test_equal_tables_are_one():
    m = Module("tables")
    (a,) = inputs(m, (0, 7, 0))
    words = np.arange(8) ** 2
    one = m.table(a, Table.of("squares", words))
    assert m.table(a, Table.of("other_name", words.copy())) == one
    assert m.table(a, Table.of("squares", words, 1)) != one
    assert len(m.tables) == 2


def test_words_behind_the_end_of_a_table_are_zero():
    m = Module("short")
    (a,) = inputs(m, (0, 7, 0))
    s = m.table(a, Table.of("t", np.asarray([5, 6, 7])))
    assert m.range(s) == (0, 7, 0)
    m.output("y", [s])
    assert evaluate(m, {"x0": np.arange(8)[:, None]})["y"].ravel().tolist() == [5, 6, 7] + [0] * 5


def test_ports_of_an_instance_are_aligned():
    child = Module("child")
    (c, d) = inputs(child, (-8, 7, 2), (0, 15, 0))
    child.output("y", [child.add(c, d)])
    m = Module("parent")
    (a, b) = inputs(m, (-4, 3, 1), (0, 3, -2))
    (y,) = m.instance(child, {"x0": [a, b]})["y"]
    m.output("y", [y])
    check(m)
    q = np.asarray([[-4, 0], [3, 3], [-1, 2]])
    wanted = [2 * p + 16 * r for p, r in q.tolist()]
    assert evaluate(m, {"x0": q})["y"].ravel().tolist() == wanted
    assert m.instances[0].name == "u_child"


@pytest.mark.parametrize(
    ("rng", "what"),
    [((-5, 3, 1), "does not fit"), ((-4, 4, 1), "does not fit"), ((-1, 1, 3), "off the grid")],
)
def test_a_signal_that_does_not_fit_its_port_is_a_defect(rng, what):
    child = Module("child")
    child.output("y", inputs(child, (-4, 3, 1)))
    m = Module("parent")
    signals = inputs(m, rng)
    with pytest.raises(AssertionError, match=what):
        m.instance(child, {"x0": signals})


def test_ports_that_do_not_match_are_a_defect():
    child = Module("child")
    child.output("y", inputs(child, (-4, 3, 1)))
    m = Module("parent")
    (a,) = inputs(m, (0, 1, 0))
    with pytest.raises(AssertionError, match="ports of an instance"):
        m.instance(child, {"z": [a]})
    with pytest.raises(AssertionError, match="number of elements"):
        m.instance(child, {"x0": [a, a]})


def test_a_port_or_register_made_twice_is_a_defect():
    m = Module("twice")
    (a,) = inputs(m, (0, 1, 0))
    m.output("y", [a])
    r = m.register((0, 1, 0))
    m.connect(r, a)
    for again in (
        lambda: m.input("x0", Intervals.of([0], [1], 0)),
        lambda: m.output("y", [a]),
        lambda: m.connect(r, a),
        lambda: m.connect(a, a),
        lambda: m.not_(m.constant(2)),
        lambda: m.and_(m.shift(a, 2), m.constant(3)),
    ):
        with pytest.raises(AssertionError):
            again()


@pytest.mark.parametrize(
    ("build", "what"),
    [
        (lambda m, a, b: m.add(b, b), "add of range 0..9223372036854775806"),
        (lambda m, a, b: m.sub(a, b), "sub of range -4611686018427387907..3"),
        (lambda m, a, b: m.mul(a, b), "mul of range -18446744073709551612.."),
        (lambda m, a, b: m.concat(a, b), "concat of range 0..36893488147419103231"),
        (lambda m, a, b: m.less(m.shift(a, -60), b), "two numbers on one grid of range 0.."),
        (lambda m, a, b: m.register((-(2**61) - 1, 0, 0)), "reg of range -2305843009213693953..0"),
        (lambda m, a, b: m.constant(2**62 + 1), "const of range"),
    ],
)
def test_too_wide_wrong(build, what):
    m = Module("wide", origin="layer 'dense'")
    (a, b) = inputs(m, (-4, 3, 0), (0, 2**62 - 1, 0))
    with pytest.raises(FormatError) as error:
        build(m, a, b)
    text = str(error.value)
    assert text.startswith(
        "a signal would be wider than we compute with\n  at:        layer 'dense'"
    )
    assert what in text
    assert "supported: 62 bits, sign included" in text
    assert "remedy:    quantize the layer's inputs or weights to fewer bits" in text


@pytest.mark.parametrize("shape", [(2, 0), (0, 2), (1, 1, 1)])
def test_a_table_without_words_wrong(shape):
    with pytest.raises(FormatError) as error:
        Table.of("t", np.zeros(shape))
    assert str(error.value) == f"a table needs words\n  found:     shape {shape}"


def test_names_and_facts():
    m = Module("m")
    (a, b) = inputs(m, (-4, 3, 1), (0, 0, 0))
    m.label(a, "first")
    m.label(a, "second")
    assert m.names == {a: "first"}
    assert (m.width(a), m.width(b), m.fixed(a)) == (3, 0, Fixed(True, 3, 1))
    assert m.intervals([a, b]).fixed(0) == Fixed(True, 3, 1)
    assert (m.input_signals, m.output_signals, len(m)) == ([a, b], [], 2)
    assert m.operands(m.select(m.less(a, m.constant(0)), a, m.constant(1))) == [3, 0, 4]


def test_cells_whose_hashes_meet_stay_apart():
    """In Python -1 and -2 have one hash."""
    m = Module("m")
    numbers = [(-1, -1, 0), (-2, -2, 0), (-2, -1, 0), (-1, -1, -1), (-2, -2, -2)]
    cells = [(Kind.WRAP, rng, 0, imm) for rng in numbers for imm in (-1, -2)]
    m.input("x", Intervals.of([-2], [-1], 0))
    signals = [m.row(kind, rng, a, imm=imm) for kind, rng, a, imm in cells]
    assert len(set(signals)) == len(cells)
    assert [m.row(kind, rng, a, imm=imm) for kind, rng, a, imm in cells] == signals


def test_a_cell_takes_eight_bytes_a_column():
    m = Module("m")
    columns = (m.kind, m.a, m.b, m.c, m.imm, m.lo, m.hi, m.frac)
    assert [column.itemsize for column in columns] == [8] * 8
