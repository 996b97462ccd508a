"""Modules trained with fake quantizers, and as `convert_pt2e` leaves them: read and compiled."""

import numpy as np
import pytest
from torch_models import Of, check, kinds, read_torch, torch

import gatewright as gw

pytest.importorskip("torch.ao.quantization.fx._decomposed")

F, ops = torch.nn.functional, torch.ops.quantized_decomposed
WEIGHT = torch.linspace(-1, 1, 12).reshape(3, 4)


def qat(x_scale, w_scales, zero=0):
    """A dense layer as `prepare_qat` leaves it."""
    scales, zeros = torch.tensor(w_scales), torch.zeros(len(w_scales), dtype=torch.int32)

    def forward(x):
        x = torch.fake_quantize_per_tensor_affine(x, x_scale, zero, -128, 127)
        w = torch.fake_quantize_per_channel_affine(WEIGHT, scales, zeros, 0, -127, 127)
        y = F.relu(F.linear(x, w, torch.tensor([0.5, -0.25, 0.125])))
        return torch.fake_quantize_per_tensor_affine(y, 0.0625, 0, 0, 255)

    return Of(forward)


def pt2e(scale, zero):
    """A dense layer as `convert_pt2e` leaves it."""
    weight = torch.arange(-6, 6, dtype=torch.int8).reshape(3, 4)

    def two_way(x, s, z, low, high, dtype):
        q = ops.quantize_per_tensor.default(x, s, z, low, high, dtype)
        return ops.dequantize_per_tensor.default(q, s, z, low, high, dtype)

    def forward(x):
        x = two_way(x, scale, zero, 0, 255, torch.uint8)
        w = ops.dequantize_per_channel.default(
            weight, torch.tensor([0.1, 0.2, 0.3]), torch.zeros(3, dtype=torch.int64), 0, -127, 127,
            torch.int8,
        )  # fmt: skip
        return two_way(F.relu(F.linear(x, w)), 0.05, 3, 0, 255, torch.uint8)

    return Of(forward)


def test_powers_of_two_are_plain_formats():
    graph = check(qat(0.125, [0.25, 0.125, 0.5]), (4,), float64=False)
    assert kinds(graph) == ["quantize", "dense", "relu", "quantize"]


def test_other_scales_keep_integer_weights():
    graph = check(qat(0.1, [0.11, 0.12, 0.13], 3), (4,), float64=False)
    assert kinds(graph) == ["scaled_quantize", "dense", "affine", "relu", "quantize"]
    assert (graph.nodes[1].op.weight == np.rint(graph.nodes[1].op.weight)).all()
    check(pt2e(0.0199, 3), (4,), float64=False)  # its operators insist on float32


@pytest.mark.parametrize("model", [qat(0.125, [0.25, 0.125, 0.5]), pt2e(0.0199, 3)])
def test_quantized_modules_compile_without_data(model):
    design = gw.compile(model, inputs=(4,))
    x = np.random.default_rng(0).normal(0, 1, (64, 4)).astype(np.float32)
    with torch.no_grad():
        theirs = model(torch.tensor(x)).numpy()
    assert np.abs(design.predict(x) - theirs).max() < 1e-5


def test_a_dequantize_alone_is_refused():
    own = Of(lambda x: ops.quantize_per_tensor.default(x, 0.1, 0, -128, 127, torch.int8) + 1)
    with pytest.raises(gw.GatewrightError, match="computes on quantized integers"):
        read_torch(own, (4,))
