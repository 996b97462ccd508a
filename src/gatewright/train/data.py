"""Samples and labels as users give them, checked."""

from __future__ import annotations

import importlib.util

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatewright.base import DataError, OptionError, UnsupportedError

Single = NDArray[np.float32]


def features_of(x: ArrayLike, features: int | None = None) -> Single:
    """Return samples as float32 (n, features).

    Raises:
        DataError: they are no such array, hold NaN or infinite values, or are of another size.
    """
    try:
        array = np.asarray(x)
    except ValueError:
        raise DataError("samples are not an array", found="rows of different lengths") from None
    if array.dtype.kind not in "fiub":
        raise DataError("samples are not numbers", found=array.dtype, supported="floats, integers")
    wanted = "features" if features is None else str(features)
    if array.ndim != 2 or 0 in array.shape or features not in (None, array.shape[1]):
        raise DataError("samples have the wrong shape", found=array.shape,
                        supported=f"(samples, {wanted})",
                        remedy="give x[None]" if array.ndim == 1 else "")  # fmt: skip
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    bad = ~np.isfinite(single)
    if bad.any():
        first = tuple(int(v) for v in np.argwhere(bad)[0])
        raise DataError(
            "samples hold numbers that are not finite",
            found=f"{int(bad.sum())} of {bad.size}, the first at index {first}",
            remedy="remove or replace NaN and infinite values",
        )
    return np.ascontiguousarray(single)


def classes_of(y: ArrayLike, samples: int) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
    """Return the classes in order, and each sample's place among them.

    Raises:
        DataError: there is not one label a sample, or all are the same.
    """
    array = np.asarray(y)
    if array.shape != (samples,):
        raise DataError(
            "labels do not match the samples", found=f"shape {array.shape}",
            supported=f"shape ({samples},), a class each",
            remedy="for one-hot labels give y.argmax(1)" if array.ndim == 2 else "",
        )  # fmt: skip
    if array.dtype.kind == "O":
        array = array.astype(np.str_)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError("labels hold NaN or infinite values", found=array.dtype)
    classes, index = np.unique(array, return_inverse=True)
    if len(classes) < 2:
        raise DataError("all samples have the same class", found=f"only {classes[0]!s}",
                        supported="two classes or more")  # fmt: skip
    if array.dtype.kind == "f" and (array != np.floor(array)).any():
        raise DataError("labels are no classes", found="numbers that are not whole",
                        remedy="for numbers use a regressor")  # fmt: skip
    return classes, index.astype(np.int64)


def numbers_of(y: ArrayLike, samples: int) -> Single:
    """Return what is to be predicted as float32 (n, outputs).

    Raises:
        DataError: there is not a row for each sample, or a value is not finite.
    """
    array = np.asarray(y)
    wrong = array.dtype.kind not in "fiub" or array.ndim not in (1, 2) or len(array) != samples
    if wrong or not array.size:
        raise DataError(
            "what is to be predicted does not match the samples",
            found=f"{array.dtype} of shape {array.shape}",
            supported=f"numbers of shape ({samples},) or ({samples}, outputs)",
        )
    if not np.isfinite(array.astype(np.float32)).all():
        raise DataError("what is to be predicted holds NaN or infinite values")
    return array.reshape(samples, -1).astype(np.float32)


def held_out(samples: int, share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows to learn from and rows to judge by.

    Raises:
        DataError: there are too few.
    """
    if not 0 < share < 1:
        raise OptionError("the share held out is impossible", found=share,
                          supported="between 0 and 1")  # fmt: skip
    count = round(samples * share)
    if count < 1 or samples - count < 2:
        raise DataError("there are too few samples to train on and to judge by", found=samples)
    order = np.random.default_rng(seed).permutation(samples)
    return order[count:], order[:count]


def require_torch() -> None:
    """Say how to install PyTorch where it is not there."""
    if importlib.util.find_spec("torch") is None:
        raise UnsupportedError(
            "training needs PyTorch, which is not installed",
            remedy="pip install 'gatewright[torch]'",
        )


def require_between(name: str, value: object, low: float, high: float) -> None:
    """Refuse a number outside of limits.

    Raises:
        OptionError: it is.
    """
    number = isinstance(value, int | float | np.integer | np.floating)
    if not number or isinstance(value, bool) or not low <= value <= high:  # type: ignore[operator]
        raise OptionError(f"{name} is impossible", found=repr(value),
                          supported=f"{low:g} to {high:g}")  # fmt: skip


def require_whole(name: str, value: object, low: float, high: float) -> None:
    """Refuse what is no integer within limits.

    Raises:
        OptionError: it is not.
    """
    require_between(name, value, low, high)
    if not isinstance(value, int | np.integer):
        raise OptionError(f"{name} is impossible", found=repr(value),
                          supported=f"an integer from {low:g} to {high:g}")  # fmt: skip
