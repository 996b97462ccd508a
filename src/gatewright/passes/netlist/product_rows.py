"""Give every product in LUTs a module of its own that adds rows, for the text of a design.

To the passes, the engine and the estimates a product is one cell. What synthesis makes of `a * b`
is twice as large as it need be (`blocks.booth`), so the text says how it is built. Products of
equal operands share a module.
"""

from __future__ import annotations

import copy

from gatewright.blocks.booth import booth_product, has_rows
from gatewright.hw import NONE, Kind, Module, Range
from gatewright.hw.bulk import as_column, values
from gatewright.hw.instance import Instance
from gatewright.passes.netlist.cost import modules

MOST_MODULES = 256
"""Products of different operands that get modules of their own; further ones stay `a * b`."""

Shape = tuple[Range, Range, Range]
"""Ranges of a product's operands and of itself."""


def with_product_rows(top: Module) -> Module:
    """Return an equal design whose products in LUTs are instances of modules of rows.

    Products meant for DSP blocks, and very narrow ones, stay as they are. A design without others
    is returned itself.
    """
    done: dict[int, Module] = {}
    known: dict[Shape, Module] = {}
    for m in modules(top):
        done[id(m)] = _written(m, done, known)
    return done[id(top)]


def _written(m: Module, done: dict[int, Module], known: dict[Shape, Module]) -> Module:
    found = [
        s for s in (values(m.kind) == Kind.MUL).nonzero()[0].tolist()
        if not m.imm[s] and has_rows(m, m.a[s], m.b[s])
    ]  # fmt: skip
    if not found and all(done[id(i.module)] is i.module for i in m.instances):
        return m
    new = copy.copy(m)
    new.instances = [Instance(done[id(i.module)], i.name, i.inputs, i.count) for i in m.instances]
    for name in ("kind", "a", "b", "imm"):
        setattr(new, name, getattr(m, name)[:])
    for s in found:
        a, b = m.a[s], m.b[s]
        shape = m.range(a), m.range(b), m.range(s)
        if shape not in known:
            if len(known) == MOST_MODULES:
                continue
            known[shape] = _module(m, s)
        module, number = known[shape], len(new.instances)
        new.instances.append(Instance(module, f"u_{module.name}", as_column([a, b])))
        new.kind[s], new.a[s], new.b[s], new.imm[s] = int(Kind.INSTANCE), NONE, NONE, number << 32
    return new


def _module(m: Module, s: int) -> Module:
    """Return the module of a product."""
    a, b = m.a[s], m.b[s]
    shape = "_".join(f"{'s' if m.lo[x] < 0 else 'u'}{m.width(x)}" for x in (a, b))
    made = Module(f"product_{shape}", note="a product as rows of one operand (Booth's digits)")
    (left,), (right,) = made.input("a", m.intervals([a])), made.input("b", m.intervals([b]))
    made.output("y", [booth_product(made, left, right, m.range(s))])
    return made
