"""Actors in simulated circuits take the cycles that the model tells, and give the right beats."""

import numpy as np
import pytest

from gatewright.hw import Simulator
from gatewright.hw.check import check
from gatewright.num import Intervals
from gatewright.streams.cycles import simulate
from gatewright.streams.network import OUTSIDE, Link, Network, assemble
from gatewright.streams.width import narrow, widen

BYTE = Intervals.of([-128], [127], 0)


def beats_of(kind, size):
    return Intervals(*(np.tile(v, size) for v in (kind.lo, kind.hi, kind.frac)))


def chain(actors, beats, types_in, types, depths):
    links = []
    for i in range(len(actors) + 1):
        source = (OUTSIDE, "x") if i == 0 else (i - 1, "y")
        target = (OUTSIDE, "y") if i == len(actors) else (i, "x")
        links.append(Link(source, target, types[i], beats[i], depths[i]))
    return Network("top", tuple(actors), tuple(links), ("x",), ("y",))


def run(top, beats, events, stalls=0.0, gaps=0.0, seed=0):
    """Run a top in the interpreter; return outputs, the first cycle in and the cycles out."""
    rng = np.random.default_rng(seed)
    simulator = Simulator(top)
    simulator.reset()
    given, taken, first, out = 0, [], None, []
    for cycle in range(100_000):
        if given < len(beats) and rng.random() >= gaps:
            offered, data = 1, beats[given]
        else:
            offered, data = 0, rng.integers(-128, 127, beats.shape[1])
        wanted = int(rng.random() >= stalls)
        found = simulator.step(
            {"x_valid": np.array([[offered]]), "x": data[None], "y_ready": np.array([[wanted]])}
        )
        if offered and found["x_ready"][0, 0]:
            first = cycle if first is None else first
            given += 1
        if wanted and found["y_valid"][0, 0]:
            taken.append(found["y"][0])
            out.append(cycle)
        if len(taken) == events:
            return np.array(taken), first, out
    raise AssertionError("locked up")


@pytest.mark.parametrize("depths", [(0, 0, 0), (1, 1, 1), (2, 2, 2), (5, 3, 1)])
@pytest.mark.parametrize("parts", [2, 3])
def test_narrow_then_widen(depths, parts):
    wide = beats_of(BYTE, 2 * parts)
    actors = [narrow("cut", wide, parts, 4), widen("join", beats_of(BYTE, 2), parts, 4 * parts)]
    network = chain(actors, [4, 4 * parts, 4], wide, [wide, beats_of(BYTE, 2), wide], depths)
    cycles = simulate(network)
    top = assemble(network, cycles.latency, cycles.interval)
    check(top)
    data = np.random.default_rng(1).integers(-128, 128, (16, 2 * parts))
    for stalls, gaps in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)):
        found, first, out = run(top, data, 16, stalls, gaps)
        assert np.array_equal(found, data)
        if stalls == gaps == 0:
            ends = np.array(out)[3::4]
            assert ends[0] - first == cycles.latency
            together = min(len(ends), len(cycles.finished))
            assert np.array_equal(
                np.diff(ends)[: together - 1], np.diff(cycles.finished[:together])
            )
