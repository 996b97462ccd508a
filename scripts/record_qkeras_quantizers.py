"""Record what QKeras's activation quantizers answer, for tests that run without QKeras.

Run in an environment with qkeras-v3 (1.2.1) and TensorFlow, which no test needs:

    python scripts/record_qkeras_quantizers.py tests/data/keras/qkeras_quantizers.npz

The file holds inputs `x` (multiples of 1/64, so that every tie of the formats is met) and the
answers by the quantizer's text.
"""

import sys
from pathlib import Path

import numpy as np

TEXTS = [
    "binary()",
    "binary(alpha=2.0)",
    "binary(use_01=True)",
    "ternary()",
    "ternary(threshold=0.5)",
    "stochastic_binary()",
    "stochastic_binary(alpha=0.5)",
    "stochastic_ternary()",
    "quantized_bits(4,1)",
    "quantized_bits(5,0,1)",
    "quantized_bits(6,2,0,keep_negative=False)",
    "quantized_bits(1,0)",
    "quantized_linear(4,1)",
    "quantized_linear(5,2,0)",
    "quantized_linear(4,1,keep_negative=False)",
    "quantized_linear(1,1)",
    "quantized_linear(4,1,alpha=0.5)",
    "quantized_relu(4,1)",
    "quantized_relu(5,2,negative_slope=0.25)",
    "quantized_relu(4,1,use_sigmoid=1)",
    "quantized_relu(6,2,relu_upper_bound=1.5,is_quantized_clip=False)",
    "quantized_relu(6,2,relu_upper_bound=1.5)",
    "quantized_tanh(5)",
    "quantized_tanh(4,symmetric=True)",
    "quantized_tanh(6,use_real_tanh=True)",
    "quantized_sigmoid(5)",
    "quantized_sigmoid(6,use_real_sigmoid=True)",
    "quantized_sigmoid(4,symmetric=True)",
    "quantized_po2(4)",
    "quantized_po2(4,2)",
    "quantized_po2(3,1)",
    "quantized_relu_po2(3)",
    "quantized_relu_po2(3,2)",
    "quantized_relu_po2(3,negative_slope=0.5)",
    "quantized_ulaw(4)",
    "quantized_ulaw(5,1,1,127.0)",
    "quantized_hswish(6,2)",
    "quantized_hswish(8,3,0)",
    "quantized_hswish(5,1,1,relu_shift=2,relu_upper_bound=4)",
]


def main() -> None:
    """Write the file named on the command line."""
    from qkeras import quantizers

    x = (np.arange(-6 * 64, 6 * 64 + 1) / 64).astype(np.float32)
    answers = {"x": x}
    for text in TEXTS:
        quantizer = quantizers.get_quantizer(text)
        answers[text] = np.asarray(quantizer(x), np.float32)
    np.savez_compressed(Path(sys.argv[1]), **answers)


if __name__ == "__main__":
    main()
