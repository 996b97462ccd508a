"""Read and write arrays: `.npy`, `.npz`, or one array of an `.npz` as `FILE.npz:NAME`."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gatewright.base import DataError, FileError, OptionError

MOST_BYTES = 4 << 30
"""Largest data file that is unpacked."""

SUPPORTED = "a .npy file, a .npz file, or FILE.npz:NAME for one of its arrays"
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Data:
    """Inputs as the flow takes them, and labels where the file holds some.

    Attributes:
        inputs: one array, or arrays by input name.
        labels: the file's array `y`.
        described: which arrays were taken for what.
    """

    inputs: np.ndarray | Arrays
    labels: np.ndarray | None
    described: str


def read_data(given: str, input_names: Callable[[], Sequence[str]]) -> Data:
    """Read the inputs of a model.

    One array is the input. Of several, those named as the model's inputs are taken, else `x`;
    `y` holds labels unless an input is called so.

    Args:
        given: path, or path and name of an array.
        input_names: returns the names of the model's inputs; asked only where they decide.

    Raises:
        FileError: the file cannot be read.
        DataError: it holds no array, or none that is known to be the input.
    """
    path, chosen = _split(given)
    arrays = _read(path, chosen)
    if len(arrays) == 1:
        name, only = next(iter(arrays.items()))
        return Data(only, None, f"inputs from `{name or path.name}`")
    names = input_names()
    labels = None if "y" in names else arrays.pop("y", None)
    if set(names) <= set(arrays):
        taken = list(names)
    elif len(arrays) == 1 and len(names) == 1:
        taken = list(arrays)
    elif "x" in arrays and len(names) == 1:
        taken = ["x"]
    else:
        raise DataError(
            "it is not clear which array holds the inputs",
            place=str(path),
            found=", ".join([*arrays, *(["y"] if labels is not None else [])]),
            supported=f"arrays called {', '.join(names)}" + (", or `x`" if len(names) == 1 else ""),
            remedy=f"choose one: {path.name}:{next(iter(arrays))}" if len(names) == 1 else "",
        )
    picked = arrays[taken[0]] if len(names) == 1 else {name: arrays[name] for name in taken}
    inputs = ", ".join(f"`{name}`" for name in taken)
    return Data(
        picked,
        labels,
        f"inputs from {inputs}" + (", labels from `y`" if labels is not None else ""),
    )


def read_labels(given: str) -> np.ndarray:
    """Read the labels: the one array of a file, or its `y`.

    Raises:
        FileError: the file cannot be read.
        DataError: it is not clear which array is meant.
    """
    path, chosen = _split(given)
    arrays = _read(path, chosen)
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    if "y" not in arrays:
        raise DataError(
            "it is not clear which array holds the labels",
            place=str(path),
            found=", ".join(arrays),
            supported="`y`, or one array",
            remedy=f"choose one: {path.name}:{next(iter(arrays))}",
        )
    return arrays["y"]


def encode_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the content of a `.npy` or `.npz` file.

    Raises:
        OptionError: the name's ending is neither, or `.npy` is to hold several arrays.
    """
    buffer = io.BytesIO()
    if path.suffix == ".npz":
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
    elif path.suffix == ".npy" and len(arrays) == 1:
        np.save(buffer, next(iter(arrays.values())), allow_pickle=False)
    else:
        several = len(arrays) > 1
        raise OptionError(
            "several arrays need a .npz file"
            if several
            else "the kind of output file is not known",
            found=path.name,
            supported=".npz" if several else ".npy, .npz",
        )
    return buffer.getvalue()


def _split(given: str) -> tuple[Path, str | None]:
    """Part `FILE.npz:NAME`; a file whose own name holds a colon stays whole."""
    stem, colon, name = given.rpartition(":")
    if colon and stem.lower().endswith(".npz") and not Path(given).exists():
        return Path(stem), name
    return Path(given), None


def _read(path: Path, chosen: str | None) -> Arrays:
    """Return the arrays of a file, never unpickling."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise FileError(
            "the data cannot be read", place=str(path), found=found, supported=SUPPORTED
        )
    try:
        arrays = _load(path, chosen)
    except OSError as error:
        raise FileError(
            "the data cannot be read", place=str(path), found=error.strerror or str(error)
        ) from None
    except (
        ValueError, EOFError, KeyError, zipfile.BadZipFile, SyntaxError, zlib.error,
        tokenize.TokenError, NotImplementedError, RuntimeError,
    ) as error:  # fmt: skip
        pickled = "allow_pickle" in str(error)
        raise FileError(
            "the file holds Python objects, which are never loaded"
            if pickled
            else "the file is damaged, or holds no arrays",
            place=str(path),
            found=None if pickled else error,
            supported=SUPPORTED,
            remedy="save plain arrays of numbers with numpy.save or numpy.savez",
        ) from None
    if not arrays:
        raise DataError("the file holds no array", place=str(path), supported=SUPPORTED)
    return arrays


def _load(path: Path, chosen: str | None) -> Arrays:
    if not zipfile.is_zipfile(path):
        if path.suffix.lower() == ".npz":
            raise ValueError("not a zip archive, or cut short")
        with path.open("rb") as file:
            return {"": np.lib.format.read_array(file, allow_pickle=False)}
    with zipfile.ZipFile(path) as archive:
        size = sum(info.file_size for info in archive.infolist())
    if size > MOST_BYTES:
        raise FileError(
            "the data file unpacks to too much",
            place=str(path),
            found=f"{size / 2**30:.0f} GiB",
            supported=f"up to {MOST_BYTES >> 30} GiB",
        )
    with np.load(path, allow_pickle=False) as data:
        if chosen is not None and chosen not in data.files:
            raise DataError(
                "the file has no such array",
                place=str(path),
                found=chosen,
                supported=", ".join(data.files),
            )
        arrays = {name: data[name] for name in ([chosen] if chosen else data.files)}
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # NumPy gives the bytes of what is no array
            raise ValueError(f"{name} is not an array")
    return arrays
