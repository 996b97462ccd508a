"""AXI4-Stream ports, driven by cocotb and cocotbext-axi in Verilator."""

from __future__ import annotations

import numpy as np
import pytest
import stream_modules as modules
from cocotb_bench import needs_cocotb, run_bench
from have_tools import needs_simulation

from gatewright.base import OptionError
from gatewright.blocks.axi_stream import axi_stream, padding
from gatewright.emit import emit_verilog
from gatewright.hw import Simulator, check
from gatewright.num import Intervals
from gatewright.tools.rtl import RtlDesign
from gatewright.tools.verilator import lint

NAMES = ["a", "b", "y"]
BENCH = [
    "a_wrong_frame_harms_no_other",
    "an_error_stays_until_reset",
    "frames_come_out_whole",
    "without_pauses_a_beat_moves_in_each_cycle",
]


@needs_cocotb
@pytest.mark.parametrize("frame", [1, 5])
def test_frames_in_cocotb(frame, tmp_path):
    wrapped = axi_stream(modules.adder(), dict.fromkeys(NAMES, frame))
    check(wrapped)
    passed = run_bench(wrapped, "bench_axi_stream", tmp_path, FRAME=frame)
    assert sorted(passed) == BENCH


@needs_simulation
def test_the_ports_and_the_text():
    wrapped = axi_stream(modules.decimator(), {"x": 6, "y": 2, "z": 2})
    assert (wrapped.name, wrapped.latency) == ("decimator_axi", modules.decimator().latency)
    assert list(wrapped.inputs) == [
        "s_axis_x_tdata", "s_axis_x_tvalid", "s_axis_x_tlast", "m_axis_y_tready", "m_axis_z_tready"
    ]  # fmt: skip
    widths = {p: sum(map(wrapped.width, s)) for p, s in (wrapped.outputs | wrapped.inputs).items()}
    data = ("s_axis_x_tdata", "m_axis_y_tdata", "m_axis_z_tdata")
    assert [widths.pop(port) for port in data] == [8, 8, 8]
    assert set(widths.values()) == {1}
    sources = emit_verilog(wrapped)
    lint(RtlDesign("decimator_axi", sources, (), ()))
    assert "aclk is clk, aresetn is rst inverted" in sources["decimator_axi.v"]


def test_filled_up_beats_are_the_legal_values_next_to_zero():
    """An element that cannot be zero is filled with what it can be."""
    m = modules.Module("offset")
    valid, x = modules.stream_in(m, "x", Intervals.of([3, -9], [7, -2], [1, 0]))
    (ready,) = m.input("y_ready", modules.BIT)
    m.output("x_ready", [ready])
    modules.stream_out(m, "y", valid, x)
    simulator = Simulator(axi_stream(m, {"x": 2, "y": 2}))
    simulator.reset()
    given = {"s_axis_x_tdata": [4, -3, 0], "s_axis_x_tvalid": [1], "s_axis_x_tlast": [1]}
    arrays = {p: np.asarray([v]) for p, v in (given | {"m_axis_y_tready": [1]}).items()}
    first, second = simulator.step(arrays), simulator.step(arrays)
    assert first["m_axis_y_tdata"][0, :2].tolist() == [4, -3]
    assert second["m_axis_y_tdata"][0, :2].tolist() == [3, -2]
    assert (first["m_axis_y_tlast"][0, 0], second["m_axis_y_tlast"][0, 0]) == (0, 1)
    assert (first["s_axis_x_tready"][0, 0], second["s_axis_x_tready"][0, 0]) == (1, 0)


def test_other_ports_are_passed_on():
    m = modules.skid()
    mode = m.input("mode", modules.BIT)
    m.output("status", mode)
    wrapped = axi_stream(m, {"x": 4, "y": 4})
    assert "mode" in wrapped.inputs
    assert "status" in wrapped.outputs


def test_beats_are_padded_to_bytes():
    assert [bits + padding(bits) for bits in (0, 1, 8, 9, 64, 65)] == [8, 8, 8, 16, 64, 72]


@pytest.mark.parametrize("frames", [{}, {"x": 1}, {"x": 1, "y": 0}, {"x": 1, "y": 1, "z": 1}])
def test_frames_that_are_not_the_streams_wrong(frames):
    with pytest.raises(OptionError, match="needs its number of beats an event") as error:
        axi_stream(modules.skid(), frames)
    assert "1 or more for each of x, y" in str(error.value)
