"""Golden vectors of a stream design, in beats: as NumPy file, and as texts for the test bench."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from gatewright.base import DataError, FileError
from gatewright.emit import read_hex
from gatewright.flow.disk import read_arrays, read_text
from gatewright.flow.golden import ARRAYS, Golden
from gatewright.flow.streams.circuit import StreamCircuit
from gatewright.flow.streams.simulate import Beats
from gatewright.flow.streams.verify import reference, to_codes
from gatewright.flow.verify import Check, first_difference
from gatewright.ir import Graph
from gatewright.num import FixedArray
from gatewright.passes.streams import Port, from_beats

VECTORS = 200
"""Events whose beats are written with a design, unless they are long."""

MOST_BEATS = 20_000
"""Beats on the longest stream beyond which fewer events are written, two at least."""


def golden_count(circuit: StreamCircuit) -> int:
    """Return how many events are written."""
    longest = max(port.beats for port in (*circuit.inputs, *circuit.outputs))
    return max(min(VECTORS, MOST_BEATS // longest), 2)


def golden_beats(graph: Graph, circuit: StreamCircuit, inputs: Mapping[str, FixedArray]) -> Beats:
    """Return the beats that each output port must give; what fills up the last one is zero."""
    found = {}
    wanted = reference(graph, circuit, inputs)
    for port in circuit.outputs:
        flat = wanted[port.name]
        room = np.zeros((len(flat), port.beats * port.beat), np.int64)
        room[:, : flat.shape[1]] = flat
        found[port.name] = room.reshape(-1, port.beat)
    return found


def read_golden(folder: Path, circuit: StreamCircuit) -> tuple[Golden, Golden]:
    """Read the golden beats of a design, and the texts that its test bench plays.

    Raises:
        FileError: a file is damaged, or is not about this design's streams.
    """
    stored = read_arrays(folder / ARRAYS)
    arrays, texts, counts = list[Beats](), list[Beats](), set[float]()
    for which, ports in (("in", circuit.inputs), ("out", circuit.outputs)):
        arrays.append({p.name: _array(stored.get(f"{which}:{p.name}"), p, folder) for p in ports})
        texts.append({p.name: _text(p, folder) for p in ports})
        counts.update(len(arrays[-1][p.name]) / p.beats for p in ports)
    if len(counts) != 1 or not counts.pop().is_integer():
        raise FileError("golden vectors differ in length", place=str(folder / ARRAYS))
    return (arrays[0], arrays[1]), (texts[0], texts[1])


def _array(q: np.ndarray | None, port: Port, folder: Path) -> np.ndarray:
    if q is None or q.dtype != np.int64 or q.shape[1:] != (port.beat,) or not len(q):
        raise FileError("golden vectors do not fit the design's ports", place=str(folder / ARRAYS))
    return q


def _text(port: Port, folder: Path) -> np.ndarray:
    path = folder / "vectors" / f"{port.name}.hex"
    try:
        return read_hex(read_text(path), {port.name: port.types})[port.name]
    except DataError as error:
        raise FileError(
            error.what, place=f"{path}, {error.place}", found=error.found,
            supported=error.supported,
        ) from None  # fmt: skip


def compare_golden(graph: Graph, circuit: StreamCircuit, golden: Golden, text: Golden) -> Check:
    """Compare golden beats with the integer reference, and their texts with them."""
    inputs, outputs = golden
    codes = {}
    for port in circuit.inputs:
        q = inputs[port.name]
        if not port.types.contains(q).all():
            detail = f"port {port.name}: an input that cannot be"
            return Check("golden vectors", "stored files", len(q), "failed", detail)
        codes[port.value] = from_beats(q, port)
    wanted = reference(graph, circuit, codes)
    detail = first_difference(wanted, to_codes(circuit, outputs))
    for written, kept in zip(text, golden, strict=True):
        for name, q in kept.items():
            if not detail and (found := first_difference({name: q}, {name: written[name]})):
                detail = f"vectors/{name}.hex, line {_line(found)}: {found}"
    count = len(next(iter(wanted.values())))
    check = Check("golden vectors", "stored files, in beats", count, "exact")
    return replace(check, status="failed", detail=detail) if detail else check


def _line(found: str) -> str:
    """Return the line of a text from where two beats part."""
    sample = found.partition("sample ")[2].partition(":")[0]
    return str(int(sample) + 1) if sample.isdigit() else "unknown"
