"""Emulation of bench_mlp on one core, against the peers' interpreters."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.context import Bench
from bench.material import bench_mlp
from bench.peers import PEERS
from bench.record import MissingError, Row, Target, ratio
from bench.timing import alternate, one_core
from gatewright.base.cache import Cache
from gatewright.engine import Engine
from gatewright.hw import Module

ROWS = 50_000
READY = 0.1
"""Seconds in which a cached emulator must have given its first answer."""

OURS_AGAIN = 20
"""Calls of ours that are timed together, so that a measurement lasts as long as the peers'."""


def run(bench: Bench) -> list[Row]:
    """Measure engine, predict, and both peers on the same inputs."""
    mlp, design = bench_mlp(), bench.design("bench_mlp")
    x = np.tile(mlp.x, (-(-ROWS // len(mlp.x)), 1))[:ROWS]
    expected = np.tile(mlp.answers, (-(-ROWS // len(mlp.x)), 1))[:ROWS]
    engine = Engine(design.netlist, threads=1)
    ports = {
        "valid_in": np.ones((ROWS, 1), np.int8),
        "x": np.rint(x * 16).astype(np.int8),
    }
    unit = 2.0 ** -design.netlist.intervals(design.netlist.outputs["y"]).frac
    design.__dict__["engine"] = engine  # predict: on one thread as well

    def ours() -> None:
        for _ in range(OURS_AGAIN):
            engine.run(ports)

    ways: dict[str, Callable[[], object]] = {"engine": ours, "predict": lambda: design.predict(x)}
    equal = {
        "engine": np.array_equal(engine.run(ports)["y"] * unit, expected),
        "predict": np.array_equal(np.asarray(design.predict(x)), expected),
    }
    troubles = []
    for kind in PEERS:
        try:
            peer = kind.load()
        except MissingError as error:
            troubles.append(Row(f"bench_mlp emulation: {kind.name}", trouble=str(error)))
            continue
        bench.tell(f"{peer.name} solves bench_mlp")
        logic = peer.trace(mlp.graph)
        equal[peer.name] = np.array_equal(peer.predict(logic, x), expected)
        ways[peer.name] = lambda peer=peer, logic=logic: peer.predict(logic, x)  # type: ignore[misc]
    bench.tell("emulate bench_mlp, each in turn")
    with one_core() as pinned:
        times = alternate(ways, 3 if bench.quick else 7)
    del design.__dict__["engine"]
    counts = {name: ROWS * (OURS_AGAIN if name == "engine" else 1) for name in ways}
    rates = {name: counts[name] / t.median for name, t in times.items()}
    facts = {name: t.plain() | {"samples": counts[name]} for name, t in times.items()}
    note = (
        f"millions of samples a second, median (slowest to fastest) of "
        f"{len(times['engine'].wall)} alternating repetitions of {ROWS:,} samples, one "
        f"thread{', one processor' if pinned else ''}; "
        f"{engine.cells:,} cells, {engine.lane_bits}-bit lanes; "
    )
    peers = [name for name in rates if name not in ("engine", "predict")]
    text = {name: times[name].rate(counts[name]) for name in times}
    others = "; ".join(f"{name} {text[name]}" for name in peers)
    speedup = rates["engine"] / rates["alkaid"] if "alkaid" in rates else float("nan")
    same = all(equal.values())
    rows = [
        Row(
            "bench_mlp: all emulators give numpy's numbers",
            ", ".join(f"{name} {'equal' if ok else 'DIFFERENT'}" for name, ok in equal.items()),
            Target("equal", least=1), float(same),
            note=f"{ROWS:,} samples x 5 outputs against exact float64 numpy",
        ),
        Row(
            "bench_mlp: engine, one core", text["engine"],
            Target("at least 30 x alkaid's predict", least=30.0), speedup,
            ratio="; ".join(ratio(rates["engine"], rates[name], name) for name in peers),
            note=note + "the engine takes and gives integers, the peers' predict floats; " + others,
            facts=facts,
        ),
        Row(
            "bench_mlp: Design.predict, one core, real numbers in and out", text["predict"],
            ratio="; ".join(ratio(rates["predict"], rates[name], name) for name in peers),
            note="with the host's checks and conversions, as the peers' predict",
        ),
    ]  # fmt: skip
    rows.append(_ready(design.netlist, ports))
    if "alkaid" not in rates:
        rows[1] = Row(rows[1].what, trouble="alkaid is not installed, so there is no ratio")
    return rows + troubles


def _ready(netlist: Module, ports: dict[str, np.ndarray]) -> Row:
    """Time an emulator from the circuit in memory to its first answer, machine code on disk."""
    one = {name: x[:1] for name, x in ports.items()}
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder))
        start = time.perf_counter()
        Engine(netlist, threads=1, cache=cache).run(one)
        fresh = time.perf_counter() - start
        taken = []
        for _ in range(9):
            start = time.perf_counter()
            engine = Engine(netlist, threads=1, cache=cache)
            engine.run(one)
            taken.append(time.perf_counter() - start)
            assert engine.cached
    seconds = sorted(taken)[len(taken) // 2]
    return Row(
        "bench_mlp: emulator ready from the cache", f"{seconds * 1e3:.1f} ms",
        Target("at most 0.1 s", most=READY), seconds,
        note=f"median of {len(taken)}, the first answer included; {fresh:.2f} s where nothing is "
        "cached",
        facts={"seconds": taken, "fresh_seconds": fresh},
    )  # fmt: skip
