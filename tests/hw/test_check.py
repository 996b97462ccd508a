"""Every failure of the checker, on a circuit that is broken in that one way."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.base import ManyErrors, VerificationError
from gatewright.hw import NONE, Module, Table, check
from gatewright.num import Intervals


def sound() -> Module:
    """A module with every cell that a failure below is about; rows are named in the tests."""
    child = Module("child")
    child.output("y", child.input("x", Intervals.of([0], [7], 0)))
    m = Module("top", origin="layer 'dense'")
    (a,) = m.input("x", Intervals.of([0], [7], 0))  # 0
    total = m.add(a, m.constant(3))  # 1, 2
    r = m.register((0, 10, 0), reset=4)  # 3
    m.connect(r, total)
    t = m.table(a, Table.of("t", np.arange(8)))  # 4
    (y,) = m.instance(child, {"x": [a]})["y"]  # 5
    m.output("y", [r, t, y])
    return m


def test_a_sound_circuit_passes():
    check(sound())


def broken(column: str, row: int, value: int):
    def damage(m: Module) -> None:
        getattr(m, column)[row] = value

    return damage


def port(m: Module) -> None:
    m.outputs["y"].append(99)


def feeds(m: Module) -> None:
    object.__setattr__(m.instances[0], "inputs", (0, 1))


CASES = {
    "empty": (broken("lo", 2, 99), "signal 2 (add)", "its range is empty"),
    "missing": (broken("a", 2, NONE), "signal 2 (add)", "it has 1 operands"),
    "extra": (broken("a", 1, 0), "signal 1 (const)", "it has 1 operands"),
    "loop": (broken("b", 2, 4), "signal 2 (add)", "an operand comes later than its reader"),
    "itself": (broken("a", 2, 2), "signal 2 (add)", "an operand comes later than its reader"),
    "negative": (broken("a", 2, -7), "signal 2 (add)", "an operand comes later than its reader"),
    "unconnected": (broken("a", 3, NONE), "signal 3 (reg)", "a register has no input"),
    "nowhere": (broken("a", 3, 99), "signal 3 (reg)", "an operand does not exist"),
    "enable": (broken("b", 3, 99), "signal 3 (reg)", "an operand does not exist"),
    "reset": (broken("imm", 3, 11), "signal 3 (reg)", "a register resets to a value outside"),
    "table": (broken("imm", 4, 1 << 20), "signal 4 (table)", "its table does not exist"),
    "column": (broken("imm", 4, 1), "signal 4 (table)", "its table does not exist"),
    "instance": (broken("imm", 5, 1 << 32), "signal 5 (instance)", "its instance does not exist"),
    "output": (broken("imm", 5, 1), "signal 5 (instance)", "an instance does not fit the ports"),
    "feeds": (feeds, "signal 5 (instance)", "an instance does not fit the ports"),
}


@pytest.mark.parametrize("name", CASES)
def test_malformed_wrong(name):
    damage, place, what = CASES[name]
    m = sound()
    damage(m)
    with pytest.raises(VerificationError) as error:
        check(m)
    text = str(error.value)
    assert text.startswith(f"the circuit is malformed: {what}")
    assert f"at:        layer 'dense': {place}" in text
    assert "this is a defect of Gatewright: please report the model" in text


def test_port_wrong():
    m = sound()
    port(m)
    with pytest.raises(VerificationError) as error:
        check(m)
    assert str(error.value) == "port y of top names a signal that is not there"


def test_every_module_is_checked_and_all_faults_are_told():
    top, parts = Module("all"), [sound(), sound(), sound()]
    for part in parts:
        top.instance(part, {"x": top.input(f"x{len(top.inputs)}", Intervals.of([0], [7], 0))})
    parts[0].lo[2] = parts[2].lo[2] = 99
    with pytest.raises(ManyErrors, match="its range is empty") as error:
        check(top)
    assert len(error.value.errors) == 2
    assert error.value.exit_status == 1


def test_deep_nesting_does_not_recurse():
    m = sound()
    for _ in range(3000):
        parent = Module("parent")
        x = parent.input("x", Intervals.of([0], [7], 0))
        parent.output("y", parent.instance(m, {"x": x})["y"])
        m = parent
    check(m)


def test_columns_of_different_length_are_a_defect():
    m = sound()
    m.imm.append(0)
    with pytest.raises(AssertionError, match="columns differ"):
        check(m)
