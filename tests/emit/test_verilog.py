"""The text computes what the interpreter says, is clean in three tools, and stays as it is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from circuits import CIRCUITS, folded, hierarchical, pipelined
from random_circuits import (
    chained,
    interpreted_parts,
    odd_claims,
    random_inputs,
    random_module,
    simulated,
    streaming,
    wrapper,
)

from gatewright.base import OptionError, VerificationError
from gatewright.emit import emit_verilog, top_name
from gatewright.emit.folded import BORDERED
from gatewright.emit.header import generator
from gatewright.emit.tables import CASE_WORDS
from gatewright.hw import Kind, Module, Table, check
from gatewright.num import Fixed, Intervals
from gatewright.tools.rtl import RtlDesign
from gatewright.tools.verilator import lint

GOLDEN = Path(__file__).parent / "golden"
FLUSH = 30  # cycles after which no register without reset remembers its start
HOSTILE = (
    "x; endmodule\n`define A\r// */ endmodule /* \\\n\u2028\x00 \\endmodule \"é' verilator lint_off"
)


@pytest.fixture(scope="module")
def crowd() -> tuple[list[Module], Module, dict[str, str]]:
    """Many random modules, half of them with state, in one design."""
    leaves = [random_module(i, "rnd", state=i % 2 == 1, cells=45) for i in range(10)]
    users = [
        random_module(100 + i, "rnd", state=i % 2 == 1, children=tuple(leaves[i : i + 2]), cells=30)
        for i in range(4)
    ]
    modules = [*leaves, *users, odd_claims(), chained()]
    top = wrapper(modules)
    check(top)
    return modules, top, emit_verilog(top)


def test_random_circuits_compute_what_the_interpreter_says(crowd):
    modules, top, sources = crowd
    assert {int(k) for m in modules for k in m.kind} == {int(k) for k in Kind}
    inputs = random_inputs(top, 80, seed=1)
    got = simulated(top, streaming(top, sources), inputs)
    want = interpreted_parts(modules, inputs)
    assert len(got) > len(modules)
    for port, answer in got.items():
        np.testing.assert_array_equal(answer[FLUSH:], want[port][FLUSH:], err_msg=port)


def test_verilator_finds_nothing_to_warn_of(crowd):
    _, top, sources = crowd
    lint(streaming(top, sources))
    for make in CIRCUITS.values():
        lint(bare(emit_verilog(make())))


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_icarus_finds_nothing_to_warn_of(crowd, tmp_path):
    _, _, sources = crowd
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
    command = ["iverilog", "-g2005", "-Wall", "-s", "all_of_them", "-o", "out.vvp", *sources]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_yosys_reads_it(crowd, tmp_path):
    libyosys = pytest.importorskip("pyosys.libyosys", reason="pyosys is not installed")
    _, _, sources = crowd
    design = libyosys.Design()
    log = tmp_path / "yosys.log"
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
        libyosys.run_pass(f"tee -q -o {log} read_verilog {tmp_path / name}", design)
        assert "Warning" not in log.read_text()
    libyosys.run_pass(f"tee -q -o {log} hierarchy -check -top all_of_them", design)
    libyosys.run_pass(f"tee -q -o {log} proc", design)
    libyosys.run_pass(f"tee -q -o {log} check -assert", design)
    assert "Found and reported 0 problems" in log.read_text()


def bare(sources: dict[str, str]) -> RtlDesign:
    """Return a design for the linter, which looks at no port."""
    return RtlDesign(next(iter(sources)).removesuffix(".v"), sources, (), ())


@pytest.mark.parametrize("name", CIRCUITS)
def test_golden_text(name, refresh_golden):
    sources = emit_verilog(CIRCUITS[name]())
    for file, text in sources.items():
        text = text.replace(generator(), "Gatewright")
        path = GOLDEN / file
        if refresh_golden:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert text == path.read_text(), f"{file} changed; --refresh-golden accepts it"


def test_text_and_names_are_stable():
    assert emit_verilog(folded()) == emit_verilog(folded())
    first, second = (random_module(7, "rnd", state=True) for _ in range(2))
    assert emit_verilog(first) == emit_verilog(second)


def test_a_module_used_twice_is_written_once():
    sources = emit_verilog(hierarchical())
    assert list(sources) == ["curves.v", "curve.v"]
    assert sources["curves.v"].count("  curve u_") == 2


@pytest.mark.parametrize("terms", [BORDERED, BORDERED - 1])
def test_a_module_of_sums_with_tables_keeps_its_border(terms):
    m = Module("sums", "sums")
    x = m.input("x", Intervals.of([0] * 16, [31] * 16, [0] * 16))
    total = x[0]
    for s in x[1 : terms + 1]:
        total = m.add(total, m.table(s, Table.of("square", np.arange(32) ** 2 % 61, 0)))
    m.output("y", [total])
    top = Module("around", "around")
    feeds = top.input("x", m.intervals(m.inputs["x"]))
    top.output("y", top.instance(m, {"x": feeds})["y"])
    sources = emit_verilog(top)
    border = '(* keep_hierarchy = "yes" *)\nmodule sums ('
    assert (border in sources["sums.v"]) == (terms >= BORDERED)
    assert "keep_hierarchy" not in sources["around.v"]


def test_a_port_passed_on_whole_is_not_taken_apart():
    text = emit_verilog(chained())["chained.v"]
    assert "  twist u_first (\n    .x(x),\n    .y(y_of_u_first)\n  );" in text
    assert "    .x(y_of_u_first),\n" in text
    assert "assign whole = y_of_u_first;" in text
    assert "assign part = y_of_u_second[11:4];" in text
    assert "x_to_u_shuffled = {" in text


def test_two_modules_of_one_name_are_kept_apart():
    leaves = [random_module(i, "Case", state=False, cells=5) for i in (1, 2)]
    sources = emit_verilog(wrapper(leaves, "case"))
    assert list(sources) == ["case_m.v", "Case_m_2.v", "Case_m_3.v"]


def test_a_port_named_like_a_wire_or_the_module():
    m = Module("x")
    x = m.input("x", Intervals.format(Fixed(True, 4, 0), (2,)))
    t2 = m.input("t3", Intervals.format(Fixed(True, 4, 0)))
    total = m.add(m.add(x[0], t2[0]), x[1])
    m.output("y", [total])
    sources = emit_verilog(m)
    assert list(sources) == [f"{top_name(m)}.v"] == ["x_2.v"]
    assert "t3_2 = {x_0[3], x_0} + {t3[3], t3};" in sources["x_2.v"]
    lint(bare(sources))


def test_hostile_names_stay_in_their_comments_and_identifiers():
    table = Table.of(HOSTILE, np.arange(-8, 8))
    child = Module(HOSTILE, origin=HOSTILE, note=HOSTILE)
    index = child.input("u", Intervals.format(Fixed(False, 4, 0), (1,)))[0]
    child.output("v", [child.table(index, table)])
    top = Module("endmodule", origin=HOSTILE, note=HOSTILE)
    x = top.input("x", Intervals.format(Fixed(False, 4, 0), (2,)))
    answer = top.instance(child, {"u": [x[0]]}, HOSTILE)["v"][0]
    total = top.add(answer, x[1])
    top.label(total, HOSTILE)
    top.output("y", [total, answer])
    sources = emit_verilog(top)
    lint(bare(sources))
    for text in sources.values():
        assert text.isascii()
        assert "\\" not in text
        code = re.sub(r"//[^\n]*", "", text)
        assert len(re.findall(r"\bendmodule\b", code)) == 1
        assert re.findall(r"`\w+", code) == ["`default_nettype", "`default_nettype"]
    assert "<U+000A>" in sources["endmodule_m.v"]


def test_dead_cells_and_zero_signals_leave_no_wire():
    m = Module("quiet")
    x = m.input("x", Intervals.of([-4, 0, 0], [3, 0, 1], [0, 0, 0]))
    m.mul(x[0], x[0])
    m.output("y", [x[0], x[1]])
    m.output("nothing", [x[1]])
    text = emit_verilog(m)["quiet.v"]
    assert "*" not in re.sub(r"//[^\n]*", "", text)
    assert "x_1" not in text
    assert "wire nothing" not in text
    lint(bare({"quiet.v": text}))


def test_pins_and_bits_that_nothing_reads_are_listed():
    m = Module("shifted")
    x = m.input("x", Intervals.format(Fixed(True, 8, 0), (2,)))
    r = m.register((-8, 7, -4))
    m.connect(r, x[1])
    m.output("y", [r])
    text = emit_verilog(m)["shifted.v"]
    assert "wire unused_bits = &{1'b0,\n    rst, x_1[3:0], x[7:0]\n  };" in text
    lint(bare({"shifted.v": text}))


def test_small_tables_are_functions_and_large_ones_memories():
    m = Module("reader")
    x = m.input("x", Intervals.format(Fixed(False, 8, 0), (2,)))
    small = Table.of("small", np.arange(CASE_WORDS))
    large = Table.of("large", np.stack([np.arange(200), -np.arange(200)], 1), np.array([0, 3]))
    m.output("y", [m.table(x[0], small), m.table(x[0], large, 0), m.table(x[0], large, 1)])
    text = emit_verilog(m)["reader.v"]
    assert "function [5:0] rom_small;" in text
    assert "reg [16:0] rom_large [0:255];" in text  # both fields in one memory
    assert text.count("rom_large[x_0]") == 1  # read once
    lint(bare({"reader.v": text}))


def test_a_memory_is_read_at_an_unsigned_index():
    """Icarus takes a signed index as a number, and one below zero as out of range."""
    m = Module("reader")
    x = m.input("x", Intervals.format(Fixed(True, 8, 0), (2,)))
    table = Table.of("t", np.arange(256))
    m.output("y", [m.table(x[0], table), x[1]])
    text = emit_verilog(m)["reader.v"]
    assert "wire signed [7:0] x_0" in text
    assert "rom_t[{x_0}]" in text
    lint(bare({"reader.v": text}))


def test_meaning_is_beside_the_bits():
    text = emit_verilog(pipelined())["dense_relu.v"]
    assert "{{{3{x_0[7]}}, x_0[7:2]} + {x_1[7], x_1}, x_0[1:0]};  // = x_0 + 4*x_1" in text
    assert "input      x          32    4 x fixed<8,4>" in text
    assert "// latency 2 cycles, initiation interval 1" in text


@pytest.mark.parametrize(
    "word", ["verilator", "synopsys", "synthesis", "pragma", "u", "u_t", "rom_x", "t4", "t5"]
)
def test_words_that_tools_obey_in_comments(word):
    m = Module(word, origin=f"{word} translate_off", note=f"{word} lint_off")
    x = m.input(word, Intervals.format(Fixed(True, 4, 0), (2,)))
    total = m.add(x[0], m.shift(m.table(x[1], Table.of(f"{word} x", np.arange(9))), 2))
    m.label(total, word)
    m.output("y", [total, m.sub(total, x[0])])
    sources = emit_verilog(m)
    lint(bare(sources))
    assert not re.search(rf"//\W*{word}\b", "".join(sources.values()))


@pytest.mark.parametrize("name", ["clk", "wire", "1x", "a b", "a__b", "x;", "valid_in"])
def test_a_port_name_that_rtl_cannot_have(name):
    m = Module("named")
    m.input("valid_in", Intervals.of([0], [1], [0]))
    m.output(name, [m.constant(1)])
    with pytest.raises(OptionError) as caught:
        emit_verilog(m)
    assert "a port cannot have this name in RTL" in str(caught.value)
    assert f"found:     {name}" in str(caught.value)
    assert "rename the model's input or output" in str(caught.value)


def test_a_register_without_input_is_refused():
    m = Module("open")
    m.output("y", [m.register((0, 3, 0))])
    with pytest.raises(VerificationError, match="a register has no input"):
        emit_verilog(m)


def test_a_layer_may_be_called_like_a_wire():
    leaf = random_module(3, "t11", state=True)
    top = wrapper([leaf, random_module(4, "z", state=False)])
    sources = emit_verilog(top)
    assert list(sources) == ["all_of_them.v", "t11.v", "z.v"]
    lint(bare(sources))


def test_what_needs_no_adder_is_written_without_one():
    m = Module("bits")
    x = m.input("x", Intervals.format(Fixed(False, 4, 0), (2,)))
    beside = m.add(m.shift(x[0], 2), m.constant(65))
    pair = m.add(x[0], m.shift(x[1], 4))
    flipped = m.add(m.input("s", Intervals.format(Fixed(True, 4, 0)))[0], m.constant(8))
    m.output("y", [beside, pair, flipped, m.xor(x[0], m.constant(15)), m.sub(x[0], m.constant(4))])
    text = emit_verilog(m)["bits.v"]
    assert "y_0 = {1'd1, x_0, 2'd1};  // = 4*x_0 + 65" in text
    assert "y_1 = {x_1, x_0};  // = x_0 + 16*x_1" in text
    assert "y_2 = s ^ 4'd8;  // = s + 8" in text
    assert "y_3 = ~x_0;" in text
