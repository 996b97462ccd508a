"""The network that keeps the first rows that are present, against picking them."""

import numpy as np
import pytest

from gatewright.blocks.compaction import Row, first_present, number_of
from gatewright.hw import Module
from gatewright.hw.interpret import evaluate
from gatewright.num import Intervals
from gatewright.passes.netlist import total_resources


def network(rows, count, width=6):
    """Return the circuit for rows of one signal; port `y` has present, number and content."""
    m = Module("first")
    bits = m.input("present", Intervals.of([0] * rows, [1] * rows, 0))
    data = m.input("x", Intervals.of([0] * rows, [(1 << width) - 1] * rows, 0))
    pairs = [Row(bit, (value,)) for bit, value in zip(bits, data, strict=True)]
    zero = m.constant(0)
    found = first_present(m, pairs, count)
    assert len(found) == count
    for i, row in enumerate(found):
        shown = (zero, zero, zero) if row is None else (
            row.present, number_of(m, row.number), row.content[0]
        )  # fmt: skip
        m.output(f"y{i}", list(shown))
    return m


@pytest.mark.parametrize(
    ("rows", "count"),
    [(1, 1), (2, 3), (5, 2), (7, 7), (16, 4), (17, 5), (33, 3), (40, 20), (64, 9), (100, 1)],
)
def test_the_first_rows_are_kept_in_order(rows, count):
    m = network(rows, count)
    rng = np.random.default_rng(rows)
    density = rng.random((400, 1))
    present = (rng.random((400, rows)) < density).astype(np.int64)
    x = rng.integers(0, 64, (400, rows))
    got = evaluate(m, {"present": present, "x": x})
    for i in range(count):
        there = present.sum(axis=1) > i
        place = np.argsort(1 - present, axis=1, kind="stable")[:, min(i, rows - 1)]
        answers = got[f"y{i}"]
        assert np.array_equal(answers[:, 0] == 1, there)
        assert np.array_equal(answers[there, 1], place[there])
        assert np.array_equal(answers[there, 2], x[np.arange(400), place][there])


def test_choices_of_four_take_one_lut_a_bit():
    """Of 64 rows 16 nodes of four slots are made, of these 4 nodes, and the root."""
    wide, narrow = (total_resources(network(64, 4, width)).lut for width in (48, 24))
    assert (wide - narrow) / 24 == (16 + 4 + 1) * 4
