"""Weights that a bus writes while a design runs: the same numbers in hardware and emulator."""

import numpy as np
import pytest
from have_tools import needs_simulation
from stream_runs import agree, idle_inputs, network_of, random_data, read

from gatewright.base import ModelError, OptionError, UnsupportedError
from gatewright.blocks.weight_ports import axi_lite_weights, fixed_weights
from gatewright.emit import emit_verilog
from gatewright.emit.verilog import top_name
from gatewright.hw import DspBlock, Module, Simulator, random_ready
from gatewright.hw.check import check
from gatewright.ir import Graph, Input, Node, Output, Plan, evaluate
from gatewright.num import Intervals
from gatewright.ops import Dense, Function, GroupedDense, Lookup, Quantize, Relu
from gatewright.passes.streams import (
    from_beats,
    held_words,
    load_weights,
    register_rows,
    register_table,
    to_beats,
)
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


SIGMOID = Function("sigmoid", Quantize.to(False, 6, 6))


def a_table(op=SIGMOID, bits=5, **plan):
    """Return a graph of one table, and its network with the table where a bus writes it."""
    kind = Intervals.of(np.full(3, -(1 << bits - 1)), np.full(3, (1 << bits - 1) - 1), 2)
    nodes = (Node("t", op, ("x",), "table"),)
    graph = Graph("one", (Input("x", (3,), kind),), nodes, (Output("y", "t"),))
    return graph, *network_of(graph, {"t": Plan(beat=1, writable=True, **plan)})


def test_a_function_becomes_the_table_that_is_loaded():
    graph, lowered, top, _ = a_table()
    x = np.arange(-16, 16) / 4
    loaded = load_weights(graph, lowered.registers, "table", np.round(x**2) / 64)
    assert isinstance(loaded.graph.nodes[0].op, Lookup)
    agree(lowered, top, loaded.graph, random_data(graph, 4), 0.3, loaded.writes.tolist())
    again = load_weights(loaded.graph, lowered.registers, "table", np.abs(x) / 8)
    assert np.array_equal(again.writes, held_words(again.graph, lowered.registers))


def test_numbers_that_a_table_cannot_hold_are_refused():
    graph, lowered, _, _ = a_table()
    values = np.zeros(32)
    for value in (1.0, -0.5, 1 / 128, np.nan):
        values[3] = value
        with pytest.raises(ModelError, match="a value of a table is not a number") as caught:
            load_weights(graph, lowered.registers, "table", values)
        assert f"{value} at (3, 0); 1 such numbers" in str(caught.value)
        assert "multiples of 2**-6 from 0.0 to 0.984375" in str(caught.value)
    with pytest.raises(ModelError, match="a table of another shape") as caught:
        load_weights(graph, lowered.registers, "table", values[:9])
    assert "(9,)" in str(caught.value)
    assert "(32,)" in str(caught.value)
    with pytest.raises(ModelError, match="a table has no bias"):
        load_weights(graph, lowered.registers, "table", values, np.zeros(3))


def test_tables_that_cannot_be_are_refused():
    with pytest.raises(OptionError, match="a table has no biases") as caught:
        a_table(bias_bits=4)
    assert "weight_bits" in str(caught.value)
    with pytest.raises(OptionError, match="values of a layer do not fit the bits") as caught:
        a_table(weight_bits=5)
    assert "6 bits or more" in str(caught.value)
    with pytest.raises(OptionError, match="one format for all elements") as caught:
        a_table(Function("sigmoid", Quantize.to(False, [6, 6, 5], [6, 6, 5])))
    assert "leave `writable` out" in str(caught.value)
    with pytest.raises(OptionError, match="values of a table that can be written are too wide"):
        a_table(Function("sigmoid", Quantize.to(False, 33, 33)))
    with pytest.raises(UnsupportedError, match="too large a table"):
        a_table(bits=20)
    far = Intervals.of([70_000], [70_009], 0)
    node = Node("t", SIGMOID, ("x",), "table")
    graph = Graph("far", (Input("x", (1,), far),), (node,), (Output("y", "t"),))
    with pytest.raises(UnsupportedError, match="a table that can be written would be too large"):
        network_of(graph, {"t": Plan(beat=1, writable=True)})


def test_ultraram_is_written_and_not_read():
    graph, lowered, top, _ = a_table(memory="ultra")
    assert "write only: a read answers SLVERR" in register_table(lowered.registers)
    (row,) = register_rows(lowered.registers)
    assert row["readable"] is False
    loaded = load_weights(graph, lowered.registers, "table", np.arange(32) / 64)
    whole = axi_lite_weights(top)
    agree(lowered, whole, loaded.graph, random_data(graph, 2), 0.2, loaded.writes.tolist())
    simulator = Simulator(whole)
    simulator.reset()
    for address in (0, 31):
        assert read(simulator, idle_inputs(whole), address) == (2, 0)


def test_an_address_without_a_word_is_an_error():
    lowered, top, _ = network_of(two_layers(), {"d1": Plan(beat=3, taken=2, writable=True)})
    whole = axi_lite_weights(top)
    simulator = Simulator(whole)
    simulator.reset()
    held = held_words(two_layers(), lowered.registers)
    words = dict(held.tolist())
    for address in range(max(words) + 3):
        wanted = (0, words[address]) if address in words else (2, 0)
        assert read(simulator, idle_inputs(whole), address) == wanted
