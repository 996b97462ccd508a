"""What a stream design may take, and what one that was built takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gatewright.base import OptionError
from gatewright.flow.options import Options
from gatewright.hw import Module
from gatewright.passes.netlist import total_resources

NAMES = {"lut": "LUTs", "dsp": "DSP blocks", "bram": "block memories", "cycles": "cycles"}


@dataclass(frozen=True)
class StreamNeed:
    """What a network takes; `planned` is the interval that it was planned for."""

    planned: int
    lut: int
    dsp: int
    bram: float
    cycles: int
    interval: int

    @classmethod
    def of(cls, module: Module, options: Options, planned: int) -> StreamNeed:
        """Count a module, by estimate."""
        total = total_resources(module, options.device.family)
        return cls(
            planned, round(total.lut), total.dsp, total.bram, module.latency, module.interval
        )

    def __str__(self) -> str:
        return (
            f"{self.lut:,} LUT, {self.dsp:,} DSP, {self.bram:,g} BRAM, {self.cycles:,} cycles, "
            f"an event every {self.interval:,}"
        )

    def excess(self, options: Options, asked: bool = False) -> dict[str, float]:
        """Return by how much it exceeds each limit.

        Args:
            options: with the limits.
            asked: count only limits that the user set, not what the device has.
        """
        most = limits(options, asked)
        over = {k: getattr(self, k) - limit for k, limit in most.items() if limit is not None}
        return {k: by for k, by in over.items() if by > 0}

    def facts(self, options: Options) -> dict[str, Any]:
        """Return a row for the table of plans."""
        return {
            "plan": f"streams planned for an event every {self.planned:,} cycles", "reuse": 1,
            "lut": self.lut, "dsp": self.dsp, "bram": self.bram, "cycles": self.cycles,
            "ns": self.cycles * options.clock_ns, "interval": self.interval,
            "excess": self.excess(options),
        }  # fmt: skip


def limits(options: Options, asked: bool = False) -> dict[str, int | None]:
    """Return the limit on each resource; None: none."""
    device = options.device
    most: dict[str, int | None] = {
        "lut": options.max_luts, "dsp": options.max_dsps, "bram": options.max_brams,
        "cycles": options.most_cycles,
    }  # fmt: skip
    if not asked:
        there = {"lut": device.lut, "dsp": device.dsp, "bram": device.bram}
        most |= {k: n for k, n in there.items() if most[k] is None}
    return most


def refusal(tried: list[StreamNeed], options: Options, name: str) -> OptionError:
    """Return the error that tells of the plan that comes nearest to the limits."""
    most = limits(options, asked=True)

    def share(need: StreamNeed) -> float:
        over = need.excess(options, asked=True)
        return sum(by / max(most[k] or 0, 1) for k, by in over.items())

    nearest = min(tried, key=share)
    over = nearest.excess(options, asked=True)
    remedies = [f"allow {getattr(nearest, k):,} {NAMES[k]}" for k in over]
    if options.interval is not None and "cycles" not in over:
        remedies.append(f"give a larger ii than {options.interval:,}")
    return OptionError(
        "no design on streams fits the limits",
        place=name,
        found=f"{nearest} (estimated)"
        + (f"; the nearest of {len(tried)} plans" if len(tried) > 1 else ""),
        supported="; ".join(f"{most[k]:,} {NAMES[k]}, {by:,g} fewer" for k, by in over.items()),
        remedy="; ".join(remedies),
    )


def budget_facts(need: StreamNeed, tried: list[StreamNeed], options: Options) -> dict[str, Any]:
    """Return the limits and the plans that were looked at, as plain data."""
    most, over = limits(options), need.excess(options)
    return {
        "max_luts": most["lut"],
        "max_luts_from": "asked for" if options.max_luts is not None else options.device.name,
        "max_dsps": options.max_dsps,
        "max_brams": options.max_brams,
        "max_latency": options.max_latency,
        "max_cycles": most["cycles"],
        "status": "estimated",
        "chosen": need.facts(options)["plan"],
        "fits": not over,
        "excess": over,
        "plans": [row.facts(options) for row in tried or [need]],
        "note": "",
    }
