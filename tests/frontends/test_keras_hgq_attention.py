"""HGQ2's attention, tables and products: integers equal to HGQ2's own answers, as recorded."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from keras_files import DATA, answers

from gatewright.base import GatewrightError
from gatewright.frontends.keras import read_keras
from gatewright.ir import run_real

MODELS = {"linformer": "jets_hgq2_linformer_8.keras", "mha": "jets_hgq2_mha_8.keras"}


def outputs(graph, inputs):
    values = run_real(graph, {name: x.astype(np.float64) for name, x in inputs.items()})
    return [values[output.value] for output in graph.outputs]


@pytest.mark.parametrize("stem", ["hgq_attention", "hgq_tables"])
def test_recorded_layers_bit_for_bit(stem):
    graph = read_keras(DATA / f"{stem}.keras")
    inputs, expected = answers(stem)
    found = outputs(graph, inputs)
    assert len(found) == len(expected) >= 8
    for output, y, answer in zip(graph.outputs, found, expected, strict=True):
        np.testing.assert_array_equal(y, answer, err_msg=output.name)


@pytest.mark.parametrize("name", MODELS)
def test_recorded_particle_transformer_bit_for_bit(name, shared_data):
    graph = read_keras(shared_data / "models" / MODELS[name])
    inputs, (expected,) = answers(f"{name}_answers")
    found = outputs(graph, {graph.inputs[0].name: inputs["input_layer"]})[0]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("name", "least"), [("linformer", 0.65), ("mha", 0.65)])
def test_accuracy_on_sorted_standardised_constituents(name, least, shared_data):
    """The models want particles by falling pT, each feature less its mean over its deviation."""
    data = np.load(shared_data / "lhc_jets_constituents_3000.npz")
    x = data["x8"].astype(np.float64)
    x = np.take_along_axis(x, np.argsort(-x[..., 0], axis=1)[..., None], axis=1)
    x = (x - x.mean((0, 1))) / x.std((0, 1))
    graph = read_keras(shared_data / "models" / MODELS[name])
    scores = outputs(graph, {graph.inputs[0].name: x[:1000]})[0]
    assert (scores.argmax(1) == data["y"][:1000]).mean() >= least - 0.03


def changed(tmp_path, layer, key, value):
    """Return the attention file with one attribute of a layer changed."""
    path = tmp_path / "changed.keras"
    with zipfile.ZipFile(DATA / "hgq_attention.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                (entry,) = (e for e in config["config"]["layers"] if e["name"] == layer)
                entry["config"][key] = value
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("layer", "key", "value", "text"),
    [
        ("plain", "attention_axes", [3], "attention runs over axes that are not handled"),
        ("linformer", "lin_kv_proj_dim", [2, 2], "not one length for each axis"),
        ("linformer", "lin_kv_proj_mode", "dense_t", "has a value that is not handled"),
        ("plain", "novel", 1, "is not known"),
    ],
)
def test_refusals(tmp_path, layer, key, value, text):
    with pytest.raises(GatewrightError) as error:
        read_keras(changed(tmp_path, layer, key, value))
    assert text in str(error.value)
    assert f"layer '{layer}'" in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_particle_transformer_in_simulated_rtl(name, shared_data):
    """Compile fully parallel; netlist, emulator and RTL agree with the model on every vector."""
    import gatewright as gw

    inputs, _ = answers(f"{name}_answers")
    x = inputs["input_layer"].astype(np.float32)
    design = gw.compile(shared_data / "models" / MODELS[name], calibration=x)
    assert design.interval == 1
    assert {check.status for check in design.verify().checks} == {"exact"}
