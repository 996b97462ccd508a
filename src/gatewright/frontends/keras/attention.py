"""Keras's attention layers: multi-head, grouped-query, dot-product and additive.

Facts from Keras 3.15 (`layers/attention`). Scores are scaled by 1 / sqrt(key_dim), which is folded
into the queries' kernel here; masked scores have weight exactly 0 in float32 too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gatewright.base import ModelError
from gatewright.frontends.keras.attributes import REQUIRED, Table
from gatewright.frontends.keras.handler import Handler, Site, Value
from gatewright.frontends.keras.hgq_attention import attention_axes, attention_operands
from gatewright.frontends.keras.part import Part, part_of
from gatewright.frontends.recipes.attention import (
    AttentionForm,
    Projected,
    attend,
    band_mask,
    masked_softmax,
    repeat_heads,
)
from gatewright.frontends.recipes.einsum import Equation, contract, einsum, reshape
from gatewright.ops import Add, Affine, Function, Multiply

Result = Value | tuple[Value, Value]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _multi_head(site: Site) -> Result:
    attributes = site.attributes
    query, value, key = attention_operands(site)
    heads, key_dim = attributes["num_heads"], attributes["key_dim"]
    value_dim = attributes["value_dim"] or key_dim
    axes = attention_axes(site, query)
    scale = 1.0 / math.sqrt(float(key_dim))
    parts = Projected(
        _project(site, "query", query, (heads, key_dim), scale),
        _project(site, "key", key, (heads, key_dim)),
        _project(site, "value", value, (heads, value_dim)),
    )
    shape = attributes["output_shape"]
    shape = [shape] if isinstance(shape, int) else shape or [query.shape[-1]]
    return _attention(site, query, parts, axes, tuple(shape))


def _grouped_query(site: Site) -> Result:
    attributes = site.attributes
    query, value, key = attention_operands(site)
    if len(query.shape) != 2:
        raise ModelError(
            "grouped-query attention wants (positions, features)",
            place=site.place,
            found=f"a query of shape {query.shape}",
        )
    dim, heads = attributes["head_dim"], attributes["num_query_heads"]
    shared = attributes["num_key_value_heads"]
    if heads % shared:
        raise ModelError(
            "query heads cannot be shared out among key heads",
            place=site.at("num_query_heads"),
            found=f"{heads} among {shared}",
        )
    parts = Projected(
        _project(site, "query", query, (heads, dim), 1.0 / math.sqrt(float(dim))),
        repeat_heads(site, _project(site, "key", key, (shared, dim)), heads // shared, 1),
        repeat_heads(site, _project(site, "value", value, (shared, dim)), heads // shared, 1),
    )
    return _attention(site, query, parts, (0,), (query.shape[-1],))


def _attention(
    site: Site,
    query: Value,
    parts: Projected[Value],
    axes: tuple[int, ...],
    shape: tuple[int, ...],
) -> Result:
    form = AttentionForm.of(len(query.shape) + 1, axes)
    causal, window = _flag(site, "use_causal_mask"), site.attributes["sliding_window"]
    mask = None
    if causal or window is not None:
        if len(query.shape) != 2 or len(axes) != 1:
            raise site.unsupported(
                "a causal or sliding mask needs one axis of positions", "use_causal_mask",
                f"a query of shape {query.shape}", "(positions, features)",
                "attend over one axis",
            )  # fmt: skip
        mask = band_mask(query.shape[0], parts.key.shape[0], causal, window)
    found, scores = attend(site, form, parts, lambda x: masked_softmax(site, x, form.over, mask))
    if site.attributes["use_gate"]:
        gate = _project(site, "gate", query, (found.shape[-2], found.shape[-1]))
        gate = site.emit(Function("sigmoid"), gate, suffix="gate")
        found = site.emit(Multiply(), found, gate, suffix="gated")
    result = _output(site, found, shape)
    return (result, scores) if _flag(site, "return_attention_scores") else result


def _flag(site: Site, name: str) -> bool:
    value = site.options.get(name, False)
    if not isinstance(value, bool):
        raise site.unsupported(
            "an option of a call is not handled", name, repr(value)[:80], "True or False",
            "give a constant",
        )  # fmt: skip
    return value


def _project(
    site: Site, name: str, value: Value, new: tuple[int, int], scale: float = 1.0
) -> Value:
    """Append the projection of the last axis to (heads, dim), times `scale`."""
    rank = len(value.shape)
    kept, inner, out = LETTERS[: rank - 1], LETTERS[rank], LETTERS[rank + 1 : rank + 3]
    form = Equation((kept + inner, inner + out), kept + out)
    return _einsum(site, name, value, form, ((value.shape[-1],), new), scale)


def _output(site: Site, value: Value, shape: tuple[int, ...]) -> Value:
    """Append the projection of (heads, dim) to the layer's output."""
    rank = len(value.shape)
    kept, inner = LETTERS[: rank - 2], LETTERS[rank : rank + 2]
    out = LETTERS[rank + 2 : rank + 2 + len(shape)]
    form = Equation((kept + inner, inner + out), kept + out)
    return _einsum(site, "output", value, form, (value.shape[-2:], shape), 1.0)


