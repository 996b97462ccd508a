"""Make the QKeras models of this folder and record what QKeras answers.

Run with qkeras-v3 (Keras 3, TensorFlow): `python make_qkeras.py [DEEPSETS.h5]`. With the path of
the public Deep Sets model it records that too, for the shared data.
"""

import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import qkeras
from make_keras import HERE, pack
from qkeras import (
    QActivation,
    QAveragePooling2D,
    QBatchNormalization,
    QConv1D,
    QConv2D,
    QConv2DBatchnorm,
    QConv2DTranspose,
    QDense,
    QDenseBatchnorm,
    QDepthwiseConv2D,
    QDepthwiseConv2DBatchnorm,
    QGlobalAveragePooling2D,
    QSeparableConv1D,
    QSeparableConv2D,
    binary,
    quantized_bits,
    quantized_po2,
    quantized_relu,
    quantized_relu_po2,
    quantized_sigmoid,
    quantized_tanh,
    ternary,
)

SAMPLES = 60
KERNELS = {
    "bits_alpha_1": quantized_bits(6, 0, alpha=1),
    "bits_alpha_none": quantized_bits(4, 0),
    "bits_auto": quantized_bits(4, 1, alpha="auto"),
    "bits_auto_po2": quantized_bits(5, 1, alpha="auto_po2"),
    "bits_alpha_0_3": quantized_bits(5, 0, alpha=0.3),
    "bits_alpha_half": quantized_bits(5, 2, alpha=0.5, symmetric=1),
    "bits_unsigned": quantized_bits(4, 1, keep_negative=False, alpha=1),
    "bits_one": quantized_bits(1, 0, alpha=1),
    "binary": binary(alpha=1),
    "binary_none": binary(),
    "binary_auto": binary(alpha="auto"),
    "binary_01": binary(use_01=True, alpha=2.0),
    "ternary": ternary(alpha=1),
    "ternary_none": ternary(),
    "ternary_auto": ternary(alpha="auto"),
    "ternary_threshold": ternary(alpha=0.5, threshold=0.6),
    "po2": quantized_po2(4),
    "po2_max": quantized_po2(4, max_value=1),
    "po2_quadratic": quantized_po2(4, quadratic_approximation=True),
    "relu_po2": quantized_relu_po2(4),
}
DATA = {
    "bits": quantized_bits(6, 2),
    "bits_symmetric": quantized_bits(6, 2, symmetric=1, alpha=1),
    "bits_unsigned": quantized_bits(4, 1, keep_negative=False, alpha=1),
    "bits_one": quantized_bits(1, 0),
    "bits_alpha": quantized_bits(5, 1, alpha=0.3),
    "relu": quantized_relu(6, 2),
    "relu_slope": quantized_relu(6, 2, negative_slope=0.25),
    "relu_sigmoid": quantized_relu(5, 1, use_sigmoid=1),
    "tanh": quantized_tanh(5),
    "tanh_symmetric": quantized_tanh(5, symmetric=True),
    "tanh_real": quantized_tanh(6, use_real_tanh=True),
    "sigmoid": quantized_sigmoid(5),
    "sigmoid_symmetric": quantized_sigmoid(5, symmetric=True),
    "sigmoid_real": quantized_sigmoid(6, use_real_sigmoid=True),
    "binary": binary(),
    "binary_01": binary(use_01=True, alpha=0.5),
    "ternary": ternary(),
    "ternary_threshold": ternary(alpha=2.0, threshold=0.75),
    "text_bits": "quantized_bits(5,1,0,alpha=1.0)",
    "text_relu": "quantized_relu(4)",
    "text_hard_tanh": "hard_tanh",
    "text_softmax": "softmax",
}


def kernels():
    x = keras.Input((6,), name="x")
    bias = quantized_bits(6, 1, alpha=1)
    return keras.Model(
        x,
        [
            QDense(4, kernel_quantizer=q, bias_quantizer=bias, name=f"k_{n}")(x)
            for n, q in KERNELS.items()
        ],
    )


def biases():
    x = keras.Input((6,), name="x")
    names = ["bits_alpha_1", "bits_auto", "bits_auto_po2", "binary", "ternary", "po2"]
    return keras.Model(
        x,
        [
            QDense(
                4,
                kernel_quantizer=quantized_bits(4, 0, alpha=1),
                bias_quantizer=KERNELS[n],
                name=f"b_{n}",
            )(x)
            for n in names
        ],
    )


def data():
    x = keras.Input((5,), name="x")
    return keras.Model(x, [QActivation(q, name=f"d_{n}")(x) for n, q in DATA.items()])


