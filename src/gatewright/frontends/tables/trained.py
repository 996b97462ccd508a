"""Read what `gatewright.train` wrote: an `.npz` file of integer tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from gatewright.frontends.listed import Listed
from gatewright.ir import Graph, Reals
from gatewright.train import graph_of, load


def read_trained(path: Path) -> Graph:
    """Return the graph of a trained network; its input are the features, as they were trained on.

    Raises:
        FileError: it cannot be read.
        ModelError: it is damaged, or something else.
    """
    return replace(graph_of(load(path), path.stem), source=str(path))


def list_trained(path: Path) -> list[Listed]:
    """Return each layer by name."""
    layers = dict.fromkeys(node.layer for node in read_trained(path).nodes)
    return [Listed(name, "tables" if name.startswith("layer_") else name) for name in layers]


def run_trained(path: Path, x: Reals) -> Reals:
    """Compute the file's integers, table by table: a second opinion."""
    return np.asarray(load(path).predict_codes(x), np.float64)
