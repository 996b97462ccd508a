"""Brevitas networks: their exports, and live models where Brevitas is installed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from gatewright.frontends.onnx import read_onnx
from gatewright.ir import run_real
from gatewright.passes.graph import streamline

DATA = Path(__file__).parents[1] / "data" / "brevitas_exports"
FILES = sorted(DATA.glob("*.onnx"))
NEEDS = "needs Brevitas: pip install brevitas"


def recorded(path):
    with np.load(DATA / f"{path.stem.rpartition('_')[0]}.npz") as stored:
        return stored["x"], stored["y"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_exports_give_what_brevitas_answers(path):
    x, theirs = recorded(path)
    graph = read_onnx(path)
    ours = run_real(graph, {graph.inputs[0].name: x.astype(np.float64)})[graph.outputs[0].value]
    # Every code agrees: a step of any quantizer would show as a hundred times this.
    assert np.abs(ours - theirs).max() < 1e-6
    assert "scaled_quantize" not in {n.op.kind for n in streamline(graph).nodes}


def test_there_are_recorded_files():
    assert {p.stem for p in FILES} >= {"dense_qonnx", "dense_qcdq", "binary_qonnx"}


@pytest.mark.parametrize("name", ["dense", "convolution", "binary", "truncating"])
def test_live_models(name):
    pytest.importorskip("brevitas.nn", reason=NEEDS)
    from gatewright.frontends.compare import compare_with_source
    from gatewright.frontends.torch import read_torch

    torch = pytest.importorskip("torch")
    spec = importlib.util.spec_from_file_location(
        "record_brevitas", Path(__file__).parents[2] / "scripts" / "record_brevitas.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    build, shape = script.NETWORKS[name]
    torch.manual_seed(1)
    network = build()
    x = torch.randn(64, *shape)
    for _ in range(8):
        network.train()(x)
    network.eval()
    before = network(x).detach().numpy()
    graph = read_torch(network, shape)
    checks = compare_with_source(network, graph, {graph.inputs[0].name: x.numpy()})
    assert [c.vectors for c in checks if c.vectors] == [64]
    # Reading leaves the model as it was.
    assert np.array_equal(network(x).detach().numpy(), before)
