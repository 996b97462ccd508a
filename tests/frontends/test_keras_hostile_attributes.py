"""Attributes that no Keras writes: refused by name, before any memory is asked for them."""

import json
import os
import zipfile

import numpy as np
import pytest

from gatewright.base import GatewrightError
from gatewright.frontends.compare import compare_with_source
from gatewright.frontends.keras import read_keras

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="Keras writes the files")
layers, ops = keras.layers, keras.ops
HUGE = 10**9


def refused(folder, shape, build, attribute, value):
    """Write a model of one call, change an attribute in the file, and return what is said of it."""
    x = keras.Input(shape)
    path = folder / "model.keras"
    keras.Model(x, build(x)).save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    entry = config["config"]["layers"][-1]
    assert attribute in entry["config"]
    entry["config"][attribute] = value
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else data)
    with pytest.raises(GatewrightError) as caught:
        read_keras(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("shape", "build", "attribute", "value"),
    [
        ((4, 2), lambda x: layers.UpSampling1D(2)(x), "size", HUGE),
        ((4, 4, 2), lambda x: layers.UpSampling2D(2, interpolation="bilinear")(x), "size", HUGE),
        ((4, 2), lambda x: layers.MaxPooling1D(2, padding="same")(x), "pool_size", HUGE),
        ((4, 2), lambda x: layers.AveragePooling1D(2, padding="same")(x), "pool_size", HUGE),
        ((4, 2), lambda x: layers.AdaptiveMaxPooling1D(2)(x), "output_size", HUGE),
        ((4, 2), lambda x: layers.Conv1DTranspose(2, 2)(x), "dilation_rate", HUGE),
        ((4, 2), lambda x: layers.ZeroPadding1D(1)(x), "padding", HUGE),
        ((4,), lambda x: layers.RepeatVector(2)(x), "n", HUGE),
        ((4,), lambda x: layers.CategoryEncoding(5)(x), "num_tokens", HUGE),
        ((4,), lambda x: ops.one_hot(x, 3), "num_classes", HUGE),
        ((4,), lambda x: ops.tile(x, (1, 2)), "repeats", [1, HUGE]),
        ((4,), lambda x: ops.repeat(x, 2, axis=1), "repeats", HUGE),
    ],
)
def test_absurd_lengths(tmp_path, shape, build, attribute, value):
    text = refused(tmp_path, shape, build, attribute, value)
    assert "model.keras, layer '" in text


@pytest.mark.parametrize(
    ("build", "attribute", "value", "found"),
    [
        (lambda x: ops.tile(x, (1, 1, 2)), "repeats", [1, None, 2], "no whole number"),
        (lambda x: ops.transpose(x, (0, 2, 1)), "axes", [0, "a", 1], "no whole number"),
        (lambda x: ops.transpose(x, (0, 2, 1)), "axes", [0, 5, 1], "moves the batch"),
        (lambda x: ops.reshape(x, (-1, 8)), "newshape", 8, "moves elements between samples"),
        (lambda x: ops.reshape(x, (-1, 8)), "newshape", [-1, "8"], "no whole numbers"),
        (lambda x: ops.repeat(x, 2, axis=1), "repeats", [1, 2], "does not fit its tensor"),
        (lambda x: ops.one_hot(x, 3), "num_classes", "3", "no count"),
        (
            lambda x: layers.MultiHeadAttention(1, 2, sliding_window=2)(x, x),
            "sliding_window",
            [1, 2, 3],
            "a sliding window is no count",
        ),
    ],
)
def test_attributes_of_another_kind(tmp_path, build, attribute, value, found):
    assert found in refused(tmp_path, (4, 2), build, attribute, value)


def test_a_nested_model_of_several_inputs(tmp_path):
    """Its calls hold a list of masks, all of them none."""
    a, b = keras.Input((3,)), keras.Input((3,))
    nested = keras.Model([a, b], [a - b, a * 2.0 + b])
    x, y = keras.Input((3,)), keras.Input((3,))
    path = tmp_path / "model.keras"
    keras.Model([x, y], nested([y, x])[1] - nested([x, y])[0]).save(path)
    assert len(read_keras(path).inputs) == 2


def test_a_model_whose_inputs_and_outputs_have_names(tmp_path):
    """The order in which Keras sorts names is not the order in which the file has them."""
    a, b = keras.Input((3,), name="b"), keras.Input((3,), name="a")
    path = tmp_path / "model.keras"
    keras.Model({"zz": a, "aa": b}, {"q": a - b, "p": a * 2.0 + b}).save(path)
    graph = read_keras(path)
    assert [output.name for output in graph.outputs] == ["q", "p"]
    data = np.random.default_rng(0).normal(size=(2, 5, 3))
    (check,) = compare_with_source(path, graph, {"b": data[0], "a": data[1]})
    assert check.vectors == 5
