"""Memories, cycle by cycle, and what the checker and the memory itself refuse."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.base import FormatError, ManyErrors, VerificationError
from gatewright.hw import NONE, Kind, Memory, Module, Simulator, Table, check, evaluate
from gatewright.num import Intervals

BIT = Intervals.of([0], [1], 0)
BYTE = Intervals.of([-128], [127], 0)


def store(init: np.ndarray | None = None, depth: int = 4) -> Module:
    """A memory read at one address and written at another."""
    m = Module("store", origin="layer 'fifo'")
    (we,) = m.input("we", BIT)
    wa, ra = (m.input(p, Intervals.of([0], [7], 0))[0] for p in ("wa", "ra"))
    (d,) = m.input("d", BYTE)
    number = m.memory("words", depth, BYTE, init)
    m.write(number, wa, [d], we)
    m.output("q", [m.read(number, ra)])
    return m


def step(simulator: Simulator, we: int, wa: int, ra: int, d: int) -> int:
    inputs = {"we": we, "wa": wa, "ra": ra, "d": d}
    answer = simulator.step({p: np.full((simulator.batch, 1), v) for p, v in inputs.items()})
    return int(answer["q"][0, 0])


def test_a_read_sees_what_was_there_before_the_edge():
    simulator = Simulator(store(np.arange(4)[:, None]))
    assert step(simulator, we=1, wa=2, ra=2, d=77) == 2
    assert step(simulator, we=0, wa=2, ra=2, d=-1) == 77
    assert step(simulator, we=0, wa=0, ra=3, d=-1) == 3


def test_reset_leaves_a_memory_alone():
    simulator = Simulator(store(np.zeros((4, 1))))
    step(simulator, we=1, wa=1, ra=0, d=5)
    simulator.reset()
    assert step(simulator, we=0, wa=0, ra=1, d=0) == 5


def test_what_lies_past_the_end_is_zero_and_not_written():
    m = store(np.full((4, 1), 9))
    assert m.range(m.outputs["q"][0]) == (-128, 127, 0)
    simulator = Simulator(m)
    assert step(simulator, we=1, wa=6, ra=6, d=5) == 0
    assert step(simulator, we=0, wa=0, ra=6, d=5) == 0
    assert [step(simulator, we=0, wa=0, ra=a, d=0) for a in range(4)] == [9] * 4


def test_words_never_written_hold_something_legal_but_not_zero_alone():
    simulator = Simulator(store(depth=64), batch=3)
    held = simulator.memories[0]
    assert held.shape == (3, 64, 1)
    assert held.min() >= -128
    assert held.max() <= 127
    assert len(np.unique(held)) > 50


def test_every_copy_has_contents_of_its_own():
    simulator = Simulator(store(np.zeros((4, 1))), batch=2)
    both = np.array([[1], [0]])
    inputs = {"we": both, "wa": both, "ra": both, "d": np.array([[7], [8]])}
    simulator.step(inputs)
    ra = {"we": 0 * both, "wa": both, "ra": np.array([[1], [1]]), "d": both}
    assert simulator.step(ra)["q"].tolist() == [[7], [0]]


def test_copies_of_an_instance_have_contents_of_their_own():
    child, m = store(np.zeros((4, 1))), Module("two")
    ports = [m.input(p, child.intervals(s)) for p, s in child.inputs.items()]
    (other,) = m.input("other", BIT)
    feeds = np.array([[s for (s,) in ports], [other, *(s for (s,) in ports[1:])]])
    m.output("q", m.instances_of(child, feeds).ravel().tolist())
    check(m)
    simulator = Simulator(m)
    for enables, found in (((1, 0), [0, 0]), ((0, 1), [5, 0]), ((0, 0), [5, 5])):
        inputs = {"we": enables[0], "other": enables[1], "wa": 2, "ra": 2, "d": 5}
        answer = simulator.step({p: np.array([[v]]) for p, v in inputs.items()})
        assert answer["q"][0].tolist() == found


def test_data_on_a_coarser_grid_is_written_as_a_number():
    m = Module("grids")
    (x,) = m.input("x", Intervals.of([-2], [1], 0))
    number = m.memory("words", 1, Intervals.of([-8], [4], 2), np.zeros((1, 1)))
    m.write(number, m.constant(0), [x], m.constant(1))
    m.output("y", [m.read(number, m.constant(0))])
    check(m)
    simulator = Simulator(m)
    found = [simulator.step({"x": np.array([[q]])})["y"].item() for q in (-2, 1, 0)]
    assert found == [0, -8, 4]


def test_reads_of_one_address_are_one_cell():
    m = Module("merged")
    a, b = m.input("a", Intervals.of([0, 0], [3, 3], 0))
    number = m.memory("words", 4, Intervals.of([0, 0], [7, 7], 0))
    assert m.read(number, a) == m.read(number, a)
    assert len({m.read(number, a), m.read(number, b), m.read(number, a, 1)}) == 3
    assert m.kind[-1] == Kind.READ
    assert m.operands(m.read(number, a)) == [a]


def test_a_memory_is_state():
    m = store()
    assert m.holds_state
    assert m.is_sequential
    assert not m.holds(Kind.REG)
    with pytest.raises(AssertionError, match="a circuit with state"):
        evaluate(m, {})


def test_a_field_of_one_value_is_a_constant_unless_the_end_is_passed():
    m = Module("constants")
    near, far = m.input("a", Intervals.of([0, 0], [3, 4], 0))
    number = m.memory("words", 4, Intervals.of([5], [5], 1))
    assert m.range(m.read(number, near)) == (5, 5, 1)
    assert m.range(m.read(number, far)) == (0, 5, 1)


# ---- what is refused


def test_writing_past_a_range_wrong():
    m = store(np.zeros((4, 1)))
    m.memories[0].fields = Intervals.of([0], [3], 0)
    with pytest.raises(VerificationError, match="a memory that cannot hold it") as error:
        step(Simulator(m), we=1, wa=0, ra=0, d=4)
    assert "layer 'fifo': memory words, field 0" in str(error.value)


def unconnected(m: Module) -> None:
    m.memories[0].address = m.memories[0].enable = NONE


def other_data(m: Module) -> None:
    m.memories[0].data *= 2


def nowhere(m: Module) -> None:
    m.memories[0].data = [99]


def wide_enable(m: Module) -> None:
    m.memories[0].enable = m.inputs["d"][0]


def too_wide(m: Module) -> None:
    m.memories[0].fields = Intervals.of([-8], [127], 0)


def off_grid(m: Module) -> None:
    m.memories[0].fields = Intervals.of([-128], [127], -1)


def no_memory(m: Module) -> None:
    m.imm[m.outputs["q"][0]] = 1 << 20


def no_field(m: Module) -> None:
    m.imm[m.outputs["q"][0]] = 1


CASES = {
    "unconnected": (unconnected, "nothing is ever written into a memory"),
    "other_data": (other_data, "a memory is written with another number of fields than it has"),
    "nowhere": (nowhere, "the write port of a memory names a signal that is not there"),
    "wide_enable": (wide_enable, "the enable of a memory is more than one bit"),
    "too_wide": (too_wide, "what is written into a memory does not fit its field 0"),
    "off_grid": (off_grid, "what is written into a memory is off the grid of its field 0"),
    "no_memory": (no_memory, "its memory does not exist"),
    "no_field": (no_field, "its memory does not exist"),
}


@pytest.mark.parametrize("name", CASES)
def test_malformed_wrong(name):
    damage, what = CASES[name]
    m = store()
    check(m)
    damage(m)
    with pytest.raises((VerificationError, ManyErrors), match=what) as error:
        check(m)
    place = "signal 4 (read)" if name.startswith("no_") else "memory words"
    assert f"layer 'fifo': {place}" in str(error.value)


def test_the_number_of_data_is_said():
    m = store()
    other_data(m)
    with pytest.raises((VerificationError, ManyErrors)) as error:
        check(m)
    assert "found:     2\n  supported: 1\n" in str(error.value)


REFUSED = {
    "style": ({"style": "bloc"}, "a memory cannot be held that way", "style bloc\n"),
    "no words": ({"depth": 0}, "a memory needs words of one field or more", "0 words"),
    "shape": ({"init": np.zeros(4)}, "words of another shape", "found:     shape (4,)"),
    "range": ({"init": np.full((4, 1), 200)}, "outside the range of its field", "word 0, field 0"),
    "ultra": (
        {"init": np.ones((4, 1)), "style": "ultra"},
        "cannot hold anything but zeros at power-up", "memory words",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_memory_wrong(name):
    given, what, more = REFUSED[name]
    with pytest.raises(FormatError, match=what) as error:
        Memory(**{"name": "words", "depth": 4, "fields": BYTE, **given})
    assert more in str(error.value)


def test_a_style_of_table_wrong():
    with pytest.raises(FormatError, match="a memory cannot be held that way") as error:
        Table.of("curve", np.arange(4), style="ultra")
    assert "supported: auto, distributed, block" in str(error.value)


def test_tables_of_two_styles_are_two():
    tables = [Table.of("t", np.arange(4), style=s) for s in ("auto", "auto", "block")]
    assert tables[0].key() == tables[1].key() != tables[2].key()
