"""HGQ2's functions by table: softmax of two tables, and any function of one number.

Facts from HGQ2 0.1.3 to 0.2.0 (`layers/softmax.py`, `layers/activation.py`; no code of theirs): the
softmax subtracts from the largest element, quantizes, looks up exp(-scale * x), adds, quantizes,
looks up 1 / (x + 1e-7), multiplies; every step in float32. Both tables round half to even and
saturate. Where the mask is 0 the exponential is 0, also in a row that is masked whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewright.frontends.keras.activations import DIRECT, activate, function_name, number
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hgq_config import HgqQuantizer, quantizer_of, read_quantizer
from gatewright.frontends.keras.hgq_layers import (
    BASE,
    COST,
    own_variables,
    quantized_input,
    quantized_output,
)
from gatewright.frontends.keras.hgq_quantizer import append_affine, as_quantize, quantize_data
from gatewright.frontends.keras.part import part_of
from gatewright.num import Overflow
from gatewright.ops import (
    Constant,
    Function,
    Gather,
    Multiply,
    ReduceMax,
    Reshape,
    Subtract,
    Sum,
    Where,
)

EPSILON = 1e-7
"""What HGQ2 adds to a sum before it divides: Keras's default epsilon, which no file tells."""

TABLE_MODES = {"overflow_mode": "SAT", "round_mode": "RND_CONV"}
ONE_FORMAT: dict[str, Any] = {"homogeneous_axis": None, "heterogeneous_axis": []}
MOST_CODES = 1 << 16
MASKED = -1e9


def softmax(site: Site, value: Value, mask: Value | np.ndarray | None = None) -> Value:
    """Append an HGQ2 softmax whose attributes and weights `site` has.

    Args:
        site: of a `QSoftmax`, with `axes` counted with the batch.
        value: the logits.
        mask: what to attend to, broadcasting against `value`: truth values that are computed, or
            known ones; None for everything.
    """
    own_variables(site)
    axes = _axes(site, value)
    kept = tuple(1 if a in axes else n for a, n in enumerate(value.shape))
    x = quantized_input(site, value)
    stable = bool(site.attributes["stable"])
    scale = number(site, "input_scaler", site.attributes["input_scaler"])
    if stable:
        if isinstance(mask, Value):
            low = site.emit(Constant(np.full((1,) * len(x.shape), MASKED)), value, suffix="low")
            x = site.emit(Where(), mask, x, low, suffix="masked")
        top = site.emit(ReduceMax(axes, True), _unmasked(site, x, mask, axes), suffix="top")
        x = site.emit(Subtract(), top, x, suffix="distance")
        scale = -scale
    e = _table(site, "exp", x, value.shape, ("exp_single", (scale,)))
    if mask is not None:
        if not isinstance(mask, Value):
            mask = site.emit(Constant(np.asarray(mask, np.float64)), value, suffix="mask")
        e = site.emit(Multiply(), e, mask, suffix="kept")
    total = site.emit(Sum(axes, True), e, suffix="total")
    inverse = _table(site, "inv", total, kept, ("reciprocal_single", (EPSILON,)))
    return quantized_output(site, site.emit(Multiply(), e, inverse))


def _axes(site: Site, value: Value) -> tuple[int, ...]:
    axes, rank = site.attributes["axes"], len(value.shape)
    whole = isinstance(axes, list | tuple) and all(
        isinstance(a, int) and not isinstance(a, bool) and -rank <= a <= rank and a for a in axes
    )
    if not whole or not axes:
        raise site.unsupported(
            "a softmax runs along axes that are not handled", "axes", axes,
            f"1 to {rank}, or -1 to {-rank}", "normalise along axes other than the batch",
        )  # fmt: skip
    return tuple(sorted({(a if a < 0 else a - 1) % rank for a in axes}))


def _unmasked(
    site: Site, value: Value, mask: Value | np.ndarray | None, axes: tuple[int, ...]
) -> Value:
    """Return a tensor whose largest element along `axes` is that of the unmasked ones.

    Under a known mask each masked element is replaced by an unmasked one of its row: wiring.
    """
    if mask is None or isinstance(mask, Value):
        return value
    open_ = np.broadcast_to(mask, value.shape).astype(bool)
    order = [a for a in range(len(value.shape)) if a not in axes] + list(axes)
    lanes = int(np.prod([value.shape[a] for a in axes]))
    numbers = np.arange(open_.size).reshape(value.shape).transpose(order).reshape(-1, lanes)
    rows = open_.transpose(order).reshape(-1, lanes)
    first = np.take_along_axis(numbers, rows.argmax(1)[:, None], 1)
    chosen = np.where(rows, numbers, first).reshape([value.shape[a] for a in order])
    flat = site.emit(Reshape((open_.size,)), value, suffix="flat")
    return site.emit(Gather.of(chosen.transpose(np.argsort(order))), flat, suffix="open")


