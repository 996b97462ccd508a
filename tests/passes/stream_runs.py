"""Run graphs as streams in the interpreter: the reference's values, in the cycles of the model."""

from dataclasses import replace

import numpy as np

from gatewright.blocks.table_store import TableRegisters
from gatewright.blocks.tree_walk import ForestRegisters
from gatewright.hw import Simulator
from gatewright.hw.check import check
from gatewright.ir import evaluate
from gatewright.num import FixedArray
from gatewright.passes.netlist import Clock, DelayModel, pipeline
from gatewright.passes.streams import from_beats, lower_streams, to_beats
from gatewright.streams import assemble, least_depths

MODEL = DelayModel(0.4, 0.5, 0.02, 0.2, 0.5, "for tests")
CLOCK = Clock(5.0, MODEL)


def finish(module):
    return pipeline(module, CLOCK)


def idle_inputs(top):
    """Return what stands at all inputs while nothing is asked: zeros, or what is next to them."""
    kinds = {port: top.intervals(signals) for port, signals in top.inputs.items()}
    return {port: np.clip(0, kind.lo, kind.hi)[None] for port, kind in kinds.items()}


def write(simulator, idle, address, word):
    """Write a word of weights, by the plain bus or by AXI4-Lite."""
    if "w_write" in idle:
        bus = {"w_write": 1, "w_address": address, "w_data": word}
        simulator.step(idle | {port: np.array([[value]]) for port, value in bus.items()})
        return
    axi = {
        "awaddr": 4 * address,
        "awvalid": 1,
        "wdata": word,
        "wvalid": 1,
        "wstrb": 15,
        "bready": 1,
    }
    for _ in range(16):
        given = {f"s_axil_{name}": np.array([[value]]) for name, value in axi.items()}
        found = simulator.step(idle | given)
        for name in ("aw", "w"):
            if axi[f"{name}valid"] and found[f"s_axil_{name}ready"][0, 0]:
                axi[f"{name}valid"] = 0
        if found["s_axil_bvalid"][0, 0]:
            assert found["s_axil_bresp"][0, 0] == 0
            return
    raise AssertionError("no answer to a write")


def read(simulator, idle, address):
    """Read a word by AXI4-Lite; return the response and the word."""
    asked = {"s_axil_araddr": 4 * address, "s_axil_arvalid": 1, "s_axil_rready": 1}
    for _ in range(16):
        given = {name: np.array([[value]]) for name, value in asked.items()}
        found = simulator.step(idle | given)
        if asked["s_axil_arvalid"] and found["s_axil_arready"][0, 0]:
            asked["s_axil_arvalid"] = 0
        if found["s_axil_rvalid"][0, 0]:
            return int(found["s_axil_rresp"][0, 0]), int(found["s_axil_rdata"][0, 0])
    raise AssertionError("no answer to a read")


def run(lowered, top, data, stalls=0.0, seed=0, writes=()):
    """Run samples through a top with one input and one output, weights being written before."""
    rng = np.random.default_rng(seed)
    (source,), (sink,) = lowered.inputs, lowered.outputs
    beats = to_beats(data, source)
    simulator = Simulator(top)
    idle = idle_inputs(top)
    simulator.reset()
    for access in writes:
        write(simulator, idle, *access)
    if len(writes):
        for _ in range(3):
            simulator.step(idle)
    given, taken, first, ends = 0, [], None, []
    for cycle in range(20_000):
        offered = given < len(beats) and rng.random() >= stalls
        word = beats[given] if offered else source.types.lo
        wanted = rng.random() >= stalls
        found = simulator.step(
            idle
            | {
                f"{source.name}_valid": np.array([[int(offered)]]),
                source.name: word[None],
                f"{sink.name}_ready": np.array([[int(wanted)]]),
            }
        )
        if offered and found[f"{source.name}_ready"][0, 0]:
            first = cycle if first is None else first
            given += 1
        if wanted and found[f"{sink.name}_valid"][0, 0]:
            taken.append(found[sink.name][0])
            if len(taken) % sink.beats == 0:
                ends.append(cycle - first)
        if len(ends) == len(data.q):
            return from_beats(np.array(taken), sink), ends
    raise AssertionError("locked up")


def drawn_weights(op, registers, rng):
    """Return random weights, and biases, that some registers can hold, their extremes included."""
    if isinstance(registers, ForestRegisters):
        formats = registers.formats
        leaves = _drawn(formats.leaf, op.leaves.shape, rng)
        leaves = np.where(op.leaves != 0, leaves, 0.0)  # trees of one output keep theirs
        base = _drawn(formats.base, op.base.shape, rng)
        return (replace(op, leaves=leaves, base=base, missing_left=~op.missing_left),)
    if isinstance(registers, TableRegisters):
        return (_drawn(registers.format, registers.shape, rng),)
    formats = registers.formats
    return _drawn(formats.weight, op.weight.shape, rng), _drawn(formats.bias, op.bias.shape, rng)


def _drawn(fmt, shape, rng):
    codes = rng.integers(fmt.low, fmt.high + 1, shape)
    ends = rng.choice([fmt.low, fmt.high], shape)
    return np.where(rng.random(shape) < 0.2, ends, codes) * 2.0**-fmt.frac


def network_of(graph, plans):
    lowered = lower_streams(graph, plans, finish)
    depths, cycles = least_depths(lowered.network)
    top = assemble(lowered.network.with_depths(depths), cycles.latency, cycles.interval)
    check(top)
    return lowered, top, cycles


def random_data(graph, samples):
    (source,) = graph.inputs
    rng = np.random.default_rng(3)
    q = rng.integers(source.type.lo, source.type.hi + 1, (samples, *source.shape))
    return FixedArray(q, source.type.frac)


def agree(lowered, top, graph, data, stalls=0.0, writes=()):
    """Hold a run to the reference of a graph; return the cycles in which events ended."""
    wanted = evaluate(graph, {graph.inputs[0].name: data})[graph.outputs[0].value]
    found, ends = run(lowered, top, data, stalls, writes=writes)
    finest = np.maximum(found.frac, wanted.frac)
    assert np.array_equal(found.aligned(finest), wanted.aligned(finest))
    return ends


def compare(graph, plans, samples=5):
    lowered, top, cycles = network_of(graph, plans)
    data = random_data(graph, samples)
    for stalls in (0.0, 0.3):
        ends = agree(lowered, top, graph, data, stalls)
        if not stalls:
            assert ends[0] == cycles.latency
            assert np.diff(ends)[-1] == cycles.interval
    return cycles
