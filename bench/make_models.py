"""Train the float Keras jet tagger that the benchmark quantizes, and note its accuracy.

The counterpart of `scripts/train_tagger.py` in Keras: raw observables, a standardising
BatchNormalization, then 16-64-32-32-5 with batch normalisation, ReLU and softmax.

    pip install keras torch
    python bench/make_models.py ../shared/data/jets_pythia_100k.npz
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import keras
import numpy as np

from make_demo_sample import TRAINING_ROWS, standardisation

MODELS = Path(__file__).parent / "models"


def build(mean: np.ndarray, std: np.ndarray) -> keras.Model:
    """Return the network; its first layer is set to the standardisation and stays so."""
    standardise = keras.layers.BatchNormalization(
        center=False, scale=False, epsilon=0.0, trainable=False, name="standardise"
    )
    layers: list[keras.Layer] = [keras.Input((len(mean),), name="jet"), standardise]
    for number, units in enumerate((64, 32, 32), start=1):
        layers += [
            keras.layers.Dense(units, use_bias=False, name=f"dense_{number}"),
            keras.layers.BatchNormalization(name=f"norm_{number}"),
            keras.layers.ReLU(name=f"relu_{number}"),
        ]
    layers.append(keras.layers.Dense(5, activation="softmax", name="scores"))
    model = keras.Sequential(layers, name="jet_tagger")
    standardise.set_weights([mean, std.astype(np.float64) ** 2])
    return model


def fit(model: keras.Model, x: np.ndarray, y: np.ndarray, epochs: int, batch: int) -> None:
    """Train with AdamW and a learning rate that falls as a cosine."""
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, epochs * (len(x) // batch), warmup_target=1e-2, warmup_steps=len(x) // batch
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=2e-2),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(x, y, epochs=epochs, batch_size=batch, verbose=2)


def main() -> None:
    """Write the model and, beside it, its accuracy on the test rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path, help="jets_pythia_100k.npz")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    keras.utils.set_random_seed(args.seed)
    with np.load(args.source, allow_pickle=False) as full:
        x, y = full["x"], full["y"].astype(np.int64)
    constants = standardisation(x[:TRAINING_ROWS])
    model = build(*constants)
    fit(model, x[:TRAINING_ROWS], y[:TRAINING_ROWS], args.epochs, args.batch)
    scores = model.predict(x[TRAINING_ROWS:], batch_size=1000, verbose=0)
    accuracy = float((scores.argmax(1) == y[TRAINING_ROWS:]).mean())
    # Saved without the optimizer's state, which would double the file.
    bare = build(*constants)
    bare.set_weights(model.get_weights())
    MODELS.mkdir(exist_ok=True)
    path = MODELS / "jet_tagger_float.keras"
    bare.save(path)
    facts = {
        "model": path.name,
        "keras": keras.__version__,
        "test_jets": len(x) - TRAINING_ROWS,
        "float_accuracy": accuracy,
        "seed": args.seed,
        "epochs": args.epochs,
    }
    path.with_suffix(".json").write_text(json.dumps(facts, indent=2) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes, accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main()
