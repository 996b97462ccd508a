"""Forests: what is refused, deep trees, and random ones by reference, netlist and engine."""

from dataclasses import replace

import numpy as np
import pytest

from gatewright.base import ModelError
from gatewright.engine import Engine
from gatewright.flow.verify import first_difference, reference, to_ports
from gatewright.hw import evaluate
from gatewright.ir import Graph, Input, Node, Output, Plan
from gatewright.num import FixedArray, Intervals
from gatewright.ops import Forest
from gatewright.passes.lower import lower
from gatewright.passes.netlist.optimise import optimise
from tests.ops.cases.forest import SETS, chain, grown

PLAIN = grown(0, 3, 2, 3, 2)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"thresholds": np.zeros(4)}, "arrays of its nodes differ in length"),
        ({"roots": np.zeros(0, np.int64)}, "no trees"),
        ({"leaves": np.zeros(12)}, "a forest is malformed"),
        ({"has_missing": np.zeros(2, np.bool_)}, "whether it can be missing"),
        ({"base": np.zeros(3)}, "the leaves of a forest do not fit its outputs"),
        ({"thresholds": np.full(9, np.nan)}, "a threshold of a forest is not a finite number"),
        ({"leaves": np.full((12, 2), np.inf)}, "a leaf of a forest is not a finite number"),
        ({"base": np.array([0.0, np.nan])}, "a base score of a forest is not a finite number"),
        ({"missing": np.full(3, np.inf)}, "a code of missing values of a forest is not a finite"),
        ({"features": np.full(9, 3)}, "compares a feature that is not there"),
        ({"members": np.zeros(9, np.int64)}, "a set of categories that is not there"),
        ({"right": np.full(9, -13)}, "has a child that is not there"),
        ({"right": np.full(9, -1)}, "a node of 0 or 2 parents"),
    ],
)
def test_what_is_no_forest_is_refused(change, text):
    with pytest.raises(ModelError, match=text):
        replace(PLAIN, **change)


def test_a_loop_is_refused():
    left, roots = PLAIN.left.copy(), PLAIN.roots.copy()
    left[1], roots[0] = 0, -1  # node 0 becomes a child of its own child
    with pytest.raises(ModelError, match="a loop"):
        replace(PLAIN, left=left, roots=roots)


def test_a_sample_without_the_forests_features_is_refused():
    with pytest.raises(ModelError, match="a sample does not have the forest's features"):
        PLAIN.infer(Intervals.of(np.zeros(2), np.ones(2), 0))


def circuits_agree(op: Forest, kind: Intervals, samples: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = {"x": FixedArray(rng.integers(kind.lo, kind.hi + 1, (samples, *kind.shape)), kind.frac)}
    nodes = (Node("y", op, ("x",)),)
    graph = Graph("g", (Input("x", kind.shape, kind),), nodes, (Output("o", "y"),))
    netlist = lower(graph, {"y": Plan()})
    expected = reference(graph, netlist, x)
    feed = {"valid_in": np.ones((samples, 1), np.int64), **to_ports(graph, netlist, x)}
    for module in (netlist, optimise(netlist)):
        assert first_difference(expected, evaluate(module, feed)) == ""
    found = Engine(optimise(netlist), threads=1, cache=False).run(feed)
    assert first_difference(expected, found) == ""


@pytest.mark.parametrize("seed", range(8))
def test_random_forests_agree_on_all_engines(seed):
    rng = np.random.default_rng(seed)
    features, outputs = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    missing = np.where(rng.random(features) < 0.3, rng.integers(-4, 8, features) * 1.0, np.nan)
    options = {"missing": missing, **({"sets": SETS} if seed % 3 == 0 else {})}
    op = grown(seed, int(rng.integers(1, 5)), int(rng.integers(0, 5)), features, outputs, **options)
    frac = rng.integers(-1, 5, features)
    low = -(1 << rng.integers(0, 9, features))
    circuits_agree(op, Intervals.of(low, low + rng.integers(0, 900, features), frac), 64, seed)


def test_a_tree_deeper_than_python_recurses():
    op = chain(1500)
    kind = Intervals.of([0, 0], [2047, 2047], 0)
    x = np.random.default_rng(0).integers(0, 2048, (200, 2))
    real = op.real(x.astype(float))
    y = op.evaluate(FixedArray(x, kind.frac))
    assert np.array_equal(y.value, real)
    assert op.infer(kind).shape == (1,)


def test_a_deep_tree_as_a_circuit():
    circuits_agree(chain(200), Intervals.of([0, 0], [255, 255], 0), 300, 0)
