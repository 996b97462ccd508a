"""Forests are quantized by cuts and leaves."""

from dataclasses import replace

import numpy as np
import pytest
from tests.ops.cases.forest import SETS, grown

from gatewright.base import OptionError
from gatewright.blocks.forest import leaves_of, prune
from gatewright.ir import Graph, Input, Node, Output, run_real
from gatewright.num import Fixed, Intervals
from gatewright.ops import Affine, Argmax, Dense, Forest, Softmax
from gatewright.ops.forest_reach import FLAT, flips, flips_plain, reach
from gatewright.quantize import Formats, quantize
from gatewright.quantize.forests import stage
from gatewright.quantize.forests.cuts import Places, choose
from gatewright.quantize.forests.shrink import shrunk
from gatewright.quantize.structure import is_grained


def graph_of(op: Forest, *ends) -> Graph:
    nodes, last = [Node("f", op, ("x",), "trees")], "f"
    for k, end in enumerate(ends):
        nodes.append(Node(f"e{k}", end, (last,)))
        last = f"e{k}"
    return Graph("g", (Input("x", (len(op.missing),)),), tuple(nodes), (Output("y", last),))


def trained(seed: int = 0, outputs: int = 3) -> tuple[Forest, np.ndarray, np.ndarray]:
    """Return a forest of odd numbers, samples, and the classes that it says, some wrong."""
    rng = np.random.default_rng(seed)
    op = grown(seed, 12, 3, 4, outputs)
    nodes = len(op.features)
    op = replace(
        op,
        thresholds=rng.normal(size=nodes) * 1.234567,
        leaves=rng.normal(size=op.leaves.shape) * 0.3712,
        base=rng.normal(size=outputs) * 0.1,
    )
    x = rng.normal(size=(3000, 4)) * 1.5
    y = (op.real(x) + rng.gumbel(size=(3000, outputs)) * 0.3).argmax(1)
    return op, x, y


def test_classes_within_the_tolerance_with_fewer_comparisons():
    op, x, y = trained()
    q = quantize(graph_of(op, Softmax()), x, labels=y, tolerance=0.01)
    assert q.loss <= 0.01
    assert q.metric_name == "accuracy"
    node = q.graph.nodes[0]
    assert len(node.op.features) < len(op.features)
    assert any("different comparisons of the forest became" in note for note in q.notes)
    assert [c.kind for c in q.choices] == ["input", "forest"]
    assert q.cost > 0


def test_a_regression_and_an_argmax():
    op, x, y = trained(1, 1)
    assert quantize(graph_of(op), x, tolerance=0.05).loss <= 0.05
    op, x, y = trained(2)
    assert quantize(graph_of(op, Argmax()), x, labels=y, tolerance=0.02).loss <= 0.02


def test_a_tight_tolerance_moves_nearly_nothing():
    op, x, _ = trained(3)
    q = quantize(graph_of(op), x, tolerance=0.03)  # a sample on the other side counts 0.02
    assert q.loss <= 0.03
    assert len(q.graph.nodes[0].op.features) >= 0.9 * len(op.features)


@pytest.mark.parametrize("size", [1e-12, 1e-10, 1e11])
def test_features_far_from_one(size):
    """Times in seconds, charges in coulombs: places are as fine as the thresholds are."""
    op, x, _ = trained(1, 1)
    far = replace(op, thresholds=op.thresholds * size)
    assert quantize(graph_of(far), x * size, tolerance=0.02).loss <= 0.02


def test_thresholds_far_from_zero_and_samples_near_it():
    """The finest grid of places has the bits of float64, not those of the smallest sample."""
    op, x, _ = trained(1, 1)
    far = replace(op, thresholds=op.thresholds * 1e-4 + 1e11)
    x = 1e11 + x * 1e-4
    x[::40] = 2.0**-40
    assert quantize(graph_of(far), x, tolerance=0.05).loss <= 0.05


def test_whole_numbers_stay_whole():
    op, x, y = trained(4)
    op = replace(op, thresholds=np.round(op.thresholds * 20))
    x = np.round(x * 20)
    q = quantize(graph_of(op, Softmax()), x, labels=y, tolerance=0.01)
    assert any("inputs lose nothing" in note for note in q.notes)
    assert q.graph.inputs[0].type.frac.max() <= 0


def test_the_users_formats_are_kept_to():
    op, x, y = trained(5)
    rules = (("*", "input", "fixed<7,4>"), ("trees", "weight", "fixed<6,2>"))
    q = quantize(graph_of(op, Softmax()), x, labels=y, tolerance=0.08, formats=Formats(rules))
    type_ = q.graph.inputs[0].type
    assert (type_.lo == -64).all()
    assert (type_.hi == 63).all()
    assert (type_.frac == 3).all()
    word = Fixed.parse("fixed<6,2>")
    leaves = np.ldexp(q.graph.nodes[0].op.leaves, word.frac)
    assert np.array_equal(leaves, np.rint(leaves))
    assert word.low <= leaves.min() <= leaves.max() <= word.high


