"""Plain `valid` ports: results in time, and an overrun that does not go unseen."""

from __future__ import annotations

import numpy as np
import pytest
import stream_modules as modules
from have_tools import needs_simulation

from gatewright.base import OptionError
from gatewright.blocks.valid_ports import valid_ports
from gatewright.emit import emit_verilog
from gatewright.hw import Module, Simulator, check
from gatewright.tools.rtl import RtlDesign
from gatewright.tools.verilator import lint


def slow() -> Module:
    """Take a beat in every second cycle, and give it in the next one."""
    m = Module("slow", latency=1, interval=2)
    valid, x = modules.stream_in(m, "x", modules.Intervals.of([-4], [3], 0))
    (y_ready,) = m.input("y_ready", modules.BIT)
    mark = m.register((0, 1, 0), reset=0)
    ready = m.not_(mark)
    taken = m.and_(valid, ready)
    m.connect(mark, m.or_(taken, m.and_(mark, m.not_(y_ready))))
    m.output("x_ready", [ready])
    modules.stream_out(m, "y", mark, modules.registers(m, x, taken, "y"))
    return m


def run(valid, values):
    """Return, cycle by cycle, (valid, y, overrun)."""
    module = valid_ports(slow())
    check(module)
    assert (module.name, module.latency, module.interval) == ("slow_valid", 1, 2)
    assert list(module.inputs) == ["x_valid", "x"]
    assert sorted(module.outputs) == ["x_overrun", "y", "y_valid"]
    simulator = Simulator(module)
    simulator.reset()
    seen = []
    for bit, value in zip(valid, values, strict=True):
        found = simulator.step({"x_valid": np.array([[bit]]), "x": np.array([[value]])})
        seen.append(tuple(int(found[port][0, 0]) for port in ("y_valid", "y", "x_overrun")))
    return seen


def test_beats_that_keep_the_interval_come_out():
    seen = run([1, 0, 1, 0, 0, 1, 0, 0], [1, 2, 3, -4, -4, -3, 2, 0])
    assert [y for valid, y, _ in seen if valid] == [1, 3, -3]
    assert [valid for valid, _, _ in seen] == [0, 1, 0, 1, 0, 0, 1, 0]
    assert not any(overrun for _, _, overrun in seen)


def test_a_beat_that_came_too_early_is_told_until_reset():
    seen = run([1, 1, 0, 1, 0, 0], [1, 2, 3, -4, 1, 1])
    assert [y for valid, y, _ in seen if valid] == [1, -4]
    assert [overrun for _, _, overrun in seen] == [0, 0, 1, 1, 1, 1]


@needs_simulation
def test_the_text_is_clean():
    lint(RtlDesign("slow_valid", emit_verilog(valid_ports(slow())), (), ()))


def test_a_module_that_gives_nothing_wrong():
    with pytest.raises(OptionError, match="without an output stream"):
        valid_ports(Module("silent"))
