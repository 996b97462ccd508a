"""The timing diagrams of the guide on ports are what the circuits do."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import stream_modules as modules
from have_tools import needs_simulation
from test_axi_lite import registers

from gatewright.blocks.axi_stream import axi_stream
from gatewright.hw import Simulator

PAGE = Path(__file__).parents[2] / "docs/guides/ports.md"


def diagrams():
    """Return, for each diagram, the cells of each signal's row."""
    blocks = re.findall(r"^```\n(cycle .*?)^```", PAGE.read_text(), re.M | re.S)
    tables = [[line.split() for line in block.splitlines()] for block in blocks]
    return [{name: cells for name, *cells in rows} for rows in tables]


@pytest.mark.parametrize("number", range(3))
def test_a_diagram_is_what_the_circuit_does(number):
    rows = diagrams()[number]
    build = [
        lambda: modules.skid(1),
        lambda: axi_stream(modules.skid(1), {"x": 4, "y": 4}),
        lambda: registers(8),
    ][number]
    module = build()
    simulator = Simulator(module)
    simulator.reset()
    cycles = rows.pop("cycle")
    assert cycles == [str(cycle) for cycle in range(len(cycles))]
    assert set(rows) == {*module.inputs, *module.outputs}
    for cycle in range(len(cycles)):
        given = {}
        for port, signals in module.inputs.items():
            given[port] = np.zeros((1, len(signals)), np.int64)  # the padding of tdata is zero
            given[port][0, 0] = int(rows[port][cycle])
        found = simulator.step(given)
        seen = {port: str(found[port][0, 0]) for port in module.outputs}
        wanted = {port: rows[port][cycle] for port in module.outputs}
        assert {p: v for p, v in seen.items() if wanted[p] != "-"} == {
            p: v for p, v in wanted.items() if v != "-"
        }, f"cycle {cycle}"


def test_there_are_three_diagrams_and_the_words_are_the_codes():
    assert len(diagrams()) == 3
    text = PAGE.read_text()
    for word in ("axi_stream(module, frames)", "axi_lite(module, words)", "valid_ports(module)"):
        assert word in text


@needs_simulation
def test_the_example_runs():
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    rng = np.random.default_rng(2)
    names = {"module": modules.skid(), "rng": rng, "x": rng.integers(-300, 301, (40, 3))}
    exec(compile(block, str(PAGE), "exec"), names)
    assert names["response"].deadlock == ""
    assert len(names["result"].outputs["y"]) == 40
