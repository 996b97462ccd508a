"""What cocotb does at the AXI4-Stream ports: run inside the simulator, not by pytest.

The design adds streams `a` and `b`, FRAME beats an event, into `y`; see `test_axi_stream`.
"""

from __future__ import annotations

import os
import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, with_timeout
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

FRAME = int(os.environ.get("FRAME", 0))  # of the bench of this file alone
EVENTS = 12


class Bench:
    """Sources, sink and the design after reset."""

    def __init__(self, dut):
        self.dut = dut
        ends = (
            (AxiStreamSource, "s_axis_a"),
            (AxiStreamSource, "s_axis_b"),
            (AxiStreamSink, "m_axis_y"),
        )
        self.a, self.b, self.y = (
            end(AxiStreamBus.from_prefix(dut, prefix), dut.clk, dut.rst, byte_lanes=1)
            for end, prefix in ends
        )

    @classmethod
    async def start(cls, dut, pauses=True):
        dut.rst.value = 1
        cocotb.start_soon(Clock(dut.clk, 5, "ns").start())
        bench = cls(dut)
        for _ in range(4):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        await RisingEdge(dut.clk)
        if pauses:
            for number, end in enumerate((bench.a, bench.b, bench.y)):
                end.set_pause_generator(pauses_of(number))
        return bench

    async def frames(self, count):
        return [await with_timeout(self.y.recv(), 100, "us") for _ in range(count)]

    def errors(self):
        return int(self.dut.a_frame_error.value), int(self.dut.b_frame_error.value)


def pauses_of(seed):
    rng = random.Random(seed)
    while True:
        yield rng.random() < 0.5


def coded(a):
    """Return beats of `a`, two elements of 4 bits with sign, in a byte."""
    return [int((x & 15) | (y & 15) << 4) for x, y in a]


def coded_b(b):
    """Return beats of `b`, two elements of 8 bits, in two bytes."""
    return [int(x | y << 8) for x, y in b]


def decoded(frame):
    """Return the beats of `y`, two elements of 10 bits with sign in three bytes, padding zero."""
    assert all(word >> 20 == 0 for word in frame.tdata)
    found = np.asarray([[word & 1023, word >> 10 & 1023] for word in frame.tdata])
    return np.where(found > 511, found - 1024, found)


def events(seed, count=EVENTS):
    rng = np.random.default_rng(seed)
    shape = (count, FRAME, 2)
    return rng.integers(-8, 8, shape), rng.integers(0, 201, shape)


@cocotb.test()
async def frames_come_out_whole(dut):
    bench = await Bench.start(dut)
    a, b = events(1)
    for one, other in zip(a, b, strict=True):
        await bench.a.send(AxiStreamFrame(coded(one)))
        await bench.b.send(AxiStreamFrame(coded_b(other)))
    for frame, one, other in zip(await bench.frames(EVENTS), a, b, strict=True):
        np.testing.assert_array_equal(decoded(frame), one + 2 * other)
    assert bench.errors() == (0, 0)


@cocotb.test()
async def without_pauses_a_beat_moves_in_each_cycle(dut):
    bench = await Bench.start(dut, pauses=False)
    a, b = events(2)
    for one, other in zip(a, b, strict=True):
        await bench.a.send(AxiStreamFrame(coded(one)))
        await bench.b.send(AxiStreamFrame(coded_b(other)))
    frames = await bench.frames(EVENTS)
    cycles = (frames[-1].sim_time_end - frames[0].sim_time_start) / 5000
    assert cycles == EVENTS * FRAME - 1, cycles


@cocotb.test()
async def a_wrong_frame_harms_no_other(dut):
    """Frames too long, too short, and much too long, one after another, among right ones."""
    bench = await Bench.start(dut)
    a, b = events(3)
    lengths = [FRAME] * EVENTS
    lengths[2], lengths[4], lengths[5] = FRAME + 1, max(1, FRAME - 1), 1
    lengths[7], lengths[8] = 3 * FRAME + 1, FRAME + 2
    rng = np.random.default_rng(4)
    for one, other, length in zip(a, b, lengths, strict=True):
        more = rng.integers(-8, 8, (max(0, length - FRAME), 2))
        sent = np.concatenate([one[:length], more])
        await bench.a.send(AxiStreamFrame(coded(sent)))
        await bench.b.send(AxiStreamFrame(coded_b(other)))
    assert bench.errors() == (0, 0)
    frames = await bench.frames(EVENTS)
    for frame, one, other, length in zip(frames, a, b, lengths, strict=True):
        filled = np.where(np.arange(FRAME)[:, None] < length, one, 0)
        np.testing.assert_array_equal(decoded(frame), filled + 2 * other)
    assert bench.errors() == (1, 0)


@cocotb.test()
async def an_error_stays_until_reset(dut):
    bench = await Bench.start(dut)
    assert bench.errors() == (0, 0)
    a, b = events(5, 1)
    await bench.a.send(AxiStreamFrame(coded(a[0])))
    await bench.b.send(AxiStreamFrame(coded_b(np.concatenate([b[0], b[0]]))))
    (frame,) = await bench.frames(1)
    np.testing.assert_array_equal(decoded(frame), a[0] + 2 * b[0])
    await with_timeout(bench.b.wait(), 100, "us")
    await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    assert bench.errors() == (0, 1)
