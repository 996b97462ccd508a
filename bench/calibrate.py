"""Calibrate the delay models: `python bench/calibrate.py ecp5_6 ecp5_8 ultrascale_plus`.

For ECP5 every circuit is placed and routed with nextpnr (half an hour of CPU, cached), for the
AMD families the published figures in the data file are fitted anew. The data files in
`src/gatewright/arch/measured` are rewritten; `--fit` fits what they hold without routing.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # this folder's files are `bench.*`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.calibrate_circuits import BOOT, Circuit, circuits
from gatewright.arch.calibration import (
    FOLDER,
    Point,
    deviations,
    error_facts,
    fit,
    fixed_of,
    points_of,
)
from gatewright.arch.timing import CONSTANTS, critical_path
from gatewright.passes.netlist import DelayModel, total_resources
from gatewright.tools.nextpnr import RoutingResult, route

ECP5 = {"ecp5_6": "LFE5U-45F-6BG381C", "ecp5_8": "LFE5UM5G-45F-8BG381C"}
SAME_NETS = {
    "spread": {
        "value": 0.0,
        "origin": "left out: with it the carry per bit fits to 0, but nextpnr's own is 0.036 ns",
    }
}
SEEDS = (1,)
ROUNDS = 20


def target(circuit: Circuit) -> float:
    """Return the clock to route for in MHz: a quarter above the first guess."""
    return round(1.25 * critical_path(circuit.module, BOOT, 0).fmax)


def measure(part: str, jobs: int) -> list[tuple[Circuit, list[RoutingResult]]]:
    """Place and route every circuit, once a seed."""
    made = [make() for make in circuits()]

    def one(circuit: Circuit) -> list[RoutingResult]:
        found = [route(circuit.rtl, part, target_mhz=target(circuit), seed=seed) for seed in SEEDS]
        clocks = ", ".join(f"{r.fmax_mhz:.1f}" for r in found)
        print(f"  {part} {circuit.name}: {clocks} MHz, {found[0].lut} LUT", flush=True)
        return found

    with ThreadPoolExecutor(jobs) as pool:
        return list(zip(made, pool.map(one, made), strict=True))


def points(
    measured: Sequence[tuple[Circuit, Sequence[RoutingResult]]], model: DelayModel
) -> list[Point]:
    """Return a point for each circuit: its slowest path under a model, and its mean period."""
    found = []
    for circuit, runs in measured:
        luts = total_resources(circuit.module).lut
        path = critical_path(circuit.module, model, luts)
        period = sum(r.period_ns for r in runs) / len(runs)
        found.append(
            Point(
                circuit.name,
                tuple(round(path.terms[name], 6) for name in CONSTANTS),
                round(period, 4),
                circuit.use == "check",
                f"nextpnr-ecp5, {runs[0].lut} LUT4, seeds {' '.join(str(r.seed) for r in runs)}",
            )
        )
    return found


def settle(
    measured: Sequence[tuple[Circuit, Sequence[RoutingResult]]],
) -> tuple[list[Point], list[dict[str, Any]]]:
    """Fit until the slowest paths stay the same: which path is slowest depends on the constants.

    Returns the points, and rows of the circuits that are outside of what the model is for.
    """
    inside = [m for m in measured if m[0].use != "outside"]
    outside = [m for m in measured if m[0].use == "outside"]
    model, seen = BOOT, []
    for _ in range(ROUNDS):
        found = points(inside, model)
        if found in seen:
            break
        seen.append(found)
        constants = fit([p for p in found if not p.check], fixed_of({"fixed": SAME_NETS}))
        model = DelayModel(**constants, source="", lut_inputs=BOOT.lut_inputs)
    others = points(outside, model)
    return found, [row_of(p) for p in others]


def row_of(p: Point) -> dict[str, Any]:
    """Return a point as a data file keeps it."""
    terms = {n: v for n, v in zip(CONSTANTS, p.terms, strict=True) if v}
    return {"name": p.name, "check": p.check, "terms": terms, "period": p.period,
            "origin": p.origin}  # fmt: skip


def write(name: str, data: dict[str, Any], found: list[Point]) -> None:
    """Write a data file with the fit of its points."""
    fixed = fixed_of(data)
    constants = fit([p for p in found if not p.check], fixed)
    extra = {row["name"]: row for row in data.get("points", ())}
    rows = [{**extra.get(p.name, {}), **row_of(p)} for p in found]
    head = {**data, "constants": constants, "error": error_facts(found, fixed)}
    if others := data.get("outside"):
        off = deviations(points_of({"points": others}), constants)
        head["outside"] = [
            r | {"off": round(float(e), 3)} for r, e in zip(others, off, strict=True)
        ]
    head.pop("points", None)
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    text = json.dumps(head, indent=1)[:-2] + f',\n "points": [\n  {lines}\n ]\n}}\n'
    (FOLDER / f"{name}.json").write_text(text)
    tell(name, found, constants, fixed, head.get("outside", ()))


def tell(
    name: str, found: list[Point], constants: dict[str, float], fixed: dict[str, float],
    outside: Sequence[dict[str, Any]] = (),
) -> None:  # fmt: skip
    """Print the constants and the errors."""
    print(f"{name}: {constants}")
    for p, error in zip(found, deviations(found, constants), strict=True):
        print(f"  {p.name:24} {p.period:8.3f} ns  {100 * error:+6.1f} %{'  check' * p.check}")
    for row in outside:
        print(f"  {row['name']:24} {row['period']:8.3f} ns  {100 * row['off']:+6.1f} %  outside")
    print(f"  error {error_facts(found, fixed)}")


def main() -> int:
    """Calibrate the families that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", nargs="+", choices=[*ECP5, "ultrascale_plus", "series_7"])
    parser.add_argument("--fit", action="store_true", help="fit the stored points, route nothing")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    for name in given.family:
        path = FOLDER / f"{name}.json"
        if name in ECP5 and not given.fit:
            runs = measure(ECP5[name], given.jobs)
            data = {
                "family": f"ECP5, speed grade -{runs[0][1][0].speed}",
                "source": "networks routed with nextpnr",
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                "tool": runs[0][1][0].version,
                "lut_inputs": BOOT.lut_inputs,
                "fixed": SAME_NETS,
            }
            found, data["outside"] = settle(runs)
            write(name, data, found)
        else:
            data = json.loads(path.read_text())
            write(name, data, points_of(data))
    return 0


if __name__ == "__main__":
    sys.exit(main())
