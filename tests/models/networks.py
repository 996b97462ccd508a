"""The trained networks that are taken through the whole way: by tests, and for `docs/networks.md`.

Each entry says where a model comes from and how a user would compile it. Loading one may need its
framework (PyTorch) or the large shared data; neither is touched before `load` is called.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gatewright.frontends.keras import read_keras
from tests.frontends.sparse_networks import sparse_network

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests" / "data" / "models"
LARGE = "160 MHz"
"""Clock of designs so large that their nets take most of 5 ns, by the delay model."""
Inputs = np.ndarray | dict[str, np.ndarray]


def classes(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the share of samples whose largest score is that of their class."""
    return float((found.argmax(1) == truth).mean())


def segments(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the share of segments on their side of one half."""
    return float(((found > 0.5) == (truth > 0.5)).mean())


@dataclass(frozen=True)
class Material:
    """A model with what is needed to compile and to judge it.

    Attributes:
        model: a path, or a live module.
        x: inputs of the test part.
        y: their classes (or, for `segments`, one truth for each score).
        options: of `gatewright.compile`.
        right: what share of answers agrees with `y`.
        labelled: `y` is the truth; otherwise it is what the model itself answers.
    """

    model: Any
    x: Inputs
    y: np.ndarray
    options: Mapping[str, Any] = field(default_factory=dict)
    right: Callable[[np.ndarray, np.ndarray], float] = classes
    labelled: bool = True


@dataclass(frozen=True)
class Network:
    """One line of the table.

    Attributes:
        name: short, for the command line.
        title: what it is.
        framework: that trained it.
        load: reads it, given the folder of the shared data.
        compiled: it is compiled here; without, only imported.
        synthesised: it is also synthesised, module by module.
    """

    name: str
    title: str
    framework: str
    load: Callable[[Path], Material]
    compiled: bool = True
    synthesised: bool = False


def script(name: str) -> ModuleType:
    """Import one of the scripts that trained the networks: they know data and modules."""
    known = f"gatewright_script_{name}"
    if known not in sys.modules:
        path = ROOT / "scripts" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(known, path)
        assert spec is not None
        assert spec.loader is not None
        sys.path.append(str(path.parent))
        module = importlib.util.module_from_spec(spec)
        sys.modules[known] = module
        spec.loader.exec_module(module)
    return sys.modules[known]


def torch_module(name: str) -> tuple[Any, Mapping[str, np.ndarray]]:
    """Return a module that `scripts/train_networks.py` trained, and its file's arrays."""
    import torch

    from tests.models.torch_networks import ResidualTagger, VisionTransformer

    data = np.load(MODELS / f"{name}.npz")
    model = {"vit": VisionTransformer, "residual": ResidualTagger}[name]()
    state = {k.removeprefix("state."): data[k] for k in data.files if k.startswith("state.")}
    model.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    return model.eval(), data


def _trained(name: str, calibration: int) -> Callable[[Path], Material]:
    def load(_: Path) -> Material:
        model, _ = torch_module(name)
        of_script = script("train_networks")
        x, y, test_x, test_y = of_script.NETWORKS[name][1]()
        options = {"calibration": x[:calibration], "labels": y[:calibration], "tolerance": 0.005}
        return Material(model, test_x, test_y, options)

    return load


def _recurrent(kind: str, steps: int, clock: str = "200 MHz") -> Callable[[Path], Material]:
    def load(data: Path) -> Material:
        stored = np.load(data / "jets_pythia_100k.npz")
        x = stored["constituents"][:, :steps].astype(np.float64)
        y = stored["y"].astype(np.int64)
        options = {"calibration": x[:1000], "labels": y[:1000], "tolerance": 0.005, "clock": clock}
        return Material(MODELS / f"jets_{kind}_{steps}.keras", x[80_000:], y[80_000:], options)

    return load


def _tracks(_: Path) -> Material:
    """Samples of the features of one graph; the first is the graph itself, with its labels."""
    import torch

    stored = np.load(MODELS / "interaction_network.npz")
    model = script("interaction_network").InteractionNetwork(stored["edges"])
    state = {k: torch.as_tensor(stored[k]) for k in model.state_dict() if k != "edges"}
    model.load_state_dict(state, strict=False)
    x = {name: stored[name].astype(np.float64) for name in ("hits", "segments")}
    with torch.no_grad():
        scores = model.eval()(*(torch.as_tensor(stored[name]) for name in x)).numpy()
    return Material(model, x, scores, {"calibration": x, "tolerance": 0.05}, segments, False)


def _l1_jet_id(file: str, calibration: int) -> Callable[[Path], Material]:
    """Inputs divided by their ranges and rounded, as `scripts/record_l1_jet_id.py` does."""

    def load(data: Path) -> Material:
        jets = np.load(data / "lhc_jets_constituents_3000.npz")
        x = np.rint(jets["x8"] / np.asarray((219.0, 0.2, 0.2)) * 2**12) / 2**12
        options: dict[str, Any] = {"input_format": "fixed<16,4>"}
        if calibration:
            options["calibration"] = x[:calibration]
        return Material(data / "models" / file, x, jets["y"].astype(np.int64), options)

    return load


def _hgq2(file: str) -> Callable[[Path], Material]:
    """Particles by falling pT, each feature less its mean over its deviation."""

    def load(data: Path) -> Material:
        jets = np.load(data / "lhc_jets_constituents_3000.npz")
        x = jets["x8"].astype(np.float64)
        x = np.take_along_axis(x, np.argsort(-x[..., 0], axis=1)[..., None], axis=1)
        x = (x - x.mean((0, 1))) / x.std((0, 1))
        options = {"calibration": x[:256]}
        return Material(data / "models" / file, x, jets["y"].astype(np.int64), options)

    return load


def _resnet(data: Path) -> Material:
    images = np.load(data / "mlperf_tiny_ic01.npz")
    model = data / "models" / "mlperf_ic01_resnet8_ref.h5"
    return Material(model, images["x"].astype(np.float64), images["y"].astype(np.int64))


def _neutrino(data: Path) -> Material:
    """The published network with its own 16-bit formats, on the first 20 pixels of 8 bits.

    The truth is what the published sparse layers answered (`scripts/record_sparse_pixels.py` tells
    of the package). Images with several hundred active pixels are among the random vectors that a
    verification adds.
    """
    images = np.load(data / "sparsepixels_neutrino_100img.npz")
    recorded = np.load(ROOT / "tests" / "data" / "sparse_pixels" / "neutrino_sparse_l.npz")["y"]
    plain = read_keras(data / "models" / "sparsepixels_neutrino_hls_sparse_l.keras")
    x = images["x"][..., None].astype(np.float64)
    options = {
        "calibration": x, "input_format": "ufixed<8,0>", "clock": "100 MHz", "device": "xcu250",
        "max_dsps": 2600, "name": "neutrino_sparse",
    }  # fmt: skip
    model = sparse_network(plain, 20)
    return Material(model, x, recorded.reshape(-1, 1), options, segments, False)


NETWORKS = (
    Network("vit", "vision transformer, 4 tokens, digits", "PyTorch", _trained("vit", 1000)),
    Network(
        "residual", "1-D residual CNN, 16 constituents", "PyTorch", _trained("residual", 1000)
    ),
    Network("lstm-5", "LSTM, 8 units, 5 constituents", "Keras", _recurrent("lstm", 5)),
    Network("gru-5", "GRU, 8 units, 5 constituents", "Keras", _recurrent("gru", 5)),
    Network("lstm-20", "LSTM, 20 units, 20 constituents", "Keras", _recurrent("lstm", 20, LARGE)),
    Network("gru-20", "GRU, 20 units, 20 constituents", "Keras", _recurrent("gru", 20, LARGE)),
    Network("tracks", "interaction network, 28 hits, 37 segments", "PyTorch", _tracks),
    Network(
        "deepsets", "Deep Sets, 8 constituents (arXiv:2402.01876)", "QKeras",
        _l1_jet_id("jets_qdeepsets_8const_8bit.h5", 256),
    ),
    Network(
        "interaction", "interaction network, 8 constituents (arXiv:2402.01876)", "QKeras",
        _l1_jet_id("jets_qIN_8const_8bit.h5", 0),
    ),
    Network(
        "linformer", "particle transformer, linear attention, 8 constituents", "HGQ2",
        _hgq2("jets_hgq2_linformer_8.keras"),
    ),
    Network(
        "mha", "particle transformer, multi-head attention, 8 constituents", "HGQ2",
        _hgq2("jets_hgq2_mha_8.keras"),
    ),
    Network(
        "neutrino", "SparsePixels, first 20 of 63 x 63 pixels (arXiv:2512.06208)", "QKeras",
        _neutrino, synthesised=True,
    ),
    Network("resnet-8", "ResNet-8 of MLPerf Tiny, CIFAR-10", "Keras", _resnet, compiled=False),
)  # fmt: skip
"""In the order of the table."""
