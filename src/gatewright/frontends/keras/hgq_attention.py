"""Multi-head attention of HGQ2, plain and with keys and values projected along the sequence.

Facts from HGQ2 0.1.3 to 0.2.0 (`layers/attn`, before 0.1.9 `layers/multi_head_attention.py`; no
code of theirs): four einsum layers with quantizers before and behind, products of quantized
queries and keys, a softmax of tables whose input scale is 1 / sqrt(key_dim). Keys have no bias. Up
to 0.1.8 the softmax quantized its input; later versions do not, and drop such a quantizer of an
older file without a word: what the file has is what the model was trained with, and is kept here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hgq_layers import (
    BASE,
    einsum_dense,
    quantized_input,
    quantized_output,
)
from gatewright.frontends.keras.hgq_tables import softmax
from gatewright.frontends.keras.part import Part, part_of
from gatewright.frontends.recipes.attention import AttentionForm, Projected, attend

LETTERS = "abcdefghijklmnopqrstuvwxyz"
QUANTIZERS = ("iq", "kq", "bq", "oq")


def _multi_head(site: Site) -> Value:
    query, value, key = attention_operands(site)
    return _attention(site, query, key, value)


def _linformer(site: Site) -> Value:
    query, value, key = attention_operands(site)
    axes = attention_axes(site, value)
    sizes = site.attributes["lin_kv_proj_dim"]
    sizes = [sizes] if isinstance(sizes, int) else sizes
    if not isinstance(sizes, list) or len(sizes) != len(axes):
        raise ModelError(
            "a Linformer has not one length for each axis it attends over",
            place=site.at("lin_kv_proj_dim"),
            found=f"{sizes} for axes {[a + 1 for a in axes]}",
        )
    shared = bool(site.attributes["share_kv_proj"])
    key = _along(site, "_lin_k_proj", "lin_key", key, axes, sizes)
    value_group = "_lin_k_proj" if shared else "_lin_v_proj"
    value = _along(site, value_group, "lin_value", value, axes, sizes)
    return _attention(site, query, key, value)


def _along(
    site: Site, group: str, label: str, value: Value, axes: tuple[int, ...], sizes: list[int]
) -> Value:
    """Append the projection of a tensor along the axes that are attended over."""
    rank = len(value.shape) + 1
    source, new = LETTERS[:rank], LETTERS[rank : rank + len(sizes)]
    own = "".join(source[a + 1] for a in axes)
    target, shape = list(source), list(value.shape)
    for letter, axis, size in zip(new, axes, sizes, strict=True):
        target[axis + 1], shape[axis] = letter, size
    equation = f"{source},{own}{new}->{''.join(target)}"
    probe = _projection(site, group, label, value, (equation, shape, None))
    there = {f"enable_{q}": probe.has(q) for q in ("iq", "oq")}
    return _run(probe, there)


def attention_operands(site: Site) -> tuple[Value, Value, Value]:
    """Return query, value and key of the call, absent ones as Keras completes them."""
    named = dict(zip(("query", "value", "key"), site.arguments, strict=False))
    named |= {name: v for name, v in site.options.items() if name in ("query", "value", "key")}
    query = named.get("query")
    if not isinstance(query, Value):
        raise ModelError("attention has no query", place=site.place)
    value = named.get("value") or query
    key = named.get("key") or value
    if len(site.arguments) > 3 or not isinstance(value, Value) or not isinstance(key, Value):
        raise ModelError(
            "attention is called with something other than query, value and key",
            place=site.place,
            found=f"{len(site.arguments)} arguments",
        )
    return query, value, key


def attention_axes(site: Site, value: Value) -> tuple[int, ...]:
    """Return the axes attended over, counted from 0 without the batch."""
    axes, rank = site.attributes["attention_axes"], len(value.shape)
    if axes is None:
        return tuple(range(rank - 1))
    axes = [axes] if isinstance(axes, int) else axes
    whole = isinstance(axes, list) and all(isinstance(a, int) and 0 < a < rank for a in axes)
    if not whole or not axes or len(set(axes)) != len(axes):
        raise site.unsupported(
            "attention runs over axes that are not handled", "attention_axes", axes,
            f"different axes from 1 to {rank - 1}", "name the axes of the positions",
        )  # fmt: skip
    return tuple(a - 1 for a in axes)


def _attention(site: Site, query: Value, key: Value, value: Value) -> Value:
    attributes = site.attributes
    heads, key_dim = attributes["num_heads"], attributes["key_dim"]
    value_dim = attributes["value_dim"] or key_dim
    axes = attention_axes(site, query)
    bias = bool(attributes["use_bias"])
    projected = Projected(
        _project(site, "query", query, (heads, key_dim), bias),
        _project(site, "key", key, (heads, key_dim), False),
        _project(site, "value", value, (heads, value_dim), bias),
    )
    form = AttentionForm.of(len(query.shape) + 1, axes)
    mask = _mask(site, query, key, axes)
    found, _ = attend(site, form, projected, lambda x: _normalise(site, form, x, mask))
    shape = attributes["output_shape"]
    shape = [shape] if isinstance(shape, int) else shape or [query.shape[-1]]
    found = _output(site, found, list(shape), bias)
    return quantized_output(site, found)


def _project(site: Site, name: str, value: Value, new: tuple[int, int], bias: bool) -> Value:
    """Append the projection of the last axis to (heads, dim)."""
    rank = len(value.shape)
    kept, inner, out = LETTERS[:rank], LETTERS[rank], LETTERS[rank + 1 : rank + 3]
    form = (f"{kept}{inner},{inner}{out}->{kept}{out}", [*value.shape[:-1], *new],
            out if bias else None)  # fmt: skip
    part = _projection(site, f"{name}_dense", name, value, form)
    fused = {"qkv": ("key", "query", "value"), "kv": ("key", "value")}.get(
        str(site.attributes["fuse"]), ()
    )
    enabled = bool(site.attributes["enable_iq"])
    if enabled and name in fused:  # layers that share a quantizer: the file has it once
        owners = (_projection(site, f"{other}_dense", name, value, form) for other in fused)
        owner = next((o for o in owners if o.has("iq/quantizer/vars/0")), part)
        owner = replace(owner, attributes={**owner.attributes, "enable_iq": True})
        part = replace(part, inputs=(quantized_input(owner, value),))
        enabled = False
    return _run(part, {"enable_iq": enabled, "enable_oq": True})


def _output(site: Site, value: Value, shape: list[int], bias: bool) -> Value:
    """Append the projection of (heads, dim) to the layer's output."""
    rank = len(value.shape) - 1
    kept, inner = LETTERS[:rank], LETTERS[rank : rank + 2]
    out = LETTERS[rank + 2 : rank + 2 + len(shape)]
    form = (f"{kept}{inner},{inner}{out}->{kept}{out}", [*value.shape[:-2], *shape],
            out if bias else None)  # fmt: skip
    part = _projection(site, "output_dense", "attention_output", value, form)
    enabled = bool(site.attributes["enable_oq"])
    return _run(part, {"enable_iq": True, "enable_oq": enabled})


