"""The networks that are built in other shapes than fully parallel: folded, streaming, with a state.

Each is what `bench/shapes.py` builds and measures, and what slow tests build; loading one needs the
large shared data, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.models.networks import MODELS, NETWORKS, Material, classes, script

SMALL = "xc7z020"
"""The device of the Pynq-Z2, on which the MLPerf Tiny entries ran."""

TRIGGER = "xcvu13p"


def later_of_equals(scores: np.ndarray) -> np.ndarray:
    """Return the class of the greatest score, the later one where two are equal."""
    return np.asarray(scores.shape[1] - 1 - scores[:, ::-1].argmax(1))


def recorded(scores: np.ndarray, classes: np.ndarray) -> float:
    """Return the share of samples that are classified as a published system did."""
    return float((later_of_equals(scores.reshape(len(scores), -1)) == classes).mean())


@dataclass(frozen=True)
class Shape:
    """A network and where it is built.

    Attributes:
        name: short, for the command line.
        title: what it is.
        device, clock: for which it is built.
        load: reads it, given the folder of the shared data.
    """

    name: str
    title: str
    device: str
    clock: str
    load: Callable[[Path], Material]


def _keywords(data: Path) -> Material:
    """The published system's thousand inputs, and the classes that it answered."""
    with np.load(data / "mlperf_tiny_kws_w3a3.npz", allow_pickle=False) as file:
        x = file["x"][:, 0].astype(np.float64) * float(file["scale"])
        answered = file["recorded"].astype(np.int64)
    return Material(data / "models" / "mlperf_kws_w3a3_qonnx.onnx", x, answered, right=recorded)


def _resnet(data: Path) -> Material:
    """200 images; calibrated on them, mirrored ones besides, and no labels: there are no others."""
    images = np.load(data / "mlperf_tiny_ic01.npz")
    x, y = images["x"].astype(np.float64), images["y"].astype(np.int64)
    options = {
        "calibration": np.concatenate([x, x[:, :, ::-1]]),
        "granularity": "tensor",
        "activation_bits": 8,
        "tolerance": 0.1,
    }
    return Material(data / "models" / "mlperf_ic01_resnet8_ref.h5", x, y, options)


def _digits(data: Path) -> Material:
    of_script = script("train_digit_photos")
    x, y = of_script.training_part(data, seed=0)
    test_x, test_y = of_script.test_part(data)
    options = {"calibration": x[:1000].astype(np.float64), "labels": y[:1000], "tolerance": 0.01}
    model = MODELS / "digit_photos_cnn.keras"
    return Material(model, test_x.astype(np.float64), test_y, options)


def _recurrent(kind: str) -> Callable[[Path], Material]:
    def load(data: Path) -> Material:
        stored = np.load(data / "jets_pythia_100k.npz")
        features = script("train_recurrent").features
        x = features(stored["constituents"][:, :20], 6).astype(np.float64)
        y = stored["y"].astype(np.int64)
        options = {"calibration": x[:1000], "labels": y[:1000], "tolerance": 0.005}
        return Material(MODELS / f"jets_{kind}_20x6.keras", x[80_000:], y[80_000:], options)

    return load


def _network(name: str) -> Callable[[Path], Material]:
    """One of the networks that are built fully parallel, too."""
    return next(n for n in NETWORKS if n.name == name).load


SHAPES = (
    Shape("keywords", "keyword MLP, 3 bits (MLPerf Tiny, FINN)", SMALL, "100 MHz", _keywords),
    Shape("resnet-8", "ResNet-8 (MLPerf Tiny)", SMALL, "100 MHz", _resnet),
    Shape(
        "digits", "CNN of arXiv:2101.05108, digits over photographs", TRIGGER, "200 MHz", _digits
    ),
    Shape(
        "sparse-pixels", "SparsePixels, neutrino, 63 x 63 (arXiv:2512.06208)", "xcu250", "100 MHz",
        _network("neutrino"),
    ),
    Shape(
        "interaction", "interaction network (arXiv:2402.01876)", TRIGGER, "200 MHz",
        _network("interaction"),
    ),
    Shape("gru", "GRU, 20 steps x 6 inputs, 20 units", TRIGGER, "200 MHz", _recurrent("gru")),
    Shape("lstm", "LSTM, 20 steps x 6 inputs, 20 units", TRIGGER, "200 MHz", _recurrent("lstm")),
)  # fmt: skip
"""In the order of the table."""

__all__ = ["SHAPES", "Shape", "classes", "later_of_equals", "recorded"]
