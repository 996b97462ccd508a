"""Quantization of decision forests: where features are cut, and the words of leaves."""

from gatewright.quantize.forests.stage import ForestResult, quantize_forest

__all__ = ["ForestResult", "quantize_forest"]
