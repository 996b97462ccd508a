"""Run one actor with one input and one output in the interpreter, and hold it to the model."""

import numpy as np

from gatewright.hw import Simulator
from gatewright.hw.check import check
from gatewright.streams import OUTSIDE, Link, Network, assemble, simulate


def one_actor(actor, types, depths=(0, 0)):
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
            out.append(cycle)
        if len(taken) == wanted:
            return np.array(taken), np.array(out) - first
    raise AssertionError("locked up")


def compare(actor, data, wanted, stalls=(0.0, 0.4)):
    """Hold an actor to (events, beats, elements) of its output, and to the model's cycles."""
    events = len(data)
    m = actor.module
    types = m.intervals(m.inputs["x"])
    network = one_actor(actor, types)
    cycles = simulate(network, events=events)
    assert not cycles.locked
    top = assemble(network, cycles.latency, cycles.interval)
    check(top)
    beats = wanted.shape[1]
    for stall in stalls:
        found, out = run(top, data.reshape(-1, data.shape[-1]), events * beats, stall)
        assert np.array_equal(found.reshape(wanted.shape), wanted)
        if not stall:
            ends = out[beats - 1 :: beats]
            assert ends[0] == cycles.latency
            assert np.array_equal(np.diff(ends), np.diff(cycles.finished))
    return cycles
