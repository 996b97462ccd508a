"""The same networks as RTL of three compilers, through one Yosys flow."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.context import NETWORKS, Bench
from bench.peers import PEERS, Peer
from bench.record import MissingError, Row, ratio
from gatewright.flow import Design
from gatewright.ir import Graph, evaluate, infer
from gatewright.num import FixedArray
from gatewright.passes.netlist import total_resources
from gatewright.tools.yosys import SynthesisResult, synthesize

CUTOFFS = {"a": 2.0, "b": 2.0, "bench_mlp": 5.0}
"""da4ml's delay limit of a stage, in adders; the figures published for it use 2 and 5."""

LIMITS = {
    "da4ml": "at most {:g} adders a stage, then retimed",
    "alkaid": "the same number of stages; its ternary adders are two chains for Yosys",
}
CLOCKS = (200.0, 250.0, 300.0, 350.0, 400.0, 450.0, 500.0, 550.0, 600.0, 650.0, 700.0)
VECTORS = 5_000


@dataclass(frozen=True)
class Job:
    """One circuit to synthesise."""

    network: str
    tool: str
    top: str
    sources: dict[str, str]
    stages: int
    estimate: float
    note: str


def run(bench: Bench) -> list[Row]:
    """Synthesise tagger a, unless in a hurry b and bench_mlp as well, by all compilers."""
    names = ["a"] if bench.quick else ["bench_mlp", "b", "a"]  # the longest first
    peers, rows = [], []
    for kind in PEERS:
        try:
            peers.append(kind.load())
        except MissingError as error:
            rows.append(Row(f"synthesis: {kind.name}", trouble=str(error)))
    jobs = [job for name in names for job in _jobs(bench, name, peers)]
    bench.tell(f"synthesise {len(jobs)} circuits")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(_synthesize, jobs))
    found = {(job.network, job.tool): (job, result) for job, result in zip(jobs, results,
             strict=True)}  # fmt: skip
    tools = ["ours", *(peer.name for peer in peers)]
    rows = [_row(name, tools, found) for name in reversed(names)] + rows
    return [*rows, *_means(names, tools, found)]


def _synthesize(job: Job) -> SynthesisResult:
    return synthesize(job.sources, job.top, "xcup", nodsp=True, per_module=False, jobs=1)


def _jobs(bench: Bench, name: str, peers: list[Peer]) -> list[Job]:
    """Return our circuit and the peers', with as many blocks of logic between registers."""
    graph = bench.design(name).graph
    jobs, stages = [], None
    for peer in peers:
        bench.tell(f"{peer.name} compiles {NETWORKS[name]}")
        logic = peer.trace(graph)
        check_equal(peer, logic, graph)
        rtl = peer.write(logic, stages, CUTOFFS[name])
        stages = stages or rtl.stages
        bits = sum(max(int(width), 0) for width in infer(graph)[graph.inputs[0].name].width)
        note = (
            f"{LIMITS[peer.name].format(CUTOFFS[name])}; registers its {bits} input bits as well, "
        )
        note += "so one cycle more"
        jobs.append(Job(name, peer.name, rtl.top, rtl.sources, rtl.stages, peer.cost(logic), note))
    design, clock = _as_deep(bench, name, stages or 0)
    note = f"registers placed for {clock:g} MHz"
    estimate = total_resources(design.netlist).lut
    ours = Job(name, "ours", design.name, design.sources, design.latency, estimate, note)
    return [ours, *jobs]


def _as_deep(bench: Bench, name: str, stages: int) -> tuple[Design, float]:
    """Return our design at the lowest clock that gives at least so many cycles."""
    for clock in CLOCKS:
        design = bench.design(name, clock)
        if design.latency >= stages:
            break
    return design, clock


def check_equal(peer: Peer, logic: Any, graph: Graph) -> None:
    """Compare a peer's emulation with the integer reference on random inputs.

    Raises:
        MissingError: they differ, so that synthesis would compare different functions.
    """
    (start,) = graph.inputs
    assert start.type is not None
    q = np.random.default_rng(7).integers(start.type.lo, start.type.hi + 1, (VECTORS, *start.shape))
    codes = FixedArray(q, start.type.frac)
    expected = evaluate(graph, {start.name: codes})[graph.outputs[0].value].value
    if not np.array_equal(peer.predict(logic, codes.value), expected):
        raise MissingError(f"{peer.name} does not compute the same function of {graph.name}")


Found = dict[tuple[str, str], tuple[Job, SynthesisResult]]


def _row(name: str, tools: list[str], found: Found) -> Row:
    luts = {tool: found[name, tool][1].total.lut_sites for tool in tools}
    texts, notes = [], []
    for tool in tools:
        job, result = found[name, tool]
        texts.append(f"{tool} {luts[tool]:,} LUT, {result.total.ff:,} FF, {job.stages} stages")
        again = ", now from the cache" if result.cached else ""
        notes.append(
            f"{tool}: {job.note}; own estimate {job.estimate:,.0f} LUT; {result.total.carry:,} "
            f"CARRY4; {result.cpu_seconds:.0f} CPU s{again}"
        )
    result = found[name, "ours"][1]
    flow = (
        f"{result.version.split(' (')[0]}, synth_xilinx {result.family}, flow `{result.flow}`, no "
        f"DSP, flat; a stage is a block of logic between registers; all have the same ports "
        f"(inputs quantized on the host); both peers' emulators equal the integer reference on "
        f"{VECTORS:,} random inputs"
    )
    facts = {
        tool: {
            "counts": asdict(result.total),
            "stages": job.stages,
            "estimate": job.estimate,
            "cached": result.cached,
        }
        for tool, (job, result) in ((tool, found[name, tool]) for tool in tools)
    }
    ratios = "; ".join(ratio(luts["ours"], luts[tool], tool) for tool in tools[1:])
    note = "; ".join([flow, *notes])
    return Row(f"{NETWORKS[name]}: synthesised", "; ".join(texts), None, 0.0, ratios, note, facts)


def _means(names: list[str], tools: list[str], found: Found) -> list[Row]:
    """Return the geometric means over the networks."""
    ratios = {}
    for tool in tools[1:]:
        for what, count in (("LUT", "lut_sites"), ("FF", "ff")):
            pairs = [
                [getattr(found[name, who][1].total, count) for who in ("ours", tool)]
                for name in names
            ]
            logs = [math.log(ours / theirs) for ours, theirs in pairs]
            ratios[f"{what}, {tool}"] = math.exp(sum(logs) / len(logs))
    if not ratios:
        return []
    text = "; ".join(f"{value:.3g} x ({what})" for what, value in ratios.items())
    what = f"geometric mean over {len(names)} network{'s' * (len(names) > 1)}"
    return [Row(what, "ours to theirs", ratio=text, facts=ratios)]
