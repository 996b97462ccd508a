"""Find the frontend for what a user holds: by a file's ending or content, or an object's class."""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gatewright.base import FileError, UnsupportedError
from gatewright.frontends.custom import CustomHandler, using
from gatewright.frontends.listed import Listed
from gatewright.frontends.recognise import Head, Recogniser
from gatewright.frontends.tables.recognised import KANELE, PLAIN, is_logicnets
from gatewright.frontends.trees.recognised import (
    CATBOOST,
    CONIFER,
    LIGHTGBM,
    NOT_READ,
    TMVA,
    XGBOOST_JSON,
    XGBOOST_UBJ,
    NotRead,
)
from gatewright.ir import Graph
from gatewright.passes.graph import settle_layout

T = TypeVar("T")


@dataclass(frozen=True)
class Frontend:
    """How a kind of model is read; its package is imported when it is first called.

    Attributes:
        read: returns the graph.
        layers: lists the layers, whether or not they are handled.
        shapeless: live models do not know the shapes of their inputs; both calls take `inputs`.
    """

    read: Callable[..., Graph]
    layers: Callable[..., list[Listed]]
    shapeless: bool = False

    def of(self, inputs: Any) -> dict[str, Any]:
        """Return what tells the shapes of the inputs, for frontends that need it."""
        return {"inputs": inputs} if self.shapeless else {}


def _read_keras(path: Path) -> Graph:
    from gatewright.frontends.keras import read_keras

    return read_keras(path)


def _list_keras(path: Path) -> list[Listed]:
    from gatewright.frontends.keras import list_keras

    return list_keras(path)


def _read_onnx(model: Any) -> Graph:
    from gatewright.frontends.onnx import read_onnx

    return read_onnx(model)


def _list_onnx(model: Any) -> list[Listed]:
    from gatewright.frontends.onnx import list_onnx

    return list_onnx(model)


def _read_tables(path: Path) -> Graph:
    from gatewright.frontends.tables import read_tables

    return read_tables(path)


def _list_tables(path: Path) -> list[Listed]:
    from gatewright.frontends.tables import list_tables

    return list_tables(path)


def _read_trained(path: Path) -> Graph:
    from gatewright.frontends.tables import read_trained

    return read_trained(path)


def _list_trained(path: Path) -> list[Listed]:
    from gatewright.frontends.tables import list_trained

    return list_trained(path)


def _read_torch(model: Any, inputs: Any = None) -> Graph:
    _require_torch(model)
    if is_logicnets(model):
        from gatewright.frontends.tables import read_logicnets

        return read_logicnets(model)
    from gatewright.frontends.torch import read_torch

    return read_torch(model, inputs)


def _list_torch(model: Any, inputs: Any = None) -> list[Listed]:
    _require_torch(model)
    if is_logicnets(model):
        from gatewright.frontends.tables import list_logicnets

        return list_logicnets(model)
    from gatewright.frontends.torch import list_torch

    return list_torch(model, inputs)


def _read_expressions(model: Any) -> Graph:
    from gatewright.frontends.expressions import read_expressions

    return read_expressions(model)


def _list_expressions(model: Any) -> list[Listed]:
    from gatewright.frontends.expressions import list_expressions

    return list_expressions(model)


def _require_torch(model: Any) -> None:
    """Say how to install PyTorch where it is needed and not there."""
    if importlib.util.find_spec("torch") is None:
        raise UnsupportedError(
            "an exported program is read by PyTorch, which is not installed",
            place=str(model),
            remedy="pip install 'gatewright[torch]'",
        )


def _saved(read: Callable[[Path], T]) -> Callable[[Any], T]:
    """Save a live Keras model the framework's own way and read the file: one importer."""

    def from_live(model: Any) -> T:
        with tempfile.TemporaryDirectory(prefix="gatewright-") as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            return read(path)

    return from_live


def _trees(library: str) -> Frontend:
    """Return the frontend of a tree library."""

    def read(model: Any) -> Graph:
        module = importlib.import_module(f"gatewright.frontends.trees.{library}")
        graph: Graph = getattr(module, f"read_{library}")(model)
        return graph

    def listed(model: Any) -> list[Listed]:
        module = importlib.import_module(f"gatewright.frontends.trees.{library}")
        found: list[Listed] = getattr(module, f"list_{library}")(model)
        return found

    return Frontend(read, listed)


