"""Forests between other layers: compiled within the tolerance, and exact."""

import numpy as np
import pytest
from tests.quantize.test_forests import trained

import gatewright as gw
from gatewright.ir import Graph, Input, Node, Output, run_real
from gatewright.ops import Add, Dense, Relu

RNG = np.random.default_rng(0)
OP, X, _ = trained(0, 3)


def dense(inputs: int, outputs: int) -> Dense:
    return Dense(RNG.normal(size=(inputs, outputs)) * 0.6, RNG.normal(size=outputs) * 0.1)


CASES = {
    "behind layers": [
        Node("d", dense(4, 4), ("x",), "dense"),
        Node("r", Relu(), ("d",), "dense"),
        Node("f", OP, ("r",), "trees"),
    ],
    "between layers": [
        Node("d", dense(4, 4), ("x",), "dense"),
        Node("f", OP, ("d",), "trees"),
        Node("e", dense(3, 2), ("f",), "end"),
    ],
    "beside another": [
        Node("f", OP, ("x",), "trees"),
        Node("g", trained(5, 3)[0], ("x",), "more"),
        Node("s", Add(), ("f", "g"), "sum"),
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_a_forest_inside_of_a_model(case):
    nodes = CASES[case]
    graph = Graph("g", (Input("x", (4,)),), tuple(nodes), (Output("y", nodes[-1].name),))
    design = gw.compile(graph, calibration=X, tolerance=0.05, clock="300 MHz")
    checks = design.verify(rtl=False).checks
    assert {check.status for check in checks} <= {"exact", "not run"}, checks
    real = run_real(graph, {"x": X})[nodes[-1].name]
    found = np.asarray(design.predict(X)).reshape(real.shape)
    assert np.sqrt(((found - real) ** 2).mean()) < 0.06 * real.std()
    assert any("_comparators" in name for name in design.emit())
