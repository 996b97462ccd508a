"""A circuit's digest tells apart what computes differently, and nothing else."""

from __future__ import annotations

import numpy as np
from engine_circuits import random_module

from gatewright.engine import canonical
from gatewright.engine.program import below
from gatewright.hw import Module, Table
from gatewright.num import Fixed, Intervals


def digest(module):
    return canonical.digest(below(module))


def circuit(name="m", port="x", frac=0, add=True, word=5, swap=False):
    child = Module(f"{name}_child", note=name)
    a, b = child.input("a", Intervals.format(Fixed(True, 4, frac), (2,)))
    child.output("y", [child.add(a, b) if add else child.sub(a, b)])
    m = Module(name, origin=f"layer '{name}'")
    x = m.input(port, Intervals.format(Fixed(True, 4, frac), (2,)))
    y = m.instance(child, {"a": x[::-1] if swap else x}, name)["y"][0]
    m.label(y, f"of_{name}")
    m.output("y", [y, m.table(x[0], Table.of(name, np.array([1, word] * 8)))])
    return m


def test_names_and_notes_do_not_count():
    assert digest(circuit("one")) == digest(circuit("another"))


def test_whatever_is_computed_counts():
    changes = [{"port": "z"}, {"frac": 1}, {"add": False}, {"word": 6}, {"swap": True}]
    digests = {digest(circuit(**change)) for change in [{}, *changes]}
    assert len(digests) == len(changes) + 1


def test_every_column_counts():
    m = random_module(3)
    seen = {digest(m)}
    for column in (m.kind, m.a, m.b, m.c, m.imm, m.lo, m.hi, m.frac):
        column[-1] += 1
        seen.add(digest(m))
        column[-1] -= 1
    m.outputs["p"].append(0)
    assert len(seen | {digest(m)}) == 10


def test_version_depends_on_the_sources():
    assert len(canonical.version()) == 64
    assert canonical.version() == canonical.version()
