"""docs/coverage.md names every layer and operator that is handled, and every operation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gatewright.ops import OPERATIONS
from tests.coverage_record import registered

PAGE = Path(__file__).resolve().parents[1] / "docs" / "coverage.md"
HOW = "run `python scripts/coverage_table.py`, or write a comparison (tests/frontends/oracle) first"

REFUSED = {
    *(("Keras", kind) for kind in (
        "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Masking", "SegmentMax", "SegmentSum",
    )),
    ("ONNX", "DynamicQuantizeLinear"),
    *(("PyTorch", kind) for kind in (
        "_fused_moving_avg_obs_fq_helper", "_fused_moving_avg_obs_fq_helper_functional",
        "fused_moving_avg_obs_fake_quant",
    )),
    *(("PyTorch", f"quantized_decomposed.{kind}") for kind in (
        "choose_qparams.tensor", "choose_qparams_per_token.default",
        "choose_qparams_per_token_asymmetric.default", "choose_qparams_symmetric.tensor",
        "dequantize_per_channel_group.default", "dequantize_per_tensor.tensor2",
        "dequantize_per_token.default", "quantize_per_channel_group.default",
        "quantize_per_tensor.tensor2", "quantize_per_token.default",
    )),
}  # fmt: skip
"""Handlers that say why a layer is refused, and what to use instead."""

MISSING = {("PyTorch", kind) for kind in ("as_strided", "conv3d", "conv_transpose3d")}
"""Without a comparison as yet."""

ON_WEIGHTS = {("PyTorch", "quantized_decomposed.quantize_per_channel.default")}
"""Of weights alone in every quantizer at hand, which PyTorch computes at import."""

BREVITAS = {("PyTorch", "onnx_symbolic._symbolic.default")}
"""Compared where Brevitas is installed (test_brevitas.py), which does not live with the others."""

OTHER_NAMES = {("Keras", "GroupedQueryAttention"), ("Keras", "Mish")}
"""Names under which no Keras release at hand saves what is compared under another name."""

SPLIT_UP = {
    ("PyTorch", kind)
    for kind in (
        "_adaptive_avg_pool2d", "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams",
        "_log_softmax", "_native_batch_norm_legit", "_native_batch_norm_legit_functional",
        "_prelu_kernel", "_softmax", "batch_norm", "chunk", "constant_pad_nd", "contiguous",
        "convolution", "div.Scalar", "dropout", "expand_as",
        "fake_quantize_per_channel_affine_cachemask",
        "fake_quantize_per_tensor_affine_cachemask", "flatten", "hardshrink",
        "lift_fresh_copy", "log_sigmoid_forward", "mT", "movedim.int", "narrow",
        "native_batch_norm", "native_dropout", "native_group_norm", "native_layer_norm",
        "numpy_T", "reflection_pad1d", "reflection_pad2d", "replication_pad1d",
        "replication_pad2d", "reshape", "softshrink", "tensor_split", "to", "unflatten",
        "view_as",
    )
}  # fmt: skip
"""Operators that PyTorch 2.13 replaces by others, compared here, before a program is read.

Programs saved by other releases, or after other decompositions, can hold them.
"""

NOT_COMPARED = REFUSED | MISSING | OTHER_NAMES | BREVITAS | ON_WEIGHTS | SPLIT_UP


def listed() -> set[tuple[str, str]]:
    """Return every (framework, layer) of the page."""
    rows, framework = set(), ""
    for line in PAGE.read_text().splitlines():
        heading = re.match(r"#+ ([\w-]+)", line)
        framework = heading[1] if heading else framework
        row = re.match(r"\| `([^`]+)` \|", line)
        if row:
            rows.add((framework, row[1]))
    return rows


def test_every_handler_has_a_row():
    assert sorted(registered() - listed() - NOT_COMPARED) == [], HOW


def test_what_is_not_compared_is_said_once():
    handlers = registered()
    if not any(framework == "PyTorch" for framework, _ in handlers):
        pytest.skip("needs PyTorch, whose operators are among those not compared")
    assert sorted(NOT_COMPARED - handlers) == []
    assert sorted(NOT_COMPARED & listed()) == []


def test_every_operation_has_a_row():
    stems = {("Operations", op.__module__.rpartition(".")[2]) for op in OPERATIONS}
    assert sorted(stems - listed()) == [], HOW
