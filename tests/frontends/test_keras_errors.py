"""What is not handled, malformed or wrong in a Keras model: an error that names the layer."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from keras_files import called, dense, functional, layer, sequential, start, tensor, write_keras

from gatewright.base import GatewrightError, ManyErrors, ModelError, UnsupportedError
from gatewright.frontends.keras import read_keras


def refused(path, kind=GatewrightError):
    with pytest.raises(kind) as error:
        read_keras(path)
    return str(error.value)


def policy(kind, **config):
    return {"module": "keras", "class_name": kind, "config": config, "registered_name": None}


def single(folder, entry, shape=(4,), groups=None, **options):
    return write_keras(folder, sequential(start(*shape), entry), groups, **options)


def test_unknown_layer(tmp_path):
    text = refused(single(tmp_path, layer("Conv9D", "big")), UnsupportedError)
    lines = text.splitlines()
    assert lines[0] == "a layer of this class is not handled"
    assert lines[1] == f"  at:        {tmp_path / 'model.keras'}, layer 'big'"
    assert lines[2] == "  found:     Conv9D of Keras"
    assert lines[3].startswith("  supported: Activation, ActivityRegularization, A")
    assert lines[4].startswith("  remedy:    build the model from supported layers")


def test_class_of_a_users_own(tmp_path):
    entry = layer("Mine", "m", "mypackage.layers") | {"registered_name": "Custom>Mine"}
    assert "found:     Mine of Custom" in refused(single(tmp_path, entry), UnsupportedError)


def test_every_error_of_the_model_at_once(tmp_path):
    model = sequential(
        start(4),
        layer("Conv9D", "one"),
        layer("Dense", "two", units=2, flavour="sweet", dtype="float16"),
        layer("Dense", "three"),
    )
    with pytest.raises(ManyErrors) as error:
        read_keras(write_keras(tmp_path, model))
    text = str(error.value)
    assert text.startswith("[1/4] a layer of this class is not handled")
    assert "layer 'two', attribute 'flavour'\n  found:     'sweet'" in text
    assert "layer 'two', attribute 'dtype'\n  found:     'float16'\n  supported: float32" in text
    assert "[4/4] a layer's configuration lacks an attribute" in text
    assert "layer 'three', attribute 'units'" in text


def test_errors_of_weights_are_gathered_too(tmp_path):
    one, w1 = dense("one", [[1.0, np.nan]])
    two, w2 = dense("two", [[1.0], [2.0]])
    w2 = [np.float32([[np.inf], [1.0]])]
    layers = [
        called(start(1, name="a")),
        called(start(2, name="b")),
        called(one, "a"),
        called(two, "b"),
    ]
    config = functional(layers, ["a", "b"], ["one", "two"])
    text = refused(
        write_keras(tmp_path, config, {"layers/dense": w1, "layers/dense_1": w2}), ManyErrors
    )
    assert "a weight is NaN or infinite" in text
    assert "layer 'one', attribute 'kernel'\n" in text
    assert "layer 'two', attribute 'kernel'\n  found:     1 of 2 numbers" in text


def test_nan_in_a_normalisation(tmp_path):
    entry = layer("BatchNormalization", "bn")
    arrays = [np.ones(4, np.float32) for _ in range(4)]
    arrays[1][2] = np.nan
    text = refused(
        single(tmp_path, entry, groups={"layers/batch_normalization": arrays}), ModelError
    )
    assert "layer 'bn', attribute 'beta'" in text


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (layer("Dense", "d", units=2, lora_rank=4), "attribute 'lora_rank'\n  found:     4"),
        (layer("Dense", "d", units=2, activation="erfinv"),
         "an activation function is not handled"),
        (layer("Activation", "d", activation="sparsemax"), "found:     sparsemax"),
        (layer("Activation", "d", activation={
            "module": "keras.layers", "class_name": "LeakyReLU", "config": {"beta": 1}}),
         "an attribute of a LeakyReLU layer is not known"),
        (layer("ELU", "d", alpha=-1.0), "an ELU has a negative alpha"),
        (layer("LayerNormalization", "d", axis=0), "a normalisation over these axes"),
        (layer("LayerNormalization", "d", axis=[-1, 1, 2]), "a normalisation over these axes"),
        (layer("GroupNormalization", "d", groups=3), "groups that do not divide"),
        (layer("SpectralNormalization", "d"), "a layer of this class is not handled"),
        (layer("ReLU", "d", max_value="six"), "an attribute is no number"),
        (layer("Softmax", "d", axis=[1, 2]), "a softmax over these axes"),
        (layer("Softmax", "d", axis=5), "a softmax over these axes"),
        (layer("BatchNormalization", "d", axis=0), "a normalisation over these axes"),
        (layer("BatchNormalization", "d", renorm=True), "attribute 'renorm'\n  found:     True"),
        (layer("Flatten", "d", data_format="NCHW"), "attribute 'data_format'"),
        (layer("Reshape", "d", target_shape=[3, -1]), "does not keep the number of elements"),
        (layer("Reshape", "d", target_shape=[-1, -1]), "does not keep the number of elements"),
        (layer("Permute", "d", dims=[2, 1]), "does not name every axis once"),
        (layer("Concatenate", "d", axis=0), "cannot be joined along this axis"),
        (layer("Add", "d"), "joins the wrong number of tensors"),
        (layer("Dense", "d", units=2, dtype=policy("DTypePolicy", name="mixed_bfloat16")),
         "found:     'mixed_bfloat16'"),
        (layer("Dense", "d", units=2, dtype=policy("QuantizedDTypePolicy", mode="int8")),
         "attribute 'dtype'"),
        (layer("EinsumDense", "d", equation="ab,ab->a", output_shape=[1]), "an einsum equation"),
    ],
)  # fmt: skip
def test_attributes_that_are_refused(entry, expected, tmp_path):
    groups = {
        "layers/dense": [np.zeros((4, 2), np.float32), np.zeros(2, np.float32)],
        "layers/batch_normalization": [np.ones(4, np.float32)] * 4,
        "layers/einsum_dense": [np.zeros((4, 2), np.float32)],
    }
    text = refused(single(tmp_path, entry, groups=groups))
    assert expected in text
    assert "layer 'd'" in text


@pytest.mark.parametrize("kind", ["Lambda", "TFOpLambda"])
def test_python_code_is_never_run(kind, tmp_path):
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAAA", "defaults": None}}
    text = refused(single(tmp_path, layer(kind, "trick", function=code)), UnsupportedError)
    assert "a layer holds Python code, which is never run from a file" in text
    assert f"layer 'trick'\n  found:     {kind}" in text


def test_python_code_as_an_activation(tmp_path):
    code = {"class_name": "__lambda__", "config": {"value": ["4wEAAAAA", None, None]}}
    text = refused(
        single(tmp_path, layer("Activation", "trick", activation=code)), UnsupportedError
    )
    assert "holds Python code, which is never run from a file" in text
    assert "4wEAAAAA" not in text


def test_model_class_of_its_own(tmp_path):
    text = refused(write_keras(tmp_path, {"class_name": "MyModel", "config": {}}), UnsupportedError)
    assert "the model is of a class of its own" in text
    assert "found:     MyModel" in text


def test_open_dimension(tmp_path):
    text = refused(single(tmp_path, layer("ReLU", "r"), shape=(None, 3)), UnsupportedError)
    assert "an input has a dimension without a length" in text
    assert "layer 'x', attribute 'batch_shape'\n  found:     [None, None, 3]" in text


@pytest.mark.parametrize("shape", [(0,), (-3,), (2.5,), ("a",)])
def test_malformed_shape(shape, tmp_path):
    assert "an input's shape is malformed" in refused(
        single(tmp_path, layer("ReLU", "r"), shape=shape)
    )


def test_tensor_too_large(tmp_path):
    text = refused(single(tmp_path, layer("ReLU", "r"), shape=(10**9, 10**9)), UnsupportedError)
    assert "too large for a circuit" in text


def test_missing_weights(tmp_path):
    entry, _ = dense("d", np.zeros((4, 2)), np.zeros(2))
    text = refused(single(tmp_path, entry), ModelError)
    assert "a layer's weights are not what its configuration asks for" in text
    assert (
        "layer 'd'\n  found:     0 arrays in 'layers/dense/vars'\n  supported: weights kernel, bias"
        in text
    )


def test_weights_of_wrong_shape(tmp_path):
    entry, arrays = dense("d", np.zeros((3, 2)))
    text = refused(single(tmp_path, entry, groups={"layers/dense": arrays}), ModelError)
    assert "a weight has the wrong shape" in text
    assert "layer 'd', attribute 'kernel'\n  found:     (3, 2)\n  supported: (4, 2)" in text


@pytest.mark.parametrize("array", [np.zeros((4, 2)), np.zeros((4, 2), np.int32)])
def test_weights_of_wrong_type(array, tmp_path):
    entry, _ = dense("d", array)
    text = refused(single(tmp_path, entry, groups={"layers/dense": [array]}), UnsupportedError)
    assert "a layer's weights are not float32" in text


def test_weights_of_another_layer(tmp_path):
    entry, arrays = dense("d", np.zeros((4, 2)))
    path = single(tmp_path, entry, groups={"layers/dense": arrays})
    import io
    import zipfile

    with zipfile.ZipFile(path) as archive:
        config, weights = archive.read("config.json"), io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(weights, "a") as file:
        file["layers/dense/vars"].attrs["name"] = "other"
    path = write_keras(tmp_path, json.loads(config), model=weights.getvalue())
    assert "weights of a layer called 'other'" in refused(path, ModelError)


def test_negative_variance(tmp_path):
    arrays = [np.float32([1]), np.float32([0]), np.float32([0]), np.float32([-1])]
    groups = {"layers/batch_normalization": arrays}
    text = refused(single(tmp_path, layer("BatchNormalization", "bn"), (1,), groups), ModelError)
    assert "the root of a negative number" in text


def test_hard_sigmoid_of_an_unknown_version(tmp_path):
    entry = layer("Activation", "a", activation="hard_sigmoid")
    text = refused(single(tmp_path, entry, version=""), UnsupportedError)
    assert "hard_sigmoid means one thing in Keras 2 and another in Keras 3" in text


def test_called_in_training_mode(tmp_path):
    config = functional(
        [called(start(2)), called(layer("Dropout", "d", rate=0.5), "x", training=True)],
        ["x"],
        ["d"],
    )
    text = refused(write_keras(tmp_path, config), UnsupportedError)
    assert "called with an option that is not handled" in text
    assert "layer 'd', attribute 'training'\n  found:     True" in text


def test_called_with_a_constant(tmp_path):
    entry = layer("Add", "plus", "keras.layers")
    entry = entry | {"name": "plus", "inbound_nodes": [{"args": [tensor("x"), 2.0], "kwargs": {}}]}
    text = refused(write_keras(tmp_path, functional([called(start(2)), entry], ["x"], ["plus"])))
    assert "called with something that is no tensor" in text
    assert "found:     2.0" in text


def test_loop(tmp_path):
    relu = [called(layer("ReLU", a), b) for a, b in (("one", "two"), ("two", "one"))]
    text = refused(write_keras(tmp_path, functional([called(start(2)), *relu], ["x"], ["one"])))
    assert "the model's layers form a loop" in text


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [(["nobody"], "a result that no layer gives"), ([], "malformed")],
)
def test_outputs_that_are_not_there(outputs, expected, tmp_path):
    config = functional([called(start(2)), called(layer("ReLU", "r"), "x")], ["x"], outputs)
    assert expected in refused(write_keras(tmp_path, config), ModelError)


def test_reads_a_layer_that_is_not_there(tmp_path):
    config = functional([called(start(2)), called(layer("ReLU", "r"), "ghost")], ["x"], ["r"])
    text = refused(write_keras(tmp_path, config), ModelError)
    assert "layer 'r'\n  found:     call 0 of layer 'ghost'" in text


def test_half_a_character_in_a_name(tmp_path):
    text = refused(write_keras(tmp_path, sequential(start(2), layer("ReLU", "\ud800"))), ModelError)
    assert "a layer without name or class, or a second of its name" in text
    text.encode()


def test_two_layers_of_one_name(tmp_path):
    model = sequential(start(2), layer("ReLU", "same"), layer("ReLU", "same"))
    assert "a second of its name: same" in refused(write_keras(tmp_path, model), ModelError)


def test_shapes_that_do_not_join(tmp_path):
    layers = [
        called(start(2, name="a")),
        called(start(3, name="b")),
        called(layer("Add", "s"), "a", "b"),
    ]
    text = refused(write_keras(tmp_path, functional(layers, ["a", "b"], ["s"])), ModelError)
    assert "layer 's'\n  found:     (2,) and (3,)" in text


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"class_name": "Sequential", "config": {}},
        {"class_name": "Sequential", "config": {"layers": ["x"]}},
        {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": 3}]}},
        {"class_name": "Functional", "config": []},
        {"class_name": "Functional", "config": {"layers": [], "input_layers": 7}},
        functional([called(start(1))], [["x"]], []),
        {"class_name": "Functional", "config": {"layers": [start(1) | {"inbound_nodes": [[3]]}]}},
        {"class_name": "Functional", "config": {"layers": [start(1) | {"inbound_nodes": [[]]}]}},
        {"class_name": "Functional", "config": {"layers": [start(1) | {"inbound_nodes": [{"args": [
            {"class_name": "__keras_tensor__", "config": 5}]}]}]}},
    ],
)  # fmt: skip
def test_malformed_configuration(config, tmp_path):
    refused(write_keras(tmp_path, config), GatewrightError)


def test_models_nested_too_deep(tmp_path):
    config = sequential(start(1))
    for n in range(40):
        config = sequential(start(1), {**config, "name": f"m{n}", "module": "keras", "config": {
            **config["config"], "name": f"m{n}"}})  # fmt: skip
    assert "models nested too deep" in refused(write_keras(tmp_path, config), ModelError)


HOSTILE = [
    "module; endmodule",
    "two\nlines",
    "quote\" ' \\",
    "../../etc/passwd",
    "日本",
    "\x1b[31m",
    " ",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_layer_name(name, tmp_path):
    entry, arrays = dense(name, [[2.0]])
    graph = read_keras(single(tmp_path, entry, (1,), {"layers/dense": arrays}))
    (node,) = graph.nodes
    assert node.layer == name
    assert node.name.isidentifier()
    assert node.name.isascii()
    assert graph.outputs[0].name.isidentifier()
    text = refused(single(tmp_path, entry, (2,), {"layers/dense": arrays}))
    assert len(text.splitlines()) == 5
    assert "\x1b" not in text


def test_names_that_collide(tmp_path):
    names = ["a b", "a_b", "A-B", "x"]
    entries = [layer("ReLU", name) for name in names]
    graph = read_keras(write_keras(tmp_path, sequential(start(2, name="X"), *entries)))
    taken = [graph.inputs[0].name, *(node.name for node in graph.nodes)]
    assert taken == ["X", "a_b", "a_b_2", "A_B_3", "x_2"]
    assert [node.layer for node in graph.nodes] == names


def test_hgq_in_a_legacy_file(tmp_path):
    modes = {"round_mode": "RND", "overflow_mode": "SAT", "homogeneous_axis": []}
    quantizer = {"class_name": "QuantizerConfig", "config": {"q_type": "kbi", **modes}}
    settings = {"kq_conf": quantizer, "bq_conf": quantizer, "enable_ebops": False}
    entry = layer("hgq>QDense", "q", units=1, **settings)
    del entry["module"]
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(sequential(start(1), entry))
        file.attrs["keras_version"] = "3.3.0"
        group = file.create_group("model_weights/q")
        group.attrs["weight_names"] = ["q/kernel", "q/bias"]
        group["q/kernel"], group["q/bias"] = np.zeros((1, 1), "f"), np.zeros(1, "f")
    text = refused(path, ModelError)
    assert "a .h5 file, which does not tell sublayers apart" in text
    assert "remedy:" in text
