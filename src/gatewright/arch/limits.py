"""What a design may take at most, and what one that was tried takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The budget of a design. All figures are estimates of the circuit, before synthesis.

    Attributes:
        luts: lookup tables.
        dsps: DSP blocks; with 0 none is used.
        cycles: latency from input to answer; None: any.
        luts_asked: whether the user set `luts`; otherwise it is what the device has, and a design
            that does not fit is told of, not refused.
        latency: the latency as the user gave it, for messages.
    """

    luts: int
    dsps: int = 0
    cycles: int | None = None
    luts_asked: bool = False
    latency: str = ""

    def excess(self, need: Need) -> dict[str, int]:
        """Return by how much a design exceeds each limit; empty where it fits."""
        over = {"lut": need.lut - self.luts, "dsp": need.dsp - self.dsps}
        if self.cycles is not None:
            over["cycles"] = need.cycles - self.cycles
        return {what: by for what, by in over.items() if by > 0}

    def refused(self, need: Need) -> bool:
        """Whether a design breaks a limit that the user set."""
        over = self.excess(need)
        return "dsp" in over or "cycles" in over or ("lut" in over and self.luts_asked)


@dataclass(frozen=True)
class Need:
    """What a design takes.

    Attributes:
        reuse: reuse factor of the layers that fold, the largest.
        lut, dsp: estimated.
        cycles: latency; interval: II.
    """

    reuse: int
    lut: int
    dsp: int
    cycles: int
    interval: int

    @property
    def shape(self) -> str:
        """How it is built, in a few words."""
        blocks = f", {self.dsp:,} DSP" if self.dsp else ""
        return ("parallel" if self.reuse == 1 else f"reuse {self.reuse}") + blocks

    def __str__(self) -> str:
        return f"{self.lut:,} LUT, {self.dsp:,} DSP, {self.cycles:,} cycles, II = {self.interval:,}"
