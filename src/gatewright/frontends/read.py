"""Find the frontend for whatever the user holds: a file's ending, or the kind of a live object."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gatewright.base import FileError, UnsupportedError
from gatewright.ir import Graph


def _keras_file(path: Path) -> Graph:
    from gatewright.frontends.keras import read_keras

    return read_keras(path)


def _onnx_file(path: Path) -> Graph:
    from gatewright.frontends.onnx import read_onnx

    return read_onnx(path)


def _onnx_live(model: Any) -> Graph:
    from gatewright.frontends.onnx import read_onnx

    return read_onnx(model)


def _keras_live(model: Any) -> Graph:
    """Save the model the framework's own way and read the file: one importer, one meaning."""
    with tempfile.TemporaryDirectory(prefix="gatewright-") as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return _keras_file(path)


def _torch_file(path: Path) -> Graph:
    _require_torch(str(path))
    from gatewright.frontends.torch import read_torch

    return read_torch(path)


def _torch_live(model: Any, inputs: Any) -> Graph:
    from gatewright.frontends.torch import read_torch

    return read_torch(model, inputs)


def _require_torch(place: str) -> None:
    """Say how to install PyTorch where it is needed and not there."""
    if importlib.util.find_spec("torch") is None:
        raise UnsupportedError(
            "an exported program is read by PyTorch, which is not installed",
            place=place,
            remedy="pip install 'gatewright[torch]'",
        )


FILES: dict[str, Callable[[Path], Graph]] = {
    ".h5": _keras_file,
    ".hdf5": _keras_file,
    ".keras": _keras_file,
    ".onnx": _onnx_file,
    ".pt2": _torch_file,
}
"""Frontends by a file's ending."""

LIVE: dict[str, Callable[[Any], Graph]] = {
    "keras": _keras_live,
    "onnx": _onnx_live,
}
"""Frontends by the package that a class of the live object's comes from."""

SHAPELESS: dict[str, Callable[[Any, Any], Graph]] = {
    "gatewright": _torch_live,
    "torch": _torch_live,
}
"""The same for models that do not know the shapes of their inputs, which come beside them. The
class of Gatewright's is what `gatewright.frontends.torch.trace` gives."""

PICKLED_BY_TORCH = (
    "torch.save writes pickles, which can run any code when they are read, and a state dict lacks the "
    "layers: build the module, fill it with gatewright.frontends.torch.load_state(module, path) and "
    "compile that; or save it as a .pt2 file with torch.export.save"
)

REFUSED = {
    ".joblib": "a pickle can run any code when it is read; export the model to ONNX",
    ".pickle": "a pickle can run any code when it is read; export the model to ONNX",
    ".pkl": "a pickle can run any code when it is read; export the model to ONNX",
    ".pt": PICKLED_BY_TORCH,
    ".pth": PICKLED_BY_TORCH,
}
"""Endings that are known and not read, with what to do instead."""


def read_model(model: Any, inputs: Any = None) -> Graph:
    """Return the graph of a model file or of a live model.

    Args:
        model: a path, or a live model.
        inputs: for a live model that does not know the shapes of its inputs (PyTorch's): the shape
            of one sample, or samples; a mapping or a list of these for several inputs.

    Raises:
        FileError: the file is not there.
        UnsupportedError: no frontend takes it.
        ModelError: the model is damaged, or holds something that cannot be imported exactly.
    """
    if isinstance(model, str | Path):
        return _read_file(Path(model))
    for kind in type(model).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in LIVE:
            return LIVE[package](model)
        if package in SHAPELESS:
            return SHAPELESS[package](model, inputs)
    raise UnsupportedError(
        "no frontend takes this object",
        found=f"{type(model).__module__}.{type(model).__qualname__}",
        supported=f"a path, or a live model of {', '.join((*LIVE, 'torch'))}",
        remedy="export the model to ONNX",
    )


def _read_file(path: Path) -> Graph:
    if path.suffix.lower() in REFUSED:
        raise UnsupportedError(
            "this kind of file is not read",
            place=str(path),
            supported=", ".join(FILES),
            remedy=REFUSED[path.suffix.lower()],
        )
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing there"
        raise FileError(
            "the model cannot be read", place=str(path), found=found, supported="a file"
        )
    reader = FILES.get(path.suffix.lower())
    if reader is None:
        raise UnsupportedError(
            "the kind of model cannot be told from its name",
            place=str(path),
            found=path.suffix or "no ending",
            supported=", ".join(FILES),
            remedy="give the file its format's ending, or export the model to ONNX",
        )
    return reader(path)
