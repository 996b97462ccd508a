"""Recurrent layers of QKeras: QSimpleRNN, QLSTM, QGRU, as qkeras-v3 executes them.

Facts from qkeras-v3 1.2.1 (qrecurrent.py). Every state goes through the state's quantizer on its
way into a step (what a layer gives is not quantized so). Kernel and recurrent kernel are quantized
whole, all gates' columns together; `alpha=None` means "auto_po2" for both, not for the bias.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hdf5 import Array
from gatewright.frontends.keras.qkeras_data import OWN, RULES
from gatewright.frontends.keras.qkeras_spec import Spec, read_spec
from gatewright.frontends.keras.qkeras_weights import Quantized, quantize_weight
from gatewright.frontends.keras.recurrent import (
    FLOWS,
    INITIAL,
    LSTM_ORDER,
    TRAINING,
    CellSite,
    activation_ops,
    check_flow,
    gate_columns,
    gru_biases,
    results,
    run_cells,
    split_inputs,
)
from gatewright.frontends.recipes.recurrent import (
    Cell,
    GruCell,
    LstmCell,
    Ops,
    Product,
    SimpleCell,
)


def quantizer_ops(site: Site, attribute: str) -> Ops:
    """Return what an attribute does to data: a quantizer's operations, a function's, or nothing.

    Raises:
        UnsupportedError: it is not handled here.
    """
    spec = read_spec(site, site.attributes[attribute], attribute)
    if spec is None:
        return ()
    if not isinstance(spec, Spec):
        return OWN[spec] if spec in OWN else activation_ops(site, spec, attribute)
    if (
        spec.kind == "ternary"
        or spec.kind not in RULES
        or isinstance(spec.values.get("alpha"), str)
    ):
        raise site.unsupported(
            f"the quantizer {spec.kind} is not handled in a recurrent layer",
            attribute,
            f"{spec.kind}, alpha {spec.values.get('alpha')!r}",
            f"{', '.join(sorted(set(RULES) - {'ternary'}))}, with alpha None or a number",
            "train with a supported quantizer and a fixed alpha",
        )
    return RULES[spec.kind](site, spec, attribute)


def _product(weight: Quantized, bias: Array | None) -> Product:
    """Return a product with quantized weights; scales that are no powers of two follow behind."""
    scale = weight.scale
    if scale is not None:
        columns = weight.codes.shape[1]
        scale = np.broadcast_to(np.reshape(scale, (1, -1)), (1, columns))[0].astype(np.float64)
    return Product(weight.codes, bias, scale)


def _cell(at: CellSite) -> Cell:
    """Return the cell of a layer."""
    site, units, kind = at.site, at.units(), at.kind.removeprefix("Q")
    after = at.reset_after() if kind == "GRU" else False
    gates = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}[kind]
    own = at.weights(gates, (2, gates * units) if after else (gates * units,))
    kernel, back = (
        quantize_weight(site, site.attributes[attribute], attribute, own[name], True)
        for name, attribute in (
            ("kernel", "kernel_quantizer"), ("recurrent_kernel", "recurrent_quantizer"),
        )
    )  # fmt: skip
    bias = None
    if "bias" in own:
        entry = site.attributes["bias_quantizer"]
        bias = quantize_weight(site, entry, "bias_quantizer", own["bias"], False).values
    state = quantizer_ops(site, "state_quantizer")
    activation = quantizer_ops(site, "activation")
    if kind == "SimpleRNN":
        return SimpleCell(_product(kernel, bias), _product(back, None), activation, state=state)
    gate = quantizer_ops(site, "recurrent_activation")
    if kind == "LSTM":
        order = gate_columns(LSTM_ORDER, units)
        inputs, past = (
            product.columns(order) for product in (_product(kernel, bias), _product(back, None))
        )
        return LstmCell(inputs, past, gate, activation, activation, state=state)
    inner, outer = gru_biases(bias, after)
    return GruCell(
        _product(kernel, inner), _product(back, outer), gate, activation, after, state=state
    )


def _build(site: Site) -> list[Value]:
    """Append a QSimpleRNN, QLSTM or QGRU layer."""
    check_flow(site)
    x, states = split_inputs(site)
    cell = _cell(CellSite(site, site.layer.kind, "cell", x.shape[-1]))
    return results(site, *run_cells(site, [cell], x, states))


OWN_TRAINING = TRAINING | {"kernel_range", "recurrent_range", "bias_range"}
SIMPLE: dict[str, Any] = {
    "units": REQUIRED, "activation": None, "use_bias": True, "kernel_quantizer": None,
    "recurrent_quantizer": None, "bias_quantizer": None, "state_quantizer": None,
}  # fmt: skip
GATED: dict[str, Any] = {**SIMPLE, "recurrent_activation": None}

HANDLERS = tuple(
    Handler(kind, "qkeras", Table({**own, **FLOWS}, OWN_TRAINING), _build, INITIAL)
    for kind, own in (
        ("QSimpleRNN", SIMPLE), ("QLSTM", GATED), ("QGRU", {**GATED, "reset_after": None}),
    )
)  # fmt: skip
