"""Recurrent taggers trained on jets: read as Keras computes them, compiled, verified."""

from __future__ import annotations

import os

import numpy as np
import pytest
from tests.conftest import TESTS

import gatewright as gw
from gatewright.frontends.keras import read_keras
from gatewright.ops.rounding_error import float_bounds

MODELS = TESTS / "data" / "models"
SMALL, LARGE = ("jets_gru_5", "jets_lstm_5"), ("jets_gru_20", "jets_lstm_20")
TEST_ROWS = 80_000
"""Where the rows begin that no training saw."""


def jets(shared_data, name, first, last):
    """Return constituents and classes of some jets, as the model takes them."""
    stored = np.load(shared_data / "jets_pythia_100k.npz")
    steps = int(name.split("_")[-1])
    x = stored["constituents"][first:last, :steps].astype(np.float32)
    return x, stored["y"][first:last].astype(int)


@pytest.mark.parametrize("name", [*SMALL, *LARGE])
def test_read_as_keras_computes_it(name, shared_data):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    pytest.importorskip("torch", reason="Keras's backend here, PyTorch, is not installed")
    path = MODELS / f"{name}.keras"
    x, _ = jets(shared_data, name, TEST_ROWS, TEST_ROWS + 100)
    model = keras.models.load_model(path)
    answer = keras.ops.convert_to_numpy(model(x))
    graph = read_keras(path)
    values, bounds = float_bounds(graph, {graph.inputs[0].name: x})
    out = graph.outputs[0].value
    assert (np.abs(values[out] - answer) <= bounds[out]).all()
    assert np.abs(values[out] - answer).max() < 1e-5


def compiled(name, shared_data, rows):
    """Compile a tagger; return the design, and the share of right answers on jets it never saw."""
    x, y = jets(shared_data, name, 0, rows)
    design = gw.compile(
        MODELS / f"{name}.keras",
        calibration=x,
        labels=y,
        clock="150 MHz",
        device="xcvu13p",
        reuse=1,
    )
    x, y = jets(shared_data, name, TEST_ROWS, TEST_ROWS + 10_000)
    return design, float((np.argmax(design.predict(x), axis=-1) == y).mean())


def test_small_gru_in_firmware(shared_data):
    design, found = compiled("jets_gru_5", shared_data, 1500)
    assert found > 0.49  # 0.498 as floats
    assert design.module.interval == 1
    checks = design.verify(random=100, rtl=False).checks
    assert [check.status for check in checks if check.subject != "simulated RTL"] == ["exact"] * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"), [("jets_lstm_5", 0.505), ("jets_gru_20", 0.62), ("jets_lstm_20", 0.62)]
)
def test_taggers_in_simulated_rtl(name, least, shared_data):
    design, found = compiled(name, shared_data, 3000)
    assert found > least
    assert all(check.status == "exact" for check in design.verify().checks)
