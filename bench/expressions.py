"""Measure expressions for a requested output error: bounds, errors, LUTs, cycles, clock.

    python -m bench.expressions [--synth] [--errors 0.01 0.001] [--clock 200]

Each error is compiled, verified (cycles simulated in RTL), and predicted for 100,000 random inputs
and their corners, which are held against the expression computed apart, by NumPy in float64.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import gatewright as gw
from gatewright.num import Fixed

Reals = NDArray[np.float64]

RANDOM, CORNERS = 100_000, 5_000
"""Inputs that are tried."""

ERRORS = (1e-2, 1e-3, 1e-4)


@dataclass(frozen=True)
class Case:
    """An expression that is measured.

    Attributes:
        name: in tables.
        text: what Gatewright reads.
        real: the same, written apart for NumPy: (samples, columns) to (samples,).
        columns: how many the input array has.
        format: of the inputs.
    """

    name: str
    text: str
    real: Callable[[Reals], Reals]
    columns: int
    format: str = "fixed<12,3>"


def _sixteen(x: Reals) -> Reals:
    c = x.T
    return np.asarray(
        2.5 * np.exp(-(c[0] ** 2) / 3) * c[13] + np.sin(c[1] * c[2] / 4) / (c[3] ** 2 + 1.5)
        - np.maximum(c[4], 0.3) * np.where(c[5] > 0, c[6], 0.0) + 3 * c[7] - c[8] * c[9]
        + c[10] / (c[11] ** 2 + 2) + np.tanh(c[12]) * np.cos(c[14]) + 0.37 * c[15]
    )  # fmt: skip


SIXTEEN = Case(
    "16 inputs",
    "2.5*exp(-x0^2/3)*x13 + sin(x1*x2/4)/(x3**2+1.5) - max(x4,0.3)*cond(x5, x6) + 3*x7 - x8*x9"
    " + x10/(x11^2+2) + tanh(x12)*cos(x14) + 0.37*x15",
    _sixteen,
    16,
)
"""Functions, two divisions, a choice and products of 16 inputs, as the target asks for."""


@dataclass(frozen=True)
class Measured:
    """What one error gave.

    Attributes:
        asked, derived, worst: output errors: requested, proven, and the largest that was found.
        tried: inputs that the last is of.
        estimated: LUTs of the circuit.
        ff: flip-flops, estimated.
        synthesised: LUTs of Yosys; None where it was not asked.
        cycles: simulated.
        ns: the same at the clock that was asked for.
        fmax: estimated, in MHz.
        seconds: of `gw.compile`, CPU.
    """

    asked: float
    derived: float
    worst: float
    tried: int
    estimated: float
    ff: int
    synthesised: int | None
    cycles: int
    ns: float
    fmax: float
    seconds: float


def inputs(case: Case, random: int = RANDOM, corners: int = CORNERS, seed: int = 0) -> Reals:
    """Return numbers of the input format: random ones, and ones of ends, zeros and neighbours."""
    fmt = Fixed.parse(case.format)
    rng = np.random.default_rng(seed)
    some = rng.integers(fmt.low, fmt.high, (random, case.columns), endpoint=True)
    ends = np.asarray([fmt.low, fmt.low + 1, -1, 0, 1, fmt.high - 1, fmt.high])
    return np.ldexp(np.concatenate([some, rng.choice(ends, (corners, case.columns))]), -fmt.frac)


def measure(case: Case, most: float, synth: bool = False, clock: float = 200.0) -> Measured:
    """Compile, verify and predict one expression for one error; synthesise it where asked."""
    started = time.process_time()
    design = gw.compile(
        gw.Expressions(case.text), max_error=most, input_format=case.format, clock=clock
    )
    seconds = time.process_time() - started
    x = inputs(case)
    worst = float(np.abs(design.predict(x).ravel() - case.real(x)).max())
    design.verify(random=200)
    facts = design.facts()
    assert facts["latency"]["status"] == "simulated", facts["latency"]
    return Measured(
        most, max(facts["quantization"]["derived"].values()), worst, len(x),
        facts["estimate"]["lut"], facts["estimate"]["ff"],
        design.synthesize(nodsp=True).total.lut if synth else None,
        design.latency, design.latency_ns, design.slowest_path.fmax, seconds,
    )  # fmt: skip


def line(m: Measured) -> str:
    """Return a row of the table."""
    cells = (
        f"{m.asked:g}", f"{m.derived:.3g}", f"{m.worst:.2g}", f"{m.estimated:,.0f}",
        "" if m.synthesised is None else f"{m.synthesised:,}", f"{m.ff:,}", f"{m.cycles}",
        f"{m.ns:g}", f"{m.fmax:.0f}", f"{m.seconds:.1f}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


HEAD = (
    "max_error", "derived", "worst found", "LUT estimated", "LUT synthesised", "FF estimated",
    "cycles simulated", "ns", "fmax estimated, MHz", "CPU s to compile",
)  # fmt: skip


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--synth", action="store_true", help="synthesise with Yosys (xcup, no DSP)")
    parser.add_argument("--errors", type=float, nargs="+", default=ERRORS)
    parser.add_argument("--clock", type=float, default=200.0, help="MHz")
    o = parser.parse_args()
    print(f"{SIXTEEN.name}, {SIXTEEN.format}, {RANDOM + CORNERS:,} inputs: {SIXTEEN.text}")
    print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}")
    for most in o.errors:
        print(line(measure(SIXTEEN, most, o.synth, o.clock)), flush=True)


if __name__ == "__main__":
    main()