def _table(
    site: Site,
    name: str,
    value: Value,
    shape: tuple[int, ...],
    function: tuple[str, tuple[float, ...]],
) -> Value:
    """Append one of the tables `exp` and `inv`, with the quantizer in front of it."""
    attributes, config = site.attributes, site.layer.config
    uniform = {} if attributes["allow_heterogeneous_table"] else ONE_FORMAT
    before = {} if name == "exp" and attributes["allow_heterogeneous_table"] else uniform
    has_input = name == "inv" or attributes["stable"]
    effort = bool(attributes["enable_ebops"]) and has_input
    part = part_of(
        site, f"{name}_table", f"{name}_table", {**attributes, "enable_ebops": effort}, config
    )
    own_variables(part)
    if has_input:
        entry = _changed(config.get(f"{name}_iq_conf"), before)
        before_q = quantizer_of(part, entry, f"{name}_iq_conf", "iq", (1, *shape))
        value = quantize_data(site, value, before_q, f"{name}_iq")
    else:
        before_q = (
            read_quantizer(site, "iq_conf", "iq", (1, *shape)) if attributes["enable_iq"] else None
        )
    entry = _changed(config.get(f"{name}_oq_conf"), {**TABLE_MODES, **uniform})
    after_q = quantizer_of(part, entry, f"{name}_oq_conf", "oq", (1, *shape))
    if after_q is None or before_q is None:
        raise site.unsupported(
            "a table has no number format", f"{name}_oq_conf" if after_q is None else "enable_iq",
            "a dummy quantizer, or none", "a quantizer before and behind each table",
            "train with quantizers on the tables",
        )  # fmt: skip
    op = Function(function[0], as_quantize(after_q), function[1])
    if name == "exp":
        check_table(site, f"{name}_oq_conf", op, before_q)
    value = site.emit(op, value, suffix=name)
    return append_affine(site, value, after_q, name)


def _changed(entry: Any, changes: Mapping[str, Any]) -> Any:
    """Return a quantizer's configuration with some settings as HGQ2 forces them."""
    settings = entry.get("config") if isinstance(entry, Mapping) else None
    if not isinstance(settings, Mapping) or settings.get("q_type") == "dummy":
        return entry
    return {**entry, "config": {**settings, **changes}}


def check_table(site: Site, attribute: str, op: Function, before: HgqQuantizer) -> None:
    """Refuse a table with an entry that depends on the math library's last bits.

    Libraries compute exp and its like in float32 to some units in the last place (4 are taken);
    an answer that lies so close to a tie may be rounded either way.

    Raises:
        UnsupportedError: there is such an entry.
    """
    assert op.out is not None
    kind = as_quantize(before)
    formats = {
        tuple(int(v) for v in f)
        for f in zip(*(np.ravel(v) for v in (kind.signed, kind.width, kind.frac)), strict=True)
    }
    close = 0
    for signed, width, frac in formats:
        if 1 << max(width, 0) > MOST_CODES:
            continue  # no table is so large: refused where the type is known
        q = np.arange(1 << width) - (signed << width >> 1)
        y = op.value(np.ldexp(q.astype(np.float64), -frac))
        for point in {int(f) for f in np.ravel(op.out.frac)}:
            scaled = np.ldexp(np.abs(y), point)
            error = 4 * 2.0**-24 * np.maximum(scaled, np.ldexp(1.0, point) * (y == 0))
            tie = np.abs(scaled - np.floor(scaled) - 0.5)
            top = np.ldexp(1.0, int(np.max(op.out.width)))
            exact = y == np.rint(y)  # exp(0) = 1 and their like
            close += int(((tie <= error) & (scaled < top) & ~exact).sum())
    if close:
        raise site.unsupported(
            "entries of a table lie so close to a tie that they depend on the math library",
            attribute, f"{close} entries within 4 float32 roundings of a tie",
            "entries clear of ties", "give the table fewer or more fractional bits",
        )  # fmt: skip


def _softmax_layer(site: Site) -> Value:
    mask = site.options.get("mask")
    return softmax(site, site.inputs[0], mask if isinstance(mask, Value) else None)


def _function(site: Site) -> Value:
    """Append a function of each element, by table unless it is piecewise linear."""
    own_variables(site)
    value = quantized_input(site, site.input)
    name = function_name(site.attributes["activation"])
    ops = DIRECT.get(name or "", ())
    if len(ops) != 1 or not isinstance(ops[0], Function):
        return quantized_output(site, activate(site, value, site.attributes["activation"]))
    if not site.attributes["enable_oq"]:
        return site.emit(ops[0], value)
    uniform = {} if site.attributes["allow_heterogeneous_table"] else ONE_FORMAT
    entry = _changed(site.layer.config.get("oq_conf"), uniform)
    after = quantizer_of(site, entry, "oq_conf", "oq", (1, *value.shape))
    if after is None:
        return site.emit(ops[0], value)
    if after.overflow is Overflow.WRAP and not site.attributes["enable_iq"]:
        raise site.unsupported(
            "a table without input quantizer has an output that wraps", "oq_conf", "WRAP",
            "SAT, or enable_iq", "train with a quantizer on the input",
        )  # fmt: skip
    op = Function(ops[0].name, as_quantize(after), ops[0].parameters)
    before = None
    if site.attributes["enable_iq"]:
        before = read_quantizer(site, "iq_conf", "iq", (1, *value.shape))
    if before is not None:
        check_table(site, "oq_conf", op, before)
    return append_affine(site, site.emit(op, value), after, "oq")


SOFTMAX: dict[str, Any] = {
    **BASE, "axes": REQUIRED, "stable": True, "allow_heterogeneous_table": False,
    "input_scaler": 1.0,
}  # fmt: skip
TABLES = frozenset({"exp_iq_conf", "exp_oq_conf", "inv_iq_conf", "inv_oq_conf"})

HANDLERS = (
    Handler(
        "QSoftmax", "hgq", Table(SOFTMAX, COST | TABLES, only={"axis": (None,)}), _softmax_layer,
        options=frozenset({"mask"}),
    ),
    Handler(
        "QUnaryFunctionLUT", "hgq",
        Table({**BASE, "enable_oq": True, "activation": REQUIRED,
               "allow_heterogeneous_table": True, "allow_heterogeneous_input": True}, COST),
        _function,
    ),
)  # fmt: skip
