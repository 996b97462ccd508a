"""Files of PyTorch: exported programs are read, and nothing in a file is ever run."""

import json
import pickle
import zipfile

import numpy as np
import pytest
from torch_models import compare_with_source, randomize, samples, torch

from gatewright.base import FileError, ModelError, UnsupportedError
from gatewright.frontends import list_layers, read_model
from gatewright.frontends.torch import load_state

nn = torch.nn


@pytest.fixture
def saved(tmp_path):
    model = randomize(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.BatchNorm1d(3))).eval()
    batch = torch.export.Dim("batch")
    program = torch.export.export(model, (torch.zeros(2, 4),), dynamic_shapes=({0: batch},))
    path = tmp_path / "model.pt2"
    torch.export.save(program, path)
    return path


def rewritten(path, change):
    """Write the archive again with entries changed: `change(name, data)` gives data or None."""
    other = path.with_name("changed.pt2")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for info in old.infolist():
            data = change(info.filename, old.read(info))
            if data is not None:
                new.writestr(info.filename, data)
    return other


def test_an_exported_program_is_read_from_its_file(saved):
    graph = read_model(saved)
    checks = compare_with_source(saved, graph, samples(graph))
    assert [c.vectors for c in checks] == [5, 5]
    assert [(row.name, row.kind) for row in list_layers(saved)] == [
        ("0", "Linear"),
        ("1", "ReLU"),
        ("2", "BatchNorm1d"),
    ]
    assert [n.layer for n in graph.nodes] == ["0", "1", "2"]


class Bomb:
    def __reduce__(self):
        return (open, ("gatewright-must-not-exist", "w"))


def in_model(name):
    return name.endswith((".json", ".pt")) and "models/" in name


HOSTILE = {
    "pickle": (
        lambda name, data: pickle.dumps(Bomb()) if name.endswith(".pt") else data,
        "a pickle that could run code",
    ),
    "pickled weights": (
        lambda name, data: (
            data.replace(b'"use_pickle": false', b'"use_pickle": true')
            if name.endswith(".json")
            else data
        ),
        "pickled tensors",
    ),
    "operator": (
        lambda name, data: (
            data.replace(b"torch.ops.aten.relu.default", b"torch.hub.load")
            if in_model(name)
            else data
        ),
        "an operator that is not known",
    ),
    "expression": (
        lambda name, data: (
            data.replace(b"Symbol(", b"__import__('os').getcwd(") if in_model(name) else data
        ),
        "no plain expression",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused(saved, kind):
    change, text = HOSTILE[kind]
    path = rewritten(saved, change)
    with pytest.raises(UnsupportedError, match=text):
        read_model(path)


def test_compiled_code_in_an_archive_is_refused(saved):
    path = rewritten(saved, lambda name, data: data)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model/data/aotinductor/model/x.so", b"\x7fELF")
    with pytest.raises(UnsupportedError, match="compiled code"):
        read_model(path)


def test_damaged_archives(saved, tmp_path):
    half = tmp_path / "half.pt2"
    half.write_bytes(saved.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"no archive of torch\.export"):
        read_model(half)
    empty = rewritten(saved, lambda name, data: None if in_model(name) else data)
    with pytest.raises(ModelError, match="PyTorch cannot read the exported program"):
        read_model(empty)
    broken = rewritten(saved, lambda name, data: b"[" if in_model(name) else data)
    with pytest.raises(ModelError):
        read_model(broken)
    assert json.loads("[]") == []


def test_state_dicts(tmp_path):
    model, other = randomize(nn.Linear(4, 3), 1), randomize(nn.Linear(4, 3), 2)
    path = tmp_path / "weights.pt"
    torch.save(model.state_dict(), path)
    assert torch.equal(load_state(other, path).weight, model.weight)
    torch.save({"epoch": 3, "state_dict": model.state_dict()}, path)
    assert torch.equal(load_state(randomize(nn.Linear(4, 3)), path).weight, model.weight)
    with pytest.raises(ModelError, match="not those of the module"):
        load_state(nn.Linear(4, 2), path)
    torch.save(model, path)
    with pytest.raises(UnsupportedError, match="more than tensors") as caught:
        load_state(other, path)
    assert "state_dict()" in str(caught.value)
    with pytest.raises(FileError, match="nothing there"):
        load_state(other, tmp_path / "none.pt")
    torch.save([1, 2], path)
    with pytest.raises(ModelError, match="no state dict"):
        load_state(other, path)


@pytest.mark.parametrize("ending", [".pt", ".pth"])
def test_pickles_are_refused_by_name(tmp_path, ending):
    path = tmp_path / f"model{ending}"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(UnsupportedError, match="this kind of file is not read") as caught:
        read_model(path)
    assert "load_state" in str(caught.value)


def test_a_module_compiles(tmp_path):
    import gatewright as gw

    model = randomize(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
    x = np.random.default_rng(0).normal(0, 1, (200, 4)).astype(np.float32)
    design = gw.compile(model, calibration=x)
    checks = design.facts_of_model["source_checks"]
    assert [c["vectors"] > 0 for c in checks] == [True, True]
    assert gw.compile(model, calibration=x, inputs=(4,)).graph.inputs[0].shape == (4,)
