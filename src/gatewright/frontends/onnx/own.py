"""Operators of a user's own, in a domain of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from gatewright.base import ModelError
from gatewright.frontends.custom import CustomHandler, CustomLayer, custom_handler
from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Const, Operand


def own_handler(domain: str, op_type: str) -> CustomHandler | None:
    """Return the handler that the user gave for an operator."""
    return custom_handler(f"{domain}.{op_type}" if domain else op_type)


def build_own(call: Call, handler: CustomHandler) -> Sequence[Operand]:
    """Run a user's handler: attributes are the configuration, constant inputs the weights."""
    constants = [o for o in call.operands if isinstance(o, Const)]
    config = {a.name: _plain(a) for a in call.node.attribute}
    call.attributes.ignore(*config)
    inputs = tuple(
        call.value(i, "input") for i, o in enumerate(call.operands)
        if o is not None and not isinstance(o, Const)
    )  # fmt: skip

    def weights(*names: str) -> list[np.ndarray]:
        if len(names) != len(constants):
            raise ModelError(
                "an operator's constant inputs are not those its handler asks for",
                place=call.place,
                found=f"{len(constants)} constants",
                supported=", ".join(names) or "none",
            )
        return [constant.reals() for constant in constants]

    kind = f"{call.node.domain}.{call.node.op_type}".removeprefix(".")
    layer = CustomLayer(kind, call.layer, call.place, inputs, config, weights, call)
    return layer.build(handler)


def _plain(attribute: AttributeProto) -> object:
    """Return an attribute as numbers, texts, lists or arrays."""
    value = helper.get_attribute_value(attribute)
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return list(value) if not isinstance(value, int | float | str) else value
