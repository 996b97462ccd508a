"""Equal parts of a layer are one module, instanced."""

from __future__ import annotations

import numpy as np
import pytest
from lowered import agrees, streams

from gatewright.arch import find_device
from gatewright.emit import emit_verilog
from gatewright.flow.compile import rebuild
from gatewright.flow.options import Options
from gatewright.flow.prove import prove
from gatewright.ir import Graph, Input, Node, Output
from gatewright.num import Fixed, Intervals, Overflow, Rounding
from gatewright.ops import Add, Dense, Gather, Quantize, Relu
from gatewright.passes.lower import group_nodes
from gatewright.passes.netlist import Clock, modules, pipeline, total_resources

DELAY = find_device("xcvu13p").delay
FORMAT = Fixed.parse("fixed<5,2>")


def recurrent(steps: int, last: float = 1.0, parts: bool = True) -> Graph:
    """Return a plain recurrent layer unrolled, h' = cut(relu(x W + h U)), and what reads h.

    `last` scales the matrix of the last step.
    """
    rng = np.random.default_rng(5)
    w, u = (rng.integers(-3, 4, shape) / 4.0 for shape in ((3, 4), (4, 4)))
    cut = Quantize.to(False, 5, 3, Rounding.RND, Overflow.SAT)
    nodes, h = [], ""
    for t in range(steps):
        part = f"step {t}" if parts else ""
        scale = last if t == steps - 1 else 1.0

        def add(name, op, *inputs, part=part, t=t):
            nodes.append(Node(f"{name}{t}", op, inputs, "rnn", part))
            return f"{name}{t}"

        own = add("w", Dense.of(scale * w), add("x", Gather.of(t), "x"))
        total = add("s", Add(), own, add("u", Dense.of(u), h)) if h else own
        h = add("h", cut, add("a", Relu(), total))
    nodes.append(Node("o", Dense.of(rng.integers(-3, 4, (4, 2)) / 2.0), (h,), "out"))
    kind = Intervals.format(FORMAT, (steps, 3))
    return Graph("net", (Input("x", (steps, 3), kind),), tuple(nodes), (Output("y", "o"),))


def uses(top):
    found: dict[str, int] = {}
    for instance in top.instances:
        found[instance.module.name] = found.get(instance.module.name, 0) + 1
    return found


def test_equal_steps_are_instances_of_one_module():
    g = recurrent(7)
    m = agrees(g)
    # The first step has no state, and until the state has reached its bounds the types differ.
    assert sorted(uses(m).values()) == [1, 1, 1, 1, 4]
    assert len(emit_verilog(m)) == 6
    assert total_resources(m).lut == sum(total_resources(i.module).lut for i in m.instances)
    streams(g, pipeline(m, Clock(3.0, DELAY)))


def test_parts_split_a_layer():
    groups = group_nodes(recurrent(4), {})
    assert [g.part for g in groups if not g.is_wiring] == [f"step {t}" for t in range(4)] + [""]
    assert len(group_nodes(recurrent(4, parts=False), {})) == 2


def test_other_constants_make_another_module():
    m = agrees(recurrent(7, last=0.5))
    assert sorted(uses(m).values()) == [1, 1, 1, 1, 1, 3]


@pytest.mark.parametrize("clock", ["50 MHz", "400 MHz"])
def test_each_use_is_proven_and_counted(clock):
    g = recurrent(5)
    design = rebuild(g, Options.of(clock=clock))
    found = prove(g, design.module, design.sources, {})
    assert [p.status for p in found] == ["proven"] * 7, [p.detail for p in found]
    shared = next(i.module.name for i in design.module.instances if uses(design.module)[
        i.module.name] == 2)  # fmt: skip
    assert shared in {m.name for m in modules(design.module)}
    rows = {row["module"]: row for row in design.facts()["layers"]}
    assert rows[shared]["instances"] == 2
    assert rows[shared]["estimate"]["lut"] == round(
        2 * total_resources(next(m for m in modules(design.module) if m.name == shared)).lut
    )
