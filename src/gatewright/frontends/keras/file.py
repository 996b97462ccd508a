"""Open a Keras model file: its configuration as plain data, its weights, what wrote it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatewright.base import FileError, ModelError
from gatewright.frontends.keras.archive import read_members
from gatewright.frontends.keras.hdf5 import Hdf5, open_hdf5
from gatewright.frontends.keras.weights import NamedWeights, NumberedWeights, Weights

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
HDF5_MAGIC, ZIP_MAGIC = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
MOST_CONFIG_BYTES = 64 << 20
FORMATS = "a Keras 3 .keras file, or a Keras 2 or 3 .h5 file of a whole model"


@dataclass(frozen=True, eq=False)
class ModelFile:
    """What a file holds.

    Attributes:
        config: the model's own entry: `class_name`, `config`, ...
        version: of the Keras that wrote it, "" where the file does not say.
        saved: when, as the file says it.
    """

    path: Path
    config: Mapping[str, Any]
    weights: Weights
    version: str
    saved: str = ""


@contextmanager
def open_model(path: Path) -> Iterator[ModelFile]:
    """Open a `.keras` or `.h5` file, told apart by content.

    Raises:
        FileError: it cannot be read.
        ModelError: it is damaged, hostile, or no Keras model.
    """
    magic = _magic(path)
    if magic.startswith(ZIP_MAGIC):
        members = read_members(path, (CONFIG, METADATA, WEIGHTS))
        missing = [name for name in (CONFIG, WEIGHTS) if name not in members]
        if missing:
            raise _no_model(path, f"a zip archive without {' and '.join(missing)}")
        metadata = _parse(path, members.get(METADATA, b"{}"), METADATA)
        config = _parse(path, members[CONFIG], CONFIG)
        version, saved = (str(metadata.get(key, "")) for key in ("keras_version", "date_saved"))
        with open_hdf5(path, members[WEIGHTS]) as file:
            yield ModelFile(path, config, NumberedWeights(file), version, saved)
    elif magic == HDF5_MAGIC:
        with open_hdf5(path) as file:
            yield _legacy(path, file)
    else:
        raise _no_model(
            path, f"a file that begins with {magic[:4]!r}" if magic else "an empty file"
        )


def _legacy(path: Path, file: Hdf5) -> ModelFile:
    text = file.attribute("", "model_config")
    if not isinstance(text, str):
        raise ModelError(
            "the file holds no model",
            place=str(path),
            found="an HDF5 file without 'model_config': weights only, or something else",
            supported=FORMATS,
            remedy="save the whole model with `model.save('model.keras')`, not `save_weights`",
        )
    version = file.attribute("", "keras_version") or file.attribute(
        "model_weights", "keras_version"
    )
    config = _parse(path, text.encode("utf-8", "replace"), "model_config")
    return ModelFile(path, config, NamedWeights(file), str(version or ""))


def _magic(path: Path) -> bytes:
    if path.is_dir():
        raise FileError(
            "the model is a folder",
            place=str(path),
            supported=FORMATS,
            remedy="load a SavedModel with Keras and save it with `model.save('model.keras')`",
        )
    try:
        with path.open("rb") as file:
            return file.read(len(HDF5_MAGIC))
    except OSError as error:
        raise FileError("the model file cannot be read", place=str(path), found=error) from None


def _no_model(path: Path, found: str) -> ModelError:
    return ModelError(
        "the file is no Keras model",
        place=str(path),
        found=found,
        supported=FORMATS,
        remedy="save the model with `model.save('model.keras')`",
    )


def _parse(path: Path, data: bytes, what: str) -> dict[str, Any]:
    """Read JSON into a dictionary."""
    try:
        if len(data) > MOST_CONFIG_BYTES:
            raise ValueError(f"{len(data)} bytes, at most {MOST_CONFIG_BYTES} are read")
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelError(
            "the model's configuration cannot be read",
            place=str(path),
            found=f"{what}: {error or type(error).__name__}",
            supported="JSON, as `model.save` writes it",
            remedy="save or copy the file again",
        ) from None
    if not isinstance(value, dict):
        raise ModelError(
            "the model's configuration cannot be read",
            place=str(path),
            found=f"{what}: a {type(value).__name__}",
            supported="a JSON object, as `model.save` writes it",
        )
    return value
