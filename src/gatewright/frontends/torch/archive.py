"""Read `.pt2` archives and state dicts without running anything that is in them.

`torch.export.load` is not made for files of unknown origin (PyTorch 2.13: `export/pt2_archive`,
`_export/serde/serialize.py`): it unpickles weights and example inputs with `weights_only=False`
where the archive asks for it, loads compiled code that lies in the archive, looks operators up by
any dotted name under `torch`, and evaluates expressions of lengths as Python. Each of these is
looked at before, and what is not plain data is refused.
"""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from gatewright.base import FileError, ModelError, UnsupportedError

LARGEST = 1 << 31
"""Bytes of an archive, unpacked; models of this tool's kind take megabytes."""

OPERATORS = re.compile(
    r"torch\.ops\.(aten|quantized_decomposed|torchao)\.\w+\.\w+"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|neg|pow|eq|ne|lt|le|gt|ge|getitem|and_|or_|not_)"
    r"|math\.(ceil|floor|trunc)"
    r"|torch\.sym_(float|int|max|min|not|ite|sum)"
    r"|torch\.(_check|_check_is_size)"
)
"""Operators that an archive may name."""

WORDS = frozenset(
    (
        "Symbol", "Integer", "Rational", "Float", "Add", "Mul", "Pow", "Max", "Min", "Mod",
        "FloorDiv", "CleanDiv", "CeilDiv", "PythonMod", "IntTrueDiv", "FloatTrueDiv", "ToFloat",
        "Where", "Eq", "Ne", "Ge", "Gt", "Le", "Lt", "GreaterThan", "StrictGreaterThan",
        "LessThan", "StrictLessThan",
        "Equality", "Unequality", "And", "Or", "Not", "TruncToInt", "RoundToInt", "FloorToInt",
        "CeilToInt", "PowByNatural", "true", "false", "True", "False", "integer", "positive",
        "nonnegative", "negative", "oo", "int_oo", "precision",
    )
)  # fmt: skip
"""Words that an expression of a length may hold."""

EXPRESSION = re.compile(r"[\w\s(),=*+/<>.'~&|-]*")
SYMBOL = re.compile(r"[suz]f?\d+")


def load_program(path: Path) -> torch.export.ExportedProgram:
    """Read an exported program that `torch.export.save` wrote.

    Raises:
        FileError: the file cannot be read.
        ModelError: it is no such archive, or damaged.
        UnsupportedError: it holds something that would have to be run to be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FileError("the model cannot be read", place=str(path), found=error) from None
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            check_archive(archive, str(path))
    except (zipfile.BadZipFile, ValueError, KeyError, RecursionError, UnicodeDecodeError) as error:
        raise ModelError(
            "the file is no archive of torch.export", place=str(path), found=type(error).__name__
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.export.load(io.BytesIO(raw))
        except Exception as error:  # its errors share no base class
            raise ModelError(
                "PyTorch cannot read the exported program",
                place=str(path),
                found=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
                remedy=f"save it with the PyTorch installed here, {torch.__version__}",
            ) from None


def check_archive(archive: zipfile.ZipFile, source: str) -> None:
    """Refuse an archive whose reading would run what it holds.

    Raises:
        ModelError: it is too large.
        UnsupportedError: it holds pickles, compiled code, foreign operators or expressions.
    """
    if sum(i.file_size for i in archive.infolist()) > LARGEST:
        raise ModelError("the archive is too large", place=source, supported=f"{LARGEST} bytes")
    for info in archive.infolist():
        name = info.filename
        if "aotinductor" in name or name.endswith((".so", ".dll", ".cubin", ".pkl")):
            raise _refused("the archive holds compiled code", name, source)
        if "/executorch/" in name or "/mtia/" in name:
            raise _refused("the archive holds a program of another kind", name, source)
        if re.search(r"(custom_obj|opaque_obj)[^/]*$", name):
            raise _refused("the archive holds Python objects", name, source)
        if name.endswith(".pt"):
            _check_pickle(archive.read(info), name, source)
        elif name.endswith(".json"):
            _check_json(json.loads(archive.read(info)), name, source)


def _refused(what: str, found: str, source: str) -> UnsupportedError:
    return UnsupportedError(
        what,
        place=source,
        found=found,
        supported="exported programs of plain operators and tensors",
        remedy="export the module with torch.export.export and save that with torch.export.save",
    )


def _check_pickle(data: bytes, name: str, source: str) -> None:
    """Refuse a pickle that is not made of tensors and plain containers alone."""
    if not data:
        return
    try:
        torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except Exception:  # whatever is wrong with it, PyTorch would go on to unpickle it
        raise _refused("the archive holds a pickle that could run code", name, source) from None


def _check_json(data: Any, name: str, source: str) -> None:
    for key, value in _entries(data):
        if key == "use_pickle" and value:
            raise _refused("the archive holds pickled tensors", name, source)
        if key == "target" and isinstance(value, str) and not _is_operator(value):
            raise _refused("the archive names an operator that is not known", value, source)
        if key == "expr_str" and not _is_expression(value):
            raise _refused("the archive holds a length that is no plain expression", value, source)


def _is_operator(target: str) -> bool:
    """Say whether a node's target is an operator; a signature's targets are names of parameters."""
    dotted = target.startswith(("torch.", "_operator", "math", "#", "builtins"))
    return not dotted or OPERATORS.fullmatch(target) is not None


def _is_expression(text: Any) -> bool:
    if not isinstance(text, str) or not EXPRESSION.fullmatch(text) or len(text) > 10_000:
        return False
    words = re.findall(r"[A-Za-z_]\w*", text)
    calls = re.search(r"\.\s*[A-Za-z_]", text)  # an attribute: numbers alone have points
    return calls is None and all(w in WORDS or SYMBOL.fullmatch(w) for w in words)


def _entries(data: Any) -> Iterator[tuple[str, Any]]:
    """Return every key of nested dictionaries with its value."""
    pending = [data]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            for key, value in item.items():
                yield str(key), value
                pending.append(value)
        elif isinstance(item, list):
            pending.extend(item)


def load_state(module: torch.nn.Module, path: str | Path) -> torch.nn.Module:
    """Fill a module with the weights of a file, read as plain tensors.

    Args:
        module: of the class that the weights were trained in; it is changed and returned.
        path: a state dict, or a checkpoint that holds one under `state_dict` or
            `model_state_dict`, as `torch.save` writes it.

    Raises:
        FileError: the file cannot be read.
        UnsupportedError: it holds more than tensors: a pickled module, for one.
        ModelError: the weights are not those of the module.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError("the weights cannot be read", place=str(path), found="nothing there")
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # its errors share no base class
        raise UnsupportedError(
            "the file holds more than tensors, and reading it could run code",
            place=str(path),
            found=str(error).splitlines()[0] if str(error) else type(error).__name__,
            supported="state dicts",
            remedy="save the weights with torch.save(module.state_dict(), path)",
        ) from None
    for key in ("state_dict", "model_state_dict"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ModelError(
            "the file holds no state dict", place=str(path), found=type(state).__name__
        )
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(
            "the weights are not those of the module",
            place=str(path),
            found=" ".join(str(error).split()),
            supported=f"a state dict of {type(module).__name__}",
        ) from None
    return module
