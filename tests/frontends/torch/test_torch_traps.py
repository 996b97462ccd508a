"""What looks harmless in PyTorch and means something else: held against PyTorch, or refused."""

import numpy as np
import pytest
from torch_models import Of, check, read_torch, torch

from gatewright.base import GatewrightError, VerificationError
from gatewright.frontends.compare import compare_with_source
from gatewright.ops import Logical

F = torch.nn.functional
INF = float("-inf")


def refused(function, *shapes, match):
    with pytest.raises(GatewrightError, match=match):
        read_torch(Of(function), list(shapes))


def test_minus_infinity_goes_nowhere_but_into_a_softmax():
    def hide(x):
        return x.masked_fill(x > 1, INF)

    refused(hide, (6,), match="an output of the model holds minus infinity")
    refused(lambda x: (hide(x) > -1e6).float(), (6,), match=r"minus infinity reaches aten\.gt")
    refused(lambda x: torch.where(x > 0, hide(x), x), (6,), match=r"reaches aten\.where")
    refused(lambda x: torch.cat([hide(x), x], 1).softmax(1), (6,), match=r"reaches aten\.cat")
    refused(lambda x: torch.stack([hide(x), x], 1).softmax(1), (6,), match=r"reaches aten\.stack")
    check(lambda x: torch.softmax(hide(x).clone(), 1), (6,))


def test_types_of_numbers():
    graph = check(lambda x: ((x > 0) + (x > 1)).float(), (6,))
    assert any(isinstance(node.op, Logical) for node in graph.nodes)  # no 2 among truth values
    check(lambda x: ((x > 0) + 1).float() + (x > 0), (6,))
    check(lambda x: x.argmax(1).bool().float(), (6,))
    both = torch.tensor([True, False])
    refused(lambda x: ((x > 0) + both).float(), (2,), match="a constant truth value is added")
    whole = "a conversion to integers drops fractions"
    refused(lambda x: x.sum(1, dtype=torch.int32).float(), (6,), match=whole)
    refused(lambda x: x.cumsum(1, dtype=torch.int64).float(), (6,), match=whole)
    short = "a conversion to short integers drops their upper bits"
    refused(lambda x: (x.argmax(1) * 100).to(torch.uint8).float(), (6,), match=short)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x / x.shape[0],
        lambda x: x + (x.shape[0] - 1),
        lambda x: x * x.shape[0] ** -0.5,
        lambda x: x * torch.full((), x.shape[0] * 1.0),
    ],
)
def test_the_length_of_the_batch_is_no_number(function):
    batch = torch.export.Dim("batch", min=2, max=4096)
    example = (torch.zeros(4, 6),)
    shapes = {"inputs": ({0: batch},)}
    program = torch.export.export(Of(function), example, dynamic_shapes=shapes, strict=False)
    with pytest.raises(GatewrightError, match="the module computes with the length of the batch"):
        read_torch(program)


def test_the_length_of_the_batch_in_a_module():
    module = Of(lambda x: x / x.shape[0])  # the export knows a number, no length
    graph = read_torch(module, [(6,)])
    data = {graph.inputs[0].name: np.random.default_rng(0).normal(size=(10, 6))}
    with pytest.raises(VerificationError, match="differs from its source"):
        compare_with_source(module, graph, data)
    check(lambda x: x.view(x.shape[0] * 2, 3).view(-1, 6), (6,))
    check(lambda x: torch.cat([x, torch.zeros(x.shape[0], 2)], 1), (6,))


def test_windows_without_an_axis_of_channels():
    check(
        lambda x: (F.max_pool1d(x, 2), F.avg_pool1d(x, 3, 2, 1), F.adaptive_avg_pool1d(x, 2)), (6,)
    )
    check(lambda x: (F.max_pool2d(x, (2, 1)), F.adaptive_max_pool2d(x, (2, 3))), (6, 4))
    ones = torch.ones(2, 1, 3)
    refused(lambda x: F.conv1d(x, ones), (6,), match="has an input of another rank")
    refused(
        lambda x: F.max_pool2d(x, 2, return_indices=True), (2, 4, 4), match="positions of a pool"
    )
    check(lambda x: F.linear(x, torch.arange(6.0)), (6,))
