"""Convolutions, poolings and changes of size of a live Keras, on drawn attributes and weights."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatewright.frontends.keras import read_keras
from gatewright.ops.rounding_error import float_bounds

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="Keras is the oracle")
few = settings(max_examples=15, deadline=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


class Draw:
    """Draws attributes of layers of one rank."""

    def __init__(self, data) -> None:
        self.draw = data.draw
        self.rank = self.draw(st.integers(1, 2))
        self.first = self.draw(st.booleans())
        self.rng = np.random.default_rng(self.draw(st.integers(0, 999)))
        self.lengths = tuple(self.draw(st.integers(6, 9)) for _ in range(self.rank))
        self.channels = self.draw(st.integers(1, 2)) * 2

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample, in the drawn order of axes."""
        if self.first:
            return (self.channels, *self.lengths)
        return (*self.lengths, self.channels)

    @property
    def form(self) -> str:
        return "channels_first" if self.first else "channels_last"

    def numbers(self, low: int, high: int) -> tuple[int, ...]:
        return tuple(self.draw(st.integers(low, high)) for _ in range(self.rank))

    def windows(self, *paddings: str, dilated: bool = True) -> dict:
        strides, dilation = self.numbers(1, 3), (1,) * self.rank
        if dilated and self.draw(st.booleans()):
            strides, dilation = (1,) * self.rank, self.numbers(1, 2)
        return {
            "kernel_size": self.numbers(1, 3), "strides": strides, "dilation_rate": dilation,
            "padding": self.draw(st.sampled_from(paddings or ("valid", "same"))),
            "data_format": self.form, "use_bias": self.draw(st.booleans()),
            "activation": self.draw(st.sampled_from([None, "relu", "softmax"])),
        }  # fmt: skip

    def layer(self, name: str, **attributes):
        return getattr(keras.layers, name.format(self.rank))(**attributes)

    def compare(self, folder, layer) -> None:
        """Save a model of one layer in both formats and compare it with Keras."""
        x = keras.Input(self.shape)
        model = keras.Model(x, layer(x))
        for weight in model.weights:
            weight.assign(self.rng.normal(0, 0.5, tuple(weight.shape)).astype(np.float32))
        data = self.rng.normal(0, 2, (3, *self.shape)).astype(np.float32)
        expected = np.asarray(keras.ops.convert_to_numpy(model(data)))
        for suffix in (".keras", ".h5"):
            path = folder / f"model{suffix}"
            model.save(path)
            graph = read_keras(path)
            values, bounds = float_bounds(graph, {graph.inputs[0].name: data})
            name = graph.outputs[0].value
            assert values[name].shape == expected.shape
            error = np.abs(values[name] - expected)
            assert (error <= bounds[name] + 1e-30).all(), (error.max(), bounds[name].max())
            assert bounds[name].max(initial=0) < 1e-3 * max(1, np.abs(expected).max(initial=0))


@few
@given(st.data())
def test_convolution(folder, data) -> None:
    d = Draw(data)
    causal = ("causal",) if d.rank == 1 and not d.first else ()
    attributes = d.windows("valid", "same", *causal)
    groups = d.draw(st.integers(1, 2))
    layer = d.layer("Conv{}D", filters=2 * groups, groups=groups, **attributes)
    d.compare(folder, layer)


@few
@given(st.data())
def test_depthwise_and_separable_convolution(folder, data) -> None:
    d = Draw(data)
    attributes = d.windows()
    # The separable layers of Keras take one stride for all axes.
    attributes |= {n: attributes[n][:1] * d.rank for n in ("strides", "dilation_rate")}
    multiplier = d.draw(st.integers(1, 2))
    d.compare(folder, d.layer("DepthwiseConv{}D", depth_multiplier=multiplier, **attributes))
    d.compare(
        folder, d.layer("SeparableConv{}D", filters=3, depth_multiplier=multiplier, **attributes)
    )


@few
@given(st.data())
def test_transposed_convolution(folder, data) -> None:
    d = Draw(data)
    attributes = d.windows()
    spans = [
        (k - 1) * r + 1
        for k, r in zip(attributes["kernel_size"], attributes["dilation_rate"], strict=True)
    ]
    if attributes["padding"] == "same":
        # Elsewhere Keras on PyTorch pads at another end than on TensorFlow.
        assume(
            all(
                n >= s and (n - s) % 2 == 0
                for n, s in zip(spans, attributes["strides"], strict=True)
            )
        )
    else:
        assume(all(n >= s for n, s in zip(spans, attributes["strides"], strict=True)))
    d.compare(folder, d.layer("Conv{}DTranspose", filters=2, **attributes))


@few
@given(st.data())
def test_poolings(folder, data) -> None:
    d = Draw(data)
    size, strides = d.numbers(1, 3), d.numbers(1, 3)
    padding = d.draw(st.sampled_from(["valid", "same"]))
    attributes = {"pool_size": size, "strides": strides, "data_format": d.form}
    # Keras on PyTorch fails on channels_first here where the padding is uneven.
    even = all(
        max((-(-n // s) - 1) * s + k - n, 0) % 2 == 0
        for n, k, s in zip(d.lengths, size, strides, strict=True)
    )
    if even or not d.first:
        d.compare(folder, d.layer("MaxPooling{}D", padding=padding, **attributes))
    if padding == "same":
        # With uneven padding Keras on PyTorch counts repeated elements, on TensorFlow none.
        assume(even)
    d.compare(folder, d.layer("AveragePooling{}D", padding=padding, **attributes))


@few
@given(st.data())
def test_global_and_adaptive_poolings(folder, data) -> None:
    d = Draw(data)
    for kind in ("Max", "Average"):
        keep = d.draw(st.booleans())
        name = f"Global{kind}Pooling{{}}D"
        d.compare(folder, d.layer(name, keepdims=keep, data_format=d.form))
        size = d.numbers(1, 5)
        name = f"Adaptive{kind}Pooling{{}}D"
        d.compare(folder, d.layer(name, output_size=size, data_format=d.form))


@few
@given(st.data())
def test_borders_cuts_and_upsampling(folder, data) -> None:
    d = Draw(data)
    ends = [d.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in range(d.rank)]
    attribute = ends[0] if d.rank == 1 else tuple(ends)
    form = {"data_format": d.form}
    d.compare(folder, keras.layers.Flatten(**form))
    d.compare(folder, d.layer("ZeroPadding{}D", padding=attribute, **form))
    more = form if d.rank == 2 else {}
    d.first = d.first and d.rank == 2
    d.compare(folder, d.layer("Cropping{}D", cropping=attribute, **more))
    size = d.numbers(1, 3)
    d.compare(folder, d.layer("UpSampling{}D", size=size if d.rank == 2 else size[0], **more))
    if d.rank == 2:
        power = tuple(2 ** d.draw(st.integers(0, 2)) for _ in range(2))
        layer = d.layer("UpSampling{}D", size=power, interpolation="bilinear", **more)
        d.compare(folder, layer)
