"""Modules and operators of a user's own: given a handler by class or by name."""

import numpy as np
import pytest
from torch_models import Of, check, torch

import gatewright as gw
from gatewright.base import GatewrightError
from gatewright.flow.inspect import inspect
from gatewright.frontends.custom import using
from gatewright.frontends.torch import read_torch
from gatewright.ops import Affine, Gather, Subtract


@torch.library.custom_op("detector::neighbour_slopes", mutates_args=())
def neighbour_slopes(strips: torch.Tensor, gain: torch.Tensor, stride: int) -> torch.Tensor:
    return (strips[:, stride:] - strips[:, :-stride]) * gain


@neighbour_slopes.register_fake
def _(strips, gain, stride):
    return strips.new_empty(strips.shape[0], strips.shape[1] - stride, strips.shape[2])


class Slopes(torch.nn.Module):
    """Differences of strips, on a path that no export could follow."""

    def __init__(self, features, stride=1):
        super().__init__()
        self.stride = stride
        self.gain = torch.nn.Parameter(torch.linspace(0.5, 1.5, features))

    def forward(self, strips):
        if float(strips.sum()) > 1e9:  # depends on the data
            return strips
        return (strips[:, self.stride :] - strips[:, : -self.stride]) * self.gain


class Both(torch.nn.Module):
    """Two tensors in, two out."""

    def forward(self, a, b):
        return a - b, b - a


class Sums(torch.nn.Module):
    """Uses both results of a module."""

    def __init__(self):
        super().__init__()
        self.both = Both()

    def forward(self, a, b):
        first, second = self.both(a, b)
        return first + 2 * second


def build(layer):
    (strips,) = layer.inputs
    (gain,) = layer.weights("gain")
    stride = layer.option("stride")
    after = np.arange(stride, strips.shape[0])
    upper = layer.emit(Gather.of(after, 0), strips, suffix="upper")
    lower = layer.emit(Gather.of(after - stride, 0), strips, suffix="lower")
    slope = layer.emit(Subtract(), upper, lower, suffix="difference")
    return layer.emit(Affine(gain, np.asarray(0.0)), slope)


def build_both(layer):
    a, b = layer.inputs
    return [layer.emit(Subtract(), a, b, suffix="ab"), layer.emit(Subtract(), b, a, suffix="ba")]


CLASS = f"{Slopes.__module__}.Slopes"
BOTH = f"{Slopes.__module__}.Both"


def twice():
    slopes = Slopes(3)
    return torch.nn.Sequential(torch.nn.Linear(3, 3), slopes, torch.nn.ReLU(), slopes)


def test_a_module_by_its_class():
    with using({CLASS: build}):
        graph = check(twice(), (6, 3))
    own = [node for node in graph.nodes if node.layer in ("1", "3")]
    assert len(own) == 8
    assert len({node.tie for node in own}) == 4  # the second call is the same operations
    assert all(node.tie for node in own)


def test_a_module_by_its_class_alone_and_with_two_tensors():
    with using({CLASS: build, BOTH: build_both}):
        check(Slopes(2, stride=2), (5, 2))
        check(Both(), (4,), (4,))
        check(Sums(), (4,), (4,))


def test_an_operator_by_its_name():
    gain = torch.tensor([0.5, 2.0])
    model = Of(lambda x: neighbour_slopes(torch.relu(x), gain, 2))
    with using({"detector::neighbour_slopes": build}):
        graph = check(model, (5, 2))
    assert [node.op.kind for node in graph.nodes][1:] == ["gather", "gather", "subtract", "affine"]


def test_from_the_module_to_the_circuit():
    model = twice()[:3]
    design = gw.compile(
        model, inputs=(6, 3), custom={CLASS: build}, calibration=np.random.rand(128, 6, 3)
    )
    x = np.random.default_rng(0).random((16, 6, 3))
    answer = model(torch.tensor(x, dtype=torch.float32)).detach().numpy()
    assert np.abs(design.predict(x) - answer).max() < 0.2
    found = inspect(model, {CLASS: build}, (6, 3))
    assert found.supported
    assert (CLASS, "1") in {(layer.kind, layer.name) for layer in found.layers}


def refused(model, custom, *shapes):
    with pytest.raises(GatewrightError) as error, using(custom):
        read_torch(model, list(shapes))
    return str(error.value)


def test_errors():
    shape = (6, 3)
    text = refused(twice(), {CLASS: lambda own: own.weights("gain") and own.inputs[0]}, shape)
    assert "does not read all of its configuration" in text
    assert "found:     stride" in text
    assert "Sequential" in text
    text = refused(twice(), {CLASS: lambda own: own.option("stride") and own.inputs[0]}, shape)
    assert "a layer's weights are not those its handler asks for" in text
    assert "found:     gain" in text

    def same(own):
        own.option("stride"), own.weights("gain")
        return own.inputs[0]

    text = refused(twice(), {CLASS: same}, shape)
    assert "results of another shape than PyTorch" in text
    assert "found:     (batch, 6, 3)" in text
    assert "supported: (batch, 5, 3)" in text
    text = refused(twice(), {"torch.nn.modules.activation.ReLU": same}, shape)
    assert "a handler was given for a layer of PyTorch itself" in text
    text = refused(torch.nn.ReLU(), {"aten::relu": same}, shape)
    assert "a handler was given for a layer that is handled already" in text
    gain = torch.ones(3)
    model = Of(lambda x: neighbour_slopes(x, gain, 1))
    text = refused(model, {}, shape)
    assert "give a handler for a layer of your own" in text
    assert "detector.neighbour_slopes.default" in text
