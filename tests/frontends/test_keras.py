"""Plain Keras models: what Keras recorded, in both of its versions and file formats."""

from __future__ import annotations

import numpy as np
import pytest
from keras_files import (
    answers,
    called,
    dense,
    functional,
    layer,
    recorded,
    sequential,
    start,
    tensor,
    write_keras,
)

from gatewright.base import ModelError
from gatewright.frontends.keras import read_keras
from gatewright.ir import run_real
from gatewright.ops.rounding_error import float_bounds

MODELS = [
    f"{version}_{build}"
    for version, builds in (
        ("keras2", ("sequential", "functional", "activations", "sequences", "images")),
        ("keras3", ("sequential", "functional", "activations", "operators", "sequences", "images")),
    )
    for build in builds
]


def run_one(path, x):
    graph = read_keras(path)
    values = run_real(graph, {graph.inputs[0].name: np.asarray(x, np.float64)})
    return values[graph.outputs[0].value]


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("stem", MODELS)
def test_answers_of_keras_within_float32(stem, suffix, tmp_path):
    graph = read_keras(recorded(stem, suffix, tmp_path))
    inputs, expected = answers(stem)
    assert {i.name for i in graph.inputs} == set(inputs)
    assert len(graph.outputs) == len(expected)
    values, bounds = float_bounds(graph, inputs)
    for output, y in zip(graph.outputs, expected, strict=True):
        error, bound = np.abs(values[output.value] - y), bounds[output.value]
        assert values[output.value].shape == y.shape
        assert (error <= bound).all(), (output.name, error.max(), bound.max())
        # A bound that could hide a wrong layer would prove nothing.
        assert bound.max() <= 1e-4 * max(1, np.abs(y).max())


def test_facts_and_origin(tmp_path):
    graph = read_keras(recorded("keras3_functional", ".keras", tmp_path))
    assert graph.name == "graph"
    assert graph.facts["framework"] == "Keras"
    assert graph.facts["framework version"].startswith("3.")
    assert "quantization" not in graph.facts
    layers = {node.layer for node in graph.nodes}
    assert {"shared", "nested/shared", "inner/inner_dense", "norm_axis_1"} <= layers
    assert sum(node.layer == "shared" for node in graph.nodes) == 4  # two calls, with activation
    assert len({node.name for node in graph.nodes}) == len(graph.nodes)
    assert [o.name for o in graph.outputs] == ["flatten", "inner", "inner_2"]


def test_dropout_and_noise_leave_no_trace(tmp_path):
    graph = read_keras(recorded("keras3_sequential", ".keras", tmp_path))
    assert not {"drop", "noise"} & {node.layer for node in graph.nodes}


def test_hard_sigmoid_differs_between_versions(tmp_path):
    config = sequential(start(1), layer("Activation", "a", activation="hard_sigmoid"))
    x = [[-4.0], [1.0], [2.75]]
    two = run_one(write_keras(tmp_path, config, version="2.13.1"), x)
    three = run_one(write_keras(tmp_path, config, version="3.3.0"), x)
    np.testing.assert_allclose(two[:, 0], [0, 0.7, 1], atol=1e-7)
    np.testing.assert_allclose(three[:, 0], [0, 1 / 6 + 0.5, 2.75 / 6 + 0.5], atol=1e-15)


def test_batch_normalization_from_float32_numbers_in_float64(tmp_path):
    entry = layer("BatchNormalization", "bn", epsilon=1e-3, axis=-1)
    numbers = [np.asarray([v], np.float32) for v in (1.5, -0.25, 0.1, 0.7)]
    gamma, beta, mean, variance = (np.float64(v[0]) for v in numbers)
    path = write_keras(
        tmp_path, sequential(start(1), entry), {"layers/batch_normalization": numbers}
    )
    expected = gamma * (3.0 - mean) / np.sqrt(variance + float(np.float32(1e-3))) + beta
    np.testing.assert_allclose(run_one(path, [[3.0]]), [[expected]], rtol=1e-15)


def test_layers_out_of_order_and_a_second_reader(tmp_path):
    first, w1 = dense("first", [[2.0]])
    second, w2 = dense("second", [[3.0]])
    layers = [
        called(second, "first"),
        called(layer("Add", "sum"), "second", "first"),
        called(first, "x"),
        called(start(1)),
    ]
    config = functional(layers, ["x"], ["sum"])
    path = write_keras(tmp_path, config, {"layers/dense": w2, "layers/dense_1": w1})
    assert run_one(path, [[1.0]]) == 8.0


