"""Weights that a bus writes while a design runs: the same numbers in hardware and emulator."""

import numpy as np
import pytest
from have_tools import needs_simulation
from stream_runs import agree, network_of, random_data

from gatewright.base import ModelError, OptionError
from gatewright.blocks.weight_ports import axi_lite_weights, fixed_weights
from gatewright.emit import emit_verilog
from gatewright.emit.verilog import top_name
from gatewright.hw import DspBlock, Module, random_ready
from gatewright.hw.check import check
from gatewright.ir import Graph, Input, Node, Output, Plan, evaluate
from gatewright.num import Intervals
from gatewright.ops import Dense, GroupedDense, Relu
from gatewright.passes.streams import from_beats, load_weights, register_table, to_beats
from gatewright.streams.shell import BIT
from gatewright.tools.streams import (
    StreamStimulus,
    pack_beats,
    simulate_streams,
    stream_design,
    unpack_beats,
)


def two_layers(rows=(), n_in=5, hidden=6, n_out=3):
    rng = np.random.default_rng(0)
    first = Dense.of(rng.integers(-3, 4, (n_in, hidden)) / 4, rng.integers(-9, 9, hidden) / 8)
    second = Dense.of(rng.integers(-3, 4, (hidden, n_out)) / 4)
    kind = Intervals.of(np.full((*rows, n_in), -8), np.full((*rows, n_in), 7), 2)
    nodes = (
        Node("d1", first, ("x",), "hidden"),
        Node("r", Relu(), ("d1",), "hidden"),
        Node("d2", second, ("r",), "last"),
    )
    return Graph("two", (Input("x", (*rows, n_in), kind),), nodes, (Output("y", "d2"),))


def extreme(shape, weight, seed):
    """Numbers of a format, its ends among them."""
    rng = np.random.default_rng(seed)
    return rng.choice([weight.low, weight.high, 0, 1], shape) * 2.0**-weight.frac


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Plan(beat=3, taken=2, writable=True), Plan(beat=1, taken=3, writable=True)),
        (Plan(beat=6, taken=5, writable=True, weight_bits=6), Plan(beat=3, writable=True)),
        (Plan(beat=4, taken=3, writable=True, block=DspBlock(25, 18), multipliers="dsp",
              memory="block"), Plan(beat=3)),
    ],
)  # fmt: skip
def test_other_weights_give_the_reference_of_other_weights(first, second):
    graph = two_layers()
    lowered, top, cycles = network_of(graph, {"d1": first, "d2": second})
    data = random_data(graph, 2)
    assert agree(lowered, top, graph, data)[0] == cycles.latency
    writes = []
    for number, (name, own) in enumerate(lowered.registers.items()):
        op = next(n.op for n in graph.nodes if n.name == name)
        weight = extreme(op.weight.shape, own.formats.weight, number)
        bias = extreme(op.bias.shape, own.formats.bias, number + 7)
        loaded = load_weights(graph, lowered.registers, name, weight, bias)
        graph, writes = loaded.graph, [*writes, *loaded.writes.tolist()]
    for stalls in (0.0, 0.3):
        agree(lowered, top, graph, data, stalls, writes)


def test_the_worst_weights_do_not_overflow():
    graph = two_layers()
    lowered, top, _ = network_of(graph, {"d1": Plan(beat=2, taken=2, writable=True)})
    own = lowered.registers["d1"]
    low, step = own.formats.weight.low, 2.0**-own.formats.weight.frac
    bias = np.full(6, own.formats.bias.high * 2.0**-own.formats.bias.frac)
    loaded = load_weights(graph, lowered.registers, "hidden", np.full((5, 6), low * step), bias)
    data = random_data(graph, 2)
    data.q[0], data.q[1] = -8, 7
    agree(lowered, top, loaded.graph, data, writes=loaded.writes.tolist())


@pytest.fixture(scope="module")
def written():
    """Return a design, its network with other weights, and the writes."""
    graph = two_layers()
    plans = {"d1": Plan(beat=3, taken=2, writable=True), "d2": Plan(beat=1, taken=3)}
    lowered, top, _ = network_of(graph, plans)
    rng = np.random.default_rng(4)
    other = rng.integers(-4, 4, (5, 6)) / 4
    return lowered, top, graph, load_weights(graph, lowered.registers, "hidden", other)


def test_weights_are_written_by_axi(written):
    lowered, top, graph, loaded = written
    whole = axi_lite_weights(top)
    check(whole)
    data = random_data(graph, 2)
    agree(lowered, whole, loaded.graph, data, 0.2, loaded.writes.tolist())
    agree(lowered, fixed_weights(top), graph, data, 0.2)
    with pytest.raises(OptionError, match="without weights that can be written") as caught:
        fixed_weights(fixed_weights(top))
    assert "w_write, w_read, w_address, w_data" in str(caught.value)


