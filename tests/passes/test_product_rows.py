"""Products in LUTs as modules of rows: the same numbers, for every kind of operand."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.blocks.booth import NARROWEST
from gatewright.hw import Kind, Module, check, evaluate
from gatewright.num import Intervals
from gatewright.passes.netlist import with_product_rows


def product(low: list[int], high: list[int], frac: list[int], square: bool = False) -> Module:
    m = Module("top")
    a, b = m.input("x", Intervals.of(low, high, frac))
    m.output("y", [m.mul(a, a if square else b)])
    return m


def every(m: Module) -> np.ndarray:
    """Return all operands of few bits, random ones and the corners of more."""
    spans = [(m.lo[s], m.hi[s]) for s in m.inputs["x"]]
    if np.prod([hi - lo + 1 for lo, hi in spans]) <= 1 << 16:
        grids = np.meshgrid(*(np.arange(lo, hi + 1) for lo, hi in spans))
        return np.stack([g.ravel() for g in grids], 1)
    rng = np.random.default_rng(0)
    corners = np.stack([g.ravel() for g in np.meshgrid(*spans)], 1)
    some = np.stack([rng.integers(lo, hi, 3000, endpoint=True) for lo, hi in spans], 1)
    return np.concatenate([corners, some])


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize(
    ("low", "high"),
    [
        ([-8, -8], [7, 7]), ([0, 0], [15, 15]), ([-16, 0], [15, 31]), ([0, -32], [127, 31]),
        ([-5, 3], [9, 12]), ([-2048, -(2**17)], [2047, 2**17 - 1]), ([0, -7], [2**20 - 1, 8]),
        ([-120, -20], [-9, -10]), ([-(2**28), -(2**28)], [2**28 - 1, 2**28 - 1]),
    ],
)  # fmt: skip
def test_rows_are_the_product(low, high, square):
    m = product(low, high, [3, -1], square)
    new = with_product_rows(m)
    assert Kind.MUL not in list(new.kind)
    assert Kind.MUL in list(m.kind)  # the old one stays
    check(new)
    x = every(m)
    assert new.range(new.outputs["y"][0]) == m.range(m.outputs["y"][0])
    np.testing.assert_array_equal(evaluate(new, {"x": x})["y"], evaluate(m, {"x": x})["y"])


def test_equal_products_share_a_module():
    m = Module("top")
    a, b, c = m.input("x", Intervals.of([-64] * 3, [63] * 3, 0))
    m.output("y", [m.mul(a, b), m.mul(b, c)])
    new = with_product_rows(m)
    assert len({id(i.module) for i in new.instances}) == 1
    assert len(new.instances) == 2
    assert new.instances[0].module.name == "product_s7_s7"


def test_narrow_products_and_those_for_blocks_stay():
    top = 2 ** (NARROWEST - 1) - 1
    narrow = product([0, 0], [top, 1000], [0, 0])
    assert with_product_rows(narrow) is narrow
    m = Module("top")
    a, b = m.input("x", Intervals.of([0, 0], [1000, 1000], 0))
    m.output("y", [m.mul(a, b, blocks=1)])
    assert with_product_rows(m) is m


def test_products_whose_rows_could_be_too_wide_stay():
    wide = product([-(2**30), -(2**30)], [2**30 - 1, 2**30 - 1], [0, 0])  # itself 61 bits
    assert with_product_rows(wide) is wide


def test_products_below_the_top_are_found():
    inner = product([-64, -64], [63, 63], [0, 0])
    m = Module("outer")
    m.output("y", m.instance(inner, {"x": m.input("x", Intervals.of([-64] * 2, [63] * 2, 0))})["y"])
    new = with_product_rows(m)
    assert new.instances[0].module.instances[0].module.name == "product_s7_s7"
    x = every(inner)
    np.testing.assert_array_equal(evaluate(new, {"x": x})["y"], evaluate(m, {"x": x})["y"])
