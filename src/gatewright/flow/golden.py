"""Golden vectors of a saved design: as NumPy file, and as the text that its test bench plays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from gatewright.base import DataError, FileError
from gatewright.emit import read_hex
from gatewright.flow.disk import read_arrays, read_text
from gatewright.flow.verify import (
    Check,
    Codes,
    check_golden,
    data_ports,
    first_difference,
    reference,
)
from gatewright.hw import Module
from gatewright.ir import Graph
from gatewright.num import FixedArray, Intervals

ARRAYS = "vectors/golden.npz"
VECTORS = 1000
"""Golden vectors that are written with a design."""

TEXTS = ("vectors/inputs.hex", "vectors/outputs.hex")
Golden = tuple[Codes, Codes]
"""Integers by input port and by output port."""


def thinned(vectors: dict[str, FixedArray], most: int) -> dict[str, FixedArray]:
    """Return at most so many of some samples, evenly spread."""
    count = len(next(iter(vectors.values())).q)
    keep = np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
    return {name: FixedArray(v.q[keep], v.frac) for name, v in vectors.items()}


def read_golden(folder: Path, module: Module) -> Golden:
    """Read the golden vectors of a design.

    Raises:
        FileError: the file is damaged, or is not about this design's ports.
    """
    path = folder / ARRAYS
    stored = read_arrays(path)
    sides = []
    for which, outputs in (("in", False), ("out", True)):
        ports = _types(module, outputs)
        codes = {p: stored[f"{which}:{p}"] for p in ports if f"{which}:{p}" in stored}
        legal = [q.dtype == np.int64 and q.shape[1:] == ports[p].shape for p, q in codes.items()]
        if set(codes) != set(ports) or not all(legal):
            raise FileError("golden vectors do not fit the design's ports", place=str(path))
        sides.append(codes)
    if len({len(q) for codes in sides for q in codes.values()}) != 1:
        raise FileError("golden vectors differ in length", place=str(path))
    return sides[0], sides[1]


def read_golden_text(folder: Path, module: Module) -> Golden:
    """Read the golden vectors that the test bench plays.

    Raises:
        FileError: a file is damaged.
    """
    sides = []
    for name, outputs in zip(TEXTS, (False, True), strict=True):
        try:
            sides.append(read_hex(read_text(folder / name), _types(module, outputs)))
        except DataError as error:
            raise FileError(
                error.what,
                place=f"{folder / name}, {error.place}",
                found=error.found,
                supported=error.supported,
            ) from None
    return sides[0], sides[1]


def _types(module: Module, outputs: bool) -> dict[str, Intervals]:
    return {p: module.intervals(s) for p, s in data_ports(module, outputs).items()}


def compare_golden(graph: Graph, module: Module, golden: Golden, text: Golden | None) -> Check:
    """Compare golden vectors with the integer reference, and their text with them."""
    inputs, outputs = golden
    codes = {}
    for port, i in zip(data_ports(module), graph.inputs, strict=True):
        assert i.type is not None
        q = inputs[port].reshape(-1, *i.shape)
        if not i.type.contains(q).all():
            detail = f"port {port}: an input that cannot be"
            return Check("golden vectors", "stored files", len(q), "failed", detail)
        codes[i.name] = FixedArray(q, i.type.frac)
    check = check_golden(reference(graph, module, codes), outputs)
    for name, written, kept in zip(TEXTS, text or (), golden, strict=False):
        if check.status == "exact":
            detail = first_difference(kept, written)
            if detail:
                check = replace(check, status="failed", detail=f"{name}: {detail}")
    return check
