"""Recurrent layers of Keras: what is refused, with its text, and what versions write."""

from __future__ import annotations

import numpy as np
import pytest
from keras_files import called, functional, layer, sequential, start, tensor, write_keras

from gatewright.base import GatewrightError, ModelError, UnsupportedError
from gatewright.frontends.keras import read_keras
from gatewright.ir import run_real


def groups(units, gates, features, *bias):
    rng = np.random.default_rng(0)
    shapes = [(features, gates * units), (units, gates * units), *bias]
    return [rng.normal(size=s).astype(np.float32) for s in shapes]


def refused(folder, entry, kind=UnsupportedError, shape=(3, 2), weights=None):
    path = write_keras(folder, sequential(start(*shape), entry), weights)
    with pytest.raises(kind) as error:
        read_keras(path)
    return str(error.value)


def test_stateful(tmp_path):
    """The graph is that of single samples, and tells which layers go on from sample to sample."""
    weights = {"layers/lstm/cell": groups(2, 4, 2, (8,))}
    graphs = []
    for flag in (True, False):
        entry = layer("LSTM", "memory", units=2, stateful=flag)
        graphs.append(read_keras(write_keras(tmp_path, sequential(start(3, 2), entry), weights)))
    assert [graph.stateful for graph in graphs] == [("memory",), ()]
    x = {"x": np.random.default_rng(0).normal(size=(5, 3, 2))}
    first, second = (run_real(graph, x)[graph.outputs[0].value] for graph in graphs)
    assert np.array_equal(first, second)


def test_stateful_twice(tmp_path):
    memory = layer("SimpleRNN", "memory", units=2, stateful=True)
    memory = called(memory, "x")
    memory["inbound_nodes"] += [{"args": [tensor("x")], "kwargs": {}}]
    both = called(layer("Add", "both"), "memory", tensor("memory", 1))
    begin = called(start(3, 2))
    weights = {"layers/simple_rnn/cell": groups(2, 1, 2, (2,))}
    model = functional([begin, memory, both], ["x"], ["both"])
    with pytest.raises(UnsupportedError) as error:
        read_keras(write_keras(tmp_path, model, weights))
    text = str(error.value)
    assert text.startswith("a recurrent layer that keeps its state is used several times")
    assert "layer 'memory', attribute 'stateful'" in text


def test_time_major(tmp_path):
    text = refused(tmp_path, layer("GRU", "g", units=2, time_major=True, reset_after=True))
    assert text.startswith("a recurrent layer takes the time axis in front of the batch")


def test_masking(tmp_path):
    text = refused(tmp_path, layer("Masking", "mask", mask_value=-1.0))
    assert text.startswith("a mask leaves out steps of a sequence, which is not handled")
    assert "Masking(mask_value=-1.0)" in text
    assert "remedy:    train without" in text


def test_convolutional(tmp_path):
    text = refused(tmp_path, layer("ConvLSTM2D", "c", filters=3, kernel_size=[3, 3]))
    assert text.startswith("a convolutional recurrent layer is not handled")
    assert "found:     ConvLSTM2D" in text


def test_activation(tmp_path):
    text = refused(tmp_path, layer("SimpleRNN", "r", units=2, activation="mish_of_mine"))
    assert text.startswith("an activation function of a recurrent layer is not handled")
    assert "found:     mish_of_mine" in text


def test_input_of_another_rank(tmp_path):
    text = refused(tmp_path, layer("SimpleRNN", "r", units=2), shape=(4,))
    assert text.startswith("a recurrent layer's input is no sequence of vectors")
    assert "found:     shape (4,)" in text


def test_gru_without_convention(tmp_path):
    text = refused(tmp_path, layer("GRU", "g", units=2), ModelError)
    assert text.startswith("a GRU layer does not say where its reset gate acts")


def test_units(tmp_path):
    text = refused(tmp_path, layer("LSTM", "m", units=-2), ModelError)
    assert text.startswith("a recurrent layer's number of units is malformed")


