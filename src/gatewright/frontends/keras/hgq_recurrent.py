"""Recurrent layers of HGQ2: QSimpleRNN and QGRU.

Facts from HGQ2 0.2.0 (layers/rnn/*.py). A QSimpleRNN quantizes the sum before its activation, a
QGRU the results of its activations; both take the state through a quantizer on its way into a step
(QSimpleRNN only where it has one), and inputs through another. Quantizers lie in the cell.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hdf5 import Array
from gatewright.frontends.keras.hgq_config import read_quantizer
from gatewright.frontends.keras.hgq_quantizer import quantize_weights
from gatewright.frontends.keras.recurrent import (
    FLOWS,
    INITIAL,
    TRAINING,
    CellSite,
    activation_ops,
    check_flow,
    gru_biases,
    results,
    run_cells,
    split_inputs,
)
from gatewright.frontends.recipes.recurrent import Cell, GruCell, Ops, Product, SimpleCell
from gatewright.ops import Affine, Quantize


def data_ops(site: Site, name: str, width: int) -> Ops:
    """Return the operations of the cell's data quantizer `name` (`paq`) on `width` elements."""
    quantizer = read_quantizer(site, f"{name}_conf", f"cell/{name}", (1, width))
    if quantizer is None:
        return ()
    signed, bits, frac = (v[0] for v in (quantizer.signed, quantizer.width, quantizer.frac))
    op = Quantize.to(signed, bits, frac - quantizer.scale, quantizer.rounding, quantizer.overflow)
    if quantizer.affine is None:
        return (op,)
    scale, offset = (np.asarray(v) for v in quantizer.affine)
    return (op, Affine(scale, offset))


def _weight(site: Site, name: str, values: Array) -> Array:
    """Return a weight as the cell's quantizer `name` (`kq`) makes it."""
    quantizer = read_quantizer(site, f"{name}_conf", f"cell/{name}", values.shape)
    return quantize_weights(site, values, quantizer, f"{name}_conf")


def _cell(at: CellSite) -> Cell:
    """Return the cell of a layer."""
    site, units = at.site, at.units()
    simple = at.kind == "QSimpleRNN"
    after = not simple and at.reset_after()
    gates = 1 if simple else 3
    own = at.weights(gates, (2, 3 * units) if after else (gates * units,))
    kernel = _weight(site, "kq", own["kernel"])
    back = _weight(site, "rkq", own["recurrent_kernel"])
    bias = _weight(site, "bq", own["bias"]) if "bias" in own else None
    has_state = not simple or site.attributes["sq_conf"] is not None
    state = data_ops(site, "sq", units) if has_state else ()
    activation = activation_ops(site, site.attributes["activation"], "activation")
    rounded = data_ops(site, "paq", units)
    if simple:
        first = Product(kernel, bias)
        return SimpleCell(first, Product(back), rounded + activation, state=state)
    gate = activation_ops(site, site.attributes["recurrent_activation"], "recurrent_activation")
    inner, outer = gru_biases(bias, after)
    return GruCell(
        Product(kernel, inner), Product(back, outer), gate + data_ops(site, "praq", 2 * units),
        activation + rounded, after, data_ops(site, "rhq", units), state=state,
    )  # fmt: skip


def _build(site: Site) -> list[Value]:
    """Append a QSimpleRNN or QGRU layer."""
    check_flow(site)
    if site.attributes["enable_oq"]:
        raise site.unsupported(
            "the output quantizer of a recurrent layer is not handled",
            "enable_oq",
            True,
            "enable_oq=False",
            "put a Quantizer layer behind the layer",
        )
    x, states = split_inputs(site)
    cell = _cell(CellSite(site, site.layer.kind, "cell", x.shape[-1]))
    if site.attributes["enable_iq"]:
        for op in data_ops(site, "iq", x.shape[-1]):
            x = site.emit(op, x, suffix="iq")
    return results(site, *run_cells(site, [cell], x, states))


COST = frozenset({"beta0", "ebops_factor", "parallelization_factor", "enable_ebops"})
CONFIGURATIONS = frozenset({"iq_conf", "kq_conf", "rkq_conf", "bq_conf", "oq_conf", "paq_conf"})
SIMPLE: dict[str, Any] = {
    "units": REQUIRED, "activation": "linear", "use_bias": True, "enable_iq": True,
    "enable_oq": False, "sq_conf": None,
}  # fmt: skip
GRU: dict[str, Any] = {**SIMPLE, "recurrent_activation": "linear", "reset_after": None}
KNOWN = TRAINING | COST | CONFIGURATIONS

HANDLERS = (
    Handler("QSimpleRNN", "hgq", Table({**SIMPLE, **FLOWS}, KNOWN), _build, INITIAL),
    Handler(
        "QGRU", "hgq", Table({**GRU, **FLOWS}, KNOWN | {"praq_conf", "rhq_conf"}), _build, INITIAL
    ),
)
