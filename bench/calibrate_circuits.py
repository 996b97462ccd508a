"""The circuits that a delay model is calibrated on and checked with.

All are made by the compiler's own parts and its own emitter. Registers are placed for one fixed
model (`BOOT`), whatever the calibration says, so that the circuits are the same every time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

import gatewright as gw
from bench.material import hgq_tagger
from gatewright.arch import find_device
from gatewright.emit import emit_verilog
from gatewright.flow import Design
from gatewright.flow.compile import rebuild
from gatewright.flow.options import Options
from gatewright.flow.verify import rtl_design
from gatewright.hw import Module, Table
from gatewright.ir import Graph, Input, Node, Output
from gatewright.num import Fixed, Intervals, Overflow, Rounding
from gatewright.ops import Dense, Quantize, Relu
from gatewright.passes.netlist import DelayModel
from gatewright.tools.rtl import RtlDesign

BOOT = DelayModel(1.2, 1.9, 0.036, 0.3, 1.5, "a first guess for ECP5", lut_inputs=4)


@dataclass(frozen=True, eq=False)
class Circuit:
    """A circuit with its registers.

    Attributes:
        use: `fit` to fit the constants to; `check` for networks kept out of the fit, which the
            error band is of; `outside` for circuits that networks hardly hold, measured to say how
            far the model is from them.
    """

    name: str
    module: Module
    rtl: RtlDesign
    use: str


def circuits() -> list[Callable[[], Circuit]]:
    """Return the makers of all circuits."""
    made: list[Callable[[], Circuit]] = []

    def add(name: str, use: str, make: Callable[[], Module]) -> None:
        made.append(lambda: _circuit(name, make(), use))

    for leaves, width, copies, use in [
        (2, 6, 24, "fit"), (2, 12, 24, "fit"), (2, 20, 24, "fit"), (4, 6, 24, "fit"),
        (4, 12, 24, "fit"), (8, 8, 8, "outside"), (16, 8, 4, "outside"),
    ]:  # fmt: skip
        add(f"trees_{leaves}x{width}", use,
            lambda n=leaves, w=width, c=copies: trees(n, w, c))  # fmt: skip
    for width in (8, 16):
        add(f"max_{width}", "outside", lambda w=width: maxima(w))
    for width in (4, 6, 8):
        add(f"tables_{width}", "fit", lambda w=width: tables(w, 12))
    for seed, (rows, columns, clock) in enumerate(
        [(8, 8, 60), (16, 8, 120), (8, 12, 180), (6, 8, 90), (12, 4, 80), (10, 6, 130), (6, 6, 60)]
    ):
        add(f"dense_{rows}x{columns}_{clock}", "fit",
            lambda r=rows, c=columns, f=clock, s=seed: layers((r, c), f, s).module)  # fmt: skip
    for seed, (sizes, clock) in enumerate(
        [((10, 8, 5), 80), ((8, 8, 8), 120), ((10, 8, 6, 5), 160), ((16, 6), 100)], 50
    ):
        name = f"net_{'_'.join(map(str, sizes))}_{clock}"
        add(name, "check", lambda z=sizes, f=clock, s=seed: layers(z, f, s).module)
    for letter, clock in (("a", 100), ("a", 150), ("b", 120)):
        add(f"tagger_{letter}_{clock}", "check", lambda t=letter, f=clock: tagger(t, f).module)
    return made


def _circuit(name: str, module: Module, use: str) -> Circuit:
    sources = emit_verilog(module)
    return Circuit(name, module, rtl_design(module, module.name, sources), use)


def _options(clock: float) -> Options:
    boot = replace(find_device("xcvu13p"), delay=BOOT)
    return Options(float(clock), boot)


_LOADED: dict[str, Graph] = {}


def tagger(letter: str, clock: float) -> Design:
    """Return an HGQ2 jet tagger with registers for a clock in MHz."""
    if letter not in _LOADED:
        _LOADED[letter] = gw.compile(hgq_tagger(letter), clock=200).graph
    return rebuild(_LOADED[letter], _options(clock))


def layers(sizes: tuple[int, ...], clock: float, seed: int) -> Design:
    """Return dense layers of 6-bit weights, half of them zero, with ReLU to 6 bits between."""
    rng = np.random.default_rng(seed)
    kind = Intervals.format(Fixed(signed=True, width=8, frac=4), (sizes[0],))
    nodes: list[Node] = []
    value = "x"
    for n, (rows, columns) in enumerate(pairwise(sizes)):
        weight = rng.integers(-31, 32, (rows, columns)) * rng.integers(0, 2, (rows, columns)) / 32
        layer = f"dense_{n}"
        nodes.append(Node(layer, Dense.of(weight, np.zeros(columns)), (value,), layer))
        nodes.append(Node(f"relu_{n}", Relu(), (layer,), layer))
        cut = Quantize.to(False, 6, 3, Rounding.TRN, Overflow.WRAP)
        nodes.append(Node(f"cut_{n}", cut, (f"relu_{n}",), layer))
        value = f"cut_{n}"
    graph = Graph("net", (Input("x", (sizes[0],), kind),), tuple(nodes), (Output("y", value),))
    return rebuild(graph, _options(clock))


def _start(count: int, width: int) -> tuple[Module, list[int]]:
    """Return a module whose `count` inputs of `width` bits stand in registers."""
    m = Module("circuit")
    valid = m.input("valid_in", Intervals.format(Fixed(False, 1, 0), (1,)))[0]
    held = m.register(m.range(valid), 0)
    m.connect(held, valid)
    m.output("valid_out", [held])
    result = []
    for s in m.input("x", Intervals.format(Fixed(True, width, 0), (count,))):
        result.append(m.register(m.range(s)))
        m.connect(result[-1], s)
    m.latency = 1
    return m, result


def trees(leaves: int, width: int, copies: int = 24) -> Module:
    """Return balanced sums of random inputs, some shifted or subtracted, as in a layer."""
    m, x = _start(16, width)
    rng = np.random.default_rng(leaves * 100 + width)
    sums = []
    for _ in range(copies):
        chosen = [x[int(i)] for i in rng.choice(len(x), leaves, replace=leaves > len(x))]
        terms = [m.shift(s, int(rng.integers(0, 3))) for s in chosen]
        while len(terms) > 1:
            pairs = zip(terms[::2], terms[1::2], strict=True)
            terms = [m.sub(a, b) if rng.random() < 0.4 else m.add(a, b) for a, b in pairs]
        sums += terms
    m.output("y", sums)
    return m


def tables(width: int, copies: int) -> Module:
    """Return random tables of 6 bits, indexed by bits of random inputs."""
    m, x = _start(16, 8)
    rng = np.random.default_rng(width)
    found = []
    for n in range(copies):
        index = m.slice(x[n % len(x)], 0, min(width, 8))
        if width > 8:
            index = m.concat(index, m.slice(x[(n + 5) % len(x)], 0, width - 8))
        words = rng.integers(0, 64, (1 << width, 1))
        found.append(m.table(index, Table.of("random", words)))
    m.output("y", found)
    return m


def maxima(width: int) -> Module:
    """Return the greater of two inputs: a comparison, then a choice."""
    m, x = _start(24, width)
    pairs = zip(x, x[7:] + x[:7], strict=True)
    m.output("y", [m.select(m.less(a, b), b, a) for a, b in pairs])
    return m
