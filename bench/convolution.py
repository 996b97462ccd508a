"""How compile time grows with an image: `python bench/convolution.py`.

A 3 x 3 convolution of 8 to 8 channels, padded, 6-bit weights half of which are zero, 8-bit inputs
and outputs, on images of 16 x 16 and 64 x 64, fully parallel. Prints processor seconds in a warm
process, the least of some runs, and their ratio: of `gw.compile`, which ends with the emitted
Verilog, and of the circuit alone, without the comparison after import (which takes fewer samples of
a large image, since each holds many positions).
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import process_time

if __name__ == "__main__":  # this folder's files are `bench.*`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

import gatewright as gw
from gatewright.flow.compile import rebuild
from gatewright.flow.design import Design
from gatewright.flow.options import Options
from gatewright.ir import Graph, Input, Node, Output
from gatewright.num import Fixed, Intervals, Overflow, Rounding
from gatewright.ops import Dense, Pad, Quantize, Relu, Windows

SIZES = (16, 64)
MOST = 1.5
"""Bound of the ratio."""
CLOCK = "40 MHz"
"""A clock that the larger design meets: in the delay model nets grow with the design."""
RUNS = 5


def convolution(size: int, channels: int = 8, kernel: int = 3, seed: int = 0) -> Graph:
    """Return the model of one convolution, its image of `size` x `size` pixels."""
    rng = np.random.default_rng(seed)
    terms, half = kernel * kernel * channels, kernel // 2
    kept = rng.random((terms, channels)) < 0.5
    weight = rng.integers(-31, 32, (terms, channels)) * kept / 32.0
    bias = rng.integers(-31, 32, channels) / 16.0
    chain = (
        ("pad", Pad((half, half, 0), (half, half, 0))),
        ("windows", Windows.of((kernel, kernel))),
        ("dense", Dense.of(weight, bias)),
        ("relu", Relu()),
        ("cut", Quantize.to(False, 8, 3, Rounding.RND, Overflow.SAT)),
    )
    before = ["x", *(name for name, _ in chain)]
    nodes = (Node(name, op, (b,), "conv") for (name, op), b in zip(chain, before, strict=False))
    shape = (size, size, channels)
    kind = Intervals.format(Fixed(signed=False, width=8, frac=4), shape)
    return Graph("image", (Input("x", shape, kind),), tuple(nodes), (Output("y", "cut"),))


def whole(size: int) -> Design:
    """Compile as a user does."""
    return gw.compile(convolution(size), clock=CLOCK, reuse=1)


def circuit(size: int) -> Design:
    """Build circuit and Verilog of an integer graph."""
    return rebuild(convolution(size), Options.of(clock=CLOCK, reuse=1))


def main() -> int:
    """Print the figures; return 0 where the ratios are within their bound."""
    ratios = []
    for name, build in (("gw.compile", whole), ("graph to Verilog", circuit)):
        build(4)
        least = dict.fromkeys(SIZES, np.inf)
        text: dict[int, int] = {}
        for size in SIZES * RUNS:
            start = process_time()
            design = build(size)
            least[size] = min(process_time() - start, least[size])
            text[size] = sum(map(len, design.sources.values()))
        for size, seconds in least.items():
            print(f"{name}, {size} x {size}: {seconds:.2f} CPU s, the least of {RUNS}; "
                  f"{text[size] / 1e3:.0f} kB of Verilog")  # fmt: skip
        ratios.append(least[SIZES[1]] / least[SIZES[0]])
        print(f"{name}: ratio {ratios[-1]:.2f}, bound {MOST}")
    return int(max(ratios) > MOST)


if __name__ == "__main__":
    sys.exit(main())
