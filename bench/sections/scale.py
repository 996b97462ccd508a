"""Size: a set network of 64 particles, a chain of 100,000 operations, and the time they take."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import Any

import numpy as np

from bench.context import Bench
from bench.material import ROOT
from bench.record import MissingError, Row, Target, ratio
from bench.scale_case import OPERATIONS
from bench.set_network import CODE, FEATURES, PARTICLES, set_network
from bench.timing import alternate, one_core
from gatewright.engine import Engine
from gatewright.flow.compile import rebuild
from gatewright.flow.options import Options
from gatewright.hw import Kind, Module
from gatewright.ir import run_real
from gatewright.passes.netlist import modules, resources
from gatewright.passes.netlist.bits import Bits
from gatewright.passes.netlist.cost import cell_luts

NAME = f"set network, {PARTICLES} particles x {FEATURES} features"
SECONDS, GIGABYTES, RATE = 20.0, 2.0, 76_000.0
"""Bounds: compile and emit in CPU seconds, at a peak of memory; samples a second."""

SAMPLES = 20_000


def run(bench: Bench) -> list[Row]:
    """Measure both, and da4ml on the set network."""
    bench.tell("compile the set network")
    rows = [_compiled(NAME, _case("set"))]
    rows += _emulated(bench)
    bench.tell("compile the chain")
    rows.append(_compiled(f"a chain of {OPERATIONS:,} operations", _case("chain"), False))
    try:
        rows.append(_peer(bench))
    except MissingError as error:
        rows.append(Row(f"{NAME}: da4ml", trouble=str(error)))
    return rows


def _case(name: str) -> dict[str, Any]:
    """Run a case in a process of its own, with all that it imports."""
    command = [sys.executable, str(ROOT / "bench" / "scale_case.py"), name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-500:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _compiled(what: str, found: dict[str, Any], bounded: bool = True) -> Row:
    """Return a row about one compilation; `bounded` by the figures above, else it must end."""
    gigabytes = found["peak_bytes"] / 1e9
    worst = max(found["cpu"] / SECONDS, gigabytes / GIGABYTES)
    target = Target(f"under {SECONDS:g} CPU s and {GIGABYTES:g} GB", most=1.0)
    return Row(
        f"{what}: compile and emit",
        f"{found['cpu']:.1f} CPU s, {gigabytes:.2f} GB",
        target if bounded else Target("compiles", least=1.0), worst if bounded else 1.0,
        note=f"a process of its own, imports and loading the solver included; {found['cells']:,} "
        f"cells in {found['modules']:,} modules, {found['instances']:,} instances, "
        f"{found['text_bytes'] / 1e6:.2f} MB of Verilog, {found['latency']:,} cycles at 200 MHz",
        facts=found,
    )  # fmt: skip


def cost(top: Module) -> float:
    """Return the bits of all adders, those of a module at each of its uses."""
    total = 0.0
    used = resources(top)
    for m in modules(top):
        adders = [s for s, kind in enumerate(m.kind) if kind in (Kind.ADD, Kind.SUB)]
        known = Bits(m)
        total += used[m.name][1] * sum(cell_luts(m, s, known) for s in adders)
    return total


def _emulated(bench: Bench) -> list[Row]:
    """Measure engine and predict on one processor."""
    network = set_network()
    design = rebuild(network.graph, Options.of())
    bench.tell("compile the emulator of the set network")
    engine = Engine(design.netlist, threads=1)
    design.__dict__["engine"] = engine
    rng = np.random.default_rng(0)
    codes = rng.integers(CODE.low, CODE.high + 1, (SAMPLES, PARTICLES, FEATURES)).astype(np.int8)
    x = (codes / 2.0**CODE.frac).astype(np.float32)
    ports = {"valid_in": np.ones((SAMPLES, 1), np.int8), "x": codes.reshape(SAMPLES, -1)}
    wanted = run_real(network.graph, {"x": x[:500].astype(np.float64)})["scores"]
    same = np.array_equal(np.asarray(design.predict(x[:500])), wanted)
    bench.tell("emulate the set network")
    with one_core():
        times = alternate(
            {"engine": lambda: engine.run(ports), "predict": lambda: design.predict(x)},
            3 if bench.quick else 7,
        )
    rates = {name: SAMPLES / t.cpu_median for name, t in times.items()}
    note = (
        f"samples a processor second, one thread, median of {len(times['engine'].wall)} "
        f"alternating runs of {SAMPLES:,} samples; {engine.cells:,} cells a sample, "
        f"{engine.lane_bits}-bit lanes; "
        f"emulator compiled in {engine.compile_seconds:.1f} s{' (from cache)' * engine.cached}"
    )
    facts = {name: t.plain() | {"samples": SAMPLES} for name, t in times.items()}
    return [
        Row(f"{NAME}: the emulator gives numpy's numbers", "equal" if same else "DIFFERENT",
            Target("equal", least=1), float(same), note="500 samples x 5 outputs"),
        Row(f"{NAME}: engine", f"{rates['engine']:,.0f} samples/s",
            Target(f"at least {RATE:,.0f} samples/s", least=RATE), rates["engine"],
            note=note, facts=facts),
        Row(f"{NAME}: predict on float32", f"{rates['predict']:,.0f} samples/s", note=note),
        Row(f"{NAME}: adder bits over all instances", f"{cost(design.netlist):,.0f}"),
    ]  # fmt: skip


def _peer(bench: Bench) -> Row:
    """Measure da4ml on the same network."""
    if importlib.util.find_spec("da4ml") is None:
        raise MissingError("needs da4ml: pip install 'gatewright[bench]'")
    bench.tell("da4ml on the set network")
    found = _case("da4ml")
    if not found["equal"]:
        return Row(f"{NAME}: da4ml", trouble="other numbers than numpy's", broken=True)
    design = rebuild(set_network().graph, Options.of())
    return Row(
        f"{NAME}: da4ml",
        f"{found['cpu']:.1f} CPU s, {found['peak_bytes'] / 1e9:.2f} GB, cost {found['cost']:,.0f}, "
        f"{found['rate']:,.0f} samples/s, {found['text_bytes'] / 1e6:.2f} MB of Verilog",
        ratio=f"cost {ratio(cost(design.netlist), found['cost'], 'da4ml')}",
        note="traced, solved, pipelined and written in a process of its own; emulated on one "
        "thread, samples per processor second",
        facts=found,
    )  # fmt: skip
