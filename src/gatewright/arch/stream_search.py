"""Find the plan of a stream design that meets an interval, a latency and a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from gatewright.arch.devices import Device
from gatewright.arch.stream_cost import Cost
from gatewright.arch.stream_plan import StreamPlan, plan_streams
from gatewright.base import OptionError
from gatewright.ir import Graph, Plan

TRIES = 12
"""Designs that are built at most, each some seconds."""

SLOWEST = 1 << 22
"""Longest interval that is looked at: 20 ms at 200 MHz."""


class Streamed(Protocol):
    """A design that was built for a plan: what the search looks at."""

    @property
    def interval(self) -> int:
        """Cycles between events, from the model of cycles."""

    @property
    def latency(self) -> int:
        """Cycles from an event's first beat to its last result."""

    @property
    def cost(self) -> Cost:
        """Estimated from the circuit."""


B = TypeVar("B", bound=Streamed)


@dataclass(frozen=True)
class StreamLimits:
    """What a stream design must meet; None: any.

    Attributes:
        interval: most cycles between events.
        latency: most cycles from the first beat to the last result.
        luts, dsps, brams: at most; brams in blocks of 36 kbit.
        asked: which of these the user set; others are what the device has.
    """

    interval: int | None = None
    latency: int | None = None
    luts: int | None = None
    dsps: int | None = None
    brams: float | None = None
    asked: frozenset[str] = frozenset()

    def excess(self, found: Streamed) -> dict[str, float]:
        """Return by how much a design exceeds each limit; empty where it fits."""
        have = {
            "interval": (found.interval, self.interval),
            "latency": (found.latency, self.latency),
            "LUT": (found.cost.lut, self.luts),
            "DSP": (found.cost.dsp, self.dsps),
            "BRAM": (found.cost.bram, self.brams),
        }
        return {
            what: value - most
            for what, (value, most) in have.items()
            if most is not None and value > most
        }

    def fits(self, cost: Cost) -> bool:
        """Whether a cost is within the budget."""
        pairs = ((cost.lut, self.luts), (cost.dsp, self.dsps), (cost.bram, self.brams))
        return all(most is None or value <= most for value, most in pairs)

    def __str__(self) -> str:
        parts = {
            "interval": self.interval, "latency": self.latency, "LUT": self.luts,
            "DSP": self.dsps, "BRAM": self.brams,
        }  # fmt: skip
        return ", ".join(f"{what} {most:,}" for what, most in parts.items() if most is not None)


@dataclass(eq=False)
class StreamSearch(Generic[B]):
    """Search for a plan.

    Attributes:
        graph: quantized.
        device: to be built for.
        limits: what the design must meet.
        build: makes a design of a plan.
        given: plans of single operations that are fixed.
    """

    graph: Graph
    device: Device
    limits: StreamLimits
    build: Callable[[StreamPlan], B]
    given: dict[str, Plan] = field(default_factory=dict)
    tried: list[tuple[int, B]] = field(default_factory=list)

    def find(self) -> tuple[StreamPlan, B]:
        """Return the first plan that meets the limits, the slowest that is fast enough first.

        Without a limit on interval or latency, the fastest that the budget allows.

        Raises:
            OptionError: none does; it says what the nearest and the smallest design need.
        """
        target = self._start()
        for _ in range(TRIES):
            plan, built = self._try(target)
            over = self.limits.excess(built)
            if not over:
                return plan, built
            following = self._next(target, built, over)
            if following is None:
                break
            target = following
        raise self._refusal()

    def _plan(self, target: int) -> StreamPlan:
        return plan_streams(self.graph, target, self.device, self.limits.dsps, self.given)

    def _try(self, target: int) -> tuple[StreamPlan, B]:
        plan = self._plan(target)
        built = self.build(plan)
        self.tried.append((target, built))
        return plan, built

    def _start(self) -> int:
        """Return the interval to begin with."""
        if self.limits.interval is not None:
            return self.limits.interval
        if self.limits.latency is not None:
            return max(1, self.limits.latency // 2)
        low, high = 1, SLOWEST
        while low < high:  # the shortest whose plan fits the budget, as estimated
            middle = (low + high) // 2
            if self.limits.fits(self._plan(middle).cost):
                high = middle
            else:
                low = middle + 1
        return low

    def _next(self, target: int, built: B, over: dict[str, float]) -> int | None:
        """Return the interval to try next; None where that cannot help."""
        faster = [
            int(target * most / have * 0.97)
            for what, have, most in (
                ("interval", built.interval, self.limits.interval),
                ("latency", built.latency, self.limits.latency),
            )
            if what in over and most is not None
        ]
        if faster:
            following = max(1, min(*faster, target - 1))
            slower = any(what in over for what in ("LUT", "DSP", "BRAM"))
            return None if slower or following >= target else following
        if self.limits.interval is not None and target >= self.limits.interval:
            return None  # slower than asked: no smaller design is fast enough
        share = max(
            have / max(most, 1)
            for have, most in (
                (built.cost.lut, self.limits.luts),
                (built.cost.dsp, self.limits.dsps),
                (built.cost.bram, self.limits.brams),
            )
            if most is not None
        )
        following = min(max(int(target * share * 1.05), target + 1), SLOWEST)
        return following if following > target else None

    def _refusal(self) -> OptionError:
        """Return an error that tells of the designs that were tried."""
        nearest = min(self.tried, key=lambda pair: self._share(pair[1]))[1]
        return OptionError(
            "no plan meets the limits",
            found="; ".join(self._figures(built) for _, built in self.tried[:6]),
            supported=str(self.limits),
            remedy="; ".join(self._remedies(nearest)),
        )

    def _share(self, built: B) -> float:
        over = self.limits.excess(built)
        limits = {
            "interval": self.limits.interval, "latency": self.limits.latency,
            "LUT": self.limits.luts, "DSP": self.limits.dsps, "BRAM": self.limits.brams,
        }  # fmt: skip
        return sum(by / max(limits[what] or 1, 1) for what, by in over.items())

    def _figures(self, built: B) -> str:
        cost = built.cost
        return (
            f"II {built.interval:,}, latency {built.latency:,} cycles at {cost.lut:,.0f} LUT, "
            f"{cost.dsp:,} DSP, {cost.bram:g} BRAM (estimated)"
        )

    def _remedies(self, nearest: B) -> Iterator[str]:
        """Return what would help, and what the smallest design needs."""
        over = self.limits.excess(nearest)
        have = {
            "interval": f"allow an interval of {nearest.interval:,} cycles",
            "latency": f"allow a latency of {nearest.latency:,} cycles",
            "LUT": f"allow {nearest.cost.lut:,.0f} LUT",
            "DSP": f"allow {nearest.cost.dsp:,} DSP",
            "BRAM": f"allow {nearest.cost.bram:g} BRAM",
        }
        yield " and ".join(have[what] for what in over)
        smallest = self._plan(SLOWEST).cost
        yield (
            f"the smallest plan needs about {smallest.lut:,.0f} LUT, {smallest.dsp:,} DSP and "
            f"{smallest.bram:g} BRAM (estimated from the plan)"
        )
