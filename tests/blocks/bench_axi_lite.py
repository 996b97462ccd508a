"""What cocotb does at the AXI4-Lite ports: run inside the simulator, not by pytest.

Behind the slave stands a memory of WORDS words; see `test_axi_lite`.
"""

from __future__ import annotations

import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

WORDS = int(os.environ.get("WORDS", 0))  # of the bench of this file alone


async def started(dut):
    """Return a master at the slave, after reset."""
    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, 5, "ns").start())
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    for _ in range(4):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    return master


def pause(master, seed, share):
    """Make every channel wait at random."""
    write, read = master.write_if, master.read_if
    channels = [write.aw_channel, write.w_channel, write.b_channel]
    for number, channel in enumerate([*channels, read.ar_channel, read.r_channel]):
        channel.set_pause_generator(pauses_of(seed + number, share))


def pauses_of(seed, share):
    rng = random.Random(seed)
    while True:
        yield rng.random() < share


async def write(master, word, value):
    answer = master.write(4 * word, value.to_bytes(4, "little"))
    return (await with_timeout(answer, 50, "us")).resp


async def read(master, word):
    answer = await with_timeout(master.read(4 * word, 4), 50, "us")
    return answer.resp, int.from_bytes(answer.data, "little")


@cocotb.test()
async def what_is_written_is_read(dut):
    master = await started(dut)
    rng = random.Random(1)
    values = [rng.getrandbits(32) for _ in range(WORDS)]
    for share in (0, 0.6):
        if share:
            pause(master, 10, share)
            values = [~value & 0xFFFFFFFF for value in values]
        for word in rng.sample(range(WORDS), WORDS):
            assert await write(master, word, values[word]) == AxiResp.OKAY
        for word in rng.sample(range(WORDS), WORDS):
            assert await read(master, word) == (AxiResp.OKAY, values[word])


@cocotb.test()
async def many_words_in_one_call(dut):
    """Reads and writes in flight side by side, the channels of each in any order."""
    master = await started(dut)
    pause(master, 30, 0.4)
    data = random.Random(2).randbytes(4 * WORDS)
    await with_timeout(master.write(0, data), 50, "us")
    half = 4 * (WORDS // 2)
    other = random.Random(3).randbytes(half)
    writing = cocotb.start_soon(master.write(0, other))
    upper = await with_timeout(master.read(half, 4 * WORDS - half), 50, "us")
    assert upper.data == data[half:]
    await with_timeout(writing, 50, "us")
    whole = await with_timeout(master.read(0, 4 * WORDS), 50, "us")
    assert whole.data == other + data[half:]


@cocotb.test()
async def no_word_and_no_part_of_a_word(dut):
    """An access beyond the last word, or to some bytes of a word, changes nothing."""
    master = await started(dut)
    values = [0x01020304 * (word + 1) & 0xFFFFFFFF for word in range(WORDS)]
    for word, value in enumerate(values):
        assert await write(master, word, value) == AxiResp.OKAY
    last = 2 ** len(dut.s_axil_awaddr) // 4 - 1
    for word in (WORDS, WORDS + 1, 2 * WORDS, last, last - WORDS + 1):
        assert await write(master, word, 0xFFFFFFFF) == AxiResp.SLVERR
        assert await read(master, word) == (AxiResp.SLVERR, 0)
    for address, data in ((0, b"\xff"), (4, b"\xff\xff"), (6, b"\xff\xff"), (9, b"\xff\xff\xff")):
        answer = await with_timeout(master.write(address, data), 50, "us")
        assert answer.resp == AxiResp.SLVERR
    for word, value in enumerate(values):
        assert await read(master, word) == (AxiResp.OKAY, value)
    part = await with_timeout(master.read(6, 2), 50, "us")
    assert part.data == values[1].to_bytes(4, "little")[2:]
