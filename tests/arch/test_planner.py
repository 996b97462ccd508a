"""Which layers are folded, how far, and what is refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gatewright.arch import plan
from gatewright.arch.planner import FOLDED_MULTIPLIERS, PARALLEL_WEIGHTS
from gatewright.base import OptionError
from gatewright.ir import Graph, Input, Node, Output, Plan
from gatewright.num import Fixed, Intervals
from gatewright.ops import Dense, Relu


def network(*sizes: int, live: float = 1.0) -> Graph:
    """Return dense layers of these sizes with a ReLU behind each."""
    rng, nodes, last = np.random.default_rng(0), [], "x"
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        weight = np.ones((n_in, n_out)) * (rng.random((n_in, n_out)) < live)
        nodes += [
            Node(f"d{i}", Dense.of(weight), (last,), f"dense_{i}"),
            Node(f"r{i}", Relu(), (f"d{i}",)),
        ]
        last = f"r{i}"
    kind = Intervals.format(Fixed.parse("fixed<4,2>"), sizes[:1])
    return Graph("net", (Input("x", sizes[:1], kind),), tuple(nodes), (Output("y", last),))


def test_small_networks_are_parallel():
    planned = plan(network(16, 64, 32, 5))
    assert planned.plans == {}
    assert [c.node for c in planned.choices] == ["d0", "d1", "d2"]
    assert [c.layer for c in planned.choices] == ["dense_0", "dense_1", "dense_2"]
    assert [c.products for c in planned.choices] == [1024, 2048, 160]
    assert {c.plan for c in planned.choices} == {Plan()}
    reason = f"3,232 non-zero weights, at most {PARALLEL_WEIGHTS:,}: fully parallel"
    assert {c.reason for c in planned.choices} == {reason}


def test_pruned_weights_do_not_count():
    assert plan(network(200, 150, live=0.5)).plans == {}
    assert plan(network(200, 150)).plans == {"d0": Plan(_reuse(30000))}


def _reuse(products: int) -> int:
    return next(r for r in _factors() if -(-products // r) <= FOLDED_MULTIPLIERS)


def _factors():
    factor = 2
    while True:
        yield factor
        factor += max(1, factor // 8)


def test_large_networks_are_folded_to_a_budget_of_multipliers():
    planned = plan(network(300, 200, 100, 10))
    (factor,) = {p.reuse for p in planned.plans.values()}
    assert sorted(planned.plans) == ["d0", "d1", "d2"]
    multipliers = [-(-c.products // factor) for c in planned.choices]
    assert FOLDED_MULTIPLIERS / 2 < sum(multipliers) <= FOLDED_MULTIPLIERS
    assert "81,000 non-zero weights: 81,000 products on about" in planned.choices[0].reason


@pytest.mark.parametrize("reuse", [1, 2, 7, 10**6])
def test_a_reuse_factor_asked_for_is_clipped_to_the_products(reuse):
    planned = plan(network(6, 4, 2), reuse)
    wanted = {n: Plan(min(reuse, most)) for n, most in (("d0", 24), ("d1", 8)) if reuse > 1}
    assert planned.plans == wanted
    assert {c.reason for c in planned.choices} == {"the reuse factor asked for"}


def test_a_layer_of_one_product_is_never_folded():
    assert plan(network(1, 1), 4).plans == {}


def test_plans_print():
    assert (str(Plan()), str(Plan(4))) == ("parallel", "folded R=4")


@pytest.mark.parametrize("reuse", [0, -3])
def test_reuse_wrong(reuse):
    with pytest.raises(OptionError) as error:
        plan(network(3, 2), reuse)
    assert str(error.value) == (
        f"the reuse factor is impossible\n  found:     {reuse}\n  supported: 1 and above"
    )


def test_nothing_to_fold_wrong():
    kind = Intervals.format(Fixed.parse("fixed<4,2>"), (2,))
    graph = Graph(
        "net", (Input("x", (2,), kind),), (Node("r", Relu(), ("x",)),), (Output("y", "r"),)
    )
    assert plan(graph, 1).choices == plan(graph).choices == ()
    with pytest.raises(OptionError) as error:
        plan(graph, 2)
    assert str(error.value) == (
        "the model has nothing that can be folded\n"
        "  found:     reuse factor 2\n"
        "  supported: reuse factors above 1 for models with dense layers\n"
        "  remedy:    leave the reuse factor out"
    )
