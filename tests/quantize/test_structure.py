import numpy as np
import pytest
from quantize_models import chain, classifier, dense

from gatewright.base import UnsupportedError
from gatewright.ir import Graph, Input, Node, Output
from gatewright.ops import (
    Add,
    Argmax,
    Concatenate,
    Dense,
    Function,
    Quantize,
    Relu,
    Reshape,
    Softmax,
)
from gatewright.quantize.structure import analyse

RNG = np.random.default_rng(0)


def test_a_classifier():
    s = analyse(classifier())
    assert list(s.sites) == ["x", "n1", "n3", "n4"]
    assert [site.dense for site in s.sites.values()] == ["", "n0", "n2", "n4"]
    assert s.weighted == {"n0", "n2", "n4"}
    assert s.graph.outputs[0].value == "n4"
    assert s.graph.outputs[0].decode[0].kind == "softmax"
    assert "softmax of layer 'layer_5' is left to the host" in s.notes[0]


def test_softmax_in_the_firmware_where_asked_or_read_again():
    s = analyse(classifier(), host_outputs=False)
    assert s.graph.outputs[0].value == "n5"
    assert s.sites["n4"].is_address
    graph = classifier()
    more = (*graph.nodes, Node("best", Argmax(), ("n5",)))
    both = Graph("g", graph.inputs, more, (*graph.outputs, Output("best", "best")))
    assert analyse(both).graph.outputs[0].value == "n5"


def test_moved_and_joined_values_get_their_format_before():
    nodes = (
        Node("a", dense(RNG, 4, 4), ("x",)),
        Node("ra", Relu(), ("a",)),
        Node("m", Reshape((2, 2)), ("ra",)),
        Node("f", Reshape((4,)), ("m",)),
        Node("c", Concatenate(0), ("f", "x")),
        Node("o", dense(RNG, 8, 2), ("c",)),
    )
    s = analyse(Graph("g", (Input("x", (4,)),), nodes, (Output("y", "o"),)))
    assert list(s.sites) == ["x", "ra", "o"]


def test_rounding_goes_into_the_bias_only_along_a_private_way():
    nodes = (
        Node("a", dense(RNG, 4, 4), ("x",)),
        Node("r", Relu(), ("a",)),
        Node("s", Add(), ("a", "r")),
        Node("b", dense(RNG, 4, 2), ("r",)),
        Node("c", dense(RNG, 4, 2), ("s",)),
        Node("y", Add(), ("b", "c")),
    )
    s = analyse(Graph("g", (Input("x", (4,)),), nodes, (Output("y", "y"),)))
    assert s.sites["r"].dense == ""
    assert s.sites["s"].dense == ""


def test_what_the_user_quantized_stays():
    q = Quantize.to(True, 6, 3)
    weight = RNG.integers(-8, 8, (6, 3)) / 8.0
    s = analyse(chain(q, Dense.of(weight), Relu(), Quantize.to(False, 6, 3), dense(RNG, 3, 2)))
    assert s.weighted == {"n4"}
    assert list(s.sites) == ["x", "n4"]


def test_function_tables_have_an_address_and_an_answer():
    s = analyse(chain(dense(RNG, 6, 3), Function("tanh"), dense(RNG, 3, 2), Function("sigmoid")))
    assert s.sites["n0"].is_address
    assert s.sites["n1"].role == "function"
    assert "n3" not in s.sites


def test_unknown_operation():
    class Strange(Relu):
        kind = "strange"

    class Other(type(Softmax()).__mro__[1]):
        kind = "other"

        def real(self, *x):
            raise NotImplementedError

        infer = evaluate = lower = real

    analyse(chain(Strange()))
    with pytest.raises(UnsupportedError) as error:
        analyse(chain(dense(RNG, 6, 3), Other()))
    text = str(error.value)
    assert "an operation cannot be quantized automatically" in text
    assert "at:        model.onnx, layer 'layer_1'" in text
    assert "found:     other" in text
    assert "supported: absolute, add, affine, argmax" in text
