"""Jets of five kinds, simulated with Pythia, and the tagger trained on them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gatewright.base import FileError

SAMPLE = "jets_sample.npz"
TAGGER = "jet_tagger.onnx"


@dataclass(frozen=True, eq=False)
class JetSample:
    """Jets with 16 observables each; `README.md` beside this file tells how they were made.

    Attributes:
        x_calibration: float32 (4000, 16), raw observables of training jets, to choose formats with.
        y_calibration: uint8 (4000,), index into `classes`.
        x_test: float32 (5000, 16), of jets the tagger was not trained on.
        y_test: uint8 (5000,).
        features: names of the observables, in the order of the columns.
        classes: names of the kinds of jet: gluon, light quark, W, Z, top.
        mean: float32 (16,), mean over the training jets, the extreme 0.2 % pulled in.
        std: float32 (16,), standard deviation of the same.
    """

    x_calibration: NDArray[np.float32]
    y_calibration: NDArray[np.uint8]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.uint8]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def standardised(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `(x - mean) / std`, for a model without a standardising layer of its own."""
        return ((x - self.mean) / self.std).astype(np.float32)


def load_jets() -> JetSample:
    """Return the sample that is installed with the package.

    Raises:
        FileError: the package was installed without its data.
    """
    with np.load(_installed(SAMPLE), allow_pickle=False) as file:
        return JetSample(
            x_calibration=file["x_calibration"],
            y_calibration=file["y_calibration"],
            x_test=file["x_test"],
            y_test=file["y_test"],
            features=tuple(file["features"].tolist()),
            classes=tuple(file["classes"].tolist()),
            mean=file["mean"],
            std=file["std"],
        )


def tagger_path() -> Path:
    """Return the trained tagger: a float ONNX model from raw observables to five class scores.

    Raises:
        FileError: the package was installed without its data.
    """
    return _installed(TAGGER)


def _installed(name: str) -> Path:
    """Return a data file of this package; wheels are unpacked, so it is a file of its own."""
    path = Path(str(resources.files("gatewright.datasets") / name))
    if not path.is_file():
        raise FileError(
            "the package is installed without its sample data",
            place=str(path),
            remedy="install again: pip install --force-reinstall gatewright",
        )
    return path
