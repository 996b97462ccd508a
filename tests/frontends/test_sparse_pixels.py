"""The published networks for neutrino images (hftsoi/sparse-pixels): what Keras answered."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from sparse_networks import sparse_network

from gatewright.base import GatewrightError
from gatewright.frontends.keras import read_keras
from gatewright.ops.rounding_error import float_bounds

DATA = Path(__file__).resolve().parents[1] / "data" / "sparse_pixels"
IMAGES = 12


def test_dense_network_answers_as_recorded(shared_data):
    """The recorded answers are those of the dense network; a float's rounding is all that parts."""
    data = np.load(shared_data / "sparsepixels_neutrino_100img.npz")
    graph = read_keras(shared_data / "models" / "sparsepixels_neutrino_hls_full.keras")
    x = data["x"][:IMAGES, :, :, None].astype(np.float64)
    values, bounds = float_bounds(graph, {graph.inputs[0].name: x})
    name = graph.outputs[0].value
    error = np.abs(values[name].ravel() - data["keras_pred"][:IMAGES])
    assert (error <= bounds[name].ravel()).all(), (error.max(), bounds[name].max())
    assert error.max() < 2.0**-20


def test_sparse_network_answers_as_recorded(shared_data):
    """The published weights, on the first 20 active pixels, give the published predictions."""
    data = np.load(shared_data / "sparsepixels_neutrino_100img.npz")
    plain = read_keras(shared_data / "models" / "sparsepixels_neutrino_hls_sparse_l.keras")
    graph = sparse_network(plain, 20)
    x = data["x"][:, :, :, None].astype(np.float64)
    values, bounds = float_bounds(graph, {graph.inputs[0].name: x})
    name = graph.outputs[0].value
    recorded = np.load(DATA / "neutrino_sparse_l.npz")["y"]
    error = np.abs(values[name].ravel() - recorded)
    within = error <= bounds[name].ravel() + 5e-9  # recorded with 8 digits
    assert within.all(), (error[~within], bounds[name].ravel()[~within])
    assert error.max() < 2.0**-20


@pytest.mark.parametrize("stem", ["fixed", "learned", "signed"])
def test_layers_of_the_package_answer_as_recorded(stem):
    """Up to float32's rounding: a learned mask is s + (1 - s)."""
    graph = read_keras(DATA / f"{stem}.keras")
    assert graph.facts["quantization"] == "HGQ2 and SparsePixels"
    stored = np.load(DATA / f"{stem}.npz")
    values, bounds = float_bounds(graph, {"x_in": stored["x"].astype(np.float64)})
    name = graph.outputs[0].value
    error = np.abs(values[name] - stored["y"])
    assert (error <= bounds[name] + 2.0**-20).all(), (error.max(), bounds[name].max())
    assert np.ptp(stored["y"], axis=0).min() > 0.1


def changed(folder, layer, change, widths=None):
    """Return the path of a recorded model with another configuration of one layer."""
    with zipfile.ZipFile(DATA / "fixed.keras") as old:
        files = {name: old.read(name) for name in old.namelist()}
    config = json.loads(files["config.json"])
    (entry,) = (e for e in config["config"]["layers"] if e["name"] == layer)
    change(entry)
    files["config.json"] = json.dumps(config).encode()
    if widths is not None:
        stored = io.BytesIO(files["model.weights.h5"])
        with h5py.File(stored, "r+") as weights:
            group = weights["layers/q_conv2d_sparse/conv/iq/quantizer/vars"]
            for number, value in enumerate(widths):
                del group[str(number)]
                group[str(number)] = value
        files["model.weights.h5"] = stored.getvalue()
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w") as new:
        for name, data in files.items():
            new.writestr(name, data)
    return path


def refusal(path):
    with pytest.raises(GatewrightError) as caught:
        read_keras(path)
    return str(caught.value)


def test_options_without_a_sparse_form_are_refused(tmp_path):
    def strides(entry):
        entry["config"]["conv_config"]["strides"] = [2, 2]

    text = refusal(changed(tmp_path, "conv1", strides))
    assert "conv_config" in text
    assert "strides [2, 2]" in text or "strides (2, 2)" in text
    assert "padding 'same'" in text

    def overlap(entry):
        entry["config"]["pool_config"]["strides"] = [1, 1]

    text = refusal(changed(tmp_path, "pool1", overlap))
    assert "a sparse pooling is not handled" in text
    assert "strides equal to the windows" in text


def test_formats_that_differ_between_pixels_are_refused(tmp_path):
    def own(entry):
        entry["config"]["conv_config"]["iq_conf"]["config"]["homogeneous_axis"] = [0]

    shape = (1, 8, 8, 1)
    fractions = np.full(shape, 5, np.float32)
    fractions[0, 3, 3] = 2
    ones, whole = np.ones(shape, np.float32), np.full(shape, 4, np.float32)
    text = refusal(changed(tmp_path, "conv1", own, (fractions, ones, whole)))
    assert "pixels of a sparse image have formats of their own" in text
    assert "homogeneous_axis=(0, 1, 2)" in text


def test_a_sparse_layer_needs_a_sparse_image(tmp_path):
    def alone(entry):
        (arguments,) = entry["inbound_nodes"][0]["args"]
        arguments[0]["config"]["keras_history"] = ["x_in", 0, 0]

    text = refusal(changed(tmp_path, "conv1", alone))
    assert "a sparse layer has no sparse image" in text
    assert "InputReduce" in text
