"""A network on the first active pixels of an image, from operations to simulated RTL."""

from __future__ import annotations

import numpy as np
import pytest

import gatewright as gw
from gatewright.frontends.recipes.sparse_pixels import (
    clear_missing,
    convolve_pixels,
    densify,
    keep_first,
    pool_pixels,
)
from gatewright.frontends.scores import Extension, Tensor
from gatewright.ir import Graph, Input, Output
from gatewright.num import Overflow
from gatewright.ops import Dense, PlaceWeights, Quantize, Relu, Reshape


def dyadic(rng, *shape):
    return np.ldexp(rng.integers(-7, 8, shape).astype(np.float64), -3)


def network(rng, pixels):
    """Return 16 x 16 pixels, two convolutions with a pooling of each kind between, two classes."""
    start = Graph("sparse", (Input("x", (16, 16, 1)),), (), ())
    call = Extension(start, "input_reduce")
    image = keep_first(call, Tensor("x", (16, 16, 1)), pixels, 0.0)
    call.layer = "conv1"
    image = convolve_pixels(call, image, dyadic(rng, 3, 3, 1, 2), dyadic(rng, 2))
    call.layer = "relu1"
    values = call.emit(Quantize.to(False, 4, 2), image.values)
    call.layer = "pool1"
    image = pool_pixels(call, image.with_values(values), (2, 2), "max")
    call.layer = "conv2"
    image = convolve_pixels(call, image, dyadic(rng, 3, 3, 2, 2), dyadic(rng, 2))
    image = clear_missing(call, image.with_values(call.emit(Relu(), image.values, suffix="relu")))
    call.layer = "pool2"
    image = pool_pixels(call, image, (4, 4), "average")
    call.layer = "flatten"
    value = call.emit(Reshape((8,)), densify(call, image))
    call.layer = "dense"
    value = call.emit(Dense(dyadic(rng, 8, 2), dyadic(rng, 2)), value)
    call.layer = "score"
    value = call.emit(Quantize.to(True, 20, 12, overflow=Overflow.SAT), value)
    return Graph("sparse", start.inputs, tuple(call.nodes), (Output("y", value.name),))


@pytest.mark.parametrize("dsps", [None, 200])
def test_a_sparse_network_is_the_same_in_simulated_rtl(dsps):
    """The dense layer takes weights by place; products stand in LUTs or in DSP blocks."""
    rng = np.random.default_rng(4)
    x = np.where(rng.random((150, 16, 16, 1)) < 0.02, rng.integers(1, 8, (150, 16, 16, 1)), 0) / 8
    design = gw.compile(
        network(rng, 6), calibration=x, input_format="ufixed<3,0>", clock=200, max_dsps=dsps
    )
    assert any(isinstance(n.op, PlaceWeights) for n in design.graph.nodes)
    proof = design.verify(random=200)
    assert proof.verified, str(proof)
    assert len(np.unique(design.predict(x))) > 100
    assert design.interval == 1
