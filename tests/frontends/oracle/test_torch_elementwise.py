"""Arithmetic and activations of PyTorch: what is read equals PyTorch, whatever the attributes."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch_models import check, kinds, torch

F = torch.nn.functional
NUMBERS = st.floats(-3, 3, width=16).filter(lambda v: abs(v) > 0.1)
POSITIVE = st.floats(0.125, 3, width=16)
SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


@settings(max_examples=3, phases=[Phase.generate])
@given(SHAPES, NUMBERS, POSITIVE, st.floats(17, 30))
def test_activations(shape, a, p, threshold):
    def forward(x):
        return (
            F.relu(x), F.relu6(x), F.leaky_relu(x, a), F.elu(x, p), F.elu(x), F.celu(x, p),
            F.selu(x), F.gelu(x), F.gelu(x, approximate="tanh"), F.silu(x), F.mish(x),
            F.softplus(x, p, threshold), F.softplus(x), torch.sigmoid(x), torch.tanh(x),
            F.hardtanh(x, -p, p), F.hardsigmoid(x), F.hardswish(x), F.softsign(x),
            F.logsigmoid(x), F.tanhshrink(x), F.hardshrink(x, p), F.softshrink(x, p),
            F.threshold(x, a, p), F.rrelu(x, 0.1, 0.3), F.prelu(x, torch.tensor([p])),
        )  # fmt: skip

    check(forward, shape)


@settings(max_examples=3, phases=[Phase.generate])
@given(SHAPES.filter(lambda s: s[-1] > 1), st.data())
def test_softmax_and_its_like(shape, data):
    dim = data.draw(st.integers(1, len(shape)))

    def forward(x):
        y = torch.cat([x, -x], dim)
        return F.softmax(x, dim), F.log_softmax(x, dim), F.softmin(x, dim), F.glu(y, dim)

    check(forward, shape)


@settings(max_examples=3, phases=[Phase.generate])
@given(SHAPES, NUMBERS, NUMBERS, st.sampled_from([2, 3, 0.5, -1, 1]))
def test_arithmetic(shape, a, b, power):
    c = torch.linspace(-2, 2, shape[-1]) + 0.3
    wide = torch.linspace(-1, 2, 2 * int(np.prod(shape))).reshape(2, 1, *shape)

    def forward(x, y):
        positive = torch.abs(x) + 0.25
        return (
            x + y, x + a, a - x, x - y, x * y, x * a, x * c, x / c, -x, x.add(y, alpha=a),
            x.sub(y, alpha=b), torch.rsub(x, y, alpha=a), x + wide, wide * x, c - x,
            torch.maximum(x, y), torch.minimum(x, c), x.clamp(-abs(a), abs(b)), x.clamp(min=0),
            x.clamp(max=b), x.clamp(c - 1, c), x.square(), positive**power, 2.0**x,
            positive.sqrt(), positive.rsqrt(), positive.reciprocal(), positive.log(), x.exp(),
            torch.addcmul(x, x, y, value=a), x.abs(), torch.sin(x), torch.erf(x), x.expm1(),
        )  # fmt: skip

    check(forward, shape, shape)


def test_ranks_that_broadcast_move_the_batch():
    constant = torch.randn(3, 1, 4)
    graph = check(lambda x: (x + constant).sum(0), (4,))
    assert graph.outputs[0].name == "y"


def test_in_place_operators_are_made_functional():
    def forward(x):
        y = x * 2
        y.relu_().add_(1)
        y[:, 0] = 0.5
        y[:, 1:, 0] = x[:, :2, 1]
        return y

    check(forward, (3, 2))


def test_constants_are_computed_as_pytorch_computes_them():
    weight = torch.randn(3, 4)
    parametrized = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 3))
    graph = check(lambda x: x @ (weight / 3).t().softmax(0) + weight.sum(1), (4,))
    assert kinds(graph) == ["dense", "affine"]
    graph = check(parametrized, (4,))
    assert kinds(graph) == ["dense"]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_dtypes_that_change_nothing(value):
    check(lambda x: (x.double() + value).float(), (4,))
