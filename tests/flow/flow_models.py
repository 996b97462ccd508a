"""Small quantized models for tests of the whole way."""

from __future__ import annotations

import numpy as np
from onnx_models import model, node


def quantized_mlp(
    n_in: int = 6, hidden: int = 5, n_out: int = 3, seed: int = 0, scale: float = 0.125
):
    """A QONNX model of two dense layers; every scale a power of two unless said otherwise."""
    rng = np.random.default_rng(seed)
    constants = {
        "s_in": np.float32(scale), "s_act": np.float32(2 * scale), "s_w": np.float32(0.0625),
        "zero": np.float32(0), "b8": np.float32(8), "b6": np.float32(6), "b5": np.float32(5),
        "w0": rng.normal(0, 0.4, (n_in, hidden)).astype(np.float32),
        "w1": rng.normal(0, 0.4, (hidden, n_out)).astype(np.float32),
        "b0": (np.round(rng.normal(0, 8, hidden)) / 64).astype(np.float32),
    }  # fmt: skip
    quant = {
        "signed": 1,
        "narrow": 0,
        "rounding_mode": "ROUND",
        "domain": "qonnx.custom_op.general",
    }
    nodes = [
        node("Quant", "x s_in zero b8", "xq", **quant),
        node("Quant", "w0 s_w zero b5", "w0q", **quant),
        node("MatMul", "xq w0q", "h"),
        node("Add", "h b0", "hb"),
        node("Relu", "hb", "r"),
        node("Quant", "r s_act zero b6", "rq", **{**quant, "signed": 0}),
        node("Quant", "w1 s_w zero b5", "w1q", **quant),
        node("MatMul", "rq w1q", "y"),
    ]
    return model(nodes, {"x": (n_in,)}, constants=constants)


def quantized_convolution(channels: int = 3, n_out: int = 2, seed: int = 0):
    """A QONNX model of a convolution, a table and a dense layer."""
    rng = np.random.default_rng(seed)
    constants = {
        "s_in": np.float32(0.25), "s_act": np.float32(0.0625), "s_w": np.float32(0.25),
        "s_h": np.float32(0.125), "zero": np.float32(0), "b3": np.float32(3), "b5": np.float32(5),
        "w0": rng.normal(0, 0.5, (channels, 2, 3, 3)).astype(np.float32),
        "b0": (np.round(rng.normal(0, 8, channels)) / 16).astype(np.float32),
        "w1": rng.normal(0, 0.5, (channels * 9, n_out)).astype(np.float32),
        "b1": (np.round(rng.normal(0, 8, n_out)) / 64).astype(np.float32),
        "flat": np.asarray([0, channels * 9], np.int64),
    }  # fmt: skip
    quant = {
        "signed": 1,
        "narrow": 0,
        "rounding_mode": "ROUND",
        "domain": "qonnx.custom_op.general",
    }
    nodes = [
        node("Quant", "x s_in zero b5", "xq", **quant),
        node("Quant", "w0 s_w zero b3", "w0q", **quant),
        node("Conv", "xq w0q b0", "h", pads=[1, 1, 1, 1], kernel_shape=[3, 3], strides=[2, 2]),
        node("Quant", "h s_h zero b5", "hq", **quant),
        node("Tanh", "hq", "t"),
        node("Quant", "t s_act zero b5", "tq", **quant),
        node("Reshape", "tq flat", "f"),
        node("Quant", "w1 s_w zero b3", "w1q", **quant),
        node("MatMul", "f w1q", "m"),
        node("Add", "m b1", "y"),
    ]
    return model(nodes, {"x": (2, 6, 6)}, constants=constants)
