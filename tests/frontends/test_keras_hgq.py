"""HGQ2 models: integers equal to HGQ2's own, as recorded and, where it is installed, computed."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from keras_files import DATA, answers, write_keras

from gatewright.base import UnsupportedError
from gatewright.frontends.keras import read_keras
from gatewright.ir import Node, evaluate, infer, run_real
from gatewright.num import FixedArray, Intervals
from gatewright.ops import Dense, Quantize

TAGGERS = {"a": "jets_hgq2_mlp_a.keras", "b": "jets_hgq2_mlp_b.keras"}


def outputs(graph, inputs):
    values = run_real(graph, inputs)
    return [values[output.value] for output in graph.outputs]


def fixed(graph):
    """Return the graph with its first quantizer as the input's type, done on the host."""
    (source,), first = graph.inputs, graph.nodes[0]
    assert isinstance(first.op, Quantize)
    everything = first.op.format
    spread = everything.map(lambda v: np.broadcast_to(v, source.shape).copy())
    start = dataclasses.replace(source, type=spread, encode=(first.op,))
    nodes = [
        Node(n.name, n.op, tuple(source.name if i == first.name else i for i in n.inputs), n.layer)
        for n in graph.nodes[1:]
    ]
    return dataclasses.replace(graph, inputs=(start,), nodes=tuple(nodes))


@pytest.mark.parametrize("stem", ["hgq_data", "hgq_weights", "hgq_layers", "hgq_windows"])
def test_recorded_layers_bit_for_bit(stem):
    graph = read_keras(DATA / f"{stem}.keras")
    assert graph.facts["quantization"] == "HGQ2"
    inputs, expected = answers(stem)
    for y, answer in zip(outputs(graph, inputs), expected, strict=True):
        np.testing.assert_array_equal(y, answer)


@pytest.mark.parametrize("letter", TAGGERS)
def test_recorded_tagger_bit_for_bit(letter, shared_data):
    graph = read_keras(shared_data / "models" / TAGGERS[letter])
    inputs, (expected,) = answers(f"tagger_{letter}_answers")
    np.testing.assert_array_equal(outputs(graph, inputs)[0], expected)


@pytest.mark.parametrize("letter", TAGGERS)
def test_tagger_on_integers(letter, shared_data):
    graph = fixed(read_keras(shared_data / "models" / TAGGERS[letter]))
    inputs, (expected,) = answers(f"tagger_{letter}_answers")
    kind = graph.inputs[0].type
    encoded = graph.inputs[0].encode[0].real(np.float64(inputs["input_layer"]))
    q = np.rint(np.ldexp(encoded, kind.frac)).astype(np.int64)
    values = evaluate(graph, {"input_layer": FixedArray(q, kind.frac)})
    np.testing.assert_array_equal(values[graph.outputs[0].value].value, expected)
    types = infer(graph)
    assert all(isinstance(t, Intervals) for t in types.values())
    assert types[graph.outputs[0].value].shape == expected.shape[1:]


def test_widths_are_per_element(shared_data):
    graph = read_keras(shared_data / "models" / TAGGERS["a"])
    first = graph.nodes[0].op
    assert isinstance(first, Quantize)
    assert first.width.shape == (16,)
    assert len(np.unique(first.width)) > 1
    kernels = [node.op.weight for node in graph.nodes if isinstance(node.op, Dense)]
    assert [k.shape for k in kernels] == [(16, 64), (64, 32), (32, 32), (32, 10)]


def edited(tmp_path, stem, edit):
    """Return the path of a recorded model with an edited configuration."""
    with zipfile.ZipFile(DATA / f"{stem}.keras") as archive:
        config = json.loads(archive.read("config.json"))
        weights = archive.read("model.weights.h5")
    for entry in config["config"]["layers"]:
        edit(entry["name"], entry["config"])
    return write_keras(tmp_path, config, model=weights)


def test_a_wrapping_weight_quantizer_wraps_only_where_it_is_frozen(tmp_path):
    def edit(name, config):
        if name == "w_rnd_wrap_kif":
            config["kq_conf"]["config"]["trainable"] = False

    def kernel(path):
        nodes = read_keras(path).nodes
        return next(node.op.weight for node in nodes if node.layer == "w_rnd_wrap_kif")

    plain, wrapped = (
        kernel(DATA / "hgq_weights.keras"),
        kernel(edited(tmp_path, "hgq_weights", edit)),
    )
    assert (plain != wrapped).any()


def test_without_is_weight_versions_disagree(tmp_path):
    def edit(name, config):
        if name == "w_rnd_wrap_kif":
            del config["kq_conf"]["config"]["is_weight"]

    with pytest.raises(UnsupportedError) as error:
        read_keras(edited(tmp_path, "hgq_weights", edit))
    text = str(error.value)
    assert "the file does not say if they wrap" in text
    assert "layer 'w_rnd_wrap_kif', attribute 'kq_conf'" in text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"q_type": "float"}, "type float, rounding RND, overflow WRAP"),
        ({"overflow_mode": "WRAP_SM"}, "overflow WRAP_SM"),
        ({"round_mode": "UP"}, "rounding UP"),
        ({"scaler": 3.0}, "scaler is no positive power of two"),
        ({"affine": [0.3, 0.0]}, "affine is not exact in float32"),
        ({"affine": [0.5, 0.1]}, "an offset of at most 16 bits"),
        ({"bw_mapper": {"class_name": "Mine", "config": {}}}, "'bw_mapper'"),
        ({"homogeneous_axis": [7], "heterogeneous_axis": None}, "axes are malformed"),
        ({"surprise": 1}, "an attribute of a quantizer layer is not known"),
    ],
)
def test_quantizers_that_are_refused(change, expected, tmp_path):
    def edit(name, config):
        if name == "q_rnd_wrap_kif":
            config["config"]["config"].update(change)

    with pytest.raises(Exception, match=r"q_rnd_wrap_kif") as error:
        read_keras(edited(tmp_path, "hgq_data", edit))
    assert expected in str(error.value)


ORACLE = """
import sys
import numpy as np, keras, hgq.layers
x = np.load(sys.argv[2])
model = keras.models.load_model(sys.argv[1], compile=False)
np.save(sys.argv[3], np.asarray(model.predict(x, verbose=0, batch_size=4096)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("letter", TAGGERS)
def test_tagger_against_hgq_itself(letter, shared_data, tmp_path):
    """20,000 random inputs, half of them off every grid, and the benchmark's 512 jets."""
    python = os.environ.get("GATEWRIGHT_HGQ_PYTHON", sys.executable)
    if python == sys.executable and importlib.util.find_spec("hgq") is None:
        pytest.skip(
            "needs HGQ2: install gatewright[hgq], or name a Python in GATEWRIGHT_HGQ_PYTHON"
        )
    rng = np.random.default_rng(3)
    jets = np.load(shared_data / "lhc_jets_hlf_512.npz")["x_raw"] / 2.0**10
    x = np.concatenate([jets, rng.normal(0, 2, (20_000, 16))])
    x[10_000:] = np.round(x[10_000:] * 1024) / 1024
    x = x.astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    path = shared_data / "models" / TAGGERS[letter]
    arguments = [str(path), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    environment = {"KERAS_BACKEND": "torch", **os.environ}
    subprocess.run([python, "-c", ORACLE, *arguments], check=True, env=environment)
    graph = read_keras(path)
    np.testing.assert_array_equal(
        outputs(graph, {"input_layer": x})[0], np.load(tmp_path / "y.npy")
    )
