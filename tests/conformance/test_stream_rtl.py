"""Stream designs of many operations in simulated RTL, in one build, with stalls at both ends."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.base import ToolError
from gatewright.emit import emit_verilog
from gatewright.emit.verilog import top_name
from gatewright.hw import random_ready
from gatewright.ops import OPERATIONS
from gatewright.tools.streams import (
    StreamStimulus,
    pack_beats,
    simulate_streams,
    stream_design,
    unpack_beats,
)
from gatewright.tools.verilator import find_compiler
from tests.conformance.stream_cases import Network
from tests.conformance.stream_plans import Planned
from tests.conformance.test_stream_conformance import few

WIDE = ("FirstActive", "Densify", "Segment", "PoolCells")
"""Operations whose circuits take long to compile; the slow test has them."""
SAMPLES = 3


def batch(each: int, without: tuple[str, ...]) -> list[Planned]:
    """Return some plans of every operation that have wires to drive and to look at."""
    plans = []
    for op in OPERATIONS:
        if op.__name__ not in without:
            own = [p for p in few(op) if all(t.width.any() for t in p.case.inputs)]
            plans += own[:each]
    return plans


def simulate_all(plans: list[Planned]) -> None:
    """Run each plan without stalls and with; hold it to the reference and to the model."""
    try:
        find_compiler()
    except ToolError as error:
        pytest.skip(f"RTL cannot be simulated: {error}")
    networks = [Network.of(planned) for planned in plans]
    networks = [n for n in networks if n.lowered.outputs[0].types.width.any()]
    designs, stimuli = [], []
    for network in networks:
        beats = network.beats(network.tensors(SAMPLES))
        design = stream_design(network.top, top_name(network.top), emit_verilog(network.top))
        (out,) = network.lowered.outputs
        expected, packed = {out.name: SAMPLES * out.beats}, pack_beats(network.top, beats)
        rng = np.random.default_rng(network.planned.case.seed)
        gaps = {name: rng.integers(0, 3, len(b)) for name, b in beats.items()}
        ready = {out.name: random_ready(0.5, network.planned.case.seed)}
        designs += [design, design]
        stimuli += [
            StreamStimulus(packed, expected), StreamStimulus(packed, expected, gaps, ready)
        ]  # fmt: skip
    responses = simulate_streams(designs, stimuli, drain=16, patience=2000)
    for number, response in enumerate(responses):
        network = networks[number // 2]
        name, (out,) = network.planned.name, network.lowered.outputs
        assert not response.deadlock, (name, response.deadlock)
        found = unpack_beats(network.top, response.beats)[out.name]
        network.compare(found, network.tensors(SAMPLES))
        if number % 2 == 0:
            ends = response.output_cycle[out.name][out.beats - 1 :: out.beats]
            assert ends.tolist() == network.finished(SAMPLES), name


def test_simulated_streams_agree_with_the_reference():
    plans = batch(1, WIDE)
    assert len(plans) > len(OPERATIONS) - len(WIDE) - 5
    simulate_all(plans)


@pytest.mark.slow
def test_more_simulated_streams():
    simulate_all(batch(9, ()))
