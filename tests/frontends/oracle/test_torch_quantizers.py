"""Quantizers of PyTorch as they are read, against PyTorch: the same codes, ties included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_models import Of, check, kinds, torch

from gatewright.base import GatewrightError
from gatewright.frontends.torch import read_torch
from gatewright.ir import run_real
from gatewright.passes.graph import streamline

try:
    import torch.ao.quantization.fx._decomposed  # registers the operators

    decomposed = torch.ops.quantized_decomposed
except ImportError:  # pragma: no cover - moved in some later version
    decomposed = None

F = np.float32
LIMITS = st.sampled_from([(-128, 127), (0, 255), (-127, 127), (-8, 7), (0, 15), (-1, 1)])
SCALES = st.floats(2**-10, 4.0, width=32)


def half_steps(scale, shape=(3,)):
    """Return samples on and between the steps, as float32 has them."""
    steps = np.arange(-300, 300, dtype=F) * F(scale) / F(2)
    rows = np.stack([steps, -steps, np.nextafter(steps, F(9))], axis=1)
    return np.resize(rows, (len(steps), *shape)).astype(F)


def assert_same(module, x, float64=False):
    """Hold codes times scale against PyTorch's, but for its last rounding to float32."""
    graph = read_torch(module, x.shape[1:])
    ours = run_real(graph, {graph.inputs[0].name: x.astype(np.float64)})[graph.outputs[0].value]
    theirs = module(torch.from_numpy(x)).numpy()
    assert np.array_equal(ours.astype(F), theirs)
    return graph


@settings(max_examples=25, deadline=None)
@given(SCALES, st.integers(-3, 3), LIMITS)
def test_fake_quantize_per_tensor(scale, zero_point, limits):
    zero_point = min(max(zero_point, limits[0]), limits[1])
    module = Of(lambda x: torch.fake_quantize_per_tensor_affine(x, scale, zero_point, *limits))
    assert_same(module, half_steps(scale))


@settings(max_examples=10, deadline=None)
@given(st.lists(SCALES, min_size=3, max_size=3), st.integers(0, 5), st.sampled_from([1, 2, -1]))
def test_fake_quantize_per_channel(scales, zero_point, axis):
    zeros = torch.tensor([0, zero_point, 1], dtype=torch.int32)
    module = Of(lambda x: torch.fake_quantize_per_channel_affine(
        x, torch.tensor(scales), zeros, axis % 3, 0, 15))  # fmt: skip
    assert_same(module, half_steps(scales[0], (3, 3)))


@settings(max_examples=15, deadline=None)
@given(SCALES, st.integers(-3, 3), LIMITS, st.booleans())
def test_quantize_and_dequantize(scale, zero_point, limits, tensors):
    zero_point = min(max(zero_point, limits[0]), limits[1])
    dtype = torch.uint8 if limits[0] == 0 else torch.int8
    own = (torch.tensor(F(scale)), torch.tensor(zero_point)) if tensors else (scale, zero_point)
    if tensors:
        quantize = decomposed.quantize_per_tensor.tensor
        dequantize = decomposed.dequantize_per_tensor.tensor
    else:
        quantize, dequantize = decomposed.quantize_per_tensor, decomposed.dequantize_per_tensor
    module = Of(lambda x: dequantize(quantize(x, *own, *limits, dtype), *own, *limits, dtype))
    assert_same(module, half_steps(scale))


def test_the_reciprocal_is_honoured_in_the_circuit():
    """Half steps of 0.0199 are ties for a quotient and not for a product: 60 of 255 differ."""
    scale = float(F(0.0199))
    layers = [(0.5, 0, -600, 600), (scale, 0, -128, 127)]

    def both(x):
        x = torch.fake_quantize_per_tensor_affine(x, *layers[0])
        return torch.fake_quantize_per_tensor_affine(x * scale, *layers[1])

    x = np.arange(-300, 301, dtype=F)[:, None] / 2
    graph = read_torch(Of(both), (1,))
    turned = streamline(graph)
    assert [n.op.kind for n in turned.nodes] == ["requantize"]
    requantize = turned.nodes[0].op
    codes = requantize.real(x.astype(np.float64))
    theirs = np.rint(Of(both)(torch.from_numpy(x)).numpy() / F(scale))
    assert np.array_equal(codes, theirs)
    assert (codes != np.clip(np.rint(x), -128, 127)).any()


def weights_of(module):
    return next(n.op.weight for n in read_torch(module, (4,)).nodes if n.op.kind == "dense")


def test_fake_quantized_weights_become_codes():
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    scales = torch.tensor([0.3, 0.2, 0.7])

    def layer(x):
        q = torch.fake_quantize_per_channel_affine(weight, scales, torch.zeros(3), 0, -8, 7)
        return torch.nn.functional.linear(x, q)

    graph = check(layer, (4,), float64=False)
    assert kinds(graph) == ["dense", "affine"]
    codes = torch.clamp(torch.round(weight * (1 / scales[:, None])), -8, 7)
    assert np.array_equal(weights_of(Of(layer)), codes.numpy().T)


def pt2e(module, example):
    """Quantize a module statically, as torchao does."""
    pytest.importorskip("torchao", reason="needs torchao: pip install torchao")
    from torchao.quantization.pt2e import quantize_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    batch = ({0: torch.export.Dim("batch", min=1, max=1000)},)
    program = torch.export.export(module.eval(), (example,), dynamic_shapes=batch).module()
    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
    prepared = quantize_pt2e.prepare_pt2e(program, quantizer)
    prepared(example)
    return quantize_pt2e.convert_pt2e(prepared)


def test_a_statically_quantized_network_of_torchao():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv1d(2, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(12, 4)
    )
    example = torch.randn(64, 2, 6)
    converted = pt2e(module, example)
    batch = ({0: torch.export.Dim("batch", min=1, max=1000)},)
    program = torch.export.export(converted, (example,), dynamic_shapes=batch)
    graph = read_torch(program)
    x = example.numpy().astype(np.float64)
    ours = run_real(graph, {graph.inputs[0].name: x})[graph.outputs[0].value]
    theirs = converted(example).detach().numpy()
    assert np.abs(ours - theirs).max() < 1e-5
    assert "scaled_quantize" not in kinds(streamline(graph))


REFUSED = {
    "dynamic": (
        lambda x: decomposed.quantize_per_tensor.tensor(
            x, *decomposed.choose_qparams(x, 0, 255, 1e-5, torch.uint8), 0, 255, torch.uint8
        ),
        "chosen anew from the data",
    ),
    "different scales": (
        lambda x: decomposed.dequantize_per_tensor(
            decomposed.quantize_per_tensor(x, 0.5, 0, 0, 255, torch.uint8),
            0.25, 0, 0, 255, torch.uint8,
        ),
        "a quantization and its dequantization differ",
    ),
    "codes": (
        lambda x: decomposed.quantize_per_tensor(x, 0.5, 0, 0, 255, torch.uint8) + 1,
        "computes on quantized integers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    function, what = REFUSED[case]
    with pytest.raises(GatewrightError, match=what):
        read_torch(Of(function), (3,))
