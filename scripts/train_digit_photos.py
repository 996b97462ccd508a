"""Train a small convolutional network on digits over photographs and write it as a Keras file.

The network has the shape of arXiv:2101.05108 (three convolutions of 3 x 3 with 16, 16 and 24
filters, each with a pooling of 2 x 2, then dense layers of 42 and 64 neurons), which classifies
house numbers on images of 32 x 32. Here digits (MNIST) are painted, in a colour of chance, over
photographs (CIFAR-10). Half of the weights between the first and the last layer
are pruned while it trains. Nothing is quantized.

    pip install keras torch
    KERAS_BACKEND=torch python scripts/train_digit_photos.py ../shared/data

Takes a few minutes on one core. The result depends on the seed and, in the last digits, on the
versions of Keras and PyTorch.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[1] / "tests/data/models/digit_photos_cnn.keras"
TRAINING_DIGITS, TRAINING_PHOTOS = 8_000, 150
SIDE = 32
CONTRAST = 90
"""Least distance, in one channel at least, between a digit's colour and the photograph's mean."""

FILTERS, NEURONS = (16, 16, 24), (42, 64)
PRUNED = 0.5


def material(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return digits (10000, 28, 28) and their classes, and photographs (200, 32, 32, 3)."""
    with gzip.open(folder / "mnist_t10k-images-idx3-ubyte.gz") as file:
        digits = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / "mnist_t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    order = np.random.default_rng(1).permutation(len(digits))
    photos = np.load(folder / "mlperf_tiny_ic01.npz")["x"]
    return digits[order], labels[order], photos


def painted(digits: np.ndarray, photos: np.ndarray, seed: int) -> np.ndarray:
    """Paint each digit somewhere over a photograph, in a colour that stands out.

    Returns:
        uint8 (digits, 32, 32, 3).
    """
    rng = np.random.default_rng(seed)
    images = np.empty((len(digits), SIDE, SIDE, 3), np.uint8)
    room = SIDE - digits.shape[1] + 1
    for image, digit in zip(images, digits, strict=True):
        photo = np.rot90(photos[rng.integers(len(photos))], rng.integers(4))
        photo = photo[:, :: rng.choice([-1, 1])].astype(np.float64)
        colour = rng.uniform(0, 255, 3)
        while np.abs(colour - photo.mean((0, 1))).max() < CONTRAST:
            colour = rng.uniform(0, 255, 3)
        cover = np.zeros((SIDE, SIDE, 1))
        y, x = rng.integers(room, size=2)
        cover[y : y + 28, x : x + 28, 0] = digit / 255
        image[:] = np.rint(photo * (1 - cover) + colour * cover)
    return images


def test_part(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images (2000, 32, 32, 3) of 0 to 255 that were not trained on, and their classes."""
    digits, labels, photos = material(folder)
    rest = slice(TRAINING_DIGITS, None)
    return painted(digits[rest], photos[TRAINING_PHOTOS:], 0), labels[rest].astype(np.int64)


def training_part(folder: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images (8000, 32, 32, 3) to train or to calibrate on, and their classes."""
    digits, labels, photos = material(folder)
    part = slice(TRAINING_DIGITS)
    return painted(digits[part], photos[:TRAINING_PHOTOS], seed), labels[part].astype(np.int64)


def build():  # noqa: ANN201 - Keras is imported late
    """Return an untrained network."""
    import keras
    from keras import layers

    stack = [keras.Input((SIDE, SIDE, 3), name="image"), layers.Rescaling(1 / 256, name="scaled")]
    for k, filters in enumerate(FILTERS, 1):
        stack += [
            layers.Conv2D(filters, 3, use_bias=False, name=f"conv_{k}"),
            layers.BatchNormalization(name=f"conv_{k}_norm"),
            layers.ReLU(name=f"conv_{k}_relu"),
            layers.MaxPooling2D(2, name=f"pool_{k}"),
        ]
    stack.append(layers.Flatten(name="flat"))
    for k, neurons in enumerate(NEURONS, 1):
        stack += [
            layers.Dense(neurons, use_bias=False, name=f"dense_{k}"),
            layers.BatchNormalization(name=f"dense_{k}_norm"),
            layers.ReLU(name=f"dense_{k}_relu"),
        ]
    stack.append(layers.Dense(10, activation="softmax", name="classes"))
    return keras.Sequential(stack, name="digit_photos_cnn")


def prune(model, share: float) -> dict[str, np.ndarray]:  # noqa: ANN001 - a Keras model
    """Return which weights of the inner layers stay: the largest of each layer."""
    kept = {}
    for layer in model.layers:
        if layer.name.removesuffix("_1") in ("conv", "classes") or not hasattr(layer, "kernel"):
            continue
        size = np.abs(np.asarray(layer.get_weights()[0]))
        kept[layer.name] = size >= np.quantile(size, share)
    return kept


def train(folder: Path, epochs: int, seed: int):  # noqa: ANN201 - a Keras model
    """Fit with fresh paintings in each epoch; from a third on, prune more and more."""
    import keras

    keras.utils.set_random_seed(seed)
    model = build()
    batch = 100
    steps = epochs * TRAINING_DIGITS // batch
    rate = keras.optimizers.schedules.CosineDecay(4e-3, steps)
    model.compile(
        keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    kept: dict[str, np.ndarray] = {}

    class KeepPruned(keras.callbacks.Callback):
        """Set pruned weights back to 0."""

        def on_train_batch_end(self, batch, logs=None) -> None:  # noqa: ANN001
            for name, mask in kept.items():
                kernel = self.model.get_layer(name).kernel
                kernel.assign(kernel * mask.astype(np.float32))

    for epoch in range(epochs):
        share = PRUNED * min(max((epoch / epochs - 1 / 3) * 3, 0.0), 1.0)
        kept.update(prune(model, share) if share else {})
        x, y = training_part(folder, seed * 1000 + epoch)
        loss = model.fit(x, y, batch_size=batch, verbose=0, callbacks=[KeepPruned()]).history
        print(f"epoch {epoch + 1}: {loss['loss'][0]:.3f} {loss['accuracy'][0]:.3f}", flush=True)
    return model


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    model = train(options.data, options.epochs, options.seed)
    x, y = test_part(options.data)
    found = model.predict(x, batch_size=500, verbose=0).argmax(1)
    zeros = np.concatenate(
        [np.ravel(v.kernel.numpy()) for v in model.layers if hasattr(v, "kernel")]
    )
    print(
        f"accuracy {float((found == y).mean()):.4f} on {len(y):,} images, "
        f"{float((zeros == 0).mean()):.0%} of the weights are 0"
    )
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    plain = build()  # without the state of its training, which is twice as large as the weights
    plain.set_weights(model.get_weights())
    plain.save(TARGET)


if __name__ == "__main__":
    main()
