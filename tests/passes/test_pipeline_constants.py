"""Constants keep their grid where registers are placed."""

from gatewright.hw import VALID_IN, VALID_OUT, Kind, Module
from gatewright.num import Intervals
from gatewright.passes.netlist import Clock, DelayModel, pipeline

MODEL = DelayModel(lut=0.3, carry=0.5, carry_bit=0.01, mux=0.1, register=0.2, source="test")


def test_a_zero_that_was_moved_to_the_grid_of_its_sum_stays_there():
    # -(x * 8) stands on the grid of multiples of 8, and so must the zero it is subtracted from.
    m = Module("negated", "test")
    valid = m.input(VALID_IN, Intervals.of([0], [1], [0]))
    x = m.input("x", Intervals.of([0, 0], [100, 100], [0, 0]))
    total = m.add(x[0], x[1])
    m.output("y", [m.neg(m.shift(total, 3))])
    m.output(VALID_OUT, valid)
    placed = pipeline(m, Clock(1.0, MODEL))
    assert placed.latency > 0
    sums = [s for s in range(len(placed)) if placed.kind[s] in (Kind.ADD, Kind.SUB)]
    assert len(sums) == 2
    for s in sums:
        assert placed.frac[s] == max(placed.frac[o] for o in placed.operands(s))
