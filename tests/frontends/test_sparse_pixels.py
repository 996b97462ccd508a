"""The published networks for neutrino images (hftsoi/sparse-pixels): what Keras answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sparse_networks import sparse_network

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
