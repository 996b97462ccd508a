"""The section of tables: what layers of tables read, and the functions that they are."""

from __future__ import annotations

import re

import numpy as np
import pytest

import gatewright as gw
from gatewright.flow.table_facts import table_facts
from gatewright.ir import Graph, Input, Node, Output, infer
from gatewright.num import Intervals
from gatewright.ops import TableSpec, TableSum
from gatewright.report import render
from gatewright.report.tables import tables_of


def layer(specs, inputs=3, outputs=2, codes=4):
    """Return the facts of a graph of one layer."""
    op = TableSum.of(specs, [0] * inputs, [codes] * inputs, 0, np.zeros(outputs))
    kind = Intervals.of([0] * inputs, [codes - 1] * inputs, 0)
    graph = Graph("g", (Input("x", (inputs,), kind),), (Node("sum", op, ("x",), "edges"),),
                  (Output("y", "sum"),), "g", {})  # fmt: skip
    return table_facts(graph, infer(graph))


EDGES = [
    TableSpec([0], 0, np.asarray([0.0, 1.5, 3.0, -2.0])),
    TableSpec([2], 1, np.asarray([1.0, np.inf, 1.0, 7.0])),
]


def test_facts_of_tables():
    specs = [*EDGES[:1], TableSpec([1, 2], 1, np.arange(16).reshape(4, 4))]
    (found,) = layer(specs)
    assert (found["tables"], found["entries"], found["address_bits"]) == (2, 20, 4)
    assert found["drawn"] == [{"input": 0, "output": 0, "values": [0.0, 1.5, 3.0, -2.0]}]


def test_the_page_shows_each_edge(facts):
    plain = render(facts)
    facts["tables"] = layer([EDGES[0], TableSpec([2], 1, np.asarray([1.0, 1.0, 1.0, 7.0]))])
    page = render(facts)
    assert '<section id="tables">' not in plain
    section = page[page.index('<section id="tables">') : page.index('<section id="cost">')]
    assert "2 functions of one input, answering \u22122 \u2026 7" in section
    for text in ("in 0", "in 2", "out 0", "out 1"):
        assert text in section
    assert "in 1" not in section
    assert page == render(facts)
    assert len(re.findall(r"<svg", section)) == 1


def test_large_layers_are_drawn_in_part(facts):
    specs = [TableSpec([i], j, np.arange(4.0) - i) for i in range(30) for j in range(5)]
    facts["tables"] = layer(specs, 30, 5)
    assert len(tables_of(facts)[0].curves) == 128
    page = render(facts)
    assert "Shown: 96 of 150 tables." in page
    assert "0 \u2192 4" in page


def test_tables_of_several_inputs_are_told_and_not_drawn(facts):
    facts["tables"] = layer([TableSpec([0, 1], 0, np.arange(16).reshape(4, 4))])
    section = render(facts).partition('<section id="tables">')[2].partition("</section>")[0]
    assert "<svg" not in section
    assert ">16<" in section


@pytest.mark.parametrize("value", [None, []])
def test_designs_without_tables_have_no_section(facts, value):
    facts["tables"] = value
    assert 'href="#tables"' not in render(facts)


def test_a_designs_facts_hold_its_tables():
    op = TableSum.of(EDGES[:1], [0] * 3, [4] * 3, 0, np.zeros(2))
    kind = Intervals.of([0] * 3, [3] * 3, 0)
    graph = Graph("g", (Input("x", (3,), kind),), (Node("sum", op, ("x",), "edges"),),
                  (Output("y", "sum"),), "g", {})  # fmt: skip
    found = gw.compile(graph).facts()["tables"]
    assert [t["layer"] for t in found] == ["edges"]
