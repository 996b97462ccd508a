"""List the nodes of an ONNX model, whether or not they are handled."""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto

from gatewright.frontends.listed import Listed
from gatewright.frontends.onnx.load import load


def list_onnx(model: Path | str | ModelProto) -> list[Listed]:
    """Return every node, by its name or else its result's, with its operator.

    Raises:
        FileError: the file cannot be read.
        ModelError: it is no ONNX model, or its names form no graph.
        UnsupportedError: it holds functions, subgraphs, or an opset that is not handled.
    """
    nodes = load(model).nodes
    return [Listed(str(node.name or node.output[0]), node.op_type) for node in nodes]
