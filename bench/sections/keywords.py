"""Keyword spotting: 260,000 3-bit weights with float scales, folded by size without being asked."""

from __future__ import annotations

import time

import numpy as np

import gatewright as gw
from bench.context import Bench
from bench.material import shared
from bench.record import Row, Target


def run(bench: Bench) -> list[Row]:
    """Compile without options, and classify the published system's thousand inputs."""
    path = shared("models/mlperf_kws_w3a3_qonnx.onnx")
    with np.load(shared("mlperf_tiny_kws_w3a3.npz"), allow_pickle=False) as file:
        x = file["x"][:, 0].astype(np.float64) * float(file["scale"])
        y, recorded = file["y"], file["recorded"]
    bench.tell("compile the keyword network")
    start = time.perf_counter()
    design = gw.compile(path)
    seconds = time.perf_counter() - start
    bench.tell("classify 1,000 keywords")
    scores = np.asarray(design.predict(x)).reshape(len(x), -1)
    found = later_of_equals(scores)
    same, right = int((found == recorded).sum()), float((found == y).mean())
    first = int((scores.argmax(1) == recorded).sum())
    tied = int(((scores == scores.max(1, keepdims=True)).sum(1) > 1).sum())
    plans = {str(choice.plan) for choice in design.planned.choices}
    return [
        Row(
            "keyword network: class as recorded",
            f"{same} of {len(x)} ({first} with the first of equal scores)",
            Target(f"{len(x)} of {len(x)}", least=len(x)), same,
            note=f"in exact arithmetic {tied} samples have two best classes with equal scores; the "
            f"published system answered the later one, and so does this count",
        ),
        Row("keyword network: accuracy", f"{right:.1%}", Target("82.6 %", least=0.826), right),
        Row(
            "keyword network: compile, no options", f"{seconds:.1f} s",
            Target("under 60 s", most=60.0), seconds,
            note=f"{', '.join(sorted(plans))}; latency {design.latency:,} cycles, II "
            f"{design.interval:,}; timings {_timings(design.timings)}",
            facts={"seconds": seconds, "latency": design.latency, "interval": design.interval},
        ),
    ]  # fmt: skip


def later_of_equals(scores: np.ndarray) -> np.ndarray:
    """Return the class of the greatest score, the later one where two are equal."""
    return np.asarray(scores.shape[1] - 1 - scores[:, ::-1].argmax(1))


def _timings(timings: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in timings.items())
