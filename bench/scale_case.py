"""Compile something large in a process of its own: `python bench/scale_case.py set` (or another).

Prints one line of JSON: processor seconds, peak memory, and what came out. Imports count.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # this folder's files are `bench.*`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

OPERATIONS = 100_000
SAMPLES = 2_000
"""Samples that da4ml emulates."""


def cpu() -> float:
    """Return processor seconds of this process and of its children that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def facts(**more: Any) -> dict[str, Any]:
    """Return what this process took, and more."""
    return {"cpu": cpu(), "peak_bytes": peak_bytes(), **more}


def peak_bytes() -> int:
    """Return the peak of this program's memory.

    Linux's `ru_maxrss` starts at what the parent held when it forked; `VmHWM` starts anew.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def build_set() -> dict[str, Any]:
    """Compile and emit the set network."""
    from bench.set_network import set_network

    return _build(set_network().graph)


def build_chain() -> dict[str, Any]:
    """Compile and emit a chain of operations."""
    from bench.set_network import chain

    return _build(chain(OPERATIONS))


def _build(graph: Any) -> dict[str, Any]:
    from gatewright.flow.compile import rebuild
    from gatewright.flow.options import Options

    design = rebuild(graph, Options.of())
    taken = facts()
    from gatewright.passes.netlist import modules, resources

    used = resources(design.module)
    return taken | {
        "timings": design.timings,
        "latency": design.latency,
        "cells": sum(len(m) for m in modules(design.netlist)),
        "modules": len(used),
        "instances": sum(count for _, count in used.values()),
        "text_bytes": sum(map(len, design.sources.values())),
    }


def build_da4ml() -> dict[str, Any]:
    """Trace, solve, pipeline and write the set network with da4ml; emulate it on one thread."""
    import numpy as np

    from bench.peers import Da4ml
    from bench.set_network import CODE, set_network
    from gatewright.ir import run_real

    network = set_network()
    peer = Da4ml.load()
    logic = peer.trace(network.graph)
    written = peer.write(logic)
    taken = facts(cost=peer.cost(logic), text_bytes=sum(map(len, written.sources.values())))
    (given,) = network.graph.inputs
    rng = np.random.default_rng(0)
    x = rng.integers(CODE.low, CODE.high + 1, (SAMPLES, *given.shape)) / 2.0**CODE.frac
    start = time.process_time()
    found = peer.predict(logic, x.reshape(SAMPLES, -1))
    rate = SAMPLES / (time.process_time() - start)
    wanted = run_real(network.graph, {given.name: x})["scores"]
    return taken | {
        "rate": rate,
        "equal": bool(np.array_equal(found.reshape(wanted.shape), wanted)),
    }


CASES = {"set": build_set, "chain": build_chain, "da4ml": build_da4ml}

if __name__ == "__main__":
    print(json.dumps(CASES[sys.argv[1]]()))
