"""Recurrent layers are found in a graph, and become one operation that gives the same integers."""

from dataclasses import replace

import numpy as np
import pytest
import recurrent_graphs as models

from gatewright.base import FormatError
from gatewright.ir import evaluate, infer, run_real
from gatewright.num import FixedArray
from gatewright.passes.streams.find_loops import roll
from gatewright.passes.streams.loop import Loop

GRAPHS = {
    "simple": models.layer("simple"),
    "lstm": models.layer("lstm"),
    "gru": models.layer("gru"),
    "each": models.layer("simple", each=True),
    "backwards": models.layer("gru", each=True, backwards=True),
    "states": models.layer("lstm", each=True, states=True),
    "last_states": models.layer("lstm", states=True),
    "both": models.both_ways("lstm"),
    "given": models.from_a_given_state("lstm"),
    "same": models.one_layer_for_each_step(),
    "two_steps": models.layer("gru", steps=2),
}
LOOPS = {"both": 2, "two_steps": 0}


def data(graph, samples=40, seed=0):
    rng = np.random.default_rng(seed)
    found = {}
    for i in graph.inputs:
        q = rng.integers(i.type.lo, i.type.hi + 1, (samples, *i.shape))
        found[i.name] = FixedArray(q, i.type.frac)
    return found


@pytest.mark.parametrize("name", GRAPHS)
def test_one_operation_gives_what_the_steps_give(name):
    graph = GRAPHS[name]
    rolled = roll(graph)
    loops = [node for node in rolled.nodes if isinstance(node.op, Loop)]
    assert len(loops) == LOOPS.get(name, 1)
    assert not loops or not any(node.part for node in rolled.nodes if node.tie.endswith("sum"))
    x = data(graph)
    before, after = evaluate(graph, x), evaluate(rolled, x)
    types = infer(graph), infer(rolled)
    for o in graph.outputs:
        assert np.array_equal(before[o.value].q, after[o.value].q)
        for part in ("lo", "hi", "frac"):
            assert np.array_equal(*(getattr(t[o.value], part) for t in types))
    reals = {name: value.value for name, value in x.items()}
    before, after = run_real(graph, reals), run_real(rolled, reals)
    for o in graph.outputs:
        assert np.array_equal(before[o.value], after[o.value])


def test_a_state_without_a_format_is_no_single_circuit():
    cell = replace(models.cell_of("lstm"), state=())
    to = models.Nodes("lstm")
    port, x = models.sequence_input()
    run = models.recurrent(to, cell, x)
    (loop,) = (
        node.op
        for node in roll(models.graph_of(to, [port], run.outputs[-1])).nodes
        if isinstance(node.op, Loop)
    )
    with pytest.raises(FormatError) as error:
        loop.what.types  # noqa: B018 - found when asked for
    assert "a recurrent layer's state grows from step to step" in str(error.value)
    assert "quantize the state, or give each step a circuit of its own (unroll)" in str(error.value)


def test_steps_that_differ_stay_as_they_are():
    graph = GRAPHS["gru"]
    nodes = list(graph.nodes)
    number = next(i for i, n in enumerate(nodes) if n.part == "step 1" and n.tie == "gru/inner")
    other = replace(nodes[number].op, bias=nodes[number].op.bias + 0.5)
    nodes[number] = replace(nodes[number], op=other)
    assert roll(graph.with_nodes(nodes)).nodes == tuple(nodes)
