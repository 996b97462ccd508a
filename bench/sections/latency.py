"""Latency as reported against the cycles that Verilator counts."""

from __future__ import annotations

import numpy as np

import gatewright as gw
from bench.context import Bench
from bench.material import hgq_tagger, shared
from bench.record import Row, Target
from gatewright.flow import Design
from gatewright.flow.verify import to_ports

VECTORS = 60


def run(bench: Bench) -> list[Row]:
    """Simulate parallel designs at several clocks, and folded ones."""
    designs = {
        f"tagger {name}, {clock:g} MHz": bench.design(name, clock)
        for name, clock in (("a", 100.0), ("a", 200.0), ("a", 450.0), ("b", 300.0))
    }
    if not bench.quick:
        designs |= {f"tagger b, {c:g} MHz": bench.design("b", c) for c in (200.0, 600.0)}
        designs["bench_mlp, 250 MHz"] = bench.design("bench_mlp", 250.0)
    for reuse in (4,) if bench.quick else (2, 4, 32):
        bench.tell(f"fold tagger a {reuse} times")
        designs[f"tagger a, R={reuse}"] = gw.compile(hgq_tagger("a"), reuse=reuse)
    if not bench.quick:
        bench.tell("compile the keyword network")
        keywords = gw.compile(shared("models/mlperf_kws_w3a3_qonnx.onnx"))
        designs["keyword network"] = keywords
    texts, wrong, facts = [], 0, {}
    for name, design in designs.items():
        bench.tell(f"simulate {name}")
        counted, samples = simulated(design, 8 if name == "keyword network" else VECTORS)
        good = counted == [design.latency] and samples > 0
        wrong += not good
        cycles = "/".join(map(str, counted))
        texts.append(f"{name}: {cycles}" + ("" if good else f" but {design.latency} reported"))
        facts[name] = {"reported": design.latency, "counted": counted, "samples": samples}
    return [
        Row(
            "latency reported = cycles simulated",
            f"{len(designs) - wrong} of {len(designs)} designs",
            Target("always", most=0), wrong,
            note=f"Verilator, {VECTORS} samples a design with random gaps in `valid` (the keyword "
            f"network 8); cycles counted: {'; '.join(texts)}",
            facts=facts,
        )
    ]  # fmt: skip


def simulated(design: Design, count: int) -> tuple[list[int], int]:
    """Return the different latencies that samples took, and how many samples came out."""
    vectors = design.vectors(random=count)
    ports = {port: q[-count:] for port, q in to_ports(design.graph, design.module, vectors).items()}
    gaps = np.random.default_rng(3).integers(0, 4, count)
    response = design.simulate_codes(ports, gaps)
    complete = response.answers == count
    return sorted({int(c) for c in response.latency}) if complete else [], response.answers
