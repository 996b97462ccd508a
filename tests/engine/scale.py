"""Large circuits, what the engine needs to compile them, and how fast it runs them.

`python tests/engine/scale.py [circuit ...]` measures each in a process of its own.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time

import numpy as np

from gatewright.engine import Engine
from gatewright.hw import Module
from gatewright.num import Fixed, Intervals

BYTE = Fixed(True, 8, 4)
BATCH = 2000


def chain(count):
    m = Module("chain")
    x = m.input("x", Intervals.format(BYTE, (16,)))
    total, k = x[0], 0
    while len(m) < count:
        total = m.sub(total, x[(7 * k + 3) % 16]) if k % 2 else m.add(total, x[(5 * k + 1) % 16])
        if m.width(total) >= 12:
            total = m.wrap(total, Fixed(True, 10, 4))
        k += 1
    m.output("y", [total])
    return m


def relu(m, s, to):
    zero = m.constant(0)
    return m.wrap(m.select(m.less(s, zero), zero, s), to)


def layer(count):
    m = Module("layer")
    x = m.input("x", Intervals.format(BYTE, (count,)))
    outputs = []
    for i in range(count):
        total = m.sub(m.add(x[i], m.shift(x[(31 * i + 7) % count], 2)), x[(17 * i + 3) % count])
        outputs.append(relu(m, total, Fixed(False, 8, 4)))
    m.output("y", outputs)
    return m


def used_twice(count):
    m, inner = Module("used_twice"), layer(count)
    x = m.input("x", Intervals.format(BYTE, (count,)))
    for _ in range(2):
        x = m.instance(inner, {"x": [m.wrap(s, BYTE) for s in x]})["y"]
    m.output("y", x)
    return m


def neuron(m, x, weights):
    """Return a product of signed digits, summed as a tree."""
    terms = []
    for s, weight in zip(x, weights.tolist(), strict=True):
        left, place = weight, 0
        while left:
            digit = 2 - (left & 3) if left & 1 else 0
            if digit:
                terms.append((digit, m.shift(s, place)))
            left, place = (left - digit) >> 1, place + 1
    while len(terms) > 1:
        pairs = zip(terms[::2], terms[1::2], strict=False)
        rest = terms[-1:] if len(terms) % 2 else []
        terms = [_pair(m, *one, *other) for one, other in pairs] + rest
    return m.neg(terms[0][1]) if terms[0][0] < 0 else terms[0][1]


def _pair(m, sign, a, other, b):
    if sign == other:
        return sign, m.add(a, b)
    return 1, m.sub(a, b) if sign > 0 else m.sub(b, a)


def dense(m, x, outputs, top, rng):
    weights = rng.integers(-top, top + 1, (outputs, len(x)))
    return [relu(m, neuron(m, x, row), Fixed(False, 8, 2)) for row in weights]


def flat():
    rng, m = np.random.default_rng(0), Module("flat")
    x = m.input("x", Intervals.format(BYTE, (64,)))
    for _ in range(4):
        x = dense(m, x, 64, 31, rng)
    m.output("y", x)
    return m


def particles(count=64, features=16, hidden=10):
    rng, inner, m = np.random.default_rng(0), Module("particle"), Module("set")
    x = inner.input("x", Intervals.format(BYTE, (features,)))
    inner.output("y", dense(inner, dense(inner, x, hidden, 15, rng), hidden, 15, rng))
    x = m.input("x", Intervals.format(BYTE, (count * features,)))
    each = [
        m.instance(inner, {"x": x[i : i + features]})["y"]
        for i in range(0, count * features, features)
    ]
    sums = [neuron(m, column, np.ones(count, np.int64)) for column in zip(*each, strict=True)]
    m.output("y", dense(m, [m.wrap(s, Fixed(False, 10, 0)) for s in sums], 32, 15, rng))
    return m


def convolutions(side=24, channels=8):
    rng, m = np.random.default_rng(0), Module("convolutions")
    x = m.input("x", Intervals.format(BYTE, (side * side * channels,)))
    for kind in (BYTE, Fixed(False, 8, 2)):
        kernel = Module("kernel")
        window = kernel.input("x", Intervals.format(kind, (9 * channels,)))
        kernel.output("y", dense(kernel, window, channels, 7, rng))
        x, side = _slide(m, kernel, x, side, channels), side - 2
    m.output("y", x)
    return m


def _slide(m, kernel, x, side, channels):
    outputs = []
    for row in range(side - 2):
        for column in range(side - 2):
            places = [(row + i) * side + column + j for i in range(3) for j in range(3)]
            feeds = [x[place * channels + c] for place in places for c in range(channels)]
            outputs += m.instance(kernel, {"x": feeds})["y"]
    return outputs


CIRCUITS = {
    "chain_1000": lambda: chain(1000),
    "chain_10000": lambda: chain(10_000),
    "chain_100000": lambda: chain(100_000),
    "layer_2000": lambda: layer(2000),
    "layer_20000": lambda: layer(20_000),
    "used_twice_10000": lambda: used_twice(10_000),
    "convolutions": convolutions,
    "flat": flat,
    "particles": particles,
}


def measure(name):
    module = CIRCUITS[name]()
    rows = sum(
        map(len, {id(m): m for m in [module, *(i.module for i in module.instances)]}.values())
    )
    start = time.process_time()
    engine = Engine(module, threads=1, cache=False)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    inputs = {"x": np.random.default_rng(1).integers(-128, 128, (BATCH, len(module.inputs["x"])))}
    inputs["x"] = inputs["x"].astype(np.int8)
    times = []
    for _ in range(5):
        start = time.process_time()
        engine.run_raw(inputs)
        times.append(time.process_time() - start)
    print(
        f"{name:18} {rows:8,} rows {engine.cells:9,} cells  {seconds:6.2f} s "
        f"{1000 * seconds / rows:.3f} s/1,000 rows {peak:5.0f} MiB {BATCH / min(times):12,.0f} /s"
    )


if __name__ == "__main__":
    for chosen in sys.argv[1:] or CIRCUITS:
        job = multiprocessing.get_context("spawn").Process(target=measure, args=(chosen,))
        job.start()
        job.join()
