"""Measure KANELÉ's jet tagger (16-8-5, 83 edges) against what its authors publish.

    python -m bench.table_networks [--flow area] [--flow fast] [--flow full] [--clock "400 MHz"]
                                   [--latency N] [--verify]

Its published simulation vectors have to come out bit for bit, or the command fails. LUTs are what
Yosys counts for `xcup` without DSP blocks (`Design.synthesize(flow=..., nodsp=True)`); the authors'
figure is Vivado's after place and route, and a count of the tables and adders as their tool writes
them is the other one. `--verify` simulates the RTL as well.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import gatewright as gw
from bench.material import shared

NAME = "models/jets_kan_kanele_openml"
ROUTED, COUNTED = 1232, 1451
"""LUTs of KANELÉ's own circuit: Vivado's after place and route (their paper, Table 3), and
one for each bit of a table and of an adder of its templates."""


def tables() -> Path:
    """Return the truth tables, with the configuration beside them."""
    shared(f"{NAME}_config.json")
    return shared(f"{NAME}_truth_tables.json")


def differing(design: gw.Design) -> tuple[int, int]:
    """Return how many of the published vectors a design answers otherwise, and how many there are.

    Values are compared bit for bit.
    """
    x, wanted = (np.loadtxt(shared(f"{NAME}_vectors_{way}.txt")) for way in ("in", "out"))
    found = np.asarray(design.predict(x))
    return int((found != wanted).any(axis=-1).sum()), len(wanted)


def row(design: gw.Design, flow: str) -> tuple[str, int]:
    """Return a line of the table for a way to synthesise, and its LUTs."""
    total = design.synthesize(flow=flow, nodsp=True).total
    text = (
        f"| {flow} | {total.lut:,} | {total.lut / ROUTED:.2f} | {total.lut / COUNTED:.2f} "
        f"| {total.ff:,} | {design.latency} |"
    )
    return text, total.lut


def main() -> int:
    """Compile, compare, synthesise, print; the status says whether the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flow", action="append", choices=("area", "fast", "full"))
    parser.add_argument("--clock", default="400 MHz")
    parser.add_argument("--latency", type=int)
    parser.add_argument("--verify", action="store_true")
    o = parser.parse_args()
    design = gw.compile(tables(), clock=o.clock, latency=o.latency)
    wrong, vectors = differing(design)
    print(f"published vectors: {vectors - wrong} of {vectors} bit for bit")
    if o.verify:
        design.verify()
        print("reference = netlist = emulator = simulated RTL")
    print(f"\n| flow, {o.clock} | LUT | of {ROUTED:,} (routed) | of {COUNTED:,} (counted) | FF |"
          " cycles |\n|---|---|---|---|---|---|")  # fmt: skip
    luts = []
    for flow in o.flow or ("area",):
        text, lut = row(design, flow)
        luts.append(lut)
        print(text, flush=True)
    met = min(luts) <= ROUTED and not wrong
    print(f"\nat most {ROUTED:,} LUT: {'met' if met else 'not met'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
