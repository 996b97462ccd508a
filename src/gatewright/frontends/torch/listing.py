"""List what a PyTorch model computes from its input, whether or not it is handled."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.export.graph_signature import InputKind

from gatewright.frontends.listed import Listed
from gatewright.frontends.torch.decompose import decompose
from gatewright.frontends.torch.operators import HARMLESS
from gatewright.frontends.torch.places import kind_of, where
from gatewright.frontends.torch.read import name_of, traced


def list_torch(model: Any, inputs: Any = None) -> list[Listed]:
    """Return every layer by name, with its class or else its operator.

    Raises:
        GatewrightError: the model cannot be read at all.
    """
    found = traced(model, inputs)
    program = decompose(found.program)
    computed = {
        getattr(s.arg, "name", "")
        for s in program.graph_signature.input_specs
        if s.kind is InputKind.USER_INPUT
    }
    layers: dict[str, str] = {}
    for node in program.graph.nodes:
        if node.op != "call_function" or not any(i.name in computed for i in node.all_input_nodes):
            continue
        name = name_of(node.target)
        if name in HARMLESS or name.startswith("aten.sym_size"):
            continue
        computed.add(node.name)
        example = node.meta.get("val")
        if node.target is operator.getitem or not isinstance(example, torch.Tensor | list | tuple):
            continue
        layers.setdefault(where(node, found.source).layer, kind_of(node) or name)
    return [Listed(name, kind) for name, kind in layers.items()]
