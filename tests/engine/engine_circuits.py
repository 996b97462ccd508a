"""Random circuits of all cells without state, and inputs for them."""

from __future__ import annotations

import numpy as np

from gatewright.base import FormatError
from gatewright.hw import Kind, Module, Table
from gatewright.num import Fixed, Intervals


def random_types(rng, count, widest):
    width = rng.integers(0, widest + 1, count)
    signed = rng.integers(0, 2, count).astype(bool) & (width > 0)
    lo = np.where(signed, -(1 << np.maximum(width - 1, 0)), 0)
    hi = np.where(signed, 1 << np.maximum(width - 1, 0), 1 << width) - 1
    if rng.integers(2):  # ranges that are no format
        cut = np.minimum(rng.integers(0, 4, count), (hi - lo) // 2)
        lo, hi = lo + cut, hi - cut
    return Intervals.of(lo, hi, rng.integers(-3, 9, count))


def _grid(m, rng, s):
    """Bring two signals to one binary point for the bitwise cells."""
    frac = m.frac[s]
    same = [t for t in range(len(m)) if m.frac[t] == frac]
    return int(rng.choice(same))


def _table(m, rng, s):
    depth = int(rng.choice([1, 3, 16, 33, 64, 200, 300]))
    bits = int(rng.choice([1, 4, 8, 9, 16, 20, 40]))
    words = rng.integers(-(1 << bits), 1 << bits, (depth, 2))
    if rng.integers(2):
        words = np.abs(words)
    index = m.wrap(s, Fixed(bool(rng.integers(2)), int(rng.integers(1, 11)), m.frac[s]))
    return m.table(index, Table.of("t", words, int(rng.integers(-2, 5))), int(rng.integers(2)))


def _step(m, rng, widest):
    a, b = (int(rng.integers(len(m))) for _ in range(2))
    bits = [s for s in range(len(m)) if (m.lo[s], m.hi[s], m.frac[s]) == (0, 1, 0)]
    # The interpreter compares on the finer grid, in 64 bits.
    near = max(m.width(s) + max(m.frac[a], m.frac[b]) - m.frac[s] for s in (a, b)) < 64
    some = lambda low, high: int(rng.integers(low, high))  # noqa: E731
    choices = {
        Kind.CONST: lambda: m.constant(some(-40, 40), some(-2, 5)),
        Kind.ADD: lambda: m.add(a, b),
        Kind.SUB: lambda: m.sub(a, b),
        Kind.MUL: lambda: m.mul(a, b),
        Kind.SHIFT: lambda: m.shift(a, some(-4, 5)),
        Kind.WRAP: lambda: m.wrap(
            a, Fixed(bool(some(0, 2)), some(0, widest + 1), m.frac[a] + some(-6, 4))
        ),
        Kind.LESS: lambda: m.less(a, b) if near else a,
        Kind.EQUAL: lambda: m.equal(a, b) if near else a,
        Kind.SELECT: lambda: m.select(int(rng.choice(bits)), a, b) if bits else a,
        Kind.AND: lambda: m.and_(a, _grid(m, rng, a)),
        Kind.OR: lambda: m.or_(a, _grid(m, rng, a)),
        Kind.XOR: lambda: m.xor(a, _grid(m, rng, a)),
        Kind.SLICE: lambda: m.slice(a, some(0, m.width(a) + 2), some(1, m.width(a) + 2)),
        Kind.CONCAT: lambda: m.concat(a, b),
        Kind.TABLE: lambda: _table(m, rng, a),
    }
    return choices[list(choices)[some(0, len(choices))]]()


def _use(m, rng, child):
    """Instance a module, feeding each input with a signal brought into its range."""
    feeds = []
    for s in child.input_signals:
        lo, hi, frac = child.range(s)
        inner = Fixed.holding(lo, hi, frac)
        source = m.wrap(int(rng.integers(len(m))), Fixed(inner.signed, inner.width, frac))
        drop = frac - m.frac[source]
        if drop < 0 or m.lo[source] << drop < lo or m.hi[source] << drop > hi:
            source = m.constant(lo, frac)
        feeds.append(source)
    parts, inputs = iter(feeds), {}
    for name, signals in child.inputs.items():
        inputs[name] = [next(parts) for _ in signals]
    m.instance(child, inputs)


def random_module(seed, cells=60, widest=12, children=()):
    """Return a circuit of random cells; `widest` bounds its inputs, not what it computes."""
    rng = np.random.default_rng(seed)
    m = Module(f"random{seed}")
    m.input("x", random_types(rng, int(rng.integers(1, 12)), widest))
    m.input("y", random_types(rng, int(rng.integers(1, 4)), min(widest, 9)))
    for step in range(cells):
        try:
            _step(m, rng, widest)
        except FormatError:  # wider than circuits may be
            continue
        if children and step % 17 == 8:
            _use(m, rng, children[int(rng.integers(len(children)))])
    picks = rng.integers(0, len(m), int(rng.integers(1, 20)))
    m.output("p", [int(s) for s in picks])
    m.output("q", list(range(max(len(m) - 5, 0), len(m))))
    return m


def random_inputs(m, batch, seed=0):
    """Return values within the ranges; the first samples are their ends."""
    rng = np.random.default_rng(seed)
    result = {}
    for name, signals in m.inputs.items():
        columns = [rng.integers(m.lo[s], m.hi[s], batch, endpoint=True) for s in signals]
        q = np.stack(columns, axis=1)
        q[:1] = [m.lo[s] for s in signals]
        q[1:2] = [m.hi[s] for s in signals]
        result[name] = q
    return result
