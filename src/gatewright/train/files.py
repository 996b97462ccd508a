"""Keep networks of tables in `.npz` files: arrays and one line of JSON, never a pickle."""

from __future__ import annotations

import json
import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.base import FileError, ModelError
from gatewright.train.network import Encoder, Ints, Network, Reals, TableLayer

LAYOUT = 1
FAMILIES = ("kan", "tables", "weightless")
PARTS = ("reads", "target", "values", "bias")
MOST_CODES = 1 << 16
MOST_INTEGER = 1 << 40
"""Largest entry, as of files of tables."""


class _MisfitError(ValueError):
    """Parts of a file that are there, and do not fit."""


def save(network: Network, path: str | Path) -> Path:
    """Write a network; return the path, with its ending.

    Raises:
        FileError: it cannot be written.
    """
    path = Path(path)
    path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
    arrays: dict[str, Any] = {
        "scale": network.encoder.scale,
        "offset": network.encoder.offset,
        "output_offset": network.offset,
    }
    about = {
        "layout": LAYOUT, "family": network.family, "bits": network.encoder.bits,
        "scale": network.scale, "facts": network.facts,
        "layers": [[la.codes, la.low, la.limits] for la in network.layers],
    }  # fmt: skip
    if network.thermometer is not None:
        arrays["thermometer"] = network.thermometer
    if network.classes is not None:
        arrays["classes"] = network.classes
    for number, layer in enumerate(network.layers):
        for name in PARTS:
            arrays[f"layer{number}_{name}"] = getattr(layer, name)
    arrays["about"] = np.asarray(json.dumps(about))
    try:
        np.savez_compressed(path, **arrays)
    except OSError as error:
        raise FileError("a network cannot be written", place=str(path), found=error) from None
    return path


def load(path: str | Path) -> Network:
    """Read a network that `save` wrote.

    Raises:
        FileError: it cannot be read.
        ModelError: it is damaged, or something else.
    """
    path = Path(path)
    try:
        with path.open("rb") as opened:
            _require(zipfile.is_zipfile(opened), "no archive of arrays")
        with np.load(path, allow_pickle=False) as file:
            if "about" not in file.files:
                raise ModelError(
                    "an .npz file holds no trained network", place=str(path),
                    found=f"arrays {', '.join(file.files[:8]) or 'none'}",
                    supported="an .npz file that gatewright.train wrote",
                    remedy="give the model first; samples are calibration data",
                )  # fmt: skip
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays["about"]))
        network = _network(arrays, about)
    except FileNotFoundError:
        raise FileError(
            "a network cannot be read", place=str(path), found="nothing there"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, MemoryError,
            AttributeError, NotImplementedError, OverflowError, RuntimeError, SyntaxError,
            tokenize.TokenError, zipfile.BadZipFile, zlib.error) as error:  # fmt: skip
        raise ModelError(
            "a file of trained tables is damaged",
            place=str(path),
            found=str(error)
            if isinstance(error, _MisfitError)
            else f"{type(error).__name__}: {error}",
            supported="an .npz file that gatewright.train wrote",
        ) from None
    return network


def _network(arrays: dict[str, Any], about: dict[str, Any]) -> Network:
    """Return the network of a file's content; a KeyError or ValueError where it does not fit."""
    if about["layout"] != LAYOUT:
        raise _MisfitError(f"layout {about['layout']}, not {LAYOUT}")
    layers = []
    for number, (codes, low, limits) in enumerate(about["layers"]):
        parts = {n: _integers(f"layer{number}_{n}", arrays) for n in PARTS}
        layer = TableLayer(
            **parts, codes=_integer("codes", codes), low=_integer("low", low),
            limits=None if limits is None else (_integer("limits", limits[0]),
                                                _integer("limits", limits[1])),
        )  # fmt: skip
        layers.append(layer)
    encoder = Encoder(
        _reals("scale", arrays), _reals("offset", arrays), _integer("bits", about["bits"])
    )
    thermometer = _integers("thermometer", arrays) if "thermometer" in arrays else None
    found = Network(
        str(about["family"]), encoder, tuple(layers), thermometer, float(about["scale"]),
        _reals("output_offset", arrays), arrays.get("classes"),
        {str(k): str(v) for k, v in about["facts"].items()},
    )  # fmt: skip
    _check(found)
    return found


