"""Cut the demo's jets out of the full Pythia sample.

The full sample (100,000 jets; method in `src/gatewright/datasets/README.md`) is not part of the
repository. Calibration jets are the first training rows, test jets the first test rows; the rows
were shuffled when the sample was made, so both are balanced over the classes.

    python scripts/make_demo_sample.py ../shared/data/jets_pythia_100k.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TRAINING_ROWS = 80_000
CALIBRATION_JETS = 4_000
TEST_JETS = 5_000
TARGET = Path(__file__).parents[1] / "src/gatewright/datasets/jets_sample.npz"


def standardisation(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation of each feature, its extreme 0.2 % pulled in first.

    Ratios such as D2 have tails of hundreds of widths (a groomed jet of almost one particle);
    without the cut a handful of jets would set the scale of the feature.
    """
    low, high = np.quantile(x, [0.001, 0.999], axis=0)
    inner = np.clip(x.astype(np.float64), low, high)
    return inner.mean(0).astype(np.float32), inner.std(0).astype(np.float32)


def main() -> None:
    """Write the sample."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path, help="jets_pythia_100k.npz")
    parser.add_argument("--out", type=Path, default=TARGET)
    args = parser.parse_args()
    with np.load(args.source, allow_pickle=False) as full:
        x, y, features, classes = (full[name] for name in ("x", "y", "features", "classes"))
    mean, std = standardisation(x[:TRAINING_ROWS])
    test = slice(TRAINING_ROWS, TRAINING_ROWS + TEST_JETS)
    np.savez_compressed(
        args.out,
        x_calibration=x[:CALIBRATION_JETS],
        y_calibration=y[:CALIBRATION_JETS],
        x_test=x[test],
        y_test=y[test],
        features=features,
        classes=classes,
        mean=mean,
        std=std,
    )
    print(f"{args.out.name}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