@needs_simulation
def test_verilator_takes_other_weights(written):
    lowered, top, graph, loaded = written
    m = Module("bench", latency=top.latency, interval=top.interval)
    (valid,) = m.input("w_valid", BIT)
    address, word = m.input("w", Intervals.of([0, 0], [loaded.writes[:, 0].max(), 2**32 - 1], 0))
    bus = {"w_write": valid, "w_read": m.constant(0), "w_address": address, "w_data": word}
    feeds = {
        port: [bus[port]] if port in bus else m.input(port, top.intervals(signals))
        for port, signals in top.inputs.items()
    }
    for port, signals in m.instance(top, feeds).items():
        if port not in ("w_answer", "w_known"):
            m.output(port, signals)
    m.output("w_ready", [m.constant(1)])
    (source,), (sink,) = lowered.inputs, lowered.outputs
    data = random_data(graph, 6)
    beats = to_beats(data, source)
    gaps = np.zeros(len(beats), np.int64)
    gaps[0] = len(loaded.writes) + 4  # the writes come first
    stimulus = StreamStimulus(
        pack_beats(m, {"w": loaded.writes, source.name: beats}),
        {sink.name: sink.beats * len(data.q)}, {source.name: gaps},
        {sink.name: random_ready(0.3)},
    )  # fmt: skip
    (seen,) = simulate_streams([stream_design(m, top_name(m), emit_verilog(m))], [stimulus])
    found = from_beats(unpack_beats(m, seen.beats)[sink.name], sink)
    wanted = evaluate(loaded.graph, {"x": data})["d2"]
    finest = np.maximum(found.frac, wanted.frac)
    assert np.array_equal(found.aligned(finest), wanted.aligned(finest))


def test_groups_can_be_written():
    rng = np.random.default_rng(1)
    op = GroupedDense.of(rng.integers(-4, 4, (3, 4, 2)) / 4, np.ones((3, 2)))
    kind = Intervals.of(np.full((3, 4), -8), np.full((3, 4), 7), 2)
    nodes = (Node("d", op, ("x",), "grouped"),)
    graph = Graph("grouped", (Input("x", (3, 4), kind),), nodes, (Output("y", "d"),))
    lowered, top, _ = network_of(graph, {"d": Plan(beat=2, taken=2, writable=True)})
    loaded = load_weights(graph, lowered.registers, "grouped", op.weight[::-1], op.bias + 0.25)
    writes = loaded.writes[::-1].tolist()  # in any order
    agree(lowered, top, loaded.graph, random_data(graph, 3), writes=writes)


def test_the_address_map_shows_where_everything_stands():
    plans = {"d1": Plan(beat=3, taken=2, writable=True), "d2": Plan(beat=1, writable=True)}
    lowered, _, _ = network_of(two_layers(), plans)
    assert register_table(lowered.registers) == MAP
    bases = [(r.base, r.words) for r in lowered.registers.values()]
    assert all(base % words == 0 for base, words in bases)
    assert bases[1][0] >= sum(bases[0])


MAP = """\
layer   registers       byte address  words  access       a word holds, lowest bits first
hidden  weights 0 to 5  0x0000000     6      read, write  6 x fixed<3,1>
hidden  biases 0 to 2   0x0000020     2      read, write  3 x fixed<7,3>
last    weights 0 to 5  0x0000040     3      read, write  6 x fixed<3,1>
last    biases 0        0x0000050     3      read, write  1 x fixed<11,5>"""


def test_numbers_that_the_hardware_cannot_hold_are_refused():
    graph = two_layers()
    lowered, _, _ = network_of(graph, {"d1": Plan(beat=3, taken=2, writable=True)})
    weight = np.zeros((5, 6))
    for value, found in ((0.3, "0.3 at (1, 2); 1 such numbers"), (1.0, "1.0 at (1, 2)")):
        weight[1, 2] = value
        with pytest.raises(ModelError, match="not a number of the format") as caught:
            load_weights(graph, lowered.registers, "hidden", weight)
        assert found in str(caught.value)
        assert "multiples of 2**-2 from -1.0 to 0.75" in str(caught.value)
    with pytest.raises(ModelError, match="weights of another shape") as caught:
        load_weights(graph, lowered.registers, "hidden", weight.T)
    assert "weights (6, 5), bias (6,)" in str(caught.value)
    with pytest.raises(OptionError, match="no weights of this name") as caught:
        load_weights(graph, lowered.registers, "last", weight)
    assert "hidden (node d1)" in str(caught.value)


def test_plans_that_cannot_be_are_refused():
    graph = two_layers()
    with pytest.raises(OptionError, match="no weights that could be written"):
        network_of(graph, {"r": Plan(beat=6, writable=True)})
    with pytest.raises(OptionError, match="do not fit the bits") as caught:
        network_of(graph, {"d1": Plan(beat=3, taken=2, writable=True, weight_bits=2)})
    assert "3 bits or more" in str(caught.value)
