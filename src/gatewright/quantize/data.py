"""Check calibration data and divide them: to fit, to choose, to report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatewright.base import DataError, Diagnostics, Place
from gatewright.ir import Graph, Reals
from gatewright.ops import Argmax, Forest, Function, Softmax
from gatewright.quantize.load import Load

LEAST_SAMPLES = 100
FARTHEST = 2.0**40
"""From 1: largest magnitudes of an input's elements may lie between its inverse and it."""

OUTLYING = 64.0
"""Times the size within which 99 % of the samples lie: beyond, a number is pointed out."""

MOST_FIT, MOST_CHOICE, MOST_REPORT = 4096, 12_000, 20_000
MOST_FOREST_FIT = 32_768
"""Of a forest, which has few values and many leaves, each to be met by some samples."""

SHARES = (0.4, 0.35)
"""Parts of the data to fit and to choose with; the rest is for the report."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Checked data, shuffled and divided; no sample is in two parts.

    Attributes:
        fit: for ranges, moments and rounding.
        choice: for the metric that decides between formats.
        report: for the loss that is reported.
        samples: given in all.
    """

    fit: Part
    choice: Part
    report: Part
    samples: int

    def describe(self, extremes: bool = True) -> tuple[str, ...]:
        """Return what was used for what, for the report.

        Args:
            extremes: those of all samples count; a forest's formats follow from its cuts.
        """
        parts = (
            f"{self.fit.size} of {self.samples} calibration samples for ranges and rounding",
            f"{self.choice.size} others to choose the formats",
            f"{self.report.size} others for the loss reported",
        )
        last = "of all of these the extremes, which the ranges take into account"
        return (*parts, last) if extremes else parts


@dataclass(frozen=True, eq=False)
class Part:
    """Some samples: values by input, and labels or None."""

    inputs: dict[str, Reals]
    labels: NDArray[np.int64] | None

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(next(iter(self.inputs.values())))


def prepare(
    graph: Graph,
    calibration: ArrayLike | Mapping[str, ArrayLike],
    labels: ArrayLike | None,
    seed: int,
) -> Calibration:
    """Check data against a graph and divide them.

    Args:
        graph: the model.
        calibration: (samples, *input shape), or that by input name.
        labels: (samples,), classes from 0, or None.
        seed: of the shuffle.

    Raises:
        DataError: or `ManyErrors`; wrong names, shapes, types, numbers, or too few.
    """
    inputs = _by_name(graph, calibration)
    diagnostics = Diagnostics()
    arrays: dict[str, Reals] = {}
    for i in graph.inputs:
        with diagnostics.gather():
            arrays[i.name] = _checked(
                inputs[i.name], i.shape, Place(graph.source, i.name, "calibration")
            )
    diagnostics.raise_if_any()
    samples = _count(arrays, graph)
    classes = None if labels is None else _labels(labels, samples, graph)
    load = Load.of(graph)
    fitted = MOST_FOREST_FIT if is_forest(graph) else MOST_FIT
    limits = [min(fitted, load.fitted)]
    limits += [min(most, load.tried) for most in (MOST_CHOICE, MOST_REPORT)]
    order = np.random.default_rng(seed).permutation(samples)
    stops = [round(samples * SHARES[0]), round(samples * (SHARES[0] + SHARES[1]))]
    parts = []
    for rows, most in zip(np.split(order, stops), limits, strict=True):
        rows = rows[:most]
        own = {name: x[rows] for name, x in arrays.items()}
        parts.append(Part(own, None if classes is None else classes[rows]))
    return Calibration(parts[0], parts[1], parts[2], samples)


def is_forest(graph: Graph) -> bool:
    """Say whether a graph is a forest and at most a score of what it gives."""
    kinds = {type(node.op) for node in graph.nodes}
    return Forest in kinds and kinds <= {Forest, Argmax, Softmax, Function}


def _by_name(
    graph: Graph, calibration: ArrayLike | Mapping[str, ArrayLike]
) -> dict[str, ArrayLike]:
    """Return the data by input name."""
    names = [i.name for i in graph.inputs]
    if not isinstance(calibration, Mapping):
        if len(names) != 1:
            raise DataError(
                "the model has several inputs, the calibration data are one array",
                place=graph.source,
                supported=f"a mapping with {', '.join(names)}",
                remedy="give calibration={'name': array, ...}",
            )
        return {names[0]: calibration}
    if set(calibration) != set(names):
        raise DataError(
            "the calibration data do not name the model's inputs",
            place=graph.source,
            found=", ".join(map(str, calibration)) or "nothing",
            supported=", ".join(names),
        )
    return dict(calibration)


