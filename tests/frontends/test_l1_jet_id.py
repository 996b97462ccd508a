"""The quantized Deep Sets and interaction network of fastmachinelearning/l1-jet-id.

Oracle: QKeras itself, whose answers `scripts/record_l1_jet_id.py` recorded on 256 jets, and the
class it finds on all 3000 (arXiv:2402.01876; 8 constituents, 8 bits): QKeras and we are right on
64.4 % and 65.3 % of them.
"""

from __future__ import annotations

import numpy as np
import pytest
from keras_files import DATA

import gatewright as gw
from gatewright.base import ModelError
from gatewright.flow.given import with_input_format
from gatewright.flow.verify import to_ports
from gatewright.frontends import read_model
from gatewright.hw import evaluate
from gatewright.ir import run_real
from gatewright.num import Fixed, FixedArray
from gatewright.passes.graph import host_input
from gatewright.passes.lower import lower
from gatewright.passes.netlist import modules
from gatewright.quantize.structure import move_to_host

RECORDED = DATA.parent / "l1_jet_id.npz"
RANGES = (219.0, 0.2, 0.2)
MODELS = {
    "deepsets": ("jets_qdeepsets_8const_8bit.h5", "q_activation_4", "dense", 0.6440),
    "interaction": ("jets_qIN_8const_8bit.h5", "qrelu_g1", "dense_g2", 0.6533),
}


def of_layer(graph, name):
    """Return the last value of a layer."""
    return [node.name for node in graph.nodes if node.layer == name][-1]


@pytest.fixture(scope="module")
def jets(shared_data):
    return np.load(shared_data / "lhc_jets_constituents_3000.npz")


@pytest.mark.parametrize("kind", MODELS)
def test_equal_to_qkeras_bit_for_bit(kind, shared_data, jets):
    file, activation, logits, accuracy = MODELS[kind]
    recorded = np.load(RECORDED)
    graph = read_model(shared_data / "models" / file)
    x = np.rint(jets["x8"] / np.asarray(RANGES) * 2**12)
    np.testing.assert_array_equal(x[:256], recorded["x"])
    values = run_real(graph, {graph.inputs[0].name: x / 2**12})
    found = values[of_layer(graph, activation)][:256]
    np.testing.assert_array_equal(found, recorded[f"{kind}_activation"])
    last = values[of_layer(graph, logits)]
    if kind == "interaction":  # quantized to the end: float32 holds every sum
        np.testing.assert_array_equal(last[:256], recorded["interaction_logits"])
    else:  # the last layer is of float32 weights
        np.testing.assert_allclose(last[:256], recorded["deepsets_logits"], rtol=0, atol=2e-6)
    np.testing.assert_array_equal(last.argmax(1), recorded[f"{kind}_class"])
    assert (last.argmax(1) == jets["y"]).mean() == pytest.approx(accuracy, abs=1e-4)


def compiled(kind, shared_data, **options):
    x = np.load(RECORDED)["x"] / 2**12
    path = shared_data / "models" / MODELS[kind][0]
    return gw.compile(path, input_format="fixed<16,4>", **options), x


def test_circuit_of_the_interaction_network_gives_qkeras_logits(shared_data):
    """On a few jets, before registers are placed; `test_simulated_rtl` has all of the way."""
    graph = read_model(shared_data / "models" / MODELS["interaction"][0])
    graph = host_input(with_input_format(graph, Fixed.parse("fixed<16,4>")))
    graph, _ = move_to_host(graph)
    netlist = lower(graph)
    instances = [i for m in modules(netlist) for i in m.instances]
    kernels = [i for i in instances if i.module.name.lower().startswith("conv1d_e1_row")]
    assert sum(i.count for i in kernels) >= 56
    codes = np.load(RECORDED)["x"][:8].astype(np.int64)
    ports = to_ports(graph, netlist, {"in_layer": FixedArray(codes, np.full((8, 3), 12))})
    found = evaluate(netlist, {"valid_in": np.ones((8, 1), np.int64), **ports})
    (port,) = (p for p in found if p != "valid_out")
    scale = np.ldexp(1.0, -netlist.intervals(netlist.outputs[port]).frac.astype(np.int32))
    np.testing.assert_array_equal(found[port] * scale, np.load(RECORDED)["interaction_logits"][:8])


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
def test_simulated_rtl(kind, shared_data):
    x = np.load(RECORDED)["x"][:64] / 2**12
    # The interaction network needs no calibration: a softmax is all of it that is real.
    options = {"calibration": x} if kind == "deepsets" else {}
    design, x = compiled(kind, shared_data, **options)
    design.verify()
    if kind == "interaction":
        found = design.predict_codes({"in_layer": x})[design.graph.outputs[0].name].value
        np.testing.assert_array_equal(found, np.load(RECORDED)["interaction_logits"])
    same = design.predict(x).argmax(1) == np.load(RECORDED)[f"{kind}_class"][:256]
    assert same.mean() == 1 if kind == "interaction" else same.mean() > 0.9


def test_a_projection_takes_no_option_on_trust(shared_data, tmp_path):
    import h5py

    path = tmp_path / "other.h5"
    path.write_bytes((shared_data / "models" / MODELS["interaction"][0]).read_bytes())
    with h5py.File(path, "r+") as file:
        config = file.attrs["model_config"]
        text = config.decode() if isinstance(config, bytes) else config
        file.attrs["model_config"] = text.replace('"receiving": false', '"receiving": true')
    with pytest.raises(ModelError) as error:
        read_model(path)
    assert "another matrix than its options tell" in str(error.value)
    assert "layer 'proj_2'" in str(error.value)
