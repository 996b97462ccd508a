"""What the parts of a stream design cost, roughly: enough to choose between two ways to build."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from gatewright.arch.devices import Device
from gatewright.blocks.mac_products import TABLE_BITS, choose_multiplier, folded_blocks
from gatewright.blocks.serial import serial_blocks, serial_luts
from gatewright.ir import Op
from gatewright.num import FixedArray, Intervals
from gatewright.ops import Dense

DSP_WEIGHT, BRAM_WEIGHT = 40.0, 120.0
"""LUTs that a DSP block and a block of memory are held to be worth: about what boards have more of
the one than of the other (xcvu13p: 141 LUTs a DSP block, 640 a block of 36 kbit)."""

TABLE_SHARE, TABLE_PRICE = 0.02, 0.125
"""Tables of sums may take this share of a device's blocks of memory; each is then held to be worth
this share of the LUTs that the device has for a block (xcvu13p: 80)."""

ROM_BITS_PER_LUT = 64
BLOCK_BITS, BLOCK_WIDTH = 36 * 1024, 72
SMALL_ROM = 64
"""Words up to which weights stand in LUTs."""


@dataclass(frozen=True)
class Cost:
    """Estimated resources; bram in blocks of 36 kbit."""

    lut: float = 0.0
    dsp: int = 0
    bram: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.lut + other.lut, self.dsp + other.dsp, self.bram + other.bram)

    @property
    def weight(self) -> float:
        """All of it in LUTs."""
        return self.lut + DSP_WEIGHT * self.dsp + BRAM_WEIGHT * self.bram

    def table_weight(self, device: Device) -> float:
        """All of it in LUTs, where blocks of memory are those that a device has left over."""
        price = min(BRAM_WEIGHT, TABLE_PRICE * device.lut / max(device.bram, 1))
        return self.lut + DSP_WEIGHT * self.dsp + price * self.bram


def parallel_cost(op: Op, y: Intervals, x: Intervals, share: float) -> Cost:
    """Return the cost of a share of an operation's rows, its constants in the circuit."""
    return Cost(lut=(op.luts(y, x) or 0.0) * share)


def wants_dsp(op: Dense, x: Intervals, device: Device) -> bool:
    """Whether a folded product's multipliers are worth DSP blocks."""
    low, high = (np.asarray([v]) for v in op.weight_range)
    group = min(op.weight.shape[1], 2)
    block = device.block if device.dsp else None
    return choose_multiplier(x, low, high, group, block, "auto").block is not None


def multiplier_luts(a: int, b: int) -> float:
    """Return the LUTs of a product of two signals of some bits, of which one at least is signed.

    Yosys, of 4 x 4 to 16 x 8 bits: 1.5 to 1.85 for each pair of bits (8 x 8 signed: 118). Very
    narrow ones are looked up.
    """
    return (1.1 if a + b <= TABLE_BITS else 1.75) * a * b


def folded_cost(op: Dense, x: Intervals, taken: int, given: int, device: Device, dsp: bool) -> Cost:
    """Return the cost of a product folded onto `taken` x `given` multipliers.

    Args:
        op: the product.
        x: type of its operand.
        taken: elements of a row taken in a step.
        given: outputs worked on at once.
        device: whose blocks are counted.
        dsp: whether the multipliers are DSP blocks.
    """
    bits_x, bits_w = int(x.width.max()), op.weight_bits
    n_in, n_out = op.weight.shape
    words = ceil(n_in / taken) * ceil(n_out / given)
    width = taken * given * bits_w
    total = bits_x + bits_w + ceil(np.log2(max(n_in, 2)))
    lut = given * 2.0 * total + (taken - 1) * given * (bits_x + bits_w)
    blocks, bram = 0, 0.0
    if dsp:
        blocks = folded_blocks(x, op.weight_range, taken, given, device.block)
    else:
        lut += taken * given * multiplier_luts(bits_x, bits_w)
    if words <= SMALL_ROM:
        lut += width * ceil(words / ROM_BITS_PER_LUT)
    else:
        bram = ceil(width / BLOCK_WIDTH) * ceil(words / 512)
    return Cost(lut, blocks, bram)


def serial_cost(op: Dense, row: Intervals, bits: int, device: Device, spare: float) -> Cost:
    """Return the cost of a product with constants, some bits of each element in a step.

    Args:
        op: the product.
        row: types of the elements of a row.
        bits: of each element in a step.
        device: whose blocks of memory may hold the sums of a step.
        spare: so many of them.
    """
    weight = FixedArray.exact(op.weight).q
    cost = Cost(lut=serial_luts(weight, row, bits))
    lut, bram = serial_blocks(weight, row, bits)
    in_blocks = Cost(lut=lut, bram=bram)
    if in_blocks.bram <= spare and in_blocks.table_weight(device) < cost.weight:
        return in_blocks
    return cost
