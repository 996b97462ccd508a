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
from bench.record import MissingError, Row, Target, ratio
from gatewright.base import OptionError
from gatewright.flow import Design
from gatewright.flow.compile import rebuild
from gatewright.flow.options import Options
from gatewright.hw import Module
from gatewright.ir import Graph, evaluate, infer
from gatewright.num import FixedArray
from gatewright.passes.netlist import Clock, DelayModel, least_latency, total_resources
from gatewright.tools.yosys import SynthesisResult, synthesize

CUTOFFS = {"a": 2.0, "b": 2.0, "bench_mlp": 5.0}
"""da4ml's delay limit of a stage, in adders; the figures published for it use 2 and 5."""

LIMITS = {
    "da4ml": "at most {:g} adders a stage, then retimed",
    "alkaid": "the same number of stages; its ternary adders are two chains for Yosys",
}
SLOWEST, FASTEST, STEP = 20.0, 1200.0, 1.005
"""Our clock is the fastest that needs no more cycles than the peers' stages: MHz, and precision."""

MEAN, WORST = 0.80, 0.95
"""Bounds on our LUTs against the better peer's: geometric mean over the networks, and each."""

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


@dataclass(frozen=True)
class Circuit:
    """What one circuit takes.

    Attributes:
        lut, ff: LUT sites and registers that Yosys counts.
        filled: LUT sites, with those that silicon takes and Yosys does not count.
        period: the longest path in nanoseconds under the delay model; latency: times the stages.
    """

    job: Job
    result: SynthesisResult
    lut: int
    ff: int
    filled: int
    period: float
    latency: float

    @classmethod
    def of(cls, job: Job, result: SynthesisResult, model: DelayModel) -> Circuit:
        """Measure a synthesised circuit."""
        netlist, total = result.netlist, result.total
        assert netlist is not None
        filled = total.lut_sites + netlist.hidden_luts
        period = netlist.longest(model.sized(filled)).nanoseconds
        return cls(
            job, result, total.lut_sites, total.ff, filled,
            period, period * job.stages,
        )  # fmt: skip


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
    model = bench.design("a").options.device.delay
    found = {
        (job.network, job.tool): Circuit.of(job, result, model)
        for job, result in zip(jobs, results, strict=True)
    }
    tools = ["ours", *(peer.name for peer in peers)]
    rows = [_row(name, tools, found) for name in reversed(names)] + rows
    return [*rows, *(_against_better(names, tools, found) if len(tools) > 1 else [])]


def _synthesize(job: Job) -> SynthesisResult:
    return synthesize(
        job.sources, job.top, "xcup", nodsp=True, netlist=True, per_module=False, jobs=1
    )


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
    estimate = total_resources(design.module).lut
    ours = Job(name, "ours", design.name, design.sources, design.latency, estimate, note)
    return [ours, *jobs]


def _as_deep(bench: Bench, name: str, stages: int) -> tuple[Design, float]:
    """Return our design in so many cycles, at the fastest clock that allows them."""
    circuit = bench.design(name).circuit
    slow, fast = SLOWEST, FASTEST
    while stages and fast / slow > STEP:
        middle = math.sqrt(slow * fast)
        deeper = _cycles(circuit, Options.of(middle).clock_for(circuit)) > stages
        slow, fast = (slow, middle) if deeper else (middle, fast)
    clock = float(f"{slow if stages else FASTEST:.4g}")
    return rebuild(bench.design(name).graph, Options.of(clock, latency=stages or None)), clock


def _cycles(circuit: Module, clock: Clock) -> float:
    try:
        return least_latency(circuit, clock)
    except OptionError:  # one cell alone takes longer
        return math.inf


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


Found = dict[tuple[str, str], Circuit]
MEASURES = {
    "LUT": ("lut", MEAN, WORST),
    "FF": ("ff", 1.0, 1.0),
    "ns": ("latency", 1.0, 1.0),
    "LUT in silicon": ("filled", None, None),
}
"""What is compared: the attribute, the bound on the geometric mean, the bound on each."""


def _row(name: str, tools: list[str], found: Found) -> Row:
    texts, notes = [], []
    for tool in tools:
        circuit = found[name, tool]
        job, result = circuit.job, circuit.result
        texts.append(
            f"{tool} {circuit.lut:,} LUT ({circuit.filled:,} in silicon), "
            f"{circuit.ff:,} FF, {job.stages} x {circuit.period:.2f} ns"
        )
        again = ", now from the cache" if result.cached else ""
        notes.append(
            f"{tool}: {job.note}; own estimate {job.estimate:,.0f} LUT; "
            f"{result.total.carry:,} CARRY4; {result.cpu_seconds:.0f} CPU s{again}"
        )
    result = found[name, "ours"].result
    flow = (
        f"{result.version.split(' (')[0]}, synth_xilinx {result.family}, flow `{result.flow}`, no "
        f"DSP, flat; a stage is a block of logic between registers; all have the same ports "
        f"(inputs quantized on the host); both peers' emulators equal the integer reference on "
        f"{VECTORS:,} random inputs"
    )
    facts = {
        tool: {
            "counts": asdict(circuit.result.total), "in_silicon": circuit.filled,
            "stages": circuit.job.stages, "period_ns": circuit.period,
            "estimate": circuit.job.estimate, "cached": circuit.result.cached,
        }
        for tool, circuit in ((tool, found[name, tool]) for tool in tools)
    }  # fmt: skip
    ratios = "; ".join(
        ratio(found[name, "ours"].lut, found[name, tool].lut, tool) for tool in tools[1:]
    )
    note = "; ".join([flow, *notes])
    return Row(f"{NETWORKS[name]}: synthesised", "; ".join(texts), None, 0.0, ratios, note, facts)


def _against_better(names: list[str], tools: list[str], found: Found) -> list[Row]:
    """Hold each measure against the peer that does better on it, network by network."""
    rows = []
    for what, (attribute, mean, worst) in MEASURES.items():
        ratios = {}
        for name in reversed(names):
            ours, *theirs = (getattr(found[name, tool], attribute) for tool in tools)
            ratios[NETWORKS[name]] = ours / min(theirs)
        each = ", ".join(f"{name} {value:.3f}" for name, value in ratios.items())
        middle = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
        against = f"{what}, against the better peer for each"
        note = HOW.get(what, "")
        facts = {"geometric mean": middle, **ratios}
        target = None if mean is None else Target(f"at most {mean:g}", most=mean)
        rows.append(Row(
            f"{against}: geometric mean", f"{middle:.3f}", target, middle, each, note, facts,
        ))  # fmt: skip
        if worst is not None:
            most = max(ratios.values())
            limit = Target(f"at most {worst:g}", most=worst)
            rows.append(Row(f"{against}: the worst", f"{most:.3f}", limit, most))
    return rows


HOW = {
    "ns": "stages times the longest path of the synthesised netlist, all under the delay model of "
    "the default device: LUTs, carry chains, an average net behind each; nothing is placed",
    "LUT in silicon": "what Yosys counts, and the LUTs that it does not: one as a route into each "
    "position of a carry chain without logic in front of it, one for an inverter before a register",
}
