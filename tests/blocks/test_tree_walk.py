"""Trees as an engine walks them: comparisons alone, words of lanes, turns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.ops.cases.forest import chain, grown

from gatewright.base import OptionError
from gatewright.blocks.forest import Split
from gatewright.blocks.forest.prune import Inner
from gatewright.blocks.tree_walk import Ensemble, WalkShape, plain_tree
from gatewright.blocks.tree_walk.shape import turns
from gatewright.blocks.tree_walk.written import ForestFormats
from gatewright.ir import Graph, Input, Node, Output, Plan
from gatewright.num import Intervals
from gatewright.ops.forest_walk import walk
from gatewright.passes.streams import lower_streams


def walked_to(tree, x, missing):
    """Return the leaf that a number reaches."""
    child, steps = tree.root, 0
    while child >= 0:
        left = tree.missing_left[child] if x == missing else x < tree.cut[child]
        child, steps = (tree.left[child] if left else tree.right[child]), steps + 1
    assert steps <= tree.depth
    return -1 - child


@pytest.mark.parametrize("numbers", [(3,), (0, 1, 2), (7,), (0, 2, 4, 6), (1, 2, 6), (), range(8)])
@pytest.mark.parametrize("missing", [None, 0, 4, 7])
@pytest.mark.parametrize("missing_left", [False, True])
def test_a_set_of_categories_becomes_comparisons(numbers, missing, missing_left):
    split = Split(0, 0, tuple(numbers), missing, missing_left)
    tree = plain_tree(Inner(0, 10, 20), [split], [(0, 7)])
    for x in range(8):
        left = missing_left if x == missing else x in numbers
        assert walked_to(tree, x, missing) == (10 if left else 20)
    most = max(len([n for n in numbers if n != missing]), 1)
    assert tree.depth <= int(2 * most).bit_length()


def test_a_tree_deeper_than_python_recurses_is_walked():
    op, kind = chain(1500), Intervals.of([0, 0], [2047, 2047], 0)
    found = walk(op, kind)
    assert found.ensemble.levels > 1490
    assert found.engine(1).linked


@pytest.mark.parametrize(("trees", "delay"), [(1, 4), (4, 4), (6, 4), (9, 4), (500, 5), (7, 1)])
def test_turns_hold_all_trees_and_the_delay(trees, delay):
    batches, turn = turns(trees, delay)
    assert turn >= delay
    assert batches * turn >= trees
    if trees >= delay:
        assert batches * turn == trees or turn * batches - trees < batches
        assert batches * turn <= max(delay * -(-trees // delay), trees)


def test_full_trees_need_no_pointers_and_deep_ones_have_them():
    kind = Intervals.of(np.zeros(3), np.full(3, 255), 4)
    levels = np.tile([0, 1, 1, 2, 2, 2, 2], 8)  # each asks for a feature of its own
    op = replace(grown(0, 8, 3, 3, 1), features=levels, thresholds=levels + 4.0)
    shape = walk(op, kind).engine(2)
    assert (shape.linked, shape.nodes, shape.index_bits) == (False, 4 << 3, 3)
    deep = walk(chain(9), Intervals.of([0, 0], [127, 127], 0))
    shape = deep.engine(1)
    assert (shape.linked, shape.nodes, shape.leaves, shape.index_bits) == (True, 8, 9, 4)


def test_trees_of_one_output_each_are_dealt_output_by_output():
    trees = walk(grown(3, 6, 2, 2, 2), Intervals.of([0, 0], [63, 63], 3)).ensemble.trees
    words = np.zeros((24, 2), np.int64)
    for number in range(6):  # five trees add to the first output
        words[4 * number : 4 * number + 4, number // 5] = 1
    apart = Ensemble(trees, words, np.zeros(2, np.int64), 0, 0)
    shape = WalkShape.of(apart, 2, 8, 8)
    assert (shape.slots, shape.width, shape.trees) == ((3, 1), 1, 4)
    both = WalkShape.of(replace(apart, words=words + 1), 2, 8, 8)
    assert (both.slots, both.width) == ((3,), 2)


def test_sums_that_are_too_slow_for_the_clock_are_refused():
    kind = Intervals.of(np.zeros(2), np.full(2, 63), 3)
    op = grown(5, 4, 2, 2, 1)
    graph = Graph("g", (Input("x", (2,), kind),), (Node("y", op, ("x",), "trees"),),
                  (Output("o", "y"),))  # fmt: skip

    class Slow:
        """A pipeline that has a register in each accumulator."""

        def __call__(self, module):
            module.latency = int(module.name.endswith("_loop"))
            return module

    with pytest.raises(OptionError, match="the sums of this forest are too slow") as caught:
        lower_streams(graph, {"y": Plan(lanes=1)}, Slow())
    assert "choose a slower clock" in str(caught.value)


def test_formats_that_cannot_be_written_are_refused():
    found = walk(grown(5, 4, 2, 2, 1), Intervals.of(np.zeros(2), np.full(2, 63), 3))
    with pytest.raises(OptionError, match="the leaves of a layer do not fit the bits"):
        ForestFormats.of(found.ensemble, found.kind, 3, 0)
    bases = replace(found.ensemble, base=np.asarray([900]))
    with pytest.raises(OptionError, match="the base scores of a layer do not fit the bits"):
        ForestFormats.of(bases, found.kind, 0, 4)
    wide = Intervals.of([0, 0], [63, 2**40], 0)
    with pytest.raises(OptionError, match="thresholds that can be written are too wide"):
        ForestFormats.of(found.ensemble, wide, 0, 0)