def test_formats_too_coarse_are_refused():
    op, x, y = trained(6)
    rules = (("*", "input", "fixed<2,6>"),)
    with pytest.raises(OptionError, match="no cuts and leaves keep the forest within"):
        quantize(graph_of(op, Softmax()), x, labels=y, tolerance=0.001, formats=Formats(rules))


def test_one_format_for_all_features():
    op, x, y = trained(7)
    formats = Formats((), "tensor")
    q = quantize(graph_of(op, Softmax()), x, labels=y, tolerance=0.01, formats=formats)
    assert len(np.unique(q.graph.inputs[0].type.frac)) == 1


def test_missing_values_and_categories_stay_exact():
    rng = np.random.default_rng(8)
    op = grown(8, 6, 3, 3, 2, sets=SETS, missing=[-9.0, np.nan, np.nan])
    x = rng.integers(-1, 6, (2000, 3)) * 1.0
    x[rng.random(2000) < 0.2, 0] = -9.0
    q = quantize(graph_of(op), x, tolerance=0.01)
    assert q.loss <= 0.01
    type_ = q.graph.inputs[0].type
    assert type_.low_value[0] < -9.0


def test_inside_of_a_larger_model():
    op, x, _ = trained(9)
    behind = Dense.of(np.random.default_rng(0).normal(size=(3, 2)))
    assert quantize(graph_of(op, behind), x, tolerance=0.08).loss <= 0.08


def test_cuts_are_given_up_and_moved_where_that_pays():
    edges = np.arange(6)
    luts = np.array([0.0, 1.0, 2.0, 1.0, 1.0, 0.0])
    near = np.abs(np.arange(6)[None] - np.array([[2], [3]])) * 1.0
    places = Places(edges, luts, near)
    start = np.array([2, 3])
    assert choose(places, start, 0.0).tolist() == [2, 3]
    assert choose(places, start, 0.9).tolist() == [3, 3]  # one comparator instead of two
    assert set(choose(places, start, 9.0).tolist()) <= {0, 5}  # none


def test_idle_nodes_are_taken_out():
    op = grown(10, 2, 2, 2, 1)
    sides = np.array([1, 0, 0, 0, 0, 0])
    small = shrunk(op, sides)
    x = np.random.default_rng(0).uniform(-4, 8, (50, 2))
    away = replace(op, thresholds=np.where(np.arange(6) == 0, -99.0, op.thresholds))
    assert np.array_equal(small.real(x), away.real(x))
    assert len(small.features) < 6
    equal = replace(op, leaves=np.ones_like(op.leaves))
    assert not len(shrunk(equal).features)


def test_the_real_model_is_not_changed():
    op, x, y = trained(11)
    graph = graph_of(op, Softmax())
    before = run_real(graph, {"x": x})["e0"]
    quantize(graph, x, labels=y, tolerance=0.02)
    assert np.array_equal(before, run_real(graph, {"x": x})["e0"])


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("rows", [100, 500])
@pytest.mark.parametrize("count", [1, 5])
def test_small_forests_that_cut_at_samples_keep_within_the_tolerance(count, rows, labelled):
    """Libraries cut at samples of float32: one step of a grid holds some on both sides."""
    rng = np.random.default_rng(count * rows)
    x = rng.normal(size=(600, 4)).astype(np.float32).astype(np.float64)
    op = grown(count, count, 3, 4, 3)
    nodes = np.arange(len(op.features))
    at = x[rng.integers(0, rows, len(nodes)), op.features]
    op = replace(
        op, thresholds=at, inclusive=nodes % 2 == 0, leaves=rng.normal(size=op.leaves.shape)
    )
    labels = op.real(x[:rows]).argmax(1) if labelled else None
    q = quantize(graph_of(op, Softmax()), x[:rows], labels=labels)
    assert q.loss <= q.tolerance


def test_without_a_changed_answer_a_small_tolerance_is_met_on_few_samples():
    """A hundred samples leave a doubt of more than 0.0001, whatever the formats."""
    op, x, _ = trained(13)
    labels = op.real(x).argmax(1)
    q = quantize(graph_of(op, Softmax()), x[:100], labels=labels[:100], tolerance=1e-4)
    assert q.loss == 0