def test_layer_called_twice_on_itself(tmp_path):
    entry, arrays = dense("twice", [[3.0]])
    entry = called(entry, "x")
    entry["inbound_nodes"].append({"args": [tensor("twice", 0)], "kwargs": {}})
    config = functional([called(start(1)), entry], ["x"], ["twice"])
    config["config"]["output_layers"] = [["twice", 1, 0]]
    assert run_one(write_keras(tmp_path, config, {"layers/dense": arrays}), [[1.0]]) == 9.0


def test_input_is_the_output(tmp_path):
    graph = read_keras(write_keras(tmp_path, sequential(start(2), layer("Dropout", "d", rate=0.5))))
    assert graph.nodes == ()
    assert graph.outputs[0].value == graph.inputs[0].name


def test_layout_of_the_first_keras_files(tmp_path):
    entry, arrays = dense("d", [[5.0]])
    groups = {"_layer_checkpoint_dependencies/dense": arrays}
    assert run_one(write_keras(tmp_path, sequential(start(1), entry), groups), [[1.0]]) == 5.0


def test_sequential_model_without_input_layer(tmp_path):
    entry, arrays = dense("d", [[1.0], [2.0]])
    for place in ("model", "layer", "build"):
        config = sequential(
            entry | {"build_config": {"input_shape": [None, 2]}} if place == "build" else entry
        )
        if place == "model":
            config["config"]["build_input_shape"] = [None, 2]
        if place == "layer":
            entry["config"]["batch_input_shape"] = [None, 2]
        assert run_one(write_keras(tmp_path, config, {"layers/dense": arrays}), [[1, 1]]) == 3.0
        entry["config"].pop("batch_input_shape", None)


SIX = {"class_name": "__numpy__", "config": {"value": 6.0, "dtype": "float32"}}
RELU = {"module": "builtins", "class_name": "function", "config": "relu"}


@pytest.mark.parametrize(
    ("entry", "x", "y"),
    [
        (layer("ReLU", "r", max_value=None, negative_slope=0.5, threshold=0.0), -2.0, -1.0),
        (layer("ReLU", "r", max_value=SIX), 9.0, 6.0),
        (layer("LeakyReLU", "r", alpha=0.25), -2.0, -0.5),
        (layer("LeakyReLU", "r", negative_slope=0.125), -2.0, -0.25),
        (layer("Rescaling", "r", scale=0.5, offset=1.0), 4.0, 3.0),
        (layer("Activation", "r", activation=RELU), -1.0, 0.0),
    ],
)  # fmt: skip
def test_single_layers(entry, x, y, tmp_path):
    assert run_one(write_keras(tmp_path, sequential(start(1), entry)), [[x]]) == y


def test_global_average_of_a_length_that_is_no_power_of_two(tmp_path):
    entry = layer("GlobalAveragePooling1D", "pool", data_format="channels_last", keepdims=True)
    path = write_keras(tmp_path, sequential(start(3, 2), entry))
    y = run_one(path, [[[1, 2], [3, 4], [5, 9]]])
    np.testing.assert_allclose(y, [[[3, 5]]])


def nested_twice(first):
    """Return a model that uses a nested one twice, whose calls are numbered from `first`."""
    inner = functional([called(start(2, name="i")), called(layer("ReLU", "r"), "i")], ["i"], ["r"])
    entry = {**inner, "name": "inner", "module": "keras"}
    twice = [called(start(2)), called(layer("ELU", "e"), "x"), entry]
    nodes = [{"args": [tensor("x")], "kwargs": {}}, {"args": [tensor("e")], "kwargs": {}}]
    twice[2]["inbound_nodes"] = nodes
    parts = [tensor("inner", first), tensor("inner", first + 1)]
    return functional([*twice, called(layer("Concatenate", "c"), *parts)], ["x"], ["c"])


@pytest.mark.parametrize("first", [0, 1])
def test_calls_of_nested_models_are_numbered_from_0_or_1(first, tmp_path):
    """Keras 3.15 numbers them from 0, others count the call that built the nested model."""
    y = run_one(write_keras(tmp_path, nested_twice(first)), [[1.0, -1.0]])
    np.testing.assert_allclose(y, [[1.0, 0.0, 1.0, 0.0]])


def test_a_call_of_a_nested_model_that_nothing_reads_is_refused(tmp_path):
    config = nested_twice(1)
    config["config"]["layers"][-1] = called(layer("Concatenate", "c"), tensor("inner", 1), "x")
    with pytest.raises(ModelError, match="2 of 'inner', and 1 are read"):
        read_keras(write_keras(tmp_path, config))
