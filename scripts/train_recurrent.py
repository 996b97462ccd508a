"""Train recurrent jet taggers on the hardest constituents and write them as Keras files.

An LSTM and a GRU read (pT / jet pT, delta eta, delta phi) of one constituent after another, hardest
first, and a dense layer tells the class: the task of recurrent taggers in triggers
(arXiv:2207.00559), here with five classes. Small ones (8 units, 5 constituents) are for fast tests,
large ones (20 units, 20 constituents) have that paper's size. Nothing is quantized.

    pip install keras torch
    KERAS_BACKEND=torch python scripts/train_recurrent.py ../shared/data/jets_pythia_100k.npz

The result depends on the seed and, in the last digits, on the versions of Keras and PyTorch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import keras
import numpy as np

TARGET = Path(__file__).parents[1] / "tests/data/models"
TRAINING_ROWS = 80_000
SIZES = {"small": (5, 8), "large": (20, 20)}
"""Constituents and units."""
KINDS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


def build(kind: str, steps: int, units: int) -> keras.Model:
    """Return an untrained tagger."""
    return keras.Sequential(
        [
            keras.Input((steps, 3), name="constituents"),
            keras.layers.BatchNormalization(name="standardised"),
            KINDS[kind](units, name=kind),
            keras.layers.Dense(5, activation="softmax", name="classes"),
        ],
        name=f"jets_{kind}_{steps}",
    )


def train(model: keras.Model, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
    """Fit with Adam and a learning rate that falls to nothing."""
    batch = 512
    steps = epochs * (len(x) // batch + 1)
    rate = keras.optimizers.schedules.CosineDecay(1e-2, steps)
    model.compile(
        keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(x, y, batch_size=batch, epochs=epochs, verbose=2)


def main() -> None:
    """Train all of them, or those of one size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--size", choices=SIZES, action="append")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--rows", type=int, default=TRAINING_ROWS)
    options = parser.parse_args()
    stored = np.load(options.data)
    x, y = stored["constituents"].astype(np.float32), stored["y"].astype(np.int64)
    for size in options.size or SIZES:
        steps, units = SIZES[size]
        for kind in KINDS:
            keras.utils.set_random_seed(1)
            model = build(kind, steps, units)
            train(model, x[: options.rows, :steps], y[: options.rows], options.epochs)
            test = x[TRAINING_ROWS:, :steps]
            found = model.predict(test, batch_size=4096, verbose=0).argmax(1)
            print(f"{model.name}: {float((found == y[TRAINING_ROWS:]).mean()):.4f} on test rows")
            TARGET.mkdir(parents=True, exist_ok=True)
            model.save(TARGET / f"{model.name}.keras")


if __name__ == "__main__":
    main()
