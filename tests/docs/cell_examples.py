"""One module with every kind of cell, whose text `docs/semantics/cells.md` quotes."""

from __future__ import annotations

import numpy as np

from gatewright.hw import Module, Table
from gatewright.num import Fixed, Intervals


def example() -> Module:
    """Every signal has the name that the page uses."""
    child = Module("child")
    (p,) = child.input("p", Intervals.format(Fixed.parse("fixed<4,2>"), (1,)))
    child.output("q", [child.add(p, child.constant(1))])
    m = Module("example", latency=1)
    valid = m.input("valid_in", Intervals.of([0], [1], [0]))[0]
    a, b = m.input("x", Intervals.of([-8, 0], [7, 15], [2, 0]))
    c, d = m.input("w", Intervals.format(Fixed.parse("ufixed<4,4>"), (2,)))
    word = Table.of("curve", (np.arange(16, dtype=np.int64) * 37) % 11 - 5, 1)
    rows = {
        "total": m.add(a, b),
        "difference": m.sub(a, b),
        "product": m.mul(a, b),
        "moved": m.shift(m.add(a, a), 3),
        "wrapped": m.wrap(a, Fixed.parse("fixed<2,1>")),
        "smaller": m.less(a, b),
        "same": m.equal(c, d),
        "both": m.and_(c, d),
        "either": m.or_(c, d),
        "differing": m.xor(c, d),
        "middle": m.slice(c, 1, 2),
        "joined": m.concat(c, d),
        "looked_up": m.table(c, word),
    }
    rows["chosen"] = m.select(rows["smaller"], a, b)
    held = m.register(m.range(c), reset=3)
    m.connect(held, c, valid)
    rows["held"] = held
    plain = m.register(m.range(c))
    m.connect(plain, d)
    rows["plain"] = plain
    rows["offset"] = m.add(c, m.constant(5))
    store = m.memory("store", 16, m.intervals([c, b]))
    m.write(store, c, [d, b], valid)
    rows["kept"] = m.read(store, d, 1)
    for name, row in rows.items():
        m.label(row, name)
    rows["answer"] = m.instance(child, {"p": [a]}, "u_child")["q"][0]
    m.output("y", list(rows.values()))
    marked = m.register((0, 1, 0), reset=0)
    m.connect(marked, valid)
    m.output("valid_out", [marked])
    return m
