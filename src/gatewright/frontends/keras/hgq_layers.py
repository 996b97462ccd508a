"""Layers of HGQ2: a quantizer on the input, quantized weights, a quantizer on the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.keras.activations import activate, number
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.dense import LORA, check_dense
from gatewright.frontends.keras.einsum import Contraction, contraction
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hdf5 import Array
from gatewright.frontends.keras.hgq_config import quantizer_of, read_quantizer
from gatewright.frontends.keras.hgq_quantizer import quantize_data, quantize_weights
from gatewright.frontends.keras.merging import join
from gatewright.frontends.keras.normalization import STATISTICS, channel_axis, check_variance
from gatewright.ir import Op
from gatewright.ops import Add, Affine, Dense, Maximum, Minimum, Multiply, Subtract

FUSED_EPSILON = 1e-7
"""HGQ2 0.1.9 and 0.2.0 fuse a normalisation with Keras's global epsilon, not the layer's own."""

EFFORT = ("cost_beta", "cost_ebops")


def own_variables(site: Site, *trained: str, fixed: tuple[str, ...] = ()) -> dict[str, Array]:
    """Return a layer's variables by name, in the order in which HGQ2 writes them.

    What it keeps for its cost follows on those of the Keras class, and `fixed` ones of its own.
    """
    effort = EFFORT if site.attributes["enable_ebops"] else ()
    names = (*trained, *effort, *fixed)
    arrays = site.arrays(*names)
    return {
        name: array.astype(np.float32) if array.dtype.kind == "f" else array
        for name, array in zip(names, arrays, strict=True)
    }


def quantized_input(site: Site, value: Value) -> Value:
    """Append the input quantizer, if the layer has one."""
    if not site.attributes["enable_iq"]:
        return value
    quantizer = read_quantizer(site, "iq_conf", "iq", (1, *value.shape))
    return quantize_data(site, value, quantizer, "iq")


def quantized_output(site: Site, value: Value) -> Value:
    """Append the output quantizer, if the layer has one."""
    if not site.attributes["enable_oq"]:
        return value
    quantizer = read_quantizer(site, "oq_conf", "oq", (1, *value.shape))
    return quantize_data(site, value, quantizer, "oq")


def _weights(site: Site, name: str, values: Array) -> Array:
    """Quantize the kernel (`kq`) or bias (`bq`)."""
    quantizer = read_quantizer(site, f"{name}_conf", name, values.shape)
    return quantize_weights(site, values, quantizer, f"{name}_conf")


def _dense(site: Site) -> Value:
    names = ("kernel", "bias") if site.attributes["use_bias"] else ("kernel",)
    own = own_variables(site, *names)
    check_dense(site, own["kernel"], own.get("bias"))
    kernel = _weights(site, "kq", own["kernel"])
    bias = _weights(site, "bq", own["bias"]) if "bias" in own else None
    value = site.emit(Dense.of(kernel, bias), quantized_input(site, site.input))
    return quantized_output(site, activate(site, value, site.attributes["activation"]))


def einsum_dense(site: Site) -> Value:
    """Append an einsum layer with its quantizers."""
    form = contraction(site, site.input.shape)
    own = own_variables(site, *(("kernel", "bias") if form.bias else ("kernel",)))
    bias = _weights(site, "bq", own["bias"]) if form.bias else None
    return _einsum(site, form, _weights(site, "kq", own["kernel"]), bias)


def _einsum(site: Site, form: Contraction, kernel: Array, bias: Array | None) -> Value:
    value = form.emit(site, quantized_input(site, site.input), kernel, bias)
    return quantized_output(site, activate(site, value, site.attributes["activation"]))


def _einsum_batchnorm(site: Site) -> Value:
    """Fold the statistics into kernel and bias in float32, as HGQ2 does, then quantize these."""
    form = contraction(site, site.input.shape)
    axes = str(site.attributes["normalize_axes"] or form.bias)
    if (
        not form.bias
        or "".join(c for c in form.result if c in axes) != form.bias
        or not set(axes) <= set(form.new)
    ):
        raise site.unsupported(
            "a fused batch normalisation runs over axes that are not handled",
            "normalize_axes",
            f"{axes!r} with bias axes {form.bias!r} in {site.attributes['equation']!r}",
            "the bias's axes, all of them new axes of the kernel",
            "normalise over the bias's axes",
        )
    trained = ("kernel", "bias", "gamma") if site.attributes["scale"] else ("kernel", "bias")
    own = own_variables(site, *trained, fixed=("moving_mean", "moving_variance"))
    check_variance(site, own["moving_variance"], FUSED_EPSILON)
    gamma = own.get("gamma", np.float32(1))
    scale = (gamma / np.sqrt(own["moving_variance"] + np.float32(FUSED_EPSILON))).astype(np.float32)
    site.expect("moving_variance", scale, form.shape(form.bias))
    site.expect("kernel", own["kernel"], form.shape(form.kernel))
    order = [form.bias.index(c) for c in form.kernel if c in form.bias]
    spread = scale.transpose(order).reshape(
        [form.lengths[c] if c in form.bias else 1 for c in form.kernel]
    )
    kernel = _weights(site, "kq", (own["kernel"] * spread).astype(np.float32))
    offset = (-own["moving_mean"] * scale).astype(np.float32).reshape(own["bias"].shape)
    return _einsum(site, form, kernel, _weights(site, "bq", own["bias"] + offset))


def _batch_norm_dense(site: Site) -> Value:
    """Fold a normalisation of the input, which stands before the kernel."""
    trained = ("kernel", "bias", "bn_gamma") if site.attributes["scale"] else ("kernel", "bias")
    own = own_variables(site, *trained, fixed=("moving_mean", "moving_variance"))
    check_dense(site, own["kernel"], own["bias"])
    for name in ("bn_gamma", "moving_mean", "moving_variance"):
        site.expect(name, own.get(name, own["moving_mean"]), site.input.shape[-1:])
    epsilon = np.float32(number(site, "epsilon", site.attributes["epsilon"]))
    check_variance(site, own["moving_variance"], float(epsilon))
    gamma = own.get("bn_gamma", np.float32(1))
    scale = (gamma / np.sqrt(own["moving_variance"] + epsilon)).astype(np.float32)
    kernel = _weights(site, "kq", (scale[:, None] * own["kernel"]).astype(np.float32))
    bias = _input_offset(site, own["moving_mean"], own["kernel"], own["bias"])
    value = site.emit(Dense.of(kernel, bias), quantized_input(site, site.input))
    return quantized_output(site, activate(site, value, site.attributes["activation"]))


def _input_offset(site: Site, mean: Array, kernel: Array, bias: Array) -> Array:
    """Return the quantized bias - mean @ kernel, a float32 sum whose order is the backend's.

    Raises:
        UnsupportedError: the quantized bias depends on that order.
    """
    exact = bias.astype(np.float64) - mean.astype(np.float64) @ kernel.astype(np.float64)
    size = np.abs(bias) + np.abs(mean).astype(np.float64) @ np.abs(kernel).astype(np.float64)
    error = (len(mean) + 2) * 2.0**-24 * size
    values = [
        _weights(site, "bq", (exact + e).astype(np.float32)) for e in (-error, 0 * error, error)
    ]
    if not all(np.array_equal(values[1], value) for value in values):
        raise site.unsupported(
            "a bias with a folded mean lies so close to a tie that it depends on the backend",
            "moving_mean",
            f"{int((values[0] != values[2]).sum())} biases within float32 rounding of a tie",
            "biases clear of ties",
            "use QEinsumDenseBatchnorm, or a QBatchNormalization before a QDense",
        )
    return values[1]


def _batch_normalization(site: Site) -> Value:
    axis = channel_axis(site)
    trained = tuple(
        name for name, there in (("gamma", "scale"), ("beta", "center")) if site.attributes[there]
    )
    own = own_variables(site, *trained, "moving_mean", "moving_variance")
    if not site.attributes["center"]:
        raise site.unsupported(
            "HGQ2 adds 1 in place of an absent beta",
            "center",
            False,
            "center=True",
            "train with center=True",
        )
    count = site.input.shape[axis]
    for name in (*trained, "moving_mean", "moving_variance"):
        site.expect(name, own[name], (count,))
    epsilon = np.float32(number(site, "epsilon", site.attributes["epsilon"]))
    check_variance(site, own["moving_variance"], float(epsilon))
    scale = own.get("gamma", np.float32(1)) / np.sqrt(own["moving_variance"] + epsilon)
    offset = own["beta"] - own["moving_mean"] * scale
    shape = (count, *(1,) * (len(site.input.shape) - axis - 1))
    scale, offset = (
        _weights(site, "kq", scale).reshape(shape),
        _weights(site, "bq", offset).reshape(shape),
    )
    op = Affine(scale.astype(np.float64), offset.astype(np.float64))
    return quantized_output(site, site.emit(op, quantized_input(site, site.input)))


def _quantizer(site: Site) -> Value:
    entry = site.attributes["config"]
    quantizer = quantizer_of(site, entry, "config", "", (1, *site.input.shape))
    return quantize_data(site, site.input, quantizer, "")


def _merging(op: Op) -> Callable[[Site], Value]:
    return lambda site: _merge(site, op)


def _merge(site: Site, op: Op) -> Value:
    """Quantize every input, then join them."""
    return quantized_output(site, join(site, op, tuple(quantized_inputs(site))))


def quantized_inputs(site: Site) -> list[Value]:
    """Append a quantizer to each input, if the layer has them; read the layer's own variables."""
    values = list(site.inputs)
    own_variables(site)
    if site.attributes["enable_iq"]:
        entries = site.attributes["iq_confs"]
        entries = list(entries) if isinstance(entries, list) else [entries] * len(values)
        if len(entries) != len(values):
            raise ModelError(
                "a layer has not one quantizer for each input",
                place=site.at("iq_confs"),
                found=f"{len(entries)} for {len(values)} inputs",
            )
        for n, (value, entry) in enumerate(zip(values, entries, strict=True)):
            part = "iq/quantizers/quantizer" + (f"_{n}" if n else "")
            quantizer = quantizer_of(site, entry, "iq_confs", part, (1, *value.shape))
            values[n] = quantize_data(site, value, quantizer, f"iq{n}")
    return values


