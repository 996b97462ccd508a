"""Convolutions and poolings of HGQ2: quantized input, quantized weights, quantized result.

Facts from HGQ2 0.2.0 (semantics only; no code of theirs): layers compute as Keras's do, on the
quantized input. A causal QConv1D puts its zeros in front of the input quantizer, which keeps them.
`parallelization_factor` counts for the cost alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gatewright.frontends.keras.activations import activate
from gatewright.frontends.keras.attributes import Table
from gatewright.frontends.keras.convolution import (
    CONVOLUTION,
    convolve,
    geometry,
    kernel_shape,
    zeros_of,
)
from gatewright.frontends.keras.dense import LORA
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hdf5 import Array
from gatewright.frontends.keras.hgq_config import read_quantizer
from gatewright.frontends.keras.hgq_layers import (
    BASE,
    COST,
    WEIGHTS,
    own_variables,
    quantized_input,
    quantized_output,
)
from gatewright.frontends.keras.hgq_quantizer import quantize_weights
from gatewright.frontends.keras.pooling import GLOBAL, POOL, pool, pool_all
from gatewright.frontends.keras.spatial import channels_last


def _quantized(site: Site, name: str, values: Array) -> Array:
    """Quantize the kernel (`kq`) or bias (`bq`)."""
    quantizer = read_quantizer(site, f"{name}_conf", name, values.shape)
    return quantize_weights(site, values, quantizer, f"{name}_conf")


def _convolution(rank: int) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        at = geometry(site, rank)
        shape = kernel_shape(site, at)
        zeros_of(site, at, rank == 1)
        names = ("kernel", "bias") if site.attributes["use_bias"] else ("kernel",)
        own = own_variables(site, *names)
        for name in names:
            site.expect(name, own[name], shape if name == "kernel" else shape[-1:])
        kernel = _quantized(site, "kq", own["kernel"])
        bias = _quantized(site, "bq", own["bias"]) if "bias" in own else None
        x = quantized_input(site, site.input)
        value = channels_last(site, rank, lambda v: convolve(site, at, v, kernel, bias), x)
        return quantized_output(site, activate(site, value, site.attributes["activation"]))

    return build


def _pooling(rank: int, kind: str, recipe: Callable[..., Value]) -> Callable[[Site], Value]:
    def build(site: Site) -> Value:
        own_variables(site)
        x = quantized_input(site, site.input)
        return quantized_output(site, recipe(site, x, rank, kind))

    return build


def _table(plain: Table) -> Table:
    used: dict[str, Any] = {**BASE, **plain.used}
    return Table(used, COST)


TABLE = Table({**BASE, **CONVOLUTION}, WEIGHTS, LORA)

HANDLERS = tuple(
    handler
    for rank in (1, 2)
    for handler in (
        Handler(f"QConv{rank}D", "hgq", TABLE, _convolution(rank)),
        *(
            one
            for word, kind in (("Max", "max"), ("Average", "average"))
            for one in (
                Handler(f"Q{word}Pooling{rank}D", "hgq", _table(POOL), _pooling(rank, kind, pool)),
                Handler(
                    f"QGlobal{word}Pooling{rank}D", "hgq", _table(GLOBAL),
                    _pooling(rank, kind, pool_all),
                ),
            )
        ),
    )
)  # fmt: skip
