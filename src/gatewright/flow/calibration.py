"""Calibration data beside a saved design, as the integers that the firmware receives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gatewright.base import FileError
from gatewright.flow.disk import read_arrays
from gatewright.ir import Graph
from gatewright.num import FixedArray

CALIBRATION = "calibration.npz"

CALIBRATION_NUMBERS = 4_000_000
"""Calibration inputs beyond this many numbers are cut when a design is saved."""


def calibration_arrays(
    calibration: Mapping[str, FixedArray], labels: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Return as many samples of every input as are kept, and their labels."""
    per_sample = sum(max(1, int(np.prod(c.q.shape[1:]))) for c in calibration.values())
    count = max(1, CALIBRATION_NUMBERS // per_sample)
    arrays = {f"x:{name}": codes.q[:count] for name, codes in calibration.items()}
    if labels is not None:
        arrays["labels"] = labels[:count]
    return arrays


def read_calibration(path: Path, graph: Graph) -> tuple[dict[str, FixedArray], np.ndarray | None]:
    """Read what `calibration_arrays` wrote; every input must have its samples, in its range.

    Raises:
        FileError: the file is damaged.
    """
    stored = read_arrays(path)
    codes, counts = {}, set()
    for i in graph.inputs:
        assert i.type is not None
        q = stored.get(f"x:{i.name}", np.zeros(0))
        if q.dtype != np.int64 or q.shape[1:] != i.shape or not i.type.contains(q).all():
            raise FileError(
                "calibration data do not fit the design", place=str(path), found=f"input {i.name}"
            )
        codes[i.name] = FixedArray(q, i.type.frac)
        counts.add(len(q))
    labels = stored.get("labels")
    if len(counts) != 1 or (labels is not None and labels.shape != (*counts,)):
        raise FileError("calibration data differ in length", place=str(path))
    return codes, labels
