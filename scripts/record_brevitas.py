"""Record small Brevitas networks: their QONNX and QCDQ exports, and what Brevitas answers.

Run in an environment with Brevitas (BSD-3), PyTorch, onnx below 1.23 and onnxoptimizer:

    python scripts/record_brevitas.py tests/data/brevitas_exports

Weights and inputs are random; the networks exist to be imported, not to be good. Answers are
Brevitas' own, in float32.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import brevitas
import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.export import export_onnx_qcdq, export_qonnx
from brevitas.quant import (
    Int32Bias,
    ShiftedUint8ActPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    SignedTernaryWeightPerTensorConst,
)


def dense() -> torch.nn.Module:
    """Return a perceptron of 8, 4 and 3 bits with float scales and a quantized bias."""
    return torch.nn.Sequential(
        qnn.QuantIdentity(bit_width=8, return_quant_tensor=True),
        qnn.QuantLinear(6, 5, bias=True, weight_bit_width=4, bias_quant=Int32Bias),
        qnn.QuantReLU(bit_width=4, return_quant_tensor=True),
        qnn.QuantLinear(5, 3, bias=True, weight_bit_width=3),
    )


def convolution() -> torch.nn.Module:
    """Return a convolution with scales per channel, pooling and a zero point at its input."""
    return torch.nn.Sequential(
        qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFloat, return_quant_tensor=True),
        qnn.QuantConv2d(
            2, 3, 3, bias=True, weight_bit_width=4, weight_scaling_per_output_channel=True
        ),
        qnn.QuantReLU(bit_width=4, return_quant_tensor=True),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        qnn.QuantLinear(12, 3, bias=False, weight_bit_width=3),
    )


def binary() -> torch.nn.Module:
    """Return a network of binary activations, with binary and ternary weights."""
    return torch.nn.Sequential(
        qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, return_quant_tensor=True),
        qnn.QuantLinear(8, 6, bias=False, weight_quant=SignedBinaryWeightPerTensorConst),
        torch.nn.BatchNorm1d(6),
        qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, return_quant_tensor=True),
        qnn.QuantLinear(6, 3, bias=False, weight_quant=SignedTernaryWeightPerTensorConst),
    )


def truncating() -> torch.nn.Module:
    """Return an average pooling that drops bits."""
    return torch.nn.Sequential(
        qnn.QuantIdentity(bit_width=6, return_quant_tensor=True),
        qnn.TruncAvgPool2d(kernel_size=2, bit_width=6, float_to_int_impl_type="floor"),
        torch.nn.Flatten(),
        qnn.QuantLinear(8, 2, bias=False, weight_bit_width=4),
    )


NETWORKS = {
    "dense": (dense, (6,)),
    "convolution": (convolution, (2, 6, 6)),
    "binary": (binary, (8,)),
    "truncating": (truncating, (2, 4, 4)),
}


def main(folder: Path) -> None:
    """Write `<network>.npz`, `<network>_qonnx.onnx` and `<network>_qcdq.onnx`."""
    warnings.simplefilter("ignore")
    folder.mkdir(parents=True, exist_ok=True)
    for name, (build, shape) in NETWORKS.items():
        torch.manual_seed(1)
        model = build()
        x = torch.randn(64, *shape)
        model.train()
        for _ in range(8):
            model(x)
        model.eval()
        with torch.no_grad():
            y = model(x)
        np.savez_compressed(
            folder / f"{name}.npz", x=x.numpy(), y=y.numpy(), brevitas=brevitas.__version__
        )
        for kind, export in (("qonnx", export_qonnx), ("qcdq", export_onnx_qcdq)):
            path = folder / f"{name}_{kind}.onnx"
            try:
                with torch.no_grad():
                    axes = {"x": {0: "N"}, "y": {0: "N"}}
                    export(model, x[:1], str(path), dynamo=False, input_names=["x"],
                           output_names=["y"], dynamic_axes=axes)  # fmt: skip
                print(path.name, path.stat().st_size)
            except (AssertionError, RuntimeError) as error:
                path.unlink(missing_ok=True)
                print(path.name, "not exported:", error)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