def _projection(
    site: Site, group: str, label: str, value: Value, form: tuple[str, list[int], str | None]
) -> Part:
    """Return a sublayer that is an HGQ2 einsum layer."""
    config = {f"{q}_conf": site.layer.config.get(f"qkvo_{q}_conf") for q in QUANTIZERS}
    attributes = {
        "equation": form[0], "output_shape": form[1], "bias_axes": form[2], "activation": None,
        "enable_ebops": site.attributes["enable_ebops"],
    }  # fmt: skip
    return part_of(site, group, label, attributes, config, value)


def _run(part: Part, more: Mapping[str, Any]) -> Value:
    """Build a sublayer with attributes that its place decides."""
    return einsum_dense(replace(part, attributes={**part.attributes, **more}))


def _mask(site: Site, query: Value, key: Value, axes: tuple[int, ...]) -> Value | np.ndarray | None:
    """Return what is attended to, from the call's arguments."""
    given = site.options.get("attention_mask")
    causal = bool(site.options.get("use_causal_mask", False))
    if given is not None:
        raise site.unsupported(
            "an attention mask that is computed is not handled here", "attention_mask", "a tensor",
            "use_causal_mask, or no mask", "mask the scores with a QSoftmax layer's own mask",
        )  # fmt: skip
    if not causal:
        return None
    if len(query.shape) != 2 or len(axes) != 1:
        raise site.unsupported(
            "a causal mask needs one axis of positions", "use_causal_mask",
            f"an input of shape {query.shape}", "(positions, features)",
            "attend over one axis",
        )  # fmt: skip
    return np.tri(query.shape[0], key.shape[0], dtype=bool)


def _normalise(
    site: Site, form: AttentionForm, scores: Value, mask: Value | np.ndarray | None
) -> Value:
    """Append the softmax sublayer."""
    config = {
        f"{name}_conf": site.layer.config.get(f"softmax_{name}_conf")
        for name in ("iq", "oq", "exp_iq", "exp_oq", "inv_iq", "inv_oq")
    }
    attributes = {
        "axes": [a + 1 for a in form.over],
        "stable": site.attributes["stable_softmax"],
        "allow_heterogeneous_table": site.attributes["softmax_allow_heterogeneous_table"],
        "input_scaler": 1.0 / math.sqrt(float(site.attributes["key_dim"])),
        "enable_ebops": site.attributes["enable_ebops"],
        "enable_oq": True,
    }
    part = part_of(site, "_softmax", "softmax", attributes, config, scores)
    enabled = {**attributes, "enable_iq": part.has("iq")}
    return softmax(part_of(site, "_softmax", "softmax", enabled, config, scores), scores, mask)


MULTI_HEAD: dict[str, Any] = {
    **BASE, "num_heads": REQUIRED, "key_dim": REQUIRED, "value_dim": None, "use_bias": True,
    "output_shape": None, "attention_axes": None, "stable_softmax": True,
    "softmax_allow_heterogeneous_table": False, "fuse": "none",
}  # fmt: skip
HARMLESS = frozenset(
    {"beta0", "ebops_factor", "parallelization_factor", "iq_conf", "oq_conf", "dropout", "seed"}
    | {f"qkvo_{q}_conf" for q in QUANTIZERS}
    | {f"softmax_{q}_conf" for q in ("iq", "oq", "exp_iq", "exp_oq", "inv_iq", "inv_oq")}
)
ONLY: dict[str, tuple[Any, ...]] = {"flash_attention": (None, False), "use_gate": (False,)}
CALL = frozenset({"query", "value", "key", "use_causal_mask", "attention_mask"})

HANDLERS = (
    Handler("QMultiHeadAttention", "hgq", Table(MULTI_HEAD, HARMLESS, only=ONLY), _multi_head,
            options=CALL),
    Handler(
        "QLinformerAttention", "hgq",
        Table({**MULTI_HEAD, "lin_kv_proj_dim": REQUIRED, "share_kv_proj": False}, HARMLESS,
              only={**ONLY, "lin_kv_proj_mode": ("dense",)}),
        _linformer, options=CALL,
    ),
)  # fmt: skip
