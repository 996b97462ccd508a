"""Recurrent layers as Keras computes them, with weights, shapes and attributes drawn at random."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="Keras is not installed")
pytest.importorskip("torch", reason="Keras's backend here, PyTorch, is not installed")

from gatewright.frontends.keras import read_keras  # noqa: E402
from gatewright.ops.rounding_error import float_bounds  # noqa: E402

FEW = settings(
    max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
ACTIVATIONS = ["tanh", "sigmoid", "hard_sigmoid", "relu", "linear", "softsign", "elu", "softmax"]
KINDS = ["SimpleRNN", "LSTM", "GRU"]


def flows(draw):
    """Draw what every recurrent layer has."""
    return {
        key: draw(st.booleans()) for key in ("return_sequences", "return_state", "go_backwards")
    }


def settings_of(draw, kind):
    """Draw a layer's own attributes."""
    own = {"activation": draw(st.sampled_from(ACTIVATIONS)), "use_bias": draw(st.booleans())}
    if kind != "SimpleRNN":
        own["recurrent_activation"] = draw(st.sampled_from(ACTIVATIONS))
    if kind == "GRU":
        own["reset_after"] = draw(st.booleans())
    return own


def agree(model, path, rng):
    """Compare a saved model with its graph: within the bound of float32, everywhere."""
    weights = [rng.normal(0, 0.7, w.shape).astype(np.float32) for w in model.get_weights()]
    model.set_weights(weights)
    model.save(path)
    graph = read_keras(path)
    inputs = [rng.normal(size=(3, *i.shape)).astype(np.float32) for i in graph.inputs]
    answers = keras.tree.flatten(model(inputs if len(inputs) > 1 else inputs[0]))
    values, bounds = float_bounds(
        graph, {i.name: x for i, x in zip(graph.inputs, inputs, strict=True)}
    )
    for output, answer in zip(graph.outputs, answers, strict=True):
        answer = keras.ops.convert_to_numpy(answer)
        assert answer.shape == values[output.value].shape
        assert (np.abs(values[output.value] - answer) <= bounds[output.value]).all()
    return graph


@FEW
@given(st.data())
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_layer(kind, suffix, tmp_path_factory, data):
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    steps, features, units = (draw(st.integers(1, 4)) for _ in range(3))
    layer = getattr(keras.layers, kind)(units, **settings_of(draw, kind), **flows(draw))
    x = keras.Input((steps, features))
    states = [keras.Input((units,)) for _ in range(2 if kind == "LSTM" else 1)]
    if draw(st.booleans()):
        model = keras.Model([x, *states], layer(x, initial_state=states))
    else:
        model = keras.Model(x, layer(x))
    agree(model, tmp_path_factory.mktemp("m") / f"m{suffix}", rng)


@FEW
@given(st.data())
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_bidirectional(suffix, tmp_path_factory, data):
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    kind = draw(st.sampled_from(KINDS))
    flags = {**flows(draw), "go_backwards": False}
    make = getattr(keras.layers, kind)
    units = draw(st.integers(1, 3))
    back = None
    if draw(st.booleans()):
        own = settings_of(draw, kind)
        back = make(units, **own, **{**flags, "go_backwards": True})
    mode = draw(st.sampled_from(["sum", "mul", "ave", "concat", None]))
    inner = make(units, **settings_of(draw, kind), **flags)
    layer = keras.layers.Bidirectional(inner, merge_mode=mode, backward_layer=back)
    x = keras.Input((draw(st.integers(1, 4)), 2))
    states = [keras.Input((units,)) for _ in range(4 if kind == "LSTM" else 2)]
    if draw(st.booleans()):
        model = keras.Model([x, *states], layer(x, initial_state=states))
    else:
        model = keras.Model(x, layer(x))
    agree(model, tmp_path_factory.mktemp("m") / f"m{suffix}", rng)


@FEW
@given(st.data())
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_cells(suffix, tmp_path_factory, data):
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
    cells = [
        getattr(keras.layers, f"{kind}Cell")(draw(st.integers(1, 3)), **settings_of(draw, kind))
        for kind in kinds
    ]
    layer = keras.layers.RNN(cells if len(cells) > 1 else cells[0], **flows(draw))
    x = keras.Input((3, 2))
    agree(keras.Model(x, layer(x)), tmp_path_factory.mktemp("m") / f"m{suffix}", rng)


INNER = {
    "dense": lambda: keras.layers.Dense(3, activation="tanh"),
    "normalization": lambda: keras.layers.BatchNormalization(),
    "other axis": lambda: keras.layers.BatchNormalization(axis=1),
    "recurrent": lambda: keras.layers.GRU(2),
    "flatten": lambda: keras.layers.Flatten(),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("inner", INNER)
def test_time_distributed(inner, suffix, tmp_path):
    x = keras.Input((3, 2, 4))
    model = keras.Model(x, keras.layers.TimeDistributed(INNER[inner]())(x))
    rng = np.random.default_rng(1)
    model.set_weights([np.abs(rng.normal(size=w.shape)) + 0.1 for w in model.get_weights()])
    path = tmp_path / f"m{suffix}"
    model.save(path)
    graph = read_keras(path)
    x = rng.normal(size=(3, 3, 2, 4)).astype(np.float32)
    values, bounds = float_bounds(graph, {graph.inputs[0].name: x})
    name = graph.outputs[0].value
    answer = keras.ops.convert_to_numpy(model(x))
    assert (np.abs(values[name] - answer) <= bounds[name]).all()


def test_steps_share_ties_and_have_parts(tmp_path):
    model = keras.Sequential([keras.Input((3, 2)), keras.layers.LSTM(2, name="memory")])
    graph = agree(model, tmp_path / "m.keras", np.random.default_rng(0))
    products = [n for n in graph.nodes if n.tie == "memory/recurrent"]
    assert [n.part for n in products] == ["step 0", "step 1", "step 2"]
    assert all(n.op.weight is products[0].op.weight for n in products) or all(
        np.array_equal(n.op.weight, products[0].op.weight) for n in products
    )
