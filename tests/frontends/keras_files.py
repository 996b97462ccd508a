"""Model files for the tests: the recorded ones unpacked, and small ones written by hand."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np

DATA = Path(__file__).resolve().parents[1] / "data" / "keras"


def recorded(stem, suffix, folder):
    """Return the path of a recorded model."""
    if suffix == ".keras":
        return DATA / f"{stem}.keras"
    path = folder / f"{stem}.h5"
    path.write_bytes(gzip.decompress((DATA / f"{stem}.h5.gz").read_bytes()))
    return path


def answers(stem):
    """Return inputs by name and the list of outputs."""
    stored = np.load(DATA / f"{stem}.npz")
    inputs = {key[2:]: stored[key] for key in stored if key.startswith("x_")}
    return inputs, [stored[f"y_{n}"] for n in range(len(stored.files) - len(inputs))]


def layer(kind, name, module="keras.layers", **config):
    """Return an entry of a sequential model."""
    entry = {"module": module, "class_name": kind, "config": {"name": name, **config}}
    return entry | {"registered_name": None}


def start(*shape, name="x"):
    """Return an input layer."""
    return layer("InputLayer", name, batch_shape=[None, *shape], dtype="float32")


def sequential(*layers):
    """Return a model's configuration."""
    return {"class_name": "Sequential", "config": {"name": "model", "layers": list(layers)}}


def tensor(name, call=0):
    """Return a reference to a layer's result, as Keras 3 writes it."""
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call, 0]}}


def called(entry, *inputs, **kwargs):
    """Return an entry of a functional model: a layer applied to others' results."""
    refs = [tensor(i) if isinstance(i, str) else i for i in inputs]
    args = [refs if len(refs) > 1 else refs[0]] if refs else []
    nodes = [{"args": args, "kwargs": kwargs}] if refs else []
    return entry | {"name": entry["config"]["name"], "inbound_nodes": nodes}


def functional(layers, inputs, outputs):
    """Return a model's configuration."""
    config = {
        "name": "model",
        "layers": layers,
        "input_layers": [[i, 0, 0] for i in inputs],
        "output_layers": [[o, 0, 0] for o in outputs],
    }
    return {"class_name": "Functional", "config": config}


def weights_file(groups):
    """Return an HDF5 file with arrays by path of their group, numbered."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for path, arrays in groups.items():
            group = file.create_group(f"{path}/vars")
            for n, array in enumerate(arrays):
                group[str(n)] = np.asarray(array, np.float32) if isinstance(array, list) else array
    return buffer.getvalue()


def write_keras(folder, model, groups=None, /, version="3.15.1", name="model.keras", **members):
    """Write a `.keras` file; `members` replaces or adds members by stem."""
    path = folder / name
    parts = {
        "config.json": json.dumps(model),
        "metadata.json": json.dumps({"keras_version": version}),
        "model.weights.h5": weights_file(groups or {}),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in parts.items():
            archive.writestr(member, members.get(member.split(".")[0], content))
    return path


def dense(name, kernel, bias=None, **config):
    """Return a dense layer's entry and its arrays."""
    kernel = np.asarray(kernel, np.float32)
    arrays = [kernel] if bias is None else [kernel, np.asarray(bias, np.float32)]
    entry = layer("Dense", name, units=kernel.shape[1], use_bias=bias is not None, **config)
    return entry, arrays
