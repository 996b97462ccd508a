"""Folding affines: the same function, fewer operations, and nothing that may not be folded."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.ir import Graph, Input, Node, Output, run_real
from gatewright.ops import Affine, Dense, DivideConstant, GroupedDense, Relu, Reshape
from gatewright.passes.graph.fold_affine import fold_affine


def chain(*ops, shape=(3,), outputs=()):
    """Build a graph of operations one after the other, with more outputs where asked."""
    nodes, last = [], "x"
    for k, op in enumerate(ops):
        nodes.append(Node(f"n{k}", op, (last,), f"layer{k}"))
        last = f"n{k}"
    ends = (*outputs, last)
    return Graph(
        "g",
        (Input("x", shape),),
        tuple(nodes),
        tuple(Output(f"y{k}", e) for k, e in enumerate(ends)),
    )


def dense(rng, n_in, n_out):
    return Dense.of(rng.normal(size=(n_in, n_out)), rng.normal(size=n_out))


def affine(rng, *shape):
    return Affine(rng.normal(size=shape), rng.normal(size=shape))


def check_same(before: Graph, after: Graph) -> None:
    x = np.random.default_rng(1).normal(size=(20, *before.inputs[0].shape))
    a, b = run_real(before, {"x": x}), run_real(after, {"x": x})
    for p, q in zip(before.outputs, after.outputs, strict=True):
        np.testing.assert_allclose(a[p.value], b[q.value], rtol=1e-9, atol=1e-9)


def kinds(graph: Graph) -> list[str]:
    return [node.op.kind for node in graph.nodes]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["dense", "vector", "scalar", "relu", "one"]), min_size=1, max_size=8),
    st.integers(0, 99),
)
def test_chain_keeps_its_function(words, seed):
    rng, width, ops = np.random.default_rng(seed), 3, []
    for word in words:
        if word == "dense":
            ops.append(dense(rng, width, 2 + seed % 3))
            width = 2 + seed % 3
        else:
            one = Affine(np.asarray(1.0), np.asarray(0.0))
            ops.append(
                {"vector": affine(rng, width), "scalar": affine(rng), "relu": Relu(), "one": one}[
                    word
                ]
            )
    graph = chain(*ops)
    folded = fold_affine(graph)
    check_same(graph, folded)
    left = kinds(folded)
    assert not any({a, b} <= {"dense", "affine"} and "affine" in (a, b) for a, b in pairwise(left))
    assert len(left) <= len(graph.nodes)


def test_batch_normalization_on_both_sides_disappears():
    rng = np.random.default_rng(0)
    norm = Affine.of_batch_normalization(
        rng.normal(size=3), rng.normal(size=3), rng.normal(size=3), rng.random(3), 1e-3
    )
    graph = chain(norm, dense(rng, 3, 4), affine(rng, 4), Relu(), affine(rng, 4), dense(rng, 4, 2))
    folded = fold_affine(graph)
    assert kinds(folded) == ["dense", "relu", "dense"]
    check_same(graph, folded)
    # A fold bears the layer of the dense before, and the name that later nodes read.
    assert [node.layer for node in folded.nodes] == ["layer1", "layer3", "layer5"]
    assert [node.name for node in folded.nodes] == ["n2", "n3", "n5"]


def test_result_that_is_read_twice_or_given_out_stays():
    rng = np.random.default_rng(0)
    graph = chain(dense(rng, 3, 3), affine(rng, 3), outputs=("n0",))
    assert kinds(fold_affine(graph)) == ["dense", "affine"]
    nodes = (
        Node("d", dense(rng, 3, 3), ("x",)),
        Node("a", affine(rng, 3), ("d",)),
        Node("b", affine(rng, 3), ("d",)),
    )
    graph = Graph("g", (Input("x", (3,)),), nodes, (Output("p", "a"), Output("q", "b")))
    assert kinds(fold_affine(graph)) == ["dense", "affine", "affine"]


def test_constants_along_other_axes_stay():
    rng = np.random.default_rng(0)
    graph = chain(dense(rng, 3, 3), affine(rng, 5, 1), shape=(5, 3))
    assert kinds(fold_affine(graph)) == ["dense", "affine"]
    graph = chain(affine(rng, 1, 3), dense(rng, 3, 2), shape=(5, 3))
    folded = fold_affine(graph)
    assert kinds(folded) == ["dense"]
    check_same(graph, folded)


def test_identity_is_dropped_also_at_the_output():
    one = Affine(np.ones(3), np.zeros(3))
    folded = fold_affine(chain(Relu(), one))
    assert kinds(folded) == ["relu"]
    assert folded.outputs[0].value == "n0"
    assert kinds(fold_affine(chain(one))) == []


def test_a_normalisation_behind_groups_folds_into_their_matrices():
    rng = np.random.default_rng(9)
    groups = GroupedDense.of(rng.normal(size=(2, 3, 2)), rng.normal(size=(2, 2)))
    flat = Reshape((5, 4))
    graph = chain(groups, flat, affine(rng, 4), affine(rng), shape=(5, 2, 3))
    folded = fold_affine(graph)
    assert kinds(folded) == ["grouped_dense", "reshape"]
    assert folded.nodes[-1].name == "n3"
    check_same(graph, folded)
    for other in (
        chain(groups, flat, affine(rng, 5, 1), shape=(5, 2, 3)),  # changes along the positions
        chain(groups, Reshape((10, 2)), affine(rng, 2), shape=(5, 2, 3)),  # joins nothing
        chain(groups, flat, affine(rng, 4), shape=(5, 2, 3), outputs=("n1",)),  # read elsewhere
    ):
        assert kinds(fold_affine(other)) == kinds(other)


def test_a_quotient_becomes_a_factor_and_folds():
    rng = np.random.default_rng(10)
    graph = chain(dense(rng, 3, 4), DivideConstant.of(3))
    folded = fold_affine(graph)
    assert kinds(folded) == ["dense"]
    check_same(graph, folded)