def _average(site: Site) -> Value:
    total = _merge(site, Add())
    exponent = round(float(np.log2(1.0 / len(site.inputs))))
    if site.attributes["enable_oq"]:
        raise site.unsupported(
            "the output quantizer of an average is not handled", "enable_oq", True, "False",
            "put a Quantizer layer behind it",
        )  # fmt: skip
    return site.emit(Affine(np.asarray(2.0**exponent), np.asarray(0.0)), total, suffix="scale")


BASE: dict[str, Any] = {"enable_iq": True, "enable_oq": False, "enable_ebops": True}
COST = frozenset(
    {"beta0", "ebops_factor", "parallelization_factor", "iq_conf", "oq_conf", "iq_confs"}
)
WEIGHTS = COST | {"kq_conf", "bq_conf"}
BN_TRAINING = STATISTICS | {"bn_gamma_initializer", "bn_gamma_regularizer", "bn_gamma_constraint"}
"""Attributes of a normalisation that act in training only, under HGQ2's names too."""
EINSUM: dict[str, Any] = {
    "equation": REQUIRED,
    "output_shape": REQUIRED,
    "activation": None,
    "bias_axes": None,
}
DENSE: dict[str, Any] = {"units": REQUIRED, "activation": None, "use_bias": True}


def _table(
    used: Mapping[str, Any], harmless: frozenset[str] = frozenset(), **only: tuple[Any, ...]
) -> Table:
    return Table({**BASE, **used}, WEIGHTS | harmless, only={**LORA, **only})


