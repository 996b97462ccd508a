"""Paths and carry positions of mapped netlists, by hand and from Yosys."""

import pytest

from gatewright.base import OptionError, ToolError
from gatewright.base.cache import Cache
from gatewright.passes.netlist import DelayModel
from gatewright.tools.mapped import Mapped
from gatewright.tools.yosys import NETLIST, synthesize

MODEL = DelayModel(lut=1.0, carry=10.0, carry_bit=0.01, mux=0.1, register=100.0, source="test")

ADDER = """
module adder(input clk, input [7:0] a, input [7:0] b, output reg [12:0] y);
  reg [7:0] p, q;
  always @(posedge clk) begin p <= a; q <= b; y <= p + {q, 4'b0}; end
endmodule
"""


def by_hand(**cells):
    """Return a netlist of one module, cells as name=(type, {port: bits})."""
    named = {n: {"type": kind, "connections": pins} for n, (kind, pins) in cells.items()}
    return Mapped({"modules": {"top": {"cells": named}}}, "top")


def test_a_path_of_luts_between_registers():
    netlist = by_hand(
        start=("FDRE", {"D": [9], "Q": [2]}),
        invert=("INV", {"I": [2], "O": [3]}),
        one=("LUT2", {"I0": [3], "I1": [8], "O": [4]}),
        two=("LUT6", {"I0": [4], "O": [5]}),
        wide=("MUXF7", {"I0": [5], "I1": [4], "S": [2], "O": [6]}),
        end=("FDRE", {"D": [6], "Q": [7]}),
    )
    path = netlist.longest(MODEL)
    assert path.nanoseconds == pytest.approx(100 + 1 + 1 + 0.1)
    assert (path.luts, path.chains) == (2, 0)
    assert netlist.hidden_luts == 0


def test_an_inverter_is_a_lut_only_where_none_can_absorb_it():
    netlist = by_hand(
        start=("FDRE", {"D": [9], "Q": [2]}),
        invert=("INV", {"I": [2], "O": [3]}),
        logic=("LUT2", {"I0": [3], "I1": [2], "O": [4]}),
        other=("INV", {"I": [4], "O": [5]}),
        end=("FDRE", {"D": [5], "Q": [6]}),
    )
    assert netlist.hidden_luts == 1


def test_an_adder_counts_the_luts_that_only_pass_a_signal(tmp_path):
    """Bits 4 to 7 are sums, 8 to 11 half adders, 12 the carry: 4 LUTs, 4 routed through."""
    found = synthesize(
        {"adder.v": ADDER}, "adder", "xcup", netlist=True, per_module=False, cache=Cache(tmp_path)
    )
    netlist = found.netlist
    assert netlist is not None
    assert (found.total.lut, netlist.hidden_luts) == (4, 4)
    path = netlist.longest(MODEL)
    # The carry that becomes bit 12 has passed the eight positions below it.
    assert path.nanoseconds == pytest.approx(100 + 10 + 8 * 0.01)
    assert (path.luts, path.chains, path.carry_bits) == (1, 1, 8)


def test_a_netlist_is_kept_and_a_result_without_one_is_made_again(tmp_path):
    cache = Cache(tmp_path)
    arguments = ({"adder.v": ADDER}, "adder", "xcup")
    plain = synthesize(*arguments, flow="fast", per_module=False, cache=cache)
    assert plain.netlist is None
    made = synthesize(*arguments, flow="fast", per_module=False, netlist=True, cache=cache)
    again = synthesize(*arguments, flow="fast", per_module=False, netlist=True, cache=cache)
    assert not made.cached
    assert again.cached
    assert again.netlist.longest(MODEL) == made.netlist.longest(MODEL)
    (kept,) = tmp_path.rglob(NETLIST)
    kept.write_bytes(b"damaged")
    repaired = synthesize(*arguments, flow="fast", per_module=False, netlist=True, cache=cache)
    assert not repaired.cached
    assert repaired.netlist.hidden_luts == made.netlist.hidden_luts


def test_a_cell_without_a_model_is_refused():
    with pytest.raises(ToolError) as error:
        by_hand(product=("DSP48E2", {"A": [2], "P": [3]}))
    assert "cells whose delay is not modelled" in str(error.value)
    assert "DSP48E2" in str(error.value)


def test_a_loop_is_refused():
    loop = by_hand(one=("LUT1", {"I0": [2], "O": [3]}), two=("LUT1", {"I0": [3], "O": [2]}))
    with pytest.raises(ToolError) as error:
        loop.longest(MODEL)
    assert "combinational loop" in str(error.value)


def test_a_netlist_of_parts_cannot_be_had():
    with pytest.raises(OptionError) as error:
        synthesize({"adder.v": ADDER}, "adder", "xcup", netlist=True, flatten=False)
    assert "a netlist needs a flat synthesis" in str(error.value)
