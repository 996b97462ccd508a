import pytest

from gatewright.base.errors import ToolError
from gatewright.tools.yosys_counts import Counts, counts_of


def test_primitives_are_counted_by_resource():
    counts = counts_of(
        {
            "LUT1": 1, "LUT2": 2, "LUT6": 3, "LUT6_2": 1, "INV": 9,
            "FDRE": 4, "FDRE_1": 1, "FDPE": 2, "LDCE": 1,
            "CARRY4": 3, "CARRY8": 2, "MUXF7": 2, "MUXF8": 1,
            "DSP48E1": 1, "DSP48E2": 2, "RAMB18E2": 3, "RAMB36E2": 2, "URAM288": 1,
            "SRL16E": 2, "SRLC32E": 3, "RAM64M8": 2, "RAM32X1D": 1, "$scopeinfo": 7, "BUFG": 1,
        }
    )  # fmt: skip
    assert (counts.lut, counts.ff, counts.carry, counts.muxf) == (7, 8, 7, 3)
    assert (counts.dsp, counts.bram, counts.uram) == (3, 3.5, 1)
    assert (counts.srl, counts.lutram, counts.lut_sites) == (5, 18, 30)
    assert counts.cells["BUFG"] == 1
    assert "$scopeinfo" not in counts.cells


def test_ecp5_primitives_are_counted():
    counts = counts_of(
        {
            "LUT4": 5, "CCU2C": 4, "PFUMX": 2, "L6MUX21": 1, "TRELLIS_FF": 7,
            "MULT18X18D": 2, "DP16KD": 3, "TRELLIS_DPR16X4": 1,
        }
    )  # fmt: skip
    assert (counts.lut, counts.ff, counts.carry, counts.muxf) == (13, 7, 2, 3)
    assert (counts.dsp, counts.bram, counts.lutram) == (2, 1.5, 6)


def test_sums_and_multiples():
    a, b = counts_of({"LUT2": 1, "RAMB18E1": 1}), counts_of({"LUT2": 2, "FDRE": 3})
    assert a + b == counts_of({"LUT2": 3, "RAMB18E1": 1, "FDRE": 3})
    assert a * 3 == counts_of({"LUT2": 3, "RAMB18E1": 3})
    assert (a * 3).bram == 1.5
    assert b * 0 == Counts()


def test_a_cell_left_unmapped_wrong():
    with pytest.raises(ToolError, match="cells that it cannot map") as error:
        counts_of({"LUT2": 4, "$dlatchsr": 2})
    assert "2 $dlatchsr" in str(error.value)
