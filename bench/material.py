"""The models and data that are measured on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.record import MissingError
from gatewright.ir import Graph, Input, Node, Output
from gatewright.num import Fixed, Intervals, Overflow, Rounding
from gatewright.ops import Dense, Quantize, Relu

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
TRAINING_JETS = 80_000
"""Rows of the Pythia jets before the test jets."""

Reals = NDArray[np.float64]


def shared(name: str) -> Path:
    """Return a file of the shared data.

    Raises:
        MissingError: it is not beside the checkout.
    """
    path = SHARED / name
    if not path.is_file():
        raise MissingError(f"needs {name} of the shared data (../shared/data beside the checkout)")
    return path


@dataclass(frozen=True, eq=False)
class Mlp:
    """The synthetic benchmark network, its inputs, and its answers from numpy alone."""

    graph: Graph
    x: Reals
    answers: Reals


@lru_cache(maxsize=1)
def bench_mlp() -> Mlp:
    """Return the network 16-64-32-32-5 with 6-bit weights."""
    with np.load(shared("bench_mlp_16_64_32_32_5.npz"), allow_pickle=False) as file:
        data = {name: file[name] for name in file.files}
    kind = Intervals.format(Fixed(signed=True, width=8, frac=4), (16,))
    nodes: list[Node] = []
    value, h = "x", data["x"].astype(np.float64)
    for n in range(4):
        weight, bias, layer = data[f"w{n}"], data[f"b{n}"], f"dense_{n}"
        nodes.append(Node(layer, Dense.of(weight, bias), (value,), layer))
        value, h = layer, h @ weight + bias
        if n < 3:
            integer, frac = (int(v) for v in data["act"][n])
            cut = Quantize.to(False, integer + frac, frac, Rounding.TRN, Overflow.WRAP)
            nodes.append(Node(f"relu_{n}", Relu(), (value,), layer))
            nodes.append(Node(f"cut_{n}", cut, (f"relu_{n}",), layer))
            value = f"cut_{n}"
            h = np.mod(np.floor(np.maximum(h, 0) * 2.0**frac) / 2.0**frac, 2.0**integer)
    graph = Graph("bench_mlp", (Input("x", (16,), kind),), tuple(nodes), (Output("y", value),))
    return Mlp(graph, data["x"].astype(np.float64), h)


@dataclass(frozen=True, eq=False)
class Jets:
    """Jets: float64 (n, 16) and their classes."""

    x: Reals
    y: NDArray[np.int64]


def pythia_jets() -> tuple[Jets, Jets]:
    """Return training and test jets (80,000 and 20,000)."""
    with np.load(shared("jets_pythia_100k.npz"), allow_pickle=False) as file:
        x, y = file["x"].astype(np.float64), file["y"].astype(np.int64)
    k = TRAINING_JETS
    return Jets(x[:k], y[:k]), Jets(x[k:], y[k:])


def openml_jets() -> Jets:
    """Return the 512 standardised jets of the field's benchmark (classes g q t w z)."""
    with np.load(shared("lhc_jets_hlf_512.npz"), allow_pickle=False) as file:
        return Jets(file["x_raw"] / 2.0 ** int(file["frac_bits"]), file["y"].astype(np.int64))


OPENML_CLASSES = ("g", "q", "t", "w", "z")
HGQ_CLASSES = ("g", "q", "w", "z", "t")
"""Order of the two HGQ2 taggers' first five outputs.

The files do not say it. Of all 120 orders it is the one that agrees with the labels of the 512 jets
most often, by far; `tests/bench` holds that.
"""


def hgq_tagger(letter: str) -> Path:
    """Return the path of an HGQ2 jet tagger, `a` or `b`."""
    return shared(f"models/jets_hgq2_mlp_{letter}.keras")


def float_keras() -> Path:
    """Return the float Keras tagger."""
    return ROOT / "bench" / "models" / "jet_tagger_float.keras"
