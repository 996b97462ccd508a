"""Find a plan within the limits: parallel, with DSP blocks, then folded further and further."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from gatewright.arch.limits import Limits, Need
from gatewright.arch.offload import Lowered
from gatewright.arch.planner import Planned
from gatewright.base import OptionError
from gatewright.hw import Module
from gatewright.passes.netlist import Resources, total_resources

MORE_BLOCKS = (1.0, 2.0, 4.0, 8.0)
"""How many more DSP blocks are tried to see if they would help, in guesses of what is needed."""

SAVED_BY_BLOCK = 16
"""LUTs that a block saves, for a first guess."""


@dataclass(frozen=True, eq=False)
class Built:
    """A circuit that was built for a plan.

    Attributes:
        planned: the plan.
        lowered: the circuit before registers were placed.
        module: the circuit with registers.
    """

    planned: Planned
    lowered: Lowered
    module: Module

    @cached_property
    def need(self) -> Need:
        """What it takes."""
        return need_of(self.planned, self.module, total_resources(self.module))


def need_of(planned: Planned, module: Module, total: Resources) -> Need:
    """Return what a circuit with its registers takes, of its resources."""
    reuse = max((c.plan.reuse for c in planned.choices), default=1)
    return Need(reuse, round(total.lut), total.dsp, module.latency, module.interval)


@dataclass(frozen=True, eq=False)
class Tried:
    """A plan that was looked at.

    Attributes:
        need: what it takes.
        excess: by how much that is too much.
        share: the same as a share of the limits, added up.
    """

    need: Need
    excess: dict[str, int]
    share: float


Build = Callable[[int | None, int], Built]
"""Builds for a reuse factor (None: by size) and for so many DSP blocks."""

ByClock = Callable[[Built], str]
"""Says at which clock a circuit would meet the latency limit; empty where at none."""


@dataclass(eq=False)
class Budget:
    """Search for a plan within limits.

    Args:
        build: makes a circuit.
        limits: what it may take.
        reuse: the reuse factor that the user fixed, or None.
        most: the largest reuse factor there is; 1 where nothing folds.
        parallel: whether a parallel circuit is small enough to be tried where it was not planned.
        most_blocks: DSP blocks of the device.
        by_clock: looks for another clock.
    """

    build: Build
    limits: Limits
    reuse: int | None
    most: int
    parallel: bool
    most_blocks: int
    by_clock: ByClock
    tried: list[Tried] = field(default_factory=list)
    nearest: Built | None = None

    def find(self) -> Built:
        """Return the first circuit that fits; of none that fit only a limit of ours, the first.

        Raises:
            OptionError: nothing fits the limits that the user set; it says by how much, and what
                would help.
        """
        first = self._try(self.reuse, self.limits.dsps)
        if not self.tried[0].excess:
            return first
        for reuse, dsps in self._others(first.need):
            built = self._attempt(reuse, dsps)
            if built is not None and not self.limits.excess(built.need):
                return built
            if "lut" in self.tried[0].excess and self._is_flat():
                break
        if not self.limits.refused(first.need):
            return first
        raise self._refusal(first.need)

    def _is_flat(self) -> bool:
        """Whether folding further has stopped to help: then the weights' memory is what counts."""
        luts = [t.need.lut for t in self.tried]
        return len(luts) > 3 and luts[-3] <= luts[-2] <= luts[-1]

    def _try(self, reuse: int | None, dsps: int) -> Built:
        built = self.build(reuse, dsps)
        need, excess = built.need, self.limits.excess(built.need)
        most = {"lut": self.limits.luts, "dsp": self.limits.dsps, "cycles": self.limits.cycles}
        share = sum(by / max(most[what] or 0, 1) for what, by in excess.items())
        self.tried.append(Tried(need, excess, share))
        if share <= min(t.share for t in self.tried[:-1] or self.tried):
            self.nearest = built
        return built

    def _attempt(self, reuse: int | None, dsps: int) -> Built | None:
        """Build; None where that is impossible (a latency asked for that folding exceeds)."""
        try:
            return self._try(reuse, dsps)
        except OptionError:
            return None

    def _others(self, first: Need) -> Iterator[tuple[int | None, int]]:
        """Return what else may be tried, in order."""
        over = self.limits.excess(first)
        if "cycles" in over and first.dsp:
            yield self.reuse, 0  # a product in a block lasts longer than its adders
        if self.reuse is not None:
            return
        if "lut" in over:
            for reuse in ladder(first.reuse, self.most):
                if self.limits.cycles is not None and reuse > self.limits.cycles:
                    return
                yield reuse, self.limits.dsps
        elif "cycles" in over:
            yield from ((reuse, self.limits.dsps) for reuse in self._lower(first.reuse))

    def _lower(self, reuse: int) -> Iterator[int]:
        """Return smaller reuse factors, largest first."""
        yield from reversed([r for r in ladder(1, self.most) if r < reuse])
        if reuse > 1 and self.parallel:
            yield 1

    # ---- what to say where nothing fits

    def _refusal(self, first: Need) -> OptionError:
        """Return an error that tells of the plan that comes nearest to the limits."""
        nearest = next(t for t in self.tried if self.nearest and t.need == self.nearest.need)
        what = {
            frozenset({"lut"}): "the design needs more LUTs than it may take",
            frozenset({"cycles"}): "the design takes longer than it may",
        }
        return OptionError(
            what.get(frozenset(nearest.excess), "no design fits the limits"),
            found=f"{nearest.need} (estimated; {nearest.need.shape})"
            + (f"; the nearest of {len(self.tried)} plans" if len(self.tried) > 1 else ""),
            supported="; ".join(self._limit(k, by) for k, by in nearest.excess.items()),
            remedy="; ".join(self._remedies(nearest, first)),
        )

    def _limit(self, what: str, by: int) -> str:
        if what == "lut":
            return f"max_luts = {self.limits.luts:,}, {by:,} fewer"
        if what == "dsp":
            return f"max_dsps = {self.limits.dsps:,}, {by:,} fewer"
        return f"max_latency = {self.limits.latency}, {by:,} cycle{'s' if by > 1 else ''} less"

    def _remedies(self, nearest: Tried, first: Need) -> Iterator[str]:
        """Return what would fit, each tried."""
        if "lut" in nearest.excess:
            found = self._with_blocks(first)
            if found:
                yield f"with {found.dsp:,} DSPs it would fit ({found})"
            found = self._folded(first)
            if found:
                yield f"with reuse = {found.reuse} it takes {found}"
        if "cycles" in nearest.excess:
            if self.nearest is not None and (said := self.by_clock(self.nearest)):
                yield said
            found = self._less_folded(first)
            if found:
                yield f"with reuse = {found.reuse} it takes {found}"
            least = min(t.need.cycles for t in self.tried)
            yield f"the least latency at this clock is {least:,} cycles"
        if "lut" in nearest.excess:
            luts = [t.need.lut for t in self.tried if "cycles" not in t.excess]
            yield f"allow at least {min(luts, default=nearest.need.lut):,} LUTs"

    def _fits(self, reuse: int | None, dsps: int, allowed: Limits) -> Need | None:
        try:
            need = self.build(reuse, dsps).need
        except OptionError:
            return None
        return None if allowed.excess(need) else need

    def _with_blocks(self, first: Need) -> Need | None:
        """Return the design with more DSP blocks than are allowed, where that fits."""
        missing = max(first.lut - self.limits.luts, 1)
        seen = first.dsp
        for times in MORE_BLOCKS:
            dsps = min(first.dsp + int(times * missing) // SAVED_BY_BLOCK + 1, self.most_blocks)
            if dsps <= max(seen, self.limits.dsps):
                return None
            allowed = Limits(self.limits.luts, dsps, self.limits.cycles)
            found = self._fits(self.reuse, dsps, allowed)
            if found:
                return found
            seen = dsps
        return None

    def _folded(self, first: Need) -> Need | None:
        """Return the first design of a larger reuse factor that fits, where the user fixed it."""
        if self.reuse is None:
            return None
        for reuse in ladder(first.reuse, self.most):
            found = self._fits(reuse, self.limits.dsps, self.limits)
            if found:
                return found
        return None

    def _less_folded(self, first: Need) -> Need | None:
        """Return a design of a smaller reuse factor that fits, where the user fixed it."""
        if self.reuse is None:
            return None
        for reuse in self._lower(first.reuse):
            found = self._fits(reuse, self.limits.dsps, self.limits)
            if found:
                return found
        return None


def ladder(above: int, most: int) -> Iterator[int]:
    """Return 2, 3, 4, 6, 8, 12, 16, ...: the reuse factors above one and up to another."""
    step = 2
    while step <= most:
        for reuse in (step, step * 3 // 2):
            if above < reuse <= most and reuse >= 2:
                yield reuse
        step *= 2
    if above < most and most not in (step // 2, step * 3 // 4):
        yield most
