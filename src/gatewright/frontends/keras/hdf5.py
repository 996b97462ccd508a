"""Read arrays and attributes from an HDF5 file that may be hostile."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from gatewright.base import FileError, ModelError, Place

MOST_BYTES = 1 << 30
"""Largest array, and largest sum of arrays, that is read from one file."""

Array = NDArray[Any]


@contextmanager
def open_hdf5(path: Path, content: bytes | None = None) -> Iterator[Hdf5]:
    """Open the file, or `content` that was found in it.

    Raises:
        FileError: the file cannot be read.
        ModelError: it is no complete HDF5 file.
    """
    try:
        file = h5py.File(io.BytesIO(content) if content is not None else path, "r")
    except (PermissionError, FileNotFoundError) as error:
        raise FileError("the model file cannot be read", place=str(path), found=error) from None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise damaged(path, error) from None
    try:
        yield Hdf5(path, file)
    finally:
        file.close()


def damaged(path: Path, error: object) -> ModelError:
    """Return the error for a file that the HDF5 library cannot read."""
    return ModelError(
        "the model's weights are in a damaged HDF5 file",
        place=str(path),
        found=error,
        supported="a complete file, as `model.save` writes it",
        remedy="save or copy the file again",
    )


class Hdf5:
    """Give arrays and attributes; follow no link out of the file."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._read = 0
        self._nodes: dict[tuple[str, ...], Any] = {(): file}

    def has(self, path: str) -> bool:
        """Say whether a group or array stands at `path`."""
        return self._find(path) is not None

    def children(self, path: str) -> list[str]:
        """Return the names below a group, [] where there is no group."""
        group = self._find(path)
        return sorted(group) if isinstance(group, h5py.Group) else []

    def attribute(self, path: str, name: str) -> Any | None:
        """Return an attribute as text, list of texts or number; None where it is not there."""
        node = self._find(path)
        if node is None:
            return None
        try:
            if name not in node.attrs:
                return None
            return _plain(node.attrs[name])
        except (
            OSError,
            RuntimeError,
            KeyError,
            ValueError,
            UnicodeDecodeError,
            TypeError,
        ) as error:
            raise damaged(self.path, error) from None

    def names(self, path: str, name: str) -> list[str]:
        """Return a list of names that may be split over `name0`, `name1` ... (HDF5 limits size)."""
        whole = self.attribute(path, name)
        if whole is not None:
            return [str(item) for item in (whole if isinstance(whole, list) else [whole])]
        found: list[str] = []
        for number in range(10**6):
            part = self.attribute(path, f"{name}{number}")
            if part is None:
                break
            found += [str(item) for item in (part if isinstance(part, list) else [part])]
        return found

    def array(self, path: str, place: Place) -> Array | None:
        """Return an array of numbers; None where there is none.

        Raises:
            ModelError: it lies outside the file, is too large, or holds no numbers.
        """
        node = self._find(path)
        if not isinstance(node, h5py.Dataset):
            return None
        try:
            self._check(node, place)
            values = np.asarray(node[()])
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise damaged(self.path, error) from None
        return values

    def _check(self, node: h5py.Dataset, place: Place) -> None:
        if node.is_virtual or node.external:
            raise ModelError(
                "a weight is stored outside the model file",
                place=place,
                found="an HDF5 array with external or virtual storage",
                supported="weights inside the file",
                remedy="do not trust this file; get the model from its source",
            )
        if node.dtype.kind not in "fiub" or "dtype" in node.attrs:
            raise ModelError(
                "a weight is stored in a type that is not handled",
                place=place,
                found=node.attrs.get("dtype", node.dtype),
                supported="float16, float32, float64 and integers",
                remedy="save the model with float32 weights",
            )
        self._read += int(node.size) * node.dtype.itemsize
        if self._read > MOST_BYTES:
            raise ModelError(
                "the model's weights are larger than any model for an FPGA",
                place=place,
                found=f"an array of shape {node.shape}",
                supported=f"{MOST_BYTES} bytes in all",
            )

    def _find(self, path: str) -> h5py.Group | h5py.Dataset | None:
        """Walk to `path` a name at a time, refusing links that leave the file."""
        parts = tuple(filter(None, path.split("/")))
        for end in range(1, len(parts) + 1):
            if parts[:end] not in self._nodes:
                self._nodes[parts[:end]] = self._step(self._nodes[parts[: end - 1]], parts[end - 1])
        return self._nodes[parts]

    def _step(self, node: Any, name: str) -> Any:
        """Return what a group holds under a name, or None."""
        try:
            link = node.get(name, getlink=True) if isinstance(node, h5py.Group) else None
            if link is None or isinstance(link, h5py.HardLink):
                return None if link is None else node[name]
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise damaged(self.path, error) from None
        raise ModelError(
            "the model file links to something else",
            place=str(self.path),
            found=f"a link at {node.name}/{name}",
            supported="weights inside the file",
            remedy="do not trust this file; get the model from its source",
        )


def _plain(value: Any) -> Any:
    """Return an attribute's value as str, list or number."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return value
