"""Anomaly scores as the only output: what they compute, compiled, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import gatewright as gw
from gatewright.base import OptionError
from gatewright.frontends import with_score
from gatewright.ir import Graph, Input, Node, Output, run_real
from gatewright.ops import Dense

RNG = np.random.default_rng(5)


def autoencoder() -> Graph:
    """Return a model of 4 numbers with its answer, latent means and logarithms of variances."""
    weights = [RNG.integers(-8, 8, shape) / 8 for shape in ((4, 2), (4, 2), (2, 4))]
    nodes = (
        Node("mu", Dense.of(weights[0]), ("x",), "encoder_mean"),
        Node("logvar", Dense.of(weights[1]), ("x",), "encoder_variance"),
        Node("y", Dense.of(weights[2]), ("mu",), "decoder"),
    )
    outputs = (Output("answer", "y"), Output("mu", "mu"), Output("log", "logvar"))
    return Graph("vae", (Input("x", (4,)),), nodes, outputs, "vae.keras")


def scored(score):
    graph = with_score(autoencoder(), score)
    x = RNG.normal(size=(7, 4))
    values = run_real(graph, {"x": x})
    return x, values, values[graph.outputs[0].value]


def test_scores_are_their_formulas():
    x, v, found = scored("mse:answer")
    np.testing.assert_allclose(found, ((x - v["y"]) ** 2).mean(1), rtol=1e-12)
    _, v, found = scored("mean-square:mu")
    np.testing.assert_allclose(found, (v["mu"] ** 2).mean(1), rtol=1e-12)
    _, v, found = scored("sum-square:encoder_mean")
    np.testing.assert_allclose(found, (v["mu"] ** 2).sum(1), rtol=1e-12)
    _, v, found = scored("kl:mu,log")
    mu, log = v["mu"], v["logvar"]
    wanted = -0.5 * (1 + log - mu**2 - np.exp(log)).sum(1)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("score", "text"),
    [
        ("rmse", "a score is not known"),
        ("mse", "the score 'mse' reads 1 output"),
        ("kl:mu", "supported: kl:NAME,NAME, of outputs or layers"),
        ("mse:latent", "a score reads an output that is not there"),
        ("mse:mu", "what a score compares does not have one shape"),
    ],
)
def test_what_is_no_score_says_so(score, text):
    with pytest.raises(OptionError) as error:
        with_score(autoencoder(), score)
    assert text in str(error.value)


def test_an_autoencoder_is_compiled_to_its_error():
    """A quantized autoencoder: the firmware's score is exactly the mean of exact squares."""
    import onnx
    from onnx_models import model, node

    weight = (RNG.integers(-8, 8, (4, 4)) / 8).astype(np.float32)
    proto = model([node("MatMul", "x w", "y")], {"x": (4,)}, constants={"w": weight})
    design = gw.compile(proto, input_format="fixed<6,3>", score="mse")
    assert isinstance(proto, onnx.ModelProto)
    x = RNG.integers(-32, 32, (50, 4)) / 8
    np.testing.assert_array_equal(design.predict(x), ((x - x @ weight.astype(float)) ** 2).mean(1))
    assert design.graph.outputs[0].name == "score"
    assert design.facts_of_model["model"]["score"] == "mse"
