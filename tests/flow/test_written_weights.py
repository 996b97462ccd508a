"""Convolution, table and dense layers with other weights: written and read by cocotb's AXI4-Lite.

The frames go through the emitted Verilog under random stalls at all ports; the results are those of
the reference with the weights that were just written.
"""

from __future__ import annotations

import numpy as np
import pytest
from cocotb_bench import needs_cocotb, run_bench
from flow_models import quantized_convolution

import gatewright as gw
from gatewright.blocks.mac_store import MacRegisters
from gatewright.flow.host import encode
from gatewright.flow.streams.simulate import beats_of
from gatewright.flow.streams.verify import reference
from gatewright.hw import Packing
from gatewright.ops import Dense, Function

EVENTS, SETS = 3, 3


@pytest.fixture(scope="module")
def design():
    x = np.random.default_rng(9).normal(0, 1, (120, 2, 6, 6))
    graph = gw.compile(quantized_convolution(), calibration=x).graph
    products = [n.name for n in graph.nodes if isinstance(n.op, Dense)]
    (table,) = [n.name for n in graph.nodes if isinstance(n.op, Function)]
    plan = {name: {"writable": True, "beat": 2, "taken": 3} for name in products}
    plan[table] = {"writable": True, "beat": 2, "weight_bits": 12}
    return gw.compile(quantized_convolution(), calibration=x, ii=300, ports="axi-stream", plan=plan)


def drawn(fmt, shape, rng):
    return rng.integers(fmt.low, fmt.high + 1, shape) * 2.0**-fmt.frac


def with_other_weights(design, seed):
    """Return the design with random weights in all layers, and the writes."""
    rng, writes = np.random.default_rng(seed), []
    for name, own in design.stream.registers.items():
        if isinstance(own, MacRegisters):
            op = next(n.op for n in design.graph.nodes if n.name == name)
            given = [drawn(own.formats.weight, op.weight.shape, rng)]
            given.append(drawn(own.formats.bias, op.bias.shape, rng))
        else:
            given = [drawn(own.format, own.shape, rng)]
        design, found = design.load_weights(name, *given)
        writes.append(found)
    return design, np.concatenate(writes)


def as_bytes(port, codes):
    """Return events of a stream as AXI4-Stream carries them, (events, bytes)."""
    bits = Packing.of(port.types).bits
    words = Packing.of(port.types).pack(codes)
    lanes = max(1, -(-bits // 8))
    found = words.astype("<u8").view(np.uint8).reshape(len(codes), -1)[:, :lanes]
    return found.reshape(-1, port.beats * lanes)


def frames(design, x):
    """Return what goes in and what must come out."""
    circuit, inputs = design.stream, encode(design.graph, {"x": x})
    (source,), (sink,) = circuit.inputs, circuit.outputs
    wanted = reference(design.graph, circuit, inputs)[sink.name].reshape(-1, sink.beat)
    return as_bytes(source, beats_of(circuit, inputs)[source.name]), as_bytes(sink, wanted)


def holes(design):
    """Return addresses where no word is, the first and the last of each gap."""
    held = np.sort(design.register_words[:, 0])
    gaps = np.flatnonzero(np.diff(held) > 1)
    ends = [held[-1] + 1, *(held[gaps] + 1), *(held[gaps + 1] - 1)]
    return np.unique(ends)


@needs_cocotb
def test_weights_are_written_and_read_between_events(design, tmp_path):
    kinds = [row["name"].partition(" ")[0] for row in design.register_rows]
    assert set(kinds) == {"weights", "biases", "values"}
    assert len(design.stream.registers) == 3
    rng, run = np.random.default_rng(0), {"sets": SETS, "holes": holes(design)}
    other, answers = design, []
    for number in range(SETS):
        writes = np.zeros((0, 2), np.int64)  # the first set is what stands there at power-up
        if number:
            other, writes = with_other_weights(other, number)
        x = rng.normal(0, 1, (EVENTS, *design.graph.inputs[0].shape))
        run[f"x_{number}"], run[f"y_{number}"] = frames(other, x)
        run[f"writes_{number}"], run[f"held_{number}"] = writes, other.register_words
        answers.append(other.predict(x))
        assert not np.array_equal(design.predict(x), answers[-1]) or not number
    np.savez(tmp_path / "run.npz", **run)
    passed = run_bench(design.module, "bench_weights", tmp_path, RUN=tmp_path / "run.npz")
    assert sorted(passed) == [
        "addresses_without_a_word_are_errors",
        "weights_are_written_between_events",
    ]
