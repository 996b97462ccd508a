"""Products of folded layers: every pair of weights and element gives its two products."""

import numpy as np
import pytest

from gatewright.base import OptionError
from gatewright.blocks.mac_products import Multiplier, choose_multiplier, paired, product, two_dots
from gatewright.hw import DspBlock, Kind, Module, evaluate
from gatewright.num import Intervals

XC7, ECP5 = DspBlock(25, 18), DspBlock(18, 18)


def every(*ranges):
    """Return all combinations of some ranges, a column for each."""
    grids = np.meshgrid(*(np.arange(lo, hi + 1) for lo, hi in ranges), indexing="ij")
    return np.stack([grid.ravel() for grid in grids], axis=1)


@pytest.mark.parametrize("x", [(0, 15), (-8, 7), (-7, 0), (0, 1)])
@pytest.mark.parametrize("w", [(-8, 7), (-7, 7), (0, 7), (-5, -1)])
def test_two_products_of_one_block_are_exact_on_all_operands(x, w):
    low, high = np.array([w[0]]), np.array([w[1]])
    kind = Intervals.of([x[0]], [x[1]], 2)
    chosen = choose_multiplier(kind, low, high, 2, XC7, "dsp")
    cases = every(x, w, w)
    held = paired(cases[:, 1:], chosen)
    m = Module("pair")
    (a,) = m.input("x", kind)
    (first,) = m.input("first", Intervals.of(low, high, 1))
    (second,) = m.input("second", Intervals.of(held[:, 1].min(), held[:, 1].max(), 1))
    m.output("y", two_dots(m, [a], [first], [second], chosen))
    found = evaluate(m, {"x": cases[:, :1], "first": held[:, :1], "second": held[:, 1:]})["y"]
    wanted = cases[:, :1] * cases[:, 1:]
    points = np.array([m.frac[s] for s in m.outputs["y"]])
    assert np.array_equal(found << (3 - points), wanted)
    assert sum(kind == Kind.MUL for kind in m.kind) == 1


def test_sums_of_narrow_pairs_are_taken_apart_once():
    rng = np.random.default_rng(0)
    x, w = Intervals.of([0] * 9, [255] * 9, 3), np.array([-4, 3])
    chosen = choose_multiplier(x, w[:1], w[1:], 2, XC7, "auto", 9)
    assert chosen == Multiplier(XC7, 15, 9)  # 9 * 255 * -4 takes 15 bits
    weights = rng.choice([-4, -4, 3, 0], (300, 9, 2))
    weights[:3] = -4
    elements = rng.choice([0, 255, 255, 1], (300, 9))
    elements[:3] = 255
    held = paired(weights, chosen)
    m = Module("pairs")
    a = m.input("x", x)
    first = m.input("first", Intervals.of([-4] * 9, [3] * 9, 0))
    second = m.input("second", Intervals.of([-5] * 9, [3] * 9, 0))
    m.output("y", two_dots(m, a, first, second, chosen))
    feeds = {"x": elements, "first": held[..., 0], "second": held[..., 1]}
    found = evaluate(m, feeds)["y"] << (3 - np.array([m.frac[s] for s in m.outputs["y"]]))
    assert np.array_equal(found, (elements[:, :, None] * weights).sum(1))
    assert choose_multiplier(x, w[:1], w[1:], 2, XC7, "auto", 1200).joint == 1028


def test_sums_of_pairs_of_wide_numbers():
    rng = np.random.default_rng(0)
    x, w = Intervals.of([0] * 3, [255] * 3, 0), np.array([-128, 127])
    chosen = choose_multiplier(x, w[:1], w[1:], 2, XC7, "auto")
    assert chosen == Multiplier(XC7, 16)  # 9 + 16 bits times 9 bits
    weights = rng.choice([-128, -1, 0, 127], (200, 3, 2))
    elements = rng.choice([0, 1, 255], (200, 3))
    held = paired(weights, chosen)
    m = Module("pairs")
    a = m.input("x", x)
    first = m.input("first", Intervals.of([-128] * 3, [127] * 3, 0))
    second = m.input("second", Intervals.of([-129] * 3, [127] * 3, 0))
    m.output("y", two_dots(m, a, first, second, chosen))
    feeds = {"x": elements, "first": held[..., 0], "second": held[..., 1]}
    assert np.array_equal(evaluate(m, feeds)["y"], (elements[:, :, None] * weights).sum(1))


@pytest.mark.parametrize(("x", "w"), [((0, 7), (-4, 3)), ((-4, 3), (-4, 3)), ((-3, 2), (0, 5))])
def test_narrow_products_are_looked_up(x, w):
    m = Module("narrow")
    (a,), (b,) = m.input("x", Intervals.of(*x, 1)), m.input("w", Intervals.of(*w, -1))
    m.output("y", [product(m, a, b, Multiplier())])
    cases = every(x, w)
    found = evaluate(m, {"x": cases[:, :1], "w": cases[:, 1:]})["y"]
    assert np.array_equal(found, cases.prod(1, keepdims=True))
    assert m.holds(Kind.TABLE)
    assert not m.holds(Kind.MUL)


def test_what_multiplies_follows_the_widths_and_the_device():
    x, eight = Intervals.of([0], [255], 0), (np.array([-128]), np.array([127]))
    assert choose_multiplier(x, *eight, 2, None, "auto") == Multiplier()
    assert choose_multiplier(x, *eight, 2, XC7, "lut") == Multiplier()
    assert choose_multiplier(x, *eight, 1, XC7, "auto") == Multiplier(XC7)
    assert choose_multiplier(x, *eight, 2, ECP5, "auto") == Multiplier(ECP5)  # no room for two
    narrow = Intervals.of([0], [7], 0), np.array([-4]), np.array([3])
    assert choose_multiplier(*narrow, 2, XC7, "auto") == Multiplier()


def test_blocks_that_are_not_there_are_refused():
    x, w = Intervals.of([0], [255], 0), np.array([3])
    with pytest.raises(OptionError) as caught:
        choose_multiplier(x, w, w, 1, None, "dsp")
    assert "multipliers='dsp' on a device without DSP blocks" in str(caught.value)
    with pytest.raises(OptionError, match="cannot be multiplied that way"):
        choose_multiplier(x, w, w, 1, XC7, "adders")
