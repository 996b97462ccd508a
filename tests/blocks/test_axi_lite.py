"""An AXI4-Lite slave, driven by cocotb and cocotbext-axi in Verilator."""

from __future__ import annotations

import numpy as np
import pytest
from cocotb_bench import needs_cocotb, run_bench
from have_tools import needs_simulation

from gatewright.base import OptionError
from gatewright.blocks.axi_lite import axi_lite
from gatewright.emit import emit_verilog
from gatewright.hw import Module, Simulator, check
from gatewright.num import Intervals
from gatewright.tools.rtl import RtlDesign
from gatewright.tools.verilator import lint

WORD = Intervals.of([0], [2**32 - 1], 0)


def registers(words, **options):
    """A memory of 32-bit words behind a slave."""
    m = Module("registers")
    bus = axi_lite(m, words, **options)
    number = m.memory("words", words, WORD, np.zeros((words, 1), np.int64))
    m.write(number, bus.address, [bus.write_data], bus.write_enable)
    found = m.register((0, 2**32 - 1, 0))
    m.connect(found, m.read(number, bus.address), bus.read_enable)
    answer = found
    for _ in range(options.get("latency", 1) - 1):
        later = m.register((0, 2**32 - 1, 0))
        m.connect(later, answer)
        answer = later
    bus.connect(answer)
    return m


@needs_cocotb
@pytest.mark.parametrize(("words", "latency"), [(21, 3)])
def test_accesses_in_cocotb(words, latency, tmp_path):
    module = registers(words, latency=latency)
    check(module)
    passed = run_bench(module, "bench_axi_lite", tmp_path, WORDS=words)
    assert sorted(passed) == [
        "many_words_in_one_call",
        "no_word_and_no_part_of_a_word",
        "what_is_written_is_read",
    ]


@needs_simulation
def test_the_ports_and_the_text():
    module = registers(2000, prefix="s_axi")
    assert {p: module.width(s[0]) for p, s in module.inputs.items()} == {
        "s_axi_awaddr": 13, "s_axi_awvalid": 1, "s_axi_wdata": 32, "s_axi_wstrb": 4,
        "s_axi_wvalid": 1, "s_axi_bready": 1, "s_axi_araddr": 13, "s_axi_arvalid": 1,
        "s_axi_rready": 1,
    }  # fmt: skip
    assert {p: module.width(s[0]) for p, s in module.outputs.items()} == {
        "s_axi_awready": 1, "s_axi_wready": 1, "s_axi_bresp": 2, "s_axi_bvalid": 1,
        "s_axi_arready": 1, "s_axi_rdata": 32, "s_axi_rresp": 2, "s_axi_rvalid": 1,
    }  # fmt: skip
    lint(RtlDesign("registers", emit_verilog(module), (), ()))


@pytest.mark.parametrize("words", [1, 8])
def test_an_address_range_that_the_words_fill(words):
    """Every address is a word, but for the one word, whose slave still has an address bit."""
    module = registers(words, address_bits=max(3, 2 + (words - 1).bit_length()))
    check(module)
    simulator = Simulator(module)
    simulator.reset()
    idle = {port: np.zeros((1, 1), np.int64) for port in module.inputs}

    def cycle(**signals):
        given = {f"s_axil_{name}": np.asarray([[value]]) for name, value in signals.items()}
        found = simulator.step(idle | given)
        return {port.removeprefix("s_axil_"): int(v[0, 0]) for port, v in found.items()}

    address = 4 * (words - 1)
    assert cycle(awaddr=address, awvalid=1)["awready"] == 1
    assert cycle(wdata=77, wstrb=15, wvalid=1)["wready"] == 1
    assert [cycle()["bvalid"] for _ in range(3)] == [0, 0, 1]
    assert (cycle(bready=1)["bresp"], cycle()["bvalid"]) == (0, 0)
    assert cycle(araddr=address, arvalid=1)["arready"] == 1
    assert [cycle()["rvalid"] for _ in range(4)] == [0, 0, 1, 1]
    assert [cycle(araddr=address, arvalid=n == 0)["arready"] for n in range(2)] == [1, 0]
    answer = cycle(rready=1)
    assert (answer["rdata"], answer["rresp"]) == (77, 0)
    assert [cycle(rready=1)["rvalid"] for _ in range(4)] == [0, 0, 1, 0]  # the one that waited


@pytest.mark.parametrize(
    ("words", "bits", "text"),
    [
        (0, None, "0 words, 12 address bits"),
        (5, 4, "5 words, 4 address bits"),
        (5, 33, "1 word or more, 5 to 32 address bits"),
        (2**31, None, "2147483648 words, 33 address bits"),
    ],
)
def test_sizes_that_cannot_be_wrong(words, bits, text):
    with pytest.raises(OptionError, match="the register bus cannot have this size") as error:
        axi_lite(Module("m"), words, address_bits=bits)
    assert text in str(error.value)
