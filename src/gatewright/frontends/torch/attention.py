"""Products of computed tensors, sums of products over named axes, and attention."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gatewright.frontends.recipes.einsum import (
    contract,
    einsum,
    parse_equation,
    without_batch,
)
from gatewright.frontends.recipes.einsum import matmul as product_of
from gatewright.frontends.torch import linear
from gatewright.frontends.torch.activations import masked_softmax
from gatewright.frontends.torch.call import Call
from gatewright.frontends.torch.elementwise import (
    check_batches,
    hidden,
    joined,
    scaled,
    shifted_mask,
)
from gatewright.frontends.torch.operand import Const, Operand, Value
from gatewright.ops import Add, Transpose


def matmul(call: Call) -> Operand:
    """Return the product of two tensors, of which one may be constant."""
    names = [n for n in ("self", "other", "mat2", "vec", "tensor") if call.has(n)][:2]
    a, b = (call.operand(n) for n in names)
    if not isinstance(a, Value) or not isinstance(b, Value):
        return linear.matmul(call)
    return multiplied(call, a, b)


def multiplied(call: Call, a: Value, b: Value, suffix: str = "") -> Value:
    """Return the matrix product of two computed tensors whose batches meet."""
    check_batches(call, a, b)
    if a.batch is not None and (a.from_right or 0) < 3:
        raise call.unsupported(
            f"{call.operator} multiplies along the batch",
            found=f"{a} and {b}",
            supported="the batch in front of both matrices",
        )
    product = product_of(call, a, b)
    return replace(product, batch=max(a, b, key=lambda v: v.rank).batch, joined=a.joined)


def baddbmm(call: Call) -> Operand:
    """Return `beta * self + alpha * batch1 @ batch2`."""
    beta, alpha = call.number("beta"), call.number("alpha")
    product = multiplied(call, call.value("batch1"), call.value("batch2"))
    product = scaled(call, product, alpha)
    offset = call.operand("self")
    if isinstance(offset, Value):
        return joined(call, Add(), product, scaled(call, offset, beta))
    numbers = beta * call.sample(call.const("self").reals(), product)
    return shifted_mask(call, product, numbers)


def einsum_(call: Call) -> Operand:
    """Return a sum of products over named axes, of computed tensors and at most one constant."""
    text, operands = call.text("equation"), call.operand("tensors")
    call.ignore("path")
    values = [o for o in operands if isinstance(o, Value)]
    if any(v.batch not in (0, None) or v.joined for v in values):
        found = " and ".join(map(str, values))
        raise call.unsupported("an einsum's batch is not the first axis", found=found)
    ranks = [o.rank if isinstance(o, Value) else len(o.shape) for o in operands]
    equation = parse_equation(text, ranks)
    if equation is not None and values[0].batch is not None:
        equation = without_batch(equation, [isinstance(o, Value) for o in operands])
    if equation is None:
        raise call.unsupported(
            "an einsum's equation is not handled",
            found=text,
            supported="the batch first in every computed operand and in the result, and nowhere "
            "else",
        )
    constants = [o for o in operands if isinstance(o, Const)]
    if not constants:
        return einsum(call, equation, *values)
    if len(operands) != 2:
        raise call.unsupported("an einsum joins more than two tensors, one constant", found=text)
    order = equation.operands if isinstance(operands[0], Value) else equation.operands[::-1]
    kernel = call.finite(constants[0].reals(), "a constant")
    return contract(call, replace(equation, operands=order), values[0], kernel)


def scaled_dot_product_attention(call: Call) -> Operand:
    """Return `softmax(query @ key.T * scale + mask) @ value` over the last two axes."""
    query, key, value = (call.value(n) for n in ("query", "key", "value"))
    if call.number("dropout_p"):
        raise call.unsupported("attention drops out weights", remedy="export module.eval()")
    scale = call.optional_number("scale")
    if call.has("enable_gqa") and call.flag("enable_gqa"):
        raise call.unsupported("attention shares keys among queries", found="enable_gqa")
    check_batches(call, query, key, value)
    axes = list(range(len(key.shape)))
    axes[-2:] = axes[-2:][::-1]
    turned = replace(call.emit(Transpose(tuple(axes)), key, suffix="keys"), batch=key.batch)
    factor = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = multiplied(call, scaled(call, query, factor, "query"), turned)
    weights = masked_softmax(call, _masked(call, scores), suffix="weights")
    return multiplied(call, weights, value)


def _masked(call: Call, scores: Value) -> Value:
    """Return scores with a mask: numbers to add, or truth values of what may be looked at."""
    mask = call.operand("attn_mask")
    if call.flag("is_causal"):
        return hidden(call, scores, np.tril(np.ones(scores.shape[-2:])))
    if mask is None:
        return scores
    if isinstance(mask, Value):
        if mask.kind == "bool":
            return hidden(call, scores, mask)
        return joined(call, Add(), scores, call.value("attn_mask"), suffix="masked")
    numbers = call.sample(mask.reals(), scores, "the mask")
    if not mask.tensor.is_floating_point():
        return hidden(call, scores, numbers)
    return shifted_mask(call, scores, numbers)


HANDLERS: dict[str, Callable[[Call], Operand]] = {
    "baddbmm": baddbmm,
    "bmm": matmul,
    "einsum": einsum_,
    "matmul": matmul,
    "mm": matmul,
    "scaled_dot_product_attention": scaled_dot_product_attention,
}
