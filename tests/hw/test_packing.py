"""Ports as bits: against one big Python integer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.hw import Packing
from gatewright.num import Fixed, Intervals

FORMATS = st.lists(
    st.builds(Fixed, st.booleans(), st.integers(0, 62), st.integers(-3, 3)), max_size=12
)


def kinds(formats: list[Fixed]) -> Intervals:
    columns = [[getattr(f, name) for f in formats] for name in ("low", "high", "frac")]
    return Intervals.of(*(np.asarray(c, np.int64) for c in columns))


@given(FORMATS, st.data())
def test_round_trip_and_place_of_every_bit(formats, data):
    packing = Packing.of(kinds(formats))
    rows = [[data.draw(st.integers(f.low, f.high)) for f in formats] for _ in range(3)]
    q = np.asarray(rows, np.int64).reshape(3, len(formats))
    packed = packing.pack(q)
    np.testing.assert_array_equal(packing.unpack(packed), q)
    narrowest = [Fixed.holding(f.low, f.high, 0).width for f in formats]
    assert packing.bits == sum(narrowest)
    assert packed.shape == (3, packing.words) == (3, -(-packing.bits // 64))
    for row, words in zip(rows, packed.tolist(), strict=True):
        whole, at = 0, 0
        for value, width in zip(row, narrowest, strict=True):
            whole |= (value & ((1 << width) - 1)) << at
            at += width
        assert sum(word << (64 * i) for i, word in enumerate(words)) == whole


def test_elements_lie_in_c_order():
    packing = Packing.of(Intervals.of([[0, 0], [-1, 0]], [[3, 0], [0, 7]], 0))
    assert packing.offset.tolist() == [0, 2, 2, 3]
    assert packing.width.tolist() == [2, 0, 1, 3]
    assert packing.pack(np.asarray([[[3, 0], [-1, 5]]])).tolist() == [[0b101_1_11]]


@pytest.mark.parametrize("count", [0, 1])
def test_ports_without_bits(count):
    packing = Packing.of(Intervals.of(np.zeros(count), np.zeros(count), 0))
    assert (packing.bits, packing.words) == (0, 0)
    packed = packing.pack(np.zeros((4, count), np.int64))
    assert packed.shape == (4, 0)
    assert packing.unpack(packed).shape == (4, count)
