"""What repeats over an image is one module: cells and text do not grow with the positions."""

from __future__ import annotations

import re

import numpy as np
import pytest
from bench.convolution import convolution
from lowered import agrees, ports, same_numbers, samples, streams

from gatewright.engine import Engine
from gatewright.flow.compile import rebuild
from gatewright.flow.options import Options
from gatewright.hw import check
from gatewright.ir import Graph, Input, Node, Output
from gatewright.num import Intervals, Overflow, Rounding
from gatewright.ops import Dense, Quantize
from gatewright.passes.lower import lower
from gatewright.passes.netlist import modules, resources
from gatewright.passes.row_kinds import MOST_KINDS

OPTIONS = Options.of(clock="100 MHz", reuse=1)


@pytest.fixture(scope="module")
def designs():
    return {size: rebuild(convolution(size, channels=2), OPTIONS) for size in (6, 12)}


def test_the_kernels_are_nine_however_large_the_image(designs):
    for size, design in designs.items():
        counts = {name: count for name, (_, count) in resources(design.module).items()}
        kernels = [count for name, count in counts.items() if "_row" in name]
        assert len(kernels) == 9
        assert sum(kernels) == size * size
        assert max(kernels) == (size - 2) ** 2
        layer = next(m for m in modules(design.netlist) if m.name == "conv")
        assert len(layer.instances) == 9


def test_the_text_does_not_grow_with_the_positions(designs):
    small, large = (sum(map(len, designs[size].sources.values())) for size in (6, 12))
    assert sorted(designs[6].sources) == sorted(designs[12].sources)
    assert large < 1.2 * small
    text = designs[12].sources["conv.v"]
    assert len(re.findall(r"^ +conv_row\w* u_", text, re.M)) == 9
    assert text.count("for (i = 0; i < 10; i = i + 1)") == 5  # four sides and what is inside
    assert text.count("for (j = 0; j < 10; j = j + 1)") == 1


def test_reference_interpreter_engine_and_registers_agree(designs):
    g = convolution(6, channels=2)
    m, given = agrees(g), samples(g)
    feed = ports(g, m, given)
    count = len(feed["x"])
    for netlist in (m, designs[6].netlist, designs[6].circuit):
        check(netlist)
        found = Engine(netlist).run({"valid_in": np.ones((count, 1), np.int64), **feed})
        same_numbers(g, netlist, given, found)
    check(designs[6].module)
    streams(g, designs[6].module)


def test_rare_kinds_of_rows_feed_their_constants_to_the_frequent_one():
    g = convolution(12, channels=1, kernel=7)
    m = agrees(g)
    assert len([x for x in modules(m) if "_row" in x.name]) == MOST_KINDS - 1
    streams(g, rebuild(g, OPTIONS).module)


def test_rows_whose_types_differ_are_not_widened():
    """Every row has a format of its own: none takes the kernel of another."""
    formats = Quantize.to(True, np.arange(3, 27)[:, None], 1, Rounding.RND, Overflow.SAT)
    weight = np.arange(1.0, 7.0).reshape(2, 3)
    nodes = (Node("d", Dense.of(weight), ("x",), "l"), Node("q", formats, ("d",), "l"))
    kind = Intervals.of(np.full((24, 2), -300), np.full((24, 2), 299), 2)
    g = Graph("net", (Input("x", (24, 2), kind),), nodes, (Output("y", "q"),))
    m = lower(g)
    assert len(modules(m)) == 2
    agrees(g)
