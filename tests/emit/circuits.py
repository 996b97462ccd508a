"""Three small circuits that show every style of text: pipelined, folded, hierarchical."""

from __future__ import annotations

import numpy as np

from gatewright.hw import Module, Table
from gatewright.num import Fixed, Intervals

BIT = Intervals.of([0], [1], [0])


def delayed(m: Module, signal: int, cycles: int, reset: int | None = None) -> int:
    for _ in range(cycles):
        r = m.register(m.range(signal), reset)
        m.connect(r, signal)
        signal = r
    return signal


def pipelined() -> Module:
    """Two neurons with ReLU on four inputs: latency 2, II 1."""
    m = Module("dense_relu", origin="tagger.keras, layer 'dense'", note="2 neurons, 4 inputs")
    m.latency = 2
    valid = m.input("valid_in", BIT)[0]
    x = m.input("x", Intervals.format(Fixed(True, 8, 4), (4,)))
    out = []
    for neuron, (p, q) in enumerate(((2, -1), (0, 3))):
        left = delayed(m, m.add(x[0], m.shift(x[1], p)), 1)
        right = delayed(m, m.sub(x[2], m.shift(x[3], q)), 1)
        total = m.add(left, right)
        m.label(total, f"sum_{neuron}")
        positive = m.select(m.less(total, m.constant(0)), m.constant(0), total)
        out.append(delayed(m, m.wrap(positive, Fixed(False, 6, 2)), 1))
    m.output("y", out)
    m.output("valid_out", [delayed(m, valid, 2, reset=0)])
    return m


def folded() -> Module:
    """A dot product with four weights from a ROM, a product a cycle: latency 5, II 4."""
    m = Module("folded_dot", origin="tagger.keras, layer 'dot'", latency=5, interval=4)
    valid = m.input("valid_in", BIT)[0]
    x = m.input("x", Intervals.format(Fixed(True, 6, 3), (4,)))
    held = []
    for i, s in enumerate(x):
        r = m.register(m.range(s))
        m.connect(r, s, valid)
        m.label(r, f"held_{i}")
        held.append(r)
    step = m.register((0, 4, 0), reset=4)
    m.label(step, "step")
    running = m.less(step, m.constant(4))
    m.label(running, "running")
    following = m.select(running, m.wrap(m.add(step, m.constant(1)), Fixed(False, 3, 0)), step)
    m.connect(step, m.select(valid, m.constant(0), following))
    weights = Table.of("weights", np.array([[3, 0], [-5, 0], [7, 0], [2, 1]]), np.array([2, 0]))
    index = m.slice(step, 0, 2)
    chosen = held[0]
    for i in range(1, 4):
        chosen = m.select(m.equal(index, m.constant(i)), held[i], chosen)
    product = m.mul(chosen, m.table(index, weights, 0))
    last = m.and_(running, m.table(index, weights, 1))
    total = m.register((-2048, 2047, 5), reset=0)
    m.label(total, "total")
    start = m.equal(step, m.constant(0))
    added = m.add(m.select(start, m.constant(0), total), product)
    m.connect(total, m.wrap(added, Fixed(True, 12, 5)), running)
    m.output("y", [total])
    m.output("valid_out", [delayed(m, last, 1, reset=0)])
    return m


def hierarchical() -> Module:
    """One table function used on two inputs, each on a grid of its own; no state."""
    child = Module("curve", origin="layer 'sigmoid'")
    u = child.input("u", Intervals.format(Fixed(True, 4, 2), (1,)))[0]
    table = Table.of("sigmoid", np.array([8, 9, 11, 12, 13, 14, 14, 15, 1, 1, 2, 2, 3, 4, 5, 7]), 4)
    child.output("v", [child.table(u, table)])
    m = Module("curves", origin="layer 'curves'")
    x = m.input("x", Intervals.of([-8, -1, 0], [7, 1, 0], [2, 0, 0]))
    values = [
        m.instance(child, {"u": [s]}, name)["v"][0]
        for s, name in zip(x, ("low", "high"), strict=False)
    ]
    m.output("y", [*values, x[2], m.concat(values[0], values[1])])
    return m


CIRCUITS = {"pipelined": pipelined, "folded": folded, "hierarchical": hierarchical}


def answers(m: Module, x: np.ndarray) -> np.ndarray:
    """Return what a circuit of above must answer, computed from its meaning."""
    if m.name == "dense_relu":
        pairs = [(x[:, 0] + 4 * x[:, 1]) * 2 + (2 * x[:, 2] - x[:, 3]), x @ [1, 1, 1, -8]]
        scaled = [np.maximum(pairs[0], 0) >> 3, np.maximum(pairs[1], 0) >> 2]
        return np.stack(scaled, axis=1) % 64
    assert m.name == "folded_dot"
    return ((x @ [3, -5, 7, 2] + 2048) % 4096 - 2048)[:, None]
