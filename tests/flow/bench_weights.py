"""What cocotb does at a design whose weights are written: run inside the simulator, not by pytest.

The file RUN holds some sets of weights: what is written (`writes`), the frames that follow and the
results that must come, and addresses where no word is; see `test_written_weights`.
"""

from __future__ import annotations

import os
import random

import cocotb
import numpy as np
from bench_axi_lite import pause, read, write
from bench_axi_stream import pauses_of
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

RUN = dict(np.load(os.environ["RUN"]))


class Bench:
    """The master of the weights, the source and the sink, all with random pauses."""

    def __init__(self, dut):
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis_x"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis_y"), dut.clk, dut.rst)

    @classmethod
    async def start(cls, dut):
        dut.rst.value = 1
        cocotb.start_soon(Clock(dut.clk, 5, "ns").start())
        bench = cls(dut)
        for _ in range(4):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        await RisingEdge(dut.clk)
        pause(bench.master, 40, 0.2)
        bench.source.set_pause_generator(pauses_of(1))
        bench.sink.set_pause_generator(pauses_of(2))
        return bench

    async def words_are(self, words):
        """Read some words."""
        for address, data in words:
            assert await read(self.master, address) == (AxiResp.OKAY, data), hex(address)

    async def events_are(self, number):
        """Send frames, read words of the weights meanwhile, and compare what comes."""
        frames, wanted = RUN[f"x_{number}"], RUN[f"y_{number}"]
        for frame in frames:
            await self.source.send(AxiStreamFrame(frame.tobytes()))
        words = random.Random(number).sample(RUN[f"held_{number}"].tolist(), 20)
        reading = cocotb.start_soon(self.words_are(words))
        for frame in wanted:
            found = await with_timeout(self.sink.recv(), 500, "us")
            assert bytes(found.tdata) == frame.tobytes()
        await with_timeout(reading, 500, "us")


@cocotb.test()
async def weights_are_written_between_events(dut):
    bench = await Bench.start(dut)
    for number in range(int(RUN["sets"])):
        writes = RUN[f"writes_{number}"].tolist()
        for address, data in random.Random(number).sample(writes, len(writes)):
            assert await write(bench.master, address, data) == AxiResp.OKAY
        await bench.words_are(RUN[f"held_{number}"].tolist())
        await bench.events_are(number)


@cocotb.test()
async def addresses_without_a_word_are_errors(dut):
    bench = await Bench.start(dut)
    last = int(RUN["sets"]) - 1
    for address, data in RUN[f"writes_{last}"].tolist():
        await write(bench.master, address, data)
    for address in RUN["holes"].tolist():
        assert await write(bench.master, address, 0xFFFFFFFF) == AxiResp.SLVERR
        assert await read(bench.master, address) == (AxiResp.SLVERR, 0)
    part = await with_timeout(bench.master.write(0, b"\xff\xff"), 50, "us")
    assert part.resp == AxiResp.SLVERR
    await bench.words_are(RUN[f"held_{last}"].tolist())
    await bench.events_are(last)