def network():
    x = keras.Input((6,), name="x")
    bits = quantized_bits(6, 0, alpha=1)
    y = QActivation("quantized_bits(8,3,0,alpha=1)", name="in_q")(x)
    y = QDense(
        8,
        kernel_quantizer=bits,
        bias_quantizer=bits,
        activation="quantized_relu(6,2)",
        name="hidden",
    )(y)
    names = [f"{part}_quantizer" for part in ("beta", "gamma", "mean", "variance")]
    quantizers = {name: quantized_bits(8, 2, alpha=1) for name in names}
    y = QBatchNormalization(**quantizers, name="norm")(y)
    y = QActivation(quantized_bits(8, 3, alpha=1), name="norm_q")(y)
    y = QDense(3, kernel_quantizer="quantized_bits(4,0)", name="scores")(y)
    return keras.Model(x, keras.layers.Activation("softmax", name="softmax")(y), name="qtagger")


def windows():
    """Convolutions and poolings, also those that fold a normalisation."""
    x = keras.Input((6, 5, 2), name="x")
    bits, wide = quantized_bits(4, 0, alpha=1), quantized_bits(8, 2, alpha=1)
    auto, power = quantized_bits(4, 1, alpha="auto"), quantized_bits(4, 0)
    y = QActivation(quantized_bits(6, 2, alpha=1), name="in_q")(x)
    s = keras.layers.Reshape((6, 10), name="rows")(y)
    both = {"bias_quantizer": wide, "padding": "same"}
    folded = {"kernel_quantizer": quantized_bits(6, 1, alpha=1), "bias_quantizer": wide}
    outputs = [
        QConv2D(3, 3, kernel_quantizer=bits, activation="quantized_relu(5,2)", **both)(y),
        QConv2D(2, (2, 3), strides=2, kernel_quantizer=auto, name="scaled", **both)(y),
        QConv1D(3, 3, kernel_quantizer=power, name="steps", **both)(s),
        QDepthwiseConv2D(2, depth_multiplier=2, depthwise_quantizer=auto, name="deep", **both)(y),
        QSeparableConv2D(
            3, 2, depthwise_quantizer=power, pointwise_quantizer=auto, name="apart", **both
        )(y),
        QSeparableConv1D(
            3, 3, depthwise_quantizer=bits, pointwise_quantizer=bits, name="apart_steps", **both
        )(s),
        QConv2DTranspose(2, 3, strides=2, kernel_quantizer=bits, name="up", **both)(y),
        QAveragePooling2D(
            (2, 3), average_quantizer=quantized_bits(8, 0, alpha=1), activation=wide, name="mean"
        )(y),
        QAveragePooling2D((2, 2), 2, padding="same", activation=wide, name="mean_plain")(y),
        QGlobalAveragePooling2D(
            average_quantizer=quantized_bits(10, 0, alpha=1), activation=wide, name="mean_of_all"
        )(y),
        QGlobalAveragePooling2D(activation=wide, name="mean_of_all_plain")(y),
        QConv2DBatchnorm(3, 3, activation="quantized_relu(5,2)", name="folded", **folded)(y),
        QDepthwiseConv2DBatchnorm(
            2, depthwise_quantizer=quantized_bits(6, 1, alpha=1), use_bias=False, name="folded_deep"
        )(y),
        QDenseBatchnorm(3, folding_mode="batch_stats_folding", name="folded_dense", **folded)(
            keras.layers.Flatten(name="flat")(y)
        ),
    ]
    return keras.Model(x, outputs, name="windows")


def inputs(shape, rng, samples=SAMPLES):
    """Random numbers, half of them on a grid, so that ties occur."""
    x = rng.normal(0, 1.5, (samples, *shape))
    x[::2] = np.round(x[::2] * 64) / 64
    return x.astype(np.float32)


def answer(model, stem, rng, samples=SAMPLES):
    x = inputs(model.inputs[0].shape[1:], rng, samples)
    y = model.predict(x, verbose=0)
    y = y if isinstance(y, list) else [y]
    np.savez_compressed(
        HERE / f"{stem}.npz",
        **{f"x_{model.inputs[0].name}": x},
        **{f"y_{n}": v for n, v in enumerate(y)},
    )


def main():
    for build in (kernels, biases, data, network, windows):
        stem = f"qkeras_{build.__name__}"
        rng = np.random.default_rng(sum(map(ord, stem)))
        model = build()
        for weight in model.weights:
            if weight.path.endswith("iteration"):
                continue
            value = rng.normal(0, 0.5, tuple(weight.shape))
            weight.assign(np.abs(value) + 0.3 if "variance" in weight.path else value)
        answer(model, stem, rng, 6 if build is windows else SAMPLES)
        for suffix in (".keras", ".h5"):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"{stem}{suffix}"
                model.save(path)
                pack(path)
    if len(sys.argv) > 1:
        names = ("QDense", "QActivation", "quantized_bits", "quantized_relu")
        known = {name: getattr(qkeras, name) for name in names}
        known |= {name: getattr(qkeras.qlayers, name) for name in ("QInitializer", "Clip")}
        model = keras.models.load_model(sys.argv[1], compile=False, custom_objects=known)
        answer(model, "deepsets_answers", np.random.default_rng(5))


if __name__ == "__main__":
    main()
