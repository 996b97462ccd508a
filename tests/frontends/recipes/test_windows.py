"""Convolutions, poolings and changes of size against PyTorch's functions, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import ModelError, UnsupportedError
from gatewright.frontends.recipes import convolution, pooling, resize
from gatewright.frontends.recipes.windows import Axis, causal_padding, same_padding
from gatewright.ir import Op


@dataclass
class Values:
    """A batch in place of a tensor under construction."""

    batch: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.batch.shape[1:]


class Running:
    """An emitter that runs what is emitted."""

    def emit(self, op: Op, *inputs: Values, suffix="", part="", tie="") -> Values:
        return Values(op.real(*(x.batch for x in inputs)))


CALL = Running()
few = settings(max_examples=30, deadline=None)


def channels_last(x) -> np.ndarray:
    return np.moveaxis(np.asarray(x), 1, -1)


def close(ours: Values, theirs) -> None:
    expected = channels_last(theirs)
    assert ours.batch.shape == expected.shape
    np.testing.assert_allclose(ours.batch, expected, rtol=0, atol=1e-10)


def several(draw, rank: int, low: int, high: int) -> tuple[int, ...]:
    return tuple(draw(st.integers(low, high)) for _ in range(rank))


@few
@given(st.data())
def test_convolutions(data) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    functional = torch.nn.functional
    draw, rng = data.draw, np.random.default_rng(data.draw(st.integers(0, 999)))
    rank = draw(st.integers(1, 2))
    groups = draw(st.integers(1, 3))
    ins, outs = (groups * draw(st.integers(1, 2)) for _ in range(2))
    kernel, strides, dilation = (several(draw, rank, 1, 3) for _ in range(3))
    padding = several(draw, rank, 0, 2)
    x = rng.normal(size=(2, ins, *several(draw, rank, 7, 9)))
    bias = rng.normal(size=outs)
    weight = rng.normal(size=(outs, ins // groups, *kernel))
    tensors = [torch.tensor(a) for a in (x, weight, bias)]
    function = functional.conv1d if rank == 1 else functional.conv2d
    ours = convolution.convolution(
        CALL, Values(channels_last(x)), np.moveaxis(weight, (0, 1), (-1, -2)), bias,
        strides=strides, dilation=dilation, padding=tuple((p, p) for p in padding), groups=groups,
    )  # fmt: skip
    close(ours, function(*tensors, strides, padding, dilation, groups))
    weight = rng.normal(size=(ins, outs // groups, *kernel))
    tensors[1] = torch.tensor(weight)
    extra = tuple(
        draw(st.integers(0, max(s, d) - 1)) for s, d in zip(strides, dilation, strict=True)
    )
    function = functional.conv_transpose1d if rank == 1 else functional.conv_transpose2d
    by_group = np.concatenate(np.split(weight, groups), 1)
    ours = convolution.transposed_convolution(
        CALL, Values(channels_last(x)), np.moveaxis(by_group, (0, 1), (-2, -1)), bias,
        strides=strides, dilation=dilation, groups=groups,
        crop=tuple((p, p - e) for p, e in zip(padding, extra, strict=True)),
    )  # fmt: skip
    close(ours, function(*tensors, strides, padding, extra, groups, dilation))


@few
@given(st.data())
def test_poolings(data) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    functional = torch.nn.functional
    draw, rng = data.draw, np.random.default_rng(data.draw(st.integers(0, 999)))
    rank, ceil = draw(st.integers(1, 2)), draw(st.booleans())
    kernel, strides, dilation = (several(draw, rank, 1, 3) for _ in range(3))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    lengths = several(draw, rank, 7, 10)
    x = rng.normal(size=(2, 2, *lengths))
    ours, theirs = Values(channels_last(x)), torch.tensor(x)
    sizes = list(zip(lengths, kernel, strides, dilation, padding, strict=True))
    function = functional.max_pool1d if rank == 1 else functional.max_pool2d
    axes = [Axis(n, k, s, d, p, p, ceil) for n, k, s, d, p in sizes]
    close(
        pooling.max_pool(CALL, ours, axes),
        function(theirs, kernel, strides, padding, dilation, ceil),
    )
    counts = draw(st.booleans())
    function = functional.avg_pool1d if rank == 1 else functional.avg_pool2d
    axes = [Axis(n, k, s, 1, p, p, ceil) for n, k, s, _, p in sizes]
    close(
        pooling.average_pool(CALL, ours, axes, count_padding=counts),
        function(theirs, kernel, strides, padding, ceil, counts),
    )
    wanted = several(draw, rank, 1, 6)
    for kind, functions in (
        ("max", (functional.adaptive_max_pool1d, functional.adaptive_max_pool2d)),
        ("average", (functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d)),
    ):
        close(pooling.adaptive_pool(CALL, ours, wanted, kind), functions[rank - 1](theirs, wanted))


@few
@given(st.data())
def test_borders_and_sizes(data) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    functional = torch.nn.functional
    draw, rng = data.draw, np.random.default_rng(data.draw(st.integers(0, 999)))
    height, width = several(draw, 2, 3, 7)
    x = rng.normal(size=(2, 2, height, width))
    ours, theirs = Values(channels_last(x)), torch.tensor(x)
    top, bottom, left, right = several(draw, 4, 0, 2)
    for mode, name in (
        ("constant", "constant"), ("reflect", "reflect"), ("edge", "replicate"),
        ("circular", "circular"),
    ):  # fmt: skip
        close(
            resize.pad(CALL, ours, [(top, bottom), (left, right), (0, 0)], mode),
            functional.pad(theirs, (left, right, top, bottom), name),
        )
    size = several(draw, 2, 1, 12)
    for rule, corners in (("half_pixel", False), ("align_corners", True)):
        for mode in ("bilinear", "bicubic"):
            value = ours
            for axis, (n, m) in enumerate(zip((height, width), size, strict=True)):
                matrix = (
                    resize.linear(n, m, rule)
                    if mode == "bilinear"
                    else resize.cubic(n, m, rule, -0.75)
                )
                value = resize.along(CALL, value, axis, matrix)
            close(value, functional.interpolate(theirs, size, mode=mode, align_corners=corners))


def test_paddings_by_name() -> None:
    assert same_padding((5, 6), (3, 2), (1, 2), (2, 1)) == ((2, 2), (0, 0))
    assert same_padding((6,), (3,), (2,), (1,)) == ((0, 1),)
    assert same_padding((6,), (3,), (2,), (1,), lower=True) == ((1, 0),)
    assert causal_padding((3,), (2,)) == ((4, 0),)


def test_symmetric_border_and_repetition() -> None:
    x = Values(np.arange(3.0).reshape(1, 3, 1))
    ours = resize.pad(CALL, x, [(2, 1), (0, 0)], "symmetric")
    assert ours.batch.ravel().tolist() == [1, 0, 0, 1, 2, 2]
    assert resize.repeat(CALL, x, (2,)).batch.ravel().tolist() == [0, 0, 1, 1, 2, 2]
    assert resize.pad(CALL, x, [(-1, 1), (0, 0)]).batch.ravel().tolist() == [1, 2, 0]


X = Values(np.zeros((1, 3, 2)))


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: convolution.convolution(CALL, X, np.ones((2, 3, 1))), ModelError, "does not fit"),
        (
            lambda: convolution.transposed_convolution(CALL, X, np.ones((2, 2, 1)), crop=((3, 3),)),
            ModelError,
            "leaves nothing",
        ),
        (lambda: pooling.max_pool(CALL, X, [Axis(3, 2, before=2)]), ModelError, "padding alone"),
        (lambda: pooling.max_pool(CALL, X, [Axis(3, 5)]), ModelError, "larger than its input"),
        (lambda: pooling.average_pool(CALL, X, [Axis(3, 2, before=2)]), ModelError, "no element"),
        (lambda: pooling.adaptive_pool(CALL, X, (0,), "max"), ModelError, "adaptive pooling"),
        (lambda: resize.crop(CALL, X, [(2, 1), (0, 0)]), ModelError, "leaves nothing"),
        (lambda: resize.pad(CALL, X, [(3, 0), (0, 0)], "reflect"), ModelError, "border is longer"),
        (
            lambda: resize.nearest(7, 34, "asymmetric", "round_prefer_floor"),
            UnsupportedError,
            "close to a tie",
        ),
    ],
)
def test_what_does_not_fit(build, error, text) -> None:
    with pytest.raises(error, match=text):
        build()
