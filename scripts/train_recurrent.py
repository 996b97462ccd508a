"""Train recurrent jet taggers on the hardest constituents and write them as Keras files.

An LSTM and a GRU read (pT / jet pT, delta eta, delta phi) of one constituent after another, hardest
first, and a dense layer tells the class: the task of recurrent taggers in triggers
(arXiv:2207.00559), here with five classes. Small ones (8 units, 5 constituents) are for fast tests,
large ones (20 units, 20 constituents) have that paper's size; those of six inputs read what follows
from the three besides: log2(pT / jet pT), the distance from the jet axis and the share of pT that
later constituents carry. Nothing is quantized.

    pip install keras torch
    KERAS_BACKEND=torch python scripts/train_recurrent.py ../shared/data/jets_pythia_100k.npz

The result depends on the seed and, in the last digits, on the versions of Keras and PyTorch.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

TARGET = Path(__file__).parents[1] / "tests/data/models"
TRAINING_ROWS = 80_000
SIZES = {"small": (5, 8, 3), "large": (20, 20, 3), "six": (20, 20, 6)}
"""Constituents, units and inputs of each constituent."""
SOFTEST = 2.0**-12
"""Share of pT below which the logarithm does not go; also that of no constituent."""
KINDS = {"lstm": "LSTM", "gru": "GRU"}
"""Layers of Keras, by name."""


def features(constituents: np.ndarray, inputs: int) -> np.ndarray:
    """Return three inputs as they are stored, or six.

    Args:
        constituents: (jets, steps, 3).
        inputs: 3 or 6.

    Returns:
        float32 (jets, steps, inputs).
    """
    x = constituents.astype(np.float32)
    if inputs == 3:
        return x
    share = x[..., :1]
    logarithm = np.log2(np.maximum(share, SOFTEST))
    distance = np.hypot(x[..., 1:2], x[..., 2:])
    later = 1 - share.cumsum(1, dtype=np.float64).astype(np.float32)
    return np.concatenate([x, logarithm, distance, later], axis=2)


def build(kind: str, steps: int, units: int, inputs: int) -> keras.Model:
    """Return an untrained tagger."""
    import keras

    return keras.Sequential(
        [
            keras.Input((steps, inputs), name="constituents"),
            keras.layers.BatchNormalization(name="standardised"),
            getattr(keras.layers, KINDS[kind])(units, name=kind),
            keras.layers.Dense(5, activation="softmax", name="classes"),
        ],
        name=f"jets_{kind}_{steps}" + (f"x{inputs}" if inputs != 3 else ""),
    )


def train(model: keras.Model, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
    """Fit with Adam and a learning rate that falls to nothing."""
    import keras

    batch = 512
    steps = epochs * (len(x) // batch + 1)
    rate = keras.optimizers.schedules.CosineDecay(1e-2, steps)
    model.compile(
        keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(x, y, batch_size=batch, epochs=epochs, verbose=2)


def main() -> None:
    """Train all of them, or those of one size."""
    import keras

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--size", choices=SIZES, action="append")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--rows", type=int, default=TRAINING_ROWS)
    options = parser.parse_args()
    stored = np.load(options.data)
    y = stored["y"].astype(np.int64)
    for size in options.size or SIZES:
        steps, units, inputs = SIZES[size]
        x = features(stored["constituents"][:, :steps], inputs)
        for kind in KINDS:
            keras.utils.set_random_seed(1)
            model = build(kind, steps, units, inputs)
            train(model, x[: options.rows], y[: options.rows], options.epochs)
            found = model.predict(x[TRAINING_ROWS:], batch_size=4096, verbose=0).argmax(1)
            print(f"{model.name}: {float((found == y[TRAINING_ROWS:]).mean()):.4f} on test rows")
            TARGET.mkdir(parents=True, exist_ok=True)
            model.save(TARGET / f"{model.name}.keras")


if __name__ == "__main__":
    main()
