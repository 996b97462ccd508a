"""Symbolic expressions for a requested output error."""

from __future__ import annotations

from dataclasses import asdict

from bench.context import Bench
from bench.expressions import ERRORS, SIXTEEN, measure
from bench.record import Row, Target


def run(bench: Bench) -> list[Row]:
    """Measure the errors, one row each."""
    rows = []
    for most in ERRORS[: 1 if bench.quick else None]:
        bench.tell(f"expression of {SIXTEEN.name}, error {most:g}")
        m = measure(SIXTEEN, most, synth=not bench.quick)
        luts = "" if m.synthesised is None else f", {m.synthesised:,} LUT synthesised"
        rows.append(
            Row(
                f"expression of {SIXTEEN.name}, max_error {most:g}: worst error found",
                f"{m.worst:.2g} (bound {m.derived:.3g}); {m.ns:g} ns{luts}",
                Target(f"at most {most:g}", most=most), m.worst,
                note=f"{m.tried:,} inputs of {SIXTEEN.format}, random and corners, against NumPy "
                f"in float64; {m.cycles} cycles simulated at 200 MHz, {m.fmax:.0f} MHz estimated; "
                f"{m.estimated:,.0f} LUT and {m.ff:,} FF estimated; `{SIXTEEN.text}`",
                facts=asdict(m),
            )
        )  # fmt: skip
    return rows