def test_cell_of_ones_own(tmp_path):
    cell = layer("MyCell", "cell", "mine", units=2)
    text = refused(tmp_path, layer("RNN", "r", cell=cell))
    assert text.startswith("a cell of a recurrent layer is not handled")
    assert "SimpleRNNCell, LSTMCell, GRUCell, StackedRNNCells" in text


def test_weights_of_another_shape(tmp_path):
    weights = {"layers/lstm/cell": groups(3, 4, 2, (12,))}
    text = refused(tmp_path, layer("LSTM", "lstm", units=2), ModelError, weights=weights)
    assert text.startswith("a weight has the wrong shape")


def test_bidirectional_around_what_has_no_direction(tmp_path):
    entry = layer("Bidirectional", "b", layer=layer("Dense", "d", units=2))
    text = refused(tmp_path, entry)
    assert text.startswith("a bidirectional layer is around a layer that is not handled in two")


def test_merge_mode(tmp_path):
    inner = layer("SimpleRNN", "r", units=2)
    text = refused(tmp_path, layer("Bidirectional", "b", layer=inner, merge_mode="max"))
    assert text.startswith("a bidirectional layer's merge mode is not known")


def test_directions_that_do_not_fit(tmp_path):
    entry = layer(
        "Bidirectional",
        "b",
        layer=layer("SimpleRNN", "r", units=2),
        backward_layer=layer("SimpleRNN", "s", units=2),
    )
    weights = {
        f"layers/bidirectional/{part}/cell": groups(2, 1, 2, (2,))
        for part in ("forward_layer", "backward_layer")
    }
    text = refused(tmp_path, entry, ModelError, weights=weights)
    assert text.startswith("the two directions of a bidirectional layer do not fit together")


def test_model_in_time_distributed(tmp_path):
    inner = {"class_name": "Sequential", "module": "keras", "config": {"name": "s", "layers": []}}
    text = refused(tmp_path, layer("TimeDistributed", "t", layer=inner))
    assert text.startswith("a model within a TimeDistributed layer is not handled")


def test_unknown_attribute_of_a_wrapped_layer(tmp_path):
    inner = layer("Dense", "d", units=2, flavour="sweet")
    text = refused(tmp_path, layer("TimeDistributed", "t", layer=inner))
    assert "layer 't/d', attribute 'flavour'" in text


def test_malformed_inner_layer(tmp_path):
    text = refused(tmp_path, layer("TimeDistributed", "t", layer=7), ModelError)
    assert text.startswith("a layer within a layer is malformed")


def test_time_distributed_without_steps(tmp_path):
    inner = layer("Dense", "d", units=2)
    text = refused(tmp_path, layer("TimeDistributed", "t", layer=inner), ModelError, shape=(4,))
    assert text.startswith("a TimeDistributed layer's input has no axis of steps")


@pytest.mark.parametrize(("version", "slope"), [("2.15.0", 0.2), ("3.9.0", 1 / 6)])
def test_hard_sigmoid_means_what_the_version_says(tmp_path, version, slope):
    entry = layer("SimpleRNN", "r", units=1, activation="hard_sigmoid", use_bias=False)
    weights = {"layers/simple_rnn/cell": [np.ones((1, 1), np.float32)] * 2}
    path = write_keras(tmp_path, sequential(start(1, 1), entry), weights, version=version)
    graph = read_keras(path)
    found = run_real(graph, {"x": np.full((1, 1, 1), 0.5)})[graph.outputs[0].value]
    assert found == pytest.approx(0.5 * np.float32(slope) + 0.5, rel=1e-6)


def test_hard_sigmoid_of_a_file_without_version(tmp_path):
    entry = layer("LSTM", "m", units=1, recurrent_activation="hard_sigmoid")
    path = write_keras(tmp_path, sequential(start(1, 1), entry), None, version="")
    with pytest.raises(GatewrightError, match="hard_sigmoid means one thing in Keras 2"):
        read_keras(path)
