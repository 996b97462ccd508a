"""State that lives on from event to event: a long sequence cut into events gives the same."""

from dataclasses import replace

import numpy as np
import pytest
import recurrent_graphs as models

from gatewright.base import OptionError, UnsupportedError
from gatewright.ir import Graph, Node, Output, Plan, evaluate
from gatewright.num import FixedArray
from gatewright.ops import Sum
from gatewright.passes.lower import lower
from gatewright.passes.streams import evaluate_stateful, lower_streams, stateful

EVENTS = 5


def long_run(kind, steps, seed=3):
    """Return rows, and what the unrolled layer gives behind each of all steps."""
    graph = models.layer(kind, each=True, steps=steps)
    (port,) = graph.inputs
    q = np.random.default_rng(seed).integers(port.type.lo, port.type.hi + 1)
    (out,) = graph.outputs
    found = evaluate(graph, {"x": FixedArray(q[None], port.type.frac)})[out.value]
    return q, found.value[0]


@pytest.mark.parametrize("kind", ["simple", "lstm", "gru"])
@pytest.mark.parametrize("steps", [1, 3])
def test_events_are_parts_of_one_sequence(kind, steps):
    rows, wanted = long_run(kind, steps * EVENTS)
    graph = stateful(models.layer(kind), steps=steps)
    (port,), (out,) = graph.inputs, graph.outputs
    assert port.shape == (steps, models.FEATURES)
    x = FixedArray(rows.reshape(EVENTS, steps, -1), port.type.frac)
    found = evaluate(graph, {"x": x})[out.value].value
    assert np.array_equal(found, wanted[steps - 1 :: steps])
    states, parts = None, []
    for part in (slice(0, 2), slice(2, EVENTS)):
        values, states = evaluate_stateful(graph, {"x": FixedArray(x.q[part], x.frac)}, states)
        parts.append(values[out.value].value)
    assert np.array_equal(np.concatenate(parts), found)


def test_every_step_of_an_event_answers():
    rows, wanted = long_run("gru", 2 * EVENTS)
    graph = stateful(models.layer("gru", each=True), steps=2)
    (port,), (out,) = graph.inputs, graph.outputs
    x = FixedArray(rows.reshape(EVENTS, 2, -1), port.type.frac)
    found = evaluate(graph, {"x": x})[out.value].value
    assert np.array_equal(found.reshape(wanted.shape), wanted)


def test_a_layer_over_all_steps_needs_them():
    graph = models.layer("gru", each=True)
    (out,) = graph.outputs
    total = Node("total", Sum((0,)), (out.value,), "total")
    summed = replace(graph, nodes=(*graph.nodes, total), outputs=(Output("y", "total"),))
    assert stateful(summed).nodes
    with pytest.raises(OptionError) as error:
        stateful(summed, steps=1)
    assert "a layer works on all steps that the model was made for" in str(error.value)
    assert "layer 'total'" in str(error.value)


def test_what_cannot_keep_a_state():
    graph = models.layer("gru")
    with pytest.raises(OptionError) as error:
        stateful(graph, ["lstm"])
    assert "a layer that is to keep its state is not recurrent" in str(error.value)
    assert "lstm" in str(error.value)
    with pytest.raises(OptionError, match="gets it from another one"):
        stateful(models.from_a_given_state("gru"))
    with pytest.raises(OptionError, match="the steps of an event cannot be changed"):
        stateful(models.both_ways("gru"), steps=1)
    with pytest.raises(OptionError, match="a model without recurrent layers"):
        stateful(Graph("none", graph.inputs, (), (Output("y", "x"),)))
    with pytest.raises(UnsupportedError, match="a circuit without state cannot keep"):
        lower(stateful(graph))
    with pytest.raises(OptionError, match="cannot have a cell for each step and keep its state"):
        lower_streams(stateful(graph), {"gru_loop": Plan(unroll=True)}, lambda m: m)
