"""Dense layers: a matrix along the last axis, a bias, an activation."""

from __future__ import annotations

from gatewright.base import ModelError
from gatewright.frontends.keras.activations import activate
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.einsum import contraction
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hdf5 import Array
from gatewright.ops import Dense

LORA = {"lora_rank": (None,), "lora_alpha": (None,), "quantization_config": (None,)}


def dense_weights(site: Site) -> tuple[Array, Array | None]:
    """Return kernel (n_in, units) and bias (units,) or None, as float32."""
    names = ("kernel", "bias") if site.attributes["use_bias"] else ("kernel",)
    kernel, *rest = site.floats(*names)
    check_dense(site, kernel, rest[0] if rest else None)
    return kernel, rest[0] if rest else None


def check_dense(site: Site, kernel: Array, bias: Array | None) -> None:
    """Check the shapes of a dense layer's weights."""
    units = site.attributes["units"]
    if not isinstance(units, int) or isinstance(units, bool) or not site.input.shape:
        raise ModelError(
            "a dense layer is malformed",
            place=site.at("units"),
            found=f"{units!r} units on an input of shape {site.input.shape}",
            supported="a number of units, and an input with at least one axis",
        )
    site.expect("kernel", kernel, (site.input.shape[-1], units))
    if bias is not None:
        site.expect("bias", bias, (units,))


def _dense(site: Site) -> Value:
    kernel, bias = dense_weights(site)
    value = site.emit(Dense.of(kernel, bias), site.input)
    return activate(site, value, site.attributes["activation"])


def _einsum_dense(site: Site) -> Value:
    form = contraction(site, site.input.shape)
    names = ("kernel",) if site.attributes["bias_axes"] is None else ("kernel", "bias")
    kernel, *rest = site.floats(*names)
    value = form.emit(site, site.input, kernel, rest[0] if rest else None)
    return activate(site, value, site.attributes["activation"])


DENSE = Table({"units": REQUIRED, "activation": None, "use_bias": True}, only=LORA)
EINSUM = Table(
    {"equation": REQUIRED, "output_shape": REQUIRED, "activation": None, "bias_axes": None},
    only=LORA,
)

HANDLERS = (
    Handler("Dense", "keras", DENSE, _dense),
    Handler("EinsumDense", "keras", EINSUM, _einsum_dense),
)
