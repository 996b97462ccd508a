"""What DSP blocks save: `python bench/dsps.py [--yosys]`.

Prints LUTs, FFs, DSPs (estimated) and cycles of `bench_mlp` and of the keyword-spotting network for
several `max_dsps`; with `--yosys` also what Yosys counts on a 7-series part, where it uses the
blocks' adders.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import gatewright as gw
from bench.material import bench_mlp, shared
from gatewright.flow import Design
from gatewright.flow.compile import rebuild
from gatewright.flow.options import Options

BLOCKS = (0, 32, 128, 512)


def designs(device: str) -> Iterator[tuple[str, Design]]:
    """Build every case for a device."""
    for dsps in BLOCKS:
        graph = bench_mlp().graph
        yield f"bench_mlp {dsps}", rebuild(graph, Options.of("200 MHz", device, max_dsps=dsps))
    for dsps in BLOCKS:
        path = shared("models/mlperf_kws_w3a3_qonnx.onnx")
        yield f"kws {dsps}", gw.compile(path, device=device, max_dsps=dsps)


def main() -> None:
    """Print a table for each device."""
    for device in ("xcvu13p", "xc7vx690t"):
        print(f"{device}: model, max_dsps | LUT | FF | DSP | cycles | II | seconds")
        for name, design in designs(device):
            need, seconds = design.facts()["estimate"], sum(design.timings.values())
            line = [name, need["lut"], need["ff"], need["dsp"], design.latency, design.interval]
            print(" | ".join(map(str, [*line, f"{seconds:.1f}"])), flush=True)
            if "--yosys" in sys.argv and device == "xc7vx690t" and "mlp" in name:
                total = design.synthesize(flow="fast").total
                print(f"  Yosys: {total.lut_sites} LUT, {total.ff} FF, {total.dsp} DSP", flush=True)


if __name__ == "__main__":
    main()
