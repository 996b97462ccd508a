"""Keep networks of tables in `.npz` files: arrays and one line of JSON, never a pickle."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.base import FileError, ModelError
from gatewright.train.network import Encoder, Network, TableLayer

LAYOUT = 1
MOST_CODES = 1 << 16


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
        for name in ("reads", "target", "values", "bias"):
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
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays["about"]))
        network = _network(arrays, about)
    except FileNotFoundError:
        raise FileError(
            "a network cannot be read", place=str(path), found="nothing there"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError,
            AttributeError, NotImplementedError, OverflowError, RuntimeError, zipfile.BadZipFile,
            zlib.error) as error:  # fmt: skip
        raise ModelError(
            "a file of trained tables is damaged",
            place=str(path),
            found=f"{type(error).__name__}: {error}",
            supported="an .npz file that gatewright.train wrote",
        ) from None
    return network


def _network(arrays: dict[str, Any], about: dict[str, Any]) -> Network:
    """Return the network of a file's content; a KeyError or ValueError where it does not fit."""
    if about["layout"] != LAYOUT:
        raise ValueError(f"layout {about['layout']}")
    layers = []
    for number, (codes, low, limits) in enumerate(about["layers"]):
        parts = {n: arrays[f"layer{number}_{n}"] for n in ("reads", "target", "values", "bias")}
        layer = TableLayer(
            **{n: a.astype(np.int64, casting="safe") for n, a in parts.items()},
            codes=int(codes), low=int(low),
            limits=None if limits is None else (int(limits[0]), int(limits[1])),
        )  # fmt: skip
        layers.append(layer)
    encoder = Encoder(arrays["scale"], arrays["offset"], int(about["bits"]))
    thermometer = arrays.get("thermometer")
    found = Network(
        str(about["family"]), encoder, tuple(layers), thermometer, float(about["scale"]),
        arrays["output_offset"], arrays.get("classes"),
        {str(k): str(v) for k, v in about["facts"].items()},
    )  # fmt: skip
    _check(found)
    return found


def _check(network: Network) -> None:
    """Refuse a network whose parts do not fit."""
    size = network.features if network.thermometer is None else network.thermometer.size
    encoder = network.encoder
    ends = encoder.offset.shape == encoder.scale.shape == (network.features,)
    if not ends or not np.isfinite([encoder.scale, encoder.offset]).all() or encoder.bits > 16:
        raise ValueError("the encoder is malformed")
    for number, layer in enumerate(network.layers):
        tables, k = layer.reads.shape
        if not 1 < layer.codes <= MOST_CODES or layer.codes**k != layer.values.shape[1]:
            raise ValueError(f"layer {number}: {layer.values.shape[1]} entries for {k} elements")
        if layer.target.shape != (tables,) or len(layer.values) != tables:
            raise ValueError(f"layer {number}: {tables} tables, {len(layer.values)} of values")
        inside = _within(layer.reads, size) and _within(layer.target, len(layer.bias))
        if not inside:
            raise ValueError(f"layer {number}: a table reads or feeds what is not there")
        size = len(layer.bias)


def _within(index: np.ndarray, size: int) -> bool:
    return not index.size or bool(index.min() >= 0 and index.max() < size)
