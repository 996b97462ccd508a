"""Thresholds of channels that come one after the other: each phase counts its own."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.blocks.phased_thresholds import phased_code
from gatewright.hw import Module, evaluate
from gatewright.hw.check import check
from gatewright.num import Intervals
from gatewright.ops import Requantize


def counted(thresholds, falling, lo, hi, frac=0, point=0, first=-2, step=1):
    """Build, run every number in every phase, and return (codes found, codes wanted)."""
    m = Module("m")
    phases = len(thresholds)
    (a,) = m.input("a", Intervals.of([lo], [hi], [point]))
    (phase,) = m.input("phase", Intervals.of([0], [phases - 1], [0]))
    code = phased_code(
        m, a, phase, thresholds, frac, first=first, step=step, falling=np.asarray(falling)
    )
    m.output("y", [code])
    check(m)
    q, p = (v.ravel() for v in np.meshgrid(np.arange(lo, hi + 1), np.arange(phases)))
    found = evaluate(m, {"a": q[:, None], "phase": p[:, None]})["y"][:, 0] << -m.frac[code]
    sign = np.where(np.asarray(falling)[p], -1, 1) * (q << (frac - point))
    wanted = first + step * (sign[:, None] >= thresholds[p]).sum(1)
    return found, wanted


@pytest.mark.parametrize("levels", [1, 3, 7, 20])
@pytest.mark.parametrize("turned", [False, True])
def test_every_number_in_every_phase(levels, turned):
    rng = np.random.default_rng(levels)
    thresholds = np.sort(rng.integers(-40, 40, (6, levels)), axis=1)
    falling = np.arange(6) % 2 == 1 if turned else np.zeros(6, bool)
    found, wanted = counted(thresholds, falling, -30, 25)
    np.testing.assert_array_equal(found, wanted)


def test_what_is_never_or_always_reached_in_any_phase():
    thresholds = np.array([[-90, -80, 1, 70, 80], [-70, -60, -2, 5, 90], [-70, 50, 51, 60, 90]])
    found, wanted = counted(thresholds, [False] * 3, -8, 7, step=2)
    np.testing.assert_array_equal(found, wanted)
    found, wanted = counted(thresholds[:2, :2], [False] * 2, -8, 7)
    np.testing.assert_array_equal(found, wanted)


def test_thresholds_on_a_finer_grid():
    thresholds = np.array([[-7, 2, 3], [1, 2, 9]])
    found, wanted = counted(thresholds, [False, True], -6, 6, frac=3, point=1)
    np.testing.assert_array_equal(found, wanted)


def test_one_channel_for_all_has_no_phases():
    op = Requantize(np.array([[0, 4]]), np.array([False]), 0)
    assert op.lower_parts(Module("m"), phase=0, parts=2) is None
