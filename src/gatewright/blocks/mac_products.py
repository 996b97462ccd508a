"""Products of signals: looked up, of LUTs, in DSP blocks, or two in one block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.base import OptionError
from gatewright.blocks.arith import signed_sum
from gatewright.hw import DspBlock, Module, Table
from gatewright.hw.dsp import SMALLEST, signed_width
from gatewright.num import Fixed, Intervals, Ints

TABLE_BITS = 6
"""Operands of so many bits together are multiplied by a table: one LUT a bit of the product."""
BLOCK_PRICE = 40.0
"""LUTs that a DSP block is held to be worth; a product of a and b bits takes about `1.1 a b`."""
STYLES = ("auto", "lut", "dsp")


@dataclass(frozen=True)
class Multiplier:
    """What multiplies elements by weights.

    Attributes:
        block: a DSP block, or None for LUTs.
        pair: two weights share a block and an element: as `first + second * 2**pair` they are one
            operand, and the products are the block's result below and above bit `pair`. 0: each
            product has its own blocks.
    """

    block: DspBlock | None = None
    pair: int = 0


def choose_multiplier(
    x: Intervals, low: Ints, high: Ints, group: int, block: DspBlock | None, style: str
) -> Multiplier:
    """Return what multiplies elements of some types by weights of some ranges.

    Args:
        x: types of the elements.
        low: least of each weight, any shape.
        high: largest of each weight.
        group: products of one element.
        block: what the device has.
        style: "auto", "lut" or "dsp".

    Raises:
        OptionError: the style is not known, or asks for blocks that are not there.
    """
    if style not in STYLES or (style == "dsp" and block is None):
        raise OptionError(
            "a folded product cannot be multiplied that way",
            found=f"multipliers={style!r}" + (" on a device without DSP blocks" * (block is None)),
            supported=", ".join(STYLES),
        )
    bits_x, bits_w = _bits(x.lo, x.hi), _bits(low, high)
    if block is None or style == "lut":
        return Multiplier()
    pair = _pair(x, low, high, block) if group > 1 else 0
    price = BLOCK_PRICE / 2 if pair else BLOCK_PRICE
    wide = min(bits_x, bits_w) >= 2 and bits_x + bits_w >= SMALLEST
    if style == "auto" and not (wide and 1.1 * bits_x * bits_w > price):
        return Multiplier()
    return Multiplier(block, pair)


def folded_blocks(
    x: Intervals, weights: tuple[int, int], taken: int, given: int, block: DspBlock
) -> int:
    """Return the DSP blocks of products of `taken` elements with weights of `given` outputs.

    Args:
        x: types of the elements.
        weights: least and largest weight.
        taken: elements of a step.
        given: outputs of a step.
        block: what the device has.
    """
    low, high = (np.asarray([v]) for v in weights)
    if _pair(x, low, high, block):
        return taken * -(-given // 2)
    element = Fixed.holding(min(int(x.lo.min()), -1), int(x.hi.max()), 0).width
    weight = Fixed.holding(min(weights[0], -1), weights[1], 0).width
    return taken * given * block.blocks(element, weight)


def _pair(x: Intervals, low: Ints, high: Ints, block: DspBlock) -> int:
    """Return the distance of two weights in one operand, 0 where a block is too narrow for two."""
    ends = [int(a) * int(b) for a in (x.lo.min(), x.hi.max()) for b in (low.min(), high.max())]
    pair = Fixed.holding(min(*ends, 0), max(*ends, 0), 0).width + (min(ends) >= 0)
    upper = Fixed.holding(int(low.min()) - 1, int(high.max()), 0).width
    element = Fixed.holding(min(int(x.lo.min()), -1), int(x.hi.max()), 0).width
    return pair if block.blocks(upper + pair, element) == 1 else 0


def _bits(low: Ints, high: Ints) -> int:
    return Fixed.holding(min(int(low.min()), 0), max(int(high.max()), 0), 0).width


def paired(weights: Ints, multiplier: Multiplier) -> Ints:
    """Return the weights as words hold them: of each pair the second is less 1 if the first is < 0.

    So the operand of a pair needs no adder: it is the second above the first, whose sign fills the
    bits between.

    Args:
        weights: (..., group).
        multiplier: what multiplies.
    """
    if not multiplier.pair:
        return weights
    held = weights.copy()
    pairs = weights.shape[-1] // 2
    held[..., 1 : 2 * pairs : 2] -= weights[..., 0 : 2 * pairs : 2] < 0
    return held


def dot(m: Module, x: Sequence[int], w: Sequence[int], multiplier: Multiplier) -> int:
    """Return the sum of products of elements and weights."""
    products = [product(m, a, b, multiplier) for a, b in zip(x, w, strict=True)]
    return signed_sum(m, products)


def two_dots(
    m: Module, x: Sequence[int], first: Sequence[int], second: Sequence[int], pair: int
) -> tuple[int, int]:
    """Return the sums of products with the first and the second weights of pairs.

    With p the block's result, signed bits below `pair` hold the first product, so that the second
    one is floor(p / 2**pair), and 1 more where the first is negative.
    """
    low_terms, high_terms = [], []
    for a, low, high in zip(x, first, second, strict=True):
        if m.is_constant(a) and not m.lo[a]:
            continue
        point = m.frac[low] if m.lo[low] or m.hi[low] else m.frac[high]
        spread = m.wrap(low, Fixed(False, pair, point))
        both = m.mul(m.add(m.shift(high, pair), spread), a, blocks=1)
        frac = point + m.frac[a]
        low_terms.append(m.wrap(both, Fixed(True, pair, frac)))
        high_terms.append(m.shift(m.floor(both, frac - pair), -pair))
        sign = m.wrap(m.shift(m.floor(both, frac - pair + 1), 1 - pair), Fixed(False, 1, frac))
        high_terms.append(sign)
    return signed_sum(m, low_terms), signed_sum(m, high_terms)


def product(m: Module, x: int, w: int, multiplier: Multiplier) -> int:
    """Return a product; that of two very narrow numbers is looked up."""
    if multiplier.block is not None and not (m.is_constant(x) or m.is_constant(w)):
        return m.mul(x, w, multiplier.block.blocks(signed_width(m, x), signed_width(m, w)))
    bits = m.width(x), m.width(w)
    if m.is_constant(x) or m.is_constant(w) or min(bits) < 2 or sum(bits) > TABLE_BITS:
        return m.mul(x, w)
    words = np.outer(_numbers(m, w), _numbers(m, x)).ravel()
    return m.table(m.concat(w, x), Table.of("products", words, m.frac[x] + m.frac[w]))


def _numbers(m: Module, s: int) -> Ints:
    """Return the number of each code of a signal, 0 for those that do not occur."""
    width, lo, hi = m.width(s), m.lo[s], m.hi[s]
    codes = np.arange(1 << width, dtype=np.int64)
    value = np.where(codes >= 1 << (width - 1), codes - (1 << width), codes) if lo < 0 else codes
    return np.where((value >= lo) & (value <= hi), value, 0)
