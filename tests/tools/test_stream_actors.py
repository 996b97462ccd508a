"""Line memories, readers and collectors in Verilator: the windows, in the cycles of the model."""

from __future__ import annotations

import numpy as np
from have_tools import needs_simulation

from gatewright.emit import emit_verilog
from gatewright.emit.verilog import top_name
from gatewright.hw import random_ready
from gatewright.num import Intervals
from gatewright.streams import (
    OUTSIDE,
    Link,
    Network,
    Parts,
    Raster,
    assemble,
    collect,
    line_windows,
    reader,
    simulate,
    window_walk,
)
from gatewright.tools.streams import (
    StreamStimulus,
    pack_beats,
    simulate_streams,
    stream_design,
    unpack_beats,
)

pytestmark = needs_simulation
TYPES = Intervals.of([-8, 0], [7, 100], 0)
RASTER = Raster((12, 16), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
WALK = window_walk(RASTER, 2)
POOL = Parts(
    np.where(np.arange(16) < 15, np.arange(12)[:, None] // 2 * 5 + np.arange(16) // 3, -1).ravel(),
    (12, 16),
)
EVENTS = 3


def alone(actor):
    m = actor.module
    given, taken = (m.intervals(p["y" if p is m.outputs else "x"]) for p in (m.outputs, m.inputs))
    links = (
        Link((OUTSIDE, "x"), (0, "x"), taken, int(actor.timing.beats_in[0]), 0),
        Link((0, "y"), (OUTSIDE, "y"), given, int(actor.timing.beats_out[0]), 2),
    )
    network = Network(f"{actor.name}_top", (actor,), links, ("x",), ("y",))
    cycles = simulate(network)
    return assemble(network, cycles.latency, cycles.interval), cycles


def windows(data):
    found = np.zeros((EVENTS, len(RASTER.ends), 9, 2), np.int64)
    at = RASTER.ends[:, None] - RASTER.offsets
    found[:, RASTER.inside] = data[:, at[RASTER.inside]]
    return found.reshape(EVENTS, -1, 18)


def read(data):
    return np.where(WALK.inside[:, None], data[:, WALK.source.clip(0, WALK.beats - 1)], 0)


def pooled(data):
    return np.stack([data[:, POOL.target == k].max(1) for k in range(len(POOL.ends))], axis=1)


def largest(m, a, b):
    return m.select(m.less(a, b), b, a)


CASES = {
    "lines": (line_windows("lines", TYPES, RASTER), windows),
    "blocks": (line_windows("blocks", TYPES, RASTER, style="block"), windows),
    "reader": (reader("reader", TYPES, WALK), read),
    "deep": (reader("deep", TYPES, WALK, 256, style="block"), read),
    "pool": (collect("pool", TYPES, TYPES, POOL, largest), pooled),
}


def test_actors_in_verilator():
    rng = np.random.default_rng(0)
    designs, stimuli, wanted = [], [], []
    for name, (actor, answer) in CASES.items():
        top, cycles = alone(actor)
        beats = int(actor.timing.beats_in[0])
        data = rng.integers(TYPES.lo, TYPES.hi + 1, (EVENTS, beats, 2))
        result = answer(data)
        packed = pack_beats(top, {"x": data.reshape(-1, 2)})
        count = result.shape[0] * result.shape[1]
        sources = emit_verilog(top)
        design = stream_design(top, top_name(top), sources)
        for stalls in (False, True):
            gaps = {"x": rng.integers(0, 2, EVENTS * beats)} if stalls else {}
            ready = {"y": random_ready(0.3, 5)} if stalls else {}
            designs.append(design)
            stimuli.append(StreamStimulus(packed, {"y": count}, gaps, ready))
            wanted.append((name, stalls, top, cycles, result))
    found = simulate_streams(designs, stimuli, patience=300)
    for response, (name, stalls, top, cycles, result) in zip(found, wanted, strict=True):
        assert not response.deadlock, name
        seen = unpack_beats(top, response.beats)["y"]
        assert np.array_equal(seen.reshape(result.shape), result), name
        if not stalls:
            ends = response.output_cycle["y"][result.shape[1] - 1 :: result.shape[1]]
            assert ends[0] - response.accept_cycle["x"][0] == cycles.latency, name
            assert (np.diff(ends) == np.diff(cycles.finished)[: EVENTS - 1]).all(), name
