"""An interaction network on a TrackML hit graph: trained, imported exactly, compiled, verified."""

import sys
from pathlib import Path

import numpy as np
import pytest
from torch_models import compare_with_source, kinds, read_torch, torch

import gatewright as gw

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests/data/models/interaction_network.npz"


@pytest.fixture(scope="module")
def trained():
    sys.path.append(str(ROOT / "scripts"))
    from interaction_network import InteractionNetwork

    data = np.load(DATA)
    model = InteractionNetwork(data["edges"])
    state = {k: torch.as_tensor(data[k]) for k in model.state_dict() if k != "edges"}
    model.load_state_dict(state, strict=False)
    return model.eval(), {"hits": data["hits"], "segments": data["segments"]}, data


def test_it_is_imported_exactly(trained):
    model, inputs, data = trained
    graph = read_torch(model, inputs)
    assert all(c.vectors == 200 for c in compare_with_source(model, graph, inputs))
    assert data["edges"].shape == (2, 37)
    assert data["hits"].shape[1:] == (28, 3)
    assert kinds(graph).count("dense") == 9
    assert float(data["accuracy"]) > 0.85
    score = model(*(torch.as_tensor(v[:1]) for v in inputs.values()))[0].detach().numpy()
    assert ((score > 0.5) == (data["truth"] > 0.5)).mean() > 0.7


@pytest.mark.slow
def test_it_is_compiled_and_verified(trained):
    model, inputs, _ = trained
    design = gw.compile(model, calibration=inputs, tolerance=0.05)
    assert design.verify().verified
