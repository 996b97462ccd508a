"""Compile bench_mlp once, in a process of its own: `python bench/cold.py emit | da4ml | alkaid`.

A peer's process imports nothing of Gatewright: the network is written as its users write one.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NETWORK = ROOT.parent / "shared" / "data" / "bench_mlp_16_64_32_32_5.npz"
DEPTH = {"hard_dc": 2}
CUTOFF = 5.0


def network(x: Any) -> Any:
    """Apply the network to a peer's traced array of 16 inputs."""
    import numpy as np

    with np.load(NETWORK, allow_pickle=False) as data:
        x = x.quantize(1, 3, 4)
        for n in range(4):
            x = x @ data[f"w{n}"] + data[f"b{n}"]
            if n < 3:
                integer, frac = (np.full(x.shape, v) for v in data["act"][n])
                x = x.relu(i=integer, f=frac)
    return x


def da4ml(folder: str) -> None:
    """Trace, solve, pipeline and write."""
    from da4ml.codegen import VerilogModel
    from da4ml.trace import FixedVariableArrayInput, HWConfig, comb_trace

    x = FixedVariableArrayInput((16,), HWConfig(1, -1, -1), DEPTH)
    VerilogModel(comb_trace(x, network(x)), "net", folder, latency_cutoff=CUTOFF).write()


def alkaid(folder: str) -> None:
    """Trace, solve, pipeline and write."""
    from alkaid.codegen.rtl import RTLModel
    from alkaid.trace import FVArrayInput, HWConfig, trace

    x = FVArrayInput((16,), HWConfig(1, -1, -1), DEPTH)
    RTLModel(trace(x, network(x)), folder, "net", latency_cutoff=CUTOFF).write()


def emit(folder: str) -> None:
    """Build the integer graph, compile it, and write the Verilog."""
    sys.path[0] = str(ROOT)
    from bench.material import bench_mlp
    from gatewright.flow.compile import rebuild
    from gatewright.flow.options import Options

    for name, text in rebuild(bench_mlp().graph, Options.of()).sources.items():
        (Path(folder) / name).write_text(text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        {"emit": emit, "da4ml": da4ml, "alkaid": alkaid}[sys.argv[1]](work)