def _not_read(kind: NotRead) -> Frontend:
    """Return what refuses a kind of file."""

    def refuse(path: Path) -> Any:
        raise UnsupportedError(
            "this kind of file is not read",
            place=str(path),
            found=f"{kind.recogniser.name}: {kind.why}",
            remedy=kind.remedy,
        )

    return Frontend(refuse, refuse)


def _given(model: Any, inputs: Any = None) -> Graph:
    """Return a graph that was made by hand, or that an object of this package gives."""
    if isinstance(model, Graph):
        return model
    if callable(getattr(model, "to_graph", None)):
        graph: Graph = model.to_graph()
        return graph
    if type(model).__module__.startswith("gatewright.frontends.torch."):
        return _read_torch(model, inputs)
    if type(model).__module__.startswith("gatewright.frontends.expressions."):
        return _read_expressions(model)
    raise UnsupportedError("no frontend takes this object", found=type(model).__qualname__)


def _list_given(model: Any, inputs: Any = None) -> list[Listed]:
    if callable(getattr(model, "to_graph", None)):
        model = model.to_graph()
    if type(model).__module__.startswith("gatewright.frontends.expressions."):
        return _list_expressions(model)
    if not isinstance(model, Graph):
        return _list_torch(model, inputs)
    nodes = {node.layer or node.name: node for node in reversed(model.nodes)}
    return [Listed(name, node.op.kind) for name, node in reversed(nodes.items())]


def _is_pysr(head: Head) -> bool:
    from gatewright.frontends.expressions.expressions import is_table

    return is_table(head.text.partition("\n")[0])


KERAS = Frontend(_read_keras, _list_keras)
ONNX = Frontend(_read_onnx, _list_onnx)
TABLES = Frontend(_read_tables, _list_tables)
TORCH = Frontend(_read_torch, _list_torch, shapeless=True)
XGBOOST, SCIKIT = _trees("xgboost"), _trees("scikit")
EXPRESSIONS = Frontend(_read_expressions, _list_expressions)

FILES: dict[str, Frontend] = {
    ".expr": EXPRESSIONS,
    ".h5": KERAS,
    ".hdf5": KERAS,
    ".keras": KERAS,
    ".npz": Frontend(_read_trained, _list_trained),
    ".onnx": ONNX,
    ".pt2": TORCH,
}
"""Frontends by a file's ending."""

RECOGNISED: tuple[tuple[Recogniser, Frontend], ...] = (
    (XGBOOST_JSON, XGBOOST),
    (XGBOOST_UBJ, XGBOOST),
    (LIGHTGBM, _trees("lightgbm")),
    (CATBOOST, _trees("catboost")),
    (CONIFER, _trees("conifer")),
    (TMVA, _trees("tmva")),
    *((kind.recogniser, _not_read(kind)) for kind in NOT_READ),
    (PLAIN, TABLES),
    (KANELE, TABLES),
    (Recogniser("PySR equations (CSV)", _is_pysr), EXPRESSIONS),
)
"""Frontends by how a file begins, for all endings but those above; the first that matches."""

LIVE: dict[str, Frontend] = {
    "catboost": _trees("catboost"),
    "gatewright": Frontend(_given, _list_given, shapeless=True),
    "keras": Frontend(_saved(_read_keras), _saved(_list_keras)),
    "lightgbm": _trees("lightgbm"),
    "onnx": ONNX,
    "pysr": EXPRESSIONS,
    "sklearn": SCIKIT,
    "sympy": EXPRESSIONS,
    "torch": TORCH,
    "xgboost": XGBOOST,
    "ydf": _trees("ydf"),
}
"""Frontends by the package that a class of the live object's comes from."""

PICKLED_BY_TORCH = (
    "torch.save writes pickles, which can run any code when they are read, and a state dict lacks "
    "the layers: build the module, fill it with gatewright.frontends.torch.load_state(module, "
    "path) and compile that; or save it as a .pt2 file with torch.export.save"
)

