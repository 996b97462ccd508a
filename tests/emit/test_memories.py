"""Memories in Verilog: two simulators answer as the interpreter does, lint finds nothing."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from random_circuits import interpreted_parts, random_inputs, simulated, streaming, wrapper
from tests.memory_circuits import CIRCUITS, dual_port, held

from gatewright.base import VerificationError
from gatewright.emit import emit_verilog
from gatewright.hw import Module, Packing, check
from gatewright.num import Intervals
from gatewright.tools.icarus import run_testbench
from gatewright.tools.verilator import lint

CYCLES, WRITING = 90, 16  # in the first ones every word of every memory is written


@pytest.fixture(scope="module")
def shelf():
    """All the circuits in one design, what is put on it, and what the interpreter answers."""
    modules = [make() for make in CIRCUITS.values()]
    top = wrapper(modules)
    check(top)
    inputs = random_inputs(top, CYCLES, seed=5)
    for port in inputs:
        if port.endswith(("_we", "_clear")):
            inputs[port][:WRITING] = 1
        if port.endswith("_wa"):
            size = inputs[port].max() + 1
            inputs[port][:WRITING, 0] = np.arange(WRITING) % size
    return top, emit_verilog(top), inputs, interpreted_parts(modules, inputs)


def test_verilator_answers_as_the_interpreter(shelf):
    top, sources, inputs, want = shelf
    got = simulated(top, streaming(top, sources), inputs)
    assert len(got) == 13
    for port, answer in got.items():
        np.testing.assert_array_equal(answer[WRITING:], want[port][WRITING:], err_msg=port)
        assert len(np.unique(answer[WRITING:])) > 2, port


def hexadecimal(top: Module, ports: dict[str, list[int]], values: dict[str, np.ndarray]) -> str:
    """Return a line for each cycle, all ports side by side, the first lowest."""
    lines = []
    for t in range(CYCLES):
        code, at = 0, 0
        for port, signals in ports.items():
            kinds = top.intervals(signals)
            words = Packing.of(kinds).pack(values[port][t : t + 1])[0].tolist()
            code |= sum(word << (64 * i) for i, word in enumerate(words)) << at
            at += int(kinds.width.sum())
        lines.append(f"{code:x}")
    return "\n".join(lines)


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_icarus_answers_as_the_interpreter(shelf):
    top, sources, inputs, want = shelf
    ports = {side: {p: s for p, s in group.items() if top.intervals(s).width.sum()} for side, group
             in (("in", top.inputs), ("out", top.outputs))}  # fmt: skip
    bits = {side: sum(top.width(s) for signals in group.values() for s in signals)
            for side, group in ports.items()}  # fmt: skip
    want = want | {"valid_out": inputs["valid_in"]}
    wiring = []
    for side, net in (("in", "x"), ("out", "y")):
        at = 0
        for port, signals in ports[side].items():
            width = int(top.intervals(signals).width.sum())
            wiring.append(f".{port}({net}[{at + width - 1}:{at}])")
            at += width
    bench = f"""
module bench;
  reg clk = 0, rst = 1;
  reg [{bits["in"] - 1}:0] given [0:{CYCLES - 1}];
  reg [{bits["out"] - 1}:0] wanted [0:{CYCLES - 1}];
  reg [{bits["in"] - 1}:0] x;
  wire [{bits["out"] - 1}:0] y;
  integer t, wrong = 0;
  all_of_them dut (.clk(clk), .rst(rst), {", ".join(wiring)});
  initial begin
    $readmemh("given.hex", given);
    $readmemh("wanted.hex", wanted);
    x = 0;
    for (t = 0; t < {CYCLES}; t = t + 1) begin
      x = given[t]; rst = 0;
      #1 if (t >= {WRITING} && y !== wanted[t]) begin
        wrong = wrong + 1;
        $display("cycle %0d: %h", t, y ^ wanted[t]);
      end
      clk = 1; #1 clk = 0;
    end
    $display("%0d wrong of {CYCLES}", wrong);
  end
endmodule
"""
    # Icarus compares what comes after the padding as well: zeros stay zeros.
    files = {
        **sources,
        "bench.v": bench,
        "given.hex": hexadecimal(top, ports["in"], inputs),
        "wanted.hex": hexadecimal(top, ports["out"], want),
    }
    assert run_testbench(files, "bench").strip().splitlines()[-1] == f"0 wrong of {CYCLES}"


def test_lint_finds_nothing_to_warn_of(shelf):
    top, sources, _, _ = shelf
    lint(streaming(top, sources))


def test_a_word_is_read_and_written_whole():
    """Neither the fields of a word that is passed on nor those of a port become wires."""
    text = emit_verilog(dual_port(6, 7, fields=300, registered=False))["dual_port.v"]
    assert "reg [2099:0] ram_store [0:5];" in text
    assert "wire [2099:0] word_of_ram_store = ram_store[ra];" in text
    assert "      ram_store[wa] <= d;" in text
    assert "assign q = word_of_ram_store;" in text
    assert len(text.splitlines()) < 60


@pytest.mark.parametrize("style", ["auto", "distributed", "block", "ultra"])
def test_a_style_is_asked_for_by_an_attribute(style):
    text = emit_verilog(dual_port(style=style))["dual_port.v"]
    asked = [line for line in text.splitlines() if "ram_style" in line]
    wanted = [] if style == "auto" else [f'  (* ram_style = "{style}" *) reg [7:0] ram_store']
    assert [line.split(" [0:")[0] for line in asked] == wanted


def test_a_small_table_in_a_block_is_a_memory():
    text = emit_verilog(CIRCUITS["block_rom"]())["block_rom.v"]
    assert '(* rom_style = "block" *) reg [8:0] rom_w [0:23];' in text


def test_words_that_an_address_can_reach_past_the_end_are_zeros():
    text = emit_verilog(CIRCUITS["beyond"]())["beyond.v"]
    assert "ram_store [0:31];" in text
    assert "for (ram_store_i = 20; ram_store_i < 32;" in text
    assert "if (!rst && we && {wa} < 5'd20) begin" in text
    assert "(|far[7:5]) ? " in text


def test_a_memory_that_nothing_reads_is_left_out():
    m = Module("unread")
    (x,) = m.input("x", Intervals.of([0], [7], 0))
    store = m.memory("store", 8, m.intervals([x]))
    m.write(store, x, [x], m.constant(1))
    m.output("y", held(m, [x], m.constant(1)))
    assert "ram_store" not in emit_verilog(m)["unread.v"]


def test_a_memory_without_a_write_port_wrong():
    m = Module("unwritten")
    (x,) = m.input("x", Intervals.of([0], [7], 0))
    m.output("y", m.read_word(m.memory("store", 8, m.intervals([x])), x))
    with pytest.raises(VerificationError, match="a memory has no write port") as error:
        emit_verilog(m)
    assert "module unwritten, memory store" in str(error.value)
