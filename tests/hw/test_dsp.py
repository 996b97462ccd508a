"""How many blocks a product takes."""

from __future__ import annotations

import pytest

from gatewright.hw import DspBlock


@pytest.mark.parametrize(
    ("block", "operands", "count"),
    [
        ((27, 18), (27, 18), 1), ((27, 18), (18, 27), 1), ((27, 18), (27, 19), 2),
        ((25, 18), (26, 18), 2), ((18, 18), (18, 18), 1), ((18, 18), (19, 19), 4),
        ((27, 18), (35, 27), 2), ((27, 18), (53, 35), 4),
    ],
)  # fmt: skip
def test_blocks(block, operands, count):
    assert DspBlock(*block).blocks(*operands) == count


def test_a_cut_product_is_the_sum_of_its_parts():
    """What `blocks` counts: 17 low bits unsigned, the rest signed, for 18x18."""
    for x, y in ((-(2**34), 2**17 - 1), (2**34 - 1, -(2**17)), (123456789, -98765)):
        low, high = x & (2**17 - 1), x >> 17
        assert -(2**17) <= high < 2**17
        assert low * y + (high * y << 17) == x * y
    assert str(DspBlock(27, 18)) == "27x18"
