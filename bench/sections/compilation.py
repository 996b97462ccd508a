"""From the integer graph of bench_mlp to RTL on disk, against the peers' solve and write."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.context import Bench
from bench.material import ROOT, bench_mlp
from bench.peers import PEERS, Peer
from bench.record import MissingError, Row, Target, ratio
from bench.timing import Times, alternate
from gatewright.blocks.cmvm import solver
from gatewright.flow import Design
from gatewright.flow.compile import rebuild
from gatewright.flow.options import Options

CUTOFF = 5.0
"""Delay limit of a stage in the peers' units (adders; for alkaid about 1.1 + 0.025 a bit)."""


def ours() -> Design:
    """Plan, lower, pipeline and emit, with nothing remembered from a run before."""
    solver._memo.clear()
    return rebuild(bench_mlp().graph, Options.of())


def write_rtl() -> None:
    """Compile and write the Verilog."""
    design = ours()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in design.sources.items():
            (Path(folder) / name).write_text(text)


def write_all() -> None:
    """Compile and save: RTL, test bench, golden vectors, constraints, scripts, the model."""
    design = ours()
    with tempfile.TemporaryDirectory() as folder:
        design.save(Path(folder) / "design")


def theirs(peer: Peer) -> None:
    """Trace, solve, pipeline and write with a peer."""
    peer.write(peer.trace(bench_mlp().graph), cutoff=CUTOFF)


def run(bench: Bench) -> list[Row]:
    """Measure in this warm process, then in processes of their own."""
    ways: dict[str, Callable[[], object]] = {"save": write_all, "emit": write_rtl}
    troubles = []
    for kind in PEERS:
        try:
            peer = kind.load()
        except MissingError as error:
            troubles.append(Row(f"compile bench_mlp: {kind.name}", trouble=str(error)))
            continue
        ways[peer.name] = lambda peer=peer: theirs(peer)  # type: ignore[misc]
    bench.tell("compile bench_mlp once with each, unmeasured")
    for way in ways.values():
        way()
    bench.tell("compile bench_mlp, each in turn")
    times = alternate(ways, 3 if bench.quick else 7)
    rows = [*_warm(times), *troubles]
    if not bench.quick:
        bench.tell("compile bench_mlp in new processes")
        rows.append(_cold([name for name in ways if name != "save"]))
    return rows


def _warm(times: dict[str, Times]) -> list[Row]:
    peers = [name for name in times if name not in ("emit", "save")]
    others = "; ".join(
        f"{name} {times[name].spread()}, {times[name].cpu_median:.2f} CPU s" for name in peers
    )
    note = (
        f"median (least to most) of {len(times['emit'].wall)} alternating repetitions, imports and "
        f"one unmeasured round before; ours from the integer graph, theirs trace, solve, "
        f"pipeline and write; {times['emit'].cpu_median:.2f} CPU s; {others}"
    )
    facts = {name: t.plain() for name, t in times.items()}
    what = "bench_mlp: compile + emit"
    ratios = {n: "; ".join(ratio(times[n].median, times[p].median, p) for p in peers)
              for n in ("emit", "save")}  # fmt: skip
    save = Row(
        "bench_mlp: compile + save everything", times["save"].spread(), ratio=ratios["save"],
        note="RTL, test bench, golden vectors, constraints, scripts, model",
    )  # fmt: skip
    if "alkaid" not in times:
        return [Row(what, trouble="alkaid is not installed, so there is no ratio"), save]
    value = times["emit"].median / times["alkaid"].median
    target = Target("at most 0.5 x alkaid's solve + write", most=0.5)
    return [Row(what, times["emit"].spread(), target, value, ratios["emit"], note, facts), save]


def _cold(names: list[str]) -> Row:
    """Time whole processes: interpreter, imports, compile, write."""

    def start(name: str) -> Callable[[], object]:
        command = [sys.executable, str(ROOT / "bench" / "cold.py"), name]
        return lambda: subprocess.run(command, check=True, capture_output=True)

    times = alternate({name: start(name) for name in names}, 3)
    text = times["emit"].spread()
    peers = [name for name in names if name != "emit"]
    return Row(
        "bench_mlp: the same in a process of its own", text,
        ratio="; ".join(ratio(times["emit"].median, times[p].median, p) for p in peers),
        note="median (least to most) of 3 alternating runs of a whole Python process, imports "
        "included, machine code of the solver cached on disk; "
        f"{times['emit'].cpu_median:.2f} CPU s; "
        + "; ".join(f"{p} {times[p].spread()}, {times[p].cpu_median:.2f} CPU s" for p in peers),
        facts={name: t.plain() for name, t in times.items()},
    )  # fmt: skip
