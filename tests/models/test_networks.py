"""Trained networks all the way: imported exactly, quantized, compiled parallel, verified in RTL.

The fast tests take the trained PyTorch networks through the import, and small untrained ones of the
same classes through the whole way; the slow ones take every network of `docs/networks.md` there.
"""

from __future__ import annotations

import numpy as np
import pytest

import gatewright as gw
from gatewright.frontends import read_model
from gatewright.frontends.compare import compare_with_source
from gatewright.ir import run_real
from tests.models.networks import NETWORKS, torch_module

torch = pytest.importorskip("torch", reason="needs PyTorch")

PARTS = {
    "vit": {"embed", "block.norm1", "block.qkv", "block.gelu", "head"},
    "residual": {"stem", "blocks.0.first", "blocks.1.second", "head"},
}


@pytest.mark.parametrize("name", PARTS)
def test_a_trained_module_is_imported_exactly(name):
    model, data = torch_module(name)
    graph = read_model(model, None, data["x"])
    (given,) = graph.inputs
    checks = compare_with_source(model, graph, {given.name: data["x"]})
    assert [check.vectors for check in checks] == [256, 256]
    assert all(check.share <= 1 for check in checks)
    found = run_real(graph, {given.name: data["x"].astype(np.float64)})[graph.outputs[0].value]
    with torch.no_grad():
        wanted = model(torch.from_numpy(data["x"])).numpy()
    np.testing.assert_array_equal(found.argmax(1), wanted.argmax(1))
    right = (found.argmax(1) == data["y"]).mean()
    assert right == pytest.approx(float(data["accuracy"]), abs=0.06)  # 256 of its test samples
    assert {node.layer for node in graph.nodes} >= PARTS[name]


def small(name):
    """Return an untrained module of the same class, as small as it can be."""
    from tests.models.torch_networks import ResidualTagger, VisionTransformer

    torch.manual_seed(1)
    sizes = {"vit": {"width": 4, "heads": 2, "hidden": 4}, "residual": {"channels": 2}}
    return {"vit": VisionTransformer, "residual": ResidualTagger}[name](**sizes[name]).eval()


@pytest.mark.parametrize("name", PARTS)
def test_a_small_module_is_compiled_and_verified(name):
    _, data = torch_module(name)
    model = small(name)
    design = gw.compile(model, calibration=data["x"], tolerance=0.1, clock="200 MHz")
    assert design.verify(random=100).verified
    assert design.interval == 1
    facts = design.facts()
    assert [check["vectors"] > 0 for check in facts["source_checks"]] == [True, True]
    assert facts["metrics"]["relative_error"] < 0.2
    assert facts["clock"]["fmax_mhz"] >= 200
    assert {layer["layer"] for layer in facts["layers"]} >= PARTS[name] - {"block.gelu"}


@pytest.mark.parametrize(("last", "told"), [(torch.nn.Sigmoid(), False), (None, True)])
def test_answers_of_a_sigmoid_are_no_classes(last, told):
    """Of independent answers (tags, weights of edges) the largest means nothing."""
    torch.manual_seed(1)
    layers = [torch.nn.Linear(3, 2), *([] if last is None else [last])]
    x = np.random.default_rng(1).normal(size=(150, 3))
    design = gw.compile(torch.nn.Sequential(*layers), calibration=x, tolerance=0.1)
    metrics = design.facts()["metrics"]
    assert ("same_class" in metrics) == told
    assert metrics["relative_error"] < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("network", [n for n in NETWORKS if n.compiled], ids=lambda n: n.name)
def test_all_the_way(network, shared_data, tmp_path):
    material = network.load(shared_data)
    design = gw.compile(material.model, **material.options)
    assert design.interval == 1
    assert design.verify().verified
    graph = read_model(material.model, None, material.options.get("calibration", material.x))
    rows = slice(0, 2000)
    x = material.x
    given = {k: v[rows] for k, v in x.items()} if isinstance(x, dict) else x[rows]
    real = run_real(graph, given if isinstance(x, dict) else {graph.inputs[0].name: given})
    wanted = material.right(real[graph.outputs[0].value], material.y[rows])
    found = material.right(design.predict(given), material.y[rows])
    assert found >= wanted - (0.01 if material.labelled else 0.02)
    assert "Bit-exact" in design.report(tmp_path / "report.html").read_text()
    loaded = gw.load(design.save(tmp_path / "design"))
    np.testing.assert_array_equal(loaded.predict(given), design.predict(given))