def _einsum(
    site: Site,
    name: str,
    value: Value,
    form: Equation,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    scale: float,
) -> Value:
    part = _part(site, name, value)
    bias = bool(site.attributes["use_bias"])
    kernel, *rest = part.floats(*(("kernel", "bias") if bias else ("kernel",)))
    part.expect("kernel", kernel, shapes[0] + shapes[1])
    for own in rest:
        part.expect("bias", own, shapes[1])
    offset = rest[0].astype(np.float64) * scale if rest else None
    return contract(part, form, value, kernel.astype(np.float64) * scale, offset)


def _part(site: Site, name: str, value: Value) -> Part:
    """Return a sublayer; its group is named by a property or, without one, by the attribute."""
    label = "attention_output" if name == "output" else name
    groups = (f"{name}_dense", f"_{name}_dense")
    parts = [part_of(site, group, label, {}, {}, value) for group in groups]
    return next((part for part in parts if part.has("vars/0")), parts[0])


def _dot_product(site: Site) -> Result:
    query, value, key = _listed(site)
    concat = site.attributes["score_mode"] == "concat"
    if site.attributes["score_mode"] not in ("dot", "concat"):
        raise site.unsupported(
            "a way to score is not handled", "score_mode", site.attributes["score_mode"],
            "dot or concat", "use one of these",
        )  # fmt: skip
    names = ("scale",) * bool(site.attributes["use_scale"]) + ("concat_score_weight",) * concat
    own = dict(zip(names, site.floats(*names), strict=True))
    scale = float(own["scale"]) if "scale" in own else 1.0
    if concat:
        weight = np.full(query.shape[-1], float(own["concat_score_weight"]))
        scores = _additive_scores(site, query, key, weight, scale)
    else:
        scores = einsum(site, Equation(("td", "sd"), "ts"), query, key)
        scores = _scaled(site, scores, scale)
    return _apply(site, scores, value)


def _additive(site: Site) -> Result:
    query, value, key = _listed(site)
    weight = np.ones(query.shape[-1])
    if site.attributes["use_scale"]:
        (weight,) = site.floats("scale")
        site.expect("scale", weight, query.shape[-1:])
    return _apply(site, _additive_scores(site, query, key, weight, 1.0), value)


def _additive_scores(
    site: Site, query: Value, key: Value, weight: np.ndarray, scale: float
) -> Value:
    """Append sum(weight * tanh(scale * (query + key))) for each pair."""
    (t, dim), s = query.shape, key.shape[0]
    x = site.emit(
        Add(), reshape(site, query, (t, 1, dim)), reshape(site, key, (1, s, dim)), suffix="pairs"
    )
    x = site.emit(Function("tanh"), _scaled(site, x, scale), suffix="tanh")
    return contract(site, Equation(("tsd", "d"), "ts"), x, weight.astype(np.float64))


def _scaled(site: Site, value: Value, scale: float) -> Value:
    if scale == 1.0:
        return value
    return site.emit(Affine(np.asarray(scale), np.asarray(0.0)), value, suffix="scale")


def _apply(site: Site, scores: Value, value: Value) -> Result:
    queries, keys = scores.shape
    mask = band_mask(queries, keys, _flag(site, "use_causal_mask"))
    weights = masked_softmax(site, scores, (1,), mask)
    found = einsum(site, Equation(("ts", "sd"), "td"), weights, value)
    return (found, weights) if _flag(site, "return_attention_scores") else found


def _listed(site: Site) -> tuple[Value, Value, Value]:
    """Return query, value and key of a layer that is called on a list of two or three."""
    values = site.inputs
    if len(values) not in (2, 3) or any(len(v.shape) != 2 for v in values):
        raise ModelError(
            "attention wants [query, value] or [query, value, key], each (positions, features)",
            place=site.place,
            found=" and ".join(str(v.shape) for v in values),
        )
    return values[0], values[1], values[-1] if len(values) == 3 else values[1]


RANDOM = frozenset({"dropout", "seed"})
MULTI_HEAD: dict[str, Any] = {
    "num_heads": REQUIRED, "key_dim": REQUIRED, "value_dim": None, "use_bias": True,
    "output_shape": None, "attention_axes": None, "sliding_window": None, "use_gate": False,
}  # fmt: skip
GROUPED: dict[str, Any] = {
    "head_dim": REQUIRED, "num_query_heads": REQUIRED, "num_key_value_heads": REQUIRED,
    "use_bias": True, "sliding_window": None, "use_gate": False,
}  # fmt: skip
CALL = frozenset({"query", "value", "key", "use_causal_mask", "return_attention_scores"})
LISTED = frozenset({"use_causal_mask", "return_attention_scores"})

HANDLERS = (
    Handler("AdditiveAttention", "keras", Table({"use_scale": True}, RANDOM), _additive,
            options=LISTED),
    Handler("Attention", "keras", Table({"use_scale": False, "score_mode": "dot"}, RANDOM),
            _dot_product, options=LISTED),
    *(
        Handler(kind, "keras", Table(GROUPED, RANDOM), _grouped_query, options=CALL)
        for kind in ("GroupQueryAttention", "GroupedQueryAttention")
    ),
    Handler("MultiHeadAttention", "keras",
            Table(MULTI_HEAD, RANDOM, only={"flash_attention": (None, False)}), _multi_head,
            options=CALL),
)  # fmt: skip