def test_ways_down_without_branches_reach_the_same_leaves():
    """Trees of few levels, of many, and of none; leaf sums; what flips cost."""
    rng = np.random.default_rng(3)
    for levels in (0, 3, 20):
        op = chain(levels) if levels == 20 else grown(4, 5, levels, 3, 2)
        x = np.ascontiguousarray(rng.normal(size=(300, len(op.missing))) * 2)
        wanted = reach(x, x, op.absent(x), *op.walk)
        assert np.array_equal(op.reached(x), wanted)
        assert np.allclose(op.real(x), op.base + op.leaves[wanted].sum(1))
        weights, bins = rng.random((300, len(op.base))), rng.integers(0, 7, x.shape)
        starts = np.arange(len(op.features)) * 7
        costs = [np.zeros(7 * len(op.features) + 1) for _ in range(2)]
        flips(x, x, op.absent(x), op.leaves, weights, bins, starts, costs[0], *op.walk)
        done = flips_plain(x, *op.plain(), op.leaves, weights, bins, starts, costs[1])
        assert done == (levels <= FLAT)
        assert not done or np.allclose(*costs)


def chain(levels: int) -> Forest:
    """Return a forest of one tree that is a chain of nodes."""
    op = grown(1, 1, 1, 2, 1)
    count = np.arange(levels)
    right = np.append(count[1:], -1 - levels)
    return replace(
        op,
        features=count % 2,
        thresholds=np.linspace(-3, 3, levels),
        inclusive=count % 3 == 0,
        missing_left=count < 0,
        members=np.full(levels, -1),
        left=-1 - count,
        right=right,
        roots=np.zeros(1, np.int64),
        leaves=np.arange(levels + 1.0)[:, None],
    )


def test_what_ranges_leave_of_trees():
    """The compiled walk names the leaves that the plain one comes to."""
    op = grown(6, 8, 4, 3, 2)
    for low, high in ((-3, 4), (0, 1), (2, 2)):
        kind = Intervals(np.full(3, low), np.full(3, high), np.zeros(3, np.int64))
        splits = op.splits(kind)
        ranges = [(low, high)] * 3
        trees = [
            prune(r, splits, op.left.tolist(), op.right.tolist(), ranges) for r in op.roots.tolist()
        ]
        leaves, first = op.live_leaves(kind)
        for k, tree in enumerate(trees):
            assert (
                np.unique(list(leaves_of(tree))).tolist()
                == leaves[first[k] : first[k + 1]].tolist()
            )
            assert list(leaves_of(tree)) == list(leaves_of(op.live(kind)[k]))


def test_scores_of_a_rare_class_that_are_a_thousand_times_the_others():
    """Boosting gives such leaves; the grid is fine enough for the other classes all the same."""
    op, x, y = trained(12)
    huge = op.leaves.copy()
    rare = np.random.default_rng(1).random(len(huge)) < 0.02
    huge[rare, 2] = -30_000.0
    op = replace(op, leaves=huge)
    y = np.where(op.real(x)[:, 2] < -1000, op.real(x).argmax(1), y)
    q = quantize(graph_of(op, Softmax()), x, labels=y, tolerance=0.01)
    assert q.loss <= 0.01


def test_a_scale_by_a_power_of_two_behind_a_forest_is_the_hosts():
    op, x, y = trained(13)
    for scale in (0.25, 0.3):
        link = Affine(np.asarray(scale), np.zeros(1))
        q = quantize(graph_of(op, link, Softmax()), x, labels=y, tolerance=0.01)
        assert [node.op.kind for node in q.graph.nodes] == ["forest"]
        assert any("comparisons of the forest" in note for note in q.notes)


def test_leaves_that_no_grid_holds_are_as_training_left_them():
    assert not is_grained(np.array([0.1, 5000.1]))
    assert is_grained(np.array([0.25, -3.0]))


def test_the_tolerance_holds_on_all_calibration_data():
    for seed in range(3):
        op, x, y = trained(20 + seed)
        graph = graph_of(op, Softmax())
        q = quantize(graph, x, labels=y, tolerance=0.004)
        real, fixed = (run_real(g, {"x": x}) for g in (graph, q.graph.with_nodes(q.graph.nodes)))
        theirs = (real["e0"].argmax(1) == y).mean()
        ours = (fixed[q.graph.outputs[0].value].argmax(1) == y).mean()
        assert theirs - ours <= 0.004 + 1e-9


def test_a_tolerance_that_no_price_keeps_on_all_data_is_told(monkeypatch):
    op, x, y = trained()
    monkeypatch.setattr(stage, "_holds", lambda *_: False)
    q = quantize(graph_of(op, Softmax()), x, labels=y, tolerance=0.01)
    assert any(note.startswith("on all calibration data the loss is") for note in q.notes)
