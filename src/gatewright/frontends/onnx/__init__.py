"""Read ONNX and QONNX files: standard operators, `Quant` nodes, QDQ and QCDQ pairs."""

from gatewright.frontends.onnx.listing import list_onnx
from gatewright.frontends.onnx.read import read_onnx

__all__ = ["list_onnx", "read_onnx"]
