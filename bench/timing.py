"""Time several ways of doing one thing on a machine that others use as well."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Times:
    """Seconds of each repetition, on the clock and of processors."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median on the clock."""
        return statistics.median(self.wall)

    @property
    def cpu_median(self) -> float:
        """Median of processor time."""
        return statistics.median(self.cpu)

    def spread(self) -> str:
        """Return `1.2 s (1.1 to 1.6)`: median, least, most."""
        return f"{self.median:.3g} s ({min(self.wall):.3g} to {max(self.wall):.3g})"

    def rate(self, count: int) -> str:
        """Return millions of items a second: median, slowest, fastest."""
        slowest, fastest = count / max(self.wall) / 1e6, count / min(self.wall) / 1e6
        return f"{count / self.median / 1e6:.3g} M/s ({slowest:.3g} to {fastest:.3g})"

    def plain(self) -> dict[str, Any]:
        """Return plain data."""
        return {"wall_seconds": self.wall, "cpu_seconds": self.cpu}


def alternate(ways: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Times]:
    """Run each way in turn, `repeats` times round, starting each round with another one.

    What else the machine does then falls on all of them alike.
    """
    names = list(ways)
    wall: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    for number in range(repeats):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            gc.collect()
            begin, used = time.perf_counter(), _cpu()
            ways[name]()
            wall[name].append(time.perf_counter() - begin)
            cpu[name].append(_cpu() - used)
    return {name: Times(tuple(wall[name]), tuple(cpu[name])) for name in names}


def _cpu() -> float:
    """Return processor seconds of this process and of the children that ended."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


@contextmanager
def one_core() -> Iterator[bool]:
    """Keep this process on one processor; yield whether the system lets us."""
    if not hasattr(os, "sched_setaffinity"):
        yield False
        return
    before = os.sched_getaffinity(0)
    held = False
    with suppress(OSError):
        os.sched_setaffinity(0, {min(before)})
        held = True
    try:
        yield held
    finally:
        if held:
            os.sched_setaffinity(0, before)
