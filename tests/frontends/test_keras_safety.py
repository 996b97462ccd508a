"""Files that are damaged, hostile, or no Keras models."""

from __future__ import annotations

import contextlib
import json
import pickle
import warnings
import zipfile

import h5py
import numpy as np
import pytest
from keras_files import DATA, dense, recorded, sequential, start, weights_file, write_keras

from gatewright.base import FileError, GatewrightError, ModelError
from gatewright.frontends.keras import archive, hdf5, read_keras


def refused(path, kind=ModelError):
    with pytest.raises(kind) as error:
        read_keras(path)
    text = str(error.value)
    assert str(path) in text
    return text


@pytest.fixture
def model(tmp_path):
    entry, arrays = dense("d", [[1.0, 2.0]])
    return sequential(start(1), entry), {"layers/dense": arrays}


def test_file_that_is_not_there(tmp_path):
    assert "the model file cannot be read" in refused(tmp_path / "none.keras", FileError)


def test_folder(tmp_path):
    text = refused(tmp_path, FileError)
    assert "the model is a folder" in text
    assert "load a SavedModel with Keras and save it" in text


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"hello", "a file that begins with b'hell'"),
        (pickle.dumps({"a": 1}), "a file that begins with"),
    ],
)
def test_no_model(content, found, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    text = refused(path)
    assert "the file is no Keras model" in text
    assert found in text
    assert "supported: a Keras 3 .keras file, or a Keras 2 or 3 .h5 file" in text


def test_zip_without_the_members(tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "hello")
    assert "a zip archive without config.json and model.weights.h5" in refused(path)


def test_weights_only(tmp_path):
    path = tmp_path / "model.weights.h5"
    path.write_bytes(weights_file({"layers/dense": [np.zeros(3, "f")]}))
    text = refused(path)
    assert "an HDF5 file without 'model_config': weights only" in text
    assert "not `save_weights`" in text


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_truncated(suffix, part, tmp_path):
    whole = recorded("keras3_sequential", suffix, tmp_path).read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: int(part * len(whole))])
    text = refused(path, GatewrightError)
    assert "damaged" in text
    assert "remedy:    save or copy the file again" in text


@pytest.mark.parametrize("stem", ["keras3_sequential", "qkeras_network", "hgq_layers"])
def test_flipped_bytes_never_escape_as_other_errors(stem, tmp_path):
    """Whatever a damaged file does, it is either read or refused by an error of ours."""
    whole = (DATA / f"{stem}.keras").read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(25):
        changed = bytearray(whole)
        for position in rng.integers(0, len(whole), 8):
            changed[position] = rng.integers(256)
        path = tmp_path / "changed.keras"
        path.write_bytes(changed)
        with contextlib.suppress(GatewrightError):
            read_keras(path)


def test_flipped_bytes_of_a_legacy_file(tmp_path):
    whole = recorded("keras2_sequential", ".h5", tmp_path).read_bytes()
    rng = np.random.default_rng(2)
    for _ in range(40):
        changed = bytearray(whole)
        for position in rng.integers(0, len(whole), 12):
            changed[position] = rng.integers(256)
        path = tmp_path / "changed.h5"
        path.write_bytes(changed)
        with contextlib.suppress(GatewrightError):
            read_keras(path)


def test_zip_bomb(model, tmp_path):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", " " * (64 << 20) + json.dumps(model[0]))
        file.writestr("model.weights.h5", weights_file(model[1]))
    text = refused(path)
    assert "unpacks to far more than it should" in text
    assert "'config.json'" in text


def test_member_over_the_absolute_limit(model, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    assert "1000 bytes at most" in refused(write_keras(tmp_path, *model))


def test_hdf5_bomb(model, tmp_path):
    """An array of a terabyte that takes no room in the file."""
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "layers/dense/vars/0", shape=(1 << 20, 1 << 20), dtype="f4", chunks=(64, 64)
        )
    text = refused(write_keras(tmp_path, model[0], model=path.read_bytes()))
    assert "the model's weights are larger than any model for an FPGA" in text


def test_arrays_over_the_limit_together(model, tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "MOST_BYTES", 4)
    assert "supported: 4 bytes in all" in refused(write_keras(tmp_path, *model))


@pytest.mark.parametrize("name", ["../evil.py", "/etc/passwd", "a\\b", "assets/../../x"])
def test_member_names_that_leave_the_folder(name, model, tmp_path):
    path = write_keras(tmp_path, *model)
    with zipfile.ZipFile(path, "a") as file:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        file.writestr(info, b"x")
    assert "members that no Keras model has" in refused(path)


def test_two_members_of_one_name(model, tmp_path):
    path = write_keras(tmp_path, *model)
    with zipfile.ZipFile(path, "a") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file.writestr("config.json", b"{}")
    assert "4 members, 3 names" in refused(path)


@pytest.mark.parametrize("what", ["external", "virtual", "soft link", "external link"])
def test_weights_outside_the_file(what, model, tmp_path):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.zeros((1, 2), "f")
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/dense/vars")
        if what == "external":
            file.create_dataset("layers/dense/vars/0", (1, 2), "f4", external=[(str(other), 0, 8)])
        elif what == "virtual":
            source = h5py.VirtualSource(str(other), "secret", shape=(1, 2))
            layout = h5py.VirtualLayout(shape=(1, 2), dtype="f4")
            layout[:] = source
            group.create_virtual_dataset("0", layout)
        elif what == "soft link":
            group["0"] = h5py.SoftLink("/elsewhere")
        else:
            group["0"] = h5py.ExternalLink(str(other), "secret")
    text = refused(write_keras(tmp_path, model[0], model=path.read_bytes()))
    assert "outside the model file" in text or "links to something else" in text
    assert "do not trust this file" in text


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ("{", "config.json: "),
        ("[]", "a list"),
        ("[" * 200_000, "config.json: "),
        (b"\xff\xfe\x00", "config.json: "),
    ],
)
def test_configuration_that_cannot_be_read(config, found, model, tmp_path):
    text = refused(write_keras(tmp_path, *model, config=config))
    assert "the model's configuration cannot be read" in text
    assert found in text


def test_weights_of_a_type_that_is_not_handled(model, tmp_path):
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.array([[b"a", b"b"]])
    text = refused(write_keras(tmp_path, model[0], model=path.read_bytes()))
    assert "a weight is stored in a type that is not handled" in text


VALUES = [
    None,
    True,
    0,
    -1,
    7,
    1e308,
    float("nan"),
    "x",
    "\ud800",
    [],
    [1],
    [[]],
    {},
    {"config": {}},
]
STEMS = ["keras3_functional", "keras3_operators", "keras3_activations", "keras2_functional"]


def spots_of(value, spots):
    """Gather every place of a JSON value that can be replaced."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        spots.append((value, key))
        if isinstance(inner, dict | list):
            spots_of(inner, spots)


@pytest.mark.parametrize("stem", [*STEMS, "qkeras_network", "qkeras_kernels", "hgq_layers"])
def test_changed_configurations_never_escape_as_other_errors(stem, tmp_path):
    with zipfile.ZipFile(DATA / f"{stem}.keras") as file:
        text, weights = file.read("config.json"), file.read("model.weights.h5")
    rng = np.random.default_rng(4)
    for _ in range(8 if len(weights) > 100_000 else 25):
        config = json.loads(text)
        spots = []
        spots_of(config, spots)
        holder, key = spots[rng.integers(len(spots))]
        holder[key] = VALUES[rng.integers(len(VALUES))]
        with contextlib.suppress(GatewrightError):
            read_keras(write_keras(tmp_path, config, model=weights))
