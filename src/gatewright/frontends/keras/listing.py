"""List the layers of a Keras model file, whether or not they are handled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gatewright.frontends.keras.file import open_model
from gatewright.frontends.keras.handlers import library
from gatewright.frontends.keras.model import MODELS, ConfigReader, Model
from gatewright.frontends.listed import Listed


def list_keras(path: Path) -> list[Listed]:
    """Return every layer of a file, those of nested models after the model's own name.

    Raises:
        FileError: the file cannot be read.
        ModelError: it is damaged, hostile or no model.
        UnsupportedError: it is no sequential or functional model.
    """
    with open_model(Path(path)) as file:
        major = file.version.split(".")[0]
        reader = ConfigReader(str(path), int(major) if major.isdigit() else 0)
        return list(_layers(reader.model(file.config), reader))


def _layers(model: Model, reader: ConfigReader) -> Iterator[Listed]:
    for layer in model.layers:
        if layer.kind in MODELS and library(layer) == "keras":
            entry = {"class_name": layer.kind, "config": layer.config}
            yield from _layers(reader.model(entry, layer.address), reader)
        elif layer.kind != "InputLayer":
            yield Listed("/".join(layer.address.names), layer.kind)