HANDLERS = (
    Handler("QDense", "hgq", _table(DENSE), _dense),
    Handler(
        "QBatchNormDense", "hgq",
        _table({**DENSE, "scale": True, "epsilon": 1e-3}, BN_TRAINING), _batch_norm_dense,
    ),
    Handler("QEinsumDense", "hgq", _table(EINSUM), einsum_dense),
    Handler(
        "QEinsumDenseBatchnorm", "hgq",
        # HGQ2 leaves these attributes out of the file (a model read back has the defaults); it adds
        # Keras's global epsilon in any case.
        _table({**EINSUM, "normalize_axes": None, "scale": True},
               BN_TRAINING | {"epsilon", "center"}), _einsum_batchnorm,
    ),
    Handler(
        "QBatchNormalization", "hgq",
        _table({"axis": -1, "epsilon": 1e-3, "center": True, "scale": True}, BN_TRAINING,
               renorm=(False, None)), _batch_normalization,
    ),
    Handler("Quantizer", "hgq", Table({"config": REQUIRED}), _quantizer),
    *(
        Handler(kind, "hgq", Table({**BASE, "iq_confs": None}, COST), _merging(op))
        for kind, op in (
            ("QAdd", Add()), ("QMaximum", Maximum()), ("QMinimum", Minimum()),
            ("QMultiply", Multiply()), ("QSubtract", Subtract()),
        )
    ),
    Handler("QAveragePow2", "hgq", Table({**BASE, "iq_confs": None}, COST), _average),
)  # fmt: skip
