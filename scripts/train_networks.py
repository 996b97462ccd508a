"""Train the small PyTorch networks that the tests compile, on the shared data.

    pip install torch numpy
    python scripts/train_networks.py vit       # digits, a transformer
    python scripts/train_networks.py residual  # jets as sequences, a 1-D residual CNN

Each takes a minute or two, and writes `tests/data/models/NAME.npz`: the state dict as plain arrays,
256 samples of the test part with their classes, the score. The result depends on the seed and, in
the last digits, on the version of PyTorch.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.models.torch_networks import ResidualTagger, VisionTransformer  # noqa: E402

SHARED = ROOT.parent / "shared" / "data"
KEPT = 256

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def digits() -> Arrays:
    """Return MNIST's test images, averaged to 14 x 14, 8000 to train on and 2000 to test."""
    with gzip.open(SHARED / "mnist_t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(SHARED / "mnist_t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    x = images.reshape(-1, 1, 14, 2, 14, 2).mean((3, 5)).astype(np.float32) / 256
    rows = np.random.default_rng(1).permutation(len(x))
    train, test = rows[:8000], rows[8000:]
    return x[train], labels[train], x[test], labels[test]


def jets() -> Arrays:
    """Return the hardest 16 constituents (pT share, angles); split as the data's README says."""
    data = np.load(SHARED / "jets_pythia_100k.npz")
    x = data["constituents"][:, :16].astype(np.float32).transpose(0, 2, 1)
    x[:, 0] = np.log2(1 + 64 * x[:, 0]) / 4
    x[:, 1:] *= 2
    y = data["y"]
    return x[:80_000], y[:80_000], x[80_000:], y[80_000:]


NETWORKS = {
    "vit": (VisionTransformer, digits, 60, 64),
    "residual": (ResidualTagger, jets, 12, 256),
}


def train(name: str, seed: int) -> tuple[torch.nn.Module, Arrays, float]:
    """Fit a network and return it with its data and its accuracy on the test part."""
    kind, load, epochs, batch = NETWORKS[name]
    torch.manual_seed(seed)
    data = load()
    x, y = torch.from_numpy(data[0]), torch.from_numpy(data[1].astype(np.int64))
    model = kind()
    steps = epochs * (len(x) // batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=2e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps)
    loss_of = torch.nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for rows in torch.randperm(len(x))[: steps // epochs * batch].reshape(-1, batch):
            optimizer.zero_grad()
            loss = loss_of(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss)
        print(f"{name} epoch {epoch + 1}: loss {total * batch / len(x):.4f}")
    model.eval()
    with torch.no_grad():
        found = model(torch.from_numpy(data[2])).argmax(1).numpy()
    return model, data, float((found == data[3]).mean())


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=NETWORKS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    model, data, accuracy = train(options.name, options.seed)
    target = ROOT / "tests" / "data" / "models" / f"{options.name}.npz"
    state = {f"state.{key}": value.numpy() for key, value in model.state_dict().items()}
    np.savez_compressed(
        target, **state, x=data[2][:KEPT], y=data[3][:KEPT], accuracy=np.float64(accuracy)
    )
    print(f"{target.relative_to(ROOT)}: {accuracy:.4f} on {len(data[3]):,} samples")


if __name__ == "__main__":
    main()
