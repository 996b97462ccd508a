"""Samples with `valid`: latency, interval, gaps, and garbage in between."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.base import VerificationError
from gatewright.hw import VALID_IN, VALID_OUT, Module, run_stream
from gatewright.num import Intervals


def delayed(latency: int, interval: int = 1, reset: bool = True) -> Module:
    """Add one after some cycles."""
    m = Module("delayed", latency=latency, interval=interval)
    (valid,) = m.input(VALID_IN, Intervals.of([0], [1], 0))
    (x,) = m.input("x", Intervals.of([-8], [7], 0))
    y = m.add(x, m.constant(1))
    for _ in range(latency):
        fresh, marks = m.register(m.range(y)), m.register((0, 1, 0), 0 if reset else None)
        m.connect(fresh, y)
        m.connect(marks, valid)
        y, valid = fresh, marks
    m.output(VALID_OUT, [valid])
    m.output("y", [y])
    return m


SAMPLES = {"x": np.arange(-8, 8)[:, None]}


@pytest.mark.parametrize("latency", [0, 1, 5])
@pytest.mark.parametrize("interval", [1, 3])
@pytest.mark.parametrize("gappy", [False, True])
def test_every_result_comes_after_the_latency(latency, interval, gappy):
    gaps = np.arange(16) % 3 if gappy else None
    result = run_stream(delayed(latency, interval), SAMPLES, gaps)
    np.testing.assert_array_equal(result.outputs["y"], SAMPLES["x"] + 1)
    assert set((result.output_cycle - result.accept_cycle).tolist()) == {latency}
    spacing = np.diff(result.accept_cycle)
    wanted = interval + (gaps[1:] if gappy else np.zeros(15))
    assert spacing.tolist() == wanted.tolist()


def test_results_of_before_reset_do_not_count():
    """Marks that no reset clears come out of the warm-up, and nowhere else."""
    result = run_stream(delayed(3, reset=False), SAMPLES)
    assert len(result.outputs["y"]) == 16


def test_a_pipeline_that_is_not_drained_gives_fewer_results():
    result = run_stream(delayed(5), SAMPLES, drain=2)
    assert (len(result.accept_cycle), len(result.output_cycle)) == (16, 13)
    nothing = run_stream(delayed(5), {"x": SAMPLES["x"][:2]}, drain=0)
    assert nothing.outputs["y"].shape == (0, 1)


def test_ranges_are_checked_while_it_runs():
    m = delayed(2)
    m.hi[m.outputs["y"][0]] = 5
    with pytest.raises(VerificationError, match="left the range"):
        run_stream(m, SAMPLES)
