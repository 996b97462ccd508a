"""Checks of the ledger on circuits whose parts take different times."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.flow.host import corner_codes
from gatewright.flow.verify import check_netlist, reference, to_ports
from gatewright.ir import Graph, Input, Node, Output, Plan
from gatewright.num import Fixed, FixedArray, Intervals, Overflow, Rounding
from gatewright.ops import Add, Dense, Quantize
from gatewright.passes.lower import lower


def residual() -> Graph:
    fmt = Fixed.parse("fixed<6,3>")
    kind = Intervals.format(fmt, (4,))
    weight = np.random.default_rng(0).integers(-4, 4, (4, 4)) / 4
    quantizer = Quantize.to_format(fmt, Rounding.RND, Overflow.SAT)
    nodes = (
        Node("a", Dense.of(weight), ("x",)), Node("aq", quantizer, ("a",)),
        Node("s", Add(), ("aq", "x")), Node("b", Dense.of(weight.T), ("s",)),
        Node("y", Add(), ("b", "x")),
    )  # fmt: skip
    return Graph("residual", (Input("x", (4,), kind),), nodes, (Output("y", "y"),))


@pytest.mark.parametrize("plans", [{}, {"a": 4}, {"b": 16}, {"a": 8, "b": 2}])
def test_what_goes_past_a_folded_layer_waits_for_it(plans):
    """The netlist has no registers yet: the check must not blame it for that."""
    graph = residual()
    netlist = lower(graph, {name: Plan(reuse) for name, reuse in plans.items()})
    kind = graph.inputs[0].type
    inputs = {"x": FixedArray(corner_codes(kind, np.random.default_rng(1), 20), kind.frac)}
    ports, wanted = to_ports(graph, netlist, inputs), reference(graph, netlist, inputs)
    assert check_netlist(netlist, ports, wanted).status == "exact"
    wanted["y"][3, 1] += 1
    check = check_netlist(netlist, ports, wanted)
    assert check.status == "failed"
    assert "port y, element 1, sample 3" in check.detail