def _integers(name: str, arrays: dict[str, Any]) -> Ints:
    """Return an array of integers."""
    _require(arrays[name].dtype.kind in "iu", f"{name}: {arrays[name].dtype}, not integers")
    return np.asarray(arrays[name].astype(np.int64, casting="safe"))


def _reals(name: str, arrays: dict[str, Any]) -> Reals:
    """Return an array of finite numbers."""
    numbers = arrays[name].dtype.kind in "fiu" and bool(np.isfinite(arrays[name]).all())
    _require(numbers, f"{name}: not all are finite numbers")
    return np.asarray(arrays[name], np.float64)


def _integer(name: str, value: Any) -> int:
    _require(type(value) is int, f"{name}: {value!r:.40} is no integer")
    return int(value)


def _check(network: Network) -> None:
    """Refuse a network whose parts do not fit."""
    encoder, classes, levels = network.encoder, network.classes, network.thermometer
    features = (network.features,)
    _require(encoder.scale.ndim == 1 and network.features > 0, "scale: no list of features")
    _require(bool((encoder.scale > 0).all()), "scale: not all are positive")
    _require(
        encoder.offset.shape == features,
        f"offset: shape {encoder.offset.shape}, {network.features} features",
    )
    _require(1 <= encoder.bits <= 16, f"bits: {encoder.bits} of 1 to 16")
    _require(network.family in FAMILIES, f"family: {network.family} of {', '.join(FAMILIES)}")
    good = math.isfinite(network.scale) and network.scale > 0
    _require(good, f"scale of the outputs: {network.scale}, not finite and positive")
    _require(bool(network.layers), "layers: none")
    codes = 1 << encoder.bits
    size, kind = network.features, (0, codes - 1)
    if levels is not None:
        _require(
            levels.ndim == 2 and len(levels) == network.features and levels.size > 0,
            f"thermometer: shape {levels.shape}, {network.features} features",
        )
        size, kind = levels.size, (0, 1)
    for number, layer in enumerate(network.layers):
        _check_layer(f"layer {number}", layer, size, kind)
        size, kind = len(layer.bias), layer.reach
    _require(
        network.offset.shape == (size,),
        f"offset of the outputs: shape {network.offset.shape}, {size} outputs",
    )
    if classes is not None:
        _require(classes.shape == (size,), f"classes: shape {classes.shape}, {size} outputs")


def _check_layer(name: str, layer: TableLayer, size: int, kind: tuple[int, int]) -> None:
    """Refuse a layer that does not fit itself, or what it reads: numbers of `kind`."""
    _require(layer.reads.ndim == 2 and layer.bias.ndim == 1, f"{name}: reads or bias misshapen")
    tables, k = layer.reads.shape
    _require(len(layer.bias) > 0, f"{name}: no outputs")
    _require(1 < layer.codes <= MOST_CODES, f"{name}: {layer.codes} codes of 2 to {MOST_CODES}")
    entries = layer.codes**k
    _require(
        layer.values.shape == (tables, entries),
        f"{name}: values of shape {layer.values.shape}, {tables} tables of {k} elements "
        f"with {layer.codes} codes",
    )
    _require(
        layer.target.shape == (tables,),
        f"{name}: {tables} tables, targets of shape {layer.target.shape}",
    )
    inside = _within(layer.reads, size) and _within(layer.target, len(layer.bias))
    _require(inside, f"{name}: a table reads or feeds what is not there")
    _require(
        layer.low <= kind[0] and kind[1] < layer.low + layer.codes,
        f"{name}: codes {layer.low} to {layer.low + layer.codes - 1}, numbers "
        f"{kind[0]} to {kind[1]} before it",
    )
    for what, numbers in (("values", layer.values), ("bias", layer.bias)):
        most = int(np.abs(numbers.astype(np.float64)).max(initial=0))
        _require(most <= MOST_INTEGER, f"{name}: {what} of up to {most}, beyond {MOST_INTEGER}")
    if layer.limits is not None:
        low, high = layer.limits
        codes = high - low + 1
        whole = 1 < codes <= MOST_CODES and not codes & (codes - 1) and low in (0, -codes // 2)
        _require(whole, f"{name}: limits {low} to {high} are no format's")


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise _MisfitError(text)


def _within(index: np.ndarray, size: int) -> bool:
    return not index.size or bool(index.min() >= 0 and index.max() < size)
