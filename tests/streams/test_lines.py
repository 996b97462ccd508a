"""Line windows give an image's windows, a pixel a step, in the cycles of the model."""

import numpy as np
import pytest
from tests.streams.actor_runs import compare

from gatewright.num import Intervals
from gatewright.streams import Raster, line_windows


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
    raster((4, 6), (3, 3), **SAME),
    raster((6, 6), (3, 3), (2, 2), before=(0, 0), after=(1, 1)),
    raster((5, 7), (3, 3), (2, 2), **SAME),
    raster((7, 9), (3, 2), (1, 2), (2, 3)),
    raster((5, 6), (5, 3), before=(2, 1), after=(2, 1)),
    raster((6, 6), (2, 2), (2, 2)),
    raster((6, 5), (1, 1), (2, 2)),
    raster((4, 9), (2, 3), before=(1, 2), after=(0, 0)),
    raster((12,), (5,), before=(2,), after=(2,)),
    raster((12,), (3,), (2,), (2,)),
    raster((9,), (4,), before=(3,)),
    raster((3, 4, 5), (2, 2, 2)),
    raster((3, 3, 3), (3, 2, 3), before=(1, 0, 1), after=(1, 1, 1)),
    raster((5, 5), (5, 5)),
]


@pytest.mark.parametrize(
    "case",
    [pytest.param(n, marks=[pytest.mark.slow] if n in (5, 13) else []) for n in range(len(CASES))],
)
def test_line_windows(case):
    r = CASES[case]
    channels = 1 + case % 3
    types = Intervals.of([-8, 0, 2][:channels], [7, 15, 2][:channels], 0)
    actor = line_windows("cut", types, r)
    rng = np.random.default_rng(case)
    images = rng.integers(types.lo, types.hi + 1, (3, *r.spatial, channels))
    compare(actor, images.reshape(3, -1, channels), windows_of(images, r))


def test_steps_of_an_event():
    """Padding before an image takes no step, padding behind it those of its windows alone."""
    byte = Intervals.of([0], [255], 0)
    valid = line_windows("v", byte, raster((32, 32), (3, 3))).timing
    same = line_windows("s", byte, raster((32, 32), (3, 3), **SAME)).timing
    assert valid.steps == 1024
    assert same.steps == 1024 + 32 + 1


LANES = [
    (raster((3, 8), (3, 3), **SAME), 2, 2),
    (raster((3, 8), (3, 3), **SAME), 4, 4),
    (raster((4, 6), (3, 3)), 2, 2),
    (raster((4, 6), (3, 3), (1, 2), before=(1, 0), after=(1, 1)), 2, 1),
    (raster((4, 8), (2, 2), (2, 2)), 4, 2),
    (raster((12,), (3,), before=(1,), after=(1,)), 3, 3),
]


@pytest.mark.parametrize("case", range(len(LANES)))
def test_several_pixels_a_step(case):
    r, pixels, windows = LANES[case]
    types = Intervals.of([-8, 0] * pixels, [7, 15] * pixels, 0)
    actor = line_windows("cut", types, r, pace=r.pace(pixels, windows))
    rng = np.random.default_rng(case)
    images = rng.integers(types.lo[:2], types.hi[:2] + 1, (3, *r.spatial, 2))
    found = windows_of(images, r)
    data = images.reshape(3, -1, 2 * pixels)
    compare(actor, data, found.reshape(3, -1, windows * found.shape[2]))


def test_windows_that_do_not_stand_alike_in_the_steps_have_no_pace():
    assert raster((3, 8), (3, 3), **SAME).pace(2, 1) is None
    assert raster((4, 8), (3, 3)).pace(2, 2) is not None
    assert raster((4, 8), (3, 3)).pace(4, 4) is None
    assert raster((3, 9), (3, 3), **SAME).pace(2, 2) is None
