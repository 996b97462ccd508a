"""Line windows give an image's windows, a pixel a step, in the cycles of the model."""

import numpy as np
import pytest

from gatewright.hw import Simulator
from gatewright.hw.check import check
from gatewright.num import Intervals
from gatewright.streams import OUTSIDE, Link, Network, Raster, assemble, line_windows, simulate


def one_actor(actor, types, events, depths=(0, 0)):
    """Return a network of one actor with one input and one output."""
    m = actor.module
    given = m.intervals(m.outputs["y"])
    links = (
        Link((OUTSIDE, "x"), (0, "x"), types, int(actor.timing.beats_in[0]), depths[0]),
        Link((0, "y"), (OUTSIDE, "y"), given, int(actor.timing.beats_out[0]), depths[1]),
    )
    return Network("top", (actor,), links, ("x",), ("y",))


def run(top, beats, wanted, stalls, seed=0):
    rng = np.random.default_rng(seed)
    simulator = Simulator(top)
    simulator.reset()
    given, taken, first, out = 0, [], None, []
    types = top.intervals(top.inputs["x"])
    for cycle in range(20_000):
        offered = given < len(beats) and rng.random() >= stalls
        data = beats[given] if offered else rng.integers(types.lo, types.hi + 1)
        ready = rng.random() >= stalls
        found = simulator.step(
            {
                "x_valid": np.array([[int(offered)]]),
                "x": data[None],
                "y_ready": np.array([[int(ready)]]),
            }
        )
        if offered and found["x_ready"][0, 0]:
            first = cycle if first is None else first
            given += 1
        if ready and found["y_valid"][0, 0]:
            taken.append(found["y"][0])
            out.append(cycle - first)
        if len(taken) == wanted:
            return np.array(taken), out
    raise AssertionError("locked up")


def compare(actor, data, wanted, stalls=(0.0, 0.4)):
    """Hold an actor to (events, beats, elements) of its output, and to the model's cycles."""
    events = len(data)
    m = actor.module
    types = m.intervals(m.inputs["x"])
    network = one_actor(actor, types, events)
    cycles = simulate(network, events=events)
    assert not cycles.locked
    top = assemble(network, cycles.latency, cycles.interval)
    check(top)
    beats = wanted.shape[1]
    for stall in stalls:
        found, out = run(top, data.reshape(-1, data.shape[-1]), events * beats, stall)
        assert np.array_equal(found.reshape(wanted.shape), wanted)
        if not stall:
            ends = np.array(out)[beats - 1 :: beats]
            assert ends[0] == cycles.latency
            assert np.array_equal(np.diff(ends), np.diff(cycles.finished))
    return cycles


def windows_of(images, r):
    """Cut windows in the plainest way; `images` is (events, *spatial, channels)."""
    rank = len(r.spatial)
    around = [(0, 0), *zip(r.before, r.after, strict=True), (0, 0)]
    padded = np.pad(images, around)
    found = []
    for at in np.ndindex(*r.counts):
        taps = [
            padded[
                (
                    slice(None),
                    *(at[i] * r.strides[i] + k[i] * r.dilation[i] for i in range(rank)),
                )
            ]
            for k in np.ndindex(*r.kernel)
        ]
        found.append(np.concatenate(taps, axis=1))
    return np.stack(found, axis=1)


def raster(spatial, kernel, strides=None, dilation=None, before=None, after=None):
    rank = len(spatial)
    ones, none = (1,) * rank, (0,) * rank
    return Raster(spatial, kernel, strides or ones, dilation or ones, before or none, after or none)


SAME = {"before": (1, 1), "after": (1, 1)}
CASES = [
    raster((6, 7), (3, 3)),
    raster((9, 8), (3, 3), **SAME),
    raster((8, 8), (3, 3), (2, 2), before=(0, 0), after=(1, 1)),
    raster((7, 8), (3, 3), (2, 2), **SAME),
    raster((7, 9), (3, 2), (1, 2), (2, 3)),
    raster((5, 9), (5, 5), before=(2, 2), after=(2, 2)),
    raster((6, 6), (2, 2), (2, 2)),
    raster((6, 5), (1, 1), (2, 2)),
    raster((4, 9), (2, 3), before=(1, 2), after=(0, 0)),
    raster((12,), (5,), before=(2,), after=(2,)),
    raster((12,), (3,), (2,), (2,)),
    raster((9,), (4,), before=(3,)),
    raster((3, 4, 5), (2, 2, 2)),
    raster((4, 4, 4), (3, 3, 3), before=(1, 1, 1), after=(1, 1, 1)),
    raster((5, 5), (5, 5)),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_line_windows(case):
    r = CASES[case]
    channels = 1 + case % 3
    types = Intervals.of([-8, 0, 2][:channels], [7, 15, 2][:channels], 0)
    actor = line_windows("cut", types, r)
    rng = np.random.default_rng(case)
    images = rng.integers(types.lo, types.hi + 1, (4, *r.spatial, channels))
    compare(actor, images.reshape(4, -1, channels), windows_of(images, r))


def test_steps_of_an_event():
    """Padding before an image takes no step, padding behind it those of its windows alone."""
    byte = Intervals.of([0], [255], 0)
    valid = line_windows("v", byte, raster((32, 32), (3, 3))).timing
    same = line_windows("s", byte, raster((32, 32), (3, 3), **SAME)).timing
    assert valid.steps == 1024
    assert same.steps == 1024 + 32 + 1