def _checked(x: ArrayLike, shape: tuple[int, ...], place: Place) -> Reals:
    """Return one input's data as float64."""
    try:
        array = np.asarray(x)
    except ValueError:
        raise DataError(
            "calibration data are no regular array",
            place=place,
            supported=f"shape {('samples', *shape)}",
        ) from None
    if array.dtype.kind not in "fiub":
        raise DataError(
            "calibration data are no real numbers",
            place=place,
            found=f"dtype {array.dtype}",
            supported="floats or integers",
        )
    if array.shape[1:] != shape or not array.ndim:
        raise DataError(
            "calibration data have the wrong shape",
            place=place,
            found=array.shape,
            supported=f"({', '.join(['samples', *map(str, shape)])}{',' if not shape else ''})",
        )
    array = np.ascontiguousarray(array, np.float64)
    bad = ~np.isfinite(array)
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        raise DataError(
            "calibration data hold NaN or infinite values",
            place=place,
            found=f"{int(bad.sum())} of {array.size} values, the first in sample {row}",
            supported="finite numbers",
            remedy="drop or repair these samples",
        )
    _check_scale(array, place)
    if len(array) >= LEAST_SAMPLES and (array == array[:1]).all():
        raise DataError(
            "calibration data are the same in every sample",
            place=place,
            found=f"{len(array)} equal samples",
            supported="samples as the firmware will meet them",
            remedy="give real input data; ranges and formats are learnt from them",
        )
    return array


def _check_scale(array: Reals, place: Place) -> None:
    """Refuse numbers so far from 1 that sums of products would not fit any integer.

    Raises:
        DataError: naming the first element.
    """
    size = np.abs(array).max(0, initial=0.0)
    wrong = (size > 0) & ((size < 1 / FARTHEST) | (size > FARTHEST))
    if not wrong.any():
        return
    index = tuple(np.argwhere(wrong)[0].tolist())
    raise DataError(
        "an input's numbers are too far from 1",
        place=place,
        found=f"at most {float(size[index]):.3g} at element {list(index)}",
        supported=f"largest magnitudes from {1 / FARTHEST:.2g} to {FARTHEST:.2g}",
        remedy="give the input in another unit (scaled by a power of two), with the first layer's "
        "weights scaled back",
    )


def outliers(parts: Iterable[Part]) -> list[str]:
    """Describe elements of the inputs whose largest numbers stand far from all others."""
    found = []
    pieces = list(parts)
    for name in pieces[0].inputs:
        x = np.abs(np.concatenate([part.inputs[name] for part in pieces]))
        common = np.quantile(x, 0.99, axis=0)
        far = x > OUTLYING * common
        for index in np.argwhere(far.any(0) & (common > 0)).tolist():
            at = tuple(index)
            found.append(
                f"{name}{index if index else ''}: {int(far[(slice(None), *at)].sum())} of "
                f"{len(x)} samples, up to {x[(slice(None), *at)].max():.4g}, where 99 % lie within "
                f"{float(common[at]):.4g}"
            )
    return found


def _count(arrays: dict[str, Reals], graph: Graph) -> int:
    """Return the number of samples, which must be one and enough."""
    counts = {name: len(x) for name, x in arrays.items()}
    if len(set(counts.values())) > 1:
        raise DataError(
            "the inputs' calibration data differ in length",
            place=graph.source,
            found=", ".join(f"{name}: {n}" for name, n in counts.items()),
        )
    samples = min(counts.values())
    if samples < LEAST_SAMPLES:
        raise DataError(
            "too few calibration samples",
            place=graph.source,
            found=samples,
            supported=f"at least {LEAST_SAMPLES}; some thousands choose well",
        )
    return samples


def _labels(labels: ArrayLike, samples: int, graph: Graph) -> NDArray[np.int64]:
    """Return labels as integers."""
    array = np.asarray(labels)
    place = Place(graph.source, attribute="labels")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (samples,):
        raise DataError(
            "labels do not match the calibration data",
            place=place,
            found=f"shape {array.shape}",
            supported=f"shape ({samples},), a class number each",
            remedy="for one-hot labels give labels.argmax(1)" if array.ndim == 2 else "",
        )
    whole = array.dtype.kind in "iub" or (
        array.dtype.kind == "f" and (np.isfinite(array) & (array == np.floor(array))).all()
    )
    if not whole:
        raise DataError(
            "labels are no class numbers",
            place=place,
            found=f"dtype {array.dtype}",
            supported="integers from 0",
        )
    array = array.astype(np.int64)
    if array.size and array.min() < 0:
        raise DataError(
            "a label is negative", place=place, found=int(array.min()), supported="classes from 0"
        )
    return array


def constant_elements(part: Part) -> list[str]:
    """Name the elements of the inputs that never change."""
    result = []
    for name, x in part.inputs.items():
        same = np.argwhere((x == x[:1]).all(0)).tolist()
        result += [f"{name}[{', '.join(map(str, index))}]" for index in same if index]
    return result
