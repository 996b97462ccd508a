"""Windows in the planner: what an operation cuts, and how many windows must come at once."""

from __future__ import annotations

from gatewright.ir import Op
from gatewright.ops import Windows
from gatewright.passes.streams.chains import MovedChain, raster_of
from gatewright.streams import Raster


def cutting(op: Op, shape: tuple[int, ...]) -> Raster | None:
    """Return the windows that an operation cuts out of a tensor of a shape; None: it cuts none."""
    parts: tuple[Op, ...] = ()
    if isinstance(op, Windows | MovedChain):
        parts = (op,) if isinstance(op, Windows) else op.parts
    found = raster_of(parts, shape)
    return None if found is None else found[0]


def windows_at_once(raster: Raster, pixels: int, most_steps: int) -> int | None:
    """Return the fewest windows of a beat that keep the pace; None where no beats of some do.

    An image takes more steps than it has pixels where windows hang over its end.

    Args:
        raster: the windows.
        pixels: of a beat of the image, as it comes; as many as windows of a beat are joined.
        most_steps: that an image may take.
    """
    total = len(raster.ends)
    if not raster.is_in_order:
        return 1 if total <= most_steps else None
    width = raster.spatial[-1]
    for windows in (n for n in range(1, width + 1) if total % n == 0):
        for coming in range(windows, max(pixels, windows) + 1):
            pace = raster.pace(coming, windows) if width % coming == 0 else None
            if pace is not None and int(pace.steps[-1]) < most_steps:
                return windows
    return None