PICKLED = (
    "a pickle can run any code when it is read: compile the live model from Python (of "
    "scikit-learn: keep it as a .skops file, and load that with skops.io.load), or save it with "
    "the library's own save_model (XGBoost: .json, LightGBM: .txt, CatBoost: .json; PySR "
    "keeps hall_of_fame.csv beside its pickle), or export it to ONNX"
)

REFUSED = {
    ".joblib": PICKLED,
    ".pickle": PICKLED,
    ".pkl": PICKLED,
    ".skops": "load it with skops.io.load, which checks what it holds, and compile the live model",
    ".pt": PICKLED_BY_TORCH,
    ".pth": PICKLED_BY_TORCH,
}
"""Endings that are known and not read, with what to do instead."""


def read_model(
    model: Any, custom: Mapping[str, CustomHandler] | None = None, inputs: Any = None
) -> Graph:
    """Return the graph of a model file or of a live model.

    Args:
        model: path or live object.
        custom: handlers of a user's own layers, by name; see `frontends.custom`.
        inputs: for a live model that does not know the shapes of its inputs (PyTorch's): the shape
            of one sample, or samples; a mapping or a list of these for several inputs.

    Raises:
        FileError: the file is not there.
        UnsupportedError: no frontend takes it.
        ModelError: the model is damaged, or holds something that cannot be imported exactly.
    """
    frontend, found = _find(model)
    with using(custom):
        return settle_layout(frontend.read(found, **frontend.of(inputs)))


def list_layers(
    model: Any, inputs: Any = None, custom: Mapping[str, CustomHandler] | None = None
) -> list[Listed]:
    """Return every layer of a model, by name and class, whether or not it is handled.

    Args:
        model: as for `read_model`.
        inputs: as for `read_model`.
        custom: as for `read_model`.

    Raises:
        GatewrightError: as `read_model`, but for layers that are not handled.
    """
    frontend, found = _find(model)
    with using(custom):
        return frontend.layers(found, **frontend.of(inputs))


def _find(model: Any) -> tuple[Frontend, Any]:
    """Return the frontend of a path or live object, and what it takes."""
    if isinstance(model, str | Path):
        return _of_file(Path(model)), Path(model)
    for kind in type(model).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in LIVE:
            return LIVE[package], model
    raise UnsupportedError(
        "no frontend takes this object",
        found=f"{type(model).__module__}.{type(model).__qualname__}",
        supported=f"a path, or a live model of {', '.join(k for k in LIVE if k != 'gatewright')}",
        remedy="export the model to ONNX",
    )


def is_expressions(model: Any) -> bool:
    """Say whether the frontend of expressions reads a model.

    Raises:
        GatewrightError: no frontend does.
    """
    own = type(model).__module__.startswith("gatewright.frontends.expressions.")
    return own or _find(model)[0] is EXPRESSIONS


def _known_files() -> list[str]:
    """Return what files are read, by ending or by content."""
    refused = [kind.recogniser for kind in NOT_READ]
    return [*FILES, *(kind.name for kind, _ in RECOGNISED if kind not in refused)]


def _of_file(path: Path) -> Frontend:
    if path.suffix.lower() in REFUSED:
        raise UnsupportedError(
            "this kind of file is not read",
            place=str(path),
            supported=", ".join(_known_files()),
            remedy=REFUSED[path.suffix.lower()],
        )
    if (path / "header.pb").is_file() and (path / "data_spec.pb").is_file():
        raise UnsupportedError(
            "a saved YDF model is a folder that only YDF reads",
            place=str(path),
            remedy="compile the live model: gatewright.compile(ydf.load_model(path))",
        )
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing there"
        raise FileError(
            "the model cannot be read", place=str(path), found=found, supported="a file"
        )
    if path.suffix.lower() in FILES:
        return FILES[path.suffix.lower()]
    head = Head.of(path)
    for recogniser, frontend in RECOGNISED:
        if recogniser.matches(head):
            return frontend
    keys = f", JSON with the keys {', '.join(sorted(head.keys))}" if head.keys else ""
    raise UnsupportedError(
        "the kind of model cannot be told from its name or its content",
        place=str(path),
        found=f"{path.suffix or 'no ending'}{keys}",
        supported=", ".join(_known_files()),
        remedy="give the file its format's ending, or export the model to ONNX",
    )
